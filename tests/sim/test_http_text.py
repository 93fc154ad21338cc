"""HTTP of the simulated venue as bytes: requests whole, in pieces, and what is none; answers."""

import pytest

from gateways.http_answer import HttpAnswer, HttpAnswerReader
from sim.http_text import HttpBad, HttpRequestReader, write_answer, write_body
from sim.rest_text import RestAnswer

POST = b'POST /orders HTTP/1.1\r\nHost: venue\r\nContent-Length: 10\r\n\r\n{"a": "b"}'
GET = b"GET /time?x=1 HTTP/1.1\r\nHost: venue\r\nAccept: application/json\r\n\r\n"


def test_requests_come_whole_byte_by_byte_and_several_at_once() -> None:
    whole = HttpRequestReader().feed(POST + GET)
    reader = HttpRequestReader()
    pieces = [each for at in range(len(POST + GET)) for each in reader.feed((POST + GET)[at:][:1])]
    assert whole == pieces
    assert [(each.method, each.target, each.body) for each in whole] == [
        ("POST", "/orders", b'{"a": "b"}'),
        ("GET", "/time?x=1", b""),
    ]
    assert whole[0].headers == {"host": "venue", "content-length": "10"}


def test_a_request_without_its_end_is_none_yet() -> None:
    assert HttpRequestReader().feed(POST[:-1]) == []
    assert HttpRequestReader().feed(GET[:-1]) == []


@pytest.mark.parametrize(
    ("request_bytes", "objection"),
    [
        (b"PUT /orders HTTP/1.1\r\nHost: v\r\n\r\n", "a request begins with"),
        (b"GET /orders HTTP/1.0\r\nHost: v\r\n\r\n", "a request begins with"),
        (b"GET orders HTTP/1.1\r\nHost: v\r\n\r\n", "a request begins with"),
        (b"GET /orders HTTP/1.1\r\n\r\n", "no Host"),
        (b"GET /orders HTTP/1.1\r\nHost: v\r\nHost: w\r\n\r\n", "stands twice"),
        (b"GET /orders HTTP/1.1\r\nHost : v\r\n\r\n", "a header is"),
        (b"POST /orders HTTP/1.1\r\nHost: v\r\n\r\n", "without Content-Length"),
        (b"POST /o HTTP/1.1\r\nHost: v\r\nContent-Length: -1\r\n\r\n", "Content-Length is"),
        (b"POST /o HTTP/1.1\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (b"GET /" + b"x" * 9000, "a head of more than"),
    ],
)
def test_what_is_no_request(request_bytes: bytes, objection: str) -> None:
    with pytest.raises(HttpBad, match=objection):
        HttpRequestReader().feed(request_bytes)


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_last", [False, True])
def test_answers_are_read_by_the_engine(is_chunked: bool, is_last: bool) -> None:
    answer = RestAnswer(200, {"id": "0123456789" * 9}, {"CB-AFTER": "5"})
    written = write_answer(answer, is_chunked=is_chunked, is_last=is_last)
    [read] = HttpAnswerReader().receive(written)
    assert (read.status, read.body, read.is_last) == (200, answer.body, is_last)
    assert read.headers["cb-after"] == "5"


def test_a_body_that_is_no_json() -> None:
    [read] = HttpAnswerReader().receive(write_body(502, b"<html>Bad Gateway</html>"))
    assert isinstance(read, HttpAnswer)
    assert (read.status, read.body) == (502, b"<html>Bad Gateway</html>")
