"""Products of the simulated venue, and the exact way between decimal text and whole steps.

Prices are counts of the product's tick, quantities counts of its lot (``int``). Text that is not
a whole number of steps is refused with ``ValueError``, never rounded.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

# A decimal of more characters is not a price or a size of any venue; it is refused unread.
DECIMAL_CHARACTERS_MAX = 40
_DECIMAL_CHARACTERS = frozenset("0123456789.")


def decimal_from_text(text: str) -> Decimal:
    """Plain positive decimal text (digits and one dot) as ``Decimal``; ``ValueError`` otherwise.

    FIX floats have no exponent, no ``+`` and no thousands sign (session sheet, types).
    """
    if not text or len(text) > DECIMAL_CHARACTERS_MAX or not _DECIMAL_CHARACTERS.issuperset(text):
        raise ValueError(f"{text!r} is not a decimal; use digits with at most one dot")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a decimal; use digits with at most one dot") from error


def trimmed_text(value: Decimal) -> str:
    """``value`` without exponent and without trailing zeros: ``0.0100`` is ``0.01``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class StepSize:
    """A tick or a lot: ``unit`` of 10 ** -``decimals`` (0.05 is 5 of 10 ** -2)."""

    step: Decimal
    unit: int
    decimals: int

    @classmethod
    def from_text(cls, text: str) -> "StepSize":
        """The step written as a positive decimal; ``ValueError`` for zero or no decimal."""
        step = decimal_from_text(text)
        if step <= 0:
            raise ValueError(f"step {text!r} must be above zero")
        _, digits, exponent = step.normalize().as_tuple()
        decimals = max(0, -int(exponent))
        unit = int("".join(map(str, digits))) * 10 ** max(0, int(exponent))
        return cls(step=step, unit=unit, decimals=decimals)

    def count(self, text: str) -> int:
        """Whole number of steps in ``text``; ``ValueError`` when it is off the step."""
        value = decimal_from_text(text)
        steps, rest = divmod(value, self.step)
        if rest:
            raise ValueError(f"{text} is not a multiple of {trimmed_text(self.step)}")
        return int(steps)

    def text(self, count: int) -> str:
        """``count`` steps with all the decimals of the step: ``65000.10``, ``0.01000000``."""
        if self.decimals == 0:
            return str(count * self.unit)
        digits = str(count * self.unit).zfill(self.decimals + 1)
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}"

    def trimmed(self, count: int) -> str:
        """``count`` steps without trailing zeros: ``65000.1``, ``0.01``."""
        text = self.text(count)
        return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Product:
    """One product: ``symbol`` such as ``BTC-USD``, its tick and its lot."""

    symbol: str
    price: StepSize
    quantity: StepSize

    @classmethod
    def from_text(cls, symbol: str, tick: str, lot: str) -> "Product":
        """Tick and lot as decimal text; ``ValueError`` when either is not above zero."""
        return cls(symbol, StepSize.from_text(tick), StepSize.from_text(lot))

    @property
    def base_currency(self) -> str:
        """Currency that quantities are in."""
        return self.symbol.partition("-")[0]

    @property
    def quote_currency(self) -> str:
        """Currency that fees are charged in."""
        return self.symbol.rpartition("-")[2]

    def size(self, quantity_lots: int) -> Decimal:
        """Exact quantity in base currency."""
        return quantity_lots * self.quantity.step

    def notional(self, price_ticks: int, quantity_lots: int) -> Decimal:
        """Exact price times quantity in quote currency."""
        return price_ticks * self.price.step * (quantity_lots * self.quantity.step)

    def description(self) -> dict[str, str]:
        """As the ready line shows it."""
        return {
            "symbol": self.symbol,
            "tick": trimmed_text(self.price.step),
            "lot": trimmed_text(self.quantity.step),
        }
