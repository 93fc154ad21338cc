"""Keeps the directory of a journal: indexes and compresses what is complete, deletes what is old.

A process of its own, of the lowest priority, that the relay starts from time to time:
``python -m journal.keeper``. It can be killed at any point; the next one goes on. A segment that
somebody writes is locked, and left alone.
"""

import argparse
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ext.errors import RecordingError
from journal.directory import (
    INDEX_SUFFIX,
    PARTIAL_SUFFIX,
    SUFFIX,
    SegmentName,
    run_starts,
    segment_names,
    sync_directory,
)
from journal.entries import MARKET, ORDERS, Stream
from journal.index import build_index, file_crc32, load_index, store_index
from journal.rebuild import take_snapshot
from journal.segment import SegmentReader, compress_segment

COMPRESSION_LEVEL = 9
DAY_NS = 86_400_000_000_000
LOWEST_NICENESS = 19

logger = logging.getLogger("wow-journal-keeper")


@dataclass(frozen=True, slots=True)
class KeepRules:
    """What to do with complete segments; days count from a segment's last record. 0: for ever."""

    is_compressing: bool = True
    keep_days_orders: int = 0
    keep_days_market: int = 0

    def days_of(self, stream: Stream) -> int:
        """Days that segments of a stream are kept."""
        return self.keep_days_market if stream == MARKET else self.keep_days_orders


@dataclass(slots=True)
class KeepResult:
    """What one pass did."""

    indexed: int = 0
    compressed: int = 0
    deleted: int = 0
    damaged: int = 0


def keep(directory: Path, rules: KeepRules, now_ns: int) -> KeepResult:
    """One pass over a directory; ``now_ns`` is wall clock. Raises OSError when the disk refuses.

    The order stream of the newest run is never deleted: recovery needs all of it. Does nothing
    while another keeper is at work there.
    """
    result = KeepResult()
    with _locked(directory, fcntl.LOCK_EX) as is_alone:
        if is_alone:
            _keep(directory, rules, now_ns, result)
    return result


def _keep(directory: Path, rules: KeepRules, now_ns: int, result: KeepResult) -> None:
    starts = run_starts(directory)
    for name in segment_names(directory):
        # Shared: a relay that starts again reads the last one; its writer's lock is exclusive.
        with _locked(name.stored(directory), fcntl.LOCK_SH) as is_complete:
            if not is_complete:
                continue
            is_needed = name.stream == ORDERS and name.start_time_ns == starts[-1]
            days = rules.days_of(name.stream)
            if days and not is_needed and _last_ns(directory, name) < now_ns - days * DAY_NS:
                _delete(directory, name)
                result.deleted += 1
                continue
            try:
                _complete(directory, name, rules, result)
            except RecordingError as error:
                result.damaged += 1
                logger.warning("%s; it is left as it is", error)
    _delete_orphans(directory)


def cut_tail(path: Path) -> int:
    """Cuts off what a crash left of the last block of a plain segment that nobody writes; the
    number of bytes."""
    with SegmentReader(path) as reader:
        for _ in reader.blocks():
            pass
    if reader.torn_bytes:
        os.truncate(path, reader.end)
    return reader.torn_bytes


def _complete(directory: Path, name: SegmentName, rules: KeepRules, result: KeepResult) -> None:
    plain, compressed = name.plain(directory), name.compressed(directory)
    if plain.exists() and compressed.exists():
        _finish_compression(directory, name)
    if load_index(directory, name) is None:
        stored = name.stored(directory)
        if stored == plain:
            cut_tail(plain)
        store_index(directory, name, build_index(stored, name))
        result.indexed += 1
    if rules.is_compressing and name.stored(directory) == plain:
        _compress(directory, name)
        result.compressed += 1


def _compress(directory: Path, name: SegmentName) -> None:
    plain, compressed = name.plain(directory), name.compressed(directory)
    status = plain.stat()
    partial = compressed.with_suffix(PARTIAL_SUFFIX)
    with plain.open("rb") as source, partial.open("wb") as target:
        compress_segment(source, status.st_size, target, COMPRESSION_LEVEL)
        target.flush()
        os.fsync(target.fileno())
    os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(partial, compressed)
    _finish_compression(directory, name)


def _finish_compression(directory: Path, name: SegmentName) -> None:
    """Reads the compressed segment back; only when it holds the same does the plain one go."""
    plain, compressed = name.plain(directory), name.compressed(directory)
    before = load_index(directory, name) or build_index(plain, name)
    if file_crc32(plain) != before.crc32:
        raise RecordingError(f"{plain}: is not what its index says; wow-engine journal verify")
    try:
        index = build_index(compressed, name)
    except RecordingError:
        compressed.unlink()
        raise
    if (index.counts, index.last_sequence, index.plain_bytes) != (
        before.counts,
        before.last_sequence,
        before.plain_bytes,
    ):
        compressed.unlink()
        raise RecordingError(f"{compressed}: does not hold what {plain} does")
    sync_directory(directory)  # the new name is there before the old one goes
    plain.unlink()
    store_index(directory, name, index)


def _last_ns(directory: Path, name: SegmentName) -> int:
    index = load_index(directory, name)
    if index is not None and index.latest_ns:
        return index.latest_ns
    return name.stored(directory).stat().st_mtime_ns


def _delete(directory: Path, name: SegmentName) -> None:
    for path in (name.plain(directory), name.compressed(directory), name.index(directory)):
        path.unlink(missing_ok=True)
    logger.info("%s was older than it is kept", name.stem)


def _delete_orphans(directory: Path) -> None:
    """Indexes and partial files whose segment is gone."""
    stems = {name.stem for name in segment_names(directory)}
    for path in (*directory.glob(f"*{INDEX_SUFFIX}"), *directory.glob(f"*{PARTIAL_SUFFIX}")):
        stem = path.name.partition(".")[0]
        if stem not in stems and SegmentName.of(Path(stem + SUFFIX)) is not None:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[bool]:
    """Whether the lock could be taken at once; of a file that is not there it cannot."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(descriptor, kind)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``python -m journal.keeper``: one pass; 0, or 1 when the disk refused."""
    parser = argparse.ArgumentParser(prog="journal.keeper", description="One pass over a journal.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--no-compression", action="store_true")
    parser.add_argument("--snapshot", action="store_true", help="of the newest run's state")
    parser.add_argument("--keep-days-orders", type=int, default=0)
    parser.add_argument("--keep-days-market", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s"
    )
    _lower_priority()
    rules = KeepRules(
        not options.no_compression, options.keep_days_orders, options.keep_days_market
    )
    try:
        if options.snapshot:
            _take_snapshot(options.directory)
        keep(options.directory, rules, time.time_ns())
    except OSError as error:
        logger.error("%s: %s", options.directory, error)
        return 1
    return 0


def _take_snapshot(directory: Path) -> None:
    """Of the newest run, so that a start after a crash has little to apply."""
    starts = run_starts(directory)
    try:
        if starts:
            take_snapshot(directory, starts[-1])
    except RecordingError as error:
        logger.warning("no snapshot was taken: %s", error)


def _lower_priority() -> None:
    """Idle for processor and, which follows from it, for the disk: ioprio_set(2)."""
    os.nice(LOWEST_NICENESS)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
