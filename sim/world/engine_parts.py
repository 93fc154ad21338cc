"""The arc of an engine in a world: the production one, in memory, on a sender that captures."""

import dataclasses
import hashlib
from typing import Any, cast

from engine.composition import Arc, OrderEdge, join, make_order_parts
from engine.kernel.kernels import CompiledStrategy
from engine.rest.rest_parts import RestOrderParts, host_header, is_by_rest
from engine.runs.recovery import Recovery
from engine.runs.run_identity import NUMBERS_PER_RUN, RunIdentity, follow_numbers
from engine.settings.config_venues import OrderEntrySection
from ext.order_sender import CapturingSender
from ext.orders import draw_run_prefix
from ext.rest_sender import RestSender
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from sim.world.engine_config import EngineSetup

SENDER_COMP_ID = "demo-key"
SENDER_BYTES = 1 << 18
"""Far more than one event of a world makes the engine send."""
MARKET_RING_SLOTS = 32_768
"""Room for every frame of a run: its replay needs them all."""
_DIGEST_BYTES = 8


def draw_identity(seed: int, run: int, left: Recovery | None) -> RunIdentity:
    """Who a run is to the venue: the same prefix over the runs of a world, numbers of its own."""
    prefix = draw_run_prefix(_digest(seed, 0, "client ids"))
    identity = RunIdentity(prefix, run * NUMBERS_PER_RUN + 1)
    return identity if left is None else follow_numbers(identity, left.snapshot.next_number)


def draw_strategies(setup: EngineSetup, seed: int, run: int) -> tuple[CompiledStrategy, ...]:
    """The strategies of a run with states of their own; those that play at random have their seed
    there."""
    strategies = []
    for index, strategy in enumerate(setup.strategies):
        state = strategy.state.copy()
        if "random" in (state.dtype.names or ()):
            digest = _digest(seed, run, f"strategy {index}")
            state["random"] = int.from_bytes(digest, "little", signed=True)
        strategies.append(dataclasses.replace(strategy, state=state))
    return tuple(strategies)


def make_arc(
    setup: EngineSetup, seed: int, run: int, left: Recovery | None, start_time_ns: int
) -> Arc:
    """The arc of a run with its order session, joined as ``engine.composition`` does it."""
    config, strategies = setup.config, draw_strategies(setup, seed, run)
    section = config.order_entry
    assert section is not None
    memory = SharedMemory(
        None,
        [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in config.instruments],
        [strategy.name for strategy in strategies],
        start_time_ns=start_time_ns,
        market_ring_slots=MARKET_RING_SLOTS,
        is_resident=False,
    )
    identity = draw_identity(seed, run, left)
    if is_by_rest(config):
        return _make_rest_arc(setup, section, strategies, memory, identity)
    sender = CapturingSender(SENDER_BYTES)
    store = SessionStore(None, "world")
    edge = OrderEdge(SENDER_COMP_ID, section.target_comp_id, store, sender)
    arc = join(config, strategies, memory, edge, identity)
    parts = make_order_parts(section, arc, edge, cast(Any, sender))
    return dataclasses.replace(arc, orders=parts)


def _make_rest_arc(
    setup: EngineSetup,
    section: OrderEntrySection,
    strategies: tuple[CompiledStrategy, ...],
    memory: SharedMemory,
    identity: RunIdentity,
) -> Arc:
    senders = [CapturingSender(SENDER_BYTES) for _ in range(section.connections)]
    store, host = SessionStore(None, "rest"), host_header(section)
    edge = OrderEdge(section.key.reveal(), host, store, senders[0], senders, section)
    arc = join(setup.config, strategies, memory, edge, identity)
    assert isinstance(arc.sender, RestSender)
    parts = RestOrderParts(store, arc.sender, cast(Any, senders), host)
    return dataclasses.replace(arc, orders=parts)


def _digest(seed: int, run: int, what: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{run}:{what}".encode(), digest_size=_DIGEST_BYTES).digest()
