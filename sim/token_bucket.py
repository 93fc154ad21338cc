"""Request rates of the venue: so many tokens a second, saved up to a burst."""

from sim.times import NS_PER_SECOND


class TokenBucket:
    """``rate`` requests a second, ``burst`` at once. Times are monotonic nanoseconds."""

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._time_ns = 0

    def take(self, now_ns: int) -> bool:
        """Takes one token; False when there is none, and none is taken."""
        if self._time_ns:
            earned = (now_ns - self._time_ns) * self._rate / NS_PER_SECOND
            self._tokens = min(float(self._burst), self._tokens + earned)
        self._time_ns = now_ns
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
