"""Bounded depth of a book side, see the ``.pxd``."""

from libc.stdint cimport int64_t

from ext.book_side cimport SUMMARY_WORDS, BookSide, set_level

cdef extern from *:
    """
    static inline int wow_lowest_bit(unsigned long long word) {
        return __builtin_ctzll(word);
    }
    """
    int lowest_bit "wow_lowest_bit"(unsigned long long word) noexcept nogil


cdef void keep_best(BookSide* side, int64_t depth) noexcept nogil:
    """Removes the worst levels beyond ``depth``; nothing when there are none."""
    while side.count > depth:
        set_level(side, _worst_key(side), 0)


cdef int64_t _worst_key(const BookSide* side) noexcept nogil:
    """Lowest key; the side must not be empty."""
    cdef int64_t group, word
    if side.far_count > 0:
        return side.far_keys[0]
    for group in range(SUMMARY_WORDS):
        if side.summary[group] != 0:
            word = (group << 6) + lowest_bit(side.summary[group])
            return side.base + (word << 6) + lowest_bit(side.occupied[word])
    return side.base
