"""Warms the arc before the run: code, caches, branch predictors, on the core that it will run on.

Safe by construction: it gets the config and the compiled strategies, and makes everything else for
itself. A second pipeline of the same classes and the same compiled hooks runs over a private shared
memory, private tables, a private session store and copies of the strategies' initial states; its
orders go into a connection whose other end is in this process. No object of the real arc is
reachable from here, so no book, number, file, histogram or record of it can change.

Warm afterwards: the machine code of decoder, book, hooks, gate, order table, encoder, sender, the
report's way back, the kernel's socket code. Not warmed: the cache lines of the live books and
tables (their pages are touched when they are made), picows, TLS, and sessions, whose first messages
run long before the first order. Strategies in plain Python are left out: what they touch besides
their state is not known.

Caches do not stay warm: some milliseconds of quiet, and an order takes as long as a process's first
one. ``KeepWarm`` drives one more frame and order through the same private arc whenever it was quiet
for too long.
"""

import logging
import time
from dataclasses import dataclass

from engine.composition import DECODERS, SELF_TRADE_RULE
from engine.kernel.kernels import CompiledStrategy, compile_strategy
from engine.settings.config import EngineConfig, make_instruments
from engine.warm.warm_up_frames import SUBSTITUTE, frame_maker, has_frames
from engine.warm.warm_up_probe import WarmUpProbe
from engine.warm.warm_up_venue import WarmUpVenue
from ext.clock import read_monotonic_ns, read_wall_ns
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.errors import UsageError
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from ext.tcp_sender import TcpSender
from gateways.fix_dialect import FIXT_BEGIN_STRING

MOMENTS = 600  # of made market data; predictors and caches settle within some hundreds
MOMENT_NS = 100_000_000  # of made time between two: timers and bars come due
OURS, THEIRS = "WARM-UP", "NOWHERE"  # CompIDs of a session that does not exist
# Wide limits: every check runs and no order is held back.
WIDE_LOTS = 1 << 45
WIDE_NOTIONAL = 1 << 60
WIDE_COLLAR_PPM = 1_000_000
MAX_MESSAGES_PER_SECOND = 1_024
STALE_AFTER_NS = 10_000_000_000

_log = logging.getLogger("engine.warm_up")


@dataclass(frozen=True, slots=True)
class WarmUpReport:
    """What the warm-up has driven through its own arc."""

    seconds: float
    frames: int
    requests: int  # that arrived at the other end, and went no further
    fills: int
    is_own_decoder: bool  # False: the venue's frames cannot be made here


class WarmUp:
    """One private arc: ``run`` it once, ``pulse`` it from time to time, then ``close``."""

    def __init__(self, config: EngineConfig, strategies: tuple[CompiledStrategy, ...]) -> None:
        chosen = [strategy for strategy in strategies if strategy.is_compiled]
        used = {strategy.instrument.symbol for strategy in strategies}
        every = make_instruments(config)
        self._instruments = tuple(each for each in every if each.symbol in used) or every[:1]
        self._venue_name = config.feed.venue if has_frames(config.feed.venue) else SUBSTITUTE
        self._is_own_decoder = self._venue_name == config.feed.venue
        table = InstrumentTable()
        for instrument in self._instruments:
            table.add(instrument.symbol, f"{instrument.tick:f}", f"{instrument.lot:f}")
        names = [strategy.name for strategy in chosen] + ["probe"] * len(self._instruments)
        symbols = [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in self._instruments]
        self._memory = SharedMemory(None, symbols, names)
        orders = OrderTable(self._memory, table)
        self._header = self._memory.header_record()
        self._frames: list[bytes] = []
        self._next = 0  # of the frames, the next to be pulsed
        self._now_ns = 0  # made time
        store = SessionStore(None, OURS)
        store.is_active = True
        sender = TcpSender()
        self._venue = WarmUpVenue(sender, store, orders, self._instruments, (OURS, THEIRS))
        gate = RiskGate()
        self._pipeline = Pipeline(
            table,
            DECODERS[self._venue_name](table),
            self._memory,
            self._add_strategies(chosen, gate),
            orders,
            gate,
            encoder=FixOrderEncoder(
                table, orders, FIXT_BEGIN_STRING, OURS, THEIRS, SELF_TRADE_RULE
            ),
            sender=sender,
            store=store,
            step_interval=config.telemetry.step_timing_interval,
            is_conflating=config.feed.conflate,
        )
        self._venue.connect(self._pipeline, FixReportDecoder(table, orders, OURS, THEIRS))

    def run(self, moments: int = MOMENTS) -> WarmUpReport:
        """Drives ``moments`` of made market data through; UsageError for a frame that was refused,
        which is a defect of the frames."""
        started_s = time.monotonic()
        self._now_ns = read_wall_ns()
        # Reports are stamped with the monotonic clock: it starts where the made time does.
        self._header["wall_offset_ns"] = self._now_ns - read_monotonic_ns()
        maker = frame_maker(self._venue_name)(self._instruments)
        self._pipeline.subscribed(self._now_ns)
        for number in range(moments):
            self._now_ns += MOMENT_NS
            frames = list(maker.make(number, self._now_ns))
            self._frames += frames
            for payload in frames:
                self._receive(payload)
            self._venue.answer()
            self._pipeline.call_timers(self._now_ns)
            self._venue.answer()
        self._pipeline.take_notices()
        counters = self._pipeline.counters()
        if any(counters[name] for name in ("bad_frames", "control_frames", "stale_count", "gaps")):
            raise UsageError(f"the warm-up's own frames of {self._venue_name} were refused")
        return WarmUpReport(
            seconds=time.monotonic() - started_s,
            frames=counters["frames"],
            requests=self._venue.messages,
            fills=counters["fills"],
            is_own_decoder=self._is_own_decoder,
        )

    def pulse(self) -> None:
        """One more frame and one more order, and the word on it: some tens of microseconds."""
        self._now_ns += MOMENT_NS
        before = int(self._header["requests_sent"][0])
        self._receive(self._frames[self._next])
        self._next = (self._next + 1) % len(self._frames)
        self._pipeline.call_timers(self._now_ns)
        self._venue.expire(before + 1, int(self._header["requests_sent"][0]))

    def _receive(self, payload: bytes) -> None:
        self._pipeline.receive(payload, self._now_ns)
        self._pipeline.decide(self._now_ns)

    def close(self) -> None:
        """Closes the connection to ourselves."""
        self._venue.close()

    def _add_strategies(self, chosen: list[CompiledStrategy], gate: RiskGate) -> StrategyTable:
        """The strategies with copies of their states, and a probe for each instrument."""
        gate.set_engine_limits(MAX_MESSAGES_PER_SECOND, 0, STALE_AFTER_NS, 0)
        table = StrategyTable()
        place = {each.symbol: index for index, each in enumerate(self._instruments)}
        probes = [compile_strategy(WarmUpProbe, each) for each in self._instruments]
        for index in range(len(self._instruments)):
            gate.set_instrument_limits(index, WIDE_LOTS, WIDE_NOTIONAL, WIDE_COLLAR_PPM, WIDE_LOTS)
        for strategy in [*chosen, *probes]:
            index = place[strategy.instrument.symbol]
            gate.add_strategy(index)
            table.add(
                index,
                strategy.state.copy(),
                strategy.addresses,
                strategy.bar_interval_ns,
                strategy.timer_interval_ns,
                owner=strategy,
            )
        return table


def warm_up(config: EngineConfig, strategies: tuple[CompiledStrategy, ...]) -> WarmUp:
    """Drives a whole private arc, and says in the log what was driven; ``close`` what it returns.

    Raises UsageError, or OSError without a loopback interface.
    """
    warmed = WarmUp(config, strategies)
    try:
        report = warmed.run()
    except BaseException:
        warmed.close()
        raise
    _log.info(
        "warmed up in %.1f s: %d made frames, %d requests that went nowhere, %d fills of them%s",
        report.seconds,
        report.frames,
        report.requests,
        report.fills,
        "" if report.is_own_decoder else f"; no made frames of {config.feed.venue}",
    )
    return warmed
