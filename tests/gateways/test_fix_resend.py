"""Resends in both directions: rows 8, 10, 11, 20, 71, 76 of the FIX session test cases."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.session_store import SessionStore
from ext.wire import SessionState
from gateways.fix_resend import MAX_HELD_MESSAGES, GapFill, InboundGap, Repeat, plan_resend
from gateways.fix_timers import SessionLimits
from gateways.session import Fatal, OrderNotRepeated, Warned

if TYPE_CHECKING:
    from tests.gateways.conftest import Rig

ACTIVE = SessionState.SESSION_ACTIVE
RESYNCING = SessionState.SESSION_RESYNCING
THEN = "20260101-00:00:00.000"
DUPLICATE: dict[str, str | None] = {"43": "Y", "122": THEN}
RigMaker = Callable[..., "Rig"]
Summary = list[tuple[str, str, str | None]]


def send_orders(rig: "Rig", count: int) -> None:
    """Numbers 2 to count + 1."""
    for number in range(count):
        rig.session.send_application("D", [(11, b"order-%d" % number), (54, b"1")], rig.now_ns)
    rig.sent()


def summary(sent: list[dict[str, str]]) -> Summary:
    """Type, number, and ClOrdID or NewSeqNo."""
    return [(m["35"], m["34"], m.get("11", m.get("36"))) for m in sent]


def ask(rig: "Rig", begin: int, end: int, sequence: int | None = None) -> list[dict[str, str]]:
    return rig.receive("2", [("7", str(begin)), ("16", str(end))], sequence=sequence)


def test_8_orders_are_repeated_and_admin_messages_filled(rig: "Rig") -> None:
    send_orders(rig, 2)
    rig.receive("1", [("112", "x")])  # answered with number 4
    rig.session.send_application("H", [(11, b"status")], rig.now_ns)
    rig.sent()
    rig.now_ns += 1_500_000_000
    sent = ask(rig, 1, 0)
    assert summary(sent) == [
        ("4", "1", "2"),
        ("D", "2", "order-0"),
        ("D", "3", "order-1"),
        ("4", "4", "5"),
        ("H", "5", "status"),
    ]
    assert all(m["43"] == "Y" for m in sent)
    assert all(m["52"] == "20260101-00:00:01.500" for m in sent)
    assert sent[1]["122"] == THEN, "122 of a repeated message is its first SendingTime"
    assert (sent[1]["49"], sent[1]["56"], sent[1]["54"]) == ("US", "VENUE", "1")
    assert sent[0]["123"] == sent[3]["123"] == "Y"
    assert rig.store.next_outgoing == 6, "a resend takes no new number"


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (2, 2, [("D", "2", "order-0")]),
        (3, 4, [("D", "3", "order-1"), ("D", "4", "order-2")]),
        (4, 0, [("D", "4", "order-2")]),
        (4, 999999, [("D", "4", "order-2")]),
        (1, 1, [("4", "1", "2")]),
        (5, 0, []),
    ],
)
def test_8_the_range_is_honoured(rig: "Rig", begin: int, end: int, expected: Summary) -> None:
    send_orders(rig, 3)
    assert summary(ask(rig, begin, end)) == expected
    assert rig.store.next_incoming == 3


def test_8_last_gap_fill_ends_at_the_next_number(rig: "Rig") -> None:
    send_orders(rig, 1)
    rig.receive("1", [("112", "x")])
    rig.receive("1", [("112", "y")])
    assert summary(ask(rig, 2, 50)) == [("D", "2", "order-0"), ("4", "3", "5")]


def test_8_old_orders_are_filled_and_reported_dead(rig: "Rig") -> None:
    send_orders(rig, 1)
    rig.session.send_application("F", [(11, b"cancel")], rig.now_ns)
    rig.now_ns += 2_000_000_001
    rig.session.send_application("D", [(11, b"fresh")], rig.now_ns)
    first_raw = rig.raw[0]
    rig.sent()
    assert summary(ask(rig, 2, 0)) == [("4", "2", "3"), ("F", "3", "cancel"), ("D", "4", "fresh")]
    assert rig.found(OrderNotRepeated) == [OrderNotRepeated(2, first_raw)]


def test_8_each_dead_order_is_reported_once(make_rig: RigMaker) -> None:
    rig = make_rig()
    rig.log_on()
    for message_type in ("D", "F", "G", "H"):
        rig.session.send_application(message_type, [(11, b"x")], rig.now_ns)
    rig.now_ns += 3_000_000_000
    rig.receive("1", [("112", "x")])
    sent = ask(rig, 2, 0)
    assert [(m["35"], m["34"]) for m in sent] == [
        ("4", "2"),
        ("F", "3"),
        ("4", "4"),
        ("H", "5"),
        ("4", "6"),
    ]
    dead = [e.sequence for e in rig.events if isinstance(e, OrderNotRepeated)]
    assert dead == [2, 4]


def test_8_at_the_age_limit_an_order_is_repeated(make_rig: RigMaker) -> None:
    rig = make_rig(limits=SessionLimits(resend_age_limit_ns=500_000_000))
    rig.log_on()
    send_orders(rig, 1)
    rig.now_ns += 500_000_000
    assert summary(ask(rig, 2, 0)) == [("D", "2", "order-0")]
    rig.now_ns += 1_000_000
    assert summary(ask(rig, 2, 0)) == [("4", "2", "3")]


def test_8_age_is_of_the_monotonic_clock_whatever_the_wall_says(rig: "Rig") -> None:
    send_orders(rig, 1)
    rig.session.wall_offset_ns += 3_600_000_000_000
    rig.now_ns += 2_000_000_000
    request = [("7", "2"), ("16", "0")]
    sent = rig.receive("2", request, header={"52": "20260101-01:00:02.000"})
    assert summary(sent) == [("D", "2", "order-0")]
    rig.session.wall_offset_ns -= 3_600_000_000_000
    rig.now_ns += 1_000_000_000
    assert summary(ask(rig, 2, 0)) == [("4", "2", "3")]


@pytest.mark.parametrize(("sent_after_ns", "is_known"), [(0, False), (1, True)])
def test_8_without_a_credible_send_time_an_order_is_too_old(
    rig: "Rig", sent_after_ns: int, is_known: bool
) -> None:
    send_orders(rig, 1)
    first_raw = rig.raw[0]
    # Not kept, or later than now: of before a restart of the host.
    rig.store.sent_ns[2] = rig.now_ns + sent_after_ns if is_known else 0
    assert summary(ask(rig, 2, 0)) == [("4", "2", "3")]
    assert rig.found(OrderNotRepeated) == [OrderNotRepeated(2, first_raw)]
    rig.store.sent_ns[2] = rig.now_ns
    assert summary(ask(rig, 2, 0)) == [("D", "2", "order-0")]


@pytest.mark.parametrize("age_limit_ns", [None, 2_000_000_000])
@pytest.mark.parametrize("message_type", ["D", "E", "G", "U6"])
def test_8_nothing_that_adds_risk_is_repeated_while_risk_is_not_allowed(
    make_rig: RigMaker, age_limit_ns: int | None, message_type: str
) -> None:
    rig = make_rig(limits=SessionLimits(resend_age_limit_ns=age_limit_ns))
    rig.log_on()
    for each in (message_type, "F", "H"):
        rig.session.send_application(each, [(11, each.encode())], rig.now_ns)
    rig.sent()
    assert rig.session.is_risk_allowed()
    rig.session.is_risk_allowed = lambda: False
    assert summary(ask(rig, 2, 0)) == [("4", "2", "3"), ("F", "3", "F"), ("H", "4", "H")]
    assert [e.sequence for e in rig.events if isinstance(e, OrderNotRepeated)] == [2]
    rig.session.is_risk_allowed = lambda: True
    assert summary(ask(rig, 2, 2)) == [(message_type, "2", message_type)]


def test_8_an_answer_to_789_obeys_the_risk_too(make_rig: RigMaker) -> None:
    rig = make_rig(sends_next_expected=True)
    rig.log_on(("789", "2"))
    send_orders(rig, 1)
    rig.drop()
    rig.session.is_risk_allowed = lambda: False
    rig.connect()
    sent = rig.receive("A", [("98", "0"), ("108", "30"), ("789", "2")])
    assert [(m["35"], m["34"], m["36"]) for m in sent] == [("4", "2", "4")]


def test_8_while_logging_out_a_resend_is_still_answered(rig: "Rig") -> None:
    send_orders(rig, 1)
    rig.session.logout(rig.now_ns)
    rig.sent()
    assert summary(ask(rig, 2, 2)) == [("D", "2", "order-0")]


def test_outgoing_slots_bound_how_far_a_resend_looks_back() -> None:
    store = SessionStore(None, "TEST")
    last = 3 * Bound.OUTGOING_SLOTS
    store.save_outgoing(last, b"8=FIX.4.4\x0135=H\x0134=1\x01", 5)
    store.next_outgoing = last + 1
    looked_at = []

    class Counted:
        next_outgoing = last + 1

        def load_outgoing(self, sequence: int) -> bytes | None:
            looked_at.append(sequence)
            return store.load_outgoing(sequence)

    steps = list(plan_resend(Counted(), 1, last, 0, None))  # type: ignore[arg-type]
    assert [type(step) for step in steps] == [GapFill, Repeat]
    assert steps[0] == GapFill(1, last, ())
    assert len(looked_at) == Bound.OUTGOING_SLOTS


def test_10a_gap_fill_with_a_high_number_asks_for_the_gap(rig: "Rig") -> None:
    sent = rig.receive("4", [("123", "Y"), ("36", "9")], sequence=5)
    assert [(m["35"], m["7"], m["16"]) for m in sent] == [("2", "2", "0")]
    assert rig.store.next_incoming == 2
    rig.receive("4", [("123", "Y"), ("36", "5")], sequence=2, header=DUPLICATE)
    assert rig.store.next_incoming == 9, "the early gap fill counts once its turn has come"


def test_10b_gap_fill_moves_the_expected_number(rig: "Rig") -> None:
    assert rig.receive("4", [("123", "Y"), ("36", "9")]) == []
    assert rig.store.next_incoming == 9
    assert rig.state() == ACTIVE


def test_10c_gap_fill_already_seen_is_ignored(rig: "Rig") -> None:
    fill = [("123", "Y"), ("36", "9")]
    assert rig.receive("4", fill, sequence=1, header={"43": "Y"}) == []
    assert rig.store.next_incoming == 2


def test_10d_gap_fill_with_a_low_number_ends_the_session(rig: "Rig") -> None:
    sent = rig.receive("4", [("123", "Y"), ("36", "9")], sequence=1)
    assert sent[0]["58"] == "MsgSeqNum too low, expecting 2 but received 1"
    assert any(isinstance(e, Fatal) for e in rig.events)


@pytest.mark.parametrize("new", [1, 2])
def test_10e_gap_fill_that_lowers_the_number_is_rejected(rig: "Rig", new: int) -> None:
    sent = rig.receive("4", [("123", "Y"), ("36", str(new))])
    assert (sent[0]["35"], sent[0]["371"], sent[0]["373"]) == ("3", "36", "5")
    assert sent[0]["58"] == f"attempt to lower sequence number, invalid value NewSeqNo={new}"
    assert rig.store.next_incoming == 2


@pytest.mark.parametrize("sequence", [1, 2, 700])
def test_11a_reset_moves_the_number_whatever_its_own_is(rig: "Rig", sequence: int) -> None:
    assert rig.receive("4", [("36", "20")], sequence=sequence) == []
    assert rig.store.next_incoming == 20
    assert rig.state() == ACTIVE


def test_11b_reset_to_the_expected_number_is_accepted_with_a_warning(rig: "Rig") -> None:
    assert rig.receive("4", [("36", "2"), ("123", "N")], sequence=9) == []
    assert rig.store.next_incoming == 2
    assert any(isinstance(e, Warned) for e in rig.events)


def test_11c_reset_to_a_lower_number_is_rejected(rig: "Rig") -> None:
    sent = rig.receive("4", [("36", "1")], sequence=9)
    assert (sent[0]["35"], sent[0]["371"], sent[0]["373"]) == ("3", "36", "5")
    assert rig.store.next_incoming == 2


def test_queued_messages_come_out_in_order_once_the_gap_is_filled(rig: "Rig") -> None:
    assert len(rig.report("E5", sequence=5)) == 1
    assert rig.report("E6", sequence=6) == [], "one open request at a time"
    rig.report("E2", sequence=2, header=DUPLICATE)
    assert rig.released() == ["E2"]
    rig.receive("4", [("123", "Y"), ("36", "5")], sequence=3, header={"43": "Y"})
    assert rig.released() == ["E2", "E5", "E6"]
    assert rig.store.next_incoming == 7
    assert rig.state() == ACTIVE
    # The venue repeats to its end; what was queued is seen already.
    assert rig.report("E5", sequence=5, header=DUPLICATE) == []
    assert rig.report("E6", sequence=6, header=DUPLICATE) == []
    assert rig.released() == ["E2", "E5", "E6"]


def test_second_hole_behind_the_first_is_asked_for_when_the_first_is_filled(rig: "Rig") -> None:
    rig.report("E4", sequence=4)
    rig.report("E7", sequence=7)
    sent = rig.receive("4", [("123", "Y"), ("36", "4")], sequence=2, header={"43": "Y"})
    assert [(m["35"], m["7"], m["16"]) for m in sent] == [("2", "5", "0")]
    assert rig.released() == ["E4"]
    assert rig.state() == RESYNCING


def test_gap_fill_past_what_was_asked_answers_the_request(rig: "Rig") -> None:
    rig.report("E4", sequence=4)
    rig.receive("4", [("123", "Y"), ("36", "30")], sequence=2, header={"43": "Y"})
    assert rig.store.next_incoming == 30
    assert rig.released() == [], "a number that was filled over is void"
    assert rig.state() == ACTIVE


def test_numbers_that_were_filled_over_do_not_spoil_the_next_request(make_rig: RigMaker) -> None:
    rig = make_rig(resend_chunk=100)
    rig.log_on()
    rig.report("E4", sequence=4)
    rig.report("E9", sequence=9)
    sent = rig.receive("4", [("123", "Y"), ("36", "6")], sequence=2, header={"43": "Y"})
    assert [(m["7"], m["16"]) for m in sent] == [("6", "8")]


def test_reset_during_a_gap_ends_it(rig: "Rig") -> None:
    rig.report("E4", sequence=4)
    rig.receive("4", [("36", "30")], sequence=9)
    assert rig.state() == ACTIVE
    assert rig.store.next_incoming == 30


def test_20_resend_request_during_our_own_is_answered_and_ours_repeated_once(rig: "Rig") -> None:
    send_orders(rig, 1)
    rig.report("E5", sequence=5)  # our request takes number 3
    sent = ask(rig, 2, 0, sequence=6)
    assert summary(sent)[:2] == [("D", "2", "order-0"), ("4", "3", "4")]
    assert [(m["35"], m["7"]) for m in sent[2:]] == [("2", "2")]
    assert [m["35"] for m in ask(rig, 2, 0, sequence=7)] == ["D", "4"], "not repeated for ever"
    assert rig.state() == RESYNCING
    rig.receive("4", [("123", "Y"), ("36", "5")], sequence=2, header={"43": "Y"})
    assert rig.store.next_incoming == 8, "requests acted on early count in their turn"
    assert rig.state() == ACTIVE


def test_request_that_nothing_answers_is_repeated(rig: "Rig") -> None:
    rig.report("E5", sequence=5)
    rig.advance(29)
    rig.report("E6", sequence=6)
    assert "2" not in [m["35"] for m in rig.advance(0.999)]
    assert [(m["7"], m["16"]) for m in rig.advance(0.001) if m["35"] == "2"] == [("2", "0")]


def test_progress_postpones_the_repeated_request(rig: "Rig") -> None:
    rig.report("E5", sequence=5)
    rig.advance(20)
    rig.report("E2", sequence=2, header={**DUPLICATE, "52": "20260101-00:00:20.000"})
    assert "2" not in [m["35"] for m in rig.advance(15)]
    assert [m["7"] for m in rig.advance(15) if m["35"] == "2"] == ["3"]


def test_dropped_connection_forgets_the_gap_and_the_next_logon_finds_it_again(rig: "Rig") -> None:
    rig.report("E5", sequence=5)
    rig.drop()
    rig.connect()
    sent = rig.receive("A", [("98", "0"), ("108", "30")], sequence=6)
    assert [(m["35"], m["7"], m["16"]) for m in sent] == [("2", "2", "0")]


def test_71_bad_message_in_a_gap_is_rejected_in_its_turn(rig: "Rig") -> None:
    rig.receive("8", [("37", "V")], sequence=3)
    rig.report("E4", sequence=4)
    sent = rig.report("E2", sequence=2, header=DUPLICATE)
    assert [(m["35"], m["45"], m["371"]) for m in sent] == [("3", "3", "17")]
    assert rig.released() == ["E2", "E4"]
    assert rig.state() == ACTIVE


@pytest.mark.parametrize("past", [0, 3])
def test_76_chunked_requests_follow_each_other(make_rig: RigMaker, past: int) -> None:
    rig = make_rig(resend_chunk=10)
    rig.log_on()
    sent = rig.report("E30", sequence=30)
    assert [(m["7"], m["16"]) for m in sent] == [("2", "11")]
    rig.receive("4", [("123", "Y"), ("36", "8")], sequence=2, header={"43": "Y"})
    sent = rig.receive("4", [("123", "Y"), ("36", str(12 + past))], sequence=8, header={"43": "Y"})
    assert [(m["7"], m["16"]) for m in sent] == [(str(12 + past), str(21 + past))]
    sent = rig.receive("4", [("123", "Y"), ("36", "25")], sequence=12 + past, header={"43": "Y"})
    assert [(m["7"], m["16"]) for m in sent] == [("25", "29")]
    rig.receive("4", [("123", "Y"), ("36", "30")], sequence=25, header={"43": "Y"})
    assert rig.released() == ["E30"]
    assert rig.state() == ACTIVE


def test_held_messages_are_bounded_and_the_rest_is_asked_for_again() -> None:
    gap = InboundGap(0)
    last = MAX_HELD_MESSAGES + 12
    for number in range(10, last + 1):
        gap.hold(number, None)
    assert gap.request(1, 0) == (1, 9)
    expected = 10
    while gap.has(expected):
        gap.take(expected)
        expected += 1
    assert expected == 10 + MAX_HELD_MESSAGES
    assert gap.request(expected, 0) == (expected, last)
    assert gap.request(last + 1, 0) is None
    assert not gap.is_open(last + 1)
