"""The bucket rule: exact below 32 ns, then 32 buckets per power of two, the last takes the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ext.bounds import Bound
from ext.histogram import bucket_index

LAST = Bound.HISTOGRAM_BUCKETS - 1
INT64_MAX = 2**63 - 1


def bucket_range(index: int) -> tuple[int, int]:
    """First value and first value behind of a bucket, from the rule in words."""
    if index < 32:
        return index, index + 1
    power, part = divmod(index - 32, 32)
    width = 2**power
    return (32 + part) * width, (33 + part) * width


@given(st.integers(0, INT64_MAX))
@example(31)
@example(32)
@example(63)
@example(64)
@example(INT64_MAX)
def test_value_lies_in_its_bucket(value_ns: int) -> None:
    index = bucket_index(value_ns)
    first, behind = bucket_range(index)
    assert first <= value_ns
    assert value_ns < behind or index == LAST
    assert behind - first <= max(1, first / 32), "at most 3.2 % wide"


def test_buckets_follow_one_another() -> None:
    for index in range(LAST):
        first, behind = bucket_range(index)
        if first > INT64_MAX:
            break
        assert bucket_index(first) == index
        assert bucket_index(min(behind - 1, INT64_MAX)) == index
        if behind <= INT64_MAX:
            assert bucket_index(behind) == index + 1


@pytest.mark.parametrize("value_ns", [-1, -(2**63), -1000])
def test_negative_values_count_as_zero(value_ns: int) -> None:
    assert bucket_index(value_ns) == 0


def test_index_never_leaves_the_array() -> None:
    assert bucket_index(INT64_MAX) <= LAST
    assert [bucket_index(2**power) for power in range(63)] == sorted(
        bucket_index(2**power) for power in range(63)
    )
