"""Position management: each exit on the tick that crosses it, once, whatever comes between."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ext.dtypes import GUARD_STATE
from ext.errors import RecordingError, UsageError
from ext.position_guard import GUARD_BYTES, PositionGuard
from ext.safety_records import Breaker, BreakerLevel, GuardReason, KeptState
from ext.shared_memory import SharedMemory
from ext.wire import RecordKind, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
LOTS = 1_000
ENTRY = 50_000
SIDES = pytest.mark.parametrize("side", [1, -1])


def state_of(rig: "OrderRig") -> Any:
    return rig.memory.region("guards_offset", GUARD_STATE, 1)[0]


def reason_of(rig: "OrderRig") -> GuardReason:
    return GuardReason(int(state_of(rig)["exit_reason"]))


def manage(rig: "OrderRig", **limits: Any) -> None:
    rig.pipeline.guard.set_limits(0, **{"slippage_ppm": 10_000, **limits})


def tick(rig: "OrderRig", side: int, away: int, spread: int = 2) -> list[dict[int, str]]:
    """The price at which a position of that side can be closed is so many ticks in its favour of
    ENTRY; the orders that left for it."""
    rig.now_ns += 1_000_000
    touch = ENTRY + side * away
    bid = touch if side > 0 else touch - spread
    rig.set_book(bid, bid + spread)
    return rig.sent()


def number_of(rig: "OrderRig", message: dict[int, str]) -> int:
    return rig.order_table.request_number(message[11])


def enter(rig: "OrderRig", side: int, lots: int = LOTS, ticks: int = ENTRY) -> list[dict[int, str]]:
    """A position of so many lots at ENTRY; what left for it but its order."""
    messages = rig.submit(rig.new(side, ticks, lots))
    (order,) = [each for each in messages if each[35] == "D"]
    return fill(rig, order, lots, ticks)


def fill(
    rig: "OrderRig", message: dict[int, str], lots: int, ticks: int, *, is_last: bool = True
) -> list[dict[int, str]]:
    """The venue fills an order, at the rig's time; what left for that."""
    rig.now_ns += 1
    fields: dict[str, object] = {
        "execution_type": 6,
        "order_state": 4 if is_last else 3,
        "request_number": number_of(rig, message),
        "instrument": 0,
        "side": 1 if message[54] == "1" else -1,
        "last_price_ticks": ticks,
        "last_quantity_lots": lots,
        "trade_id": rig.now_ns,
    }
    rig.pipeline.apply_report(fields, rig.now_ns)
    return rig.sent()


def end(rig: "OrderRig", message: dict[int, str], *, is_canceled: bool = True) -> list[Any]:
    """The venue ends an order without a further fill."""
    rig.now_ns += 1
    fields: dict[str, object] = {
        "execution_type": 1 if is_canceled else 4,
        "order_state": 6 if is_canceled else 9,
        "request_number": number_of(rig, message),
        "instrument": 0,
        "side": 1,
    }
    rig.pipeline.apply_report(fields, rig.now_ns)
    return rig.sent()


def lots_of(rig: "OrderRig", message: dict[int, str]) -> int:
    lot = float(rig.options.instruments[0][2])
    return round(float(message[38]) / lot)


@SIDES
def test_a_stop_triggers_on_the_tick_that_crosses_it_and_once(
    order_rig: "OrderRig", side: int
) -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, side)
    assert tick(order_rig, side, -99) == []
    (exit_order,) = tick(order_rig, side, -100)
    assert (exit_order[35], exit_order[59]) == ("D", "3"), "immediate or cancel"
    assert exit_order[54] == ("2" if side > 0 else "1")
    assert lots_of(order_rig, exit_order) == LOTS
    assert tick(order_rig, side, -101) == [], "its order is on its way"
    assert tick(order_rig, side, -102) == []
    assert reason_of(order_rig) == GuardReason.EXIT_STOP
    assert fill(order_rig, exit_order, LOTS, ENTRY - 101 * side) == []
    assert order_rig.position()["position_lots"] == 0
    assert tick(order_rig, side, -500) == []
    assert state_of(order_rig)["trigger_count"] == 1


@SIDES
def test_a_stop_triggers_when_the_price_gaps_through(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, side)
    (exit_order,) = tick(order_rig, side, -3_000)
    assert lots_of(order_rig, exit_order) == LOTS
    price = round(float(exit_order[44]) * 100)
    touch = ENTRY - 3_000 * side
    assert (price - touch) * side < 0, "through the touch"
    assert abs(price - touch) <= 0.0101 * touch, "within the collar"


@SIDES
def test_what_was_not_filled_is_tried_again_until_flat(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, side)
    (first,) = tick(order_rig, side, -100)
    assert fill(order_rig, first, 300, ENTRY, is_last=False) == []
    (second,) = end(order_rig, first)
    assert lots_of(order_rig, second) == 700, "on the report that ends the first"
    assert end(order_rig, second) == [], "nothing was to be had: not again in the same moment"
    assert tick(order_rig, side, 400) == []
    order_rig.now_ns += SECOND_NS
    (third,) = tick(order_rig, side, 400)
    assert lots_of(order_rig, third) == 700, "also when the price has come back"


@SIDES
def test_a_stop_of_an_entry_that_is_filled_in_parts(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100})
    (entry,) = order_rig.submit(order_rig.new(side, ENTRY, LOTS))
    fill(order_rig, entry, 200, ENTRY, is_last=False)
    messages = tick(order_rig, side, -100)
    assert [each[35] for each in messages] == ["F", "D"], "the rest of the entry is cancelled"
    assert lots_of(order_rig, messages[1]) == 200
    fill(order_rig, messages[1], 200, ENTRY - 100 * side)
    assert (
        reason_of(order_rig) == GuardReason.EXIT_STOP or order_rig.position()["position_lots"] == 0
    )
    late = fill(order_rig, entry, 100, ENTRY, is_last=False)
    assert [lots_of(order_rig, each) for each in late if each[35] == "D"] == [100], (
        "beyond its stop"
    )


@SIDES
def test_an_exit_counts_the_strategys_own_orders(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, side)
    (own,) = order_rig.submit(order_rig.new(-side, ENTRY + 900 * side, 400))
    messages = tick(order_rig, side, -100)
    assert [each[35] for each in messages] == ["F", "D"]
    assert lots_of(order_rig, messages[1]) == 600, "the other 400 may still be filled"
    assert fill(order_rig, messages[1], 600, ENTRY - 100 * side) == []
    (rest,) = end(order_rig, own)
    assert lots_of(order_rig, rest) == 400


@SIDES
def test_a_stop_triggers_while_a_cancel_is_pending(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, side)
    (own,) = order_rig.submit(order_rig.new(-side, ENTRY + 900 * side, LOTS))
    order_rig.submit(order_rig.cancel(number_of(order_rig, own)))
    assert tick(order_rig, side, -100) == [], "it may be filled yet: nothing beside it"
    assert reason_of(order_rig) == GuardReason.EXIT_STOP
    (exit_order,) = end(order_rig, own)
    assert lots_of(order_rig, exit_order) == LOTS, "at once when the cancel is confirmed"


def test_a_pending_cancel_that_is_filled_after_all_needs_no_exit(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, 1)
    (own,) = order_rig.submit(order_rig.new(-1, ENTRY + 900, LOTS))
    order_rig.submit(order_rig.cancel(number_of(order_rig, own)))
    tick(order_rig, 1, -100)
    assert fill(order_rig, own, LOTS, ENTRY + 900) == []
    assert tick(order_rig, 1, -100) == []
    assert order_rig.position()["position_lots"] == 0


@SIDES
def test_a_stop_triggers_after_a_restart(make_order_rig: MakeRig, side: int) -> None:
    first, second = make_order_rig(), make_order_rig()
    for rig in (first, second):
        manage(rig, trailing={"ticks": 100})
        enter(rig, side)
    tick(first, side, 250)  # the stop has followed; the second knows of it by the record alone
    second.pipeline.guard.load(0, state_of(first).tobytes())
    assert tick(second, side, 151) == []
    (exit_order,) = tick(second, side, 150)
    assert lots_of(second, exit_order) == LOTS
    assert reason_of(second) == GuardReason.EXIT_TRAILING


def test_an_exit_that_was_under_way_goes_on_after_a_restart(make_order_rig: MakeRig) -> None:
    first, second = make_order_rig(), make_order_rig()
    for rig in (first, second):
        manage(rig, stop={"ticks": 100})
        enter(rig, 1)
    first.store.is_active = False  # triggered, and nothing could leave
    assert tick(first, 1, -100) == []
    second.pipeline.guard.load(0, state_of(first).tobytes())
    (exit_order,) = tick(second, 1, 700)
    assert lots_of(second, exit_order) == LOTS
    assert state_of(second)["trigger_count"] == 1


def test_a_position_of_which_nothing_is_known_gets_its_stop(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    enter(rig, 1)
    manage(rig, stop={"ticks": 100})
    (exit_order,) = tick(rig, 1, -100)
    assert lots_of(rig, exit_order) == LOTS


@SIDES
def test_a_trailing_stop_follows_and_never_goes_back(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 300}, trailing={"ticks": 100})
    enter(order_rig, side)
    for away, stop in [(10, -90), (500, 400), (450, 400), (401, 400)]:
        assert tick(order_rig, side, away) == []
        assert state_of(order_rig)["stop_ticks"] == ENTRY + side * stop, away
    assert len(tick(order_rig, side, 400)) == 1
    assert reason_of(order_rig) == GuardReason.EXIT_TRAILING


@SIDES
def test_break_even(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, stop={"ticks": 100}, break_even_after={"risks": 1.0})
    enter(order_rig, side)
    tick(order_rig, side, 99)
    assert state_of(order_rig)["stop_ticks"] == ENTRY - 100 * side
    tick(order_rig, side, 100)
    assert state_of(order_rig)["stop_ticks"] == ENTRY
    assert tick(order_rig, side, 1) == []
    assert len(tick(order_rig, side, 0)) == 1
    assert reason_of(order_rig) == GuardReason.EXIT_BREAK_EVEN


@SIDES
def test_take_profit_in_parts(order_rig: "OrderRig", side: int) -> None:
    targets = (({"risks": 1.0}, 500), ({"risks": 2.0}, 300), ({"ticks": 300.0}, 200))
    manage(order_rig, stop={"ticks": 100}, targets=targets)
    enter(order_rig, side)
    assert tick(order_rig, side, 99) == []
    (first,) = tick(order_rig, side, 100)
    assert lots_of(order_rig, first) == 500
    assert fill(order_rig, first, 500, ENTRY + 100 * side) == []
    assert tick(order_rig, side, 150) == [], "each once"
    assert tick(order_rig, side, 90) == []
    assert tick(order_rig, side, 110) == []
    (rest,) = tick(order_rig, side, 5_000)
    assert lots_of(order_rig, rest) == 500, "two parts that the price has gapped through"
    fill(order_rig, rest, 500, ENTRY + 5_000 * side)
    assert order_rig.position()["position_lots"] == 0


def test_a_stop_takes_over_from_a_target(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100}, targets=(({"ticks": 50}, 500),))
    enter(order_rig, 1)
    (part,) = tick(order_rig, 1, 50)
    assert tick(order_rig, 1, -100) == [], "one exit order at a time"
    assert reason_of(order_rig) == GuardReason.EXIT_STOP
    (whole,) = end(order_rig, part)
    assert lots_of(order_rig, whole) == LOTS


@SIDES
def test_time_is_up(order_rig: "OrderRig", side: int) -> None:
    manage(order_rig, max_hold_ns=10 * SECOND_NS)
    enter(order_rig, side)
    entered_ns = int(state_of(order_rig)["entered_time_ns"])
    order_rig.now_ns = entered_ns + 10 * SECOND_NS - 1_000_001
    assert tick(order_rig, side, 0) == []
    order_rig.now_ns = entered_ns + 10 * SECOND_NS - 1_000_000
    assert len(tick(order_rig, side, 0)) == 1
    assert reason_of(order_rig) == GuardReason.EXIT_TIME


def test_a_clock_that_was_set_back_between_two_runs_does_not_prolong_it(
    order_rig: "OrderRig",
) -> None:
    manage(order_rig, max_hold_ns=10 * SECOND_NS)
    enter(order_rig, 1)
    state_of(order_rig)["entered_time_ns"] += 3600 * SECOND_NS
    tick(order_rig, 1, 0)
    seen_ns = int(state_of(order_rig)["entered_time_ns"])
    assert seen_ns == order_rig.now_ns
    order_rig.now_ns = seen_ns + 10 * SECOND_NS - 1_000_001
    assert tick(order_rig, 1, 0) == []
    order_rig.now_ns = seen_ns + 10 * SECOND_NS - 1_000_000
    assert len(tick(order_rig, 1, 0)) == 1


def test_a_stop_of_the_average_true_range_is_that_of_the_entry(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ranges": 2.0}, range_bar_ns=SECOND_NS, range_period=3)
    assert order_rig.verdict(order_rig.new(1, ENTRY, LOTS)) == Verdict.ENTRY_REFUSED
    start_ns = order_rig.now_ns // SECOND_NS * SECOND_NS + SECOND_NS
    ranges = [10, 30, 20]  # of the mid, in each bar; closes at its low, the next begins there
    mid = 60_000
    for bar, size in enumerate([*ranges, 0]):
        for part, move in enumerate((0, size, -size)):
            order_rig.now_ns = start_ns + bar * SECOND_NS + part
            mid += move
            order_rig.set_book(mid - 1, mid + 1)
    # The first, cut bar has no range; Wilder's average of so few is the plain one.
    average = order_rig.pipeline.guard.average_range(0)
    assert 0 < average <= 10_000
    order_rig.set_book(ENTRY, ENTRY + 2)
    enter(order_rig, 1)
    assert state_of(order_rig)["risk_ticks"] == pytest.approx(2 * average)
    stop = int(state_of(order_rig)["stop_ticks"])
    assert stop == int(ENTRY - 2 * average)
    order_rig.now_ns += 90 * SECOND_NS
    order_rig.set_book(ENTRY + 1, ENTRY + 3)
    assert state_of(order_rig)["stop_ticks"] == stop


@pytest.mark.parametrize(
    ("target", "expected"), [(199.0, Verdict.ENTRY_REFUSED), (200.0, Verdict.ACCEPTED)]
)
@SIDES
def test_an_entry_that_is_not_worth_its_risk(
    order_rig: "OrderRig", side: int, target: float, expected: Verdict
) -> None:
    manage(
        order_rig,
        stop={"ticks": 100},
        targets=(({"ticks": target - 100}, 500), ({"ticks": target + 100}, 500)),
        min_reward_to_risk=2.0,
    )
    assert order_rig.verdict(order_rig.new(side, ENTRY, LOTS)) == expected


def test_pyramiding_ends_at_its_cap(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 10_000}, max_entries=2)
    enter(order_rig, 1)
    open_one = order_rig.place(1, ENTRY - 500, 10)
    assert order_rig.verdict(order_rig.new(1, ENTRY, 20)) == Verdict.ENTRY_REFUSED, "one is open"
    order_rig.submit(order_rig.cancel(open_one))
    order_rig.pipeline.apply_report(
        {"execution_type": 1, "order_state": 6, "request_number": open_one}, order_rig.now_ns
    )
    enter(order_rig, 1, ticks=ENTRY + 1)
    assert state_of(order_rig)["entry_count"] == 2
    assert order_rig.verdict(order_rig.new(1, ENTRY, 30)) == Verdict.ENTRY_REFUSED
    assert order_rig.verdict(order_rig.new(-1, ENTRY + 900, LOTS)) == Verdict.ACCEPTED, "it reduces"


def test_nothing_of_the_strategy_beside_an_exit(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, 1)
    tick(order_rig, 1, -100)
    assert order_rig.verdict(order_rig.new(1, ENTRY, 1)) == Verdict.ENTRY_REFUSED
    assert order_rig.verdict(order_rig.new(-1, ENTRY, 1)) == Verdict.ENTRY_REFUSED


def test_an_exit_is_cut_to_what_one_order_may_be(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(instrument_limits=(400, 1 << 60, 1_000_000, 1 << 45))
    manage(rig, stop={"ticks": 100})
    for ticks in (ENTRY, ENTRY, ENTRY):
        enter(rig, 1, lots=400, ticks=ticks)
    (exit_order,) = tick(rig, 1, -100)
    assert lots_of(rig, exit_order) == 400
    (second,) = fill(rig, exit_order, 400, ENTRY - 100)
    assert lots_of(rig, second) == 400


def test_an_exit_passes_a_paused_strategy_and_no_killed_engine(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, 1)
    pipeline, now_ns = order_rig.pipeline, order_rig.now_ns
    pipeline.pause_strategy(0, Breaker.BREAKER_OPERATOR, now_ns, "look")
    pipeline.breakers.pause(-1, BreakerLevel.BREAKER_KILLED, Breaker.BREAKER_DAILY_LOSS, now_ns)
    assert tick(order_rig, 1, -100) == []
    pipeline.resume_strategy(-1, now_ns, "armed")
    order_rig.now_ns += SECOND_NS
    (exit_order,) = tick(order_rig, 1, -100)
    assert lots_of(order_rig, exit_order) == LOTS


def test_a_refused_exit_is_tried_again_and_not_at_every_tick(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, 1)
    order_rig.gate.is_paused = True  # somebody doubts the position itself
    order_rig.records()
    for away in range(100, 110):
        tick(order_rig, 1, -away)
    decisions = order_rig.records(RecordKind.RECORD_DECISION)
    assert [int(each["code"]) for each in decisions] == [Verdict.ENGINE_PAUSED]
    order_rig.gate.is_paused = False
    order_rig.now_ns += SECOND_NS
    assert len(tick(order_rig, 1, -100)) == 1


def test_a_book_that_is_not_live_triggers_nothing(order_rig: "OrderRig") -> None:
    manage(order_rig, stop={"ticks": 100})
    enter(order_rig, 1)
    order_rig.pipeline.mark_stale(0, 1, order_rig.now_ns)
    assert reason_of(order_rig) == GuardReason.NO_EXIT
    assert len(tick(order_rig, 1, -100)) == 1


def test_without_limits_nothing_is_managed(order_rig: "OrderRig") -> None:
    enter(order_rig, 1)
    assert tick(order_rig, 1, -40_000) == []
    assert state_of(order_rig)["side"] == 0


def test_what_it_holds_is_recorded_when_it_changes(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True)
    manage(rig, trailing={"ticks": 100})
    enter(rig, 1)

    def kept() -> int:
        records = rig.records(RecordKind.RECORD_STRATEGY_STATE)
        return sum(each["code"] == KeptState.KEPT_GUARD for each in records)

    tick(rig, 1, 0)
    kept()
    tick(rig, 1, -5)
    assert kept() == 0
    tick(rig, 1, 5)
    assert kept() == 1


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"stop": {"miles": 1.0}}, "distance was"),
        ({"stop": {"ticks": 0.0}}, "distance was"),
        ({"trailing": {"share": float("nan")}}, "distance was"),
        ({"targets": (({"ticks": 1.0}, 600), ({"ticks": 2.0}, 401))}, "1000 together"),
        ({"targets": (({"ticks": 1.0}, 1),) * 5}, "at most 4"),
        ({"max_entries": -1}, "limits were"),
        ({"slippage_ppm": 1_000_000}, "limits were"),
        ({"range_period": 0}, "limits were"),
    ],
)
def test_limits_that_cannot_be(order_rig: "OrderRig", limits: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        manage(order_rig, **limits)


def test_what_else_cannot_be() -> None:
    guard = PositionGuard(SharedMemory(None, [], ["one"]))
    with pytest.raises(UsageError, match="strategy was 1"):
        guard.set_limits(1)
    with pytest.raises(UsageError, match="strategy was 1"):
        guard.load(1, b"")
    with pytest.raises(RecordingError, match=f"1 bytes, not {GUARD_BYTES}"):
        guard.load(0, b"x")
