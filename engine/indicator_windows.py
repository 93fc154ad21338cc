"""Statistics of the last ``period`` inputs: SMA, Bollinger bands, z-score, realised volatility.

All keep a ring of the inputs and running sums of their distances from an origin within them, so
that the size of a price costs no digits. The sums are taken anew from the ring once in ``period``
updates, and at once when what is left of them is small against what they were: rounding errors of
a jump that has left the window neither stay nor pile up. An input that is NaN is passed over.
"""

import math
from typing import Any, ClassVar

from engine.kernel.kernel_function import kernel_function
from engine.kernel.strategy_state import MAX_ARRAY_LENGTH, Argument, Indicator

# Sums that fell to a thousandth have lost three of their sixteen digits.
_CANCELLED = 1e-3


class _Window(Indicator):
    arguments: ClassVar = {"period": Argument(20, 1, MAX_ARRAY_LENGTH)}
    results: ClassVar[tuple[str, ...]] = ("value",)
    settings: ClassVar[tuple[str, ...]] = ()

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        sums = ("weight", "origin", "total", "squares", "largest", "mean", "scatter")
        floats = (*sums, *self.results, *self.settings)
        fields: list[tuple[Any, ...]] = [("count", "i8"), ("index", "i8")]
        fields += [(name, "f8") for name in floats]
        return [*fields, ("values", "f8", (arguments["period"],))]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["weight"] = 1.0 / arguments["period"]
        for name in self.results:
            record[name] = math.nan
        for name in self.settings:
            record[name] = arguments[name]


@kernel_function
def _push(window: Any, x: float) -> bool:
    period = len(window.values)
    if window.count < period:
        window.values[window.count] = x
        window.count += 1
        if window.count < period:
            return False
        _refresh(window, window.values[0])
        _refresh(window, window.mean)
        return True
    entering = x - window.origin
    leaving = window.values[window.index] - window.origin
    window.values[window.index] = x
    window.index += 1
    window.total += entering - leaving
    window.squares += (entering - leaving) * (entering + leaving)
    window.largest = max(window.largest, window.squares)
    _conclude(window)
    if window.index == period:
        window.index = 0
        _refresh(window, window.mean)
    elif window.scatter < _CANCELLED * window.largest:
        _refresh(window, window.mean)
    return True


@kernel_function
def _refresh(window: Any, origin: float) -> None:
    window.origin = origin
    window.total = 0.0
    window.squares = 0.0
    for i in range(len(window.values)):
        distance = window.values[i] - origin
        window.total += distance
        window.squares += distance * distance
    window.largest = window.squares
    _conclude(window)


@kernel_function
def _conclude(window: Any) -> None:
    mean_distance = window.total * window.weight
    window.mean = window.origin + mean_distance
    window.scatter = window.squares - window.total * mean_distance


@kernel_function
def _deviation(window: Any) -> float:
    return math.sqrt(max(window.scatter, 0.0) * window.weight)


class Sma(_Window):
    """Simple moving average. Record field: ``value``."""


@kernel_function
def sma_update(sma: Any, x: float) -> float:
    """Takes in ``x`` and returns the mean of the window; NaN before the ``period``-th input."""
    if not math.isnan(x) and _push(sma, x):
        sma.value = sma.mean
    return float(sma.value)


class Bollinger(_Window):
    """Bollinger bands. Record fields: ``lower``, ``middle``, ``upper``."""

    arguments: ClassVar = {
        "period": Argument(20, 1, MAX_ARRAY_LENGTH),
        "width": Argument(2.0, 0.0, 100.0),
    }
    results = ("lower", "middle", "upper")
    settings = ("width",)


@kernel_function
def bollinger_update(bands: Any, x: float) -> tuple[float, float, float]:
    """Takes in ``x`` and returns (lower, middle, upper); NaN before the ``period``-th input.

    The bands lie ``width`` standard deviations (of the population, as in TA-Lib) off the mean.
    """
    if not math.isnan(x) and _push(bands, x):
        reach = bands.width * _deviation(bands)
        bands.middle = bands.mean
        bands.lower = bands.mean - reach
        bands.upper = bands.mean + reach
    return bands.lower, bands.middle, bands.upper


class ZScore(_Window):
    """Standard deviations between the last input and the mean. Record field: ``value``."""


@kernel_function
def zscore_update(zscore: Any, x: float) -> float:
    """Takes in ``x`` and returns its z-score in the window that it is part of.

    NaN before the ``period``-th input; 0 when all inputs of the window are equal.
    """
    if not math.isnan(x) and _push(zscore, x):
        deviation = _deviation(zscore)
        # A sum of squares below rounding is that of equal inputs.
        is_flat = deviation <= 1e-12 * abs(zscore.mean)
        zscore.value = 0.0 if is_flat else (x - zscore.mean) / deviation
    return float(zscore.value)


class RealisedVolatility(_Window):
    """Root of the summed squared log returns of the window. Record field: ``value``."""

    settings = ("previous",)

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        super().initialise(record, previous=math.nan, **arguments)


@kernel_function
def realised_volatility_update(volatility: Any, price: float) -> float:
    """Takes in a price (above 0, any unit) and returns the volatility over ``period`` returns.

    NaN before the ``period + 1``-th price. Not annualised: 0.01 is one percent per window.
    """
    if math.isnan(price) or price <= 0.0:
        return float(volatility.value)
    ratio = price / volatility.previous
    volatility.previous = price
    if not math.isnan(ratio) and _push(volatility, math.log(ratio) ** 2):
        volatility.value = math.sqrt(max(volatility.mean, 0.0) * len(volatility.values))
    return float(volatility.value)
