"""Writes the tables of ``docs/journal-format.md``: ``python -m journal.format_reference``.

``ext/wire.pxd`` is the schema: fields and kinds come from there with their comments, their places
from the dtypes that a test holds equal to what the C compiler did. A test fails when the page and
the schema differ.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ext.dtypes import BLOB, RECORD, REQUEST_TERMS
from ext.wire import RecordKind
from journal.entries import BLOB_KINDS, MARKET_KINDS
from journal.parquet import COLUMNS
from journal.segment import BLOCK_FIELDS, BLOCK_MAGIC, SEGMENT_FIELDS, SEGMENT_MAGIC

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "journal-format.md"
SCHEMA = ROOT / "ext" / "wire.pxd"

_BLOCK = re.compile(
    r"^(?:cpdef enum|cdef struct) (?P<name>\w+):(?:\s*#.*)?\n(?P<body>(?:    .*\n|\n)+)", re.M
)
_LINE = re.compile(
    r"^ {4}(?:\w+ )?(?P<name>\w+)(?:\[\w+\])?(?: = (?P<value>-?\d+))?\s*(?:# (?P<text>.*))?$"
)
_MORE = re.compile(r"^ +#\s*(?P<text>.*)$")
_OTHER = re.compile(r"^ {4}# \S")  # a comment at the margin is about what follows
_CODES = {"8s": "bytes", "I": "u4", "q": "i8"}

_SEGMENT_MEANINGS = (
    f"`{SEGMENT_MAGIC.decode()}`",
    "version of the format",
    "bytes of a slot",
    "hash of the records below; a reader refuses another one",
    "start of the engine, nanoseconds since the Unix epoch",
    "stream: 0 orders, 1 market",
    "bytes of the metadata",
)
_BLOCK_MEANINGS = (
    f"`0x{BLOCK_MAGIC:08X}`",
    "slots in this block, at least one",
    "number of the first of them in its stream, from 1",
    "CRC-32 of the slots",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A field of a struct or a value of an enumeration, with its comment."""

    name: str
    value: int | None
    text: str


def parse_schema(source: str) -> dict[str, list[Line]]:
    """Structs and enumerations of ``ext/wire.pxd`` by name."""
    return {match["name"]: _lines(match["body"]) for match in _BLOCK.finditer(source)}


def render_page(page: str) -> str:
    """The page with the text between its ``<!-- begin: x -->`` marks made new."""
    schema = parse_schema(SCHEMA.read_text(encoding="utf-8"))
    parts = {
        "segment": _header_table(SEGMENT_FIELDS, _SEGMENT_MEANINGS, "CRC-32 of the fields above"),
        "block": _header_table(BLOCK_FIELDS, _BLOCK_MEANINGS, "CRC-32 of the fields above"),
        "kinds": _kinds_table(schema["RecordKind"]),
        "record": _fields_table(schema["Record"], RECORD),
        "blob": _fields_table(schema["Blob"], BLOB),
        "request terms": _fields_table(schema["RequestTerms"], REQUEST_TERMS),
        "report formats": _values_table(schema["ReportFormat"], "REPORT_"),
        "commands": _values_table(schema["Command"], "COMMAND_"),
        "columns": _table(
            ("column", "type", "meaning"),
            [(f"`{name}`", kind, text) for name, kind, text in COLUMNS],
        ),
    }
    for name, text in parts.items():
        page = _replace_between(page, name, text)
    return page


def _lines(body: str) -> list[Line]:
    found: list[Line] = []
    for line in body.splitlines():
        if match := _LINE.match(line):
            value = None if match["value"] is None else int(match["value"])
            found.append(Line(match["name"], value, (match["text"] or "").strip()))
        elif found and not _OTHER.match(line) and (match := _MORE.match(line)):
            last = found[-1]
            found[-1] = Line(last.name, last.value, f"{last.text} {match['text']}".strip())
    return found


def _kinds_table(lines: list[Line]) -> str:
    rows = []
    for line in lines:
        number = line.value or 0
        stream = "market" if number in MARKET_KINDS else "orders"
        shape = "blob" if number in BLOB_KINDS else "record"
        name = line.name.removeprefix("RECORD_")
        rows.append((number, f"`{name}`", stream, shape, line.text))
    assert len(rows) == len(RecordKind)
    return _table(("kind", "name", "stream", "shape", "meaning"), rows)


def _fields_table(lines: list[Line], dtype: np.dtype[np.void]) -> str:
    fields: dict[str, Any] = dict(dtype.fields or {})
    rows = []
    for line in lines:
        kind, offset = fields[line.name][:2]
        rows.append((offset, kind.itemsize, _type_name(kind), f"`{line.name}`", line.text))
    return _table(("byte", "bytes", "type", "field", "meaning"), rows)


def _type_name(kind: np.dtype[Any]) -> str:
    if kind.kind == "S":
        return "bytes"
    return "Intent" if kind.names else kind.str[1:]


def _values_table(lines: list[Line], prefix: str) -> str:
    rows = [(line.value, f"`{line.name.removeprefix(prefix)}`", line.text) for line in lines]
    return _table(("code", "name", "meaning"), rows)


def _header_table(fields: struct.Struct, meanings: tuple[str, ...], crc: str) -> str:
    codes = re.findall(r"8s|I|q", fields.format)
    rows, at = [], 0
    for code, meaning in zip([*codes, "I"], [*meanings, crc], strict=True):
        rows.append((at, struct.calcsize(f"<{code}"), _CODES[code], meaning))
        at += struct.calcsize(f"<{code}")
    return _table(("byte", "bytes", "type", "meaning"), rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _replace_between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
