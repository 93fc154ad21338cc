"""Compares the venue's record with ours. No sockets, no clock: two records in, differences out.

 venue has                we have              difference        what becomes of it
 ─────────────────────────────────────────────────────────────────────────────────────────────
 a fill of our order      not counted          MissedFills       counted, once, by trade id
 order ended              open                 OrderEnded        ends with us, fills first
 nothing (404)            open                 OrderGone         ends with us: it cannot trade
 order open               UNKNOWN, same terms  OrderFound        taken as the venue shows it
 order open               UNKNOWN, other terms OrderFound        the same: we only had a question
 order open               no such order        ForeignOrder      the engine pauses
 order open               ended                OrderLives        the engine pauses
 order open, other terms  open                 TermsDiffer       the engine pauses
 fewer fills              more fills           FillsDiffer       the engine pauses
 a fill                   no such order        ForeignFill       the engine pauses
 balance                  another change       BalanceDiffers    the engine pauses
 what we cannot read      —                    Unreadable        the engine pauses

An order in flight, or changed since the question was asked, is no difference yet (``OurOrder
.is_settled``): the question is asked again. And no difference is believed before as many answers in
a row as ``answers_needed`` have shown the same one.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.reconcile.reconciliation_records import OurOrder, TheirFill, TheirOrder, format_amount

AMOUNT_TOLERANCE_PARTS = Decimal("0.00001")
"""Of what was turned over in a quote currency, a tenth of a basis point: our fees and P&L are
floats, and the venue rounds its fees fill by fill. Base currencies are compared exactly."""
EXPLAINED_ANSWERS = 2
UNEXPLAINED_ANSWERS = 4
"""Equal answers that are needed before a difference is believed. More for what pauses the engine:
the venue's lists may lag behind each other."""


@dataclass(frozen=True, slots=True)
class OurRecord:
    """Our orders, open ones and those that ended and are still in the table.

    ``request_number`` gives the number behind a client id, 0 when it is none of this run.
    """

    orders: tuple[OurOrder, ...]
    request_number: Callable[[str], int]

    def find(self, order: TheirOrder) -> OurOrder | None:
        """Our side of an order of the venue."""
        number = self.request_number(order.client_order_id) if order.client_order_id else 0
        for ours in self.orders:
            if ours.venue_order_id == order.venue_order_id or number in ours.request_numbers:
                return ours
        return None


@dataclass(frozen=True, slots=True)
class TheirRecord:
    """The answers to questions of which the first was asked at ``asked_ns``.

    ``orders`` are all that live and those asked for singly; ``absent`` are the numbers of our
    orders that the venue does not know; ``fills`` stand by the venue's order id, then trade id.
    """

    asked_ns: int
    orders: tuple[TheirOrder, ...]
    absent: frozenset[int] = frozenset()
    fills: Mapping[str, Mapping[int, TheirFill]] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement, with both records of this moment: equal ones are the same difference."""

    @property
    def is_explained(self) -> bool:
        """Whether reports can be made of it that bring our record up to the venue's."""
        return False

    @property
    def is_certain(self) -> bool:
        """Whether one answer is enough: a fact about an order that we know nothing else of."""
        return False

    @property
    def identity(self) -> Hashable:
        """What is the same in two answers when they tell of the same difference."""
        return self

    @property
    def answers_needed(self) -> int:
        """How many questions in a row must be answered alike before it is believed."""
        if self.is_certain:
            return 1
        return EXPLAINED_ANSWERS if self.is_explained else UNEXPLAINED_ANSWERS


@dataclass(frozen=True, slots=True)
class MissedFills(Difference):
    """Fills that add up to more than we have counted."""

    ours: OurOrder
    fills: tuple[TheirFill, ...]

    @property
    def is_explained(self) -> bool:
        """A fill is a fact, and is counted once whatever comes later."""
        return True

    @property
    def is_certain(self) -> bool:
        """With a session that is up, its report may be on its way and would come second."""
        return self.ours.is_unknown

    def __str__(self) -> str:
        shown = "; ".join(str(fill) for fill in self.fills)
        return f"fills that we missed. Ours: {self.ours}. Venue: {shown}"


@dataclass(frozen=True, slots=True)
class OrderEnded(Difference):
    """An order of ours that has ended at the venue, all of its fills counted."""

    ours: OurOrder
    theirs: TheirOrder

    @property
    def is_explained(self) -> bool:
        """It cannot trade any more."""
        return True

    @property
    def is_certain(self) -> bool:
        """An end is final; with a session that is up its report may be on its way."""
        return self.ours.is_unknown

    def __str__(self) -> str:
        return f"an order that has ended. Ours: {self.ours}. Venue: {self.theirs}"


@dataclass(frozen=True, slots=True)
class OrderGone(Difference):
    """An order of ours that the venue does not know: ended without a fill, or never arrived."""

    ours: OurOrder

    @property
    def is_explained(self) -> bool:
        """Only without fills: the venue forgets no order that had one."""
        return self.ours.filled_lots == 0

    @property
    def identity(self) -> Hashable:
        """While its book is not LIVE a cancel of it is tried each second: that makes it another
        record of ours, and no other order at the venue."""
        return OrderGone, self.ours.order_number, self.ours.state, self.ours.filled_lots

    def __str__(self) -> str:
        return f"an order that the venue does not know. Ours: {self.ours}. Venue: nothing"


@dataclass(frozen=True, slots=True)
class OrderFound(Difference):
    """An UNKNOWN order of ours lives at the venue."""

    ours: OurOrder
    theirs: TheirOrder

    @property
    def is_explained(self) -> bool:
        """We had nothing but the question."""
        return True

    def __str__(self) -> str:
        return f"an Unknown order that is open. Ours: {self.ours}. Venue: {self.theirs}"


@dataclass(frozen=True, slots=True)
class ForeignOrder(Difference):
    """An open order on our key that we did not place in this run."""

    theirs: TheirOrder

    def __str__(self) -> str:
        return f"an open order that is not ours. Ours: nothing. Venue: {self.theirs}"


@dataclass(frozen=True, slots=True)
class OrderLives(Difference):
    """An order that has ended with us and is open at the venue."""

    ours: OurOrder
    theirs: TheirOrder

    def __str__(self) -> str:
        return f"an order that we think has ended. Ours: {self.ours}. Venue: {self.theirs}"


@dataclass(frozen=True, slots=True)
class TermsDiffer(Difference):
    """Side, price or quantity of an open order."""

    ours: OurOrder
    theirs: TheirOrder

    def __str__(self) -> str:
        return f"an order with other terms. Ours: {self.ours}. Venue: {self.theirs}"


@dataclass(frozen=True, slots=True)
class FillsDiffer(Difference):
    """We have counted more than the venue lists, or its order shows more than it lists."""

    ours: OurOrder
    theirs: TheirOrder
    listed_lots: int

    def __str__(self) -> str:
        listed = self.ours.instrument.format_quantity(self.listed_lots)
        return (
            f"fills that do not add up. Ours: {self.ours}. Venue: {self.theirs};"
            f" its fills make {listed}"
        )


@dataclass(frozen=True, slots=True)
class ForeignFill(Difference):
    """A fill on our key of an order that we did not place in this run."""

    fill: TheirFill

    def __str__(self) -> str:
        return f"a fill that is not ours. Ours: nothing. Venue: {self.fill}"


@dataclass(frozen=True, slots=True)
class BalanceDiffers(Difference):
    """A balance has changed by another amount than our fills and fees make."""

    currency: str
    our_change: Decimal
    their_change: Decimal

    def __str__(self) -> str:
        ours, theirs = format_amount(self.our_change), format_amount(self.their_change)
        return (
            f"the balance of {self.currency}. Ours: fills and fees changed it by {ours}"
            f" since the start. Venue: it changed by {theirs}"
        )


@dataclass(frozen=True, slots=True)
class Unreadable(Difference):
    """Something of the venue that does not fit our instruments."""

    text: str

    def __str__(self) -> str:
        return f"what cannot be ours. Ours: nothing. Venue: {self.text}"


def compare(ours: OurRecord, theirs: TheirRecord) -> list[Difference]:
    """Every difference between two records, fills first: they have to be counted before ends."""
    found: list[Difference] = []
    orders = {order.venue_order_id: ours.find(order) for order in theirs.orders}
    found += _compare_fills(ours, theirs, orders)
    late = {each.ours.order_number for each in found if isinstance(each, MissedFills)}
    for order in theirs.orders:
        our_order = orders[order.venue_order_id]
        if our_order is None:
            if order.is_living:
                found.append(ForeignOrder(order))
        elif our_order.is_settled(theirs.asked_ns) and our_order.order_number not in late:
            difference = _compare_order(our_order, order, theirs)
            if difference is not None:
                found.append(difference)
    found += [
        OrderGone(order)
        for order in ours.orders
        if order.order_number in theirs.absent
        and order.is_open
        and order.is_settled(theirs.asked_ns)
        and order.order_number not in late
    ]
    return found + [Unreadable(text) for text in theirs.unreadable]


def has_late_fills(ours: OurRecord, theirs: TheirRecord) -> bool:
    """Whether the venue lists fills of our orders that we have not counted, settled or not: until
    their reports have come, balances differ by them."""
    orders = {order.venue_order_id: ours.find(order) for order in theirs.orders}
    by_venue_id = {order.venue_order_id: order for order in ours.orders if order.venue_order_id}
    for venue_order_id, fills in theirs.fills.items():
        order = by_venue_id.get(venue_order_id) or orders.get(venue_order_id)
        listed_lots = sum(fill.quantity_lots for fill in fills.values())
        if order is not None and listed_lots > order.filled_lots:
            return True
    return False


def compare_balances(
    our_changes: Mapping[str, Decimal],
    their_changes: Mapping[str, Decimal],
    turnovers: Mapping[str, Decimal],
) -> list[Difference]:
    """Changes since the same moment, by currency; ``turnovers`` widen the tolerance."""
    found: list[Difference] = []
    for currency, our_change in our_changes.items():
        their_change = their_changes.get(currency, Decimal(0))
        turnover = turnovers.get(currency, Decimal(0))
        if abs(our_change - their_change) > AMOUNT_TOLERANCE_PARTS * turnover:
            found.append(BalanceDiffers(currency, our_change, their_change))
    return found


def _compare_fills(
    ours: OurRecord, theirs: TheirRecord, orders: Mapping[str, OurOrder | None]
) -> list[Difference]:
    found: list[Difference] = []
    by_venue_id = {order.venue_order_id: order for order in ours.orders if order.venue_order_id}
    for venue_order_id, fills in theirs.fills.items():
        order = by_venue_id.get(venue_order_id) or orders.get(venue_order_id)
        if order is None:
            found += [ForeignFill(fill) for fill in fills.values()]
            continue
        listed_lots = sum(fill.quantity_lots for fill in fills.values())
        if order.is_settled(theirs.asked_ns) and listed_lots > order.filled_lots:
            listed = tuple(fills[trade_id] for trade_id in sorted(fills))
            found.append(MissedFills(order, listed))
    return found


def _compare_order(ours: OurOrder, theirs: TheirOrder, record: TheirRecord) -> Difference | None:
    fills = record.fills.get(theirs.venue_order_id, {})
    listed_lots = sum(fill.quantity_lots for fill in fills.values())
    if theirs.filled_lots != ours.filled_lots or listed_lots < ours.filled_lots:
        return FillsDiffer(ours, theirs, listed_lots)
    if not theirs.is_living:
        return OrderEnded(ours, theirs) if ours.is_open else None
    if not ours.is_open:
        return OrderLives(ours, theirs)
    if ours.is_unknown:
        return OrderFound(ours, theirs)
    our_terms = (ours.side, ours.price_ticks, ours.quantity_lots)
    if our_terms != (theirs.side, theirs.price_ticks, theirs.quantity_lots):
        return TermsDiffer(ours, theirs)
    return None
