"""The strategy of the benchmarks: an order for every frame, after the work of a real one."""

from engine.indicators import Ema, Rsi, ema_update, microprice, rsi_update
from engine.strategy import Int, Params, Record, State, Strategy, buy_ioc

QUANTITY_CYCLE = 256
"""Quantities before one comes again: more than frames fit into the window of duplicates."""


class OrderEveryFrame(Strategy):
    """Updates two averages and an RSI, then bids for what nobody offers: an immediate-or-cancel
    order at the best bid.

    The quantity counts the frames since the snapshot, which is the frame without a time: no order
    repeats the one before, and whoever knows the frames knows the orders. Of a venue whose books
    carry no times at all (``has_times`` 0) it counts the frames since the start.
    """

    params = Params(
        unit_lots=Int(1, minimum=1, maximum=1_000_000_000), has_times=Int(1, minimum=0, maximum=1)
    )
    state = State(fast=Ema(period=12), slow=Ema(period=48), rsi=Rsi(period=14), number=int)

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        is_snapshot = book.exchange_time_ns == 0 and state.params.has_times == 1
        state.number = 0 if is_snapshot else state.number + 1
        if book.bid_levels == 0 or book.ask_levels == 0:
            return
        price = microprice(book)
        ema_update(state.fast, price)
        ema_update(state.slow, price)
        rsi_update(state.rsi, price)
        quantity_lots = (1 + state.number % QUANTITY_CYCLE) * state.params.unit_lots
        buy_ioc(out, book.bid_ticks[0], quantity_lots)
