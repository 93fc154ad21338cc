"""What the sessions of all venues share: silence, resync with backoff, deadlines, bad use."""

import itertools

import pytest

from ext.errors import UsageError
from ext.wire import SessionState, StaleReason
from feeds.coinbase_exchange import CoinbaseExchangeSession
from feeds.notices import ProductSilent, ReconnectNeeded, ResyncSent
from feeds.session import MILLISECOND_NS, NEVER_NS, SECOND_NS, FeedTiming, SyncState

NOW_NS = 1_789_299_703 * SECOND_NS
TIMING = FeedTiming(
    silence_limit_ns=5 * SECOND_NS,
    product_silence_limit_ns=3 * SECOND_NS,
    subscribe_timeout_ns=10 * SECOND_NS,
    snapshot_timeout_ns=15 * SECOND_NS,
    resync_initial_ns=100 * MILLISECOND_NS,
    resync_maximum_ns=400 * MILLISECOND_NS,
)
CONFIRMATION = (
    b'{"type":"subscriptions","channels":['
    b'{"name":"level2","product_ids":["BTC-USD","ETH-USD"]},'
    b'{"name":"matches","product_ids":["BTC-USD","ETH-USD"]},'
    b'{"name":"heartbeat","product_ids":["BTC-USD","ETH-USD"]}]}'
)


def make_active() -> CoinbaseExchangeSession:
    session = CoinbaseExchangeSession(["BTC-USD", "ETH-USD"], None, timing=TIMING)
    session.connected(NOW_NS)
    session.receive(CONFIRMATION, NOW_NS)
    for symbol in session.symbols:
        session.book_is_live(symbol, NOW_NS)
    session.bytes_to_send()
    session.notices()
    assert session.state == SessionState.SESSION_ACTIVE
    return session


def tick(session: CoinbaseExchangeSession, now_ns: int) -> int:
    """Ticks a connection on which something was just heard: the number of messages."""
    session.heard(now_ns)
    session.tick(now_ns)
    return len(session.bytes_to_send())


def test_nothing_is_due_before_the_connection() -> None:
    session = CoinbaseExchangeSession(["BTC-USD"], None)
    assert session.next_deadline_ns() == NEVER_NS
    session.tick(NOW_NS)
    assert (session.bytes_to_send(), session.notices()) == ([], [])


def test_silent_connection_is_given_up_once() -> None:
    session = make_active()
    limit_ns = NOW_NS + TIMING.silence_limit_ns
    assert session.next_deadline_ns() == limit_ns + 1
    session.tick(limit_ns)
    assert session.notices() == []
    session.tick(limit_ns + 1)
    assert session.notices() == [ReconnectNeeded("no frame for 5.0 s")]
    session.tick(limit_ns + SECOND_NS)
    assert session.notices() == [], "told twice"


def test_frames_keep_the_connection() -> None:
    session = make_active()
    session.heard(NOW_NS + 4 * SECOND_NS)
    session.heard(NOW_NS)  # an older time must not take it back
    session.tick(NOW_NS + 9 * SECOND_NS)
    assert session.notices() == []
    session.tick(NOW_NS + 9 * SECOND_NS + 1)
    assert len(session.notices()) == 1


def test_silent_product_goes_stale_and_is_resynced() -> None:
    session = make_active()
    session.product_heard("ETH-USD", NOW_NS)
    silent_ns = NOW_NS + TIMING.product_silence_limit_ns + 1
    assert session.next_deadline_ns() == silent_ns
    assert tick(session, silent_ns - 1) == 0
    assert session.notices() == []
    assert tick(session, silent_ns) == 0
    assert session.notices() == [ProductSilent("ETH-USD", TIMING.product_silence_limit_ns + 1)], (
        "BTC-USD was never heard: its watchdog does not run yet"
    )
    session.book_went_stale("ETH-USD", StaleReason.SILENCE, silent_ns)  # the engine's echo
    assert tick(session, silent_ns + TIMING.resync_initial_ns) == 2
    assert session.notices() == [ResyncSent("ETH-USD", 1, "SILENCE")]


def test_product_that_is_heard_stays_live() -> None:
    session = make_active()
    for second in range(10):
        session.product_heard("ETH-USD", NOW_NS + second * SECOND_NS)
        assert tick(session, NOW_NS + second * SECOND_NS) == 0
    assert session.book_state("ETH-USD") is SyncState.LIVE
    assert session.notices() == []


def test_missing_snapshot_after_the_subscribe_is_asked_for_again() -> None:
    session = make_active()
    session.connected(NOW_NS)
    session.receive(CONFIRMATION, NOW_NS)
    session.bytes_to_send()
    session.notices()
    session.book_is_live("BTC-USD", NOW_NS)
    late_ns = NOW_NS + TIMING.snapshot_timeout_ns
    assert tick(session, late_ns - 1) == 0
    assert tick(session, late_ns) == 0
    assert tick(session, late_ns + TIMING.resync_initial_ns) == 2
    assert session.notices() == [ResyncSent("ETH-USD", 1, "no snapshot in time")]


def test_book_that_never_recovers_is_asked_for_with_growing_delays() -> None:
    session = make_active()
    sent_at_ms: list[int] = []
    for elapsed_ms in range(0, 2_000, 10):
        now_ns = NOW_NS + elapsed_ms * MILLISECOND_NS
        session.book_went_stale("BTC-USD", StaleReason.LEVELS_FULL, now_ns)
        if tick(session, now_ns):
            sent_at_ms.append(elapsed_ms)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent_at_ms)]
    assert sent_at_ms[0] == 100
    assert gaps[:2] == [210, 410], "200 and 400 ms after the next stale report, 10 ms later"
    assert set(gaps[2:]) == {410}
    attempts = [notice.attempt for notice in session.notices() if isinstance(notice, ResyncSent)]
    assert attempts == list(range(1, len(sent_at_ms) + 1))


def test_stale_again_while_waiting_does_not_postpone_the_resync() -> None:
    session = make_active()
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, NOW_NS)
    session.book_went_stale("BTC-USD", StaleReason.BAD_FRAME, NOW_NS + 90 * MILLISECOND_NS)
    assert session.next_deadline_ns() == NOW_NS + 100 * MILLISECOND_NS
    assert tick(session, NOW_NS + 100 * MILLISECOND_NS) == 2


def test_book_that_recovers_by_itself_is_not_asked_for() -> None:
    session = make_active()
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, NOW_NS)
    session.book_is_live("BTC-USD", NOW_NS + MILLISECOND_NS)
    assert tick(session, NOW_NS + SECOND_NS) == 0


def test_lasting_recovery_starts_the_backoff_over() -> None:
    session = make_active()
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, NOW_NS)
    tick(session, NOW_NS + 100 * MILLISECOND_NS)
    session.book_is_live("BTC-USD", NOW_NS + 200 * MILLISECOND_NS)
    stale_ns = NOW_NS + 200 * MILLISECOND_NS + TIMING.resync_maximum_ns + 1
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, stale_ns)
    assert session.next_deadline_ns() == stale_ns + TIMING.resync_initial_ns


def test_disconnected_sends_nothing_and_connected_starts_afresh() -> None:
    session = make_active()
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, NOW_NS)
    session.disconnected()
    session.book_went_stale("ETH-USD", StaleReason.DISCONNECTED, NOW_NS)
    session.tick(NOW_NS + SECOND_NS)
    assert (session.bytes_to_send(), session.notices()) == ([], [])
    session.connected(NOW_NS + 2 * SECOND_NS)
    assert len(session.bytes_to_send()) == 1
    assert session.book_state("BTC-USD") is SyncState.SYNCING
    assert session.book_state("ETH-USD") is SyncState.SYNCING


def test_products_due_together_share_one_resync() -> None:
    session = make_active()
    for symbol in session.symbols:
        session.book_went_stale(symbol, StaleReason.BAD_FRAME, NOW_NS)
    assert tick(session, NOW_NS + TIMING.resync_initial_ns) == 2


@pytest.mark.parametrize("symbols", [[], ["BTC-USD", "BTC-USD"]])
def test_bad_symbols_are_refused(symbols: list[str]) -> None:
    with pytest.raises(UsageError, match="at least one, none twice"):
        CoinbaseExchangeSession(symbols, None)


def test_unknown_symbol_is_refused_with_the_known_ones() -> None:
    session = make_active()
    with pytest.raises(UsageError, match="symbol was 'DOGE-USD'; the session has BTC-USD, ETH"):
        session.book_is_live("DOGE-USD", NOW_NS)


def test_timing_must_be_positive() -> None:
    with pytest.raises(UsageError, match="silence_limit_ns was 0"):
        FeedTiming(silence_limit_ns=0)
