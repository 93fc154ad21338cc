"""What is compared: our record of orders, and the venue's, both in whole ticks and lots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from engine.instruments import Instrument
from ext.errors import InstrumentError
from ext.wire import OrderState, Side
from gateways.coinbase_rest import VenueFill, VenueOrder

IN_FLIGHT_STATES = frozenset(
    {OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE}
)
ENDED_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED}
)
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
NANO = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OurOrder:
    """An order as our table has it. ``request_numbers`` are all that it remembers of itself."""

    order_number: int
    request_numbers: frozenset[int]
    accepted_number: int
    instrument: Instrument
    client_order_id: str
    venue_order_id: str
    side: Side
    state: OrderState
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    update_time_ns: int
    unacknowledged_since_ns: int = 0
    """When it was sent, while the venue has never told of it; 0: it has."""
    sent_time_ns: int = 0
    acknowledged_time_ns: int = 0
    """When the venue told of it first; 0: it never has."""
    is_accepted: bool = False
    """Whether it was shown in the market, or filled."""

    @property
    def is_open(self) -> bool:
        """Whether it may still trade, UNKNOWN included."""
        return self.state not in ENDED_STATES

    @property
    def is_unknown(self) -> bool:
        """Whether we ourselves have nothing but a question about it."""
        return self.state == OrderState.UNKNOWN

    def is_settled(self, asked_ns: int) -> bool:
        """Whether an answer to a question of ``asked_ns`` can be held against it.

        An order in flight, or one that has changed since the question was asked, is not a
        difference yet: what the venue said may be older than what we know.
        """
        return self.state not in IN_FLIGHT_STATES and self.update_time_ns < asked_ns

    def __str__(self) -> str:
        what = _terms(self.instrument, self.side, self.quantity_lots, self.price_ticks)
        filled = self.instrument.format_quantity(self.filled_lots)
        return (
            f"order {self.order_number} ({self.client_order_id}): {what},"
            f" filled {filled}, {self.state.name}"
        )


@dataclass(frozen=True, slots=True)
class TheirOrder:
    """An order as the venue shows it; ``price_ticks`` is 0 where it has no price."""

    venue_order_id: str
    client_order_id: str
    instrument: Instrument
    side: Side
    is_living: bool
    status: str
    price_ticks: int
    quantity_lots: int
    filled_lots: int

    def __str__(self) -> str:
        what = _terms(self.instrument, self.side, self.quantity_lots, self.price_ticks)
        filled = self.instrument.format_quantity(self.filled_lots)
        of_client = f" ({self.client_order_id})" if self.client_order_id else ""
        return f"order {self.venue_order_id}{of_client}: {what}, filled {filled}, {self.status}"


@dataclass(frozen=True, slots=True)
class TheirFill:
    """A fill as the venue shows it; ``fee_nano`` is 1e-9 of the quote currency.

    ``time_ns`` is the venue's time of it, to the microsecond; 0: it says none that can be read.
    """

    trade_id: int
    venue_order_id: str
    instrument: Instrument
    side: Side
    price_ticks: int
    quantity_lots: int
    fee_nano: int
    is_maker: bool
    time_ns: int = 0

    def __str__(self) -> str:
        what = _terms(self.instrument, self.side, self.quantity_lots, self.price_ticks)
        return f"trade {self.trade_id} of order {self.venue_order_id}: {what}"


def read_order(order: VenueOrder, instruments: Mapping[str, Instrument]) -> TheirOrder:
    """The venue's words in whole steps; InstrumentError for what does not fit our instruments."""
    instrument = _instrument(order.product_id, instruments, f"order {order.id}")
    price = order.price
    status = " ".join(filter(None, (order.status, order.done_reason, order.reject_reason)))
    return TheirOrder(
        venue_order_id=order.id,
        client_order_id=order.client_oid,
        instrument=instrument,
        side=_side(order.side, f"order {order.id}"),
        is_living=order.is_living,
        status=status,
        price_ticks=0 if price is None else instrument.price_to_ticks(price),
        quantity_lots=instrument.quantity_to_lots(order.size),
        filled_lots=instrument.quantity_to_lots(order.filled_size),
    )


def read_fill(fill: VenueFill, instruments: Mapping[str, Instrument]) -> TheirFill:
    """The venue's words in whole steps; InstrumentError for what does not fit our instruments."""
    where = f"trade {fill.trade_id}"
    instrument = _instrument(fill.product_id, instruments, where)
    return TheirFill(
        trade_id=fill.trade_id,
        venue_order_id=fill.order_id,
        instrument=instrument,
        side=_side(fill.side, where),
        price_ticks=instrument.price_to_ticks(fill.price),
        quantity_lots=instrument.quantity_to_lots(fill.size),
        fee_nano=round(fill.fee * NANO),
        is_maker=fill.liquidity == "M",
        time_ns=_read_time(fill.created_at),
    )


def is_older(fill: VenueFill, time_ns: int) -> bool:
    """Whether the venue says that the fill was before that time."""
    return 0 < _read_time(fill.created_at) < time_ns


def _instrument(symbol: str, instruments: Mapping[str, Instrument], where: str) -> Instrument:
    if symbol not in instruments:
        known = ", ".join(instruments)
        raise InstrumentError(f"{where} is for {symbol}, which this engine does not trade: {known}")
    return instruments[symbol]


def _read_time(text: str) -> int:
    """Nanoseconds since the epoch of ISO 8601 text; 0 when it is none."""
    try:
        distance = datetime.fromisoformat(text) - EPOCH
    except (ValueError, TypeError):  # no time, or none with a zone
        return 0
    return (distance // MICROSECOND) * 1000


def _side(text: str, where: str) -> Side:
    if text not in SIDES:
        raise InstrumentError(f"{where} has side {text!r}; buy or sell was expected")
    return SIDES[text]


def _terms(instrument: Instrument, side: Side, quantity_lots: int, price_ticks: int) -> str:
    quantity = instrument.format_quantity(quantity_lots)
    price = instrument.format_price(price_ticks)
    return f"{instrument.symbol} {side.name} {quantity} at {price}"


def format_amount(amount: Decimal) -> str:
    """An amount of a currency in plain decimals."""
    return f"{amount.normalize():f}" if amount else "0"
