"""What the last run left behind, from its journal, and how a new run takes it over.

The newest snapshot of the last run, and the order records behind it, give orders, positions,
P&L, what strategies keep, the numbers of the session and a pause that nobody has lifted. The new
run takes that over by names, so that its config may list more, and in another order.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.composition import Arc
from engine.reconcile.known_trades import move_trades
from engine.runs.run_facts import persistent_fields
from ext.dtypes import ORDER, POSITION
from ext.errors import ConfigError
from journal.reader import run_starts
from journal.rebuild import rebuild
from journal.run_facts import RunFacts
from journal.shared_reader import OPEN_STATES
from journal.snapshot import Snapshot

_log = logging.getLogger("engine.recovery")


@dataclass(frozen=True, slots=True)
class Recovery:
    """State at the end of the last run, and how it was found."""

    facts: RunFacts
    snapshot: Snapshot
    applied_records: int
    seconds: float


def recover(directory: Path) -> Recovery | None:
    """The state at the end of the newest run in a journal that has one; None: there is none.

    Raises RecordingError where the journal is damaged: what is missing must not be guessed.
    """
    started_s = time.perf_counter()
    for start_time_ns in reversed(run_starts(directory)):
        ledger, problems = rebuild(directory, start_time_ns)
        if ledger is None:
            continue  # it ended before its first record
        for problem in problems:
            _log.warning("%s; an older state and the records behind it are used", problem)
        seconds = time.perf_counter() - started_s
        return Recovery(ledger.facts, ledger.snapshot(), ledger.applied, seconds)
    return None


def take_over(recovery: Recovery, arc: Arc) -> None:
    """Puts the state of the last run into an arc that has not begun.

    Raises ConfigError when the config lacks, or has changed, what has an open order or position.
    """
    old = recovery.snapshot
    positions = np.frombuffer(old.positions, POSITION)
    orders = np.frombuffer(old.tables["orders"], ORDER).copy()
    is_open = np.isin(orders["state"], OPEN_STATES)
    place_of_strategy = _match_strategies(old, arc)
    held = {int(index) for index in np.flatnonzero(positions["position_lots"])}
    held |= {int(index) for index in orders["strategy"][is_open]}
    for index in sorted(held):
        name, symbol = old.strategies[index]
        if place_of_strategy[index] < 0:
            raise ConfigError(
                f"the last run left {_describe(positions, orders, is_open, index)} of {name} on"
                f" {symbol}, which this config does not have: put it back and flatten first, or"
                " start with --fresh REASON to leave that to a person"
            )
        _check_steps(old, arc, symbol)
    _load_orders(old, arc, orders, place_of_strategy)
    _load_positions(arc, positions, place_of_strategy)
    _load_breakers(old, arc, place_of_strategy)
    for index, state in enumerate(old.strategy_states):
        if state and place_of_strategy[index] >= 0:
            _load_strategy(recovery.facts, index, state, arc, place_of_strategy[index])
    if arc.orders is not None and arc.orders.store.created_time_ns == 0:
        _load_session(old, arc)


def _match_strategies(old: Snapshot, arc: Arc) -> list[int]:
    """For each strategy of the last run its number in this one, -1: it has none. The same one
    twice on an instrument keeps its order."""
    free = [(each.name, each.instrument.symbol) for each in arc.strategies]
    places = []
    for name, symbol in old.strategies:
        place = free.index((name, symbol)) if (name, symbol) in free else -1
        if place >= 0:
            free[place] = ("", "")
        places.append(place)
    return places


def _check_steps(old: Snapshot, arc: Arc, symbol: str) -> None:
    before = next(each for each in old.instruments if each[0] == symbol)
    now = next(each for each in arc.instruments if each.symbol == symbol)
    if (before[1], before[2]) != (f"{now.tick:f}", f"{now.lot:f}"):
        raise ConfigError(
            f"instrument {symbol}: the last run left orders or a position with tick {before[1]}"
            f" and lot {before[2]}; this config says {now.tick:f} and {now.lot:f}"
        )


def _describe(
    positions: "np.ndarray[tuple[int], np.dtype[np.void]]",
    orders: "np.ndarray[tuple[int], np.dtype[np.void]]",
    is_open: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    index: int,
) -> str:
    count = int((is_open & (orders["strategy"] == index)).sum())
    return f"a position of {int(positions[index]['position_lots'])} lots and {count} open orders"


def _load_orders(
    old: Snapshot,
    arc: Arc,
    orders: "np.ndarray[tuple[int], np.dtype[np.void]]",
    place_of_strategy: list[int],
) -> None:
    instruments = {each.symbol: each.index for each in arc.instruments}
    for order in orders[orders["order_number"] > 0]:
        slot = int(order["order_number"]) % len(orders)
        place = place_of_strategy[int(order["strategy"])]
        if place < 0:
            orders[slot] = np.zeros((), ORDER)
            continue
        orders[slot]["strategy"] = place
        orders[slot]["instrument"] = instruments[old.strategies[int(order["strategy"])][1]]
    places = [instruments.get(symbol, -1) for symbol, _, _ in old.instruments]
    trades = move_trades(old.tables["execution_ids"], old.next_number, places)
    arc.history.load({**old.tables, "orders": orders.tobytes(), "execution_ids": trades})


def _load_positions(
    arc: Arc,
    positions: "np.ndarray[tuple[int], np.dtype[np.void]]",
    place_of_strategy: list[int],
) -> None:
    ours = arc.memory.region("positions_offset", POSITION, len(arc.strategies))
    for index, place in enumerate(place_of_strategy):
        if place < 0:
            continue
        ours[place] = positions[index]
        ours[place]["strategy"] = place
        ours[place]["instrument"] = arc.strategies[place].instrument.index
    arc.history.show_positions(len(arc.strategies))


def _load_breakers(old: Snapshot, arc: Arc, place_of_strategy: list[int]) -> None:
    """The engine's first: what a strategy's find out counts there too. Of a position without any,
    a new day begins. Position management goes on with its stops."""
    breakers = arc.pipeline.breakers
    kept = old.breakers or [b""] * (len(place_of_strategy) + 1)
    if kept[-1]:
        breakers.load(-1, kept[-1])
    for place, state in zip(place_of_strategy, kept[:-1], strict=True):
        if place >= 0 and state:
            breakers.load(place, state)
        elif place >= 0:
            breakers.adopt(place)
    for place, state in zip(place_of_strategy, old.guards, strict=False):
        if place >= 0 and state:
            arc.pipeline.guard.load(place, state)


def _load_strategy(facts: RunFacts, index: int, state: bytes, arc: Arc, place: int) -> None:
    strategy = arc.strategies[place]
    if facts.strategies[index].persistent != persistent_fields(strategy):
        _log.warning(
            "%s on %s keeps other fields than in the last run: what it kept is not put back",
            strategy.name,
            strategy.instrument.symbol,
        )
        return
    offset, size = strategy.persistent
    strategy.state.view(np.uint8)[offset : offset + size] = np.frombuffer(state, np.uint8)


def _load_session(old: Snapshot, arc: Arc) -> None:
    """The file of the session is a new one: its numbers and messages are those of the journal."""
    if arc.orders is None:
        return
    store = arc.orders.store
    store.next_outgoing, store.next_incoming = old.next_outgoing, old.next_incoming
    for sequence, message in old.messages:
        if sequence < old.next_outgoing:
            store.save_outgoing(sequence, message, 0)  # too old to be repeated as new risk
