"""Checksum of a book, see the ``.pxd``."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from ext.book cimport Book
from ext.book_side cimport BookSide, copy_best
from ext.crc32 cimport CRC32_START, crc32_of
from ext.instrument_table cimport Instrument
from ext.text cimport write_unsigned
from ext.wire cimport BUY, SELL


cdef void clear_checksum(BookChecksum* checksum) noexcept nogil:
    """Nothing kept: that of an empty book."""
    cdef int64_t index
    checksum.asks.count = checksum.bids.count = 0
    checksum.state_behind_asks = checksum.state_behind_bids = <uint32_t>CRC32_START
    for index in range(KEPT_TEXTS):
        checksum.asks.texts[index].price_ticks = -1
        checksum.bids.texts[index].price_ticks = -1


cdef uint32_t book_checksum(
    BookChecksum* checksum, const Book* book, const Instrument* instrument
) noexcept nogil:
    """What the venue's checksum must be, if this is its book."""
    cdef bint is_changed = _take_levels(&checksum.asks, &book.asks, SELL)
    if is_changed:
        checksum.state_behind_asks = _add_text(
            &checksum.asks, instrument, <uint32_t>CRC32_START
        )
    if _take_levels(&checksum.bids, &book.bids, BUY) or is_changed:
        checksum.state_behind_bids = _add_text(
            &checksum.bids, instrument, checksum.state_behind_asks
        )
    return ~checksum.state_behind_bids


cdef bint _take_levels(ChecksumSide* side, const BookSide* book_side, int64_t sign) noexcept nogil:
    """Copies the best levels; whether any of them is another than before."""
    cdef int64_t price_ticks[CHECKSUM_LEVELS]
    cdef int64_t quantity_lots[CHECKSUM_LEVELS]
    cdef int64_t count = copy_best(
        book_side, sign, CHECKSUM_LEVELS, price_ticks, quantity_lots
    )
    cdef size_t size = <size_t>count * sizeof(int64_t)
    if count == side.count and memcmp(price_ticks, side.price_ticks, size) == 0 \
            and memcmp(quantity_lots, side.quantity_lots, size) == 0:
        return False
    side.count = count
    memcpy(side.price_ticks, price_ticks, size)
    memcpy(side.quantity_lots, quantity_lots, size)
    return True


cdef uint32_t _add_text(
    ChecksumSide* side, const Instrument* instrument, uint32_t state
) noexcept nogil:
    """State of the CRC behind the text of a side."""
    cdef char text[CHECKSUM_LEVELS * LEVEL_TEXT_BYTES]
    cdef char* out = text
    cdef LevelText* level
    cdef int64_t index
    for index in range(side.count):
        level = &side.texts[<uint64_t>side.price_ticks[index] % KEPT_TEXTS]
        if level.price_ticks != side.price_ticks[index] \
                or level.quantity_lots != side.quantity_lots[index]:
            level.price_ticks = side.price_ticks[index]
            level.quantity_lots = side.quantity_lots[index]
            _write_level(level, instrument)
        memcpy(out, level.text, LEVEL_TEXT_BYTES)   # of a size known beforehand: no call
        out += level.size
    return crc32_of(state, text, out - text)


cdef void _write_level(LevelText* level, const Instrument* instrument) noexcept nogil:
    """The digits; numbers beyond 64 bits are no venue's and give another checksum."""
    cdef char* out = write_unsigned(
        level.text, <uint64_t>level.price_ticks * <uint64_t>instrument.price_units
    )
    out = write_unsigned(
        out, <uint64_t>level.quantity_lots * <uint64_t>instrument.quantity_units
    )
    level.size = out - level.text
