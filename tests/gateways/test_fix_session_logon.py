"""Logon, refusals and resets of the numbers: rows 1B, 17, 63, 69, 73, 75 and 77."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.wire import SessionState
from gateways.fix_dialect import CoinbaseExchangeDialect
from gateways.fix_timers import SessionLimits
from gateways.session import (
    Disconnected,
    Fatal,
    LoggedOn,
    LogonRefused,
    NumbersReset,
    StateChanged,
    Warned,
)

if TYPE_CHECKING:
    from tests.gateways.conftest import Rig

ACTIVE = SessionState.SESSION_ACTIVE
RESYNCING = SessionState.SESSION_RESYNCING
LOGON_SENT = SessionState.SESSION_LOGON_SENT
GOOD = [("98", "0"), ("108", "30")]
RigMaker = Callable[..., "Rig"]


def test_1b_b_logon_is_the_first_message(make_rig: RigMaker) -> None:
    rig = make_rig()
    sent = rig.connect()
    assert [(m["35"], m["34"], m["49"], m["56"]) for m in sent] == [("A", "1", "US", "VENUE")]
    assert (sent[0]["98"], sent[0]["108"], sent[0]["52"]) == ("0", "30", "20260101-00:00:00.000")
    assert rig.state() == LOGON_SENT
    assert rig.store.next_outgoing == 2


def test_1b_c_valid_answer_makes_the_session_active(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    was_active = rig.store.is_active
    assert rig.receive("A", GOOD) == []
    assert rig.state() == ACTIVE
    assert (was_active, rig.store.is_active) == (False, True)
    assert rig.store.next_incoming == 2
    assert rig.events[-2:] == [LoggedOn(30), StateChanged(LOGON_SENT, ACTIVE)]


def test_1b_c_answer_with_a_high_number_asks_for_the_gap(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    sent = rig.receive("A", GOOD, sequence=4)
    assert [(m["35"], m["7"], m["16"]) for m in sent] == [("2", "1", "0")]
    assert rig.state() == RESYNCING
    filled: dict[str, str | None] = {"43": "Y"}
    rig.receive("4", [("123", "Y"), ("36", "5")], sequence=1, header=filled)
    assert rig.state() == ACTIVE
    assert rig.store.next_incoming == 5


def test_answer_with_a_low_number_is_fatal(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.store.next_incoming = 10
    rig.connect()
    sent = rig.receive("A", GOOD)
    assert sent[0]["58"] == "MsgSeqNum too low, expecting 10 but received 1"
    assert any(isinstance(e, Fatal) for e in rig.events)
    assert rig.is_closing()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([("98", "1"), ("108", "30")], "EncryptMethod"),  # 17
        ([("98", "0"), ("108", "-1")], "HeartBtInt"),  # 73
        ([("98", "0"), ("108", "3601")], "HeartBtInt"),
        ([("98", "0")], "tag 108"),
        ([("98", "0"), ("108", "x")], "tag 108"),
        ([("98", "0"), ("108", "30"), ("141", "Q")], "tag 141"),
    ],
)
def test_1b_d_invalid_answer_is_refused_with_a_logout(
    make_rig: RigMaker, body: list[tuple[str, str]], text: str
) -> None:
    rig = make_rig()
    rig.connect()
    sent = rig.receive("A", body)
    assert [m["35"] for m in sent] == ["5"]
    assert text in sent[0]["58"]
    refusals = [e for e in rig.events if isinstance(e, LogonRefused)]
    assert [text in r.text and not r.is_retryable for r in refusals] == [True]
    assert rig.is_closing()
    assert not rig.store.is_active


@pytest.mark.parametrize(("version", "accepted"), [("9", True), ("8", False), (None, False)])
def test_fixt_answer_needs_the_known_version(
    make_rig: RigMaker, version: str | None, accepted: bool
) -> None:
    rig = make_rig("FIXT.1.1", application_version="9", is_answer_version_required=True)
    assert rig.connect()[0]["1137"] == "9"
    rig.receive("A", GOOD + ([("1137", version)] if version else []))
    assert (rig.state() == ACTIVE) is accepted
    assert rig.is_closing() is not accepted


@pytest.mark.parametrize("message_type", ["0", "1", "2", "4", "8"])
def test_1b_e_first_message_is_not_a_logon(make_rig: RigMaker, message_type: str) -> None:
    rig = make_rig()
    rig.connect()
    sent = rig.receive(message_type, [("112", "x")] if message_type in "01" else [])
    assert [m["35"] for m in sent] == ["5"]
    assert rig.is_closing()
    assert rig.store.next_incoming == 1
    assert any(isinstance(e, LogonRefused) and e.is_retryable for e in rig.events)


def test_garbled_answer_ends_the_connection(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    rig.session.receive_garbled("CheckSum(10) is wrong", b"8=", rig.now_ns)
    assert rig.sent() == []
    assert rig.is_closing()


@pytest.mark.parametrize(
    ("message_type", "body", "text", "is_retryable"),
    [
        ("5", [("58", "system not ready")], "Logout: system not ready", True),
        ("5", [], "Logout: no text", True),
        (
            "5",
            [("58", "MsgSeqNum too low, expecting 9 but received 1")],
            "Logout: MsgSeqNum too low, expecting 9 but received 1",
            False,
        ),
        ("3", [("45", "1"), ("373", "8"), ("58", "sign")], "Reject: sign", False),
        ("3", [("45", "1"), ("373", "9"), ("58", "name")], "Reject: name", False),
        ("3", [("45", "1"), ("373", "10"), ("58", "time")], "Reject: time", False),
        ("3", [("45", "1"), ("373", "99"), ("58", "busy")], "Reject: busy", True),
    ],
)
def test_refused_logon_tells_why_and_counts(
    make_rig: RigMaker,
    message_type: str,
    body: list[tuple[str, str]],
    text: str,
    is_retryable: bool,
) -> None:
    rig = make_rig()
    rig.connect()
    assert rig.receive(message_type, body) == []
    assert rig.found(LogonRefused) == [LogonRefused(text, is_retryable)]
    assert rig.store.next_incoming == 2
    rig.drop()
    assert rig.events[-1] == Disconnected(f"logon refused: {text}")


def test_no_answer_to_the_logon_ends_the_connection(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    assert rig.session.next_deadline_ns() == rig.now_ns + 10_000_000_000
    rig.advance(9.999)
    assert not rig.is_closing()
    rig.advance(0.001)
    assert rig.is_closing()


def test_heartbeat_of_the_answer_is_used(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    rig.receive("A", [("98", "0"), ("108", "5")])
    assert rig.advance(4.999) == []
    assert [m["35"] for m in rig.advance(0.001)] == ["0"]


def test_16b_reconnect_proves_both_directions_before_orders(make_rig: RigMaker) -> None:
    rig = make_rig(is_logon_verified=True)
    sent = rig.log_on()
    assert [m["35"] for m in sent] == ["1"]
    assert rig.state() == RESYNCING
    rig.receive("0", [("112", "another")])
    assert rig.state() == RESYNCING
    rig.receive("0", [("112", sent[0]["112"])])
    assert rig.state() == ACTIVE
    assert rig.store.is_active


def test_16b_without_the_proof_the_connection_ends(make_rig: RigMaker) -> None:
    rig = make_rig(is_logon_verified=True)
    rig.log_on()
    rig.advance(5)
    rig.receive("0")
    rig.advance(5)
    assert rig.is_closing()


def test_reset_on_logon_starts_both_numbers_again(make_rig: RigMaker) -> None:
    rig = make_rig(reset_on_logon=True)
    rig.store.next_outgoing, rig.store.next_incoming = 50, 60
    sent = rig.connect()
    assert (sent[0]["34"], sent[0]["141"]) == ("1", "Y")
    assert rig.found(NumbersReset) == [NumbersReset()]
    rig.receive("A", [*GOOD, ("141", "Y")])
    assert rig.state() == ACTIVE
    assert (rig.store.next_outgoing, rig.store.next_incoming) == (2, 2)
    assert rig.found(NumbersReset) == [NumbersReset()], "the answer to our reset is none"


def test_reset_answered_without_141_is_accepted_with_number_1(make_rig: RigMaker) -> None:
    rig = make_rig(reset_on_logon=True)
    rig.connect()
    rig.receive("A", GOOD)
    assert rig.state() == ACTIVE


@pytest.mark.parametrize("extra", [[], [("141", "Y")]])
def test_reset_answered_with_another_number_is_refused(
    make_rig: RigMaker, extra: list[tuple[str, str]]
) -> None:
    rig = make_rig(reset_on_logon=True)
    rig.connect()
    assert rig.receive("A", GOOD + extra, sequence=2)[0]["35"] == "5"
    assert rig.is_closing()


@pytest.mark.parametrize(("ours", "afterwards"), [(1, 2), (50, 1)])
def test_reset_by_the_answer_alone(make_rig: RigMaker, ours: int, afterwards: int) -> None:
    rig = make_rig()
    rig.store.next_outgoing, rig.store.next_incoming = ours, 60
    rig.connect()
    assert rig.found(NumbersReset) == []
    rig.receive("A", [*GOOD, ("141", "Y")])
    assert rig.state() == ACTIVE
    assert (rig.store.next_outgoing, rig.store.next_incoming) == (afterwards, 2)
    assert rig.events[-3:] == [NumbersReset(), LoggedOn(30), StateChanged(LOGON_SENT, ACTIVE)]


def test_session_reset_by_the_peer_in_mid_session(rig: "Rig") -> None:
    rig.session.send_application("H", [(11, b"order-1")], rig.now_ns)
    rig.report("E1")
    sent = rig.receive("A", [*GOOD, ("141", "Y")], sequence=1)
    assert [(m["35"], m["34"], m["141"]) for m in sent] == [("A", "1", "Y")]
    assert (rig.store.next_outgoing, rig.store.next_incoming) == (2, 2)
    assert rig.state() == ACTIVE
    assert rig.store.is_active
    assert rig.store.load_outgoing(2) is None
    warned = Warned("the peer reset both sequence numbers")
    assert rig.events[-2:] == [NumbersReset(), warned], "told before anything can be sent"
    rig.report("E2", sequence=2)
    assert rig.released() == ["E1", "E2"]


def test_session_reset_in_mid_session_with_another_number_is_fatal(rig: "Rig") -> None:
    sent = rig.receive("A", [*GOOD, ("141", "Y")], sequence=3)
    assert sent[0]["35"] == "5"
    assert rig.is_closing()


def test_logon_without_141_in_mid_session_is_logged_and_counted(rig: "Rig") -> None:
    assert rig.receive("A", GOOD) == []
    assert any(isinstance(e, Warned) and "mid-session ignored" in e.text for e in rig.events)
    assert rig.store.next_incoming == 3


@pytest.mark.parametrize(
    ("policy", "is_reset"),
    [({}, False), ({"reset_on_logout": True}, True), ({"reset_on_disconnect": True}, True)],
)
def test_reset_policies_after_a_logout(
    make_rig: RigMaker, policy: dict[str, bool], is_reset: bool
) -> None:
    rig = make_rig(**policy)
    rig.log_on()
    rig.session.logout(rig.now_ns)
    rig.receive("5")
    rig.drop()
    assert rig.store.next_outgoing == (1 if is_reset else 3)
    assert rig.store.next_incoming == (1 if is_reset else 3)
    assert bool(rig.found(NumbersReset)) is is_reset


@pytest.mark.parametrize(
    ("policy", "is_reset"), [("reset_on_logout", False), ("reset_on_disconnect", True)]
)
def test_reset_policies_after_a_lost_connection(
    make_rig: RigMaker, policy: str, is_reset: bool
) -> None:
    rig = make_rig(**{policy: True})
    rig.log_on()
    rig.drop()
    assert rig.store.next_outgoing == (1 if is_reset else 2)
    assert bool(rig.found(NumbersReset)) is is_reset


def test_numbers_go_on_over_a_reconnect(rig: "Rig") -> None:
    rig.report("E1")
    rig.drop()
    assert rig.connect()[0]["34"] == "2"
    rig.receive("A", GOOD)
    assert rig.state() == ACTIVE
    assert rig.found(NumbersReset) == []
    rig.report("E2")
    assert rig.released() == ["E1", "E2"]


def test_stop_before_the_answer_closes(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.connect()
    rig.session.logout(rig.now_ns)
    assert rig.sent() == []
    assert rig.is_closing()


def expecting(make_rig: RigMaker) -> "Rig":
    """We have sent 1 to 4 (2 to 4 are requests) and expect 7."""
    rig = make_rig(sends_next_expected=True)
    rig.log_on(("789", "2"))
    for number in range(3):
        rig.session.send_application("H", [(11, b"order-%d" % number)], rig.now_ns)
    rig.drop()
    rig.store.next_incoming = 7
    rig.next_sequence = 7
    return rig


def test_789_correct_needs_no_resend(make_rig: RigMaker) -> None:
    rig = expecting(make_rig)
    assert rig.connect()[0]["789"] == "7"
    assert rig.receive("A", [*GOOD, ("789", "6")]) == []
    assert rig.state() == ACTIVE


def test_789_too_low_is_answered_by_a_resend_without_a_request(make_rig: RigMaker) -> None:
    rig = expecting(make_rig)
    rig.connect()
    sent = rig.receive("A", [*GOOD, ("789", "3")])
    assert [(m["35"], m["34"], m.get("11"), m.get("36")) for m in sent] == [
        ("H", "3", "order-1", None),
        ("H", "4", "order-2", None),
        ("4", "5", None, "6"),
    ]


def test_789_too_high_is_refused(make_rig: RigMaker) -> None:
    rig = expecting(make_rig)
    rig.connect()
    assert rig.receive("A", [*GOOD, ("789", "7")])[0]["35"] == "5"
    assert rig.is_closing()


def test_789_of_ours_covers_the_gap_of_the_answer(make_rig: RigMaker) -> None:
    rig = expecting(make_rig)
    rig.connect()
    assert rig.receive("A", [*GOOD, ("789", "6")], sequence=9) == [], "no ResendRequest"
    assert rig.state() == RESYNCING
    duplicate: dict[str, str | None] = {"43": "Y", "122": "20260101-00:00:00.000"}
    rig.report("E7", sequence=7, header=duplicate)
    rig.report("E8", sequence=8, header=duplicate)
    assert rig.state() == ACTIVE
    assert rig.store.next_incoming == 10


def test_789_with_a_reset(make_rig: RigMaker) -> None:
    rig = make_rig(sends_next_expected=True, reset_on_logon=True)
    rig.store.next_incoming = 9
    assert rig.connect()[0]["789"] == "1"
    rig.receive("A", [*GOOD, ("141", "Y"), ("789", "2")])
    assert rig.state() == ACTIVE
    sent = rig.receive("A", [*GOOD, ("141", "Y")], sequence=1)
    assert (sent[0]["34"], sent[0]["789"]) == ("1", "2")


def test_2o_answer_of_another_time_is_refused_and_may_be_tried_again(make_rig: RigMaker) -> None:
    rig = make_rig()
    for refusals in (1, 2):
        rig.connect()
        sent = rig.receive("A", GOOD, header={"52": "20260101-00:02:00.001"})
        assert [(m["35"], m.get("373")) for m in sent] == [("3", "10"), ("5", None)]
        assert rig.is_closing()
        found = [e for e in rig.events if isinstance(e, LogonRefused)]
        assert [e.is_retryable for e in found] == [True] * refusals
        assert found[-1].text == "SendingTime accuracy problem: -120.001 s off"
        assert rig.found(Fatal) == []
        rig.drop()
    rig.log_on()
    assert rig.state() == ACTIVE


def test_sending_time_check_can_be_turned_off(make_rig: RigMaker) -> None:
    rig = make_rig(limits=SessionLimits(sending_time_limit_ns=None))
    rig.connect()
    rig.receive("A", GOOD, header={"52": "20200101-00:00:00"})
    assert rig.state() == ACTIVE


def test_coinbase_answers_are_one_on_every_connection() -> None:
    rules = CoinbaseExchangeDialect("key", "c2VjcmV0", "phrase").rules
    assert (rules.reset_on_logon, rules.resend_chunk, rules.heartbeat_s) == (True, 1000, 10)
