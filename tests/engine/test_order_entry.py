"""The order session of a run: what its events do to orders, the log and the engine."""

import logging
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
import pytest

from engine.composition import Arc, OrderParts
from engine.engine_clock import EngineClock
from engine.order_entry import (
    ACKNOWLEDGE_TIMEOUT_NS,
    ASK_AGAIN_NS,
    MAX_SHOWN_BYTES,
    OrderEntry,
)
from ext.bounds import Bound
from ext.dtypes import ORDER
from ext.errors import UsageError
from ext.session_store import SessionStore
from ext.wire import OrderState, SessionState
from gateways.session import (
    ApplicationMessage,
    Disconnected,
    Fatal,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    MessageRejected,
    NumbersReset,
    OrderNotRepeated,
    SessionEvent,
    StateChanged,
    Warned,
)

NOW_NS = 1_800_000_000_000_000_000
CONNECTING, ACTIVE = SessionState.SESSION_RESYNCING, SessionState.SESSION_ACTIVE
Fields = list[tuple[int, bytes]]


class Wires:
    """Stands for ``OrderTransport``: the test is the session behind it."""

    def __init__(self, session: object, make_listener: Callable[..., object], *others: object,
                 on_event: Callable[[SessionEvent], None], connect: object) -> None:  # fmt: skip
        self.connect = connect
        self.notify = on_event
        self.sent: list[tuple[str, Fields]] = []
        self.error: UsageError | None = None
        make_listener(lambda message: None, lambda reason, data: None)

    def send_application(self, message_type: str, fields: Fields) -> int:
        if self.error is not None:
            raise self.error
        self.sent.append((message_type, fields))
        return 1


class Rig(NamedTuple):
    arc: Arc
    entry: OrderEntry
    wires: Wires
    store: SessionStore
    fatal: list[str]
    paused: list[str]

    def states(self) -> list[object]:
        return [order["state"] for order in self.arc.pipeline.orders.open_orders()]

    def activate(self) -> None:
        self.store.is_active = True
        self.wires.notify(StateChanged(CONNECTING, ACTIVE))


@pytest.fixture
def rig(
    make_arc: Callable[..., Arc],
    feed_book: Callable[[Arc, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Rig:
    """Two orders that await their first answer."""
    monkeypatch.setattr("engine.order_entry.OrderTransport", Wires)
    arc = make_arc(is_trading=True)
    feed_book(arc, NOW_NS)
    assert isinstance(arc.orders, OrderParts)
    arc.orders.store.is_active = False  # until the test activates it
    fatal: list[str] = []
    paused: list[str] = []
    entry = OrderEntry(
        arc.config,
        "127.0.0.1",
        9,
        arc.orders,
        arc.pipeline,
        EngineClock(arc.memory),
        on_fatal=fatal.append,
        on_pause=paused.append,
        on_notices=lambda _: None,
    )
    rig = Rig(arc, entry, cast(Wires, entry.transport), arc.orders.store, fatal, paused)
    assert rig.states() == [OrderState.PENDING_NEW] * 2
    return rig


def test_it_is_active_when_the_compiled_path_may_send(rig: Rig) -> None:
    was_active = rig.entry.is_active
    rig.activate()
    assert (was_active, rig.entry.is_active) == (False, True)
    assert rig.arc.memory.header_record()["order_session_state"][0] == ACTIVE


def test_a_lost_connection_leaves_unknown_orders(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.wires.notify(Disconnected("reset by peer"))
    assert rig.states() == [OrderState.UNKNOWN] * 2
    assert "order session disconnected: reset by peer; 2 orders are Unknown" in caplog.text
    assert rig.wires.sent == []


def test_unknown_orders_are_asked_for_when_the_session_is_back(rig: Rig) -> None:
    rig.wires.notify(Disconnected("gone"))
    rig.activate()
    orders = rig.arc.pipeline.orders
    expected = [
        (11, orders.client_order_id(int(str(order["accepted_number"]))).encode())
        for order in orders.open_orders()
    ]
    assert [kind for kind, _ in rig.wires.sent] == ["H", "H"]
    assert [fields[0] for _, fields in rig.wires.sent] == expected
    assert {fields[1] for _, fields in rig.wires.sent} == {(55, b"BTC-USD")}
    assert {fields[2] for _, fields in rig.wires.sent} == {(54, b"1"), (54, b"2")}


def test_orders_that_are_known_are_not_asked_for(rig: Rig) -> None:
    rig.activate()
    assert rig.wires.sent == []


def test_a_request_without_an_answer_makes_its_order_unknown(rig: Rig) -> None:
    rig.activate()
    rig.entry.check_pending(NOW_NS + ACKNOWLEDGE_TIMEOUT_NS - 1)
    assert rig.states() == [OrderState.PENDING_NEW] * 2
    rig.entry.check_pending(NOW_NS + ACKNOWLEDGE_TIMEOUT_NS + 1)
    assert rig.states() == [OrderState.UNKNOWN] * 2
    assert [kind for kind, _ in rig.wires.sent] == ["H", "H"]


def ask_of(rig: Rig, seconds: float) -> int:
    """How many are asked for by the check so long after the first one."""
    before = len(rig.wires.sent)
    start_ns = NOW_NS + ACKNOWLEDGE_TIMEOUT_NS + 1
    rig.entry.check_pending(start_ns + int(seconds * 1e9))
    return len(rig.wires.sent) - before


def test_an_unknown_order_is_asked_for_until_it_is_answered(rig: Rig) -> None:
    rig.activate()
    assert ask_of(rig, 0) == 2
    interval = ASK_AGAIN_NS / 1e9
    assert [ask_of(rig, interval * part) for part in (0.2, 0.9, 1, 1.2, 2)] == [0, 0, 2, 0, 2]
    orders = rig.arc.memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
    answered = np.flatnonzero(orders["state"] == OrderState.UNKNOWN)[0]
    orders["state"][answered] = OrderState.NEW
    assert ask_of(rig, interval * 3) == 1
    orders["state"][answered] = OrderState.UNKNOWN  # as after a cancel that was rejected
    assert ask_of(rig, interval * 3 + 1) == 1


def test_an_order_that_becomes_unknown_meanwhile_is_asked_for_at_the_next_check(rig: Rig) -> None:
    rig.activate()
    assert ask_of(rig, -1) == 0
    rig.arc.pipeline.orders.mark_unknown(NOW_NS)
    assert ask_of(rig, 0) == 2


def test_a_session_that_cannot_ask_now_is_asked_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.activate()
    rig.wires.error = UsageError("the session is not ACTIVE")
    assert ask_of(rig, 0) == 0
    assert caplog.text.count("was not asked for: the session is not ACTIVE") == 2
    rig.wires.error = None
    assert ask_of(rig, ASK_AGAIN_NS / 1e9) == 2


def test_nothing_is_asked_while_the_session_is_down(rig: Rig) -> None:
    rig.entry.check_pending(NOW_NS + ACKNOWLEDGE_TIMEOUT_NS + 1)
    assert rig.states() == [OrderState.UNKNOWN] * 2
    assert rig.wires.sent == []


def test_a_rejected_message_ends_its_order(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    assert rig.arc.orders is not None
    last = rig.arc.orders.store.next_outgoing - 1
    rig.wires.notify(MessageRejected(last, "D", 5, "Value is incorrect"))
    assert rig.states() == [OrderState.PENDING_NEW]
    assert f"message {last} (D) rejected, reason 5: Value is incorrect" in caplog.text


@pytest.mark.parametrize("sequence", [-1, 0, 999_999])
def test_a_rejected_message_that_is_nobody_s_ends_none(rig: Rig, sequence: int) -> None:
    rig.wires.notify(MessageRejected(sequence, "D", -1, ""))
    assert rig.states() == [OrderState.PENDING_NEW] * 2


def test_numbers_that_start_again_name_no_older_message(rig: Rig) -> None:
    assert rig.arc.orders is not None
    last = rig.arc.orders.store.next_outgoing - 1
    rig.wires.notify(NumbersReset())
    rig.wires.notify(MessageRejected(last, "D", 5, "of a message after the reset"))
    assert rig.states() == [OrderState.PENDING_NEW] * 2


def test_an_order_that_was_too_old_to_repeat_is_dead(rig: Rig) -> None:
    assert rig.arc.orders is not None
    last = rig.arc.orders.store.next_outgoing - 1
    rig.wires.notify(OrderNotRepeated(last, b""))
    assert rig.states() == [OrderState.PENDING_NEW]


def test_a_refused_logon_is_fatal_unless_time_heals_it(rig: Rig) -> None:
    rig.wires.notify(LogonRefused("try later", is_retryable=True))
    assert rig.fatal == []
    rig.wires.notify(LogonRefused("wrong passphrase", is_retryable=False))
    assert rig.fatal == ["127.0.0.1:9 refused the logon: wrong passphrase"]


def test_a_session_that_cannot_go_on_is_fatal(rig: Rig) -> None:
    rig.wires.notify(Fatal("MsgSeqNum too low"))
    assert rig.fatal == ["order session: MsgSeqNum too low"]


@pytest.mark.parametrize("message", [b"nonsense", b"8=FIXT.1.1\x01" * 1000])
def test_a_report_that_cannot_be_read_pauses(rig: Rig, message: bytes) -> None:
    rig.wires.notify(ApplicationMessage(message))
    (reason,) = rig.paused
    assert reason.startswith("a report could not be read: ")
    assert "\x01" not in reason
    assert len(reason) < MAX_SHOWN_BYTES + 50
    assert rig.states() == [OrderState.PENDING_NEW] * 2


def test_a_connection_that_cannot_be_made_is_a_warning_without_orders_too(
    make_arc: Callable[..., Arc], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.order_entry.OrderTransport", Wires)
    caplog.set_level(logging.INFO, "engine.orders")
    arc = make_arc(is_trading=True)
    assert isinstance(arc.orders, OrderParts)
    entry = OrderEntry(
        arc.config,
        "a.test",
        9,
        arc.orders,
        arc.pipeline,
        EngineClock(arc.memory),
        on_fatal=pytest.fail,
        on_pause=pytest.fail,
        on_notices=lambda _: None,
    )
    wires = cast(Wires, entry.transport)
    wires.notify(Disconnected("stopped"))
    wires.notify(Disconnected("cannot connect to a.test:9: the certificate of a.test is refused"))
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (LoggedOn(10), "logged on to 127.0.0.1:9, heartbeat 10 s"),
        (LoggedOut("bye"), "logged out: bye"),
        (LoggedOut(""), "logged out"),
        (Warned("garbled message of 3 bytes"), "garbled message of 3 bytes"),
    ],
)
def test_what_happens_is_logged(
    rig: Rig, caplog: pytest.LogCaptureFixture, event: SessionEvent, words: str
) -> None:
    caplog.set_level(logging.INFO, "engine.orders")
    rig.wires.notify(event)
    assert words in caplog.messages
    assert rig.fatal == rig.paused == []


class Watcher:
    """Stands for the reconciler, which may want to ask about Unknown orders first."""

    def __init__(self) -> None:
        self.is_due = True
        self.told: list[bool] = []

    def session_changed(self, is_active: bool) -> None:
        self.told.append(is_active)


def test_the_reconciler_asks_first_about_what_is_unknown(rig: Rig) -> None:
    watcher = rig.entry.watcher = Watcher()
    rig.activate()
    rig.wires.notify(Disconnected("reset"))
    assert watcher.told == [True, False]
    rig.activate()
    assert watcher.told == [True, False, True]
    rig.entry.check_pending(NOW_NS)
    assert rig.wires.sent == []
    watcher.is_due = False
    rig.entry.check_pending(NOW_NS)
    assert [kind for kind, _ in rig.wires.sent] == ["H", "H"]
