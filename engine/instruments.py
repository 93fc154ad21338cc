"""Instruments and the exact way between decimal text and whole ticks and lots.

Off-step values are reported, never rounded: an order for 0.015 lots is a mistake of the person
who wrote it, and no choice of ours would be the right one.
"""

from dataclasses import dataclass, field
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from ext.errors import InstrumentError

INT64_MAXIMUM = 2**63 - 1
NO_LIMIT = INT64_MAXIMUM  # of an optional limit that is not given: no sum exceeds it
COLLAR_PARTS_PER_PERCENT = 10_000  # the collar is kept in parts per million

# 19 digits of an int64 times 18 decimals of a step fit; anything that would round raises.
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


@dataclass(frozen=True, slots=True)
class Instrument:
    """One product of a venue: its symbol, its steps, and its index in the kernel's tables.

    ``tick`` is the price step in quote currency, ``lot`` the quantity step in base currency,
    both above 0 (InstrumentError otherwise).
    """

    symbol: str
    tick: Decimal
    lot: Decimal
    index: int = 0
    price_decimals: int = field(init=False)
    quantity_decimals: int = field(init=False)

    def __post_init__(self) -> None:
        for name, step in (("tick", self.tick), ("lot", self.lot)):
            if not step.is_finite() or step <= 0:
                raise InstrumentError(f"{self.symbol} {name} was {step}; use a decimal above 0")
        object.__setattr__(self, "price_decimals", _decimals(self.tick))
        object.__setattr__(self, "quantity_decimals", _decimals(self.lot))

    def price_to_ticks(self, price: Decimal | str | int) -> int:
        """Whole ticks of a price; InstrumentError when off the tick or beyond int64."""
        return self._to_steps(price, self.tick, "price", "tick")

    def quantity_to_lots(self, quantity: Decimal | str | int) -> int:
        """Whole lots of a quantity; InstrumentError when off the lot or beyond int64."""
        return self._to_steps(quantity, self.lot, "quantity", "lot")

    def ticks_to_price(self, price_ticks: int) -> Decimal:
        """The exact price of that many ticks, in quote currency."""
        return _EXACT.multiply(Decimal(price_ticks), self.tick)

    def lots_to_quantity(self, quantity_lots: int) -> Decimal:
        """The exact quantity of that many lots, in base currency."""
        return _EXACT.multiply(Decimal(quantity_lots), self.lot)

    def format_price(self, price_ticks: int) -> str:
        """A price as plain decimal text with the tick's decimals, such as ``65000.10``."""
        return f"{self.ticks_to_price(price_ticks):.{self.price_decimals}f}"

    def format_quantity(self, quantity_lots: int) -> str:
        """A quantity as plain decimal text with the lot's decimals, such as ``0.01000000``."""
        return f"{self.lots_to_quantity(quantity_lots):.{self.quantity_decimals}f}"

    @property
    def quote_currency(self) -> str:
        """What prices are counted in: what stands behind the last - of the symbol."""
        return self.symbol.rpartition("-")[2]

    @property
    def step_worth(self) -> Decimal:
        """What one tick on one lot is worth, in quote currency."""
        return _EXACT.multiply(self.tick, self.lot)

    @property
    def largest_notional(self) -> Decimal:
        """The largest amount in quote currency that fits in an int64 of tick times lot."""
        return _EXACT.multiply(self.step_worth, Decimal(INT64_MAXIMUM))

    def notional_to_steps(self, notional: Decimal) -> int:
        """Quote currency in units of one tick times one lot, rounded down to stay a limit; a
        negative amount is too, so that one of the smallest notional is rounded up.

        InstrumentError when it does not fit in an int64.
        """
        if abs(notional) > self.largest_notional:
            raise InstrumentError(
                f"{self.symbol} notional {notional} is too large to count in tick times lot;"
                f" use at most {self.largest_notional:f}"
            )
        steps, rest = _EXACT.divmod(notional, self.step_worth)
        return int(steps) - (rest < 0)

    def _to_steps(self, value: Decimal | str | int, step: Decimal, what: str, unit: str) -> int:
        where = f"{self.symbol} {what} {value}"
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise InstrumentError(f"{where} is not a decimal number") from None
        if not number.is_finite():
            raise InstrumentError(f"{where} is not a finite number")
        if not _is_in_reach(number, step):
            raise InstrumentError(f"{where} is beyond {INT64_MAXIMUM} {unit}s")
        steps, rest = _EXACT.divmod(number, step)
        if rest:
            raise InstrumentError(f"{where} is not a whole number of {unit}s of {step:f}")
        return int(steps)


@dataclass(frozen=True, slots=True)
class InstrumentLimits:
    """Risk limits of one instrument in the kernel's whole numbers."""

    max_order_lots: int
    max_order_notional_steps: int  # one step is one tick times one lot
    price_collar_parts_per_million: int  # of the reference price
    max_position_lots: int
    min_order_lots: int = 0  # 0: none
    min_order_notional_steps: int = 0
    last_trade_collar_parts_per_million: int = 0  # 0: not checked
    max_open_orders: int = NO_LIMIT
    max_open_notional_steps: int = NO_LIMIT


def collar_to_parts_per_million(percent: Decimal) -> int:
    """A price collar in whole parts per million; InstrumentError when it is finer than one."""
    parts = _EXACT.multiply(percent, Decimal(COLLAR_PARTS_PER_PERCENT))
    if parts != parts.to_integral_value():
        raise InstrumentError(
            f"price collar {percent} percent is finer than a millionth; use at most 4 decimals"
        )
    return int(parts)


def convert_limits(
    instrument: Instrument,
    max_order_quantity: Decimal,
    max_order_notional: Decimal,
    price_collar_percent: Decimal,
    max_position: Decimal,
    min_order_quantity: Decimal | None = None,
    min_order_notional: Decimal | None = None,
    last_trade_collar_percent: Decimal | None = None,
    max_open_orders: int = NO_LIMIT,
    max_open_notional: Decimal | None = None,
) -> InstrumentLimits:
    """Limits in whole steps, exactly; InstrumentError names the one that is not.

    The largest notionals are rounded down and the smallest one up, so that they stay limits.
    """
    steps_to = instrument.notional_to_steps
    return InstrumentLimits(
        max_order_lots=instrument.quantity_to_lots(max_order_quantity),
        max_order_notional_steps=steps_to(max_order_notional),
        price_collar_parts_per_million=collar_to_parts_per_million(price_collar_percent),
        max_position_lots=instrument.quantity_to_lots(max_position),
        min_order_lots=instrument.quantity_to_lots(min_order_quantity or 0),
        min_order_notional_steps=-instrument.notional_to_steps(-(min_order_notional or Decimal(0))),
        last_trade_collar_parts_per_million=collar_to_parts_per_million(
            last_trade_collar_percent or Decimal(0)
        ),
        max_open_orders=max_open_orders,
        max_open_notional_steps=steps_to(max_open_notional) if max_open_notional else NO_LIMIT,
    )


def _decimals(step: Decimal) -> int:
    # Not normalize(): that rounds to the caller's decimal context.
    digits, exponent = step.as_tuple().digits, int(step.as_tuple().exponent)
    trailing_zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -(exponent + trailing_zeros))


def _is_in_reach(number: Decimal, step: Decimal) -> bool:
    # Compared by size first, so that 1E+999999 is refused without being written out.
    if number.adjusted() - step.adjusted() > 20:
        return not number
    return number.copy_abs() <= _EXACT.multiply(step, Decimal(INT64_MAXIMUM))
