"""Drives the production pipeline from a journal: the same inputs, at the same times, in the same
order. What it decides and sends has to be what was decided and sent, byte for byte.

An input and all that came of it are one group: the sender of the repetition fails where the socket
had failed, and what it was given is compared with the recorded bytes as soon as the group is done.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.composition import Arc, OrderEdge, join, private_memory
from engine.kernel.kernels import CompiledStrategy
from engine.runs.run_identity import RunIdentity
from engine.runs.state_hash import hash_state
from engine.settings.config_schema import EngineConfig
from ext.dtypes import EXECUTION_REPORT, REQUEST_TERMS
from ext.errors import RecordingError
from ext.fix_listener import FixListener
from ext.order_sender import CapturingSender
from ext.session_store import SessionStore
from ext.wire import Command, RecordKind, ReportFormat
from journal.entries import Entry
from journal.order_ledger import UNARMED
from journal.run_facts import RunFacts

CAPTURE_BYTES = 8 << 20
ANSWER_LOST = 1  # ``detail`` of COMMAND_SEND_FAILED: of a message that left

INPUT_KINDS = frozenset(
    int(kind)
    for kind in (
        RecordKind.RECORD_FRAME,
        RecordKind.RECORD_READ_END,
        RecordKind.RECORD_REPORT,
        RecordKind.RECORD_TIMER,
        RecordKind.RECORD_SESSION_WORDS,
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that was not the same: at which record, and what either side has."""

    sequence: int
    time_ns: int
    what: str
    recorded: bytes
    repeated: bytes


@dataclass(slots=True)
class ReplayResult:
    """What a replay did. ``recorded_hash`` is empty when the run did not end in order;
    ``dropped_frames`` were not recorded, so that nothing behind them need be the same."""

    frames: int = 0
    reports: int = 0
    timers: int = 0
    commands: int = 0
    requests: int = 0
    hashes_checked: int = 0
    recorded_hash: str = ""
    state_hash: str = ""
    has_cut_end: bool = False
    last_time_ns: int = 0
    difference: Difference | None = None
    dropped_frames: int = 0


def make_replay_arc(
    config: EngineConfig, strategies: tuple[CompiledStrategy, ...], facts: RunFacts
) -> tuple[Arc, CapturingSender, SessionStore]:
    """The arc of a run again, connected to nothing."""
    sender = CapturingSender(CAPTURE_BYTES)
    store = SessionStore(None, "replay")
    edge = None
    if facts.target_comp_id and config.engine.mode != "shadow":
        edge = OrderEdge(facts.sender_comp_id, facts.target_comp_id, store, sender)
    memory = private_memory(config, strategies)
    identity = RunIdentity(facts.prefix.encode(), facts.first_number)
    forbidden = facts.site.forbidden
    return join(config, strategies, memory, edge, identity, forbidden), sender, store


class Replay:
    """One repetition; ``step`` takes the groups of the journal in order.

    ``is_compared`` False: another strategy may want other orders, and only its decisions count.
    """

    def __init__(
        self, arc: Arc, sender: CapturingSender, store: SessionStore, *, is_compared: bool = True
    ) -> None:
        self.arc = arc
        self.result = ReplayResult()
        self._sender = sender
        self._store = store
        self._is_compared = is_compared
        self._header = arc.memory.header_record()
        self._listener = FixListener(
            store, arc.pipeline, arc.decoder, _ignore, _ignore_garbled, _ignore, _ignore
        )
        self._actions = {
            RecordKind.RECORD_FRAME: self._frame,
            RecordKind.RECORD_READ_END: self._read_end,
            RecordKind.RECORD_REPORT: self._report,
            RecordKind.RECORD_TIMER: self._timer,
            RecordKind.RECORD_SESSION_WORDS: self._session_words,
            RecordKind.RECORD_COMMAND: self._command,
        }

    def run(
        self, entries: Iterator[Entry], on_progress: Callable[[Entry], None] | None = None
    ) -> ReplayResult:
        """Repeats all entries, up to the first difference, and hashes the state at the end."""
        groups = group_entries(entries)
        for cause, effects in groups:
            is_same = self.step(cause, effects)
            if on_progress is not None and cause is not None:
                on_progress(cause)
            if not is_same:
                self._forgive_cut_end(next(groups, None) is None)
                break
        self.result.state_hash = hash_state(self.arc)
        return self.result

    def step(self, cause: Entry | None, effects: list[Entry]) -> bool:
        """Repeats one input and compares what came of it; whether it was the same.

        ``cause`` None: what was recorded before the first input.
        """
        has_failed = _failures(effects)
        if True in has_failed:
            self._sender.refuse_after(has_failed.index(True))
        for each in effects:
            if is_kill_seen(each):
                record = each.record
                self.arc.pipeline.kill_from(int(record["reference"]), int(record["detail"]))
        if cause is not None:
            self.result.last_time_ns = cause.time_ns
            self._actions[RecordKind(cause.kind)](cause)
        if not self._is_compared:
            self._sender.take()
            return True
        return self._compare(cause, effects, has_failed) and self._check_hashes(effects)

    def _compare(self, cause: Entry | None, effects: list[Entry], has_failed: list[bool]) -> bool:
        requests = [each for each in effects if each.kind == RecordKind.RECORD_REQUEST]
        recorded = b"".join(
            each.data[REQUEST_TERMS.itemsize :]
            for each, is_lost in zip(requests, has_failed, strict=True)
            if not is_lost
        )
        repeated = self._sender.take()
        self.result.requests += len(requests)
        if recorded == repeated:
            return True
        at = requests[0] if requests else cause
        if at is not None:
            self.result.difference = Difference(
                at.sequence, at.time_ns, "requests", recorded, repeated
            )
        return False

    def _forgive_cut_end(self, is_last: bool) -> None:
        """A crash in the middle of an input leaves its requests and not the input: the record of
        a frame is written when it is done with. Those at the very end have no cause."""
        found = self.result.difference
        if found is None or not is_last or self.result.recorded_hash:
            return
        if found.what == "requests" and found.recorded.startswith(found.repeated):
            self.result.difference = None
            self.result.has_cut_end = True

    def _check_hashes(self, effects: list[Entry]) -> bool:
        for each in effects:
            if each.kind != RecordKind.RECORD_STATE_HASH:
                continue
            found = hash_state(self.arc)
            self.result.recorded_hash = each.data.decode()
            self.result.hashes_checked += 1
            if found != self.result.recorded_hash:
                self.result.difference = Difference(
                    each.sequence, each.time_ns, "state hash", each.data, found.encode()
                )
                return False
        return True

    # Inputs

    def _frame(self, entry: Entry) -> None:
        self.result.frames += 1
        self.result.dropped_frames = int(entry.record["reference"])
        self.arc.pipeline.receive(entry.data, entry.time_ns)

    def _read_end(self, entry: Entry) -> None:
        self.arc.pipeline.decide(entry.time_ns)

    def _report(self, entry: Entry) -> None:
        self.result.reports += 1
        match ReportFormat(int(entry.record["code"])):
            case ReportFormat.REPORT_FIX:
                self._listener.apply_message(entry.data, entry.time_ns)
            case ReportFormat.REPORT_FIELDS | ReportFormat.REPORT_REST:
                report = np.frombuffer(entry.data, EXECUTION_REPORT, 1)[0]
                fields = {name: report[name] for name in EXECUTION_REPORT.names or ()}
                answer = entry.data[EXECUTION_REPORT.itemsize :]
                self.arc.pipeline.apply_report(fields, entry.time_ns, answer)
            case unknown:
                raise RecordingError(f"record {entry.sequence}: no replay of {unknown.name} yet")

    def _timer(self, entry: Entry) -> None:
        self.result.timers += 1
        self.arc.pipeline.call_timers(entry.time_ns)

    def _session_words(self, entry: Entry) -> None:
        self._store.next_outgoing = int(entry.record["order_number"])
        self._store.is_active = bool(entry.record["code"])
        self._header["journal_failing"] = int(entry.record["detail"])

    def _command(self, entry: Entry) -> None:
        record, pipeline, now_ns = entry.record, self.arc.pipeline, entry.time_ns
        detail, reference = int(record["detail"]), int(record["reference"])
        text = entry.data.decode(errors="replace")
        self.result.commands += 1
        match Command(int(record["code"])):
            case Command.COMMAND_MARK_STALE:
                pipeline.mark_stale(detail, reference, now_ns)
            case Command.COMMAND_CONNECTION_LOST:
                pipeline.connection_lost(now_ns)
            case Command.COMMAND_SUBSCRIBED:
                pipeline.subscribed(now_ns)
            case Command.COMMAND_CANCEL_ALL:
                pipeline.cancel_all(now_ns)
            case Command.COMMAND_MARK_UNKNOWN:
                pipeline.mark_unknown(now_ns)
            case Command.COMMAND_EXPIRE_PENDING:
                pipeline.expire_pending(now_ns, reference)
            case Command.COMMAND_FORGET_SEQUENCES:
                pipeline.forget_sequences(now_ns)
            case Command.COMMAND_PAUSE if detail == UNARMED:
                pipeline.disarm(now_ns, text)
            case Command.COMMAND_PAUSE:
                pipeline.pause(now_ns, text, bool(detail))
            case Command.COMMAND_RESUME:
                pipeline.resume(now_ns, text)
            case Command.COMMAND_STRATEGY_PAUSE:
                pipeline.pause_strategy(detail, reference, now_ns, text)
            case Command.COMMAND_STRATEGY_RESUME:
                pipeline.resume_strategy(detail, now_ns, text, reference)
            case Command.COMMAND_AGREED:
                pipeline.note_agreed(now_ns, text)
            case Command.COMMAND_BREAKER:
                pipeline.tell_breaker(detail, now_ns, text)
            case Command.COMMAND_SEND_FAILED if detail:
                pipeline.lose_answer(reference, now_ns)
            case Command.COMMAND_KILL:
                pipeline.kill(now_ns, detail, text)
            case Command.COMMAND_REARM:
                pipeline.rearm(now_ns, text)
            case Command.COMMAND_FLATTEN:
                pipeline.flatten(detail, reference, int(text), now_ns)
            case Command.COMMAND_OPERATOR:
                pipeline.note_command(now_ns, text)
            case Command.COMMAND_SEND_FAILED:
                pass  # of a request: the sender of its group fails


def group_entries(entries: Iterator[Entry]) -> Iterator[tuple[Entry | None, list[Entry]]]:
    """Each input with what came of it; what stands before the first input comes with None."""
    cause: Entry | None = None
    effects: list[Entry] = []
    for entry in entries:
        if is_input(entry):
            if cause is not None or effects:
                yield cause, effects
            cause, effects = entry, []
        else:
            effects.append(entry)
    if cause is not None or effects:
        yield cause, effects


def is_input(entry: Entry) -> bool:
    """Whether the arc has to be given it, rather than having made it."""
    if entry.kind == RecordKind.RECORD_COMMAND:
        if int(entry.record["code"]) == Command.COMMAND_SEND_FAILED:
            return int(entry.record["detail"]) == ANSWER_LOST
        return not is_kill_seen(entry)
    return entry.kind in INPUT_KINDS


def is_kill_seen(entry: Entry) -> bool:
    """Whether the arc saw the kill word in the middle of an input, before anybody told it."""
    is_command = entry.kind == RecordKind.RECORD_COMMAND and not entry.data
    return is_command and int(entry.record["code"]) == Command.COMMAND_KILL


def _failures(effects: list[Entry]) -> list[bool]:
    """For each request among the effects whether the socket did not take it."""
    failed: list[bool] = []
    for each in effects:
        if each.kind == RecordKind.RECORD_REQUEST:
            failed.append(False)
        elif each.kind == RecordKind.RECORD_COMMAND and failed and not is_kill_seen(each):
            failed[-1] = True
    return failed


def _ignore(_: object) -> None:
    """Nobody listens to a replay."""


def _ignore_garbled(reason: str, data: bytes) -> None:
    """Nobody listens to a replay."""
