"""Circuit breakers: each limit at its edge, and all of them against a slow reference."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ext.breakers import KEPT_BYTES, Breakers
from ext.dtypes import BREAKER_STATE
from ext.errors import RecordingError, UsageError
from ext.instrument_table import InstrumentTable
from ext.safety_records import Breaker, BreakerLevel, KeptState
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, RecordKind, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
QUIET, WARNED = BreakerLevel.BREAKER_QUIET, BreakerLevel.BREAKER_WARNED
PAUSED, KILLED = BreakerLevel.BREAKER_PAUSED, BreakerLevel.BREAKER_KILLED
MID = 50_005  # what an open position is worth: buying there neither wins nor loses
LOTS = 10_000  # one BTC: a tick moves the P&L by one cent


def state_of(rig: "OrderRig", index: int = 0) -> Any:
    """The breakers of a strategy, -1: the engine's."""
    count = rig.pipeline.breakers.count
    states = rig.memory.region("breakers_offset", BREAKER_STATE, count + 1)
    return states[index]


def level_of(rig: "OrderRig", index: int = 0) -> BreakerLevel:
    return BreakerLevel(int(state_of(rig, index)["level"]))


def trade(rig: "OrderRig", side: int, ticks: int, lots: int = LOTS, strategy: int = 0) -> None:
    """An order that fills at once."""
    messages = rig.submit(rig.new(side, ticks, lots), strategy=strategy)
    (message,) = [each for each in messages if each[35] == "D"]
    number = rig.order_table.request_number(message[11])
    rig.fill(number, ticks, lots, status="2", t54="1" if side > 0 else "2")


def lose(rig: "OrderRig", ticks: int, strategy: int = 0) -> None:
    """A round trip that loses so many cents; a negative number wins."""
    trade(rig, 1, MID, strategy=strategy)
    trade(rig, -1, MID - ticks, strategy=strategy)


def can_trade(rig: "OrderRig", strategy: int = 0) -> Verdict:
    """What becomes of a new order, which is cancelled again."""
    rig.now_ns += SECOND_NS
    return rig.verdict(rig.new(1, 49_000 + rig.now_ns % 97, 1), strategy=strategy)


@pytest.mark.parametrize("breaker", ["daily_loss", "drawdown"])
@pytest.mark.parametrize(
    ("cents", "expected"),
    [(6_990, QUIET), (7_000, WARNED), (8_999, WARNED), (9_000, PAUSED), (9_999, PAUSED),
     (10_000, KILLED)],
)  # fmt: skip
@pytest.mark.parametrize("index", [0, -1])
def test_a_realised_loss_at_each_edge(
    order_rig: "OrderRig", breaker: str, cents: int, expected: BreakerLevel, index: int
) -> None:
    order_rig.pipeline.breakers.set_limits(index, **{breaker: 100.0})  # type: ignore[arg-type]
    lose(order_rig, cents)
    assert level_of(order_rig, index) == expected
    verdict = can_trade(order_rig)
    if expected < PAUSED:
        assert verdict == Verdict.ACCEPTED
    else:
        stopped = Verdict.ENGINE_PAUSED if index == -1 else Verdict.STRATEGY_PAUSED
        assert verdict == stopped


def test_an_unrealised_loss_needs_marks_that_agree(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    rig.pipeline.breakers.set_day(0, 3)
    rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    trade(rig, 1, 50_000)
    for mid, expected in [
        (39_000, QUIET), (49_000, QUIET),  # a glitch
        (39_000, QUIET), (30_000, QUIET), (40_500, PAUSED),  # three in a row, the mildest counts
        (39_000, PAUSED), (39_000, PAUSED), (39_000, KILLED),
    ]:  # fmt: skip
        rig.set_book(mid - 5, mid + 5)
        assert level_of(rig) == expected, mid


def test_what_is_realised_needs_no_second_mark(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_day(0, 100)
    order_rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    lose(order_rig, 10_000)
    assert level_of(order_rig) == KILLED


def test_without_a_live_book_an_open_position_trips_nothing(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    trade(order_rig, 1, 50_000, LOTS)
    order_rig.pipeline.mark_stale(0, 1, order_rig.now_ns)
    number = order_rig.order_table.open_orders()
    assert not number
    assert level_of(order_rig) == QUIET
    order_rig.set_book(30_000, 30_010)  # fresh again
    assert level_of(order_rig) == KILLED


def test_fees_are_losses(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, daily_loss=10.0)
    (message,) = order_rig.submit(order_rig.new(1, 50_000, LOTS))
    number = order_rig.order_table.request_number(message[11])
    order_rig.set_book(49_995, 50_005)
    order_rig.fill(number, 50_000, LOTS, status="2", t136="1", t137="9.5", t139="4")
    assert order_rig.position()["fees"] == pytest.approx(9.5)
    assert level_of(order_rig) == PAUSED


@pytest.mark.parametrize("index", [0, -1])
def test_losses_in_a_row(order_rig: "OrderRig", index: int) -> None:
    order_rig.pipeline.breakers.set_limits(index, losses_in_row=3)
    lose(order_rig, 1)
    lose(order_rig, 1)
    lose(order_rig, -1)  # a win ends the row
    lose(order_rig, 1)
    lose(order_rig, 0)  # nothing neither counts nor ends it
    lose(order_rig, 1)
    assert state_of(order_rig, index)["losses_in_row"] == 2
    assert level_of(order_rig, index) == QUIET
    lose(order_rig, 1)
    assert level_of(order_rig, index) == PAUSED
    assert state_of(order_rig, index)["cause"] == Breaker.BREAKER_LOSSES_IN_ROW


def test_a_reduction_is_a_result_where_it_is_asked_for(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, losses_in_row=2, is_counting_reductions=True)
    trade(order_rig, 1, 50_000, LOTS)
    trade(order_rig, -1, 49_999, LOTS // 4)
    assert level_of(order_rig) == QUIET
    trade(order_rig, -1, 49_998, LOTS // 4)
    assert level_of(order_rig) == PAUSED


def test_a_position_that_turns_round_ends_a_round_trip(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, losses_in_row=2)
    trade(order_rig, 1, 50_000, LOTS)
    trade(order_rig, -1, 49_999, 2 * LOTS)
    assert state_of(order_rig)["losses_in_row"] == 1
    trade(order_rig, 1, 50_001, LOTS)
    assert level_of(order_rig) == PAUSED


def test_the_cooldown_ends_exactly_when_it_is_over(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, losses_in_row=1, losses_cooldown_ns=60 * SECOND_NS)
    lose(order_rig, 1)
    until_ns = int(state_of(order_rig)["paused_until_ns"])
    assert until_ns == int(state_of(order_rig)["raised_time_ns"]) + 60 * SECOND_NS
    order_rig.now_ns = until_ns - 2
    assert order_rig.verdict(order_rig.new(1, 49_000, 1)) == Verdict.STRATEGY_PAUSED
    assert order_rig.verdict(order_rig.new(1, 49_000, 1)) == Verdict.ACCEPTED
    assert order_rig.now_ns == until_ns
    assert level_of(order_rig) == QUIET
    lose(order_rig, 1)
    assert level_of(order_rig) == PAUSED, "the row begins anew"


def test_a_pause_that_waits_for_a_person_is_not_shortened(order_rig: "OrderRig") -> None:
    breakers = order_rig.pipeline.breakers
    breakers.set_limits(0, losses_in_row=1, losses_cooldown_ns=SECOND_NS)
    trade(order_rig, 1, 50_000)
    number = order_rig.place(-1, 49_999, LOTS)
    breakers.pause(0, PAUSED, Breaker.BREAKER_OPERATOR, order_rig.now_ns)
    order_rig.fill(number, 49_999, LOTS, status="2", t54="2")
    assert state_of(order_rig)["paused_until_ns"] == 0
    order_rig.now_ns += 2 * SECOND_NS
    assert can_trade(order_rig) == Verdict.STRATEGY_PAUSED


def test_fills_in_a_window(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, max_fills=3, fills_window_ns=SECOND_NS)
    times_ns = order_rig.now_ns
    for after_ns, expected in [
        (0, QUIET), (10, QUIET), (SECOND_NS, QUIET),  # the first is a whole window old
        (SECOND_NS + 9, PAUSED),
    ]:  # fmt: skip
        order_rig.now_ns = times_ns + after_ns
        order_rig.pipeline.apply_report(fill_fields(order_rig), order_rig.now_ns)
        assert level_of(order_rig) == expected, after_ns
    assert state_of(order_rig)["cause"] == Breaker.BREAKER_REPEATED_FILLS


def fill_fields(rig: "OrderRig") -> dict[str, object]:
    """A fill of one lot of an order that is made for it, at the rig's time."""
    now_ns = rig.now_ns
    rig.scripts[0].waiting.append(rig.new(1, 50_000, 1))
    rig.pipeline.call_timers(now_ns)
    rig.sent()
    orders = rig.order_table.open_orders()
    number = int(str(orders[-1]["order_number"]))
    return {
        "execution_type": 6,
        "order_state": 4,
        "request_number": number,
        "instrument": 0,
        "side": 1,
        "last_price_ticks": 50_000,
        "last_quantity_lots": 1,
        "trade_id": number,
    }


def test_rejects_of_the_venue_in_a_window(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, max_rejects=2, rejects_window_ns=DAY_NS)
    order_rig.report(order_rig.place(1, 49_000, 1), "8", "8")
    assert level_of(order_rig) == QUIET
    order_rig.report(order_rig.place(1, 49_001, 1), "8", "8")
    assert state_of(order_rig)["cause"] == Breaker.BREAKER_REJECT_RATE
    assert level_of(order_rig) == PAUSED


def test_a_trip_pulls_the_orders_of_that_strategy_alone(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0))
    rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    mine, theirs = rig.place(1, 49_000, 1), rig.submit(rig.new(1, 49_001, 1), strategy=1)
    assert theirs
    trade(rig, 1, 50_000)
    (message,) = rig.submit(rig.new(-1, 41_000, LOTS))
    number = rig.order_table.request_number(message[11])
    rig.fill(number, 41_000, LOTS, status="2", t54="2")
    cancels = [each for each in rig.sent() if each[35] == "F"]
    assert [rig.order_table.request_number(each[41]) for each in cancels] == [mine]
    assert can_trade(rig) == Verdict.STRATEGY_PAUSED
    assert can_trade(rig, strategy=1) == Verdict.ACCEPTED


def test_a_cancel_passes_a_paused_strategy(order_rig: "OrderRig") -> None:
    number = order_rig.place(1, 49_000, 1)
    order_rig.report(number, "0", "0")
    order_rig.store.is_active = False  # nothing can be pulled
    order_rig.pipeline.pause_strategy(0, Breaker.BREAKER_OPERATOR, order_rig.now_ns, "look")
    order_rig.store.is_active = True
    assert order_rig.verdict(order_rig.replace(number, 49_001, 1)) == Verdict.STRATEGY_PAUSED
    assert order_rig.verdict(order_rig.cancel(number)) == Verdict.ACCEPTED


def test_what_could_not_be_pulled_is_pulled_by_the_timer(order_rig: "OrderRig") -> None:
    order_rig.place(1, 49_000, 1)
    order_rig.store.is_active = False
    order_rig.pipeline.pause_strategy(0, Breaker.BREAKER_OPERATOR, order_rig.now_ns, "look")
    order_rig.store.is_active = True
    order_rig.now_ns += 2 * SECOND_NS
    order_rig.pipeline.call_timers(order_rig.now_ns)
    assert [each[35] for each in order_rig.sent()] == ["F"]


def test_a_person_resumes_and_the_loss_of_the_day_stays(order_rig: "OrderRig") -> None:
    pipeline = order_rig.pipeline
    pipeline.breakers.set_limits(0, daily_loss=100.0)
    lose(order_rig, 9_000)
    assert level_of(order_rig) == PAUSED
    pipeline.resume_strategy(0, order_rig.now_ns, "it was the feed")
    assert can_trade(order_rig) == Verdict.ACCEPTED
    lose(order_rig, 999)
    assert level_of(order_rig) == WARNED, "excused up to the whole limit"
    lose(order_rig, 1)
    assert level_of(order_rig) == KILLED
    pipeline.resume_strategy(0, order_rig.now_ns, "again")
    order_rig.set_book(50_001, 50_011)
    assert level_of(order_rig) == KILLED, "the limit of the day is not to be talked away"


def test_drawdown_counts_from_where_a_person_resumed(order_rig: "OrderRig") -> None:
    pipeline = order_rig.pipeline
    pipeline.breakers.set_limits(0, drawdown=100.0)
    lose(order_rig, -5_000)
    lose(order_rig, 9_000)
    assert level_of(order_rig) == PAUSED
    assert state_of(order_rig)["high_water_net"] == pytest.approx(50.0)
    pipeline.resume_strategy(0, order_rig.now_ns, "looked")
    lose(order_rig, 6_000)
    assert level_of(order_rig) == QUIET
    lose(order_rig, 1_000)
    assert level_of(order_rig) == WARNED


@pytest.mark.parametrize("offset_ns", [0, 22 * 3600 * SECOND_NS])
def test_a_new_day_begins_with_no_loss(order_rig: "OrderRig", offset_ns: int) -> None:
    breakers = order_rig.pipeline.breakers
    breakers.set_day(offset_ns, 1)
    breakers.set_limits(0, daily_loss=100.0)
    lose(order_rig, 8_000)
    assert level_of(order_rig) == WARNED
    midnight_ns = (order_rig.now_ns - offset_ns) // DAY_NS * DAY_NS + DAY_NS + offset_ns
    order_rig.now_ns = midnight_ns - 1
    order_rig.set_book(50_001, 50_012)
    assert level_of(order_rig) == WARNED
    order_rig.now_ns = midnight_ns
    order_rig.set_book(50_002, 50_012)
    assert level_of(order_rig) == QUIET
    assert state_of(order_rig)["day_start_net"] == pytest.approx(-80.0)
    lose(order_rig, 8_999)
    assert level_of(order_rig) == WARNED


def test_a_new_day_ends_no_pause(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    lose(order_rig, 9_500)
    order_rig.now_ns += DAY_NS
    order_rig.set_book(50_001, 50_012)
    assert level_of(order_rig) == PAUSED


def test_a_pause_of_another_cause_is_not_ended_with_it(order_rig: "OrderRig") -> None:
    pipeline, now_ns = order_rig.pipeline, order_rig.now_ns
    pipeline.pause_strategy(-1, Breaker.BREAKER_LATENCY, now_ns, "slow")
    pipeline.resume_strategy(-1, now_ns, "well", Breaker.BREAKER_VENUE_OUTAGE)
    assert can_trade(order_rig) == Verdict.ENGINE_PAUSED
    pipeline.resume_strategy(-1, now_ns, "well", Breaker.BREAKER_LATENCY)
    assert can_trade(order_rig) == Verdict.ACCEPTED


@pytest.mark.parametrize("cooldown_ns", [0, 60 * SECOND_NS])
def test_a_row_of_losses_is_not_forgotten_when_the_portfolio_has_room_again(
    order_rig: "OrderRig", cooldown_ns: int
) -> None:
    pipeline, now_ns = order_rig.pipeline, order_rig.now_ns
    pipeline.breakers.set_limits(0, losses_in_row=1, losses_cooldown_ns=cooldown_ns)
    trade(order_rig, 1, MID, 1000)
    pipeline.pause_strategy(0, Breaker.BREAKER_PORTFOLIO, now_ns, "full")
    trade(order_rig, -1, MID - 10, 1000)
    assert state_of(order_rig)["cause"] == Breaker.BREAKER_LOSSES_IN_ROW
    pipeline.resume_strategy(0, now_ns, "room again", Breaker.BREAKER_PORTFOLIO)
    assert can_trade(order_rig) == Verdict.STRATEGY_PAUSED


def test_each_level_is_told_once(order_rig: "OrderRig") -> None:
    breakers = order_rig.pipeline.breakers
    breakers.set_limits(0, daily_loss=100.0)
    lose(order_rig, 7_000)
    assert breakers.take_notices() == [0]
    assert breakers.take_notices() == []
    lose(order_rig, 2_000)
    assert breakers.take_notices() == [0]


def test_use_of_each_limit(order_rig: "OrderRig") -> None:
    breakers = order_rig.pipeline.breakers
    breakers.set_limits(
        0, daily_loss=100.0, drawdown=200.0, losses_in_row=4, max_fills=8, fills_window_ns=DAY_NS
    )
    lose(order_rig, 5_000)
    breakers.show_use(order_rig.now_ns)
    use = state_of(order_rig)["use_permille"]
    assert use[Breaker.BREAKER_DAILY_LOSS] == 500
    assert use[Breaker.BREAKER_DRAWDOWN] == 250
    assert use[Breaker.BREAKER_LOSSES_IN_ROW] == 250
    assert use[Breaker.BREAKER_REPEATED_FILLS] == 250
    breakers.show_use(order_rig.now_ns + 2 * DAY_NS)
    assert use[Breaker.BREAKER_REPEATED_FILLS] == 0


def test_every_change_is_recorded_where_it_was_made(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True)
    rig.pipeline.breakers.set_limits(0, daily_loss=100.0)
    rig.records()
    lose(rig, 9_500)
    kept = [
        each for each in rig.records(RecordKind.RECORD_STRATEGY_STATE)
        if each["detail"] == 0 and each["strategy"] == 0
    ]  # fmt: skip
    assert kept
    assert all(each["code"] == KeptState.KEPT_BREAKERS for each in kept)


def test_what_was_kept_is_put_back(make_order_rig: MakeRig) -> None:
    first, second = make_order_rig(), make_order_rig()
    first.pipeline.breakers.set_limits(0, daily_loss=100.0)
    lose(first, 9_500)
    second.pipeline.breakers.load(0, state_of(first).tobytes()[:KEPT_BYTES])
    assert level_of(second) == PAUSED
    assert second.pipeline.breakers.take_notices() == [0]
    assert can_trade(second) == Verdict.STRATEGY_PAUSED


def test_a_fill_that_was_not_kept_any_more_is_counted(make_order_rig: MakeRig) -> None:
    rig, other = make_order_rig(), make_order_rig()
    trade(rig, 1, 50_000)
    before = state_of(rig).tobytes()[:KEPT_BYTES]
    lose(other, 1)
    other.pipeline.breakers.set_limits(0, losses_in_row=1)
    other.pipeline.breakers.load(0, before)  # its position has moved on
    assert level_of(other) == PAUSED
    assert state_of(other)["losses_in_row"] == 1


def test_a_position_of_which_nothing_is_known_begins_the_day(order_rig: "OrderRig") -> None:
    breakers = order_rig.pipeline.breakers
    lose(order_rig, 9_500)
    breakers.adopt(0)
    breakers.set_limits(0, daily_loss=100.0)
    order_rig.set_book(50_001, 50_012)
    assert level_of(order_rig) == QUIET
    lose(order_rig, 7_000)
    assert level_of(order_rig) == WARNED


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"daily_loss": -1.0}, "limits were"),
        ({"drawdown": float("nan")}, "limits were"),
        ({"max_fills": 257, "fills_window_ns": 1}, "max_fills was 257"),
        ({"max_rejects": 1}, "max_rejects was 1 in 0 ns"),
    ],
)
def test_limits_that_cannot_be(order_rig: "OrderRig", limits: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        order_rig.pipeline.breakers.set_limits(0, **limits)


def test_the_largest_window_holds(order_rig: "OrderRig") -> None:
    order_rig.pipeline.breakers.set_limits(0, max_rejects=256, rejects_window_ns=DAY_NS)
    for count in range(256):
        assert level_of(order_rig) == QUIET, count
        order_rig.report(order_rig.place(1, 49_000 + count, 1), "8", "8")
    assert level_of(order_rig) == PAUSED


def test_what_else_cannot_be() -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.0001")
    breakers = Breakers(SharedMemory(None, [("BTC-USD", "0.01", "0.0001")], ["one"]))
    breakers.add_strategy(table, 0)
    with pytest.raises(UsageError, match="no place"):
        breakers.add_strategy(table, 0)
    with pytest.raises(UsageError, match="strategy was 1"):
        breakers.resume(1, 0)
    with pytest.raises(UsageError, match="day offset"):
        breakers.set_day(DAY_NS, 1)
    with pytest.raises(UsageError, match="needed marks 0"):
        breakers.set_day(0, 0)
    with pytest.raises(RecordingError, match="3 bytes"):
        breakers.load(0, b"abc")


@pytest.mark.parametrize("passing", [
    Breaker.BREAKER_PORTFOLIO, Breaker.BREAKER_ERROR_RATE, Breaker.BREAKER_LATENCY,
    Breaker.BREAKER_CLOCK_OFFSET, Breaker.BREAKER_VENUE_OUTAGE,
])  # fmt: skip
@pytest.mark.parametrize("index", [0, -1])
def test_a_pause_that_waits_for_a_person_outlasts_one_that_does_not(
    order_rig: "OrderRig", passing: Breaker, index: int
) -> None:
    pipeline, now_ns = order_rig.pipeline, order_rig.now_ns
    pipeline.pause_strategy(index, passing, now_ns, "it will be well")
    pipeline.pause_strategy(index, Breaker.BREAKER_OPERATOR, now_ns, "look")
    pipeline.resume_strategy(index, now_ns, "it is well", int(passing))
    assert level_of(order_rig, index) == PAUSED
    pipeline.pause_strategy(index, passing, now_ns, "again")
    pipeline.resume_strategy(index, now_ns, "well again", int(passing))
    assert level_of(order_rig, index) == PAUSED, "the person's was there first"
    pipeline.resume_strategy(index, now_ns, "looked")
    assert level_of(order_rig, index) == QUIET


def test_a_cooldown_outlasts_what_is_well_before(order_rig: "OrderRig") -> None:
    pipeline = order_rig.pipeline
    pipeline.breakers.set_limits(0, losses_in_row=1, losses_cooldown_ns=60 * SECOND_NS)
    lose(order_rig, 5)
    until_ns = int(state_of(order_rig)["paused_until_ns"])
    assert until_ns > order_rig.now_ns
    pipeline.pause_strategy(0, Breaker.BREAKER_PORTFOLIO, order_rig.now_ns, "full")
    pipeline.resume_strategy(0, order_rig.now_ns, "room", int(Breaker.BREAKER_PORTFOLIO))
    assert can_trade(order_rig) == Verdict.STRATEGY_PAUSED
    order_rig.now_ns = until_ns
    assert can_trade(order_rig) == Verdict.ACCEPTED


def test_what_could_add_to_the_portfolio_may_reduce(order_rig: "OrderRig") -> None:
    trade(order_rig, 1, MID, 1000)
    adding, reducing = order_rig.place(1, 49_000, 10), order_rig.place(-1, 60_000, 400)
    order_rig.pipeline.pause_strategy(0, Breaker.BREAKER_PORTFOLIO, order_rig.now_ns, "full")
    (cancel,) = order_rig.sent()
    assert order_rig.order_table.request_number(cancel[41]) == adding
    assert order_rig.verdict(order_rig.new(1, 49_000, 1)) == Verdict.STRATEGY_PAUSED
    assert order_rig.verdict(order_rig.new(-1, 60_001, 601)) == Verdict.STRATEGY_PAUSED, "it turns"
    assert order_rig.verdict(order_rig.new(-1, 60_001, 600)) == Verdict.ACCEPTED
    assert order_rig.order(reducing)["state"] == OrderState.PENDING_NEW
    order_rig.pipeline.pause_strategy(-1, Breaker.BREAKER_LATENCY, order_rig.now_ns, "slow")
    assert order_rig.verdict(order_rig.new(-1, 60_002, 1)) == Verdict.ENGINE_PAUSED
