"""TOML tables into the Structs of the schema, with every problem collected on the way."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from engine.secrets import Secret
from engine.settings.config_keys import Key, keys_of
from engine.settings.config_problems import KeyPath, Problems, find_nearest
from engine.settings.config_schema import EngineConfig

MAX_DIGITS = 18  # of a decimal, on either side of the point: an int64 holds 18 whole digits

_INVALID = object()


def read_sections(raw: Mapping[str, object], problems: Problems) -> dict[str, Any]:
    """Every section that could be read, by its attribute of EngineConfig.

    Of an array of tables, the items that could not be read are None.
    """
    _refuse_unknown(EngineConfig, raw, (), problems)
    sections = {
        key.attribute: _read_key(key, raw, (key.name,), problems) for key in keys_of(EngineConfig)
    }
    return {name: section for name, section in sections.items() if section is not _INVALID}


def _read_table(table: type[Struct], value: object, path: KeyPath, problems: Problems) -> Any:
    if not isinstance(value, dict):
        # Without the value: it could be a secret in the wrong place.
        problems.add(path, f"is not a table; use {_names(table)}")
        return _INVALID
    _refuse_unknown(table, value, path, problems)
    fields = {
        key.attribute: _read_key(key, value, (*path, key.name), problems) for key in keys_of(table)
    }
    if any(field is _INVALID for field in fields.values()):
        return _INVALID
    return table(**fields)


def _read_key(key: Key, table: Mapping[str, object], path: KeyPath, problems: Problems) -> Any:
    if key.name not in table:
        if not key.is_required:
            return key.default
        verb = "write" if key.is_repeated else "give"
        problems.add(path, f"is missing; {verb} {key.allowed}")
        return _INVALID
    value = table[key.name]
    if key.table is None:
        return _read_value(key, value, path, problems)
    if not key.is_repeated:
        return _read_table(key.table, value, path, problems)
    return _read_array(key.table, key.name, value, path, problems)


def _read_array(
    table: type[Struct], name: str, value: object, path: KeyPath, problems: Problems
) -> Any:
    if not isinstance(value, list):
        problems.add(path, f"is not an array of tables; write [[{name}]]")
        return _INVALID
    items = (_read_table(table, item, (*path, index), problems) for index, item in enumerate(value))
    return tuple(None if item is _INVALID else item for item in items)


def _read_value(key: Key, value: object, path: KeyPath, problems: Problems) -> Any:
    if key.is_secret:
        return _read_secret(value, path, problems)
    try:
        # Numbers were read as Decimal to be exact; msgspec turns them into the floats of the schema
        # save in a strategy's params, where a union of types leaves it no choice.
        plain = _with_floats(value) if isinstance(value, dict) else value
        result = msgspec.convert(plain, key.value_type, strict=True)
    except (msgspec.ValidationError, OverflowError):
        result = _INVALID
    if result is _INVALID or not _is_in_range(result):
        problems.add_value(path, value, key.allowed)
        return _INVALID
    return result


def _read_secret(value: object, path: KeyPath, problems: Problems) -> Any:
    try:
        return Secret.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        problems.add(path, f"is not a reference, and no secret may stand here; {error}")
        return _INVALID


def _with_floats(params: Mapping[str, object]) -> dict[str, object]:
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in params.items()
    }


def _is_in_range(result: object) -> bool:
    if isinstance(result, float):
        return math.isfinite(result)
    if isinstance(result, dict):
        return all(map(_is_in_range, result.values()))
    if not isinstance(result, Decimal):
        return True
    is_short = result.is_finite() and int(result.as_tuple().exponent) >= -MAX_DIGITS
    return is_short and result.adjusted() < MAX_DIGITS and result > 0


def _refuse_unknown(
    table: type[Struct], value: Mapping[str, object], path: KeyPath, problems: Problems
) -> None:
    known = [key.name for key in keys_of(table)]
    for name in value:
        if name not in known:
            problems.add((*path, name), f"is unknown; {_suggest(name, known, table)}")


def _suggest(name: str, known: list[str], table: type[Struct]) -> str:
    is_section = table is EngineConfig
    if nearest := find_nearest(name, known):
        return f"did you mean {f'[{nearest}]' if is_section else nearest}?"
    for section in keys_of(EngineConfig):
        if section.table and name in {key.name for key in keys_of(section.table)}:
            brackets = f"[[{section.name}]]" if section.is_repeated else f"[{section.name}]"
            return f"did you mean {brackets} {name}?"
    return f"known {'sections' if is_section else 'keys'}: {', '.join(known)}"


def _names(table: type[Struct]) -> str:
    return f"a table of {', '.join(key.name for key in keys_of(table))}"
