"""The threads of this process as the kernel sees them: which cores each may run on.

Read from ``/proc/self/task/*/status`` (``Cpus_allowed_list``) and ``stat`` (field 39, the core
that it ran on last), see proc(5). What a thread was made by does not matter: numeric libraries,
libuv's pool and Python's own threads are all there.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TASKS = Path("/proc/self/task")
_PROCESSOR_FIELD = 39 - 3  # proc(5) counts from 1; the two fields up to the name are cut off


@dataclass(frozen=True, slots=True)
class ThreadPlace:
    """Where one thread may run, and where it ran last."""

    thread_id: int
    name: str
    cores: frozenset[int]
    last_core: int


def parse_cores(text: str) -> frozenset[int]:
    """Cores of a list as the kernel writes it, e.g. ``0-3,8``."""
    cores: set[int] = set()
    for run in filter(None, text.strip().split(",")):
        first, _, last = run.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def list_threads(tasks: Path = TASKS) -> set[int]:
    """Ids of the threads of this process."""
    return {int(name) for name in os.listdir(tasks)}


def read_thread(thread_id: int, tasks: Path = TASKS) -> ThreadPlace | None:
    """What the kernel says of a thread; None when it has ended."""
    try:
        status = (tasks / str(thread_id) / "status").read_text()
        stat = (tasks / str(thread_id) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return ThreadPlace(
        thread_id=thread_id,
        name=fields["Name"].strip(),
        cores=parse_cores(fields["Cpus_allowed_list"]),
        # The name stands in parentheses and may hold any character, a parenthesis too.
        last_core=int(stat.rpartition(")")[2].split()[_PROCESSOR_FIELD]),
    )


def move_thread(thread_id: int, cores: Iterable[int]) -> bool:
    """Lets a thread run on these cores alone; False when it has ended or the kernel refuses."""
    try:
        os.sched_setaffinity(thread_id, cores)
    except OSError:
        return False
    return True


def move_all_threads(cores: Iterable[int]) -> None:
    """Lets every thread of this process run on ``cores`` alone; OSError when it may not."""
    chosen = frozenset(cores)
    os.sched_setaffinity(0, chosen)
    for thread_id in list_threads():
        move_thread(thread_id, chosen)
