"""Every indicator against the obvious O(n) formula over the whole history, in both forms."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest

from engine import indicators as ind
from engine.kernel.python_hooks import structure_of
from engine.strategy import Params, State
from ext.dtypes import BOOK_VIEW, TRADE
from ext.errors import ConfigError, UsageError

Array = np.ndarray[Any, Any]

PRICES = 6_000_000 + np.random.default_rng(7).normal(0.0, 40.0, 700).cumsum().round()


def bound(field: Any, **parameters: int) -> Array:
    params = Params(**parameters)
    return State(x=field).bind(params, parameters)


def run(update: Callable[..., Any], field: Any, *inputs: Sequence[float] | Array) -> Array:
    """Results of the compiled update, which must equal those of the plain Python one."""
    columns = [np.asarray(column) for column in inputs]
    plain_state = bound(field)
    plain = structure_of(plain_state.dtype).from_address(plain_state.ctypes.data)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    expected = np.array([update(plain.x, *row) for row in rows])
    compiled = np.array(compiled_loop(update, len(columns))(bound(field), *columns))
    np.testing.assert_array_equal(compiled, expected)
    return compiled


@cache
def compiled_loop(update: Callable[..., Any], column_count: int) -> Any:
    def one_column(state: Any, first: Any) -> Any:
        return [update(state[0].x, first[i]) for i in range(len(first))]

    def three_columns(state: Any, first: Any, second: Any, third: Any) -> Any:
        x = state[0].x
        return [update(x, first[i], second[i], third[i]) for i in range(len(first))]

    return numba.njit(error_model="numpy")(one_column if column_count == 1 else three_columns)


def reference_ema(values: Array, period: int) -> Array:
    result = np.full(len(values), math.nan)
    result[period - 1] = values[:period].mean()
    for i in range(period, len(values)):
        result[i] = result[i - 1] + 2 / (period + 1) * (values[i] - result[i - 1])
    return result


def reference_wilder(values: Array, period: int) -> Array:
    result = np.full(len(values), math.nan)
    result[period - 1] = values[:period].mean()
    for i in range(period, len(values)):
        result[i] = (result[i - 1] * (period - 1) + values[i]) / period
    return result


def assert_close(result: Array, reference: Array, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(result, reference, rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("period", [1, 2, 48])
def test_ema(period: int) -> None:
    result = run(ind.ema_update, ind.Ema(period=period), PRICES)
    assert_close(result, reference_ema(PRICES, period))


@pytest.mark.parametrize("period", [1, 14])
def test_rsi(period: int) -> None:
    change = np.diff(PRICES)
    gain = reference_wilder(change.clip(0), period)
    loss = reference_wilder((-change).clip(0), period)
    with np.errstate(invalid="ignore"):
        expected = np.where(gain + loss == 0, 50.0, 100 * gain / (gain + loss))
    result = run(ind.rsi_update, ind.Rsi(period=period), PRICES)
    assert math.isnan(result[0])
    assert_close(result[1:], expected)


def test_rsi_of_the_textbook() -> None:
    """Wilder's 14 period example as in StockCharts' ChartSchool "Relative Strength Index"."""
    closes = [44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433]
    closes += [46.0826, 45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328]
    result = run(ind.rsi_update, ind.Rsi(), np.array(closes))
    assert np.isnan(result[:14]).all()
    assert result[14:].round(2).tolist() == [70.53, 66.32, 66.55]


def test_rsi_of_a_market_that_stands_still() -> None:
    result = run(ind.rsi_update, ind.Rsi(period=3), [5.0] * 6)
    assert np.isnan(result[:3]).all()
    assert result[3:].tolist() == [50.0] * 3


def test_a_still_market_keeps_its_rsi_and_ends_without_a_range() -> None:
    prices = np.array([5.0, 6.0, 5.5, 7.0] + [7.0] * 2000)
    rsi = run(ind.rsi_update, ind.Rsi(period=2), prices)
    assert rsi[3] not in {0.0, 50.0, 100.0}
    np.testing.assert_allclose(rsi[3:], rsi[3], rtol=1e-12)
    atr = run(ind.atr_update, ind.Atr(period=2), prices, prices, prices)
    assert (np.diff(atr[3:]) <= 0.0).all()
    assert atr[-1] == 0.0
    assert atr[atr > 0.0].min() > 1e-101, "no denormal number on the way"


@pytest.mark.parametrize("period", [1, 14])
def test_atr(period: int) -> None:
    generator = np.random.default_rng(3)
    close = PRICES
    high = close + generator.integers(0, 50, len(close))
    low = close - generator.integers(0, 50, len(close))
    previous = close[:-1]
    true_range = np.maximum(high[1:], previous) - np.minimum(low[1:], previous)
    result = run(ind.atr_update, ind.Atr(period=period), high, low, close)
    assert math.isnan(result[0])
    assert_close(result[1:], reference_wilder(true_range, period))


def test_macd() -> None:
    result = run(ind.macd_update, ind.Macd(fast=12, slow=26, signal=9), PRICES)
    slow = reference_ema(PRICES, 26)
    fast = np.r_[[math.nan] * 14, reference_ema(PRICES[14:], 12)]
    line = fast - slow
    signal = np.r_[[math.nan] * 25, reference_ema(line[25:], 9)]
    np.testing.assert_allclose(result[:, 0], line, rtol=1e-10, atol=1e-7)
    np.testing.assert_allclose(result[:, 1], signal, rtol=1e-10, atol=1e-7)
    assert not np.isnan(result[33]).any()
    assert np.isnan(result[32, 1])


def windows(values: Array, period: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(values, period)


@pytest.mark.parametrize("period", [1, 2, 20, 333])
def test_sma(period: int) -> None:
    result = run(ind.sma_update, ind.Sma(period=period), PRICES)
    assert np.isnan(result[: period - 1]).all()
    assert_close(result[period - 1 :], windows(PRICES, period).mean(axis=1), 1e-14)


def test_bollinger() -> None:
    result = run(ind.bollinger_update, ind.Bollinger(period=20, width=2.5), PRICES)
    assert np.isnan(result[:19]).all()
    seen = windows(PRICES, 20)
    reach = 2.5 * seen.std(axis=1)
    assert_close(result[19:, 0], seen.mean(axis=1) - reach)
    assert_close(result[19:, 1], seen.mean(axis=1))
    assert_close(result[19:, 2], seen.mean(axis=1) + reach)


def test_zscore() -> None:
    result = run(ind.zscore_update, ind.ZScore(period=30), PRICES)
    seen = windows(PRICES, 30)
    expected = (seen[:, -1] - seen.mean(axis=1)) / seen.std(axis=1)
    np.testing.assert_allclose(result[29:], expected, rtol=1e-6, atol=1e-6)


def test_zscore_of_equal_inputs_is_zero() -> None:
    values = [*PRICES[:10], *[6_000_000.0] * 30]
    assert run(ind.zscore_update, ind.ZScore(period=10), values)[-10:].tolist() == [0.0] * 10


def test_a_jump_leaves_no_rounding_error_behind() -> None:
    """The worst case of running sums: a price far off, once, then tiny moves."""
    quiet = 0.1 * np.random.default_rng(3).integers(0, 9, 200)
    values = np.r_[50_000 + quiet[:100], 1e9, 50_000 + quiet[100:]]
    deviation = np.diff(run(ind.bollinger_update, ind.Bollinger(period=30, width=1.0), values))
    expected = windows(values, 30).std(axis=1)
    assert_close(deviation[29:, 0], expected, 1e-9)
    mean = run(ind.sma_update, ind.Sma(period=30), values)[29:]
    assert_close(mean, windows(values, 30).mean(axis=1), 1e-15)


def test_realised_volatility() -> None:
    result = run(ind.realised_volatility_update, ind.RealisedVolatility(period=25), PRICES)
    squares = windows(np.diff(np.log(PRICES)) ** 2, 25)
    assert np.isnan(result[:25]).all()
    assert_close(result[25:], np.sqrt(squares.sum(axis=1)), 1e-8)


def test_vwap_starts_anew_with_each_interval() -> None:
    quantity = np.random.default_rng(5).integers(1, 90, len(PRICES))
    time_ns = np.arange(len(PRICES)) * 10_000_000
    result = [
        vwap
        for start in range(0, len(PRICES), 100)
        for vwap in (
            (PRICES * quantity)[start : start + 100].cumsum()
            / quantity[start : start + 100].cumsum()
        )
    ]
    vwap = ind.Vwap(interval_ms=1000)
    assert_close(run(ind.vwap_update, vwap, PRICES, quantity, time_ns), np.array(result))


@pytest.mark.parametrize(
    ("update", "field"),
    [
        (ind.ema_update, ind.Ema(period=5)),
        (ind.rsi_update, ind.Rsi(period=5)),
        (ind.sma_update, ind.Sma(period=5)),
        (ind.zscore_update, ind.ZScore(period=5)),
        (ind.realised_volatility_update, ind.RealisedVolatility(period=5)),
    ],
)
def test_nan_is_passed_over(update: Any, field: Any) -> None:
    clean = PRICES[:40]
    dirty = np.insert(clean, [0, 3, 20], math.nan)
    result = np.delete(run(update, field, dirty), [0, 4, 22])
    np.testing.assert_array_equal(result, run(update, field, clean))


def make_trades() -> Array:
    generator = np.random.default_rng(11)
    trades = np.zeros(300, TRADE)
    trades["quantity_lots"] = generator.integers(1, 50, 300)
    trades["aggressor_side"] = generator.choice([-1, 1], 300)
    trades["exchange_time_ns"] = 10**18 + generator.integers(0, 10**7, 300).cumsum()
    return trades


@numba.njit(error_model="numpy")
def _trade_flow(state: Any, trades: Any) -> Any:
    return [ind.trade_flow_update(state[0].x, trades[i]) for i in range(len(trades))]


def test_trade_flow() -> None:
    trades = make_trades()
    time_ns, signed = trades["exchange_time_ns"], trades["aggressor_side"]
    expected = []
    for i in range(len(trades)):
        age_ns = time_ns[i] - time_ns[: i + 1]
        weight = trades["quantity_lots"][: i + 1] * 0.5 ** (age_ns / 50e6)
        expected.append((weight * signed[: i + 1]).sum() / weight.sum())
    state = bound(ind.TradeFlow(half_life_ms=50))
    assert math.isnan(state["x"]["value"][0])
    assert_close(np.array(_trade_flow(state, trades)), np.array(expected), 1e-9)


def make_books(count: int) -> Array:
    generator = np.random.default_rng(13)
    books = np.zeros(count, BOOK_VIEW)
    books["bid_levels"] = books["ask_levels"] = 10
    bid = 10_000 + generator.integers(-1, 2, count).cumsum()
    books["bid_ticks"] = bid[:, None] - np.arange(10)
    books["ask_ticks"] = (bid + generator.integers(1, 3, count))[:, None] + np.arange(10)
    books["bid_lots"] = generator.integers(1, 90, (count, 10))
    books["ask_lots"] = generator.integers(1, 90, (count, 10))
    return books


@numba.njit(error_model="numpy")
def _order_flow(state: Any, books: Any) -> Any:
    return [ind.order_flow_imbalance_update(state[0].x, books[i]) for i in range(len(books))]


def test_order_flow_imbalance() -> None:
    books = make_books(200)
    books["ask_levels"][50] = 0  # a book with an empty side counts for nothing
    used = np.delete(books, 50)
    bid, bid_lots = used["bid_ticks"][:, 0], used["bid_lots"][:, 0]
    ask, ask_lots = used["ask_ticks"][:, 0], used["ask_lots"][:, 0]
    change = (
        np.where(bid[1:] >= bid[:-1], bid_lots[1:], 0)
        - np.where(bid[1:] <= bid[:-1], bid_lots[:-1], 0)
        - np.where(ask[1:] <= ask[:-1], ask_lots[1:], 0)
        + np.where(ask[1:] >= ask[:-1], ask_lots[:-1], 0)
    )
    result = np.array(_order_flow(bound(ind.OrderFlowImbalance(period=10)), books))
    assert result[50] == result[49]
    result = np.delete(result, 50)
    assert np.isnan(result[:10]).all()
    np.testing.assert_array_equal(result[10:], windows(change, 10).sum(axis=1))


@numba.njit(error_model="numpy")
def _readings(book: Any, levels: int) -> Any:
    return ind.microprice(book), ind.mid_price(book), ind.spread(book), ind.imbalance(book, levels)


def test_readings_of_the_book() -> None:
    for book in make_books(20):
        bid, ask = float(book["bid_ticks"][0]), float(book["ask_ticks"][0])
        bid_lots, ask_lots = book["bid_lots"], book["ask_lots"]
        share = bid_lots[0] / (bid_lots[0] + ask_lots[0])
        for levels in (1, 3, 10, 99):
            bids, asks = bid_lots[:levels].sum(), ask_lots[:levels].sum()
            microprice, mid, spread, imbalance = _readings(book, levels)
            assert microprice == pytest.approx(bid + (ask - bid) * share)
            assert (mid, spread) == ((bid + ask) / 2, ask - bid)
            assert imbalance == pytest.approx((bids - asks) / (bids + asks))


@pytest.mark.parametrize("side", ["bid_levels", "ask_levels"])
def test_readings_of_an_empty_side_are_nan(side: str) -> None:
    book = make_books(1)[0]
    book[side] = 0
    microprice, mid, spread, imbalance = _readings(book, 5)
    assert all(math.isnan(value) for value in (microprice, mid, spread))
    assert imbalance == (-1.0 if side == "bid_levels" else 1.0)
    book["bid_levels"] = book["ask_levels"] = 0
    assert math.isnan(_readings(book, 5)[3])


def test_period_from_a_parameter_of_another_name() -> None:
    assert bound(ind.Ema(period="fast"), fast=9)["x"]["alpha"][0] == 0.2


def test_bare_indicator_takes_the_parameter_of_its_own_name_or_the_default() -> None:
    assert bound(ind.Ema, x=9)["x"]["alpha"][0] == 0.2
    assert bound(ind.Rsi)["x"]["period"][0] == 14


@pytest.mark.parametrize(
    ("field", "parameters", "message"),
    [
        (ind.Ema, {}, r"state x: Ema\(period=…\) is missing; use a whole number from 1 to"),
        (ind.Ema(period=0), {}, r"was 0; use a whole number from 1 to 1000000"),
        (ind.Ema(period="fsat"), {"fast": 3}, "no parameter 'fsat'; did you mean 'fast'?"),
        (ind.Sma(period="n"), {"n": 4097}, "from parameter n was 4097; use .* to 4096"),
    ],
)
def test_period_that_cannot_be_used(field: Any, parameters: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bound(field, **parameters)


def test_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"Ema has no argument 'perod'; did you mean 'period'"):
        ind.Ema(perod=3)
