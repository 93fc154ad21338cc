from pathlib import Path

import pytest

from journal.directory import SegmentName, segment_names
from journal.entries import MARKET, ORDERS
from journal.keeper import KeepRules, keep
from journal.verification import SegmentCheck, verify_journal
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write


@pytest.fixture
def journal(engine: EngineStandIn, directory: Path) -> Path:
    play(engine, 20)
    write(engine, directory, blocks=6, segments=3)
    return directory


def problems(directory: Path) -> list[str]:
    return [check.problem for check in verify_journal(directory) if check.problem]


def notes(directory: Path) -> list[str]:
    return [check.note for check in verify_journal(directory) if check.note]


@pytest.mark.parametrize("is_kept", [False, True])
def test_all_is_well(engine: EngineStandIn, journal: Path, *, is_kept: bool) -> None:
    if is_kept:
        keep(journal, KeepRules(), engine.start_time_ns)
    checks = list(verify_journal(journal))
    assert [check.problem + check.note for check in checks] == [""] * len(checks)
    assert len(checks) == len(segment_names(journal)) > 4
    assert sum(check.records for check in checks) == 80
    assert list(verify_journal(journal, engine.start_time_ns + 1)) == []


def test_one_damaged_segment_is_named_and_the_others_are_read(journal: Path) -> None:
    path = segment_names(journal)[1].plain(journal)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (problem,) = problems(journal)
    assert problem.startswith(f"{path}: records of the block at byte ")


def test_a_missing_segment(journal: Path) -> None:
    orders = segment_names(journal, stream=ORDERS)
    orders[1].plain(journal).unlink()
    (problem,) = problems(journal)
    assert f"{orders[2].plain(journal)}: byte 0: slots " in problem
    assert "are missing in front of it" in problem
    segment_names(journal, stream=MARKET)[0].plain(journal).unlink()
    assert len(problems(journal)) == 1
    assert any("missing in front of it" in note for note in notes(journal))


def test_tails(engine: EngineStandIn, journal: Path) -> None:
    path = segment_names(journal, stream=ORDERS)[-1].plain(journal)
    data = path.read_bytes()
    path.write_bytes(data + data[-200:-190])
    assert problems(journal) == []
    assert notes(journal) == [f"a crash cut its last block short: 10 bytes at byte {len(data)}"]
    path.write_bytes(data[:50])
    assert problems(journal) == []
    assert notes(journal) == ["cut short at byte 50, in its header"]
    path.write_bytes(data)
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    path.write_bytes(data[:-1])
    (problem,) = problems(journal)
    assert problem == (
        f"{path}: ends at byte {len(data) - 1}; it had {len(data)} when it was complete"
    )


def test_a_renamed_segment(journal: Path, engine: EngineStandIn) -> None:
    name = segment_names(journal)[0]
    other = SegmentName(7, ORDERS, 0).plain(journal)
    name.plain(journal).rename(other)
    problem, gap = problems(journal)
    assert problem == (f"{other}: byte 0 says orders of {engine.start_time_ns}; it was renamed")
    assert "missing in front of it" in gap


def test_a_damaged_index(engine: EngineStandIn, journal: Path) -> None:
    keep(journal, KeepRules(), engine.start_time_ns)
    path = segment_names(journal)[0].index(journal)
    path.write_bytes(path.read_bytes()[:-3])
    (problem,) = problems(journal)
    assert problem == f"{path}: byte 0: damaged; delete it, it is made again"


def test_a_byte_that_only_the_index_knows_of(engine: EngineStandIn, journal: Path) -> None:
    keep(journal, KeepRules(), engine.start_time_ns)
    path = segment_names(journal)[0].compressed(journal)
    with path.open("ab") as file:
        file.write(b"x")
    (problem,) = problems(journal)
    assert "ends at byte" in problem


def test_a_file_that_vanishes(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = segment_names(journal)[0]
    monkeypatch.setattr(
        "journal.verification.segment_names",
        lambda directory, start: [SegmentName(name.start_time_ns, ORDERS, 99)],
    )
    (check,) = verify_journal(journal)
    assert isinstance(check, SegmentCheck)
    assert "No such file" in check.problem
