"""What taking would cost, against the levels paid for one by one; the same compiled and plain."""

import math
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reference import book_reads as reads
from ext.bounds import Bound
from ext.dtypes import BOOK_VIEW
from ext.wire import Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
LOTS = st.lists(st.integers(1, 9), max_size=int(Bound.BOOK_VIEW_LEVELS))
Reading = tuple[int, float, int]


def make_book(bid_lots: list[int], ask_lots: list[int]) -> Any:
    book = np.zeros(1, BOOK_VIEW)[0]
    for name, lots, sign in (("bid", bid_lots, -1), ("ask", ask_lots, 1)):
        book[f"{name}_levels"] = len(lots)
        book[f"{name}_lots"][: len(lots)] = lots
        book[f"{name}_ticks"][: len(lots)] = [1000 + sign * (1 + at) for at in range(len(lots))]
    return book.view(np.recarray)


@numba.njit(error_model="numpy")
def read_compiled(book: Any, side: int, number: int) -> Any:
    return (
        reads.cumulative_lots(book, side, number),
        reads.sweep_price(book, side, number),
        reads.sweep_limit_ticks(book, side, number),
    )


def read(book: Any, side: int, number: int) -> Reading:
    compiled: Reading = read_compiled(np.array([book])[0], side, number)
    plain = (
        reads.cumulative_lots(book, side, number),
        reads.sweep_price(book, side, number),
        reads.sweep_limit_ticks(book, side, number),
    )
    np.testing.assert_array_equal(compiled, plain)
    return plain


@settings(deadline=None)  # the first call compiles
@given(LOTS, LOTS, st.sampled_from([BUY, SELL]), st.integers(1, 60))
def test_taking_pays_for_the_levels_one_by_one(
    bid_lots: list[int], ask_lots: list[int], side: int, number: int
) -> None:
    lots, sign = (ask_lots, 1) if side == BUY else (bid_lots, -1)
    single = [1000 + sign * (1 + at) for at, count in enumerate(lots) for _ in range(count)]
    cumulative, price, limit = read(make_book(bid_lots, ask_lots), side, number)
    assert cumulative == sum(lots[:number])
    if number > len(single):
        assert math.isnan(price)
        assert limit == 0
    else:
        assert price == pytest.approx(sum(single[:number]) / number)
        assert limit == single[number - 1]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_empty_side_has_nothing(side: int) -> None:
    cumulative, price, limit = read(make_book([], []), side, 1)
    assert (cumulative, limit) == (0, 0)
    assert math.isnan(price)
