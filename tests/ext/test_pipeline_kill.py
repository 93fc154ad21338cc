"""The kill word in the arc: read before every send, whoever sets it and whenever."""

# tidy-ok: a part of pipeline and pipeline_commands: levels

from typing import TYPE_CHECKING, Any

import pytest

from ext.dtypes import BLOB
from ext.errors import UsageError
from ext.wire import Command, OrderState, RecordKind, Side, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ext.conftest import OrderRig

PRICE, BID, ASK = 50_000, 50_000, 50_010
WOW_KILL = 4


def set_word(rig: "OrderRig", source: int = WOW_KILL) -> None:
    """What another process does."""
    rig.memory.header_record()["kill_word"] = source


def commands(rig: "OrderRig") -> list[tuple[int, int, int]]:
    """(Command, detail, reference) of the commands recorded since the last look."""
    found = [each.view(BLOB) for each in rig.records(RecordKind.RECORD_COMMAND)]
    return [(int(e["code"]), int(e["detail"]), int(e["reference"])) for e in found]


def test_nothing_but_cancels_leaves(order_rig: "OrderRig") -> None:
    rig = order_rig
    number = rig.place(Side.BUY, PRICE, 5)
    rig.report(number, "0", "0")
    set_word(rig)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ENGINE_KILLED
    assert rig.verdict(rig.replace(number, PRICE, 4)) == Verdict.ENGINE_KILLED
    assert rig.position()["last_reject"] == Verdict.ENGINE_KILLED
    assert rig.sent() == []
    (message,) = rig.submit(rig.cancel(number))
    assert message[35] == "F"


def test_it_says_killed_whatever_else_is_wrong(order_rig: "OrderRig") -> None:
    order_rig.gate.is_paused = True
    set_word(order_rig)
    assert order_rig.verdict(order_rig.new(Side.BUY, PRICE, 4)) == Verdict.ENGINE_KILLED
    assert order_rig.verdict(order_rig.new(Side.BUY, 1, 10**17)) == Verdict.ENGINE_KILLED


def test_a_word_that_is_set_during_a_callback_stops_what_it_wanted(order_rig: "OrderRig") -> None:
    rig = order_rig

    class Setter(list[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            set_word(rig)

    rig.place(Side.BUY, PRICE, 5)
    rig.scripts[0].seen = Setter()
    rig.records()
    wanted = [rig.new(Side.BUY, PRICE, lots) for lots in (6, 7, 8)]
    assert rig.submit(*wanted) == []
    records = rig.records()
    verdicts = [int(r["code"]) for r in records if r["kind"] == RecordKind.RECORD_DECISION]
    assert verdicts == [Verdict.ENGINE_KILLED] * 3


def test_the_first_look_is_recorded_with_its_place(
    make_order_rig: "Callable[..., OrderRig]",
) -> None:
    rig = make_order_rig(is_recording=True)
    rig.place(Side.BUY, PRICE, 5)
    commands(rig)
    set_word(rig)
    rig.submit(rig.new(Side.BUY, PRICE, 6), rig.new(Side.BUY, PRICE, 7))
    assert commands(rig) == [(Command.COMMAND_KILL, WOW_KILL, 1)]
    rig.pipeline.kill(rig.now_ns, WOW_KILL, "why")
    assert commands(rig) == [(Command.COMMAND_KILL, WOW_KILL, 0)]


def test_a_replay_sees_it_at_the_same_place(order_rig: "OrderRig") -> None:
    order_rig.pipeline.kill_from(2, WOW_KILL)
    intents = [order_rig.new(Side.BUY, PRICE, lots) for lots in (5, 6, 7, 8)]
    assert order_rig.verdicts(*intents) == [
        Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.ENGINE_KILLED, Verdict.ENGINE_KILLED,
    ]  # fmt: skip
    assert order_rig.pipeline.is_killed
    assert order_rig.counters()["kill_word"] == WOW_KILL


def test_a_kill_of_our_own_keeps_the_first_source(order_rig: "OrderRig") -> None:
    set_word(order_rig, 3)
    order_rig.pipeline.kill(order_rig.now_ns, 5, "why")
    assert order_rig.counters()["kill_word"] == 3


def test_rearmed_it_trades_again(order_rig: "OrderRig") -> None:
    rig = order_rig
    rig.pipeline.kill(rig.now_ns, WOW_KILL, "why")
    rig.pipeline.kill_from(0, WOW_KILL)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ENGINE_KILLED
    rig.pipeline.rearm(rig.now_ns, "a person has looked")
    assert not rig.pipeline.is_killed
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ACCEPTED


# FLATTEN


def hold(rig: "OrderRig", side: int, lots: int) -> None:
    number = rig.place(side, PRICE, lots)
    rig.fill(number, PRICE, lots, status="2", cumulative=lots, t54="1" if side > 0 else "2")
    assert rig.position()["position_lots"] == side * lots


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_flatten_lowers_a_position_while_paused(order_rig: "OrderRig", side: int) -> None:
    rig = order_rig
    hold(rig, side, 10)
    rig.pipeline.pause(rig.now_ns, "flatten")
    price = BID if side == Side.BUY else ASK
    assert rig.pipeline.flatten(0, price, 4, rig.now_ns) == Verdict.ACCEPTED
    (message,) = rig.sent()
    assert (message[35], message[54], message[59]) == ("D", "2" if side > 0 else "1", "3")
    assert rig.gate.is_paused, "only the flatten may pass"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ENGINE_PAUSED


def test_flatten_never_turns_a_position(order_rig: "OrderRig") -> None:
    rig = order_rig
    assert rig.pipeline.flatten(0, BID, 1, rig.now_ns) == Verdict.POSITION_LIMIT
    hold(rig, Side.BUY, 10)
    assert rig.pipeline.flatten(0, BID, 11, rig.now_ns) == Verdict.POSITION_LIMIT
    assert rig.pipeline.flatten(0, BID, 7, rig.now_ns) == Verdict.ACCEPTED
    assert rig.pipeline.flatten(0, BID, 4, rig.now_ns) == Verdict.POSITION_LIMIT
    assert rig.pipeline.flatten(0, BID, 3, rig.now_ns) == Verdict.ACCEPTED
    assert rig.pipeline.flatten(0, BID, 0, rig.now_ns) == Verdict.QUANTITY_INVALID
    assert rig.pipeline.flatten(0, BID, -1, rig.now_ns) == Verdict.QUANTITY_INVALID


def test_flatten_passes_the_gate_like_any_order(order_rig: "OrderRig") -> None:
    rig = order_rig
    hold(rig, Side.BUY, 10)
    rig.gate.set_instrument_limits(0, 10**6, 10**15, 10_000, 10**6)
    assert rig.pipeline.flatten(0, 1, 4, rig.now_ns) == Verdict.PRICE_COLLAR
    set_word(rig)
    assert rig.pipeline.flatten(0, BID, 4, rig.now_ns) == Verdict.ENGINE_KILLED
    assert rig.sent() == []


@pytest.mark.parametrize("strategy", [-1, 1, 10**6])
def test_flatten_of_no_strategy_is_a_mistake(order_rig: "OrderRig", strategy: int) -> None:
    with pytest.raises(UsageError, match=str(strategy)):
        order_rig.pipeline.flatten(strategy, BID, 1, order_rig.now_ns)


def test_an_engine_that_is_not_armed_takes_no_risk(
    make_order_rig: "Callable[..., OrderRig]",
) -> None:
    rig = make_order_rig(is_recording=True)
    rig.pipeline.disarm(rig.now_ns, "not armed")
    assert commands(rig) == [(Command.COMMAND_PAUSE, 2, 0)]
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ENGINE_PAUSED
    rig.pipeline.resume(rig.now_ns, "armed")
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ACCEPTED


def test_cancel_all_goes_out_while_killed(order_rig: "OrderRig") -> None:
    rig = order_rig
    numbers = [rig.place(Side.BUY, PRICE, lots) for lots in (5, 6, 7)]
    set_word(rig)
    assert rig.pipeline.cancel_all(rig.now_ns) == 3
    assert [message[35] for message in rig.sent()] == ["F"] * 3
    assert {int(rig.order(number)["state"]) for number in numbers} == {OrderState.PENDING_CANCEL}
