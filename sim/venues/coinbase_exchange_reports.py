"""ExecutionReports of Coinbase Exchange (sheet B6), made from what happened to an order."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sim.fix_text import FixMessage
from sim.ids import IdSource
from sim.orders import EventKind, Order, OrderEvent, OrderStatus, event_of
from sim.products import Product, trimmed_text
from sim.times import fix_text

# Fees are booked in quote currency to this many decimals.
FEE_STEP = Decimal("0.00000001")
# Average prices have this many decimals more than the tick.
_AVERAGE_PRICE_EXTRA_DECIMALS = 8
_TRANSACT_TIME_DECIMALS = 6
_SELF_TRADE = "5"
"""ExecRestatementReason(378) of an order that self trade prevention took."""

Body = list[tuple[int, str]]


@dataclass(frozen=True)
class Fees:
    """Rates as fractions of the notional; 0.0005 is five hundredths of a percent."""

    maker_rate: Decimal = Decimal(0)
    taker_rate: Decimal = Decimal("0.0005")


class ReportWriter:
    """Writes the body of 35=8."""

    def __init__(self, products: Mapping[str, Product], ids: IdSource, fees: Fees) -> None:
        self._products = products
        self._ids = ids
        self._fees = fees

    def fee(self, event: OrderEvent) -> Decimal:
        """Fee of one execution in quote currency."""
        product = self._products[event.order.symbol]
        rate = self._fees.taker_rate if event.is_taker else self._fees.maker_rate
        fee = product.notional(event.last_ticks, event.last_lots) * rate
        return fee.quantize(FEE_STEP, rounding=ROUND_HALF_UP)

    def execution(
        self, event: OrderEvent, ids: tuple[str, str], fee: Decimal, time_ns: int
    ) -> Body:
        """A report of ``event``; ``ids`` are ClOrdID(11) and OrigClOrdID(41, empty: none)."""
        product = self._products[event.order.symbol]
        body = self._head(event.order, ids, event.kind.value, event.status)
        body += [
            (38, product.quantity.text(event.quantity_lots)),
            (14, product.quantity.text(event.filled_lots)),
            (151, product.quantity.text(event.leaves_lots)),
            (6, _average_price(product, event)),
        ]
        if event.kind is EventKind.TRADED:
            body += [
                (31, product.price.text(event.last_ticks)),
                (32, product.quantity.text(event.last_lots)),
                (1003, str(event.trade_id)),
                (1057, "Y" if event.is_taker else "N"),
                (136, "1"),
                (137, trimmed_text(fee)),
                (138, product.quote_currency),
                (139, "4"),
                (891, "0"),
            ]
        body.append((60, fix_text(time_ns, _TRANSACT_TIME_DECIMALS)))
        if event.kind is EventKind.REJECTED:
            body.append((103, "0"))
        if event.is_self_trade:
            body.append((378, _SELF_TRADE))
        if event.text:
            body.append((58, event.text))
        return body

    def refusal(
        self, message: FixMessage, order: Order, code: int, text: str, time_ns: int
    ) -> Body:
        """A new order that never reached the market."""
        body = self._head(order, (order.client_order_id, ""), "8", OrderStatus.REJECTED)
        return [
            *body,
            (38, message.get(38) or "0"),
            (14, "0"),
            (151, "0"),
            (6, "0"),
            (60, fix_text(time_ns, _TRANSACT_TIME_DECIMALS)),
            (103, str(code)),
            (58, text),
        ]

    def status(self, message: FixMessage, order: Order | None, time_ns: int) -> Body:
        """The answer to an OrderStatusRequest; an unknown order is 39=8 with 103=5."""
        if order is None:
            return [
                (37, message.get(37) or "NONE"),
                (17, self._ids.uuid()),
                (11, message.get(11) or "NONE"),
                (55, message.get(55) or "NONE"),
                (54, message.get(54) or "1"),
                (150, "I"),
                (39, "8"),
                (38, "0"),
                (14, "0"),
                (151, "0"),
                (6, "0"),
                (60, fix_text(time_ns, _TRANSACT_TIME_DECIMALS)),
                (103, "5"),
                (58, "Order not found"),
            ]
        event = event_of(EventKind.ACCEPTED, order)
        body = self.execution(event, (order.client_order_id, ""), Decimal(0), time_ns)
        return [(tag, "I" if tag == 150 else value) for tag, value in body]

    def _head(
        self, order: Order, ids: tuple[str, str], execution_type: str, status: OrderStatus
    ) -> Body:
        client_id, original_id = ids
        body = [(37, order.order_id), (17, self._ids.uuid()), (11, client_id)]
        if original_id:
            body.append((41, original_id))
        return [
            *body,
            (55, order.symbol),
            (54, "1" if order.side > 0 else "2"),
            (150, execution_type),
            (39, status.value),
        ]


def _average_price(product: Product, event: OrderEvent) -> str:
    if event.filled_lots == 0:
        return "0"
    decimals = product.price.decimals + _AVERAGE_PRICE_EXTRA_DECIMALS
    average = event.filled_ticks_lots * product.price.step / event.filled_lots
    return trimmed_text(average.quantize(Decimal(1).scaleb(-decimals)))
