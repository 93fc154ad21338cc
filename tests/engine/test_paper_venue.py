"""The paper venue rule by rule; the book: 10 at 99 and 20 at 98 against 10 at 101, 20 at 102."""

import pytest

from engine.paper.paper_order import PaperReport
from ext.wire import ExecutionType, OrderState, Side, TimeInForce
from tests.engine.paper_rig import Rig

BUY, SELL = Side.BUY, Side.SELL
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
NEW = ("NEW", 0, 0)


def trade(price: int, lots: int) -> tuple[str, int, int]:
    return ("TRADE", price, lots)


# What takes.


def test_a_taker_walks_the_visible_levels_at_their_prices() -> None:
    rig = Rig()
    rig.new(BUY, 102, 25)
    assert rig.heard() == [NEW, trade(101, 10), trade(102, 15)]
    rig.new(BUY, 102, 25)
    assert rig.heard() == [NEW, trade(102, 5)], "what we took stays taken"
    rig.level(SELL, 101, 4)
    assert rig.heard() == [trade(102, 4)], "the rest rests at 102: the ask at 101 meets it there"


def test_the_rest_of_an_immediate_order_expires_and_of_a_limit_rests() -> None:
    rig = Rig()
    rig.new(BUY, 101, 15, IOC)
    assert rig.heard() == [NEW, trade(101, 10), ("EXPIRED", 0, 0)]
    rig.new(SELL, 99, 15)
    assert rig.heard() == [NEW, trade(99, 10)]
    (order,) = rig.venue.open_orders
    assert (order.leaves_lots, order.state) == (5, OrderState.PARTIALLY_FILLED)


@pytest.mark.parametrize(("lots", "heard"), [(30, 3), (31, 2)])
def test_fill_or_kill_at_what_is_there_and_one_more(lots: int, heard: int) -> None:
    rig = Rig()
    rig.new(BUY, 102, lots, FOK)
    found = rig.heard()
    assert len(found) == heard
    assert found[1] == (trade(101, 10) if lots == 30 else ("CANCELED", 0, 0))


def test_post_only_that_would_take_is_rejected_and_a_tick_below_rests() -> None:
    rig = Rig()
    rig.new(BUY, 101, 5, post_only=True)
    (report,) = rig.reports()
    assert (report.execution_type, report.state) == (
        ExecutionType.EXEC_REJECTED,
        OrderState.REJECTED,
    )
    rig.new(BUY, 100, 5, post_only=True)
    assert rig.heard() == [NEW]
    assert len(rig.venue.open_orders) == 1


# What rests.


def test_a_resting_order_waits_behind_what_is_visible() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.trade(99, 9, SELL)
    assert rig.heard() == [], "ten were ahead"
    rig.trade(99, 3, SELL)
    assert rig.heard() == [trade(99, 2)]
    rig.trade(99, 100, SELL)
    assert rig.heard() == [trade(99, 3)]


def test_a_trade_beyond_our_price_fills_us_at_ours_up_to_its_quantity() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.trade(98, 3, SELL)
    assert rig.heard() == [trade(99, 3)]


def test_trades_of_the_other_side_and_at_better_prices_do_not_touch_us() -> None:
    rig = Rig()
    rig.new(BUY, 98, 5)
    rig.reports()
    rig.trade(99, 100, SELL)
    rig.trade(98, 100, BUY)
    rig.trade(97, 100, BUY)
    assert rig.heard() == []


def test_the_other_side_at_our_price_fills_us_up_to_what_it_shows() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.level(BUY, 99, 0)
    rig.level(SELL, 99, 2)
    assert rig.heard() == [trade(99, 2)]
    rig.level(SELL, 98, 9)
    assert rig.heard() == [trade(99, 3)], "at our price, however far beyond"


def test_one_trade_never_fills_more_than_it_was() -> None:
    rig = Rig()
    rig.new(BUY, 100, 4)
    rig.new(BUY, 99, 4)
    rig.new(BUY, 100, 4)
    rig.reports()
    rig.trade(98, 9, SELL)
    assert [(each.order_number, each.last_quantity_lots) for each in rig.reports()] == [
        (1, 4),
        (3, 4),
        (2, 1),
    ], "best price first, then the oldest"


def test_two_of_ours_at_one_price_with_the_public_between_them() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.level(BUY, 99, 16)  # six more came behind us
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.trade(99, 10 + 5 + 6 + 2, SELL)
    assert [(each.order_number, each.last_quantity_lots) for each in rig.reports()] == [
        (1, 5),
        (2, 2),
    ]
    assert [order.filled_lots for order in rig.venue.open_orders] == [2]


# The queue when less is shown.


def test_conservative_a_smaller_display_moves_us_only_when_less_is_left_than_was_ahead() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.level(BUY, 99, 30)
    rig.level(BUY, 99, 12)
    assert rig.venue.open_orders[0].ahead_lots == 10
    rig.level(BUY, 99, 4)
    assert rig.venue.open_orders[0].ahead_lots == 4


def test_proportional_a_smaller_display_shrinks_the_queue_in_proportion() -> None:
    rig = Rig(queue="proportional")
    rig.new(BUY, 99, 5)
    rig.level(BUY, 99, 30)
    rig.level(BUY, 99, 15)
    assert rig.venue.open_orders[0].ahead_lots == 5
    rig.level(BUY, 99, 14)
    assert rig.venue.open_orders[0].ahead_lots == 5, "rounded against us"


@pytest.mark.parametrize("queue", ["conservative", "proportional"])
def test_what_traded_moves_the_queue_once(queue: str) -> None:
    rig = Rig(queue=queue)  # type: ignore[arg-type]
    rig.new(BUY, 99, 5)
    rig.level(BUY, 99, 30)
    rig.trade(99, 6, SELL)
    assert rig.venue.open_orders[0].ahead_lots == 4
    rig.level(BUY, 99, 24)
    assert rig.venue.open_orders[0].ahead_lots == 4, "the display told the same trade"


# Requests under way.


def test_latency_of_orders_cancels_and_reports() -> None:
    rig = Rig(order_ms=20, cancel_ms=10, report_ms=5)
    number = rig.new(BUY, 99, 5)
    rig.pass_ms(19.999999)
    assert rig.venue.open_orders == []
    rig.pass_ms(0.000001)
    assert len(rig.venue.open_orders) == 1
    assert rig.heard() == []
    rig.pass_ms(4.999999)
    assert rig.heard() == []
    rig.pass_ms(0.000001)
    assert rig.heard() == [NEW]
    rig.cancel(number)
    assert rig.venue.next_due_ns == rig.now_ns + 10_000_000
    rig.pass_ms(9)
    rig.trade(98, 2, SELL)
    rig.pass_ms(1)
    rig.pass_ms(5)
    assert rig.heard() == [trade(99, 2), ("CANCELED", 0, 0)], (
        "filled while the cancel was under way"
    )
    assert rig.venue.next_due_ns is None


def test_an_order_meets_the_book_of_its_arrival_not_of_its_sending() -> None:
    rig = Rig(order_ms=20)
    rig.new(BUY, 101, 5)
    rig.now_ns += 10_000_000
    rig.level(SELL, 101, 2)
    rig.now_ns += 30_000_000
    rig.level(SELL, 101, 9)  # comes after the order: it arrived at 20 ms and found 2
    found = rig.reports()
    assert [(each.last_quantity_lots, each.is_maker) for each in found[1:]] == [
        (2, False),
        (3, True),
    ]
    assert found[1].time_ns < found[2].time_ns


def test_a_cancel_does_not_overtake_its_order() -> None:
    rig = Rig(order_ms=20, cancel_ms=1)
    number = rig.new(BUY, 99, 5)
    rig.cancel(number)
    rig.pass_ms(20)
    assert rig.heard() == [NEW, ("CANCELED", 0, 0)]


def test_too_late_cancels_and_replaces_are_refused() -> None:
    rig = Rig()
    number = rig.new(BUY, 101, 5)
    rig.reports()
    rig.cancel(number)
    rig.replace(number, 99, 5)
    assert [(each.execution_type, each.reject_code) for each in rig.reports()] == [
        (ExecutionType.EXEC_CANCEL_REJECT, 0),
        (ExecutionType.EXEC_CANCEL_REJECT, 0),
    ]


def test_a_decrease_keeps_its_place_and_anything_else_does_not() -> None:
    rig = Rig()
    first = rig.new(BUY, 99, 5)
    rig.level(BUY, 99, 30)
    first = rig.replace(first, 99, 4)
    assert rig.venue.open_orders[0].ahead_lots == 10
    first = rig.replace(first, 99, 6)
    assert rig.venue.open_orders[0].ahead_lots == 30
    rig.reports()
    rig.replace(first, 101, 6)
    assert rig.heard() == [("REPLACED", 0, 0), trade(101, 6)], "at the new price it takes"


def test_a_replace_to_no_more_than_was_filled_is_refused_and_the_order_stays() -> None:
    rig = Rig()
    number = rig.new(BUY, 101, 15)
    rig.reports()
    rig.replace(number, 101, 10)
    (report,) = rig.reports()
    assert report.execution_type == ExecutionType.EXEC_CANCEL_REJECT
    assert report.state == OrderState.PARTIALLY_FILLED
    assert len(rig.venue.open_orders) == 1


# A book that nobody knows.


def test_without_a_book_orders_wait_and_cancels_do_not() -> None:
    rig = Rig()
    resting = rig.new(BUY, 99, 5)
    rig.reports()
    rig.venue.lose_book(0, rig.now_ns)
    rig.trade(90, 100, SELL)
    assert rig.heard() == [], "nothing is filled against a book that is not known"
    waiting = rig.new(BUY, 101, 5)
    rig.cancel(resting)
    assert rig.heard() == [("CANCELED", 0, 0)]
    rig.cancel(waiting)
    assert rig.heard() == [], "its order has not arrived"
    rig.snapshot()
    assert rig.heard() == [NEW, trade(101, 5), ("CANCEL_REJECT", 0, 0)]


def test_a_new_book_shortens_the_queue_and_may_meet_us() -> None:
    rig = Rig()
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.snapshot(bids=((99, 3),))
    assert rig.venue.open_orders[0].ahead_lots == 3
    rig.snapshot(bids=((95, 3),), asks=((97, 2),))
    assert rig.heard() == [trade(99, 2)]


def test_products_do_not_see_each_other() -> None:
    rig = Rig()
    rig.snapshot(bids=((10, 1),), asks=((11, 1),), instrument=1)
    rig.new(BUY, 9, 5, instrument=1)
    rig.new(BUY, 99, 5)
    rig.reports()
    rig.trade(5, 3, SELL)
    assert [each.instrument for each in rig.reports()] == [0]


# Fees and reports.


@pytest.mark.parametrize(("ppm", "fee_nano"), [(6000, 6060), (0, 0), (-100, -101), (1, 2)])
def test_fees_of_the_notional(ppm: int, fee_nano: int) -> None:
    rig = Rig(fees=(0, ppm))
    rig.new(BUY, 101, 10)
    _, fill = rig.reports()
    assert fill.fee_nano == fee_nano, "10 lots of 0.0001 at 1.01 are 0.00101"


def test_a_fee_is_rounded_up() -> None:
    rig = Rig(fees=(0, 1))
    rig.snapshot(asks=((101, 1),))
    rig.new(BUY, 101, 1)
    _, fill = rig.reports()
    assert fill.fee_nano == 1, "it was 0.101 of a nano"


def test_a_report_tells_the_order_at_that_moment() -> None:
    rig = Rig()
    number = rig.new(BUY, 101, 15)
    new, fill = rig.reports()
    assert isinstance(fill, PaperReport)
    assert (new.filled_lots, new.leaves_lots, new.trade_id) == (0, 15, 0)
    assert (fill.filled_lots, fill.leaves_lots, fill.trade_id, fill.is_maker) == (10, 5, 1, False)
    assert fill.request_number == fill.order_number == number
    fields = fill.fields()
    assert fields["venue_order_id"] == f"paper-{number}".encode()
    assert (fields["cumulative_lots"], fields["last_price_ticks"]) == (10, 101)
    assert new.fields()["last_price_ticks"] == -1
