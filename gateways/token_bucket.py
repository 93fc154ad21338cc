"""Keeps requests within a rate that somebody else enforces."""

SECOND_NS = 1_000_000_000


class TokenBucket:
    """``rate`` a second on average, ``burst`` at once. Times are monotonic nanoseconds."""

    def __init__(self, rate: int, burst: int) -> None:
        self._interval_ns = -(-SECOND_NS // rate)  # rounded up: never above the rate
        self._burst_ns = burst * self._interval_ns
        self._full_at_ns = 0  # when the bucket is full again

    def reserve(self, now_ns: int) -> int:
        """Takes a token, perhaps one of the future; how long to wait for it, in nanoseconds."""
        self._full_at_ns = max(self._full_at_ns, now_ns) + self._interval_ns
        return max(0, self._full_at_ns - now_ns - self._burst_ns)
