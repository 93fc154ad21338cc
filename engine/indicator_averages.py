"""Exponential and Wilder averages: EMA, RSI, ATR, MACD.

Each agrees with TA-Lib's batch function over the whole history: seeded with the plain mean of the
first ``period`` inputs, NaN before that. What differs in the last bits, and where TA-Lib has other
rules, stands in ``docs/strategies.md``. An input that is NaN (a book with an empty side) is passed
over: the state and the value stay as they were.
"""

import math
from typing import Any, ClassVar

from engine.kernel.kernel_function import kernel_function
from engine.kernel.strategy_state import Argument, Indicator

# Longer than any sensible average; the alpha 2 / (period + 1) still changes a float64 mean.
MAX_PERIOD = 1_000_000

# Averages of a market that stands still decay for ever. Below this they rest: denormal numbers,
# where it would end, cost a hundred cycles a call, and a ratio of them means nothing.
_STILL = 1e-100


def _ema_fields() -> list[tuple[Any, ...]]:
    return [("period", "i8"), ("count", "i8"), ("alpha", "f8"), ("total", "f8"), ("value", "f8")]


def _initialise_ema(record: Any, period: int) -> None:
    record["period"] = period
    record["alpha"] = 2.0 / (period + 1)
    record["value"] = math.nan


class Ema(Indicator):
    """Exponential moving average with alpha = 2 / (period + 1). Record field: ``value``."""

    arguments: ClassVar = {"period": Argument(None, 1, MAX_PERIOD)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        return _ema_fields()

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        _initialise_ema(record, arguments["period"])


@kernel_function
def ema_update(ema: Any, x: float) -> float:
    """Takes in ``x`` and returns the average; NaN before the ``period``-th input."""
    if math.isnan(x):
        return float(ema.value)
    if ema.count >= ema.period:
        ema.value += ema.alpha * (x - ema.value)
        return float(ema.value)
    ema.count += 1
    ema.total += x
    if ema.count == ema.period:
        ema.value = ema.total / ema.period
    return float(ema.value)


class Rsi(Indicator):
    """Relative strength index by Wilder (1978), 0 to 100. Record field: ``value``."""

    arguments: ClassVar = {"period": Argument(14, 1, MAX_PERIOD)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        floats = ("previous", "gain", "loss", "value")
        return [("period", "i8"), ("count", "i8"), *((name, "f8") for name in floats)]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["period"] = arguments["period"]
        record["value"] = math.nan


@kernel_function
def rsi_update(rsi: Any, x: float) -> float:
    """Takes in ``x`` and returns the index; NaN before the ``period + 1``-th input.

    50 while there was neither gain nor loss: no direction. (TA-Lib says 0 there, which a strategy
    would read as sold out.) Inputs that are equal after others leave the value as it is, however
    many they are.
    """
    if math.isnan(x):
        return float(rsi.value)
    change = x - rsi.previous
    rsi.previous = x
    if rsi.count == 0:
        rsi.count = 1
        return float(rsi.value)
    gain = max(change, 0.0)
    loss = max(-change, 0.0)
    if rsi.count <= rsi.period:
        rsi.count += 1
        rsi.gain += gain
        rsi.loss += loss
        if rsi.count <= rsi.period:
            return float(rsi.value)
        rsi.gain /= rsi.period
        rsi.loss /= rsi.period
    elif change == 0.0 and rsi.gain + rsi.loss <= _STILL:
        return float(rsi.value)
    else:
        rsi.gain += (gain - rsi.gain) / rsi.period
        rsi.loss += (loss - rsi.loss) / rsi.period
    total = rsi.gain + rsi.loss
    rsi.value = 100.0 * (rsi.gain / total) if total > 0.0 else 50.0
    return float(rsi.value)


class Atr(Indicator):
    """Average true range by Wilder (1978), in the unit of its inputs. Record field: ``value``."""

    arguments: ClassVar = {"period": Argument(14, 1, MAX_PERIOD)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        floats = ("previous_close", "average", "value")
        return [("period", "i8"), ("count", "i8"), *((name, "f8") for name in floats)]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["period"] = arguments["period"]
        record["value"] = math.nan


@kernel_function
def atr_update(atr: Any, high: float, low: float, close: float) -> float:
    """Takes in one bar and returns the average; NaN before the ``period + 1``-th bar.

    The first bar has no true range, because it has no close before it.
    """
    if math.isnan(high) or math.isnan(low) or math.isnan(close):
        return float(atr.value)
    true_high = max(float(high), atr.previous_close)
    true_low = min(float(low), atr.previous_close)
    atr.previous_close = close
    if atr.count == 0:
        atr.count = 1
        return float(atr.value)
    true_range = true_high - true_low
    if atr.count <= atr.period:
        atr.count += 1
        atr.average += true_range
        if atr.count <= atr.period:
            return float(atr.value)
        atr.average /= atr.period
    else:
        atr.average += (true_range - atr.average) / atr.period
        if atr.average < _STILL:
            atr.average = 0.0
    atr.value = atr.average
    return float(atr.value)


class Macd(Indicator):
    """Moving average convergence divergence. Record fields: ``line``, ``signal_line``."""

    arguments: ClassVar = {
        "fast": Argument(12, 1, MAX_PERIOD),
        "slow": Argument(26, 1, MAX_PERIOD),
        "signal": Argument(9, 1, MAX_PERIOD),
    }

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        averages = [(name, _ema_fields()) for name in ("fast", "slow", "signal")]
        return [("skip", "i8"), ("line", "f8"), ("signal_line", "f8"), *averages]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["skip"] = arguments["slow"] - arguments["fast"]
        record["line"] = record["signal_line"] = math.nan
        for name in ("fast", "slow", "signal"):
            _initialise_ema(record[name], arguments[name])


@kernel_function
def macd_update(macd: Any, x: float) -> tuple[float, float]:
    """Takes in ``x`` and returns (fast EMA - slow EMA, its EMA).

    The line is NaN before the ``slow``-th input, the signal NaN for ``signal - 1`` inputs more.
    As in TA-Lib both averages are seeded at the same input, so the fast one starts later.
    """
    if math.isnan(x):
        return macd.line, macd.signal_line
    slow = ema_update(macd.slow, x)
    if macd.skip > 0:
        macd.skip -= 1
        return macd.line, macd.signal_line
    macd.line = ema_update(macd.fast, x) - slow
    macd.signal_line = ema_update(macd.signal, macd.line)
    return macd.line, macd.signal_line
