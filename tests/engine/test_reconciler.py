"""The reconciler: when a difference is believed, what becomes of it, when trading may start."""

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.reconcile.reconciler import BASELINE_DOUBT_NS, Reconciler
from engine.reconcile.reconciliation_fills import OVERLAP_NS
from engine.reconcile.reconciliation_questions import VenueQuestions
from engine.rest.rest_poll import GONE_AFTER_NS, ORDER_LIFETIME_NS
from ext.errors import LogonRefused
from ext.orders import ReportResult
from ext.wire import OrderState
from gateways.rest_request import RestAccessRefused, RestUnavailable
from tests.engine.reconciliation_rig import ASKED_NS, BTC, Own, Pipeline, Venue, our_order


class Rig:
    """A reconciler over a venue in memory; every question is asked at ``now_ns``."""

    def __init__(self) -> None:
        self.venue, self.own = Venue(), Own()
        self.pipeline = Pipeline(self.own)
        self.pauses: list[str] = []
        self.now_ns = ASKED_NS
        questions = VenueQuestions(self.venue, self.own, (BTC,))  # type: ignore[arg-type]
        pipeline: Any = self.pipeline
        own: Any = self.own
        self.reconciler = Reconciler(
            questions, own, pipeline, lambda: self.now_ns, self.pauses.append,
            interval_s=60.0, ask_again_s=0.0,
        )  # fmt: skip

    @property
    def rounds(self) -> int:
        """Questions for all open orders so far."""
        return self.venue.asked.count("GET /orders")

    def rest_order(self, number: int = 1) -> None:
        """An order that rests with both."""
        self.own.table[number] = our_order(number)
        self.venue.place(number)


async def compared(reconciler: Reconciler) -> None:
    """Returns when the comparison that is due has ended."""
    for _ in range(10_000):
        if not reconciler.is_due:
            return
        await asyncio.sleep(0)
    pytest.fail("no comparison ended")


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_equal_records_are_clean_after_one_round(rig: Rig) -> None:
    rig.rest_order()
    assert await rig.reconciler.reconcile()
    assert (rig.rounds, rig.pauses, rig.pipeline.applied) == (1, [], [])


async def test_what_was_agreed_on_is_recorded_when_it_has_changed(rig: Rig) -> None:
    rig.rest_order()
    assert await rig.reconciler.reconcile()
    assert await rig.reconciler.reconcile()
    assert rig.pipeline.agreed == [{"BTC-USD": 0}], "once"
    rig.venue.fill("v-1", "0.004", 500)
    rig.now_ns += OVERLAP_NS
    assert await rig.reconciler.reconcile()
    assert rig.pipeline.agreed == [{"BTC-USD": 0}], "the list may lag behind"
    rig.now_ns += OVERLAP_NS
    assert await rig.reconciler.reconcile()
    assert rig.pipeline.agreed == [{"BTC-USD": 0}, {"BTC-USD": 500}]


async def test_what_is_not_explained_is_not_agreed_on(rig: Rig) -> None:
    rig.venue.place(7, client_oid="someone")
    assert not await rig.reconciler.reconcile()
    assert rig.pipeline.agreed == []


async def test_a_fill_behind_our_back_is_found_counted_and_balanced(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.rest_order()
    assert await rig.reconciler.reconcile()
    rig.venue.fill("v-1", "0.01", 501)
    with caplog.at_level(logging.WARNING):
        assert await rig.reconciler.reconcile()
    assert [report["trade_id"] for report in rig.pipeline.applied] == [501]
    assert rig.own.table[1].state == OrderState.FILLED
    assert rig.own.own_changes.changes == {"BTC": Decimal("0.01"), "USD": Decimal(-1)}
    assert "fills that we missed" in caplog.text
    assert rig.pauses == []


async def test_a_fill_whose_report_comes_before_the_second_answer_is_no_difference(
    rig: Rig,
) -> None:
    rig.rest_order()
    await rig.reconciler.reconcile()
    rig.venue.fill("v-1", "0.004", 501)

    def report(path: str) -> None:
        if path == "/accounts" and rig.rounds == 2:  # the first round that sees it
            rig.own.table[1] = our_order(filled_lots=400_000, state=OrderState.PARTIALLY_FILLED)
            changes = {"BTC": Decimal("0.004"), "USD": Decimal("-0.4")}
            rig.own.own_changes = replace(rig.own.own_changes, changes=changes)
            rig.own.reports += 1

    rig.venue.before = report
    assert await rig.reconciler.reconcile()
    assert rig.pipeline.applied == []


async def test_an_order_that_was_cancelled_behind_our_back_ends(rig: Rig) -> None:
    rig.rest_order()
    del rig.venue.orders["v-1"]
    assert await rig.reconciler.reconcile()
    assert rig.own.table[1].state == OrderState.CANCELED
    assert rig.rounds == 3  # seen, believed, compared again


async def test_fills_come_before_the_end_of_an_order(rig: Rig) -> None:
    rig.rest_order()
    await rig.reconciler.reconcile()
    rig.venue.fill("v-1", "0.004", 501)
    order = rig.venue.orders["v-1"]
    rig.venue.place(1, filled_size=order.filled_size, status="done", done_reason="canceled")
    assert await rig.reconciler.reconcile()
    kinds = [report.get("trade_id", "end") for report in rig.pipeline.applied]
    assert kinds == [501, "end"]
    assert (rig.own.table[1].state, rig.own.table[1].filled_lots) == (OrderState.CANCELED, 400_000)


async def test_an_unknown_order_is_settled_at_once(rig: Rig) -> None:
    rig.rest_order()
    await rig.reconciler.reconcile()
    rig.own.table[1] = our_order(state=OrderState.UNKNOWN)
    rig.venue.fill("v-1", "0.01", 501)
    before = rig.rounds
    assert await rig.reconciler.reconcile()
    assert rig.rounds - before == 2
    assert rig.own.table[1].state == OrderState.FILLED


async def test_an_order_that_may_still_arrive_is_not_taken_for_gone(rig: Rig) -> None:
    """Its bytes may wait in a connection that dies slowly: only a new one ends that."""
    sent_ns = ASKED_NS - 10
    lost = replace(our_order(state=OrderState.UNKNOWN), unacknowledged_since_ns=sent_ns)
    rig.own.table[1] = lost
    assert not await rig.reconciler.reconcile()
    assert rig.own.table[1].state == OrderState.UNKNOWN
    assert rig.pauses == []
    rig.reconciler.session_changed(True)
    assert await rig.reconciler.reconcile()
    assert not rig.own.table[1].is_open
    rig.own.table[1] = replace(lost, unacknowledged_since_ns=ASKED_NS + 10)
    assert not await rig.reconciler.reconcile(), "sent on this one: FIX is asked, in its order"
    rig.reconciler.session_changed(False)
    rig.own.table[1] = lost
    assert not await rig.reconciler.reconcile(), "the connection is down, and may not be dead"


async def test_by_rest_an_order_may_arrive_until_its_timestamp_is_too_old(rig: Rig) -> None:
    """There is no session whose end would end what is under way."""
    lifetime_ns = 500_000
    own: Any = rig.own
    pipeline: Any = rig.pipeline
    questions = VenueQuestions(rig.venue, own, (BTC,))
    reconciler = Reconciler(
        questions, own, pipeline, lambda: ASKED_NS, rig.pauses.append,
        interval_s=60.0, ask_again_s=0.0, order_lifetime_ns=lifetime_ns,
    )  # fmt: skip
    lost = our_order(state=OrderState.UNKNOWN, venue_order_id="")
    reconciler.session_changed(True)
    rig.own.table[1] = replace(lost, sent_time_ns=ASKED_NS - lifetime_ns + 1)
    assert not await reconciler.reconcile()
    assert rig.own.table[1].state == OrderState.UNKNOWN
    rig.own.table[1] = replace(lost, sent_time_ns=ASKED_NS - lifetime_ns)
    assert await reconciler.reconcile()
    assert not rig.own.table[1].is_open


@pytest.mark.parametrize(
    ("is_accepted", "age_ns", "is_gone"),
    [(False, GONE_AFTER_NS - 1, False), (False, GONE_AFTER_NS, True), (True, 0, True)],
)
async def test_by_rest_an_acknowledged_order_may_be_shown_a_while_later(
    rig: Rig, is_accepted: bool, age_ns: int, is_gone: bool
) -> None:
    """Two answers in a row are no proof: they may follow each other within milliseconds."""
    own: Any = rig.own
    pipeline: Any = rig.pipeline
    now_ns = 2 * GONE_AFTER_NS
    reconciler = Reconciler(
        VenueQuestions(rig.venue, own, (BTC,)), own, pipeline, lambda: now_ns, rig.pauses.append,
        interval_s=60.0, ask_again_s=0.0, order_lifetime_ns=ORDER_LIFETIME_NS,
    )  # fmt: skip
    rig.own.table[1] = our_order(
        state=OrderState.UNKNOWN, is_accepted=is_accepted, acknowledged_time_ns=now_ns - age_ns
    )
    assert await reconciler.reconcile() == is_gone
    assert rig.own.table[1].is_open != is_gone
    assert rig.pauses == []


async def test_an_order_of_nobody_pauses_with_both_records(rig: Rig) -> None:
    rig.rest_order()
    rig.venue.place(77, client_oid="11111111-0000-4000-8000-000000000001")
    assert not await rig.reconciler.reconcile()
    assert rig.rounds == 4
    (text,) = rig.pauses
    assert "an open order that is not ours. Ours: nothing. Venue: order v-77" in text
    assert "BTC-USD BUY 0.01000000 at 100.00" in text
    assert not await rig.reconciler.reconcile()
    assert len(rig.pauses) == 1, "the same thing is told once"
    del rig.venue.orders["v-77"]
    assert await rig.reconciler.reconcile()


async def test_an_order_of_nobody_does_not_keep_ours_from_being_explained(rig: Rig) -> None:
    rig.rest_order()
    rig.venue.place(77, client_oid="11111111-0000-4000-8000-000000000001")
    del rig.venue.orders["v-1"]
    assert not await rig.reconciler.reconcile()
    assert rig.own.table[1].state == OrderState.CANCELED
    assert len(rig.pauses) == 1


async def test_an_order_of_nobody_that_goes_away_in_time_does_not_pause(rig: Rig) -> None:
    rig.venue.place(77, client_oid="11111111-0000-4000-8000-000000000001")

    def take_out(path: str) -> None:
        if path == "/orders" and rig.rounds == 3:
            rig.venue.orders.clear()

    rig.venue.before = take_out
    assert await rig.reconciler.reconcile()
    assert rig.pauses == []


async def test_a_balance_that_moves_by_itself_pauses(rig: Rig) -> None:
    assert await rig.reconciler.reconcile()
    rig.venue.balances["USD"] -= 500
    assert not await rig.reconciler.reconcile()
    assert "USD. Ours: fills and fees changed it by 0 since the start" in rig.pauses[0]
    assert "it changed by -500" in rig.pauses[0]


async def test_by_rest_balances_may_begin_with_a_fill_that_nobody_has_counted(rig: Rig) -> None:
    """It comes between the question for fills and the one for balances, and no report tells."""
    own: Any = rig.own
    pipeline: Any = rig.pipeline
    now_ns = [ASKED_NS]
    reconciler = Reconciler(
        VenueQuestions(rig.venue, own, (BTC,)), own, pipeline, lambda: now_ns[0],
        rig.pauses.append,
        interval_s=60.0, ask_again_s=0.0, order_lifetime_ns=ORDER_LIFETIME_NS,
    )  # fmt: skip
    rig.rest_order()

    def fill(path: str) -> None:
        if path == "/accounts" and not rig.venue.fills:
            rig.venue.fill("v-1", "0.004", 501)

    rig.venue.before = fill
    for _ in range(3):  # begins; counts the fill, and begins anew; is beyond doubt
        assert await reconciler.reconcile()
        now_ns[0] += BASELINE_DOUBT_NS
    assert rig.own.table[1].filled_lots == 400_000
    assert rig.pauses == []
    rig.venue.balances["USD"] -= 500
    assert not await reconciler.reconcile()
    assert "the balance of USD" in rig.pauses[0]


async def test_by_rest_a_balance_that_moves_without_a_fill_pauses_from_the_start(rig: Rig) -> None:
    own: Any = rig.own
    pipeline: Any = rig.pipeline
    reconciler = Reconciler(
        VenueQuestions(rig.venue, own, (BTC,)), own, pipeline, lambda: ASKED_NS, rig.pauses.append,
        interval_s=60.0, ask_again_s=0.0, order_lifetime_ns=ORDER_LIFETIME_NS,
    )  # fmt: skip
    assert await reconciler.reconcile()
    rig.venue.balances["USD"] -= 500
    assert not await reconciler.reconcile()
    assert "the balance of USD" in rig.pauses[0]


async def test_balances_are_not_compared_while_reports_come(rig: Rig) -> None:
    assert await rig.reconciler.reconcile()
    rig.venue.balances["USD"] -= 500

    def report(path: str) -> None:
        rig.own.reports += path == "/accounts"

    rig.venue.before = report
    assert await rig.reconciler.reconcile()


async def test_balances_wait_for_the_report_of_a_fill_that_is_under_way(rig: Rig) -> None:
    # The order session is silent for a while: the cancel is unanswered, the fill not yet told.
    rig.rest_order()
    assert await rig.reconciler.reconcile()
    rig.own.table[1] = our_order(state=OrderState.PENDING_CANCEL)
    rig.venue.fill("v-1", "0.004", 501)
    await rig.reconciler.reconcile()
    assert (rig.pauses, rig.pipeline.applied) == ([], [])


async def test_a_report_that_does_not_fit_pauses(rig: Rig) -> None:
    rig.rest_order()
    await rig.reconciler.reconcile()
    rig.venue.fill("v-1", "0.01", 501)
    rig.pipeline.result = int(ReportResult.REPORT_INCONSISTENT)
    await rig.reconciler.reconcile()
    assert "does not fit what we know" in rig.pauses[0]


async def test_records_that_keep_moving_are_left_for_later(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.rest_order()

    def move(path: str) -> None:
        rig.venue.place(1, price=Decimal(100 + len(rig.venue.asked)))

    rig.venue.before = move
    with caplog.at_level(logging.WARNING):
        assert not await rig.reconciler.reconcile()
    assert "still move" in caplog.text
    assert rig.pauses == []


async def test_run_waits_for_the_venue_and_then_for_the_interval(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.reconcile.reconciler.RETRY_S", 0.001)

    def fail(path: str) -> None:
        if len(rig.venue.asked) < 3:
            raise RestUnavailable("GET /orders: nobody there")

    rig.venue.before = fail
    reconciler = rig.reconciler
    assert (reconciler.is_due, reconciler.is_clean) == (True, False)
    task = asyncio.ensure_future(reconciler.run())
    with caplog.at_level(logging.ERROR):
        await reconciler.wait_first(asyncio.Event())
    assert "nothing is traded before it answers" in caplog.text
    assert (reconciler.is_due, reconciler.is_clean) == (False, True)

    before = rig.rounds
    reconciler.session_changed(False)
    assert (reconciler.is_due, rig.rounds) == (True, before)
    reconciler.session_changed(True)
    await compared(reconciler)
    assert rig.rounds > before
    reconciler.stop()
    await asyncio.wait_for(task, 5)


async def test_a_venue_that_goes_away_later_changes_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    reconciler = rig.reconciler
    task = asyncio.ensure_future(reconciler.run())
    await reconciler.wait_first(asyncio.Event())

    def fail(path: str) -> None:
        raise RestUnavailable("nobody there")

    rig.venue.before = fail
    reconciler.session_changed(True)
    with caplog.at_level(logging.ERROR):
        await compared(reconciler)
    assert "cannot be asked" in caplog.text
    assert reconciler.is_clean
    reconciler.stop()
    await asyncio.wait_for(task, 5)


async def test_a_refused_key_ends_the_start_and_later_pauses(rig: Rig) -> None:
    def refuse(path: str) -> None:
        raise RestAccessRefused("GET /orders was answered with 401: Invalid API Key", 401)

    rig.venue.before = refuse
    with pytest.raises(LogonRefused, match="Invalid API Key"):
        await rig.reconciler.run()

    other = Rig()
    task = asyncio.ensure_future(other.reconciler.run())
    await other.reconciler.wait_first(asyncio.Event())
    other.venue.before = refuse
    other.reconciler.session_changed(True)
    await compared(other.reconciler)
    assert "Invalid API Key" in other.pauses[0]
    other.reconciler.stop()
    await asyncio.wait_for(task, 5)


async def test_a_stop_ends_the_wait_for_the_first_comparison(rig: Rig) -> None:
    stop = asyncio.Event()
    waiting = asyncio.ensure_future(rig.reconciler.wait_first(stop))
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.set()
    await asyncio.wait_for(waiting, 5)


async def test_a_session_that_changes_during_a_comparison_leaves_one_due(rig: Rig) -> None:
    # Orders that became Unknown after the question was asked are not compared by it.
    reconciler = rig.reconciler

    def change(path: str) -> None:
        if rig.rounds == 1 and path == "/accounts":
            reconciler.session_changed(False)

    rig.venue.before = change
    task = asyncio.ensure_future(reconciler.run())
    await reconciler.wait_first(asyncio.Event())
    assert reconciler.is_due
    reconciler.session_changed(True)
    await compared(reconciler)
    assert rig.rounds == 2
    reconciler.stop()
    await asyncio.wait_for(task, 5)
