"""The clocks of the kernel are the system's."""

import time

from ext.clock import measure_stamp_rate, read_monotonic_ns, read_wall_ns


def test_monotonic_is_the_systems() -> None:
    before = time.monotonic_ns()
    read = read_monotonic_ns()
    assert before <= read <= time.monotonic_ns()


def test_wall_is_the_systems() -> None:
    before = time.time_ns()
    read = read_wall_ns()
    assert before <= read <= time.time_ns()


def test_monotonic_never_goes_back() -> None:
    reads = [read_monotonic_ns() for _ in range(10_000)]
    assert reads == sorted(reads)


def test_stamp_rate_is_constant() -> None:
    """Stamps per nanosecond: between 1 MHz and 10 GHz, and the same when measured again."""
    first, second = measure_stamp_rate(), measure_stamp_rate()
    assert 0.001 < first < 10
    assert abs(first - second) < 0.01 * first
