"""TOML text of a config: what ``wow-engine check`` prints, and what the config hash covers."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from engine.secrets import Secret
from engine.settings.config_schema import EngineConfig


def describe_config(config: EngineConfig) -> str:
    """The effective config as TOML: loads again to an equal config; secrets are references."""
    return "\n".join(_table_lines(config)).strip() + "\n"


def config_hash(config: EngineConfig, strategy_digests: Iterable[str] = ()) -> str:
    """SHA-256 of the effective config in hex: equal hashes, equal behaviour asked for.

    Covers defaults and ``--set``, and of a secret only where it lives. With the digests of the
    enabled strategies in their order (``engine.kernel.kernels.strategy_digest``) it covers their
    source.
    """
    text = "\n".join([describe_config(config), *strategy_digests])
    return hashlib.sha256(text.encode()).hexdigest()


def format_toml_value(value: object) -> str:
    """One value as TOML; a decimal in quotes, because a TOML number is a float to most readers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Secret):
        return format_toml_value(value.reference)
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    if isinstance(value, str):
        # JSON escapes what TOML wants escaped, save for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(format_toml_value, value))}]"
    if isinstance(value, Struct):
        return format_toml_value(dict(_items(value)))
    if isinstance(value, Mapping):
        pairs = (f"{_format_key(key)} = {format_toml_value(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return str(value)


def _table_lines(struct: Struct) -> Iterator[str]:
    for name, value in _items(struct):
        if isinstance(value, tuple) and value and isinstance(value[0], Struct):
            for item in value:
                yield from ("", f"[[{name}]]")
                yield from _value_lines(item)
        elif isinstance(value, Struct):
            yield from ("", f"[{name}]")
            yield from _value_lines(value)


def _value_lines(struct: Struct) -> Iterator[str]:
    for name, value in _items(struct):
        yield f"{name} = {format_toml_value(value)}"


def _items(struct: Struct) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is not None:
            yield field.encode_name, value


def _format_key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else format_toml_value(key)
