"""Worlds with a bug planted into them, and who catches it."""

# tidy-ok: what the tests of the checkers share, not a mirror of a module

import re
from collections.abc import Callable, Iterator
from typing import Any

from ext.safety_records import KeptState
from ext.wire import RecordKind
from journal.entries import Entry
from sim.fix_text import FixReader, Garbled, encode
from sim.world.checkers import WorldError
from sim.world.engine import WorldEngine
from sim.world.faults import FaultPlan
from sim.world.order_stream import read_orders
from sim.world.world import World

SEEDS = 20
MANY_SEEDS = 40
"""Where few worlds come near enough."""
Plant = Callable[[World], None]


def play_until_caught(plant: Plant, protocol: str = "fix", **faults: float) -> str:
    """The name of the checker that objects first, over SEEDS seeds; empty: none did."""
    return next(all_who_catch(plant, protocol, **faults), "")


def all_who_catch(plant: Plant, protocol: str = "fix", **faults: float) -> Iterator[str]:
    """The names of the checkers that object, one for each of SEEDS seeds at most."""
    return (error.checker for error in all_errors(plant, SEEDS, protocol, **faults))


def all_errors(
    plant: Plant, seeds: int, protocol: str = "fix", **faults: float
) -> Iterator[WorldError]:
    """What they object to."""
    for seed in range(1, seeds + 1):
        plan = FaultPlan(**faults)  # type: ignore[arg-type]
        try:
            World(seed, plan, plant, protocol).run()
        except WorldError as error:
            yield error


def transport_of(world: World) -> Any:
    """The transport of orders by FIX, insides included."""
    return world.engine.order_transport


def on_received(world: World, change: Callable[[bytes], bytes]) -> None:
    """``change`` sees every piece that the engine gets of the venue, whole messages all."""
    transport = transport_of(world)
    receive = transport.receive
    transport.receive = lambda data: receive(change(data))


def on_sent(world: World, change: Callable[[bytes], bytes]) -> None:
    """``change`` sees what the engine's compiled path sends, before anybody does."""
    transport = transport_of(world)
    sender = transport._sender

    class Changed:
        def take(self) -> bytes:
            return change(sender.take())

        def __getattr__(self, name: str) -> object:
            return getattr(sender, name)

    transport._sender = Changed()


def each_message(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Whole messages, each as ``change`` makes it."""
    parts = re.findall(rb"8=FIXT.*?\x0110=\d{3}\x01", data, re.DOTALL)
    return b"".join(change(each) for each in parts)


def rewrite(message: bytes, new_type: str = "", **changes: str) -> bytes:
    """The message with other values: ``rewrite(m, t17="x")``; of another type it has no body."""
    [found] = FixReader().feed(message)
    assert not isinstance(found, Garbled)
    fields = [
        (tag, changes.get(f"t{tag}", value))
        for tag, value in found.fields
        if tag not in (8, 9, 35, 10) and (not new_type or tag in (34, 49, 52, 56))
    ]
    return encode(found.get(8) or "", new_type or found.message_type, fields)


def crash_soon(world: World) -> None:
    """The first engine of a world crashes, when it has traded for a while."""
    if world.engine.run == 0:
        world.schedule.after(1_500_000_000, "crash", world.crash)


def lose_last_kept(kind: KeptState) -> Callable[[WorldEngine], list[Entry]]:
    """Stands for ``read_orders``: without the last record of what outlives a process."""

    def read(engine: WorldEngine) -> list[Entry]:
        entries = read_orders(engine)
        kept = [
            each
            for each in entries
            if each.kind == RecordKind.RECORD_STRATEGY_STATE and each.record["code"] == kind
        ]
        return [each for each in entries if not kept or each is not kept[-1]]

    return read
