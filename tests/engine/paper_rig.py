"""A paper venue with a book of two sides, and requests by a line each."""

# tidy-ok: shared by the tests of the paper venue

from decimal import Decimal

from engine.instruments import Instrument
from engine.paper.paper_order import PaperModel, PaperReport, PaperRequest, QueueRule
from engine.paper.paper_venue import PaperVenue
from ext.wire import IntentKind, Side, TimeInForce

INSTRUMENTS = (
    Instrument("BTC-USD", Decimal("0.01"), Decimal("0.0001"), 0),
    Instrument("ETH-USD", Decimal("0.25"), Decimal("5"), 1),
)
MS = 1_000_000
BIDS = ((99, 10), (98, 20))
ASKS = ((101, 10), (102, 20))


class Rig:
    """``now_ns`` moves when a test says so."""

    def __init__(
        self,
        order_ms: int = 0,
        cancel_ms: int = 0,
        report_ms: int = 0,
        queue: QueueRule = "conservative",
        fees: tuple[int, int] = (0, 0),
    ) -> None:
        model = PaperModel(order_ms * MS, cancel_ms * MS, report_ms * MS, *fees, queue)
        self.venue = PaperVenue(model, INSTRUMENTS)
        self.now_ns = 1_000 * MS
        self._number = 0
        self.snapshot()

    def snapshot(
        self,
        bids: tuple[tuple[int, int], ...] = BIDS,
        asks: tuple[tuple[int, int], ...] = ASKS,
        instrument: int = 0,
    ) -> None:
        levels = [(price, lots, Side.BUY) for price, lots in bids]
        levels += [(price, lots, Side.SELL) for price, lots in asks]
        self.venue.set_book(instrument, levels, self.now_ns)

    def level(self, side: Side, price: int, lots: int) -> None:
        self.venue.change_book(0, [(price, lots, side)], self.now_ns)

    def trade(self, price: int, lots: int, aggressor: Side) -> None:
        self.venue.see_trade(0, price, lots, aggressor, self.now_ns)

    def new(
        self,
        side: Side,
        price: int,
        lots: int,
        time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL,
        *,
        post_only: bool = False,
        instrument: int = 0,
    ) -> int:
        return self._send(
            PaperRequest(
                IntentKind.NEW_ORDER,
                instrument,
                self._next(),
                0,
                side,
                price,
                lots,
                time_in_force,
                post_only,
            )
        )

    def cancel(self, number: int, instrument: int = 0) -> int:
        return self._send(PaperRequest(IntentKind.CANCEL_ORDER, instrument, self._next(), number))

    def replace(self, number: int, price: int, lots: int, side: Side = Side.BUY) -> int:
        kind = IntentKind.REPLACE_ORDER
        return self._send(PaperRequest(kind, 0, self._next(), number, side, price, lots))

    def pass_ms(self, count: float) -> None:
        self.now_ns += int(count * MS)
        self.venue.advance(self.now_ns)

    def reports(self) -> list[PaperReport]:
        """Those that have come by now."""
        return self.venue.take_reports(self.now_ns)

    def heard(self) -> list[tuple[str, int, int]]:
        """(kind, price of the fill, its lots) of the reports that have come by now."""
        return [
            (
                each.execution_type.name.removeprefix("EXEC_"),
                each.last_price_ticks,
                each.last_quantity_lots,
            )
            for each in self.reports()
        ]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, request: PaperRequest) -> int:
        self.venue.send(request, self.now_ns)
        self.venue.advance(self.now_ns)
        return request.request_number
