import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ext.errors import RecordingError
from journal import keeper
from journal.directory import SegmentName, segment_names, segment_paths
from journal.entries import MARKET, ORDERS
from journal.index import load_index
from journal.keeper import DAY_NS, KeepRules, keep
from journal.reader import read_entries
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write

RULES = KeepRules()


def sequences(engine: EngineStandIn, directory: Path) -> list[tuple[str, int]]:
    entries = read_entries(directory, engine.start_time_ns)
    return [(entry.stream, entry.sequence) for entry in entries]


@pytest.fixture
def journal(engine: EngineStandIn, directory: Path) -> Path:
    play(engine, 20)
    write(engine, directory)
    return directory


def test_complete_segments_are_indexed_and_compressed(engine: EngineStandIn, journal: Path) -> None:
    before = sequences(engine, journal)
    count = len(segment_names(journal))
    result = keep(journal, RULES, engine.start_time_ns)
    assert (result.indexed, result.compressed, result.deleted, result.damaged) == (count,) * 2 + (
        0,
        0,
    )
    assert all(path.name.endswith(".journal.zst") for path in segment_paths(journal))
    assert all(load_index(journal, name) for name in segment_names(journal))
    assert sequences(engine, journal) == before
    again = keep(journal, RULES, engine.start_time_ns)
    assert (again.indexed, again.compressed) == (0, 0)


def test_a_segment_that_is_being_written_is_left_alone(
    engine: EngineStandIn, journal: Path
) -> None:
    path = segment_paths(journal)[0]
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        keep(journal, KeepRules(keep_days_orders=1), engine.start_time_ns + 90 * DAY_NS)
    plain = [each for each in segment_paths(journal) if each.name.endswith(".journal")]
    assert plain == [path]


def test_one_keeper_at_a_time(engine: EngineStandIn, journal: Path) -> None:
    descriptor = os.open(journal, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert keep(journal, RULES, engine.start_time_ns).indexed == 0
    os.close(descriptor)
    assert keep(journal, RULES, engine.start_time_ns).indexed > 0


def test_where_there_is_no_journal_yet(tmp_path: Path) -> None:
    assert keep(tmp_path / "nowhere", RULES, 1).indexed == 0


@pytest.mark.parametrize("call", range(1, 14))
def test_a_keeper_that_dies_at_any_point_is_followed_by_another(
    engine: EngineStandIn, journal: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    before = sequences(engine, journal)
    calls = 0

    def count_down(real: object) -> object:
        def dying(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == call:
                raise KeyboardInterrupt
            return real(*arguments, **options)  # type: ignore[operator]

        return dying

    for owner, name in (
        (keeper, "compress_segment"),
        (keeper, "build_index"),
        (keeper, "store_index"),
        (os, "replace"),
        (os, "fsync"),
        (Path, "unlink"),
    ):
        monkeypatch.setattr(owner, name, count_down(getattr(owner, name)))
    with pytest.raises(KeyboardInterrupt):
        keep(journal, RULES, engine.start_time_ns)
    monkeypatch.undo()
    assert sequences(engine, journal) == before
    keep(journal, RULES, engine.start_time_ns)
    assert sequences(engine, journal) == before
    names = sorted(path.name for path in journal.iterdir())
    assert all(name.endswith((".journal.zst", ".index")) for name in names)
    assert len(names) == 2 * len(segment_names(journal))


def test_a_damaged_segment_is_neither_compressed_nor_lost(
    engine: EngineStandIn, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = segment_paths(journal)[0]
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    result = keep(journal, RULES, engine.start_time_ns)
    assert result.damaged == 1
    assert path.read_bytes() == bytes(data)
    assert f"{path}: records of the block at byte" in caplog.text


def test_a_torn_tail_is_cut_off(engine: EngineStandIn, journal: Path) -> None:
    path = segment_paths(journal)[0]
    whole = path.read_bytes()
    path.write_bytes(whole + b"WBLK, cut short")
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    assert path.read_bytes() == whole


def test_old_segments_go_by_stream_and_the_newest_orders_never(
    engine: EngineStandIn, journal: Path
) -> None:
    old = engine.start_time_ns - 30 * DAY_NS
    for name in segment_names(journal):
        before = SegmentName(old, name.stream, name.number)
        header = name.plain(journal).read_bytes()
        before.plain(journal).write_bytes(header)
        os.utime(before.plain(journal), ns=(old, old))
    # A run of thirty days ago, and the newest one: its files say another start, which is damage.
    now_ns = engine.start_time_ns + 5 * DAY_NS
    keep(journal, KeepRules(keep_days_orders=60, keep_days_market=7), now_ns)
    left = {(name.start_time_ns == old, name.stream) for name in segment_names(journal)}
    assert left == {(True, ORDERS), (False, ORDERS), (False, MARKET)}
    keep(journal, KeepRules(keep_days_orders=1, keep_days_market=1), now_ns)
    left = {(name.start_time_ns == old, name.stream) for name in segment_names(journal)}
    assert left == {(False, ORDERS)}
    assert all(
        path.name.split(".")[0] in {n.stem for n in segment_names(journal)}
        for path in journal.iterdir()
    )
    entries = read_entries(journal, engine.start_time_ns, with_market=False)
    assert len(list(entries)) == 40


def test_a_compressed_file_that_is_not_the_same_goes(
    engine: EngineStandIn, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sequences(engine, journal)
    (name, *_) = segment_names(journal)
    name.compressed(journal).write_bytes(b"cut short by a crash")
    result = keep(journal, RULES, engine.start_time_ns)
    assert result.damaged == 1
    assert not name.compressed(journal).exists()
    keep(journal, RULES, engine.start_time_ns)
    assert name.compressed(journal).exists()
    assert sequences(engine, journal) == before


def test_as_a_process(engine: EngineStandIn, journal: Path) -> None:
    before = sequences(engine, journal)
    done = subprocess.run(
        [sys.executable, "-m", "journal.keeper", str(journal), "--keep-days-market=3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert sequences(engine, journal) == before
    assert all(path.name.endswith(".zst") for path in segment_paths(journal))


def test_its_index_is_checked_against_the_file(engine: EngineStandIn, journal: Path) -> None:
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    name = segment_names(journal)[0]
    data = bytearray(name.plain(journal).read_bytes())
    data[-1] ^= 1
    name.plain(journal).write_bytes(data)
    result = keep(journal, RULES, engine.start_time_ns)
    assert result.damaged == 1
    assert name.plain(journal).exists()
    with pytest.raises(RecordingError):
        sequences(engine, journal)
