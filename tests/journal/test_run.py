from pathlib import Path

import pytest

from ext.errors import RecordingError, UsageError
from journal.run import choose_run, format_time, load_run, parse_time, run_of_memory
from journal.shared_reader import SharedReader
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write

START = 1_763_640_000_123_456_789  # 2025-11-20T12:00:00


def test_times() -> None:
    assert format_time(START) == "2025-11-20T12:00:00.123456789Z"
    assert parse_time("17", START) == 17
    assert parse_time("2025-11-20T12:00:00", START) == START // 10**9 * 10**9
    assert parse_time("2025-11-20T13:00:00.5+01:00", START) == START // 10**9 * 10**9 + 500_000_000
    assert parse_time("12:00:01", START) == (START // 10**9 + 1) * 10**9
    assert parse_time("2025-11-20", START) == (START // 10**9 - 12 * 3600) * 10**9
    for text in ("noon", "2025-13-01", "-1"):
        with pytest.raises(UsageError, match=f"time was '{text}'; use 2026-11-20T13:00:00"):
            parse_time(text, START)


def test_runs_by_what_an_operator_calls_them(tmp_path: Path) -> None:
    second, third = START + 3_600 * 10**9, START + 7_200 * 10**9
    for start in (START, second, third):
        (tmp_path / f"{start:020d}-orders-000000.journal").write_bytes(b"")
    assert choose_run(tmp_path, "latest") == choose_run(tmp_path, "-1") == third
    assert choose_run(tmp_path, "-3") == START
    assert choose_run(tmp_path, str(second)) == second
    assert choose_run(tmp_path, "2025-11-20T13") == second
    for text, problem in (
        ("2025-11-20", "3 runs begin like that"),
        ("17636", "3 runs begin like that"),
        ("-4", "no run begins like that"),
        ("x", "no run begins like that"),
    ):
        with pytest.raises(UsageError, match=f"--run was '{text}'; {problem}; the newest are"):
            choose_run(tmp_path, text)


def test_where_there_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"holds no journal; \[journal\] path"):
        choose_run(tmp_path, "latest")
    with pytest.raises(RecordingError, match="is no directory"):
        choose_run(tmp_path / "nowhere", "latest")


def test_names_from_a_header_and_from_the_memory_are_the_same(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    play(engine, 2)
    write(engine, directory)
    run = load_run(directory, engine.start_time_ns)
    memory = run_of_memory(reader)
    assert (run.engine, run.mode, run.strategies) == ("demo", "simulated", memory.strategies)
    assert [each.symbol for each in run.instruments] == ["BTC-USD", "ETH-USD"]
    assert run.instrument(1).tick.format(3) == memory.instrument(1).tick.format(3) == "0.15"
    assert (run.instrument(-1).symbol, run.instrument(2).symbol, run.strategy(-1)) == ("", "", "")


def test_a_damaged_header_is_passed_over_when_another_has_the_names(
    engine: EngineStandIn, directory: Path
) -> None:
    play(engine, 4)
    write(engine, directory)
    paths = sorted(directory.iterdir())
    for path in paths[:-1]:
        path.write_bytes(b"WOWJRN02" + bytes(80))
    assert load_run(directory, engine.start_time_ns).engine == "demo"
    paths[-1].write_bytes(b"x")
    with pytest.raises(RecordingError, match="damaged"):
        load_run(directory, engine.start_time_ns)
