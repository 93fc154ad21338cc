"""Every message of the Coinbase Advanced Trade feed, as documented and as it should not come."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
Frame = dict[str, Any]


def time_ns(second: int, nanoseconds: int = 0) -> int:
    return int(datetime(2026, 8, 9, 21, 6, second, tzinfo=UTC).timestamp()) * 10**9 + nanoseconds


def row(side: str, price: Any, quantity: Any, time: Any = "2026-08-09T21:06:02.123Z") -> Frame:
    return {"side": side, "event_time": time, "price_level": price, "new_quantity": quantity}


def trade(product: str, trade_id: Any, price: Any, size: Any, side: str, second: int = 2) -> Frame:
    return {
        "product_id": product,
        "trade_id": trade_id,
        "price": price,
        "size": size,
        "time": f"2026-08-09T21:06:{second:02}.136996Z",
        "side": side,
    }


def frame_of(channel: str, *events: Any, **more: Any) -> Frame:
    return {
        "channel": channel,
        "client_id": "",
        "timestamp": "2026-08-09T21:06:02.152080029Z",
        "sequence_num": 592,
        "events": list(events),
        **more,
    }


def book_event(kind: str, product: str, *rows: Frame) -> Frame:
    return {"type": kind, "product_id": product, "updates": list(rows)}


SNAPSHOT_EVENT = book_event(
    "snapshot",
    "BTC-USD",
    row("bid", "65083.67", "0.00304224", "1970-01-01T00:00:00Z"),
    row("offer", "65083.68", "1.5", "2026-08-09T21:06:01Z"),
)
UPDATE_EVENT = book_event(
    "update", "ETH-EUR", row("bid", "2000.05", "0.002"), row("offer", "2000.1", "0")
)
TRADE = trade("BTC-USD", "1068572126", "65083.67", "0.00304224", "SELL")
MESSAGES = {
    "snapshot": frame_of("l2_data", SNAPSHOT_EVENT),
    "update": frame_of("l2_data", UPDATE_EVENT),
    "both": frame_of("l2_data", SNAPSHOT_EVENT, UPDATE_EVENT),
    "trades": frame_of("market_trades", {"type": "update", "trades": [TRADE]}),
    "heartbeats": frame_of("heartbeats", {"current_time": "x", "heartbeat_counter": 7}),
}
RESULTS: dict[str, tuple[Any, ...]] = {
    "snapshot": (
        [(FeedEventKind.SNAPSHOT, 0, 0, 2, time_ns(1), -1)],
        [(6_508_367, 304_224, BUY), (6_508_368, 150_000_000, SELL)],
        [],
    ),
    "update": (
        [(FeedEventKind.UPDATE, 1, 0, 2, time_ns(2, 123_000_000), -1)],
        [(40_001, 1, BUY), (40_002, 0, SELL)],
        [],
    ),
    "trades": (
        [(FeedEventKind.TRADES, 0, 0, 1, time_ns(2, 136_996_000), -1)],
        [],
        [(6_508_367, 304_224, BUY, 1068572126, time_ns(2, 136_996_000))],
    ),
    "heartbeats": ([(FeedEventKind.HEARTBEAT, -1, 0, 0, time_ns(2, 152_080_029), -1)], [], []),
}


@pytest.fixture(scope="module")
def decoder() -> CoinbaseAdvancedFeed:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.00000001")
    table.add("ETH-EUR", "0.05", "0.002")
    return CoinbaseAdvancedFeed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def decode(decoder: CoinbaseAdvancedFeed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def read(decoder: CoinbaseAdvancedFeed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.deltas(), decoder.trades()


def refuses(decoder: CoinbaseAdvancedFeed, frame: Any) -> bool:
    return decode(decoder, frame) not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)


@pytest.mark.parametrize("name", RESULTS)
def test_messages(decoder: CoinbaseAdvancedFeed, name: str) -> None:
    assert read(decoder, MESSAGES[name]) == RESULTS[name]
    assert decoder.connection_sequence == 592


def test_several_events_of_several_products(decoder: CoinbaseAdvancedFeed) -> None:
    events, deltas, _ = read(decoder, MESSAGES["both"])
    assert deltas == RESULTS["snapshot"][1] + RESULTS["update"][1]
    assert [event[:4] for event in events] == [
        (FeedEventKind.SNAPSHOT, 0, 0, 2),
        (FeedEventKind.UPDATE, 1, 2, 2),
    ]


def test_events_without_rows(decoder: CoinbaseAdvancedFeed) -> None:
    assert read(decoder, frame_of("l2_data")) == ([], [], [])
    events, _, _ = read(decoder, frame_of("l2_data", book_event("update", "BTC-USD")))
    assert events == [(FeedEventKind.UPDATE, 0, 0, 0, 0, -1)]
    assert read(decoder, frame_of("market_trades", {"type": "update", "trades": []}))[0] == []


def test_trades_are_put_oldest_first(decoder: CoinbaseAdvancedFeed) -> None:
    """The venue lists the newest first; ``side`` is the maker's."""
    listed = [
        trade("BTC-USD", "9", "3", "1", "BUY", 9),
        trade("BTC-USD", "8", "2", "1", "SELL", 8),
        trade("BTC-USD", "7", "1", "1", "BUY", 7),
        trade("ETH-EUR", "3", "2000", "2", "SELL", 6),
        trade("BTC-USD", "6", "5", "1", "BUY", 5),
    ]
    events, _, trades = read(
        decoder, frame_of("market_trades", {"type": "update", "trades": listed})
    )
    assert [t[3] for t in trades] == [7, 8, 9, 3, 6]
    assert [t[2] for t in trades] == [SELL, BUY, SELL, BUY, SELL]
    assert [event[1:5] for event in events] == [
        (0, 0, 3, time_ns(9, 136_996_000)),
        (1, 3, 1, time_ns(6, 136_996_000)),
        (0, 4, 1, time_ns(5, 136_996_000)),
    ]


def test_trades_from_before_the_subscription_are_left_out(decoder: CoinbaseAdvancedFeed) -> None:
    history = {"type": "snapshot", "trades": [trade("XRP-USD", None, 1, 1, "?")]}
    assert read(decoder, frame_of("market_trades", history)) == ([], [], [])
    events, _, trades = read(
        decoder, frame_of("market_trades", history, {"type": "update", "trades": [TRADE]})
    )
    assert len(events) == len(trades) == 1


@pytest.mark.parametrize(
    ("frame", "sequence"),
    [
        (frame_of("subscriptions", {"subscriptions": {"level2": ["BTC-USD"]}}), 592),
        (frame_of("ticker", {"type": "update"}, sequence_num=0), 0),
        (frame_of("l2_dat"), 592),
        (frame_of(""), 592),
        ({"type": "error", "message": "permission denied"}, -1),
        ({"type": "error", "sequence_num": 3}, 3),
    ],
)
def test_other_frames_count_too(decoder: CoinbaseAdvancedFeed, frame: Frame, sequence: int) -> None:
    assert decode(decoder, frame) is FeedStatus.FEED_CONTROL
    assert decoder.connection_sequence == sequence


def shuffled(value: Any, number: int) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(value, list):
        return [shuffled(item, number) for item in value]
    if not isinstance(value, dict):
        return value
    orders = list(itertools.islice(itertools.permutations(value), number, None, 131))
    order = orders[0] if orders else tuple(reversed(value))
    return {key: shuffled(value[key], number) for key in order}


@pytest.mark.parametrize("name", RESULTS)
def test_members_come_in_any_order(decoder: CoinbaseAdvancedFeed, name: str) -> None:
    for number in range(131):
        assert read(decoder, shuffled(MESSAGES[name], number)) == RESULTS[name], number


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: CoinbaseAdvancedFeed, name: str, space: str) -> None:
    text = json.dumps(MESSAGES[name], indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == RESULTS[name]


def extended(value: Any, extra: Frame) -> Any:
    """The same JSON with more members in front of and behind those of every object."""
    if isinstance(value, list):
        return [extended(item, extra) for item in value]
    if not isinstance(value, dict):
        return value
    first, second = ({f"{key}{n}": item for key, item in extra.items()} for n in (1, 2))
    return {**first, **{key: extended(item, extra) for key, item in value.items()}, **second}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize(
    "value", [None, True, -1.5e-7, "", 'a "quoted" \\ text', "é\n", [], {}, [[{"side": 1}]], "}]"]
)
def test_unknown_members_are_skipped(decoder: CoinbaseAdvancedFeed, name: str, value: Any) -> None:
    frame = extended(MESSAGES[name], {"unknown": value, 'more "of\\ it': value})
    assert read(decoder, frame) == RESULTS[name]


def test_rows_of_the_other_channel_are_not_taken(decoder: CoinbaseAdvancedFeed) -> None:
    for event, extra, channel in (
        (UPDATE_EVENT, {"trades": []}, "l2_data"),
        ({"type": "update", "trades": [TRADE]}, {"updates": []}, "market_trades"),
    ):
        expected = read(decoder, frame_of(channel, event))
        assert read(decoder, frame_of(channel, {**event, **extra})) == expected
        assert read(decoder, frame_of(channel, {**extra, **event})) == expected


def test_numbers_with_exponents(decoder: CoinbaseAdvancedFeed) -> None:
    event = book_event(
        "update", "BTC-USD", row("bid", "6.5e4", "1e-8"), row("offer", "7E+4", "0e9")
    )
    assert read(decoder, frame_of("l2_data", event))[1] == [
        (6_500_000, 1, BUY),
        (7_000_000, 0, SELL),
    ]


# Bad input: a reason, never a wrong book.


@pytest.mark.parametrize("name", MESSAGES)
def test_frames_cut_at_every_byte(decoder: CoinbaseAdvancedFeed, name: str) -> None:
    payload = encode(MESSAGES[name])
    assert decode(decoder, payload) is FeedStatus.FEED_OK
    for size in range(len(payload)):
        assert refuses(decoder, payload[:size]), payload[:size]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("behind", [b"", b'0123456789.00"}]}]}', b"0" * 64, b'"}]}]}{"channel'])
def test_what_lies_behind_a_frame_is_not_read(
    decoder: CoinbaseAdvancedFeed, name: str, behind: bytes
) -> None:
    """The bytes behind a payload are the next frame's, or the rest of this one."""
    pipeline = Pipeline(decoder.table, decoder, step_interval=0)
    payload = encode(MESSAGES[name])
    padding = int(Bound.FRAME_PADDING_BYTES)
    for size in range(len(payload)):
        tail = (behind or payload[size:]).ljust(padding, b"0")[:padding]
        assert pipeline.receive_padded([payload[:size] + tail], 1) == 0, payload[:size]
    assert pipeline.counters()["deltas"] == pipeline.counters()["trades"] == 0
    whole = payload + (behind or payload).ljust(padding, b"0")[:padding]
    assert pipeline.receive_padded([whole], 1) == 1


def changed(name: str, path: tuple[Any, ...], value: Any) -> Frame:
    """The message with one value, named by its path, replaced; ``...`` removes it."""
    frame: Frame = json.loads(encode(MESSAGES[name]))
    holder: Any = frame
    for step in path[:-1]:
        holder = holder[step]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return frame


ENVELOPE = [("sequence_num",), ("timestamp",), ("events",)]
EVENT = ("events", 0)
UPDATE_PATHS = [
    *ENVELOPE,
    *((*EVENT, key) for key in ("type", "product_id", "updates")),
    *((*EVENT, "updates", 0, key) for key in ("side", "price_level", "new_quantity", "event_time")),
]
TRADE_PATHS = [
    *ENVELOPE,
    *((*EVENT, key) for key in ("type", "trades")),
    *((*EVENT, "trades", 0, key) for key in TRADE),
]
EACH_PATH = [("update", path) for path in UPDATE_PATHS] + [("trades", path) for path in TRADE_PATHS]


@pytest.mark.parametrize(("name", "path"), EACH_PATH)
def test_wrong_json_types(decoder: CoinbaseAdvancedFeed, name: str, path: tuple[Any, ...]) -> None:
    values: list[Any] = [None, True, 5, 1.5, {}, [5], [[]], [None], {"a": []}, [{}]]
    for value in values:
        if path == ("sequence_num",) and value == 5:
            continue
        assert refuses(decoder, changed(name, path, value)), value
    assert decode(decoder, changed(name, ("channel",), 5)) is FeedStatus.FEED_BAD_TYPE


@pytest.mark.parametrize(("name", "path"), EACH_PATH)
def test_missing_members(decoder: CoinbaseAdvancedFeed, name: str, path: tuple[Any, ...]) -> None:
    assert decode(decoder, changed(name, path, ...)) is FeedStatus.FEED_MISSING_FIELD


NUMBER_CASES = [
    ("0.001", FeedStatus.FEED_OFF_STEP),
    ("1e-12", FeedStatus.FEED_OFF_STEP),
    ("2000.051", FeedStatus.FEED_OFF_STEP),
    ("2000.0513", FeedStatus.FEED_OFF_STEP),
    ("-1", FeedStatus.FEED_BAD_NUMBER),
    ("", FeedStatus.FEED_BAD_NUMBER),
    ("1.", FeedStatus.FEED_BAD_NUMBER),
    ("1,5", FeedStatus.FEED_BAD_NUMBER),
    ("NaN", FeedStatus.FEED_BAD_NUMBER),
    ("99999999999999999999", FeedStatus.FEED_BAD_NUMBER),
    (1, FeedStatus.FEED_BAD_TYPE),
    (None, FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("number", "status"), NUMBER_CASES)
def test_bad_numbers(decoder: CoinbaseAdvancedFeed, number: Any, status: FeedStatus) -> None:
    for member in ("price_level", "new_quantity"):
        frame = changed("update", (*EVENT, "updates", 1, member), number)
        assert decode(decoder, frame) is status
    eth = changed("trades", (*EVENT, "trades", 0, "product_id"), "ETH-EUR")
    for member in ("price", "size"):
        eth["events"][0]["trades"][0] |= {"price": "2000", "size": "1", member: number}
        assert decode(decoder, eth) is status


def test_level_at_price_zero(decoder: CoinbaseAdvancedFeed) -> None:
    for quantity in ("1", "0"):
        event = book_event("update", "BTC-USD", row("bid", "0.00", quantity))
        assert decode(decoder, frame_of("l2_data", event)) is FeedStatus.FEED_BAD_NUMBER


@pytest.mark.parametrize("side", ["", "buy", "ask", "Bid", "BUYS", "offers"])
def test_bad_sides(decoder: CoinbaseAdvancedFeed, side: str) -> None:
    for path in (("update", "updates"), ("trades", "trades")):
        frame = changed(path[0], (*EVENT, path[1], 0, "side"), side)
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_SIDE


@pytest.mark.parametrize("time", ["", "now", "2026-02-30T00:00:00Z", "2026-08-09T21:06:02+00:00"])
def test_bad_times(decoder: CoinbaseAdvancedFeed, time: str) -> None:
    for name, path in (
        ("update", (*EVENT, "updates", 1, "event_time")),
        ("trades", (*EVENT, "trades", 0, "time")),
        ("heartbeats", ("timestamp",)),
    ):
        assert decode(decoder, changed(name, path, time)) is FeedStatus.FEED_BAD_TIME


@pytest.mark.parametrize("trade_id", ["", "x", "12x", "1.0", "-1", "1e3", "1 ", str(10**18)])
def test_bad_trade_ids(decoder: CoinbaseAdvancedFeed, trade_id: str) -> None:
    frame = changed("trades", (*EVENT, "trades", 0, "trade_id"), trade_id)
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_NUMBER


@pytest.mark.parametrize("product", ["XRP-USD", "", "BTC", "BTC-USDX", "btc-usd"])
def test_unknown_products(decoder: CoinbaseAdvancedFeed, product: str) -> None:
    for name, path in (
        ("update", (*EVENT, "product_id")),
        ("trades", (*EVENT, "trades", 0, "product_id")),
    ):
        frame = changed(name, path, product)
        assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("kind", ["", "Update", "snapshots", "delete"])
@pytest.mark.parametrize("name", ["update", "trades"])
def test_unknown_event_types(decoder: CoinbaseAdvancedFeed, name: str, kind: str) -> None:
    assert decode(decoder, changed(name, (*EVENT, "type"), kind)) is FeedStatus.FEED_BAD_TYPE


@pytest.mark.parametrize("sequence", [-1, 1.0, "5", 10**18])
def test_bad_sequences(decoder: CoinbaseAdvancedFeed, sequence: Any) -> None:
    for name in MESSAGES:
        assert refuses(decoder, changed(name, ("sequence_num",), sequence))


def test_members_that_come_twice(decoder: CoinbaseAdvancedFeed) -> None:
    """Plain ones: the last holds, as for every JSON reader. Those that say how the rest is to be
    read are refused: numbers read by the steps of another product would be a lie."""
    text = encode(MESSAGES["update"])
    expected = read(decoder, text)
    for member, other in (
        (b'"price_level":"2000.05"', b'"price_level":"5"'),
        (b'"side":"bid"', b'"side":"offer"'),
        (b'"sequence_num":592', b'"sequence_num":3'),
    ):
        assert text.count(member) == 1
        assert read(decoder, text.replace(member, other + b"," + member)) == expected
    for member, other in (
        (b'"product_id":"ETH-EUR"', b'"product_id":"BTC-USD"'),
        (b'"type":"update"', b'"type":"snapshot"'),
        (b'"channel":"l2_data"', b'"channel":"market_trades"'),
        (b'"updates":[{', b'"updates":[]'),
    ):
        assert text.count(member) == 1
        doubled = text.replace(member, other + b"," + member)
        assert decode(decoder, doubled) is FeedStatus.FEED_BAD_JSON


def test_events_up_to_their_bound(decoder: CoinbaseAdvancedFeed) -> None:
    for channel, event in (
        ("l2_data", UPDATE_EVENT),
        ("market_trades", {"type": "update", "trades": [TRADE]}),
    ):
        events = [event] * Bound.MAX_EVENTS_PER_FRAME
        assert len(read(decoder, frame_of(channel, *events))[0]) == Bound.MAX_EVENTS_PER_FRAME
        frame = frame_of(channel, *events, event)
        assert decode(decoder, frame) is FeedStatus.FEED_TOO_MANY_EVENTS


def test_trades_up_to_their_bound(decoder: CoinbaseAdvancedFeed) -> None:
    trades = [TRADE] * Bound.MAX_TRADES_PER_FRAME
    frame = frame_of("market_trades", {"type": "update", "trades": trades})
    assert len(read(decoder, frame)[2]) == Bound.MAX_TRADES_PER_FRAME
    frame = frame_of("market_trades", {"type": "update", "trades": [*trades, TRADE]})
    assert decode(decoder, frame) is FeedStatus.FEED_TOO_MANY_TRADES


def test_deltas_up_to_their_bound(decoder: CoinbaseAdvancedFeed) -> None:
    level = encode(row("bid", "1", "1"))
    text = encode(frame_of("l2_data", book_event("snapshot", "BTC-USD")))
    for more, status in ((0, FeedStatus.FEED_OK), (1, FeedStatus.FEED_TOO_MANY_DELTAS)):
        rows = b",".join([level] * (Bound.MAX_DELTAS_PER_FRAME + more))
        assert decode(decoder, text.replace(b"[]", b"[" + rows + b"]")) is status


@pytest.mark.parametrize(
    "payload",
    [b"", b" ", b"{}", b"[]", b"null", b'"channel"', b"{", b"{channel:1}", b"\0", b"\xff\xfe"],
)
def test_payloads_that_are_no_object(decoder: CoinbaseAdvancedFeed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"}", b"{}", b"x", b",", b"\0"])
@pytest.mark.parametrize("name", MESSAGES)
def test_tails(decoder: CoinbaseAdvancedFeed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(MESSAGES[name]) + tail) is FeedStatus.FEED_BAD_JSON
