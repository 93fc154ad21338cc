"""Every message of Kraken's WebSocket v1, as documented and as it should not come."""

import json
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.kraken_v1_feed import KrakenV1Feed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
TIME = "1618678145.951321"
TIME_NS = 1_618_678_145_951_321_000
EARLIER = "1618678144.000001"

Message = list[Any]

SNAPSHOT_PART = {
    "as": [["60000.10000", "0.50000000", EARLIER], ["60000.20000", "1.25000000", TIME]],
    "bs": [["60000.00000", "0.00000001", EARLIER]],
}
SNAPSHOT: Message = [1360, SNAPSHOT_PART, "book-1000", "XBT/USD"]
SNAPSHOT_DELTAS = [
    (600_001, 50_000_000, SELL),
    (600_002, 125_000_000, SELL),
    (600_000, 1, BUY),
]
UPDATE_PART = {"b": [["2000.05", "0.002", TIME, "r"], ["2000.00", "0.000", EARLIER]], "c": "974947"}
UPDATE: Message = [993, UPDATE_PART, "book-10", "ETH/EUR"]
UPDATE_DELTAS = [(40_001, 1, BUY), (40_000, 0, BUY)]
BOTH: Message = [993, {"a": [["2000.15", "0.004", TIME]]}, UPDATE_PART, "book-10", "ETH/EUR"]
TRADE_ROWS = [
    ["60000.00000", "0.89594024", EARLIER, "s", "l", ""],
    ["60000.10000", "1.25690315", TIME, "b", "m", "text"],
]
TRADES: Message = [1921, TRADE_ROWS, "trade", "XBT/USD"]
HEARTBEAT = {"event": "heartbeat"}
MESSAGES: dict[str, Any] = {
    "snapshot": SNAPSHOT,
    "update": UPDATE,
    "both": BOTH,
    "trade": TRADES,
    "heartbeat": HEARTBEAT,
}
ARRAYS = [name for name in MESSAGES if name != "heartbeat"]


@pytest.fixture(scope="module")
def decoder() -> KrakenV1Feed:
    table = InstrumentTable()
    table.add("XBT/USD", "0.1", "0.00000001", price_precision=5)
    table.add("ETH/EUR", "0.05", "0.002")
    return KrakenV1Feed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def decode(decoder: KrakenV1Feed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def read(decoder: KrakenV1Feed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.deltas(), decoder.trades()


def book(part: Any, *more: Any) -> Message:
    return [1, part, *more, "book-10", "XBT/USD"]


def test_snapshot(decoder: KrakenV1Feed) -> None:
    """It has no checksum; its time is the newest of its levels."""
    events, deltas, trades = read(decoder, SNAPSHOT)
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 3, TIME_NS, -1)]
    assert (deltas, trades) == (SNAPSHOT_DELTAS, [])
    assert decoder.checks() == [(1000, -1)]
    empty = read(decoder, book({"as": [], "bs": []}))
    assert empty == ([(FeedEventKind.SNAPSHOT, 0, 0, 0, 0, -1)], [], [])


def test_update(decoder: KrakenV1Feed) -> None:
    """A level that came back into the depth (``r``) is a level like another."""
    events, deltas, _ = read(decoder, UPDATE)
    assert events == [(FeedEventKind.UPDATE, 1, 0, 2, TIME_NS, -1)]
    assert deltas == UPDATE_DELTAS
    assert decoder.checks() == [(10, 974947)]


def test_update_of_both_sides(decoder: KrakenV1Feed) -> None:
    events, deltas, _ = read(decoder, BOTH)
    assert events == [(FeedEventKind.UPDATE, 1, 0, 3, TIME_NS, -1)]
    assert deltas == [(40_003, 2, SELL), *UPDATE_DELTAS]
    assert decoder.checks() == [(10, 974947)]
    assert read(decoder, [993, {**BOTH[1], **UPDATE_PART}, "book-10", "ETH/EUR"])[1] == deltas


def test_trades(decoder: KrakenV1Feed) -> None:
    """``side`` is the taker's; there are no ids."""
    events, deltas, trades = read(decoder, TRADES)
    assert events == [(FeedEventKind.TRADES, 0, 0, 2, TIME_NS, -1)]
    assert deltas == []
    assert trades == [
        (600_000, 89_594_024, SELL, -1, 1_618_678_144_000_001_000),
        (600_001, 125_690_315, BUY, -1, TIME_NS),
    ]
    assert read(decoder, [1, [], "trade", "XBT/USD"])[2] == []


def test_heartbeat(decoder: KrakenV1Feed) -> None:
    assert read(decoder, HEARTBEAT) == ([(FeedEventKind.HEARTBEAT, -1, 0, 0, 0, -1)], [], [])
    assert read(decoder, {"unknown": [1], **HEARTBEAT})[0]


@pytest.mark.parametrize(
    "frame",
    [
        {"event": "systemStatus", "status": "online", "version": "1.8.3"},
        {"event": "subscriptionStatus", "pair": "XBT/USD", "channelName": "book-10"},
        {"errorMessage": "Currency pair not supported"},
        [340, {"a": ["5525.40000", 1, "1.000"]}, "ticker", "XBT/USD"],
        [0, ["5698.40000", "5700.00000"], "spread", "XBT/USD"],
        [42, ["1542057314.748456"], "ohlc-5", "XBT/USD"],
    ],
)
def test_other_messages_are_for_the_session(decoder: KrakenV1Feed, frame: Any) -> None:
    assert decode(decoder, frame) is FeedStatus.FEED_CONTROL


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: KrakenV1Feed, name: str, space: str) -> None:
    expected = read(decoder, MESSAGES[name])
    text = json.dumps(MESSAGES[name], indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == expected


@pytest.mark.parametrize("value", [None, True, -1.5e-7, 'a "q" \\ t', "é\n", [], {}, [[]], "}]"])
def test_unknown_members_are_skipped(decoder: KrakenV1Feed, value: Any) -> None:
    for part, frame in ((SNAPSHOT_PART, SNAPSHOT), (UPDATE_PART, UPDATE)):
        expected = read(decoder, frame)
        for parts in ({"x": value, **part}, {**part, 'y "\\': value}):
            assert read(decoder, [value, parts, *frame[2:]]) == expected


# Bad input: a reason, never a wrong book.


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("behind", [b"", b'0123456789.00"]]}]', b"0" * 64, b'"]]},"trade"]['])
def test_frames_cut_at_every_byte(decoder: KrakenV1Feed, name: str, behind: bytes) -> None:
    """The bytes behind a payload are the next frame's, or the rest of this one: not read."""
    pipeline = Pipeline(decoder.table, decoder, step_interval=0)
    payload = encode(MESSAGES[name])
    padding = int(Bound.FRAME_PADDING_BYTES)
    for size in range(len(payload)):
        tail = (behind or payload[size:]).ljust(padding, b"0")[:padding]
        assert pipeline.receive_padded([payload[:size] + tail], 1) == 0, payload[:size]
    assert pipeline.counters()["deltas"] == pipeline.counters()["trades"] == 0
    whole = payload + (behind or payload).ljust(padding, b"0")[:padding]
    assert pipeline.receive_padded([whole], 1) == 1


@pytest.mark.parametrize("name", ARRAYS)
def test_wrong_json_types(decoder: KrakenV1Feed, name: str) -> None:
    for at in range(1, len(MESSAGES[name])):
        values: list[Any] = [None, True, 5, 1.5, [5], [[]], {"a": 5}, {}]
        for value in values:
            frame = [*MESSAGES[name][:at], value, *MESSAGES[name][at + 1 :]]
            status = decode(decoder, frame)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), frame


@pytest.mark.parametrize("name", ARRAYS)
def test_messages_of_another_length(decoder: KrakenV1Feed, name: str) -> None:
    frame = MESSAGES[name]
    for shorter in (frame[:-1], frame[:-2], frame[:1], [], [frame[0], *frame[-2:]]):
        assert decode(decoder, shorter) not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)
    for longer in ([*frame, 5], [*frame, "x"], [frame[0], *[frame[1]] * 3, *frame[-2:]]):
        assert decode(decoder, longer) not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)


LEVEL = ["60000.10", "0.5", TIME]
LEVEL_CASES = [
    (["60000.01", "1", TIME], FeedStatus.FEED_OFF_STEP),
    (["60000.00", "0.000000001", TIME], FeedStatus.FEED_OFF_STEP),
    (["-1", "1", TIME], FeedStatus.FEED_BAD_NUMBER),
    (["1", "-0", TIME], FeedStatus.FEED_BAD_NUMBER),
    (["0.00", "0", TIME], FeedStatus.FEED_BAD_NUMBER),
    (["99999999999999999999", "1", TIME], FeedStatus.FEED_BAD_NUMBER),
    ([1, "1", TIME], FeedStatus.FEED_BAD_TYPE),
    (["1", 1, TIME], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", 5], FeedStatus.FEED_BAD_TYPE),
    (["1", "1"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", TIME, "x"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", TIME, "r", "r"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", "now"], FeedStatus.FEED_BAD_TIME),
    (["1", "1", "1618678145.9513215"], FeedStatus.FEED_BAD_TIME),
    (["1", "1", "9223372036.854776"], FeedStatus.FEED_BAD_TIME),
    ([], FeedStatus.FEED_BAD_TYPE),
    ("1", FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("level", "status"), LEVEL_CASES)
def test_bad_levels(decoder: KrakenV1Feed, level: Any, status: FeedStatus) -> None:
    for rows in ([level], [LEVEL, level], [level, LEVEL]):
        assert decode(decoder, book({"as": rows, "bs": []})) is status
        assert decode(decoder, book({"a": rows, "c": "7"})) is status
        assert decode(decoder, book({"a": [LEVEL]}, {"b": rows, "c": "7"})) is status
    assert decode(decoder, book({"as": [LEVEL], "bs": []})) is FeedStatus.FEED_OK


@pytest.mark.parametrize(
    "row",
    [
        ["60000.01", "1", TIME, "b"],
        ["60000.00", "1", "now", "b"],
        ["60000.00", "1", TIME],
        ["60000.00", "1", TIME, "buy"],
        ["60000.00", "1", TIME, 5],
        [60000, "1", TIME, "b"],
        {},
    ],
)
def test_bad_trades(decoder: KrakenV1Feed, row: Any) -> None:
    for rows in ([row], [TRADE_ROWS[0], row], [row, TRADE_ROWS[0]]):
        status = decode(decoder, [1, rows, "trade", "XBT/USD"])
        assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)


BOOK_CASES = [
    ([{"as": []}], FeedStatus.FEED_MISSING_FIELD),
    ([{"bs": []}], FeedStatus.FEED_MISSING_FIELD),
    ([{"c": "5"}], FeedStatus.FEED_MISSING_FIELD),
    ([{"a": [LEVEL]}], FeedStatus.FEED_MISSING_FIELD),
    ([{"a": []}, {"b": []}], FeedStatus.FEED_MISSING_FIELD),
    ([{"as": []}, {"bs": []}], FeedStatus.FEED_MISSING_FIELD),
    ([{"as": [], "bs": [], "a": [], "c": "5"}], FeedStatus.FEED_BAD_TYPE),
    ([{"as": [], "bs": []}, {"a": [], "c": "5"}], FeedStatus.FEED_BAD_TYPE),
    ([{"a": []}, {"a": [], "c": "5"}], FeedStatus.FEED_BAD_JSON),
    ([{"a": [], "c": "5"}, {"b": [], "c": "5"}], FeedStatus.FEED_BAD_JSON),
    ([{"a": [], "c": 5}], FeedStatus.FEED_BAD_TYPE),
    ([{"a": [], "c": ""}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": "x"}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": " 5"}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": "5 "}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": "-5"}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": str(2**32)}], FeedStatus.FEED_BAD_NUMBER),
    ([{"a": [], "c": str(2**32 - 1)}], FeedStatus.FEED_OK),
]


@pytest.mark.parametrize(("parts", "status"), BOOK_CASES)
def test_parts_that_do_not_go_together(
    decoder: KrakenV1Feed, parts: list[Any], status: FeedStatus
) -> None:
    assert decode(decoder, book(*parts)) is status


@pytest.mark.parametrize("channel", ["book", "book-", "book-x", "book-0", "book- 10", "book-10 "])
def test_books_without_a_depth(decoder: KrakenV1Feed, channel: str) -> None:
    frame = [*UPDATE[:2], channel, UPDATE[-1]]
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_NUMBER


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("pair", ["XBT/EUR", "", "XBT", "XBT/USDX", "xbt/usd"])
def test_unknown_pairs(decoder: KrakenV1Feed, name: str, pair: str) -> None:
    frame = [*MESSAGES[name][:-1], pair]
    assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT


def test_bounds_of_a_frame(decoder: KrakenV1Feed) -> None:
    levels = [LEVEL] * int(Bound.MAX_DELTAS_PER_FRAME)
    assert decode(decoder, book({"as": levels, "bs": []})) is FeedStatus.FEED_OK
    full = book({"as": levels, "bs": [LEVEL]})
    assert decode(decoder, full) is FeedStatus.FEED_TOO_MANY_DELTAS
    trades = [TRADE_ROWS[0]] * int(Bound.MAX_TRADES_PER_FRAME)
    assert decode(decoder, [1, trades, "trade", "XBT/USD"]) is FeedStatus.FEED_OK
    full = [1, [*trades, trades[0]], "trade", "XBT/USD"]
    assert decode(decoder, full) is FeedStatus.FEED_TOO_MANY_TRADES


@pytest.mark.parametrize("payload", [b"", b" ", b"null", b'"type"', b"{", b"[", b"{a:1}", b"\0"])
def test_payloads_that_are_no_message(decoder: KrakenV1Feed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"]", b"}", b"{}", b"x", b",", b"\0", encode(HEARTBEAT)])
@pytest.mark.parametrize("name", MESSAGES)
def test_tails(decoder: KrakenV1Feed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(MESSAGES[name]) + tail) is FeedStatus.FEED_BAD_JSON
