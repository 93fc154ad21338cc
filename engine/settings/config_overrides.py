"""``--set section.key=value``: one value of the config, replaced for one run."""

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.settings.config_problems import KeyPath, find_nearest
from ext.errors import ConfigError

_FORM = "--set section.key=value, as in --set risk.stale_after_ms=500"
_PART = re.compile(r'"([^"]*)"|([^."]+)')
_TITLES = ("symbol", "class")  # what an item of an array of tables may be called by
_CLASS = re.compile(r"(?:.*/)?(?P<stem>[^/:]+?)(?:\.py)?(?::(?P<name>\w+))?")


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> dict[KeyPath, str]:
    """Puts each ``section.key=value`` into ``raw``; returns the places and the words they came by.

    The value is TOML, or text when it is not. An item of an array of tables is named by its
    position from 0, its symbol or its class: ``instrument.BTC-USD.tick``; a name with a dot
    wants double quotes. Of a class ``/path/trend.py:Trend`` or ``package.trend:Trend``, ``Trend``
    and ``trend`` are enough. ConfigError when the place cannot be found; whether key and value are
    allowed is for the reader to say.
    """
    places: dict[KeyPath, str] = {}
    for override in overrides:
        words, separator, text = override.partition("=")
        words = words.strip()
        parts = _split(words)
        if not separator or len(parts) < 2:
            # Not the whole of it: behind the equals sign a secret could stand.
            raise ConfigError(f"--set {words} is not an override; use {_FORM}")
        places[_put(raw, words, parts, _parse_value(text.strip()))] = words
    return places


def _split(words: str) -> list[str]:
    parts = [quoted or bare for quoted, bare in _PART.findall(words)]
    is_whole = ".".join(f'"{part}"' if "." in part else part for part in parts) == words
    return parts if is_whole or '"' in words else []


def _parse_value(text: str) -> object:
    try:
        parsed = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def _put(raw: dict[str, Any], words: str, parts: list[str], value: object) -> KeyPath:
    path: list[str | int] = []
    place: Any = raw
    for part in parts[:-1]:
        if isinstance(place, dict):
            path.append(part)
            place = place.setdefault(part, {})
        elif isinstance(place, list):
            path.append(_find_item(place, words, part))
            place = place[int(path[-1])]
        else:
            raise ConfigError(f"--set {words}: {'.'.join(map(str, path))} is not a table")
    last: str | int = parts[-1]
    if isinstance(place, list):
        last = _find_item(place, words, parts[-1])
    elif not isinstance(place, dict):
        raise ConfigError(f"--set {words}: {'.'.join(map(str, path))} is not a table")
    place[last] = value
    return (*path, last)


def _names_of(item: dict[str, Any]) -> list[str]:
    names = [item[key] for key in _TITLES if isinstance(item.get(key), str)]
    if match := _CLASS.fullmatch(str(item.get("class", ""))):
        stem = match["stem"].rpartition(".")[2]
        names += [name for name in (match["name"], stem) if name and name not in names]
    return names


def _find_item(items: list[Any], words: str, part: str) -> int:
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    titles = {index: _names_of(item) for index, item in enumerate(items) if isinstance(item, dict)}
    matches = [index for index, names in titles.items() if part in names]
    if len(matches) == 1:
        return matches[0]
    if matches:
        places = ", ".join(map(str, matches))
        raise ConfigError(f"--set {words}: {part} is ambiguous; use one of the positions {places}")
    known = [name for names in titles.values() for name in names]
    nearest = find_nearest(part, known)
    hint = f"did you mean {nearest}?" if nearest else f"known: {', '.join(known) or 'none'}"
    if part.isdecimal():
        hint = f"use a position from 0 to {len(items) - 1}"
    raise ConfigError(f"--set {words}: there is no item {part}; {hint}")
