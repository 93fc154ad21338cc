"""The order stream of a run, read from its ring, and the state that it tells.

It is what a new run goes by: whatever the dead engine knew and the stream does not say is lost.
"""

import numpy as np

from engine.runs.recovery import Recovery, take_over
from engine.runs.replay import Replay, make_replay_arc
from engine.runs.state_hash import hash_state
from ext.dtypes import BREAKER_STATE, GUARD_STATE, ORDER, RECORD, REQUEST_TERMS
from ext.wire import IntentKind, RecordKind
from journal.entries import Entry, Structured, merge, split_slots
from journal.order_ledger import OrderLedger
from journal.snapshot import Snapshot
from sim.world.disk import slots_of_ring
from sim.world.engine import WorldEngine
from sim.world.engine_config import EngineSetup
from sim.world.engine_parts import MARKET_RING_SLOTS, draw_strategies

COMPARED_FIELDS = (
    "position_lots",
    "average_price_ticks",
    "realised_pnl",
    "fees",
    "bought_lots",
    "sold_lots",
    "fill_count",
    "order_count",
    "open_buy_lots",
    "open_sell_lots",
    "working_count",
)
"""Of a position; the others count intents, which change no order."""

LATCH_FIELDS = (
    "level",
    "cause",
    "paused_until_ns",
    "day",
    "is_excused",
    "losses_in_row",
    "fill_count",
    "seen_lots",
    "day_start_net",
    "trip_start_net",
)
"""Of breakers; the high-water mark is kept now and then, the last mark with something else."""

GUARD_FIELDS = tuple(name for name in GUARD_STATE.names or () if name != "extreme_ticks")
"""Of position management; the best price is kept with what follows from it."""


def read_orders(engine: WorldEngine) -> list[Entry]:
    """Every record of the run."""
    return list(split_slots(slots_of_ring(engine)))


def rebuild(engine: WorldEngine, entries: list[Entry]) -> Recovery:
    """The state of the run by its order stream, as ``engine.runs.recovery`` finds it in one."""
    ledger = OrderLedger(engine.facts, engine.first)
    for entry in entries:
        ledger.apply(entry)
    return Recovery(ledger.facts, ledger.snapshot(), ledger.applied, 0.0)


def replay(engine: WorldEngine, seed: int, setup: EngineSetup) -> str:
    """Plays the run again from both streams; what is not the same, empty: nothing."""
    strategies = draw_strategies(setup, seed, engine.run)
    arc, sender, store = make_replay_arc(setup.config, strategies, engine.facts)
    if engine.left is not None:
        take_over(engine.left, arc)
    entries = merge(iter(read_orders(engine)), iter(read_market(engine)))
    result = Replay(arc, sender, store).run(entries)
    if result.difference is not None:
        return f"{result.difference}"
    if not result.has_cut_end and result.state_hash != hash_state(engine.arc):
        return f"the state is {result.state_hash}, it was {hash_state(engine.arc)}"
    return ""


def read_market(engine: WorldEngine) -> list[Entry]:
    """Every frame and trade of the run."""
    written = int(engine.header["market_write_sequence"][0])
    assert written <= MARKET_RING_SLOTS, "the market ring has gone round: the world is too long"
    ring = engine.memory.region("market_ring_offset", RECORD, MARKET_RING_SLOTS)
    return list(split_slots(ring[:written]))


def orders_requested(entries: list[Entry]) -> set[int]:
    """Numbers of the orders that these records place or replace."""
    return {
        int(np.frombuffer(entry.data, REQUEST_TERMS, 1)["order_number"][0])
        for entry in entries
        if entry.kind == RecordKind.RECORD_REQUEST
        and int(entry.record["detail"]) != IntentKind.CANCEL_ORDER
    }


def is_complete(engine: WorldEngine) -> bool:
    """Whether every order record found a place."""
    return not engine.header["dropped_order_records"][0]


def difference(engine: WorldEngine, left: Snapshot) -> str:
    """What the stream tells otherwise than the engine knew it; empty: nothing."""
    ours = engine.orders
    theirs = np.frombuffer(left.tables["orders"], ORDER)
    for name in ORDER.names or ():
        wrong = np.flatnonzero(ours[name] != theirs[name])
        if wrong.size:
            slot = int(wrong[0])
            number = int(ours["order_number"][slot])
            return f"{name} of order {number} is {ours[name][slot]!r}, not {theirs[name][slot]!r}"
    told = np.frombuffer(left.positions, engine.positions.dtype)
    for name in COMPARED_FIELDS:
        wrong = np.flatnonzero(engine.positions[name] != told[name])
        if wrong.size:
            index = int(wrong[0])
            now, then = engine.positions[name][index], told[name][index]
            return f"{name} of strategy {index} is {now!r}, not {then!r}"
    return _state_difference(
        "breakers", BREAKER_STATE, LATCH_FIELDS, engine.breakers, left.breakers
    ) or _state_difference("the guard", GUARD_STATE, GUARD_FIELDS, engine.guards, left.guards)


def _state_difference(
    what: str, dtype: np.dtype[np.void], names: tuple[str, ...], ours: Structured, kept: list[bytes]
) -> str:
    """The same of what is kept of each strategy."""
    for index, told in enumerate(kept):
        state = np.zeros(1, dtype)
        state.view(np.uint8)[: len(told)] = np.frombuffer(told, np.uint8)
        for name in names:
            if told and state[name][0] != ours[name][index]:
                now, then = ours[name][index], state[name][0]
                return f"{name} of {what} {index} is {now!r}, not {then!r}"
    return ""
