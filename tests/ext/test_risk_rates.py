"""Risk gate: how many messages may leave, over ten seconds and of one strategy."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ext.bounds import Bound
from ext.wire import Side, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
PRICE = 50_000


def test_ten_seconds_with_a_reserve_for_cancels(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    rig.gate.set_engine_limits(
        1024, 0, 10**15, 0, max_messages_per_ten_seconds=5, long_cancel_reserve=2
    )
    numbers = []
    first_ns = rig.now_ns + 1
    for _ in range(3):
        numbers.append(rig.place(Side.BUY, PRICE, 5))
        rig.report(numbers[-1], "0", "0")
        rig.now_ns += 2 * SECOND_NS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.MESSAGE_RATE
    assert rig.verdict(rig.replace(numbers[0], PRICE, 6)) == Verdict.MESSAGE_RATE
    assert rig.verdict(rig.cancel(numbers[0])) == Verdict.ACCEPTED
    assert rig.verdict(rig.cancel(numbers[1])) == Verdict.ACCEPTED
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.MESSAGE_RATE, "the rate's total"
    rig.now_ns = first_ns + 10 * SECOND_NS - 2
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.MESSAGE_RATE
    assert rig.verdict(rig.cancel(numbers[2])) == Verdict.ACCEPTED, "the first is ten seconds old"


def test_the_largest_rate_of_ten_seconds(make_order_rig: MakeRig) -> None:
    """The ring of times goes round."""
    rig = make_order_rig(is_sending=False)
    most = int(Bound.MAX_LONG_RATE_WINDOW)
    rig.gate.set_engine_limits(1024, 0, 10**15, 0, max_messages_per_ten_seconds=most)
    step_ns = 10 * SECOND_NS // (most + 8)
    accepted = 0
    intents = [rig.new(Side.BUY, PRICE, 1)] * int(Bound.MAX_INTENTS_PER_CALL)
    for _ in range((most + 8) // len(intents)):
        rig.scripts[0].waiting.extend(intents)
        rig.now_ns += step_ns * len(intents) // 2  # twice as fast as that: 1,024 a second do not do
        rig.pipeline.call_timers(rig.now_ns)
    accepted = rig.counters()["accepted"]
    assert accepted < most + 8
    assert rig.position()["last_reject"] == Verdict.MESSAGE_RATE


def test_a_strategy_has_a_rate_of_its_own(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0), strategy_limits=({"max_messages_per_second": 3}, {}))
    number = rig.place(Side.BUY, PRICE, 1)
    first_ns = rig.now_ns
    rig.report(number, "0", "0")
    other = rig.place(Side.BUY, PRICE, 1)
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.MESSAGE_RATE, "a cancel counts"
    assert rig.verdict(rig.cancel(other)) == Verdict.ACCEPTED, "and is not held back"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    rig.now_ns = first_ns + SECOND_NS - 1
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.MESSAGE_RATE, "three in a second"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED
