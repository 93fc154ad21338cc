"""Every message of the Coinbase Exchange feed, as documented and as it should not come."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
TIME = "2021-04-17T16:43:37.077621Z"
TIME_NS = int(datetime(2021, 4, 17, 16, 43, 37, tzinfo=UTC).timestamp()) * 10**9 + 77_621_000

Frame = dict[str, Any]

SNAPSHOT: Frame = {
    "type": "snapshot",
    "product_id": "BTC-USD",
    "asks": [["60000.10", "0.5"], ["60000.20", "1.25000000"]],
    "bids": [["60000.00", "0.00000001"], ["59999.99", "2"], ["0.01", "1000"]],
}
SNAPSHOT_DELTAS = [
    (6_000_010, 50_000_000, SELL),
    (6_000_020, 125_000_000, SELL),
    (6_000_000, 1, BUY),
    (5_999_999, 200_000_000, BUY),
    (1, 100_000_000_000, BUY),
]
UPDATE: Frame = {
    "type": "l2update",
    "product_id": "ETH-EUR",
    "changes": [["buy", "2000.05", "0.002"], ["sell", "2000.15", "0"], ["sell", "2001", "0.000"]],
    "time": TIME,
}
UPDATE_DELTAS = [(40_001, 1, BUY), (40_003, 0, SELL), (40_020, 0, SELL)]
MATCH: Frame = {
    "type": "match",
    "trade_id": 280232,
    "maker_order_id": "2a0da34e-61f7-4c36-88e5-c9dd15927b16",
    "taker_order_id": "3c82abaa-c01e-4608-be59-6a1e69742891",
    "side": "sell",
    "size": "0.985",
    "price": "60000.05",
    "product_id": "BTC-USD",
    "sequence": 177100030,
    "time": TIME,
}
HEARTBEAT: Frame = {
    "type": "heartbeat",
    "last_trade_id": 20,
    "product_id": "ETH-EUR",
    "sequence": 90,
    "time": TIME,
}
MESSAGES: dict[str, Frame] = {
    "snapshot": SNAPSHOT,
    "l2update": UPDATE,
    "match": MATCH,
    "heartbeat": HEARTBEAT,
}


@pytest.fixture(scope="module")
def decoder() -> CoinbaseExchangeFeed:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.00000001")
    table.add("ETH-EUR", "0.05", "0.002")
    return CoinbaseExchangeFeed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def decode(decoder: CoinbaseExchangeFeed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def put(frame: Frame, first: bool, **members: Any) -> Frame:
    """The frame with these members in place of its own, in front of the others or behind them."""
    others = {key: value for key, value in frame.items() if key not in members}
    return {**members, **others} if first else {**others, **members}


def read(decoder: CoinbaseExchangeFeed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.deltas(), decoder.trades()


def test_snapshot(decoder: CoinbaseExchangeFeed) -> None:
    events, deltas, trades = read(decoder, SNAPSHOT)
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 5, 0, -1)]
    assert deltas == SNAPSHOT_DELTAS
    assert trades == []
    assert decoder.connection_sequence == -1


def test_snapshot_with_a_time(decoder: CoinbaseExchangeFeed) -> None:
    events, _, _ = read(decoder, {**SNAPSHOT, "time": TIME})
    assert events[0][4] == TIME_NS


def test_snapshot_of_an_empty_book(decoder: CoinbaseExchangeFeed) -> None:
    for bids, asks in (([], []), (SNAPSHOT["bids"], []), ([], SNAPSHOT["asks"])):
        events, deltas, _ = read(decoder, {**SNAPSHOT, "bids": bids, "asks": asks})
        assert events[0][3] == len(deltas) == len(bids) + len(asks)


def test_update(decoder: CoinbaseExchangeFeed) -> None:
    events, deltas, trades = read(decoder, UPDATE)
    assert events == [(FeedEventKind.UPDATE, 1, 0, 3, TIME_NS, -1)]
    assert deltas == UPDATE_DELTAS
    assert trades == []


def test_update_without_changes(decoder: CoinbaseExchangeFeed) -> None:
    assert read(decoder, {**UPDATE, "changes": []})[1] == []


def test_match(decoder: CoinbaseExchangeFeed) -> None:
    """``side`` is the maker's: a maker that sold was bought from."""
    events, deltas, trades = read(decoder, MATCH)
    assert events == [(FeedEventKind.TRADES, 0, 0, 1, TIME_NS, 280232)]
    assert deltas == []
    assert trades == [(6_000_005, 98_500_000, BUY, 280232, TIME_NS)]
    _, _, trades = read(decoder, {**MATCH, "side": "buy"})
    assert trades[0][2] == SELL


def test_last_match_gives_the_trade_id_alone(decoder: CoinbaseExchangeFeed) -> None:
    events, _, _ = read(decoder, {**MATCH, "type": "last_match"})
    assert events == [(FeedEventKind.TRADES, 0, 0, 0, TIME_NS, 280232)]


def test_heartbeat(decoder: CoinbaseExchangeFeed) -> None:
    events, deltas, trades = read(decoder, HEARTBEAT)
    assert events == [(FeedEventKind.HEARTBEAT, 1, 0, 0, TIME_NS, 20)]
    assert deltas == trades == []


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "subscriptions", "channels": [{"name": "level2", "product_ids": ["BTC-USD"]}]},
        {"type": "error", "message": "Failed to subscribe", "reason": "BTC-XYZ is not valid"},
        {"type": "ticker", "product_id": "BTC-USD", "price": 5, "time": None},
        {"type": "l2updates", "product_id": "BTC-USD"},
        {"type": "", "product_id": "BTC-USD"},
    ],
)
def test_other_messages_are_for_the_session(decoder: CoinbaseExchangeFeed, frame: Frame) -> None:
    assert decode(decoder, frame) is FeedStatus.FEED_CONTROL


def test_a_message_without_its_type_is_not_passed_by(decoder: CoinbaseExchangeFeed) -> None:
    """It could be an update: its book may not stay LIVE without it."""
    update = {key: value for key, value in UPDATE.items() if key != "type"}
    assert decode(decoder, update) is FeedStatus.FEED_MISSING_FIELD


@pytest.mark.parametrize("name", MESSAGES)
def test_members_come_in_any_order(decoder: CoinbaseExchangeFeed, name: str) -> None:
    message = MESSAGES[name]
    events, deltas, trades = read(decoder, message)
    for number, order in enumerate(itertools.permutations(message)):
        if number % (37 if len(message) > 5 else 1) == 0:
            shuffled = read(decoder, {key: message[key] for key in order})
            assert shuffled == (events, shuffled[1], trades), order
            assert sorted(shuffled[1]) == sorted(deltas), order
            assert [d for d in shuffled[1] if d[2] == BUY] == [d for d in deltas if d[2] == BUY]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: CoinbaseExchangeFeed, name: str, space: str) -> None:
    expected = read(decoder, MESSAGES[name])
    text = json.dumps(MESSAGES[name], indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == expected


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e-7, "", 'a "quoted" \\ text', "é\n", [], {}, [[{"price": "1"}]], "}]"],
)
def test_unknown_members_are_skipped(decoder: CoinbaseExchangeFeed, name: str, value: Any) -> None:
    expected = read(decoder, MESSAGES[name])
    for first in (True, False):
        extra = {"unknown": value, 'more "of\\ it': value}
        frame = {**extra, **MESSAGES[name]} if first else {**MESSAGES[name], **extra}
        assert read(decoder, frame) == expected


@pytest.mark.parametrize(
    ("number", "lots"),
    [("1e-3", 100_000), ("0.5E0", 50_000_000), ("12e+1", 12_000_000_000), ("0e5", 0)],
)
def test_numbers_with_exponents(decoder: CoinbaseExchangeFeed, number: str, lots: int) -> None:
    _, deltas, _ = read(decoder, {**SNAPSHOT, "bids": [["6e4", number]], "asks": []})
    assert deltas == [(6_000_000, lots, BUY)]


# Bad input: a reason, never a wrong book.


@pytest.mark.parametrize("name", MESSAGES)
def test_frames_cut_at_every_byte(decoder: CoinbaseExchangeFeed, name: str) -> None:
    payload = encode(MESSAGES[name])
    assert decode(decoder, payload) is FeedStatus.FEED_OK
    for size in range(len(payload)):
        status = decode(decoder, payload[:size])
        assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), payload[:size]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("behind", [b"", b'0123456789.00"]]]}', b"0" * 64, b'"]]}{"type":"match"'])
def test_what_lies_behind_a_frame_is_not_read(
    decoder: CoinbaseExchangeFeed, name: str, behind: bytes
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


READ_MEMBERS = {
    "snapshot": ["product_id", "bids", "asks"],
    "l2update": ["product_id", "changes", "time"],
    "match": ["product_id", "trade_id", "side", "size", "price", "time"],
    "heartbeat": ["product_id", "last_trade_id", "time"],
}
EACH_MEMBER = [(name, member) for name, members in READ_MEMBERS.items() for member in members]


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_wrong_json_types(decoder: CoinbaseExchangeFeed, name: str, member: str) -> None:
    right = MESSAGES[name][member]
    values: list[Any] = [None, True, 5, 1.5, "text", [], {}, [5], [[]], [["buy"]], {"a": []}]
    for value in values:
        if type(value) is type(right) and value in ([], 5):
            continue
        for first in (True, False):
            frame = put(MESSAGES[name], first, **{member: value})
            status = decode(decoder, frame)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), frame


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_missing_members(decoder: CoinbaseExchangeFeed, name: str, member: str) -> None:
    frame = {key: value for key, value in MESSAGES[name].items() if key != member}
    assert decode(decoder, frame) is FeedStatus.FEED_MISSING_FIELD


LEVEL_CASES = [
    (["60000.001", "1"], FeedStatus.FEED_OFF_STEP),
    (["60000.00", "0.000000001"], FeedStatus.FEED_OFF_STEP),
    (["1e-3", "1"], FeedStatus.FEED_OFF_STEP),
    (["-1", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "-1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "-0"], FeedStatus.FEED_BAD_NUMBER),
    (["", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", ""], FeedStatus.FEED_BAD_NUMBER),
    (["0", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["0.00", "0"], FeedStatus.FEED_BAD_NUMBER),
    (["1.", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "1x"], FeedStatus.FEED_BAD_NUMBER),
    (["99999999999999999999", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "92233720368547758.08"], FeedStatus.FEED_BAD_NUMBER),
    ([1, "1"], FeedStatus.FEED_BAD_TYPE),
    (["1", 1], FeedStatus.FEED_BAD_TYPE),
    (["1", None], FeedStatus.FEED_BAD_TYPE),
    (["1"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", "1"], FeedStatus.FEED_BAD_TYPE),
    ([], FeedStatus.FEED_BAD_TYPE),
    ("1", FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("level", "status"), LEVEL_CASES)
def test_bad_levels(decoder: CoinbaseExchangeFeed, level: Any, status: FeedStatus) -> None:
    for rows in ([level], [["1", "1"], level], [level, ["1", "1"]]):
        for first in (True, False):
            assert decode(decoder, put(SNAPSHOT, first, bids=rows)) is status
            if isinstance(level, list):
                changes = [["buy", *row] for row in rows]
                frame = put({**UPDATE, "product_id": "BTC-USD"}, first, changes=changes)
                assert decode(decoder, frame) is status


def test_levels_between_steps(decoder: CoinbaseExchangeFeed) -> None:
    for change in (["buy", "2000.01", "0.002"], ["buy", "2000.05", "0.001"]):
        for first in (True, False):
            frame = put(UPDATE, first, changes=[change])
            assert decode(decoder, frame) is FeedStatus.FEED_OFF_STEP


@pytest.mark.parametrize("side", ["", "Buy", "bid", "SELL", "buys", "b"])
def test_bad_sides(decoder: CoinbaseExchangeFeed, side: str) -> None:
    frame = {**UPDATE, "changes": [[side, "2000.05", "0.002"]]}
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_SIDE
    assert decode(decoder, {**MATCH, "side": side}) is FeedStatus.FEED_BAD_SIDE


@pytest.mark.parametrize("time", ["", "now", "2021-02-30T00:00:00Z", "1618677817.077", TIME[:-1]])
@pytest.mark.parametrize("name", ["l2update", "match", "heartbeat", "snapshot"])
def test_bad_times(decoder: CoinbaseExchangeFeed, name: str, time: str) -> None:
    assert decode(decoder, {**MESSAGES[name], "time": time}) is FeedStatus.FEED_BAD_TIME


@pytest.mark.parametrize("product", ["XRP-USD", "", "BTC", "BTC-USDX", "btc-usd", "BTC\\u002dUSD"])
@pytest.mark.parametrize("name", MESSAGES)
def test_unknown_products(decoder: CoinbaseExchangeFeed, name: str, product: str) -> None:
    """An escaped name is nobody's: no venue escapes a letter."""
    frame = {**MESSAGES[name], "product_id": product}
    assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT
    escaped = encode(frame).replace(b"\\\\u", b"\\u")
    assert decode(decoder, escaped) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("trade_id", [-1, 1.0, 1e3, 10**18, "5"])
def test_bad_trade_ids(decoder: CoinbaseExchangeFeed, trade_id: Any) -> None:
    assert decode(decoder, {**MATCH, "trade_id": trade_id}) is not FeedStatus.FEED_OK
    assert decode(decoder, {**HEARTBEAT, "last_trade_id": trade_id}) is not FeedStatus.FEED_OK


def test_ids_of_the_other_message_are_not_taken(decoder: CoinbaseExchangeFeed) -> None:
    assert read(decoder, {**MATCH, "last_trade_id": 5}) == read(decoder, MATCH)
    assert read(decoder, {**HEARTBEAT, "trade_id": 5}) == read(decoder, HEARTBEAT)


def test_arrays_of_the_other_message_are_refused(decoder: CoinbaseExchangeFeed) -> None:
    levels = [["1", "1"]]
    for extra in ({"bids": levels}, {"asks": levels}, {"bids": levels, "asks": levels}):
        assert decode(decoder, {**UPDATE, **extra}) is FeedStatus.FEED_MISSING_FIELD
    assert decode(decoder, {**SNAPSHOT, "changes": []}) is FeedStatus.FEED_MISSING_FIELD


def join(*members: tuple[str, Any]) -> bytes:
    """A frame whose members may come twice."""
    return encode({})[:1] + b",".join(encode({key: v})[1:-1] for key, v in members) + b"}"


@pytest.mark.parametrize("member", ["bids", "asks", "product_id"])
def test_members_that_come_twice(decoder: CoinbaseExchangeFeed, member: str) -> None:
    """Numbers are read by the steps of one product: another one behind them would be a lie."""
    again = "ETH-EUR" if member == "product_id" else SNAPSHOT[member]
    members = list(SNAPSHOT.items())
    for at in range(len(members) + 1):
        frame = join(*members[:at], (member, again), *members[at:])
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_JSON


def test_plain_members_that_come_twice(decoder: CoinbaseExchangeFeed) -> None:
    """The last one holds, as for every JSON reader."""
    frame = join(*MATCH.items(), ("price", "70000.00"), ("side", "buy"), ("trade_id", 9))
    _, _, trades = read(decoder, frame)
    assert trades == [(7_000_000, 98_500_000, SELL, 9, TIME_NS)]
    changes = ("changes", UPDATE["changes"])
    assert decode(decoder, join(*UPDATE.items(), changes)) is FeedStatus.FEED_BAD_JSON


def test_deltas_up_to_their_bound(decoder: CoinbaseExchangeFeed) -> None:
    count = int(Bound.MAX_DELTAS_PER_FRAME)
    rows = [["1.00", "1"]] * count
    update = {**UPDATE, "product_id": "BTC-USD", "changes": [["buy", *row] for row in rows]}
    snapshot = {**SNAPSHOT, "bids": rows, "asks": []}
    for frame, member, other in ((update, "changes", "changes"), (snapshot, "bids", "asks")):
        assert decode(decoder, frame) is FeedStatus.FEED_OK
        assert len(decoder.deltas()) == count
        assert decode(decoder, {**frame, other: [*frame[other], frame[member][0]]}) is (
            FeedStatus.FEED_TOO_MANY_DELTAS
        )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"{}",
        b"[]",
        b"null",
        b'"type"',
        b"{",
        b'{"type"',
        b"{type:1}",
        b"\0",
        b"\xff\xfe",
    ],
)
def test_payloads_that_are_no_object(decoder: CoinbaseExchangeFeed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"}", b"{}", b"x", b",", b"\0", encode(HEARTBEAT)])
@pytest.mark.parametrize("name", MESSAGES)
def test_tails(decoder: CoinbaseExchangeFeed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(MESSAGES[name]) + tail) is FeedStatus.FEED_BAD_JSON
