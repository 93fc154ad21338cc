"""The acceptor session, without sockets: logon rules, numbers, resend, timers."""

from typing import Any

import pytest
import simplefix

from sim.credentials import Credentials
from sim.fix_store import FixStore
from sim.fix_text import FixMessage
from sim.times import NS_PER_SECOND, fix_time_ns
from sim.venues.coinbase_exchange_fix import FixSession, RejectMessage, SessionState

# Vector 6 of the venue sheet: a whole logon, length and checksum valid.
VECTOR_KEY = "00112233445566778899aabbccddeeff"
VECTOR_LOGON = (
    (
        "8=FIXT.1.1|9=231|35=A|34=1|49=00112233445566778899aabbccddeeff|52=20260101-00:00:00.000|"
        "56=Coinbase|98=0|108=30|141=Y|553=00112233445566778899aabbccddeeff|554=passphrase123|"
        "95=44|96=4HmjPmkx7LOjL5/HDtEs1EkUTMb7v0HPuGsbsfVM+pE=|1137=9|8013=S|9406=N|10=229|"
    )
    .replace("|", "\x01")
    .encode()
)
CREDENTIALS = Credentials(key=VECTOR_KEY, passphrase="passphrase123")
WALL_NS = fix_time_ns("20260101-00:00:00.000")
Answer = list[simplefix.FixMessage]


class Desk:
    """An application that lists what it is told and rejects type ``X``."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def logged_on(self, session: FixSession, logon: FixMessage) -> None:
        self.told.append("logged on")

    def receive(self, session: FixSession, message: FixMessage) -> None:
        if message.message_type == "X":
            raise RejectMessage(11, 35, "no such type")
        self.told.append(f"{message.message_type} {message.get(11)}")
        session.send("8", [(11, message.get(11) or "")], is_application=True)

    def disconnected(self, session: FixSession) -> None:
        self.told.append("disconnected")


class Line:
    """A session with its desk; messages in and out as simplefix sees them."""

    def __init__(self, store: FixStore | None = None) -> None:
        self.desk = Desk()
        self.store = store or FixStore()
        self.session = FixSession(CREDENTIALS, self.store, self.desk, 0)
        self.now_ns = 0

    def raw(self, data: bytes) -> Answer:
        """Bytes in, messages out."""
        self.session.receive(data, self.now_ns, WALL_NS + self.now_ns)
        return self.out()

    def out(self) -> Answer:
        """What the session wants to send."""
        parser = simplefix.FixParser()
        parser.append_buffer(self.session.bytes_to_send())
        return list(iter(parser.get_message, None))

    def send(self, message_type: str, number: int, *fields: tuple[int, Any]) -> Answer:
        """One message of the client."""
        given = dict(fields)
        message = simplefix.FixMessage()
        for tag, value in (
            (8, given.pop(8, "FIXT.1.1")), (35, message_type), (34, number),
            (49, given.pop(49, VECTOR_KEY)), (52, given.pop(52, "20260101-00:00:00.000")),
            (56, given.pop(56, "Coinbase")), *given.items(),
        ):  # fmt: skip
            if value is not None:
                message.append_pair(tag, value)
        return self.raw(message.encode())

    def at(self, seconds: float) -> Answer:
        """Time passes; timers run."""
        self.now_ns = int(seconds * NS_PER_SECOND)
        self.session.tick(self.now_ns, WALL_NS + self.now_ns)
        return self.out()


@pytest.fixture
def line() -> Line:
    """A session that is logged on with vector 6."""
    line = Line()
    (answer,) = line.raw(VECTOR_LOGON)
    assert answer.get(35) == b"A"
    return line


def types(messages: Answer) -> list[str]:
    """MsgType of each."""
    return [message.get(35).decode() for message in messages]


def test_vector_6_is_accepted_and_answered() -> None:
    line = Line()
    (answer,) = line.raw(VECTOR_LOGON)
    expected = {8: b"FIXT.1.1", 35: b"A", 34: b"1", 49: b"Coinbase", 98: b"0", 108: b"30",
                141: b"Y", 1137: b"9"}  # fmt: skip
    assert {tag: answer.get(tag) for tag in expected} == expected
    assert answer.get(56) == VECTOR_KEY.encode()
    assert line.session.state is SessionState.ACTIVE
    assert line.desk.told == ["logged on"]


def changed_logon(**changes: str | None) -> bytes:
    """Vector 6 with tags changed (``t96="x"``) or left out (``None``), framed again."""
    message = simplefix.FixMessage()
    for field in VECTOR_LOGON.decode().split("\x01")[:-1]:
        tag, _, value = field.partition("=")
        given = changes.get(f"t{tag}", value)
        if tag not in ("9", "10") and given is not None:
            message.append_pair(int(tag), given)
    return bytes(message.encode())


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"t96": "5HmjPmkx7LOjL5/HDtEs1EkUTMb7v0HPuGsbsfVM+pE="}, b"8", "signature"),
        ({"t96": None}, b"8", "RawDataLength"),
        ({"t554": "wrong"}, b"8", "Password"),
        ({"t49": "somebody"}, b"9", "API key"),
        ({"t56": "Elsewhere"}, b"9", "TargetCompID"),
        ({"t52": "20260101-00:03:00.000"}, b"10", "120 s"),
        ({"t52": "20260101-00:00:00"}, b"10", "three decimals"),
        ({"t52": "yesterday"}, b"10", "UTCTimestamp"),
        ({"t1137": None}, None, "DefaultApplVerID"),
        ({"t1137": "7"}, None, "DefaultApplVerID"),
        ({"t98": "1"}, None, "EncryptMethod"),
        ({"t108": "31"}, None, "HeartBtInt"),
        ({"t108": "0"}, None, "HeartBtInt"),
        ({"t108": None}, None, "HeartBtInt"),
        ({"t34": "2"}, None, "MsgSeqNum"),
        ({"t8": "FIX.4.4"}, None, "BeginString"),
        ({"t141": "X"}, None, "ResetSeqNumFlag"),
        ({"t8013": "N"}, None, "CancelOrdersOnDisconnect"),
        ({"t35": "0"}, None, "not a Logon"),
    ],
)
def test_logon_refused(changes: dict[str, str | None], reason: bytes | None, text: str) -> None:
    line = Line()
    (answer,) = line.raw(changed_logon(**changes))
    assert answer.get(35) == (b"5" if reason is None else b"3")
    assert answer.get(373) == reason
    assert text in answer.get(58).decode()
    assert line.session.state is SessionState.CLOSED
    assert line.desk.told == []


def test_second_session_of_the_key_is_refused(line: Line) -> None:
    (answer,) = Line(line.store).raw(VECTOR_LOGON)
    assert answer.get(35) == b"5"
    assert b"one session" in answer.get(58)


def test_logon_reads_the_same_byte_by_byte() -> None:
    line = Line()
    answers = [each for byte in VECTOR_LOGON for each in line.raw(bytes([byte]))]
    assert types(answers) == ["A"]


def test_test_request_is_answered_with_its_id(line: Line) -> None:
    (answer,) = line.send("1", 2, (112, "hello"))
    assert (answer.get(35), answer.get(112), answer.get(34)) == (b"0", b"hello", b"2")


def test_application_messages_reach_the_desk_in_order(line: Line) -> None:
    assert types(line.send("D", 2, (11, "a"))) == ["8"]
    assert types(line.send("D", 3, (11, "b"))) == ["8"]
    assert line.desk.told == ["logged on", "D a", "D b"]


def test_number_too_low_logs_out(line: Line) -> None:
    (answer,) = line.send("0", 1)
    assert answer.get(58) == b"MsgSeqNum too low, expecting 2 but received 1"
    assert line.session.state is SessionState.CLOSED
    assert line.desk.told == ["logged on", "disconnected"]


def test_number_too_low_with_poss_dup_is_ignored(line: Line) -> None:
    assert line.send("D", 1, (43, "Y"), (122, "20260101-00:00:00.000"), (11, "a")) == []
    assert line.session.state is SessionState.ACTIVE


def test_gap_is_asked_for_once_and_filled_in_order(line: Line) -> None:
    (request,) = line.send("D", 4, (11, "c"))
    assert (request.get(35), request.get(7), request.get(16)) == (b"2", b"2", b"0")
    assert line.send("D", 5, (11, "d")) == []
    again = [(43, "Y"), (122, "20260101-00:00:00.000")]
    line.send("4", 2, (123, "Y"), (36, 4), *again)
    line.send("D", 4, (11, "c"), *again)
    line.send("D", 5, (11, "d"), *again)
    assert line.desk.told == ["logged on", "D c", "D d"]


def test_garbled_is_ignored_and_not_counted(line: Line) -> None:
    assert line.raw(b"8=FIXT.1.1\x019=5\x0135=0\x0110=000\x01") == []
    assert types(line.send("1", 2, (112, "x"))) == ["0"]


@pytest.mark.parametrize(
    ("fields", "tag", "reason"),
    [
        ([(43, "Y")], b"122", b"1"),
        ([(52, "noon")], b"52", b"6"),
        ([(58, "")], b"58", b"4"),
    ],
)
def test_bad_header_is_rejected_and_counted(
    line: Line, fields: list[Any], tag: bytes, reason: bytes
) -> None:
    (answer,) = line.send("0", 2, *fields)
    assert (answer.get(35), answer.get(45)) == (b"3", b"2")
    assert (answer.get(371), answer.get(373)) == (tag, reason)
    assert types(line.send("1", 3, (112, "x"))) == ["0"]


def test_wrong_comp_id_is_rejected_and_ends_the_session(line: Line) -> None:
    answers = line.send("0", 2, (49, "somebody"))
    assert types(answers) == ["3", "5"]
    assert answers[0].get(373) == b"9"


def test_wrong_begin_string_ends_the_session(line: Line) -> None:
    assert types(line.send("0", 2, (8, "FIX.4.2"))) == ["5"]


def test_desk_can_have_a_message_rejected(line: Line) -> None:
    (answer,) = line.send("X", 2)
    assert (answer.get(372), answer.get(373)) == (b"X", b"11")


def test_logout_is_answered_and_told(line: Line) -> None:
    assert types(line.send("5", 2)) == ["5"]
    assert line.desk.told == ["logged on", "disconnected"]
    line.session.close()
    assert line.desk.told == ["logged on", "disconnected"]
    assert types(Line(line.store).raw(VECTOR_LOGON)) == ["A"]


def test_heartbeat_after_silence_of_ours(line: Line) -> None:
    line.send("0", 2)
    assert line.at(29.9) == []
    (beat,) = line.at(30.0)
    assert (beat.get(35), beat.get(112)) == (b"0", None)


def test_silent_client_is_tested_then_dropped(line: Line) -> None:
    line.at(30.0)
    (test,) = [each for each in line.at(45.1) if each.get(35) == b"1"]
    assert types(line.at(50.0)) == []
    line.at(60.1)
    assert line.session.state is SessionState.CLOSED
    assert line.desk.told[-1] == "disconnected"
    assert test.get(112)


def test_client_that_answers_the_test_stays(line: Line) -> None:
    (*_, test) = line.at(45.1)
    line.send("0", 2, (112, test.get(112).decode()))
    assert line.session.last_test_answer == test.get(112).decode()
    line.at(80.0)
    assert line.session.state is SessionState.ACTIVE


def test_connection_without_logon_is_closed() -> None:
    line = Line()
    line.at(10.1)
    assert line.session.state is SessionState.CLOSED


def test_resend_repeats_reports_and_fills_gaps(line: Line) -> None:
    line.send("1", 2, (112, "x"))  # our 2: heartbeat
    line.send("D", 3, (11, "a"))  # our 3: report
    line.send("1", 4, (112, "x"))  # our 4, 5: heartbeats
    line.send("1", 5, (112, "x"))
    answers = line.send("2", 6, (7, 1), (16, 100))
    assert types(answers) == ["4", "8", "4"]
    assert [each.get(34) for each in answers] == [b"1", b"3", b"4"]
    assert [each.get(36) for each in answers] == [b"3", None, b"6"]
    assert all(each.get(43) == b"Y" and each.get(122) for each in answers)
    assert answers[1].get(11) == b"a"
    assert types(line.send("1", 7, (112, "x"))) == ["0"]


@pytest.mark.parametrize(("first", "last"), [(2, 0), (5, 4), (1, 1001)])
def test_resend_range_must_be_a_page(line: Line, first: int, last: int) -> None:
    (answer,) = line.send("2", 2, (7, first), (16, last))
    assert (answer.get(35), answer.get(371), answer.get(373)) == (b"3", b"16", b"5")


def test_numbers_go_on_after_a_reconnect_without_reset(line: Line) -> None:
    line.send("D", 2, (11, "a"))  # our 2
    line.session.close()
    again = Line(line.store)
    logon, reset = again.raw(changed_logon(t141="N"))
    assert (logon.get(34), logon.get(141)) == (b"1", None)
    assert (reset.get(35), reset.get(36), reset.get(123)) == (b"4", b"3", None)
    (report,) = again.send("D", 2, (11, "b"))
    assert report.get(34) == b"3"
    (repeated,) = again.send("2", 3, (7, 2), (16, 2))
    assert (repeated.get(43), repeated.get(11)) == (b"Y", b"a")


def test_refused_logon_leaves_the_kept_numbers_alone(line: Line) -> None:
    line.send("D", 2, (11, "a"))
    line.session.close()
    Line(line.store).raw(changed_logon(t96="x"))
    _, reset = Line(line.store).raw(changed_logon(t141="N"))
    assert reset.get(36) == b"3"


def test_sequence_reset_moves_the_expected_number_up_only(line: Line) -> None:
    assert line.send("4", 99, (36, 10)) == []
    assert types(line.send("1", 10, (112, "x"))) == ["0"]
    (reject,) = line.send("4", 11, (36, 5))
    assert (reject.get(35), reject.get(373)) == (b"3", b"5")


def test_random_messages_never_break_the_session(line: Line) -> None:
    for position in range(len(VECTOR_LOGON)):
        for byte in b"\x00\x01=A9":
            Line().raw(VECTOR_LOGON[:position] + bytes([byte]) + VECTOR_LOGON[position + 1 :])
