"""How long the loop was busy between two polls, and with what.

Time belongs to one LoopSource at a time: ``enter`` hands it to another and says whose it was,
``leave`` gives it back. A cycle ends when the loop polls again:

    blocking    a callback of ours is a cycle: from its first ``enter`` to its last ``leave``
    busy poll   the whole turn of the loop, from poll to poll, time that nobody claimed included

Time in which the loop sleeps or reads empty sockets is LOOP_IDLE and counts in no cycle.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.loop_source cimport LOOP_IDLE, LOOP_SOURCE_COUNT, LoopSource
from ext.shared_memory cimport SharedMemory


@cython.final
cdef class LoopMeter:
    cdef SharedMemory memory
    cdef readonly int64_t threshold_ns
    cdef bint is_polling                    # busy poll: ``begin_poll`` ends the cycles
    cdef LoopSource source                  # whose time it is
    cdef int64_t since_ns                   # monotonic; since when
    cdef int64_t spent_ns[LOOP_SOURCE_COUNT]
    cdef int64_t new_stalls                 # since ``take_stalls``
    cdef int64_t worst_ns
    cdef LoopSource worst_source

    cdef void _end_cycle(self) noexcept nogil

    cdef inline LoopSource enter_at(self, LoopSource source, int64_t now_ns) noexcept nogil:
        """The time from now on is that of ``source``; returns whose it was."""
        cdef LoopSource before = self.source
        self.spent_ns[<int64_t>before] += now_ns - self.since_ns
        self.since_ns = now_ns
        self.source = source
        return before

    cdef inline void leave_at(self, LoopSource before, int64_t now_ns) noexcept nogil:
        """Gives the time back to ``before``, as ``enter_at`` returned it."""
        self.enter_at(before, now_ns)
        if before == LOOP_IDLE and not self.is_polling:
            self._end_cycle()
