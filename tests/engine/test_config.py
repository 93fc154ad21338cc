"""Reading a config: what comes out, and the text of every refusal."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.kernel.strategy_loader import load_strategy
from engine.kernel.strategy_parameters import bind_parameters
from engine.secrets import Secret
from engine.settings.config import (
    MAX_CONFIG_BYTES,
    config_hash,
    describe_config,
    load_config,
    make_instruments,
    make_limits,
)
from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError

WriteConfig = Callable[..., Path]
Refusal = Callable[..., str]
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LITERAL = "hunter2-AAECAwQFBgcICQoLDA0ODw=="


def test_what_was_written(write_config: WriteConfig) -> None:
    config = load_config(write_config())
    assert config.engine.name == "test"
    assert config.feed.key == Secret.parse("demo:key")
    assert config.order_entry is not None
    assert config.order_entry.port == "simulator"
    assert [section.symbol for section in config.instruments] == ["BTC-USD", "ETH-USD"]
    assert config.instruments[0].tick == Decimal("0.01")
    assert config.instruments[1].lot == Decimal("1E-8")
    (strategy,) = config.strategies
    assert strategy.class_name == "jerico_maker"
    assert strategy.params == {"half_spread_ticks": 2, "lean": 0.15, "quantity": "0.01"}
    assert isinstance(strategy.params["lean"], float)


def test_what_depends_on_other_values(write_config: WriteConfig) -> None:
    config = load_config(write_config())
    assert config.feed.channels == ("level2", "matches", "heartbeat")
    assert config.simulator.products == ("BTC-USD", "ETH-USD")
    assert config.journal.path == "var/journal"
    assert config.shared_memory_path == Path("/dev/shm/wow-test.shm")
    advanced = load_config(write_config(), ["feed.venue=coinbase_advanced"])
    assert advanced.feed.channels == ("level2", "market_trades", "heartbeats")


def test_defaults_are_safe(write_config: WriteConfig) -> None:
    config = load_config(write_config())
    assert config.feed.max_frame_bytes == 16 * 1024 * 1024
    assert config.loop.engine_core == -1
    assert config.simulator.lockstep
    assert config.order_entry is not None
    assert config.order_entry.cancel_on_disconnect == "session"


def test_instruments_and_limits(write_config: WriteConfig) -> None:
    config = load_config(write_config())
    instruments = make_instruments(config)
    assert [(item.symbol, item.index) for item in instruments] == [("BTC-USD", 0), ("ETH-USD", 1)]
    limits = make_limits(config)
    assert limits[0].max_order_lots == 5_000_000
    assert limits[1].price_collar_parts_per_million == 5000


def test_disabled_strategies_are_left_out(write_config: WriteConfig) -> None:
    config = load_config(write_config(), ["strategy.0.enabled=false"])
    assert len(config.strategies) == 1
    assert config.enabled_strategies == ()


def test_the_description_loads_again(write_config: WriteConfig, tmp_path: Path) -> None:
    config = load_config(
        write_config(),
        [
            r'log.file="a \"b\" \\ \u007f é"',
            "strategy.0.params.label=x",
            "simulator.speed=max",
            "strategy.0.params.odd key=true",
        ],
    )
    again = tmp_path / "again.toml"
    again.write_text(describe_config(config))
    assert load_config(again) == config


def load_shadow(write_config: WriteConfig, reference: str) -> EngineConfig:
    """The right config in shadow mode, where secrets are real ones."""
    text = write_config().read_text().replace('port = "simulator"', "port = 1")
    for name in ("key", "secret", "passphrase"):
        text = text.replace(f"demo:{name}", reference)
    overrides = ["engine.mode=shadow", "simulator.start=false", "feed.url=wss://x"]
    return load_config(write_config(text=text), overrides)


def test_the_description_holds_no_secret(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WOW_TEST_KEY", LITERAL)
    config = load_shadow(write_config, "env:WOW_TEST_KEY")
    assert config.feed.key is not None
    assert config.feed.key.reveal() == LITERAL
    assert 'key = "env:WOW_TEST_KEY"' in describe_config(config)
    assert LITERAL not in describe_config(config) + repr(config)


def test_the_hash_follows_every_effective_value(write_config: WriteConfig) -> None:
    base = config_hash(load_config(write_config()))
    assert len(base) == 64
    assert base == config_hash(load_config(write_config(), ["risk.max_orders_per_second=50"]))
    same = {"tick = 0.01": 'tick = "0.01"', "[risk]": "# a comment\n[risk]"}
    assert base == config_hash(load_config(write_config(same)))
    assert base != config_hash(load_config(write_config(), ["risk.stale_after_ms=1999"]))


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.toml")))
def test_shipped_configs_load_and_their_params_bind(name: str) -> None:
    config = load_config(CONFIGS / name)
    instruments = {instrument.symbol: instrument for instrument in make_instruments(config)}
    assert make_limits(config)
    for section in config.strategies:
        strategy = load_strategy(section.class_name)
        instrument = instruments[section.instrument]
        bound = bind_parameters(strategy.params, section.params, instrument, section.class_name)
        quantity = instrument.lots_to_quantity(int(bound["quantity"]))
        limits = next(
            item.limits for item in config.instruments if item.symbol == section.instrument
        )
        assert quantity <= limits.max_order_quantity


def test_all_problems_are_told_at_once(write_config: WriteConfig, refusal: Refusal) -> None:
    path = write_config(
        {
            "= 50": "= 0",
            "[risk]": "[risk]\nxyzzy = 1",
            "tick = 0.01": "tick = 0",
            'instrument = "BTC-USD"': 'instrument = "BTC-USD"\nenable = true',
            'port = "simulator"': "port = 1",
        }
    )
    assert refusal(path, ["loop.spin_count=-1"]) == (
        "F: 6 problems\n"
        "  --set loop.spin_count was -1; use a whole number from 0 to 100000\n"
        "  [risk] xyzzy is unknown; known keys: max_orders_per_second, cancel_reserve,"
        " max_orders_per_ten_seconds, cancel_reserve_per_ten_seconds, max_open_orders,"
        " prevent_self_match, trading_hours, stale_after_ms, max_feed_delay_ms,"
        " max_trade_age_ms, duplicate_window_ms\n"
        "  [risk] max_orders_per_second was 0; use a whole number from 1 to 1024\n"
        '  instrument.0 (BTC-USD) tick was 0; use a decimal above 0, as in "0.01"\n'
        "  strategy.0 (jerico_maker) enable is unknown; did you mean enabled?\n"
        '  [order_entry] port was 1; use "simulator", because [simulator] start is true'
    )


def test_files_that_are_no_config(
    tmp_path: Path, write_config: WriteConfig, refusal: Refusal
) -> None:
    assert refusal(tmp_path / "none.toml") == "F cannot be read: No such file or directory"
    assert refusal(tmp_path) == "F cannot be read: Is a directory"
    said = refusal(write_config({"[risk]": "[risk"}))
    assert said.startswith("F is not TOML: Expected ']' at the end of a table declaration")
    assert said.endswith("(at line 22, column 6)")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"a = 1\n\xff")
    assert refusal(path) == "F is not UTF-8 text at byte 6"
    path.write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    assert refusal(path) == "F is larger than 1048576 bytes; is it a config?"
    path.write_bytes(b"")
    assert refusal(path).startswith("F: 3 problems\n  [engine] is missing; give a table of name,")


def test_loading_reads_no_secret(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    key = load_shadow(write_config, "env:NOT_SET").feed.key
    assert key is not None
    with pytest.raises(ConfigError, match="env:NOT_SET is not set"):
        key.reveal()
