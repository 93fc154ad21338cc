"""Meter of the loop's cycles, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.clock cimport monotonic_ns
from ext.errors import UsageError
from ext.loop_source cimport LOOP_IDLE, LOOP_OTHER, LOOP_SOURCE_COUNT, LoopSource
from ext.shared_memory cimport SharedMemory
from ext.wire cimport SharedHeader


@cython.final
cdef class LoopMeter:
    """Publishes cycles and stalls in ``memory``; a stall is a cycle above ``threshold_ns``."""

    def __cinit__(self, SharedMemory memory not None, threshold_ns: int) -> None:
        if threshold_ns <= 0:
            raise UsageError(f"threshold_ns was {threshold_ns}; use nanoseconds above 0")
        self.memory = memory
        self.threshold_ns = threshold_ns
        self.source = LOOP_IDLE
        self.since_ns = monotonic_ns()

    def enter(self, source: int) -> int:
        """The time from now on is that of a LoopSource; returns whose it was, for ``leave``."""
        cdef int64_t wanted = source            # numbers: enumerations are slow to make in Python
        if not <int64_t>LOOP_IDLE <= wanted < <int64_t>LOOP_SOURCE_COUNT:
            raise UsageError(f"source was {source}; use a LoopSource")
        return <int64_t>self.enter_at(<LoopSource>wanted, monotonic_ns())

    def leave(self, before: int) -> None:
        """Gives the time back to whose it was before ``enter``."""
        self.leave_at(before, monotonic_ns())

    def begin_poll(self) -> None:
        """Busy poll reads its sockets now: the cycle since the poll before has ended."""
        self.enter_at(LOOP_IDLE, monotonic_ns())
        self._end_cycle()
        self.is_polling = True

    def end_poll(self) -> None:
        """The loop goes on: what nobody claims until the next poll is LOOP_OTHER."""
        self.enter_at(LOOP_OTHER, monotonic_ns())

    def end_polling(self) -> None:
        """The loop sleeps between its callbacks again, and each is a cycle of its own."""
        self.enter_at(LOOP_IDLE, monotonic_ns())
        self.is_polling = False

    def take_stalls(self) -> tuple[int, int, int]:
        """(stalls since the last call, nanoseconds of the longest, its LoopSource)."""
        taken = (self.new_stalls, self.worst_ns, self.worst_source)
        self.new_stalls = self.worst_ns = 0
        self.worst_source = LOOP_IDLE
        return taken

    cdef void _end_cycle(self) noexcept nogil:
        cdef SharedHeader* header = self.memory.header
        cdef int64_t busy_ns = 0
        cdef int64_t index
        cdef LoopSource longest = LOOP_OTHER
        for index in range(LOOP_IDLE + 1, LOOP_SOURCE_COUNT):
            busy_ns += self.spent_ns[index]
            if self.spent_ns[index] > self.spent_ns[<int64_t>longest]:
                longest = <LoopSource>index
        memset(self.spent_ns, 0, sizeof(self.spent_ns))
        header.loop_cycles += 1
        if busy_ns > header.loop_max_cycle_ns:
            header.loop_max_cycle_ns = busy_ns
            header.loop_max_cycle_source = longest
        if busy_ns > self.threshold_ns:
            header.loop_stalls += 1
            header.loop_stalls_by_source[<int64_t>longest] += 1
            self.new_stalls += 1
            if busy_ns > self.worst_ns:
                self.worst_ns = busy_ns
                self.worst_source = longest
