"""Where paper orders of one product stand in the queues of their prices, and what moves them."""

from collections.abc import Iterator

from engine.paper.paper_order import PaperOrder, QueueRule
from ext.wire import Side


class PaperQueue:
    """Resting orders, best price first, then oldest, and the trades at each price since the venue
    last told its level."""

    def __init__(self, rule: QueueRule) -> None:
        self._rule = rule
        self._resting: dict[Side, list[PaperOrder]] = {side: [] for side in Side}
        self._traded: dict[tuple[Side, int], int] = {}

    def orders(self, side: Side) -> list[PaperOrder]:
        """Those of one side; a copy."""
        return list(self._resting[side])

    def join(self, order: PaperOrder, ahead_lots: int) -> None:
        """Rests behind what stands at its price."""
        order.ahead_lots = ahead_lots
        resting = self._resting[order.side]
        resting.append(order)
        resting.sort(key=lambda each: -each.price_ticks * each.side)  # stable: time priority

    def leave(self, order: PaperOrder) -> None:
        """Rests no more; nothing when it did not."""
        if order in self._resting[order.side]:
            self._resting[order.side].remove(order)

    def forget_trades(self) -> None:
        """The book is told anew."""
        self._traded.clear()

    def cap(self, order: PaperOrder, shown_lots: int) -> None:
        """No more can be ahead than is shown."""
        order.ahead_lots = min(order.ahead_lots, shown_lots)

    def see_trade(
        self, side: Side, price_ticks: int, quantity_lots: int
    ) -> Iterator[tuple[PaperOrder, int]]:
        """A trade against resting orders of ``side``: which of ours it would have met, and for how
        much. Our quantities together are never more than what traded."""
        key = side, price_ticks
        self._traded[key] = self._traded.get(key, 0) + quantity_lots
        left, passed = quantity_lots, 0  # lots of the trade, and of the public queue before us
        for order in self.orders(side):
            if order.price_ticks * side < price_ticks * side:
                return  # the trade did not reach this one
            if order.price_ticks != price_ticks:
                order.ahead_lots = 0  # it went past: nothing is left at the better price
            else:
                step = min(left, max(0, order.ahead_lots - passed))
                left, passed = left - step, passed + step
                order.ahead_lots = max(0, order.ahead_lots - passed)
            filled = min(left, order.leaves_lots)
            if filled > 0 and order.ahead_lots == 0:
                left -= filled
                yield order, filled

    def see_level(self, side: Side, price_ticks: int, before_lots: int, now_lots: int) -> None:
        """The display at a price changed. What trades took of it has moved the queue already; of
        the rest the rule says whether it was ahead of us."""
        traded = self._traded.pop((side, price_ticks), 0)
        gone = max(0, before_lots - now_lots - traded)
        for order in self._resting[side]:
            if order.price_ticks != price_ticks:
                continue
            if self._rule == "proportional" and gone and before_lots > traded:
                order.ahead_lots -= gone * order.ahead_lots // (before_lots - traded)
            self.cap(order, now_lots)
