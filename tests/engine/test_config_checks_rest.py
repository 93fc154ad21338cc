"""Where the venue is asked by REST: every address that is refused, and those that are not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings.config import load_config
from engine.settings.config_warnings import find_warnings

ALONE = {
    "start = true": "start = false",
    'url = "simulator"': 'url = "ws://127.0.0.1:9"',
    'port = "simulator"': "port = 9",
}


def with_url(url: str, *more: str) -> dict[str, str]:
    lines = "\n".join(("[reconciliation]", f'rest_url = "{url}"', *more, "[risk]"))
    return {"[risk]": lines}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            with_url("http://127.0.0.1:9"),
            '[reconciliation] rest_url was "http://127.0.0.1:9"; use "simulator", because'
            " [simulator] start is true",
        ),
        (
            {**ALONE, **with_url("simulator")},
            '[reconciliation] rest_url was "simulator"; use a loopback one, or set [simulator]'
            " start = true",
        ),
        (
            {**ALONE, **with_url("https://api.exchange.coinbase.com")},
            '[reconciliation] rest_url was "https://api.exchange.coinbase.com"; use a loopback'
            " address in simulated mode, as 127.0.0.1",
        ),
        (
            {**ALONE, **with_url("127.0.0.1:9")},
            '[reconciliation] rest_url was "127.0.0.1:9"; use an address as in "https://host", or'
            ' "simulator"',
        ),
        (
            {**ALONE, **with_url("http://127.0.0.1:99999")},
            '[reconciliation] rest_url was "http://127.0.0.1:99999"; use an address as in'
            ' "https://host", or "simulator"',
        ),
        (
            {**ALONE, **with_url("http://127.0.0.1:9/orders")},
            "[reconciliation] rest_url holds more than scheme, host and port",
        ),
        (
            with_url("simulator", 'ca_file = "x.pem"'),
            "[reconciliation] ca_file is for https:// alone; use no ca_file",
        ),
        (
            with_url("simulator", "interval_seconds = 0"),
            "[reconciliation] interval_seconds was 0; use a whole number from 1 to 3600",
        ),
    ],
)
def test_addresses_that_are_refused(
    write_config: Callable[..., Path],
    refusal: Callable[..., str],
    changes: dict[str, str],
    message: str,
) -> None:
    assert refusal(write_config(changes)).endswith(message)


@pytest.mark.parametrize(
    "changes",
    [
        with_url("simulator"),
        with_url("https://api.exchange.coinbase.com", "enabled = false"),
        {**ALONE, **with_url("http://127.0.0.1:9")},
        {**ALONE, **with_url("https://localhost:9", 'ca_file = "x.pem"')},
    ],
)
def test_addresses_that_will_do(write_config: Callable[..., Path], changes: dict[str, str]) -> None:
    assert load_config(write_config(changes)).reconciliation is not None


def test_a_live_passphrase_does_not_travel_in_clear_text(
    write_config: Callable[..., Path],
    refusal: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("K", "eHh4")
    overrides = ["engine.mode=live", "simulator.start=false", "feed.url=wss://x",
                 "order_entry.port=1"]  # fmt: skip
    for section in ("feed", "order_entry"):
        overrides += [f"{section}.{key}=env:K" for key in ("key", "secret", "passphrase")]
    path = write_config(with_url("http://api.exchange.coinbase.com"))
    assert "use https://, or the passphrase travels in clear text" in refusal(path, overrides)
    path = write_config(with_url("https://api.exchange.coinbase.com"))
    assert not any("reconciliation" in each for each in find_warnings(load_config(path, overrides)))
