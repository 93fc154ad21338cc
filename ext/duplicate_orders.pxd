"""The newest orders by what makes one the same as another: instrument, side, price, quantity.

Only orders of the same hash are looked at. Those older than the table are gone: the message rate
lets no more than MAX_RATE_WINDOW out in the longest window, a second.
"""

from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport MAX_RATE_WINDOW
from ext.wire cimport Intent, Side

cdef struct SentOrder:
    int64_t previous                # number of the one before with the same hash; 0: none
    int64_t time_ns
    int64_t instrument
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots

cdef struct SentOrders:
    int64_t count                   # the number of the newest; number n stands at n % size
    SentOrder orders[MAX_RATE_WINDOW]
    int64_t newest[MAX_RATE_WINDOW]     # number of the newest order of each hash


cdef inline int64_t hash_order(const Intent* intent, int64_t instrument) noexcept nogil:
    """Bucket of an order by what makes it the same; side, price and quantity are small numbers."""
    cdef uint64_t mixed = <uint64_t>intent.price_ticks * 0x9E3779B97F4A7C15u
    mixed ^= <uint64_t>intent.quantity_lots * 0xC2B2AE3D27D4EB4Fu
    mixed ^= <uint64_t>(instrument * 2 + (intent.side == Side.BUY)) * 0x165667B19E3779F9u
    return <int64_t>((mixed >> 40) % MAX_RATE_WINDOW)


cdef inline bint was_sent_lately(
    const SentOrders* sent, const Intent* intent, int64_t instrument, int64_t window_ns,
    int64_t time_ns
) noexcept nogil:
    """Whether the same order was accepted in the ``window_ns`` before ``time_ns``."""
    cdef const SentOrder* other
    cdef int64_t number = sent.newest[hash_order(intent, instrument)]
    while number > 0 and number > sent.count - MAX_RATE_WINDOW:
        other = &sent.orders[number % MAX_RATE_WINDOW]
        if time_ns - other.time_ns >= window_ns:
            return False
        if other.instrument == instrument and other.side == intent.side \
                and other.price_ticks == intent.price_ticks \
                and other.quantity_lots == intent.quantity_lots:
            return True
        number = other.previous
    return False


cdef inline void note_order(
    SentOrders* sent, const Intent* intent, int64_t instrument, int64_t time_ns
) noexcept nogil:
    """Remembers an order that was accepted at ``time_ns``."""
    cdef int64_t bucket = hash_order(intent, instrument)
    cdef SentOrder* order
    sent.count += 1
    order = &sent.orders[sent.count % MAX_RATE_WINDOW]
    order.previous = sent.newest[bucket]
    order.time_ns = time_ns
    order.instrument = instrument
    order.side = intent.side
    order.price_ticks = intent.price_ticks
    order.quantity_lots = intent.quantity_lots
    sent.newest[bucket] = sent.count
