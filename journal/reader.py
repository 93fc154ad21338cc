"""Reads a journal: the streams of one engine start as entries, in the order of the engine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ext.errors import RecordingError
from journal.directory import SegmentName, run_starts, segment_names
from journal.entries import MARKET, ORDERS, Entry, Stream, Structured, merge, split_slots
from journal.index import SegmentIndex, load_index, parse_index
from journal.segment import CutHeader, SegmentReader

__all__ = ["read_entries", "read_runs", "run_starts"]

OPEN_TRIES = 2  # a segment may be compressed between the look and the opening


def read_entries(
    directory: Path,
    start_time_ns: int,
    *,
    with_market: bool = True,
    from_ns: int | None = None,
    to_ns: int | None = None,
    after_sequence: int = 0,
    allow_gaps: bool = False,
) -> Iterator[Entry]:
    """Entries of one engine start, both streams merged; of receive times from ``from_ns`` up to,
    not including, ``to_ns`` only, where given. Of the order stream those behind slot
    ``after_sequence``, which ends an entry: what is in front of it may be missing.

    What a crash cut off at the end of the last segment is left out. Raises RecordingError at
    damage, naming file and byte, and where the order stream lacks slots unless ``allow_gaps``;
    market data may lack some: it is dropped when it cannot be stored.
    """
    orders = read_runs(
        directory,
        start_time_ns,
        ORDERS,
        from_ns=from_ns,
        to_ns=to_ns,
        after_sequence=after_sequence,
        allow_gaps=allow_gaps,
    )
    if not with_market:
        return _entries_of(orders, from_ns, to_ns)
    market = read_runs(directory, start_time_ns, MARKET, from_ns=from_ns, to_ns=to_ns)
    return merge(_entries_of(orders, from_ns, to_ns), _entries_of(market, from_ns, to_ns))


def read_runs(
    directory: Path,
    start_time_ns: int,
    stream: Stream,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    after_sequence: int = 0,
    allow_gaps: bool = True,
) -> Iterator[tuple[str, Structured]]:
    """Runs of whole entries of one stream, behind slot ``after_sequence``, with the place they are
    from; no slot comes twice.

    Segments and parts of them that an index knows to be outside of the times are not read; times
    of the others are not looked at. Errors as ``read_entries``.
    """
    last = after_sequence
    is_first = not after_sequence
    for name in segment_names(directory, start_time_ns, stream):
        index = _index_of(directory, name)
        if index is not None and (
            not index.overlaps(from_ns, to_ns) or index.last_sequence <= after_sequence
        ):
            last, is_first = max(last, index.last_sequence), False
            continue
        try:
            opened = _open(directory, name)
        except CutHeader:
            continue  # nothing is in it; what should have been is missed in the next one
        with opened as reader:
            if index is not None and from_ns is not None and (at := index.position_of(from_ns)):
                reader.skip_to(at.position)
                last, is_first = max(last, at.sequence - 1), False
            for position, slots in reader.blocks():
                first = int(slots["sequence"][0])
                if first > last + 1 and not allow_gaps:
                    raise RecordingError(_gap(reader.path, position, last, first, is_first))
                is_first = False
                if first + len(slots) - 1 > last:
                    yield (
                        f"{reader.path}: block at byte {position}",
                        slots[max(0, last + 1 - first) :],
                    )
                    last = first + len(slots) - 1


def _entries_of(
    runs: Iterator[tuple[str, Structured]], from_ns: int | None, to_ns: int | None
) -> Iterator[Entry]:
    low = np.iinfo(np.int64).min if from_ns is None else from_ns
    high = np.iinfo(np.int64).max if to_ns is None else to_ns
    for where, slots in runs:
        for entry in split_slots(slots, where):
            if low <= entry.time_ns < high:
                yield entry


def _open(directory: Path, name: SegmentName) -> SegmentReader:
    for _ in range(OPEN_TRIES - 1):
        try:
            return SegmentReader(name.stored(directory))
        except FileNotFoundError:
            continue
    return SegmentReader(name.stored(directory))


def _index_of(directory: Path, name: SegmentName) -> SegmentIndex | None:
    """Its index, if it has one; RecordingError when its file is shorter than that says."""
    index = load_index(directory, name)
    if index is None and (stale := parse_index(name.index(directory))) is not None:
        path = name.stored(directory)
        size = _size_of(path)
        if path.name == stale.file and size not in (-1, stale.bytes):
            raise RecordingError(
                f"{path}: ends at byte {size}; it had {stale.bytes} when it was complete"
            )
    return index


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1  # it is being compressed


def _gap(path: Path, position: int, last: int, first: int, is_first: bool) -> str:
    if is_first:
        return f"{path}: byte {position} begins with slot {first}; what came before is missing"
    return f"{path}: slots {last + 1} to {first - 1} are missing in front of byte {position}"
