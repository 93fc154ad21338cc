import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext import histogram as kernel
from ext import latency_histogram
from ext.latency_histogram import BUCKETS, bucket_index, bucket_lower_ns, bucket_upper_ns

LATENCIES = st.integers(0, 2**62)


def counts_of(values: list[int]) -> latency_histogram.Counts:
    counts = np.zeros(BUCKETS, np.int64)
    for value in values:
        counts[bucket_index(value)] += 1
    return counts


@given(st.integers(-10, 2**63 - 1))
def test_the_index_is_the_kernels(value_ns: int) -> None:
    assert bucket_index(value_ns) == kernel.bucket_index(value_ns)


def test_buckets_join_without_hole_or_overlap() -> None:
    for index in range(BUCKETS - 1):
        assert bucket_upper_ns(index) + 1 == bucket_lower_ns(index + 1)


@given(LATENCIES)
def test_a_value_lies_within_its_bucket_which_is_narrow(value_ns: int) -> None:
    index = bucket_index(value_ns)
    lower, upper = bucket_lower_ns(index), bucket_upper_ns(index)
    assert lower <= value_ns <= upper
    assert (upper - lower) * 32 <= value_ns


def test_the_last_bucket_takes_the_rest() -> None:
    assert bucket_index(2**200) == BUCKETS - 1


@given(st.lists(LATENCIES, min_size=1, max_size=300), st.floats(0, 1))
def test_percentiles_agree_with_the_exact_ones(values: list[int], quantile: float) -> None:
    exact = int(np.quantile(np.array(values), quantile, method="inverted_cdf"))
    (found,) = latency_histogram.percentiles_ns(counts_of(values), [quantile])
    assert exact <= found <= exact + exact / 32


def test_percentiles_of_a_real_shape_agree_with_the_exact_ones() -> None:
    values = np.random.default_rng(7).lognormal(8, 1.5, 100_000).astype(np.int64)
    quantiles = [0.5, 0.9, 0.99, 0.999]
    exact = np.quantile(values, quantiles, method="inverted_cdf")
    counts = counts_of(values.tolist())
    assert latency_histogram.percentiles_ns(counts, quantiles) == pytest.approx(exact, rel=1 / 32)
    assert latency_histogram.maximum_ns(counts) == pytest.approx(values.max(), rel=1 / 32)
    assert latency_histogram.sum_ns(counts) == pytest.approx(values.sum(), rel=1 / 64)


def test_an_empty_histogram_is_zero() -> None:
    counts = counts_of([])
    assert latency_histogram.percentiles_ns(counts, [0.5, 1.0]) == [0, 0]
    assert latency_histogram.maximum_ns(counts) == 0


@given(st.lists(LATENCIES), st.lists(LATENCIES))
def test_merging_counts_is_counting_all(first: list[int], second: list[int]) -> None:
    merged = latency_histogram.merge([counts_of(first), counts_of(second)])
    assert merged.tolist() == counts_of(first + second).tolist()
