"""The slow obvious order book that the compiled one is compared with.

Two sorted dictionaries of whole numbers, filled from decimal text by exact decimal division. It
shares nothing with the compiled kernel, so a mistake there is not repeated here.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from ext.errors import InstrumentError

# Wide enough for every quotient that fits in 64 bits; anything that would round is an error.
_EXACT = Context(prec=60, traps=[Inexact])
_MAX_COUNT = 2**63 - 1
# A JSON number without a minus sign.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,39})(\.[0-9]{1,39})?([eE][+-]?[0-9]{1,4})?")

Levels = tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]
"""Prices in ticks and quantities in lots, best first."""


class ReferenceBook:
    """All levels of one instrument. ``tick`` and ``lot`` are decimal texts greater than zero."""

    def __init__(self, tick: str, lot: str) -> None:
        self._tick = Decimal(tick)
        self._lot = Decimal(lot)
        self._sides = {True: SortedDict(), False: SortedDict()}
        self._arrays: dict[bool, Levels] = {}

    def clear(self) -> None:
        """Removes every level."""
        for side in self._sides.values():
            side.clear()
        self._arrays.clear()

    def count_level(self, price: str, quantity: str) -> tuple[int, int]:
        """A price in ticks and a quantity in lots, exactly.

        Raises:
            InstrumentError: not a decimal, negative, off the tick or lot, out of range.
        """
        return count_steps(price, self._tick), count_steps(quantity, self._lot)

    def set_level(self, is_bid: bool, price: str, quantity: str) -> None:
        """Sets the quantity at a price; 0 removes the level.

        Raises:
            InstrumentError: not a decimal, negative, off the tick or lot, a price of zero.
        """
        price_ticks, quantity_lots = self.count_level(price, quantity)
        if price_ticks == 0:
            raise InstrumentError(f"price was {price}; use a price greater than zero")
        if quantity_lots == 0:
            self._sides[is_bid].pop(price_ticks, None)
        else:
            self._sides[is_bid][price_ticks] = quantity_lots
        self._arrays.pop(is_bid, None)

    def load(self, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> None:
        """Replaces the whole book by price and quantity texts."""
        self.clear()
        for price, quantity in bids:
            self.set_level(True, price, quantity)
        for price, quantity in asks:
            self.set_level(False, price, quantity)

    def keep_best(self, depth: int) -> None:
        """Removes the worst levels of a side beyond ``depth``."""
        for is_bid, side in self._sides.items():
            while len(side) > depth:
                side.popitem(0 if is_bid else -1)
                self._arrays.pop(is_bid, None)

    def levels(self, is_bid: bool) -> list[tuple[int, int]]:
        """(price_ticks, quantity_lots) of one side, best first."""
        rows = list(self._sides[is_bid].items())
        return rows[::-1] if is_bid else rows

    def level_count(self, is_bid: bool) -> int:
        """Number of levels of one side."""
        return len(self._sides[is_bid])

    def arrays(self, is_bid: bool) -> Levels:
        """``levels`` as two arrays; kept until the side changes."""
        if is_bid not in self._arrays:
            side = self._sides[is_bid]
            step = -1 if is_bid else 1
            prices = np.fromiter(side.keys(), np.int64, len(side))[::step]
            quantities = np.fromiter(side.values(), np.int64, len(side))[::step]
            self._arrays[is_bid] = prices, quantities
        return self._arrays[is_bid]

    def best(self, is_bid: bool) -> tuple[int, int] | None:
        """(price_ticks, quantity_lots) of the best level; None when the side is empty."""
        side = self._sides[is_bid]
        if not side:
            return None
        price_ticks, quantity_lots = side.peekitem(-1 if is_bid else 0)
        return price_ticks, quantity_lots

    def is_crossed(self) -> bool:
        """Best bid at or above the best ask."""
        bid, ask = self.best(True), self.best(False)
        return bid is not None and ask is not None and bid[0] >= ask[0]

    def price(self, price_ticks: int) -> Decimal:
        """A price in quote currency."""
        return price_ticks * self._tick

    def quantity(self, quantity_lots: int) -> Decimal:
        """A quantity in base currency."""
        return quantity_lots * self._lot


def count_steps(text: object, step: Decimal) -> int:
    """How many steps a non-negative decimal text is, exactly.

    Raises:
        InstrumentError: not a decimal text, negative, between two steps, beyond 64 bits.
    """
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise InstrumentError(f"the number was {text!r}; use a non-negative decimal in a string")
    try:
        steps = _EXACT.divide(Decimal(text), step)
    except Inexact as error:
        raise InstrumentError(f"{text} is not a whole number of {step}") from error
    if steps > _MAX_COUNT:
        raise InstrumentError(f"{text} is out of range; use 0 to {_MAX_COUNT} times {step}")
    if steps != int(steps):
        raise InstrumentError(f"{text} is not a whole number of {step}")
    return int(steps)
