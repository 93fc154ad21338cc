"""The states of the books: SYNCING, LIVE, STALE, what moves them, and never a wrong book."""

import json
from typing import Any

import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.kraken_feed import KrakenFeed
from ext.dtypes import RECORD
from ext.errors import UsageError
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.shared_memory import PRIVATE_MARKET_SLOTS
from ext.wire import BookState, FeedStatus, RecordKind, Side, StaleReason

BTC, ETH = 0, 1
TIME = "2021-04-17T16:43:37.077621Z"
BIDS = [["100.00", "1"], ["99.99", "2"]]
ASKS = [["100.01", "3"], ["100.02", "4"]]
BTC_LEVELS = ([(10_000, 1000), (9_999, 2000)], [(10_001, 3000), (10_002, 4000)])
SYMBOLS = {BTC: "BTC-USD", ETH: "ETH-EUR"}


class Feed:
    """A pipeline that keeps two books, and its clock."""

    def __init__(self, decoder: type[FeedDecoder]) -> None:
        table = InstrumentTable()
        for symbol in SYMBOLS.values():
            table.add(symbol, "0.01", "0.001")
        self.pipeline = Pipeline(table, decoder(table), step_interval=0)
        self.now_ns = 1_000

    def receive(self, frame: Any) -> FeedStatus:
        self.now_ns += 1
        payload = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        return FeedStatus(self.pipeline.receive(payload, self.now_ns))

    def states(self) -> list[BookState]:
        return [BookState(self.pipeline.book(index).state) for index in SYMBOLS]

    def reason(self, instrument: int = BTC) -> StaleReason:
        return StaleReason(self.pipeline.book(instrument).stale_reason)

    def levels(self, instrument: int = BTC) -> tuple[Any, Any]:
        book = self.pipeline.book(instrument)
        return book.levels(True), book.levels(False)

    def count(self, name: str) -> int:
        return self.pipeline.counters()[name]

    def has_notices(self) -> bool:
        return self.pipeline.has_notices

    def notices(self) -> list[tuple[int, BookState, StaleReason]]:
        changed, is_inconsistent = self.pipeline.take_notices()
        assert not is_inconsistent
        assert not self.has_notices()
        return [(index, BookState(state), StaleReason(why)) for index, state, why in changed]

    def records(self, kind: RecordKind) -> list[Any]:
        is_trade = kind == RecordKind.RECORD_TRADE
        region, slots = (
            ("market_ring_offset", PRIVATE_MARKET_SLOTS)
            if is_trade
            else ("ring_offset", int(Bound.RING_SLOTS))
        )
        ring = self.pipeline.memory.region(region, RECORD, slots)
        written = self.count("market_write_sequence" if is_trade else "write_sequence")
        return [record for record in ring[:written] if record["kind"] == kind]


def snapshot(instrument: int = BTC, bids: Any = BIDS, asks: Any = ASKS) -> dict[str, Any]:
    return {"type": "snapshot", "product_id": SYMBOLS[instrument], "bids": bids, "asks": asks}


def update(*changes: list[str], product: str = "BTC-USD") -> dict[str, Any]:
    return {"type": "l2update", "product_id": product, "changes": changes, "time": TIME}


def match(trade_id: int, kind: str = "match", instrument: int = BTC) -> dict[str, Any]:
    return {
        "type": kind,
        "trade_id": trade_id,
        "side": "sell",
        "size": "0.5",
        "price": "100.01",
        "product_id": SYMBOLS[instrument],
        "time": TIME,
    }


@pytest.fixture
def feed() -> Feed:
    """Of Coinbase Exchange, both books LIVE."""
    feed = Feed(CoinbaseExchangeFeed)
    feed.pipeline.subscribed(feed.now_ns)
    for instrument in SYMBOLS:
        assert feed.receive(snapshot(instrument)) is FeedStatus.FEED_OK
    feed.notices()
    assert feed.states() == [BookState.LIVE, BookState.LIVE]
    assert feed.levels(BTC) == feed.levels(ETH) == BTC_LEVELS
    return feed


def test_way_of_a_book() -> None:
    feed = Feed(CoinbaseExchangeFeed)
    assert feed.states() == [BookState.CONNECTING] * 2
    assert feed.notices() == []
    feed.pipeline.subscribed(7)
    assert feed.states() == [BookState.SYNCING] * 2
    assert [notice[:2] for notice in feed.notices()] == [
        (0, BookState.SYNCING),
        (1, BookState.SYNCING),
    ]
    feed.receive(snapshot(ETH))
    assert feed.states() == [BookState.SYNCING, BookState.LIVE]
    assert feed.has_notices()
    assert feed.notices() == [(ETH, BookState.LIVE, StaleReason.NOT_STALE)]
    feed.receive(update(["buy", "1", "1"], product="ETH-EUR"))
    assert not feed.has_notices(), "an update changes no state"
    feed.pipeline.subscribed(8)
    assert feed.states() == [BookState.SYNCING, BookState.LIVE], "a second one changes nothing"


def test_updates_wait_for_the_snapshot() -> None:
    feed = Feed(CoinbaseExchangeFeed)
    feed.pipeline.subscribed(7)
    assert feed.receive(update(["buy", "100", "1"])) is FeedStatus.FEED_OK
    assert feed.levels() == ([], [])
    assert feed.count("deltas") == 0
    feed.receive(snapshot())
    assert feed.levels() == BTC_LEVELS
    assert feed.count("deltas") == 4


def test_updates_are_applied_in_order(feed: Feed) -> None:
    feed.receive(update(["buy", "99.98", "5"], ["sell", "100.01", "0"], ["buy", "100.01", "7.5"]))
    bids, asks = feed.levels()
    assert bids == [(10_001, 7500), (10_000, 1000), (9_999, 2000), (9_998, 5000)]
    assert asks == [(10_002, 4000)]
    assert feed.levels(ETH) == BTC_LEVELS


# Each doubt: the frame, the books that it makes STALE, and the reason.
DOUBTS: dict[str, tuple[Any, set[int], StaleReason]] = {
    "price off the tick": (update(["buy", "99.995", "1"]), {BTC}, StaleReason.BAD_NUMBER),
    "quantity off the lot": (update(["buy", "99", "0.0001"]), {BTC}, StaleReason.BAD_NUMBER),
    "no number": (update(["buy", "x", "1"]), {BTC}, StaleReason.BAD_NUMBER),
    "number too large": (update(["buy", "1e18", "1"]), {BTC}, StaleReason.BAD_NUMBER),
    "bad side": (update(["bid", "99", "1"]), {BTC}, StaleReason.BAD_FRAME),
    "wrong type": ({**update(), "changes": [["buy", 9, "1"]]}, {BTC}, StaleReason.BAD_FRAME),
    "bad time": ({**update(), "time": "now"}, {BTC}, StaleReason.BAD_FRAME),
    "bad trade": ({**match(1), "price": "1.001"}, {BTC}, StaleReason.BAD_NUMBER),
    "bad heartbeat": ({"type": "heartbeat", "product_id": "BTC-USD"}, {BTC}, StaleReason.BAD_FRAME),
    "cut behind the product": (
        json.dumps(update(["buy", "99", "1"])).encode()[:-20],
        {BTC},
        StaleReason.BAD_FRAME,
    ),
    "cut before the product": (b'{"type":"l2update","produ', {BTC, ETH}, StaleReason.BAD_FRAME),
    "no object": (b"[]", {BTC, ETH}, StaleReason.BAD_FRAME),
    "empty": (b"", {BTC, ETH}, StaleReason.BAD_FRAME),
    "unknown product": (update(product="XRP-USD"), {BTC, ETH}, StaleReason.BAD_FRAME),
    "crossed": (update(["buy", "100.02", "1"]), {BTC}, StaleReason.CROSSED),
    "touching": (update(["sell", "100.00", "1"]), {BTC}, StaleReason.CROSSED),
    "crossed snapshot": (snapshot(BTC, ASKS, BIDS), {BTC}, StaleReason.CROSSED),
    "bad snapshot": (snapshot(BTC, [["1", "1", "1"]]), {BTC}, StaleReason.BAD_FRAME),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_doubt_makes_books_stale(feed: Feed, name: str) -> None:
    frame, fallen, reason = DOUBTS[name]
    feed.receive(frame)
    assert feed.states() == [BookState.STALE if n in fallen else BookState.LIVE for n in SYMBOLS]
    assert feed.notices() == [(index, BookState.STALE, reason) for index in sorted(fallen)]
    assert feed.count("stale_count") == len(fallen)
    assert feed.count("crossed_count") == (reason is StaleReason.CROSSED)
    assert feed.count("bad_frames") == (reason is not StaleReason.CROSSED)
    assert feed.levels(ETH) == BTC_LEVELS
    if reason is not StaleReason.CROSSED:
        assert feed.levels() == BTC_LEVELS, "nothing of a refused frame is applied"
    # Until the next snapshot nothing moves, and a second doubt says nothing new.
    held = feed.levels()
    assert feed.receive(update(["buy", "99.97", "1"])) is FeedStatus.FEED_OK
    feed.receive(b"{")
    assert feed.levels() == held
    assert feed.reason() is reason
    feed.receive(snapshot())
    assert feed.states()[BTC] is BookState.LIVE
    assert feed.reason() is StaleReason.NOT_STALE
    assert feed.levels() == BTC_LEVELS


def test_refused_frame_is_refused_whole(feed: Feed) -> None:
    """A good change in front of a bad one, which stands last."""
    feed.receive(update(["buy", "99.98", "5"], ["sell", "100.02", "0"], ["buy", "99.001", "1"]))
    assert feed.levels() == BTC_LEVELS
    assert feed.states() == [BookState.STALE, BookState.LIVE]


def test_bad_and_crossed_frames_before_the_snapshot() -> None:
    """Nothing to give up yet, but each may have been the snapshot: the session is told to ask."""
    feed = Feed(CoinbaseExchangeFeed)
    feed.pipeline.subscribed(7)
    feed.notices()
    for frame in (snapshot(BTC, ASKS, BIDS), update(["buy", "1.001", "1"])):
        feed.receive(frame)
        assert feed.states() == [BookState.STALE, BookState.SYNCING]
        assert feed.notices() == [(BTC, BookState.STALE, StaleReason.CROSSED)]
    feed.receive(b"{")
    assert feed.states() == [BookState.STALE] * 2
    assert feed.count("stale_count") == 0
    feed.receive(snapshot())
    assert feed.states() == [BookState.LIVE, BookState.STALE]
    assert feed.levels() == BTC_LEVELS


def test_full_side(feed: Feed) -> None:
    count = int(Bound.MAX_LEVELS_PER_SIDE)
    rows = [[f"{n // 100}.{n % 100:02}", "1"] for n in range(count, 0, -1)]
    assert feed.receive(snapshot(BTC, rows, [])) is FeedStatus.FEED_OK
    assert feed.states()[BTC] is BookState.LIVE
    feed.receive(update(["buy", "0.01", "0"], ["buy", "700.00", "1"]))
    assert feed.states()[BTC] is BookState.LIVE
    feed.receive(update(["buy", "700.01", "1"]))
    assert (feed.states()[BTC], feed.reason()) == (BookState.STALE, StaleReason.LEVELS_FULL)


def test_lost_connection(feed: Feed) -> None:
    feed.pipeline.connection_lost(feed.now_ns)
    assert feed.states() == [BookState.STALE] * 2
    assert feed.notices() == [(n, BookState.STALE, StaleReason.DISCONNECTED) for n in SYMBOLS]
    assert feed.count("stale_count") == 0, "counted as a disconnect, not as a doubt"
    feed.pipeline.subscribed(feed.now_ns)
    feed.receive(update(["buy", "99.97", "1"]))
    assert feed.states() == [BookState.STALE] * 2
    feed.receive(snapshot(BTC, [], ASKS))
    assert feed.states() == [BookState.LIVE, BookState.STALE]
    assert feed.levels() == ([], BTC_LEVELS[1])


def test_stale_by_the_sessions_word(feed: Feed) -> None:
    feed.pipeline.mark_stale(ETH, StaleReason.SILENCE, feed.now_ns)
    assert feed.states() == [BookState.LIVE, BookState.STALE]
    assert feed.reason(ETH) is StaleReason.SILENCE
    feed.pipeline.mark_stale(-1, StaleReason.CHECKSUM, feed.now_ns)
    assert (feed.reason(BTC), feed.reason(ETH)) == (StaleReason.CHECKSUM, StaleReason.SILENCE)


def test_gaps_of_trade_ids(feed: Feed) -> None:
    """Counted; the book is as good as before."""
    for trade_id, gaps in ((5, 0), (6, 0), (8, 1), (9, 1), (9, 2), (10, 2)):
        feed.receive(match(trade_id))
        assert feed.count("gaps") == gaps, trade_id
    feed.receive(match(77, instrument=ETH))
    assert feed.count("gaps") == 2, "each product has its own ids"
    feed.receive(match(500, "last_match"))
    feed.receive(match(501))
    assert feed.count("gaps") == 2, "last_match starts anew after a connection"
    assert feed.count("trades") == 8
    assert feed.states() == [BookState.LIVE] * 2


def test_trades_are_recorded(feed: Feed) -> None:
    feed.receive(match(5))
    feed.receive(match(6, "last_match"))
    (record,) = feed.records(RecordKind.RECORD_TRADE)
    assert (record["price_ticks"], record["quantity_lots"]) == (10_001, 500)
    assert (record["side"], record["reference"]) == (Side.BUY, 5)
    assert (record["instrument"], record["strategy"]) == (BTC, -1)
    assert record["time_ns"] == feed.now_ns - 1
    assert record["exchange_time_ns"] == 1_618_677_817_077_621_000


def test_states_are_recorded(feed: Feed) -> None:
    feed.receive(update(["buy", "99.995", "1"]))
    feed.receive(snapshot())
    records = feed.records(RecordKind.RECORD_BOOK_STATE)
    assert [(r["instrument"], r["code"], r["detail"]) for r in records] == [
        (BTC, BookState.SYNCING, StaleReason.NOT_STALE),
        (ETH, BookState.SYNCING, StaleReason.NOT_STALE),
        (BTC, BookState.LIVE, StaleReason.NOT_STALE),
        (ETH, BookState.LIVE, StaleReason.NOT_STALE),
        (BTC, BookState.STALE, StaleReason.BAD_NUMBER),
        (BTC, BookState.LIVE, StaleReason.NOT_STALE),
    ]
    assert [int(record["time_ns"]) for record in records[2:]] == [1001, 1002, 1003, 1004]


def test_times_of_the_last_frames(feed: Feed) -> None:
    feed.receive(match(1, instrument=ETH))
    eth_ns = feed.now_ns
    feed.receive({"type": "heartbeat", "last_trade_id": 1, "product_id": "BTC-USD", "time": TIME})
    btc_ns = feed.now_ns
    feed.receive({"type": "subscriptions"})
    assert feed.pipeline.last_product_time_ns(ETH) == eth_ns
    assert feed.pipeline.last_product_time_ns(BTC) == btc_ns
    assert feed.pipeline.last_frame_time_ns() == feed.now_ns
    feed.receive(update(["buy", "1.001", "1"]))
    assert feed.pipeline.last_product_time_ns(BTC) == btc_ns, "a refused frame is no sign of life"
    assert (feed.count("frames"), feed.count("control_frames"), feed.count("bad_frames")) == (
        6,
        1,
        1,
    )


@pytest.mark.parametrize("instrument", [-1, 2, 64])
def test_instruments_beyond_the_table(feed: Feed, instrument: int) -> None:
    for call in (feed.pipeline.book, feed.pipeline.last_product_time_ns):
        with pytest.raises(UsageError, match=f"instrument was {instrument}; the table holds 2"):
            call(instrument)


# Coinbase Advanced Trade: one sequence counts every frame of a connection.


def event(kind: str, instrument: int, *levels: tuple[str, str, str]) -> dict[str, Any]:
    rows = [
        {"side": side, "event_time": TIME, "price_level": price, "new_quantity": quantity}
        for side, price, quantity in levels
    ]
    return {"type": kind, "product_id": SYMBOLS[instrument], "updates": rows}


def advanced(sequence: int, *events: Any, channel: str = "l2_data") -> dict[str, Any]:
    return {
        "channel": channel,
        "timestamp": TIME,
        "sequence_num": sequence,
        "events": list(events),
    }


LEVELS = [("bid", price, size) for price, size in BIDS] + [("offer", p, q) for p, q in ASKS]
SNAPSHOTS = [event("snapshot", instrument, *LEVELS) for instrument in SYMBOLS]


@pytest.fixture
def counted() -> Feed:
    """Of Coinbase Advanced Trade, both books LIVE, the next sequence is 1."""
    feed = Feed(CoinbaseAdvancedFeed)
    feed.pipeline.subscribed(feed.now_ns)
    assert feed.receive(advanced(0, *SNAPSHOTS)) is FeedStatus.FEED_OK
    feed.notices()
    assert feed.states() == [BookState.LIVE] * 2
    assert feed.levels(ETH) == BTC_LEVELS
    return feed


def test_sequence_counts_every_channel(counted: Feed) -> None:
    change = event("update", BTC, ("bid", "99.98", "1"))
    counted.receive(advanced(1, {"current_time": "x"}, channel="heartbeats"))
    counted.receive(advanced(2, {"subscriptions": {}}, channel="subscriptions"))
    counted.receive(advanced(3, change))
    assert counted.states() == [BookState.LIVE] * 2
    assert counted.count("gaps") == 0


@pytest.mark.parametrize("sequence", [0, 2, 1000])
@pytest.mark.parametrize("channel", ["l2_data", "heartbeats", "subscriptions"])
def test_jump_makes_every_book_stale(counted: Feed, sequence: int, channel: str) -> None:
    counted.receive(advanced(sequence, event("update", BTC, ("bid", "99", "9")), channel=channel))
    assert counted.states() == [BookState.STALE] * 2
    assert counted.notices() == [(n, BookState.STALE, StaleReason.SEQUENCE_GAP) for n in SYMBOLS]
    assert counted.levels() == BTC_LEVELS, "the change behind the gap is not applied"
    assert (counted.count("gaps"), counted.count("stale_count")) == (1, 2)
    counted.receive(advanced(sequence + 1, SNAPSHOTS[BTC]))
    assert counted.states() == [BookState.LIVE, BookState.STALE]
    assert counted.count("gaps") == 1, "it counts on from the frame behind the gap"


def test_snapshot_behind_a_jump_counts(counted: Feed) -> None:
    counted.receive(advanced(5, SNAPSHOTS[ETH]))
    assert counted.states() == [BookState.STALE, BookState.LIVE]


def test_next_connection_counts_anew(counted: Feed) -> None:
    counted.pipeline.connection_lost(counted.now_ns)
    counted.receive(advanced(0, *SNAPSHOTS))
    assert counted.states() == [BookState.LIVE] * 2
    assert counted.count("gaps") == 0


def test_refused_frame_keeps_its_place_in_the_sequence(counted: Feed) -> None:
    """Its products are not known before all of it is read: every book is in doubt."""
    counted.receive(advanced(1, event("update", BTC, ("bid", "1.001", "1"))))
    assert counted.states() == [BookState.STALE] * 2
    assert counted.reason(ETH) is StaleReason.BAD_NUMBER
    counted.receive(advanced(2, *SNAPSHOTS))
    assert counted.states() == [BookState.LIVE] * 2
    assert counted.count("gaps") == 0


def test_one_event_of_a_frame_may_cross(counted: Feed) -> None:
    crossing = event("update", BTC, ("bid", "200", "1"))
    good = event("update", ETH, ("bid", "99.98", "5"))
    counted.receive(advanced(1, crossing, good, event("update", BTC, ("bid", "200", "0"))))
    assert counted.states() == [BookState.STALE, BookState.LIVE]
    assert counted.levels(ETH)[0] == [*BTC_LEVELS[0], (9_998, 5000)]
    assert counted.reason() is StaleReason.CROSSED


def test_trades_without_a_sequence_make_no_gaps(counted: Feed) -> None:
    trades = [
        {
            "product_id": "BTC-USD",
            "trade_id": str(trade_id),
            "price": "100.01",
            "size": "1",
            "time": TIME,
            "side": "BUY",
        }
        for trade_id in (9, 4)
    ]
    counted.receive(advanced(1, {"type": "update", "trades": trades}, channel="market_trades"))
    assert (counted.count("trades"), counted.count("gaps")) == (2, 0)
    recorded = counted.records(RecordKind.RECORD_TRADE)
    assert [int(record["reference"]) for record in recorded] == [4, 9], "oldest first"


def kraken_trades(*trade_ids: int) -> dict[str, Any]:
    row = {"symbol": "BTC-USD", "side": "buy", "price": 100.0, "qty": 1, "timestamp": TIME}
    rows = [{**row, "trade_id": trade_id} for trade_id in trade_ids]
    return {"channel": "trade", "type": "update", "data": rows}


def test_a_run_of_trades_is_no_gap_and_a_missing_one_is() -> None:
    """The sequence of an event is that of its last trade."""
    feed = Feed(KrakenFeed)
    for trade_ids, gaps in (((5, 6, 7), 0), ((8,), 0), ((9, 10), 0), ((12, 13), 1), ((14,), 1)):
        assert feed.receive(kraken_trades(*trade_ids)) is FeedStatus.FEED_OK
        assert feed.count("gaps") == gaps, trade_ids
    assert feed.receive(kraken_trades(15, 17)) is FeedStatus.FEED_OK
    assert feed.count("gaps") == 2, "one is missing inside the run"
