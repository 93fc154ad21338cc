"""The schema as data: what a key is called, what it allows and what it is for, in words."""

import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from engine.secrets import Secret
from engine.settings.config_text import format_toml_value


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section, or one section of the file."""

    name: str  # as written in the file
    attribute: str  # of the Struct
    value_type: Any  # what msgspec.convert takes
    description: str
    allowed: str  # follows "use" in a message
    is_required: bool
    default: object  # None when required
    table: type[Struct] | None  # set: the value is a table, or an array of them
    is_repeated: bool  # an array of tables
    is_secret: bool


@cache
def keys_of(section: type[Struct]) -> tuple[Key, ...]:
    """The keys of a section, in the order in which they are documented."""
    hints = get_type_hints(section, include_extras=True)
    return tuple(
        _make_key(information, hints[information.name])
        for information in msgspec.structs.fields(section)
    )


def _make_key(information: msgspec.structs.FieldInfo, annotation: Any) -> Key:
    bare, description, allowed = _unwrap(annotation)
    table, is_repeated = _table_of(bare)
    if table is not None and not allowed:
        names = ", ".join(key.name for key in keys_of(table))
        allowed = f"[[{information.encode_name}]]" if is_repeated else f"a table of {names}"
    default: object = None if information.default is NODEFAULT else information.default
    if information.default_factory is not NODEFAULT:
        default = information.default_factory()
    return Key(
        name=information.encode_name,
        attribute=information.name,
        value_type=annotation,
        description=description,
        allowed=allowed or _allowed(annotation),
        is_required=information.required,
        default=default,
        table=table,
        is_repeated=is_repeated,
        is_secret=bare is Secret or Secret in get_args(bare),
    )


def _unwrap(annotation: Any) -> tuple[Any, str, str]:
    metas = [meta for meta in getattr(annotation, "__metadata__", ()) if meta is not None]
    description = " ".join(meta.description for meta in metas if meta.description)
    allowed = next((meta.extra["allowed"] for meta in metas if meta.extra), "")
    return (get_args(annotation)[0] if metas else annotation), description, allowed


def _table_of(bare: Any) -> tuple[type[Struct] | None, bool]:
    if get_origin(bare) is tuple:
        item = get_args(bare)[0]
        return (item, True) if _is_struct(item) else (None, False)
    if isinstance(bare, types.UnionType) or get_origin(bare) is Union:
        return next((item for item in get_args(bare) if _is_struct(item)), None), False
    return (bare, False) if _is_struct(bare) else (None, False)


def _is_struct(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, Struct)


def _allowed(annotation: Any) -> str:
    bare, _, _ = _unwrap(annotation)
    if get_origin(bare) is Literal:
        *first, last = [format_toml_value(value) for value in get_args(bare)]
        return f"{', '.join(first)} or {last}" if first else last
    if bare is bool:
        return "true or false"
    if bare in (int, float):
        return _allowed_number("a whole number" if bare is int else "a number", annotation)
    return "text"


def _allowed_number(kind: str, annotation: Any) -> str:
    (meta,) = annotation.__metadata__
    return f"{kind} from {meta.ge} to {meta.le}"
