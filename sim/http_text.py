"""HTTP/1.1 requests and answers as bytes, without a socket (RFC 9112).

``rest_door`` leaves that to aiohttp; this is for whoever has no loop. A client that sends anything
doubtful is told so: two lengths, a line without its end, a body that was not announced.
"""

import re

from sim.rest_text import RestAnswer, RestRequest

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 8 * 1024
CHUNK_BYTES = 24
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_REQUEST_LINE = re.compile(rb"(GET|POST|DELETE) (/[!-~]*) HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z-]+): ([\x20-\x7e]*)")
_LENGTH = re.compile(r"\d{1,6}")


class HttpBad(Exception):
    """What came is no request of HTTP/1.1; ``str()`` says why."""


class HttpRequestReader:
    """Reads what one client sends on one connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[RestRequest]:
        """The requests that are whole now, oldest first; ``HttpBad`` for what is none."""
        self._buffer += data
        found = []
        while (request := self._take()) is not None:
            found.append(request)
        return found

    def _take(self) -> RestRequest | None:
        head, end, rest = self._buffer.partition(HEAD_END)
        if len(head) > MAX_HEAD_BYTES:
            raise HttpBad(f"a head of more than {MAX_HEAD_BYTES} bytes")
        if not end:
            return None
        line, *others = head.split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise HttpBad(f"a request begins with {line[:60]!r}")
        headers = _read_headers(others)
        size = _body_size(match[1].decode(), headers)
        if len(rest) < size:
            return None
        self._buffer = rest[size:]
        return RestRequest(match[1].decode(), match[2].decode(), headers, rest[:size])


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise HttpBad(f"a header is {line[:60]!r}")
        name = match[1].decode().lower()
        if name in headers:
            raise HttpBad(f"{name} stands twice")
        headers[name] = match[2].decode()
    if not headers.get("host"):
        raise HttpBad("there is no Host")
    return headers


def _body_size(method: str, headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise HttpBad("Transfer-Encoding is not for requests to this venue")
    length = headers.get("content-length")
    if length is None and method == "POST":
        raise HttpBad("a POST without Content-Length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise HttpBad(f"Content-Length is {length!r}")
    return int(length or 0)


def write_answer(answer: RestAnswer, *, is_chunked: bool = False, is_last: bool = False) -> bytes:
    """The bytes of an answer. ``is_last`` says that the connection ends behind it."""
    return write_body(
        answer.status, answer.body, answer.headers, is_chunked=is_chunked, is_last=is_last
    )


def write_body(
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    is_chunked: bool = False,
    is_last: bool = False,
) -> bytes:
    """The same of a body that need not be JSON."""
    shown = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    if is_last:
        shown["Connection"] = "close"
    if is_chunked:
        shown["Transfer-Encoding"] = "chunked"
        body = _in_chunks(body)
    else:
        shown["Content-Length"] = f"{len(body)}"
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}".rstrip()]
    lines += [f"{name}: {value}" for name, value in shown.items()]
    return "\r\n".join(lines).encode() + HEAD_END + body


def _in_chunks(body: bytes) -> bytes:
    chunks = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)]
    written = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(written) + b"0\r\n\r\n"
