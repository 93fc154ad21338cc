"""Reads captures of WebSocket sessions: three formats, plain or compressed, one frame at a time.

==============  =================================================================
format          one line
==============  =================================================================
``TEXT``        ``<unix seconds>: <frame>``, and ``<url> <-> <time>`` (connected),
                ``<url> <- <time>: <sent>``, ``<url> -> <time>: <REST answer>``
``JSON_LINES``  ``{"t": "recv" | "http" | "connect" | "send" | "header", "conn": …,
                "ts": unix seconds, "data": "<exact text>", "url": …}``
``NANOSECONDS`` ``<unix nanoseconds> <frame>``
==============  =================================================================

The format and the compression (none, gzip, xz) are told from the content, not from the name. Lines
are read one by one, so memory does not grow with the file. A line that fits none of the shapes, a
truncated archive or an empty file raises ``RecordingError`` with the file and the line.
"""

import gzip
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import IO, NamedTuple

import orjson

from ext.errors import RecordingError

# With its line end. The largest frame known is a book snapshot of 5 MB.
MAX_LINE_BYTES = 64 * 1024 * 1024
MAX_SHOWN_BYTES = 60  # of a line that an error quotes
MAX_TIME_NS = 2**63 - 1
NANOSECONDS_PER_SECOND = 1_000_000_000

_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"
_ZSTANDARD_MAGIC = b"\x28\xb5\x2f\xfd"

_TEXT_FRAME = re.compile(rb"(\d+(?:\.\d+)?): (.*)", re.DOTALL)
_TEXT_EXCHANGE = re.compile(rb"(\S+) (<-|->) (\d+(?:\.\d+)?): (.*)", re.DOTALL)
_TEXT_CONNECT = re.compile(rb"(\S+) <-> (\d+(?:\.\d+)?)")
_NANOSECONDS_FRAME = re.compile(rb"(\d{16,19}) (.*)", re.DOTALL)
_CONFIGURATION = b"configuration: "


class RecordingFormat(Enum):
    """How the lines of a capture are written."""

    TEXT = "text"
    JSON_LINES = "json lines"
    NANOSECONDS = "nanoseconds"


class RecordedFrame(NamedTuple):
    """One WebSocket frame as it was received."""

    receive_time_ns: int
    """Local time of the recorder, nanoseconds since the Unix epoch."""
    connection: str
    """Name of the connection in the file."""
    payload: bytes
    """The exact bytes of the frame."""
    line_number: int
    """Line of the file, from 1."""
    connection_number: int
    """1 for the first time that this connection was opened, 2 after a reconnect, and so on."""


class RecordedAnswer(NamedTuple):
    """The body of one REST answer."""

    receive_time_ns: int
    url: str
    body: bytes
    line_number: int


Record = RecordedFrame | RecordedAnswer


class Recording:
    """A capture on disk. Nothing is kept open or in memory between two iterations.

    Raises:
        RecordingError: the file is missing, empty, or in no known format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RecordingError(f"{self.path}: there is no such file")
        self.format = self._detect_format()

    def records(self) -> Iterator[Record]:
        """Every frame and REST answer, in the order of the file."""
        match self.format:
            case RecordingFormat.TEXT:
                return self._read_text()
            case RecordingFormat.JSON_LINES:
                return self._read_json_lines()
            case RecordingFormat.NANOSECONDS:
                return self._read_nanoseconds()

    def frames(self) -> Iterator[RecordedFrame]:
        """Every WebSocket frame, in the order of the file."""
        return (record for record in self.records() if isinstance(record, RecordedFrame))

    def answers(self) -> Iterator[RecordedAnswer]:
        """Every REST answer, in the order of the file."""
        return (record for record in self.records() if isinstance(record, RecordedAnswer))

    def neighbour(self) -> "Recording | None":
        """The capture of the same minute's REST answers: ``name_http.ext`` beside ``name.ext``."""
        stem, dot, extensions = self.path.name.partition(".")
        path = self.path.with_name(f"{stem}_http{dot}{extensions}")
        return Recording(path) if path.is_file() else None

    def error(self, line_number: int, problem: str) -> RecordingError:
        """A ``RecordingError`` about one line of this file."""
        return RecordingError(f"{self.path}:{line_number}: {problem}")

    def _detect_format(self) -> RecordingFormat:
        for number, line in self._lines():
            if line.startswith(b"{"):
                return RecordingFormat.JSON_LINES
            if _NANOSECONDS_FRAME.fullmatch(line):
                return RecordingFormat.NANOSECONDS
            if line.startswith(_CONFIGURATION) or any(
                shape.fullmatch(line) for shape in (_TEXT_FRAME, _TEXT_EXCHANGE, _TEXT_CONNECT)
            ):
                return RecordingFormat.TEXT
            raise self.error(number, f"is not a line of a known capture format: {_quote(line)}")
        raise self.error(1, "the file holds no lines; a capture has at least one frame")

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        try:
            with self._open() as file:
                while line := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise self.error(number, f"the line is longer than {MAX_LINE_BYTES} bytes")
                    if line := line.rstrip(b"\r\n"):
                        yield number, line
        except EOFError as error:
            raise self.error(
                number, "the compressed file was cut: it ends soon after this line, unfinished"
            ) from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise self.error(number, f"cannot be read on from here: {error}") from error

    def _open(self) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
        with self.path.open("rb") as file:
            magic = file.read(len(_XZ_MAGIC))
        if magic.startswith(_GZIP_MAGIC):
            return gzip.open(self.path, "rb")
        if magic == _XZ_MAGIC:
            return lzma.open(self.path, "rb")
        if magic.startswith(_ZSTANDARD_MAGIC):
            raise self.error(1, "is a Zstandard archive; unpack it first with `zstd -d`")
        return self.path.open("rb")

    def _read_text(self) -> Iterator[Record]:
        connection, openings = "1", Counter[str]()
        for number, line in self._lines():
            if frame := _TEXT_FRAME.fullmatch(line):
                time_ns = self._time_ns(frame[1].decode(), number)
                opening = max(1, openings[connection])
                yield RecordedFrame(time_ns, connection, frame[2], number, opening)
            elif exchange := _TEXT_EXCHANGE.fullmatch(line):
                if exchange[2] == b"->":
                    time_ns = self._time_ns(exchange[3].decode(), number)
                    yield RecordedAnswer(time_ns, _decode(exchange[1]), exchange[4], number)
            elif connect := _TEXT_CONNECT.fullmatch(line):
                connection = _decode(connect[1])
                openings[connection] += 1
            elif not line.startswith(_CONFIGURATION):
                raise self.error(number, f"is not a line of a text capture: {_quote(line)}")

    def _read_json_lines(self) -> Iterator[Record]:
        openings = Counter[str]()
        for number, line in self._lines():
            try:
                fields = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise self.error(number, f"is not JSON ({error}): {_quote(line)}") from error
            if not isinstance(fields, dict):
                raise self.error(number, f"is not a JSON object: {_quote(line)}")
            kind = fields.get("t")
            if kind == "recv":
                connection, data = self._texts(fields, "conn", "data", number)
                time_ns = self._field_time_ns(fields, number)
                opening = max(1, openings[connection])
                yield RecordedFrame(time_ns, connection, data.encode(), number, opening)
            elif kind == "http":
                url, data = self._texts(fields, "url", "data", number)
                time_ns = self._field_time_ns(fields, number)
                yield RecordedAnswer(time_ns, url, data.encode(), number)
            elif kind == "connect":
                openings[self._text(fields, "conn", number)] += 1
            elif kind not in {"header", "send"}:
                raise self.error(number, f"t was {kind!r}; use recv, http, connect, send or header")

    def _read_nanoseconds(self) -> Iterator[Record]:
        for number, line in self._lines():
            frame = _NANOSECONDS_FRAME.fullmatch(line)
            if frame is None:
                raise self.error(number, f"is not `<nanoseconds> <frame>`: {_quote(line)}")
            time_ns = int(frame[1])
            if time_ns > MAX_TIME_NS:
                raise self.error(number, f"{time_ns} is out of range; times are unix nanoseconds")
            yield RecordedFrame(time_ns, "1", frame[2], number, 1)

    def _texts(
        self, fields: dict[str, object], first: str, second: str, number: int
    ) -> tuple[str, str]:
        return self._text(fields, first, number), self._text(fields, second, number)

    def _text(self, fields: dict[str, object], name: str, number: int) -> str:
        value = fields.get(name)
        if not isinstance(value, str):
            raise self.error(number, f"{name} was {value!r}; it must be a text")
        return value

    def _field_time_ns(self, fields: dict[str, object], number: int) -> int:
        value = fields.get("ts")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(number, f"ts was {value!r}; it must be a number of unix seconds")
        # repr is the shortest text of the float, which is the text that the recorder wrote.
        return self._time_ns(repr(value), number)

    def _time_ns(self, seconds: str, number: int) -> int:
        whole, _, fraction = seconds.partition(".")
        try:
            time_ns = int(whole) * NANOSECONDS_PER_SECOND + int(fraction[:9].ljust(9, "0"))
        except ValueError as error:
            raise self.error(number, f"{seconds} is not a time in unix seconds") from error
        if not 0 <= time_ns <= MAX_TIME_NS:
            raise self.error(number, f"{seconds} is out of range; times are unix seconds")
        return time_ns


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _quote(line: bytes) -> str:
    text = _decode(line[:MAX_SHOWN_BYTES])
    return text if len(line) <= MAX_SHOWN_BYTES else f"{text}…"
