"""What the venue tells of our open orders, with a venue, an order record and a clock in memory."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.rest.rest_poll import GONE_AFTER_NS, ORDER_LIFETIME_NS, OrderPoll
from ext.wire import ExecutionType, OrderState
from tests.engine.reconciliation_rig import (
    ASKED_NS,
    BTC,
    Own,
    Pipeline,
    Venue,
    client_id,
    our_order,
)

UNKNOWN, NEW, PENDING_NEW = OrderState.UNKNOWN, OrderState.NEW, OrderState.PENDING_NEW


class OpenOnly(Own):
    """``OwnRecords`` gives open orders only, unless it is asked for others."""

    def orders(self, venue_ids: Any, client_ids: Any) -> Any:
        record = super().orders(venue_ids, client_ids)
        return replace(record, orders=tuple(each for each in record.orders if each.is_open))


class Rig:
    def __init__(self) -> None:
        self.venue, self.own = Venue(), OpenOnly()
        self.pipeline = Pipeline(self.own)
        self.now_ns = ASKED_NS
        self.doubts: list[str] = []
        own: Any = self.own
        pipeline: Any = self.pipeline
        self.poll = OrderPoll(
            self.venue, own, pipeline, {"BTC-USD": BTC}, lambda: self.now_ns, self.doubts.append
        )

    def state(self, number: int = 1) -> OrderState:
        return self.own.table[number].state

    def kinds(self) -> list[ExecutionType]:
        return [ExecutionType(each["execution_type"]) for each in self.pipeline.applied]


def replace_status(rig: Rig, status: str, filled: str) -> Any:
    return msgspec.structs.replace(
        rig.venue.orders["v-1"], status=status, filled_size=Decimal(filled)
    )


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_nobody_is_asked_while_nothing_is_open(rig: Rig) -> None:
    assert not await rig.poll.ask()
    rig.own.table[1] = our_order(state=OrderState.FILLED)
    assert not await rig.poll.ask()
    assert rig.venue.asked == []


async def test_equal_records_change_nothing(rig: Rig) -> None:
    rig.own.table[1] = our_order()
    rig.venue.place()
    assert await rig.poll.ask()
    assert rig.venue.asked == ["GET /fills", "GET /orders"]
    assert rig.pipeline.applied == []


async def test_fills_are_told_once_and_in_their_order(rig: Rig) -> None:
    rig.own.table[1] = our_order()
    rig.venue.place()
    rig.venue.fill("v-1", "0.004", 501)
    rig.venue.fill("v-1", "0.001", 502)
    for _ in range(3):
        await rig.poll.ask()
    assert [each["trade_id"] for each in rig.pipeline.applied] == [501, 502]
    assert rig.own.table[1].filled_lots == 500_000


async def test_fills_of_others_are_left_alone(rig: Rig) -> None:
    rig.own.table[1] = our_order()
    rig.venue.place()
    rig.venue.place(9)
    rig.venue.fill("v-9", "0.01", 501)
    await rig.poll.ask()
    assert rig.pipeline.applied == []


async def test_a_fill_that_came_before_the_answer_waits_for_its_order(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=PENDING_NEW, venue_order_id="")
    rig.venue.place(status="pending")
    rig.venue.fill("v-1", "0.004", 501)
    rig.venue.orders["v-1"] = replace_status(rig, "pending", "0")
    await rig.poll.ask()
    assert rig.pipeline.applied == []
    rig.own.table[1] = our_order(state=PENDING_NEW)
    await rig.poll.ask()
    assert [each["trade_id"] for each in rig.pipeline.applied] == [501]


async def test_an_order_is_placed_when_it_is_seen_in_the_market(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=PENDING_NEW)
    rig.venue.place(status="pending")
    await rig.poll.ask()
    assert rig.pipeline.applied == []
    rig.venue.place()
    await rig.poll.ask()
    assert rig.kinds() == [ExecutionType.EXEC_NEW]
    assert rig.state() == NEW


@pytest.mark.parametrize("state", [NEW, OrderState.PENDING_CANCEL, UNKNOWN])
async def test_an_order_that_has_ended_ends_with_its_fills(rig: Rig, state: OrderState) -> None:
    rig.own.table[1] = our_order(state=state)
    rig.venue.place()
    rig.venue.fill("v-1", "0.004", 501, is_listed=False)
    rig.venue.orders["v-1"] = replace_status(rig, "done", "0.004")
    await rig.poll.ask()
    assert rig.pipeline.applied == [], "its fill is not listed yet"
    rig.venue.fills.clear()
    rig.venue.orders["v-1"] = replace_status(rig, "open", "0")
    rig.venue.fill("v-1", "0.004", 501)
    rig.venue.orders["v-1"] = replace_status(rig, "done", "0.004")
    await rig.poll.ask()
    assert rig.kinds() == [ExecutionType.EXEC_TRADE, ExecutionType.EXEC_CANCELED]


async def test_a_rejected_order_is_rejected(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=PENDING_NEW)
    rig.venue.place(status="rejected", reject_reason="post only")
    await rig.poll.ask()
    assert rig.kinds() == [ExecutionType.EXEC_REJECTED]


async def test_an_unknown_order_that_lives_is_as_the_venue_shows_it(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=UNKNOWN, venue_order_id="")
    rig.venue.place()
    await rig.poll.ask()
    assert rig.kinds() == [ExecutionType.EXEC_STATUS]
    assert rig.state() == NEW


async def test_an_order_that_became_unknown_after_the_question_is_asked_for_again(
    rig: Rig,
) -> None:
    rig.own.table[1] = our_order(state=UNKNOWN, update_time_ns=ASKED_NS)
    rig.venue.place()
    await rig.poll.ask()
    assert rig.state() == UNKNOWN


async def test_a_request_under_way_is_not_asked_for(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=PENDING_NEW, venue_order_id="")
    await rig.poll.ask()
    assert rig.venue.asked == ["GET /fills", "GET /orders"]


# What the venue does not know.


async def rounds_until_ended(rig: Rig, limit: int = 5, step_ns: int = 0) -> int:
    for count in range(1, limit + 1):
        await rig.poll.ask()
        if not rig.own.table[1].is_open:
            return count
        rig.now_ns += step_ns
    return 0


@pytest.mark.parametrize(
    ("is_accepted", "step_ns", "rounds"),
    [
        (True, 0, 1),
        (False, GONE_AFTER_NS, 2),
        (False, GONE_AFTER_NS // 2, 3),
        (False, GONE_AFTER_NS - 1, 3),
        (False, GONE_AFTER_NS // 10, 11),
    ],
)
async def test_an_acknowledged_order_is_gone(
    rig: Rig, is_accepted: bool, step_ns: int, rounds: int
) -> None:
    """Asked often, the venue's questions may still lag behind its orders."""
    rig.own.table[1] = our_order(
        state=OrderState.PENDING_CANCEL, is_accepted=is_accepted, acknowledged_time_ns=rig.now_ns
    )
    assert await rounds_until_ended(rig, 20, step_ns) == rounds


async def test_an_answer_in_between_begins_the_count_again(rig: Rig) -> None:
    rig.own.table[1] = our_order(state=PENDING_NEW)
    await rig.poll.ask()
    rig.venue.place(status="pending")
    await rig.poll.ask()
    del rig.venue.orders["v-1"]
    assert await rounds_until_ended(rig, step_ns=GONE_AFTER_NS) == 2


SECOND_NS = 1_000_000_000


def never_acknowledged(rig: Rig, *, age_ns: int, ahead_ns: int = 0) -> None:
    """An order that was sent so long ago, by our clock, which is so far ahead of the venue's."""
    rig.now_ns = 1_000 * SECOND_NS
    rig.venue.epoch = (rig.now_ns - ahead_ns) / SECOND_NS
    sent_ns = rig.now_ns - age_ns
    rig.own.table[1] = our_order(
        state=UNKNOWN, venue_order_id="", sent_time_ns=sent_ns, update_time_ns=sent_ns
    )


@pytest.mark.parametrize("ahead_ns", [-25 * SECOND_NS, 0, 25 * SECOND_NS])
async def test_an_order_that_nobody_told_of_may_arrive_while_the_venue_takes_its_timestamp(
    rig: Rig, ahead_ns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What counts is the venue's clock, not ours: 30 s and a margin behind the timestamp."""
    never_acknowledged(rig, age_ns=4 * SECOND_NS, ahead_ns=ahead_ns)
    begun_ns, expiry_ns = rig.now_ns, rig.now_ns + 31 * SECOND_NS + ahead_ns
    rig.now_ns = min(begun_ns, expiry_ns - 1)
    assert await rounds_until_ended(rig) == 0
    rig.now_ns = expiry_ns - 1
    assert await rounds_until_ended(rig) == 0
    assert caplog.text.count("it may still come") == 1
    assert rig.venue.asked.count("GET /time") == 1
    assert f"GET /orders/client:{client_id(1)}" in rig.venue.asked
    rig.now_ns = expiry_ns
    assert await rounds_until_ended(rig) == 1


async def test_the_time_is_asked_before_the_order(rig: Rig) -> None:
    """An answer that is older than the time would not be of an order that can come no more."""
    never_acknowledged(rig, age_ns=40 * SECOND_NS)
    await rig.poll.ask()
    assert rig.venue.asked[-2:] == ["GET /time", f"GET /orders/client:{client_id(1)}"]


@pytest.mark.parametrize("epoch", [-1.0, 0.0, 10_000.0])
@pytest.mark.parametrize(("age_ns", "rounds"), [(ORDER_LIFETIME_NS - 1, 0), (ORDER_LIFETIME_NS, 2)])
async def test_without_a_venues_clock_that_can_be_ours_is_as_wrong_as_it_may_be(
    rig: Rig, epoch: float, age_ns: int, rounds: int
) -> None:
    never_acknowledged(rig, age_ns=age_ns)
    rig.venue.epoch = epoch
    assert await rounds_until_ended(rig) == rounds


async def test_an_order_with_fills_is_never_taken_for_gone(rig: Rig) -> None:
    rig.own.table[1] = our_order(filled_lots=1, is_accepted=True)
    assert await rounds_until_ended(rig) == 0


async def test_what_cannot_be_is_told(rig: Rig) -> None:
    rig.own.table[1] = our_order()
    rig.venue.place()
    rig.venue.fill("v-1", "0.004", 501)
    rig.pipeline.result = 16 | 1
    for _ in range(3):
        await rig.poll.ask()
    assert len(rig.doubts) == 1, "told once"
    assert "does not fit what we know" in rig.doubts[0]


async def test_a_fill_off_the_lot_is_told(rig: Rig) -> None:
    rig.own.table[1] = our_order()
    rig.venue.place()
    rig.venue.fill("v-1", "0.0000000001", 501)
    await rig.poll.ask()
    assert "cannot be read" in rig.doubts[0]
