"""Loops of compiled code around the steps of the arc, for what is too short to time from Python.

Each returns the time it took and a hash of what came out. The clock is the processor's counter.
"""

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    PADDING_BYTES = 64              # readable behind every payload, as in production

cdef inline uint64_t mix(uint64_t hash, int64_t value) noexcept nogil:
    """One step of FNV-1a over 64-bit words."""
    return (hash ^ <uint64_t>value) * <uint64_t>1099511628211
