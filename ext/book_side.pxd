"""One side of a book: a ladder of ticks around the market, and a sorted rest far from it.

The key of a level is ``side * price_ticks``, so that the best price of either side is the highest
key. LADDER_TICKS keys from ``base`` on have a slot each: its quantity, and a bit that says whether
it is occupied; a word of bits has a bit of its own in ``summary``. A change there is a store and a
bit, whatever its distance from the best price. Levels below ``base`` stand in two sorted arrays.

Always true: every key at or above ``base`` is in the ladder, none is above it, and when there is
any level at all the best one is in the ladder. When the market leaves the ladder it is laid anew.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from ext.wire cimport BookDelta

cdef enum:
    LADDER_TICKS = 131072           # 1 MiB of quantities a side; of BTC-USD in cents 1,310 dollars
    LADDER_WORDS = 2048             # 64 slots each
    SUMMARY_WORDS = 32              # 64 words each
    SLOTS_ABOVE = 32768             # free slots above the best price when the ladder is laid
    LOWEST_BEST_SLOT = 16384        # a best price below this slot: the ladder is laid anew

cdef struct BookSide:
    int64_t count                   # levels, in the ladder and below it
    int64_t base                    # key of slot 0
    int64_t best_slot               # highest occupied slot; -1: the side is empty
    int64_t shown_floor             # lowest key that the view shows; below it no change is seen
    bint is_view_old                # a change at or above it since the view was written
    int64_t* ladder                 # lots of each slot, 0: no level
    uint64_t* occupied
    uint64_t summary[SUMMARY_WORDS]
    int64_t far_count               # levels below base
    int64_t* far_keys               # ascending
    int64_t* far_lots

cdef int allocate_side(BookSide* side) except -1
cdef void free_side(BookSide* side) noexcept
cdef void clear_side(BookSide* side) noexcept nogil
cdef bint set_level(BookSide* side, int64_t key, int64_t lots) noexcept nogil
cdef void lay_ladder(BookSide* side, int64_t best_key) noexcept nogil
cdef int64_t next_slot_below(const BookSide* side, int64_t slot) noexcept nogil
cdef int64_t copy_best(
    const BookSide* side, int64_t sign, int64_t wanted, int64_t* prices, int64_t* lots
) noexcept nogil
cdef int64_t show_best(
    BookSide* side, int64_t sign, int64_t wanted, int64_t* prices, int64_t* lots
) noexcept nogil


cdef inline int64_t best_key(const BookSide* side) noexcept nogil:
    """Highest key; the side must not be empty."""
    return side.base + side.best_slot


cdef inline bint is_far(const BookSide* side, int64_t key) noexcept nogil:
    """Whether the level of that key stands, or would stand, below the ladder."""
    return side.count > 0 and key < side.base


cdef inline int64_t best_lots(const BookSide* side) noexcept nogil:
    """Quantity at the best key; the side must not be empty."""
    return side.ladder[side.best_slot]
