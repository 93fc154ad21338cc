"""FIX framing: whole, in pieces, broken on purpose, fuzzed, and on messages of real sessions."""

import itertools
import os
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ext.bounds import Bound
from ext.codecs.fix_frame import GARBLED_TEXTS, split_messages
from ext.fix_listener import FixListener
from ext.session_store import SessionStore

BEGIN, LENGTH, TRAILER, CHECKSUM = (GARBLED_TEXTS[reason] for reason in (1, 2, 3, 4))
LARGEST = int(Bound.MAX_FIX_MESSAGE_BYTES)
DATA = Path(os.environ.get("WOW_DATA", Path(__file__).parents[3] / "../shared/data"))
Build = Callable[..., bytes]


def framed(body: bytes, length: object = None, checksum: object = None) -> bytes:
    """``body`` starts with 35=; length and sum are right unless they are given."""
    size = len(body) if length is None else length
    head = b"8=FIX.4.4\x019=" + str(size).encode() + b"\x01" + body
    total = f"{sum(head) % 256:03d}" if checksum is None else checksum
    return head + f"10={total}\x01".encode()


GOOD = framed(b"35=0\x0134=2\x0149=A\x0156=B\x01")
OTHER = framed(b"35=1\x0134=3\x0149=A\x0156=B\x01112=hello\x01")
FILLER = framed(b"35=0\x01" + b"58=" + b"x" * 1000 + b"\x01") * (LARGEST // 1000 + 2)


def listen(chunks: Iterable[bytes]) -> tuple[list[bytes], list[str]]:
    """What a listener without a pipeline makes of a stream in pieces: messages, reasons."""
    messages: list[bytes] = []
    reasons: list[str] = []
    listener = FixListener(
        SessionStore(None, "frame"),
        None,
        None,
        messages.append,
        lambda reason, skipped: reasons.append(reason),
    )
    for chunk in chunks:
        listener.receive(chunk)
    return messages, reasons


def cut(chance: random.Random, stream: bytes) -> list[bytes]:
    """The stream in pieces at random places, some of them of one byte."""
    places = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(1, 40)))
    edges = [0, *places, len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def reference(stream: bytes) -> list[bytes]:
    """Every message of a stream that ends with whole ones, the slow and obvious way."""
    head = re.compile(rb"8=FIX[^\x01]{0,10}\x019=(\d{1,8})\x0135=")
    messages = []
    at = 0
    while at < len(stream):
        found = head.match(stream, at)
        if found and 5 <= int(found[1]) <= LARGEST:
            trailer = found.end() - 3 + int(found[1])
            expected = b"\x0110=%03d\x01" % (sum(stream[at:trailer]) % 256)
            if stream[trailer - 1 : trailer + 7] == expected:
                messages.append(stream[at : trailer + 7])
                at = trailer + 7
                continue
        following = stream.find(b"\x018=FIX", at)
        at = following + 1 if following >= 0 else len(stream)
    return messages


def test_whole() -> None:
    assert split_messages(GOOD) == ([GOOD], [], 0)
    assert split_messages(GOOD + OTHER + GOOD) == ([GOOD, OTHER, GOOD], [], 0)
    assert split_messages(b"") == ([], [], 0)


def test_every_beginning_waits_for_the_rest() -> None:
    for end in range(1, len(GOOD)):
        assert split_messages(GOOD[:end]) == ([], [], end), GOOD[:end]


def test_every_tail_waits_for_the_rest() -> None:
    for end in range(1, len(OTHER)):
        assert split_messages(GOOD + OTHER[:end]) == ([GOOD], [], end)


def test_byte_by_byte() -> None:
    stream = GOOD + OTHER + GOOD
    assert listen(stream[at : at + 1] for at in range(len(stream))) == ([GOOD, OTHER, GOOD], [])


def test_lengths_may_be_padded() -> None:
    padded = framed(b"35=0\x01", length="00000005")
    assert split_messages(padded) == ([padded], [], 0)
    assert split_messages(framed(b"35=0\x01", length="000000005") + GOOD)[:2] == ([GOOD], [LENGTH])


BROKEN = {
    "length one short": (framed(b"35=0\x0158=text\x01", length=12), TRAILER),
    "length one long": (framed(b"35=0\x0158=text\x01", length=14), TRAILER),
    "length far too short": (framed(b"35=0\x0158=text\x01", length=5), TRAILER),
    "length zero": (framed(b"35=0\x01", length=0), LENGTH),
    "length below any message": (framed(b"35=\x01", length=4), LENGTH),
    "length empty": (framed(b"35=0\x01", length=""), LENGTH),
    "length negative": (framed(b"35=0\x01", length=-5), LENGTH),
    "length not a number": (framed(b"35=0\x01", length="5x"), LENGTH),
    "length huge": (framed(b"35=0\x01", length=LARGEST + 1), LENGTH),
    "length beyond any integer": (framed(b"35=0\x01", length="9" * 40), LENGTH),
    "sum one more": (framed(b"35=0\x0158=a\x01", checksum="187"), CHECKSUM),
    "sum not a number": (framed(b"35=0\x01", checksum="abc"), CHECKSUM),
    "sum of two digits": (framed(b"35=0\x01", checksum="12"), TRAILER),
    "sum of four digits": (framed(b"35=0\x01", checksum="0123"), TRAILER),
    "sum inside a field": (framed(b"35=0\x0158=x"), TRAILER),
    "no sum": (b"8=FIX.4.4\x019=5\x0135=0\x0158=x\x01", TRAILER),
    "length missing": (b"8=FIX.4.4\x0135=0\x0110=000\x01", BEGIN),
    "type before length": (b"8=FIX.4.4\x0135=0\x019=5\x0110=000\x01", BEGIN),
    "type not third": (framed(b"34=1\x0135=0\x01"), BEGIN),
    "no version": (b"9=5\x0135=0\x0110=000\x01", BEGIN),
    "another protocol": (b"8=FAX.4.4\x019=5\x0135=0\x0110=163\x01", BEGIN),
    "version without an end": (b"8=FIX" + b"x" * 40 + b"\x01", BEGIN),
    "text": (b"HTTP/1.1 400 Bad Request\r\n\x01", BEGIN),
    "nothing but SOH": (b"\x01", BEGIN),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_then_good(name: str) -> None:
    broken, reason = BROKEN[name]
    # A length that is too long is believed until what it promised has come.
    messages, reasons, rest = split_messages(broken + GOOD + OTHER + GOOD)
    assert messages == [GOOD, OTHER, GOOD]
    assert set(reasons) == {reason}
    assert rest == 0
    assert listen([broken, GOOD + OTHER + GOOD])[0] == [GOOD, OTHER, GOOD]


def test_every_wrong_sum_is_seen() -> None:
    right = int(GOOD[-4:-1])
    for checksum in range(256):
        message = GOOD[:-4] + b"%03d\x01" % checksum
        expected = [message] if checksum == right else []
        assert split_messages(message)[0] == expected


def test_every_changed_byte_is_seen() -> None:
    for at in range(len(GOOD)):
        for flip in (1, 2, 0x80):
            changed = GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :]
            assert split_messages(changed + b"\x01" + FILLER)[0] == reference(FILLER), changed


def test_a_length_that_is_too_long_costs_only_its_message() -> None:
    broken = framed(b"35=0\x0158=text\x01", length=LARGEST)
    stream = broken + FILLER
    assert split_messages(stream[:LARGEST])[0] == []
    assert split_messages(stream) == (reference(FILLER), [TRAILER], 0)


def test_the_longest_message() -> None:
    body = b"35=0\x0158=" + b"x" * (LARGEST - 9) + b"\x01"
    assert len(body) == LARGEST
    assert split_messages(framed(body)) == ([framed(body)], [], 0)
    assert listen([framed(body)] * 5)[0] == [framed(body)] * 5


@pytest.mark.parametrize(
    "data", [b"\x01", GOOD, b"\x0110=000\x01", b"x\x01" + OTHER + b"\x01"], ids=len
)
def test_data_fields_may_hold_anything(data: bytes) -> None:
    message = framed(b"35=A\x0195=%d\x0196=%b\x01108=30\x01" % (len(data), data))
    assert split_messages(message + GOOD) == ([message, GOOD], [], 0)
    stream = message + GOOD
    assert listen(stream[at : at + 1] for at in range(len(stream))) == ([message, GOOD], [])


@pytest.mark.parametrize("seed", range(60))
def test_any_split_of_a_stream_gives_the_same_messages(fix_builder: Build, seed: int) -> None:
    chance = random.Random(seed)
    messages = []
    for sequence in range(chance.randrange(1, 30)):
        size = chance.choice((0, 1, 10, 100, 1000, chance.randrange(20_000)))
        text = "x" * size
        messages.append(fix_builder("8", [(34, sequence), (58, text), (49, "A")]))
    stream = b"".join(messages)
    assert listen(cut(chance, stream)) == (messages, [])


def mutated(chance: random.Random, message: bytes) -> bytes:
    """The message with a few bytes changed, lost or put in; it still ends with SOH."""
    changed = bytearray(message)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            changed[at] = chance.choice(b"0123456789=\x01")
        elif kind == 2:
            del changed[at : at + chance.randrange(1, 20)]
        else:
            changed[at:at] = chance.choice((b"\x01", b"9=9\x01", b"8=FIX.4.4\x01", b"10=000\x01"))
        changed = changed or bytearray(b"8")
    return bytes(changed) + b"\x01"


@pytest.mark.parametrize("seed", range(150))
def test_fuzz(seed: int) -> None:
    # Invariant: no input crashes; whatever came before, every intact message behind SOH is found,
    # in order, however the stream was cut; and nothing with a wrong sum ever is.
    chance = random.Random(seed)
    intact = []
    stream = b""
    for index in range(chance.randrange(1, 25)):
        message = framed(b"35=0\x0134=%d\x0158=%b\x01" % (index, b"y" * chance.randrange(60)))
        kind = chance.random()
        if kind < 0.5:
            intact.append(message)
            stream += message
        elif kind < 0.8:
            stream += mutated(chance, message)
        else:
            stream += chance.randbytes(chance.randrange(50)) + b"\x01"
    stream += FILLER
    messages, _, rest = split_messages(stream)
    assert rest == 0
    assert messages == reference(stream)
    in_pieces, _ = listen(cut(chance, stream))
    for found in (messages, in_pieces):
        waiting = iter(found)
        assert all(message in waiting for message in intact)
        assert all(reference(message) == [message] for message in found)


def read_lines(name: str) -> list[bytes]:
    path = DATA / "fix" / name
    if not path.exists():
        pytest.skip(f"no recording {path}; set WOW_DATA to the folder of the recordings")
    return [line.replace(b"|", b"\x01") for line in path.read_bytes().splitlines() if line]


def test_messages_of_a_real_gateway() -> None:
    lines = read_lines("bitfinex_gateway_2018.txt")
    assert len(lines) == 17
    assert split_messages(b"".join(lines)) == (lines, [], 0)
    assert listen(cut(random.Random(1), b"".join(lines))) == (lines, [])


def test_samples_whose_sums_were_edited_are_refused() -> None:
    lines = read_lines("binance_spot_doc_samples.txt")
    expected = reference(b"".join(lines))
    assert 0 < len(expected) < len(lines)
    for line in lines:
        found, reasons, _ = split_messages(line + FILLER)
        assert found == reference(line + FILLER)
        assert (line in expected) == (found[0] == line)
        assert bool(reasons) == (line not in expected)
