"""The execution ids that were counted, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from ext.bounds cimport MAX_EXECUTION_IDS

cdef enum:
    SLOTS = 4 * MAX_EXECUTION_IDS       # of one generation: at most a quarter full


@cython.final
cdef class ExecutionIds:
    """Set of 128-bit ids; an id of two zeros stands for none and is never in it."""

    def __cinit__(self) -> None:
        self.slots = <ExecutionId*>malloc(2 * SLOTS * sizeof(ExecutionId))
        if self.slots == NULL:
            raise MemoryError(f"no memory for {MAX_EXECUTION_IDS} execution ids")
        memset(self.slots, 0, 2 * SLOTS * sizeof(ExecutionId))     # touches every page

    def __dealloc__(self) -> None:
        free(self.slots)

    cdef bint add(self, int64_t high, int64_t low) noexcept nogil:
        """Adds an id; False when it was there already."""
        cdef ExecutionId* slots
        cdef int64_t age, at
        for age in range(1, -1, -1):        # the older first: ``at`` ends in the newer
            slots = self.slots + ((self.generation + age) & 1) * SLOTS
            at = (<uint64_t>low) % SLOTS
            while slots[at].high != 0 or slots[at].low != 0:
                if slots[at].high == high and slots[at].low == low:
                    return False
                at = (at + 1) % SLOTS
        slots[at].high = high
        slots[at].low = low
        self.count += 1
        if self.count == MAX_EXECUTION_IDS:
            self.count = 0
            self.generation ^= 1
            memset(self.slots + self.generation * SLOTS, 0, SLOTS * sizeof(ExecutionId))
        return True

    def ids(self) -> bytes:
        """Every id that is known, 16 bytes each, those of the older generation first."""
        cdef ExecutionId* slots
        cdef int64_t age, at
        found = []
        for age in range(1, -1, -1):
            slots = self.slots + ((self.generation + age) & 1) * SLOTS
            for at in range(<int64_t>SLOTS):
                if slots[at].high != 0 or slots[at].low != 0:
                    found.append((<char*>&slots[at])[: sizeof(ExecutionId)])
        return b"".join(found)

    def add_ids(self, ids: bytes) -> None:
        """Adds what ``ids`` gave."""
        cdef const char* start = ids
        cdef const ExecutionId* each = <const ExecutionId*>start
        cdef int64_t index
        for index in range(<int64_t>(len(ids) // sizeof(ExecutionId))):
            self.add(each[index].high, each[index].low)

    def add_id(self, high: int, low: int) -> bool:
        """Test edge of ``add``."""
        return self.add(high, low)
