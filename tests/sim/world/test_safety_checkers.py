"""Bugs planted into stops, targets, time exits and FLATTEN: each is caught by its checker."""

import dataclasses
import re
from collections.abc import Callable

import msgspec
import pytest

from engine.composition import Arc
from engine.runs.recovery import Recovery, take_over
from ext.safety_records import GuardReason, KeptState
from sim.world.engine import WorldEngine
from sim.world.observations import SLOTS
from sim.world.world import World
from tests.sim.world.planted import (
    all_who_catch,
    crash_soon,
    each_message,
    lose_last_kept,
    on_sent,
    play_until_caught,
    rewrite,
)

STEP_NS = 1_000_000


def keep_doing(world: World, act: Callable[[WorldEngine], None]) -> None:
    """``act`` again and again, between the events of one engine."""
    engine = world.engine

    def again() -> None:
        if world.engine is engine and not engine.is_dead:
            act(engine)
            world.schedule.after(STEP_NS, ".planted", again)

    world.schedule.after(STEP_NS, ".planted", again)


@pytest.mark.parametrize(
    ("is_flatten", "flatten_rate"), [(False, 0.0), (True, 1.0)], ids=["stop", "FLATTEN"]
)
def test_an_exit_of_twice_the_size(*, is_flatten: bool, flatten_rate: float) -> None:
    def plant(world: World) -> None:
        def double(message: bytes) -> bytes:
            client_id = re.search(rb"\x0111=([^\x01]*)\x01", message)
            if b"\x0135=D\x01" not in message or client_id is None:
                return message
            number = world.engine.pipeline.orders.request_number(client_id[1].decode())
            reason = int(world.engine.orders["reason"][number % SLOTS])
            if reason >= 0 or (reason == -GuardReason.EXIT_FLATTEN) != is_flatten:
                return message
            lots = re.search(rb"\x0138=([^\x01]*)\x01", message)
            assert lots is not None
            return rewrite(message, t38=f"{2 * float(lots[1]):.8f}")

        on_sent(world, lambda data: each_message(data, double))

    assert play_until_caught(plant, flatten_rate=flatten_rate) == "ExitsOnlyReduce"


def test_a_stop_that_fires_twice() -> None:
    """It forgets the exit that is under way, and that this may close all already."""

    def forget(engine: WorldEngine) -> None:
        engine.guards["exit_order_number"] = 0
        for side in ("buy", "sell"):
            engine.positions[f"open_{side}_lots"][engine.guards["exit_reason"] != 0] = 0

    def plant(world: World) -> None:
        keep_doing(world, forget)

    # With answers that take their time, so that both are on their way.
    assert "ExitsOnlyReduce" in all_who_catch(plant, latency_ns=50_000_000)


def test_an_exit_that_does_not_wait_for_the_strategy_s_own_orders() -> None:
    def forget(engine: WorldEngine) -> None:
        for side in ("buy", "sell"):
            engine.positions[f"open_{side}_lots"] = 0

    def plant(world: World) -> None:
        keep_doing(world, forget)

    assert "ExitsOnlyReduce" in all_who_catch(plant)


def test_a_stop_that_is_loosened() -> None:
    def loosen(engine: WorldEngine) -> None:
        engine.guards["stop_ticks"] -= engine.guards["side"] * (engine.guards["stop_ticks"] > 0)

    def plant(world: World) -> None:
        keep_doing(world, loosen)

    assert play_until_caught(plant) == "NoStopMovesAway"


def test_a_stop_that_a_restart_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(left: Recovery, arc: Arc) -> None:
        snapshot = msgspec.structs.replace(left.snapshot, guards=[])
        take_over(dataclasses.replace(left, snapshot=snapshot), arc)

    assert play_until_caught(crash_soon) == ""
    monkeypatch.setattr("sim.world.engine.take_over", forget)
    assert play_until_caught(crash_soon) == "NoStopMovesAway"


def test_a_stop_that_never_fires() -> None:
    """Position management is on, and has lost its distances."""

    def plant(world: World) -> None:
        sections = world.setup.config.enabled_strategies
        for index, section in enumerate(sections):
            if section.management is not None:
                world.engine.pipeline.guard.set_limits(index)

    assert play_until_caught(plant) == "CrossedStopsAreActedOn"


def test_an_exit_that_is_tried_once() -> None:
    """A trigger whose latch is lost, though the position is there still."""

    def unlatch(engine: WorldEngine) -> None:
        engine.guards["exit_reason"] = 0

    def plant(world: World) -> None:
        keep_doing(world, unlatch)

    assert play_until_caught(plant) == "NoStopMovesAway"


def test_a_guard_that_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    lose = lose_last_kept(KeptState.KEPT_GUARD)
    monkeypatch.setattr("sim.world.end_checkers.read_orders", lose)
    assert play_until_caught(lambda world: None) == "StreamTellsTheState"
