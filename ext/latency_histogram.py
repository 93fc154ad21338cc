"""Reads the engine's latency histograms: 32 linear buckets per power of two of nanoseconds.

The kernel only increments ``counts[bucket_index(v)]``. Values below 32 ns have a bucket each;
above, a bucket is at most 1/32 (3.1 %) of its value wide. Everything here is the inverse.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ext.bounds import Bound

BUCKETS = int(Bound.HISTOGRAM_BUCKETS)
SUB_BUCKET_BITS = 5
SUB_BUCKETS = 1 << SUB_BUCKET_BITS

Counts = NDArray[np.int64]


def bucket_index(value_ns: int) -> int:
    """Bucket of a latency; negative ones (a clock that stepped) count as 0."""
    if value_ns < SUB_BUCKETS:
        return max(value_ns, 0)
    exponent = value_ns.bit_length() - SUB_BUCKET_BITS - 1
    index = SUB_BUCKETS * (exponent + 1) + (value_ns >> exponent) - SUB_BUCKETS
    return min(index, BUCKETS - 1)


def bucket_lower_ns(index: int) -> int:
    """Smallest latency that falls into the bucket."""
    if index < SUB_BUCKETS:
        return index
    exponent = index // SUB_BUCKETS - 1
    return (index % SUB_BUCKETS + SUB_BUCKETS) << exponent


def bucket_upper_ns(index: int) -> int:
    """Largest latency that falls into the bucket; the last one takes the rest."""
    return bucket_lower_ns(index + 1) - 1


def merge(histograms: Iterable[Counts]) -> Counts:
    """Sum of histograms, as if all their values had been counted in one."""
    total = np.zeros(BUCKETS, np.int64)
    for counts in histograms:
        total += counts
    return total


def percentiles_ns(counts: Counts, quantiles: Iterable[float]) -> list[int]:
    """Latency that each quantile (0..1) of the values does not exceed; 0 without values.

    Inverse of the empirical distribution: the value of rank ``ceil(quantile * count)``, rounded
    up to the end of its bucket, so at most 1/32 above the exact answer and never below it.
    """
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if total == 0:
        return [0 for _ in quantiles]
    # The tolerance keeps 0.9 * 10 = 9.000000000000002 at rank 9.
    ranks = [max(1, int(np.ceil(quantile * total - 1e-9))) for quantile in quantiles]
    return [bucket_upper_ns(int(np.searchsorted(cumulative, rank))) for rank in ranks]


def maximum_ns(counts: Counts) -> int:
    """Upper end of the highest bucket in use; 0 without values."""
    used = np.flatnonzero(counts)
    return bucket_upper_ns(int(used[-1])) if used.size else 0


def sum_ns(counts: Counts) -> float:
    """Sum of all values, each taken as the middle of its bucket (within 1/64)."""
    return float(counts @ _MIDDLES)


_MIDDLES = np.array(
    [(bucket_lower_ns(index) + bucket_upper_ns(index)) / 2 for index in range(BUCKETS)]
)
