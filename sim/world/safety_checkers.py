"""What position management and FLATTEN promise, held against the venue's record and the books.

An exit is an order that no strategy asked for: a stop, a target, the time, a person's FLATTEN.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.safety.guard_limits import read_distance
from engine.settings.config_management import ManagementTable
from ext.dtypes import GUARD_STATE, POSITION
from ext.safety_records import GuardReason
from ext.wire import BookState, RecordKind
from journal.entries import fixed_records
from sim.world.checkers import OPEN_STATES, Checker
from sim.world.disk import slots_of_ring
from sim.world.engine import WorldEngine
from sim.world.feed_transport import READ_FRAMES
from sim.world.observations import SentMessage
from sim.world.order_stream import is_complete
from sim.world.sent_text import NEW_RISK

if TYPE_CHECKING:
    from sim.world.world import World

LOTS_PER_UNIT = 100_000_000
"""Of every product of a world."""
SECOND_NS = 1_000_000_000
RETRY_NS = 100_000_000
"""An exit that was refused, or found nothing, is tried again so much later: position-management."""
CLOSES_ALL = frozenset(
    int(reason)
    for reason in (
        GuardReason.EXIT_STOP,
        GuardReason.EXIT_TRAILING,
        GuardReason.EXIT_BREAK_EVEN,
        GuardReason.EXIT_TIME,
    )
)


@dataclass(slots=True)
class _Exit:
    """One exit, and what was ahead of it when it left."""

    text: str
    strategy: int
    side: int
    room_lots: int
    """By so much the position is larger than all that could close it."""
    ahead: set[str] = field(default_factory=set)
    """Client ids of the strategy's requests of that side that were still on their way."""
    is_overtaken: bool = False
    """The strategy has asked for more on that side since: that may turn its position."""


class ExitsOnlyReduce(Checker):
    """No exit opens, enlarges or turns the position of its strategy, whatever fills in between.

    Nor does an order of a strategy that the portfolio has stopped. Reckoned with the venue's own
    fills. When an exit leaves, it and all orders of the strategy on its side come to no more than
    the position: those that are open there, and those that the venue accepts later though they had
    left before. And each fill of an exit makes the position smaller.
    """

    def __init__(self) -> None:
        self._sent = self._taken = self._fills = 0
        self._held: dict[int, int] = {}
        self._leaves: dict[int, int] = {}
        self._exits: dict[int, _Exit] = {}
        self._on_their_way: dict[str, tuple[int, int]] = {}

    def check(self, world: "World") -> None:
        """Follows what the venue accepted and filled, then what has left since."""
        seen, record = world.observations, world.observations.record
        while self._taken < len(record.taken):
            client_id, (_, lots) = record.accepted_ids[self._taken], record.taken[self._taken]
            self._taken += 1
            self._take(world, client_id, lots)
        while self._fills < len(record.fill_list):
            fill = record.fill_list[self._fills]
            self._fills += 1
            number = seen.number_of_order.get(fill.order.order_id, 0)
            self._fill(world, number, int(fill.order.side), fill.quantity_lots)
        while self._sent < len(seen.sent):
            message = seen.sent[self._sent]
            self._sent += 1
            if message.text.kind in NEW_RISK and not message.text.is_repeat:
                self._send(world, message)

    def _take(self, world: "World", client_id: str, lots: int) -> None:
        number = world.observations.number_of_id.get(client_id, 0)
        more_lots = max(0, lots - self._leaves.get(number, 0))
        self._leaves[number] = lots
        if self._on_their_way.pop(client_id, None) is None:
            return
        for each in self._exits.values():
            if client_id in each.ahead:
                each.room_lots -= more_lots
                self._require_room(world, each)

    def _fill(self, world: "World", number: int, side: int, lots: int) -> None:
        strategy = world.observations.strategy_of.get(number, -1)
        held = self._held.get(strategy, 0)
        self._held[strategy] = held + side * lots
        self._leaves[number] = self._leaves.get(number, 0) - lots
        each = self._exits.get(number)
        if each is not None and not each.is_overtaken and not world.lost_orders:
            is_smaller = held * side < 0 and lots <= abs(held)
            self.require(is_smaller, f"{each.text}: {lots} lots filled with {held} held")

    def _send(self, world: "World", message: SentMessage) -> None:
        seen, strategy = world.observations, message.strategy
        client_id, side = message.text.client_id, message.text.side
        if message.is_exit or message.may_reduce:
            lots = int(message.text.quantity * LOTS_PER_UNIT)
            held = self._held.get(strategy, 0)
            open_lots = sum(
                order.leaves_lots
                for order in seen.open_orders.values()
                if order.side == side
                and seen.strategy_of.get(seen.number_of_order.get(order.order_id, 0)) == strategy
            )
            text = f"order {client_id} of strategy {strategy}, {side * lots} lots with {held} held"
            text += f" and {open_lots} open on its side"
            each = _Exit(text, strategy, side, -side * held - lots - open_lots)
            each.ahead = {name for name, of in self._on_their_way.items() if of == (strategy, side)}
            self._exits[seen.number_of_id[client_id]] = each
            self._require_room(world, each)
        else:
            for each in self._exits.values():
                each.is_overtaken |= (each.strategy, each.side) == (strategy, side)
        self._on_their_way[client_id] = (strategy, side)

    def _require_room(self, world: "World", each: _Exit) -> None:
        # Nobody can reckon with orders that no journal tells of.
        is_right = each.room_lots >= 0 or world.lost_orders
        self.require(is_right, f"{each.text}: {-each.room_lots} lots too many")


@dataclass(slots=True)
class _Kept:
    """What must not be forgotten of a position."""

    side: int
    fills: int
    stop_ticks: int
    targets_done: int
    exit_reason: int

    @classmethod
    def of(cls, position: np.void, guard: np.void) -> "_Kept":
        """As it is now."""
        return cls(
            int(np.sign(position["position_lots"])),
            int(position["fill_count"]),
            int(guard["stop_ticks"]),
            int(guard["targets_done"]),
            int(guard["exit_reason"]),
        )


class NoStopMovesAway(Checker):
    """While a position lasts, its stop never moves away from the price, no target comes twice, and
    an exit that closes all goes on: from event to event and from run to run.

    A loss of power may cost what the journal had not on the disk; then what it has is what counts.
    """

    def __init__(self, world: "World") -> None:
        sections = enumerate(world.setup.config.enabled_strategies)
        self._managed = [index for index, each in sections if each.management is not None]
        self._run = 0
        self._seen = b""
        self._kept: dict[int, _Kept] = {}

    def check(self, world: "World") -> None:
        """Compares with the last event, or with what the last run has left."""
        engine = world.engine
        if world.run_count != self._run:
            self._run = world.run_count
            if world.has_lost_power and world.left is not None:
                left = world.left.snapshot
                guards = [_read_guard(kept) for kept in left.guards]
                positions = np.frombuffer(left.positions, POSITION)
                self._kept = {
                    index: _Kept.of(positions[index], guard) for index, guard in enumerate(guards)
                }
        elif not world.have_orders_moved and engine.guards.tobytes() == self._seen:
            return
        self._seen = engine.guards.tobytes()
        for index in self._managed:
            now = _Kept.of(engine.positions[index], engine.guards[index])
            before = self._kept.get(index)
            self._kept[index] = now
            # With more fills than one the position may have been closed and opened again.
            if before is None or now.side != before.side or now.fills > before.fills + 1:
                continue
            if now.side:
                self._compare(f"strategy {index}", before, now)

    def _compare(self, who: str, before: _Kept, now: _Kept) -> None:
        is_closer = (now.stop_ticks - before.stop_ticks) * now.side >= 0 and now.stop_ticks > 0
        text = f"{who}: the stop went from {before.stop_ticks} to {now.stop_ticks}"
        self.require(is_closer or not before.stop_ticks, text)
        text = f"{who}: {before.targets_done} targets were taken, now {now.targets_done}"
        self.require(now.targets_done >= before.targets_done, text)
        is_latched = before.exit_reason not in CLOSES_ALL or now.exit_reason in CLOSES_ALL
        text = f"{who}: all was being closed for {before.exit_reason}, now for {now.exit_reason}"
        self.require(is_latched, text)


def _read_guard(kept: bytes) -> np.void:
    state = np.zeros(1, GUARD_STATE)
    if kept:
        state = np.frombuffer(kept, GUARD_STATE, 1)
    guard: np.void = state[0]
    return guard


@dataclass(slots=True)
class _Level:
    """Where one position has to be closed, by the config and the books that came."""

    side: int = 0
    fills: int = 0
    since_ns: int = 0
    """When it began; of one of a run before, whose clock was another, when it was looked at first;
    0: not yet."""
    best_ticks: int = 0
    stop_ticks: int = 0
    is_due: bool = False


class CrossedStopsAreActedOn(Checker):
    """A position whose stop a LIVE book has crossed, or whose time is over, is being closed: there
    is an exit, or orders of its strategy that close it, or a verdict why not, no older than the
    time after which an exit is tried again.

    Stops are reckoned anew from config, average price and books: never nearer to the price than the
    engine's own, which sees each book that is looked at here, and more of them.
    """

    def __init__(self, world: "World") -> None:
        config = world.setup.config
        self._tables = {
            index: section.management
            for index, section in enumerate(config.enabled_strategies)
            if section.management is not None
        }
        self._is_conflating = config.feed.conflate
        self._levels = {index: _Level() for index in self._tables}
        self._run = -1
        self._counts: list[int] = []
        self._decisions_read = 0
        self._decided_ns: dict[int, int] = {}

    def check(self, world: "World") -> None:
        """Looks at every position whose book was decided on in this event."""
        engine = world.engine
        if not self._tables or engine.is_dead or not is_complete(engine):
            return
        if engine.run != self._run:
            self._begin_run(world)
        if world.have_orders_moved:
            self._follow_positions(engine, engine.clock.now_ns())
        counts = engine.books["update_count"].tolist()
        is_mid_read = self._is_conflating and engine.feed_transport.frames % READ_FRAMES
        if counts == self._counts or is_mid_read:
            return
        moved = {index for index, count in enumerate(counts) if count != self._counts[index]}
        self._counts = counts
        for index, table in self._tables.items():
            instrument = int(engine.positions[index]["instrument"])
            if instrument in moved and is_good_book(engine.books[instrument]):
                self._judge(engine, index, table, engine.books[instrument])

    def _begin_run(self, world: "World") -> None:
        engine = world.engine
        self._run = engine.run
        self._counts = [0] * len(engine.books)
        self._decisions_read = 0
        self._decided_ns.clear()
        if world.has_lost_power:
            self._levels = {index: _Level() for index in self._tables}
        self._follow_positions(engine, 0)
        for level in self._levels.values():
            level.since_ns = 0

    def _follow_positions(self, engine: WorldEngine, now_ns: int) -> None:
        for index, level in self._levels.items():
            side = int(np.sign(engine.positions[index]["position_lots"]))
            fills = int(engine.positions[index]["fill_count"])
            if side != level.side or fills > level.fills + 1:
                self._levels[index] = _Level(side, fills, now_ns)
            level.fills = fills

    def _judge(
        self, engine: WorldEngine, index: int, table: ManagementTable, book: np.void
    ) -> None:
        level, now_ns = self._levels[index], engine.clock.now_ns()
        if not level.side:
            return
        side = level.side
        touch = int(book["bid_ticks" if side > 0 else "ask_ticks"][0])
        if not level.best_ticks or (touch - level.best_ticks) * side > 0:
            level.best_ticks = touch
        entry = float(engine.positions[index]["average_price_ticks"])
        stops = _stops(table, side, entry, level.best_ticks)
        if level.stop_ticks:
            stops.append(level.stop_ticks)
        level.stop_ticks = (max if side > 0 else min)(stops, default=0)
        if level.stop_ticks and (touch - level.stop_ticks) * side <= 0:
            level.is_due = True
        hold_ns = table.max_hold_seconds * SECOND_NS
        level.since_ns = level.since_ns or now_ns
        if hold_ns and now_ns - level.since_ns >= hold_ns:
            level.is_due = True
        text = f"strategy {index} holds side {side} from {entry}, stop {level.stop_ticks}, held"
        text += f" since {level.since_ns}; at {touch} nothing closes it and nobody said why"
        self.require(not level.is_due or self._is_acted_on(engine, index, side, now_ns), text)

    def _is_acted_on(self, engine: WorldEngine, index: int, side: int, now_ns: int) -> bool:
        position = engine.positions[index]
        open_lots = position["open_sell_lots" if side > 0 else "open_buy_lots"]
        if open_lots >= abs(position["position_lots"]):
            return True
        orders = engine.orders
        exits = orders[(orders["strategy"] == index) & (orders["reason"] < 0)]
        if np.isin(exits["state"], list(OPEN_STATES)).any():
            return True
        if (exits["update_time_ns"] > now_ns - RETRY_NS).any():
            return True
        self._read_decisions(engine)
        return self._decided_ns.get(index, 0) > now_ns - RETRY_NS

    def _read_decisions(self, engine: WorldEngine) -> None:
        slots = slots_of_ring(engine)[self._decisions_read :]
        self._decisions_read += len(slots)
        records = fixed_records(slots)
        is_exit = (records["kind"] == RecordKind.RECORD_DECISION) & (records["reference"] < 0)
        for record in records[is_exit]:
            self._decided_ns[int(record["strategy"])] = int(record["time_ns"])


def is_good_book(book: np.void) -> bool:
    """Whether a BookView is LIVE with two sides that do not cross."""
    is_whole = book["bid_levels"] and book["ask_levels"]
    return bool(
        book["state"] == BookState.LIVE and is_whole and book["bid_ticks"][0] < book["ask_ticks"][0]
    )


def _stops(table: ManagementTable, side: int, entry: float, best_ticks: int) -> list[int]:
    """Stops of a position that are known for sure, in ticks, rounded away from the price."""
    risk = (read_distance(table.stop_loss) or {}).get("ticks", 0.0)
    trailing = _distance(table.trailing_stop, entry, risk)
    break_even = _distance(table.break_even_after, entry, risk)
    levels = []
    if risk:
        levels.append(entry - side * risk)
    if trailing:
        levels.append(best_ticks - side * trailing)
    if break_even and (best_ticks - entry) * side >= break_even:
        levels.append(entry)
    return [math.floor(level) if side > 0 else math.ceil(level) for level in levels]


def _distance(text: str | None, entry: float, risk: float) -> float:
    """In ticks; 0.0: none is given, or it is reckoned from what is not known here."""
    given = read_distance(text) or {}
    return (
        given.get("ticks", 0.0) + given.get("share", 0.0) * entry + given.get("risks", 0.0) * risk
    )
