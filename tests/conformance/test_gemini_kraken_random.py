"""Random sessions of Gemini and Kraken, good and bad frames mixed, through both paths.

The venue is played from a plain dictionary of levels: it cuts at the depth, works out the checksum
from the texts, loses a frame now and then, sends what it should not. After every frame each book
is what the reference says, or was given up; a LIVE book is always the venue's.
"""

import random
from collections.abc import Callable
from typing import Any
from zlib import crc32

import orjson
import pytest

from engine.reference.reference_feed import BookTerms, ReferenceState
from engine.reference.reference_venues import make_reference_feed
from engine.reference.verification import find_differences, make_pipeline
from ext.wire import BookState
from feeds.recording_survey import Product

DEPTH = 10
SYMBOLS = ("A/B", "C/D")
FRAMES = 400
MIDDLE = 1_000
TIME = "2023-07-30T15:29:58.343415Z"
SECONDS = "1618678145.951321"

Levels = dict[int, int]
"""Quantity in lots by price in ticks: a tick of 0.1, a lot of 0.01."""


class Venue:
    """Both books of a venue, and the messages about them."""

    def __init__(self, source: random.Random, depth: int) -> None:
        self.source = source
        self.depth = depth
        self.books: dict[str, tuple[Levels, Levels]] = {s: ({}, {}) for s in SYMBOLS}
        for bids, asks in self.books.values():
            bids.update({MIDDLE - n: n for n in range(1, 9)})
            asks.update({MIDDLE + n: n for n in range(1, 9)})

    def change(self, symbol: str) -> list[tuple[bool, int, int]]:
        """One to three changes of a book: (is_bid, ticks, lots)."""
        changes = []
        for _ in range(self.source.choice((1, 1, 2, 3))):
            is_bid = self.source.random() < 0.5
            away = 1 + int(self.source.expovariate(0.2))
            ticks = MIDDLE - away if is_bid else MIDDLE + away
            lots = self.source.choice((0, self.source.randint(1, 10**6)))
            levels = self.books[symbol][not is_bid]
            levels[ticks] = lots
            kept = sorted((t for t in levels if levels[t]), reverse=is_bid)
            for gone in set(levels) - set(kept[: self.depth] if self.depth else kept):
                del levels[gone]
            changes.append((is_bid, ticks, lots))
        return changes

    def sides(self, symbol: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks, best first."""
        bids, asks = self.books[symbol]
        return sorted(bids.items(), reverse=True), sorted(asks.items())

    def checksum(self, symbol: str) -> int:
        bids, asks = self.sides(symbol)
        return crc32("".join(f"{t}{lots}" for t, lots in asks[:10] + bids[:10]).encode())


def text(steps: int, decimals: int) -> str:
    whole, rest = divmod(steps, 10**decimals)
    return f"{whole}.{rest:0{decimals}}"


def gemini_frame(venue: Venue, symbol: str, changes: Any) -> Any:
    frame: dict[str, Any] = {"symbol": symbol, "type": "l2_updates"}
    if changes is None:
        bids, asks = venue.sides(symbol)
        changes = [(True, *level) for level in bids] + [(False, *level) for level in asks]
        frame["trades"] = []
    rows = [("buy" if b else "sell", text(t, 1), text(lots, 2)) for b, t, lots in changes]
    return {"changes": rows, **frame}


def kraken_frame(venue: Venue, symbol: str, changes: Any) -> Any:
    bids, asks = venue.sides(symbol)
    if changes is not None:
        bids, asks = ([(t, q) for b, t, q in changes if b == is_bid] for is_bid in (True, False))
    row: dict[str, Any] = {"symbol": symbol, "timestamp": TIME}
    for name, levels in (("bids", bids), ("asks", asks)):
        row[name] = [{"price": t / 10, "qty": q / 100} for t, q in levels]
    row["checksum"] = venue.checksum(symbol)
    kind = "snapshot" if changes is None else "update"
    return {"channel": "book", "type": kind, "data": [row]}


def kraken_v1_frame(venue: Venue, symbol: str, changes: Any) -> Any:
    bids, asks = venue.sides(symbol)
    names = {"as": asks, "bs": bids}
    if changes is not None:
        names = {n: [(t, q) for b, t, q in changes if b == (n == "b")] for n in ("a", "b")}
    parts: list[dict[str, Any]] = [
        {name: [[text(t, 1), text(q, 2), SECONDS] for t, q in levels]}
        for name, levels in names.items()
    ]
    if changes is None:
        parts = [parts[0] | parts[1]]
    else:
        parts[1]["c"] = str(venue.checksum(symbol))
    return [1, *parts, f"book-{DEPTH}", symbol]


Frame = Callable[[Venue, str, Any], Any]
VENUES: dict[str, tuple[Frame, int]] = {
    "gemini": (gemini_frame, 0),
    "kraken": (kraken_frame, DEPTH),
    "kraken_v1": (kraken_v1_frame, DEPTH),
}


def spoil(source: random.Random, payload: bytes) -> bytes:
    """What no venue should send."""
    swaps = (
        (b'"A/B"', b'"X/Y"'),
        (b'"C/D"', b"5"),
        (b"99.", b"99.9"),
        (b"10", b"-10"),
        (b"0", b""),
    )
    at = source.randrange(len(payload))
    old, new = source.choice(swaps)
    return source.choice((payload[:at], payload.replace(old, new), payload + b"}"))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", VENUES)
def test_random_sessions(name: str, seed: int) -> None:
    source = random.Random(f"{name} {seed}")
    make_frame, depth = VENUES[name]
    venue = Venue(source, depth)
    products = [
        Product(symbol, "0.1", "0.01", is_inferred=False, depth=depth) for symbol in SYMBOLS
    ]
    pipeline = make_pipeline(name, products)
    steps = {symbol: ("0.1", "0.01") for symbol in SYMBOLS}
    terms = {symbol: BookTerms(depth=depth) for symbol in SYMBOLS}
    reference = make_reference_feed(name, steps, terms)
    live = stale = 0
    for symbol in SYMBOLS:  # the answers to the subscription come first
        payload = orjson.dumps(make_frame(venue, symbol, None))
        pipeline.receive(payload, 1)
        reference.receive(payload)
    for _ in range(FRAMES):
        symbol = source.choice(SYMBOLS)
        index = SYMBOLS.index(symbol)
        is_live = pipeline.book(index).state == BookState.LIVE
        # As a session does: a new snapshot for a book that is not LIVE, after some more updates.
        asks_again = not is_live and source.random() < 0.5
        changes = None if asks_again else venue.change(symbol)
        payload = orjson.dumps(make_frame(venue, symbol, changes))
        fate = source.random()
        if fate < 0.04:
            payload = spoil(source, payload)
        elif fate < 0.08 and depth and changes is not None:
            continue  # lost: without a checksum nobody could tell
        pipeline.receive(payload, 1)
        reference.receive(payload)
        for number, instrument in enumerate(reference.instruments.values()):
            book = pipeline.book(number)
            differences = list(find_differences(instrument, book))
            assert not differences, f"{payload!r}: {differences[0]}"
            live += book.state == BookState.LIVE
            stale += instrument.state is ReferenceState.STALE
    assert live > FRAMES / 2, "most of the time there is something to compare"
    assert stale > 10, "books were given up too"
