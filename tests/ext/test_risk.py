"""Risk gate: each verdict at its limit and one beyond."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.dtypes import BOOK_VIEW
from ext.errors import UsageError
from ext.risk import RiskGate
from ext.wire import OrderState, RecordKind, Side, TimeInForce, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
STALE_NS = 2 * SECOND_NS
BID, ASK = 50_000, 50_010
PRICE = 50_000
LARGEST = 2**63 - 1
MAX_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION = 100, 4_000_000, 10_000, 150


@pytest.fixture
def rig(make_order_rig: MakeRig) -> "OrderRig":
    """Tight limits; a duplicate window of 0.1 s."""
    return make_order_rig(
        engine_limits=(1000, 0, STALE_NS, SECOND_NS // 10),
        instrument_limits=(MAX_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION),
    )


def acknowledged(rig: "OrderRig", side: Side, price: int, lots: int) -> int:
    number = rig.place(side, price, lots)
    rig.report(number, "0", "0")
    return number


def test_accepted_once_in_order_of_the_checks(rig: "OrderRig") -> None:
    assert rig.verdict(rig.new(Side.BUY, PRICE, 10)) == Verdict.ACCEPTED
    assert rig.position()["last_reject"] == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 0)) == Verdict.QUANTITY_INVALID
    assert rig.position()["last_reject"] == Verdict.QUANTITY_INVALID
    assert (rig.counters()["accepted"], rig.counters()["rejected"]) == (1, 1)


# The state of the engine.


def test_session_down(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.store.is_active = False
    intents = (rig.new(Side.BUY, PRICE, 5), rig.cancel(number), rig.replace(number, PRICE, 5))
    assert rig.verdicts(*intents) == [Verdict.SESSION_DOWN] * 3
    rig.store.is_active = True
    assert rig.verdict(intents[0]) == Verdict.ACCEPTED


def test_a_hole_in_the_journal_stops_orders(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.memory.header_record()["dropped_order_records"] = 1
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ENGINE_PAUSED
    assert rig.gate.is_paused
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


def test_paused_allows_cancels_alone(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.gate.is_paused = True
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ENGINE_PAUSED
    assert rig.verdict(rig.replace(number, PRICE, 5)) == Verdict.ENGINE_PAUSED
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


def test_what_is_not_permitted_never_passes(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1), engine_limits=(50, 5, STALE_NS, 0))
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.gate.forbid(0)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 0) == Verdict.NOT_PERMITTED
    assert rig.verdict(rig.replace(number, PRICE, 5), 0) == Verdict.NOT_PERMITTED
    rig.gate.is_paused = True
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 0) == Verdict.NOT_PERMITTED
    rig.gate.is_paused = False
    rig.gate.set_instrument_limits(0, 100, 10**9, 10_000, 100)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 0) == Verdict.NOT_PERMITTED, "still"
    assert rig.verdict(rig.cancel(number), 0) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 1) == Verdict.ACCEPTED
    for index in (-1, int(Bound.MAX_INSTRUMENTS)):
        with pytest.raises(UsageError, match="instrument was"):
            rig.gate.forbid(index)


def test_stale_age(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.now_ns += STALE_NS - 2  # two calls of one nanosecond since the last frame
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 6)) == Verdict.BOOK_NOT_LIVE
    assert rig.verdict(rig.replace(number, PRICE, 5)) == Verdict.BOOK_NOT_LIVE
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED
    rig.set_book(BID, ASK)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 6)) == Verdict.ACCEPTED


def test_silence_of_the_product_is_not_broken_by_another(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1), engine_limits=(50, 5, STALE_NS, 0))
    rig.now_ns += STALE_NS + 1
    rig.set_book(BID, ASK, 1)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 0) == Verdict.BOOK_NOT_LIVE
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), 1) == Verdict.ACCEPTED


def test_a_backlog_is_not_traded_on(rig: "OrderRig") -> None:
    """The frame is fresh to us, its time at the venue is not."""
    delay_ns = 1_000_000_000
    book = rig.memory.region("books_offset", BOOK_VIEW, 1)
    rig.gate.set_engine_limits(50, 5, STALE_NS, 0, delay_ns)
    book["exchange_time_ns"] = rig.now_ns - delay_ns
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.BOOK_NOT_LIVE, "one ns too late"
    book["exchange_time_ns"] = rig.now_ns - delay_ns + 10
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED
    book["exchange_time_ns"] = 0
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED, "a snapshot has no time"
    with pytest.raises(UsageError, match="max_feed_delay_ns"):
        rig.gate.set_engine_limits(50, 5, STALE_NS, 0, -1)


def test_book_not_live(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 10)
    rig.pipeline.mark_stale(0, 1, rig.now_ns)
    rig.sent()
    rig.records()
    rig.scripts[0].reactions.append(rig.new(Side.SELL, PRICE, 5))
    rig.fill(number, PRICE, 5)
    (decision,) = rig.records(RecordKind.RECORD_DECISION)
    assert decision["code"] == Verdict.BOOK_NOT_LIVE


# The order itself.


@pytest.mark.parametrize(
    "terms",
    [
        {"kind": 0},
        {"kind": 4},
        {"kind": -1},
        {"side": 0},
        {"side": 2},
        {"side": -2},
        {"order_type": 0},
        {"order_type": 2},
        {"time_in_force": 0},
        {"time_in_force": 4},
        {"time_in_force": -1},
        {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "post_only": 1},
        {"time_in_force": TimeInForce.FILL_OR_KILL, "post_only": 1},
    ],
)
def test_intent_invalid(rig: "OrderRig", terms: dict[str, int]) -> None:
    intent = {**rig.new(Side.BUY, PRICE, 5), **terms}
    assert rig.verdict(intent) == Verdict.INTENT_INVALID


@pytest.mark.parametrize("rule", list(TimeInForce))
def test_times_in_force(rig: "OrderRig", rule: TimeInForce) -> None:
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5, time_in_force=rule)) == Verdict.ACCEPTED


def test_post_only(rig: "OrderRig") -> None:
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5, post_only=1)) == Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("lots", "verdict"),
    [
        (1, Verdict.ACCEPTED),
        (0, Verdict.QUANTITY_INVALID),
        (-1, Verdict.QUANTITY_INVALID),
        (-LARGEST - 1, Verdict.QUANTITY_INVALID),
        (LARGEST, Verdict.QUANTITY_INVALID),
    ],
)
def test_quantity(rig: "OrderRig", lots: int, verdict: Verdict) -> None:
    assert rig.verdict(rig.new(Side.SELL, PRICE, lots)) == verdict


def test_quantity_at_its_limit(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(instrument_limits=(100, 1 << 60, COLLAR_PPM, 1 << 40))
    assert rig.verdict(rig.new(Side.BUY, PRICE, 100)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 101)) == Verdict.QUANTITY_INVALID
    number = acknowledged(rig, Side.BUY, PRICE, 1)
    assert rig.verdict(rig.replace(number, PRICE, 101)) == Verdict.QUANTITY_INVALID
    assert rig.verdict(rig.replace(number, PRICE, 100)) == Verdict.ACCEPTED


@pytest.mark.parametrize("price", [0, -1, -LARGEST - 1])
def test_price_invalid(rig: "OrderRig", price: int) -> None:
    assert rig.verdict(rig.new(Side.BUY, price, 5)) == Verdict.PRICE_INVALID


def test_notional_at_its_limit(rig: "OrderRig") -> None:
    assert rig.verdict(rig.new(Side.SELL, PRICE, 80)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.SELL, PRICE, 81)) == Verdict.NOTIONAL
    assert rig.verdict(rig.new(Side.SELL, PRICE + 1, 80)) == Verdict.NOTIONAL


def test_products_that_overflow(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(instrument_limits=(LARGEST, LARGEST, LARGEST, LARGEST))
    assert rig.verdict(rig.new(Side.BUY, 2**62, 2)) == Verdict.PRICE_INVALID
    assert rig.verdict(rig.new(Side.BUY, LARGEST, LARGEST)) == Verdict.PRICE_INVALID
    # Twice the price overflows, or the collar around the mid does.
    assert rig.verdict(rig.new(Side.BUY, 2**62, 1)) == Verdict.PRICE_INVALID
    assert rig.verdict(rig.new(Side.BUY, 1, 1)) == Verdict.PRICE_INVALID


def test_collar_that_overflows_is_no_way_out(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(instrument_limits=(10, LARGEST, COLLAR_PPM, 100))
    for price in (2**61, 2**44, 2**43 + 7):
        assert rig.verdict(rig.new(Side.SELL, price, 1)) == Verdict.PRICE_COLLAR


@pytest.mark.parametrize(
    ("price", "verdict"),
    [  # The mid is 50,005; one per cent of it 500.05.
        (50_505, Verdict.ACCEPTED),
        (50_506, Verdict.PRICE_COLLAR),
        (49_505, Verdict.ACCEPTED),
        (49_504, Verdict.PRICE_COLLAR),
        (1, Verdict.PRICE_COLLAR),
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_price_collar(rig: "OrderRig", price: int, verdict: Verdict, side: Side) -> None:
    assert rig.verdict(rig.new(side, price, 1)) == verdict


def test_no_collar_without_a_reference(rig: "OrderRig") -> None:
    empty = '{"type":"snapshot","product_id":"BTC-USD","bids":[["500.00","1"]],"asks":[]}'
    assert rig.frame(empty) == 0
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.PRICE_COLLAR


# Orders that there are.


def test_open_orders(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0))
    numbers = [rig.place(Side.BUY, PRICE, 1) for _ in range(Bound.MAX_WORKING_ORDERS)]
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.OPEN_ORDERS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    rig.report(numbers[0], "0", "0")
    assert rig.verdict(rig.replace(numbers[0], PRICE, 2)) == Verdict.ACCEPTED
    rig.report(numbers[1], "4", "4")
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED


def test_unknown_orders(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0))
    other = rig.place(Side.BUY, PRICE, 1)
    closed = acknowledged(rig, Side.BUY, PRICE, 1)
    rig.report(closed, "4", "4")
    far = other + int(Bound.MAX_ORDERS)
    for number in (0, -1, closed, 99, far, LARGEST, -LARGEST - 1):
        assert rig.verdict(rig.cancel(number)) == Verdict.UNKNOWN_ORDER
        assert rig.verdict(rig.replace(number, PRICE, 1)) == Verdict.UNKNOWN_ORDER
    assert rig.verdict(rig.cancel(other), strategy=1) == Verdict.UNKNOWN_ORDER
    assert rig.verdict(rig.replace(other, PRICE, 1), strategy=1) == Verdict.UNKNOWN_ORDER


def test_an_unknown_state_may_be_cancelled_not_replaced(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 5)
    rig.order_table.mark_unknown(rig.now_ns)
    assert rig.verdict(rig.replace(number, PRICE, 4)) == Verdict.UNKNOWN_ORDER
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


def test_already_pending(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 5)
    assert rig.verdict(rig.replace(number, PRICE, 4)) == Verdict.ALREADY_PENDING
    rig.report(number, "0", "0")
    assert rig.verdict(rig.replace(number, PRICE, 4)) == Verdict.ACCEPTED
    assert rig.verdict(rig.replace(number, PRICE, 3)) == Verdict.ALREADY_PENDING
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED
    assert rig.verdict(rig.cancel(number)) == Verdict.ALREADY_PENDING
    assert rig.verdict(rig.replace(number, PRICE, 3)) == Verdict.ALREADY_PENDING


# The position, as if all open orders of the side were filled.


@pytest.mark.parametrize("side", list(Side))
def test_position_with_open_orders(rig: "OrderRig", side: Side) -> None:
    other_side = Side.SELL if side == Side.BUY else Side.BUY
    filled = acknowledged(rig, side, PRICE, 70)
    rig.fill(filled, PRICE, 70, t54="1" if side == Side.BUY else "2")
    assert rig.position()["position_lots"] == 70 * side
    acknowledged(rig, side, PRICE, 60)
    acknowledged(rig, other_side, PRICE, 50)  # does not make room
    assert rig.verdict(rig.new(side, PRICE, 21)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(side, PRICE, 20)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(other_side, PRICE, 80)) == Verdict.ACCEPTED, "it lowers the risk"


def test_position_with_a_replace(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 70)
    acknowledged(rig, Side.BUY, PRICE, 75)
    assert rig.verdict(rig.replace(number, PRICE, 76)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.replace(number, PRICE, 75)) == Verdict.ACCEPTED
    assert rig.position()["open_buy_lots"] == 150, "the larger of both while it is pending"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.POSITION_LIMIT


def test_position_while_a_replace_down_is_pending(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 70)
    acknowledged(rig, Side.BUY, PRICE, 75)
    assert rig.verdict(rig.replace(number, PRICE, 10)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 6)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED


def test_a_replace_down_frees_nothing_before_its_answer(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 70)
    rig.report(number, "D", "0", t14="0", t38=rig.quantity(MAX_POSITION + 10))
    assert rig.verdict(rig.replace(number, PRICE, 20)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


def test_positions_of_an_instrument_add_up(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(
        strategies=(0, 1, 0), instrument_limits=(MAX_LOTS, 1 << 60, COLLAR_PPM, MAX_POSITION)
    )
    assert rig.verdict(rig.new(Side.BUY, PRICE, 100), strategy=0) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 100), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 51), strategy=2) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(Side.BUY, PRICE, 50), strategy=2) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 50), strategy=1) == Verdict.ACCEPTED


def test_sums_that_overflow(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(
        instruments=[("BTC-USD", "1", "1")],
        instrument_limits=(LARGEST, LARGEST, 1_000_000, LARGEST),
    )
    rig.set_book(1, 2)
    assert rig.verdict(rig.new(Side.BUY, 1, LARGEST)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, 1, 1)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(Side.BUY, 1, LARGEST)) == Verdict.POSITION_LIMIT


def test_held_position_that_overflows(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(
        instruments=[("BTC-USD", "1", "1")],
        instrument_limits=(LARGEST, LARGEST, 1_000_000, LARGEST),
    )
    rig.set_book(1, 2)
    rig.position()["position_lots"] = LARGEST
    assert rig.verdict(rig.new(Side.BUY, 1, 1)) == Verdict.POSITION_LIMIT


# Messages and their rate.


def test_rate_with_a_reserve_for_cancels(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(engine_limits=(5, 2, 10**15, 0))
    numbers = [acknowledged(rig, Side.BUY, PRICE, 5) for _ in range(3)]
    first_ns = rig.now_ns - 2
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.MESSAGE_RATE
    assert rig.verdict(rig.replace(numbers[0], PRICE, 5)) == Verdict.MESSAGE_RATE
    assert rig.verdict(rig.cancel(numbers[0])) == Verdict.ACCEPTED
    assert rig.verdict(rig.cancel(numbers[1])) == Verdict.ACCEPTED
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.MESSAGE_RATE
    rig.now_ns = first_ns + SECOND_NS - 2
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.MESSAGE_RATE
    assert rig.now_ns == first_ns + SECOND_NS - 1
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.ACCEPTED, "the first is a second old"


def test_rate_slides(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(engine_limits=(4, 0, 10**15, 0))
    sent_ns: list[int] = []
    for _ in range(400):
        rig.now_ns += 60_000_000
        is_free = len(sent_ns) < 4 or rig.now_ns + 1 - sent_ns[-4] >= SECOND_NS
        verdict = rig.verdict(rig.new(Side.BUY, PRICE, 5))
        assert (verdict == Verdict.ACCEPTED) == is_free
        if is_free:
            sent_ns.append(rig.now_ns)
            rig.report(int(rig.position()["working"][0]["order_number"]), "8", "8")
    assert len(sent_ns) > 50


def test_rate_at_the_largest_window(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(engine_limits=(1024, 0, 10**15, 0))
    assert int(Bound.MAX_RATE_WINDOW) == 1024
    for count in range(1100):
        verdict = rig.verdict(rig.new(Side.BUY, PRICE, 5))
        assert verdict == (Verdict.ACCEPTED if count < 1024 else Verdict.MESSAGE_RATE)
        if verdict == Verdict.ACCEPTED:
            rig.report(count + 1, "8", "8")


def test_refused_intents_do_not_count_as_messages(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(engine_limits=(2, 0, 10**15, SECOND_NS))
    for _ in range(10):
        assert rig.verdict(rig.new(Side.BUY, 0, 5)) == Verdict.PRICE_INVALID
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.DUPLICATE
    assert rig.verdict(rig.new(Side.BUY, PRICE, 6)) == Verdict.ACCEPTED


def test_duplicates(rig: "OrderRig") -> None:
    window_ns = SECOND_NS // 10
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED
    first_ns = rig.now_ns
    assert rig.verdict(rig.new(Side.SELL, PRICE, 5)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE + 1, 5)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 6)) == Verdict.ACCEPTED
    rig.now_ns = first_ns + window_ns - 2
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.DUPLICATE
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.ACCEPTED
    assert rig.now_ns == first_ns + window_ns


def test_duplicates_are_of_an_instrument(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1, 0), engine_limits=(100, 0, 10**15, SECOND_NS))
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), strategy=0) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5), strategy=2) == Verdict.DUPLICATE


def test_a_duplicate_window_of_zero_is_off(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    intent = rig.new(Side.BUY, PRICE, 5)
    assert rig.verdicts(intent, intent, intent) == [Verdict.ACCEPTED] * 3


def test_one_call_may_want_the_same_twice(rig: "OrderRig") -> None:
    intent = rig.new(Side.BUY, PRICE, 5)
    assert rig.verdicts(intent, intent) == [Verdict.ACCEPTED, Verdict.DUPLICATE]


def test_replaces_are_no_duplicates(rig: "OrderRig") -> None:
    number = acknowledged(rig, Side.BUY, PRICE, 5)
    assert rig.verdict(rig.replace(number, PRICE, 5)) == Verdict.ACCEPTED
    assert rig.order(number)["state"] == OrderState.PENDING_REPLACE


# Limits that cannot be.


def test_what_is_not_set_is_refused(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(instrument_limits=None)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.QUANTITY_INVALID


@pytest.mark.parametrize(
    "limits",
    [
        (0, 0, 1, 0),
        (1025, 0, 1, 0),
        (10, 10, 1, 0),
        (10, -1, 1, 0),
        (10, 0, 0, 0),
        (10, 0, 1, -1),
        (10, 0, 1, SECOND_NS + 1),
    ],
)
def test_engine_limits_that_cannot_be(limits: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match=r" (were|was) "):
        RiskGate().set_engine_limits(*limits)


@pytest.mark.parametrize("position", range(4))
def test_instrument_limits_that_cannot_be(position: int) -> None:
    limits = [5, 5, 5, 5]
    for bad in (0, -1):
        limits[position] = bad
        with pytest.raises(UsageError, match="use > 0"):
            RiskGate().set_instrument_limits(0, *limits)
    for instrument in (-1, int(Bound.MAX_INSTRUMENTS)):
        with pytest.raises(UsageError, match=f"instrument was {instrument}; use 0 to 63"):
            RiskGate().set_instrument_limits(instrument, 5, 5, 5, 5)


def test_max_strategies() -> None:
    gate = RiskGate()
    for _ in range(Bound.MAX_STRATEGIES):
        gate.add_strategy(0)
    with pytest.raises(UsageError, match="more than 16 strategies"):
        gate.add_strategy(0)
