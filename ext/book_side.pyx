"""One side of a book, see the ``.pxd``."""

from libc.stdint cimport INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove, memset

from ext.bounds cimport MAX_LEVELS_PER_SIDE

cdef extern from *:
    """
    static inline int wow_highest_bit(unsigned long long word) {
        return 63 - __builtin_clzll(word);
    }
    static int64_t wow_scratch_keys[65536];
    static int64_t wow_scratch_lots[65536];
    """
    int highest_bit "wow_highest_bit"(unsigned long long word) noexcept nogil
    int64_t* scratch_keys "wow_scratch_keys"        # of lay_ladder: MAX_LEVELS_PER_SIDE each
    int64_t* scratch_lots "wow_scratch_lots"


cdef int allocate_side(BookSide* side) except -1:
    """Memory of an empty side, every page of it touched so that none faults later."""
    cdef size_t far_bytes = MAX_LEVELS_PER_SIDE * sizeof(int64_t)
    side.ladder = <int64_t*>malloc(LADDER_TICKS * sizeof(int64_t))
    side.occupied = <uint64_t*>malloc(LADDER_WORDS * sizeof(uint64_t))
    side.far_keys = <int64_t*>malloc(far_bytes)
    side.far_lots = <int64_t*>malloc(far_bytes)
    if side.ladder == NULL or side.occupied == NULL or side.far_keys == NULL \
            or side.far_lots == NULL:
        raise MemoryError(f"no memory for a book side of {MAX_LEVELS_PER_SIDE} levels")
    memset(side.ladder, 0, LADDER_TICKS * sizeof(int64_t))
    memset(side.occupied, 0, LADDER_WORDS * sizeof(uint64_t))
    memset(side.far_keys, 0, far_bytes)
    memset(side.far_lots, 0, far_bytes)
    memset(side.summary, 0, sizeof(side.summary))
    side.count = 0
    side.far_count = 0
    side.base = 0
    side.best_slot = -1
    side.shown_floor = INT64_MIN
    side.is_view_old = True
    return 0


cdef void free_side(BookSide* side) noexcept:
    free(side.ladder)
    free(side.occupied)
    free(side.far_keys)
    free(side.far_lots)


cdef void clear_side(BookSide* side) noexcept nogil:
    """Removes every level; costs what the occupied slots cost."""
    cdef int64_t slot = side.best_slot
    while slot >= 0:
        side.ladder[slot] = 0
        slot = next_slot_below(side, slot)
    memset(side.occupied, 0, LADDER_WORDS * sizeof(uint64_t))
    memset(side.summary, 0, sizeof(side.summary))
    side.count = 0
    side.far_count = 0
    side.best_slot = -1
    side.is_view_old = True


cdef int64_t next_slot_below(const BookSide* side, int64_t slot) noexcept nogil:
    """Highest occupied slot below ``slot``, -1 when there is none."""
    cdef int64_t word = slot >> 6
    cdef int64_t group
    cdef uint64_t bits = side.occupied[word] & ((<uint64_t>1 << (slot & 63)) - 1)
    if bits != 0:
        return (word << 6) + highest_bit(bits)
    group = word >> 6
    bits = side.summary[group] & ((<uint64_t>1 << (word & 63)) - 1)
    while bits == 0:
        group -= 1
        if group < 0:
            return -1
        bits = side.summary[group]
    word = (group << 6) + highest_bit(bits)
    return (word << 6) + highest_bit(side.occupied[word])


cdef inline void _occupy(BookSide* side, int64_t slot) noexcept nogil:
    side.occupied[slot >> 6] |= <uint64_t>1 << (slot & 63)
    side.summary[slot >> 12] |= <uint64_t>1 << ((slot >> 6) & 63)
    if slot > side.best_slot:
        side.best_slot = slot


cdef inline void _vacate(BookSide* side, int64_t slot) noexcept nogil:
    side.occupied[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))
    if side.occupied[slot >> 6] == 0:
        side.summary[slot >> 12] &= ~(<uint64_t>1 << ((slot >> 6) & 63))
    if slot == side.best_slot:
        side.best_slot = next_slot_below(side, slot)


cdef bint set_level(BookSide* side, int64_t key, int64_t lots) noexcept nogil:
    """Sets, or with 0 lots removes, one level; False when the side is full."""
    cdef uint64_t slot = <uint64_t>key - <uint64_t>side.base
    if slot < LADDER_TICKS:
        if side.ladder[slot] != 0:
            side.ladder[slot] = lots
            if lots == 0:
                side.count -= 1
                _vacate(side, slot)
                if side.best_slot < LOWEST_BEST_SLOT and side.far_count > 0:
                    _follow_down(side)
        elif lots != 0:
            if side.count == MAX_LEVELS_PER_SIDE:
                return False
            if side.count == 0:
                lay_ladder(side, key)       # the first level decides where the ladder is
                slot = <uint64_t>key - <uint64_t>side.base
            side.ladder[slot] = lots
            side.count += 1
            _occupy(side, slot)
        return True
    if is_far(side, key):
        return _set_far(side, key, lots)
    if lots == 0:
        return True                         # a level that we never had
    if side.count == MAX_LEVELS_PER_SIDE:
        return False
    lay_ladder(side, key)
    return set_level(side, key, lots)


cdef bint _set_far(BookSide* side, int64_t key, int64_t lots) noexcept nogil:
    """A level below the ladder: bisected, an insertion or deletion moves what is above it."""
    cdef int64_t high = side.far_count
    cdef int64_t low = high if high > 0 and key > side.far_keys[high - 1] else 0
    cdef int64_t middle, behind
    while low < high:
        middle = (low + high) >> 1
        if side.far_keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    behind = side.far_count - low
    if behind > 0 and side.far_keys[low] == key:
        if lots != 0:
            side.far_lots[low] = lots
            return True
        memmove(&side.far_keys[low], &side.far_keys[low + 1], (behind - 1) * sizeof(int64_t))
        memmove(&side.far_lots[low], &side.far_lots[low + 1], (behind - 1) * sizeof(int64_t))
        side.far_count -= 1
        side.count -= 1
        return True
    if lots == 0:
        return True                         # a level that we never had
    if side.count == MAX_LEVELS_PER_SIDE:
        return False
    memmove(&side.far_keys[low + 1], &side.far_keys[low], behind * sizeof(int64_t))
    memmove(&side.far_lots[low + 1], &side.far_lots[low], behind * sizeof(int64_t))
    side.far_keys[low] = key
    side.far_lots[low] = lots
    side.far_count += 1
    side.count += 1
    return True


cdef void _follow_down(BookSide* side) noexcept nogil:
    """The best price has come near the ladder's end: lays it around the best level there is."""
    if side.best_slot >= 0:
        lay_ladder(side, side.base + side.best_slot)
    else:
        lay_ladder(side, side.far_keys[side.far_count - 1])


cdef void lay_ladder(BookSide* side, int64_t best_key) noexcept nogil:
    """Lays the ladder so that ``best_key``, the highest key there will be, has room above it."""
    cdef int64_t count = side.count
    cdef int64_t at = count
    cdef int64_t index
    cdef int64_t slot = side.best_slot
    while slot >= 0:                        # every level, ascending, into the scratch
        at -= 1
        scratch_keys[at] = side.base + slot
        scratch_lots[at] = side.ladder[slot]
        slot = next_slot_below(side, slot)
    for index in range(side.far_count):
        scratch_keys[index] = side.far_keys[index]
        scratch_lots[index] = side.far_lots[index]
    clear_side(side)
    # Unsigned: at the very ends of the range the ladder may hang over, no key stands there.
    side.base = <int64_t>(<uint64_t>best_key - (LADDER_TICKS - 1 - SLOTS_ABOVE))
    side.count = count
    for index in range(count):
        slot = scratch_keys[index] - side.base
        if slot < 0:
            side.far_keys[side.far_count] = scratch_keys[index]
            side.far_lots[side.far_count] = scratch_lots[index]
            side.far_count += 1
        else:
            side.ladder[slot] = scratch_lots[index]
            _occupy(side, slot)


cdef int64_t copy_best(
    const BookSide* side, int64_t sign, int64_t wanted, int64_t* prices, int64_t* lots
) noexcept nogil:
    """Copies up to ``wanted`` levels, best first, keys times ``sign``; how many there were."""
    cdef int64_t slot = side.best_slot
    cdef int64_t far = side.far_count
    cdef int64_t copied = 0
    cdef uint64_t bits
    while slot >= 0 and copied < wanted:
        bits = side.occupied[slot >> 6] & (~<uint64_t>0 >> (63 - (slot & 63)))
        while bits != 0 and copied < wanted:    # the occupied slots of one word
            slot = (slot & ~<int64_t>63) + highest_bit(bits)
            bits &= ~(<uint64_t>1 << (slot & 63))
            prices[copied] = sign * (side.base + slot)
            lots[copied] = side.ladder[slot]
            copied += 1
        if copied < wanted:
            slot = next_slot_below(side, slot)
    while copied < wanted and far > 0:
        far -= 1
        prices[copied] = sign * side.far_keys[far]
        lots[copied] = side.far_lots[far]
        copied += 1
    return copied


cdef int64_t show_best(
    BookSide* side, int64_t sign, int64_t wanted, int64_t* prices, int64_t* lots
) noexcept nogil:
    """Brings a view of the ``wanted`` best levels up to date; how many it holds.

    ``prices`` and ``lots`` are those of the call before: untouched when no change was at or above
    the lowest level shown.
    """
    cdef int64_t count = min(side.count, wanted)
    if side.is_view_old:
        copy_best(side, sign, wanted, prices, lots)
        side.shown_floor = sign * prices[wanted - 1] if count == wanted else INT64_MIN
        side.is_view_old = False
    return count
