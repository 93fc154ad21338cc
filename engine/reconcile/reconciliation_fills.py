"""The venue's fills as they become known: which are new, which have been agreed on.

Trade ids count upwards within a product. A list of fills may lag behind, so each question goes
back as far as what was known ``OVERLAP_NS`` ago.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from engine.reconcile.reconciliation_records import TheirFill

OVERLAP_NS = 60_000_000_000


class FillRecord:
    """Fills by the venue's order id, then by trade id."""

    def __init__(self) -> None:
        self._fills: dict[str, dict[int, TheirFill]] = {}
        self._agreed: dict[str, int] = {}  # how many fills of an order were agreed on
        self._highest: dict[str, int] = {}
        self._marks: deque[tuple[int, dict[str, int]]] = deque()

    def begin(self, symbol: str, trade_id: int) -> None:
        """Fills up to this one were before our time."""
        self._highest[symbol] = trade_id

    def has_begun(self, symbol: str) -> bool:
        """Whether ``begin`` was called for it."""
        return symbol in self._highest

    def known_until(self, symbol: str) -> int:
        """The trade id that the next question has to go back to."""
        marks = self._marks[0][1] if self._marks else self._highest
        return marks.get(symbol, 0)

    def pass_over(self, symbol: str, trade_ids: Iterable[int]) -> None:
        """Trades that need not be asked for again once all is agreed on."""
        highest = self._highest.get(symbol, 0)
        self._highest[symbol] = max(highest, max(trade_ids, default=0))

    def marks(self) -> dict[str, int]:
        """Of each product the trade id until which all is agreed on; empty before ``agree``."""
        return dict(self._marks[0][1]) if self._marks else {}

    def add(self, fills: Iterable[TheirFill]) -> None:
        """What the venue has listed, known ones too."""
        for fill in fills:
            self._fills.setdefault(fill.venue_order_id, {})[fill.trade_id] = fill
            symbol = fill.instrument.symbol
            self._highest[symbol] = max(self._highest.get(symbol, 0), fill.trade_id)

    def of_orders(self, venue_order_ids: Collection[str]) -> dict[str, Mapping[int, TheirFill]]:
        """Fills of these orders, and of all that have some that were not agreed on."""
        return {
            order: fills
            for order, fills in self._fills.items()
            if order in venue_order_ids or len(fills) != self._agreed.get(order, 0)
        }

    def agree(self, open_order_ids: Collection[str], now_ns: int) -> None:
        """Both records are equal: forgets what cannot come up again, keeps open orders' fills."""
        self._agreed = {order: len(fills) for order, fills in self._fills.items()}
        self._marks.append((now_ns, dict(self._highest)))
        while len(self._marks) > 1 and self._marks[1][0] <= now_ns - OVERLAP_NS:
            self._marks.popleft()
        for order, fills in list(self._fills.items()):
            newest = max(fills.values(), key=lambda fill: fill.trade_id)
            known = self.known_until(newest.instrument.symbol)
            if order not in open_order_ids and newest.trade_id <= known:
                del self._fills[order], self._agreed[order]
