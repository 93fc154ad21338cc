"""The risk gate of a config: every limit in the whole numbers that the gate compares.

Values of several instruments add up in a unit of their quote currency, fine enough that one tick on
one lot of each of them is a whole number of it.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from engine.instruments import (
    INT64_MAXIMUM,
    NO_LIMIT,
    Instrument,
    InstrumentLimits,
    convert_limits,
)
from engine.settings.config_trading import InstrumentSection, StrategySection
from ext.bounds import Bound
from ext.errors import InstrumentError

MAX_CURRENCY_SECTIONS = int(Bound.MAX_CURRENCIES) - 1
WITHOUT_LIMITS = MAX_CURRENCY_SECTIONS  # the currency of every product that has no [[currency]]


class CurrencyUnit:
    """What values of a quote currency are counted in: ten to the power of minus ``decimals``."""

    def __init__(self, name: str, instruments: Sequence[Instrument]) -> None:
        self.name = name
        self.decimals = max(
            (_decimals_of(each) for each in instruments if each.quote_currency == name), default=0
        )

    @property
    def largest(self) -> Decimal:
        """The largest amount that can be a limit: one unit below what means none."""
        return Decimal(INT64_MAXIMUM - 1).scaleb(-self.decimals)

    def step_value(self, instrument: Instrument) -> int:
        """Units of one tick on one lot; InstrumentError when they do not fit in an int64."""
        value = self._units(instrument.step_worth)
        if value > INT64_MAXIMUM:
            raise InstrumentError(
                f"one tick on one lot is {instrument.step_worth:f} {self.name}, too large to count"
                f" together with products of {self.decimals} decimals"
            )
        return value

    def count(self, amount: Decimal | None) -> int:
        """A limit in units, rounded down, NO_LIMIT for None; InstrumentError when it does not
        fit."""
        if amount is None:
            return NO_LIMIT
        if not 0 < (units := self._units(amount)) < INT64_MAXIMUM:
            raise InstrumentError(f"at most {self.largest:f}, the largest count in 64 bits")
        return units

    def _units(self, amount: Decimal) -> int:
        numerator, denominator = amount.as_integer_ratio()
        return int(numerator * 10**self.decimals // denominator)


class StrategyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one strategy in the kernel's whole numbers."""

    max_position_lots: int
    max_open_orders: int
    max_messages_per_second: int
    max_gross_value: int


def convert_section(instrument: Instrument, section: InstrumentSection) -> InstrumentLimits:
    """The limits of an instrument in whole steps; InstrumentError names the one that is not."""
    return convert_limits(instrument, **msgspec.structs.asdict(section.limits))


def convert_strategy(
    instrument: Instrument, section: StrategySection, unit: CurrencyUnit
) -> StrategyLimits:
    """The limits of a strategy; InstrumentError for one that cannot be counted."""
    limits = section.limits
    return StrategyLimits(
        max_position_lots=(
            instrument.quantity_to_lots(limits.max_position) if limits.max_position else NO_LIMIT
        ),
        max_open_orders=limits.max_open_orders,
        max_messages_per_second=limits.max_orders_per_second,
        max_gross_value=unit.count(limits.max_gross_exposure),
    )


def _decimals_of(instrument: Instrument) -> int:
    return instrument.price_decimals + instrument.quantity_decimals
