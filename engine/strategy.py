"""The strategist's vocabulary: one import for everything that a strategy file needs.

    class BuyTheDip(Strategy):
        \"\"\"Buys when the price is three deviations under its mean.\"\"\"

        params = Params(depth=Float(3.0, minimum=0.0), quantity=Quantity("0.01"))
        state = State(zscore=ZScore(period=200))

        def on_book(state, book, position, out):
            if zscore_update(state.zscore, microprice(book)) < -state.params.depth:
                buy_ioc(out, book.ask_ticks[0], state.params.quantity)

Hooks are functions over flat records, not methods: there is no ``self``, and nothing of Python is
left when they run. ``docs/strategies.md`` has the records, the rules and the errors.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from engine.intents import (
    buy,
    buy_ioc,
    buy_post_only,
    cancel,
    place,
    replace,
    sell,
    sell_ioc,
    sell_post_only,
)
from engine.kernel.kernel_function import kernel_function
from engine.kernel.strategy_parameters import Bool, Float, Int, Params, Price, Quantity, nearest
from engine.kernel.strategy_state import Array, Indicator, Persistent, State
from ext.dtypes import BAR, FILL, TIMER, TRADE
from ext.errors import UsageError
from ext.wire import BookState, OrderState, Side

__all__ = [
    "HOOKS",
    "Array",
    "BookState",
    "Bool",
    "Float",
    "Hook",
    "Indicator",
    "Int",
    "OrderState",
    "Params",
    "Persistent",
    "Price",
    "Quantity",
    "Record",
    "Side",
    "State",
    "Strategy",
    "buy",
    "buy_ioc",
    "buy_post_only",
    "cancel",
    "find_order",
    "is_changeable",
    "kernel_function",
    "place",
    "replace",
    "sell",
    "sell_ioc",
    "sell_post_only",
]

# A day: nothing that trades within one needs a longer bar or timer.
MAX_INTERVAL_MS = 86_400_000

# Plain integers compile faster than enum members.
_NEW = int(OrderState.NEW)
_PARTIALLY_FILLED = int(OrderState.PARTIALLY_FILLED)

# A record as hooks see it, compiled or not; the fields are in ext/dtypes.py.
Record = Any


class Hook(NamedTuple):
    """A function that a strategy may define: its arguments, and the record of its event."""

    arguments: tuple[str, ...]
    event: np.dtype[Any] | None


HOOKS = {
    "on_book": Hook(("state", "book", "position", "out"), None),
    "on_trade": Hook(("state", "trade", "book", "position", "out"), TRADE),
    "on_bar": Hook(("state", "bar", "book", "position", "out"), BAR),
    "on_fill": Hook(("state", "fill", "book", "position", "out"), FILL),
    "on_timer": Hook(("state", "timer", "book", "position", "out"), TIMER),
}


class Strategy:
    """Base of every strategy; a class is a declaration and is never instantiated.

    ``params`` and ``state`` are described in their classes. ``bar_interval_ms`` (1 to 86,400,000)
    is needed by ``on_bar``, ``timer_interval_ms`` (the same) by ``on_timer``. ``compiled = False``
    runs the hooks as plain Python: any library works, a call takes tens of microseconds.

    Raises:
        UsageError: when the class is defined, for a hook that the engine does not know or whose
            arguments are not those of ``HOOKS``, and for an interval that is missing or unused.
    """

    params: ClassVar[Params] = Params()
    state: ClassVar[State] = State()
    compiled: ClassVar[bool] = True
    bar_interval_ms: ClassVar[int] = 0
    timer_interval_ms: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in dir(cls):
            if name.startswith("on_"):
                _check_hook(cls, name)
        _check_interval(cls, "bar_interval_ms", "on_bar")
        _check_interval(cls, "timer_interval_ms", "on_timer")

    @classmethod
    def check_parameters(cls, parameters: dict[str, int | float]) -> str | None:
        """What is wrong with the parameters taken together; None when nothing is."""
        return None

    @classmethod
    def display_name(cls) -> str:
        """The class name in the form of the shipped ones: ``JericoTrend`` is ``jerico_trend``."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def hooks(cls) -> dict[str, Callable[..., None]]:
        """The hooks that the class defines, by name, as plain functions."""
        return {name: _function_of(cls, name) for name in HOOKS if hasattr(cls, name)}


def _function_of(cls: type, name: str) -> Callable[..., None]:
    found = inspect.getattr_static(cls, name)
    function = found.__func__ if isinstance(found, staticmethod) else found
    if not inspect.isfunction(function):
        raise UsageError(f"{cls.__name__}.{name} is not a function; write def {name}(…)")
    return function


def _check_hook(cls: type, name: str) -> None:
    if name not in HOOKS:
        raise UsageError(f"{cls.__name__} has no hook {name!r}{nearest(name, HOOKS)}")
    function = _function_of(cls, name)
    wanted = HOOKS[name].arguments
    if len(inspect.signature(function).parameters) != len(wanted):
        arguments = ", ".join(wanted)
        raise UsageError(f"{cls.__name__}.{name} must be written def {name}({arguments})")


def _check_interval(cls: type, attribute: str, hook: str) -> None:
    interval_ms = getattr(cls, attribute)
    is_used = hasattr(cls, hook)
    if not is_used and interval_ms == 0:
        return
    if not is_used:
        raise UsageError(f"{cls.__name__}.{attribute} is set but there is no {hook}; add one")
    if type(interval_ms) is not int or not 1 <= interval_ms <= MAX_INTERVAL_MS:
        raise UsageError(
            f"{cls.__name__}.{attribute} was {interval_ms!r}; {hook} needs a whole number "
            f"from 1 to {MAX_INTERVAL_MS}"
        )


@kernel_function
def find_order(position: Record, side: int) -> int:
    """Index in ``position.working`` of the first working order of ``side``; -1 when none."""
    for i in range(position.working_count):
        if position.working[i].side == side:
            return i
    return -1


@kernel_function
def is_changeable(order: Record) -> bool:
    """Whether a working order may be cancelled or replaced now.

    False while a request waits for its answer and while the venue has to be asked about the order.
    """
    return bool(order.state == _NEW or order.state == _PARTIALLY_FILLED)
