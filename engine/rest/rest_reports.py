"""Reports of what REST told of an order: fields of ``ExecutionReport``, for the pipeline.

What lists and questions tell stands in ``engine.reconcile.reconciliation_reports``; here are the
answers to the requests themselves, and the first sight of an order.
"""

from engine.reconcile.reconciliation_records import OurOrder, TheirOrder
from engine.reconcile.reconciliation_reports import Fields
from ext.wire import ExecutionType, OrderState
from gateways.rest_answers import CancelRefused, CancelTaken, OrderTaken, RequestRefused

REASON_UNKNOWN_ORDER = 1
"""As CxlRejReason(102) of FIX: the order table takes the order for Unknown, so that it is asked."""
REASON_OTHER = 2


def make_answer_report(
    outcome: OrderTaken | RequestRefused | CancelTaken | CancelRefused,
    request_number: int,
    now_ns: int,
) -> Fields:
    """The report of an answer to the request of that number.

    An order that was taken is not placed yet, and one whose cancel was taken is not out yet: both
    stay pending until the venue shows them otherwise.
    """
    match outcome:
        case OrderTaken(venue_order_id=venue_order_id):
            kind, state = ExecutionType.EXEC_PENDING_NEW, OrderState.PENDING_NEW
            told: Fields = {"venue_order_id": venue_order_id.encode()}
        case RequestRefused(status=status):
            kind, state = ExecutionType.EXEC_REJECTED, OrderState.REJECTED
            told = {"reject_code": status}
        case CancelTaken():
            kind, state = ExecutionType.EXEC_PENDING_CANCEL, OrderState.PENDING_CANCEL
            told = {}
        case CancelRefused(is_gone=is_gone):
            kind, state = ExecutionType.EXEC_CANCEL_REJECT, OrderState.REJECTED
            told = {"reject_code": REASON_UNKNOWN_ORDER if is_gone else REASON_OTHER}
    return {
        "execution_type": int(kind),
        "order_state": int(state),
        "request_number": request_number,
        "exchange_time_ns": now_ns,
        **told,
    }


def make_placement(ours: OurOrder, theirs: TheirOrder, now_ns: int) -> Fields:
    """The report of an order that was sent and is seen in the market for the first time."""
    return {
        "execution_type": int(ExecutionType.EXEC_NEW),
        "order_state": int(OrderState.NEW),
        "request_number": ours.accepted_number,
        "instrument": ours.instrument.index,
        "side": int(ours.side),
        "exchange_time_ns": now_ns,
        "venue_order_id": theirs.venue_order_id.encode(),
    }
