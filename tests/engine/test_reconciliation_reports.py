"""Reports made of what REST told, applied to the real order table by the real pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.composition import Arc
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciliation import (
    Difference,
    ForeignFill,
    MissedFills,
    OrderEnded,
    OrderFound,
    OrderGone,
)
from engine.reconcile.reconciliation_records import OurOrder
from engine.reconcile.reconciliation_reports import make_reports
from ext.dtypes import POSITION
from ext.orders import ReportResult
from ext.wire import ExecutionType, OrderState
from tests.engine.reconciliation_rig import their_fill, their_order

NOW_NS = 1_800_000_000_000_000_000
LATER_NS = NOW_NS + 5_000_000_000


class Quoting:
    """The demo's maker with both quotes sent and nothing heard of them."""

    def __init__(self, arc: Arc) -> None:
        self.arc = arc
        self.own = OwnRecords(arc.memory, arc.pipeline.orders, arc.instruments, 2)

    def order(self) -> OurOrder:
        """The first one."""
        return self.own.orders((), [self.arc.pipeline.orders.client_order_id(1)]).orders[0]

    def apply(self, difference: Difference) -> int:
        """Its reports; the bits of the last one."""
        result = 0
        for fields in make_reports(difference, 0, LATER_NS):
            result = self.arc.pipeline.apply_report(fields, LATER_NS)
        return result

    def position(self) -> Any:
        return self.arc.memory.region("positions_offset", POSITION, 1)[0]


@pytest.fixture
def quoting(make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None]) -> Quoting:
    arc = make_arc(is_trading=True)
    feed_book(arc, NOW_NS)
    made = Quoting(arc)
    assert made.order().state == OrderState.PENDING_NEW
    return made


def make_unknown(quoting: Quoting) -> OurOrder:
    quoting.arc.pipeline.mark_unknown(NOW_NS)
    return quoting.order()


def shown(order: OurOrder, **changes: Any) -> Any:
    fields = {
        "instrument": order.instrument, "side": order.side, "price_ticks": order.price_ticks,
        "client_order_id": order.client_order_id, "quantity_lots": order.quantity_lots,
    }  # fmt: skip
    return their_order(**{**fields, **changes})


def test_missed_fills_are_counted_once_and_move_the_position(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    fills = tuple(their_fill(trade_id, lots=order.quantity_lots // 2) for trade_id in (11, 12))
    difference = MissedFills(order, fills)
    assert quoting.apply(difference) & ReportResult.REPORT_FILL
    filled = quoting.order()
    assert (filled.state, filled.filled_lots) == (OrderState.FILLED, order.quantity_lots)
    assert filled.venue_order_id == "v-1"
    lots = int(quoting.position()["position_lots"])
    assert lots == order.side * order.quantity_lots
    assert quoting.apply(difference) == ReportResult.REPORT_DUPLICATE
    assert int(quoting.position()["position_lots"]) == lots
    assert float(quoting.position()["fees"]) == pytest.approx(10e-9)


def test_an_ended_order_ends(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    ended = shown(order, is_living=False, status="done canceled")
    assert quoting.apply(OrderEnded(order, ended)) & ReportResult.REPORT_APPLIED
    assert quoting.order().state == OrderState.CANCELED


def test_an_order_that_was_filled_meanwhile_is_filled(quoting: Quoting) -> None:
    """Its fills are counted; it was held open for a replace that the venue has refused."""
    order = make_unknown(quoting)
    [order_fields] = [
        each
        for each in make_reports(
            OrderEnded(
                order,
                shown(
                    order, is_living=False, status="done filled", filled_lots=order.quantity_lots
                ),
            ),
            0,
            NOW_NS,
        )
    ]
    assert order_fields["execution_type"] == ExecutionType.EXEC_STATUS
    assert order_fields["order_state"] == OrderState.FILLED


def test_a_rejected_order_is_rejected(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    quoting.apply(OrderEnded(order, shown(order, is_living=False, status="rejected post only")))
    assert quoting.order().state == OrderState.REJECTED


def test_an_order_that_is_gone_ends(quoting: Quoting) -> None:
    quoting.apply(OrderGone(make_unknown(quoting)))
    assert quoting.order().state == OrderState.CANCELED


def test_an_unknown_order_that_lives_is_taken_as_the_venue_shows_it(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    quoting.apply(OrderFound(order, shown(order, price_ticks=order.price_ticks - 1)))
    found = quoting.order()
    assert (found.state, found.price_ticks) == (OrderState.NEW, order.price_ticks - 1)
    assert found.venue_order_id == "v-1"
    assert not quoting.arc.pipeline.gate.is_paused


def test_an_end_before_its_fills_pauses(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    ended = shown(order, is_living=False, status="done filled", filled_lots=5)
    assert quoting.apply(OrderEnded(order, ended)) & ReportResult.REPORT_INCONSISTENT
    assert quoting.arc.pipeline.gate.is_paused


def test_what_is_not_explained_makes_no_report() -> None:
    assert make_reports(ForeignFill(their_fill()), 0, NOW_NS) == []


def test_own_records_read_open_orders_and_those_asked_for(quoting: Quoting) -> None:
    numbers = {order.order_number for order in quoting.own.orders((), ()).orders}
    assert numbers == {1, 2}
    order = make_unknown(quoting)
    quoting.apply(MissedFills(order, (their_fill(11, lots=order.quantity_lots),)))
    assert 1 not in {each.order_number for each in quoting.own.orders((), ()).orders}
    by_venue = quoting.own.orders(["v-1", "v-unheard-of"], ()).orders
    assert 1 in {each.order_number for each in by_venue}
    by_client = quoting.own.orders((), [order.client_order_id, "someone"])
    assert 1 in {each.order_number for each in by_client.orders}
    assert by_client.request_number("someone") == 0


def test_own_changes_are_what_the_fills_make(quoting: Quoting) -> None:
    order = make_unknown(quoting)
    before = quoting.own.changes()
    assert set(before.changes.values()) == {0}
    quoting.apply(MissedFills(order, (their_fill(11, lots=order.quantity_lots),)))
    after = quoting.own.changes()
    base = order.instrument.lots_to_quantity(order.quantity_lots)
    assert after.changes["BTC"] == order.side * base
    fill_price = 100  # of ``their_fill``
    quote = float(-order.side * base * fill_price)
    assert float(after.changes["USD"]) == pytest.approx(quote - 5e-9)
    assert after.turnovers["USD"] >= base * fill_price
    assert np.isclose(float(after.changes["ETH"]), 0)
