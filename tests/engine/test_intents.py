"""Each function writes every field of its intent, compiled and plain alike."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

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
from engine.kernel.python_hooks import structure_of
from ext.bounds import Bound
from ext.dtypes import INTENTS
from ext.wire import IntentKind, OrderType, Side, TimeInForce

NEW, CANCEL, REPLACE = IntentKind.NEW_ORDER, IntentKind.CANCEL_ORDER, IntentKind.REPLACE_ORDER
LIMIT = OrderType.LIMIT
GTC, IOC, FOK = (
    TimeInForce.GOOD_TILL_CANCEL,
    TimeInForce.IMMEDIATE_OR_CANCEL,
    TimeInForce.FILL_OR_KILL,
)

# kind, side, order_type, time_in_force, post_only, reason, price_ticks, quantity_lots, order_number
EXPECTED: list[tuple[Callable[..., None], tuple[int, ...], tuple[int, ...]]] = [
    (buy, (100, 7, 5), (NEW, Side.BUY, LIMIT, GTC, 0, 5, 100, 7, 0)),
    (sell, (100, 7), (NEW, Side.SELL, LIMIT, GTC, 0, 0, 100, 7, 0)),
    (buy_post_only, (100, 7), (NEW, Side.BUY, LIMIT, GTC, 1, 0, 100, 7, 0)),
    (sell_post_only, (100, 7, 5), (NEW, Side.SELL, LIMIT, GTC, 1, 5, 100, 7, 0)),
    (buy_ioc, (100, 7, 5), (NEW, Side.BUY, LIMIT, IOC, 0, 5, 100, 7, 0)),
    (sell_ioc, (100, 7), (NEW, Side.SELL, LIMIT, IOC, 0, 0, 100, 7, 0)),
    (place, (-1, 100, 7, 5, FOK, 1), (NEW, Side.SELL, LIMIT, FOK, 1, 5, 100, 7, 0)),
    (cancel, (9001, 3), (CANCEL, 0, LIMIT, 0, 0, 3, 0, 0, 9001)),
    (replace, (9001, 101, 6, 3), (REPLACE, 0, LIMIT, 0, 0, 3, 101, 6, 9001)),
]


def dirty() -> Any:
    """What an earlier call left behind must not shine through."""
    out = np.zeros(1, INTENTS)
    for name in INTENTS["intents"].base.names or ():
        out["intents"][name] = 99
    return out


@pytest.mark.parametrize(("function", "arguments", "expected"), EXPECTED)
def test_writes_every_field(
    function: Callable[..., None], arguments: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    @numba.njit
    def compiled(out: Any) -> None:
        function(out[0], *arguments)

    for call in (compiled, lambda out: function(view(out), *arguments)):
        out = dirty()
        call(out)
        assert out["count"][0] == 1
        assert tuple(out["intents"][0][0]) == expected


def view(out: Any) -> Any:
    return structure_of(INTENTS).from_address(out.ctypes.data)


def test_the_ninth_intent_is_dropped_and_counted() -> None:
    out = dirty()
    for i in range(Bound.MAX_INTENTS_PER_CALL + 3):
        buy(view(out), i, 1)
    assert (out["count"][0], out["dropped"][0]) == (Bound.MAX_INTENTS_PER_CALL, 3)
    assert out["intents"]["price_ticks"][0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("arguments", [(1.5, 1), (1, 1.0)])
def test_a_float_is_refused_in_plain_python_too(arguments: tuple[float, float]) -> None:
    out = dirty()
    with pytest.raises(TypeError, match="prices and quantities are whole ticks and lots"):
        buy(view(out), *arguments)  # type: ignore[arg-type]
    assert out["count"][0] == 0


@pytest.mark.parametrize("arguments", [(2**63, 1), (1, 2**63), (-(2**63) - 1, 1), (2**64 + 5, 1)])
def test_a_number_that_would_be_cut_is_refused_in_plain_python(arguments: tuple[int, int]) -> None:
    out = dirty()
    with pytest.raises(OverflowError, match="prices and quantities have 64 bits"):
        buy(view(out), *arguments)
    assert out["count"][0] == 0
