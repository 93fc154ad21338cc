"""What a strategy can be told: parameters with defaults and ranges.

    params = Params(fast=Int(12, minimum=1), lean=0.15, quantity=Quantity("0.01"))

``bind_parameters`` turns them, with the operator's overrides, into numbers of one instrument.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np

from engine.instruments import INT64_MAXIMUM, Instrument
from ext.errors import ConfigError, InstrumentError, UsageError

Number = int | float

INT64_MINIMUM = -INT64_MAXIMUM - 1


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or the known names when none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; there are none"


class Int:
    """A whole number, by default of any size that fits 64 bits."""

    kind = "i8"

    def __init__(
        self, default: int, minimum: int = INT64_MINIMUM, maximum: int = INT64_MAXIMUM
    ) -> None:
        self.default = default
        self.minimum = minimum
        self.maximum = maximum

    def describe(self) -> str:
        """What is allowed, for an error message."""
        text = "a whole number"
        if self.minimum > INT64_MINIMUM or self.maximum < INT64_MAXIMUM:
            upper = f"to {self.maximum}" if self.maximum < INT64_MAXIMUM else "up"
            text += f" from {self.minimum} {upper}"
        return text

    def convert(self, value: object, instrument: Instrument) -> Number | None:
        """The number for the state record; None when the value is not allowed."""
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if self.minimum <= value <= self.maximum else None


class Float:
    """A finite number."""

    kind = "f8"

    def __init__(
        self, default: float, minimum: float = -math.inf, maximum: float = math.inf
    ) -> None:
        self.default = default
        self.minimum = minimum
        self.maximum = maximum

    def describe(self) -> str:
        """What is allowed, for an error message."""
        if self.minimum == -math.inf and self.maximum == math.inf:
            return "a number"
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def convert(self, value: object, instrument: Instrument) -> Number | None:
        """The number for the state record; None when the value is not allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        number = float(value)
        return number if math.isfinite(number) and self.minimum <= number <= self.maximum else None


class Bool:
    """true or false; 1 or 0 in the record."""

    kind = "i8"

    def __init__(self, default: bool) -> None:
        self.default = default

    def describe(self) -> str:
        """What is allowed, for an error message."""
        return "true or false"

    def convert(self, value: object, instrument: Instrument) -> Number | None:
        """The number for the state record; None when the value is not allowed."""
        return int(value) if isinstance(value, bool) else None


class Quantity:
    """A positive quantity in base currency as text; whole lots of the instrument in the record."""

    kind = "i8"

    def __init__(self, default: str) -> None:
        """Raises UsageError for a float, which may have lost digits that were written."""
        self.default = _require_exact("Quantity", default, self.describe())

    def describe(self) -> str:
        """What is allowed, for an error message."""
        return 'a positive quantity as text, such as "0.01"'

    def convert(self, value: object, instrument: Instrument) -> Number | None:
        """Whole lots; None when the value is not allowed."""
        lots = instrument.quantity_to_lots(value) if _is_exact(value) else 0
        return lots if lots > 0 else None


class Price:
    """A price or distance in quote currency as text, not negative; whole ticks in the record."""

    kind = "i8"

    def __init__(self, default: str) -> None:
        """Raises UsageError for a float, which may have lost digits that were written."""
        self.default = _require_exact("Price", default, self.describe())

    def describe(self) -> str:
        """What is allowed, for an error message."""
        return 'a price as text, such as "0.05"'

    def convert(self, value: object, instrument: Instrument) -> Number | None:
        """Whole ticks; None when the value is not allowed."""
        ticks = instrument.price_to_ticks(value) if _is_exact(value) else -1
        return ticks if ticks >= 0 else None


Parameter = Int | Float | Bool | Quantity | Price


def _is_exact(value: object) -> TypeGuard[str | int]:
    # A float may have lost digits that were written.
    return isinstance(value, str | int) and not isinstance(value, bool)


def _require_exact(kind: str, default: object, allowed: str) -> str | int:
    if not _is_exact(default):
        raise UsageError(f"the default of {kind}({default!r}) is not exact; use {allowed}")
    return default


class Params:
    """The parameters of a strategy: a bare int, float or bool is a default without a range."""

    def __init__(self, **declarations: Parameter | float | bool) -> None:
        self.declarations = {name: _declare(name, what) for name, what in declarations.items()}

    def dtype(self) -> np.dtype[Any]:
        """The record that hooks read as ``state.params``."""
        fields = [(name, item.kind) for name, item in self.declarations.items()]
        return np.dtype(fields or [("none", "i8")], align=True)


def _declare(name: str, what: object) -> Parameter:
    if isinstance(what, Int | Float | Bool | Quantity | Price):
        return what
    if isinstance(what, bool):
        return Bool(what)
    if isinstance(what, int):
        return Int(what)
    if isinstance(what, float):
        return Float(what)
    raise UsageError(
        f"parameter {name} was declared as {what!r}; use a number, a bool, Int, Float, "
        'Quantity("0.01") or Price("0.05")'
    )


def bind_parameters(
    params: Params, overrides: Mapping[str, object], instrument: Instrument, owner: str
) -> dict[str, Number]:
    """The value of every parameter for ``instrument``: the override if given, or the default.

    Raises:
        ConfigError: an unknown name (with the nearest known), a wrong type, a value out of range,
            or a price or quantity off the instrument's step.
    """
    for name in overrides:
        if name not in params.declarations:
            hint = nearest(name, params.declarations)
            raise ConfigError(f"{owner} has no parameter {name!r}{hint}")
    values: dict[str, Number] = {}
    for name, declaration in params.declarations.items():
        given = overrides.get(name, declaration.default)
        try:
            value = declaration.convert(given, instrument)
        except InstrumentError as error:
            raise ConfigError(f"parameter {name} of {owner}: {error}") from None
        if value is None:
            allowed = declaration.describe()
            raise ConfigError(f"parameter {name} of {owner} was {given!r}; use {allowed}")
        values[name] = value
    return values
