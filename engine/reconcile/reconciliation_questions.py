"""Asks the venue by REST for its record of our key: orders, fills, balances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from engine.instruments import Instrument
from engine.reconcile.known_trades import KnownTrades
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciliation import OurRecord, TheirRecord
from engine.reconcile.reconciliation_fills import FillRecord
from engine.reconcile.reconciliation_records import (
    TheirFill,
    TheirOrder,
    is_older,
    read_fill,
    read_order,
)
from ext.errors import InstrumentError
from gateways.coinbase_rest import (
    PAGE_ENTRIES,
    VenueFill,
    VenueOrder,
    get_client_order,
    get_order,
    list_accounts,
    list_fills,
    list_orders,
)
from gateways.rest_request import RestAnswer, RestNotFound, RestRequest

MAX_PAGES = 50
"""Of one list: 5,000 entries; the venue allows 500 open orders of a product."""

Value = TypeVar("Value")


class Asks(Protocol):
    """``gateways.rest_transport.RestTransport``."""

    async def send(self, request: RestRequest[Value]) -> RestAnswer[Value]:
        """The answer; a RestError when there is none."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Both records of one round of questions, and the venue's balances by currency.

    ``is_quiet``: no report came in meanwhile, so that balances can be compared.
    """

    ours: OurRecord
    theirs: TheirRecord
    balances: Mapping[str, Decimal]
    is_quiet: bool

    @property
    def has_unasked(self) -> bool:
        """Whether an order became Unknown after the question: nothing was asked about it yet."""
        asked_ns = self.theirs.asked_ns
        return any(each.is_unknown and not each.is_settled(asked_ns) for each in self.ours.orders)


class VenueQuestions:
    """Knows how to ask; keeps the fills that it has heard of."""

    def __init__(
        self,
        transport: Asks,
        own: OwnRecords,
        instruments: Sequence[Instrument],
        known: KnownTrades | None = None,
    ) -> None:
        """``known`` None: nothing that was traded before the first question is ours."""
        self.fills = FillRecord()
        self._known = known
        self._transport = transport
        self._own = own
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._unreadable: list[str] = []

    async def ask(self, asked_ns: int) -> Answers:
        """One round; ``asked_ns`` is the engine's time before the first question."""
        self._unreadable.clear()
        reports = self._own.report_count()
        orders = {order.venue_order_id: order for order in await self._list_living()}
        for symbol in self._instruments:
            await self._list_fills(symbol)
        accounts = (await self._transport.send(list_accounts())).value
        absent = await self._ask_for_ours(orders, asked_ns)
        await self._ask_for_strangers(orders)
        await self._complete_fills(orders)
        fills = self.fills.of_orders(orders)
        ours = self._read_ours(orders)
        theirs = TheirRecord(
            asked_ns, tuple(orders.values()), frozenset(absent), fills, tuple(self._unreadable)
        )
        balances = {account.currency: account.balance for account in accounts}
        return Answers(ours, theirs, balances, reports == self._own.report_count())

    def _read_ours(self, orders: Mapping[str, TheirOrder]) -> OurRecord:
        venue_order_ids = {*orders, *self.fills.of_orders(orders)}
        return self._own.orders(
            venue_order_ids, {order.client_order_id for order in orders.values()}
        )

    async def _list_living(self) -> list[TheirOrder]:
        found: list[VenueOrder] = []
        cursor = ""
        for _ in range(MAX_PAGES):
            answer = await self._transport.send(list_orders(after=cursor))
            found += answer.value
            cursor = answer.older_cursor
            if len(answer.value) < PAGE_ENTRIES or not cursor:
                break
        else:
            self._unreadable.append(f"more than {len(found)} open orders")
        return [order for each in found if (order := self._read_order(each)) is not None]

    async def _list_fills(self, symbol: str) -> None:
        """From the newest back to what was known; the first time of a first run only where to
        begin."""
        since_ns = self._begin_fills(symbol)
        known = self.fills.known_until(symbol)
        has_begun = self.fills.has_begun(symbol)
        cursor = ""
        for _ in range(MAX_PAGES):
            answer = await self._transport.send(list_fills(product_id=symbol, after=cursor))
            page = answer.value
            if not has_begun:
                self.fills.begin(symbol, max((fill.trade_id for fill in page), default=0))
                return
            new = [fill for fill in page if fill.trade_id > known and not is_older(fill, since_ns)]
            self._add_new_fills(symbol, new)
            cursor = answer.older_cursor
            is_reached = len(new) < len(page)
            if is_reached or len(page) < PAGE_ENTRIES or not cursor:
                return
        self._unreadable.append(f"more than {MAX_PAGES * PAGE_ENTRIES} new fills of {symbol}")

    def _begin_fills(self, symbol: str) -> int:
        """Where the fills of a product begin when an earlier run had some, or might have; the time
        before which they are none of ours, 0: their ids tell."""
        if self._known is None or self.fills.has_begun(symbol):
            return 0
        since_ns = self._known.since_ns.get(symbol, 0)
        trade_id = self._known.trade_ids.get(symbol)
        if since_ns or trade_id is not None:
            self.fills.begin(symbol, trade_id or 0)
        return since_ns

    async def _ask_for_ours(self, orders: dict[str, TheirOrder], asked_ns: int) -> set[int]:
        """Our open orders that are not among the living: what became of each. Adds to ``orders``;
        the numbers of those that the venue does not know."""
        ours = self._read_ours(orders)
        matched = {
            order.order_number for each in orders.values() if (order := ours.find(each)) is not None
        }
        absent = set()
        for order in ours.orders:
            if not order.is_open or order.order_number in matched:
                continue
            if not order.is_settled(asked_ns):
                continue
            question = (
                get_order(order.venue_order_id)
                if order.venue_order_id
                else get_client_order(order.client_order_id)
            )
            try:
                shown = self._read_order((await self._transport.send(question)).value)
            except RestNotFound:
                absent.add(order.order_number)
                continue
            if shown is not None:
                orders[shown.venue_order_id] = shown
        return absent

    async def _ask_for_strangers(self, orders: dict[str, TheirOrder]) -> None:
        """Orders behind fills whose id we have not heard of: the client id may be one of ours."""
        ours = self._read_ours(orders)
        known = {order.venue_order_id for order in ours.orders}
        for venue_order_id in self.fills.of_orders(orders):
            if venue_order_id in known or venue_order_id in orders:
                continue
            try:
                shown = (await self._transport.send(get_order(venue_order_id))).value
            except RestNotFound:
                continue
            if (order := self._read_order(shown)) is not None:
                orders[order.venue_order_id] = order

    async def _complete_fills(self, orders: Mapping[str, TheirOrder]) -> None:
        """All fills of orders of which fewer were listed than either side has: some are older
        than what was listed, as of an order of an earlier run that was recovered."""
        ours = self._read_ours(orders)
        wanted = {order.venue_order_id: order.filled_lots for order in ours.orders}
        wanted = {name: lots for name, lots in wanted.items() if name}
        for name, order in orders.items():
            if ours.find(order) is not None:
                wanted[name] = max(order.filled_lots, wanted.get(name, 0))
        listed = self.fills.of_orders(orders)
        for name in sorted({*listed, *orders} & wanted.keys()):  # one seed is one run
            lots = sum(fill.quantity_lots for fill in listed.get(name, {}).values())
            if lots < wanted[name]:
                await self._list_fills_of(name)

    async def _list_fills_of(self, venue_order_id: str) -> None:
        cursor = ""
        for _ in range(MAX_PAGES):
            request = list_fills(order_id=venue_order_id, after=cursor)
            answer = await self._transport.send(request)
            self._add_fills(answer.value)
            cursor = answer.older_cursor
            if len(answer.value) < PAGE_ENTRIES or not cursor:
                return
        self._unreadable.append(f"more than {MAX_PAGES * PAGE_ENTRIES} fills of {venue_order_id}")

    def _add_new_fills(self, symbol: str, fills: Sequence[VenueFill]) -> None:
        """But for those that an earlier run has counted: their orders may be long gone from our
        table. Of one that is still there all are asked for, if it needs them."""
        counted = self._known.counted.get(symbol, frozenset()) if self._known else frozenset()
        self.fills.pass_over(symbol, (fill.trade_id for fill in fills))
        self._add_fills([fill for fill in fills if fill.trade_id not in counted])

    def _add_fills(self, fills: Sequence[VenueFill]) -> None:
        readable: list[TheirFill] = []
        for fill in fills:
            try:
                readable.append(read_fill(fill, self._instruments))
            except InstrumentError as error:
                self._unreadable.append(str(error))
        self.fills.add(readable)

    def _read_order(self, order: VenueOrder) -> TheirOrder | None:
        try:
            return read_order(order, self._instruments)
        except InstrumentError as error:
            self._unreadable.append(f"{error} ({order.side} {order.size} at {order.price})")
            return None
