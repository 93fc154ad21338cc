"""Breakers of the engine's health: what a clock, a count or a session says, not fills and ticks.

Looked at once a second with the time as an argument. What they decide goes into the arc as a
command, which is recorded, so that a replay has it too.

    well ─ beyond its limit for ``consistent_looks`` ─► the engine is PAUSED by that Breaker
      ▲                                                                │
      └─ all well for ``resume_after_seconds``, if that is set ────────┘
"""

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.composition import Arc
from engine.safety.breaker_limits import ENGINE, SECOND_NS
from engine.settings.config_breakers import BreakersSection
from ext.dtypes import BOOK_VIEW, BREAKER_STATE
from ext.latency_histogram import percentiles_ns
from ext.safety_records import Breaker, BreakerLevel
from ext.wire import BookState, SessionState, Step

WARN_SHARE = 0.7
QUANTILE = 0.99
ERROR_COUNTERS = ("bad_frames", "unknown_reports", "failed_sends")

_log = logging.getLogger("engine.breakers")


@dataclass(frozen=True, slots=True)
class Reading:
    """One value beside its limit, in the same unit."""

    cause: Breaker
    what: str
    value: float
    limit: float

    @property
    def share(self) -> float:
        """Of the limit; 0 where there is none."""
        return self.value / self.limit if self.limit else 0.0


class HealthBreakers:
    """Pauses the engine by the limits of ``[breakers]``; ``poll`` about once a second.

    ``clock_error_ns`` gives the error of the host's clock, ``failures`` the hooks that have raised
    since the start.
    """

    def __init__(
        self, arc: Arc, clock_error_ns: Callable[[], int], failures: Callable[[], int]
    ) -> None:
        self._arc = arc
        self._limits: BreakersSection = arc.config.breakers
        self._clock_error_ns = clock_error_ns
        self._failures = failures
        self._header = arc.memory.header_record()
        self._state = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1)[
            -1:
        ]
        self._looks: dict[Breaker, int] = {}
        self._is_warned: set[Breaker] = set()
        self._well_since_ns = 0
        self._histograms: dict[Step, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self._errors: deque[tuple[int, int]] = deque()  # time, errors since the start
        self._down_since_ns: dict[str, int] = {}

    def poll(self, now_ns: int) -> None:
        """Looks at everything once."""
        readings = self.read(now_ns)
        for reading in readings:
            self._judge(reading, now_ns)
        for reading in readings:
            use = self._state["use_permille"][0]
            use[reading.cause] = round(
                1000 * max(each.share for each in readings if each.cause == reading.cause)
            )
        if any(reading.share >= 1 for reading in readings):
            self._well_since_ns = now_ns
        self._resume(now_ns)

    def read(self, now_ns: int) -> list[Reading]:
        """All values that have a limit, now."""
        limits = self._limits
        readings = [
            self._latency(Step.STEP_TICK_TO_ORDER, limits.max_tick_to_order_us * 1000),
            self._latency(Step.STEP_ACKNOWLEDGE, limits.max_acknowledge_ms * 1_000_000),
            self._error_rate(now_ns),
            *self._outages(now_ns),
        ]
        if limits.max_clock_error_ms:
            error_ms = self._clock_error_ns() / 1e6
            readings.append(
                Reading(
                    Breaker.BREAKER_CLOCK_OFFSET,
                    "clock error in ms",
                    error_ms,
                    limits.max_clock_error_ms,
                )
            )
        return [each for each in readings if each.limit > 0]

    def _judge(self, reading: Reading, now_ns: int) -> None:
        if reading.share < 1:
            self._looks[reading.cause] = 0
            self._warn(reading)
            return
        looks = self._looks.get(reading.cause, 0) + 1
        self._looks[reading.cause] = looks
        if looks < self._limits.consistent_looks or self._is_stopped():
            return
        inputs = {
            "breaker": reading.cause.name.removeprefix("BREAKER_").lower(),
            "what": reading.what,
            "value": reading.value,
            "limit": reading.limit,
            "looks": looks,
        }
        _log.error("%s was %.6g, the limit is %.6g", reading.what, reading.value, reading.limit)
        text = json.dumps(inputs, sort_keys=True)
        self._arc.pipeline.pause_strategy(ENGINE, reading.cause, now_ns, text)

    def _warn(self, reading: Reading) -> None:
        if reading.share < WARN_SHARE:
            self._is_warned.discard(reading.cause)
        elif reading.cause not in self._is_warned:
            self._is_warned.add(reading.cause)
            _log.warning(
                "%s is %.6g, %.0f %% of its limit %.6g",
                reading.what,
                reading.value,
                reading.share * 100,
                reading.limit,
            )

    def _resume(self, now_ns: int) -> None:
        after_ns = self._limits.resume_after_seconds * SECOND_NS
        cause = int(self._state["cause"][0])
        is_ours = Breaker.BREAKER_ERROR_RATE <= cause <= Breaker.BREAKER_VENUE_OUTAGE
        if not after_ns or not is_ours or not self._is_stopped():
            return
        if now_ns - self._well_since_ns >= after_ns:
            text = f"all was well for {self._limits.resume_after_seconds} s"
            self._arc.pipeline.resume_strategy(ENGINE, now_ns, text, cause)

    def _is_stopped(self) -> bool:
        return int(self._state["level"][0]) >= BreakerLevel.BREAKER_PAUSED

    def _latency(self, step: Step, limit_ns: int) -> Reading:
        """p99 of what was counted since the last look; nothing counted is no latency."""
        counts = self._arc.memory.histogram(step)
        last = self._histograms.get(step)
        self._histograms[step] = counts
        fresh = counts if last is None or (counts < last).any() else counts - last
        value = percentiles_ns(fresh, (QUANTILE,))[0] if fresh.any() else 0
        name = step.name.removeprefix("STEP_").lower().replace("_", " ")
        return Reading(Breaker.BREAKER_LATENCY, f"p99 of {name} in ns", value, limit_ns)

    def _error_rate(self, now_ns: int) -> Reading:
        total = self._failures() + sum(int(self._header[name][0]) for name in ERROR_COUNTERS)
        self._errors.append((now_ns, total))
        begin_ns = now_ns - self._limits.errors_window_seconds * SECOND_NS
        while len(self._errors) > 1 and self._errors[1][0] <= begin_ns:
            self._errors.popleft()
        count = total - self._errors[0][1]
        seconds = self._limits.errors_window_seconds
        return Reading(
            Breaker.BREAKER_ERROR_RATE, f"errors in {seconds} s", count, self._limits.max_errors
        )

    def _outages(self, now_ns: int) -> list[Reading]:
        arc = self._arc
        is_down = {}
        if arc.orders is not None:
            state = int(self._header["order_session_state"][0])
            is_down["order session"] = state != SessionState.SESSION_ACTIVE
        books = arc.memory.region("books_offset", BOOK_VIEW, len(arc.instruments))
        for instrument in {strategy.instrument.index for strategy in arc.strategies}:
            is_live = int(books[instrument]["state"]) == BookState.LIVE
            is_down[f"book {arc.instruments[instrument].symbol}"] = not is_live
        readings = []
        for what, is_it in is_down.items():
            since_ns = self._down_since_ns.setdefault(what, now_ns)
            if not is_it:
                del self._down_since_ns[what]
                since_ns = now_ns
            readings.append(
                Reading(
                    Breaker.BREAKER_VENUE_OUTAGE,
                    f"seconds that the {what} is down",
                    (now_ns - since_ns) / SECOND_NS,
                    self._limits.max_outage_seconds,
                )
            )
        return readings
