"""FLATTEN: works every position to zero, in slices, inside a collar, through the risk gate.

    begin ─ cancel what rests ─► each position: slice (immediate or cancel) ─ report ─ wait ─ slice
          └ nothing held ─► done          └ zero ─► done      └ time is over ─► says what is left

It is no market order and no panic: each slice is a limit order at the best price of the other side,
worsened by ``[flatten] collar_percent`` at most, no larger than ``slice_percent`` of the largest
order that the instrument allows. An order goes out only against a LIVE book, while nothing of that
strategy is open, and only if it lowers the position (``Pipeline.flatten``). What it decides is
recorded as an input: a replay repeats the orders without this file.
"""

import logging
from collections.abc import Awaitable, Callable

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.settings.config import make_limits
from ext.dtypes import POSITION
from ext.wire import BookState, Verdict

LOOK_S = 0.01

_log = logging.getLogger("engine.flatten")
_MILLISECOND_NS = 1_000_000
_SECOND_NS = 1_000_000_000


class Flatten:
    """One at a time; ``begin``, then ``run`` to the end."""

    def __init__(self, arc: Arc, clock: EngineClock) -> None:
        self.is_running = False
        self.orders_sent = 0
        self._arc = arc
        self._clock = clock
        self._section = arc.config.flatten
        self._limits = make_limits(arc.config)
        self._next_ns: dict[int, int] = {}
        self._told: dict[int, Verdict] = {}

    def begin(self) -> str:
        """Cancels what rests; what is held, in words; empty: nothing, and there is no need to
        ``run``."""
        self._arc.pipeline.cancel_all(self._clock.now_ns())
        self._next_ns.clear()
        self._told.clear()
        self.orders_sent = 0
        self.is_running = bool(self._held() or self._arc.pipeline.orders.open_orders())
        return self.describe() or ("open orders are being cancelled" if self.is_running else "")

    async def run(
        self, sleep: Callable[[float], Awaitable[None]], must_end: Callable[[], bool]
    ) -> str:
        """Until all is flat, the time is over or ``must_end``; how it ended, in words."""
        deadline_ns = self._clock.now_ns() + self._section.timeout_seconds * _SECOND_NS
        try:
            while not must_end() and self._clock.now_ns() < deadline_ns:
                if not self._held() and not self._arc.pipeline.orders.open_orders():
                    return f"flat, with {self.orders_sent} orders"
                self.step()
                await sleep(LOOK_S)
        finally:
            self.is_running = False
        why = "cut short" if must_end() else f"after {self._section.timeout_seconds} s"
        return f"NOT FLAT {why}: {self.describe() or 'orders are open'}"

    def step(self) -> None:
        """At most one order for each position that may have one now."""
        now_ns = self._clock.now_ns()
        for strategy, lots in self._held().items():
            if now_ns >= self._next_ns.get(strategy, 0) and not self._has_open(strategy):
                self._next_ns[strategy] = now_ns + self._section.interval_ms * _MILLISECOND_NS
                self._send(strategy, lots, now_ns)

    def describe(self) -> str:
        """What is held, in the instruments' own units."""
        parts = []
        for index, lots in self._held().items():
            strategy = self._arc.strategies[index]
            quantity = strategy.instrument.format_quantity(lots)
            parts.append(f"{quantity} {strategy.instrument.symbol} ({strategy.name})")
        return ", ".join(parts)

    def _send(self, strategy: int, lots: int, now_ns: int) -> None:
        instrument = self._arc.strategies[strategy].instrument.index
        price_ticks = self._price(instrument, is_sell=lots > 0)
        if price_ticks <= 0:
            return  # no LIVE book, nothing to hold a price against
        largest = int(self._limits[instrument].max_order_lots * self._section.slice_percent / 100)
        quantity_lots = min(abs(lots), max(1, largest))
        verdict = Verdict(self._arc.pipeline.flatten(strategy, price_ticks, quantity_lots, now_ns))
        self.orders_sent += verdict == Verdict.ACCEPTED
        if verdict not in (Verdict.ACCEPTED, self._told.get(strategy)):
            name = self._arc.strategies[strategy].name
            _log.warning("FLATTEN of %s: the gate says %s", name, verdict.name.lower())
        self._told[strategy] = verdict

    def _price(self, instrument: int, *, is_sell: bool) -> int:
        book = self._arc.pipeline.book(instrument)
        best = book.best_bid() if is_sell else book.best_ask()
        if book.state != BookState.LIVE or best is None:
            return 0
        best_ticks = best[0]
        away_ticks = int(best_ticks * self._section.collar_percent / 100)
        return best_ticks - away_ticks if is_sell else best_ticks + away_ticks

    def _held(self) -> dict[int, int]:
        """Lots of each strategy that holds any."""
        positions = self._arc.memory.region(
            "positions_offset", POSITION, max(1, len(self._arc.strategies))
        )
        return {
            index: int(positions[index]["position_lots"])
            for index in range(len(self._arc.strategies))
            if positions[index]["position_lots"]
        }

    def _has_open(self, strategy: int) -> bool:
        return any(
            order["strategy"] == strategy for order in self._arc.pipeline.orders.open_orders()
        )
