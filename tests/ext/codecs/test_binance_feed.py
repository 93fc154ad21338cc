"""Every message of the Binance feeds, as documented and as it should not come."""

import itertools
import json
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.binance_feed import BinanceFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedEventKind, FeedStatus, Side

BUY, SELL = Side.BUY, Side.SELL
TIME_MS = 1_723_161_256_299
TIME_NS = TIME_MS * 1_000_000

Frame = dict[str, Any]

UPDATE: Frame = {
    "e": "depthUpdate",
    "E": TIME_MS + 1,
    "T": TIME_MS,
    "s": "BTCUSDT",
    "U": 157,
    "u": 160,
    "pu": 149,
    "b": [["58710.20", "0.014"], ["1000.00", "606.675"], ["61510.90", "0.000"]],
    "a": [["61800.30", "12.000"]],
}
UPDATE_DELTAS = [(587_102, 14, BUY), (10_000, 606_675, BUY), (615_109, 0, BUY)]
UPDATE_DELTAS += [(618_003, 12_000, SELL)]
SNAPSHOT: Frame = {
    "lastUpdateId": 160,
    "E": TIME_MS + 1,
    "T": TIME_MS,
    "bids": [["61800.20", "2.909"], ["61800.10", "0.696"]],
    "asks": [["61800.30", "0.001"]],
}
SNAPSHOT_DELTAS = [(618_002, 2909, BUY), (618_001, 696, BUY), (618_003, 1, SELL)]
TICKER: Frame = {
    "e": "bookTicker",
    "u": 5123107839020,
    "s": "ETHBTC",
    "b": "0.03100000",
    "B": "2.5070",
    "a": "0.03101000",
    "A": "2.5100",
    "T": TIME_MS,
    "E": TIME_MS + 1,
}
TICKER_DELTAS = [(3100, 25_070, BUY), (3101, 25_100, SELL)]
TRADE: Frame = {
    "e": "trade",
    "E": TIME_MS + 1,
    "T": TIME_MS,
    "s": "BTCUSDT",
    "t": 5266583935,
    "p": "61800.30",
    "q": "0.006",
    "X": "MARKET",
    "m": False,
}
AGGREGATE: Frame = {
    "e": "aggTrade",
    "E": TIME_MS + 1,
    "s": "BTCUSDT",
    "a": 18938405,
    "p": "61800.30",
    "q": "0.006",
    "f": 23806928,
    "l": 23806928,
    "T": TIME_MS,
    "m": True,
}
EVENTS: dict[str, Frame] = {
    "depth@0ms": UPDATE,
    "depth": SNAPSHOT,
    "bookTicker": TICKER,
    "trade": TRADE,
    "aggTrade": AGGREGATE,
}
RAW = {name: event for name, event in EVENTS.items() if name != "depth"}
EACH = pytest.mark.parametrize("name", EVENTS)


@pytest.fixture(scope="module")
def decoder() -> BinanceFeed:
    table = InstrumentTable()
    table.add("BTCUSDT", "0.1", "0.001")
    table.add("ETHBTC", "0.00001", "0.0001")
    table.add("ODDSTEPS", "0.05", "0.002")
    return BinanceFeed(table)


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def wrap(event: Any, name: str, symbol: str = "btcusdt") -> Frame:
    return {"stream": f"{symbol}@{name}", "data": event}


def wrapped(name: str) -> Frame:
    return wrap(EVENTS[name], name, "ethbtc" if name == "bookTicker" else "btcusdt")


def decode(decoder: BinanceFeed, frame: Any) -> FeedStatus:
    payload = frame if isinstance(frame, bytes) else encode(frame)
    return FeedStatus(decoder.decode_bytes(payload, 77))


def read(decoder: BinanceFeed, frame: Any) -> tuple[Any, ...]:
    """Everything that was decoded; the frame must be good."""
    assert decode(decoder, frame) is FeedStatus.FEED_OK
    return decoder.events(), decoder.sequences(), decoder.deltas(), decoder.trades()


def refused(decoder: BinanceFeed, frame: Any) -> FeedStatus:
    """The reason, which is none of those that let a frame pass."""
    status = decode(decoder, frame)
    assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), frame
    return status


def test_update_of_futures(decoder: BinanceFeed) -> None:
    for frame in (UPDATE, wrapped("depth@0ms")):
        events, sequences, deltas, trades = read(decoder, frame)
        assert events == [(FeedEventKind.UPDATE, 0, 0, 4, TIME_NS, 160)]
        assert sequences == [(157, 160, 149)]
        assert (deltas, trades) == (UPDATE_DELTAS, [])
        assert decoder.connection_sequence == -1


def test_update_of_spot(decoder: BinanceFeed) -> None:
    """Without the id of the one before, and with one time."""
    update = {key: value for key, value in UPDATE.items() if key not in ("T", "pu")}
    events, sequences, deltas, _ = read(decoder, update)
    assert events == [(FeedEventKind.UPDATE, 0, 0, 4, TIME_NS + 1_000_000, 160)]
    assert (sequences, deltas) == ([(157, 160, -1)], UPDATE_DELTAS)


def test_snapshot(decoder: BinanceFeed) -> None:
    """Its product is that of the stream; a body alone could be any product's."""
    events, sequences, deltas, _ = read(decoder, wrap(SNAPSHOT, "depth"))
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 3, TIME_NS, 160)]
    assert (sequences, deltas) == ([(-1, 160, -1)], SNAPSHOT_DELTAS)
    of_spot = {key: value for key, value in SNAPSHOT.items() if key not in ("E", "T")}
    assert read(decoder, wrap(of_spot, "depth"))[0][0][4] == 0
    assert decode(decoder, SNAPSHOT) is FeedStatus.FEED_UNKNOWN_PRODUCT
    for symbol in ("ethusdt", "", "x" * 40, "btcusd"):
        assert decode(decoder, wrap(SNAPSHOT, "depth", symbol)) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("name", ["depth5", "depth10@100ms", "depth20@0ms"])
def test_partial_streams_send_whole_books(decoder: BinanceFeed, name: str) -> None:
    """No update can follow one: it has no sequence."""
    events, sequences, deltas, _ = read(decoder, wrap(UPDATE, name))
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 4, TIME_NS, -1)]
    assert (sequences, deltas) == ([(-1, -1, -1)], UPDATE_DELTAS)
    events, sequences, deltas, _ = read(decoder, wrap(SNAPSHOT, name))
    assert events == [(FeedEventKind.SNAPSHOT, 0, 0, 3, TIME_NS, -1)]
    assert (sequences, deltas) == ([(-1, -1, -1)], SNAPSHOT_DELTAS)


def test_best_bid_and_ask(decoder: BinanceFeed) -> None:
    events, sequences, deltas, _ = read(decoder, TICKER)
    assert events == [(FeedEventKind.QUOTE, 1, 0, 2, TIME_NS, 5123107839020)]
    assert (sequences, deltas) == ([(-1, 5123107839020, -1)], TICKER_DELTAS)
    of_spot = {key: value for key, value in TICKER.items() if key not in ("e", "E", "T")}
    events, _, deltas, _ = read(decoder, of_spot)
    assert (events[0][0], events[0][4], deltas) == (FeedEventKind.QUOTE, 0, TICKER_DELTAS)
    empty = {**TICKER, "b": "0.00000000", "B": "0.0000"}
    assert read(decoder, empty)[2] == [(0, 0, BUY), TICKER_DELTAS[1]]


def test_trades(decoder: BinanceFeed) -> None:
    """``m``: the buyer was the maker, so the seller took."""
    events, sequences, deltas, trades = read(decoder, TRADE)
    assert events == [(FeedEventKind.TRADES, 0, 0, 1, TIME_NS, 5266583935)]
    assert (sequences, deltas) == ([(-1, 5266583935, -1)], [])
    assert trades == [(618_003, 6, BUY, 5266583935, TIME_NS)]
    events, _, _, trades = read(decoder, AGGREGATE)
    assert events == [(FeedEventKind.TRADES, 0, 0, 1, TIME_NS, 18938405)]
    assert trades == [(618_003, 6, SELL, 18938405, TIME_NS)]
    assert read(decoder, {**TRADE, "b": 5, "a": 6}) == read(decoder, TRADE), "ids of the orders"


@pytest.mark.parametrize("nothing", [{"q": "0.000"}, {"p": "0"}, {"p": "0", "q": "0"}])
def test_a_trade_of_nothing_gives_its_id_alone(decoder: BinanceFeed, nothing: Frame) -> None:
    events, _, _, trades = read(decoder, {**TRADE, **nothing})
    assert events == [(FeedEventKind.TRADES, 0, 0, 0, TIME_NS, 5266583935)]
    assert trades == []


@pytest.mark.parametrize(
    "frame",
    [
        {"result": None, "id": 3},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": None},
        {"e": "serverShutdown", "E": 1},
        {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}},
        {"stream": "btcusdt@kline_1s", "data": {"e": "kline", "s": "BTCUSDT", "k": {"t": 1}}},
        {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1.5", "T": "x"},
        {"e": "", "s": "BTCUSDT"},
    ],
)
def test_other_messages_are_for_the_session(decoder: BinanceFeed, frame: Frame) -> None:
    assert decode(decoder, frame) is FeedStatus.FEED_CONTROL


@EACH
def test_members_come_in_any_order(decoder: BinanceFeed, name: str) -> None:
    event = EVENTS[name]
    expected = read(decoder, wrapped(name))
    for number, order in enumerate(itertools.permutations(event)):
        if number % (len(event) ** 4 // 7 + 1) == 0:
            data = {key: event[key] for key in order}
            stream = {"stream": wrapped(name)["stream"]}
            for envelope in ({**stream, "data": data}, {"data": data, **stream}):
                shuffled = read(decoder, envelope)
                assert sorted(shuffled[2]) == sorted(expected[2]), order
                assert (shuffled[:2], shuffled[3]) == (expected[:2], expected[3]), order
                for side in (BUY, SELL):
                    assert [d for d in shuffled[2] if d[2] == side] == [
                        d for d in expected[2] if d[2] == side
                    ]


@EACH
@pytest.mark.parametrize("space", [" ", "\n", "\t\t", "\r\n  "])
def test_white_space(decoder: BinanceFeed, name: str, space: str) -> None:
    frame = wrapped(name)
    text = json.dumps(frame, indent=space, separators=(space + ",", space + ":" + space))
    assert read(decoder, (space + text + space).encode()) == read(decoder, frame)


@EACH
@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e-7, "", 'a "quoted" \\ text', "é\n", [], {}, [[{"price": "1"}]], "}]"],
)
def test_unknown_members_are_skipped(decoder: BinanceFeed, name: str, value: Any) -> None:
    expected = read(decoder, wrapped(name))
    extra = {"unknown": value, 'more "of\\ it': value, "1": value, "z": value, "": value}
    for data in ({**extra, **EVENTS[name]}, {**EVENTS[name], **extra}):
        assert read(decoder, {**wrapped(name), "data": data}) == expected
    assert read(decoder, {**extra, **wrapped(name)}) == expected
    assert read(decoder, {**wrapped(name), **extra}) == expected


# Bad input: a reason, never a wrong book.


@EACH
def test_frames_cut_at_every_byte(decoder: BinanceFeed, name: str) -> None:
    payload = encode(wrapped(name))
    assert decode(decoder, payload) is FeedStatus.FEED_OK
    for size in range(len(payload)):
        refused(decoder, payload[:size])


@EACH
@pytest.mark.parametrize("behind", [b"", b'0123456789.00"]]]}', b"0" * 64, b'"]]}{"e":"trade"'])
def test_what_lies_behind_a_frame_is_not_read(
    decoder: BinanceFeed, name: str, behind: bytes
) -> None:
    """The bytes behind a payload are the next frame's, or the rest of this one."""
    pipeline = Pipeline(decoder.table, decoder, step_interval=0)
    payload = encode(wrapped(name))
    padding = int(Bound.FRAME_PADDING_BYTES)
    for size in range(len(payload)):
        tail = (behind or payload[size:]).ljust(padding, b"0")[:padding]
        assert pipeline.receive_padded([payload[:size] + tail], 1) == 0, payload[:size]
    assert pipeline.counters()["deltas"] == pipeline.counters()["trades"] == 0
    whole = payload + (behind or payload).ljust(padding, b"0")[:padding]
    assert pipeline.receive_padded([whole], 1) == 1


READ_MEMBERS = {
    "depth@0ms": ["E", "s", "U", "u", "b", "a"],
    "depth": ["lastUpdateId", "bids", "asks"],
    "bookTicker": ["u", "s", "b", "B", "a", "A"],
    "trade": ["T", "s", "t", "p", "q", "m"],
    "aggTrade": ["T", "s", "a", "p", "q", "m"],
}
EACH_MEMBER = [(name, member) for name, members in READ_MEMBERS.items() for member in members]


@pytest.mark.parametrize(("name", "member"), [*EACH_MEMBER, ("depth@0ms", "pu"), ("trade", "E")])
def test_wrong_json_types(decoder: BinanceFeed, name: str, member: str) -> None:
    right = EVENTS[name][member]
    values: list[Any] = [None, True, 5, 1.5, -1, "text", [], {}, [5], [[]], [["1"]], {"b": []}]
    for value in values:
        if type(value) is type(right) and value in ([], 5, True):
            continue
        for first in (True, False):
            rest = {key: v for key, v in EVENTS[name].items() if key != member}
            data = {member: value, **rest} if first else {**rest, member: value}
            refused(decoder, {**wrapped(name), "data": data})


@pytest.mark.parametrize(("name", "member"), EACH_MEMBER)
def test_missing_members(decoder: BinanceFeed, name: str, member: str) -> None:
    data = {key: value for key, value in EVENTS[name].items() if key != member}
    assert decode(decoder, {**wrapped(name), "data": data}) is FeedStatus.FEED_MISSING_FIELD


@pytest.mark.parametrize("name", RAW)
def test_an_event_without_its_kind_is_not_passed_by(decoder: BinanceFeed, name: str) -> None:
    """But for the best bid and ask of spot, whose members tell."""
    event = {key: value for key, value in EVENTS[name].items() if key != "e"}
    expected = FeedStatus.FEED_OK if name == "bookTicker" else FeedStatus.FEED_MISSING_FIELD
    assert decode(decoder, event) is expected


@pytest.mark.parametrize("data", [None, 5, "x", [], [UPDATE]])
def test_envelopes_without_an_event(decoder: BinanceFeed, data: Any) -> None:
    assert decode(decoder, {"stream": "btcusdt@depth", "data": data}) is FeedStatus.FEED_BAD_TYPE
    assert decode(decoder, {"stream": "btcusdt@depth"}) is FeedStatus.FEED_MISSING_FIELD
    assert decode(decoder, {"data": UPDATE}) is FeedStatus.FEED_MISSING_FIELD
    refused(decoder, {"stream": data, "data": UPDATE} if data != "x" else b"x")


def test_members_beside_the_event_of_an_envelope(decoder: BinanceFeed) -> None:
    half = {key: value for key, value in UPDATE.items() if key != "u"}
    for frame in (
        {"u": 160, **wrap(half, "depth")},
        {**wrap(half, "depth"), "u": 160},
        {**wrap(SNAPSHOT, "depth"), "lastUpdateId2": 1, "pu": 1},
    ):
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_JSON


LEVEL_CASES = [
    (["60000.01", "1.000"], FeedStatus.FEED_OFF_STEP),
    (["60000.00", "0.0001"], FeedStatus.FEED_OFF_STEP),
    (["1e-3", "1"], FeedStatus.FEED_OFF_STEP),
    (["-1", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "-1"], FeedStatus.FEED_BAD_NUMBER),
    (["01.00", "1.000"], FeedStatus.FEED_BAD_NUMBER),
    (["1.00", "00.000"], FeedStatus.FEED_BAD_NUMBER),
    (["", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", ""], FeedStatus.FEED_BAD_NUMBER),
    (["0", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["0.00", "1.000"], FeedStatus.FEED_BAD_NUMBER),
    (["1.", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "1x"], FeedStatus.FEED_BAD_NUMBER),
    (["1:00", "1.000"], FeedStatus.FEED_BAD_NUMBER),
    (["1.0/", "1.000"], FeedStatus.FEED_BAD_NUMBER),
    (["99999999999999999999", "1"], FeedStatus.FEED_BAD_NUMBER),
    (["1", "9223372036854775.808"], FeedStatus.FEED_BAD_NUMBER),
    ([1, "1"], FeedStatus.FEED_BAD_TYPE),
    (["1", 1], FeedStatus.FEED_BAD_TYPE),
    (["1", None], FeedStatus.FEED_BAD_TYPE),
    (["1"], FeedStatus.FEED_BAD_TYPE),
    (["1", "1", "1"], FeedStatus.FEED_BAD_TYPE),
    ([], FeedStatus.FEED_BAD_TYPE),
    ("1", FeedStatus.FEED_BAD_TYPE),
]


@pytest.mark.parametrize(("level", "status"), LEVEL_CASES)
@pytest.mark.parametrize("usual", [["1.00", "1.000"], ["1", "1"]])
def test_bad_levels(decoder: BinanceFeed, level: Any, status: FeedStatus, usual: list[str]) -> None:
    for rows in ([level], [usual, level], [level, usual], [usual, usual, level, usual]):
        assert decode(decoder, wrap({**SNAPSHOT, "bids": rows}, "depth")) is status
        assert decode(decoder, {**UPDATE, "a": rows}) is status
        late = {key: value for key, value in UPDATE.items() if key != "s"}
        assert decode(decoder, {**late, "a": rows, "s": "BTCUSDT"}) is status


def test_levels_between_steps(decoder: BinanceFeed) -> None:
    for rows in ([["2000.01", "0.002"]], [["2000.05", "0.001"]]):
        frame = {**UPDATE, "s": "ODDSTEPS", "b": rows, "a": []}
        assert decode(decoder, frame) is FeedStatus.FEED_OFF_STEP
    frame = {**UPDATE, "s": "ODDSTEPS", "b": [["2000.05", "0.002"]] * 3, "a": []}
    assert read(decoder, frame)[2] == [(40_001, 1, BUY)] * 3


@pytest.mark.parametrize("member", ["b", "B", "a", "A"])
@pytest.mark.parametrize("number", ["0.000001", "-1", "", "x", "1e30"])
def test_bad_quotes(decoder: BinanceFeed, member: str, number: str) -> None:
    status = refused(decoder, {**TICKER, member: number})
    assert status in (FeedStatus.FEED_BAD_NUMBER, FeedStatus.FEED_OFF_STEP)


@pytest.mark.parametrize("member", ["E", "T"])
@pytest.mark.parametrize("name", RAW)
def test_bad_times(decoder: BinanceFeed, name: str, member: str) -> None:
    """The time of the venue's engine counts, that of sending where there is none."""
    event = {key: value for key, value in EVENTS[name].items() if key not in ("E", "T")}
    last_ms = (2**63 - 1) // 1_000_000
    both = {**event, "E": 5, "T": 5}
    good = {**both, member: last_ms}
    assert decode(decoder, good) is FeedStatus.FEED_OK
    late = {**both, "T": last_ms + 1}
    assert decode(decoder, late) is FeedStatus.FEED_BAD_TIME
    microseconds = {**both, "T": TIME_MS * 1000}
    assert decode(decoder, microseconds) is FeedStatus.FEED_BAD_TIME


@pytest.mark.parametrize("product", ["XRPUSDT", "", "BTC", "BTCUSDTX", "btcusdt", "BTC\\u0055SDT"])
@pytest.mark.parametrize("name", RAW)
def test_unknown_products(decoder: BinanceFeed, name: str, product: str) -> None:
    frame = {**EVENTS[name], "s": product}
    assert decode(decoder, frame) is FeedStatus.FEED_UNKNOWN_PRODUCT
    escaped = encode(frame).replace(b"\\\\u", b"\\u")
    assert decode(decoder, escaped) is FeedStatus.FEED_UNKNOWN_PRODUCT


@pytest.mark.parametrize("number", [-1, 1.0, 10**18, 10**30, "5"])
@pytest.mark.parametrize(
    ("name", "member"),
    [("depth@0ms", "u"), ("depth@0ms", "pu"), ("trade", "t"), ("aggTrade", "a"), ("trade", "T")],
)
def test_bad_whole_numbers(decoder: BinanceFeed, name: str, member: str, number: Any) -> None:
    refused(decoder, {**EVENTS[name], member: number})


def test_ids_that_run_backwards(decoder: BinanceFeed) -> None:
    assert decode(decoder, {**UPDATE, "U": 160}) is FeedStatus.FEED_OK
    assert decode(decoder, {**UPDATE, "U": 161}) is FeedStatus.FEED_BAD_NUMBER


def join(*members: tuple[str, Any]) -> bytes:
    """A frame whose members may come twice."""
    return encode({})[:1] + b",".join(encode({key: v})[1:-1] for key, v in members) + b"}"


@pytest.mark.parametrize(("name", "member"), [*EACH_MEMBER, ("depth@0ms", "pu"), ("trade", "e")])
def test_members_that_come_twice(decoder: BinanceFeed, name: str, member: str) -> None:
    """Which one is meant?"""
    members = list(EVENTS[name].items())
    stream = ("stream", wrapped(name)["stream"])
    for at in range(len(members) + 1):
        data = join(*members[:at], (member, EVENTS[name][member]), *members[at:])
        frame = encode(wrapped(name)).replace(encode(EVENTS[name]), data)
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_JSON
    for frame in (
        join(stream, stream, ("data", EVENTS[name])),
        join(stream, ("data", EVENTS[name]), ("data", EVENTS[name])),
    ):
        assert decode(decoder, frame) is FeedStatus.FEED_BAD_JSON


def test_update_and_snapshot_in_one(decoder: BinanceFeed) -> None:
    extras: list[Frame] = [{"bids": []}, {"asks": [["1.00", "1.000"]]}]
    for extra in extras:
        assert decode(decoder, {**UPDATE, **extra}) is FeedStatus.FEED_BAD_JSON
        assert decode(decoder, {**extra, **UPDATE}) is FeedStatus.FEED_BAD_JSON
    other = {**SNAPSHOT, "s": "ETHBTC"}
    assert decode(decoder, wrap(other, "depth")) is FeedStatus.FEED_BAD_JSON


def test_deltas_up_to_their_bound(decoder: BinanceFeed) -> None:
    count = int(Bound.MAX_DELTAS_PER_FRAME)
    for level in (["1.00", "1.000"], ["1.0000", "1"]):
        rows = [level] * count
        for frame, member, other in (
            ({**UPDATE, "b": rows, "a": []}, "b", "a"),
            ({**UPDATE, "b": rows[:-1], "a": [level]}, "b", "b"),
        ):
            assert decode(decoder, frame) is FeedStatus.FEED_OK
            assert len(decoder.deltas()) == count
            more = {**frame, other: [*frame[other], frame[member][0]]}
            assert decode(decoder, more) is FeedStatus.FEED_TOO_MANY_DELTAS


@pytest.mark.parametrize(
    "payload", [b"", b" ", b"{}", b"[]", b"null", b'"e"', b"{", b'{"e"', b"{e:1}", b"\0", b"\xff"]
)
def test_payloads_that_are_no_object(decoder: BinanceFeed, payload: bytes) -> None:
    assert decode(decoder, payload) is FeedStatus.FEED_BAD_JSON


@pytest.mark.parametrize("tail", [b"}", b"{}", b"x", b",", b"\0", encode(TRADE)])
@EACH
def test_tails(decoder: BinanceFeed, name: str, tail: bytes) -> None:
    assert decode(decoder, encode(wrapped(name)) + tail) is FeedStatus.FEED_BAD_JSON
