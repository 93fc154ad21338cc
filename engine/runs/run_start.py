"""The beginning of a run as the journal tells it: what it took over, and who it is.

Order: what a dead engine left in its rings goes into its journal, the state of the last run is
rebuilt, a new arc takes it over, the state that it begins with is written as a snapshot, and the
first record names it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from engine.composition import Arc
from engine.runs.recovery import Recovery, recover, take_over
from engine.runs.run_facts import make_facts, persistent_fields
from engine.runs.run_identity import RunIdentity, claim_identity, follow_numbers
from engine.settings.config_schema import EngineConfig
from engine.version import read_version
from ext.breakers import KEPT_BYTES
from ext.dtypes import BREAKER_STATE, GUARD_STATE, POSITION
from ext.errors import ConfigError, RecordingError
from ext.wire import RecordKind
from journal.reader import run_starts
from journal.run import load_run
from journal.run_facts import encode_facts
from journal.salvage import salvage
from journal.shared_reader import SharedReader
from journal.snapshot import FillMark, Snapshot, write_snapshot

_log = logging.getLogger("engine.recovery")


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a new run finds: who it is, and the last run's state."""

    identity: RunIdentity | None
    recovery: Recovery | None


def outlives_process(config: EngineConfig) -> bool:
    """Whether runs of this config go on where the last one ended: they are journaled, and their
    venue does not end with them."""
    return config.telemetry.relay and not config.simulator.start


def look_back(config: EngineConfig, fresh_reason: str = "") -> Inheritance:
    """What the last run left, before anything of the new one is made.

    ``fresh_reason``: a person has decided to leave it, and why. Raises ConfigError when it cannot
    be found out.
    """
    if not outlives_process(config):
        return Inheritance(None, None)
    directory = Path(config.journal.path)
    _require_own_mode(config, directory)
    try:
        _salvage(config, directory)
        recovery = None if fresh_reason else recover(directory)
    except (RecordingError, OSError) as error:
        raise ConfigError(
            f"the state of the last run cannot be rebuilt: {error}; see the runbook, or start with"
            " --fresh REASON after a person has looked at the venue"
        ) from error
    if fresh_reason:
        _log.warning("the state of earlier runs is left alone: %s", fresh_reason)
    identity = claim_identity(config.engine.state_directory, config.engine.name)
    if recovery is not None:
        identity = follow_numbers(identity, recovery.snapshot.next_number)
    return Inheritance(identity, recovery)


def _require_own_mode(config: EngineConfig, directory: Path) -> None:
    """ConfigError when the journal is of runs in another mode: orders, positions and P&L of paper
    would go on as real ones, or the other way round."""
    for start_time_ns in reversed(run_starts(directory)):
        try:
            mode = load_run(directory, start_time_ns).mode
        except RecordingError:
            continue  # it ended before its first block
        if mode != config.engine.mode:
            raise ConfigError(
                f"{directory} holds runs in mode {mode}, and [engine] mode is"
                f" {config.engine.mode}; modes are never mixed: give this one an [engine]"
                " state_directory and [journal] path of its own"
            )
        return


def _salvage(config: EngineConfig, directory: Path) -> None:
    path = config.shared_memory_path
    try:
        SharedReader(path).close()
    except ConfigError as error:  # none, or one that this version cannot read
        if path.exists():
            _log.warning("%s; what it may hold that the journal lacks is left alone", error)
        return
    count = salvage(path, directory, with_market=config.journal.market_data)
    if count:
        _log.warning("the last run ended without its relay: %d records were saved", count)


def begin_run(arc: Arc, inheritance: Inheritance) -> None:
    """Takes over what was found and writes the first record. Raises ConfigError as ``take_over``,
    and when the snapshot cannot be written."""
    name = ""
    start_time_ns = arc.memory.counters()["start_time_ns"]
    if inheritance.recovery is not None:
        take_over(inheritance.recovery, arc)
        left = inheritance.recovery.snapshot
        snapshot = snapshot_arc(arc, start_time_ns, left)
        try:
            name = write_snapshot(Path(arc.config.journal.path), snapshot).name
        except OSError as error:
            raise ConfigError(
                f"{arc.config.journal.path}: {error.strerror}; the state that the run begins with"
                " must be on the disk before it trades"
            ) from error
        _tell(arc, inheritance.recovery)
    facts = make_facts(
        arc.config,
        arc.instruments,
        arc.strategies,
        arc.identity,
        version=read_version(),
        start_time_ns=start_time_ns,
        sender_comp_id=arc.sender_comp_id,
        snapshot=name,
    )
    arc.memory.write_blob(start_time_ns, RecordKind.RECORD_RUN, encode_facts(facts))


def snapshot_arc(arc: Arc, start_time_ns: int, left: Snapshot | None) -> Snapshot:
    """The state of an arc that has not begun; ``left`` is the end of the last run, whose pause,
    KILL and questions go on."""
    positions = arc.memory.region("positions_offset", POSITION, len(arc.strategies))
    store = arc.orders.store if arc.orders is not None else None
    states = []
    breakers = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1)
    guards = arc.memory.region("guards_offset", GUARD_STATE, max(1, len(arc.strategies)))
    kept = left.fill_marks if left is not None else {}
    begun = FillMark(since_ns=start_time_ns)
    marks = {each.symbol: kept.get(each.symbol, begun) for each in arc.instruments}
    for strategy in arc.strategies:
        offset, size = strategy.persistent
        states.append(strategy.state.tobytes()[offset : offset + size])
    return Snapshot(
        start_time_ns=start_time_ns,
        sequence=0,
        time_ns=start_time_ns,
        next_number=arc.history.next_number,
        next_outgoing=store.next_outgoing if store is not None else 1,
        next_incoming=store.next_incoming if store is not None else 1,
        pause_reason=left.pause_reason if left is not None else "",
        instruments=[(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in arc.instruments],
        strategies=[(each.name, each.instrument.symbol) for each in arc.strategies],
        tables=arc.history.save(),
        positions=positions.tobytes(),
        strategy_states=states,
        messages=[],
        breakers=[each.tobytes()[:KEPT_BYTES] for each in breakers],
        guards=[each.tobytes() for each in guards[: len(arc.strategies)]],
        kill_reason=left.kill_reason if left is not None else "",
        fill_marks=marks,
    )


def _tell(arc: Arc, recovery: Recovery) -> None:
    open_orders = arc.pipeline.orders.open_orders()
    positions = arc.memory.region("positions_offset", POSITION, len(arc.strategies))
    held = [
        f"{strategy.instrument.format_quantity(int(position['position_lots']))}"
        f" {strategy.instrument.symbol} ({strategy.name})"
        for strategy, position in zip(arc.strategies, positions, strict=True)
        if position["position_lots"]
    ]
    _log.info(
        "took over from the last run in %.3f s, %d records behind its snapshot: %d open orders;"
        " positions: %s",
        recovery.seconds,
        recovery.applied_records,
        len(open_orders),
        ", ".join(held) or "none",
    )
    kept = [each.name for each in arc.strategies if persistent_fields(each)]
    if kept:
        _log.info("what these strategies keep was put back: %s", ", ".join(kept))
