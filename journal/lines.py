"""One record as one line: for people, or as JSON."""

import base64
from typing import Any

import orjson

from journal.entries import Entry
from journal.fields import fields_of
from journal.run import Run

MAX_TEXT_CHARACTERS = 160  # of a payload in a line for people; JSON has all of it
_LEADING = ("time", "time_ns", "stream", "sequence", "kind", "instrument", "strategy")


def human_line(entry: Entry, run: Run, *, is_whole: bool = False) -> str:
    """Time (UTC), stream, slot, kind, names, then ``name=value``; long payloads are cut unless
    ``is_whole``. No character of it is a control character."""
    values = fields_of(entry, run)
    subject = " ".join(str(values[name]) for name in ("instrument", "strategy") if name in values)
    rest = " ".join(
        f"{name}={_short(value, is_whole)}"
        for name, value in values.items()
        if name not in _LEADING
    )
    head = f"{values['time']} {entry.stream:<6} {entry.sequence:>9} {values['kind']:<14}"
    return " ".join(part for part in (head, subject, rest) if part)


def json_line(entry: Entry, run: Run) -> str:
    """One JSON object; bytes that are no text are ``data_base64``."""
    values = fields_of(entry, run)
    if "data" in values:
        values["data_base64"] = base64.b64encode(values.pop("data")).decode()
    return orjson.dumps(values).decode()


def _short(value: Any, is_whole: bool) -> str:
    if isinstance(value, bytes):
        value = value.hex()
    elif isinstance(value, dict):
        value = orjson.dumps(value).decode()
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(value))
    if is_whole or len(text) <= MAX_TEXT_CHARACTERS:
        return text
    return f"{text[:MAX_TEXT_CHARACTERS]}… ({len(text)} characters)"
