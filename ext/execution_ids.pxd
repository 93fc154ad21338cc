"""The execution ids that were counted: so that no fill counts twice.

A hash set in two generations. When the newer one holds MAX_EXECUTION_IDS the older is forgotten,
so at least that many newest ids are known, and never more than twice as many.
"""

cimport cython
from libc.stdint cimport int64_t

cdef struct ExecutionId:
    int64_t high                    # 0 with low 0: empty
    int64_t low


@cython.final
cdef class ExecutionIds:
    cdef ExecutionId* slots         # two generations of SLOTS
    cdef readonly int64_t count     # in the newer generation
    cdef int64_t generation

    cdef bint add(self, int64_t high, int64_t low) noexcept nogil
