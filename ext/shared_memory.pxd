"""The one file through which the other processes see the engine: ring, books, orders, counters.

Laid out by offsets in its first page (``SharedHeader``). Written by the engine's thread alone,
but for ``read_sequence`` and ``reader_attached``, which belong to the relay. It outlives the
process, so a dead engine can be looked at.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.bounds cimport HISTOGRAM_BUCKETS, RING_RESERVE, RING_SLOTS
from ext.fence cimport release_fence
from ext.histogram cimport bucket_of
from ext.wire cimport BookView, Order, Position, Record, SharedHeader


@cython.final
cdef class SharedMemory:
    cdef SharedHeader* header
    cdef BookView* books
    cdef Position* positions
    cdef Order* orders
    cdef int64_t* histograms
    cdef Record* ring
    cdef object memory              # mmap that owns the bytes
    cdef readonly str path

    cdef void publish_text(self, int64_t now_ns, int32_t severity, bytes text) noexcept

    cdef inline Record* claim(self, int64_t time_ns, bint is_order) noexcept nogil:
        """The next record of the ring: its time, no instrument, no strategy, the rest 0; NULL
        when it may not be written.

        With a reader attached nothing unread is overwritten: market records stop RING_RESERVE
        slots before the end, order records at the end; what is dropped is counted.
        """
        cdef SharedHeader* header = self.header
        cdef int64_t unread = header.write_sequence - header.read_sequence
        cdef Record* record
        if header.reader_attached != 0 and unread >= RING_SLOTS - RING_RESERVE:
            if not is_order:
                header.dropped_market_records += 1
                return NULL
            if unread >= RING_SLOTS:
                header.dropped_order_records += 1
                return NULL
        record = &self.ring[header.write_sequence % RING_SLOTS]
        record.sequence = 0
        release_fence()
        memset(record, 0, sizeof(Record))
        record.time_ns = time_ns
        record.instrument = -1
        record.strategy = -1
        return record

    cdef inline void publish(self, Record* record) noexcept nogil:
        """Makes a claimed record visible to the reader."""
        release_fence()
        record.sequence = self.header.write_sequence + 1
        release_fence()
        self.header.write_sequence += 1

    cdef inline void count_latency(self, int64_t step, int64_t value_ns) noexcept nogil:
        """Counts one latency of a Step in nanoseconds."""
        self.histograms[step * HISTOGRAM_BUCKETS + bucket_of(value_ns)] += 1
