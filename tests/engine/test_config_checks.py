"""The text of every refusal of values that do not go together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings.config import load_config
from ext.bounds import Bound

WriteConfig = Callable[..., Path]
Refusal = Callable[..., str]
LIVE = {
    'mode = "simulated"': 'mode = "live"',
    "start = true": "start = false",
    'url = "simulator"': 'url = "wss://ws-feed.exchange.coinbase.com"',
    'port = "simulator"': "port = 6121",
    '"demo:key"\nsecret = "demo:secret"\npassphrase = "demo:passphrase"\n\n[order_entry]': (
        '"env:K"\nsecret = "env:S"\npassphrase = "env:P"\n\n[order_entry]'
    ),
    'key = "demo:key"\nsecret = "demo:secret"\npassphrase = "demo:passphrase"\n\n[risk]': (
        'key = "env:K"\nsecret = "env:S"\npassphrase = "env:P"\n\n[risk]'
    ),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"[risk]": "[risk]\ncancel_reserve = 50"},
            "[risk] cancel_reserve was 50; use less than max_orders_per_second, which is 50,"
            " or no order could be placed",
        ),
        (
            {'url = "simulator"': 'url = "simulator"\nreconnect_initial_ms = 40000'},
            "[feed] reconnect_maximum_ms was 30000;"
            " use at least reconnect_initial_ms, which is 40000",
        ),
        (
            {'url = "simulator"': 'url = "simulator"\nchannels = ["level2", "match"]'},
            "[feed] channels names match; coinbase_exchange: did you mean matches?",
        ),
        (
            {'url = "simulator"': 'url = "simulator"\nchannels = ["matches"]'},
            '[feed] channels was ["matches"]; use exactly one of level2, level2_batch for the book',
        ),
        (
            {
                '"coinbase_exchange"': '"coinbase_advanced"',
                'secret = "demo:secret"\npassphrase = "demo:passphrase"\n\n[order': "\n[order",
            },
            "[feed] passphrase is missing; it goes with key",
        ),
        (
            {'symbol = "ETH-USD"': 'symbol = "BTC-USD"'},
            'instrument.1 (BTC-USD) symbol was "BTC-USD", as instrument.0 is already;'
            " name each product once",
        ),
        (
            {'symbol = "ETH-USD"': f'symbol = "{"X" * 24}"'},
            f'instrument.1 ({"X" * 24}) symbol was "{"X" * 24}";'
            " use 1 to 23 ASCII characters without spaces",
        ),
        (
            {'instrument = "BTC-USD"': 'instrument = "btc-usdt"'},
            'strategy.0 (jerico_maker) instrument was "btc-usdt",'
            " which no [[instrument]] has; did you mean BTC-USD?",
        ),
        (
            {'instrument = "BTC-USD"': 'instrument = "ZZZ"'},
            'strategy.0 (jerico_maker) instrument was "ZZZ",'
            " which no [[instrument]] has; use one of BTC-USD, ETH-USD",
        ),
        (
            {"max_position = 0.2": "max_position = 0.000000015"},
            "instrument.0 (BTC-USD) limits.max_position was 1.5E-8;"
            " use a whole number of lots of 0.00000001",
        ),
        (
            {"max_order_quantity = 1": "max_order_quantity = 1e12"},
            "instrument.1 (ETH-USD) limits.max_order_quantity was 1E+12;"
            " use at most 92233720368.54775807, the largest count of lots in 64 bits",
        ),
        (
            {"max_order_notional = 5000": "max_order_notional = 922337204"},
            "instrument.0 (BTC-USD) limits.max_order_notional was 922337204;"
            " use at most 922337203.6854775807, the largest count of tick times lot in 64 bits",
        ),
        (
            {"price_collar_percent = 1": "price_collar_percent = 0.00001"},
            "instrument.0 (BTC-USD) limits.price_collar_percent was 0.00001;"
            " use at most 4 decimals",
        ),
        (
            {"start = true": 'start = true\nproducts = ["BTC-USD"]'},
            "[simulator] products lacks ETH-USD;"
            " name every [[instrument]], or none for all of them",
        ),
        # Endpoints of simulated mode.
        (
            {"start = true": "start = false", 'port = "simulator"': "port = 1234"},
            '[feed] url was "simulator"; use a loopback one, or set [simulator] start = true',
        ),
        (
            {'url = "simulator"': 'url = "ws://127.0.0.1:9"'},
            '[feed] url was "ws://127.0.0.1:9"; use "simulator", because [simulator] start is true',
        ),
        (
            {'port = "simulator"': "port = 1234"},
            '[order_entry] port was 1234; use "simulator", because [simulator] start is true',
        ),
        (
            {'port = "simulator"': 'port = "simulator"\nhost = "fix-ord.exchange.coinbase.com"'},
            '[order_entry] host was "fix-ord.exchange.coinbase.com";'
            " use a loopback address in simulated mode, as 127.0.0.1",
        ),
        (
            {
                "start = true": "start = false",
                'url = "simulator"': 'url = "wss://ws-feed.exchange.coinbase.com"',
                'port = "simulator"': "port = 1234",
            },
            '[feed] url was "wss://ws-feed.exchange.coinbase.com";'
            " use a loopback address in simulated mode, as 127.0.0.1",
        ),
        (
            {"[risk]": '[telemetry]\npublish = "tcp://*:5555"\n[risk]'},
            '[telemetry] publish was "tcp://*:5555";'
            " use a loopback address in simulated mode, as tcp://127.0.0.1:0",
        ),
        (
            {"[risk]": '[telemetry]\npublish = "tcp://127.0.0.1:65536"\n[risk]'},
            '[telemetry] publish was "tcp://127.0.0.1:65536"; use a port from 0 to 65535',
        ),
        (
            {"[risk]": '[telemetry]\npublish = "udp://127.0.0.1:1"\n[risk]'},
            '[telemetry] publish was "udp://127.0.0.1:1";'
            ' use "ipc://PATH" (at most 107 bytes) or "tcp://HOST:PORT"',
        ),
    ],
)
def test_one_wrong_relation(
    write_config: WriteConfig, refusal: Refusal, changes: dict[str, str], message: str
) -> None:
    assert message in refusal(write_config(changes)).splitlines()[-1]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("simulator.start=true", "[simulator] start was true; use false, because"),
        ("feed.url=simulator", 'was "simulator"; use the venue\'s own, because [engine] mode is'),
        ("feed.url=ws://ws-feed.exchange.coinbase.com", "use wss://, or the passphrase travels"),
        ("feed.url=https://coinbase.com", 'use an address as in "wss://host:port"'),
        ("feed.url=wss://host:99999", 'use an address as in "wss://host:port"'),
        ("feed.url=wss://", 'use an address as in "wss://host:port"'),
        ("feed.url=wss://me:hunter2@host", "holds a user name; use key, secret and passphrase by"),
        ("order_entry.port=simulator", "use the venue's own, because [engine] mode is live"),
        ("feed.key=demo:key", "use env:, file: or credential:, because [engine] mode is live"),
        ("telemetry.relay_core=3", "relay_core was 3; use another one than [loop] engine_core"),
        ("order_entry.secret=demo:secret", 'was "demo:secret"; use env:, file: or credential:'),
    ],
)
def test_live_mode(
    write_config: WriteConfig, refusal: Refusal, override: str, message: str
) -> None:
    path = write_config(LIVE)
    assert load_config(path).engine.mode == "live"
    said = refusal(path, ["loop.engine_core=3", override])
    assert message.replace("[simulator] start", "--set simulator.start") in said
    assert "hunter2" not in said


@pytest.mark.parametrize("key", ["feed.key", "order_entry.passphrase"])
@pytest.mark.parametrize("reference", ["env:K", "file:/k", "credential:k"])
def test_simulated_mode_takes_no_real_secret(
    write_config: WriteConfig, refusal: Refusal, key: str, reference: str
) -> None:
    assert refusal(write_config(), [f"{key}={reference}"]) == (
        f'--set {key} was "{reference}"; use demo:key, demo:secret or demo:passphrase,'
        " because [engine] mode is simulated"
    )


@pytest.mark.parametrize("url", ["ws://127.0.0.1:8443", "wss://ws-feed.exchange.coinbase.com"])
def test_busy_poll_goes_with_every_url(write_config: WriteConfig, url: str) -> None:
    overrides = ["loop.busy_poll=true", f"feed.url={url}"]
    assert load_config(write_config(LIVE), overrides).loop.busy_poll


@pytest.mark.parametrize(
    ("overrides", "is_under_tls"),
    [
        (["order_entry.host=fix-ord.exchange.coinbase.com"], True),
        (["order_entry.host=10.0.0.1"], True),
        (["order_entry.host=127.0.0.1"], False),
        (["order_entry.host=localhost"], False),
        (["order_entry.host=127.0.0.1", "order_entry.tls=true"], True),
        (["order_entry.host=127.0.0.1", "order_entry.tls=false"], False),
        (["order_entry.host=127.0.0.1", "order_entry.tls=true", "order_entry.ca_file=/x"], True),
    ],
)
def test_orders_leave_the_machine_under_tls(
    write_config: WriteConfig, overrides: list[str], is_under_tls: bool
) -> None:
    order_entry = load_config(write_config(LIVE), overrides).order_entry
    assert order_entry is not None
    assert order_entry.tls is is_under_tls


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["order_entry.host=10.0.0.1", "order_entry.tls=false"],
            "--set order_entry.tls was false; use true:"
            " 10.0.0.1 is no loopback address and the logon holds the passphrase",
        ),
        (
            ["order_entry.host=127.0.0.1", "order_entry.ca_file=/ca.pem"],
            "--set order_entry.ca_file is for TLS; use tls = true, or no ca_file",
        ),
        (
            ["feed.url=ws://127.0.0.1:1", "feed.ca_file=/ca.pem"],
            '--set feed.ca_file was "/ca.pem"; use a wss:// url, or no ca_file',
        ),
    ],
)
def test_tls_where_it_cannot_be(
    write_config: WriteConfig, refusal: Refusal, overrides: list[str], message: str
) -> None:
    assert refusal(write_config(LIVE), overrides) == message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["order_entry.tls=true"],
            "--set order_entry.tls was true;"
            " use false or absent, because [simulator] has no certificate",
        ),
        (
            ["order_entry.tls=false", "simulator.certificate=venue.pem"],
            "--set order_entry.tls was false;"
            " use true or absent, because [simulator] has a certificate",
        ),
    ],
)
def test_tls_as_the_simulator_has_it(
    write_config: WriteConfig, refusal: Refusal, overrides: list[str], message: str
) -> None:
    assert refusal(write_config(), overrides) == message


@pytest.mark.parametrize(("certificate", "is_under_tls"), [("venue.pem", True), ("", False)])
def test_orders_to_the_simulator(
    write_config: WriteConfig, certificate: str, is_under_tls: bool
) -> None:
    order_entry = load_config(
        write_config(), [f'simulator.certificate="{certificate}"']
    ).order_entry
    assert order_entry is not None
    assert order_entry.tls is is_under_tls


def test_only_shadow_mode_does_without_order_entry(
    write_config: WriteConfig, refusal: Refusal
) -> None:
    entry = 'port = "simulator"\nkey = "demo:key"\nsecret = "demo:secret"\n'
    entry = f'[order_entry]\n{entry}passphrase = "demo:passphrase"\n'
    assert refusal(write_config({entry: ""})) == (
        "F: [order_entry] is missing; simulated mode sends orders through it"
    )
    path = write_config(dict(list(LIVE.items())[2:3]) | {entry: "", "start = true": ""})
    overrides = ["engine.mode=shadow", "feed.key=env:K", "feed.secret=env:S"]
    assert load_config(path, [*overrides, "feed.passphrase=env:P"]).order_entry is None


def test_counts_are_bounded(write_config: WriteConfig, refusal: Refusal) -> None:
    strategy = '[[strategy]]\nclass = "jerico_maker"\ninstrument = "BTC-USD"\n'
    more = strategy * (Bound.MAX_STRATEGIES - 1)
    assert len(load_config(write_config({"[[strategy]]": f"{more}[[strategy]]"})).strategies) == 16
    said = refusal(write_config({"[[strategy]]": f"{more}{strategy}[[strategy]]"}))
    assert said == "F: [strategy] has 17 enabled tables; use at most 16"
    off = f"{more}{strategy}enabled = false\n[[strategy]]"
    assert len(load_config(write_config({"[[strategy]]": off})).strategies) == 17

    limits = "{max_order_quantity=1,max_order_notional=1,price_collar_percent=1,max_position=1}"
    tables = [
        f'[[instrument]]\nsymbol = "X{index}"\ntick = 1\nlot = 1\nlimits = {limits}\n'
        for index in range(Bound.MAX_INSTRUMENTS - 1)
    ]
    full = write_config({"[[strategy]]": "".join(tables[:-1]) + "[[strategy]]"})
    assert len(load_config(full).instruments) == Bound.MAX_INSTRUMENTS
    said = refusal(write_config({"[[strategy]]": "".join(tables) + "[[strategy]]"}))
    assert said == "F: [instrument] has 65 tables; use 1 to 64"
    text = write_config().read_text()
    none = text[: text.index("[[instrument]]")] + text[text.index("[[strategy]]") :]
    said = refusal(write_config(text="instrument = []\n" + none))
    assert "[instrument] has 0 tables; use 1 to 64" in said
