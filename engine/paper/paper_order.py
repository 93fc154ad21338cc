"""The nouns of the paper venue: its model, requests, orders, reports."""

from dataclasses import dataclass
from typing import Literal

from ext.wire import ExecutionType, OrderState, Side, TimeInForce

QueueRule = Literal["conservative", "proportional"]


@dataclass(frozen=True, slots=True)
class PaperModel:
    """What the venue in the process assumes; docs/modes.md has the model.

    Latencies in nanoseconds, fees in parts per million of the notional, negative: paid to us.
    """

    order_latency_ns: int
    cancel_latency_ns: int
    report_latency_ns: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    queue: QueueRule


@dataclass(frozen=True, slots=True)
class PaperRequest:
    """One request as it left the encoder. Numbers are ours; ``original_number`` names the order of
    a cancel or replace, by the last request of it that was accepted. ``quantity_lots`` of a replace
    is that of the whole order."""

    kind: int
    instrument: int
    request_number: int
    original_number: int = 0
    side: Side = Side.BUY
    price_ticks: int = 0
    quantity_lots: int = 0
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL
    is_post_only: bool = False


@dataclass(slots=True, eq=False)
class PaperOrder:
    """One order at the paper venue. ``ahead_lots`` stood at its price when it came, and has neither
    traded nor gone since; ``number`` is of its first request, ``accepted_number`` of the last that
    holds."""

    number: int
    accepted_number: int
    instrument: int
    side: Side
    price_ticks: int
    quantity_lots: int
    time_in_force: TimeInForce
    is_post_only: bool
    filled_lots: int = 0
    ahead_lots: int = 0
    state: OrderState = OrderState.NEW

    @property
    def leaves_lots(self) -> int:
        """What is left to trade."""
        return self.quantity_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class PaperReport:
    """What the venue says of an order, and when it reaches us. Of the order's figures at that
    moment; ``fee_nano`` in 1e-9 of the quote currency."""

    due_ns: int
    time_ns: int
    execution_type: ExecutionType
    state: OrderState
    instrument: int
    side: Side
    order_number: int
    request_number: int
    original_number: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    leaves_lots: int
    last_price_ticks: int = 0
    last_quantity_lots: int = 0
    is_maker: bool = False
    fee_nano: int = 0
    trade_id: int = 0
    reject_code: int = 0

    def fields(self) -> dict[str, object]:
        """As ``Pipeline.apply_report`` takes it."""
        is_fill = self.execution_type == ExecutionType.EXEC_TRADE
        return {
            "execution_type": int(self.execution_type),
            "order_state": int(self.state),
            "request_number": self.request_number,
            "original_number": self.original_number,
            "instrument": self.instrument,
            "side": int(self.side),
            "order_quantity_lots": self.quantity_lots,
            "price_ticks": self.price_ticks,
            "cumulative_lots": self.filled_lots,
            "leaves_lots": self.leaves_lots,
            "last_price_ticks": self.last_price_ticks if is_fill else -1,
            "last_quantity_lots": self.last_quantity_lots if is_fill else -1,
            "is_maker": int(self.is_maker),
            "fee_nano": self.fee_nano,
            "exchange_time_ns": self.time_ns,
            "reject_code": self.reject_code,
            "trade_id": self.trade_id,
            "venue_order_id": f"paper-{self.order_number}".encode(),
        }
