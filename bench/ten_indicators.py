"""The strategy of the indicator benchmark: ten indicators and a decision on every book."""

import math

from engine.indicators import (
    Atr,
    Bollinger,
    Ema,
    Macd,
    RealisedVolatility,
    Rsi,
    Sma,
    Vwap,
    ZScore,
    atr_update,
    bollinger_update,
    ema_update,
    macd_update,
    mid_price,
    realised_volatility_update,
    rsi_update,
    sma_update,
    vwap_update,
    zscore_update,
)
from engine.strategy import Int, Params, Record, State, Strategy, buy_ioc, sell_ioc

OFF_MEAN = 0.13
"""Ticks off the mean. No mean of 20 half ticks is exactly so far off: rounding decides nothing."""


class TenIndicators(Strategy):
    """Takes with the trend of three averages while no other indicator says that it is stretched.

    A book is one bar: high is its best ask, low its best bid, close its mid, volume the lots at
    the bid. Nothing is decided before ``warm_up`` books, when every indicator has forgotten how
    it was started.
    """

    params = Params(warm_up=Int(1000, minimum=0, maximum=1_000_000))
    state = State(
        fast=Ema(period=12),
        slow=Ema(period=48),
        macd=Macd(fast=12, slow=26, signal=9),
        sma=Sma(period=20),
        rsi=Rsi(period=14),
        bands=Bollinger(period=20, width=2.0),
        zscore=ZScore(period=50),
        atr=Atr(period=14),
        volatility=RealisedVolatility(period=25),
        vwap=Vwap(interval_ms=86_400_000),
        count=int,
    )

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        mid = mid_price(book)
        fast = ema_update(state.fast, mid)
        slow = ema_update(state.slow, mid)
        line, signal = macd_update(state.macd, mid)
        mean = sma_update(state.sma, mid)
        rsi = rsi_update(state.rsi, mid)
        lower, _middle, upper = bollinger_update(state.bands, mid)
        score = zscore_update(state.zscore, mid)
        atr = atr_update(state.atr, book.ask_ticks[0], book.bid_ticks[0], mid)
        volatility = realised_volatility_update(state.volatility, mid)
        vwap = vwap_update(state.vwap, mid, book.bid_lots[0], book.exchange_time_ns)
        state.count += 1
        if state.count <= state.params.warm_up or math.isnan(score):
            return
        # Nothing is bought far from where most was traded, or in a market that jumps about.
        is_calm = abs(mid - vwap) < 500.0 * atr and volatility * mid < 25.0 * atr
        has_risen = fast > slow and line > signal and mid > mean + OFF_MEAN
        has_fallen = fast < slow and line < signal and mid < mean - OFF_MEAN
        if is_calm and has_risen and rsi < 70.0 and mid < upper and score < 1.5:
            buy_ioc(out, book.ask_ticks[0], 1)
        elif is_calm and has_fallen and rsi > 30.0 and mid > lower and score > -1.5:
            sell_ioc(out, book.bid_ticks[0], 1)
