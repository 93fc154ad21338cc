"""The listener of the FIX stream: which messages it takes itself, and which the session sees."""

import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ext.fix_listener import FixListener
from ext.session_store import SessionStore
from ext.wire import OrderState, Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
Build = Callable[..., bytes]
PRICE = 50_000


@pytest.fixture
def rig(order_rig: "OrderRig") -> "OrderRig":
    """With order 1, sent and not answered; the venue's next number is 5."""
    assert order_rig.place(Side.BUY, PRICE, 100) == 1
    order_rig.store.next_incoming = 5
    return order_rig


def state_of(rig: "OrderRig") -> OrderState:
    return OrderState(int(rig.order(1)["state"]))


def acknowledgement(rig: "OrderRig", **header: Any) -> bytes:
    return rig.report_text(rig.fields(1, "0", "0"), **header)


def test_a_report_that_is_next_is_taken(rig: "OrderRig") -> None:
    before_ns = time.monotonic_ns()
    rig.listener.receive(acknowledgement(rig))
    assert state_of(rig) == OrderState.NEW
    assert rig.messages == []
    assert rig.store.next_incoming == 6
    assert rig.counters()["incoming_sequence"] == 6
    assert before_ns <= rig.store.last_received_ns <= time.monotonic_ns()
    assert rig.notices == []


@pytest.mark.parametrize("sequence", [4, 6, 1, 10**9])
def test_out_of_sequence(rig: "OrderRig", sequence: int) -> None:
    message = acknowledgement(rig, sequence=sequence)
    rig.listener.receive(message)
    assert rig.messages == [message]
    assert state_of(rig) == OrderState.PENDING_NEW
    assert rig.store.next_incoming == 5
    assert rig.store.last_received_ns == 0, "the session decides whether it was valid"


@pytest.mark.parametrize("name", ["duplicate", "no sequence", "sender", "target", "no comp ids"])
def test_not_for_the_fast_way(rig: "OrderRig", fix_builder: Build, name: str) -> None:
    body = rig.fields(1, "0", "0")
    message = {
        "duplicate": rig.report_text(body, extra=[(43, "Y")]),
        "no sequence": fix_builder("8", [(49, "VENUE"), (56, "US"), *body]),
        "sender": fix_builder("8", [(49, "OTHER"), (56, "US"), (34, 5), *body]),
        "target": fix_builder("8", [(49, "VENUE"), (56, "OTHER"), (34, 5), *body]),
        "no comp ids": fix_builder("8", [(34, 5), *body]),
    }[name]
    rig.listener.receive(message)
    assert rig.messages == [message]
    assert state_of(rig) == OrderState.PENDING_NEW
    assert rig.store.next_incoming == 5


@pytest.mark.parametrize("kind", ["0", "1", "2", "3", "4", "5", "A", "j", "r", "AE"])
def test_other_messages_go_to_the_session(rig: "OrderRig", kind: str) -> None:
    message = rig.report_text([(45, 1)], message_type=kind)
    rig.listener.receive(message)
    assert rig.messages == [message]
    assert rig.store.next_incoming == 5


def test_an_inactive_session_sees_everything(rig: "OrderRig") -> None:
    rig.store.is_active = False
    message = acknowledgement(rig)
    rig.listener.receive(message)
    assert rig.messages == [message]
    assert state_of(rig) == OrderState.PENDING_NEW


def test_without_a_pipeline_the_session_sees_everything(rig: "OrderRig") -> None:
    messages: list[bytes] = []
    store = SessionStore(None, "plain")
    store.is_active = True
    listener = FixListener(store, None, None, messages.append, lambda reason, skipped: None)
    message = acknowledgement(rig, sequence=1)
    listener.receive(message)
    assert messages == [message]
    assert not listener.apply_message(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"t150": "?"},
        {"t150": None},
        {"t55": "XRP-USD"},
        {"t55": None},
        {"t14": "0.00001"},
        {"t44": "1e"},
        {"t37": "v" * 40},
        {"t150": "F", "t31": "1"},
    ],
)
def test_a_bad_report_is_told_and_counted(rig: "OrderRig", changes: dict[str, object]) -> None:
    base = dict(rig.fields(1, "0", "0"))
    fields = {**base, **{int(name[1:]): value for name, value in changes.items()}}
    message = rig.report_text([(tag, v) for tag, v in fields.items() if v is not None])
    rig.listener.receive(message)
    assert rig.bad_reports == [message]
    assert rig.messages == []
    assert state_of(rig) == OrderState.PENDING_NEW
    assert rig.store.next_incoming == 6, "it was received, whatever it meant"
    rig.listener.receive(acknowledgement(rig))
    assert state_of(rig) == OrderState.NEW


def test_a_bad_report_without_anybody_to_tell(rig: "OrderRig") -> None:
    listener = FixListener(
        rig.store, rig.pipeline, rig.decoder, rig.messages.append, lambda reason, skipped: None
    )
    listener.receive(rig.report_text(rig.fields(1, "?", "0")))
    assert rig.store.next_incoming == 6
    assert rig.messages == []


def test_notices_follow_an_inconsistent_report(rig: "OrderRig") -> None:
    rig.fill(1, PRICE, 101)
    assert len(rig.notices) == 1
    assert rig.notices == [int(rig.order(1)["update_time_ns"])]


def test_reports_in_one_piece_keep_their_order(rig: "OrderRig") -> None:
    stream = b""
    for sequence, (execution, status) in enumerate((("0", "0"), ("F", "1"), ("4", "4")), 5):
        trade = {"t31": "1.00", "t32": "0.0010", "t17": "E"} if execution == "F" else {}
        fields = rig.fields(1, execution, status, **trade)
        stream += rig.report_text(fields, sequence=sequence)
        stream += rig.report_text([], message_type="0", sequence=77)
    rig.listener.receive(stream)
    assert state_of(rig) == OrderState.CANCELED
    assert rig.order(1)["filled_lots"] == 10
    assert len(rig.messages) == 3
    assert rig.store.next_incoming == 8


# What the session releases.


def test_a_released_report_is_applied(rig: "OrderRig") -> None:
    message = acknowledgement(rig, sequence=9, extra=[(43, "Y")])
    assert rig.listener.apply_message(message)
    assert state_of(rig) == OrderState.NEW
    assert rig.store.next_incoming == 5, "the numbers are the session's"


def test_a_report_released_while_bytes_are_in_hand_has_their_time(
    order_rig: "OrderRig",
) -> None:
    # The session releases what a gap held back from within the call that filled the gap.
    for _ in range(2):
        order_rig.place(Side.BUY, PRICE, 100)
    order_rig.store.next_incoming = 5

    def release(message: bytes) -> None:
        held = order_rig.report_text(order_rig.fields(1, "0", "0"), sequence=9)
        assert listener.apply_message(held)

    listener = FixListener(
        order_rig.store, order_rig.pipeline, order_rig.decoder, release, lambda *_: None
    )
    filler = order_rig.report_text([], message_type="0", sequence=4)
    late = order_rig.report_text(order_rig.fields(2, "0", "0"), sequence=5)
    listener.receive(filler + late, 123_456)
    offset_ns = order_rig.counters()["wall_offset_ns"]
    times = [int(order_rig.order(number)["update_time_ns"]) - offset_ns for number in (1, 2)]
    assert times == [123_456, 123_456]


def test_what_is_released_must_be_a_report(rig: "OrderRig") -> None:
    assert not rig.listener.apply_message(rig.report_text([], message_type="0"))
    assert not rig.listener.apply_message(rig.report_text(rig.fields(1, "?", "0")))
    assert not rig.listener.apply_message(b"")
    assert rig.bad_reports == []
    assert state_of(rig) == OrderState.PENDING_NEW


# Callbacks.


def listener_of(rig: "OrderRig", on_message: Callable[[bytes], object]) -> FixListener:
    return FixListener(
        SessionStore(None, "callbacks"), None, None, on_message, lambda reason, skipped: None
    )


@pytest.mark.parametrize("tail", [0, 1, 30])
def test_reset_during_a_callback_forgets_the_rest(rig: "OrderRig", tail: int) -> None:
    seen: list[bytes] = []
    one, two = acknowledgement(rig, sequence=1), acknowledgement(rig, sequence=2)

    def on_message(message: bytes) -> None:
        seen.append(message)
        if len(seen) == 2:
            listener.reset()

    listener = listener_of(rig, on_message)
    listener.receive(one + two + one + two[:tail])
    assert seen == [one, two]
    listener.receive(two + one)
    assert seen == [one, two, two, one], "nothing of the old connection is left"


def test_reset_between_messages(rig: "OrderRig") -> None:
    seen: list[bytes] = []
    one, two = acknowledgement(rig, sequence=1), acknowledgement(rig, sequence=2)
    listener = listener_of(rig, seen.append)
    listener.receive(one[:-5])
    listener.reset()
    listener.receive(two)
    assert seen == [two]


def test_a_callback_that_raises_had_its_message(rig: "OrderRig") -> None:
    seen: list[bytes] = []
    one, two = acknowledgement(rig, sequence=1), acknowledgement(rig, sequence=2)

    def on_message(message: bytes) -> None:
        seen.append(message)
        if len(seen) == 1:
            raise LookupError("from the callback")

    listener = listener_of(rig, on_message)
    with pytest.raises(LookupError, match="from the callback"):
        listener.receive(one + two)
    listener.receive(one)
    assert seen == [one, two, one]


def test_garbage_is_told(rig: "OrderRig") -> None:
    message = acknowledgement(rig)
    broken = message[:-4] + b"%03d\x01" % ((int(message[-4:-1]) + 1) % 256)
    rig.listener.receive(b"noise\x01" + broken + message)
    assert [reason.split(" ")[0] for reason, _ in rig.garbled] == ["does", "CheckSum(10)"]
    assert [skipped for _, skipped in rig.garbled] == [b"noise\x01", broken]
    assert state_of(rig) == OrderState.NEW


# From a socket.


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with ours, peer:
        yield ours, peer


def test_read(rig: "OrderRig", pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    descriptor = ours.fileno()
    message = acknowledgement(rig)
    assert rig.listener.read(descriptor) == -1
    peer.sendall(message[:40])
    assert rig.listener.read(descriptor) == 40
    assert rig.listener.read(descriptor) == -1
    peer.sendall(message[40:])
    assert rig.listener.read(descriptor) == len(message) - 40
    assert state_of(rig) == OrderState.NEW
    peer.sendall(rig.report_text(rig.fields(1, "4", "4")))
    peer.close()
    assert rig.listener.read(descriptor) == 0, "the end, and what came before it was taken"
    assert state_of(rig) == OrderState.CANCELED
    assert rig.listener.read(descriptor) == 0


def test_read_more_than_the_buffer_holds(
    rig: "OrderRig", pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, peer = pair
    chance = random.Random(2)
    messages = [
        rig.report_text([(58, "x" * chance.randrange(60_000))], message_type="B") for _ in range(30)
    ]
    stream = b"".join(messages)
    assert len(stream) > 1 << 19
    peer.setblocking(False)
    while stream:
        stream = stream[peer.send(stream) :]
        assert rig.listener.read(ours.fileno()) > 0
    while rig.listener.read(ours.fileno()) > 0:
        pass
    assert rig.messages == messages


def test_a_reset_connection_has_ended(rig: "OrderRig") -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    with ours:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + bytes(7))
        peer.close()
        deadline_ns = time.monotonic_ns() + 5_000_000_000
        while (result := rig.listener.read(ours.fileno())) == -1:
            assert time.monotonic_ns() < deadline_ns
        assert result == 0


def test_a_descriptor_that_is_closed_has_ended(rig: "OrderRig") -> None:
    assert rig.listener.read(-1) == 0
