"""KILL in a running engine: no new risk at once, everything cancelled, proven, told, latched.

    word set ─ record ─ cancel all by the order session ─ latch ─► KILLED
                                                          └─ audit, latch on the disk
    KILLED: cancel by REST ─ ask until the venue lists nothing, twice ─► proven ─ ask now and then
    KILLED ─ rearm: a person, a reason, nothing open, records equal ─► as before the KILL

The word is in shared memory, and the compiled arc reads it before every send; whoever sets it needs
no help of this loop. Cancels leave before anything waits for a disk. The record of the KILL is in
the order ring by then, so that a crash here loses neither: the next run begins KILLED.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from control.audit_log import AuditEntry
from control.commands import new_command_id
from control.kill_source import KillSource, source_words
from control.latch import Latch, make_latch
from control.mailbox import read_kill_word, set_kill_word
from control.people import Who
from engine.composition import Arc
from engine.levels.cancel_by_rest import (
    FIRST_WAIT_S,
    Asks,
    ZeroProof,
    cancel_until_zero,
    count_open_orders,
)
from ext.wire import EngineState, OrderState
from gateways.rest_request import RestError

NOT_RESTING = (OrderState.UNKNOWN, OrderState.PENDING_CANCEL)
LOOK_AGAIN_S = 5.0  # while KILLED: an order may have been on its way, or somebody places one
_log = logging.getLogger("engine.kill")


class Latches(Protocol):
    """``control.latch.LatchFile``, or what stands for it."""

    def write(self, latch: Latch) -> bool:
        """Puts it there unless there is one."""

    def sync(self) -> None:
        """On the disk when this returns."""

    def read(self) -> Latch | None:
        """What is there."""

    def remove(self, kill_id: str) -> bool:
        """Takes the latch of that KILL away."""


@dataclass(frozen=True, slots=True)
class KillEdges:
    """What the switch touches: clocks, the latch, the log of audits, and the loop's helpers.

    ``now_ns`` is the engine's clock, ``monotonic_ns`` measures. ``in_background`` runs what may
    wait for a disk, ``spawn`` a task of the loop.
    """

    now_ns: Callable[[], int]
    monotonic_ns: Callable[[], int]
    latch: Latches
    audit: Callable[[AuditEntry], object]
    in_background: Callable[[Callable[[], None]], object]
    spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
    sleep: Callable[[float], Awaitable[None]]
    is_session_active: Callable[[], bool]


class KillSwitch:
    """The KILL of one run. Call ``look`` often: it is a glance.

    ``rest`` is set as soon as the venue's address is known; ``has_no_rest`` when the config leads
    to none, ``is_virtual`` when nothing of this engine is at a venue.
    """

    def __init__(self, arc: Arc, edges: KillEdges) -> None:
        self.proof: ZeroProof | None = None
        self.latch: Latch | None = None
        self.sent_cancels = 0
        self.last_byte_ns = 0
        """From the trigger to the last cancel handed to the socket, nanoseconds."""
        self.proven_ns = 0
        """The same to the venue's first empty list."""
        self.rest: Asks | None = None
        self.has_no_rest = self.is_virtual = False
        self.on_killed: Callable[[], None] = lambda: None
        self._arc = arc
        self._edges = edges
        self._header = arc.memory.header_record()
        self._started_ns = 0
        self._progress = ""
        self._is_rearming = False
        self._rehearse()

    def _rehearse(self) -> None:
        """The words of a KILL once, for nobody: the first time takes ten times as long as the next
        ones, and nobody kills twice to get used to it."""
        set_kill_word(np.zeros_like(self._header), int(KillSource.KILL_CONTROL), "", 0)
        msgspec.json.encode(make_latch(new_command_id(), "", KillSource.KILL_CONTROL.words, 0))
        self._arc.pipeline.orders.open_orders()

    @property
    def is_killed(self) -> bool:
        """Whether the word is set, whoever has set it."""
        return self._arc.pipeline.is_killed

    @property
    def is_proven(self) -> bool:
        """Whether the venue has said that nothing is open since the KILL."""
        return self.proof is not None and self.proof.is_proven

    def kill(
        self,
        reason: str,
        source: KillSource,
        inputs: Mapping[str, object] | None = None,
        who: Who | None = None,
    ) -> None:
        """Stops everything now; a second KILL cancels again and keeps the first one's reason."""
        started_ns = self._edges.monotonic_ns()
        now_ns = self._edges.now_ns()
        set_kill_word(self._header, int(source), reason, now_ns)  # before anything that takes time
        shown = {name: str(value) for name, value in (inputs or {}).items()}
        latch = make_latch(new_command_id(), reason, source.words, now_ns, who, shown)
        self._begin(latch, int(source), started_ns)

    def look(self) -> None:
        """Takes up a KILL that another process has begun by setting the word."""
        if self.latch is not None or not self.is_killed:
            return
        started_ns = self._edges.monotonic_ns()
        source, reason, time_ns = read_kill_word(self._header)
        where = source_words(source)
        reason = reason or "the kill word was set"
        self._begin(make_latch(new_command_id(), reason, where, time_ns), source, started_ns)

    def look_at_latch(self) -> None:
        """Takes up a latch that was put there while the word could not be set."""
        if self.latch is None and not self._is_rearming and (latch := self._edges.latch.read()):
            self.take_over(latch)

    def take_over(self, latch: Latch) -> None:
        """KILLED already when this run begins, or by a latch alone."""
        set_kill_word(self._header, int(KillSource.KILL_LATCH), latch.reason, self._edges.now_ns())
        self._begin(latch, int(KillSource.KILL_LATCH), self._edges.monotonic_ns())

    def _begin(self, latch: Latch, source: int, started_ns: int) -> None:
        is_first = self.latch is None
        text = msgspec.json.encode(latch).decode()
        self._arc.pipeline.kill(self._edges.now_ns(), source, text)
        self.cancel()
        if is_first:
            self._started_ns = started_ns
            self.last_byte_ns = self._edges.monotonic_ns() - started_ns
            self.latch = latch
            self._keep(latch)
        _log.critical("%s; %d cancels sent", latch.text, self.sent_cancels)
        self._show_progress("cancelling")
        self._edges.in_background(lambda: self._put_down(latch, text, is_first))
        self.on_killed()
        if is_first:
            self._edges.spawn(self._guard)

    def _keep(self, latch: Latch) -> None:
        """Before anything that may wait: another process and the next run see it from here on."""
        try:
            self._edges.latch.write(latch)
            self.latch = self._edges.latch.read() or latch  # the first one has the cause
        except OSError as error:
            _log.critical(
                "the latch cannot be written (%s): the journal alone keeps the KILL over a restart;"
                " do not start with --fresh",
                error.strerror,
            )

    def _put_down(self, latch: Latch, text: str, is_first: bool) -> None:
        try:
            self._edges.latch.sync()
        except OSError as error:
            _log.error("the latch is not on the disk: %s", error.strerror)
        self._audit(
            "kill" if is_first else "kill again",
            latch.source,
            latch.reason,
            {
                "latch": text,
                "cancels_sent": str(self.sent_cancels),
                "trigger_to_last_byte_ns": str(self.last_byte_ns),
            },
            latch.who,
        )

    def cancel(self) -> None:
        """Asks for the cancel of all that is open over the order session, if it is up."""
        if self._edges.is_session_active():
            self.sent_cancels += self._arc.pipeline.cancel_all(self._edges.now_ns())

    def cancel_again(self) -> None:
        """Once a second: what still rests, because a cancel was refused or the session was down.

        UNKNOWN orders alone are left to the questions about them, which each cancel would disturb;
        if one of them lives, the cancel by REST has it.
        """
        if self.is_killed and any(
            order["state"] not in NOT_RESTING for order in self._arc.pipeline.orders.open_orders()
        ):
            self.cancel()

    async def _guard(self) -> None:
        """While KILLED: cancels and asks until nothing is open, and asks again now and then."""
        latch = self.latch
        if self.is_virtual:
            self._show_progress("nothing of it is at a venue")
            return
        while self.rest is None:
            if self.has_no_rest:
                _log.critical("KILLED without REST: nobody can prove it here; look at the venue")
                self._show_progress("look at the venue, no REST to prove it by")
                return
            await self._edges.sleep(FIRST_WAIT_S)
        while latch is not None and self.latch is latch:
            if self.is_proven:
                await self._edges.sleep(LOOK_AGAIN_S)
                await self._look_at_venue(self.rest)
            else:
                await self._prove(self.rest, latch)

    async def _look_at_venue(self, rest: Asks) -> None:
        try:
            count = await count_open_orders(rest)
        except RestError as error:
            _log.warning("KILLED, and the venue cannot be asked what is open: %s", error)
            return
        if count and self.latch is not None:
            _log.critical("KILLED, and the venue lists %d open orders again: cancelling", count)
            self.proof = None

    async def _prove(self, rest: Asks, latch: Latch) -> None:
        proof = await cancel_until_zero(
            rest,
            self._edges.monotonic_ns,
            self._edges.sleep,
            deadline_ns=self._edges.monotonic_ns() + int(LOOK_AGAIN_S * 1e9),
            on_problem=lambda text: _log.critical("KILLED, not proven yet: %s", text),
        )
        if self.latch is not latch:
            return
        if not proof.is_proven:
            count = "an unknown number of" if proof.open_orders < 0 else str(proof.open_orders)
            self._show_progress(f"NOT PROVEN: {count} orders open")
            return
        self.proof = proof
        if not self.proven_ns:
            self.proven_ns = proof.zero_ns - self._started_ns
        _log.critical(
            "KILL proven: the venue lists no open order, twice; last cancel sent after %.3f ms,"
            " nothing open after %.1f ms",
            self.last_byte_ns / 1e6,
            self.proven_ns / 1e6,
        )
        self._show_progress("nothing open, proven")
        facts = {
            "trigger_to_zero_ns": str(self.proven_ns),
            "cancelled_by_rest": str(proof.cancelled),
            "rounds": str(proof.rounds),
        }
        now_ns = self._edges.now_ns()
        said = {"what": "kill proven", "id": latch.id, **facts}
        self._arc.pipeline.note_command(now_ns, msgspec.json.encode(said).decode())
        self._edges.in_background(
            lambda: self._audit("kill proven", latch.source, latch.reason, facts, None)
        )

    def show(self) -> None:
        """Publishes again that the engine is KILLED, and how far that is."""
        self._show_progress(self._progress)

    def _show_progress(self, what: str) -> None:
        self._progress = what
        if self.latch is not None:
            self._show(f"{what}: {self.latch.reason}" if what else self.latch.reason)

    def _show(self, text: str) -> None:
        state = int(self._header["engine_state"][0])
        if state not in (EngineState.ENGINE_STOPPING, EngineState.ENGINE_STOPPED):
            self._arc.memory.set_state(EngineState.ENGINE_KILLED_STATE, text)

    def _audit(
        self, what: str, where: str, why: str, detail: dict[str, str], who: Who | None
    ) -> None:
        try:
            self._edges.audit(AuditEntry(what=what, where=where, why=why, detail=detail, who=who))
        except Exception as error:  # a KILL goes on whatever becomes of its record
            _log.critical("the audit log lacks this KILL: %s", error)

    @property
    def killed_ns(self) -> int:
        """Wall clock of the newest KILL: what a person has seen who wants it lifted."""
        return int(self._header["kill_time_ns"][0])

    async def rearm(
        self, reason: str, who: str, seen_ns: int, is_clean: Callable[[], Awaitable[str]]
    ) -> str:
        """Lifts the KILL that was the newest at ``seen_ns`` (``killed_ns`` when the person looked);
        empty when it was lifted, else why not.

        ``is_clean`` compares our records with the venue's now, and says what is not equal.
        """
        latch = self.latch
        if latch is None:
            return "" if not self.is_killed else "the KILL is being taken up just now: ask again"
        if not reason.strip():
            return "a rearm needs a reason: --reason TEXT"
        if self.killed_ns != seen_ns:
            return "another KILL came since you looked: see wow-ctl status, then ask again"
        self._is_rearming = True
        try:
            problem = await self._find_problem(is_clean)
            if problem or self.killed_ns != seen_ns:
                return problem or "another KILL came meanwhile"
            return self._lift(latch, reason, who, seen_ns)
        finally:
            self._is_rearming = False

    async def _find_problem(self, is_clean: Callable[[], Awaitable[str]]) -> str:
        if self.is_virtual:
            ours = len(self._arc.pipeline.orders.open_orders())
            return f"{ours} orders are open here: wait" if ours else ""
        if self.rest is None:
            return "there is no REST to ask the venue by: set [kill] rest_url"
        try:
            count = await count_open_orders(self.rest)
        except RestError as error:
            return f"the venue cannot be asked what is open: {error}"
        if count:
            return f"the venue still lists {count} open orders: wait, or cancel them there"
        if ours := len(self._arc.pipeline.orders.open_orders()):
            return f"{ours} orders are open or unknown here: wait until the venue has told"
        return await is_clean()

    def _lift(self, latch: Latch, reason: str, who: str, killed_ns: int) -> str:
        said: dict[str, Any] = {"what": "rearm", "id": latch.id, "who": who, "why": reason}
        if not self._edges.latch.remove(latch.id):
            return "another KILL came meanwhile: its latch stays"
        self._arc.pipeline.rearm(self._edges.now_ns(), msgspec.json.encode(said).decode())
        self._header["kill_reason"] = b""
        self.latch = self.proof = None
        self._progress = ""
        self.sent_cancels = self.last_byte_ns = self.proven_ns = 0
        _log.warning("REARMED by %s: %s", who, reason)
        self._is_rearming = False
        # Whoever kills sets time and word, then the latch, then both again: one of them is seen.
        self.look_at_latch()
        if self.killed_ns != killed_ns and not self.is_killed:
            self.kill("killed while it was rearmed", KillSource.KILL_LATCH)
        return "another KILL came meanwhile" if self.is_killed else ""
