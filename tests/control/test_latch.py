"""The latch of a KILL: the first one stays, whatever else happens."""

from pathlib import Path

import pytest

from control.latch import Latch, LatchFile, make_latch
from control.people import Who

FIRST = make_latch("first", "drill", "wow-kill", 1_800_000_000_000_000_000, Who(0, "root", 1))


@pytest.fixture
def file(tmp_path: Path) -> LatchFile:
    return LatchFile(tmp_path / "state" / "x.KILLED")


def test_there_is_none_at_first(file: LatchFile) -> None:
    assert file.read() is None


def test_it_is_read_back_as_it_was_written(file: LatchFile) -> None:
    assert file.write(FIRST)
    file.sync()
    assert file.read() == FIRST
    assert FIRST.text == "KILLED 2027-01-15T08:00:00.000000000Z from wow-kill by root: drill"
    assert [path.name for path in file.path.parent.iterdir()] == ["x.KILLED"]


def test_the_first_one_stays(file: LatchFile) -> None:
    file.write(FIRST)
    assert not file.write(make_latch("second", "other", "wow-ctl", 2))
    assert file.read() == FIRST


@pytest.mark.parametrize("data", [b"", b"{", b"\x00\xff", b"[]", b'{"id": 1}'])
def test_one_that_cannot_be_read_counts(file: LatchFile, data: bytes) -> None:
    file.write(FIRST)
    file.path.write_bytes(data)
    found = file.read()
    assert isinstance(found, Latch)
    assert "cannot be read" in found.reason
    assert file.remove(found.id)
    assert file.read() is None


def test_a_directory_in_its_place_counts(file: LatchFile) -> None:
    file.path.mkdir(parents=True)
    found = file.read()
    assert found is not None
    assert "cannot be read" in found.reason


def test_only_its_own_kill_is_removed(file: LatchFile) -> None:
    file.write(FIRST)
    assert not file.remove("another")
    assert file.read() == FIRST
    assert file.remove("first")
    assert file.remove("first"), "an absent one is no other one"
