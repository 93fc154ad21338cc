"""Asks the venue by REST what became of our open orders, and reports it to the pipeline.

 our order       the venue                          what is reported
 ──────────────────────────────────────────────────────────────────────────────────────────────
 open            lists a fill of it                 the fill, counted once by its trade id
 open            shows more filled than we know     its fills are listed, then the same
 PENDING_NEW     shows it open                      it is placed
 UNKNOWN         shows it open, fills agree         it is as the venue shows it
 open            shows it ended, fills agree        it has ended
 open            does not know it (404)             it has ended without a fill: see ``_is_gone``

What does not fit (a fill that cannot be, an order that is gone and had fills) is left to the
reconciliation, which compares everything and pauses. Questions go one after the other, so that a
slow venue is not asked faster than it answers.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from engine.instruments import Instrument
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciliation import (
    Difference,
    MissedFills,
    OrderEnded,
    OrderFound,
    OrderGone,
)
from engine.reconcile.reconciliation_questions import Asks
from engine.reconcile.reconciliation_records import (
    NANO,
    OurOrder,
    TheirOrder,
    read_fill,
    read_order,
)
from engine.reconcile.reconciliation_reports import Fields, ReportEdge, make_reports
from engine.rest.rest_reports import make_placement
from ext.errors import InstrumentError
from ext.orders import ReportResult
from ext.wire import OrderState
from gateways.coinbase_rest import (
    VenueFill,
    VenueOrder,
    get_client_order,
    get_order,
    get_time,
    list_fills,
    list_orders,
)
from gateways.rest_request import RestError, RestNotFound

TIMESTAMP_LIMIT_NS = 30_000_000_000
"""The venue takes a request up to so long after its timestamp, by its own clock, and so long before
("REST API Authentication")."""
LATE_MARGIN_NS = 5_000_000_000
"""On top: for what it has taken in time and looks at later, and for clocks of its servers that
differ."""
ORDER_LIFETIME_NS = 2 * TIMESTAMP_LIMIT_NS + LATE_MARGIN_NS
"""So long after it was sent an order that the venue does not know cannot come, whatever its clock
shows: ours may be ahead of it by the limit, and is still believed."""
GONE_ANSWERS = 2
GONE_AFTER_NS = 1_000_000_000
"""So many answers in a row that an order is not known, and so long after its acknowledgement,
before it is believed of one that was never shown in the market: what answers questions may lag
behind what takes orders."""

_log = logging.getLogger("engine.orders")


class OrderPoll:
    """``on_doubt`` gets the text of what cannot be."""

    def __init__(
        self,
        transport: Asks,
        own: OwnRecords,
        pipeline: ReportEdge,
        instruments: Mapping[str, Instrument],
        now_ns: Callable[[], int],
        on_doubt: Callable[[str], None],
    ) -> None:
        self._transport = transport
        self._own = own
        self._pipeline = pipeline
        self._instruments = instruments
        self._now_ns = now_ns
        self._on_doubt = on_doubt
        self._counted: dict[str, set[int]] = {}  # trade ids of the newest fills, by product
        self._absences: dict[int, int] = {}  # answers in a row, by order number
        self._expiries_ns: dict[int, int] = {}  # of orders that may still come, by order number
        self._doubted: set[str] = set()

    async def ask(self) -> bool:
        """One round; False when no order is open, and nobody was asked. RestError: no answer."""
        asked_ns = self._now_ns()
        ours = self._open_orders()
        self._forget(ours)
        if not ours:
            return False
        for symbol in sorted({order.instrument.symbol for order in ours.values()}):
            await self._take_new_fills(symbol)
        shown = self._match((await self._transport.send(list_orders())).value)
        for number, theirs in shown.items():
            await self._take_order(number, theirs, asked_ns)
        for number in ours:
            if number not in shown:
                await self._ask_for(number, asked_ns)
        return True

    def _open_orders(self) -> dict[int, OurOrder]:
        return {order.order_number: order for order in self._own.orders((), ()).orders}

    def _match(self, listed: Sequence[VenueOrder]) -> dict[int, TheirOrder]:
        """What the venue shows of our open orders; the rest is for the reconciliation."""
        record, shown = self._own.orders((), ()), {}
        for each in listed:
            try:
                theirs = read_order(each, self._instruments)
            except InstrumentError:
                continue
            if (ours := record.find(theirs)) is not None:
                shown[ours.order_number] = theirs
        return shown

    def _forget(self, ours: Mapping[int, OurOrder]) -> None:
        self._absences = {at: count for at, count in self._absences.items() if at in ours}
        self._expiries_ns = {at: end for at, end in self._expiries_ns.items() if at in ours}

    async def _take_new_fills(self, symbol: str) -> None:
        """The newest fills of a product; older ones show in what is filled of each order."""
        page = (await self._transport.send(list_fills(product_id=symbol))).value
        self._take_fills(page)
        listed = {fill.trade_id for fill in page}
        self._counted[symbol] = self._counted.get(symbol, set()) & listed

    def _take_fills(self, fills: Sequence[VenueFill]) -> None:
        by_venue_id = {
            order.venue_order_id: order
            for order in self._open_orders().values()
            if order.venue_order_id
        }
        for fill in sorted(fills, key=lambda each: each.trade_id):
            order = by_venue_id.get(fill.order_id)
            counted = self._counted.setdefault(fill.product_id, set())
            if order is None or fill.trade_id in counted:
                continue
            counted.add(fill.trade_id)
            try:
                theirs = read_fill(fill, self._instruments)
            except InstrumentError as error:
                self._doubt(f"a fill of order {order.order_number} cannot be read: {error}")
                continue
            self._explain(MissedFills(order, (theirs,)))

    async def _take_order(self, number: int, theirs: TheirOrder, asked_ns: int) -> None:
        """What the venue shows of an open order, which may have changed or ended meanwhile."""
        self._absences.pop(number, None)
        ours = self._open_orders().get(number)
        if ours is not None and theirs.filled_lots > ours.filled_lots:
            request = list_fills(order_id=theirs.venue_order_id)
            if not ours.venue_order_id:
                self._place(ours, theirs)
            self._take_fills((await self._transport.send(request)).value)
            ours = self._open_orders().get(number)
        if ours is None or theirs.filled_lots != ours.filled_lots:
            return  # it has ended with its fills; or they are not all listed yet
        if not theirs.is_living:
            self._explain(OrderEnded(ours, theirs))
        elif ours.is_unknown:
            if ours.update_time_ns < asked_ns:
                self._explain(OrderFound(ours, theirs))
        elif ours.state == OrderState.PENDING_NEW and not theirs.status.startswith("pending"):
            self._place(ours, theirs)

    async def _ask_for(self, number: int, asked_ns: int) -> None:
        """An open order that is not listed among the living."""
        ours = self._open_orders().get(number)
        if ours is None or ours.update_time_ns >= asked_ns:
            return  # something was said of it since the list was asked for
        if ours.state == OrderState.PENDING_NEW and not ours.venue_order_id:
            return  # its request is under way
        if ours.venue_order_id:
            question = get_order(ours.venue_order_id)
        else:
            question = get_client_order(ours.client_order_id)
        has_expired = await self._has_expired(ours)  # before the question: it is answered later
        try:
            theirs = read_order((await self._transport.send(question)).value, self._instruments)
        except RestNotFound:
            self._take_absence(number, has_expired=has_expired)
            return
        except InstrumentError as error:
            self._doubt(f"order {number} cannot be read: {error}")
            return
        await self._take_order(number, theirs, asked_ns)

    def _take_absence(self, number: int, *, has_expired: bool) -> None:
        ours = self._open_orders().get(number)
        if ours is None:
            return
        self._absences[number] = self._absences.get(number, 0) + 1
        if self._is_gone(ours, self._absences[number], has_expired=has_expired):
            self._explain(OrderGone(ours))
        elif self._absences[number] == 1 and number in self._expiries_ns:
            left_s = max(0, self._expiries_ns[number] - self._now_ns()) / NANO
            _log.warning("the venue does not know %s; it may still come for %.0f s", ours, left_s)

    def _is_gone(self, ours: OurOrder, answers: int, *, has_expired: bool) -> bool:
        """The venue forgets an order that has ended without a fill. One that it never told of may
        still be under way to it, as long as it would take it."""
        if ours.filled_lots > 0:
            return False
        if ours.is_accepted:
            return True
        if ours.venue_order_id:
            has_expired = self._now_ns() - ours.acknowledged_time_ns >= GONE_AFTER_NS
        return answers >= GONE_ANSWERS and has_expired

    async def _has_expired(self, ours: OurOrder) -> bool:
        """Whether the venue would refuse the order by now if it came: its timestamp is too old.

        How old it is the venue's clock decides, and tells; without it ours is held to be as wrong
        as it can be. It is the time of the request itself that counts, so that a step of the
        host's clock since then changes nothing.
        """
        if ours.venue_order_id or ours.is_accepted:
            return False
        now_ns = self._now_ns()
        latest_ns = ours.sent_time_ns + ORDER_LIFETIME_NS
        expiry_ns = self._expiries_ns.get(ours.order_number, latest_ns)
        if now_ns >= expiry_ns:
            return True
        if ours.order_number in self._expiries_ns:
            return False
        try:
            venue_ns = int((await self._transport.send(get_time())).value.epoch * NANO)
        except RestError as error:
            _log.warning("the venue does not tell its time: %s", error)
            return False
        now_ns = self._now_ns()
        if abs(venue_ns - now_ns) <= TIMESTAMP_LIMIT_NS:  # else it would take nothing of ours
            left_ns = ours.sent_time_ns + TIMESTAMP_LIMIT_NS + LATE_MARGIN_NS - venue_ns
            expiry_ns = min(latest_ns, now_ns + left_ns)
        self._expiries_ns[ours.order_number] = expiry_ns
        return now_ns >= expiry_ns

    def _place(self, ours: OurOrder, theirs: TheirOrder) -> None:
        self._apply(make_placement(ours, theirs, self._now_ns()), f"the placement of {ours}")

    def _explain(self, difference: Difference) -> None:
        for fields in make_reports(difference, 0, self._now_ns()):
            self._apply(fields, str(difference))

    def _apply(self, fields: Fields, what: str) -> None:
        if self._pipeline.apply_report(fields, self._now_ns()) & ReportResult.REPORT_INCONSISTENT:
            self._doubt(f"does not fit what we know: {what}")

    def _doubt(self, text: str) -> None:
        """Told once, not at each question."""
        if text not in self._doubted:
            self._doubted.add(text)
            self._on_doubt(text)
