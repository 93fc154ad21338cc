"""The list of everything clients ordered and got: what has to be equal when a run is repeated.

One JSON line for each new order, replace and fill, in order, with venue time; no ids, which
clients may draw at random.
"""

import hashlib
from decimal import Decimal
from typing import Any

import orjson

from sim.orders import Order, OrderEvent, OrderType, Side
from sim.products import Product, trimmed_text


class Ledger:
    """Counts and lists the clients' orders and fills, with the resulting positions."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.orders = 0
        self.fills = 0
        self._positions: dict[str, Decimal] = {}
        self._cash: dict[str, Decimal] = {}

    def add_order(self, kind: str, product: Product, order: Order, time_ns: int) -> None:
        """A new order (``kind`` ``order``) or a replace (``replace``) with its new figures."""
        self.orders += kind == "order"
        is_limit = order.order_type is OrderType.LIMIT
        self._add(
            kind,
            time_ns,
            product,
            order.side,
            price=product.price.trimmed(order.price_ticks) if is_limit else "market",
            quantity=product.quantity.trimmed(order.quantity_lots),
        )

    def add_fill(self, product: Product, event: OrderEvent, fee: Decimal, time_ns: int) -> None:
        """One execution of a client order; ``fee`` in quote currency."""
        self.fills += 1
        side, symbol = event.order.side, product.symbol
        quantity = event.last_lots * product.quantity.step
        notional = product.notional(event.last_ticks, event.last_lots)
        self._positions[symbol] = self._positions.get(symbol, Decimal(0)) + side * quantity
        currency = product.quote_currency
        self._cash[currency] = self._cash.get(currency, Decimal(0)) - side * notional - fee
        self._add(
            "fill",
            time_ns,
            product,
            side,
            price=product.price.trimmed(event.last_ticks),
            quantity=product.quantity.trimmed(event.last_lots),
            liquidity="taker" if event.is_taker else "maker",
            fee=trimmed_text(fee),
        )

    def sha256(self) -> str:
        """Of all lines, each ended by a newline."""
        return hashlib.sha256(b"".join(line + b"\n" for line in self.lines)).hexdigest()

    def summary(self) -> dict[str, Any]:
        """Counts, positions in base currency, cash flow in quote currency after fees."""
        return {
            "orders": self.orders,
            "fills": self.fills,
            "client_positions": {
                symbol: trimmed_text(value) for symbol, value in sorted(self._positions.items())
            },
            "client_cash": {
                currency: trimmed_text(value) for currency, value in sorted(self._cash.items())
            },
            "ledger_sha256": self.sha256(),
        }

    def _add(self, kind: str, time_ns: int, product: Product, side: Side, **more: str) -> None:
        record = {
            "kind": kind,
            "time_ns": time_ns,
            "product": product.symbol,
            "side": side.feed_text,
            **more,
        }
        self.lines.append(orjson.dumps(record))
