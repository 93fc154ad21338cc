"""Keeps the way of an order warm while there is nothing to send: one muted order after the other.

Off the arc, but on its thread: a frame that comes meanwhile waits for the rest of a pulse.
"""

import asyncio
import logging
import time
from typing import Protocol

from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory

MILLISECOND_NS = 1_000_000

_log = logging.getLogger("engine.keep_warm")


class Pulsing(Protocol):
    """What can be driven once more, see ``engine.warm.warm_up``."""

    def pulse(self) -> None:
        """One muted order."""

    def close(self) -> None:
        """It is not needed any more."""


class KeepWarm:
    """Pulses ``warmed`` when ``interval_ms`` have passed without an order of the real arc."""

    def __init__(
        self, warmed: Pulsing, interval_ms: int, memory: SharedMemory, meter: LoopMeter
    ) -> None:
        self._warmed = warmed
        self._interval_ns = interval_ms * MILLISECOND_NS
        self._header = memory.header_record()
        self._meter = meter
        self._due_ns = 0
        self._requests = -1
        self._has_failed = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Pulses by a timer of the loop; with busy poll, ``poll`` is called instead."""
        interval_s = self._interval_ns / 1e9
        self._timer = asyncio.get_running_loop().call_later(interval_s, self._tick)

    def poll(self) -> None:
        """The loop has nothing to do: pulses if it is time."""
        now_ns = time.monotonic_ns()
        if now_ns >= self._due_ns:
            self._pulse()
            self._due_ns = time.monotonic_ns() + self._interval_ns

    def end(self) -> None:
        """Pulses no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._warmed.close()

    def _tick(self) -> None:
        self._pulse()
        self.begin()

    def _pulse(self) -> None:
        requests = int(self._header["requests_sent"][0])
        if requests == self._requests and not self._has_failed:
            before = self._meter.enter(LoopSource.LOOP_BACKGROUND)
            try:
                self._warmed.pulse()
            except Exception:
                self._has_failed = True
                _log.exception("the arc cannot be kept warm; it is not tried again")
            finally:
                self._meter.leave(before)
        self._requests = requests
