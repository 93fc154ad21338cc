"""The decisions of the indicator benchmark are those of TA-Lib's batch functions."""

import numpy as np
import pytest

from bench.bench_indicators import (
    PEERS,
    WARM_UP,
    Kernel,
    Readings,
    decide,
    hash_sides,
    make_books,
    make_contenders,
    make_ticks,
)
from bench.harness import AbsentPeer
from ext.wire import Side

talib = pytest.importorskip("talib", reason="TA-Lib is not installed: make setup, or pip install")


def batch_sides(count: int) -> list[int]:
    """By the batch functions over the whole history, which no contender calls."""
    books = make_books(count)
    ticks = make_ticks(books)
    bids, asks, mids, lots = (np.array(column, float) for column in zip(*ticks, strict=True))
    line, signal, _ = talib.MACD(mids, 12, 26, 9)
    upper, mean, lower = talib.BBANDS(mids, 20, 2, 2)
    score = (mids - talib.SMA(mids, 50)) / talib.STDDEV(mids, 50)
    squares = np.log(mids[1:] / mids[:-1]) ** 2
    volatility = np.r_[np.nan, np.sqrt(talib.SUM(squares, 25))]
    columns = (
        *(talib.EMA(mids, 12), talib.EMA(mids, 48), line, signal, mean, talib.RSI(mids, 14)),
        *(lower, upper, score, talib.ATR(asks, bids, mids, 14), volatility),
        talib.VWAP(mids, mids, mids, lots),
    )
    rows = (Readings(*row) for row in zip(*(c.tolist() for c in columns), strict=True))
    return [
        decide(tick, row) if number >= WARM_UP else 0
        for number, (tick, row) in enumerate(zip(ticks, rows, strict=True))
    ]


def test_the_kernel_decides_as_the_batch_functions_do() -> None:
    sides = batch_sides(10_000)
    books = make_books(10_000)
    assert Kernel(books).run().work_hash == hash_sides(make_ticks(books), sides)
    for side in (Side.BUY, Side.SELL):
        assert sides.count(side) > 500, "a market in which nothing is decided tests little"
    assert sides.count(0) > 5_000


def test_a_library_that_is_absent_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bench.bench_indicators.PEERS", (("x", "y", "no_such_module", PEERS[0][3]),)
    )
    _, absent = make_contenders(make_books(10))
    assert absent == AbsentPeer("x", "y")
