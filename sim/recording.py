"""Reads recorded sessions of Coinbase: the venue's frames as they were received, and its products.

Two formats, gzip or plain, told apart by their first line:

* text: ``<unix seconds>: <frame>`` for a received frame; ``<url> <-> ...``, ``<url> <- ...``,
  ``<url> -> ...`` and ``configuration: ...`` lines are about the connection.
* jsonl: one object a line with ``t`` (``header``, ``http``, ``connect``, ``send``, ``recv``),
  ``ts`` and ``data``, a JSON string that holds the frame's exact text.

Ticks and lots come from a recorded products answer, in the file or in its ``_http`` neighbour.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from ext.errors import RecordingError
from sim.products import Product

_FRAME_LINE = re.compile(r"(\d+(?:\.\d+)?): ")
_ABOUT_LINE = re.compile(r"(?:configuration: |\S+ (?:<->|<-|->) )")
_ANSWER_LINE = re.compile(r"\S+ -> [\d.]+: ")


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One received frame: local receive time, exact text, line it stands on (from 1)."""

    time_ns: int
    payload: bytes
    line_number: int


@dataclass
class Recording:
    """A whole recorded session in memory."""

    path: Path
    is_advanced_trade: bool
    frames: list[RecordedFrame] = field(default_factory=list)
    products: dict[str, Product] = field(default_factory=dict)


def read_recording(path: Path) -> Recording:
    """Reads ``path`` whole; ``RecordingError`` names the file and the line that cannot be read."""
    recording = Recording(path=path, is_advanced_trade=False)
    for number, line in _lines(path):
        try:
            _take_line(recording, number, line)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{path}: line {number} cannot be read: {error}") from error
    if not recording.frames:
        raise RecordingError(f"{path}: no received frame in it; expected a Coinbase recording")
    first = recording.frames[0]
    recording.is_advanced_trade = b'"channel"' in first.payload[:40]
    if not recording.products:
        _read_neighbour(recording)
    if not recording.products:
        raise RecordingError(
            f"{path}: no products answer in the file or in {_neighbour(path).name}; "
            "ticks and lots are unknown"
        )
    return recording


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with path.open("rb") as raw:
            is_gzip = raw.peek(2).startswith(b"\x1f\x8b")
            lines = gzip.GzipFile(fileobj=raw) if is_gzip else raw
            for number, content in enumerate(lines, 1):
                line = content.decode()
                yield number, line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise RecordingError(f"{path}: cannot be read near line {number}: {error}") from error


def _take_line(recording: Recording, number: int, line: str) -> None:
    if not line:
        return
    if line.startswith("{"):
        _take_object(recording, number, orjson.loads(line))
        return
    frame = _FRAME_LINE.match(line)
    if frame is not None:
        payload = line[frame.end() :].encode()
        recording.frames.append(RecordedFrame(_time_ns(frame[1]), payload, number))
        return
    answer = _ANSWER_LINE.match(line)
    if answer is not None:
        _take_products(recording, line[answer.end() :])
    elif _ABOUT_LINE.match(line) is None:
        raise ValueError("it is neither a frame nor a line about the connection")


def _take_object(recording: Recording, number: int, record: dict[str, Any]) -> None:
    kind = record["t"]
    if kind == "recv":
        payload = record["data"].encode()
        time_ns = _time_ns(repr(record["ts"]))
        recording.frames.append(RecordedFrame(time_ns, payload, number))
    elif kind == "http":
        _take_products(recording, record["data"])
    elif kind not in ("header", "connect", "send"):
        raise ValueError(f"unknown record type {kind!r}")


def _time_ns(seconds: str) -> int:
    return int(Decimal(seconds) * 1_000_000_000)


def _take_products(recording: Recording, body: str) -> None:
    # Exchange answers with a list (id, quote_increment is the tick); Advanced Trade with an
    # object (product_id, price_increment is the tick).
    answer = orjson.loads(body)
    entries = answer.get("products", []) if isinstance(answer, dict) else answer
    for entry in entries:
        symbol = entry.get("product_id") or entry["id"]
        tick = entry.get("price_increment") or entry["quote_increment"]
        product = Product.from_text(symbol, tick, entry["base_increment"])
        recording.products[symbol] = product


def _neighbour(path: Path) -> Path:
    stem, dot, ending = path.name.partition(".")
    return path.with_name(f"{stem}_http{dot}{ending}")


def _read_neighbour(recording: Recording) -> None:
    neighbour = _neighbour(recording.path)
    if not neighbour.exists():
        return
    for number, line in _lines(neighbour):
        try:
            _take_line(recording, number, line)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{neighbour}: line {number} cannot be read: {error}") from error
