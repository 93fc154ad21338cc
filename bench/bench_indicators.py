"""Ten indicators and one decision on every tick, against TA-Lib's stream functions and talipp.

Each contender has the ten values of every tick and decides by the same rule; from the thousandth
tick on, when no start is remembered, the decisions have to be the same.
"""

import importlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.goal import Goal
from bench.harness import SEED, AbsentPeer, Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers
from bench.step_loops import time_hook
from bench.ten_indicators import OFF_MEAN, TenIndicators
from engine.instruments import Instrument
from engine.kernel.kernels import compile_strategy
from ext.dtypes import BOOK_VIEW
from ext.wire import BookState, Side

WARM_UP = 1000

Books = np.ndarray[Any, np.dtype[Any]]
Tick = tuple[int, int, float, float]
"""Best bid and ask in ticks, their mid, lots at the bid."""


class Readings(NamedTuple):
    """The values of one tick."""

    fast: float
    slow: float
    line: float
    signal: float
    mean: float
    rsi: float
    lower: float
    upper: float
    score: float
    atr: float
    volatility: float
    vwap: float


Update = Callable[[Tick], Readings]


def make_books(count: int, seed: int = SEED) -> Books:
    """Books of one level a side that walk about; all within one day of exchange time."""
    source = np.random.default_rng(seed)
    books = np.zeros(WARM_UP + count, BOOK_VIEW)
    books["state"] = BookState.LIVE
    books["bid_levels"] = books["ask_levels"] = 1
    bid = 6_400_000 + source.normal(0.0, 3.0, len(books)).cumsum().round().astype(np.int64)
    books["bid_ticks"][:, 0] = bid
    books["ask_ticks"][:, 0] = bid + source.integers(1, 4, len(books))
    books["bid_lots"][:, 0] = source.integers(1, 90, len(books))
    books["ask_lots"][:, 0] = source.integers(1, 90, len(books))
    books["exchange_time_ns"] = np.arange(len(books))
    return books


def make_ticks(books: Books) -> list[Tick]:
    """What the Python contenders read of the books."""
    bids, asks = books["bid_ticks"][:, 0], books["ask_ticks"][:, 0]
    columns = bids, asks, 0.5 * (bids + asks), books["bid_lots"][:, 0].astype(float)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def decide(tick: Tick, now: Readings) -> int:
    """Side of the order for a tick, 0 for none: the rule of the strategy, in Python."""
    mid = tick[2]
    if abs(mid - now.vwap) >= 500.0 * now.atr or now.volatility * mid >= 25.0 * now.atr:
        return 0
    if now.fast > now.slow and now.line > now.signal and now.rsi < 70.0:
        is_buy = now.mean + OFF_MEAN < mid < now.upper and now.score < 1.5
        return Side.BUY if is_buy else 0
    if now.fast < now.slow and now.line < now.signal and now.rsi > 30.0:
        is_sale = now.lower < mid < now.mean - OFF_MEAN and now.score > -1.5
        return Side.SELL if is_sale else 0
    return 0


def hash_sides(ticks: list[Tick], sides: Sequence[int]) -> int:
    """The hash that the compiled loop gives these decisions."""
    numbers: list[int] = []
    for tick, side in zip(ticks, sides, strict=True):
        numbers += (1, side, tick[1] if side > 0 else tick[0]) if side else (0,)
    return hash_numbers(np.array(numbers, np.int64))


class Kernel:
    """Our contender: the compiled hook, called by pointer."""

    def __init__(self, books: Books) -> None:
        instrument = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"))
        self._strategy = compile_strategy(TenIndicators, instrument, {"warm_up": WARM_UP})
        self._books = books

    def run(self) -> Measurement:
        """Every book once, from the start; the warm-up counts, as it is the same work."""
        self._strategy.reset()
        address = self._strategy.addresses["on_book"]
        total_ns, work_hash = time_hook(address, self._strategy.state, self._books)
        return Measurement(total_ns, len(self._books), work_hash)


def measure_python(make_update: Callable[[list[Tick]], Update], ticks: list[Tick]) -> Measurement:
    """A library: ``make_update`` starts its indicators with the warm-up, which is not timed."""
    update = make_update(ticks[:WARM_UP])
    sides = [0] * WARM_UP
    keep = sides.append
    started_ns = time.perf_counter_ns()
    for tick in ticks[WARM_UP:]:
        keep(decide(tick, update(tick)))
    total_ns = time.perf_counter_ns() - started_ns
    return Measurement(total_ns, len(ticks) - WARM_UP, hash_sides(ticks, sides))


def start_talib(stream: Any, ticks: list[Tick]) -> Update:
    """TA-Lib's stream handles: the C library's own state, one update a tick."""
    bids, asks, mids, lots = (np.array(column, float) for column in zip(*ticks, strict=True))
    returns = np.log(mids[1:] / mids[:-1]) ** 2
    fast, slow = stream.EMA(mids, 12).update, stream.EMA(mids, 48).update
    macd, mean = stream.MACD(mids, 12, 26, 9).update, stream.SMA(mids, 20).update
    rsi, bands = stream.RSI(mids, 14).update, stream.BBANDS(mids, 20, 2.0, 2.0).update
    wide_mean, deviation = stream.SMA(mids, 50).update, stream.STDDEV(mids, 50, 1.0).update
    atr, vwap = stream.ATR(asks, bids, mids, 14).update, stream.VWAP(mids, mids, mids, lots).update
    squares = stream.SUM(returns, 25).update
    previous = mids[-1]

    def update(tick: Tick) -> Readings:
        nonlocal previous
        bid, ask, mid, volume = tick
        line, signal, _ = macd(mid)
        upper, _, lower = bands(mid)
        off, score_unit = mid - wide_mean(mid), deviation(mid)
        score = off / score_unit if score_unit > 0.0 else 0.0
        volatility = math.sqrt(max(squares(math.log(mid / previous) ** 2), 0.0))
        previous = mid
        return Readings(
            *(fast(mid), slow(mid), line, signal, mean(mid), rsi(mid), lower, upper, score),
            *(atr(ask, bid, mid), volatility, vwap(mid, mid, mid, volume)),
        )

    return update


def start_talipp(indicators: Any, ticks: list[Tick]) -> Update:
    """talipp's incremental indicators; for volatility, which it lacks, a mean of squares."""
    bar = importlib.import_module("talipp.ohlcv").OHLCV
    fast, slow, macd = indicators.EMA(12), indicators.EMA(48), indicators.MACD(12, 26, 9)
    mean, rsi, bands = indicators.SMA(20), indicators.RSI(14), indicators.BB(20, 2.0)
    wide_mean, deviation = indicators.SMA(50), indicators.StdDev(50)
    atr, vwap, squares = indicators.ATR(14), indicators.VWAP(), indicators.SMA(25)
    of_mid = (fast, slow, macd, mean, rsi, bands, wide_mean, deviation)
    recent: deque[float] = deque([ticks[0][2]], maxlen=1)

    def add(tick: Tick) -> None:
        bid, ask, mid, volume = tick
        for indicator in of_mid:
            indicator.add(mid)
        atr.add(bar(mid, ask, bid, mid, volume))
        vwap.add(bar(mid, mid, mid, mid, volume))
        squares.add(math.log(mid / recent[0]) ** 2)
        recent.append(mid)

    def update(tick: Tick) -> Readings:
        add(tick)
        band, crossing = bands[-1], macd[-1]
        off, score_unit = tick[2] - wide_mean[-1], deviation[-1]
        return Readings(
            *(fast[-1], slow[-1], crossing.macd, crossing.signal, mean[-1], rsi[-1]),
            *(band.lb, band.ub, off / score_unit if score_unit > 0.0 else 0.0),
            *(atr[-1], math.sqrt(25 * squares[-1]), vwap[-1]),
        )

    for tick in ticks:
        add(tick)
    return update


PEERS = (
    ("TA-Lib stream functions", "TA-Lib", "talib.stream", start_talib),
    ("talipp", "talipp", "talipp.indicators", start_talipp),
)


def make_contenders(books: Books) -> Iterator[Contender | AbsentPeer]:
    """Ours, and the libraries that are installed."""
    ticks = make_ticks(books)
    yield Contender("engine: compiled hook, by pointer", Kernel(books).run, work="decisions")
    for name, package, module, start in PEERS:
        try:
            found = importlib.import_module(module)
        except ImportError:
            yield AbsentPeer(name, package)
            continue
        run = partial(measure_python, partial(start, found), ticks)
        yield Contender(name, run, work="decisions", package=package)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """One walk of the market."""
    books = make_books(size.pick(smoke=2_000, real=50_000))
    contenders = tuple(make_contenders(books))
    yield [Trial("indicators", contenders, baseline=PEERS[0][0], goal=Goal(value=50))]


BENCHMARK = Benchmark("indicators", "ten indicators and one decision on a tick", prepare)
