"""What a hook may ask for: new orders, cancels and replacements, written into ``out``.

Every function writes one intent. The ninth in one call (``Bound.MAX_INTENTS_PER_CALL``) is not
written; ``out.dropped`` counts it. Prices and quantities are whole ticks and lots: a float is
refused when the hook is compiled, because cutting it would trade at another price. ``reason`` is
the strategy's own code from 0 to 2,147,483,647; it is journaled and shown, never read.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from engine.kernel.kernel_function import ERROR_MODEL, kernel_function
from ext.bounds import Bound
from ext.wire import IntentKind, OrderType, Side, TimeInForce

_MAX_INTENTS = int(Bound.MAX_INTENTS_PER_CALL)
_NOT_CODES = "side, time in force, post-only and reason are whole numbers"
_NOT_WHOLE = "prices and quantities are whole ticks and lots; round with math.floor or math.ceil"


# Plain integers: with enum members Numba would compile a copy for each enum type.
_NEW, _CANCEL, _REPLACE = (
    int(IntentKind.NEW_ORDER),
    int(IntentKind.CANCEL_ORDER),
    int(IntentKind.REPLACE_ORDER),
)
_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_LIMIT = int(OrderType.LIMIT)
_GOOD_TILL_CANCEL = int(TimeInForce.GOOD_TILL_CANCEL)
_IMMEDIATE_OR_CANCEL = int(TimeInForce.IMMEDIATE_OR_CANCEL)
_WORD_LIMIT = 2**31
_NO_CODE = -_WORD_LIMIT


@kernel_function
def _word(code: int) -> int:
    """A code that fits its 32 bits; another one becomes one that the gate refuses, or, of the
    reason, nobody reads. Cut to its low bits it could be a BUY, or lose its post-only."""
    return code if -_WORD_LIMIT <= code < _WORD_LIMIT else _NO_CODE


def _fill_in(
    out: Any,
    kind: int,
    side: int,
    time_in_force: int,
    post_only: int,
    price_ticks: int,
    quantity_lots: int,
    order_number: int,
    reason: int,
) -> None:
    if out.count >= _MAX_INTENTS:
        out.dropped += 1
        return
    intent = out.intents[out.count]
    intent.kind = kind
    intent.side = _word(side)
    intent.order_type = _LIMIT
    intent.time_in_force = _word(time_in_force)
    intent.post_only = _word(post_only)
    intent.reason = _word(reason)
    intent.price_ticks = price_ticks
    intent.quantity_lots = quantity_lots
    intent.order_number = order_number
    out.count += 1


def _write(
    out: Any,
    kind: int,
    side: int,
    time_in_force: int,
    post_only: int,
    price_ticks: int,
    quantity_lots: int,
    order_number: int,
    reason: int,
) -> None:
    for value in (price_ticks, quantity_lots, order_number):
        if not isinstance(value, int):
            raise TypeError(f"{_NOT_WHOLE} (got {value!r})")
        if not -(2**63) <= value < 2**63:  # ctypes would cut it, to another price
            raise OverflowError(f"prices and quantities have 64 bits (got {value!r})")
    _fill_in(
        out,
        kind,
        side,
        time_in_force,
        post_only,
        price_ticks,
        quantity_lots,
        order_number,
        reason,
    )


@overload(_write, jit_options={"error_model": ERROR_MODEL})
def _check_types(
    out: Any,
    kind: int,
    side: int,
    time_in_force: int,
    post_only: int,
    price_ticks: int,
    quantity_lots: int,
    order_number: int,
    reason: int,
) -> Callable[..., None]:
    whole: tuple[Any, ...] = (price_ticks, quantity_lots, order_number)
    for value in whole:
        if not isinstance(value, types.Integer):
            raise TypingError(f"{_NOT_WHOLE} (got {value})")
    codes: tuple[Any, ...] = (side, time_in_force, post_only, reason)
    for code in codes:
        if isinstance(code, types.Float):
            raise TypingError(f"{_NOT_CODES} (got {code})")
    return _fill_in


@kernel_function
def place(
    out: Any,
    side: int,
    price_ticks: int,
    quantity_lots: int,
    reason: int = 0,
    time_in_force: int = _GOOD_TILL_CANCEL,
    post_only: int = 0,
) -> None:
    """A new limit order; ``side`` is BUY (1) or SELL (-1), ``time_in_force`` a TimeInForce."""
    _write(out, _NEW, side, time_in_force, post_only, price_ticks, quantity_lots, 0, reason)


@kernel_function
def buy(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """A limit order to buy that rests until filled or cancelled."""
    _write(out, _NEW, _BUY, _GOOD_TILL_CANCEL, 0, price_ticks, quantity_lots, 0, reason)


@kernel_function
def sell(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """A limit order to sell that rests until filled or cancelled."""
    _write(out, _NEW, _SELL, _GOOD_TILL_CANCEL, 0, price_ticks, quantity_lots, 0, reason)


@kernel_function
def buy_post_only(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """Like ``buy``, but the venue refuses the order rather than let it take."""
    _write(out, _NEW, _BUY, _GOOD_TILL_CANCEL, 1, price_ticks, quantity_lots, 0, reason)


@kernel_function
def sell_post_only(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """Like ``sell``, but the venue refuses the order rather than let it take."""
    _write(out, _NEW, _SELL, _GOOD_TILL_CANCEL, 1, price_ticks, quantity_lots, 0, reason)


@kernel_function
def buy_ioc(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """Buys what is offered at ``price_ticks`` or lower now; the rest is cancelled."""
    _write(out, _NEW, _BUY, _IMMEDIATE_OR_CANCEL, 0, price_ticks, quantity_lots, 0, reason)


@kernel_function
def sell_ioc(out: Any, price_ticks: int, quantity_lots: int, reason: int = 0) -> None:
    """Sells what is bid for at ``price_ticks`` or higher now; the rest is cancelled."""
    _write(out, _NEW, _SELL, _IMMEDIATE_OR_CANCEL, 0, price_ticks, quantity_lots, 0, reason)


@kernel_function
def cancel(out: Any, order_number: int, reason: int = 0) -> None:
    """Cancels a working order; ``order_number`` is ``position.working[i].order_number``."""
    _write(out, _CANCEL, 0, 0, 0, 0, 0, order_number, reason)


@kernel_function
def replace(
    out: Any, order_number: int, price_ticks: int, quantity_lots: int, reason: int = 0
) -> None:
    """Moves a working order to a new price and a new open quantity, counted from now.

    ``quantity_lots`` is what shall be open afterwards, as in ``position.working[i].leaves_lots``:
    what is filled already is not part of it. Side and time in force stay the order's own.
    """
    _write(out, _REPLACE, 0, 0, 0, price_ticks, quantity_lots, order_number, reason)
