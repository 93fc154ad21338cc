"""The programs that an engine starts, with scripts in their place."""

import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from engine.processes import (
    ChildProcess,
    RelayReady,
    VenueReady,
    VenueSummary,
    read_venue_summary,
    start_relay,
    start_venue,
)
from engine.secrets import Secret
from engine.settings.config import EngineConfig
from ext.errors import ConfigError, VenueError
from monitor.relay_options import parse_options

VENUE_READY = '{"event":"ready","feed_url":"ws://127.0.0.1:1","fix_host":"127.0.0.1","fix_port":2}'
RELAY_READY = '{"event":"ready","publish":"ipc:///x","http":"http://127.0.0.1:3"}'
SUMMARY = (
    '{"event":"summary","orders":3,"fills":2,"open_orders":1,"steps":9,'
    '"client_positions":{"BTC-USD":"-0.05"},"ledger_sha256":"00ff"}'
)

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script where console scripts are looked for."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def write(name: str, lines: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o700)

    return write


@pytest.fixture
def arguments(install: Install, tmp_path: Path) -> Callable[[], list[str]]:
    """Both programs write their arguments down and are ready at once."""
    for name, ready in (("wow-sim", VENUE_READY), ("wow-relay", RELAY_READY)):
        install(name, f"printf '%s\\n' \"$@\" > {tmp_path}/arguments\necho '{ready}'")
    return lambda: (tmp_path / "arguments").read_text().splitlines()


async def test_a_program_that_is_not_installed(tmp_path: Path, install: Install) -> None:
    with pytest.raises(ConfigError, match=r"wow-x does not exist; install the project"):
        await ChildProcess.start("wow-x", [])


async def test_its_lines_can_be_read(install: Install) -> None:
    install("wow-x", 'echo first "$1"\necho second')
    process = await ChildProcess.start("wow-x", ["word"])
    assert await process.read_line(5) == b"first word\n"
    assert await process.read_line(5) == b"second\n"
    assert await process.ended() == 0


async def test_one_that_ends_before_it_is_ready(install: Install) -> None:
    install("wow-x", "exit 7")
    process = await ChildProcess.start("wow-x", [])
    with pytest.raises(VenueError, match="wow-x ended with status 7 before it was ready"):
        await process.read_line(5)


async def test_one_that_says_nothing(install: Install) -> None:
    install("wow-x", "exec sleep 30")
    process = await ChildProcess.start("wow-x", [])
    with pytest.raises(VenueError, match="wow-x was not ready after 0 s"):
        await process.read_line(0.05)
    process.stop()
    assert await process.wait(5)


async def test_the_end_is_waited_for(install: Install) -> None:
    install("wow-x", "sleep 0.1; exit 3")
    process = await ChildProcess.start("wow-x", [])
    await process.end(5)
    assert await process.ended() == 3
    process.stop()  # of one that has ended: nothing


async def test_one_that_goes_on_is_terminated(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("wow-x", "exec sleep 30")
    process = await ChildProcess.start("wow-x", [])
    await process.end(0.05)
    assert await process.ended() == -15
    assert "wow-x still runs; terminating it" in caplog.text


async def test_one_that_will_not_end_is_killed(install: Install) -> None:
    install("wow-x", "trap '' TERM\necho deaf\nwhile :; do sleep 0.1; done")
    process = await ChildProcess.start("wow-x", [])
    assert await process.read_line(5) == b"deaf\n"
    await process.end(0.1)
    assert await process.ended() == -9


@pytest.mark.parametrize(
    ("lines", "last"), [("", b""), ("echo a", b"a"), ("echo a; echo b", b"b"), ("echo; echo", b"")]
)
async def test_the_last_line(install: Install, lines: str, last: bytes) -> None:
    install("wow-x", lines)
    process = await ChildProcess.start("wow-x", [])
    assert await process.read_last_line() == last


async def test_the_summary_of_a_venue(install: Install) -> None:
    install("wow-x", f"echo '{VENUE_READY}'\necho '{SUMMARY}'")
    process = await ChildProcess.start("wow-x", [])
    await process.read_line(5)
    assert await read_venue_summary(process) == VenueSummary(
        3, 2, 1, {"BTC-USD": Decimal("-0.05")}, "00ff"
    )


@pytest.mark.parametrize("lines", ["kill -9 $$", "echo nonsense", "echo '{}'", "echo '[1,'"])
async def test_a_venue_that_died_has_no_summary(
    install: Install, caplog: pytest.LogCaptureFixture, lines: str
) -> None:
    install("wow-x", lines)
    process = await ChildProcess.start("wow-x", [])
    assert await read_venue_summary(process) is None
    assert "wow-x ended without a summary" in caplog.text


async def test_the_venue_gets_the_config(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig]
) -> None:
    config = load_demo("simulator.seed=7", "simulator.duration_seconds=2.5")
    process, ready = await start_venue(config)
    await process.ended()
    assert ready == VenueReady("ws://127.0.0.1:1", "127.0.0.1", 2)
    assert arguments() == [
        "--seed=7",
        "--duration=2.5",
        "--speed=1",
        "--products=BTC-USD,ETH-USD",
    ]


async def test_the_venue_plays_a_recording_as_fast_as_it_goes(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig]
) -> None:
    config = load_demo(
        "simulator.recording=some.gz", "simulator.speed=max", "simulator.lockstep=false"
    )
    process, _ = await start_venue(config)
    await process.ended()
    assert arguments()[2:] == ["--speed=max", "--recording=some.gz", "--free-running"]


async def test_no_credential_stands_on_the_command_line(
    arguments: Callable[[], list[str]],
    load_demo: Callable[..., EngineConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WOW_TEST_KEY", "my-key")
    config = load_demo()
    assert config.order_entry is not None
    # The config refuses it; should it ever not, the venue must not show it to every `ps`.
    section = msgspec.structs.replace(config.order_entry, key=Secret.parse("env:WOW_TEST_KEY"))
    config = msgspec.structs.replace(config, order_entry=section)
    process, _ = await start_venue(config)
    await process.ended()
    assert "my-key" not in " ".join(arguments())


@pytest.mark.parametrize("line", ["{}", "ready", '{"feed_url":1,"fix_host":"","fix_port":2}'])
async def test_a_venue_that_is_not_ready_as_agreed_is_ended(
    install: Install, load_demo: Callable[..., EngineConfig], tmp_path: Path, line: str
) -> None:
    install("wow-sim", f"echo $$ > {tmp_path}/pid\necho '{line}'\nexec sleep 30")
    with pytest.raises(VenueError, match="wow-sim said something else than where it listens"):
        await start_venue(load_demo())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_the_relay_gets_the_config(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig], tmp_path: Path
) -> None:
    process, ready = await start_relay(load_demo("telemetry.http_port=9090"))
    await process.ended()
    assert ready == RelayReady("ipc:///x", "http://127.0.0.1:3")
    assert arguments() == [
        f"--shared-memory={tmp_path}/wow-demo.shm",
        f"--publish=ipc://{tmp_path}/p",
        "--http-port=9090",
        f"--journal={tmp_path}/state/journal",
        f"--state-directory={tmp_path}/state",
        "--sync-ms-orders=100",
        "--sync-ms-market=1000",
        "--segment-mib=256",
        "--segment-minutes=60",
        "--keep-days-orders=0",
        "--keep-days-market=7",
    ]


async def test_the_relay_understands_all_of_it(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig]
) -> None:
    config = load_demo("journal.market_data=false", "journal.compress=false")
    process, _ = await start_relay(config, core=1)
    await process.ended()
    given = arguments()
    assert given[-3:] == ["--no-market-data", "--no-compression", "--core=1"]
    options = parse_options(given)
    assert (options.market_data, options.compress, options.keep_days_market) == (False, False, 7)


async def test_the_relay_is_told_its_core(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig]
) -> None:
    process, _ = await start_relay(load_demo(), core=2)
    await process.ended()
    assert arguments()[-1] == "--core=2"


async def test_a_relay_without_a_core_is_not_pinned(
    arguments: Callable[[], list[str]], load_demo: Callable[..., EngineConfig]
) -> None:
    process, _ = await start_relay(load_demo())
    await process.ended()
    assert not any(argument.startswith("--core") for argument in arguments())
