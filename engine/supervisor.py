"""The life of one run: start in order, watch, stop in order, and say what was left behind.

STARTING ─ venue and relay up, logged on, subscribed ─► RUNNING ─ doubt ─► PAUSED
    └──────────── stop asked, venue closed, fatal ─────────┴────────────────┴─► STOPPING
STOPPING: no new risk, cancel all, wait for the confirmations, log out ─► STOPPED
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from control.kill_source import KillSource
from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.exit_codes import ExitCode
from engine.kernel.kernels import FailureLog
from engine.levels.control import Control
from engine.levels.kill_access import note_venue
from engine.loop import LoopCare
from engine.market_data import MarketData
from engine.measured import MeasuredCoroutine
from engine.order_entry import OrderEntry
from engine.paper.paper_entry import PaperEntry, PaperParts
from engine.processes import (
    ChildProcess,
    RelayReady,
    VenueReady,
    VenueSummary,
    read_venue_summary,
    start_relay,
    start_venue,
)
from engine.reconcile.known_trades import KnownTrades, known_trades
from engine.reconcile.reconciler import Reconciler, make_reconciler
from engine.rest.rest_order_entry import RestOrderEntry
from engine.rest.rest_parts import RestOrderParts
from engine.runs.recovery import Recovery
from engine.runs.run_start import Inheritance
from engine.runs.state_hash import hash_state
from engine.safety.breaker_watch import BreakerWatch
from engine.safety.health_breakers import HealthBreakers
from engine.safety.kernel_clock import read_clock_error_ns
from engine.safety.portfolio import PortfolioWatch
from engine.settings.config_metadata import SIMULATOR
from engine.warm.warm_up import WarmUp, warm_up
from ext.busy_poll import BusyPoller
from ext.clock import read_monotonic_ns, read_wall_ns
from ext.errors import ConfigError, LogonRefused, UsageError, WowError
from ext.loop_source import LoopSource
from ext.wire import EngineState, RecordKind
from tuning.affinity import available_cores
from tuning.core_plan import plan_cores

WATCH_INTERVAL_S = 0.01  # timers of strategies are at best this exact
HEARTBEAT_EVERY = 10  # watches
PENDING_EVERY = 100
CANCEL_POLL_S = 0.005
RELAY_RESTART_S = 0.5
FIRST_RECORD_POLL_S = 0.005
FIRST_RECORD_POLLS = 1000
CLOCK_DISTANCE_LOGGED_NS = 1_000_000_000

_log = logging.getLogger("engine.supervisor")


class Supervisor:
    """Runs an arc until it is asked to stop or cannot go on. ``on_progress`` is called at 1 Hz."""

    def __init__(self, arc: Arc, on_progress: Callable[[], None]) -> None:
        self.arc = arc
        self.relay_ready: RelayReady | None = None
        self.venue_summary: VenueSummary | None = None
        self.orders_left: list[dict[str, object]] = []
        self.reason = ""
        self.rearm_reason = ""  # a person has decided so at the start
        self.has_begun = False  # processes and the loop's core are there
        self.has_started = False  # market data too: the level is shown
        self._on_progress = on_progress
        self._clock = EngineClock(arc.memory)
        self._header = arc.memory.header_record()
        self._stop = asyncio.Event()
        self._exit_code = ExitCode.OK
        self._venue: ChildProcess | None = None
        self._relay: ChildProcess | None = None
        self._market_data: MarketData | None = None
        self._order_entry: OrderEntry | RestOrderEntry | PaperEntry | None = None
        self.reconciler: Reconciler | None = None
        self._on_frame: Callable[[int, int], None] | None = None  # of paper mode
        self._known_trades: KnownTrades | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._failures = FailureLog(arc.strategies)
        self._health = HealthBreakers(arc, self._clock_error_ns, self._failures.poll)
        self._portfolio = PortfolioWatch(arc)
        self._is_clock_far = False
        self._is_hole_told = False
        loop = arc.config.loop
        self._poller = BusyPoller(max(loop.spin_count, 1)) if loop.busy_poll else None
        plan = plan_cores(loop.engine_core, arc.config.telemetry.relay_core, available_cores())
        self.loop_care = LoopCare(loop, arc.memory, plan, self._poller, self._poll_orders)
        self._meter = self.loop_care.meter
        self.control = Control(arc, self._clock, self)
        self._breaker_watch = BreakerWatch(
            arc, self.control.show_breakers, self.control.kill_by_breaker
        )

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    def request_stop(self, reason: str, code: ExitCode = ExitCode.OK) -> None:
        """Asks for an orderly stop; the first reason is kept, the worst exit code too."""
        if not self._stop.is_set():
            self.reason = reason
            _log.info("stopping: %s", reason)
        if self._exit_code == ExitCode.OK:
            self._exit_code = code
        self._stop.set()

    def take_up(
        self, inheritance: Inheritance, fresh_reason: str = "", resume_reason: str = ""
    ) -> None:
        """Goes on from the last run: its open orders are asked for, its pause holds until a person
        lifts it with ``resume_reason``."""
        now_ns, pipeline = self._clock.now_ns(), self.arc.pipeline
        if fresh_reason:
            pipeline.resume(now_ns, f"began without the state of earlier runs: {fresh_reason}")
        if inheritance.recovery is not None:
            self._go_on(inheritance.recovery, resume_reason)
        kill_reason = inheritance.recovery.snapshot.kill_reason if inheritance.recovery else ""
        self.control.begin(kill_reason)

    def _go_on(self, recovery: Recovery, resume_reason: str) -> None:
        now_ns, pipeline = self._clock.now_ns(), self.arc.pipeline
        if not resume_reason:  # who resumes has looked at what was traded meanwhile
            self._known_trades = known_trades(recovery.snapshot)
        if pipeline.orders.open_orders():
            count = pipeline.mark_unknown(now_ns)
            _log.warning("%d orders of the last run are Unknown until the venue has told", count)
        reason = recovery.snapshot.pause_reason
        if reason and resume_reason:
            pipeline.resume(now_ns, resume_reason)
            _log.warning("the pause of the last run (%s) was lifted: %s", reason, resume_reason)
        elif reason:
            self.pause(reason)
            _log.error("the last run ended PAUSED and so begins this one; --resume REASON lifts it")
        if resume_reason:
            self._resume_breakers(now_ns, resume_reason)

    def _resume_breakers(self, now_ns: int, reason: str) -> None:
        for index in range(-1, len(self.arc.strategies)):
            self.arc.pipeline.resume_strategy(index, now_ns, reason)

    def pause(self, reason: str) -> None:
        """No new risk until a person has looked; cancels stay allowed."""
        self.control.pause(reason)

    def kill(
        self,
        reason: str,
        source: KillSource = KillSource.KILL_BREAKER,
        inputs: Mapping[str, object] | None = None,
    ) -> None:
        """Everything is cancelled, nothing new leaves until a person rearms: ``docs/control.md``.

        ``inputs`` are the figures that made it necessary; they are journaled and audited.
        """
        self.control.switch.kill(reason, source, inputs)

    # What ``control.Host`` asks for.

    @property
    def is_session_active(self) -> bool:
        """Whether orders can be sent."""
        return self._order_entry is not None and self._order_entry.is_active

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a task; whoever has it ends it."""
        measured = MeasuredCoroutine(coroutine, self._meter, LoopSource.LOOP_BACKGROUND)
        task = asyncio.get_running_loop().create_task(measured)
        task.add_done_callback(self._on_task_end)
        return task

    def abandon_children(self) -> None:
        """The process ends at once: its venue too; the relay drains the ring and ends itself."""
        if self._venue is not None:
            self._venue.stop()

    async def run(self) -> ExitCode:
        """Start, watch, stop; raises what made the start impossible after cleaning up."""
        try:
            await self._start()
            await self._stop.wait()
        finally:
            await self._shut_down()
        return ExitCode.ORDERS_LEFT if self.orders_left else self._exit_code

    async def _start(self) -> None:
        config = self.arc.config
        self.arc.memory.set_state(EngineState.ENGINE_STARTING, "starting")
        await self.loop_care.placement.prepare()
        if config.telemetry.relay:
            self._relay, self.relay_ready = await self._start_relay()
            self._keeper = asyncio.get_running_loop().create_task(self._keep_relay())
        venue: VenueReady | None = None
        if config.simulator.start:
            self._venue, venue = await start_venue(config)
            note_venue(config, venue.rest_url)
        await self.control.connect(venue.rest_url if venue is not None else "")
        self.loop_care.begin(self._warm_up)
        self.has_begun = True
        self._spawn(self._watch(), LoopSource.LOOP_BACKGROUND)
        await self._wait_for_journal()
        self._start_order_entry(venue)
        await self._reconcile(venue)
        if self._stop.is_set():
            return
        self._start_market_data(venue)
        if self.rearm_reason:
            self.control.spawn(lambda: self.control.rearm_at_start(self.rearm_reason))
        self.has_started = True
        self.arc.memory.set_state(EngineState.ENGINE_RUNNING, "running")
        self.control.show()

    async def _wait_for_journal(self) -> None:
        """Returns when the run's first record is on the disk: without it a loss of power would take
        the run with all of its orders, and nobody would know that there was one."""
        if self._relay is None:
            return
        for _ in range(FIRST_RECORD_POLLS):
            if self._header["synced_sequence"][0] > 0 or self._stop.is_set():
                return
            await asyncio.sleep(FIRST_RECORD_POLL_S)
        self.pause("the first record of the run has not reached the disk: see the relay's log")

    def _warm_up(self) -> WarmUp | None:
        if not self.arc.config.loop.warm_up:
            return None
        try:
            return warm_up(self.arc.config, self.arc.strategies)
        except (WowError, OSError) as error:  # cold, the engine is slower and not wrong
            _log.warning("the warm-up failed, the first orders will be slow: %s", error)
            return None

    def _start_order_entry(self, venue: VenueReady | None) -> None:
        if self.arc.paper is not None:
            self._start_paper(self.arc.paper)
            return
        section = self.arc.config.order_entry
        if self.arc.orders is None or section is None:
            return
        if SIMULATOR in (section.port, section.rest_url) and venue is None:
            raise ConfigError('[order_entry] names the "simulator"; set [simulator] start = true')
        if isinstance(self.arc.orders, RestOrderParts):
            is_simulated = venue is not None and section.rest_url == SIMULATOR
            self._order_entry = RestOrderEntry(
                self.arc,
                venue.rest_url if venue is not None and is_simulated else section.rest_url,
                self._clock,
                on_fatal=self._fail,
                on_pause=self.pause,
                meter=self._meter,
            )
            self._spawn(self._order_entry.run(), LoopSource.LOOP_ORDER_SESSION)
            return
        if venue is not None and section.port == SIMULATOR:
            host, port = venue.fix_host, venue.fix_port
        else:
            host, port = section.host, int(section.port or 0)
        self._order_entry = OrderEntry(
            self.arc.config,
            host,
            port,
            self.arc.orders,
            self.arc.pipeline,
            self._clock,
            on_fatal=self._fail,
            on_pause=self.pause,
            on_notices=self._take_notices,
            meter=self._meter,
        )
        self._spawn(self._order_entry.transport.run(), LoopSource.LOOP_ORDER_SESSION)

    def _start_paper(self, parts: PaperParts) -> None:
        entry = PaperEntry(self.arc.pipeline, parts, self.arc.instruments, self._clock)
        entry.start()
        self._order_entry = entry
        self._on_frame = entry.desk.receive_frame
        self._spawn(entry.run(), LoopSource.LOOP_ORDER_SESSION)

    async def _reconcile(self, venue: VenueReady | None) -> None:
        """Returns when the venue's record was compared with ours: no book, no trade before."""
        section = self.arc.config.reconciliation
        entry = self._order_entry
        if entry is None or isinstance(entry, PaperEntry) or section is None or not section.enabled:
            return
        url = section.rest_url
        if url == SIMULATOR:
            if venue is None:
                raise ConfigError("[reconciliation] rest_url: set [simulator] start = true")
            url = venue.rest_url
        rates = entry.rates if isinstance(entry, RestOrderEntry) else None
        self.reconciler = make_reconciler(
            self.arc, url, self._clock, self.pause, self._known_trades, rates
        )
        entry.watcher = self.reconciler
        self._spawn(self.reconciler.run(), LoopSource.LOOP_BACKGROUND)
        await self.reconciler.wait_first(self._stop)

    def _start_market_data(self, venue: VenueReady | None) -> None:
        url = self.arc.config.feed.url
        if url == SIMULATOR:
            if venue is None:
                raise ConfigError('[feed] url is "simulator"; set [simulator] start = true')
            url = venue.feed_url
        self._market_data = MarketData(
            self.arc.config,
            url,
            self.arc.pipeline,
            self._clock,
            on_disconnect=self._on_feed_end,
            on_inconsistent=lambda: self.pause("the quantities of a report cannot be: see the log"),
            meter=self._meter,
            poller=self._poller,
            on_frame=self._on_frame,
        )
        self._spawn(self._market_data.transport.run(), LoopSource.LOOP_FEED_SESSION)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], source: LoopSource) -> None:
        measured = MeasuredCoroutine(coroutine, self._meter, source)
        task = asyncio.get_running_loop().create_task(measured)
        task.add_done_callback(self._on_task_end)
        self._tasks.append(task)

    def _on_task_end(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, LogonRefused):
            self._fail(str(error))
        elif error is not None:
            _log.error("a task of the engine failed", exc_info=error)
            self.request_stop(f"internal error: {error}", ExitCode.INTERNAL)

    def _fail(self, reason: str) -> None:
        self.request_stop(reason, ExitCode.VENUE)

    def _take_notices(self, receive_time_ns: int) -> None:
        if self._market_data is not None:
            self._market_data.take_book_notices(receive_time_ns)

    def _poll_orders(self) -> None:
        if self._order_entry is not None:
            self._order_entry.transport.poll()

    def _on_feed_end(self, reason: str) -> bool:
        # A venue that we started ends its session once, for good.
        if self._venue is not None:
            self.request_stop(f"the venue ended the session ({reason})")
        return not self._stop.is_set()

    async def _watch(self) -> None:
        """Heartbeat, wall clock, timers of strategies, unanswered requests, progress."""
        count = 0
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            count += 1
            now_ns = self._clock.now_ns()
            if not self._stop.is_set():
                self._call_timers(now_ns)
            self._breaker_watch.poll(now_ns)
            self.control.look()
            if count % HEARTBEAT_EVERY == 0:
                self._beat()
                self.arc.pipeline.breakers.show_use(now_ns)
            if count % PENDING_EVERY == 0:
                if self._order_entry is not None:
                    self._order_entry.check_pending(now_ns)
                if self.has_begun and not self._stop.is_set():
                    self._health.poll(now_ns)
                    self._portfolio.poll(now_ns)
                self.control.look_slowly(read_monotonic_ns())
                self._on_progress()
                self.loop_care.check()

    def _call_timers(self, now_ns: int) -> None:
        before = self._meter.enter(LoopSource.LOOP_STRATEGY_TIMERS)
        self.arc.pipeline.call_timers(now_ns)
        self._meter.leave(before)

    def _beat(self) -> None:
        """Shows the other processes that we live; they compare with the host's own clock."""
        self._header["heartbeat_ns"] = read_wall_ns()
        is_far = abs(self._clock.follow()) > CLOCK_DISTANCE_LOGGED_NS
        if is_far and not self._is_clock_far:
            _log.warning("the host's clock was stepped; ours follows slowly")
        self._is_clock_far = is_far
        if self._header["dropped_order_records"][0] and not self._is_hole_told:
            self._is_hole_told = True
            self.pause("order records were lost, the journal has a hole: is wow-relay stuck?")
        elif self.has_started:
            self.control.show()

    def _clock_error_ns(self) -> int:
        return max(read_clock_error_ns(), abs(self._clock.distance_ns))

    async def _start_relay(self) -> tuple[ChildProcess, RelayReady]:
        return await start_relay(self.arc.config, self.loop_care.placement.relay_core)

    async def _keep_relay(self) -> None:
        """Starts the relay again when it ends: without one the ring fills and orders stop.

        Until the next one attaches, what the last one had not stored waits in the rings.
        """
        while self._relay is not None:
            await self._relay.ended()
            if self._stop.is_set():
                return
            _log.error("wow-relay ended; starting it again")
            await asyncio.sleep(RELAY_RESTART_S)
            try:
                self._relay, self.relay_ready = await self._start_relay()
            except (WowError, OSError, msgspec.MsgspecError) as error:
                _log.error("wow-relay cannot be started: %s", error)

    async def _shut_down(self) -> None:
        """Every step is tried whatever the one before it did."""
        self._stop.set()
        if self.reconciler is not None:
            self.reconciler.stop()
        self.arc.pipeline.pause(self._clock.now_ns(), self.reason or "stopping", is_stop=True)
        self.arc.memory.set_state(EngineState.ENGINE_STOPPING, self.reason or "stopping")
        try:
            await self._stop_orders()
        finally:
            if self._market_data is not None:
                self._market_data.transport.stop()
            await self._end_tasks()
            self.loop_care.end()
            self.orders_left = self.arc.pipeline.orders.open_orders()
            if self.arc.orders is not None:
                self.arc.orders.store.close()
            self._record_hash()
            self.arc.memory.set_state(EngineState.ENGINE_STOPPED, self.reason or "stopped")
            await self._end_processes()

    def _record_hash(self) -> None:
        """What a replay of this run has to come to."""
        text = hash_state(self.arc).encode()
        self.arc.memory.write_blob(self._clock.now_ns(), RecordKind.RECORD_STATE_HASH, text)

    async def _stop_orders(self) -> None:
        """Cancels what is open, waits for the venue's word, logs out."""
        if self._order_entry is None:
            return
        orders = self.arc.pipeline.orders
        deadline_ns = self._clock.now_ns() + self.arc.config.stop.cancel_timeout_ms * 1_000_000
        while orders.open_orders() and self._clock.now_ns() < deadline_ns:
            if self._order_entry.is_active:
                self.arc.pipeline.cancel_all(self._clock.now_ns())
            await asyncio.sleep(CANCEL_POLL_S)
        if orders.open_orders():
            _log.error("%d orders are still open or unknown", len(orders.open_orders()))
        timeout_s = self.arc.config.stop.logout_timeout_ms / 1e3
        was_active = self._order_entry.is_active
        with contextlib.suppress(UsageError):
            if not await self._order_entry.transport.logout(timeout_s) and was_active:
                _log.warning("no answer to the logout")

    async def _end_tasks(self) -> None:
        await self.control.close()
        transports = self._tasks[1:]
        if transports:
            await asyncio.wait(transports, timeout=self.arc.config.stop.logout_timeout_ms / 1e3)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end_processes(self) -> None:
        if self._venue is not None:
            self._venue.stop()  # its clients are gone: it has nothing left to do but its summary
            await self._venue.end()
            self.venue_summary = await read_venue_summary(self._venue)
            if self.venue_summary is None and self._exit_code == ExitCode.OK:
                self._exit_code = ExitCode.VENUE
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._relay is not None:
            await self._relay.end()
