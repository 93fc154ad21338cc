"""What is in a segment, in a small file beside it: so that a time range opens fast.

It can be lost: whoever needs it makes it again from the segment, and one that does not fit its
segment, or is damaged, counts as not there. The keeper writes it once a segment is complete.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ext.errors import RecordingError
from journal.directory import PARTIAL_SUFFIX, SegmentName
from journal.entries import SLOT_BYTES, Stream, entry_starts
from journal.segment import SegmentReader

MARK_BYTES = 1 << 20  # of a segment between two marks


class Mark(NamedTuple):
    """A block to begin at: its byte, its first slot, the latest time of what is in front of it."""

    position: int
    sequence: int
    latest_before_ns: int


class KindCount(NamedTuple):
    """Records of one kind in a segment, and the bytes of their slots."""

    records: int
    bytes: int


class SegmentIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Of one segment. ``file``, ``bytes`` and ``crc32`` are of the file that is stored, compressed
    or not; positions are bytes of the plain one. Sequences are numbers of slots, times receive
    times of records, 0 where there is none; ``counts`` is by RecordKind."""

    file: str
    bytes: int
    crc32: int
    plain_bytes: int
    start_time_ns: int
    stream: Stream
    first_sequence: int
    last_sequence: int
    earliest_ns: int
    latest_ns: int
    counts: dict[int, KindCount]
    marks: list[Mark]

    def overlaps(self, from_ns: int | None, to_ns: int | None) -> bool:
        """Whether it may hold something from ``from_ns`` up to, not including, ``to_ns``."""
        if from_ns is not None and self.latest_ns < from_ns:
            return False
        return to_ns is None or self.earliest_ns < to_ns

    def position_of(self, from_ns: int) -> Mark | None:
        """The last mark in front of which everything is earlier; None: begin at the front."""
        before = [mark for mark in self.marks if mark.latest_before_ns < from_ns]
        return before[-1] if before else None


def build_index(path: Path, name: SegmentName) -> SegmentIndex:
    """The index of a complete segment, from every byte of it.

    Raises RecordingError when it is damaged, ends with a torn tail or is another one than its name
    says, OSError when it cannot be read.
    """
    marks: list[Mark] = []
    counts: dict[int, KindCount] = {}
    first = last = earliest_ns = latest_ns = 0
    with SegmentReader(path) as reader:
        segment = reader.segment
        if (segment.start_time_ns, segment.stream) != (name.start_time_ns, name.stream):
            raise RecordingError(
                f"{path}: byte 0 says {segment.stream} of {segment.start_time_ns}; it was renamed"
            )
        for position, slots in reader.blocks():
            first = first or int(slots["sequence"][0])
            if not marks or position - marks[-1].position >= MARK_BYTES:
                marks.append(Mark(position, int(slots["sequence"][0]), latest_ns))
            starts, end, wrong = entry_starts(slots)
            if wrong or end < len(slots):
                wrong = wrong or "the last record is cut short"
                raise RecordingError(f"{path}: block at byte {position}: {wrong}")
            times = slots["time_ns"][starts]
            times = times[times > 0]
            if len(times):
                earliest_ns = min(earliest_ns or int(times.min()), int(times.min()))
                latest_ns = max(latest_ns, int(times.max()))
            sizes = np.diff(np.array([*starts, end])) * SLOT_BYTES
            _count(counts, slots["kind"][starts].tolist(), sizes.tolist())
            last = int(slots["sequence"][0]) - 1 + len(slots)
        if reader.torn_bytes:
            raise RecordingError(
                f"{path}: the block at byte {reader.end} is cut short after "
                f"{reader.torn_bytes} bytes"
            )
        plain_bytes = reader.end
    return SegmentIndex(
        file=path.name,
        bytes=path.stat().st_size,
        crc32=file_crc32(path),
        plain_bytes=plain_bytes,
        start_time_ns=name.start_time_ns,
        stream=name.stream,
        first_sequence=first,
        last_sequence=last,
        earliest_ns=earliest_ns,
        latest_ns=latest_ns,
        counts=counts,
        marks=marks,
    )


def file_crc32(path: Path) -> int:
    """CRC-32 of a whole file."""
    crc = 0
    for data in _pieces(path):
        crc = zlib.crc32(data, crc)
    return crc


def load_index(directory: Path, name: SegmentName) -> SegmentIndex | None:
    """The index that was stored of a segment; None when there is none that fits its file."""
    index = parse_index(name.index(directory))
    path = name.stored(directory)
    if index is None or index.file != path.name:
        return None
    try:
        return index if path.stat().st_size == index.bytes else None
    except OSError:
        return None


def parse_index(path: Path) -> SegmentIndex | None:
    """An index as it is stored; None when it is absent or damaged."""
    try:
        text, _, crc = path.read_bytes().rstrip(b"\n").rpartition(b"\n")
        if crc != _crc_line(text):
            return None
        return msgspec.json.decode(text, type=SegmentIndex)
    except (OSError, msgspec.DecodeError):
        return None


def store_index(directory: Path, name: SegmentName, index: SegmentIndex) -> None:
    """Writes an index in place of the one before, all or nothing."""
    text = msgspec.json.encode(index)
    partial = name.index(directory).with_suffix(PARTIAL_SUFFIX)
    partial.write_bytes(text + b"\n" + _crc_line(text) + b"\n")
    os.replace(partial, name.index(directory))


def _crc_line(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()


def _count(counts: dict[int, KindCount], kinds: list[int], sizes: list[int]) -> None:
    for kind, size in zip(kinds, sizes, strict=True):
        before = counts.get(kind, KindCount(0, 0))
        counts[kind] = KindCount(before.records + 1, before.bytes + size)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            yield data
