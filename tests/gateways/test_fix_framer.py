"""The framer: whole, byte by byte and with a tail; every kind of garbage; random bytes."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ext.bounds import Bound
from ext.fix_listener import FixListener
from ext.session_store import SessionStore
from gateways.fix_framer import MAX_BEGIN_STRING_BYTES, FixFramer, Garbled

Found = list[bytes | Garbled]

NO_END = "no CheckSum(10) of three digits"


def frame(body: bytes, begin: bytes = b"FIX.4.4", length: bytes | None = None) -> bytes:
    head = b"8=%b\x019=%b\x01" % (begin, length or b"%d" % len(body))
    return head + body + b"10=%03d\x01" % (sum(head + body) % 256)


HEARTBEAT = frame(b"35=0\x0134=2\x0149=VENUE\x0156=US\x0152=20260101-00:00:00\x01")
TEST_REQUEST = frame(b"35=1\x0134=3\x0149=VENUE\x0156=US\x01112=x\x01")
# A whole FIX message inside a data field, as drop copies carry them.
NESTED = frame(b"35=0\x01212=%d\x01213=%b\x0134=2\x01" % (len(HEARTBEAT), HEARTBEAT))
PADDED = frame(b"35=0\x0134=2\x01", length=b"0010")


def all_ways(data: bytes) -> list[Found]:
    """The same bytes at once, one by one, and in two pieces at every place."""
    whole = FixFramer().receive(data)
    single_framer = FixFramer()
    single = [found for byte in data for found in single_framer.receive(bytes([byte]))]
    ways = [whole, single]
    for cut in range(1, len(data)):
        framer = FixFramer()
        ways.append(framer.receive(data[:cut]) + framer.receive(data[cut:]))
    return ways


@pytest.mark.parametrize("message", [HEARTBEAT, NESTED, PADDED], ids=["plain", "nested", "padded"])
def test_good_messages_whole_byte_by_byte_and_with_a_tail(message: bytes) -> None:
    for found in all_ways(message + TEST_REQUEST):
        assert found == [message, TEST_REQUEST]
    framer = FixFramer()
    assert framer.receive(message + TEST_REQUEST[:-1]) == [message]
    assert framer.receive(TEST_REQUEST[-1:]) == [TEST_REQUEST]


def broken(old: bytes, new: bytes) -> bytes:
    assert old in HEARTBEAT
    return HEARTBEAT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("garbled", "reason"),
    [
        (broken(b"\x0110=", b"\x0110=9"), NO_END),  # 3.d: four digits
        (HEARTBEAT[:-4] + b"99\x01", NO_END),  # two digits
        (HEARTBEAT[:-4] + b"x99\x01", NO_END),
        (broken(b"49=VENUE", b"49=VENUX"), "CheckSum(10) is wrong"),  # 3.b
        (broken(b"9=46", b"9=45"), NO_END),  # 2.m: too short
        (broken(b"9=46", b"9=47"), NO_END),  # too long
        (broken(b"9=46", b"9=90"), NO_END),  # into the next message
        (broken(b"9=46", b"9=x1"), "BodyLength"),
        (broken(b"9=46", b"9="), "BodyLength"),
        (broken(b"9=46", b"9=99999999"), "BodyLength"),
        (broken(b"9=46\x01", b""), "BodyLength(9) is not second"),  # 2.t
        (frame(b"34=2\x0135=0\x01"), "MsgType(35) is not third"),  # 2.t
        (frame(b""), "MsgType(35) is not third"),
        (b"35=0\x01" + HEARTBEAT[10:], "before BeginString"),  # 2.t
        (b"hello\x01", "before BeginString"),
        (b"8=FIX" + b"4" * 40 + b"\x01", "BeginString(8) without an end"),
    ],
)
def test_2d_2m_2t_3_garbled_is_told_and_the_next_good_message_found(
    garbled: bytes, reason: str
) -> None:
    for found in all_ways(garbled + HEARTBEAT + TEST_REQUEST):
        assert found[-2:] == [HEARTBEAT, TEST_REQUEST]
        pieces = [piece for piece in found[:-2] if isinstance(piece, Garbled)]
        assert len(pieces) == len(found) - 2
        assert b"".join(piece.data for piece in pieces) == garbled
        assert reason in pieces[0].reason


def test_start_without_a_soh_before_it_is_not_trusted_however_the_bytes_come() -> None:
    for found in all_ways(b"hello" + HEARTBEAT + TEST_REQUEST):
        assert HEARTBEAT not in found
        assert found[-1] == TEST_REQUEST


def test_nested_message_is_not_taken_when_the_outer_one_is_damaged() -> None:
    damaged = NESTED.replace(b"9=", b"9=1", 1)
    for found in all_ways(damaged + TEST_REQUEST * 10):
        assert HEARTBEAT not in found
        assert found[-1] == TEST_REQUEST


def test_largest_message_is_taken_and_a_larger_one_is_garbled() -> None:
    size = Bound.MAX_FIX_MESSAGE_BYTES
    body = b"35=0\x0158=" + b"x" * (size - 9) + b"\x01"
    assert len(body) == size
    assert FixFramer().receive(frame(body)) == [frame(body)]
    larger = body[:-1] + b"x\x01"
    found = FixFramer().receive(frame(larger) + HEARTBEAT)
    assert isinstance(found[0], Garbled)
    assert "BodyLength" in found[0].reason
    assert found[-1] == HEARTBEAT


def test_begin_string_at_and_over_its_bound() -> None:
    longest = frame(b"35=0\x01", begin=b"FIX" + b"4" * (MAX_BEGIN_STRING_BYTES - 3))
    assert FixFramer().receive(longest) == [longest]
    longer = frame(b"35=0\x01", begin=b"FIX" + b"4" * (MAX_BEGIN_STRING_BYTES - 2))
    assert isinstance(FixFramer().receive(longer)[0], Garbled)


def test_reset_forgets_half_a_message() -> None:
    framer = FixFramer()
    framer.receive(HEARTBEAT[:20])
    framer.reset()
    assert framer.receive(TEST_REQUEST) == [TEST_REQUEST]


@given(st.binary(max_size=200))
def test_random_bytes_are_never_lost_nor_taken(data: bytes) -> None:
    # Invariant: what comes out plus what waits is what went in, and it never raises.
    framer = FixFramer()
    out = b"".join(f.data if isinstance(f, Garbled) else f for f in framer.receive(data))
    assert data.startswith(out)


@given(st.integers(0, 2**32))
def test_mutated_streams_find_their_way_back(seed: int) -> None:
    # Invariant: after any damage the stream is read again within the largest message.
    generator = random.Random(seed)
    stream = bytearray(HEARTBEAT + NESTED + TEST_REQUEST)
    for _ in range(generator.randrange(1, 6)):
        place = generator.randrange(len(stream))
        if generator.random() < 0.5:
            stream[place] = generator.randrange(256)
        else:
            del stream[place]
    framer = FixFramer()
    found = framer.receive(bytes(stream))
    for _ in range(Bound.MAX_FIX_MESSAGE_BYTES // len(TEST_REQUEST) + 2):
        found = framer.receive(TEST_REQUEST)
        if found and found[-1] == TEST_REQUEST:
            break
    assert found[-1] == TEST_REQUEST


@given(st.integers(0, 2**32))
@example(1_253_065)  # a wrong sum around a message in a data field
def test_compiled_listener_takes_the_same_messages(seed: int) -> None:
    generator = random.Random(seed)
    stream = bytearray((HEARTBEAT + NESTED + TEST_REQUEST + PADDED) * 2)
    for _ in range(generator.randrange(4)):
        place = generator.randrange(len(stream))
        if generator.random() < 0.6:
            stream[place] = generator.choice(b"\x010189=FIX.x")
        else:
            del stream[place]
    taken: list[bytes] = []
    listener = FixListener(
        SessionStore(None, "TEST"), None, None, taken.append, lambda reason, data: None
    )
    listener.receive(bytes(stream))
    found = FixFramer().receive(bytes(stream))
    assert taken == [message for message in found if isinstance(message, bytes)]
