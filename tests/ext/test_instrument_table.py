"""Symbols, ticks and lots: what is taken, what is refused, and what a step of text means."""

from decimal import Decimal

import orjson
import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.errors import ConfigError, UsageError
from ext.instrument_table import MAX_DECIMALS, MAX_STEP, InstrumentTable
from ext.wire import FeedStatus


def decode_level(table: InstrumentTable, symbol: str, price: str, quantity: str) -> list[int]:
    """Ticks and lots of one level as a decoder reads them; its status when it cannot."""
    decoder = CoinbaseExchangeFeed(table)
    frame = {"type": "snapshot", "product_id": symbol, "bids": [[price, quantity]], "asks": []}
    status = decoder.decode_bytes(orjson.dumps(frame))
    if status != FeedStatus.FEED_OK:
        return [status]
    [(price_ticks, quantity_lots, _)] = decoder.deltas()
    return [price_ticks, quantity_lots]


def test_indexes_follow_the_order_of_adding() -> None:
    table = InstrumentTable()
    assert table.add("BTC-USD", "0.01", "0.00000001") == 0
    assert table.add("ETH-EUR", "0.05", "0.002") == 1
    assert (table.symbol(0), table.symbol(1)) == ("BTC-USD", "ETH-EUR")
    assert (table.index("BTC-USD"), table.index("ETH-EUR"), table.index("XRP")) == (0, 1, -1)
    assert len(table) == table.count == 2


@pytest.mark.parametrize(
    ("tick", "lot", "price", "quantity", "steps"),
    [
        ("0.01", "0.001", "12.34", "0.500", [1234, 500]),
        ("0.25", "5", "10.75", "25", [43, 5]),
        ("0.0100", "1E-3", "12.34", "0.5", [1234, 500]),
        ("1E+1", "100", "120", "300", [12, 3]),
        ("0.000000000001", "0.000000000001", "1", "2", [10**12, 2 * 10**12]),
        ("1000000", "1000000", "3000000", "1000000", [3, 1]),
        ("0.25", "5", "10.30", "25", [FeedStatus.FEED_OFF_STEP]),
        ("0.25", "5", "10.75", "26", [FeedStatus.FEED_OFF_STEP]),
        ("10", "1", "125", "1", [FeedStatus.FEED_OFF_STEP]),
        ("0.01", "0.001", "1.005", "1", [FeedStatus.FEED_OFF_STEP]),
    ],
)
def test_steps_of_text(tick: str, lot: str, price: str, quantity: str, steps: list[int]) -> None:
    table = InstrumentTable()
    table.add("A", tick, lot)
    assert decode_level(table, "A", price, quantity) == steps
    if len(steps) == 2:
        assert steps[0] * Decimal(tick) == Decimal(price)
        assert steps[1] * Decimal(lot) == Decimal(quantity)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"price_precision": 1}, "price precision of A was 1; use 2, the decimals of its steps"),
        ({"price_precision": MAX_DECIMALS + 1}, "price precision of A was 13"),
        ({"quantity_precision": 2}, "quantity precision of A was 2; use 3"),
        ({"depth": -1}, "depth of A was -1; use 1 to 65536 levels, or 0 for all"),
        ({"depth": Bound.MAX_LEVELS_PER_SIDE + 1}, "depth of A was 65537"),
    ],
)
def test_bad_terms(terms: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        InstrumentTable().add("A", "0.01", "0.001", **terms)


def test_terms_up_to_their_bounds() -> None:
    table = InstrumentTable()
    table.add("A", "0.01", "0.001", price_precision=2, quantity_precision=3, depth=0)
    table.add(
        *("B", f"{MAX_STEP}", "0.000000000001"),
        price_precision=MAX_DECIMALS,
        quantity_precision=MAX_DECIMALS,
        depth=int(Bound.MAX_LEVELS_PER_SIDE),
    )
    assert len(table) == 2


@pytest.mark.parametrize("text", ["", "x", "0", "-0.01", "NaN", "Infinity", "-Infinity", "0.0"])
@pytest.mark.parametrize("name", ["tick", "lot"])
def test_steps_that_are_none(name: str, text: str) -> None:
    table = InstrumentTable()
    steps = {"tick": "0.01", "lot": "0.01"} | {name: text}
    with pytest.raises(ConfigError, match=f"{name} of BTC-USD was '{text}'; use a decimal"):
        table.add("BTC-USD", steps["tick"], steps["lot"])
    assert table.count == 0


@pytest.mark.parametrize(
    "text", ["1e-13", "1000001", "1e30", "1e999999", "1.0000000000000000000000000000001"]
)
def test_steps_out_of_range(text: str) -> None:
    table = InstrumentTable()
    with pytest.raises(ConfigError, match=f"use at most {MAX_DECIMALS} decimals and {MAX_STEP:,}"):
        table.add("BTC-USD", text, "1")
    with pytest.raises(ConfigError, match="lot of BTC-USD"):
        table.add("BTC-USD", "1", text)
    assert table.count == 0


def test_symbol_bytes() -> None:
    table = InstrumentTable()
    longest = "S" * (Bound.SYMBOL_BYTES - 1)
    assert table.add(longest, "0.01", "1") == 0
    assert decode_level(table, longest, "0.02", "3") == [2, 3]
    for symbol in ("", "S" * Bound.SYMBOL_BYTES, "é" * 12):
        with pytest.raises(ConfigError, match=f"bytes; use 1 to {Bound.SYMBOL_BYTES - 1}"):
            table.add(symbol, "0.01", "1")


def test_symbol_twice() -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "1")
    with pytest.raises(ConfigError, match="'BTC-USD' was given twice"):
        table.add("BTC-USD", "0.05", "1")


def test_table_is_full_at_its_bound() -> None:
    table = InstrumentTable()
    for number in range(Bound.MAX_INSTRUMENTS):
        assert table.add(f"S{number}", "0.01", "1") == number
    with pytest.raises(ConfigError, match=f"more than {Bound.MAX_INSTRUMENTS} instruments"):
        table.add("ONE-MORE", "0.01", "1")
    assert decode_level(table, f"S{Bound.MAX_INSTRUMENTS - 1}", "0.07", "1") == [7, 1]
    assert decode_level(table, "ONE-MORE", "0.07", "1") == [FeedStatus.FEED_UNKNOWN_PRODUCT]


def test_symbols_that_only_begin_alike() -> None:
    table = InstrumentTable()
    for number, symbol in enumerate(["BTC-USD", "BTC-USDT", "BTC"]):
        table.add(symbol, f"0.0{number + 1}", "1")
    for number, symbol in enumerate(["BTC-USD", "BTC-USDT", "BTC", "BTC-USD"]):
        price_ticks, _ = decode_level(table, symbol, "0.06", "1")
        assert price_ticks == 6 // (number % 3 + 1)
    for symbol in ("BTC-", "BTC-USDTX", "", "btc"):
        assert decode_level(table, symbol, "0.06", "1") == [FeedStatus.FEED_UNKNOWN_PRODUCT]


def test_empty_table_knows_no_symbol() -> None:
    assert decode_level(InstrumentTable(), "", "1", "1") == [FeedStatus.FEED_UNKNOWN_PRODUCT]


@pytest.mark.parametrize("index", [-1, 1, 64])
def test_index_beyond_the_count(index: int) -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "1")
    with pytest.raises(UsageError, match=f"index was {index}; the table holds 1"):
        table.symbol(index)
