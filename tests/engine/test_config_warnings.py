"""Warnings, and the two refusals that depend on the command line and the machine."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings.config import load_config
from engine.settings.config_warnings import find_warnings, require_arming, require_recording
from ext.errors import ConfigError
from tuning.affinity import format_cores

WriteConfig = Callable[..., Path]
NO_KILL = (
    "[kill]: a KILL has no key of its own, it shares that of [order_entry]",
    "[kill] rest_url: a KILL has the order session alone, and wow-kill has nothing",
)


def test_a_right_config_has_none(write_config: WriteConfig) -> None:
    assert find_warnings(load_config(write_config())) == []


@pytest.mark.parametrize(
    ("override", "warning"),
    [
        ("strategy.0.enabled=false", "[[strategy]]: none is enabled, so no order will be sent"),
        (
            "instrument.BTC-USD.limits.max_order_quantity=1",
            "[[instrument]] BTC-USD limits: max_order_quantity is above max_position,"
            " so the largest order can never be placed",
        ),
        (
            'feed.channels=["level2", "matches"]',
            "[feed] channels: without heartbeats a quiet market looks like a dead connection",
        ),
        (
            'feed.channels=["level2", "heartbeat"]',
            "[feed] channels: without trades no bar is built and on_trade is never called",
        ),
        (
            "loop.busy_poll=true",
            "[loop] busy_poll without engine_core: the spinning thread may be moved about",
        ),
        (
            "loop.engine_core=1023",
            "[loop] engine_core 1023 is not a core of this process; it may use "
            + format_cores(os.sched_getaffinity(0))
            + ": the engine is not pinned",
        ),
        (
            "telemetry.relay_core=1023",
            "[telemetry] relay_core 1023 is not a core that the relay may use, as "
            + format_cores(os.sched_getaffinity(0)),
        ),
        (
            "telemetry.shared_memory_directory=/nowhere",
            "[telemetry] shared_memory_directory /nowhere cannot be written to",
        ),
        (
            "feed.ca_file=/nowhere.pem",
            '[feed] ca_file was "/nowhere.pem", which cannot be used: No such file or directory;'
            " name a PEM file of certificates to trust, or leave it empty for the system's",
        ),
    ],
)
def test_each_warning(write_config: WriteConfig, override: str, warning: str) -> None:
    assert find_warnings(load_config(write_config(), [override])) == [warning]


def test_nothing_to_keep_warm(write_config: WriteConfig) -> None:
    config = load_config(write_config(), ["loop.warm_up=false", "loop.keep_warm_ms=1"])
    warning = "[loop] keep_warm_ms without warm_up: there is nothing to keep warm"
    assert find_warnings(config) == [warning]


def test_warnings_of_the_modes_that_see_the_world(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("K", "S", "P"):
        monkeypatch.setenv(name, "eHh4")  # base64, as a secret has to be
    text = write_config().read_text().replace("demo:key", "env:K").replace("demo:secret", "env:S")
    path = write_config(text=text.replace("demo:passphrase", "env:P"))
    overrides = [
        "engine.mode=live",
        "site.country=US",
        "site.region=NY",
        "simulator.start=false",
        "feed.url=wss://ws-feed.exchange.coinbase.com",
        "order_entry.port=6121",
        "order_entry.cancel_on_disconnect=off",
        "telemetry.publish=tcp://0.0.0.0:5555",
    ]
    assert find_warnings(load_config(path, overrides)) == [
        "[order_entry] cancel_on_disconnect is off: a lost connection leaves orders open",
        "[reconciliation]: nobody compares the venue's orders, fills and balances with ours",
        *NO_KILL,
        "[telemetry] publish: positions and orders leave this machine in clear text",
    ]
    assert find_warnings(load_config(path, [*overrides[:-2], "feed.key=env:WOW_NOT_SET"])) == [
        "[reconciliation]: nobody compares the venue's orders, fills and balances with ours",
        *NO_KILL,
        "[feed] key: env:WOW_NOT_SET is not set; export WOW_NOT_SET before the start",
    ]
    assert find_warnings(load_config(path, [*overrides[1:-2], "engine.mode=shadow"])) == [
        "[order_entry]: shadow mode sends nothing, so it is not used"
    ]


@pytest.mark.parametrize(
    ("mode", "is_live", "message"),
    [
        ("live", False, '[engine] mode is "live"; add --live to send real orders'),
        (
            "simulated",
            True,
            '--live was given, but [engine] mode is "simulated"; use one or the other',
        ),
        ("simulated", False, None),
    ],
)
def test_live_needs_the_file_and_the_command_line(
    write_config: WriteConfig, mode: str, is_live: bool, message: str | None
) -> None:
    config = load_config(write_config())
    if mode == "live":
        overrides = ["simulator.start=false", "feed.url=wss://x", "order_entry.port=1"]
        for section in ("feed", "order_entry"):
            overrides += [f"{section}.{key}=env:K" for key in ("key", "secret", "passphrase")]
        config = load_config(write_config(), ["engine.mode=live", *overrides])
        require_arming(config, is_live=True)
    if message is None:
        require_arming(config, is_live=is_live)
        return
    with pytest.raises(ConfigError) as caught:
        require_arming(config, is_live=is_live)
    assert str(caught.value) == message


def test_a_recording_must_be_there(write_config: WriteConfig, tmp_path: Path) -> None:
    path = write_config()
    recording = tmp_path / "session.gz"
    config = load_config(path, [f"simulator.recording={recording}"])
    message = (
        f'[simulator] recording was "{recording}", which is not a file here ({Path.cwd()});'
        " name one, or leave it empty for generated flow"
    )
    with pytest.raises(ConfigError) as caught:
        require_recording(config)
    assert str(caught.value) == message
    assert find_warnings(config) == [message]
    recording.touch()
    require_recording(config)
    assert find_warnings(config) == []
