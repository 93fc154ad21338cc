"""The time of a world: a monotonic clock that moves from event to event, and two wall clocks."""

from sim.generated import EPOCH_NS

START_MONOTONIC_NS = 1_000_000_000_000
"""Monotonic time of the start: not 0, which stands for "never" in places."""


class WorldClock:
    """Implements ``gateways.edges.Clock`` for the engine's host, and tells the venue's time.

    The host's wall clock may be stepped (``set_wall``), as an operator or NTP does; the venue's
    never is, and the monotonic one never goes back.
    """

    def __init__(self) -> None:
        self._monotonic_ns = START_MONOTONIC_NS
        self._step_ns = 0

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return self._monotonic_ns

    def wall_ns(self) -> int:
        """The engine host's wall clock, nanoseconds since the Unix epoch."""
        return self.venue_ns() + self._step_ns

    def venue_ns(self) -> int:
        """The venue's wall clock, nanoseconds since the Unix epoch."""
        return EPOCH_NS + self._monotonic_ns - START_MONOTONIC_NS

    def advance_to(self, monotonic_ns: int) -> None:
        """Moves on to a time that is now or later."""
        self._monotonic_ns = max(self._monotonic_ns, monotonic_ns)

    def set_wall(self, off_by_ns: int) -> None:
        """Steps the wall clock of the engine's host, so that it is off by so much."""
        self._step_ns = off_by_ns
