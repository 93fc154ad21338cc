"""What must hold in a world after every event; the name of the class is what a failure prints.

Each looks at both sides: the engine's tables and messages, and the venue's record.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from ext.bounds import Bound
from ext.dtypes import BREAKER_STATE
from ext.safety_records import BreakerLevel
from ext.wire import BookState, OrderState
from sim.world.observations import SLOTS, SentMessage
from sim.world.sent_text import LOGON, NEW_RISK, PLACE, REQUESTS

if TYPE_CHECKING:
    from engine.runs.recovery import Recovery
    from sim.world.world import World

RING_SLOTS = int(Bound.RING_SLOTS)
OPEN_STATES = frozenset(
    int(state)
    for state in (
        OrderState.PENDING_NEW,
        OrderState.NEW,
        OrderState.PARTIALLY_FILLED,
        OrderState.PENDING_CANCEL,
        OrderState.PENDING_REPLACE,
        OrderState.SUSPENDED,
        OrderState.UNKNOWN,
    )
)


class WorldError(Exception):
    """Something that must hold does not. ``checker`` names what, ``str()`` says how."""

    def __init__(self, checker: str, text: str) -> None:
        super().__init__(text)
        self.checker = checker


class Checker(ABC):
    """One thing that must hold."""

    def require(self, is_right: object, text: str) -> None:
        """Raises ``WorldError`` unless ``is_right``."""
        if not is_right:
            raise WorldError(type(self).__name__, text)

    @abstractmethod
    def check(self, world: "World") -> None:
        """Looks at the world after an event; ``WorldError`` when it is wrong."""


class SentChecker(Checker):
    """A checker of the messages that left the engine, each seen once."""

    def __init__(self) -> None:
        self._seen = 0

    def check(self, world: "World") -> None:
        """Looks at what was sent since the last call."""
        sent = world.observations.sent
        while self._seen < len(sent):
            self._seen += 1
            self.check_message(sent[self._seen - 1])

    @abstractmethod
    def check_message(self, message: SentMessage) -> None:
        """Looks at one message."""


class ClientIdsAreUnique(SentChecker):
    """A request has a client id of its own, over all runs; only a repeat (43=Y) of FIX has an old
    one. By REST a cancel has none."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[str, SentMessage] = {}

    def check_message(self, message: SentMessage) -> None:
        """ClOrdID(11) of D, F and G, client_oid of a new order."""
        text = message.text
        if text.kind not in REQUESTS or not text.client_id:
            return
        first = self._ids.setdefault(text.client_id, message)
        if first is not message:
            is_same = text.is_repeat and (first.text.sequence, first.run) == (
                text.sequence,
                message.run,
            )
            self.require(is_same, f"{text.client_id} was sent again as another request")


class NothingNewWhilePaused(SentChecker):
    """A PAUSED engine sends no new order and no replace, not even a repeated one; a FLATTEN's
    orders are what it is paused for."""

    def check_message(self, message: SentMessage) -> None:
        """MsgType of what was sent while PAUSED."""
        is_risk = message.was_paused and message.text.kind in NEW_RISK
        is_risk = is_risk and not message.is_flatten
        self.require(not is_risk, f"{message.text.shown} was sent while PAUSED")


class NothingNewOfTheStopped(SentChecker):
    """A strategy that breakers have stopped sends no new order and no replace, not even a repeated
    one; what closes its position is not its own. Whom the portfolio alone has stopped may reduce:
    of that ``ExitsOnlyReduce`` makes sure."""

    def check_message(self, message: SentMessage) -> None:
        """Whose new risk it is."""
        kind = message.text.kind
        is_reducing = message.is_exit or (message.may_reduce and kind == PLACE)
        is_risk = message.was_stopped and kind in NEW_RISK and not is_reducing
        text = f"{message.text.shown} of strategy {message.strategy}, which is stopped"
        self.require(not is_risk, text)


class TrippedBreakersAreKept(Checker):
    """What has tripped and waits for a person does so until one resumes it, in the next run too.
    What the portfolio has stopped waits for room in it, and for nobody.

    A loss of power may cost what the journal had not on the disk; then what it has is what counts.
    """

    def __init__(self) -> None:
        self._tripped: set[int] = set()
        self._run = 0

    def check(self, world: "World") -> None:
        """Compares with all that has ever tripped."""
        if world.run_count != self._run:
            self._run = world.run_count
            if world.has_lost_power:
                self._tripped &= _latched(world.left)
        stopped = world.stopped_until_ns
        self._tripped -= world.people.resumed
        world.people.resumed.clear()
        lost = sorted(index for index in self._tripped if stopped.get(index, -1) != 0)
        self.require(not lost, f"strategies {lost} were stopped until a person looks")
        waiting = {index for index, until_ns in stopped.items() if until_ns == 0}
        self._tripped |= waiting - world.stopped_by_portfolio


def _latched(left: "Recovery | None") -> set[int]:
    """Strategies that stand in a journal as stopped until a person resumes them."""
    found = set()
    for index, kept in enumerate(left.snapshot.breakers[:-1] if left is not None else []):
        state = np.frombuffer(kept.ljust(BREAKER_STATE.itemsize, b"\0"), BREAKER_STATE, 1)[0]
        if state["level"] >= BreakerLevel.BREAKER_PAUSED and state["paused_until_ns"] == 0:
            found.add(index)
    return found


class NothingNewAfterKill(SentChecker):
    """From a KILL until a person rearms no new order and no replace leaves, in whatever run."""

    def check_message(self, message: SentMessage) -> None:
        """MsgType of what was sent since."""
        is_risk = message.was_killed and message.text.kind in NEW_RISK
        self.require(not is_risk, f"{message.text.shown} was sent after a KILL")


class NoLatchIsLost(Checker):
    """Who was killed is KILLED, over crashes and restarts, until a person rearms."""

    def check(self, world: "World") -> None:
        """Looks at the engine's own word."""
        if world.people.has_killed and not world.engine.is_dead:
            is_killed = world.engine.pipeline.is_killed
            self.require(is_killed, "somebody killed it, nobody rearmed it, and it may trade")


class NothingNewBehindTheJournal(SentChecker):
    """While order records are lost, or cannot be stored, no new order and no replace leaves.

    A repeat was recorded when it was sent first, and one that waited when it was decided.
    """

    def check_message(self, message: SentMessage) -> None:
        """MsgType of what was sent while the journal was behind."""
        is_risk = message.was_behind and message.text.kind in NEW_RISK and not message.is_old
        text = f"{message.text.shown} was sent while the journal is behind"
        self.require(not is_risk, text)


class OutgoingNumbersAreLegal(SentChecker):
    """MsgSeqNum goes up by one from the Logon's 1; only repeats (43=Y) have older numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 0

    def check_message(self, message: SentMessage) -> None:
        """MsgSeqNum(34) of what was sent."""
        sequence = message.text.sequence
        if message.text.kind == LOGON:
            self._last = 0
        if message.text.is_repeat:
            is_old = 0 < sequence <= self._last
            self.require(is_old, f"34={sequence} is a repeat, {self._last} was the last")
            return
        self.require(sequence == self._last + 1, f"34={sequence} follows {self._last}")
        self._last = sequence


class NoRiskIsTakenTwice(Checker):
    """The venue accepts each new order and each replace once."""

    def __init__(self) -> None:
        self._seen = 0
        self._ids: set[str] = set()

    def check(self, world: "World") -> None:
        """Looks at what the venue accepted since the last call."""
        accepted = world.observations.record.accepted_ids
        while self._seen < len(accepted):
            client_id = accepted[self._seen]
            self._seen += 1
            self.require(client_id not in self._ids, f"{client_id} was accepted twice")
            self._ids.add(client_id)


class OrderChecker(Checker):
    """A checker of orders and positions, called when either side's have moved."""

    def check(self, world: "World") -> None:
        """Looks when the event has touched an order."""
        if world.have_orders_moved:
            self.check_orders(world)

    @abstractmethod
    def check_orders(self, world: "World") -> None:
        """Looks at both sides."""


class EveryOpenOrderIsKnown(OrderChecker):
    """What is open at the venue is open for the engine too, in whatever state."""

    def check_orders(self, world: "World") -> None:
        """Looks at every order that the venue holds open."""
        states = world.engine.orders["state"]
        numbers = world.engine.orders["order_number"]
        for order in world.observations.open_orders.values():
            if world.has_forgotten(order):
                continue
            number = world.observations.number_of_order.get(order.order_id, 0)
            self.require(number, f"{order.client_order_id} is open and nobody sent it")
            state = int(states[number % SLOTS])
            is_known = int(numbers[number % SLOTS]) == number and state in OPEN_STATES
            text = f"order {number} is open at the venue and {OrderState(state).name} here"
            self.require(is_known, text)


class FillsAreCountedOnce(OrderChecker):
    """No order has more filled than the venue has filled of it."""

    def check_orders(self, world: "World") -> None:
        """Compares every order of the table."""
        theirs = world.observations.filled_at_venue(world.engine)
        orders = world.engine.orders[: len(theirs)]
        wrong = np.flatnonzero(orders["filled_lots"] > theirs)
        if wrong.size:
            order, lots = orders[wrong[0]], int(theirs[wrong[0]])
            text = f"order {order['order_number']}: {order['filled_lots']} lots filled"
            self.require(False, f"{text}, {lots} in truth")


class PositionIsTheSumOfFills(OrderChecker):
    """Positions move with what the orders have filled, signed."""

    def __init__(self) -> None:
        self._run = -1
        self._held = np.zeros(0, np.int64)
        self._numbers = np.zeros(SLOTS, np.int64)
        self._signed = np.zeros(SLOTS, np.int64)

    def check_orders(self, world: "World") -> None:
        """Follows every order of the table, and compares every strategy."""
        engine = world.engine
        numbers = engine.orders["order_number"].copy()
        signed = engine.orders["side"] * engine.orders["filled_lots"]
        if engine.run == self._run:
            before = np.where(numbers == self._numbers, self._signed, 0)
            moved = np.flatnonzero(signed != before)
            for slot in moved:
                strategy = int(engine.orders["strategy"][slot])
                self._held[strategy] += int(signed[slot] - before[slot])
        else:  # it begins with what the last run left, which another checker looks at
            self._run = engine.run
            self._held = engine.positions["position_lots"].copy()
        self._numbers, self._signed = numbers, signed
        wrong = np.flatnonzero(engine.positions["position_lots"] != self._held)
        if wrong.size:
            index = int(wrong[0])
            held = int(engine.positions["position_lots"][index])
            text = f"strategy {index} holds {held} lots, its orders filled {self._held[index]}"
            self.require(False, text)


class LiveBooksAreRight(Checker):
    """A LIVE book is what the delivered frames make it."""

    def check(self, world: "World") -> None:
        """Compares the books whose frames came in this event."""
        if not world.mirror.changed:
            return
        for index, symbol in enumerate(world.symbols):
            mirror = world.mirror
            if symbol not in mirror.changed:
                continue
            book = world.engine.pipeline.book(index)
            if book.state != BookState.LIVE or not mirror.is_certain(symbol):
                continue
            for is_bid in (True, False):
                ours, theirs = book.levels(is_bid), mirror.levels(symbol, is_bid=is_bid)
                side = "bids" if is_bid else "asks"
                text = f"{side} of {symbol} are {ours[:4]}, frames make them {theirs[:4]}"
                self.require(ours == theirs, text)
        world.mirror.changed.clear()


class OneConnectionNeedsNoPause(Checker):
    """What one unbroken connection does to messages, the session mends: no doubt, no pause."""

    def check(self, world: "World") -> None:
        """Looks whether the engine was PAUSED by a report, or gave up."""
        engine = world.engine
        if world.observations.connections > 1 or world.run_count > 1:
            return
        if engine.reconciler.has_explained:
            return  # REST was ahead of reports that waited behind a gap: they come second
        self.require(not engine.doubts, f"PAUSED: {', '.join(engine.doubts)}")
        self.require(not engine.fatal_reason, f"gave up: {engine.fatal_reason}")


class TablesAreBounded(Checker):
    """Nothing grows without end: queues, gaps, questions."""

    QUEUED_EVENTS = 20_000
    EVENTS = 200_000
    LOOKS_EVERY_EVENTS = 64

    def check(self, world: "World") -> None:
        """Looks at what could grow, now and then."""
        if world.schedule.event_count % self.LOOKS_EVERY_EVENTS:
            return
        queued = world.schedule.queued
        self.require(queued <= self.QUEUED_EVENTS, f"{queued} events are planned")
        count = world.schedule.event_count
        self.require(count <= self.EVENTS, f"{count} events and no end")
        written = int(world.engine.header["write_sequence"][0])
        self.require(written < RING_SLOTS, f"{written} records in one run: the world is too long")
