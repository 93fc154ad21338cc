"""Kraken's checksum of a book: CRC-32 over the text of its ten best levels a side.

Source: Kraken docs, "Calculate book checksum" (WebSocket v1 and v2, FIX 5041). Asks ascending, then
bids descending; of each level the price and then the quantity, each with all its decimals, without
the point and without zeros in front: the digits of the whole number of last decimals. The decimals
are the venue's for the pair (``price_precision``, ``qty_precision``), which tick and lot may not
have.

From one update to the next few of the levels change, so the text of a level is kept by its price,
and the state of the CRC behind the asks is kept while they stay.
"""

from libc.stdint cimport int64_t, uint32_t

from ext.book cimport Book
from ext.instrument_table cimport Instrument

cdef enum:
    CHECKSUM_LEVELS = 10            # of a side, whatever the depth of the subscription
    KEPT_TEXTS = 32                 # of a side, by the low bits of the price in ticks
    LEVEL_TEXT_BYTES = 40           # two numbers of 20 digits

cdef struct LevelText:
    int64_t price_ticks             # -1: never used
    int64_t quantity_lots
    int64_t size
    char text[LEVEL_TEXT_BYTES]

cdef struct ChecksumSide:           # the best levels of the last call
    int64_t count
    int64_t price_ticks[CHECKSUM_LEVELS]
    int64_t quantity_lots[CHECKSUM_LEVELS]
    LevelText texts[KEPT_TEXTS]

cdef struct BookChecksum:
    ChecksumSide asks
    ChecksumSide bids
    uint32_t state_behind_asks      # of the CRC
    uint32_t state_behind_bids

cdef void clear_checksum(BookChecksum* checksum) noexcept nogil
cdef uint32_t book_checksum(
    BookChecksum* checksum, const Book* book, const Instrument* instrument
) noexcept nogil
