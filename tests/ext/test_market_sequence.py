"""Updates behind a snapshot by the ids that Binance gives them: applied, old, or one is missing.

The cases of the venue's rule, "How to manage a local order book correctly" (spot, USD-M futures).
"""

import json
from typing import Any

import pytest

from bench.arc import make_arc
from ext.codecs.binance_feed import BinanceFeed
from ext.instrument_table import InstrumentTable
from ext.order_sender import CapturingSender
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, StaleReason
from feeds.recording_survey import Product

LIVE, BUFFERING, STALE = BookState.LIVE, BookState.BUFFERING, BookState.STALE
BIDS = [["100.00", "1.000"], ["99.99", "2.000"]]
ASKS = [["100.01", "3.000"]]
Ids = tuple[int, ...]
"""U and u of a spot update; U, u and pu of a futures update."""


class Feed:
    """A pipeline with the books of two products, or one that is given."""

    def __init__(self, pipeline: Pipeline | None = None) -> None:
        table = InstrumentTable()
        for symbol in ("BTCUSDT", "ETHUSDT"):
            table.add(symbol, "0.01", "0.001")
        self.pipeline = pipeline or Pipeline(table, BinanceFeed(table), step_interval=0)
        self.pipeline.subscribed(1)

    def receive(self, event: dict[str, Any], stream: str = "btcusdt@depth") -> None:
        payload = json.dumps({"stream": stream, "data": event}).encode()
        assert self.pipeline.receive(payload, 2) == FeedStatus.FEED_OK

    def snapshot(self, last_id: int, stream: str = "btcusdt@depth") -> None:
        self.receive({"lastUpdateId": last_id, "bids": BIDS, "asks": ASKS}, stream)

    def update(self, ids: Ids, stream: str = "btcusdt@depth") -> None:
        """Adds a bid whose price is the last two digits of ``u``."""
        names = dict(zip(("U", "u", "pu"), ids, strict=False))
        event = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", **names, "a": []}
        self.receive({**event, "b": [[f"{ids[1] % 100}.00", "1.000"]]}, stream)

    def state(self, instrument: int = 0) -> BookState:
        return BookState(self.pipeline.book(instrument).state)

    def reason(self) -> StaleReason:
        return StaleReason(self.pipeline.book(0).stale_reason)

    def applied(self) -> list[int]:
        """Prices that updates have added, in quote currency."""
        return [ticks // 100 for ticks, _ in self.pipeline.book(0).levels(True) if ticks < 9_990]


CASES: dict[str, tuple[int, list[Ids], list[int], BookState]] = {
    "spot": (160, [(157, 160), (161, 165), (166, 166)], [66, 65], LIVE),
    "spot, snapshot inside an update": (162, [(157, 160), (161, 165), (166, 170)], [70, 65], LIVE),
    "spot, snapshot too old": (150, [(157, 160), (161, 165)], [], STALE),
    "spot, gap": (160, [(161, 165), (168, 170), (171, 172)], [65], STALE),
    "spot, gap of one": (160, [(161, 165), (167, 170)], [65], STALE),
    "spot, repeated": (160, [(161, 165), (161, 165), (166, 167)], [67, 65], LIVE),
    "spot, older": (160, [(161, 165), (157, 159), (166, 167)], [67, 65], LIVE),
    "spot, only old ones": (160, [(150, 156), (157, 160)], [], BUFFERING),
    "futures": (160, [(150, 159, 149), (160, 163, 159), (170, 172, 163)], [72, 63], LIVE),
    "futures, at the snapshot": (160, [(150, 160, 149), (170, 172, 160)], [72, 60], LIVE),
    "futures, gap": (160, [(160, 163, 159), (170, 172, 169), (173, 174, 172)], [63], STALE),
    "futures, first one too late": (160, [(162, 165, 161)], [], STALE),
    "futures, repeated": (160, [(160, 163, 159), (160, 163, 159)], [63], STALE),
    "futures, only old ones": (160, [(140, 149, 139), (150, 159, 149)], [], BUFFERING),
    "no update": (160, [], [], BUFFERING),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_of_the_venue(name: str) -> None:
    snapshot_id, updates, applied, state = CASES[name]
    feed = Feed()
    feed.snapshot(snapshot_id)
    for ids in updates:
        feed.update(ids)
    assert (feed.applied(), feed.state()) == (applied, state)
    is_stale = state is STALE
    assert feed.reason() is (StaleReason.SEQUENCE_GAP if is_stale else StaleReason.NOT_STALE)
    assert feed.pipeline.counters()["gaps"] == is_stale
    assert feed.pipeline.counters()["bad_frames"] == 0


def test_updates_before_the_snapshot_change_nothing() -> None:
    feed = Feed()
    feed.update((161, 165))
    assert (feed.state(), feed.applied()) == (BookState.SYNCING, [])


def test_a_book_waits_for_the_update_that_follows_its_snapshot() -> None:
    """What came between the two is not known: not LIVE, and told so."""
    feed = Feed()
    feed.pipeline.take_notices()
    feed.snapshot(160)
    assert feed.pipeline.take_notices()[0] == [(0, BUFFERING, StaleReason.NOT_STALE)]
    feed.update((161, 165))
    assert feed.pipeline.take_notices()[0] == [(0, LIVE, StaleReason.NOT_STALE)]
    feed.snapshot(300)
    assert (feed.state(), feed.applied()) == (BUFFERING, [])
    feed.update((301, 320))
    assert (feed.state(), feed.applied()) == (LIVE, [20])


@pytest.mark.parametrize("last_id", [0, 150, 164, 165])
def test_a_snapshot_older_than_the_book_is_passed_over(last_id: int) -> None:
    feed = Feed()
    feed.snapshot(160)
    feed.snapshot(159)
    feed.update((160, 165, 155))
    feed.snapshot(last_id)
    assert (feed.state(), feed.applied()) == (LIVE, [65])
    feed.snapshot(166)
    assert (feed.state(), feed.applied()) == (BUFFERING, [])


def test_orders_of_a_book_that_has_to_wait_again_are_cancelled() -> None:
    sender = CapturingSender()
    product = Product("BTCUSDT", "0.01", "0.001", is_inferred=False)
    feed = Feed(make_arc("binance_usdm", [product], sender).pipeline)
    feed.snapshot(160)
    assert sender.take() == b""
    feed.update((160, 165, 159))
    assert b"\x0135=D\x01" in sender.take()
    feed.snapshot(165)
    assert sender.take() == b"", "older than the book"
    feed.snapshot(166)
    assert b"\x0135=F\x01" in sender.take()
    assert feed.state() is BUFFERING


def test_gap_ends_with_a_new_snapshot() -> None:
    feed = Feed()
    feed.snapshot(160)
    for ids in ((161, 165), (170, 175), (176, 180)):
        feed.update(ids)
    assert (feed.state(), feed.pipeline.counters()["stale_count"]) == (STALE, 1)
    feed.snapshot(178)
    assert feed.state() is BUFFERING
    feed.update((176, 180))
    assert (feed.state(), feed.applied()) == (LIVE, [80])
    assert feed.state(1) is BookState.SYNCING, "the other product has ids of its own"


def test_gap_behind_a_snapshot_that_was_never_live() -> None:
    feed = Feed()
    feed.snapshot(150)
    feed.update((157, 160))
    assert (feed.state(), feed.pipeline.counters()["stale_count"]) == (STALE, 0)


@pytest.mark.parametrize("stream", ["btcusdt@depth5", "btcusdt@depth20@100ms"])
def test_each_partial_book_replaces_the_one_before(stream: str) -> None:
    """It is LIVE at once, whatever its id."""
    feed = Feed()
    feed.snapshot(160, stream)
    assert (feed.state(), feed.applied()) == (LIVE, [])
    for ids in ((150, 165), (120, 122, 5)):
        feed.update(ids, stream)
        assert (feed.state(), feed.pipeline.book(0).levels(True)) == (
            LIVE,
            [(ids[1] % 100 * 100, 1000)],
        )


@pytest.mark.parametrize("ids", [(150, 165), (161, 165), (0, 1), (150, 165, 149), (161, 165, 160)])
def test_nothing_follows_a_partial_book(ids: Ids) -> None:
    """An update of a diff stream would build on levels that it lacks."""
    feed = Feed()
    feed.snapshot(160, "btcusdt@depth5")
    feed.update(ids)
    assert (feed.state(), feed.reason()) == (STALE, StaleReason.SEQUENCE_GAP)


def test_quotes_change_no_book_and_are_a_sign_of_life() -> None:
    feed = Feed()
    feed.snapshot(160)
    feed.update((161, 165))
    before = feed.pipeline.book(0).levels(True), feed.pipeline.book(0).update_count
    quote = {"u": 166, "s": "BTCUSDT", "b": "1.00", "B": "1.000", "a": "1.01", "A": "1.000"}
    feed.pipeline.receive(json.dumps(quote).encode(), 99)
    assert (feed.pipeline.book(0).levels(True), feed.pipeline.book(0).update_count) == before
    assert feed.pipeline.last_product_time_ns(0) == 99
    assert feed.state() is LIVE
