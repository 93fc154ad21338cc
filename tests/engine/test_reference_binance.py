"""The reference reader on hand-made frames of Binance."""

from typing import Any

import orjson
import pytest

from engine.reference.reference_binance import (
    ReferenceBinance,
    ReferenceBinanceSpot,
    ReferenceBinanceUsdm,
)
from engine.reference.reference_feed import ReferenceState

STEPS = {"BTCUSDT": ("0.1", "0.001"), "ETHUSDT": ("0.01", "0.01")}
LIVE, STALE, SYNCING = ReferenceState.LIVE, ReferenceState.STALE, ReferenceState.SYNCING
Ids = tuple[int, ...]


def snapshot(last_id: int, stream: str = "btcusdt@depth") -> dict[str, Any]:
    body = {"lastUpdateId": last_id, "bids": [["100.0", "1.5"]], "asks": [["101.0", "2"]]}
    return {"stream": stream, "data": body}


def update(ids: Ids, stream: str = "btcusdt@depth", **members: Any) -> dict[str, Any]:
    """Adds a bid whose price is the last two digits of ``u``."""
    names = dict(zip(("U", "u", "pu"), ids, strict=False))
    event = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", **names, "a": []}
    return {"stream": stream, "data": {**event, "b": [[f"{ids[1] % 100}.0", "1"]], **members}}


def send(feed: ReferenceBinance, *frames: Any) -> list[str]:
    """Applies frames: the symbols that the last one touched."""
    touched: list[str] = []
    for frame in frames:
        payload = frame if isinstance(frame, bytes) else orjson.dumps(frame)
        touched = [instrument.symbol for instrument in feed.receive(payload)]
    return touched


def applied(feed: ReferenceBinance) -> list[int]:
    book = feed.instruments["BTCUSDT"].book
    return [ticks // 10 for ticks, _ in book.levels(True) if ticks < 1000]


def state(feed: ReferenceBinance, symbol: str = "BTCUSDT") -> ReferenceState:
    return feed.instruments[symbol].state


Case = tuple[type[ReferenceBinance], list[Ids], int, list[Ids], list[int], ReferenceState]
SPOT, USDM = ReferenceBinanceSpot, ReferenceBinanceUsdm
CASES: dict[str, Case] = {
    "spot": (SPOT, [(157, 160), (161, 165)], 160, [(166, 166)], [66, 65], LIVE),
    "spot, snapshot first": (SPOT, [], 160, [(157, 160), (161, 165)], [65], LIVE),
    "spot, inside": (SPOT, [(157, 160), (161, 165)], 162, [], [65], LIVE),
    "spot, too old": (SPOT, [(157, 160)], 150, [(161, 165)], [], STALE),
    "spot, gap": (SPOT, [], 160, [(161, 165), (168, 170)], [], STALE),
    "spot, repeated": (SPOT, [], 160, [(161, 165), (161, 165)], [65], LIVE),
    "spot, none yet": (SPOT, [(157, 160)], 160, [], [], SYNCING),
    "futures": (USDM, [(150, 159, 149), (160, 163, 159)], 160, [(170, 172, 163)], [72, 63], LIVE),
    "futures, at it": (USDM, [(150, 160, 149)], 160, [(170, 172, 160)], [72, 60], LIVE),
    "futures, gap": (USDM, [(160, 163, 159)], 160, [(170, 172, 169)], [], STALE),
    "futures, too late": (USDM, [(162, 165, 161)], 160, [], [], STALE),
    "futures, repeated": (USDM, [], 160, [(160, 163, 159)] * 2, [], STALE),
    "futures, none yet": (USDM, [(150, 159, 149)], 160, [], [], SYNCING),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_of_the_venue(name: str) -> None:
    kind, early, snapshot_id, late, prices, expected = CASES[name]
    feed = kind(STEPS)
    send(feed, *map(update, early))
    assert state(feed) is SYNCING
    send(feed, snapshot(snapshot_id), *map(update, late))
    instrument = feed.instruments["BTCUSDT"]
    assert (applied(feed), state(feed)) == (prices, expected)
    assert (instrument.gaps, feed.bad_frames) == (expected is STALE, 0)
    assert state(feed, "ETHUSDT") is SYNCING


def test_a_gap_keeps_the_updates_for_the_next_snapshot() -> None:
    feed = ReferenceBinanceSpot(STEPS)
    send(feed, snapshot(160), *map(update, [(161, 165), (170, 175), (176, 180)]))
    assert state(feed) is STALE
    send(feed, snapshot(175))
    assert (applied(feed), state(feed)) == ([80], LIVE)
    assert feed.instruments["BTCUSDT"].sequence == 180


def test_a_crossing_update_is_kept_for_the_next_snapshot() -> None:
    feed = ReferenceBinanceSpot(STEPS)
    send(feed, snapshot(160), update((161, 165)), update((166, 170), b=[["102.0", "1"]]))
    assert (state(feed), feed.instruments["BTCUSDT"].crossed) == (STALE, 1)
    send(feed, snapshot(170), update((171, 175)))
    assert (applied(feed), state(feed)) == ([75], LIVE)
    send(feed, snapshot(174))
    assert (applied(feed), state(feed)) == ([75], LIVE), "older than the book"


@pytest.mark.parametrize("kind", [ReferenceBinanceSpot, ReferenceBinanceUsdm])
def test_nothing_follows_a_partial_book(kind: type[ReferenceBinance]) -> None:
    feed = kind(STEPS)
    partial = update((150, 165, 149), "btcusdt@depth5@100ms")
    assert send(feed, snapshot(160, "btcusdt@depth5"), partial) == ["BTCUSDT"]
    assert (applied(feed), state(feed)) == ([65], LIVE)
    send(feed, update((166, 167, 165)))
    assert state(feed) is STALE


def test_quotes_and_trades() -> None:
    feed = ReferenceBinanceSpot(STEPS)
    quote = {"u": 160, "s": "BTCUSDT", "b": "100.0", "B": "1.5", "a": "101.0", "A": "2"}
    trade = {"e": "trade", "T": 4, "s": "BTCUSDT", "p": "1", "q": "1", "m": True}
    trades = [{**trade, "t": number} for number in (7, 8, 10)] + [{**trade, "t": 11, "q": "0"}]
    aggregate = {**trade, "e": "aggTrade", "a": 12}
    assert send(feed, quote, *trades, aggregate) == []
    instrument = feed.instruments["BTCUSDT"]
    assert instrument.quote == (160, (1000, 1500), (1010, 2000))
    assert (instrument.trades, instrument.gaps, instrument.frames) == (4, 1, 6)
    assert send(feed, {"result": None, "id": 1}, {"e": "kline", "s": 5}) == []
    assert feed.bad_frames == 0


GOOD = update((161, 165))
BAD: dict[str, Any] = {
    "no id": update((161, 165), u=None),
    "backwards": update((166, 165)),
    "id as text": update((161, 165), pu="160"),
    "no time": update((161, 165), E="now"),
    "late time": update((161, 165), T=10**15),
    "off the tick": update((161, 165), b=[["1.05", "1"]]),
    "no price": update((161, 165), b=[["0", "1"]]),
    "no levels": update((161, 165), a=None),
    "no kind": update((161, 165), e=None),
    "quote": {"u": "5", "s": "BTCUSDT", "b": "1", "B": "1", "a": "1", "A": "1"},
    "half a quote": {"u": 5, "s": "BTCUSDT", "b": "1", "a": "1", "A": "1"},
    "trade": {"e": "trade", "T": 4, "s": "BTCUSDT", "p": "1", "q": "1", "m": 1, "t": 1},
    "cut": orjson.dumps(GOOD)[:-3],
    "crossed": update((161, 165), b=[["101.0", "1"]]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frames_end_the_book_of_their_product(name: str) -> None:
    feed = ReferenceBinanceSpot(STEPS)
    eth = update((1, 3), "ethusdt@depth", s="ETHUSDT", b=[])
    send(feed, snapshot(160), GOOD, snapshot(2, "ethusdt@depth"), eth)
    assert (state(feed), state(feed, "ETHUSDT")) == (LIVE, LIVE)
    bad = BAD[name]
    if name == "crossed":
        bad["data"] |= {"U": 166, "u": 170}
    assert "BTCUSDT" in send(feed, bad)
    assert (state(feed), state(feed, "ETHUSDT")) == (STALE, LIVE)
    assert applied(feed) == []


@pytest.mark.parametrize(
    ("frame", "gone"),
    [
        (b"{", {"BTCUSDT", "ETHUSDT"}),
        (b"[]", {"BTCUSDT", "ETHUSDT"}),
        ({"stream": "btcusdt@depth", "data": []}, {"BTCUSDT", "ETHUSDT"}),
        ({"stream": "btcusdt@depth"}, {"BTCUSDT", "ETHUSDT"}),
        ({"data": GOOD["data"]}, {"BTCUSDT"}),
        (orjson.dumps(snapshot(5))[:-3], {"BTCUSDT"}),
        ({"stream": "btcusdt@depth", "data": {"bids": [], "asks": []}}, {"BTCUSDT"}),
        (b'{"e":"kline","s":"BTCUSDT","k":{', set()),
        ({"e": "trade", "s": "XRPUSDT"}, set()),
    ],
)
def test_whose_book_a_bad_frame_ends(frame: Any, gone: set[str]) -> None:
    feed = ReferenceBinanceSpot(STEPS)
    send(feed, snapshot(160), snapshot(2, "ethusdt@depth"), frame)
    assert {symbol for symbol in STEPS if state(feed, symbol) is STALE} == gone
    assert all(i.is_doubtful or i.symbol in gone for i in feed.instruments.values())
