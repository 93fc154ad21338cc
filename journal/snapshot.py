"""The state of orders, positions and strategies at one record of the journal, as a file.

A recovery begins with the newest one and applies what was recorded after it. The file is written
at once or not at all, and a byte that changed is told.
"""

import re
import struct
import zlib
from pathlib import Path

import msgspec

from ext.errors import RecordingError
from journal.durable import write_durably

MAGIC = b"WOWSNP01"
_HEAD = struct.Struct("<8sII")  # magic, bytes of what follows, their CRC-32
_NAME = re.compile(r"(\d{20})-(\d{15})\.snapshot")


class FillMark(msgspec.Struct, frozen=True):
    """Until where the fills of one product are known: those up to ``trade_id`` were agreed on with
    the venue. Where nobody has agreed yet, nothing before ``since_ns`` is ours; 0: somebody has."""

    trade_id: int = 0
    since_ns: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """State of a run behind slot ``sequence`` of its order stream; 0: as it began.

    ``strategy_states`` holds the persistent bytes of each strategy. ``pause_reason`` is empty
    unless the engine was PAUSED, ``kill_reason`` unless it was KILLED. ``messages`` are those that
    the venue may ask for again. ``breakers`` are the kept bytes of each strategy's, then the
    engine's; ``guards`` those of each strategy's position management; ``fill_marks`` are of each
    product. Empty: nothing is known.
    """

    start_time_ns: int
    sequence: int
    time_ns: int
    next_number: int
    next_outgoing: int
    next_incoming: int
    pause_reason: str
    instruments: list[tuple[str, str, str]]
    strategies: list[tuple[str, str]]
    tables: dict[str, bytes]
    positions: bytes
    strategy_states: list[bytes]
    messages: list[tuple[int, bytes]]
    breakers: list[bytes] = []
    guards: list[bytes] = []
    kill_reason: str = ""
    fill_marks: dict[str, FillMark] = {}


def snapshot_path(directory: Path, start_time_ns: int, sequence: int) -> Path:
    """Where the snapshot of a run behind that slot belongs."""
    return directory / f"{start_time_ns:020d}-{sequence:015d}.snapshot"


def snapshot_paths(directory: Path, start_time_ns: int) -> list[Path]:
    """The snapshots of one run, oldest first."""
    found = sorted(directory.glob(f"{start_time_ns:020d}-*.snapshot"))
    return [path for path in found if _NAME.fullmatch(path.name)]


def write_snapshot(directory: Path, snapshot: Snapshot) -> Path:
    """Writes the file; raises OSError when the disk refuses."""
    body = zlib.compress(msgspec.msgpack.encode(snapshot), 1)
    path = snapshot_path(directory, snapshot.start_time_ns, snapshot.sequence)
    directory.mkdir(parents=True, exist_ok=True)
    write_durably(path, _HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body)
    return path


def read_snapshot(path: Path) -> Snapshot:
    """Reads a file back; RecordingError names it when it is damaged, cut, or no snapshot."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise RecordingError(f"{path}: not a snapshot (does not begin with {MAGIC.decode()})")
    _, size, crc = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if len(body) != size:
        raise RecordingError(f"{path}: {len(body)} bytes behind its head, which says {size}")
    if zlib.crc32(body) != crc:
        raise RecordingError(f"{path}: damaged, its CRC does not match")
    try:
        return msgspec.msgpack.decode(zlib.decompress(body), type=Snapshot)
    except (msgspec.MsgspecError, zlib.error) as error:
        raise RecordingError(f"{path}: of another version of the engine: {error}") from error


def newest_snapshot(directory: Path, start_time_ns: int) -> tuple[Snapshot | None, list[str]]:
    """The newest one of a run that can be read, and what is wrong with newer ones."""
    problems: list[str] = []
    for path in reversed(snapshot_paths(directory, start_time_ns)):
        try:
            return read_snapshot(path), problems
        except RecordingError as error:
            problems.append(str(error))
    return None, problems
