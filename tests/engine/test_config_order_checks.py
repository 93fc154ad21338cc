"""Which keys belong to which protocol of order entry, and what REST asks of other sections."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.composition import compile_strategies
from engine.rest.rest_parts import host_header, split_address
from engine.settings.config import load_config
from engine.settings.config_order_checks import FIX_KEYS, REST_KEYS, REST_ORDERS_PER_SECOND_MAX
from engine.settings.config_venues import OrderEntrySection
from engine.settings.config_warnings import find_warnings
from ext.errors import ConfigError

DEMO = Path(__file__).parents[2] / "configs" / "demo_rest.toml"
BY_REST = {
    'port = "simulator"': 'protocol = "rest"\nrest_url = "simulator"',
    "max_orders_per_second = 50": "max_orders_per_second = 8\ncancel_reserve = 3",
}
Write = Callable[..., Path]
Refuse = Callable[..., str]


def test_every_key_belongs_to_one_protocol_or_to_both() -> None:
    common = {"protocol", "ca_file", "key", "secret", "passphrase"}
    assert {*FIX_KEYS, *REST_KEYS, *common} == set(OrderEntrySection.__struct_fields__)


def test_the_demo_by_rest_loads_without_a_warning() -> None:
    config = load_config(DEMO)
    assert config.order_entry is not None
    assert config.order_entry.protocol == "rest"
    assert not any("order_entry" in warning for warning in find_warnings(config))


def test_a_live_engine_is_warned_that_nobody_cancels_for_it() -> None:
    config = load_config(DEMO)
    live = msgspec.structs.replace(
        config, engine=msgspec.structs.replace(config.engine, mode="live")
    )
    assert any("leaves its orders open" in warning for warning in find_warnings(live))
    assert not any("leaves its orders open" in warning for warning in find_warnings(config))


def test_one_key_and_its_address_change_the_protocol(write_config: Write) -> None:
    config = load_config(write_config(BY_REST))
    assert config.order_entry is not None
    assert (config.order_entry.connections, config.order_entry.poll_ms) == (4, 500)
    assert host_header(config.order_entry) == "127.0.0.1"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('host = "localhost"', "host"),
        ("port = 6121", "port"),
        ("tls = true", "tls"),
        ('cancel_on_disconnect = "off"', "cancel_on_disconnect"),
        ("heartbeat_seconds = 5", "heartbeat_seconds"),
    ],
)
def test_keys_of_fix_are_refused(
    write_config: Write, refusal: Refuse, line: str, name: str
) -> None:
    changes = {**BY_REST, 'rest_url = "simulator"': f'rest_url = "simulator"\n{line}'}
    text = refusal(write_config(changes))
    assert f"{name} is of protocol" in text
    assert 'leave it out with protocol = "rest"' in text


@pytest.mark.parametrize("line", ["connections = 2", "poll_ms = 200", 'rest_url = "simulator"'])
def test_keys_of_rest_are_refused(write_config: Write, refusal: Refuse, line: str) -> None:
    text = refusal(write_config({'port = "simulator"': f'port = "simulator"\n{line}'}))
    assert 'is of protocol = "rest"' in text


def test_each_protocol_needs_its_address(write_config: Write, refusal: Refuse) -> None:
    text = refusal(write_config({'port = "simulator"\n': ""}))
    assert 'port is missing; protocol = "fix" needs a port' in text
    text = refusal(write_config({**BY_REST, '\nrest_url = "simulator"': ""}))
    assert 'rest_url is missing; protocol = "rest" needs an address' in text


def test_the_rate_of_the_venue_bounds_ours(write_config: Write, refusal: Refuse) -> None:
    most = REST_ORDERS_PER_SECOND_MAX
    text = refusal(write_config({**BY_REST, "= 8\n": f"= {most + 1}\n"}))
    assert f"max_orders_per_second was {most + 1}" in text
    assert "because orders go by rest" in text


def test_orders_and_reconciliation_ask_the_same_venue(write_config: Write, refusal: Refuse) -> None:
    section = '[reconciliation]\nrest_url = "http://127.0.0.1:9"\n\n[risk]'
    path = write_config({"[risk]": section})
    text = path.read_text().replace("[simulator]\nstart = true", "")
    text = text.replace('url = "simulator"', 'url = "ws://127.0.0.1:8"')
    text = text.replace(
        'port = "simulator"', 'protocol = "rest"\nrest_url = "http://127.0.0.1:7"'
    ).replace("max_orders_per_second = 50", "max_orders_per_second = 8\ncancel_reserve = 3")
    path.write_text(text)
    assert "that of [order_entry], which is 'http://127.0.0.1:7'" in refusal(path)
    path.write_text(text.replace(":7", ":9"))
    load_config(path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "simulator"),  # because [simulator] start is true
        ("ftp://x", "simulator"),
    ],
)
def test_addresses_are_checked(write_config: Write, refusal: Refuse, url: str, words: str) -> None:
    text = refusal(write_config({**BY_REST, 'rest_url = "simulator"': f'rest_url = "{url}"'}))
    assert words in text


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.exchange.coinbase.com", ("api.exchange.coinbase.com", 443)),
        ("http://127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("http://localhost", ("localhost", 80)),
    ],
)
def test_the_parts_of_an_address(url: str, address: tuple[str, int]) -> None:
    assert split_address(url) == address


def test_strategies_are_told_that_nothing_can_be_replaced(write_config: Write) -> None:
    changes = {**BY_REST, "half_spread_ticks = 2, lean = 0.15, ": ""}
    (strategy,) = compile_strategies(load_config(write_config(changes)), lambda _: None)
    assert strategy.state["params"]["replaces"] == 0
    path = write_config({"half_spread_ticks = 2, lean = 0.15, ": ""})
    (strategy,) = compile_strategies(load_config(path), lambda _: None)
    assert strategy.state["params"]["replaces"] == 1


def test_a_strategy_that_insists_on_replacing_is_refused(write_config: Write) -> None:
    changes = {**BY_REST, "half_spread_ticks = 2, lean = 0.15, ": "replaces = true, "}
    config = load_config(write_config(changes))
    with pytest.raises(ConfigError, match="orders by rest cannot be amended"):
        compile_strategies(config, lambda _: None)
