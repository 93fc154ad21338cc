"""Indicators of volume and order flow: VWAP, trade flow, order flow imbalance."""

import math
from typing import Any, ClassVar

import numpy as np

from engine.kernel.kernel_function import kernel_function
from engine.kernel.strategy_state import MAX_ARRAY_LENGTH, Argument, Indicator

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_DAY_MS = 86_400_000


class Vwap(Indicator):
    """Volume weighted average price since the last multiple of ``interval_ms`` (default: midnight
    UTC) of exchange time. Record fields: ``value``, ``volume``.
    """

    arguments: ClassVar = {"interval_ms": Argument(_DAY_MS, 1, 366 * _DAY_MS)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        integers = ("interval_ns", "next_interval_ns")
        floats = ("notional", "volume", "value")
        return [*((name, "i8") for name in integers), *((name, "f8") for name in floats)]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["interval_ns"] = arguments["interval_ms"] * _NANOSECONDS_PER_MILLISECOND
        record["next_interval_ns"] = np.iinfo(np.int64).min
        record["value"] = math.nan


@kernel_function
def vwap_update(vwap: Any, price: float, quantity: float, exchange_time_ns: int) -> float:
    """Takes in one trade and returns the average price; NaN before the first trade.

    The first trade of a new interval starts the sums anew.
    """
    if math.isnan(price) or not quantity > 0:
        return float(vwap.value)
    if exchange_time_ns >= vwap.next_interval_ns:
        vwap.next_interval_ns = (exchange_time_ns // vwap.interval_ns + 1) * vwap.interval_ns
        vwap.notional = 0.0
        vwap.volume = 0.0
    vwap.notional += price * quantity
    vwap.volume += quantity
    vwap.value = vwap.notional / vwap.volume
    return float(vwap.value)


class TradeFlow(Indicator):
    """Which side takes: bought minus sold over bought plus sold, from -1 to 1, where a trade's
    weight halves every ``half_life_ms`` of exchange time. Record field: ``value``.
    """

    arguments: ClassVar = {"half_life_ms": Argument(1000, 1, _DAY_MS)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        floats = ("decay_per_ns", "bought", "sold", "value")
        return [("last_time_ns", "i8"), *((name, "f8") for name in floats)]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        half_life_ns = arguments["half_life_ms"] * _NANOSECONDS_PER_MILLISECOND
        record["decay_per_ns"] = math.log(2.0) / half_life_ns
        record["value"] = math.nan


@kernel_function
def trade_flow_update(flow: Any, trade: Any) -> float:
    """Takes in a trade record and returns the flow; NaN before the first trade.

    A trade stamped earlier than the one before it counts as simultaneous.
    """
    elapsed_ns = trade.exchange_time_ns - flow.last_time_ns
    if elapsed_ns > 0:
        weight = math.exp(-flow.decay_per_ns * elapsed_ns)
        flow.bought *= weight
        flow.sold *= weight
        flow.last_time_ns = trade.exchange_time_ns
    if trade.aggressor_side > 0:
        flow.bought += trade.quantity_lots
    else:
        flow.sold += trade.quantity_lots
    total = flow.bought + flow.sold
    if total > 0.0:
        flow.value = (flow.bought - flow.sold) / total
    return float(flow.value)


class OrderFlowImbalance(Indicator):
    """Net lots added at the touch over the last ``period`` book changes, after Cont, Kukanov and
    Stoikov, "The Price Impact of Order Book Events" (2014), eq. 2. Record field: ``value``.
    """

    arguments: ClassVar = {"period": Argument(100, 1, MAX_ARRAY_LENGTH)}

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record."""
        integers = ("count", "index", "total", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
        fields: list[tuple[Any, ...]] = [(name, "i8") for name in integers]
        return [*fields, ("value", "f8"), ("values", "i8", (arguments["period"],))]

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Before the first update."""
        record["count"] = -1
        record["value"] = math.nan


@kernel_function
def order_flow_imbalance_update(flow: Any, book: Any) -> float:
    """Takes in the book and returns net lots: positive when buyers add or sellers leave.

    NaN before ``period + 1`` books. A book with an empty side is passed over.
    """
    if book.bid_levels == 0 or book.ask_levels == 0:
        return float(flow.value)
    bid_ticks, bid_lots = book.bid_ticks[0], book.bid_lots[0]
    ask_ticks, ask_lots = book.ask_ticks[0], book.ask_lots[0]
    change = 0
    if bid_ticks >= flow.bid_ticks:
        change += bid_lots
    if bid_ticks <= flow.bid_ticks:
        change -= flow.bid_lots
    if ask_ticks <= flow.ask_ticks:
        change -= ask_lots
    if ask_ticks >= flow.ask_ticks:
        change += flow.ask_lots
    flow.bid_ticks, flow.bid_lots = bid_ticks, bid_lots
    flow.ask_ticks, flow.ask_lots = ask_ticks, ask_lots
    if flow.count < 0:
        flow.count = 0
        return float(flow.value)
    period = len(flow.values)
    flow.total += change - flow.values[flow.index]
    flow.values[flow.index] = change
    flow.index = 0 if flow.index + 1 == period else flow.index + 1
    flow.count = min(flow.count + 1, period)
    if flow.count == period:
        flow.value = float(flow.total)
    return float(flow.value)
