"""State of a run from its journal: its newest snapshot, and the order records behind it.

A keeper takes snapshots of the running engine this way, so that a start after a crash has only the
last minutes to apply.
"""

from pathlib import Path

from journal.order_ledger import OrderLedger
from journal.reader import read_entries
from journal.run_facts import RunFacts, read_facts
from journal.snapshot import (
    Snapshot,
    newest_snapshot,
    read_snapshot,
    snapshot_paths,
    write_snapshot,
)

KEPT_SNAPSHOTS = 3  # of a run, beside the one that it began with
OVERLAP_NS = 10_000_000_000
"""Records of so much time before a snapshot are read again: times may go back by a little, and
what the snapshot holds is not applied twice."""


def rebuild(
    directory: Path, start_time_ns: int, *, use_snapshots: bool = True
) -> tuple[OrderLedger | None, list[str]]:
    """State of one run at its end; None when not even its first record is there.

    With it come what was wrong with newer snapshots than the one used. Without ``use_snapshots``
    only the one that the run began with is. Raises RecordingError where the journal is damaged.
    """
    entries = read_entries(directory, start_time_ns, with_market=False)
    facts = read_facts(entries)
    if facts is None:
        return None, []
    snapshot, problems = newest_snapshot(directory, start_time_ns)
    if snapshot is None or snapshot.sequence == 0 or not use_snapshots:
        snapshot = _first_snapshot(directory, facts)
    else:
        since_ns = snapshot.time_ns - OVERLAP_NS
        entries = read_entries(
            directory, start_time_ns, with_market=False, from_ns=since_ns, allow_gaps=True
        )
    ledger = OrderLedger(facts, snapshot)
    for entry in entries:
        ledger.apply(entry)
    return ledger, problems


def take_snapshot(directory: Path, start_time_ns: int) -> Path | None:
    """Writes a snapshot of a run as its journal tells it now, and removes older ones.

    None when there is nothing new. Raises OSError when the disk refuses, RecordingError as
    ``rebuild``.
    """
    ledger, _ = rebuild(directory, start_time_ns)
    if ledger is None or ledger.applied == 0:
        return None
    path = write_snapshot(directory, ledger.snapshot())
    later = [each for each in snapshot_paths(directory, start_time_ns) if not _is_first(each)]
    for old in later[:-KEPT_SNAPSHOTS]:
        old.unlink(missing_ok=True)
    return path


def _first_snapshot(directory: Path, facts: RunFacts) -> Snapshot | None:
    return read_snapshot(directory / facts.snapshot) if facts.snapshot else None


def _is_first(path: Path) -> bool:
    return int(path.stem.rpartition("-")[2]) == 0
