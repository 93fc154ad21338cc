"""The instruments of a run: symbol ↔ index, and what one tick and one lot are.

Fixed after the start. The index is what every record carries.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from ext.bounds cimport MAX_INSTRUMENTS, SYMBOL_BYTES
from ext.cursor cimport Span

cdef struct Instrument:
    char symbol[SYMBOL_BYTES]
    int64_t symbol_size
    int64_t price_decimals          # decimals of the tick's text; a price is read at this scale
    int64_t price_step              # units of 10**-price_decimals in one tick
    int64_t quantity_decimals
    int64_t quantity_step
    int64_t price_units             # a tick in the last decimal of a price, as checksums count it
    int64_t quantity_units          # a lot in the last decimal of a quantity, likewise
    int64_t depth                   # levels of a side that the venue keeps; 0: all
    double tick_size
    double lot_size


@cython.final
cdef class InstrumentTable:
    cdef Instrument instruments[MAX_INSTRUMENTS]
    cdef readonly int64_t count
    cdef int64_t last_found
    cdef list names

    cdef inline int64_t find(self, Span symbol) noexcept nogil:
        """Index of a symbol, -1 when it is not one of ours."""
        cdef Instrument* instrument = &self.instruments[self.last_found]
        cdef int64_t index
        if symbol.size == instrument.symbol_size \
                and memcmp(symbol.start, instrument.symbol, symbol.size) == 0:
            return self.last_found
        for index in range(self.count):
            instrument = &self.instruments[index]
            if symbol.size == instrument.symbol_size \
                    and memcmp(symbol.start, instrument.symbol, symbol.size) == 0:
                self.last_found = index
                return index
        return -1
