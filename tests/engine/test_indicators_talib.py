"""Every indicator that TA-Lib has too, against its batch result over long series.

Three series: a walk in whole ticks, noise without any trend, whose sums cancel most, and recorded
trades. Differences are in units of the last binary digit of the largest input (``DIGIT``), since
that is where both round; the bounds are what was measured, rounded up. Where the two differ by
more than rounding, or TA-Lib rounds more than we do, the same numbers in long doubles say who is
right. ``docs/strategies.md`` holds the table.
"""

import math
import os
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import orjson
import pytest

from engine import indicators as ind
from engine.strategy import Params, State
from feeds.recording import Recording

talib = pytest.importorskip("talib", reason="TA-Lib is not installed: make setup, or pip install")

Array = np.ndarray[Any, Any]

RECORDING = (
    Path(__file__).parents[2]
    / os.environ.get("WOW_DATA", "../shared/data")
    / "binance_usdm/btcusdt_20240808.gz"
)
COUNT = 100_000
DIGIT = 2.0**-52
PERIODS = [2, 14, 48, 500]


@cache
def load(name: str) -> Array:
    generator = np.random.default_rng(7)
    if name == "walk":
        return 6_000_000 + generator.normal(0.0, 40.0, COUNT).cumsum().round()
    if name == "noise":
        return generator.uniform(1.0, 1e6, COUNT)
    if not RECORDING.is_file():
        pytest.skip(f"no recorded trades at {RECORDING}; set WOW_DATA")
    payloads = (frame.payload for frame in Recording(RECORDING).frames())
    trades = (orjson.loads(payload)["data"] for payload in payloads if b'"e":"trade"' in payload)
    return np.array([float(trade["p"]) for trade in trades])


@pytest.fixture(params=["walk", "noise", "recorded"])
def series(request: pytest.FixtureRequest) -> Array:
    return load(request.param)


@cache
def compiled_loop(update: Callable[..., Any], column_count: int) -> Any:
    def one_column(state: Any, out: Any, first: Any) -> None:
        for i in range(len(first)):
            out[i] = update(state[0].x, first[i])

    def three_columns(state: Any, out: Any, first: Any, second: Any, third: Any) -> None:
        for i in range(len(first)):
            out[i] = update(state[0].x, first[i], second[i], third[i])

    return numba.njit(error_model="numpy")(one_column if column_count == 1 else three_columns)


def run(update: Callable[..., Any], field: Any, *columns: Array, width: int = 1) -> Array:
    """Results of the compiled update, one row for each input."""
    out = np.zeros((len(columns[0]), width) if width > 1 else len(columns[0]))
    compiled_loop(update, len(columns))(State(x=field).bind(Params(), {}), out, *columns)
    return out


def digits(ours: Array, theirs: Array, scale: float) -> float:
    """The largest difference in DIGITs of ``scale``; both must be NaN at the same inputs."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    return float(np.nanmax(np.abs(ours - theirs)) / (DIGIT * scale))


def exact_windows(values: Array, period: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(values.astype(np.longdouble), period)


def exact_deviation(values: Array, period: int) -> Array:
    """Of the population, in two passes over each window, in long doubles."""
    seen = exact_windows(values, period)
    result = np.full(len(values), math.nan)
    for start in range(0, len(seen), 4096):  # a copy of every window at once would be large
        part = seen[start : start + 4096]
        squares = (part - part.mean(axis=1)[:, None]) ** 2
        end = start + len(part)
        result[period - 1 + start : period - 1 + end] = np.sqrt(squares.mean(axis=1))
    return result


@pytest.mark.parametrize("period", [1, *PERIODS])
def test_ema(series: Array, period: int) -> None:
    ours = run(ind.ema_update, ind.Ema(period=period), series)
    assert digits(ours, talib.EMA(series, period), series.max()) <= 1.1


def test_ema_differs_by_the_rounding_that_a_fused_multiply_and_add_saves() -> None:
    values = load("noise")[:2000]
    plain, fused = np.full((2, len(values)), math.nan)
    alpha = 2 / 15
    plain[13] = fused[13] = sum(values[:14].tolist()) / 14
    for i, x in enumerate(values[14:].tolist(), 14):
        plain[i] = plain[i - 1] + alpha * (x - plain[i - 1])
        fused[i] = Fraction(alpha) * Fraction(x - fused[i - 1]) + Fraction(fused[i - 1])
    np.testing.assert_array_equal(run(ind.ema_update, ind.Ema(period=14), values), plain)
    theirs = talib.EMA(values, 14)
    # Which of the two its compiler made depends on the processor that the wheel is for.
    assert any(np.array_equal(theirs, way, equal_nan=True) for way in (plain, fused))


def unchanged_run(values: Array) -> Array:
    """How many inputs in a row, up to each, were equal to the one before them."""
    result = np.zeros(len(values), np.int64)
    for i in range(1, len(values)):
        result[i] = result[i - 1] + 1 if values[i] == values[i - 1] else 0
    return result


@pytest.mark.parametrize("period", PERIODS)
def test_rsi(series: Array, period: int) -> None:
    ours = run(ind.rsi_update, ind.Rsi(period=period), series)
    theirs = talib.RSI(series, period)
    # Theirs lets gain and loss decay to denormal numbers, whose ratio means nothing.
    is_lost = unchanged_run(series) > -300 / math.log10((period - 1) / period)
    theirs[is_lost] = ours[is_lost]
    has_moved = np.maximum.accumulate(series != series[0])
    theirs[(theirs == 0.0) & ~has_moved] = 50.0
    assert is_lost.sum() < len(series) / 10
    assert digits(ours, theirs, 100.0) <= 15


def test_rsi_of_a_market_that_stands_still() -> None:
    values = np.r_[5.0, 6.0, 5.5, np.full(3000, 5.5)]
    ours = run(ind.rsi_update, ind.Rsi(period=3), values)
    theirs = talib.RSI(values, 3)
    assert digits(ours[:1000], theirs[:1000], 100.0) <= 15
    assert set(ours[1000:]) == {ours[999]} != set(theirs[1000:]), "theirs ends in other numbers"
    never_moved = np.full(10, 5.5)
    assert set(run(ind.rsi_update, ind.Rsi(period=3), never_moved)[3:]) == {50.0}
    assert set(talib.RSI(never_moved, 3)[3:]) == {0.0}


@pytest.mark.parametrize("period", [1, *PERIODS])
def test_atr(series: Array, period: int) -> None:
    generator = np.random.default_rng(11)
    high = series * (1 + generator.uniform(0, 1e-3, len(series)))
    low = series * (1 - generator.uniform(0, 1e-3, len(series)))
    ours = run(ind.atr_update, ind.Atr(period=period), high, low, series)
    assert digits(ours, talib.ATR(high, low, series, period), series.max()) <= 2


@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (5, 35, 5), (100, 500, 50)])
def test_macd(series: Array, fast: int, slow: int, signal: int) -> None:
    field = ind.Macd(fast=fast, slow=slow, signal=signal)
    line, signal_line = run(ind.macd_update, field, series, width=2).T
    their_line, their_signal, _ = talib.MACD(series, fast, slow, signal)
    hidden = slice(slow - 1, slow + signal - 2)
    assert not np.isnan(line[hidden]).any(), "ours shows the line as soon as there is one"
    line[hidden] = math.nan
    assert digits(line, their_line, series.max()) <= 2
    assert digits(signal_line, their_signal, series.max()) <= 2


@pytest.mark.parametrize("period", [1, *PERIODS])
def test_sma(series: Array, period: int) -> None:
    ours = run(ind.sma_update, ind.Sma(period=period), series)
    theirs = talib.SMA(series, period)
    exact = np.full(len(series), math.nan)
    exact[period - 1 :] = exact_windows(series, period).mean(axis=1)
    assert digits(ours, exact, series.max()) <= 1
    # Theirs adds and subtracts in one running sum from the first input to the last.
    assert digits(ours, theirs, series.max()) <= 160


@pytest.mark.parametrize("period", PERIODS)
def test_bollinger_and_standard_deviation(series: Array, period: int) -> None:
    field = ind.Bollinger(period=period, width=2.0)
    lower, middle, upper = run(ind.bollinger_update, field, series, width=3).T
    exact = exact_deviation(series, period)
    scale = series.max()
    theirs = talib.STDDEV(series, period)
    ours_off, theirs_off = (
        digits(deviation, exact, scale) for deviation in ((upper - lower) / 4, theirs)
    )
    # Two almost equal inputs behind a jump of a million: their digits were the jump's.
    jumps = period == 2 and theirs_off > 1000
    assert ours_off <= (15 if jumps else 4)
    assert theirs_off <= (12_000 if jumps else 25)
    # Their bands add the drift of the running mean to that of the deviation.
    bands = talib.BBANDS(series, period, 2, 2)
    for ours, theirs in zip((upper, middle, lower), bands, strict=True):
        assert digits(ours, theirs, scale) <= (24_000 if jumps else 160)


@pytest.mark.parametrize("period", PERIODS)
def test_zscore(series: Array, period: int) -> None:
    ours = run(ind.zscore_update, ind.ZScore(period=period), series)
    deviation = exact_deviation(series, period)
    mean = np.full(len(series), math.nan)
    mean[period - 1 :] = exact_windows(series, period).mean(axis=1)
    is_flat = deviation == 0.0
    assert (ours[is_flat] == 0.0).all(), "all inputs of the window are equal"
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = (series - mean) / deviation
        theirs = (series - talib.SMA(series, period)) / talib.STDDEV(series, period)
    # A mean that is off by one digit of the inputs is off by so many deviations.
    used = ~is_flat & ~np.isnan(deviation)
    digit = DIGIT * series.max() / deviation[used]
    jumps = period == 2 and series is load("noise")
    assert (np.abs(ours - exact)[used] <= (15 if jumps else 5) * digit).all()
    assert (np.abs(ours - theirs)[used] <= (12_000 if jumps else 160) * digit).all()


def test_realised_volatility_against_their_sum(series: Array) -> None:
    period = 25
    ours = run(ind.realised_volatility_update, ind.RealisedVolatility(period=period), series)
    squares = np.log(series[1:] / series[:-1]) ** 2
    exact, theirs = np.full((2, len(series)), math.nan)
    exact[period:] = exact_windows(squares, period).sum(axis=1)
    theirs[1:] = talib.SUM(squares, period)
    assert digits(ours**2, exact, squares.max()) <= 5
    assert digits(ours**2, theirs, squares.max()) <= 110


def test_vwap_within_one_interval(series: Array) -> None:
    quantity = np.random.default_rng(5).uniform(0.1, 5.0, len(series))
    ours = run(ind.vwap_update, ind.Vwap(), series, quantity, np.arange(len(series)))
    # Theirs weights (high + low + close) / 3 of bars; a trade is a bar of one price.
    assert digits(ours, talib.VWAP(series, series, series, quantity), series.max()) <= 1.1
