"""The format of a segment: what is in a file of the journal, byte by byte.

A segment is a header (which stream of which engine start, and what its numbers mean) and then
blocks, each ``count`` slots of 128 bytes behind a block header: whole entries, in the order of
their slots. A crash of the writer can only cut the last block short: such a tail is left out. A
byte that changed anywhere is reported, never skipped. A compressed segment is one Zstandard frame
of the same bytes, with its length and checksum: of that one, nothing may be missing at the end.
"""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import zstandard

from ext.dtypes import BLOB, EXECUTION_REPORT, RECORD, REQUEST_TERMS
from ext.errors import RecordingError
from ext.wire import RecordKind
from journal.directory import COMPRESSED_SUFFIX
from journal.entries import SLOT_BYTES, STREAMS, Stream, Structured

FORMAT_VERSION = 2
SEGMENT_MAGIC = b"WOWJRN02"
BLOCK_MAGIC = 0x4B4C4257  # "WBLK"
MAX_METADATA_BYTES = 1 << 20
MAX_BLOCK_SLOTS = 1 << 20  # 128 MiB; the largest ring has a quarter of it
FRAME_HEADER_BYTES = 18  # of Zstandard, at most: RFC 8878, 3.1.1.1
MAX_WINDOW_BYTES = 1 << 27  # of Zstandard: what a reader is ready to allocate

# magic, version, bytes of a slot, schema hash, engine start, number of the stream, metadata bytes;
# then their CRC, the metadata, and the CRC of that
SEGMENT_FIELDS = struct.Struct("<8sIIqqII")
BLOCK_FIELDS = struct.Struct("<IIqI")  # magic, count, first sequence, CRC of the slots; then a CRC
CRC = struct.Struct("<I")
BLOCK_HEADER_BYTES = BLOCK_FIELDS.size + CRC.size


class Named(Protocol):
    """Who the records are of; ``SharedReader`` is one."""

    engine_name: str
    mode: str
    start_time_ns: int
    strategies: list[str]

    @property
    def instruments(self) -> list[Any]:
        """With ``symbol``, ``tick.text`` and ``lot.text``."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Header of one segment: which engine start it belongs to and the names of its numbers.

    ``metadata`` holds ``engine``, ``mode``, ``instruments`` (symbol, tick, lot), ``strategies``,
    ``kinds`` (number and name), ``record`` and ``blob`` (name and type of each field).
    """

    path: Path
    start_time_ns: int
    stream: Stream
    metadata: dict[str, Any]


class CutHeader(RecordingError):
    """A segment that ends within its header: its writer died there, and nothing is in it."""


def schema_hash() -> int:
    """Hash of the records that a journal holds; a segment with another one cannot be read.

    Kinds may be added without changing it: a reader that does not know one says so.
    """
    held = (RECORD, BLOB, REQUEST_TERMS, EXECUTION_REPORT)
    text = repr([(dtype.descr, dtype.itemsize) for dtype in held])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def encode_header(named: Named, stream: Stream) -> bytes:
    """Header of a segment of one stream."""
    metadata = json.dumps(
        {
            "engine": named.engine_name,
            "mode": named.mode,
            "instruments": [
                {"symbol": each.symbol, "tick": each.tick.text, "lot": each.lot.text}
                for each in named.instruments
            ],
            "strategies": named.strategies,
            "kinds": {int(kind): kind.name for kind in RecordKind},
            "record": [[name, RECORD[name].str] for name in RECORD.names or ()],
            "blob": [[name, BLOB[name].str] for name in BLOB.names or ()],
        }
    ).encode()
    fields = SEGMENT_FIELDS.pack(
        SEGMENT_MAGIC,
        FORMAT_VERSION,
        SLOT_BYTES,
        schema_hash(),
        named.start_time_ns,
        STREAMS.index(stream),
        len(metadata),
    )
    return fields + CRC.pack(zlib.crc32(fields)) + metadata + CRC.pack(zlib.crc32(metadata))


def encode_block(slots: Structured) -> bytes:
    """Header and bytes of one block."""
    payload = slots.tobytes()
    fields = BLOCK_FIELDS.pack(
        BLOCK_MAGIC, len(slots), int(slots["sequence"][0]), zlib.crc32(payload)
    )
    return fields + CRC.pack(zlib.crc32(fields)) + payload


class SegmentReader:
    """Reads one segment, plain or compressed; a context manager.

    ``end`` is the byte behind the last whole block read so far, ``torn_bytes`` how many follow it
    once all blocks were read. Bytes are those of the plain segment, of a compressed one too.
    """

    def __init__(self, path: Path) -> None:
        """Opens it and reads the header; RecordingError when it is none, damaged or foreign,
        CutHeader when it ends there, OSError when it cannot be opened."""
        self.path = path
        self.torn_bytes = 0
        self._source = _Source(path)
        try:
            self.segment = self._read_header()
        except BaseException:
            self._source.close()
            raise
        self.end = self._source.position

    def __enter__(self) -> "SegmentReader":
        return self

    def __exit__(self, *reason: object) -> None:
        self._source.close()

    def skip_to(self, position: int) -> None:
        """Goes on at a block that begins at that byte, as an index says."""
        self._source.skip_to(position)
        self.end = position

    def blocks(self) -> Iterator[tuple[int, Structured]]:
        """Byte and slots of each whole block; RecordingError at the first damaged byte."""
        while (slots := self._read_block()) is not None:
            begin, self.end = self.end, self._source.position
            yield begin, slots
        self._source.check_end()

    def _read_header(self) -> Segment:
        path = self.path
        data = self._source.read(SEGMENT_FIELDS.size)
        crc = self._source.read(CRC.size)
        if not data.startswith(SEGMENT_MAGIC[: len(data)]):
            self._refuse_unwritten(data + crc)
            raise RecordingError(
                f"{path}: not a journal segment (byte 0 does not begin {SEGMENT_MAGIC.decode()})"
            )
        if len(crc) < CRC.size:
            raise self._cut_header(self._source.position)
        if crc != CRC.pack(zlib.crc32(data)):
            self._refuse_unwritten(data + crc)
            raise RecordingError(f"{path}: header (byte 0) damaged, its CRC does not match")
        _, version, slot_bytes, schema, start_time_ns, stream, size = SEGMENT_FIELDS.unpack(data)
        if (version, slot_bytes, schema) != (FORMAT_VERSION, SLOT_BYTES, schema_hash()):
            raise RecordingError(
                f"{path}: written by another version of the engine (format {version}, schema "
                f"{schema:x}; this is {FORMAT_VERSION}, {schema_hash():x}); use its tools"
            )
        metadata = self._source.read(min(size, MAX_METADATA_BYTES))
        crc = self._source.read(CRC.size)
        if len(crc) < CRC.size:
            raise self._cut_header(self._source.position)
        if crc != CRC.pack(zlib.crc32(metadata)):
            self._refuse_unwritten(metadata + crc)
            raise RecordingError(
                f"{path}: names in the header (byte {SEGMENT_FIELDS.size + CRC.size}) damaged, "
                "their CRC does not match"
            )
        return Segment(path, start_time_ns, STREAMS[stream], json.loads(metadata))

    def _refuse_unwritten(self, read: bytes) -> None:
        """Raises CutHeader when what was read last ends in zeros, and the file does from there on:
        a loss of power kept it from the disk, see ``_is_unwritten``."""
        zeros, end = _trailing_zeros(read), self._source.position
        if zeros and self._is_unwritten(end, zeros):
            raise self._cut_header(end)

    def _cut_header(self, position: int) -> CutHeader:
        return CutHeader(f"{self.path}: cut short at byte {position}, in its header")

    def _read_block(self) -> Structured | None:
        offset = self._source.position
        header = self._source.read(BLOCK_HEADER_BYTES)
        if len(header) < BLOCK_HEADER_BYTES:
            self.torn_bytes = len(header)
            return None
        fields = header[: BLOCK_FIELDS.size]
        if header[BLOCK_FIELDS.size :] != CRC.pack(zlib.crc32(fields)):
            if self._is_unwritten(offset, 0 if any(header) else SLOT_BYTES):
                return None
            raise RecordingError(f"{self.path}: header of the block at byte {offset} is damaged")
        magic, count, first, crc = BLOCK_FIELDS.unpack(fields)
        if magic != BLOCK_MAGIC or not 0 < count <= MAX_BLOCK_SLOTS:
            raise RecordingError(f"{self.path}: there is no block at byte {offset}")
        payload = self._source.read(count * SLOT_BYTES)
        if len(payload) < count * SLOT_BYTES:
            self.torn_bytes = len(header) + len(payload)
            return None
        slots = np.frombuffer(payload, RECORD)
        if zlib.crc32(payload) != crc or slots["sequence"][0] != first:
            zeros = _trailing_zeros(payload)
            if zeros and self._is_unwritten(offset, zeros):
                return None
            raise RecordingError(f"{self.path}: records of the block at byte {offset} are damaged")
        return slots

    def _is_unwritten(self, offset: int, seen_zeros: int = 0) -> bool:
        """Whether the damaged block at ``offset`` is one that a loss of power kept from the disk.

        The file system had made the file longer then and had not filled it: it ends in zeros, a
        whole slot of them at least. No record has a slot of zeros at its end but by its bytes.
        """
        end = self._source.position
        if not self._source.rest_is_zero():
            return False
        if self._source.position - end + seen_zeros < SLOT_BYTES:
            return False
        self.torn_bytes = self._source.position - offset
        return True


def _trailing_zeros(data: bytes) -> int:
    return len(data) - len(data.rstrip(b"\0"))


def read_header(path: Path) -> Segment:
    """Header of one segment; errors as ``SegmentReader``."""
    with SegmentReader(path) as reader:
        return reader.segment


class _Source:
    """The bytes of a plain or compressed file, front to back."""

    def __init__(self, path: Path) -> None:
        self.position = 0
        self._path = path
        self._is_compressed = path.name.endswith(COMPRESSED_SUFFIX)
        self._file = path.open("rb")
        self._stream: IO[bytes] = self._file
        self._total = -1
        if self._is_compressed:
            try:
                self._open_frame()
            except BaseException:
                self._file.close()
                raise

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        data = b""
        try:
            data = self._stream.read(size)
            while len(data) < size and (more := self._stream.read(size - len(data))):
                data += more
        except zstandard.ZstdError as error:
            raise RecordingError(
                f"{self._path}: compressed data damaged near byte {self._file.tell()}: {error}"
            ) from error
        self.position += len(data)
        if len(data) < size and self._is_compressed:
            self.check_end()
        return data

    def skip_to(self, position: int) -> None:
        """Only forwards."""
        if not self._is_compressed:
            self._file.seek(position)
            self.position = position
        while self.position < position and self.read(min(position - self.position, 1 << 20)):
            pass

    def rest_is_zero(self) -> bool:
        """Reads to the end to tell."""
        while data := self.read(1 << 20):
            if any(data):
                return False
        return True

    def check_end(self) -> None:
        """A compressed segment was whole: RecordingError unless all of it is there."""
        if self._is_compressed and self.position != self._total:
            raise RecordingError(
                f"{self._path}: cut short at byte {self._file.tell()}: {self.position} of "
                f"{self._total} bytes of the segment are there"
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _open_frame(self) -> None:
        start = self._file.read(FRAME_HEADER_BYTES)
        try:
            parameters = zstandard.get_frame_parameters(start)
        except zstandard.ZstdError as error:
            raise RecordingError(
                f"{self._path}: byte 0 does not begin a compressed segment: {error}"
            ) from error
        self._total = parameters.content_size
        if self._total == zstandard.CONTENTSIZE_UNKNOWN or not parameters.has_checksum:
            raise RecordingError(f"{self._path}: header (byte 0) damaged: no length or no checksum")
        self._file.seek(0)
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._stream = decompressor.stream_reader(self._file, closefd=False)


def compress_segment(source: IO[bytes], size: int, target: io.BufferedWriter, level: int) -> None:
    """Writes ``size`` bytes of a plain segment as one frame with length and checksum."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, write_checksum=True, write_content_size=True, source_size=size
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with compressor.stream_writer(target, size=size, closefd=False) as writer:
        while size and (data := source.read(min(size, 1 << 20))):
            writer.write(data)
            size -= len(data)
