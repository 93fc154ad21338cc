"""What will happen in a world and when: a queue of named events, and the trace of those gone by.

Events of the same time happen in the order in which they were planned, so one seed is one run.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.world.clock import START_MONOTONIC_NS, WorldClock

TRACE_LINES = 60
"""Events and notes that a failure shows."""


@dataclass(slots=True, order=True)
class Event:
    """Something planned; ``cancel`` makes it not happen."""

    time_ns: int
    number: int
    name: str = field(compare=False)
    action: Callable[[], None] = field(compare=False)
    is_cancelled: bool = field(compare=False, default=False)

    def cancel(self) -> None:
        """It will not happen."""
        self.is_cancelled = True


class Trace:
    """The last lines of a run for people, and a hash of all of them: equal runs, equal hashes."""

    def __init__(self, clock: WorldClock) -> None:
        self.lines: deque[str] = deque(maxlen=TRACE_LINES)
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, text: str) -> None:
        """Something happened now."""
        milliseconds = (self._clock.monotonic_ns() - START_MONOTONIC_NS) / 1e6
        line = f"{milliseconds:12.3f} ms  {text}"
        self.lines.append(line)
        self._hash.update(line.encode())

    def hexdigest(self) -> str:
        """Of all lines so far."""
        return self._hash.hexdigest()


class Schedule:
    """The queue of a world; ``run_next`` moves the clock to the next event and does it."""

    def __init__(self, clock: WorldClock, trace: Trace) -> None:
        self.event_count = 0
        self._clock = clock
        self._trace = trace
        self._queue: list[Event] = []
        self._planned = 0

    def after(self, delay_ns: int, name: str, action: Callable[[], None]) -> Event:
        """Plans an event ``delay_ns`` from now."""
        return self.at(self._clock.monotonic_ns() + delay_ns, name, action)

    def at(self, time_ns: int, name: str, action: Callable[[], None]) -> Event:
        """Plans an event at a monotonic time."""
        self._planned += 1
        event = Event(time_ns, self._planned, name, action)
        heapq.heappush(self._queue, event)
        return event

    @property
    def queued(self) -> int:
        """How many events are planned."""
        return len(self._queue)

    def run_next(self) -> bool:
        """The next event; False when there is none. Names that begin with ``.`` are not traced:
        the ticks of watches, which would fill the trace."""
        while self._queue:
            event = heapq.heappop(self._queue)
            if event.is_cancelled:
                continue
            self._clock.advance_to(event.time_ns)
            self.event_count += 1
            if not event.name.startswith("."):
                self._trace.note(event.name)
            event.action()
            return True
        return False
