"""Everything that is wrong with a config, collected and told with its place."""

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.settings.config_text import format_toml_value
from ext.errors import ConfigError

MAX_VALUE_CHARACTERS = 60  # of a wrong value that a message repeats; longer ones are cut

KeyPath = tuple[str | int, ...]


class Problems:
    """Collects the problems of one file; ``raise_if_any`` tells all of them, one a line.

    ``raw`` is the file's TOML with the overrides in it, to name list items by their symbol.
    ``overrides`` maps a place to the words of the ``--set`` that put a value there.
    """

    def __init__(
        self, file: str, raw: Mapping[str, object], overrides: Mapping[KeyPath, str]
    ) -> None:
        self._file = file
        self._raw = raw
        self._overrides = overrides
        self._lines: list[str] = []
        self._is_any_of_file = False

    def add(self, path: KeyPath, text: str) -> None:
        """A problem at a place; ``text`` follows the place's name."""
        override = self._override_of(path)
        self._is_any_of_file |= override is None
        line = f"{override or self._place_of(path)} {text}"
        if line not in self._lines:
            self._lines.append(line)

    def add_value(self, path: KeyPath, value: object, allowed: str) -> None:
        """A value that is not allowed; ``allowed`` follows "use"."""
        self.add(path, f"was {show_value(value)}; use {allowed}")

    def raise_if_any(self) -> None:
        """ConfigError with every problem, or nothing."""
        if not self._lines:
            return
        if len(self._lines) == 1:
            raise ConfigError((f"{self._file}: " if self._is_any_of_file else "") + self._lines[0])
        raise ConfigError("\n  ".join([f"{self._file}: {len(self._lines)} problems", *self._lines]))

    def _override_of(self, path: KeyPath) -> str | None:
        for size in range(len(path), 0, -1):
            if words := self._overrides.get(path[:size]):
                return ".".join([f"--set {words}", *map(str, path[size:])])
        return None

    def _place_of(self, path: KeyPath) -> str:
        section, *rest = path
        if rest and isinstance(rest[0], int):
            # As --set names it.
            place = f"{section}.{rest[0]}{self._title_of(str(section), rest[0])}"
            rest = rest[1:]
        else:
            place = f"[{section}]"
        return f"{place} {'.'.join(map(str, rest))}".rstrip()

    def _title_of(self, section: str, index: int) -> str:
        items = self._raw.get(section)
        item = items[index] if isinstance(items, list) and index < len(items) else None
        title = item.get("symbol") or item.get("class") if isinstance(item, dict) else None
        return f" ({title[:MAX_VALUE_CHARACTERS]})" if isinstance(title, str) and title else ""


def show_value(value: object) -> str:
    """A wrong value for a message: as TOML, cut, and never a huge number written out."""
    shown = str(value) if isinstance(value, Decimal) else format_toml_value(value)
    return shown if len(shown) <= MAX_VALUE_CHARACTERS else f"{shown[:MAX_VALUE_CHARACTERS]}…"


def find_nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, whatever its case, if there is one."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None
