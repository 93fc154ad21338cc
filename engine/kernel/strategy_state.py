"""What a strategy remembers: the fields of its state record.

    state = State(fast=Ema(period="fast"), entries=Persistent(int), recent=Array(float, 16))

``State.bind`` lays them out as one aligned record: ``{params: {...}, <fields>, failures}``; the
persistent fields stand together, behind the others.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from engine.kernel.strategy_parameters import Number, Params, nearest
from ext.errors import ConfigError, UsageError

# 32 KiB of float64: several such windows still fit into the second-level cache.
MAX_ARRAY_LENGTH = 4096
RESERVED_NAMES = frozenset({"params", "failures"})


class Argument(NamedTuple):
    """One argument of an indicator: its default (None: must be given) and its range."""

    default: Number | None
    minimum: Number
    maximum: Number

    def accepts(self, value: object) -> bool:
        """Whether ``value`` is in range; whole where the range is given in whole numbers."""
        allowed: type | tuple[type, ...] = int if isinstance(self.minimum, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            return False
        return bool(self.minimum <= value <= self.maximum)  # type: ignore[operator]


class Indicator:
    """Base of indicators: arguments are numbers or names of parameters.

    Used bare (``fast=Ema``), the first argument is the parameter of the field's own name if there
    is one, else the indicator's default.
    """

    arguments: ClassVar[Mapping[str, Argument]] = {}

    def __init__(self, **given: Number | str) -> None:
        for name in given:
            if name not in self.arguments:
                hint = nearest(name, self.arguments)
                raise UsageError(f"{type(self).__name__} has no argument {name!r}{hint}")
        self.given = given

    def fields(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """The fields of the record, as NumPy wants them."""
        raise NotImplementedError

    def initialise(self, record: Any, **arguments: Any) -> None:
        """Fills the record, which is all zero, before the first update."""

    def resolve(self, field: str, parameters: Mapping[str, Number]) -> dict[str, Number]:
        """The arguments as numbers; ``ConfigError`` when one is missing or out of range."""
        return {
            name: self._value(field, name, argument, parameters)
            for name, argument in self.arguments.items()
        }

    def _value(
        self, field: str, name: str, argument: Argument, parameters: Mapping[str, Number]
    ) -> Number:
        place = f"state {field}: {type(self).__name__}({name}=…)"
        given = self.given.get(name)
        if given is None and name == next(iter(self.arguments)) and field in parameters:
            given = field
        if isinstance(given, str):
            if given not in parameters:
                raise ConfigError(f"{place}: no parameter {given!r}{nearest(given, parameters)}")
            place += f" from parameter {given}"
            given = parameters[given]
        value = argument.default if given is None else given
        if value is None or not argument.accepts(value):
            kind = "a whole number" if isinstance(argument.minimum, int) else "a number"
            was = "is missing" if value is None else f"was {value}"
            allowed = f"{kind} from {argument.minimum} to {argument.maximum}"
            raise ConfigError(f"{place} {was}; use {allowed}, or the name of a parameter")
        return value


class Array(Indicator):
    """A fixed array of zeros in the state record, of ``float`` or ``int``."""

    arguments: ClassVar[Mapping[str, Argument]] = {"length": Argument(None, 1, MAX_ARRAY_LENGTH)}

    def __init__(self, kind: type[int] | type[float], length: int | str) -> None:
        super().__init__(length=length)
        self.kind = _SCALARS[kind]

    def field(self, name: str, parameters: Mapping[str, Number]) -> tuple[Any, ...]:
        """The field as NumPy wants it: name, element type, shape."""
        return (name, self.kind, (self.resolve(name, parameters)["length"],))


_SCALARS: dict[type, str] = {int: "i8", float: "f8", bool: "i8"}


class Persistent:
    """A field that outlives the process: journaled whenever a hook has changed it, and put back
    after a restart. Each change costs a record, so declare what a decision needs and no more."""

    def __init__(self, what: Any) -> None:
        self.what = what


class State:
    """The fields of a state record: indicators, ``float``, ``int`` or ``bool`` (zero at the
    start), a number (its value at the start), ``Array``, or one of these as ``Persistent``.
    """

    def __init__(self, **declared: Any) -> None:
        fields = {
            name: what.what if isinstance(what, Persistent) else what
            for name, what in declared.items()
        }
        self.persistent = tuple(
            name for name, what in declared.items() if isinstance(what, Persistent)
        )
        for name, what in fields.items():
            if name in RESERVED_NAMES:
                raise UsageError(f"state field {name}: the name is taken; choose another one")
            if not _is_state_field(what):
                raise UsageError(
                    f"state field {name} was declared as {what!r}; use an indicator, float, int, "
                    "bool, a number or Array(float, length)"
                )
        self.fields = {
            name: what() if isinstance(what, type) and issubclass(what, Indicator) else what
            for name, what in fields.items()
        }

    def bind(self, params: Params, parameters: Mapping[str, Number]) -> np.ndarray[Any, Any]:
        """One zeroed, then initialised record, in an array of length 1."""
        fields: list[tuple[Any, ...]] = [("params", params.dtype())]
        volatile = [name for name in self.fields if name not in self.persistent]
        fields += [self._field(name, parameters) for name in (*volatile, *self.persistent)]
        fields.append(("failures", "i8"))
        record = np.zeros(1, np.dtype(fields, align=True))
        for name, value in parameters.items():
            record["params"][name] = value
        for name, what in self.fields.items():
            if isinstance(what, Indicator):
                what.initialise(record[name][0], **what.resolve(name, parameters))
            elif not isinstance(what, type):
                record[name] = what
        return record

    def persistent_range(self, record: np.dtype[Any]) -> tuple[int, int]:
        """Offset and size in bytes of the persistent fields in a record; (0, 0) without any."""
        if not self.persistent or record.fields is None:
            return 0, 0
        first = int(record.fields[self.persistent[0]][1])
        return first, int(record.fields["failures"][1]) - first

    def _field(self, name: str, parameters: Mapping[str, Number]) -> tuple[Any, ...]:
        what = self.fields[name]
        if isinstance(what, Array):
            return what.field(name, parameters)
        if isinstance(what, Indicator):
            return (name, np.dtype(what.fields(**what.resolve(name, parameters)), align=True))
        return (name, _SCALARS[what if isinstance(what, type) else type(what)])


def _is_state_field(what: object) -> bool:
    if isinstance(what, type):
        return what in _SCALARS or (issubclass(what, Indicator) and what is not Array)
    return isinstance(what, Indicator | int | float)
