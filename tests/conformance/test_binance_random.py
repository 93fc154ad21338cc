"""Random Binance sessions, good and bad frames, through the compiled path and the reference."""

import random
from collections import Counter
from typing import Any

import orjson
import pytest

from engine.reference.reference_feed import ReferenceState
from engine.reference.reference_venues import make_reference_feed
from engine.reference.verification import find_differences
from ext.codecs.binance_feed import BinanceFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus
from feeds.binance_depth import EarlyUpdates

STEPS = {"BTCUSDT": ("0.01", "0.001"), "ETHUSDT": ("0.05", "0.002")}
SYMBOLS = list(STEPS)
START_NS = 1_618_677_817_000_000_000
SEED = 20_260_105
SESSIONS = 400
FRAMES = 40

# Mostly numbers that fit, some that do not: off the step, signed, not a string, beyond 64 bits.
PRICES: list[Any] = [f"{n // 20}.{n % 20 * 5:02}" for n in range(1, 41)]
PRICES += ["0.55", "1.45", "1.450"] * 9
PRICES += ["1e1", "0", "-1", "", "0.001", "9" * 20, 1.5]
QUANTITIES: list[Any] = [f"{2 * n / 1000:.3f}" for n in range(50)] + ["0", "0.0", "0.000"] * 5
QUANTITIES += ["0.001", "0.000000001", "-0", "1E2", None]
ACTIONS = ["update"] * 12 + ["wild"] * 2 + ["snapshot"] * 4 + ["partial", "quote", "cut", "lost"]


class Venue:
    """Makes frames whose ids follow each other, unless one is lost."""

    def __init__(self, source: random.Random, is_futures: bool) -> None:
        self.source = source
        self.is_futures = is_futures
        self.last_ids = dict.fromkeys(SYMBOLS, 100)

    def frame(self) -> bytes:
        source = self.source
        action, symbol = source.choice(ACTIONS), source.choice(SYMBOLS)
        bids = [[price, "2.000"] for price in source.sample(["0.50", "0.55"], source.randint(0, 2))]
        asks = [[price, "2.000"] for price in source.sample(["1.50", "1.55"], source.randint(0, 2))]
        if action == "snapshot":
            last_id = max(0, self.last_ids[symbol] - source.randint(0, 9))
            body: dict[str, Any] = {"lastUpdateId": last_id, "bids": bids, "asks": asks}
            return orjson.dumps({"stream": f"{symbol.lower()}@depth", "data": body})
        if action == "quote":
            quote = {"e": "bookTicker", "u": 5, "s": symbol, "B": "1.000", "A": "1.000"}
            return orjson.dumps({**quote, "b": source.choice(PRICES), "a": "1.00"})
        update = {**self._next_update(symbol), "b": bids, "a": asks}
        if action == "wild":
            update |= {"b": self._levels(), "a": self._levels()}
        name = "depth5" if action == "partial" else "depth@100ms"
        payload = orjson.dumps({"stream": f"{symbol.lower()}@{name}", "data": update})
        if action == "lost":
            return orjson.dumps({"result": None, "id": 1})
        return payload[: source.randrange(len(payload))] if action == "cut" else payload

    def _levels(self) -> list[Any]:
        count = self.source.randint(0, 3)
        return [[self.source.choice(PRICES), self.source.choice(QUANTITIES)] for _ in range(count)]

    def _next_update(self, symbol: str) -> dict[str, Any]:
        previous = self.last_ids[symbol]
        first = previous + (self.source.randint(0, 4) if self.is_futures else 1)
        last = self.last_ids[symbol] = first + self.source.randint(0, 5)
        update = {"e": "depthUpdate", "E": 7, "s": symbol, "U": first, "u": last}
        return {**update, "T": 6, "pu": previous} if self.is_futures else update


@pytest.mark.parametrize("venue", ["binance_usdm", "binance_spot"])
def test_random_sessions(venue: str) -> None:
    table = InstrumentTable()
    for symbol, steps in STEPS.items():
        table.add(symbol, *steps)
    pipeline = Pipeline(table, BinanceFeed(table), step_interval=0)
    books = {symbol: pipeline.book(index) for index, symbol in enumerate(SYMBOLS)}
    seen: Counter[ReferenceState] = Counter()

    def is_waiting(symbol: str) -> bool:
        return books[symbol].state not in (BookState.BUFFERING, BookState.LIVE)

    for session in range(SESSIONS):
        pipeline.connection_lost(START_NS)
        reference = make_reference_feed(venue, STEPS)
        makes = Venue(random.Random(f"{SEED} {venue} {session}"), venue == "binance_usdm")
        early = EarlyUpdates()
        for number in range(FRAMES):
            payload = makes.frame()
            reference.receive(payload)
            if pipeline.receive(payload, START_NS) == FeedStatus.FEED_OK:
                early.receive(payload, is_waiting, lambda kept: pipeline.receive(kept, START_NS))
            for symbol, instrument in reference.instruments.items():
                seen[instrument.state] += 1
                differences = list(find_differences(instrument, books[symbol]))
                place = f"session {session}, frame {number}, {payload!r}"
                assert not differences, f"{place}: {differences[0]}"
    assert min(seen[state] for state in ReferenceState) > SESSIONS, seen
