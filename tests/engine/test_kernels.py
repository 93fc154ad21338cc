"""Compiled hooks, called as the engine calls them: through their addresses."""

import ctypes
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from engine.indicators import Ema, ema_update, microprice
from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy, FailureLog, compile_strategy, strategy_digest
from engine.kernel.strategy_loader import load_strategy
from engine.strategy import (
    Array,
    Params,
    Quantity,
    Record,
    Side,
    State,
    Strategy,
    buy,
    find_order,
    is_changeable,
)
from ext.dtypes import BAR, BOOK_VIEW, FILL, INTENTS, POSITION, TIMER, TRADE
from ext.errors import ConfigError
from ext.wire import OrderState

PROTOTYPE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)
INSTRUMENT = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.001"), 3)


def double(value: int) -> int:
    return 2 * value


class Everything(Strategy):
    """Writes down what each hook saw."""

    params = Params(step=2, quantity=Quantity("0.5"))
    state = State(seen=Array(int, 8), fast=Ema(period="step"), start=7)
    bar_interval_ms = 1000
    timer_interval_ms = 250

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        state.seen[0] += double(state.params.step)
        ema_update(state.fast, microprice(book))
        buy(out, book.bid_ticks[9], state.params.quantity, reason=5)

    def on_trade(state: Record, trade: Record, book: Record, position: Record, out: Record) -> None:
        state.seen[1] = trade.receive_time_ns

    def on_bar(state: Record, bar: Record, book: Record, position: Record, out: Record) -> None:
        state.seen[2] = bar.trade_count

    def on_fill(state: Record, fill: Record, book: Record, position: Record, out: Record) -> None:
        state.seen[3] = fill.receive_time_ns

    @staticmethod
    def on_timer(state: Record, timer: Record, book: Record, position: Record, out: Record) -> None:
        state.seen[4] = timer.now_ns
        index = find_order(position, Side.SELL)
        state.seen[5] = index
        if index >= 0:
            state.seen[6] = position.working[index].leaves_lots
            state.seen[7] = is_changeable(position.working[index])


class EverythingInPython(Everything):
    """The same, not compiled."""

    compiled = False


class Raises(Strategy):
    """Fails after it has written an intent."""

    params = Params(limit=3)

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        buy(out, 1, 1)
        if book.update_count > state.params.limit:
            raise ValueError("too much")


class RaisesInPython(Raises):
    """The same, not compiled."""

    compiled = False


class Caller:
    """Memory for the five arguments, and a call through the address."""

    def __init__(self, strategy: type[Strategy], **parameters: object) -> None:
        self.compiled = compile_strategy(strategy, INSTRUMENT, parameters)
        self.book, self.position, self.out = (
            np.zeros(1, dtype) for dtype in (BOOK_VIEW, POSITION, INTENTS)
        )

    def call(self, hook: str, event: Any = None) -> None:
        PROTOTYPE(self.compiled.addresses[hook])(
            self.compiled.state_address,
            None if event is None else event.ctypes.data,
            *(memory.ctypes.data for memory in (self.book, self.position, self.out)),
        )


def last_field(dtype: Any, value: int) -> Any:
    event = np.zeros(1, dtype)
    event[dtype.names[-1]] = value
    return event


@pytest.mark.parametrize("strategy", [Everything, EverythingInPython])
def test_every_hook_sees_its_event_and_writes_its_state(strategy: type[Strategy]) -> None:
    caller = Caller(strategy)
    assert caller.compiled.is_compiled is (strategy is Everything)
    assert list(caller.compiled.addresses) == [
        "on_book",
        "on_trade",
        "on_bar",
        "on_fill",
        "on_timer",
    ]
    caller.book["bid_ticks"][0, 9] = 4242
    caller.call("on_book")
    caller.call("on_book")
    for value, (hook, dtype) in enumerate(
        [("on_trade", TRADE), ("on_bar", BAR), ("on_fill", FILL), ("on_timer", TIMER)], 101
    ):
        caller.call(hook, last_field(dtype, value))
    state = caller.compiled.state[0]
    assert state["seen"].tolist() == [8, 101, 102, 103, 104, -1, 0, 0]
    assert state["start"] == 7
    assert caller.out["count"][0] == 2
    first = caller.out["intents"][0][0]
    assert (first["price_ticks"], first["quantity_lots"], first["reason"]) == (4242, 500, 5)
    assert caller.compiled.failure_count == 0


@pytest.mark.parametrize("strategy", [Everything, EverythingInPython])
def test_hooks_see_the_working_orders(strategy: type[Strategy]) -> None:
    caller = Caller(strategy)
    caller.position["working_count"] = 16
    working = caller.position["working"][0]
    working["side"] = Side.BUY
    working[15] = (9, Side.SELL, OrderState.PARTIALLY_FILLED, 100, 55)
    caller.call("on_timer", last_field(TIMER, 1))
    assert caller.compiled.state[0]["seen"][5:].tolist() == [15, 55, 1]
    working[15]["state"] = OrderState.PENDING_CANCEL
    caller.call("on_timer", last_field(TIMER, 1))
    assert caller.compiled.state[0]["seen"][7] == 0


@pytest.mark.parametrize("strategy", [Raises, RaisesInPython])
def test_a_hook_that_raises_leaves_no_intent_and_is_counted(
    strategy: type[Strategy], caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller(strategy)
    caller.book["update_count"] = 3
    caller.call("on_book")
    assert caller.out["count"][0] == 1
    caller.book["update_count"] = 4
    for _ in range(3):
        caller.out["count"] = 0
        caller.call("on_book")
        assert caller.out["count"][0] == 0
    assert caller.compiled.failure_count == 3
    if strategy is RaisesInPython:
        [logged] = caplog.records
        assert logged.getMessage().startswith("RaisesInPython.on_book raised; the call is ignored")
        assert logged.exc_info is not None


@pytest.mark.parametrize("strategy", [Raises, RaisesInPython])
def test_failures_are_logged_at_once_and_then_each_tenfold(
    strategy: type[Strategy], caplog: pytest.LogCaptureFixture
) -> None:
    healthy, failing = Caller(Everything).compiled, Caller(strategy).compiled
    log = FailureLog([healthy, failing])
    said = []
    for count in (0, 1, 1, 9, 10, 99, 5_000, 5_001):
        failing.state["failures"] = count
        assert log.poll() == count
        said += [record.getMessage() for record in caplog.records]
        caplog.clear()
    name, hint = failing.name, "; compiled = False in the class shows where"
    expected = [
        f"{name} on BTC-USD raised in 1 call, which left no intent{hint}",
        f"{name} on BTC-USD raised in 10 calls, which left no intent{hint}",
        f"{name} on BTC-USD raised in 5000 calls, which left no intent{hint}",
    ]
    if strategy is RaisesInPython:  # which has logged the first one with its traceback
        expected = [line.removesuffix(hint) for line in expected[1:]]
    assert said == expected


DIGESTED = """
from digested_helper import shift
from engine.strategy import Strategy, buy

class Digested(Strategy):
    compiled = {compiled}

    def on_book(state, book, position, out):
        buy(out, shift(1), 1)
"""
HELPER = """
from engine.strategy import kernel_function

@kernel_function
def shift(value):
    return value + 1
"""


@pytest.mark.parametrize("is_compiled", [True, False])
def test_the_digest_covers_every_file_of_a_strategy_and_not_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_compiled: bool
) -> None:
    def digest(place: str, source: str, helper: str) -> tuple[str, str]:
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        (folder / "digested.py").write_text(source.format(compiled=is_compiled))
        (folder / "digested_helper.py").write_text(helper)
        with monkeypatch.context() as context:
            context.syspath_prepend(folder)
            context.setattr(sys, "dont_write_bytecode", True)
            sys.modules.pop("digested_helper", None)
            strategy = load_strategy(f"{folder}/digested.py:Digested")
            sys.modules.pop("digested_helper")
        return strategy_digest(strategy), compile_strategy(strategy, INSTRUMENT).source_digest

    first, of_compiled = digest("a", DIGESTED, HELPER)
    assert len(first) == 64
    assert of_compiled == first
    assert digest("b", DIGESTED, HELPER)[0] == first
    assert digest("c", DIGESTED + "# more", HELPER)[0] != first
    assert digest("d", DIGESTED, HELPER.replace("+", "-"))[0] != first


def test_the_digest_of_a_compiled_strategy_is_of_what_was_loaded() -> None:
    compiled = Caller(Everything).compiled
    assert strategy_digest(compiled) == compiled.source_digest == strategy_digest(Everything)
    assert strategy_digest(Everything) != strategy_digest(load_strategy("jerico_maker"))


def test_reset_goes_back_to_before_the_first_call() -> None:
    caller = Caller(Everything)
    before = caller.compiled.state.copy()
    caller.call("on_book")
    assert caller.compiled.state.tobytes() != before.tobytes()
    caller.compiled.reset()
    assert caller.compiled.state.tobytes() == before.tobytes()


def test_what_the_engine_reads_of_a_compiled_strategy() -> None:
    compiled: CompiledStrategy = Caller(Everything, step=5).compiled
    assert compiled.name == "everything"
    assert compiled.instrument is INSTRUMENT
    assert compiled.parameters == {"step": 5, "quantity": 500}
    assert (compiled.bar_interval_ns, compiled.timer_interval_ns) == (10**9, 25 * 10**7)
    assert compile_strategy(Everything, INSTRUMENT, name="mine").name == "mine"


def test_instances_share_code_but_not_state() -> None:
    one, two = Caller(Everything, step=1), Caller(Everything, step=100)
    assert one.compiled.addresses == two.compiled.addresses
    one.call("on_book")
    two.call("on_book")
    assert one.compiled.state["seen"][0][0] == 2
    assert two.compiled.state["seen"][0][0] == 200


def test_a_strategy_without_hooks_is_refused() -> None:
    class Empty(Strategy):
        pass

    with pytest.raises(ConfigError, match="Empty has no hook; define on_book, on_trade"):
        compile_strategy(Empty, INSTRUMENT)


def test_a_strategy_whose_parameters_contradict_is_refused() -> None:
    class Checked(Raises):
        @classmethod
        def check_parameters(cls, parameters: dict[str, int | float]) -> str | None:
            return f"limit was {parameters['limit']}; use an even one"

    with pytest.raises(ConfigError, match="parameters of checked: limit was 3; use an even one"):
        compile_strategy(Checked, INSTRUMENT)


@numba.njit
def _call_often(hook: Any, state: int, book: int, position: int, out: int, count: int) -> None:
    for _ in range(count):
        hook(state, 0, book, position, out)


def test_native_code_calls_a_hook_without_python() -> None:
    """A million calls through the bare pointer: they also tell that nothing leaks."""
    caller = Caller(Everything)
    hook = PROTOTYPE(caller.compiled.addresses["on_book"])
    memory = [m.ctypes.data for m in (caller.book, caller.position, caller.out)]
    _call_often(hook, caller.compiled.state_address, *memory, 1_000_000)
    assert caller.compiled.state["seen"][0][0] == 4_000_000
    assert (caller.out["count"][0], caller.out["dropped"][0]) == (8, 999_992)
