"""Sequence numbers, content and logout, by the rows of the FIX session test cases (1B to 19).

Tests are named after the row they prove; ``rig`` is logged on and active, both sides at 2.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.errors import UsageError
from ext.wire import SessionState
from gateways.session import (
    ApplicationMessage,
    Disconnected,
    Fatal,
    LoggedOut,
    MessageRejected,
    StateChanged,
    Warned,
)

if TYPE_CHECKING:
    from tests.gateways.conftest import Rig

ACTIVE = SessionState.SESSION_ACTIVE
RESYNCING = SessionState.SESSION_RESYNCING
NOW = "20260101-00:00:00.000"


def assert_ended(rig: "Rig", text: str) -> None:
    """Logged out with this text, told the engine, and takes nothing more."""
    assert rig.raw[-1].find(b"\x0135=5\x01") > 0
    assert text in rig.raw[-1].decode()
    assert any(isinstance(e, Fatal) and text in e.text for e in rig.events)
    assert rig.is_closing()
    assert not rig.store.is_active


def assert_rejected(
    sent: list[dict[str, str]], reason: int, tag: int | None, sequence: int
) -> None:
    """The first message sent is a Reject(3) that says so."""
    assert sent[0]["35"] == "3"
    assert (sent[0]["373"], sent[0].get("371")) == (str(reason), tag and str(tag))
    assert sent[0]["45"] == str(sequence)


def test_2a_expected_number_is_taken_and_counted(rig: "Rig") -> None:
    assert rig.report("E1") == []
    assert rig.released() == ["E1"]
    assert rig.store.next_incoming == 3
    assert rig.store.last_received_ns == rig.now_ns


def test_2b_number_too_high_asks_for_the_gap(rig: "Rig") -> None:
    sent = rig.report("E5", sequence=5)
    assert [(m["35"], m["7"], m["16"]) for m in sent] == [("2", "2", "0")]
    assert rig.state() == RESYNCING
    assert not rig.store.is_active
    assert rig.released() == []
    assert rig.store.next_incoming == 2


def test_2c_number_too_low_ends_the_session(rig: "Rig") -> None:
    rig.report("E1", sequence=1)
    assert_ended(rig, "MsgSeqNum too low, expecting 2 but received 1")
    assert rig.released() == []


def test_2d_garbled_is_ignored_and_not_counted(rig: "Rig") -> None:
    rig.session.receive_garbled("CheckSum(10) is wrong", b"8=FIX.4.4...", rig.now_ns)
    assert rig.sent() == []
    assert rig.store.next_incoming == 2
    assert [e.text for e in rig.events if isinstance(e, Warned)] == [
        "garbled message of 12 bytes ignored: CheckSum(10) is wrong"
    ]
    assert rig.state() == ACTIVE


def test_2e_possible_duplicate_already_seen_is_dropped(rig: "Rig") -> None:
    rig.report("E1")
    assert rig.report("E1", sequence=2, header={"43": "Y", "122": NOW}) == []
    assert rig.released() == ["E1"]
    assert rig.store.next_incoming == 3


def test_2e_possible_duplicate_not_seen_is_processed(rig: "Rig") -> None:
    rig.report("E1", header={"43": "Y", "122": NOW})
    assert rig.released() == ["E1"]
    assert rig.store.next_incoming == 3


@pytest.mark.parametrize(("sequence", "counted"), [(2, 3), (1, 2)])
def test_2f_original_time_after_sending_time_is_rejected(
    rig: "Rig", sequence: int, counted: int
) -> None:
    header: dict[str, str | None] = {"43": "Y", "122": "20260101-00:00:01.000"}
    assert_rejected(rig.report("E1", sequence=sequence, header=header), 10, 122, sequence)
    assert rig.store.next_incoming == counted
    assert rig.released() == []


@pytest.mark.parametrize(("sequence", "counted"), [(2, 3), (1, 2)])
def test_2g_possible_duplicate_without_122_is_rejected(
    rig: "Rig", sequence: int, counted: int
) -> None:
    assert_rejected(rig.report("E1", sequence=sequence, header={"43": "Y"}), 1, 122, sequence)
    assert rig.store.next_incoming == counted


def test_2i_wrong_begin_string_ends_the_session(rig: "Rig") -> None:
    rig.report("E1", header={"8": "FIX.4.2"})
    assert_ended(rig, "Incorrect BeginString FIX.4.2, expecting FIX.4.4")
    assert rig.store.next_incoming == 2


@pytest.mark.parametrize("tag", ["49", "56"])
def test_2k_wrong_comp_id_is_rejected_and_ends_the_session(rig: "Rig", tag: str) -> None:
    sent = rig.report("E1", header={tag: "OTHER"})
    assert_rejected(sent, 9, int(tag), 2)
    assert rig.store.next_incoming == 3
    assert_ended(rig, "CompID problem")


def test_2n_sending_time_at_the_limit_is_accepted(rig: "Rig") -> None:
    rig.report("E1", header={"52": "20260101-00:02:00.000"})
    rig.report("E2", header={"52": "20251231-23:58:00"})
    assert rig.released() == ["E1", "E2"]


@pytest.mark.parametrize("time", ["20260101-00:02:00.001", "20251231-23:57:59.999"])
def test_2o_sending_time_outside_the_limit_ends_the_connection(rig: "Rig", time: str) -> None:
    sent = rig.report("E1", header={"52": time})
    assert_rejected(sent, 10, 52, 2)
    assert [m["35"] for m in sent] == ["3", "5"]
    assert "SendingTime accuracy problem" in sent[1]["58"]
    assert rig.store.next_incoming == 3
    assert rig.is_closing()
    assert not rig.store.is_active
    assert rig.events == [], "a stall of the network passes: no Fatal"
    rig.drop()
    assert isinstance(rig.events[-1], Disconnected)
    assert rig.events[-1].text.startswith("SendingTime accuracy problem")
    rig.log_on()
    assert rig.state() == ACTIVE


def test_2q_undefined_type_is_rejected(rig: "Rig") -> None:
    assert_rejected(rig.receive("ZZ", [("55", "X")]), 11, None, 2)
    assert rig.store.next_incoming == 3


def test_2r_defined_type_that_is_not_read_gets_a_business_reject(rig: "Rig") -> None:
    sent = rig.receive("B", [("148", "News")])
    assert [(m["35"], m["45"], m["372"], m["380"]) for m in sent] == [("j", "2", "B", "3")]
    assert rig.store.next_incoming == 3


def test_4b_test_request_is_answered_with_its_id(rig: "Rig") -> None:
    sent = rig.receive("1", [("112", "are you = there?")])
    assert [(m["35"], m["112"], m["34"]) for m in sent] == [("0", "are you = there?", "2")]


def test_5_heartbeat_is_counted_without_reply(rig: "Rig") -> None:
    assert rig.receive("0") == []
    assert rig.store.next_incoming == 3


def test_7_reject_is_counted_reported_and_never_rejected(rig: "Rig") -> None:
    body = [("45", "7"), ("371", "38"), ("372", "D"), ("373", "6"), ("58", "bad quantity")]
    assert rig.receive("3", body) == []
    assert rig.receive("3", [("45", "no number")]) == []
    assert rig.found(MessageRejected) == [
        MessageRejected(7, "D", 6, "bad quantity"),
        MessageRejected(-1, "", -1, ""),
    ]
    assert rig.store.next_incoming == 4


def test_business_reject_of_ours_is_reported(rig: "Rig") -> None:
    body = [("45", "7"), ("372", "D"), ("379", "order-1"), ("380", "3"), ("58", "no")]
    assert rig.receive("j", body) == []
    assert rig.found(MessageRejected) == [MessageRejected(7, "D", 3, "no", "order-1")]
    assert rig.found(ApplicationMessage) == []


def test_12_and_13a_we_log_out_and_the_answer_ends_it(rig: "Rig") -> None:
    rig.session.logout(rig.now_ns, "end of day")
    assert [(m["35"], m["58"]) for m in rig.sent()] == [("5", "end of day")]
    assert rig.state() == SessionState.SESSION_LOGOUT_SENT
    assert not rig.store.is_active
    assert rig.report("late fill") == []
    assert rig.released() == ["late fill"]
    assert rig.receive("5") == [], "nothing may be sent after the answer"
    assert rig.is_closing()
    rig.drop()
    assert rig.state() == SessionState.SESSION_DISCONNECTED
    assert rig.store.next_incoming == 4


def test_12_logout_without_an_answer_is_ended_with_a_warning(rig: "Rig") -> None:
    rig.session.logout(rig.now_ns)
    assert "58" not in rig.sent()[0]
    assert rig.advance(9.999) == []
    assert not rig.is_closing()
    rig.advance(0.001)
    assert rig.is_closing()
    assert [e.text for e in rig.events if isinstance(e, Warned)] == [
        "no answer to the Logout in time"
    ]


def test_13b_unsolicited_logout_is_answered_and_the_peer_closes(rig: "Rig") -> None:
    sent = rig.receive("5", [("58", "maintenance")])
    assert [m["35"] for m in sent] == ["5"]
    assert rig.found(LoggedOut) == [LoggedOut("maintenance")]
    assert rig.state() == SessionState.SESSION_LOGOUT_RECEIVED
    assert not rig.is_closing()
    rig.advance(10)
    assert rig.is_closing()
    assert any(isinstance(e, Warned) and "did not close" in e.text for e in rig.events)


def test_13b_logout_with_a_high_number_is_answered_at_once(rig: "Rig") -> None:
    assert [m["35"] for m in rig.receive("5", sequence=9)] == ["5"]
    assert rig.store.next_incoming == 2, "the gap is asked for after the next logon"


@pytest.mark.parametrize(
    ("row", "message_type", "body", "reason", "tag"),
    [
        ("14.a", "0", [("0112", "x")], 0, None),
        ("14.b", "1", [], 1, 112),
        ("14.b header", "0", [], 1, 49),
        ("14.d", "8", [("37", "V"), ("17", ""), ("150", "0"), ("39", "0")], 4, 17),
        ("14.e", "2", [("7", "5"), ("16", "4")], 5, 16),
        ("14.f integer", "2", [("7", "+1"), ("16", "0")], 6, 7),
        (
            "14.f time",
            "8",
            [("37", "V"), ("17", "E"), ("150", "0"), ("39", "0"), ("60", "x")],
            6,
            60,
        ),
        ("14.f boolean", "4", [("123", "1"), ("36", "9")], 6, 123),
        ("14.g", "0", [("112", "x"), ("50", "desk")], 14, 50),
        ("14.h", "1", [("112", "x"), ("112", "y")], 13, 112),
        ("14.h header", "0", [("52", NOW)], 13, 52),
        ("14.h report", "8", [("52", NOW)], 13, 52),
        ("14.k", "0", [("58", "a\x01b")], 17, None),
    ],
)
def test_14_bad_content_is_rejected_and_counted(
    rig: "Rig", row: str, message_type: str, body: list[tuple[str, str]], reason: int, tag: int
) -> None:
    header: dict[str, str | None] = {"49": None} if row == "14.b header" else {}
    sequence = 3 if message_type == "4" else 2
    if message_type == "4":  # a SequenceReset moves the number only when it is good
        rig.receive("0")
    assert_rejected(rig.receive(message_type, body, header=header), reason, tag, sequence)
    assert rig.store.next_incoming == 3
    assert rig.state() == ACTIVE
    assert rig.released() == []


def test_14_unknown_tags_and_values_pass(rig: "Rig") -> None:
    body = [("37", "V"), ("17", "E1"), ("150", "?"), ("39", "0"), ("20001", "x"), ("1003", "9")]
    assert rig.receive("8", body) == []
    assert rig.released() == ["E1"]


def test_14_reject_reasons_after_11_are_left_out_under_fix42(
    make_rig: Callable[..., "Rig"],
) -> None:
    rig = make_rig("FIX.4.2")
    rig.log_on()
    sent = rig.receive("1", [("112", "x"), ("112", "y")])
    assert sent[0]["35"] == "3"
    assert "373" not in sent[0]
    assert rig.receive("1")[0]["373"] == "1"


def test_15_same_fields_in_another_order_are_accepted(rig: "Rig") -> None:
    header: dict[str, str | None] = {"34": None, "49": None, "52": None, "56": None}
    body = [("56", "US"), ("52", NOW), ("34", "2"), ("49", "VENUE"), ("39", "0"), ("17", "E1")]
    assert rig.receive("8", [*body, ("37", "V"), ("150", "0")], header=header) == []
    assert rig.released() == ["E1"]


def test_16a_nothing_is_queued_while_the_session_is_down(rig: "Rig") -> None:
    rig.drop()
    with pytest.raises(UsageError, match="SESSION_DISCONNECTED"):
        rig.session.send_application("H", [(11, b"order-1")], rig.now_ns)
    assert rig.store.next_outgoing == 2


def test_16a_nothing_is_sent_once_the_connection_is_to_be_closed(rig: "Rig") -> None:
    rig.advance(36)
    rig.advance(36)
    assert rig.is_closing()
    with pytest.raises(UsageError, match="refused"):
        rig.session.send_application("H", [(11, b"order-1")], rig.now_ns)


def test_18_routing_is_copied_back_in_a_reject(rig: "Rig") -> None:
    sent = rig.receive("1", header={"115": "BROKER", "129": "DESK", "144": "NY"})
    assert (sent[0]["128"], sent[0]["116"], sent[0]["145"]) == ("BROKER", "DESK", "NY")


def test_19_possible_resend_is_left_to_the_application(rig: "Rig") -> None:
    rig.report("E1", header={"97": "Y"})
    rig.report("E1", header={"97": "Y"})
    assert rig.released() == ["E1", "E1"]


@pytest.mark.parametrize("value", [None, "x", "0", "-2", "1" * 19])
def test_number_missing_or_none_ends_the_session(rig: "Rig", value: str | None) -> None:
    rig.report("E1", header={"34": value})
    assert_ended(rig, "MsgSeqNum missing or not a positive number")


@pytest.mark.parametrize("decimals", ["", ".123", ".123456", ".123456789", ".123456789012"])
def test_times_with_0_to_12_decimals_are_accepted(rig: "Rig", decimals: str) -> None:
    rig.report("E1", header={"52": "20260101-00:00:00" + decimals})
    assert rig.released() == ["E1"]


def test_time_with_15_decimals_is_badly_formatted(rig: "Rig") -> None:
    sent = rig.report("E1", header={"52": "20260101-00:00:00.123456789012345"})
    assert_rejected(sent, 6, 52, 2)
    assert rig.state() == ACTIVE


def test_group_count_zero_is_accepted(rig: "Rig") -> None:
    body = [("37", "V"), ("17", "E1"), ("150", "0"), ("39", "0"), ("382", "0")]
    assert rig.receive("8", body) == []
    assert rig.released() == ["E1"]


def test_cold_message_takes_the_next_number_and_is_kept(rig: "Rig") -> None:
    assert rig.session.send_application("H", [(11, b"order-1")], rig.now_ns) == 2
    sent = rig.sent()
    assert [(m["35"], m["34"], m["11"]) for m in sent] == [("H", "2", "order-1")]
    assert rig.store.load_outgoing(2) == rig.raw[-1]
    assert rig.store.next_outgoing == 3
    assert rig.store.last_sent_ns == rig.now_ns


def test_lost_connection_takes_orders_away_at_once(rig: "Rig") -> None:
    was_active = rig.store.is_active
    rig.drop()
    assert (was_active, rig.store.is_active) == (True, False)
    assert rig.events[-2] == StateChanged(ACTIVE, SessionState.SESSION_DISCONNECTED)
    rig.receive("0")
    assert rig.store.next_incoming == 2, "nothing is taken from a connection that is gone"
