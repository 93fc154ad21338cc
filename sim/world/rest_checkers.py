"""What must hold of orders by REST alone, where sessions of FIX have their numbers."""

from collections import Counter
from typing import TYPE_CHECKING

from sim.world.checkers import Checker, SentChecker
from sim.world.observations import SentMessage
from sim.world.sent_text import CANCEL, PLACE

if TYPE_CHECKING:
    from sim.world.world import World

NEW_ORDER_WAIT_NS = 500_000_000
TURN_NS = 100_000_000
"""Connections are looked at now and then."""


class OneRequestIsUnderWay(Checker):
    """A connection carries one request at a time: a server may answer none behind one that
    fails."""

    def __init__(self) -> None:
        self._seen = 0
        self._sent: Counter[tuple[int, int]] = Counter()

    def check(self, world: "World") -> None:
        """Looks at what left in this event, and at the answers that had begun to come."""
        sent, engine = world.observations.sent, world.engine
        for message in sent[self._seen :]:
            key = message.run, message.connection
            self._sent[key] += 1
            if message.run != engine.run:
                continue
            answers = world.answer_counts()[message.connection]
            text = f"{message.text.shown} is number {self._sent[key]} of connection {key[1]}"
            self.require(self._sent[key] <= answers + 1, f"{text}, which had {answers} answers")
        self._seen = len(sent)


class NoOldOrderLeaves(SentChecker):
    """A new order that found no free connection leaves soon, or never: its price gets old."""

    def check_message(self, message: SentMessage) -> None:
        """When it was decided on, and when it left."""
        waited_ns = message.time_ns - message.decided_ns
        is_soon = message.text.kind != PLACE or waited_ns <= NEW_ORDER_WAIT_NS + TURN_NS
        text = f"{message.text.client_id} left {waited_ns / 1e9:.3f} s after it was decided on"
        self.require(is_soon, text)


class NothingNewWithoutASession(SentChecker):
    """While nobody tells of fills, or the venue wants a rest, no new order leaves, whenever it was
    decided on."""

    def check_message(self, message: SentMessage) -> None:
        """What left while the session was down."""
        is_risk = message.text.kind == PLACE and not message.was_active
        self.require(not is_risk, f"{message.text.client_id} left while the session was down")


class NoOrderLeavesBehindItsCancel(SentChecker):
    """A new order whose cancel has left does not leave any more: the venue, which knows nothing of
    it yet, would refuse the one and take the other."""

    def __init__(self) -> None:
        super().__init__()
        self._cancelled: set[str] = set()

    def check_message(self, message: SentMessage) -> None:
        """Which of the two left first."""
        text = message.text
        if text.kind == CANCEL:
            self._cancelled.add(text.order_id)
        is_first = text.kind != PLACE or text.order_id not in self._cancelled
        self.require(is_first, f"{text.order_id} left behind its own cancel")


class APauseHasACause(Checker):
    """An engine asks a person to look when the venue has refused its key, when a run before it has
    died, or when REST has told of something that no answer had: never by itself."""

    def check(self, world: "World") -> None:
        """Looks whether the engine was PAUSED, or gave up."""
        engine = world.engine
        self.require(not engine.fatal_reason, f"gave up: {engine.fatal_reason}")
        if world.run_count > 1 or world.venue.access_refusals:
            return
        self.require(not engine.doubts, f"PAUSED: {', '.join(engine.doubts)}")
