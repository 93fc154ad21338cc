"""A strategy of the warm-up alone: makes sure that every kind of request is sent."""

from engine.strategy import (
    Record,
    State,
    Strategy,
    buy,
    buy_ioc,
    cancel,
    is_changeable,
    replace,
    sell_ioc,
)

LOTS = 1


class WarmUpProbe(Strategy):
    """In turn: buys and sells at the touch, rests an order, moves it, cancels it.

    Plain Python, so that it costs no compilation; it is called between frames, by its timer.
    """

    compiled = False
    timer_interval_ms = 1
    state = State(turn=int)

    def on_timer(state: Record, timer: Record, book: Record, position: Record, out: Record) -> None:
        state.turn += 1
        bid_ticks = book.bid_ticks[0]
        if state.turn % 5 == 1:
            buy_ioc(out, bid_ticks, LOTS)
        elif state.turn % 5 == 2:
            sell_ioc(out, book.ask_ticks[0], LOTS)
        elif state.turn % 5 == 3:
            buy(out, bid_ticks, LOTS)
        for i in range(position.working_count):
            if is_changeable(position.working[i]):
                number = position.working[i].order_number
                if state.turn % 5 == 4:
                    replace(out, number, bid_ticks - 1, LOTS)
                elif state.turn % 5 == 0:
                    cancel(out, number)
