"""A venue in memory that answers questions, our record in memory, and a pipeline that counts."""

# tidy-ok: a helper of the tests of reconciliation

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.instruments import Instrument
from engine.reconcile.own_records import OwnChanges
from engine.reconcile.reconciliation import OurRecord
from engine.reconcile.reconciliation_records import OurOrder, TheirFill, TheirOrder
from ext.wire import ExecutionType, OrderState, Side
from gateways.coinbase_rest import VenueAccount, VenueFill, VenueOrder, VenueTime
from gateways.rest_request import RestAnswer, RestNotFound, RestRequest, RestUnavailable

BTC = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"), 0)
ASKED_NS = 1_000_000
PREFIX = "00000000-0000-4000-8000-"


def client_id(number: int) -> str:
    """The client id of a request number of this run."""
    return f"{PREFIX}{number:012x}"


def number_of(client_order_id: str) -> int:
    """The number behind a client id, 0 for those of others."""
    return int(client_order_id[24:], 16) if client_order_id.startswith(PREFIX) else 0


def our_order(number: int = 1, **changes: Any) -> OurOrder:
    """An order to buy 0.01 at 100.00 that rests, as our table has it."""
    order = OurOrder(
        order_number=number,
        request_numbers=frozenset({number}),
        accepted_number=number,
        instrument=BTC,
        client_order_id=client_id(number),
        venue_order_id=f"v-{number}",
        side=Side.BUY,
        state=OrderState.NEW,
        price_ticks=10_000,
        quantity_lots=1_000_000,
        filled_lots=0,
        update_time_ns=ASKED_NS - 1,
    )
    return replace(order, **changes)


def their_order(number: int = 1, **changes: Any) -> TheirOrder:
    """The same order as the venue shows it."""
    order = TheirOrder(
        venue_order_id=f"v-{number}",
        client_order_id=client_id(number),
        instrument=BTC,
        side=Side.BUY,
        is_living=True,
        status="open",
        price_ticks=10_000,
        quantity_lots=1_000_000,
        filled_lots=0,
    )
    return replace(order, **changes)


def their_fill(trade_id: int = 7, number: int = 1, lots: int = 400_000) -> TheirFill:
    """A fill of that order at its price."""
    return TheirFill(trade_id, f"v-{number}", BTC, Side.BUY, 10_000, lots, 5, True)


class Venue:
    """Orders, fills (oldest first) and balances; answers as the REST of the venue does."""

    def __init__(self) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.fills: list[VenueFill] = []
        self.balances = {"BTC": Decimal(10), "USD": Decimal(10_000)}
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self.page_entries = 100
        self.epoch = 0.0
        """Its clock, seconds; below zero: it does not tell."""

    def place(self, number: int = 1, **changes: Any) -> VenueOrder:
        """An open order of ours to buy 0.01 at 100.00, or what ``changes`` make of it."""
        fields = {
            "id": f"v-{number}", "client_oid": client_id(number), "product_id": "BTC-USD",
            "side": "buy", "status": "open", "size": Decimal("0.01"), "price": Decimal(100),
        }  # fmt: skip
        order = VenueOrder(**{**fields, **changes})
        self.orders[order.id] = order
        return order

    def fill(
        self,
        order_id: str,
        size: str,
        trade_id: int,
        *,
        is_listed: bool = True,
        created_at: str = "",
    ) -> None:
        """Fills an order at its price, without a fee."""
        order, quantity = self.orders[order_id], Decimal(size)
        filled = order.filled_size + quantity
        is_done = filled == order.size
        changes = {"filled_size": filled, "status": "done" if is_done else "open"}
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        self.orders[order_id] = VenueOrder(**{**fields, **changes})
        assert order.price is not None
        self.balances["BTC"] += quantity
        self.balances["USD"] -= quantity * order.price
        if is_listed:
            self.fills.append(
                VenueFill(
                    trade_id=trade_id, order_id=order_id, product_id=order.product_id,
                    side=order.side, price=order.price, size=quantity, liquidity="M",
                    created_at=created_at,
                )
            )  # fmt: skip

    async def send(self, request: RestRequest[Any]) -> RestAnswer[Any]:
        """What the transport would come back with."""
        address = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        self.asked.append(f"{request.method} {address.path}")
        self.before(address.path)
        if address.path == "/time":
            if self.epoch < 0:
                raise RestUnavailable("GET /time: no answer")
            return RestAnswer(VenueTime(epoch=self.epoch))
        if address.path == "/accounts":
            return RestAnswer(
                [VenueAccount(currency=name, balance=each) for name, each in self.balances.items()]
            )
        if address.path == "/fills":
            listed = [
                fill for fill in reversed(self.fills)
                if query.get("product_id", fill.product_id) == fill.product_id
                and query.get("order_id", fill.order_id) == fill.order_id
                and fill.trade_id < int(query.get("after", 10**9))
            ][: self.page_entries]  # fmt: skip
            return RestAnswer(listed, str(listed[-1].trade_id) if listed else "")
        if address.path == "/orders":
            return RestAnswer([order for order in self.orders.values() if order.is_living])
        name = address.path.removeprefix("/orders/")
        for order in self.orders.values():
            if name in (order.id, f"client:{order.client_oid}"):
                return RestAnswer(order)
        raise RestNotFound(f"{name}: NotFound", 404)


class Own:
    """Our record: orders by number, and changes of balances; stands where ``OwnRecords`` does."""

    def __init__(self) -> None:
        self.table: dict[int, OurOrder] = {}
        self.own_changes = OwnChanges({"BTC": Decimal(0), "USD": Decimal(0)}, {})
        self.reports = 0

    def request_number(self, client_order_id: str) -> int:
        """The number behind a client id."""
        return number_of(client_order_id)

    def report_count(self) -> int:
        """Reports so far."""
        return self.reports

    def orders(self, venue_ids: Collection[str], client_ids: Collection[str]) -> OurRecord:
        """All of them."""
        return OurRecord(tuple(self.table.values()), number_of)

    def changes(self) -> OwnChanges:
        """What fills made of balances."""
        return self.own_changes


class Pipeline:
    """Applies reports to ``Own`` as the order table does, as far as these tests go."""

    def __init__(self, own: Own) -> None:
        self.own = own
        self.applied: list[dict[str, Any]] = []
        self.counted: set[int] = set()
        self.agreed: list[dict[str, int]] = []
        self.result = 1

    def apply_report(self, fields: dict[str, object], now_ns: int) -> int:
        """One report."""
        report: dict[str, Any] = dict(fields)
        self.applied.append(report)
        order = self.own.table[report["request_number"]]
        kind = report["execution_type"]
        if kind == ExecutionType.EXEC_TRADE:
            if report["trade_id"] in self.counted:
                return 4
            self.counted.add(report["trade_id"])
            lots = order.filled_lots + report["last_quantity_lots"]
            state = OrderState.FILLED if lots == order.quantity_lots else order.state
            order = replace(order, filled_lots=lots, state=state)
            self._book(order, report)
        elif kind == ExecutionType.EXEC_STATUS:
            order = replace(order, state=OrderState(report["order_state"]),
                            price_ticks=report["price_ticks"],
                            quantity_lots=report["order_quantity_lots"])  # fmt: skip
        else:
            order = replace(order, state=OrderState(report["order_state"]))
        self.own.table[order.order_number] = order
        return self.result

    def note_agreed(self, now_ns: int, trade_ids: str) -> None:
        """What a journal would keep."""
        self.agreed.append(json.loads(trade_ids))

    def _book(self, order: OurOrder, report: dict[str, Any]) -> None:
        base = order.instrument.lots_to_quantity(report["last_quantity_lots"])
        quote = base * order.instrument.ticks_to_price(report["last_price_ticks"])
        old = self.own.own_changes
        self.own.own_changes = OwnChanges(
            {"BTC": old.changes["BTC"] + base, "USD": old.changes["USD"] - quote},
            {"USD": old.turnovers.get("USD", Decimal(0)) + quote},
        )
