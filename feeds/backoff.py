"""Delays between attempts: doubled after each failure, from the first one again after success."""

from ext.errors import UsageError


class Backoff:
    """Delays in nanoseconds: ``initial``, twice that, … up to ``maximum``.

    An attempt counts as a success only when what it made lasted longer than ``maximum``: a
    venue that accepts and drops at once is not asked at full speed.
    """

    __slots__ = ("_delay_ns", "_initial_ns", "_maximum_ns", "_succeeded_at_ns")

    def __init__(self, initial_ns: int, maximum_ns: int) -> None:
        if not 0 < initial_ns <= maximum_ns:
            raise UsageError(
                f"backoff delays were {initial_ns} and {maximum_ns} ns;"
                " use 0 < initial_ns <= maximum_ns"
            )
        self._initial_ns = initial_ns
        self._maximum_ns = maximum_ns
        self._delay_ns = initial_ns
        self._succeeded_at_ns: int | None = None

    @property
    def maximum_ns(self) -> int:
        """The longest delay."""
        return self._maximum_ns

    def succeeded(self, now_ns: int) -> None:
        """The attempt worked; what it made lasts from now on."""
        if self._succeeded_at_ns is None:
            self._succeeded_at_ns = now_ns

    def next_delay_ns(self, now_ns: int) -> int:
        """The delay before the next attempt, after a failure or the end of a success."""
        if self._succeeded_at_ns is not None and now_ns - self._succeeded_at_ns > self._maximum_ns:
            self._delay_ns = self._initial_ns
        self._succeeded_at_ns = None
        delay_ns = self._delay_ns
        self._delay_ns = min(2 * delay_ns, self._maximum_ns)
        return delay_ns
