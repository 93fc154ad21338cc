"""FIX framing against simplefix, and everything that garbles a message."""

import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from sim.fix_text import BODY_BYTES_MAX, FixMessage, FixReader, Garbled, encode

ORDER = ((34, "2"), (49, "me"), (52, "20260105-14:30:00.000"), (56, "Coinbase"), (11, "a=b"))
MESSAGE = encode("FIXT.1.1", "D", ORDER)


def read(data: bytes) -> list[FixMessage | Garbled]:
    """What a new reader makes of ``data``."""
    return FixReader().feed(data)


def test_encoder_agrees_with_simplefix() -> None:
    message = simplefix.FixMessage()
    for tag, value in ((8, "FIXT.1.1"), (35, "D"), *ORDER):
        message.append_pair(tag, value)
    assert message.encode() == MESSAGE


def test_reader_reads_what_simplefix_writes() -> None:
    (message,) = read(MESSAGE)
    assert isinstance(message, FixMessage)
    assert message.message_type == "D"
    assert message.get(11) == "a=b"
    assert message.get(99) is None
    assert message.fields[0] == (8, "FIXT.1.1")
    assert message.fields[-1][0] == 10


def test_byte_by_byte_and_with_a_tail() -> None:
    reader = FixReader()
    found = [each for byte in MESSAGE * 2 for each in reader.feed(bytes([byte]))]
    assert found == read(MESSAGE) * 2
    reader = FixReader()
    assert reader.feed(MESSAGE + MESSAGE[:10]) == read(MESSAGE)
    assert reader.feed(MESSAGE[10:]) == read(MESSAGE)


def test_data_field_may_hold_the_separator() -> None:
    message = encode("FIXT.1.1", "A", [(34, "1"), (95, "5"), (96, "a\x01=b="), (98, "0")])
    (found,) = read(message)
    assert isinstance(found, FixMessage)
    assert found.get(96) == "a\x01=b="
    assert found.get(98) == "0"


def damaged(old: bytes, new: bytes) -> bytes:
    """The good message with one thing changed."""
    assert old in MESSAGE
    return MESSAGE.replace(old, new, 1)


@pytest.mark.parametrize(
    "bad",
    [
        damaged(MESSAGE[-7:], b"10=000\x01" if MESSAGE[-4:-1] != b"000" else b"10=001\x01"),
        damaged(b"a=b", b"a=c"),
        damaged(b"\x019=", b"\x019=1"),
        damaged(b"\x0135=D", b"\x0136=D"),
        b"hello\x01",
        b"8=FIXT.1.1\x0135=D\x0110=000\x01",
        b"8=FIXT.1.1\x019=x\x01",
        b"8=FIXT.1.1\x019=%d\x01" % (BODY_BYTES_MAX + 1),
        b"8=FIXT.1.1\x019=1234567890\x01",
    ],
)
def test_garbled_is_reported_and_the_next_message_found(bad: bytes) -> None:
    found = FixReader().feed(bad + MESSAGE * 3)
    assert isinstance(found[0], Garbled)
    assert found[-1] == read(MESSAGE)[0]


def test_body_length_too_long_swallows_no_more_than_it_says() -> None:
    good = read(MESSAGE)[0]
    body_bytes = len(MESSAGE) - MESSAGE.index(b"35=") - 7
    longer = MESSAGE.replace(b"9=%d\x01" % body_bytes, b"9=%d\x01" % (body_bytes + 20))
    found = FixReader().feed(longer + MESSAGE * 2)
    assert isinstance(found[0], Garbled)
    assert found.count(good) == 2


@given(data=st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for found in FixReader().feed(data + b"\x01" + MESSAGE):
        assert isinstance(found, FixMessage | Garbled)


@given(position=st.integers(0, len(MESSAGE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_never_gives_another_message(position: int, byte: int) -> None:
    changed = MESSAGE[:position] + bytes([byte]) + MESSAGE[position + 1 :]
    good = read(MESSAGE)[0]
    assert all(each == good for each in read(changed) if isinstance(each, FixMessage))
