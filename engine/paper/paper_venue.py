"""A venue inside the process that fills paper orders against the live book. No socket, no clock.

The model, which docs/modes.md explains:

    request sent ─ order or cancel latency ─► arrives ─► takes what is visible, the rest joins a
    queue behind what is visible at its price ─► report ─ report latency ─► applied

    trade at a worse price for us      fills us first, up to its quantity
    trade at our price                 the queue ahead first, then us
    the other side shows at our price  fills us at our price, up to what it shows
    the display shrinks without trade  conservative: nothing left us unless less is shown than was
                                       ahead; proportional: the queue ahead shrinks in proportion

Everything happens at the times that the arguments say, in the order of the calls.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence

from engine.instruments import Instrument
from engine.paper.paper_book import PaperBook
from engine.paper.paper_order import PaperModel, PaperOrder, PaperReport, PaperRequest
from engine.paper.paper_queue import PaperQueue
from ext.wire import ExecutionType, IntentKind, OrderState, Side, TimeInForce

PARTS = 1_000_000
NANO = 1_000_000_000
TOO_LATE = 0  # CxlRejReason(102): the order is done
OTHER = 99  # OrdRejReason(103): a post-only order would take, or a replace is below what is filled

Level = tuple[int, int, Side]  # price in ticks, lots that are there now, side


class PaperVenue:
    """Books and orders of all products. Calls come in order of time; ``reports`` are taken out."""

    def __init__(self, model: PaperModel, instruments: Sequence[Instrument]) -> None:
        self._model = model
        # Worth of one tick on one lot in nanounits of the quote currency, as a fraction.
        worths = [(each.tick * each.lot * NANO).as_integer_ratio() for each in instruments]
        self._step_nano = worths
        self._books = [PaperBook() for _ in instruments]
        self._queues = [PaperQueue(model.queue) for _ in instruments]
        self._orders: dict[int, PaperOrder] = {}  # open ones, by their last accepted request
        self._on_wire: deque[tuple[int, PaperRequest]] = deque()
        self._reports: list[tuple[int, int, PaperReport]] = []
        self._report_count = 0
        self._trade_count = 0
        self._now_ns = 0

    @property
    def next_due_ns(self) -> int | None:
        """When the next request arrives or the next report is due; None: nothing is on its way."""
        times = [self._on_wire[0][0]] if self._on_wire else []
        if self._reports:
            times.append(self._reports[0][0])
        return min(times, default=None)

    @property
    def open_orders(self) -> list[PaperOrder]:
        """Open orders, oldest first."""
        return sorted(self._orders.values(), key=lambda order: order.number)

    def send(self, request: PaperRequest, now_ns: int) -> None:
        """A request leaves the engine. One connection: none overtakes another."""
        model = self._model
        is_cancel = request.kind == IntentKind.CANCEL_ORDER
        due_ns = now_ns + (model.cancel_latency_ns if is_cancel else model.order_latency_ns)
        if self._on_wire:
            due_ns = max(due_ns, self._on_wire[-1][0])
        self._on_wire.append((due_ns, request))

    def advance(self, now_ns: int) -> None:
        """What has arrived by ``now_ns`` meets the book as it was last told; orders for a product
        whose book is not known wait until it is."""
        waiting: list[tuple[int, PaperRequest]] = []
        while self._on_wire and self._on_wire[0][0] <= now_ns:
            due_ns, request = self._on_wire.popleft()
            if self._has_to_wait(request, waiting):
                waiting.append((due_ns, request))
                continue
            self._now_ns = max(self._now_ns, due_ns)
            self._arrive(request)
        self._on_wire.extendleft(reversed(waiting))
        self._now_ns = max(self._now_ns, now_ns)

    def take_reports(self, now_ns: int) -> list[PaperReport]:
        """Reports that have reached us by ``now_ns``, in their order."""
        taken = []
        while self._reports and self._reports[0][0] <= now_ns:
            taken.append(heapq.heappop(self._reports)[2])
        return taken

    # The market.

    def set_book(self, instrument: int, levels: Iterable[Level], now_ns: int) -> None:
        """A snapshot: the book is known now. Levels that it does not name are gone."""
        self.advance(now_ns)
        book = self._books[instrument]
        book.clear()
        queue = self._queues[instrument]
        queue.forget_trades()
        for price_ticks, lots, side in levels:
            book.set_level(side, price_ticks, lots)
        book.is_live = True
        for side in Side:
            for order in queue.orders(side):
                queue.cap(order, book.shown_lots(side, order.price_ticks))
        self._fill_crossed(instrument)
        self.advance(now_ns)  # what has waited for this book

    def change_book(
        self, instrument: int, levels: Iterable[Level], now_ns: int, depth: int = 0
    ) -> None:
        """Levels as they are now; ``depth`` levels of a side are told by the venue, 0: all."""
        self.advance(now_ns)
        book = self._books[instrument]
        if not book.is_live:
            return
        for price_ticks, lots, side in levels:
            before = book.set_level(side, price_ticks, lots)
            self._queues[instrument].see_level(side, price_ticks, before, lots)
        book.keep_best(depth)
        self._fill_crossed(instrument)

    def lose_book(self, instrument: int, now_ns: int) -> None:
        """The book is not to be trusted: nothing is filled before the next snapshot."""
        self.advance(now_ns)
        self._books[instrument].clear()
        self._queues[instrument].forget_trades()

    def see_trade(
        self, instrument: int, price_ticks: int, quantity_lots: int, aggressor: Side, now_ns: int
    ) -> None:
        """A trade of the venue, against resting orders of the side that ``aggressor`` is not."""
        self.advance(now_ns)
        if not self._books[instrument].is_live:
            return
        met = self._queues[instrument].see_trade(Side(-aggressor), price_ticks, quantity_lots)
        for order, filled in met:
            self._fill(order, order.price_ticks, filled, is_maker=True)

    # Requests.

    def _has_to_wait(
        self, request: PaperRequest, waiting: Sequence[tuple[int, PaperRequest]]
    ) -> bool:
        is_cancel = request.kind == IntentKind.CANCEL_ORDER
        is_of_waiting = any(request.original_number == other.request_number for _, other in waiting)
        return is_of_waiting or not (is_cancel or self._books[request.instrument].is_live)

    def _arrive(self, request: PaperRequest) -> None:
        if request.kind == IntentKind.NEW_ORDER:
            self._take_new(request)
            return
        order = self._orders.get(request.original_number)
        if order is None:
            self._refuse(request, TOO_LATE)
        elif request.kind == IntentKind.CANCEL_ORDER:
            self._close(order, ExecutionType.EXEC_CANCELED, OrderState.CANCELED, request)
        else:
            self._replace(order, request)

    def _take_new(self, request: PaperRequest) -> None:
        order = PaperOrder(
            number=request.request_number,
            accepted_number=request.request_number,
            instrument=request.instrument,
            side=request.side,
            price_ticks=request.price_ticks,
            quantity_lots=request.quantity_lots,
            time_in_force=request.time_in_force,
            is_post_only=request.is_post_only,
        )
        reach = self._reach(order, order.price_ticks)
        if order.is_post_only and reach:
            order.state = OrderState.REJECTED
            self._report(order, ExecutionType.EXEC_REJECTED, reject_code=OTHER)
            return
        self._orders[order.accepted_number] = order
        self._report(order, ExecutionType.EXEC_NEW)
        if order.time_in_force == TimeInForce.FILL_OR_KILL and reach < order.quantity_lots:
            self._close(order, ExecutionType.EXEC_CANCELED, OrderState.CANCELED)
            return
        self._match(order)

    def _replace(self, order: PaperOrder, request: PaperRequest) -> None:
        """A new total and price. Less at the same price keeps the place in the queue."""
        is_too_small = request.quantity_lots <= order.filled_lots
        if is_too_small or (order.is_post_only and self._reach(order, request.price_ticks)):
            self._refuse(request, OTHER, order)
            return
        is_decrease = (
            request.price_ticks == order.price_ticks and request.quantity_lots < order.quantity_lots
        )
        del self._orders[order.accepted_number]
        original_number = order.accepted_number
        order.accepted_number = request.request_number
        self._orders[order.accepted_number] = order
        order.price_ticks, order.quantity_lots = request.price_ticks, request.quantity_lots
        self._report(order, ExecutionType.EXEC_REPLACED, original_number=original_number)
        if not is_decrease:
            self._queues[order.instrument].leave(order)
            self._match(order)

    def _reach(self, order: PaperOrder, limit_ticks: int) -> int:
        """Lots that an order would take at once."""
        return self._books[order.instrument].available_lots(Side(-order.side), limit_ticks)

    def _match(self, order: PaperOrder) -> None:
        """Takes what is visible, each level at its price; the rest rests or ends."""
        book, other = self._books[order.instrument], Side(-order.side)
        for price_ticks, lots in book.available(other, order.price_ticks):
            filled = min(lots, order.leaves_lots)
            book.take(other, price_ticks, filled)
            self._fill(order, price_ticks, filled, is_maker=False)
            if not order.is_open:
                return
        if order.time_in_force != TimeInForce.GOOD_TILL_CANCEL:
            self._close(order, ExecutionType.EXEC_EXPIRED, OrderState.EXPIRED)
            return
        ahead_lots = book.left_lots(order.side, order.price_ticks)
        self._queues[order.instrument].join(order, ahead_lots)

    def _fill_crossed(self, instrument: int) -> None:
        """The other side shows at our price or beyond: it would have met us, at our price."""
        book = self._books[instrument]
        for side in Side:
            other = Side(-side)
            for order in self._queues[instrument].orders(side):
                for price_ticks, lots in book.available(other, order.price_ticks):
                    filled = min(lots, order.leaves_lots)
                    book.take(other, price_ticks, filled)
                    self._fill(order, order.price_ticks, filled, is_maker=True)
                    if not order.is_open:
                        break

    # Reports.

    def _fill(self, order: PaperOrder, price_ticks: int, lots: int, *, is_maker: bool) -> None:
        order.filled_lots += lots
        order.state = OrderState.PARTIALLY_FILLED if order.leaves_lots else OrderState.FILLED
        self._trade_count += 1
        ppm = self._model.maker_fee_ppm if is_maker else self._model.taker_fee_ppm
        worth, parts = self._step_nano[order.instrument]
        self._report(
            order,
            ExecutionType.EXEC_TRADE,
            last=(price_ticks, lots),
            is_maker=is_maker,
            fee_nano=-(-worth * price_ticks * lots * ppm // (parts * PARTS)),  # rounded up
        )
        if not order.is_open:
            self._forget(order)

    def _close(
        self,
        order: PaperOrder,
        kind: ExecutionType,
        state: OrderState,
        request: PaperRequest | None = None,
    ) -> None:
        order.state = state
        number = request.request_number if request is not None else 0
        self._report(order, kind, request_number=number, original_number=order.accepted_number)
        self._forget(order)

    def _forget(self, order: PaperOrder) -> None:
        self._orders.pop(order.accepted_number, None)
        self._queues[order.instrument].leave(order)

    def _refuse(
        self, request: PaperRequest, reject_code: int, order: PaperOrder | None = None
    ) -> None:
        """A cancel or replace that does not hold; the order, if there is one, stays as it is."""
        self._put(
            PaperReport(
                due_ns=self._now_ns + self._model.report_latency_ns,
                time_ns=self._now_ns,
                execution_type=ExecutionType.EXEC_CANCEL_REJECT,
                state=order.state if order is not None else OrderState.FILLED,
                instrument=request.instrument,
                side=request.side,
                order_number=order.number if order is not None else 0,
                request_number=request.request_number,
                original_number=request.original_number,
                price_ticks=-1,
                quantity_lots=-1,
                filled_lots=-1,
                leaves_lots=-1,
                reject_code=reject_code,
            )
        )

    def _report(
        self,
        order: PaperOrder,
        kind: ExecutionType,
        *,
        last: tuple[int, int] = (0, 0),
        is_maker: bool = False,
        fee_nano: int = 0,
        request_number: int = 0,
        original_number: int = 0,
        reject_code: int = 0,
    ) -> None:
        is_fill = kind == ExecutionType.EXEC_TRADE
        self._put(
            PaperReport(
                due_ns=self._now_ns + self._model.report_latency_ns,
                time_ns=self._now_ns,
                execution_type=kind,
                state=order.state,
                instrument=order.instrument,
                side=order.side,
                order_number=order.number,
                request_number=request_number or order.accepted_number,
                original_number=original_number,
                price_ticks=order.price_ticks,
                quantity_lots=order.quantity_lots,
                filled_lots=order.filled_lots,
                leaves_lots=order.leaves_lots if order.is_open else 0,
                last_price_ticks=last[0],
                last_quantity_lots=last[1],
                is_maker=is_maker,
                fee_nano=fee_nano,
                trade_id=self._trade_count if is_fill else 0,
                reject_code=reject_code,
            )
        )

    def _put(self, report: PaperReport) -> None:
        self._report_count += 1
        heapq.heappush(self._reports, (report.due_ns, self._report_count, report))
