"""Python edge of the clock, and the rate of the cycle counter."""

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    CALIBRATION_NS = 20_000_000     # two clock reads 20 ms apart: better than 10 parts per million


def measure_stamp_rate() -> float:
    """Stamps per nanosecond, measured over 20 ms against CLOCK_MONOTONIC (busy wait)."""
    cdef int64_t started_ns = monotonic_ns()
    cdef uint64_t started = read_stamp()
    cdef int64_t now_ns = started_ns
    while now_ns - started_ns < CALIBRATION_NS:
        now_ns = monotonic_ns()
    return <double>(read_stamp() - started) / <double>(now_ns - started_ns)


def read_monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds."""
    return monotonic_ns()


def read_wall_ns() -> int:
    """CLOCK_REALTIME in nanoseconds since the Unix epoch."""
    return wall_ns()
