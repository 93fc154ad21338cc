"""Who did what, when, from where, and why: a chain of records that only grows.

One record is one line of JSON. Its last member is BLAKE2b-256 of the rest of the line, and one of
its members is that hash of the record before: a byte that changes, or a line that goes, breaks the
chain there. A second file, the head, holds number and hash of the newest record, so that lines
missing at the end are missed too. Each append is on the disk before it returns.

A crash in the middle of an append leaves a line without its end. Nobody was told that it was
written. The next append ends that line where it stands and says so in a record of its own,
``heal``, with the hash of the torn bytes. Nothing is ever removed, and the file is never rotated:
it grows with what people do.

Every process of the engine may append; a lock on the file keeps them apart.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from control.people import Who, find_who
from ext.errors import WowError

HASH_BYTES = 32
FIRST_HASH = "0" * 2 * HASH_BYTES
"""What the first record calls the one before it."""
MAX_RECORD_BYTES = 16_384
LOCK_TIMEOUT_S = 1.0
LOCK_POLL_S = 0.005
HEAL = "heal"
_HASH_KEY = b',"hash":"'
_TAIL_BYTES = len(_HASH_KEY) + 2 * HASH_BYTES + 2
_NANOSECONDS_PER_SECOND = 1_000_000_000


class AuditError(WowError):
    """The log cannot be written or read; the text says which file, why and what to do."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be recorded. ``where`` it came from: local socket, terminal, signal, breaker,
    relay, command line. ``before`` and ``after`` are states in words, empty where there is none."""

    what: str
    where: str
    why: str = ""
    before: str = ""
    after: str = ""
    command_id: str = ""
    detail: dict[str, str] = {}
    who: Who | None = None
    """None: this process."""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line, without its own hash. ``number`` counts from 1, ``time_ns`` is UTC."""

    number: int
    time_ns: int
    time: str
    who: Who
    where: str
    what: str
    command_id: str
    before: str
    after: str
    why: str
    detail: dict[str, str]
    previous: str


class AuditLog:
    """The log of one engine; opened for each append, so that any number of processes may hold it.

    ``head`` is the file beside it that knows the newest record.
    """

    def __init__(self, path: Path, head: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self._head = head
        self._clock = clock

    def append(self, entry: AuditEntry) -> AuditRecord:
        """Writes one record behind the others, on the disk when this returns.

        Raises AuditError when it cannot be written, or is longer than MAX_RECORD_BYTES.
        """
        try:
            descriptor = self._open()
            try:
                _lock(descriptor, self.path)
                return self._append(descriptor, entry)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AuditError(
                f"the audit log {self.path} cannot be written: {error.strerror}; commands are"
                " refused until it can be: free the disk, or mend its permissions"
            ) from error

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if is_new:
            sync_directory(self.path.parent)
        return descriptor

    def _append(self, descriptor: int, entry: AuditEntry) -> AuditRecord:
        size = os.fstat(descriptor).st_size
        number, previous, torn, is_open = _read_end(descriptor, size)
        written = b"\n" if is_open else b""
        if torn:
            healed = self._make(
                AuditEntry(
                    what=HEAL,
                    where="audit log",
                    why="a crash tore the line before; nobody was told that it was written",
                    detail={"torn_bytes": str(len(torn)), "torn_hash": hash_bytes(torn)},
                ),
                number + 1,
                previous,
            )
            line, previous = _seal(healed)
            number += 1
            written = b"\n" + line
        record = self._make(entry, number + 1, previous)
        line, newest = _seal(record)
        if len(line) > MAX_RECORD_BYTES:
            raise AuditError(f"an audit record of {len(line)} bytes; at most {MAX_RECORD_BYTES}")
        _write_all(descriptor, written + line)
        os.fsync(descriptor)
        self._write_head(record.number, newest)
        return record

    def _make(self, entry: AuditEntry, number: int, previous: str) -> AuditRecord:
        time_ns = self._clock()
        return AuditRecord(
            number=number,
            time_ns=time_ns,
            time=show_time(time_ns),
            who=entry.who or find_who(),
            where=entry.where,
            what=entry.what,
            command_id=entry.command_id,
            before=entry.before,
            after=entry.after,
            why=entry.why,
            detail=dict(entry.detail),
            previous=previous,
        )

    def _write_head(self, number: int, newest: str) -> None:
        """Fixed width and in place: never longer or shorter than it was, so never half a file."""
        descriptor = os.open(self._head, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, f"{number:015d} {newest}\n".encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def hash_bytes(data: bytes) -> str:
    """BLAKE2b-256 in hex."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).hexdigest()


def show_time(time_ns: int) -> str:
    """UTC to the nanosecond, ISO 8601."""
    seconds, rest_ns = divmod(time_ns, _NANOSECONDS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal(record: AuditRecord) -> tuple[bytes, str]:
    body = msgspec.json.encode(record)
    newest = hash_bytes(body)
    return body[:-1] + _HASH_KEY + newest.encode() + b'"}\n', newest


def read_line(line: bytes) -> tuple[AuditRecord, str] | None:
    """The record of a line and its hash; None: it is no record, or not as it was written."""
    if len(line) <= _TAIL_BYTES or not line.endswith(b'"}'):
        return None
    body, tail = line[:-_TAIL_BYTES] + b"}", line[-_TAIL_BYTES:]
    newest = hash_bytes(body)
    if tail != _HASH_KEY + newest.encode() + b'"}':
        return None
    try:
        return msgspec.json.decode(body, type=AuditRecord), newest
    except msgspec.MsgspecError:
        return None


def _read_end(descriptor: int, size: int) -> tuple[int, str, bytes, bool]:
    """Number and hash of the newest record, the bytes of a line that was torn, and whether the
    newest record lacks nothing but the end of its line."""
    window = min(size, 2 * MAX_RECORD_BYTES + _TAIL_BYTES)
    *lines, torn = os.pread(descriptor, window, size - window).split(b"\n")
    if last := read_line(torn):
        return last[0].number, last[1], b"", True
    for line in reversed(lines):
        if found := read_line(line):
            return found[0].number, found[1], torn, False
    if any(lines):
        raise AuditError(
            "the last record of the audit log is damaged: run `wow-ctl audit verify`, move the"
            " files *.audit.jsonl and *.audit.head aside and keep them; a new log begins"
        )
    return 0, FIRST_HASH, torn, False


def _lock(descriptor: int, path: Path) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise AuditError(
                    f"another process has held the audit log {path} for {LOCK_TIMEOUT_S:g} s: is"
                    " it stopped, or does its disk hang? `fuser` names it"
                ) from None
            time.sleep(LOCK_POLL_S)  # tidy-ok: waits for another process, a millisecond or two
        else:
            return


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
