"""Reads back what the order encoder wrote for the paper venue: the bytes of the live path."""

from collections.abc import Iterator, Sequence

from engine.instruments import Instrument
from engine.paper.paper_order import PaperRequest
from ext.errors import UsageError
from ext.orders import OrderTable
from ext.wire import IntentKind, Side, TimeInForce
from gateways.fix_message import FixMessage

TRAILER = b"\x0110="
TRAILER_BYTES = len("\x0110=000\x01")
KINDS = {b"D": IntentKind.NEW_ORDER, b"F": IntentKind.CANCEL_ORDER, b"G": IntentKind.REPLACE_ORDER}
TIMES_IN_FORCE = {
    "1": TimeInForce.GOOD_TILL_CANCEL,
    "3": TimeInForce.IMMEDIATE_OR_CANCEL,
    "4": TimeInForce.FILL_OR_KILL,
}
POST_ONLY = "A"  # ExecInst(18): add liquidity only


def read_requests(
    data: bytes, orders: OrderTable, instruments: Sequence[Instrument]
) -> Iterator[PaperRequest]:
    """The requests of whole messages, one behind the other. UsageError for bytes that our own
    encoder cannot have written."""
    while data:
        end = data.find(TRAILER)
        if end < 0:
            raise UsageError(f"order bytes without an end: {data[:80]!r}")
        message = FixMessage(data[: end + TRAILER_BYTES])
        data = data[end + TRAILER_BYTES :]
        yield _read(message, orders, {each.symbol: each for each in instruments})


def _read(
    message: FixMessage, orders: OrderTable, instruments: dict[str, Instrument]
) -> PaperRequest:
    kind, instrument = KINDS.get(message.message_type), instruments.get(message.text(55))
    number = orders.request_number(message.text(11))
    if kind is None or instrument is None or not number:
        raise UsageError(f"an order message that nobody here writes: {message.raw!r}")
    request = PaperRequest(
        kind=kind,
        instrument=instrument.index,
        request_number=number,
        original_number=orders.request_number(message.text(41)),
        side=Side.BUY if message.text(54) == "1" else Side.SELL,
    )
    if kind == IntentKind.CANCEL_ORDER:
        return request
    return PaperRequest(
        kind=kind,
        instrument=instrument.index,
        request_number=number,
        original_number=request.original_number,
        side=request.side,
        price_ticks=instrument.price_to_ticks(message.text(44)),
        quantity_lots=instrument.quantity_to_lots(message.text(38)),
        time_in_force=TIMES_IN_FORCE[message.text(59) or "1"],
        is_post_only=POST_ONLY in message.text(18),
    )
