"""The arc is joined as the config says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.composition import Arc, OrderParts, check_secrets, compile_strategies
from engine.settings.config import EngineConfig
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.dtypes import NAME, POSITION
from ext.errors import ConfigError
from ext.wire import BookState, SessionState, Verdict

NOW_NS = 1_800_000_000_000_000_000

# Shadow needs no venue of ours, and not the secrets of the order entry that it does not use.
SHADOW = (
    "engine.mode=shadow",
    "simulator.start=false",
    "feed.url=ws://127.0.0.1:9",
    "order_entry.port=9",
    *(
        f"{section}.{name}=env:WOW_NOT_SET"
        for section in ("feed", "order_entry")
        for name in ("key", "secret", "passphrase")
    ),
)


def test_every_enabled_strategy_is_compiled_and_told(
    load_demo: Callable[..., EngineConfig],
) -> None:
    told: list[str] = []
    strategies = compile_strategies(load_demo(), lambda strategy: told.append(strategy.name))
    assert told == [strategy.name for strategy in strategies] == ["jerico_maker", "jerico_trend"]
    assert [strategy.instrument.symbol for strategy in strategies] == ["BTC-USD", "ETH-USD"]


def test_a_disabled_strategy_is_not(load_demo: Callable[..., EngineConfig]) -> None:
    config = load_demo("strategy.jerico_maker.enabled=false")
    (strategy,) = compile_strategies(config, lambda _: None)
    assert strategy.name == "jerico_trend"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("strategy.0.class=nowhere.at:All", "nowhere"),
        ("strategy.0.params.quantity=-1", "quantity"),
        ("strategy.0.params.half_spread_tick=1", "half_spread_tick"),
    ],
)
def test_a_strategy_that_cannot_be_is_named(
    load_demo: Callable[..., EngineConfig], override: str, words: str
) -> None:
    config = load_demo(override)
    with pytest.raises(ConfigError, match=r"^strategy\.0 \(.* on BTC-USD\): ") as caught:
        compile_strategies(config, lambda _: None)
    assert words in str(caught.value)


def test_the_shared_memory_names_what_it_holds(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc("engine.name=nightly", is_trading=True)
    header = arc.memory.header_record()[0]
    assert arc.memory.path == str(arc.config.shared_memory_path)
    assert Path(arc.memory.path).name == "wow-nightly.shm"
    assert (header["engine_name"], header["mode"]) == (b"nightly", b"simulated")
    names = arc.memory.region("names_offset", NAME, 4)
    assert [row["name"] for row in names] == [
        b"BTC-USD", b"ETH-USD", b"jerico_maker", b"jerico_trend",
    ]  # fmt: skip
    assert names[0]["lot"] == b"0.00000001"


def test_a_book_of_each_instrument_and_a_position_of_each_strategy(
    make_arc: Callable[..., Arc], snapshot: Callable[..., bytes]
) -> None:
    arc = make_arc(is_trading=True)
    arc.pipeline.subscribed(NOW_NS)
    arc.pipeline.receive(snapshot("ETH-USD"), NOW_NS)
    assert arc.pipeline.book(0).state == BookState.SYNCING
    assert arc.pipeline.book(1).state == BookState.LIVE
    positions = arc.memory.region("positions_offset", POSITION, 2)
    assert positions["instrument"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ("max_order_quantity=0.005", Verdict.QUANTITY_INVALID),
        ("max_order_notional=100", Verdict.NOTIONAL),
        ("price_collar_percent=0.0001", Verdict.PRICE_COLLAR),
        ("max_position=0.005", Verdict.POSITION_LIMIT),
    ],
)
def test_the_limits_of_the_config_are_the_gate_s(
    make_arc: Callable[..., Arc],
    feed_book: Callable[[Arc, int], None],
    limit: str,
    verdict: Verdict,
) -> None:
    # A dollar from the mid: 0.0015 %.
    wide = "strategy.jerico_maker.params.half_spread_ticks=100"
    arc = make_arc(f"instrument.BTC-USD.limits.{limit}", wide, is_trading=True)
    feed_book(arc, NOW_NS)
    position = arc.memory.region("positions_offset", POSITION, 2)[0]
    assert position["reject_count"] > 0
    assert Verdict(int(position["last_reject"])) == verdict
    assert arc.pipeline.counters()["orders_sent"] == 0


def test_order_entry_is_of_the_config(make_arc: Callable[..., Arc], tmp_path: Path) -> None:
    arc = make_arc("order_entry.cancel_on_disconnect=profile", "order_entry.heartbeat_seconds=7")
    assert isinstance(arc.orders, OrderParts)
    session = arc.orders.session
    session.start(1)
    session.connected(2)
    (logon,) = session.bytes_to_send()
    fields = dict(pair.split(b"=", 1) for pair in logon.split(b"\x01")[:-1])
    assert (fields[b"49"], fields[b"56"]) == (b"demo-key", b"Coinbase")
    assert (fields[b"108"], fields[b"8013"]) == (b"7", b"Y")
    assert session.state == SessionState.SESSION_LOGON_SENT
    assert (tmp_path / "state" / "fix-session.store").exists()


def test_shadow_decides_and_sends_nothing(
    make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None]
) -> None:
    arc = make_arc(*SHADOW, is_trading=True)
    assert arc.orders is None
    feed_book(arc, NOW_NS)
    counters = arc.pipeline.counters()
    assert counters["accepted"] == 2
    assert counters["requests_sent"] == 0
    assert arc.pipeline.orders.open_orders() == []


@pytest.mark.parametrize(
    ("venue", "decoder"),
    [("coinbase_exchange", CoinbaseExchangeFeed), ("coinbase_advanced", CoinbaseAdvancedFeed)],
)
def test_each_venue_has_its_decoder(
    make_arc: Callable[..., Arc], venue: str, decoder: type
) -> None:
    assert type(make_arc(f"feed.venue={venue}").pipeline.decoder) is decoder


def test_the_state_of_another_engine_is_refused(make_arc: Callable[..., Arc]) -> None:
    make_arc()
    with pytest.raises(ConfigError, match=r"belongs to session 'demo:Coinbase'.*use another"):
        make_arc("engine.name=other")


def test_a_directory_that_cannot_be_written_is_named(make_arc: Callable[..., Arc]) -> None:
    with pytest.raises((ConfigError, OSError), match="/proc/none"):
        make_arc("telemetry.shared_memory_directory=/proc/none")


def test_a_secret_that_cannot_sign_is_refused_before_the_start(
    load_demo: Callable[..., EngineConfig],
) -> None:
    check_secrets(load_demo())
    with pytest.raises(ConfigError, match=r"^\[feed\] secret: .* is not base64"):
        check_secrets(load_demo("feed.secret=demo:passphrase"))
    with pytest.raises(ConfigError, match=r"^\[order_entry\] secret: .* is not base64"):
        check_secrets(load_demo("order_entry.secret=demo:passphrase"))
