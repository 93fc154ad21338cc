"""Checksum of a book, see the ``.pxd``."""

from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ext.book cimport Book
from ext.book_side cimport BookSide, copy_best
from ext.crc32 cimport CRC32_START, crc32_of, crc32_shift
from ext.instrument_table cimport Instrument
from ext.text cimport write_unsigned
from ext.wire cimport BUY, SELL, BookDelta


cdef void clear_checksum(BookChecksum* checksum) noexcept nogil:
    """Nothing kept."""
    cdef int64_t index
    forget_levels(checksum)
    for index in range(KEPT_TEXTS):
        checksum.asks.texts[index].price_ticks = -1
        checksum.bids.texts[index].price_ticks = -1


cdef void forget_levels(BookChecksum* checksum) noexcept nogil:
    """The book is another one than at the last call; texts are kept, they go by their numbers."""
    checksum.asks.is_known = False
    checksum.bids.is_known = False


cdef uint32_t book_checksum(
    BookChecksum* checksum, const Book* book, const Instrument* instrument,
    const BookDelta* deltas, int64_t count
) noexcept nogil:
    """What the venue's checksum must be, if this is its book after these changes."""
    cdef ChecksumSide* side
    cdef bint is_shifted = checksum.asks.is_known and checksum.bids.is_known
    cdef int64_t size = checksum.bids.text_size
    cdef int64_t index
    for index in range(count):
        side = &checksum.bids if deltas[index].side == BUY else &checksum.asks
        if deltas[index].side * deltas[index].price_ticks >= side.worst_key:
            side.is_known = False       # at or before the last level that counts
    if not checksum.asks.is_known:
        _add_text(&checksum.asks, &book.asks, SELL, instrument, <uint32_t>CRC32_START)
        is_shifted = False
    if not checksum.bids.is_known:
        _add_text(&checksum.bids, &book.bids, BUY, instrument, 0)
    if not is_shifted or checksum.bids.text_size != size:
        checksum.shifted_asks = crc32_shift(checksum.asks.state, checksum.bids.text_size)
    return ~(checksum.shifted_asks ^ checksum.bids.state)


cdef void _add_text(
    ChecksumSide* side, const BookSide* book_side, int64_t sign, const Instrument* instrument,
    uint32_t state
) noexcept nogil:
    """The text of a side's best levels, and the CRC behind it."""
    cdef char text[CHECKSUM_LEVELS * LEVEL_TEXT_BYTES]
    cdef int64_t price_ticks[CHECKSUM_LEVELS]
    cdef int64_t quantity_lots[CHECKSUM_LEVELS]
    cdef char* out = text
    cdef LevelText* level
    cdef int64_t index
    cdef int64_t count = copy_best(
        book_side, sign, CHECKSUM_LEVELS, price_ticks, quantity_lots
    )
    for index in range(count):
        level = &side.texts[<uint64_t>price_ticks[index] % KEPT_TEXTS]
        if level.price_ticks != price_ticks[index] or level.quantity_lots != quantity_lots[index]:
            level.price_ticks = price_ticks[index]
            level.quantity_lots = quantity_lots[index]
            _write_level(level, instrument)
        memcpy(out, level.text, LEVEL_TEXT_BYTES)   # of a size known beforehand: no call
        out += level.size
    side.text_size = out - text
    side.state = crc32_of(state, text, side.text_size)
    side.worst_key = INT64_MIN
    if count == CHECKSUM_LEVELS:
        side.worst_key = sign * price_ticks[count - 1]
    side.is_known = True


cdef void _write_level(LevelText* level, const Instrument* instrument) noexcept nogil:
    """The digits; numbers beyond 64 bits are no venue's and give another checksum."""
    cdef char* out = write_unsigned(
        level.text, <uint64_t>level.price_ticks * <uint64_t>instrument.price_units
    )
    out = write_unsigned(
        out, <uint64_t>level.quantity_lots * <uint64_t>instrument.quantity_units
    )
    level.size = out - level.text
