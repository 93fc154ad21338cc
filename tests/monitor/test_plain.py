import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ext.wire import Step
from journal.shared_reader import SharedReader
from monitor import plain, terminal
from monitor.publisher import Publisher
from monitor.status import RelayStatus

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

SECOND = 1_000_000_000


@pytest.fixture
def published(engine: "EngineStandIn", endpoint: str) -> Iterator[None]:
    """A thread that publishes the stand-in engine, faster than a relay would."""
    engine.book()
    engine.position()
    engine.order(0, 4711)
    engine.latency(Step.STEP_SEND, 5_000)
    engine.header["frames"] = 123_456
    must_end = threading.Event()

    def publish() -> None:
        reader = SharedReader(engine.path)
        publisher = Publisher(endpoint, reader, RelayStatus(), epoch=1)
        now_ns = 10 * SECOND
        while not must_end.wait(0.01):
            now_ns += SECOND // 10
            engine.beat()
            publisher.publish_due(now_ns)
        publisher.close()
        reader.close()

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    must_end.set()
    thread.join()


def run_monitor(endpoint: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.terminal", "--connect", endpoint, *options]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=environment
    )


@pytest.mark.usefixtures("published")
def test_once_shows_everything(endpoint: str) -> None:
    done = run_monitor(endpoint, "--once")
    assert done.returncode == 0, done.stderr
    for text in (
        " SIMULATED  demo  RUNNING",
        "book BTC-USD 1/2  LIVE  812 x 744 levels",
        "65123.45",
        "0.03000000",
        "4711",
        "123,456",
        "5.12 µs",
    ):
        assert text in done.stdout
    assert "…" not in done.stdout, "a pipe has no width"
    assert re.search(r"heartbeat \d\.\d s\n", done.stdout)
    assert max(map(len, done.stdout.splitlines())) < 200, "nor is a line filled up to one"
    assert re.search(r"0\.07500000 +0\.20000000 +65123\.44", done.stdout)


def test_once_without_an_engine_says_so(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plain, "FIRST_SNAPSHOT_SECONDS", 0.05)
    monkeypatch.setattr(plain, "SETTLE_SECONDS", 0.05)
    assert terminal.main(["--connect", endpoint, "--once"]) == 1
    assert "waiting for engine" in capsys.readouterr().out


def test_a_bad_endpoint_is_explained() -> None:
    done = run_monitor("nonsense", "--plain")
    assert done.returncode == 2
    assert "cannot connect to 'nonsense'" in done.stderr
