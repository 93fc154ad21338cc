"""Sequence numbers and sent messages of a FIX session, in a mapped file that survives a crash.

Source of the rule: FIX session layer, sequence numbers; the number and the message are stored
before the message goes to the socket, the incoming number after the message was taken. A store to
mapped memory costs nanoseconds and outlives the process (not the host: the disk is not synced).
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ext.bounds cimport OUTGOING_SLOT_BYTES, OUTGOING_SLOTS

cdef struct SessionState:
    char magic[8]
    char session_name[120]
    int64_t next_outgoing
    int64_t next_incoming
    int64_t created_time_ns
    int64_t is_active
    int64_t last_sent_ns            # monotonic
    int64_t last_received_ns        # monotonic

cdef struct OutgoingSlot:
    int64_t sequence                # 0: empty
    int64_t sent_ns                 # monotonic
    int64_t size
    char text[OUTGOING_SLOT_BYTES]


@cython.final
cdef class SessionStore:
    cdef SessionState* state
    cdef OutgoingSlot* slots
    cdef object memory
    cdef readonly str path

    cdef inline void save(
        self, int64_t sequence, const char* text, int64_t size, int64_t sent_ns
    ) noexcept nogil:
        """Keeps an application message for a resend; a longer one than a slot is not kept."""
        cdef OutgoingSlot* slot = &self.slots[sequence % OUTGOING_SLOTS]
        slot.sequence = 0
        if size <= OUTGOING_SLOT_BYTES:
            memcpy(slot.text, text, size)
            slot.size = size
            slot.sent_ns = sent_ns
            slot.sequence = sequence
