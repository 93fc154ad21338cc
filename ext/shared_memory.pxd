"""The one file through which the other processes see the engine: rings, books, orders, counters.

Laid out by offsets in its first page (``SharedHeader``). Written by the engine's thread alone,
but for the words of the relay: what it has read, that it is there, how the journal is. It outlives
the process, so a dead engine can be looked at.

There are two rings of slots of 128 bytes. The order ring has what must not be lost; the market
ring has frames and trades, and drops them when it is full. A record is one slot, or a ``Blob`` and
as many slots behind it as its bytes need. With a reader attached nothing unread is overwritten.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from ext.bounds cimport HISTOGRAM_BUCKETS, RING_RESERVE, RING_SLOTS
from ext.fence cimport release_fence
from ext.histogram cimport bucket_of
from ext.safety_records cimport BreakerState, GuardState
from ext.wire cimport Blob, BookView, Order, Position, Record, SharedHeader

cdef enum:
    SLOT_SHIFT = 7                  # 128 bytes
    PAYLOAD_OFFSET = 56             # of a Blob


cdef inline int64_t slots_of(int64_t size) noexcept nogil:
    """Slots of a blob with that many bytes."""
    return (PAYLOAD_OFFSET + size + (1 << SLOT_SHIFT) - 1) >> SLOT_SHIFT


cdef inline Record* _clear(Record* record, int64_t time_ns) noexcept nogil:
    record.sequence = 0
    release_fence()
    memset(record, 0, sizeof(Record))
    record.time_ns = time_ns
    record.instrument = -1
    record.strategy = -1
    return record


cdef inline void put_bytes(
    Record* ring, int64_t slots, int64_t written, int64_t offset, const char* source, int64_t size
) noexcept nogil:
    """Bytes ``offset`` and on of the blob in the slot behind ``written``; they go on from the head
    to the slots behind it without a gap, and from the end of the ring to its start."""
    cdef int64_t ring_bytes = slots << SLOT_SHIFT
    cdef int64_t at = ((written & (slots - 1)) << SLOT_SHIFT) + PAYLOAD_OFFSET + offset
    cdef int64_t first
    at &= ring_bytes - 1
    first = min(size, ring_bytes - at)
    memcpy(<char*>ring + at, source, first)
    if first < size:
        memcpy(<char*>ring, source + first, size - first)


@cython.final
cdef class SharedMemory:
    cdef SharedHeader* header
    cdef BookView* books
    cdef Position* positions
    cdef Order* orders
    cdef BreakerState* breakers     # the engine's is behind those of the strategies
    cdef GuardState* guards
    cdef int64_t* histograms
    cdef Record* ring
    cdef Record* market_ring
    cdef int64_t market_slots
    cdef object memory              # mmap that owns the bytes
    cdef readonly str path

    cdef void publish_text(self, int64_t now_ns, int32_t severity, bytes text) noexcept

    cdef inline bint is_journal_behind(self) noexcept nogil:
        """Whether new risk has to wait: order records are not stored, or hardly fit any more."""
        cdef SharedHeader* header = self.header
        return header.journal_failing != 0 or (
            header.reader_attached != 0
            and header.write_sequence - header.read_sequence >= RING_SLOTS - RING_RESERVE)

    cdef inline bint has_room(self, int64_t slots, bint is_order) noexcept nogil:
        """Whether that many slots of the order ring may be written; counts what may not.

        Others than order records stop RING_RESERVE slots before the end, order records at the end.
        """
        cdef SharedHeader* header = self.header
        cdef int64_t behind = header.write_sequence - header.read_sequence + slots
        if header.reader_attached == 0 or behind <= RING_SLOTS - RING_RESERVE:
            return True
        if not is_order:
            header.dropped_market_records += 1
            return False
        if behind > RING_SLOTS:
            header.dropped_order_records += 1
            return False
        return True

    cdef inline Record* claim(self, int64_t time_ns, bint is_order) noexcept nogil:
        """The next record of the order ring: its time, no instrument, no strategy, the rest 0;
        NULL when it may not be written."""
        if not self.has_room(1, is_order):
            return NULL
        return _clear(&self.ring[self.header.write_sequence % RING_SLOTS], time_ns)

    cdef inline void publish(self, Record* record) noexcept nogil:
        """Makes a claimed record visible to the reader."""
        release_fence()
        record.sequence = self.header.write_sequence + 1
        release_fence()
        self.header.write_sequence += 1

    cdef inline Record* claim_market(self, int64_t time_ns, int64_t slots) noexcept nogil:
        """The same of the market ring, for a record of that many slots."""
        cdef SharedHeader* header = self.header
        if slots > self.market_slots or (header.reader_attached != 0 and (
                header.market_write_sequence - header.market_read_sequence + slots
                > self.market_slots)):
            header.dropped_market_records += 1
            return NULL
        return _clear(
            &self.market_ring[header.market_write_sequence & (self.market_slots - 1)], time_ns
        )

    cdef inline void publish_market(self, Record* record, int64_t slots) noexcept nogil:
        release_fence()
        record.sequence = self.header.market_write_sequence + 1
        release_fence()
        self.header.market_write_sequence += slots

    cdef inline Blob* claim_blob(self, int64_t time_ns, int64_t size) noexcept nogil:
        """The head of an order record with ``size`` bytes, which ``put`` writes; NULL: no room."""
        cdef Blob* blob
        if not self.has_room(slots_of(size), True):
            return NULL
        blob = <Blob*>_clear(&self.ring[self.header.write_sequence % RING_SLOTS], time_ns)
        blob.byte_count = <int32_t>size
        return blob

    cdef inline void put(
        self, int64_t offset, const char* source, int64_t size
    ) noexcept nogil:
        """Writes bytes ``offset`` and on of the blob that was claimed last."""
        put_bytes(self.ring, RING_SLOTS, self.header.write_sequence, offset, source, size)

    cdef inline void publish_blob(self, Blob* blob) noexcept nogil:
        release_fence()
        blob.sequence = self.header.write_sequence + 1
        release_fence()
        self.header.write_sequence += slots_of(blob.byte_count)

    cdef inline void count_latency(self, int64_t step, int64_t value_ns) noexcept nogil:
        """Counts one latency of a Step in nanoseconds."""
        self.histograms[step * HISTOGRAM_BUCKETS + bucket_of(value_ns)] += 1
