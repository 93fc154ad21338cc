"""Latency histograms: log-linear buckets of nanoseconds in shared memory.

32 buckets per power of two: a bucket is at most 3.2 % wide. Values below 32 ns have a bucket each.
"""

from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport HISTOGRAM_BUCKETS

cdef extern from *:
    """
    static inline int wow_bit_length(unsigned long long value) {
        return 64 - __builtin_clzll(value);
    }
    """
    int bit_length "wow_bit_length"(unsigned long long value) noexcept nogil

cdef inline int64_t bucket_of(int64_t value_ns) noexcept nogil:
    """Index of the bucket that counts ``value_ns``; negative values count as 0."""
    cdef int64_t exponent, index
    if value_ns < 32:
        return value_ns if value_ns > 0 else 0
    exponent = bit_length(<unsigned long long>value_ns) - 6
    index = 32 * (exponent + 1) + (value_ns >> exponent) - 32
    return index if index < HISTOGRAM_BUCKETS else HISTOGRAM_BUCKETS - 1
