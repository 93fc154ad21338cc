"""Time. Only the edges of the arc read the clock; the steps between read the cycle counter.

``monotonic_ns`` is CLOCK_MONOTONIC. ``read_stamp`` is the processor's constant-rate counter
(rdtsc, cntvct_el0): it feeds the latency histograms and nothing else, so a replay does not
depend on it.
"""

from libc.stdint cimport int64_t, uint64_t

cdef extern from "<time.h>" nogil:
    ctypedef int clockid_t
    clockid_t CLOCK_MONOTONIC
    clockid_t CLOCK_REALTIME
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(clockid_t, timespec*)

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    #if defined(__x86_64__)
    #include <x86intrin.h>
    static inline uint64_t wow_read_stamp(void) { return __rdtsc(); }
    #elif defined(__aarch64__)
    static inline uint64_t wow_read_stamp(void) {
        uint64_t value;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
        return value;
    }
    #else
    static inline uint64_t wow_read_stamp(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
    }
    #endif
    """
    uint64_t read_stamp "wow_read_stamp"() noexcept nogil

cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec

cdef inline int64_t wall_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec
