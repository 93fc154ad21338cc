"""Heartbeats, TestRequests and their ends: rows 4.a and 6 of the FIX session test cases."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateways.session import Disconnected

if TYPE_CHECKING:
    from tests.gateways.conftest import Rig

SECOND_NS = 1_000_000_000


def test_4a_heartbeat_after_silence_of_ours(rig: "Rig") -> None:
    assert rig.session.next_deadline_ns() == rig.now_ns + 30 * SECOND_NS
    assert rig.advance(29.999) == []
    sent = rig.advance(0.001)
    assert [m["35"] for m in sent] == ["0"]
    assert "112" not in sent[0]
    assert rig.advance(1) == []


def test_4a_any_message_restarts_the_heartbeat(rig: "Rig") -> None:
    rig.advance(20)
    rig.session.send_application("H", [(11, b"x")], rig.now_ns)
    rig.sent()
    rig.store.last_received_ns = rig.now_ns
    assert rig.advance(29.999) == []
    assert [m["35"] for m in rig.advance(0.001)] == ["0"]


def test_4a_sends_of_the_compiled_path_restart_the_heartbeat(rig: "Rig") -> None:
    rig.advance(20)
    rig.store.last_sent_ns = rig.store.last_received_ns = rig.now_ns
    assert rig.advance(29) == []
    assert rig.session.next_deadline_ns() == rig.now_ns + SECOND_NS


def test_6_test_request_after_silence_of_the_peer(rig: "Rig") -> None:
    rig.advance(30)
    assert rig.advance(5.999) == []
    sent = rig.advance(0.001)
    assert [m["35"] for m in sent] == ["1"]
    assert rig.receive("0", [("112", sent[0]["112"])]) == []
    rig.advance(30)
    assert not rig.is_closing()


def test_6_unanswered_test_request_ends_the_connection(rig: "Rig") -> None:
    rig.advance(36)
    rig.advance(35.999)
    assert not rig.is_closing()
    rig.advance(0.001)
    assert rig.is_closing()
    assert not rig.store.is_active
    rig.drop()
    assert rig.events[-1] == Disconnected("no answer to a TestRequest")


def test_6_other_messages_show_that_the_peer_lives(rig: "Rig") -> None:
    first = next(m for m in rig.advance(36) if m["35"] == "1")
    rig.advance(20)
    rig.receive("0", header={"52": "20260101-00:00:56.000"})
    assert "1" not in [m["35"] for m in rig.advance(35.999)]
    second = next(m for m in rig.advance(0.001) if m["35"] == "1")
    assert second["112"] != first["112"], "each test has a fresh id"
    assert not rig.is_closing()


def test_receipts_of_the_compiled_path_count(rig: "Rig") -> None:
    rig.advance(30)
    rig.store.last_received_ns = rig.now_ns
    assert [m["35"] for m in rig.advance(30)] == ["0"]


def test_heartbeat_interval_zero_watches_nothing(make_rig: Callable[..., "Rig"]) -> None:
    rig = make_rig(heartbeat_s=0)
    rig.connect()
    rig.receive("A", [("98", "0"), ("108", "0")])
    assert rig.session.next_deadline_ns() is None
    assert rig.advance(100_000) == []
    assert not rig.is_closing()


def test_nothing_is_due_while_disconnected(make_rig: Callable[..., "Rig"]) -> None:
    rig = make_rig()
    assert rig.session.next_deadline_ns() is None
    assert rig.advance(100) == []


def test_ticks_at_every_deadline_never_stand_still(rig: "Rig") -> None:
    # A deadline that a tick does not move would make the transport spin.
    rig.report("E9", sequence=9)
    for _ in range(200):
        deadline_ns = rig.session.next_deadline_ns()
        if deadline_ns is None:
            break
        rig.now_ns = max(deadline_ns, rig.now_ns)
        rig.advance(0)
        after_ns = rig.session.next_deadline_ns()
        assert after_ns is None or after_ns > rig.now_ns
    assert rig.is_closing()
