"""Whether the segments of a journal are what was written: every byte, and nothing missing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ext.errors import RecordingError
from journal.directory import SegmentName, segment_names
from journal.entries import ORDERS, entry_starts
from journal.index import file_crc32, parse_index
from journal.segment import CutHeader, SegmentReader


@dataclass(frozen=True, slots=True)
class SegmentCheck:
    """What was found of one segment: ``problem`` is "" when all is well, ``note`` a word to it."""

    path: Path
    stored_bytes: int = 0
    records: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    problem: str = ""
    note: str = ""


def verify_segment(directory: Path, name: SegmentName) -> SegmentCheck:
    """Reads every byte of a segment; RecordingError, with file and byte, when one is wrong.

    A tail that a crash cut short is a note; in a complete segment, which has an index, damage.
    """
    path = name.stored(directory)
    size = path.stat().st_size
    _compare_with_index(path, name.index(directory))
    records = first = last = 0
    try:
        reader = SegmentReader(path)
    except CutHeader as error:
        return SegmentCheck(path, size, note=str(error).removeprefix(f"{path}: "))
    with reader:
        segment = reader.segment
        if (segment.start_time_ns, segment.stream) != (name.start_time_ns, name.stream):
            raise RecordingError(
                f"{path}: byte 0 says {segment.stream} of {segment.start_time_ns}; it was renamed"
            )
        for position, slots in reader.blocks():
            sequence = int(slots["sequence"][0])
            if last and sequence != last + 1 and name.stream == ORDERS:
                raise RecordingError(
                    f"{path}: slots {last + 1} to {sequence - 1} are missing at byte {position}"
                )
            starts, end, wrong = entry_starts(slots)
            if wrong or end < len(slots):
                wrong = wrong or "the last record is cut short"
                raise RecordingError(f"{path}: block at byte {position}: {wrong}")
            first, last = first or sequence, sequence - 1 + len(slots)
            records += len(starts)
        torn = reader.torn_bytes
    note = f"a crash cut its last block short: {torn} bytes at byte {reader.end}" if torn else ""
    return SegmentCheck(path, size, records, first, last, note=note)


def verify_journal(directory: Path, start_time_ns: int | None = None) -> Iterator[SegmentCheck]:
    """Checks of all segments, of one engine start only where given, one after the other."""
    before: tuple[int, str] = (0, "")
    expected = 1
    for name in segment_names(directory, start_time_ns):
        if (name.start_time_ns, name.stream) != before:
            before, expected = (name.start_time_ns, name.stream), 1
        try:
            check = _verify_stored(directory, name)
        except (RecordingError, OSError) as error:
            yield SegmentCheck(name.stored(directory), problem=str(error))
            expected = 0  # what the damaged one had is not known
            continue
        if check.records and expected and check.first_sequence > expected:
            check = _with_gap(check, expected, is_damage=name.stream == ORDERS)
        expected = max(expected, check.last_sequence + 1) if check.records else expected
        yield check


def _verify_stored(directory: Path, name: SegmentName) -> SegmentCheck:
    try:
        return verify_segment(directory, name)
    except FileNotFoundError:
        return verify_segment(directory, name)  # it was compressed meanwhile


def _with_gap(check: SegmentCheck, expected: int, *, is_damage: bool) -> SegmentCheck:
    text = f"slots {expected} to {check.first_sequence - 1} are missing in front of it"
    if is_damage:
        return replace(check, problem=f"{check.path}: byte 0: {text}")
    return replace(check, note=f"{text}; {check.note}".removesuffix("; "))


def _compare_with_index(path: Path, index_path: Path) -> None:
    index = parse_index(index_path)
    if index is None:
        if index_path.exists():
            raise RecordingError(f"{index_path}: byte 0: damaged; delete it, it is made again")
        return
    if index.file != path.name:
        return  # of before the compression
    size = path.stat().st_size
    if size != index.bytes:
        raise RecordingError(
            f"{path}: ends at byte {size}; it had {index.bytes} when it was complete"
        )
    if file_crc32(path) != index.crc32:
        with SegmentReader(path) as reader:  # says where, when it can
            for _ in reader.blocks():
                pass
        raise RecordingError(f"{path}: byte unknown: its CRC is not what its index says")
