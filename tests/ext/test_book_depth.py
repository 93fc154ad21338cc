"""A book of bounded depth: what falls off the end is gone, wherever it stood."""

import random
from zlib import crc32

import pytest

from ext.codecs.kraken_v1_feed import KrakenV1Feed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import FeedStatus, Side

LADDER_TICKS = 131_072  # of ext/book_side.pxd
SYMBOL = "XBT/USD"
TIME = "1618678145.951321"


class Feed:
    """A book kept to ``depth`` levels a side by a feed, and a plain one beside it."""

    def __init__(self, depth: int) -> None:
        table = InstrumentTable()
        table.add(SYMBOL, "1", "1")
        self.pipeline = Pipeline(table, KrakenV1Feed(table), step_interval=0)
        self.depth = depth
        self.plain: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def load(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.plain = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
        self._cut()
        sides = [",".join(f'["{p}","{q}","{TIME}"]' for p, q in side) for side in (asks, bids)]
        self._send(f'{{"as":[{sides[0]}],"bs":[{sides[1]}]}}')

    def set_level(self, side: Side, price: int, quantity: int) -> None:
        """One change, with the checksum that the venue would send."""
        self.plain[side][price] = quantity
        self._cut()
        bids, asks = self.levels(Side.BUY), self.levels(Side.SELL)
        text = "".join(f"{p}{q}" for p, q in [*asks[:10], *bids[:10]])
        name = "b" if side == Side.BUY else "a"
        self._send(f'{{"{name}":[["{price}","{quantity}","{TIME}"]],"c":"{crc32(text.encode())}"}}')

    def levels(self, side: Side) -> list[tuple[int, int]]:
        return sorted(self.plain[side].items(), reverse=side == Side.BUY)

    def check(self) -> None:
        book = self.pipeline.book(0)
        for side in Side:
            assert book.levels(side == Side.BUY) == self.levels(side)

    def _cut(self) -> None:
        for side, levels in self.plain.items():
            held = [(price, quantity) for price, quantity in levels.items() if quantity]
            kept = sorted(held, reverse=side == Side.BUY)
            self.plain[side] = dict(kept[: self.depth])

    def _send(self, part: str) -> None:
        payload = f'[1,{part},"book-{self.depth}","{SYMBOL}"]'.encode()
        assert self.pipeline.receive(payload, 1) == FeedStatus.FEED_OK


@pytest.mark.parametrize("depth", [1, 10, 1000])
@pytest.mark.parametrize("step", [1, 70, LADDER_TICKS // 4])
def test_a_better_level_pushes_out_the_worst(depth: int, step: int) -> None:
    """Levels side by side, words apart, and beyond the ladder's end."""
    feed = Feed(depth)
    base = 10**9
    bids = [(base - step * n, 5) for n in range(depth)]
    asks = [(base + 10 + step * n, 5) for n in range(depth)]
    feed.load(bids, asks)
    feed.check()
    feed.set_level(Side.BUY, base + 1, 7)
    feed.set_level(Side.SELL, base + 9, 8)
    feed.check()
    assert len(feed.levels(Side.BUY)) == depth
    feed.set_level(Side.BUY, base + 1, 0)
    feed.check()
    assert len(feed.levels(Side.BUY)) == depth - 1, "the venue sends again what comes back"


def test_a_snapshot_deeper_than_the_depth_is_cut() -> None:
    feed = Feed(10)
    feed.load([(1000 - n, 5) for n in range(30)], [(1001 + n, 5) for n in range(11)])
    feed.check()


@pytest.mark.parametrize("seed", range(5))
def test_a_market_that_walks(seed: int) -> None:
    source = random.Random(seed)
    feed = Feed(25)
    middle = 10**9
    feed.load([(middle - 1, 1)], [(middle + 1, 1)])
    for _ in range(1_500):
        side = source.choice(list(Side))
        away = 1 + int(source.expovariate(0.02)) * source.choice((1, 1, 1, 50, 3_000))
        feed.set_level(side, middle - side * away, source.choice((0, 1, 2, 3)))
    feed.check()
    assert min(len(feed.levels(side)) for side in Side) > 20, "the depth was reached"
