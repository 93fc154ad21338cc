"""The market as a paper order meets it: the visible book of one product, less what we took of it.

The real market never hears of a paper order, so its frames stay as they are. What an order took of
a level stays taken until the venue next says how much is there.
"""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from ext.wire import Side


class PaperBook:
    """Prices in ticks, quantities in lots. ``is_live`` False: nobody knows the book, and nothing
    may be filled against it."""

    def __init__(self) -> None:
        self.is_live = False
        # Keys are -price for bids and price for asks: index 0 is the best of either.
        self._levels: dict[Side, SortedDict[int, int]] = {side: SortedDict() for side in Side}
        self._taken: dict[tuple[Side, int], int] = {}

    def clear(self) -> None:
        """The book is lost until the next snapshot."""
        self.is_live = False
        self._taken.clear()
        for levels in self._levels.values():
            levels.clear()

    def set_level(self, side: Side, price_ticks: int, quantity_lots: int) -> int:
        """So much is there now, 0: nothing. Returns what was there before."""
        self._taken.pop((side, price_ticks), None)
        levels, key = self._levels[side], -price_ticks * side
        before: int = levels.get(key, 0)
        if quantity_lots:
            levels[key] = quantity_lots
        else:
            levels.pop(key, None)
        return before

    def keep_best(self, count: int) -> None:
        """Drops what lies behind the ``count`` best levels of each side: the venue tells no more
        of it. 0: all are kept."""
        for levels in self._levels.values() if count else ():
            while len(levels) > count:
                levels.popitem()

    def shown_lots(self, side: Side, price_ticks: int) -> int:
        """What the venue shows at a price, whether we took of it or not."""
        shown: int = self._levels[side].get(-price_ticks * side, 0)
        return shown

    def left_lots(self, side: Side, price_ticks: int) -> int:
        """What the venue shows at a price, less what we took of it."""
        taken = self._taken.get((side, price_ticks), 0)
        return max(0, self.shown_lots(side, price_ticks) - taken)

    def available(self, side: Side, limit_ticks: int) -> Iterator[tuple[int, int]]:
        """(price, lots) of ``side`` that an order of the other side may take down to its limit,
        best first. Levels may be taken from meanwhile, not set."""
        for key in self._levels[side]:
            price_ticks = -key * side
            if price_ticks * side < limit_ticks * side:
                return
            if left := self.left_lots(side, price_ticks):
                yield price_ticks, left

    def available_lots(self, side: Side, limit_ticks: int) -> int:
        """Sum of ``available``."""
        return sum(lots for _, lots in self.available(side, limit_ticks))

    def take(self, side: Side, price_ticks: int, quantity_lots: int) -> None:
        """So much of a level is ours now."""
        key = side, price_ticks
        self._taken[key] = self._taken.get(key, 0) + quantity_lots
