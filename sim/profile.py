"""What the venue keeps for the one profile behind the API key: orders, executions, balances.

Both doors, FIX and REST, work on it: an order of one is seen, and can be cancelled, by the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sim.orders import EventKind, Order, OrderEvent, OrderType, Side
from sim.products import Product
from sim.venues.coinbase_exchange_reports import Fees

INITIAL_BALANCE = Decimal(1_000_000)
"""Of every currency, so that a seeded session never runs out of one."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of an order of the profile; ``fee`` in quote currency."""

    order: Order
    trade_id: int
    price_ticks: int
    quantity_lots: int
    fee: Decimal
    is_taker: bool
    time_ns: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one currency: ``hold`` is what open orders keep of it."""

    currency: str
    total: Decimal
    hold: Decimal

    @property
    def available(self) -> Decimal:
        """What new orders may use."""
        return self.total - self.hold


class Profile:
    """Orders by both ids, executions oldest first, and the balances that follow from them."""

    def __init__(
        self,
        products: Mapping[str, Product],
        fees: Fees,
        initial_balance: Decimal = INITIAL_BALANCE,
    ) -> None:
        self.executions: list[Execution] = []
        self._products = products
        self._fees = fees
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._fees_paid: dict[str, Decimal] = {}
        self._totals = {
            currency: initial_balance
            for product in products.values()
            for currency in (product.base_currency, product.quote_currency)
        }

    def order(self, order_id: str) -> Order | None:
        """The order with the venue's id."""
        return self._orders.get(order_id)

    def order_of_client(self, client_order_id: str) -> Order | None:
        """The last order with that client id."""
        return self._by_client_id.get(client_order_id)

    def orders(self) -> list[Order]:
        """All orders, oldest first."""
        return list(self._orders.values())

    def open_orders(self) -> list[Order]:
        """Orders that can still trade, oldest first."""
        return list(self._open.values())

    def has_open(self, client_order_id: str) -> bool:
        """Whether an open order has that client id."""
        known = self._by_client_id.get(client_order_id)
        return known is not None and known.status.is_open

    def fees_paid(self, order: Order) -> Decimal:
        """Fees of the order's fills so far, in quote currency."""
        return self._fees_paid.get(order.order_id, Decimal(0))

    def can_afford(self, order: Order) -> bool:
        """Whether a new order is covered by what is available; market orders always are."""
        if order.order_type is OrderType.MARKET:
            return True
        currency, amount = self._hold_of(order)
        return amount <= self.balance(currency).available

    def add(self, order: Order, time_ns: int) -> None:
        """A new order, before it meets the market."""
        order.created_time_ns = time_ns
        self._orders[order.order_id] = self._open[order.order_id] = order
        if order.client_order_id:
            self._by_client_id[order.client_order_id] = order

    def rename(self, order: Order, client_order_id: str) -> None:
        """A replace has given the order another client id; the earlier one still leads to it."""
        self._by_client_id[client_order_id] = order

    def take(self, event: OrderEvent, fee: Decimal, time_ns: int) -> None:
        """What happened to an order: executions move the balances."""
        order = event.order
        if not event.status.is_open:
            order.done_time_ns = time_ns
            self._open.pop(order.order_id, None)
        if event.kind is EventKind.REJECTED:
            order.reject_text = event.text
        if event.kind is not EventKind.TRADED:
            return
        product = self._products[order.symbol]
        self.executions.append(
            Execution(
                order, event.trade_id, event.last_ticks, event.last_lots, fee, event.is_taker,
                time_ns,
            )
        )  # fmt: skip
        self._fees_paid[order.order_id] = self.fees_paid(order) + fee
        notional = product.notional(event.last_ticks, event.last_lots)
        self._totals[product.base_currency] += order.side * product.size(event.last_lots)
        self._totals[product.quote_currency] -= order.side * notional + fee

    def balance(self, currency: str) -> Balance:
        """Total and hold of one currency."""
        holds = (self._hold_of(order) for order in self.open_orders())
        hold = sum((amount for held, amount in holds if held == currency), Decimal(0))
        return Balance(currency, self._totals[currency], hold)

    def balances(self) -> list[Balance]:
        """Of every currency, by name."""
        return [self.balance(currency) for currency in sorted(self._totals)]

    def _hold_of(self, order: Order) -> tuple[str, Decimal]:
        product = self._products[order.symbol]
        if order.side is Side.SELL:
            return product.base_currency, product.size(order.open_lots)
        notional = product.notional(order.price_ticks, order.open_lots)
        return product.quote_currency, notional * (1 + self._fees.taker_rate)
