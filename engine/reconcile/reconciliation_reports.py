"""Reports that bring our record up to the venue's: what REST told, as FIX would have told it.

They go into the pipeline like any other report, so that order, position, strategy, risk gate and
journal see one way only. Fields are those of ``ExecutionReport`` in ``ext/wire.pxd``; what is not
given is absent of the report.
"""

from typing import Protocol

from engine.reconcile.reconciliation import (
    Difference,
    MissedFills,
    OrderEnded,
    OrderFound,
    OrderGone,
)
from engine.reconcile.reconciliation_records import OurOrder, TheirFill
from ext.wire import ExecutionType, OrderState

Fields = dict[str, object]


class ReportEdge(Protocol):
    """``ext.pipeline.Pipeline``, as far as reports of REST are concerned."""

    def apply_report(self, fields: Fields, now_ns: int) -> int:
        """Applies one report; its ReportResult bits."""

    def note_agreed(self, now_ns: int, trade_ids: str) -> None:
        """Records until which trades both records are equal."""


def make_reports(difference: Difference, request_number: int, now_ns: int) -> list[Fields]:
    """The reports of an explained difference, in the order to apply them; empty for others.

    ``request_number`` is that of the client id which the venue shows, 0 when it shows none.
    """
    match difference:
        case MissedFills(ours=ours, fills=fills):
            return [_fill(ours, fill, now_ns) for fill in fills]
        case OrderEnded(ours=ours, theirs=theirs):
            kind, state = ExecutionType.EXEC_CANCELED, OrderState.CANCELED
            if theirs.status.startswith("rejected"):
                kind, state = ExecutionType.EXEC_REJECTED, OrderState.REJECTED
            elif ours.is_unknown and theirs.filled_lots >= theirs.quantity_lots:
                kind, state = ExecutionType.EXEC_STATUS, OrderState.FILLED
            fields = _fields(ours, kind, state, now_ns)
            return [{**fields, "cumulative_lots": theirs.filled_lots, "leaves_lots": 0}]
        case OrderGone(ours=ours):
            fields = _fields(ours, ExecutionType.EXEC_CANCELED, OrderState.CANCELED, now_ns)
            return [{**fields, "cumulative_lots": ours.filled_lots, "leaves_lots": 0}]
        case OrderFound(ours=ours, theirs=theirs):
            is_filled_in_part = theirs.filled_lots > 0
            state = OrderState.PARTIALLY_FILLED if is_filled_in_part else OrderState.NEW
            fields = _fields(ours, ExecutionType.EXEC_STATUS, state, now_ns)
            return [
                {
                    **fields,
                    "request_number": request_number or ours.accepted_number,
                    "order_quantity_lots": theirs.quantity_lots,
                    "price_ticks": theirs.price_ticks,
                    "cumulative_lots": theirs.filled_lots,
                    "leaves_lots": theirs.quantity_lots - theirs.filled_lots,
                    "venue_order_id": theirs.venue_order_id.encode(),
                }
            ]
    return []


def _fill(ours: OurOrder, fill: TheirFill, now_ns: int) -> Fields:
    return {
        **_fields(
            ours, ExecutionType.EXEC_TRADE, OrderState.PARTIALLY_FILLED, fill.time_ns or now_ns
        ),
        "last_price_ticks": fill.price_ticks,
        "last_quantity_lots": fill.quantity_lots,
        "is_maker": int(fill.is_maker),
        "fee_nano": fill.fee_nano,
        "trade_id": fill.trade_id,
        "venue_order_id": fill.venue_order_id.encode(),
    }


def _fields(
    ours: OurOrder, kind: ExecutionType, state: OrderState, exchange_time_ns: int
) -> Fields:
    return {
        "execution_type": int(kind),
        "order_state": int(state),
        "request_number": ours.accepted_number,
        "instrument": ours.instrument.index,
        "side": int(ours.side),
        "exchange_time_ns": exchange_time_ns,
        "venue_order_id": ours.venue_order_id.encode(),
    }
