"""The chain of the audit log: every record is found again, nothing can change unseen."""

# tidy-ok: covers audit_verify too: a log is written to be verified

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from control.audit_log import (
    FIRST_HASH,
    MAX_RECORD_BYTES,
    AuditEntry,
    AuditError,
    AuditLog,
)
from control.audit_verify import Verification, verify_log
from control.people import Who

TIME_NS = 1_800_000_000_123_456_789


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "x.audit.jsonl", tmp_path / "x.audit.head", clock=lambda: TIME_NS)


def verify(log: AuditLog) -> Verification:
    return verify_log(log.path, log.path.with_name("x.audit.head"))


def write(log: AuditLog, count: int) -> None:
    for number in range(count):
        log.append(AuditEntry(what=f"pause {number}", where="local socket", why="é ünd “quotes”"))


def test_a_record_says_who_when_where_what_and_why(log: AuditLog) -> None:
    log.append(
        AuditEntry(
            what="pause",
            where="local socket",
            why="lunch",
            before="RUNNING",
            after="PAUSED",
            command_id="c-1",
            detail={"x": "1"},
            who=Who(1000, "ana", 77),
        )
    )
    record = json.loads(log.path.read_text())
    record.pop("hash")
    assert record == {
        "number": 1,
        "time_ns": TIME_NS,
        "time": "2027-01-15T08:00:00.123456789Z",
        "who": {"uid": 1000, "user": "ana", "pid": 77, "login": ""},
        "where": "local socket",
        "what": "pause",
        "command_id": "c-1",
        "before": "RUNNING",
        "after": "PAUSED",
        "why": "lunch",
        "detail": {"x": "1"},
        "previous": FIRST_HASH,
    }
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_whole_log_verifies(log: AuditLog) -> None:
    write(log, 5)
    found = verify(log)
    assert found.is_whole
    assert found.records == 5
    assert not found.note


def test_an_absent_log_is_told(log: AuditLog) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        verify(log)


def test_any_flipped_byte_is_named_by_its_line(log: AuditLog) -> None:
    write(log, 3)
    data = log.path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x01
        log.path.write_bytes(bytes(changed))
        found = verify(log)
        line = data[:place].count(b"\n") + 1
        assert not found.is_whole, f"byte {place}: {data[place : place + 1]!r}"
        # A line end that goes joins a line with the next, which is the first that is no record.
        assert found.line in (line, line + 1), f"byte {place} of line {line}: {found}"


@pytest.mark.parametrize("gone", range(5))
def test_any_line_that_goes_is_missed(log: AuditLog, gone: int) -> None:
    write(log, 5)
    lines = log.path.read_bytes().splitlines(keepends=True)
    del lines[gone]
    log.path.write_bytes(b"".join(lines))
    found = verify(log)
    assert not found.is_whole
    assert found.line == min(gone + 1, 4)


def test_two_lines_that_changed_places_are_found(log: AuditLog) -> None:
    write(log, 4)
    lines = log.path.read_bytes().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    log.path.write_bytes(b"".join(lines))
    assert verify(log).line == 2


def test_a_log_that_is_gone_altogether_is_missed(log: AuditLog) -> None:
    write(log, 2)
    log.path.write_bytes(b"")
    assert "the last 2 of 2 records are missing" in verify(log).problem


def test_a_head_that_is_gone_is_told(log: AuditLog) -> None:
    write(log, 2)
    log.path.with_name("x.audit.head").unlink()
    assert "cannot be read" in verify(log).problem


def test_a_head_one_behind_is_a_crash_between_the_two_writes(log: AuditLog) -> None:
    write(log, 2)
    head = log.path.with_name("x.audit.head")
    before = head.read_bytes()
    write(log, 1)
    head.write_bytes(before)
    assert verify(log).is_whole
    write(log, 1)
    assert verify(log).records == 4
    head.write_bytes(before)
    assert not verify(log).is_whole


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_line_is_noted_and_healed_by_the_next_record(log: AuditLog, cut: int) -> None:
    write(log, 2)
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    log.path.with_name("x.audit.head").write_text(f"{1:015d} {hash_of(log, 0)}\n")
    assert verify(log).is_whole
    assert ("torn" in verify(log).note) == (cut > 1)

    write(log, 1)

    found = verify(log)
    assert found.is_whole, found
    last = [json.loads(line)["what"] for line in whole_lines(log)][-2:]
    assert last == (["heal", "pause 0"] if cut > 1 else ["pause 1", "pause 0"])


def test_a_torn_line_that_changes_after_it_was_healed_is_found(log: AuditLog) -> None:
    write(log, 2)
    log.path.write_bytes(log.path.read_bytes()[:-40])
    write(log, 1)
    data = log.path.read_bytes()
    place = data.index(b"\n") + 20
    log.path.write_bytes(data[:place] + b"#" + data[place + 1 :])
    found = verify(log)
    assert (found.line, found.problem) == (2, "was torn by a crash, and changed since")


def test_a_damaged_end_refuses_to_be_continued(log: AuditLog) -> None:
    write(log, 1)
    data = log.path.read_bytes()
    log.path.write_bytes(data.replace(b"pause", b"kause"))
    with pytest.raises(AuditError, match="audit verify"):
        write(log, 1)


def test_a_record_that_is_too_long_is_refused(log: AuditLog) -> None:
    with pytest.raises(AuditError, match=str(MAX_RECORD_BYTES)):
        log.append(AuditEntry(what="x", where="y", why="w" * MAX_RECORD_BYTES))
    write(log, 1)
    assert verify(log).is_whole


def test_processes_that_append_at_once_keep_one_chain(log: AuditLog) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from control.audit_log import AuditEntry, AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for _ in range(20):\n"
        "    log.append(AuditEntry(what='x', where='y'))\n"
    )
    head = log.path.with_name("x.audit.head")
    arguments = [sys.executable, "-c", program, str(log.path), str(head)]
    processes = [subprocess.Popen(arguments) for _ in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert verify(log).records == 60


def test_a_lock_that_is_held_is_an_error_not_a_wait_for_ever(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("control.audit_log.LOCK_TIMEOUT_S", 0.02)
    write(log, 1)
    descriptor = os.open(log.path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(AuditError, match="another process has held"):
            write(log, 1)
    finally:
        os.close(descriptor)
    write(log, 1)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = AuditLog(tmp_path / "file" / "a", tmp_path / "file" / "b")
    with pytest.raises(AuditError, match="cannot be written"):
        write(log, 1)


def whole_lines(log: AuditLog) -> list[str]:
    lines = log.path.read_text().splitlines()
    return [line for line in lines if line.endswith('"}') and line.startswith("{")]


def hash_of(log: AuditLog, index: int) -> str:
    return str(json.loads(log.path.read_text().splitlines()[index])["hash"])
