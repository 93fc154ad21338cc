"""The reference readers on hand-made frames of Kraken, and its published checksums."""

from typing import Any
from zlib import crc32

import orjson
import pytest

from engine.reference.reference_feed import (
    BookTerms,
    ReferenceFeed,
    ReferenceInstrument,
    ReferenceState,
)
from engine.reference.reference_kraken import ReferenceKraken, ReferenceKrakenV1, checksum_of

STEPS = {"BTC/USD": ("0.1", "0.00000001"), "ETH/EUR": ("0.01", "0.01")}
TIME = "2023-07-30T15:29:58.343415Z"
SECONDS = "1618678145.951321"


def checksum(*numbers: int) -> int:
    """Of whole numbers of last decimals, asks first."""
    return crc32("".join(map(str, numbers)).encode())


def book_frame(kind: str, bids: Any, asks: Any, check: int, **members: Any) -> bytes:
    sides = {
        name: [{"price": price, "qty": quantity} for price, quantity in levels]
        for name, levels in (("bids", bids), ("asks", asks))
    }
    row = {"symbol": "BTC/USD", **sides, "checksum": check, "timestamp": TIME, **members}
    return orjson.dumps({"channel": "book", "type": kind, "data": [row]})


def send(feed: ReferenceFeed, *payloads: bytes) -> ReferenceInstrument:
    """Every frame in turn; the instrument of BTC/USD."""
    for payload in payloads:
        feed.receive(payload)
    return feed.instruments["BTC/USD"]


@pytest.fixture
def v2() -> ReferenceKraken:
    feed = ReferenceKraken(STEPS)
    feed.terms["BTC/USD"] = BookTerms(depth=2)
    return feed


ASK, BID = (11.5, 0.25), (10.0, 1e-8)
GOOD = checksum(115, 25_000_000, 100, 1)
SNAPSHOT = book_frame("snapshot", [BID], [ASK], GOOD)


def test_depth_and_checksum(v2: ReferenceKraken) -> None:
    book = send(v2, SNAPSHOT)
    assert (book.state, book.checksums_good) == (ReferenceState.LIVE, 1)
    after = checksum(115, 25_000_000, 102, 200_000_000, 101, 300_000_000)
    book = send(v2, book_frame("update", [(10.1, 3.0), (10.2, 2)], [], after))
    assert (book.state, book.checksums_good, book.checksums_bad) == (ReferenceState.LIVE, 2, 0)
    assert book.book.levels(True) == [(102, 200_000_000), (101, 300_000_000)]
    book = send(v2, book_frame("update", [(10.2, 0)], [], after))
    assert (book.state, book.stale_reason) == (ReferenceState.STALE, "checksum")
    assert (book.checksums_good, book.checksums_bad) == (2, 1)
    assert send(v2, book_frame("update", [(10.2, 0)], [], after)).checksums_bad == 1
    assert send(v2, SNAPSHOT).state is ReferenceState.LIVE


def test_numbers_are_read_from_their_text(v2: ReferenceKraken) -> None:
    """A float would round the quantity."""
    v2.terms["BTC/USD"] = BookTerms(price_precision=2, quantity_precision=9)
    check = checksum(1150, 250_000_000, 1000, 92233720368000000010)
    text = SNAPSHOT.replace(b"1e-8", b"92233720368.00000001").replace(b"10.0", b"10.00000")
    text = text.replace(str(GOOD).encode(), b"%d" % check)
    book = send(v2, text)
    assert book.state is ReferenceState.LIVE, book.stale_reason
    assert book.book.levels(True) == [(100, 9223372036800000001)]


def trade(trade_id: Any, **members: Any) -> bytes:
    row = {"symbol": "BTC/USD", "side": "buy", "price": 10.5, "qty": 1, "timestamp": TIME}
    data = [{**row, "trade_id": trade_id, **members}]
    return orjson.dumps({"channel": "trade", "type": "update", "data": data})


def test_trades_and_their_gaps(v2: ReferenceKraken) -> None:
    history = trade(1).replace(b"update", b"snapshot")
    book = send(v2, history, trade(7), trade(8), trade(10))
    assert (book.trades, book.gaps, book.bad_frames) == (3, 1, 0)


@pytest.mark.parametrize(
    "bad",
    [
        book_frame("patch", [], [], GOOD),
        book_frame("update", [], [], GOOD, timestamp="now"),
        book_frame("update", [("10.0", 1)], [], GOOD),
        book_frame("update", [(10.05, 1)], [], GOOD),
        book_frame("update", [], [], GOOD, checksum="7"),
        book_frame("update", [], [], 2**32),
        book_frame("update", [], [], GOOD).replace(b'"checksum"', b'"check"'),
        book_frame("update", [], [], GOOD).replace(b"bids", b"x").replace(b"asks", b"y"),
        book_frame("update", [], [], GOOD).replace(b'"channel"', b'"other"'),
        b'{"channel":"book","type":"update","data":[{"sym',
        b"[]",
        trade("7"),
        trade(7, side="b"),
    ],
)
def test_bad_v2_frames(v2: ReferenceKraken, bad: bytes) -> None:
    assert send(v2, SNAPSHOT, bad).state is ReferenceState.STALE


@pytest.mark.parametrize(
    "frame",
    [
        b'{"channel":"heartbeat"}',
        b'{"channel":"status","type":"update","data":[{}]}',
        b'{"method":"subscribe","success":true,"result":{"channel":"book"}}',
        b'{"channel":"status","ty',
    ],
)
def test_other_v2_frames_are_passed_over(v2: ReferenceKraken, frame: bytes) -> None:
    assert send(v2, SNAPSHOT, frame).state is ReferenceState.LIVE


# Kraken docs, "Calculate book checksum" of WebSocket v1.
V1_ASKS = [f"{0.05005 + 0.00005 * n:.5f}" for n in range(10)]
V1_BIDS = ["0.05000", "0.04995", "0.04990", "0.04980", "0.04975"]
V1_BIDS += ["0.04970", "0.04965", "0.04960", "0.04955", "0.04950"]


def test_the_published_checksum() -> None:
    feed = ReferenceKrakenV1({"BTC/USD": ("0.00005", "0.00000001")})
    feed.terms["BTC/USD"] = terms = BookTerms(price_precision=5, quantity_precision=8)
    sides = {
        name: [[price, "0.00000500", SECONDS] for price in prices]
        for name, prices in (("as", V1_ASKS), ("bs", V1_BIDS))
    }
    book = send(feed, orjson.dumps([0, sides, "book-10", "BTC/USD"]))
    assert checksum_of(book, terms) == 974947235
    assert (book.checksums_good, book.checksums_bad) == (0, 0), "snapshots carry none"


@pytest.fixture
def v1() -> ReferenceKrakenV1:
    return ReferenceKrakenV1(STEPS)


def v1_frame(*parts: Any, channel: str = "book-2") -> bytes:
    return orjson.dumps([1, *parts, channel, "BTC/USD"])


V1_LEVEL = ["11.50000", "0.25000000", SECONDS]
V1_SNAPSHOT = v1_frame({"as": [V1_LEVEL], "bs": [["10.0", "0.00000001", SECONDS]]})


def test_v1_depth_checksum_and_both_sides(v1: ReferenceKrakenV1) -> None:
    after = checksum(114, 100_000_000, 115, 25_000_000, 100, 2)
    asks = {"a": [["11.4", "1", SECONDS, "r"], ["11.7", "1", SECONDS]]}
    bids = {"b": [["10.0", "0.00000002", SECONDS]], "c": str(after)}
    book = send(v1, V1_SNAPSHOT, v1_frame(asks, bids))
    assert (book.state, book.checksums_good) == (ReferenceState.LIVE, 1)
    assert book.book.levels(False) == [(114, 100_000_000), (115, 25_000_000)]
    book = send(v1, v1_frame({"a": [], "c": "5"}))
    assert (book.state, book.checksums_bad) == (ReferenceState.STALE, 1)


def test_v1_trades(v1: ReferenceKrakenV1) -> None:
    rows = [["10.5", "1", SECONDS, side, "l", ""] for side in "bs"]
    assert send(v1, v1_frame(rows, channel="trade")).trades == 2


@pytest.mark.parametrize(
    "bad",
    [
        v1_frame({"a": [V1_LEVEL]}),
        v1_frame({"a": [V1_LEVEL[:2]], "c": "5"}),
        v1_frame({"a": [[*V1_LEVEL, "x"]], "c": "5"}),
        v1_frame({"a": [[*V1_LEVEL[:2], "now"]], "c": "5"}),
        v1_frame({"a": [], "c": "x"}),
        v1_frame({"a": [], "c": str(2**32)}),
        v1_frame({"a": []}, {"a": [], "c": "5"}),
        v1_frame({"as": [], "bs": []}, {"a": [], "c": "5"}),
        v1_frame({}),
        v1_frame({"a": [], "c": "5"}, channel="book-0"),
        v1_frame({"a": [], "c": "5"}, channel="book"),
        v1_frame([["10.5", "1", SECONDS, "buy"]], channel="trade"),
        V1_SNAPSHOT[:-3],
        b"[]",
        b"5",
    ],
)
def test_bad_v1_frames(v1: ReferenceKrakenV1, bad: bytes) -> None:
    assert send(v1, V1_SNAPSHOT, bad).state is ReferenceState.STALE


@pytest.mark.parametrize(
    "frame", [b'{"event":"heartbeat"}', v1_frame({"a": ["5", 1]}, channel="ticker")]
)
def test_other_v1_frames_are_passed_over(v1: ReferenceKrakenV1, frame: bytes) -> None:
    assert send(v1, V1_SNAPSHOT, frame).state is ReferenceState.LIVE


@pytest.mark.parametrize("kind", [ReferenceKraken, ReferenceKrakenV1])
def test_unknown_pairs_raise_doubt(kind: type[ReferenceFeed]) -> None:
    feed = kind({"ETH/EUR": STEPS["ETH/EUR"]})
    feed.receive(SNAPSHOT if kind is ReferenceKraken else V1_SNAPSHOT)
    assert feed.instruments["ETH/EUR"].is_doubtful
