"""Rates: a burst at once, then so many a second, never more saved than the burst."""

from sim.token_bucket import TokenBucket

SECOND_NS = 1_000_000_000


def taken(bucket: TokenBucket, now_ns: int) -> int:
    """Requests that pass at one moment."""
    count = 0
    while bucket.take(now_ns):
        count += 1
    return count


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=15)
    assert taken(bucket, SECOND_NS) == 15
    assert not bucket.take(SECOND_NS + SECOND_NS // 10 - 1)
    assert bucket.take(SECOND_NS + SECOND_NS // 10)
    assert not bucket.take(SECOND_NS + SECOND_NS // 10)


def test_no_more_than_the_burst_is_saved() -> None:
    bucket = TokenBucket(rate=10, burst=15)
    assert taken(bucket, SECOND_NS) == 15
    assert taken(bucket, 100 * SECOND_NS) == 15
