"""Products and sums of int64 that never wrap: told, or cut to the largest number.

A limit is at most INT64_MAX, and one that is INT64_MAX limits nothing: a sum that was cut is above
every other.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

cdef extern from *:
    bint multiply_overflows "__builtin_mul_overflow"(int64_t a, int64_t b, int64_t* result) \
        noexcept nogil
    bint add_overflows "__builtin_add_overflow"(int64_t a, int64_t b, int64_t* result) \
        noexcept nogil


cdef inline int64_t add_saturating(int64_t a, int64_t b) noexcept nogil:
    """a + b of two numbers of which one at most is negative; INT64_MAX when that is too small."""
    cdef int64_t result
    return INT64_MAX if add_overflows(a, b, &result) else result


cdef inline int64_t multiply_saturating(int64_t a, int64_t b) noexcept nogil:
    """a * b of two numbers that are not negative; INT64_MAX when that is too small."""
    cdef int64_t result
    return INT64_MAX if multiply_overflows(a, b, &result) else result


cdef inline int64_t negate_saturating(int64_t a) noexcept nogil:
    """-a; INT64_MAX for INT64_MIN."""
    return INT64_MAX if a == INT64_MIN else -a
