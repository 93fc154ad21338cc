"""Tells whether a process that left its id in a file still runs."""

import time
from pathlib import Path

# The process writes its id after it started; clocks may be stepped a little in between.
START_TOLERANCE_NS = 2_000_000_000
CLOCK_TICKS_PER_SECOND = 100  # USER_HZ, the same on every Linux architecture we run on
STATE_FIELD, START_FIELD = 0, 19  # of /proc/PID/stat behind the command name, proc(5)


def process_lives(process_id: int, id_written_ns: int) -> bool:
    """Whether the process that wrote its id at wall clock ``id_written_ns`` still runs.

    A zombie does not run. A process that started later is another one with the same id.
    """
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    fields = stat.rpartition(")")[2].split()
    if fields[STATE_FIELD] in "ZX":
        return False
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - (
        int(fields[START_FIELD]) * 1_000_000_000 // CLOCK_TICKS_PER_SECOND
    )
    return time.time_ns() - age_ns <= id_written_ns + START_TOLERANCE_NS
