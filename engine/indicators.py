"""Everything a hook can measure: readings of the book, and indicators that keep state.

An indicator is a record in the strategy's state (``State(fast=Ema(period="fast"))``) and an update
function that takes it in (``ema_update(state.fast, price)``) and returns the new value; the record
keeps the value for the other hooks. Nothing allocates. Values are NaN until warmed up: each
update says when, and every comparison with NaN is false.
"""

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
from engine.reference.book_reads import (
    cumulative_lots,
    imbalance,
    microprice,
    mid_price,
    spread,
    sweep_limit_ticks,
    sweep_price,
)

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
    "cumulative_lots",
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
    "sweep_limit_ticks",
    "sweep_price",
    "trade_flow_update",
    "vwap_update",
    "zscore_update",
]
