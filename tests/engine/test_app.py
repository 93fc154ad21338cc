"""From a config to an exit status; whole runs are in tests/integration."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from engine import app
from engine.background_writer import BackgroundWriter
from engine.composition import Arc
from engine.decisions import Decisions
from engine.exit_codes import ExitCode
from engine.processes import ChildProcess
from engine.runs.run_lock import RunLock
from engine.settings.config import EngineConfig
from engine.supervisor import Supervisor
from ext.errors import ConfigError

pytestmark = pytest.mark.usefixtures("kept_logging")


def test_a_second_engine_is_refused(
    load_demo: Callable[..., EngineConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_demo()
    lock = RunLock(config.engine.state_directory, config.engine.name)
    lock.acquire()
    try:
        assert app.run(config, Decisions()) == ExitCode.ALREADY_RUNNING
    finally:
        lock.release()
    assert f"another engine (process {os.getpid()}) holds" in capsys.readouterr().err


def test_a_start_that_fails_gives_the_lock_back(load_demo: Callable[..., EngineConfig]) -> None:
    config = load_demo("strategy.0.class=nowhere.at:All")
    with pytest.raises(ConfigError, match="nowhere"):
        app.run(config, Decisions())
    lock = RunLock(config.engine.state_directory, config.engine.name)
    lock.acquire()
    lock.release()


def test_a_run_without_a_program_to_start_is_cleaned_up(
    load_demo: Callable[..., EngineConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ConfigError, match="wow-relay does not exist"):
        app.run(load_demo(), Decisions())
    assert not any(
        type(handler).__name__ == "RingHandler" for handler in logging.getLogger("engine").handlers
    )


class Venue:
    """Stands for the started venue."""

    stops = 0

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """What each signal did before."""
    before = {number: signal.getsignal(number) for number in app.SIGNAL_EXIT_CODES}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("kept_signals")
async def test_the_second_signal_cuts_the_stop_short(
    make_arc: Callable[..., Arc], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    supervisor = Supervisor(make_arc(), lambda: None)
    venue = Venue()
    supervisor._venue = cast(ChildProcess, venue)
    with (tmp_path / "log").open("wb") as log:
        writer = BackgroundWriter(log.fileno())
        app._handle_signals(supervisor, [writer])
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        assert (supervisor.is_stopping, supervisor.reason) == (True, "signal SIGHUP")
        assert (exits, venue.stops) == ([], 0)
        writer.write("last words")
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        assert (exits, venue.stops) == ([ExitCode.HANGUP], 1)
        assert (tmp_path / "log").read_text() == "last words"
        assert writer.close(10)


@pytest.mark.usefixtures("kept_signals")
async def test_an_ignored_hangup_stays_ignored(make_arc: Callable[..., Arc]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    supervisor = Supervisor(make_arc(), lambda: None)
    app._handle_signals(supervisor)
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0.01)
    assert not supervisor.is_stopping


@pytest.mark.usefixtures("kept_signals")
async def test_each_signal_has_its_status(
    make_arc: Callable[..., Arc], monkeypatch: pytest.MonkeyPatch
) -> None:
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    supervisor = Supervisor(make_arc(), lambda: None)
    app._handle_signals(supervisor)
    loop = asyncio.get_running_loop()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
        assert supervisor.is_stopping
        assert supervisor.reason == "signal SIGINT"
        assert exits == []
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.01)
        assert exits == [ExitCode.TERMINATED]
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
        assert exits == [ExitCode.TERMINATED, ExitCode.INTERRUPTED]
    finally:
        for number in app.SIGNAL_EXIT_CODES:
            loop.remove_signal_handler(number)
