"""Names of the files in a journal's directory.

``<engine start>-<stream>-<number>.journal`` is a segment, ``….journal.zst`` the same compressed,
and ``….index`` says what is in it. While one is being compressed both are there: the plain one
counts.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from journal.entries import STREAMS, Stream

SUFFIX = ".journal"
COMPRESSED_SUFFIX = ".journal.zst"
INDEX_SUFFIX = ".index"
PARTIAL_SUFFIX = ".partial"  # being made; whoever makes it puts it in place when it is whole

_NAME = re.compile(
    r"(?P<start>[0-9]{20})-(?P<stream>orders|market)-(?P<number>[0-9]{6,})\.journal(\.zst)?"
)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """Which segment a file is: ``start_time_ns`` of the engine, stream, number from 0."""

    start_time_ns: int
    stream: Stream
    number: int

    @classmethod
    def of(cls, path: Path) -> "SegmentName | None":
        """None for a file that is no segment."""
        found = _NAME.fullmatch(path.name)
        if found is None:
            return None
        stream: Stream = "market" if found["stream"] == "market" else "orders"
        return cls(int(found["start"]), stream, int(found["number"]))

    @property
    def stem(self) -> str:
        """What its files' names begin with."""
        return f"{self.start_time_ns:020d}-{self.stream}-{self.number:06d}"

    def plain(self, directory: Path) -> Path:
        """Its file as it is written."""
        return directory / (self.stem + SUFFIX)

    def compressed(self, directory: Path) -> Path:
        """Its file once it is compressed."""
        return directory / (self.stem + COMPRESSED_SUFFIX)

    def index(self, directory: Path) -> Path:
        """Its index."""
        return directory / (self.stem + INDEX_SUFFIX)

    def stored(self, directory: Path) -> Path:
        """The file that counts now; the plain one when there is none."""
        plain, compressed = self.plain(directory), self.compressed(directory)
        return compressed if not plain.exists() and compressed.exists() else plain


def segment_names(
    directory: Path, start_time_ns: int | None = None, stream: Stream | None = None
) -> list[SegmentName]:
    """Segments by engine start, stream and number; of one start or stream only where given."""
    found = {
        name
        for path in directory.glob("*.journal*")
        if (name := SegmentName.of(path)) is not None
        and start_time_ns in (None, name.start_time_ns)
        and stream in (None, name.stream)
    }
    return sorted(
        found, key=lambda name: (name.start_time_ns, STREAMS.index(name.stream), name.number)
    )


def segment_paths(
    directory: Path, start_time_ns: int | None = None, stream: Stream | None = None
) -> list[Path]:
    """The files of ``segment_names`` that count now."""
    return [name.stored(directory) for name in segment_names(directory, start_time_ns, stream)]


def stored_bytes(directory: Path, start_time_ns: int | None = None) -> dict[Stream, int]:
    """Bytes on disk of the segments by stream; one that is being compressed may be left out."""
    sizes: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
    for name in segment_names(directory, start_time_ns):
        with suppress(FileNotFoundError):
            sizes[name.stream] += name.stored(directory).stat().st_size
    return sizes


def run_starts(directory: Path) -> list[int]:
    """Start times of the engine runs that the directory holds something of, oldest first."""
    return sorted({name.start_time_ns for name in segment_names(directory)})


def sync_directory(directory: Path) -> None:
    """Forces names to the disk: a file whose name is not there is lost with all that is in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
