"""One world: the engine and the venue on one network, under one clock, from one seed.

First both trade while the network does its worst; then it is healed, the engine is stopped as an
operator stops it, and both sides must agree.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from engine.runs.recovery import Recovery
from ext.wire import BookState, OrderState
from sim.orders import Order
from sim.world.checker_sets import make_checkers, make_end_checkers, make_run_checkers
from sim.world.checkers import Checker
from sim.world.clock import WorldClock
from sim.world.control import WorldLatch
from sim.world.disk import Disk
from sim.world.end_checkers import JournalIsTheStream
from sim.world.engine import WorldEngine
from sim.world.engine_config import draw_rest_setup, draw_setup
from sim.world.faults import (
    MILLISECOND_NS,
    SECOND_NS,
    FaultPlan,
    draw_commands,
    draw_faults,
    draw_rest_faults,
)
from sim.world.mirror import Mirror
from sim.world.network import Network
from sim.world.observations import Before, Observations
from sim.world.order_stream import is_complete, orders_requested, read_orders, rebuild
from sim.world.people import People
from sim.world.relay import TAKE_NS, Relay, is_journal_behind
from sim.world.schedule import Schedule, Trace
from sim.world.sent_text import FixSentReader, RestSentReader
from sim.world.venue import HEARTBEAT_NS, TICK_NS, Venue

SYMBOLS = ("BTC-USD", "ETH-USD")
STEPS_PER_SECOND = 60
SETTLE_LIMIT_NS = 90 * SECOND_NS
HELP_AFTER_NS = 20 * SECOND_NS
POWER_LOSS_SHARE = 0.3
REST_SHARE = 1 / 4
"""Of the worlds: orders go by REST."""
STUCK_NS_MAX = 3 * SECOND_NS
RESTART_NS_MAX = 2 * SECOND_NS
LOOK_EVERY_NS = 970 * MILLISECOND_NS
"""No divisor of a second: at rest means that nothing is under way, heartbeats included."""
CANCEL_EVERY = 6
"""Looks. An order that the venue does not know any more is asked for between two cancels."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a world that held. Equal seeds have equal outcomes."""

    seed: int
    events: int
    orders: int
    fills: int
    connections: int
    runs: int
    kills: int
    rearms: int
    has_doubts: bool
    is_by_rest: bool
    digest: str


class World:
    """The world of one seed. ``run`` plays it; ``WorldError`` when something does not hold.

    ``plan`` and ``protocol`` ("fix" or "rest") stand for what the seed would draw. ``plant`` is
    called with each engine that has started: tests break something there, to see it caught.
    """

    def __init__(
        self,
        seed: int,
        plan: FaultPlan | None = None,
        plant: Callable[["World"], None] | None = None,
        protocol: str = "",
    ) -> None:
        self.seed = seed
        self.symbols = SYMBOLS
        self.clock = WorldClock()
        self.trace = Trace(self.clock)
        self.schedule = Schedule(self.clock, self.trace)
        self._rng = random.Random(f"{seed}:world")
        drawn = draw_faults(random.Random(f"{seed}:faults"))
        draw_commands(drawn, random.Random(f"{seed}:commands"))
        # Drawn apart, so that worlds by FIX stay as they were.
        protocol_rng = random.Random(f"{seed}:protocol")
        is_drawn_by_rest = protocol_rng.random() < REST_SHARE
        self.is_by_rest = protocol == "rest" if protocol else is_drawn_by_rest
        if self.is_by_rest:
            draw_rest_faults(drawn, protocol_rng)
        self.plan = drawn if plan is None else plan
        draw = draw_rest_setup if self.is_by_rest else draw_setup
        self.setup = draw(random.Random(f"{seed}:setup"))
        self.network = Network(
            self.clock, self.schedule, self.trace, self.plan, random.Random(f"{seed}:network")
        )
        self.venue = Venue(seed, SYMBOLS, self.clock, self.network)
        reader = RestSentReader if self.is_by_rest else FixSentReader
        self.observations = Observations(self.venue.record, reader)
        self.mirror = Mirror(SYMBOLS)
        self.disk = Disk(self.trace, random.Random(f"{seed}:disk"))
        self.relay = Relay(self.clock, self.disk, self.trace, seed)
        self.taken: list[tuple[Order, int]] = []
        self.run_count = 0
        self.has_explained = False
        """Whether a run that has ended had learned something by REST."""
        self.left: Recovery | None = None
        """What the last run left behind, by its journal."""
        self.lost_orders: set[int] = set()
        """Orders whose placing or replacing stood in what a loss of power took from the journal."""
        self.has_lost_power = False
        """Whether the last run has ended with that."""
        self._run_checkers: list[Checker] = make_run_checkers()
        self._journal_checker = JournalIsTheStream()
        self.settle_s = SETTLE_LIMIT_NS // SECOND_NS
        self.have_orders_moved = True
        self._moved: object = None
        self.before = Before()
        self.stopped_until_ns: dict[int, int] = {}
        """Strategies that breakers allow no new risk, as the engine has it after this event."""
        self.stopped_by_portfolio: frozenset[int] = frozenset()
        """Those of them that wait for room in the portfolio, and for no person."""
        self.latch = WorldLatch()
        self.people = People(self, random.Random(f"{seed}:people"))
        self.is_trading = True
        self._is_crash_armed = False
        self._is_over = False
        self._settle_started_ns = 0
        self._is_helped = False
        self._looks = 0
        self._is_fresh = False
        self._plant = plant
        self.engine = self._start_engine()
        self.checkers = make_checkers(self)
        self.end_checkers = make_end_checkers(self._run_checkers, self._journal_checker)

    def run(self) -> Outcome:
        """Plays the world to its end; ``WorldError`` when something does not hold."""
        try:
            return self._run()
        finally:
            self.disk.close()

    def _run(self) -> Outcome:
        trading_ns = self._rng.randint(3 * SECOND_NS, 8 * SECOND_NS)
        self._plan_market()
        self._plan_faults(trading_ns)
        self.schedule.after(trading_ns, "the network is healed, the engine stops", self._settle)
        while not self._is_over and self.schedule.run_next():
            if self._is_crash_armed and self.engine.has_unsent:
                self.crash(is_in_send=True)
            self.engine.flush()
            self._check()
        self.relay.recover(self.engine)
        for checker in self.end_checkers:
            checker.check(self)
        record = self.observations.record
        return Outcome(
            seed=self.seed,
            events=self.schedule.event_count,
            orders=record.orders,
            fills=record.fills,
            connections=self.observations.connections,
            runs=self.run_count,
            kills=self.people.kills,
            rearms=self.people.rearms,
            has_doubts=bool(self.engine.doubts),
            is_by_rest=self.is_by_rest,
            digest=f"{self.trace.hexdigest()}-{self.engine.state_digest()}-{record.sha256()[:16]}",
        )

    def is_settled(self) -> bool:
        """Whether everything has come to rest."""
        return not self.unsettled_text()

    def unsettled_text(self) -> str:
        """What has not come to rest, in words; empty when all has."""
        engine = self.engine
        missing = []
        if not engine.order_entry.is_active:
            missing.append(f"the order session is {engine.order_transport.state_text}")
        if engine.is_dead:
            missing.append("the engine is dead")
        if not engine.reconciler.is_at_rest and not self.is_excused:
            missing.append("records are being compared")
        missing += [
            f"book {symbol} is {BookState(engine.pipeline.book(index).state).name}"
            for index, symbol in enumerate(self.symbols)
            if engine.pipeline.book(index).state != BookState.LIVE
        ]
        missing += [
            f"{order.client_order_id} is open at the venue"
            for order in self.observations.open_orders.values()
        ]
        missing += [
            f"order {order['order_number']} is {OrderState(int(str(order['state']))).name}"
            for order in engine.pipeline.orders.open_orders()
            # What a lost replace has made of an order is for the person who was asked to look.
            if not (self.is_excused and order["order_number"] in self.lost_orders)
        ]
        return "; ".join(missing)

    def lost_orders_open(self) -> list[Order]:
        """Orders of ours at the venue of which no journal tells any more."""
        return [
            order
            for order in self.observations.open_orders.values()
            if self.has_forgotten(order) and order.status.is_open
        ]

    def has_forgotten(self, order: Order) -> bool:
        """Whether a loss of power has taken from the journal what made the order what it is."""
        return self.observations.number_of_order.get(order.order_id) in self.lost_orders

    @property
    def is_excused(self) -> bool:
        """Whether what was lost with the power may show, because a person was asked to look."""
        return bool(self.lost_orders) and bool(self.engine.doubts)

    def _start_engine(self) -> WorldEngine:
        engine = WorldEngine(
            self.seed,
            self.run_count,
            self.left,
            self.setup,
            self.network,
            self.venue,
            sent=self._note_sent,
            heard=self.mirror.take,
            latch=self.latch,
        )
        self.run_count += 1
        self.engine = engine
        self.observations.begin_run()
        self.relay.attach(engine)
        engine.start()
        if self._plant is not None:
            self._plant(self)
        return engine

    def _note_sent(self, data: bytes, connection: int) -> None:
        self.observations.note_sent(self.engine, data, connection, self.before)

    def answer_counts(self) -> Counter[int]:
        """Answers to orders by REST that have begun to come, by the number of the connection."""
        return self.engine.order_leg.answer_counts

    def _check(self) -> None:
        self.taken = self.observations.follow()
        moved = (self.engine.progress(), self.observations.progress())
        self.have_orders_moved = moved != self._moved
        self._moved = moved
        self.stopped_until_ns = self.engine.stopped_until_ns()
        self.stopped_by_portfolio = (
            self.engine.stopped_by_portfolio() if self.stopped_until_ns else frozenset()
        )
        for checker in self.checkers:
            checker.check(self)
        is_stopped = self.engine.is_stopped_by_breakers
        self.before = Before(
            is_paused=self.engine.is_paused,
            is_behind=is_journal_behind(self.engine),
            is_active=self.engine.order_entry.is_active,
            is_killed=self.people.has_killed,
            stopped_until_ns=self.stopped_until_ns,
            may_reduce=frozenset() if is_stopped else self.stopped_by_portfolio,
            waiting_count=self.engine.order_leg.waiting_count,
        )

    # What happens by itself

    def _plan_market(self) -> None:
        self._repeat(HEARTBEAT_NS, ".beat", self.venue.beat)
        self._repeat(TAKE_NS, ".relay", lambda: self.relay.take(self.engine))
        self._repeat(TICK_NS, ".venue", self.venue.tick)
        self._plan_step()

    def _plan_step(self) -> None:
        if self.is_trading:
            delay_ns = int(self._rng.expovariate(STEPS_PER_SECOND) * SECOND_NS)
            self.schedule.after(delay_ns, "market", self._step)

    def _step(self) -> None:
        self._plan_step()
        self.venue.step()

    def _repeat(self, interval_ns: int, name: str, action: Callable[[], None]) -> None:
        def act() -> None:
            self.schedule.after(interval_ns, name, act)
            action()

        self.schedule.after(interval_ns, name, act)

    def _plan_faults(self, trading_ns: int) -> None:
        plan, rng = self.plan, self._rng
        cut = self.network.cut_any if self.is_by_rest else self.network.cut_some
        kinds = (
            (plan.order_cut_rate, "cut orders", lambda: cut("orders")),
            (plan.feed_cut_rate, "cut feed", lambda: self.network.cut_some("feed")),
            (plan.log_out_rate, "venue logs out", self.venue.log_out),
            (plan.by_hand_rate, "somebody cancels by hand", self._cancel_any),
            (plan.dead_socket_rate, "the socket is dead", self._break_socket),
            (plan.clock_step_rate, "wall clock steps", self._step_clock),
            (plan.stuck_rate, "the relay gets stuck", self._get_stuck),
            (plan.crash_rate, "crash", self._plan_crash),
        )
        self._plan_kinds(kinds, rng, trading_ns)
        self._plan_kinds(self.people.kinds(plan), self.people.rng, trading_ns)

    def _plan_kinds(
        self,
        kinds: tuple[tuple[float, str, Callable[[], None]], ...],
        rng: random.Random,
        trading_ns: int,
    ) -> None:
        for rate, name, action in kinds:
            at_ns = 0.0
            while rate > 0:
                at_ns += rng.expovariate(rate) * SECOND_NS
                if at_ns >= trading_ns:
                    break
                self.schedule.after(int(at_ns), name, action)

    def _step_clock(self) -> None:
        limit_ns = self.plan.clock_step_ns
        self.clock.set_wall(self._rng.randint(-limit_ns, limit_ns))

    def _cancel_any(self) -> None:
        orders = [each for each in self.venue.desk.profile.open_orders() if each.status.is_open]
        if orders:
            self.venue.cancel_by_hand(self._rng.choice(orders))

    def _break_socket(self) -> None:
        if not self.engine.is_dead:
            self.engine.order_transport.break_sends()

    def _get_stuck(self) -> None:
        engine = self.engine
        self.relay.get_stuck(engine)
        delay_ns = self._rng.randrange(STUCK_NS_MAX)
        self.schedule.after(
            delay_ns, "the relay comes to itself", lambda: self.relay.recover(engine)
        )

    def _plan_crash(self) -> None:
        # Half of them in the middle of an event: decided, recorded, not all of it sent.
        if self._rng.random() < 0.5:
            self.crash()
        else:
            self._is_crash_armed = True

    def crash(self, *, is_in_send: bool = False) -> None:
        self._is_crash_armed = False
        if self.engine.is_dead or not is_complete(self.engine):
            return  # with a hole in its journal nobody starts it again without looking
        if is_in_send:
            self.engine.order_transport.crash_in_send(self._rng.random())
        for checker in self._run_checkers:
            checker.check(self)
        self.has_explained |= self.engine.reconciler.has_explained
        is_power_lost = self._rng.random() < POWER_LOSS_SHARE
        if is_power_lost and not self.latch.is_safe:
            self.people.has_killed = False  # begun so late that no disk could have it
        self.engine.crash(is_power_lost=is_power_lost)
        self._look_at_disk(is_power_lost=is_power_lost)
        delay_ns = self._rng.randrange(RESTART_NS_MAX)
        self.schedule.after(delay_ns, "the engine is started again", self._restart)

    def _look_at_disk(self, *, is_power_lost: bool) -> None:
        """What the next run goes by: the journal, with what the rings of a dead process add."""
        self.has_lost_power = is_power_lost
        self.disk.die(is_power_lost=is_power_lost)
        if not is_power_lost:
            self.disk.salvage(self.engine)
            self._journal_checker.check(self)
        kept = self.disk.read(self.engine)
        lost = [each for each in read_orders(self.engine) if each.sequence > kept[-1].sequence]
        self.lost_orders |= orders_requested(lost)
        self.trace.note(f"the journal lacks {len(lost)} records")
        self.left = rebuild(self.engine, kept)

    def _restart(self) -> None:
        engine = self._start_engine()
        if not self.is_trading:
            engine.stop()

    # The end

    def _settle(self) -> None:
        self.plan.heal()
        self._is_crash_armed = False
        self.is_trading = False
        self._settle_started_ns = self.clock.monotonic_ns()
        self.engine.stop()
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        waited_ns = self.clock.monotonic_ns() - self._settle_started_ns
        for order in self.lost_orders_open():
            self.venue.cancel_by_hand(order)  # nobody but a person knows of it
        if waited_ns > HELP_AFTER_NS and not self._is_helped:
            self._is_helped = True
            self.network.cut_some("orders")
        is_at_rest = self.is_settled() and not self.network.in_flight()
        if self.engine.order_entry.is_active and not is_at_rest and self._looks % CANCEL_EVERY == 0:
            self.engine.cancel_all()
        self._looks += self.engine.order_entry.is_active
        if is_at_rest and not self._is_fresh:
            self._is_fresh = True
            self.network.cut_some("feed")
            self.engine.reconciler.session_changed(is_active=True)  # a last look at both records
        elif is_at_rest or waited_ns > SETTLE_LIMIT_NS:
            self._is_over = True
            return
        self.schedule.after(LOOK_EVERY_NS, "stop: is all at rest?", self._wait_for_rest)
