"""The engine's time: the monotonic clock moved to wall time by an offset that only slews.

Receive times, send times and timers all use it, so a step of the host's clock (NTP, an operator)
never makes time jump or go back between a frame and its order.
"""

import numpy as np

from ext.shared_memory import SharedMemory
from gateways.edges import Clock, SystemClock

MAX_SLEW_NS = 50_000  # of the offset, in one call of ``follow``: 500 parts per million at 10 Hz


class EngineClock:
    """Publishes its offset in the shared memory, where the compiled edges read it.

    Implements ``gateways.edges.Clock`` for what is held against times of the engine.
    """

    def __init__(self, memory: SharedMemory, host: Clock | None = None) -> None:
        self._header = memory.header_record()
        self._host = host or SystemClock()
        self._offset_ns = self._host.wall_ns() - self._host.monotonic_ns()
        self.distance_ns = 0
        """To the host's wall clock, when it was followed last."""
        self._publish()

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._host.monotonic_ns() + self._offset_ns

    def wall_ns(self) -> int:
        """The same as ``now_ns``."""
        return self.now_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of the host's clock that never go back."""
        return self._host.monotonic_ns()

    def follow(self) -> int:
        """Slews towards the host's wall clock; the distance that is left, in nanoseconds."""
        distance_ns = self._host.wall_ns() - self._host.monotonic_ns() - self._offset_ns
        step_ns = int(np.clip(distance_ns, -MAX_SLEW_NS, MAX_SLEW_NS))
        self._offset_ns += step_ns
        self._publish()
        self.distance_ns = distance_ns - step_ns
        return self.distance_ns

    def _publish(self) -> None:
        self._header["wall_offset_ns"] = self._offset_ns
