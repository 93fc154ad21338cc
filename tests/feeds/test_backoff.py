"""Delays double up to the maximum and start over only after a lasting success."""

import pytest

from ext.errors import UsageError
from feeds.backoff import Backoff


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(100, 500)
    assert [backoff.next_delay_ns(0) for _ in range(5)] == [100, 200, 400, 500, 500]
    assert backoff.maximum_ns == 500


def test_lasting_success_starts_over() -> None:
    backoff = Backoff(100, 500)
    backoff.next_delay_ns(0)
    backoff.next_delay_ns(0)
    backoff.succeeded(1_000)
    assert backoff.next_delay_ns(1_501) == 100


def test_short_success_does_not_start_over() -> None:
    backoff = Backoff(100, 500)
    backoff.next_delay_ns(0)
    backoff.succeeded(1_000)
    assert backoff.next_delay_ns(1_500) == 200
    assert backoff.next_delay_ns(9_999) == 400, "an old success was used twice"


def test_success_is_counted_from_its_first_report() -> None:
    backoff = Backoff(100, 500)
    backoff.next_delay_ns(0)
    backoff.succeeded(1_000)
    backoff.succeeded(1_499)
    assert backoff.next_delay_ns(1_501) == 100


@pytest.mark.parametrize(("initial_ns", "maximum_ns"), [(0, 1), (-1, 1), (2, 1)])
def test_impossible_delays_are_refused(initial_ns: int, maximum_ns: int) -> None:
    with pytest.raises(UsageError, match="0 < initial_ns <= maximum_ns"):
        Backoff(initial_ns, maximum_ns)
