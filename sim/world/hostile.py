"""A strategy that trades at random and without manners: it asks for all that a hook can ask for."""

import math

from engine.strategy import (
    Int,
    OrderState,
    Params,
    Quantity,
    Record,
    State,
    Strategy,
    cancel,
    place,
    replace,
)
from ext.wire import TimeInForce

MULTIPLIER = 6_364_136_223_846_793_005
INCREMENT = 1_442_695_040_888_963_407
REACH_TICKS = 6
LARGEST = 2**63 - 1
SMALLEST = -(2**63)

# Plain integers compile faster than enum members.
_GOOD_TILL_CANCEL = int(TimeInForce.GOOD_TILL_CANCEL)
_IMMEDIATE_OR_CANCEL = int(TimeInForce.IMMEDIATE_OR_CANCEL)
_FILL_OR_KILL = int(TimeInForce.FILL_OR_KILL)
_UNKNOWN = int(OrderState.UNKNOWN)


class Hostile(Strategy):
    """Places, cancels and replaces near the touch; now and then something that must be refused.

    ``state.random`` is the seed and the state of its generator: one compiled strategy plays any
    number of seeds. Of a hundred calls ``eagerness`` ask for something.
    """

    params = Params(quantity=Quantity("0.04"), eagerness=Int(25, minimum=0, maximum=100))
    state = State(random=int)
    timer_interval_ms = 50

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        act(state, book, position, out)

    def on_trade(state: Record, trade: Record, book: Record, position: Record, out: Record) -> None:
        act(state, book, position, out)

    def on_fill(state: Record, fill: Record, book: Record, position: Record, out: Record) -> None:
        act(state, book, position, out)

    def on_timer(state: Record, timer: Record, book: Record, position: Record, out: Record) -> None:
        act(state, book, position, out)


def draw(state: Record, below: int) -> int:
    """A number from 0 to ``below`` - 1; products wrap around, as they do in C."""
    state.random = state.random * MULTIPLIER + INCREMENT
    return int(((state.random >> 33) & 0x3FFFFFFF) % below)


def act(state: Record, book: Record, position: Record, out: Record) -> None:
    if draw(state, 100) >= state.params.eagerness or book.bid_levels == 0 or book.ask_levels == 0:
        return
    choice = draw(state, 100)
    if choice < 45:
        place_somewhere(state, book, out)
    elif choice < 65:
        cancel_one(state, position, out)
    elif choice < 85:
        replace_one(state, book, position, out)
    elif choice < 92:
        place_somewhere(state, book, out)
        cancel_one(state, position, out)
        place_somewhere(state, book, out)
    else:
        ask_nonsense(state, book, out)


def draw_side(state: Record) -> int:
    return 1 - 2 * draw(state, 2)


def draw_price(state: Record, book: Record, side: int) -> int:
    touch = book.bid_ticks[0] if side > 0 else book.ask_ticks[0]
    return int(touch + side * (draw(state, REACH_TICKS) - 3))


def draw_quantity(state: Record) -> int:
    return 1 + draw(state, state.params.quantity)


def place_somewhere(state: Record, book: Record, out: Record) -> None:
    side = draw_side(state)
    kind = draw(state, 8)
    time_in_force, post_only = _GOOD_TILL_CANCEL, 0
    if kind == 0:
        time_in_force = _IMMEDIATE_OR_CANCEL
    elif kind == 1:
        time_in_force = _FILL_OR_KILL
    elif kind < 4:
        post_only = 1
    price_ticks = draw_price(state, book, side)
    place(out, side, price_ticks, draw_quantity(state), kind, time_in_force, post_only)


def cancel_one(state: Record, position: Record, out: Record) -> None:
    if position.working_count > 0:
        cancel(out, position.working[draw(state, position.working_count)].order_number)


def replace_one(state: Record, book: Record, position: Record, out: Record) -> None:
    if position.working_count == 0:
        return
    order = position.working[draw(state, position.working_count)]
    if order.state == _UNKNOWN:
        return
    price_ticks = draw_price(state, book, order.side)
    replace(out, order.order_number, price_ticks, draw_quantity(state))


def ask_for_too_much(state: Record, book: Record, out: Record) -> None:
    """Around the largest order, and beyond it."""
    side = draw_side(state)
    lots = (1 + draw(state, 4)) * state.params.quantity
    place(out, side, draw_price(state, book, side), lots)


def run_away(state: Record, book: Record, out: Record) -> None:
    """A loop without an end in sight: more than fits into one call."""
    side = draw_side(state)
    for step in range(12):
        place(out, side, draw_price(state, book, side) - side * step, draw_quantity(state))


def quote_against_itself(state: Record, book: Record, out: Record) -> None:
    """Both sides at one price, one of them twice."""
    price_ticks = book.bid_ticks[0] + 1
    for side in (1, -1, 1):
        place(out, side, price_ticks, 1_000_000)


def ask_nonsense(state: Record, book: Record, out: Record) -> None:
    """What the gate has to refuse, or to let pass in part."""
    choice = draw(state, 13)
    if choice == 6:
        run_away(state, book, out)
    elif choice == 7:
        quote_against_itself(state, book, out)
    elif choice >= 11:
        ask_for_too_much(state, book, out)
    elif choice == 8:
        place(out, draw_side(state), LARGEST - draw(state, 2), LARGEST)
    elif choice == 9:
        place(out, draw_side(state), SMALLEST + draw(state, 2), SMALLEST)
    elif choice == 10:
        nothing = math.sqrt(-1.0 * book.bid_ticks[0])  # no number
        place(out, draw_side(state), math.floor(nothing), draw_quantity(state))
        place(out, draw_side(state), book.bid_ticks[0], math.floor(nothing))
        place(out, draw_side(state), book.bid_ticks[0], math.floor(1e300 * book.bid_ticks[0]))
    elif choice == 0:
        place(out, 1, 0, 1_000_000)
    elif choice == 1:
        place(out, 1, book.ask_ticks[0] * 2, 1_000_000)
    elif choice == 2:
        place(out, 0, book.ask_ticks[0], 1_000_000)
    elif choice == 3:
        place(out, -1, book.bid_ticks[0], 1_000_000_000_000)
    elif choice == 4:
        cancel(out, 1 + draw(state, 5000))
    else:
        replace(out, 1 + draw(state, 5000), book.bid_ticks[0], 1_000_000)
