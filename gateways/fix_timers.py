"""The timers of a FIX session: when a heartbeat, a TestRequest or the end is due.

All times are monotonic nanoseconds. What was sent and received last stands in the store, because
the compiled path sends and receives too.
"""

from dataclasses import dataclass

from gateways.fix_message import NANOSECONDS_PER_SECOND
from gateways.session import SessionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Times of a session, in nanoseconds; None turns a check off.

    ``sending_time_limit_ns``: how far SendingTime(52) of the peer may be from our wall clock.
    ``resend_age_limit_ns``: a new order or replace older than this is gap filled, not repeated.
    ``resend_retry_ns``: an open ResendRequest that nothing answers is repeated after this.
    """

    logon_timeout_ns: int = 10 * NANOSECONDS_PER_SECOND
    logout_timeout_ns: int = 10 * NANOSECONDS_PER_SECOND
    resend_retry_ns: int = 30 * NANOSECONDS_PER_SECOND
    sending_time_limit_ns: int | None = 120 * NANOSECONDS_PER_SECOND
    resend_age_limit_ns: int | None = 2 * NANOSECONDS_PER_SECOND


class SessionTimers:
    """One deadline for an awaited answer, and the watch over silence in both directions."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._heartbeat_ns = 0
        self._test_id = b""
        self._test_sent_ns = 0
        self.deadline_ns: int | None = None

    def start_watch(self, heartbeat_s: int) -> None:
        """HeartBtInt(108) of the Logon answer; 0: nothing is watched."""
        self._heartbeat_ns = heartbeat_s * NANOSECONDS_PER_SECOND
        self._test_id = b""
        self._test_sent_ns = 0

    def is_overdue(self, now_ns: int) -> bool:
        """Whether the awaited answer has not come in time."""
        return self.deadline_ns is not None and now_ns >= self.deadline_ns

    def is_heartbeat_due(self, now_ns: int) -> bool:
        """Whether nothing was sent for HeartBtInt (4.a)."""
        return self._heartbeat_ns > 0 and now_ns - self._store.last_sent_ns >= self._heartbeat_ns

    def is_silent(self, now_ns: int) -> bool:
        """Whether nothing came for HeartBtInt + 20 % (6) since the last message or TestRequest."""
        return self._heartbeat_ns > 0 and now_ns >= self._silence_ends_ns()

    def is_test_unanswered(self) -> bool:
        """Whether nothing at all has come since the last TestRequest."""
        return self._test_sent_ns > self._store.last_received_ns

    def open_test(self, test_id: bytes, now_ns: int) -> None:
        """A TestRequest goes out with this TestReqID(112)."""
        self._test_id = test_id
        self._test_sent_ns = now_ns

    def closes_test(self, test_id: bytes | None) -> bool:
        """Whether a Heartbeat's TestReqID(112) answers the open TestRequest; then it is closed."""
        if not self._test_id or test_id != self._test_id:
            return False
        self._test_id = b""
        return True

    def watch_deadlines_ns(self) -> list[int]:
        """When the next heartbeat and the end of silence are due; empty without heartbeats."""
        if not self._heartbeat_ns:
            return []
        return [self._store.last_sent_ns + self._heartbeat_ns, self._silence_ends_ns()]

    def _silence_ends_ns(self) -> int:
        latest_ns = max(self._store.last_received_ns, self._test_sent_ns)
        return latest_ns + self._heartbeat_ns * 6 // 5
