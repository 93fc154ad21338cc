"""The engine's records on disk: append-only segment files of CRC-protected blocks.

A segment is a header (what the records mean: layout, names, engine start) and then blocks, each
``count`` records of 128 bytes behind a block header. A crash of the relay can only cut the last
block short: the writer drops such a tail when it continues, the reader stops there. A byte that
changed anywhere is reported, never skipped.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ext.dtypes import RECORD, layout_hash
from ext.errors import RecordingError
from monitor.shared_reader import SharedReader, Structured

FORMAT_VERSION = 1
SEGMENT_MAGIC = b"WOWJRN01"
BLOCK_MAGIC = 0x4B4C4257  # "WBLK"
DEFAULT_SEGMENT_BYTES = 256 << 20
DEFAULT_FSYNC_INTERVAL_NS = 100_000_000

# magic, version, bytes of one record, layout hash, engine start, metadata bytes, then their CRC
_SEGMENT_FIELDS = struct.Struct("<8sIIqqI")
_BLOCK_FIELDS = struct.Struct("<IIqI")  # magic, count, first sequence, CRC of the records, CRC
_CRC = struct.Struct("<I")
_BLOCK_HEADER_BYTES = _BLOCK_FIELDS.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Segment:
    """Header of one segment: which engine start it belongs to and the names of its numbers.

    ``metadata`` holds ``engine``, ``mode``, ``instruments`` (symbol, tick, lot), ``strategies``
    and ``fields`` (name and type of each field of a record).
    """

    path: Path
    start_time_ns: int
    metadata: dict[str, Any]


def segment_paths(directory: Path, start_time_ns: int | None = None) -> list[Path]:
    """Segments of a journal in the order in which they were written; of one engine start only
    when ``start_time_ns`` is given."""
    prefix = "" if start_time_ns is None else f"{start_time_ns:020d}-"
    return sorted(directory.glob(f"{prefix}*.journal"))


def read_header(path: Path) -> Segment:
    """Header of one segment; raises RecordingError when it is not one, damaged or foreign."""
    with path.open("rb") as file:
        return _read_header(path, file)


def read_blocks(path: Path) -> Iterator[Structured]:
    """Records of one segment, block by block, up to the end or to a tail that was cut short.

    Raises RecordingError at the first damaged byte, naming the offset of its block.
    """
    with path.open("rb") as file:
        _read_header(path, file)
        while (block := _read_block(path, file)) is not None:
            yield block


def read_journal(directory: Path, start_time_ns: int | None = None) -> Iterator[Structured]:
    """Records of all segments of a journal, block by block; errors as ``read_blocks``."""
    for path in segment_paths(directory, start_time_ns):
        yield from read_blocks(path)


class JournalWriter:
    """Appends one engine's records to a directory, rotating segments by size.

    After an OSError (disk full, directory gone) the segment is closed at its last whole block and
    the next ``append`` tries a new one: the records of that time are missing, nothing else.
    """

    def __init__(
        self,
        directory: Path,
        reader: SharedReader,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        fsync_interval_ns: int = DEFAULT_FSYNC_INTERVAL_NS,
    ) -> None:
        """Touches nothing; the first ``append`` or ``resume`` does.

        ``segment_bytes`` is the size after which a new segment is begun, ``fsync_interval_ns``
        how long written records may wait for the disk.
        """
        self.written_bytes = 0
        self.last_sequence = 0
        self.directory = directory
        self._start_time_ns = reader.start_time_ns
        self._header = _encode_header(reader)
        self._segment_bytes = segment_bytes
        self._fsync_interval_ns = fsync_interval_ns
        self._path = directory
        self._descriptor = -1
        self._size = 0
        self._next_index = 0
        self._has_resumed = False
        self._unsynced_since_ns = 0

    def resume(self) -> str:
        """Continues behind what the directory holds of this engine start: ``last_sequence``.

        Returns "" or what was found damaged; damaged segments are left alone and a new one is
        begun. Raises OSError when the directory cannot be used.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        paths = segment_paths(self.directory, self._start_time_ns)
        self._has_resumed = True
        if not paths:
            return ""
        self._next_index = int(paths[-1].stem.rpartition("-")[2]) + 1
        end, first_damage = self._find_end(paths[-1])
        if not first_damage:
            self._path = paths[-1]
            self._descriptor = os.open(self._path, os.O_WRONLY)
            os.ftruncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
            self._size = end
        for path in reversed(paths[:-1]):
            if self.last_sequence:
                break
            _, damage = self._find_end(path)
            first_damage = first_damage or damage
        return first_damage

    def append(self, records: Structured, now_ns: int) -> int:
        """Writes records with a sequence above ``last_sequence`` as one block; returns how many.

        ``now_ns`` is monotonic. Raises OSError when the disk refuses; none of them are then kept.
        """
        if not self._has_resumed:
            self.resume()
        fresh = records[records["sequence"] > self.last_sequence]
        if not len(fresh):
            return 0
        try:
            if self._descriptor < 0 or self._size >= self._segment_bytes:
                self._begin_segment()
            self._write(_encode_block(fresh))
        except OSError:
            self._abandon_segment()
            raise
        self.last_sequence = int(fresh["sequence"][-1])
        self._unsynced_since_ns = self._unsynced_since_ns or now_ns
        return len(fresh)

    def sync(self, now_ns: int, *, at_once: bool = False) -> None:
        """Forces records to the disk once they have waited ``fsync_interval_ns``."""
        waited_ns = now_ns - self._unsynced_since_ns
        if not self._unsynced_since_ns or not (at_once or waited_ns >= self._fsync_interval_ns):
            return
        self._unsynced_since_ns = 0
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Forces everything to the disk and closes the segment; OSError when that fails."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _find_end(self, path: Path) -> tuple[int, str]:
        try:
            with path.open("rb") as file:
                _read_header(path, file)
                end = file.tell()
                while (block := _read_block(path, file)) is not None:
                    self.last_sequence = int(block["sequence"][-1])
                    end = file.tell()
        except RecordingError as error:
            return 0, str(error)
        return end, ""

    def _begin_segment(self) -> None:
        self.close()
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{self._start_time_ns:020d}-{self._next_index:06d}.journal"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        self._path = path
        self._next_index += 1
        self._size = 0
        self._write(self._header)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._size += len(data)
        self.written_bytes += len(data)

    def _abandon_segment(self) -> None:
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.ftruncate(descriptor, self._size)
            if not self._size:
                self._path.unlink()
        finally:
            os.close(descriptor)


def _encode_header(reader: SharedReader) -> bytes:
    metadata = json.dumps(
        {
            "engine": reader.engine_name,
            "mode": reader.mode,
            "instruments": [
                {"symbol": each.symbol, "tick": each.tick.text, "lot": each.lot.text}
                for each in reader.instruments
            ],
            "strategies": reader.strategies,
            "fields": [[name, RECORD[name].str] for name in RECORD.names or ()],
        }
    ).encode()
    fields = _SEGMENT_FIELDS.pack(
        SEGMENT_MAGIC,
        FORMAT_VERSION,
        RECORD.itemsize,
        layout_hash(),
        reader.start_time_ns,
        len(metadata),
    )
    return fields + metadata + _CRC.pack(zlib.crc32(fields + metadata))


def _read_header(path: Path, file: BinaryIO) -> Segment:
    data = file.read(_SEGMENT_FIELDS.size)
    if len(data) < _SEGMENT_FIELDS.size or not data.startswith(SEGMENT_MAGIC):
        raise RecordingError(f"{path}: not a journal segment (does not begin with WOWJRN01)")
    _, version, record_bytes, layout, start_time_ns, metadata_bytes = _SEGMENT_FIELDS.unpack(data)
    metadata = file.read(metadata_bytes)
    if file.read(_CRC.size) != _CRC.pack(zlib.crc32(data + metadata)):
        raise RecordingError(f"{path}: header damaged, its CRC does not match")
    if (version, record_bytes, layout) != (FORMAT_VERSION, RECORD.itemsize, layout_hash()):
        raise RecordingError(
            f"{path}: written by another version of the engine (format {version}, layout "
            f"{layout:x}; this is {FORMAT_VERSION}, {layout_hash():x}); use that version's tools"
        )
    return Segment(path, start_time_ns, json.loads(metadata))


def _encode_block(records: Structured) -> bytes:
    payload = records.tobytes()
    fields = _BLOCK_FIELDS.pack(
        BLOCK_MAGIC, len(records), int(records["sequence"][0]), zlib.crc32(payload)
    )
    return fields + _CRC.pack(zlib.crc32(fields)) + payload


def _read_block(path: Path, file: BinaryIO) -> Structured | None:
    offset = file.tell()
    header = file.read(_BLOCK_HEADER_BYTES)
    if len(header) < _BLOCK_HEADER_BYTES:
        return None
    fields = header[: _BLOCK_FIELDS.size]
    if header[_BLOCK_FIELDS.size :] != _CRC.pack(zlib.crc32(fields)):
        raise RecordingError(f"{path}: header of the block at byte {offset} is damaged")
    _, count, _, crc = _BLOCK_FIELDS.unpack(fields)
    payload = file.read(count * RECORD.itemsize)
    if len(payload) < count * RECORD.itemsize:
        return None
    if zlib.crc32(payload) != crc:
        raise RecordingError(f"{path}: records of the block at byte {offset} are damaged")
    return np.frombuffer(payload, RECORD)
