"""The engine of a world: production parts, joined as ``engine.composition`` joins them, on the
wires and the clock of the world. What a process loses when it dies goes with this object.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from control.kill_source import KillSource
from engine.engine_clock import EngineClock
from engine.levels.strategy_control import StrategyControl
from engine.market_data import MarketData
from engine.reconcile.known_trades import known_trades
from engine.runs.recovery import Recovery, take_over
from engine.runs.run_facts import make_facts
from engine.runs.run_start import snapshot_arc
from engine.safety.breaker_watch import BreakerWatch
from engine.safety.portfolio import PortfolioWatch
from ext.bounds import Bound
from ext.dtypes import BOOK_VIEW, BREAKER_STATE, GUARD_STATE, ORDER, POSITION
from ext.safety_records import Breaker, BreakerLevel
from ext.wire import RecordKind
from journal.run_facts import RunFacts, encode_facts
from journal.snapshot import Snapshot
from sim.world.control import WorldControl, WorldLatch
from sim.world.engine_config import EngineSetup
from sim.world.engine_parts import make_arc
from sim.world.feed_transport import WorldFeedListener, WorldFeedTransport
from sim.world.network import Network
from sim.world.order_leg import LegEdges, Sent, make_order_leg
from sim.world.reconciliation import WorldReconciler
from sim.world.venue import Venue

WATCH_NS = 20_000_000
BEAT_EVERY = 5
PENDING_EVERY = 50
BY_HAND = "operator"
BREAKER_PAUSED = int(BreakerLevel.BREAKER_PAUSED)
BREAKER_PORTFOLIO = int(Breaker.BREAKER_PORTFOLIO)


class WorldEngine:
    """One run of the engine. ``run`` counts the runs of a world from 0.

    ``left`` is what the last run left behind, ``first`` the state that this one began with.
    ``orders``, ``positions``, ``guards`` and ``books`` are live views of its tables. ``sent``
    gets every order message as it leaves, ``heard`` every market data frame as it comes.
    """

    def __init__(
        self,
        seed: int,
        run: int,
        left: Recovery | None,
        setup: EngineSetup,
        network: Network,
        venue: Venue,
        *,
        sent: Sent,
        heard: Callable[[bytes | None], None],
        latch: WorldLatch,
    ) -> None:
        self.run = run
        self.is_dead = False
        self.is_stopping = False
        self.fatal_reason = ""
        self.doubts: list[str] = []
        """Why a person has to look at orders and fills: what a report said."""
        self._network = network
        self._watches = 0
        self.arc = make_arc(setup, seed, run, left, network.clock.wall_ns())
        self.memory, self.pipeline = self.arc.memory, self.arc.pipeline
        self._requests_sent = self.memory.header_record()["requests_sent"]
        self._reports = self.memory.header_record()["reports"]
        self.clock = EngineClock(self.memory, network.clock)
        self.header = self.memory.header_record()
        self.orders = self.memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.positions = self.memory.region("positions_offset", POSITION, len(self.arc.strategies))
        count = len(self.arc.strategies) + 1
        self.breakers = self.memory.region("breakers_offset", BREAKER_STATE, count)
        self._breaker_levels = self.breakers["level"]
        self.guards = self.memory.region("guards_offset", GUARD_STATE, count - 1)
        self.books = self.memory.region("books_offset", BOOK_VIEW, len(self.arc.instruments))
        self._breaker_watch = BreakerWatch(self.arc, self._note_state, self._kill)
        self.portfolio = PortfolioWatch(self.arc)
        self.portfolio_looks = self.portfolio_looked_ns = 0
        self.left = left
        self.first, self.facts = self._begin_run(left)
        edges = LegEdges(
            sent, self._fail, self._doubt, self._take_notices, self._end_order_questions
        )
        self.order_leg = make_order_leg(self.arc, self.clock, network, venue, edges)
        self.order_entry = self.order_leg.entry
        self.order_transport = self.order_leg.transport
        self.store = self.order_leg.store
        self.market_data = self._make_market_data(network, venue, heard)
        known = None
        if left is not None:
            known = known_trades(left.snapshot)
        self.reconciler = WorldReconciler(
            self.arc,
            self.clock,
            network,
            venue,
            self._doubt,
            self._end_reconciliation,
            known,
            self.order_leg.rates,
        )
        self.order_entry.watcher = self.reconciler
        self.control = self._make_control(network, venue, latch)
        self.strategy_control = StrategyControl(self.arc, self.clock)
        self._latch = latch
        self._has_feed = False
        self.feed_transport = cast(WorldFeedTransport, self.market_data.transport)

    def _make_market_data(
        self, network: Network, venue: Venue, heard: Callable[[bytes | None], None]
    ) -> MarketData:
        return MarketData(
            self.arc.config,
            "ws://world",
            self.pipeline,
            self.clock,
            on_disconnect=lambda reason: True,
            on_inconsistent=lambda: self._doubt("a report is inconsistent"),
            make_transport=cast(Any, functools.partial(WorldFeedTransport, network, venue, heard)),
            make_listener=cast(Any, WorldFeedListener),
        )

    def _make_control(self, network: Network, venue: Venue, latch: WorldLatch) -> WorldControl:
        return WorldControl(
            self.arc,
            self.clock,
            network,
            venue,
            latch,
            lambda: self.order_entry.is_active,
            lambda error: self._fail(f"control ended: {error!r}"),
        )

    def _begin_run(self, left: Recovery | None) -> tuple[Snapshot, RunFacts]:
        """What ``engine.runs.run_start`` does, without its files."""
        if left is not None:
            take_over(left, self.arc)
        start_time_ns = self.memory.counters()["start_time_ns"]
        first = snapshot_arc(self.arc, start_time_ns, left.snapshot if left is not None else None)
        facts = make_facts(
            self.arc.config,
            self.arc.instruments,
            self.arc.strategies,
            self.arc.identity,
            version="world",
            start_time_ns=start_time_ns,
            sender_comp_id=self.arc.sender_comp_id,
            snapshot="",
        )
        self.memory.write_blob(start_time_ns, RecordKind.RECORD_RUN, encode_facts(facts))
        return first, facts

    @property
    def is_paused(self) -> bool:
        """Whether no new risk may leave."""
        return self.pipeline.gate.is_paused

    def stopped_until_ns(self) -> dict[int, int]:
        """Strategies that breakers allow no new risk, and for how long; 0: until a person resumes.
        The engine's own stop all."""
        # Looked at after every event of every world, and nearly always nothing has tripped.
        tripped = np.flatnonzero(self._breaker_levels >= BREAKER_PAUSED).tolist()
        if not tripped:
            return {}
        ends = {index: int(self.breakers["paused_until_ns"][index]) for index in tripped}
        engine_end = ends.pop(len(self.breakers) - 1, None)
        if engine_end is not None:
            for index in range(len(self.breakers) - 1):
                end = ends.get(index, engine_end)
                ends[index] = max(end, engine_end) if end and engine_end else 0
        return ends

    def stopped_by_portfolio(self) -> frozenset[int]:
        """Strategies that are stopped because they could add to the portfolio."""
        is_paused = self._breaker_levels[:-1] == BREAKER_PAUSED
        causes = self.breakers["cause"][:-1]
        return frozenset(np.flatnonzero(is_paused & (causes == BREAKER_PORTFOLIO)).tolist())

    @property
    def is_stopped_by_breakers(self) -> bool:
        """Whether they allow no new risk to any strategy."""
        return bool(self._breaker_levels[-1] >= BREAKER_PAUSED)

    @property
    def has_unsent(self) -> bool:
        """Whether the compiled path has sent something that nobody has passed on yet."""
        return not self.is_dead and self.order_transport.has_unsent

    def start(self) -> None:
        """Connects both legs and begins to watch; what the last run left open is Unknown first."""
        if self.left is not None:
            self.pipeline.mark_unknown(self.clock.now_ns())
            if self.first.pause_reason.startswith(BY_HAND):
                self.pause(self.first.pause_reason)
            elif self.first.pause_reason:
                self._doubt(self.first.pause_reason)
        self.control.begin(self._latch.read(), self.first.kill_reason)
        self.order_leg.start()
        self._plan_watch()

    def pause(self, reason: str) -> None:
        """No new risk until a person has looked, as ``engine.supervisor`` does it."""
        self.pipeline.pause(self.clock.now_ns(), reason)
        self._network.trace.note(f"engine is PAUSED: {reason}")

    def flatten(self) -> None:
        """A person wants all positions closed: PAUSED, then slice by slice."""
        if self.pipeline.is_killed:
            return
        if not self.is_paused:
            self.pause(f"{BY_HAND}: FLATTEN")
        self.control.begin_flatten(lambda: self.is_stopping)
        self.flush()

    def resume(self) -> None:
        """A person lifts the pause that a person has made, and no other one."""
        is_by_hand = self.is_paused and not self.doubts and not self.is_stopping
        is_by_hand = is_by_hand and not self.control.flatten.is_running
        is_by_hand = is_by_hand and not self.pipeline.breakers.is_engine_stopped
        if is_by_hand and not self.header["dropped_order_records"][0]:
            self.pipeline.resume(self.clock.now_ns(), "operator: enough")
            self._network.trace.note("engine is resumed")

    async def rearm(self, seen_ns: int, on_rearmed: Callable[[], None]) -> None:
        """A person wants a KILL lifted; whether it was is the switch's to say."""
        rearm = self.control.switch.rearm
        text = await rearm("looked", "operator", seen_ns, self._find_doubt)
        self._network.trace.note(f"rearm: {text or 'done'}")
        if not text:
            on_rearmed()

    async def _find_doubt(self) -> str:
        return "" if self.reconciler.is_clean else "the records are not equal"

    def progress(self) -> tuple[int, int]:
        """Requests sent and reports applied so far: orders and positions move with these."""
        return int(self._requests_sent[0]), int(self._reports[0])

    def stop(self) -> None:
        """No new risk and no timers any more, as when an operator stops the engine."""
        self.is_stopping = True
        self.pipeline.pause(self.clock.now_ns(), "stopping", is_stop=True)

    def cancel_all(self) -> int:
        """Asks for the cancel of all that is open; how many were asked for."""
        count = self.pipeline.cancel_all(self.clock.now_ns())
        self.flush()
        return count

    def flush(self) -> None:
        """Passes on what the compiled path has sent."""
        if not self.is_dead:
            self.order_transport.flush()

    def crash(self, *, is_power_lost: bool) -> None:
        """The process ends at once; with it, or without, the host."""
        self.is_dead = True
        self.order_leg.abandon(is_cut=is_power_lost)
        self.feed_transport.abandon()
        self.reconciler.abandon()
        self.control.abandon()
        if is_power_lost:
            self._latch.lose_power()

    def state_digest(self) -> str:
        """Hash of orders, positions and what the strategies remember: equal runs, equal hashes."""
        parts = (self.orders.tobytes(), self.positions.tobytes())
        states = (strategy.state.tobytes() for strategy in self.arc.strategies)
        return hashlib.blake2b(b"".join((*parts, *states)), digest_size=16).hexdigest()

    def _doubt(self, reason: str) -> None:
        self.doubts.append(reason)
        self.pause(reason)

    def _note_state(self, reason: str) -> None:
        self._network.trace.note(f"the engine's breakers: {reason or 'quiet'}")

    def _kill(self, reason: str, source: str, inputs: str) -> None:
        seen = {"source": source, "seen": inputs}
        self.control.switch.kill(reason, KillSource.KILL_BREAKER, seen)

    def _end_reconciliation(self, error: Exception) -> None:
        self._fail(f"reconciliation ended: {error!r}")

    def _end_order_questions(self, error: Exception) -> None:
        self._fail(f"questions about orders ended: {error!r}")

    def _fail(self, reason: str) -> None:
        self.fatal_reason = self.fatal_reason or reason
        self._network.trace.note(f"engine must stop: {reason}")

    def _take_notices(self, receive_time_ns: int) -> None:
        self.market_data.take_book_notices(receive_time_ns)

    def _plan_watch(self) -> None:
        self._network.schedule.after(WATCH_NS, ".watch", self._watch)

    def _watch(self) -> None:
        if self.is_dead:
            return
        self._plan_watch()
        self._watches += 1
        now_ns = self.clock.now_ns()
        self.control.switch.look()
        if not self.is_stopping:
            self.pipeline.call_timers(now_ns)
        self._breaker_watch.poll(now_ns)
        self.flush()
        if self.reconciler.has_compared and not self._has_feed:
            self._has_feed = True
            self.feed_transport.start()
        self.feed_transport.tick()
        self.order_transport.tick()
        if self._watches % BEAT_EVERY == 0:
            self.clock.follow()
            if self.header["dropped_order_records"][0] and not self.is_paused:
                self.pause("order records were lost")
        if self._watches % PENDING_EVERY == 0:
            self.control.switch.look_at_latch()
            self.control.switch.cancel_again()
            self.order_entry.check_pending(now_ns)
            if self._has_feed and not self.is_stopping:
                self.portfolio.poll(now_ns)
                self.portfolio_looks += 1
                self.portfolio_looked_ns = now_ns
        self.flush()
