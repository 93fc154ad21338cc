"""From a config to an exit status; whole runs are in tests/integration."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable

import pytest

from engine import app
from engine.composition import Arc
from engine.config import EngineConfig
from engine.exit_codes import ExitCode
from engine.run_lock import RunLock
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
        assert app.run(config, is_live=False) == ExitCode.ALREADY_RUNNING
    finally:
        lock.release()
    assert f"another engine (process {os.getpid()}) holds" in capsys.readouterr().err


def test_a_start_that_fails_gives_the_lock_back(load_demo: Callable[..., EngineConfig]) -> None:
    config = load_demo("strategy.0.class=nowhere.at:All")
    with pytest.raises(ConfigError, match="nowhere"):
        app.run(config, is_live=False)
    lock = RunLock(config.engine.state_directory, config.engine.name)
    lock.acquire()
    lock.release()


def test_a_run_without_a_program_to_start_is_cleaned_up(
    load_demo: Callable[..., EngineConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ConfigError, match="wow-relay does not exist"):
        app.run(load_demo(), is_live=False)
    assert not any(
        type(handler).__name__ == "RingHandler" for handler in logging.getLogger("engine").handlers
    )


async def test_the_second_signal_cuts_the_stop_short(
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
