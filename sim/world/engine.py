"""The engine of a world: production parts, joined as ``engine.composition`` joins them, on the
wires and the clock of the world. What a process loses when it dies goes with this object.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from engine.composition import CANCEL_ON_DISCONNECT, MILLISECOND_NS, SELF_TRADE_RULE, OrderParts
from engine.config import make_instruments, make_limits
from engine.config_schema import EngineConfig
from engine.engine_clock import EngineClock
from engine.market_data import MarketData
from engine.order_entry import OrderEntry
from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.dtypes import ORDER, POSITION
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_sender import CapturingSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from gateways.fix_dialect import FIXT_BEGIN_STRING, CoinbaseExchangeDialect
from gateways.fix_session import FixSession
from gateways.fix_timers import SessionLimits
from sim.world.engine_config import EngineSetup
from sim.world.feed_transport import WorldFeedListener, WorldFeedTransport
from sim.world.network import Network
from sim.world.order_transport import WorldOrderTransport
from sim.world.venue import Venue

WATCH_NS = 20 * MILLISECOND_NS
BEAT_EVERY = 5
PENDING_EVERY = 50
RUN_SEED_BYTES = 8
SENDER_BYTES = 1 << 18
"""Far more than one event of a world makes the engine send."""


class WorldEngine:
    """One run of the engine. ``run`` counts the runs of a world from 0.

    ``orders`` and ``positions`` are live views of its tables, records of ``ext.dtypes``. ``sent``
    gets every order message as it leaves, ``heard`` every market data frame as it comes.
    """

    def __init__(
        self,
        seed: int,
        run: int,
        setup: EngineSetup,
        network: Network,
        venue: Venue,
        *,
        sent: Callable[[bytes], None],
        heard: Callable[[bytes | None], None],
    ) -> None:
        self.run = run
        self.is_dead = False
        self.is_stopping = False
        self.fatal_reason = ""
        self.doubts: list[str] = []
        """Why a person has to look at orders and fills: what a report said."""
        self._network = network
        self._watches = 0
        self._states = [strategy.state.copy() for strategy in setup.strategies]
        for index, state in enumerate(self._states):
            if "random" in (state.dtype.names or ()):
                state["random"] = _digest(seed, run, f"strategy {index}")
        config = setup.config
        self.memory, self.pipeline, parts = _join(config, setup, self._states, seed, run)
        self._requests_sent = self.memory.header_record()["requests_sent"]
        self._reports = self.memory.header_record()["reports"]
        self.clock = EngineClock(self.memory, network.clock)
        self.header = self.memory.header_record()
        self.orders = self.memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.positions = self.memory.region("positions_offset", POSITION, len(self._states))
        self.store = parts.store
        self.session = parts.session
        self._sender = cast(CapturingSender, parts.sender)
        self.order_entry = OrderEntry(
            config,
            "world",
            0,
            parts,
            self.pipeline,
            self.clock,
            on_fatal=self._fail,
            on_pause=self._doubt,
            on_notices=self._take_notices,
            make_transport=cast(Any, functools.partial(WorldOrderTransport, network, venue, sent)),
        )
        self.market_data = MarketData(
            config,
            "ws://world",
            self.pipeline,
            self.clock,
            on_disconnect=lambda reason: True,
            on_inconsistent=lambda: self._doubt("a report is inconsistent"),
            make_transport=cast(Any, functools.partial(WorldFeedTransport, network, venue, heard)),
            make_listener=cast(Any, WorldFeedListener),
        )
        self.order_transport = cast(WorldOrderTransport, self.order_entry.transport)
        self.feed_transport = cast(WorldFeedTransport, self.market_data.transport)

    @property
    def is_paused(self) -> bool:
        """Whether no new risk may leave."""
        return self.pipeline.gate.is_paused

    @property
    def has_unsent(self) -> bool:
        """Whether the compiled path has sent something that nobody has passed on yet."""
        return not self.is_dead and self._sender.size > 0

    def start(self) -> None:
        """Connects both legs and begins to watch."""
        self.order_transport.start()
        self.feed_transport.start()
        self._plan_watch()

    def pause(self, reason: str) -> None:
        """No new risk until a person has looked, as ``engine.supervisor`` does it."""
        self.pipeline.pause(self.clock.now_ns(), reason)
        self._network.trace.note(f"engine is PAUSED: {reason}")

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
        self.order_transport.abandon(is_cut=is_power_lost)
        self.feed_transport.abandon()

    def state_digest(self) -> str:
        """Hash of orders, positions and what the strategies remember: equal runs, equal hashes."""
        parts = (self.orders.tobytes(), self.positions.tobytes())
        states = (state.tobytes() for state in self._states)
        return hashlib.blake2b(b"".join((*parts, *states)), digest_size=16).hexdigest()

    def _doubt(self, reason: str) -> None:
        self.doubts.append(reason)
        self.pause(reason)

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
        if not self.is_stopping:
            self.pipeline.call_timers(now_ns)
        self.flush()
        self.feed_transport.tick()
        self.order_transport.tick()
        if self._watches % BEAT_EVERY == 0:
            self.clock.follow()
            if self.header["dropped_order_records"][0] and not self.is_paused:
                self.pause("order records were lost")
        if self._watches % PENDING_EVERY == 0:
            self.order_entry.check_pending(now_ns)
        self.flush()


def _digest(seed: int, run: int, what: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{run}:{what}".encode(), digest_size=RUN_SEED_BYTES)
    return int.from_bytes(digest.digest(), "little", signed=True)


def _join(
    config: EngineConfig, setup: EngineSetup, states: list[np.ndarray], seed: int, run: int
) -> tuple[SharedMemory, Pipeline, OrderParts]:
    instruments = make_instruments(config)
    table = InstrumentTable()
    for instrument in instruments:
        table.add(instrument.symbol, f"{instrument.tick:f}", f"{instrument.lot:f}")
    names = [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in instruments]
    memory = SharedMemory(None, names, [each.name for each in setup.strategies])
    run_seed = _digest(seed, run, "client ids").to_bytes(RUN_SEED_BYTES, "little", signed=True)
    orders = OrderTable(memory, table, run_seed)
    strategies, gate = StrategyTable(), _make_gate(config)
    for strategy, state in zip(setup.strategies, states, strict=True):
        gate.add_strategy(strategy.instrument.index)
        strategies.add(
            strategy.instrument.index,
            state,
            strategy.addresses,
            strategy.bar_interval_ns,
            strategy.timer_interval_ns,
            owner=strategy,
            persistent=strategy.persistent,
        )
    parts = _make_order_parts(config, table, orders)
    section = config.order_entry
    assert section is not None
    pipeline = Pipeline(
        table,
        CoinbaseExchangeFeed(table),
        memory,
        strategies,
        orders,
        gate,
        encoder=FixOrderEncoder(
            table,
            orders,
            FIXT_BEGIN_STRING,
            section.key.reveal(),
            section.target_comp_id,
            SELF_TRADE_RULE,
        ),
        sender=parts.sender,
        store=parts.store,
        step_interval=0,
        is_conflating=config.feed.conflate,
        is_recording=True,
    )
    return memory, pipeline, parts


def _make_gate(config: EngineConfig) -> RiskGate:
    gate, risk = RiskGate(), config.risk
    gate.set_engine_limits(
        risk.max_orders_per_second,
        risk.cancel_reserve,
        risk.stale_after_ms * MILLISECOND_NS,
        risk.duplicate_window_ms * MILLISECOND_NS,
        risk.max_feed_delay_ms * MILLISECOND_NS,
    )
    for index, limits in enumerate(make_limits(config)):
        gate.set_instrument_limits(
            index,
            limits.max_order_lots,
            limits.max_order_notional_steps,
            limits.price_collar_parts_per_million,
            limits.max_position_lots,
        )
    return gate


def _make_order_parts(
    config: EngineConfig, table: InstrumentTable, orders: OrderTable
) -> OrderParts:
    section = config.order_entry
    assert section is not None
    key = section.key.reveal()
    store = SessionStore(None, f"{config.engine.name}:{section.target_comp_id}")
    dialect = CoinbaseExchangeDialect(
        key,
        section.secret.reveal(),
        section.passphrase.reveal(),
        target=section.target_comp_id,
        heartbeat_s=section.heartbeat_seconds,
        cancel_on_disconnect=CANCEL_ON_DISCONNECT[section.cancel_on_disconnect],
    )
    limits = SessionLimits(
        logon_timeout_ns=section.logon_timeout_ms * MILLISECOND_NS,
        sending_time_limit_ns=section.sending_time_limit_ms * MILLISECOND_NS or None,
        resend_age_limit_ns=section.resend_age_limit_ms * MILLISECOND_NS,
    )
    return OrderParts(
        session=FixSession(dialect, store, limits=limits),
        store=store,
        sender=cast(Any, CapturingSender(SENDER_BYTES)),
        decoder=FixReportDecoder(table, orders, key, section.target_comp_id),
    )
