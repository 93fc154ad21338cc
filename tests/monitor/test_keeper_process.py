import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from journal.directory import segment_paths
from monitor.keeper_process import KeeperProcess
from monitor.relay_options import parse_options
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write

INTERVAL_NS = 1_000


def options_of(journal: Path, *words: str) -> list[str]:
    return ["--shared-memory=x", "--publish=ipc://x", f"--journal={journal}", *words]


def is_at_work(keeper: KeeperProcess) -> bool:
    return keeper._process is not None and keeper._process.poll() is None


def test_a_pass_soon_after_the_start_and_then_by_the_interval(
    engine: EngineStandIn, tmp_path: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    play(engine, 5)
    write(engine, tmp_path / "journal")
    keeper = KeeperProcess(parse_options(options_of(tmp_path / "journal")), INTERVAL_NS)
    keeper.poll(5)
    assert not is_at_work(keeper)
    keeper.poll(5 + INTERVAL_NS // 10)
    first = keeper._process
    assert first is not None
    wait_until(lambda: all(path.suffix == ".zst" for path in segment_paths(tmp_path / "journal")))
    assert first.wait(20) == 0
    keeper.poll(200)
    assert not is_at_work(keeper), "the last pass is over and the next not due"
    keeper.poll(200 + INTERVAL_NS)
    assert is_at_work(keeper)
    keeper.close()
    assert not is_at_work(keeper)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Processes that never end by themselves stand in for the keeper."""
    found: list[list[str]] = []
    real = subprocess.Popen

    def start(arguments: list[str], **options: int) -> "subprocess.Popen[bytes]":
        found.append(arguments)
        program = "import time; time.sleep(60)"
        return real([sys.executable, "-c", program], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "Popen", start)
    return found


def test_one_at_a_time_with_the_relays_words(tmp_path: Path, started: list[list[str]]) -> None:
    words = ["--keep-days-orders=400", "--keep-days-market=3", "--no-compression"]
    keeper = KeeperProcess(parse_options(options_of(tmp_path, *words)), INTERVAL_NS)
    for now_ns in (1, 200, 5_000, 10_000):
        keeper.poll(now_ns)
    assert [arguments[1:] for arguments in started] == [
        ["-m", "journal.keeper", str(tmp_path), *words]
    ]
    keeper.close()
    assert not is_at_work(keeper)


def test_a_keeper_that_cannot_be_started_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    keeper = KeeperProcess(parse_options(options_of(tmp_path)), INTERVAL_NS)
    keeper.poll(1)
    keeper.poll(500)
    assert "keeper cannot be started: [Errno 2]" in caplog.text
    keeper.close()
