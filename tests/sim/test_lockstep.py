"""Lock-step: who speaks when. Doors and market are stand-ins that write down the calls."""

import logging
from typing import Any

import pytest

from sim.lockstep import EXCHANGES_MAX, Lockstep


class World:
    """Market, doors and clock in one; ``reactions`` are what the client does at each barrier."""

    def __init__(self, frames: int, reports: int, reactions: list[str]) -> None:
        self.calls: list[str] = []
        self.frames = frames
        self.reports = reports
        self.in_socket: list[str] = []
        self.reactions = reactions

    def lockstep(self) -> Lockstep:
        """With this world on all sides."""
        world: Any = self
        feed: Any = _Door("feed", self)
        orders: Any = _Door("orders", self)
        return Lockstep(world, feed, orders, world)

    def has_frames(self) -> bool:
        return self.frames > 0

    def take_frames(self) -> str:
        count, self.frames = self.frames, 0
        return f"{count} frames"

    def micro_step(self) -> None:
        self.calls.append("clock")


class _Door:
    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world

    def publish(self, frames: str) -> None:
        self.world.calls.append(f"publish {frames}")

    def has_reports_to_send(self) -> bool:
        return self.world.reports > 0

    def flush(self) -> None:
        if self.world.reports:
            self.world.calls.append(f"send {self.world.reports} reports")
        self.world.reports = 0

    def drain(self) -> None:
        world = self.world
        for reaction in world.in_socket:
            world.calls.append(f"take {reaction}")
            world.reports += 1
            world.frames += reaction == "order that trades"
        world.in_socket.clear()

    async def barrier(self, timeout_s: float) -> None:
        self.world.calls.append(f"{self.name} barrier")
        if self.world.reactions:
            self.world.in_socket.append(self.world.reactions.pop(0))


async def test_nothing_to_send_is_quiet_at_once() -> None:
    world = World(frames=0, reports=0, reactions=[])
    await world.lockstep().settle()
    assert world.calls == []


async def test_reports_of_the_step_go_before_its_frames_each_with_its_barrier() -> None:
    world = World(frames=3, reports=2, reactions=[])
    await world.lockstep().settle()
    assert world.calls == [
        "clock", "send 2 reports", "orders barrier", "clock", "publish 3 frames", "feed barrier",
    ]  # fmt: skip


async def test_orders_are_taken_after_the_barrier_and_answered_until_quiet() -> None:
    world = World(frames=1, reports=0, reactions=["order", "order that trades"])
    await world.lockstep().settle()
    assert world.calls == [
        "clock", "publish 1 frames", "feed barrier", "take order",
        "clock", "send 1 reports", "orders barrier", "take order that trades",
        "clock", "send 1 reports", "orders barrier",
        "clock", "publish 1 frames", "feed barrier",
    ]  # fmt: skip


async def test_a_client_that_never_stops_does_not_stop_the_clock_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(frames=1, reports=0, reactions=["order that trades"] * 2 * EXCHANGES_MAX)
    with caplog.at_level(logging.WARNING, "sim.lockstep"):
        await world.lockstep().settle()
    assert sum("barrier" in call for call in world.calls) == EXCHANGES_MAX
    assert "still orders" in caplog.text
