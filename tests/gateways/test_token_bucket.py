"""Our side of a rate: a burst at once, then one each interval, reserved in the order of asking."""

from gateways.token_bucket import SECOND_NS, TokenBucket


def test_a_burst_goes_at_once_and_the_rest_waits() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    waits = [bucket.reserve(SECOND_NS) for _ in range(6)]
    assert waits == [0, 0, 0, SECOND_NS // 10, 2 * SECOND_NS // 10, 3 * SECOND_NS // 10]


def test_it_fills_up_to_the_burst_and_no_further() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    for _ in range(3):
        bucket.reserve(SECOND_NS)
    later = 60 * SECOND_NS
    assert [bucket.reserve(later) for _ in range(4)] == [0, 0, 0, SECOND_NS // 10]


def test_in_any_second_no_more_than_rate_and_burst_pass() -> None:
    bucket = TokenBucket(rate=12, burst=24)
    times = [wait for wait in (bucket.reserve(SECOND_NS) for _ in range(100)) if wait < SECOND_NS]
    assert len(times) == 24 + 11
