"""Everything a hook can measure: readings of the book, and indicators that keep state.

An indicator is a record in the strategy's state (``State(fast=Ema(period="fast"))``) and an update
function that takes it in (``ema_update(state.fast, price)``) and returns the new value; the record
keeps the value for the other hooks. Nothing allocates. Values are NaN until warmed up: each
update says when, and every comparison with NaN is false.
"""

import math
from typing import Any

from engine.indicator_averages import (
    Atr,
    Ema,
    Macd,
    Rsi,
    atr_update,
    ema_update,
    macd_update,
    rsi_update,
)
from engine.indicator_flow import (
    OrderFlowImbalance,
    TradeFlow,
    Vwap,
    order_flow_imbalance_update,
    trade_flow_update,
    vwap_update,
)
from engine.indicator_windows import (
    Bollinger,
    RealisedVolatility,
    Sma,
    ZScore,
    bollinger_update,
    realised_volatility_update,
    sma_update,
    zscore_update,
)
from engine.kernel_function import kernel_function

__all__ = [
    "Atr",
    "Bollinger",
    "Ema",
    "Macd",
    "OrderFlowImbalance",
    "RealisedVolatility",
    "Rsi",
    "Sma",
    "TradeFlow",
    "Vwap",
    "ZScore",
    "atr_update",
    "bollinger_update",
    "ema_update",
    "imbalance",
    "macd_update",
    "microprice",
    "mid_price",
    "order_flow_imbalance_update",
    "realised_volatility_update",
    "rsi_update",
    "sma_update",
    "spread",
    "trade_flow_update",
    "vwap_update",
    "zscore_update",
]


@kernel_function
def spread(book: Any) -> float:
    """Best ask minus best bid in ticks; NaN when a side is empty."""
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    return float(book.ask_ticks[0] - book.bid_ticks[0])


@kernel_function
def mid_price(book: Any) -> float:
    """Mean of best bid and ask in ticks; NaN when a side is empty."""
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    return 0.5 * float(book.bid_ticks[0] + book.ask_ticks[0])


@kernel_function
def microprice(book: Any) -> float:
    """Best bid and ask in ticks, each weighted with the quantity of the other side.

    It leans to the side with less quantity, where the next move goes. NaN when a side is empty.
    """
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    bid_lots, ask_lots = float(book.bid_lots[0]), float(book.ask_lots[0])
    weighted = float(book.bid_ticks[0]) * ask_lots + float(book.ask_ticks[0]) * bid_lots
    return weighted / (bid_lots + ask_lots)


@kernel_function
def imbalance(book: Any, levels: int) -> float:
    """(bid - ask) / (bid + ask) of the lots in the first ``levels`` levels, from -1 to 1.

    At most ``Bound.BOOK_VIEW_LEVELS`` levels are seen. NaN when both sides are empty.
    """
    bid_lots = 0
    for i in range(min(levels, book.bid_levels)):
        bid_lots += book.bid_lots[i]
    ask_lots = 0
    for i in range(min(levels, book.ask_levels)):
        ask_lots += book.ask_lots[i]
    total = bid_lots + ask_lots
    return (bid_lots - ask_lots) / total if total > 0 else math.nan
