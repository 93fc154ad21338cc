"""What a venue may do wrong after a good start: no crash, no wrong book, no lost order."""

# tidy-ok: covers the processes together

import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from engine.exit_codes import ExitCode
from ext.wire import BookState, SessionState
from tests.integration.made_venue import encode_fix

if TYPE_CHECKING:
    from tests.integration.commands import Engine
    from tests.integration.made_venue import MadeVenue

TIME = "2026-08-09T12:00:00.000000Z"
START = '{"type":"l2update","product_id":"BTC-USD","changes":[['
END = f']],"time":"{TIME}"}}'
ACTIVE = SessionState.SESSION_ACTIVE

# A frame of the book that cannot be used, and the reason that the log gives.
BAD_FRAMES = {
    "truncated": (START + '"buy"', "BAD_FRAME"),
    "numbers_for_texts": (START + '"buy",64999.99,0.5' + END, "BAD_FRAME"),
    "price_off_the_tick": (START + '"buy","64999.995","0.5"' + END, "BAD_NUMBER"),
    "crossed": (START + '"buy","65000.50","0.5"' + END, "CROSSED"),
    "no_json": ("\x00\x01\x02 garbage", "BAD_FRAME"),
}


class Steady(NamedTuple):
    """What several tests share: none of them may leave a mark on it."""

    engine: "Engine"
    venue: "MadeVenue"


@pytest.fixture(scope="module")
def steady(
    start_at: "Callable[[MadeVenue], Engine]", make_venue: "Callable[[], MadeVenue]"
) -> Iterator[Steady]:
    venue = make_venue()
    engine = start_at(venue)
    engine.wait_for_quotes()
    yield Steady(engine, venue)
    finish(engine)


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_makes_the_book_stale_and_it_resyncs(
    quoting: "Engine", made_venue: "MadeVenue", name: str
) -> None:
    frame, reason = BAD_FRAMES[name]

    made_venue.do(lambda: made_venue.send_frame(frame.encode()))

    quoting.wait_for(f"book BTC-USD is STALE: {reason}")
    quoting.wait_until(lambda: made_venue.subscriptions() == 2, "a second subscribe")
    quoting.wait_for("book BTC-USD is LIVE", times=2)
    book = quoting.memory.book(0)
    assert book is not None
    assert book["bid_ticks"][:2].tolist() == [6_499_999, 6_499_900]
    assert book["bid_lots"][:2].tolist() == [100_000_000, 200_000_000]
    assert book["ask_ticks"][:2].tolist() == [6_500_001, 6_500_100]
    assert made_venue.received("F"), "the quotes of the STALE book were not pulled"
    finish(quoting)


@pytest.mark.parametrize(
    "frame",
    [
        START.replace("BTC", "DOGE") + '"buy","0.07","5"' + END,
        '{"type":"of_tomorrow","product_id":"BTC-USD","value":[1,{"a":null}]}',
        "[]",
    ],
    ids=["unknown_product", "unknown_type", "no_object"],
)
def test_what_is_not_ours_is_no_harm(steady: Steady, frame: str) -> None:
    engine, venue = steady
    venue.do(lambda: venue.send_frame(frame.encode()))
    frames = engine.memory.word("frames")
    engine.wait_until(lambda: engine.memory.word("frames") > frames + 10, "more frames")

    engine.wait_for_book(BookState.LIVE)
    book = engine.memory.book(0)
    assert book is not None
    assert (int(book["bid_ticks"][0]), int(book["ask_ticks"][0])) == (6_499_999, 6_500_001)


def with_length(message: bytes, added: int) -> bytes:
    """The message with a BodyLength(9) that is wrong by so much."""
    head, _, rest = message.partition(b"\x019=")
    length, _, body = rest.partition(b"\x01")
    return head + b"\x019=%d\x01" % (int(length) + added) + body


# Bytes on the order session that are no message.
GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "binary": lambda right: bytes(range(256)) + b"\x01",
    "wrong_checksum": lambda right: right[:-4] + b"%03d\x01" % ((int(right[-4:-1]) + 1) % 256),
    "body_length_too_short": lambda right: with_length(right, -5),
    "body_length_too_long": lambda right: with_length(right, 5),
    "body_length_no_number": lambda right: right.replace(b"\x019=", b"\x019=x", 1),
}


@pytest.mark.parametrize("name", GARBLED)
def test_garbled_fix_is_not_counted(steady: Steady, name: str) -> None:
    engine, venue = steady
    warnings = engine.log.count("garbled message")

    def send_garbled() -> None:
        right = encode_fix([*venue.header("0", venue.next_sequence)])
        venue.send_bytes(GARBLED[name](right))
        venue.send("1", (112, name))

    venue.do(send_garbled)

    engine.wait_for("garbled message", times=warnings + 1)
    engine.wait_until(
        lambda: any(each.get(112) == name for each in venue.received("0")),
        "the answer to a TestRequest",
    )
    assert engine.memory.word("order_session_state") == ACTIVE
    assert len(venue.received("A")) == 1
    engine.wait_for_quotes()


def test_a_lost_message_is_asked_for_again(steady: Steady) -> None:
    engine, venue = steady
    lost = venue.next_sequence

    def lose_one() -> None:
        venue.next_sequence += 1
        venue.send("1", (112, "after-the-gap"))

    venue.do(lose_one)

    engine.wait_until(lambda: bool(venue.received("2")), "a ResendRequest")
    assert venue.received("2")[0][7] == str(lost)
    engine.wait_until(
        lambda: engine.memory.word("order_session_state") == ACTIVE, "an active session"
    )


def test_a_number_that_is_too_low_ends_the_session(
    quoting: "Engine", made_venue: "MadeVenue"
) -> None:
    made_venue.do(lambda: made_venue.send("0", sequence=1))

    status = quoting.wait()

    assert "MsgSeqNum too low" in quoting.summary
    assert "MsgSeqNum too low" in made_venue.received("5")[0][58]
    # The venue was not told to cancel, so the quotes are in doubt.
    assert status == ExitCode.ORDERS_LEFT, quoting.everything
    assert "LEFT BEHIND: 2 orders" in quoting.summary


@pytest.mark.parametrize(
    ("text", "is_final"), [("MsgSeqNum too low, expecting 7", True), ("try later", False)]
)
def test_a_logon_refused_with_a_logout(
    start_at: "Callable[[MadeVenue], Engine]", made_venue: "MadeVenue", text: str, is_final: bool
) -> None:
    made_venue.refusal = text

    engine = start_at(made_venue)

    engine.wait_for(f"refused the logon: Logout: {text}")
    if not is_final:
        engine.wait_for_book(BookState.LIVE)  # market data goes on
        assert engine.is_running
        engine.send_signal(signal.SIGINT)
    assert engine.wait() == (ExitCode.VENUE if is_final else ExitCode.OK), engine.everything
    assert "Nothing left behind" in engine.summary
    assert not made_venue.received("D")


def test_a_report_that_cannot_be_read_pauses_the_engine(
    quoting: "Engine", made_venue: "MadeVenue"
) -> None:
    fields = [(37, "x"), (11, "nobody"), (150, "0"), (39, "0")]
    made_venue.do(lambda: made_venue.send("8", *fields, (55, "BTC-USD"), (38, "a lot")))

    quoting.wait_for("PAUSED, no new orders: a report could not be read")
    assert quoting.is_running
    finish(quoting)


def finish(engine: "Engine") -> None:
    """The engine stops in order, whatever it has seen."""
    engine.send_signal(signal.SIGINT)
    assert engine.wait(timeout=8) == ExitCode.OK, engine.everything
    assert "Nothing left behind" in engine.summary
    assert "Traceback" not in engine.log
