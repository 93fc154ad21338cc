"""HTTP/1.1 answers out of a stream of bytes, without a socket.

Source: RFC 9112: 2.2 (lines), 4 (status line), 6.3 (where a body ends), 7.1 (chunked). Trailers
are read over; an answer without a length ends with the connection.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from ext.errors import VenueError

MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
"""Of the answer to one order; a page of 100 fills, which comes another way, has 40 kB."""
MAX_CHUNK_LINE_BYTES = 1024
LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(r"\d{1,12}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class HttpBroken(VenueError):
    """What came is no HTTP/1.1 answer: nothing behind it on this connection can be believed."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One whole answer; header names are in lower case, the last of a name counts.

    ``is_last``: the server sends nothing behind it on this connection.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_last: bool = False


class _Part(Enum):
    HEAD = auto()
    COUNTED_BODY = auto()  # Content-Length bytes
    CHUNK_SIZE = auto()
    CHUNK = auto()
    TRAILER = auto()
    BODY_TO_END = auto()  # until the connection ends


@dataclass(slots=True)
class _Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    @property
    def is_last(self) -> bool:
        return "close" in _tokens(self.headers.get("connection", ""))


class HttpAnswerReader:
    """Reads one connection. Answers to HEAD are not expected. ``reset`` before another one."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets what an ended connection left behind."""
        self._buffer = bytearray()
        self._part = _Part.HEAD
        self._answer = _Answer(0)
        self._left = 0  # bytes of the body or chunk that are still to come

    @property
    def is_between(self) -> bool:
        """Whether no part of an answer has come yet."""
        return self._part is _Part.HEAD and not self._buffer

    def receive(self, data: bytes) -> list[HttpAnswer]:
        """The answers that are whole now; HttpBroken for what is none."""
        self._buffer += data
        answers: list[HttpAnswer] = []
        while self._advance(answers):
            pass
        return answers

    def end(self) -> HttpAnswer | None:
        """The connection has ended: the answer whose end that is, None when there is none."""
        is_whole = self._part is _Part.BODY_TO_END
        answer = HttpAnswer(
            self._answer.status, self._answer.headers, bytes(self._answer.body), is_last=True
        )
        self.reset()
        return answer if is_whole else None

    def _advance(self, answers: list[HttpAnswer]) -> bool:
        """One step; False when it takes more bytes."""
        match self._part:
            case _Part.HEAD:
                return self._read_head(answers)
            case _Part.COUNTED_BODY:
                if not self._take_body():
                    return False
                self._finish(answers)
            case _Part.CHUNK_SIZE:
                line = self._take_line(MAX_CHUNK_LINE_BYTES, "a chunk's size")
                if line is None:
                    return False
                self._begin_chunk(line)
            case _Part.CHUNK:
                if not self._take_body():
                    return False
                if len(self._buffer) < len(LINE_END):
                    return False
                if self._buffer[: len(LINE_END)] != LINE_END:
                    raise HttpBroken("a chunk is longer than its size says")
                del self._buffer[: len(LINE_END)]
                self._part = _Part.CHUNK_SIZE
            case _Part.TRAILER:
                line = self._take_line(MAX_HEAD_BYTES, "a trailer")
                if line is None:
                    return False
                if not line:
                    self._finish(answers)
            case _Part.BODY_TO_END:
                self._left = len(self._buffer)
                self._take_body()
                return False
        return True

    def _read_head(self, answers: list[HttpAnswer]) -> bool:
        at = self._buffer.find(HEAD_END)
        if at < 0 or at > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise HttpBroken(f"the head of an answer has more than {MAX_HEAD_BYTES} bytes")
            self._check_beginning()
            return False
        lines = bytes(self._buffer[:at]).split(LINE_END)
        del self._buffer[: at + len(HEAD_END)]
        match = _STATUS_LINE.fullmatch(lines[0])
        if match is None:
            raise HttpBroken(f"an answer begins with {lines[0][:60]!r}, not with a status line")
        self._answer = _Answer(int(match[1]), dict(map(_read_header, lines[1:])))
        if 100 <= self._answer.status < 200:
            if self._answer.status == 101:
                raise HttpBroken("the server changes to a protocol that was not asked for")
            return True  # a word before the answer itself: 100 Continue, 103 Early Hints
        self._begin_body(answers)
        return True

    def _check_beginning(self) -> None:
        """Something else than HTTP is told from its first bytes, not after a whole head of it."""
        expected = b"HTTP/1."
        if not expected.startswith(bytes(self._buffer[: len(expected)])):
            raise HttpBroken(f"an answer begins with {bytes(self._buffer[:60])!r}")

    def _begin_body(self, answers: list[HttpAnswer]) -> None:
        headers, status = self._answer.headers, self._answer.status
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status in (204, 304):
            self._finish(answers)
        elif coding is not None:
            if coding.strip().lower() != "chunked" or length is not None:
                raise HttpBroken(f"Transfer-Encoding {coding!r} with length {length!r}")
            self._part = _Part.CHUNK_SIZE
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise HttpBroken(f"Content-Length {length[:60]!r} is no whole number")
            self._left = int(length)
            self._check_size()
            self._part = _Part.COUNTED_BODY
        else:
            self._part = _Part.BODY_TO_END

    def _begin_chunk(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise HttpBroken(f"a chunk's size is {line[:60]!r}")
        self._left = int(match[1], 16)
        self._check_size()
        self._part = _Part.CHUNK if self._left else _Part.TRAILER

    def _check_size(self) -> None:
        if len(self._answer.body) + self._left > MAX_BODY_BYTES:
            raise HttpBroken(f"the body of an answer has more than {MAX_BODY_BYTES} bytes")

    def _take_body(self) -> bool:
        """Moves what has come of the body; whether that was all of this piece."""
        self._check_size()
        size = min(self._left, len(self._buffer))
        self._answer.body += self._buffer[:size]
        del self._buffer[:size]
        self._left -= size
        return self._left == 0

    def _take_line(self, limit: int, what: str) -> bytes | None:
        at = self._buffer.find(LINE_END)
        if at > limit or (at < 0 and len(self._buffer) > limit):
            raise HttpBroken(f"{what} has more than {limit} bytes")
        if at < 0:
            return None
        line = bytes(self._buffer[:at])
        del self._buffer[: at + len(LINE_END)]
        return line

    def _finish(self, answers: list[HttpAnswer]) -> None:
        answer = self._answer
        answers.append(
            HttpAnswer(answer.status, answer.headers, bytes(answer.body), answer.is_last)
        )
        self._answer = _Answer(0)
        self._part = _Part.HEAD


def _read_header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name):
        raise HttpBroken(f"a header is {line[:60]!r}")
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def _tokens(text: str) -> list[str]:
    return [token.strip().lower() for token in text.split(",")]
