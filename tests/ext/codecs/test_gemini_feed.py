"""Every message of Gemini's market data v2, as documented and as it should not come."""

import itertools
import json
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.gemini_feed import GeminiFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
TIME_MS = 1_618_677_942_606
TIME_NS = TIME_MS * 1_000_000

Frame = dict[str, Any]

UPDATE: Frame = {
    "type": "l2_updates",
    "symbol": "ETHEUR",
    "changes": [["buy", "2000.05", "0.002"], ["sell", "2000.15", "0"], ["sell", "2001", "0.0"]],
}
UPDATE_DELTAS = [(40_001, 1, BUY), (40_003, 0, SELL), (40_020, 0, SELL)]
HISTORY = [{"type": "trade", "symbol": "BTCUSD", "price": "off", "quantity": "x", "event_id": 7}]
SNAPSHOT: Frame = {
    "type": "l2_updates",
    "symbol": "BTCUSD",
    "changes": [["buy", "60000.00", "0.00000001"], ["sell", "60000.10", "0.5"]],
    "trades": HISTORY,
    "auction_events": [],
}
SNAPSHOT_DELTAS = [(6_000_000, 1, BUY), (6_000_010, 50_000_000, SELL)]
TRADE: Frame = {
    "type": "trade",
    "symbol": "BTCUSD",
    "event_id": 34359626684,
    "timestamp": TIME_MS,
    "price": "60000.05",
    "quantity": "0.985",
    "side": "buy",
}
HEARTBEAT: Frame = {"type": "heartbeat", "timestamp": TIME_MS}
MESSAGES = {"snapshot": SNAPSHOT, "update": UPDATE, "trade": TRADE, "heartbeat": HEARTBEAT}


@pytest.fixture(scope="module")
def decoder() -> GeminiFeed:
    table = InstrumentTable()
    table.add("BTCUSD", "0.01", "0.00000001")
    table.add("ETHEUR", "0.05", "0.002")
    return GeminiFeed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def decode(decoder: GeminiFeed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def put(frame: Frame, first: bool, **members: Any) -> Frame:
    """The frame with these members in place of its own, in front of the others or behind them."""
    others = {key: value for key, value in frame.items() if key not in members}
    return {**members, **others} if first else {**others, **members}


def read(decoder: GeminiFeed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.deltas(), decoder.trades()


def test_the_answer_to_the_subscription_is_a_snapshot(decoder: GeminiFeed) -> None:
    """It is told by its ``trades``, which are from before and not decoded."""
    events, deltas, trades = read(decoder, SNAPSHOT)
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 2, 0, -1)]
    assert (deltas, trades) == (SNAPSHOT_DELTAS, [])
    events, deltas, _ = read(decoder, {**SNAPSHOT, "trades": [], "changes": []})
    assert (events[0][0], deltas) == (FeedEventKind.SNAPSHOT, [])
    assert decoder.connection_sequence == -1
    assert decoder.checks() == [(0, -1)], "no depth and no checksum"


def test_update(decoder: GeminiFeed) -> None:
    events, deltas, trades = read(decoder, UPDATE)
    assert events == [(FeedEventKind.UPDATE, 1, 0, 3, 0, -1)]
    assert (deltas, trades) == (UPDATE_DELTAS, [])
    assert read(decoder, {**UPDATE, "changes": []})[1] == []


def test_trade(decoder: GeminiFeed) -> None:
    """``side`` is the taker's; event ids are not consecutive, so they are no sequence."""
    events, deltas, trades = read(decoder, TRADE)
    assert events == [(FeedEventKind.TRADES, 0, 0, 1, TIME_NS, -1)]
    assert deltas == []
    assert trades == [(6_000_005, 98_500_000, BUY, 34359626684, TIME_NS)]
    _, _, trades = read(decoder, {**TRADE, "side": "sell"})
    assert trades[0][2] == SELL


def test_heartbeat(decoder: GeminiFeed) -> None:
    assert read(decoder, HEARTBEAT) == ([(FeedEventKind.HEARTBEAT, -1, 0, 0, TIME_NS, -1)], [], [])


def test_a_book_is_live_from_its_snapshot_on(decoder: GeminiFeed) -> None:
    """An update that overtakes the answer is left out; after a bad frame a new answer is needed."""
    pipeline = Pipeline(decoder.table, decoder, step_interval=0)
    change = {**UPDATE, "symbol": "BTCUSD", "changes": [["buy", "59999.00", "1"]]}
    states = []
    for frame in (change, SNAPSHOT, change, b"{", change, SNAPSHOT):
        pipeline.receive(frame if isinstance(frame, bytes) else encode(frame), 1)
        states.append(BookState(pipeline.book(0).state))
    live, stale = BookState.LIVE, BookState.STALE
    assert states == [BookState.CONNECTING, live, live, stale, stale, live]
    assert pipeline.book(0).levels(True) == [(6_000_000, 1)]


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "candles_1m_updates", "symbol": "BTCUSD", "changes": [[1561054500000, 9350.18]]},
        {"symbol": "BTCUSD", "changes": [[1561054500000, 9350.18]], "type": "candles_1m_updates"},
        {"type": "auction_open", "symbol": "BTCUSD"},
        {"type": "l2_update", "symbol": "BTCUSD"},
        {"result": "error", "reason": "InvalidJson", "type": ""},
    ],
)
def test_other_messages_are_for_the_session(decoder: GeminiFeed, frame: Frame) -> None:
    assert decode(decoder, frame) is FeedStatus.FEED_CONTROL


def test_a_message_without_its_type_is_not_passed_by(decoder: GeminiFeed) -> None:
    update = {key: value for key, value in UPDATE.items() if key != "type"}
    assert decode(decoder, update) is FeedStatus.FEED_MISSING_FIELD


@pytest.mark.parametrize("name", MESSAGES)
def test_members_come_in_any_order(decoder: GeminiFeed, name: str) -> None:
    expected = read(decoder, MESSAGES[name])
    for number, order in enumerate(itertools.permutations(MESSAGES[name])):
        if number % (37 if len(order) > 5 else 1) == 0:
            assert read(decoder, {key: MESSAGES[name][key] for key in order}) == expected, order


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: GeminiFeed, name: str, space: str) -> None:
    expected = read(decoder, MESSAGES[name])
    text = json.dumps(MESSAGES[name], indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == expected


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e-7, "", 'a "quoted" \\ text', "é\n", [], {}, [[{"price": "1"}]], "}]"],
)
def test_unknown_members_are_skipped(decoder: GeminiFeed, name: str, value: Any) -> None:
    expected = read(decoder, MESSAGES[name])
    for first in (True, False):
        extra = {"unknown": value, 'more "of\\ it': value}
        frame = {**extra, **MESSAGES[name]} if first else {**MESSAGES[name], **extra}
        assert read(decoder, frame) == expected


# Bad input: a reason, never a wrong book.


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("behind", [b"", b'0123456789.00"]]]}', b"0" * 64, b'"]]}{"type":"trade"'])
def test_frames_cut_at_every_byte(decoder: GeminiFeed, name: str, behind: bytes) -> None:
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
    "snapshot": ["symbol", "changes", "trades"],
    "update": ["symbol", "changes"],
    "trade": ["symbol", "event_id", "side", "quantity", "price", "timestamp"],
    "heartbeat": ["timestamp"],
}
EACH_MEMBER = [(name, member) for name, members in READ_MEMBERS.items() for member in members]


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_wrong_json_types(decoder: GeminiFeed, name: str, member: str) -> None:
    right = MESSAGES[name][member]
    values: list[Any] = [None, True, 5, 1.5, "text", [], {}, [5], [[]], [["buy"]], {"a": []}]
    for value in values:
        if type(value) is type(right) and (value in ([], 5) or member == "trades"):
            continue
        for first in (True, False):
            frame = put(MESSAGES[name], first, **{member: value})
            status = decode(decoder, frame)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), frame


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_missing_members(decoder: GeminiFeed, name: str, member: str) -> None:
    frame = {key: value for key, value in MESSAGES[name].items() if key != member}
    if member == "trades":
        assert read(decoder, frame)[0][0][0] == FeedEventKind.UPDATE
    else:
        assert decode(decoder, frame) is FeedStatus.FEED_MISSING_FIELD


LEVEL_CASES = [
    (["60000.001", "1"], FeedStatus.FEED_OFF_STEP),
    (["60000.00", "0.000000001"], FeedStatus.FEED_OFF_STEP),
    (["-1", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "-0"], FeedStatus.FEED_BAD_NUMBER),
    (["", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["0.00", "0"], FeedStatus.FEED_BAD_NUMBER),
    (["1.", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["99999999999999999999", "1"], FeedStatus.FEED_BAD_NUMBER),
    ([1, "1"], FeedStatus.FEED_BAD_TYPE),
    (["1", None], FeedStatus.FEED_BAD_TYPE),
    (["1"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", "1"], FeedStatus.FEED_BAD_TYPE),
    ([], FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("level", "status"), LEVEL_CASES)
def test_bad_levels(decoder: GeminiFeed, level: Any, status: FeedStatus) -> None:
    for rows in ([level], [["1", "1"], level], [level, ["1", "1"]]):
        changes = [["buy", *row] for row in rows]
        for first in (True, False):
            assert decode(decoder, put(SNAPSHOT, first, changes=changes)) is status


@pytest.mark.parametrize("side", ["", "Buy", "bid", "SELL", "buys", "b"])
def test_bad_sides(decoder: GeminiFeed, side: str) -> None:
    frame = {**UPDATE, "changes": [[side, "2000.05", "0.002"]]}
    assert decode(decoder, frame) is FeedStatus.FEED_BAD_SIDE
    assert decode(decoder, {**TRADE, "side": side}) is FeedStatus.FEED_BAD_SIDE


def test_times_up_to_their_bound(decoder: GeminiFeed) -> None:
    last_ms = (2**63 - 1) // 1_000_000
    for frame in (TRADE, HEARTBEAT):
        assert read(decoder, {**frame, "timestamp": last_ms})[0][0][4] == last_ms * 1_000_000
        assert decode(decoder, {**frame, "timestamp": last_ms + 1}) is FeedStatus.FEED_BAD_TIME


@pytest.mark.parametrize("symbol", ["XRPUSD", "", "BTC", "BTCUSDX", "btcusd"])
@pytest.mark.parametrize("name", ["snapshot", "update", "trade"])
def test_unknown_symbols(decoder: GeminiFeed, name: str, symbol: str) -> None:
    frame = {**MESSAGES[name], "symbol": symbol}
    assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("event_id", [-1, 1.0, 1e3, 10**18, "5"])
def test_bad_event_ids(decoder: GeminiFeed, event_id: Any) -> None:
    assert decode(decoder, {**TRADE, "event_id": event_id}) is not FeedStatus.FEED_OK


@pytest.mark.parametrize(("name", "member"), [*EACH_MEMBER, ("update", "type")])
def test_members_that_come_twice(decoder: GeminiFeed, name: str, member: str) -> None:
    items = list(MESSAGES[name].items())
    again = (member, MESSAGES[name][member])
    for at in range(len(items) + 1):
        members = [*items[:at], again, *items[at:]]
        frame = b"{" + b",".join(encode({key: v})[1:-1] for key, v in members) + b"}"
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_JSON


def test_deltas_up_to_their_bound(decoder: GeminiFeed) -> None:
    count = int(Bound.MAX_DELTAS_PER_FRAME)
    changes = [["buy", "1.00", "1"]] * count
    assert decode(decoder, {**SNAPSHOT, "changes": changes}) is FeedStatus.FEED_OK
    assert len(decoder.deltas()) == count
    changes.append(changes[0])
    status = decode(decoder, {**SNAPSHOT, "changes": changes})
    assert status is FeedStatus.FEED_TOO_MANY_DELTAS


@pytest.mark.parametrize("payload", [b"", b" ", b"[]", b"null", b'"type"', b"{", b"{a:1}", b"\0"])
def test_payloads_that_are_no_object(decoder: GeminiFeed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"}", b"{}", b"x", b",", b"\0", encode(HEARTBEAT)])
@pytest.mark.parametrize("name", MESSAGES)
def test_tails(decoder: GeminiFeed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(MESSAGES[name]) + tail) is FeedStatus.FEED_BAD_JSON
