"""Python edge of the instrument table, see the ``.pxd``."""

cimport cython
from decimal import Decimal, InvalidOperation

from libc.string cimport memcpy, memset

from ext.bounds cimport MAX_LEVELS_PER_SIDE
from ext.errors import ConfigError, UsageError

MAX_DECIMALS = 12
"""Decimals that a tick or a lot may have; the finest seen at a venue are 10."""

MAX_STEP = 1_000_000
"""Largest tick or lot: with MAX_DECIMALS decimals its units still fit in an int64."""


@cython.final
cdef class InstrumentTable:
    """Symbols, ticks and lots of a run, in the order in which they were added."""

    def __cinit__(self) -> None:
        memset(self.instruments, 0, sizeof(self.instruments))
        self.instruments[0].symbol_size = -1    # an empty symbol finds nothing in an empty table
        self.count = 0
        self.last_found = 0
        self.names = []

    def add(
        self,
        symbol: str,
        tick: str,
        lot: str,
        *,
        price_precision: int | None = None,
        quantity_precision: int | None = None,
        depth: int = 0,
    ) -> int:
        """Adds an instrument and returns its index.

        ``tick`` and ``lot`` are decimal text in quote and base currency, greater than zero, of at
        most MAX_DECIMALS decimals. The precisions are the decimals that the venue's checksums
        give every price and quantity, at most MAX_DECIMALS; None: as many as tick and lot have.
        ``depth`` is how many levels of a side the venue keeps; 0: all.
        Raises ConfigError for a symbol that is empty, too long or there already, for a bad tick,
        lot, precision or depth, and beyond MAX_INSTRUMENTS.
        """
        cdef bytes encoded = symbol.encode()
        cdef Instrument* instrument
        cdef const char* start = encoded
        if not 1 <= len(encoded) < SYMBOL_BYTES:
            raise ConfigError(
                f"symbol {symbol!r} had {len(encoded)} bytes; use 1 to {SYMBOL_BYTES - 1}"
            )
        if symbol in self.names:
            raise ConfigError(f"symbol {symbol!r} was given twice; name each instrument once")
        if self.count == MAX_INSTRUMENTS:
            raise ConfigError(f"more than {MAX_INSTRUMENTS} instruments; remove some")
        if not 0 <= depth <= MAX_LEVELS_PER_SIDE:
            raise ConfigError(
                f"depth of {symbol} was {depth}; use 1 to {int(MAX_LEVELS_PER_SIDE)} levels, or 0 "
                "for all"
            )
        price_decimals, price_step = _split_step(symbol, "tick", tick)
        quantity_decimals, quantity_step = _split_step(symbol, "lot", lot)
        price_units = _count_units(symbol, "price", price_step, price_decimals, price_precision)
        quantity_units = _count_units(
            symbol, "quantity", quantity_step, quantity_decimals, quantity_precision
        )
        instrument = &self.instruments[self.count]
        memcpy(instrument.symbol, start, len(encoded))
        instrument.symbol_size = len(encoded)
        instrument.price_decimals = price_decimals
        instrument.price_step = price_step
        instrument.quantity_decimals = quantity_decimals
        instrument.quantity_step = quantity_step
        instrument.price_units = price_units
        instrument.quantity_units = quantity_units
        instrument.depth = depth
        instrument.tick_size = float(tick)
        instrument.lot_size = float(lot)
        self.names.append(symbol)
        self.count += 1
        return self.count - 1

    def symbol(self, index: int) -> str:
        """Symbol of an index; UsageError beyond the count."""
        if not 0 <= index < self.count:
            raise UsageError(f"instrument index was {index}; the table holds {self.count}")
        return self.names[index]

    def index(self, symbol: str) -> int:
        """Index of a symbol, -1 when it is not in the table."""
        return self.names.index(symbol) if symbol in self.names else -1

    def __len__(self) -> int:
        return self.count


def _split_step(symbol: str, name: str, text: str) -> tuple[int, int]:
    try:
        step = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{name} of {symbol} was {text!r}; use a decimal such as 0.01") from None
    if not step.is_finite() or step <= 0:
        raise ConfigError(f"{name} of {symbol} was {text!r}; use a decimal greater than zero")
    shortest = step.normalize()
    decimals = max(0, -int(shortest.as_tuple().exponent))
    if decimals > MAX_DECIMALS or step > MAX_STEP or shortest != step:
        raise ConfigError(
            f"{name} of {symbol} was {text!r}; use at most {MAX_DECIMALS} decimals and "
            f"{MAX_STEP:,} at most"
        )
    return decimals, int(shortest.scaleb(decimals))


def _count_units(symbol: str, name: str, step: int, decimals: int, precision: int | None) -> int:
    """A step of ``decimals`` decimals in units of 10**-precision."""
    if precision is None:
        return step
    if not decimals <= precision <= MAX_DECIMALS:
        raise ConfigError(
            f"{name} precision of {symbol} was {precision}; use {decimals}, the decimals of its "
            f"steps, to {MAX_DECIMALS}"
        )
    return step * 10 ** (precision - decimals)
