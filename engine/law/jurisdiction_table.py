"""The jurisdiction table: one TOML file that says what may be traded at which venue from where.

The shipped one is ``engine/law/jurisdictions.toml``; its head explains the keys. Users copy it,
correct the copy and name it in ``[site] table``. It is no legal advice.
"""

import datetime
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from engine.settings.config_problems import find_nearest, show_value
from ext.errors import ConfigError

SHIPPED = Path(__file__).with_name("jurisdictions.toml")
FORMAT = 1
MAX_TABLE_BYTES = 1024 * 1024  # fifty times the shipped one
ENTRY_HEAD = "[[entry]]"

Product = Literal["spot", "derivatives", "fx", "equities"]
ANY_PRODUCT = "any"
NOT_CHECKED = "not checked"  # for TOML, which has no null

_Text = Annotated[str, Meta(min_length=1, max_length=400)]


class Permission(Enum):
    """What the table says; UNKNOWN: it says nothing."""

    PERMITTED = "permitted"
    NEEDS_RELEASE = "needs_release"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Permission.PERMITTED: "permitted",
    Permission.NEEDS_RELEASE: "blocked until it is released in writing",
    Permission.BLOCKED: "blocked",
    Permission.UNKNOWN: "not in the table",
}


class TableEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the table. ``region`` empty: the whole country. ``checked`` None: nobody has read
    the source. ``doubt`` empty: nothing was found against it."""

    venue: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=40)]
    product: Literal["spot", "derivatives", "fx", "equities", "any"]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
    region: Annotated[str, Meta(pattern=r"^([A-Z0-9]{1,3})?\Z")] = ""
    verdict: Literal["permitted", "needs_release", "blocked"]
    reason: _Text
    date: datetime.date
    checked: datetime.date | None
    source: _Text
    doubt: Annotated[str, Meta(max_length=400)] = ""

    @property
    def site(self) -> str:
        """Where it holds, as ``US-NY`` or ``BR``."""
        return f"{self.country}-{self.region}" if self.region else self.country

    @property
    def is_sure(self) -> bool:
        """Whether somebody has read the source, and found nothing against the entry."""
        return self.checked is not None and not self.doubt

    def describe(self) -> str:
        """One line for people: reason, date, source, whether anybody has read it, what is in
        doubt; however many lines the texts of the table have."""
        line = f"{self.reason} ({self.date}, {self.source}; "
        line += "source named, not read)" if self.checked is None else f"read {self.checked})"
        line += f"; in doubt: {self.doubt}" if self.doubt else ""
        return " ".join(line.split())

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What no other entry may be about."""
        return self.venue, self.product, self.country, self.region


@dataclass(frozen=True, slots=True)
class JurisdictionTable:
    """A table that was read. ``digest`` is the SHA-256 of its bytes in hex."""

    path: Path
    date: datetime.date
    digest: str
    entries: Mapping[tuple[str, str, str, str], TableEntry]

    def find(self, venue: str, product: str, country: str, region: str) -> TableEntry | None:
        """The entry that decides: of the region before the country, of the product before any."""
        for each_region in dict.fromkeys((region, "")):
            for each_product in (product, ANY_PRODUCT):
                entry = self.entries.get((venue, each_product, country, each_region))
                if entry is not None:
                    return entry
        return None

    @property
    def venues(self) -> list[str]:
        """The venues that some entry names."""
        return sorted({entry.venue for entry in self.entries.values()})


@cache
def load_table(path: str = "") -> JurisdictionTable:
    """The table at ``path``, empty: the shipped one; read once in the life of a process.

    ConfigError names the file, the entry with its line, what was found and what is allowed.
    """
    file = Path(path) if path else SHIPPED
    data = _read(file)
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    _check_head(file, raw)
    places = _places(text, raw["entry"])
    problems: list[str] = []
    entries: dict[tuple[str, str, str, str], TableEntry] = {}
    first_place: dict[tuple[str, str, str, str], str] = {}
    for place, item in zip(places, raw["entry"], strict=True):
        try:
            entry = _convert(item)
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        if entry.key in entries:
            problems.append(f"{place}: says what {first_place[entry.key]} says; keep one of them")
        entries[entry.key] = entry
        first_place.setdefault(entry.key, place)
    if problems:
        raise ConfigError("\n  ".join([f"{file}: the jurisdiction table is wrong", *problems]))
    return JurisdictionTable(file, raw["date"], hashlib.sha256(data).hexdigest(), entries)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}; [site] table names the jurisdiction table,"
            " empty: the shipped one"
        ) from None
    if len(data) > MAX_TABLE_BYTES:
        raise ConfigError(f"{file} is larger than {MAX_TABLE_BYTES} bytes; is it a table?")
    return data


def _check_head(file: Path, raw: Mapping[str, object]) -> None:
    known = ("format", "date", "entry")
    for name in raw:
        if name not in known:
            raise ConfigError(f"{file}: {name} is unknown; known: {', '.join(known)}")
    if raw.get("format") != FORMAT:
        shown = show_value(raw["format"]) if "format" in raw else "missing"
        raise ConfigError(f"{file}: format was {shown}; this version reads format = {FORMAT}")
    if type(raw.get("date")) is not datetime.date:
        raise ConfigError(f"{file}: date is missing or no date; write date = 2026-11-20")
    entries = raw.get("entry")
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ConfigError(f"{file}: has no entries; write {ENTRY_HEAD}")


def _places(text: str, items: list[Mapping[str, object]]) -> list[str]:
    """How each entry is called in a message: its number from 1, line and venue."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == ENTRY_HEAD]
    has_lines = len(lines) == len(items)  # else the heads are written in another way
    return [
        f"entry {index + 1}"
        + (f", line {lines[index]}" if has_lines else "")
        + (f" ({show_value(item['venue'])})" if "venue" in item else "")
        for index, item in enumerate(items)
    ]


def _convert(item: Mapping[str, object]) -> TableEntry:
    """The entry; ValueError says which key is wrong and what it may be."""
    names = TableEntry.__struct_fields__
    for name in item:
        if name not in names:
            nearest = find_nearest(name, names)
            hint = f"did you mean {nearest}?" if nearest else f"known: {', '.join(names)}"
            raise ValueError(f"{name} is unknown; {hint}")
    if item.get("checked") == NOT_CHECKED:
        item = {**item, "checked": None}
    fields = {field.name: field for field in msgspec.structs.fields(TableEntry)}
    for name, field in fields.items():
        if name not in item:
            if field.required:
                raise ValueError(f"{name} is missing; {_ALLOWED[name]}")
            continue
        try:
            msgspec.convert(item[name], field.type, strict=True)
        except msgspec.ValidationError:
            raise ValueError(f"{name} was {show_value(item[name])}; {_ALLOWED[name]}") from None
    return msgspec.convert(item, TableEntry)


_ALLOWED = {
    "venue": 'use lower case letters, digits and _, as in "coinbase"',
    "product": f"use {', '.join(get_args(Product))} or {ANY_PRODUCT}",
    "country": 'use two capital letters, as in "US"',
    "region": 'use one to three capital letters or digits, as in "NY", or leave it out',
    "verdict": "use permitted, needs_release or blocked",
    "reason": "say why, in 1 to 400 characters",
    "date": "use a date as in 2026-11-20, without quotes",
    "checked": f'use a date as in 2026-11-20, without quotes, or "{NOT_CHECKED}"',
    "source": "say where to look, in 1 to 400 characters",
    "doubt": "say what speaks against it, in up to 400 characters, or leave it out",
}
