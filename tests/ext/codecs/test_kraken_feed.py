"""Every message of Kraken's WebSocket v2, as documented and as it should not come."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.kraken_feed import KrakenFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
TIME = "2023-07-30T15:29:58.343415Z"
TIME_NS = int(datetime(2023, 7, 30, 15, 29, 58, tzinfo=UTC).timestamp()) * 10**9 + 343_415_000
DEPTH = 25

Frame = dict[str, Any]

SNAPSHOT_ROW: Frame = {
    "symbol": "BTC/USD",
    "bids": [{"price": 29430.4, "qty": 1e-8}, {"price": 29430.3, "qty": 2}],
    "asks": [{"price": 29431, "qty": 11.93517449}],
    "checksum": 4294967295,
}
SNAPSHOT: Frame = {"channel": "book", "type": "snapshot", "data": [SNAPSHOT_ROW]}
SNAPSHOT_DELTAS = [(294_304, 1, BUY), (294_303, 200_000_000, BUY), (294_310, 1_193_517_449, SELL)]
UPDATE_ROW: Frame = {
    "symbol": "ETH/EUR",
    "bids": [{"price": 2000.05, "qty": 0.002}],
    "asks": [{"price": 2000.15, "qty": 0}, {"qty": 0.0, "price": 2001.0}],
    "checksum": 7,
    "timestamp": TIME,
}
UPDATE: Frame = {"channel": "book", "type": "update", "data": [UPDATE_ROW]}
UPDATE_DELTAS = [(40_001, 1, BUY), (40_003, 0, SELL), (40_020, 0, SELL)]
TRADE_ROW: Frame = {
    "symbol": "BTC/USD",
    "side": "sell",
    "price": 29430.5,
    "qty": 0.985,
    "ord_type": "market",
    "trade_id": 4665906,
    "timestamp": TIME,
}
TRADE: Frame = {"channel": "trade", "type": "update", "data": [TRADE_ROW]}
HEARTBEAT: Frame = {"channel": "heartbeat"}
MESSAGES = {"snapshot": SNAPSHOT, "update": UPDATE, "trade": TRADE, "heartbeat": HEARTBEAT}
ROWS = {"snapshot": SNAPSHOT_ROW, "update": UPDATE_ROW, "trade": TRADE_ROW}


@pytest.fixture(scope="module")
def decoder() -> KrakenFeed:
    table = InstrumentTable()
    table.add("BTC/USD", "0.1", "0.00000001", depth=DEPTH)
    table.add("ETH/EUR", "0.05", "0.002")
    return KrakenFeed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def decode(decoder: KrakenFeed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def put(row: Frame, first: bool, **members: Any) -> Frame:
    """The row with these members in place of its own, in front of the others or behind them."""
    others = {key: value for key, value in row.items() if key not in members}
    return {**members, **others} if first else {**others, **members}


def wrap(name: str, *rows: Any) -> Frame:
    """A message of that kind with other rows."""
    return {**MESSAGES[name], "data": list(rows)}


def read(decoder: KrakenFeed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.deltas(), decoder.trades()


def test_snapshot(decoder: KrakenFeed) -> None:
    events, deltas, trades = read(decoder, SNAPSHOT)
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 3, 0, -1)]
    assert (deltas, trades) == (SNAPSHOT_DELTAS, [])
    assert decoder.checks() == [(DEPTH, 4294967295)]
    assert decoder.connection_sequence == -1
    timed = wrap("snapshot", {**SNAPSHOT_ROW, "timestamp": TIME})
    assert read(decoder, timed)[0][0][4] == TIME_NS


def test_update(decoder: KrakenFeed) -> None:
    events, deltas, trades = read(decoder, UPDATE)
    assert events == [(FeedEventKind.UPDATE, 1, 0, 3, TIME_NS, -1)]
    assert (deltas, trades) == (UPDATE_DELTAS, [])
    assert decoder.checks() == [(0, 7)]


def test_an_update_of_one_side(decoder: KrakenFeed) -> None:
    for side, other in (("bids", "asks"), ("asks", "bids")):
        expected = read(decoder, wrap("update", {**UPDATE_ROW, other: []}))
        row = {key: value for key, value in UPDATE_ROW.items() if key != other}
        assert read(decoder, wrap("update", row)) == expected
        status = decode(decoder, wrap("snapshot", {**row, "symbol": "BTC/USD", side: []}))
        assert status is FeedStatus.FEED_MISSING_FIELD, "a snapshot has both"


def test_several_books_in_a_message(decoder: KrakenFeed) -> None:
    events, deltas, _ = read(decoder, wrap("update", UPDATE_ROW, {**UPDATE_ROW, "checksum": 9}))
    assert [(event[2], event[3]) for event in events] == [(0, 3), (3, 3)]
    assert deltas == 2 * UPDATE_DELTAS
    assert decoder.checks() == [(0, 7), (0, 9)]
    assert read(decoder, wrap("update")) == ([], [], [])


def test_trades(decoder: KrakenFeed) -> None:
    """``side`` is the taker's; a run of one pair is one event with the last trade's id."""
    btc = (294_305, 98_500_000, SELL, 4665906, TIME_NS)
    assert read(decoder, TRADE) == ([(FeedEventKind.TRADES, 0, 0, 1, TIME_NS, 4665906)], [], [btc])
    eth = {**TRADE_ROW, "symbol": "ETH/EUR", "side": "buy", "price": 2000.05, "qty": 0.004}
    rows = [TRADE_ROW, {**TRADE_ROW, "trade_id": 4665907}, eth]
    events, _, trades = read(decoder, wrap("trade", *rows))
    assert events == [
        (FeedEventKind.TRADES, 0, 0, 2, TIME_NS, 4665907),
        (FeedEventKind.TRADES, 1, 2, 1, TIME_NS, 4665906),
    ]
    assert trades[1] == (*btc[:3], 4665907, TIME_NS)
    assert trades[2] == (40_001, 2, BUY, 4665906, TIME_NS)


def test_trades_from_before_the_subscription_are_not_decoded(decoder: KrakenFeed) -> None:
    for row in (TRADE_ROW, {"price": "anything"}):
        frame = {**TRADE, "type": "snapshot", "data": [row]}
        for order in itertools.permutations(frame):
            assert read(decoder, {key: frame[key] for key in order}) == ([], [], [])


def test_heartbeat(decoder: KrakenFeed) -> None:
    assert read(decoder, HEARTBEAT) == ([(FeedEventKind.HEARTBEAT, -1, 0, 0, 0, -1)], [], [])


@pytest.mark.parametrize(
    "frame",
    [
        {"channel": "status", "type": "update", "data": [{"system": "online"}]},
        {"channel": "ticker", "type": "update", "data": [{"symbol": "BTC/USD"}]},
        {"channel": "books", "type": "update", "data": []},
        {"method": "subscribe", "success": True, "result": {"channel": "book", "depth": 10}},
        {"method": "pong", "req_id": 1},
        {"error": "Currency pair not supported", "method": "subscribe", "success": False},
        {},
    ],
)
def test_other_messages_are_for_the_session(decoder: KrakenFeed, frame: Frame) -> None:
    payload = encode(frame) if frame else b'{"x":1}'
    assert decode(decoder, payload) is FeedStatus.FEED_CONTROL


def test_data_without_a_channel_is_not_passed_by(decoder: KrakenFeed) -> None:
    for name in ("channel", "type", "data"):
        frame = {key: value for key, value in UPDATE.items() if key != name}
        assert decode(decoder, frame) is FeedStatus.FEED_MISSING_FIELD


@pytest.mark.parametrize("name", ROWS)
def test_members_come_in_any_order(decoder: KrakenFeed, name: str) -> None:
    events, deltas, trades = read(decoder, MESSAGES[name])
    for frame_order in itertools.permutations(MESSAGES[name]):
        for number, order in enumerate(itertools.permutations(ROWS[name])):
            if number % 29:
                continue
            frame = wrap(name, {key: ROWS[name][key] for key in order})
            shuffled = read(decoder, {key: frame[key] for key in frame_order})
            assert shuffled == (events, shuffled[1], trades), order
            for side in (BUY, SELL):
                ours = [delta for delta in shuffled[1] if delta[2] == side]
                assert ours == [delta for delta in deltas if delta[2] == side]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: KrakenFeed, name: str, space: str) -> None:
    expected = read(decoder, MESSAGES[name])
    text = json.dumps(MESSAGES[name], indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == expected


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e-7, "", 'a "quoted" \\ text', "é\n", [], {}, [[{"price": "1"}]], "}]"],
)
def test_unknown_members_are_skipped(decoder: KrakenFeed, name: str, value: Any) -> None:
    expected = read(decoder, MESSAGES[name])
    extra = {"unknown": value, 'more "of\\ it': value}
    for first in (True, False):
        frame = wrap(name, {**extra, **ROWS[name]} if first else {**ROWS[name], **extra})
        assert read(decoder, {**extra, **frame} if first else {**frame, **extra}) == expected
        level = {"price": 29430.4, "qty": 1e-8}
        level = {**extra, **level} if first else {**level, **extra}
        if name == "snapshot":
            row = {**SNAPSHOT_ROW, "bids": [level, SNAPSHOT_ROW["bids"][1]]}
            assert read(decoder, wrap(name, row)) == expected


@pytest.mark.parametrize(
    ("text", "lots"),
    [("1e-3", 100_000), ("0.5E0", 50_000_000), ("12e+1", 12 * 10**9), ("0e5", 0), ("0.10", 10**7)],
)
def test_numbers_in_other_forms(decoder: KrakenFeed, text: str, lots: int) -> None:
    payload = encode(wrap("snapshot", {**SNAPSHOT_ROW, "asks": []}))
    payload = payload.replace(b"1e-08", text.encode())
    assert read(decoder, payload)[1][0] == (294_304, lots, BUY)


# Bad input: a reason, never a wrong book.


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("behind", [b"", b"0123456789.00}]}]}", b"0" * 64, b"}]}]}{"])
def test_frames_cut_at_every_byte(decoder: KrakenFeed, name: str, behind: bytes) -> None:
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


READ_MEMBERS = {
    "snapshot": ["symbol", "bids", "asks", "checksum"],
    "update": ["symbol", "bids", "asks", "checksum", "timestamp"],
    "trade": ["symbol", "side", "price", "qty", "trade_id", "timestamp"],
}
EACH_MEMBER = [(name, member) for name, members in READ_MEMBERS.items() for member in members]


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_wrong_json_types(decoder: KrakenFeed, name: str, member: str) -> None:
    right = ROWS[name][member]
    values: list[Any] = [None, True, 5, 1.5, "text", "5", [], {}, [5], [[]], [{}], {"a": []}]
    for value in values:
        is_number = type(value) in (int, float) and type(right) in (int, float)
        if is_number or (isinstance(right, list) and value == []):
            continue
        for first in (True, False):
            frame = wrap(name, put(ROWS[name], first, **{member: value}))
            status = decode(decoder, frame)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), frame


@pytest.mark.parametrize("value", [None, True, 5, "text", {}, [5], [[]], "[]"])
@pytest.mark.parametrize("name", ROWS)
def test_wrong_json_types_of_data(decoder: KrakenFeed, name: str, value: Any) -> None:
    status = decode(decoder, {**MESSAGES[name], "data": value})
    assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_missing_members(decoder: KrakenFeed, name: str, member: str) -> None:
    row = {key: value for key, value in ROWS[name].items() if key != member}
    if name != "update" or member not in {"bids", "asks"}:
        assert decode(decoder, wrap(name, row)) is FeedStatus.FEED_MISSING_FIELD


LEVEL_CASES = [
    ('{"price":29430.44,"qty":1}', FeedStatus.FEED_OFF_STEP),
    ('{"price":29430.4,"qty":0.000000001}', FeedStatus.FEED_OFF_STEP),
    ('{"price":-1,"qty":1}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":1,"qty":-0}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":0.0,"qty":1}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":1.,"qty":1}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":01,"qty":1}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":99999999999999999999,"qty":1}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":1,"qty":92233720368.54775808}', FeedStatus.FEED_BAD_NUMBER),
    ('{"price":.5,"qty":1}', FeedStatus.FEED_BAD_TYPE),
    ('{"price":"1","qty":1}', FeedStatus.FEED_BAD_TYPE),
    ('{"price":1,"qty":null}', FeedStatus.FEED_BAD_TYPE),
    ('{"price":1,"qty":1x}', FeedStatus.FEED_BAD_TYPE),
    ('{"price":1}', FeedStatus.FEED_MISSING_FIELD),
    ('{"qty":1}', FeedStatus.FEED_MISSING_FIELD),
    ('{"price":1,"price":1,"qty":1}', FeedStatus.FEED_BAD_JSON),
    ('{"price":1,"qty":1,"qty":1}', FeedStatus.FEED_BAD_JSON),
    ("[1,1]", FeedStatus.FEED_BAD_TYPE),
    ("1", FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("level", "status"), LEVEL_CASES)
def test_bad_levels(decoder: KrakenFeed, level: str, status: FeedStatus) -> None:
    good = '{"price":1.5,"qty":1}'
    for rows in (level, f"{good},{level}", f"{level},{good}"):
        for first in (True, False):
            row = put(SNAPSHOT_ROW, first, asks="@")
            payload = encode(wrap("snapshot", row)).replace(b'"@"', f"[{rows}]".encode())
            assert decode(decoder, payload) is status


def test_levels_between_steps(decoder: KrakenFeed) -> None:
    for level in ({"price": 2000.01, "qty": 0.002}, {"price": 2000.05, "qty": 0.001}):
        frame = wrap("update", {**UPDATE_ROW, "asks": [level]})
        assert decode(decoder, frame) is FeedStatus.FEED_OFF_STEP


@pytest.mark.parametrize("side", ["", "Buy", "bid", "SELL", "b"])
def test_bad_sides(decoder: KrakenFeed, side: str) -> None:
    status = decode(decoder, wrap("trade", {**TRADE_ROW, "side": side}))
    assert status is FeedStatus.FEED_BAD_SIDE


@pytest.mark.parametrize("time", ["", "now", "2021-02-30T00:00:00Z", "1618677817.077", TIME[:-1]])
@pytest.mark.parametrize("name", ROWS)
def test_bad_times(decoder: KrakenFeed, name: str, time: str) -> None:
    frame = wrap(name, {**ROWS[name], "timestamp": time})
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_TIME


@pytest.mark.parametrize("symbol", ["XRP/USD", "", "BTC", "BTC/USDX", "btc/usd", "BTC\\/USD"])
@pytest.mark.parametrize("name", ROWS)
def test_unknown_symbols(decoder: KrakenFeed, name: str, symbol: str) -> None:
    frame = wrap(name, {**ROWS[name], "symbol": symbol})
    assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("number", [-1, 1.0, 1e3, 10**18, "5"])
def test_bad_whole_numbers(decoder: KrakenFeed, number: Any) -> None:
    trade = wrap("trade", {**TRADE_ROW, "trade_id": number})
    book = wrap("update", {**UPDATE_ROW, "checksum": number})
    assert decode(decoder, trade) is not FeedStatus.FEED_OK
    assert decode(decoder, book) is not FeedStatus.FEED_OK


def test_a_checksum_has_32_bits(decoder: KrakenFeed) -> None:
    frame = wrap("update", {**UPDATE_ROW, "checksum": 2**32})
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_NUMBER


@pytest.mark.parametrize("kind", ["", "patch", "snapshots"])
@pytest.mark.parametrize("name", ROWS)
def test_bad_types_of_message(decoder: KrakenFeed, name: str, kind: str) -> None:
    assert decode(decoder, {**MESSAGES[name], "type": kind}) is FeedStatus.FEED_BAD_TYPE


def join(members: list[tuple[str, Any]]) -> bytes:
    """An object whose members may come twice."""
    return b"{" + b",".join(encode({key: v})[1:-1] for key, v in members) + b"}"


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_members_that_come_twice(decoder: KrakenFeed, name: str, member: str) -> None:
    items = list(ROWS[name].items())
    for at in range(len(items) + 1):
        row = join([*items[:at], (member, ROWS[name][member]), *items[at:]])
        payload = encode(wrap(name, "@")).replace(b'"@"', row)
        assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON
    frame = list(MESSAGES[name].items())
    for each in frame:
        assert decode(decoder, join([*frame, each])) is FeedStatus.FEED_BAD_JSON


def test_bounds_of_a_frame(decoder: KrakenFeed) -> None:
    levels = [{"price": 1.5, "qty": 1}] * int(Bound.MAX_DELTAS_PER_FRAME)
    books = [UPDATE_ROW] * int(Bound.MAX_EVENTS_PER_FRAME)
    trades = [TRADE_ROW] * int(Bound.MAX_TRADES_PER_FRAME)
    full = [
        (wrap("update", {**UPDATE_ROW, "symbol": "BTC/USD", "bids": levels, "asks": []}), "DELTAS"),
        (wrap("update", *books), "EVENTS"),
        (wrap("trade", *trades), "TRADES"),
    ]
    for frame, name in full:
        assert decode(decoder, frame) is FeedStatus.FEED_OK
        rows = frame["data"] if name != "DELTAS" else frame["data"][0]["bids"]
        rows.append(rows[0])
        assert decode(decoder, frame) is FeedStatus[f"FEED_TOO_MANY_{name}"]
    runs = [{**TRADE_ROW, "symbol": s, "price": 5, "qty": 1} for s in ("BTC/USD", "ETH/EUR")]
    runs *= int(Bound.MAX_EVENTS_PER_FRAME) // 2
    assert decode(decoder, wrap("trade", *runs)) is FeedStatus.FEED_OK
    runs.append(runs[0])
    assert decode(decoder, wrap("trade", *runs)) is FeedStatus.FEED_TOO_MANY_EVENTS


@pytest.mark.parametrize("payload", [b"", b" ", b"[]", b"null", b'"type"', b"{", b"{a:1}", b"\0"])
def test_payloads_that_are_no_object(decoder: KrakenFeed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"}", b"{}", b"x", b",", b"\0", encode(HEARTBEAT)])
@pytest.mark.parametrize("name", MESSAGES)
def test_tails(decoder: KrakenFeed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(MESSAGES[name]) + tail) is FeedStatus.FEED_BAD_JSON
