"""HTTP answers: whole, byte by byte, several in a row, at the limits, and what is none of it."""

import random

import pytest

from gateways.http_answer import (
    MAX_BODY_BYTES,
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    HttpAnswer,
    HttpAnswerReader,
    HttpBroken,
)

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,2,3]"
CHUNKED = (
    b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;name=value\r\nabc\r\nA \r\n0123456789\r\n0\r\nX-Trailer: told\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
LAST = b"HTTP/1.1 503 \r\ncontent-length:0\r\nConnection: Keep-Alive, close\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
STREAM = COUNTED + EMPTY + EARLY + CHUNKED + LAST
ANSWERS = [
    HttpAnswer(200, {"content-type": "application/json", "content-length": "7"}, b"[1,2,3]"),
    HttpAnswer(204, {}, b""),
    HttpAnswer(400, {"transfer-encoding": "chunked"}, b"abc0123456789"),
    HttpAnswer(503, {"content-length": "0", "connection": "Keep-Alive, close"}, b"", is_last=True),
]


def test_whole_answers_in_one_piece() -> None:
    reader = HttpAnswerReader()
    assert reader.receive(STREAM) == ANSWERS
    assert reader.is_between
    assert reader.end() is None


def test_byte_by_byte() -> None:
    reader = HttpAnswerReader()
    answers = [answer for byte in STREAM for answer in reader.receive(bytes([byte]))]
    assert answers == ANSWERS


@pytest.mark.parametrize("seed", range(50))
def test_in_pieces(seed: int) -> None:
    rng, reader, at = random.Random(seed), HttpAnswerReader(), 0
    answers = []
    while at < len(STREAM):
        size = rng.randint(1, 40)
        answers += reader.receive(STREAM[at : at + size])
        at += size
    assert answers == ANSWERS


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    reader = HttpAnswerReader()
    assert reader.receive(b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>") == []
    assert reader.receive(b"</html>") == []
    assert not reader.is_between
    assert reader.end() == HttpAnswer(502, {}, b"<html></html>", is_last=True)
    assert reader.is_between


@pytest.mark.parametrize("data", [COUNTED[:-1], CHUNKED[:-1], COUNTED[:20]])
def test_a_cut_answer_is_none(data: bytes) -> None:
    reader = HttpAnswerReader()
    assert reader.receive(data) == []
    assert not reader.is_between
    assert reader.end() is None


@pytest.mark.parametrize(
    "data",
    [
        b"8=FIXT.1.1\x01",
        b"\x16\x03\x01",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd",
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(HttpBroken):
        HttpAnswerReader().receive(data)


def test_limits() -> None:
    long_head = b"HTTP/1.1 200 OK\r\nA: "
    room = MAX_HEAD_BYTES - len(long_head)
    reader = HttpAnswerReader()
    fitting = long_head + b"x" * room + b"\r\n\r\n"
    assert reader.receive(fitting + b"") == []  # its body goes to the end of the connection
    assert reader.end() is not None
    with pytest.raises(HttpBroken, match=str(MAX_HEAD_BYTES)):
        reader.receive(long_head + b"x" * (room + 1) + b"\r\n\r\n")
    reader.reset()
    with pytest.raises(HttpBroken, match=str(MAX_HEAD_BYTES)):
        reader.receive(long_head + b"x" * (room + 1))
    reader.reset()
    with pytest.raises(HttpBroken, match=str(MAX_BODY_BYTES)):
        reader.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
    reader.reset()
    assert reader.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES) == []
    reader.reset()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    half = b"%x\r\n" % (MAX_BODY_BYTES // 2) + bytes(MAX_BODY_BYTES // 2) + b"\r\n"
    assert reader.receive(chunked + half + half) == []
    with pytest.raises(HttpBroken, match=str(MAX_BODY_BYTES)):
        reader.receive(b"1\r\n")
    reader.reset()
    with pytest.raises(HttpBroken, match=str(MAX_CHUNK_LINE_BYTES)):
        reader.receive(chunked + b"1;" + b"x" * MAX_CHUNK_LINE_BYTES)
    reader.reset()
    assert reader.receive(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_BODY_BYTES)) == []
    with pytest.raises(HttpBroken, match=str(MAX_BODY_BYTES)):
        reader.receive(b"x")


@pytest.mark.parametrize("seed", range(300))
def test_spoilt_bytes_never_do_more_than_break(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(STREAM)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randint(1, 9)]
            case _:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
    reader, size = HttpAnswerReader(), rng.randint(1, 50)
    answers = []
    try:
        for start in range(0, len(data), size):
            answers += reader.receive(bytes(data[start : start + size]))
        last = reader.end()
    except HttpBroken:
        return
    assert all(100 <= answer.status <= 999 for answer in answers)
    assert last is None or last.is_last
