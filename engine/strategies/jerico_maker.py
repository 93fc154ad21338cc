"""Makes a market: quotes both sides around the microprice, skewed by inventory."""

import math

from engine.indicators import microprice
from engine.strategy import (
    Array,
    BookState,
    Float,
    Int,
    Params,
    Quantity,
    Record,
    Side,
    State,
    Strategy,
    cancel,
    is_changeable,
    place,
    replace,
)
from ext.wire import TimeInForce

# Intent.reason
QUOTE = 1
REQUOTE = 2
PULL_BOOK = 3  # the book is not LIVE or has an empty side
PULL_POSITION = 4  # one more fill would pass max_position
PULL_SECOND = 5  # more than one order on a side

_NANOSECONDS_PER_MILLISECOND = 1_000_000


class JericoMaker(Strategy):
    """Keeps one post-only order on each side, ``half_spread_ticks`` off a fair price.

    Fair is the microprice, moved against the position by up to ``skew_ticks`` at ``max_position``.
    A quote is replaced when it is ``requote_ticks`` or more off; with ``replaces`` false, as where
    there is no amend, it is cancelled, and placed anew when that is confirmed. A side rests for
    ``cooldown_ms`` of exchange time after each of its requests and fills. Quotes never cross the
    touch, never ask for more than ``max_position`` allows, and are pulled when the book cannot be
    trusted. An order whose request is pending is left alone.
    """

    params = Params(
        quantity=Quantity("0.01"),
        max_position=Quantity("0.05"),
        half_spread_ticks=Float(2.0, minimum=0.5, maximum=1e9),
        skew_ticks=Float(2.0, minimum=0.0, maximum=1e9),
        requote_ticks=Int(1, minimum=1, maximum=1_000_000_000),
        cooldown_ms=Int(100, minimum=0, maximum=86_400_000),
        replaces=True,
    )
    # Index 0 is the bid, 1 the ask.
    state = State(requested_ns=Array(int, 2), pulled_ns=Array(int, 2))

    @classmethod
    def check_parameters(cls, parameters: dict[str, int | float]) -> str | None:
        """Parameters that contradict each other."""
        if parameters["quantity"] > parameters["max_position"]:
            return "quantity was more than max_position; use at most that"
        return None

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        if book.state != BookState.LIVE or book.bid_levels == 0 or book.ask_levels == 0:
            pull_side(state, book, position, out, Side.BUY, 0, PULL_BOOK)
            pull_side(state, book, position, out, Side.SELL, 0, PULL_BOOK)
            return
        inventory = position.position_lots / state.params.max_position
        fair = microprice(book) - state.params.skew_ticks * inventory
        half_spread = state.params.half_spread_ticks
        bid_ticks = min(math.floor(fair - half_spread), book.ask_ticks[0] - 1)
        ask_ticks = max(math.ceil(fair + half_spread), book.bid_ticks[0] + 1)
        quote_side(state, book, position, out, Side.BUY, max(bid_ticks, 1))
        quote_side(state, book, position, out, Side.SELL, max(ask_ticks, 1))

    def on_fill(state: Record, fill: Record, book: Record, position: Record, out: Record) -> None:
        # Whoever took our quote may know more than we do: let the book move first.
        state.requested_ns[side_index(fill.side)] = book.exchange_time_ns


def side_index(side: int) -> int:
    return 0 if side == Side.BUY else 1


def has_rested(state: Record, now_ns: int, since_ns: int) -> bool:
    # A clock that jumped back must not silence the side until it has caught up.
    elapsed_ns = now_ns - since_ns
    return bool(
        elapsed_ns < 0 or elapsed_ns >= state.params.cooldown_ms * _NANOSECONDS_PER_MILLISECOND
    )


def quote_side(
    state: Record, book: Record, position: Record, out: Record, side: int, price_ticks: int
) -> None:
    room_lots = state.params.max_position - side * position.position_lots
    quantity_lots = min(state.params.quantity, room_lots)
    if quantity_lots <= 0:
        pull_side(state, book, position, out, side, 0, PULL_POSITION)
        return
    first = find_from(position, side, 0)
    if first >= 0 and pull_side(state, book, position, out, side, first + 1, PULL_SECOND):
        return
    index = side_index(side)
    if not has_rested(state, book.exchange_time_ns, state.requested_ns[index]):
        return
    if first < 0:
        tif = TimeInForce.GOOD_TILL_CANCEL
        place(out, side, price_ticks, quantity_lots, QUOTE, tif, 1)
        state.requested_ns[index] = book.exchange_time_ns
        return
    order = position.working[first]
    is_off = abs(order.price_ticks - price_ticks) >= state.params.requote_ticks
    if is_changeable(order) and (is_off or order.leaves_lots > room_lots):
        if state.params.replaces:
            replace(out, order.order_number, price_ticks, quantity_lots, REQUOTE)
        else:
            cancel(out, order.order_number, REQUOTE)
        state.requested_ns[index] = book.exchange_time_ns


def find_from(position: Record, side: int, start: int) -> int:
    for i in range(start, position.working_count):
        if position.working[i].side == side:
            return i
    return -1


def pull_side(
    state: Record,
    book: Record,
    position: Record,
    out: Record,
    side: int,
    start: int,
    reason: int,
) -> bool:
    """Asks to cancel the side's orders from index ``start`` on; whether there is any."""
    index = side_index(side)
    has_any = find_from(position, side, start) >= 0
    if not has_any or not has_rested(state, book.exchange_time_ns, state.pulled_ns[index]):
        return has_any
    for i in range(start, position.working_count):
        order = position.working[i]
        if order.side == side and is_changeable(order):
            cancel(out, order.order_number, reason)
            state.pulled_ns[index] = book.exchange_time_ns
    return True
