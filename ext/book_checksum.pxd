"""Kraken's checksum of a book: CRC-32 over the text of its ten best levels a side.

Source: Kraken docs, "Calculate book checksum" (WebSocket v1 and v2, FIX 5041). Asks ascending, then
bids descending; of each level the price and then the quantity, each with all its decimals, without
the point and without zeros in front: the digits of the whole number of last decimals. The decimals
are the venue's for the pair (``price_precision``, ``qty_precision``), which tick and lot may not
have.

From one update to the next few of the levels change, most often of one side, so the text of a level
is kept by its price, and the CRC of each side while its best levels stay. Every update of the book
has to come by here; whatever else changes it forgets what is kept (``forget_levels``).
"""

from libc.stdint cimport int64_t, uint32_t

from ext.book cimport Book
from ext.instrument_table cimport Instrument
from ext.wire cimport BookDelta

cdef enum:
    CHECKSUM_LEVELS = 10            # of a side, whatever the depth of the subscription
    KEPT_TEXTS = 32                 # of a side, by the low bits of the price in ticks
    LEVEL_TEXT_BYTES = 40           # two numbers of 20 digits

cdef struct LevelText:
    int64_t price_ticks             # -1: never used
    int64_t quantity_lots
    int64_t size
    char text[LEVEL_TEXT_BYTES]

cdef struct ChecksumSide:
    int64_t worst_key               # side times price of the worst level that counts
    bint is_known                   # state and text_size are those of the best levels
    uint32_t state                  # of the CRC behind the text of these levels
    int64_t text_size
    LevelText texts[KEPT_TEXTS]

cdef struct BookChecksum:
    ChecksumSide asks
    ChecksumSide bids
    uint32_t shifted_asks           # state of the asks, shifted by the text of the bids

cdef void clear_checksum(BookChecksum* checksum) noexcept nogil
cdef void forget_levels(BookChecksum* checksum) noexcept nogil
cdef uint32_t book_checksum(
    BookChecksum* checksum, const Book* book, const Instrument* instrument,
    const BookDelta* deltas, int64_t count
) noexcept nogil
