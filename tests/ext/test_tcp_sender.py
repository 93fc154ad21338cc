"""The TCP sender on socket pairs: bytes in order, whatever the kernel takes at once."""

import random
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from ext.errors import UsageError
from ext.tcp_sender import TcpSender
from ext.wire import Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

PENDING_BYTES = 1 << 20
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """(ours, the peer's), both with buffers as small as the kernel allows."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    with ours, peer:
        yield ours, peer


@pytest.fixture
def sender(pair: Pair) -> TcpSender:
    sender = TcpSender()
    sender.attach(pair[0].fileno())
    return sender


def drain(peer: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            part = peer.recv(1 << 16)
        except BlockingIOError:
            return data
        if not part:
            return data
        data += part


def fill(sender: TcpSender) -> bytes:
    """Sends until the kernel takes no more; what was sent, the pending part included."""
    sent = b""
    while not sender.has_pending:
        message = b"%08d" % len(sent) * 100
        assert sender.send(message)
        sent += message
    return sent


def test_one_message(sender: TcpSender, pair: Pair) -> None:
    assert sender.send(b"one")
    assert not sender.has_pending
    assert drain(pair[1]) == b"one"
    assert sender.send(b"")
    assert drain(pair[1]) == b""


def test_what_the_kernel_does_not_take_goes_out_with_flush(sender: TcpSender, pair: Pair) -> None:
    sent = fill(sender)
    waiting = sender.pending_size
    assert waiting > 0
    assert sender.send(b"behind")
    assert sender.pending_size == waiting + 6, "never before what waits"
    assert sender.flush(), "a full socket is not a dead one"
    received = b""
    while sender.has_pending:
        received += drain(pair[1])
        assert sender.flush()
    assert received + drain(pair[1]) == sent + b"behind"
    assert sender.pending_size == 0
    assert sender.send(b"next")
    assert drain(pair[1]) == b"next"


@pytest.mark.parametrize("seed", range(10))
def test_any_mix_of_sends_and_reads_keeps_the_order(
    sender: TcpSender, pair: Pair, seed: int
) -> None:
    chance = random.Random(seed)
    sent, received = b"", b""
    was_pending = False
    for _ in range(300):
        kind = chance.random()
        if kind < 0.6:
            message = chance.randbytes(chance.choice((0, 1, 200, 5000)))
            assert sender.send(message)
            sent += message
        elif kind < 0.8:
            received += drain(pair[1])
        else:
            assert sender.flush()
        was_pending |= sender.has_pending
    while sender.has_pending:
        received += drain(pair[1])
        assert sender.flush()
    assert received + drain(pair[1]) == sent
    assert was_pending


def test_a_peer_that_leaves_too_much_unread_is_taken_for_dead(sender: TcpSender) -> None:
    fill(sender)
    room = PENDING_BYTES - sender.pending_size
    assert not sender.send(b"x" * (room + 1))
    assert sender.pending_size == PENDING_BYTES - room, "half a message is never kept"
    assert sender.send(b"x" * room)
    assert sender.pending_size == PENDING_BYTES
    assert not sender.send(b"x")


def test_a_closed_peer(sender: TcpSender, pair: Pair) -> None:
    pair[1].close()
    assert not sender.send(b"lost")
    assert not sender.has_pending


def test_a_peer_that_closes_on_waiting_bytes(sender: TcpSender, pair: Pair) -> None:
    fill(sender)
    pair[1].close()
    assert not sender.flush()


def test_a_reset_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    ours.setblocking(False)
    sender = TcpSender()
    with ours:
        sender.attach(ours.fileno())
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.close()
        ours.setblocking(True)
        with pytest.raises(ConnectionResetError):
            ours.recv(1)
        ours.setblocking(False)
        assert not sender.send(b"lost")


def test_without_a_socket_every_message_is_refused(pair: Pair) -> None:
    sender = TcpSender()
    assert sender.descriptor == -1
    assert not sender.send(b"lost")
    assert not sender.flush()
    sender.attach(pair[0].fileno())
    assert sender.descriptor == pair[0].fileno()
    sender.detach()
    assert sender.descriptor == -1
    assert not sender.send(b"lost")
    assert drain(pair[1]) == b""


def test_another_connection_starts_clean(sender: TcpSender, pair: Pair) -> None:
    fill(sender)
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.setblocking(False)
        sender.attach(ours.fileno())
        assert not sender.has_pending
        assert sender.send(b"fresh")
        assert drain(peer) == b"fresh"
        sender.detach()
    fresh = TcpSender()
    fresh.attach(pair[0].fileno())
    fill(fresh)
    fresh.detach()
    assert not fresh.has_pending


def test_a_descriptor_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="descriptor was -1"):
        TcpSender().attach(-1)


def test_orders_and_session_messages_share_the_way(
    make_order_rig: Callable[..., "OrderRig"],
    fix_splitter: Callable[[bytes], list[dict[int, str]]],
    fix_builder: Callable[..., bytes],
    pair: Pair,
    sender: TcpSender,
) -> None:
    rig = make_order_rig(sender=sender)
    rig.scripts[0].waiting.append(rig.new(Side.BUY, 50_000, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert sender.send(fix_builder("0", [(34, 2)]))
    rig.store.next_outgoing += 1
    rig.scripts[0].waiting.append(rig.new(Side.SELL, 50_000, 1))
    rig.pipeline.call_timers(rig.now_ns + 1)
    messages = fix_splitter(drain(pair[1]))
    assert [(message[35], message[34]) for message in messages] == [
        ("D", "1"),
        ("0", "2"),
        ("D", "3"),
    ]
