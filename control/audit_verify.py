"""Follows the chain of an audit log from its first record, and names the first broken link."""

from dataclasses import dataclass
from pathlib import Path

from control.audit_log import (
    FIRST_HASH,
    HEAL,
    AuditError,
    AuditRecord,
    hash_bytes,
    read_line,
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. ``problem`` is empty when the chain is whole; otherwise ``line`` counts from
    1. ``head`` is the hash of the newest record: kept elsewhere, it proves later that nobody has
    written the log anew. ``note`` is what is no damage and yet to be known."""

    path: Path
    records: int
    head: str
    line: int = 0
    problem: str = ""
    note: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every link holds."""
        return not self.problem


def verify_log(path: Path, head_path: Path) -> Verification:
    """Reads the whole log. Raises AuditError when it cannot be read at all."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AuditError(f"the audit log {path} cannot be read: {error.strerror}") from error
    *lines, torn = data.split(b"\n")
    if read_line(torn):
        lines, torn = [*lines, torn], b""  # it lacks nothing but the end of its line
    number, previous, broken = 0, FIRST_HASH, b""
    for count, line in enumerate(lines, 1):
        found = read_line(line)
        if found is None:
            if broken:
                return _fail(path, number, previous, count - 1, "is no record, or was changed")
            broken = line  # excused only by a record that heals exactly these bytes
            continue
        record, newest = found
        if broken:
            problem = _check_heal(record, broken)
            if problem:
                return _fail(path, number, previous, count - 1, problem)
            broken = b""
        if record.previous != previous:
            reason = (
                "does not follow the record before it: lines are missing, or were changed and"
                " hashed again"
            )
            return _fail(path, number, previous, count, reason)
        if record.number != number + 1:
            reason = f"is record {record.number} where {number + 1} is due"
            return _fail(path, number, previous, count, reason)
        number, previous = record.number, newest
    if broken:
        return _fail(path, number, previous, len(lines), "is no record, or was changed")
    return _check_head(path, head_path, number, previous, len(lines), torn)


def _check_heal(record: AuditRecord, broken: bytes) -> str:
    if record.what != HEAL:
        return "is no record, or was changed"
    if record.detail.get("torn_hash") != hash_bytes(broken):
        return "was torn by a crash, and changed since"
    return ""


def _check_head(
    path: Path, head_path: Path, number: int, newest: str, lines: int, torn: bytes
) -> Verification:
    """A head one behind is a crash between the two writes; anything else is not."""
    note = ""
    if torn:
        note = f"its last line, {len(torn)} bytes, was torn by a crash; the next record heals it"
    try:
        words = head_path.read_text("ascii").split()
        head_number, head_hash = int(words[0]), words[1]
    except (OSError, ValueError, IndexError):
        reason = f"nothing says that it is the last one: {head_path.name} cannot be read"
        return _fail(path, number, newest, lines, reason) if number else _whole(path, 0, "", note)
    if head_number > number:
        if torn:
            reason = "was written whole, and its end has changed since"
            return _fail(path, number, newest, lines + 1, reason)
        missing = head_number - number
        reason = f"is followed by nothing: the last {missing} of {head_number} records are missing"
        return _fail(path, number, newest, lines, reason)
    if head_number == number and head_hash != newest:
        return _fail(path, number, newest, lines, f"is another one than {head_path.name} knows")
    if head_number < number - 1:
        reason = f"is newer than {head_path.name} knows, which ends with record {head_number}"
        return _fail(path, number, newest, lines, reason)
    return _whole(path, number, newest, note)


def _whole(path: Path, number: int, head: str, note: str) -> Verification:
    return Verification(path, number, head, note=note)


def _fail(path: Path, number: int, head: str, line: int, problem: str) -> Verification:
    return Verification(path, number, head, line, problem)
