"""Follows short trends: in on a cross of two averages, out on the opposite one."""

import math

from engine.indicators import Ema, Rsi, ema_update, imbalance, microprice, rsi_update
from engine.strategy import (
    BookState,
    Float,
    Int,
    Params,
    Quantity,
    Record,
    State,
    Strategy,
    buy_ioc,
    sell_ioc,
)

# Intent.reason
ENTRY = 1
EXIT = 2

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_MAX_MS = 86_400_000


class JericoTrend(Strategy):
    """Buys when the fast EMA crosses above the slow one, the book leans the same way and the RSI
    is not overbought; sells short in the mirror case; leaves on the opposite cross.

    The microprice is sampled every ``sample_ms`` of exchange time. For ``entry_ms`` after a cross
    a position is built in orders of ``quantity`` up to ``max_position``; orders are immediate or
    cancel, ``reach_ticks`` beyond the touch, one at a time and ``cooldown_ms`` apart. An exit is
    tried until flat, whatever the filters say.
    """

    params = Params(
        fast=Int(12, minimum=1, maximum=1_000_000),
        slow=Int(48, minimum=2, maximum=1_000_000),
        rsi_period=Int(14, minimum=1, maximum=1_000_000),
        rsi_high=Float(75.0, minimum=50.0, maximum=100.0),
        rsi_low=Float(25.0, minimum=0.0, maximum=50.0),
        lean=Float(0.15, minimum=-1.0, maximum=1.0),
        lean_levels=Int(5, minimum=1, maximum=10),
        quantity=Quantity("0.01"),
        max_position=Quantity("0.03"),
        reach_ticks=Int(2, minimum=0, maximum=1_000_000),
        sample_ms=Int(50, minimum=0, maximum=_MAX_MS),
        entry_ms=Int(2000, minimum=0, maximum=_MAX_MS),
        cooldown_ms=Int(250, minimum=0, maximum=_MAX_MS),
    )
    state = State(
        fast=Ema(period="fast"),
        slow=Ema(period="slow"),
        rsi=Rsi(period="rsi_period"),
        trend=int,
        sampled_ns=int,
        crossed_ns=int,
        ordered_ns=int,
    )

    @classmethod
    def check_parameters(cls, parameters: dict[str, int | float]) -> str | None:
        """Parameters that contradict each other."""
        if parameters["fast"] >= parameters["slow"]:
            return f"fast was {parameters['fast']}; use less than slow, {parameters['slow']}"
        if parameters["quantity"] > parameters["max_position"]:
            return "quantity was more than max_position; use at most that"
        return None

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        if book.state != BookState.LIVE or book.bid_levels == 0 or book.ask_levels == 0:
            return
        now_ns = book.exchange_time_ns
        if not has_elapsed(now_ns, state.sampled_ns, state.params.sample_ms):
            return
        state.sampled_ns = now_ns
        update_trend(state, book)
        if state.trend == 0 or position.working_count > 0:
            return
        if not has_elapsed(now_ns, state.ordered_ns, state.params.cooldown_ms):
            return
        if position.position_lots * state.trend < 0:
            quantity_lots = min(abs(position.position_lots), state.params.quantity)
            take(state, book, out, quantity_lots, EXIT)
        elif can_enter(state, book):
            room_lots = state.params.max_position - abs(position.position_lots)
            if room_lots > 0:
                take(state, book, out, min(room_lots, state.params.quantity), ENTRY)


def has_elapsed(now_ns: int, since_ns: int, interval_ms: int) -> bool:
    # A clock that jumped back must not silence the strategy until it has caught up.
    elapsed_ns = now_ns - since_ns
    return elapsed_ns < 0 or elapsed_ns >= interval_ms * _NANOSECONDS_PER_MILLISECOND


def update_trend(state: Record, book: Record) -> None:
    price = microprice(book)
    fast = ema_update(state.fast, price)
    slow = ema_update(state.slow, price)
    rsi_update(state.rsi, price)
    if math.isnan(slow) or fast == slow:
        return
    trend = 1 if fast > slow else -1
    if state.trend == -trend:
        state.crossed_ns = book.exchange_time_ns
    state.trend = trend


def can_enter(state: Record, book: Record) -> bool:
    # The trend found at warm-up is no cross: crossed_ns is still 0, so 1970.
    if has_elapsed(book.exchange_time_ns, state.crossed_ns, state.params.entry_ms):
        return False
    lean = imbalance(book, state.params.lean_levels) * state.trend
    if state.trend > 0:
        return bool(lean >= state.params.lean and state.rsi.value <= state.params.rsi_high)
    return bool(lean >= state.params.lean and state.rsi.value >= state.params.rsi_low)


def take(state: Record, book: Record, out: Record, quantity_lots: int, reason: int) -> None:
    reach_ticks = state.params.reach_ticks
    if state.trend > 0:
        buy_ioc(out, book.ask_ticks[0] + reach_ticks, quantity_lots, reason)
    else:
        sell_ioc(out, max(book.bid_ticks[0] - reach_ticks, 1), quantity_lots, reason)
    state.ordered_ns = book.exchange_time_ns
