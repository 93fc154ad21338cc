"""Pins the calling thread to one core, and says which cores there are.

Pin before anything starts a thread: threads inherit the mask of the one that made them, so a
thread pool or libzmq's I/O threads made after the pin would share the engine's core. Linux only
(``sched_setaffinity(2)``).
"""

import os
from collections.abc import Iterable

from ext.errors import ConfigError


def available_cores() -> tuple[int, ...]:
    """Cores that this thread may run on, ascending. In a container or under ``taskset`` these are
    fewer than the machine has, and need not begin at 0."""
    return tuple(sorted(os.sched_getaffinity(0)))


def format_cores(cores: Iterable[int]) -> str:
    """Cores as the kernel writes a list of them, e.g. ``0-3,8``; empty text for no cores."""
    runs: list[list[int]] = []
    for core in sorted(set(cores)):
        if runs and runs[-1][-1] == core - 1:
            runs[-1][1:] = [core]
        else:
            runs.append([core])
    return ",".join("-".join(map(str, run)) for run in runs)


def pin_to_core(core: int) -> int:
    """Lets the calling thread, and threads it makes from now on, run on ``core`` alone.

    Returns the core. Raises ConfigError when the core is not one of ``available_cores()``: it does
    not exist, or the process was not given it.
    """
    cores = available_cores()
    if isinstance(core, bool) or not isinstance(core, int):
        raise ConfigError(f"core was {core!r}; use a whole number out of {format_cores(cores)}")
    if core not in cores:
        raise ConfigError(
            f"core was {core}; this process may use {format_cores(cores)}"
            f" of the machine's {os.cpu_count()} (see taskset, cgroup cpuset)"
        )
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        raise ConfigError(f"core {core} could not be taken: {error.strerror}") from error
    return core
