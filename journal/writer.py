"""Appends one engine's slots to the segments of one stream."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from ext.errors import RecordingError
from journal.directory import SegmentName, segment_names, sync_directory
from journal.entries import ORDERS, Stream, Structured
from journal.segment import Named, SegmentReader, encode_block, encode_header

DEFAULT_SEGMENT_BYTES = 256 << 20
DEFAULT_SEGMENT_NS = 3_600_000_000_000
DEFAULT_SYNC_INTERVAL_NS = 100_000_000


class JournalWriter:
    """Writer of one stream; holds a lock on the segment that it writes, so that others see it.

    After an OSError (disk full, read-only, gone) the segment is closed at its last whole block and
    the next ``append`` tries a new one. ``last_sequence`` is then what is kept: whoever still has
    the slots behind it appends them again, and nothing is missing or there twice.
    """

    def __init__(
        self,
        directory: Path,
        named: Named,
        stream: Stream = ORDERS,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        segment_ns: int = DEFAULT_SEGMENT_NS,
        sync_interval_ns: int = DEFAULT_SYNC_INTERVAL_NS,
    ) -> None:
        """Touches nothing; the first ``append`` or ``resume`` does.

        A segment of ``segment_bytes`` or of the age ``segment_ns`` is followed by the next;
        ``sync_interval_ns`` is how long written slots may wait for the disk.
        """
        self.directory = directory
        self.stream: Stream = stream
        self.written_bytes = 0
        self.last_sequence = 0
        self.synced_sequence = 0
        self.unsynced_since_ns = 0
        self._start_time_ns = named.start_time_ns
        self._header = encode_header(named, stream)
        self._segment_bytes = segment_bytes
        self._segment_ns = segment_ns
        self._sync_interval_ns = sync_interval_ns
        self._path = directory
        self._descriptor = -1
        self._size = 0
        self._synced_size = 0
        self._begun_ns = 0
        self._next_number = 0
        self._has_resumed = False

    @property
    def path(self) -> Path:
        """The segment that is being written, or was last."""
        return self._path

    def resume(self) -> str:
        """Continues behind what the directory holds of this stream: ``last_sequence``.

        The tail that a crash cut short is cut off, and a new segment will be begun. Returns "" or
        what was found damaged, which is left alone. Raises OSError when the directory cannot be
        used, also because another process writes this stream.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        names = segment_names(self.directory, self._start_time_ns, self.stream)
        self._next_number = names[-1].number + 1 if names else 0
        self.last_sequence = 0
        first_damage = ""
        for name in reversed(names):
            damage = self._find_end(name)
            first_damage = first_damage or damage
            if self.last_sequence:
                break
        self.synced_sequence = self.last_sequence
        self._has_resumed = True
        return first_damage

    def append(self, slots: Structured, now_ns: int) -> int:
        """Writes the slots above ``last_sequence`` as one block; returns how many.

        ``slots`` is a run of whole entries, ``now_ns`` monotonic. Raises OSError when the disk
        refuses; nothing above the new ``last_sequence`` is then kept.
        """
        if not self._has_resumed:
            self.resume()
        if not len(slots):
            return 0
        fresh = slots[max(0, self.last_sequence + 1 - int(slots["sequence"][0])) :]
        if not len(fresh):
            return 0
        try:
            if self._descriptor < 0 or self._is_full(now_ns):
                self._begin_segment(now_ns)
            self._write(encode_block(fresh))
        except OSError:
            self._keep_written()
            self._abandon_segment()
            raise
        self.last_sequence = int(fresh["sequence"][0]) - 1 + len(fresh)
        self.unsynced_since_ns = self.unsynced_since_ns or now_ns
        return len(fresh)

    def begin(self, now_ns: int) -> None:
        """Begins a segment unless one is open: tells whether the disk takes anything at all."""
        try:
            if not self._has_resumed:
                self.resume()
            if self._descriptor < 0:
                self._begin_segment(now_ns)
        except OSError:
            self._abandon_segment()
            raise

    def sync(self, now_ns: int, *, at_once: bool = False) -> None:
        """Forces slots to the disk once they have waited ``sync_interval_ns``; then
        ``synced_sequence`` is ``last_sequence``.

        Raises OSError when the disk refuses: what was not forced before is then given up.
        """
        waited_ns = now_ns - self.unsynced_since_ns
        if not self.unsynced_since_ns or not (at_once or waited_ns >= self._sync_interval_ns):
            return
        try:
            self._sync()
        except OSError:
            # The kernel forgets pages that it could not write: a second fsync would lie.
            self._abandon_segment()
            raise

    def close(self) -> None:
        """Forces everything to the disk and closes the segment; OSError when that fails."""
        try:
            self._end_segment()
        except OSError:
            self._abandon_segment()
            raise

    def _sync(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
        self._synced_size = self._size
        self.synced_sequence = self.last_sequence
        self.unsynced_since_ns = 0

    def _is_full(self, now_ns: int) -> bool:
        return self._size >= self._segment_bytes or now_ns - self._begun_ns >= self._segment_ns

    def _find_end(self, name: SegmentName) -> str:
        try:
            return self._find_end_in(name.stored(self.directory))
        except FileNotFoundError:
            return self._find_end_in(name.stored(self.directory))  # it was compressed meanwhile

    def _find_end_in(self, path: Path) -> str:
        try:
            with SegmentReader(path) as reader:
                for _, slots in reader.blocks():
                    self.last_sequence = int(slots["sequence"][0]) - 1 + len(slots)
        except RecordingError as error:
            return str(error)
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # refused: it has a writer
            if reader.torn_bytes:
                os.ftruncate(descriptor, reader.end)
            os.fsync(descriptor)  # its writer may have died before it did
        finally:
            os.close(descriptor)
        return ""

    def _end_segment(self) -> None:
        if self._descriptor >= 0:
            self._sync()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _begin_segment(self, now_ns: int) -> None:
        self._end_segment()
        self.directory.mkdir(parents=True, exist_ok=True)
        name = SegmentName(self._start_time_ns, self.stream, self._next_number)
        self._path = name.plain(self.directory)
        self._size = self._synced_size = 0
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        self._next_number += 1
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._begun_ns = now_ns
        self._write(self._header)
        sync_directory(self.directory)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._size += len(data)
        self.written_bytes += len(data)

    def _keep_written(self) -> None:
        """What was written whole before a write failed may still reach the disk."""
        with suppress(OSError):
            if self._descriptor >= 0 and self._size > self._synced_size:
                os.ftruncate(self._descriptor, self._size)
                self._sync()

    def _abandon_segment(self) -> None:
        """Keeps of the segment what is on the disk for sure, and nothing else."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        self.last_sequence = self.synced_sequence
        self.unsynced_since_ns = 0
        # Where that fails too, a reader finds the same slots again in the next segment.
        with suppress(OSError):
            os.ftruncate(descriptor, self._synced_size)
        with suppress(OSError):
            if not self._synced_size:
                self._path.unlink()
        os.close(descriptor)
