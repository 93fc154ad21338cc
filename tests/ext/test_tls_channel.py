"""TLS of the order socket against another implementation's use of OpenSSL, on socket pairs."""

import itertools
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ext.errors import UsageError
from ext.tls_channel import TlsChannel
from ext.wire import Side
from tests.certificates import (
    HOST,
    PATIENCE_S,
    YESTERDAY,
    Peer,
    authority,
    client_context,
    server_context,
    stranger,
)

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ROOM = 1 << 16
Link = tuple[TlsChannel, Peer]


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(params=[TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def link(
    request: pytest.FixtureRequest,
    sockets: tuple[socket.socket, socket.socket],
) -> Link:
    """A channel and its peer after the handshake."""
    channel = TlsChannel(client_context())
    peer = Peer(sockets[1], server_context(maximum=request.param))
    channel.begin(sockets[0].fileno(), HOST)
    shake(channel, peer)
    return channel, peer


def shake(channel: TlsChannel, peer: Peer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (channel.shake_hands() and peer.is_established):
        assert time.monotonic() < deadline, "no handshake in time"
        peer.advance()
        peer.send_raw(peer.take())
    assert channel.read(ROOM) is None


def test_both_ways(link: Link) -> None:
    channel, peer = link
    assert channel.is_established
    assert channel.version == peer.session.version()
    channel.attach(channel.descriptor)
    assert channel.send(b"order")
    assert peer.receive() == b"order"
    peer.send(b"report")
    assert channel.read(ROOM) == b"report"
    assert channel.read(ROOM) is None
    assert not channel.has_pending


def test_nothing_is_readable_on_the_wire(
    link: Link, sockets: tuple[socket.socket, socket.socket]
) -> None:
    channel, _ = link
    assert channel.send(b"passphrase" * 5)
    seen = sockets[1].recv(ROOM)
    assert len(seen) > 50
    assert b"passphrase" not in seen


def test_record_cut_at_every_byte(link: Link) -> None:
    channel, peer = link
    record = peer.record(b"8=FIXT.1.1")
    for cut in range(1, len(record)):
        peer.send_raw(record[:cut])
        assert channel.read(ROOM) is None, "half a record is nothing yet"
        peer.send_raw(record[cut:])
        assert channel.read(ROOM) == b"8=FIXT.1.1"
        record = peer.record(b"8=FIXT.1.1")


def test_stream_of_single_bytes(link: Link) -> None:
    channel, peer = link
    expected = b"".join(b"%d," % number for number in range(50))
    ciphertext = b"".join(peer.record(b"%d," % number) for number in range(50))
    received = b""
    for byte in ciphertext:
        peer.send_raw(bytes([byte]))
        received += channel.read(ROOM) or b""
    assert received == expected


def test_several_records_in_one_read_and_little_room(link: Link) -> None:
    channel, peer = link
    peer.send_raw(peer.record(b"one") + peer.record(b"two") + peer.record(b"three"))
    parts = []
    while (part := channel.read(2)) is not None:
        parts.append(part)
    assert b"".join(parts) == b"onetwothree"
    assert max(map(len, parts)) <= 2


def test_messages_of_many_records(link: Link) -> None:
    channel, peer = link
    large = os.urandom(100_000)
    assert channel.send(large)
    received = b""
    while len(received) < len(large):
        received += peer.receive()
        assert channel.flush()
    assert received == large
    peer.send_raw(peer.record(large)[: len(large) // 2])
    partly = channel.read(len(large))
    assert partly
    assert large.startswith(partly)


def test_what_the_socket_does_not_take_keeps_its_place(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = sockets
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    channel, peer = TlsChannel(client_context()), Peer(theirs, server_context())
    channel.begin(ours.fileno(), HOST)
    deadline = time.monotonic() + PATIENCE_S
    while not (channel.shake_hands() and peer.is_established):
        assert time.monotonic() < deadline
        channel.flush()
        peer.advance()
        peer.send_raw(peer.take())
    sent = b""
    for number in range(300):
        message = b"%04d" % number * 50
        assert channel.send(message)
        sent += message
    is_full = channel.has_pending
    assert is_full
    received = b""
    while channel.has_pending:
        received += peer.receive()
        assert channel.flush()
    assert received + peer.receive() == sent


def test_peer_that_does_not_read_is_taken_for_dead(link: Link) -> None:
    channel, _ = link
    message = bytes(10_000)
    count = sum(1 for _ in itertools.takewhile(channel.send, itertools.repeat(message, 1000)))
    assert 100 < count < 1000, "a mebibyte and what the kernel took"
    assert channel.failure == "the socket did not take a record"
    assert not channel.send(b"a record is missing before this one")
    assert channel.has_pending, "so that its owner comes to flush"
    assert not channel.flush()


def test_end_of_the_stream_comes_behind_the_data(link: Link) -> None:
    channel, peer = link
    peer.send(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        peer.session.unwrap()
    peer.send_raw(peer.take())  # close_notify
    assert channel.read(ROOM) == b"last words"
    assert channel.read(ROOM) == b""
    assert channel.send(b"half-closed: our side still goes")
    assert peer.receive() == b"half-closed: our side still goes"


def test_our_leave_is_told(link: Link) -> None:
    channel, peer = link
    assert channel.send(b"last words")
    channel.detach()
    peer.collect()
    assert peer.session.read(ROOM) == b"last words"
    assert peer.session.read(ROOM) == b"", "close_notify, not just the end of the bytes"
    assert (channel.descriptor, channel.version) == (-1, "")
    assert not channel.send(b"lost")
    assert not channel.is_established
    assert channel.read(ROOM) == b""


def test_end_without_close_notify(link: Link) -> None:
    channel, peer = link
    peer.send_raw(peer.record(b"cut off")[:-1])
    peer.connection.close()
    assert channel.read(ROOM) == b""


def test_changed_record_ends_it(link: Link) -> None:
    channel, peer = link
    record = bytearray(peer.record(b"buy 1"))
    record[-1] ^= 1
    peer.send_raw(bytes(record))
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        channel.read(ROOM)
    assert "bad record mac" in channel.failure.lower()
    assert not channel.send(b"nothing more")
    assert not channel.flush()
    peer.collect()
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.bad.record.mac"):
        peer.session.read(ROOM)


def test_handshake_of_single_bytes(sockets: tuple[socket.socket, socket.socket]) -> None:
    channel, peer = TlsChannel(client_context()), Peer(sockets[1], server_context())
    channel.begin(sockets[0].fileno(), HOST)
    assert not channel.shake_hands()
    peer.advance()
    flight = peer.take()
    for byte in flight[:-1]:
        peer.send_raw(bytes([byte]))
        assert not channel.shake_hands()
        assert not channel.send(b"too early")
    peer.send_raw(flight[-1:])
    assert channel.shake_hands()
    shake(channel, peer)
    assert channel.send(b"now")
    assert peer.receive() == b"now"


def test_data_right_behind_the_handshake(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Nothing more makes the socket readable: what TLS holds has to be asked for."""
    channel, peer = TlsChannel(client_context()), Peer(sockets[1], server_context(maximum=TLS_1_2))
    channel.begin(sockets[0].fileno(), HOST)
    for _ in range(2):
        assert not channel.shake_hands()
        peer.advance()
        if not peer.is_established:
            peer.send_raw(peer.take())
    assert peer.is_established
    peer.send_raw(peer.take() + peer.record(b"at once"))
    assert channel.shake_hands()
    assert channel.read(ROOM) == b"at once"


@pytest.mark.parametrize(
    ("host", "server", "words"),
    [
        ("other.test", lambda: server_context(), "Hostname mismatch"),
        ("127.0.0.2", lambda: server_context(), "IP address mismatch"),
        (HOST, lambda: server_context(expires=YESTERDAY), "certificate has expired"),
        (HOST, lambda: server_context(issuer=stranger()), "unable to get local issuer certificate"),
    ],
    ids=["other name", "other address", "expired", "unknown issuer"],
)
def test_wrong_certificate(
    sockets: tuple[socket.socket, socket.socket],
    host: str,
    server: Callable[[], ssl.SSLContext],
    words: str,
) -> None:
    channel, peer = TlsChannel(client_context()), Peer(sockets[1], server())
    channel.begin(sockets[0].fileno(), host)
    assert not channel.shake_hands()
    peer.advance()
    peer.send_raw(peer.take())
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        channel.shake_hands()
    assert not channel.is_established
    assert not channel.send(b"never")
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        peer.advance()


def test_certificate_of_the_address(sockets: tuple[socket.socket, socket.socket]) -> None:
    channel, peer = TlsChannel(client_context()), Peer(sockets[1], server_context())
    channel.begin(sockets[0].fileno(), "127.0.0.1")
    shake(channel, peer)


def test_peer_hangs_up_during_the_handshake(sockets: tuple[socket.socket, socket.socket]) -> None:
    channel = TlsChannel(client_context())
    channel.begin(sockets[0].fileno(), HOST)
    assert not channel.shake_hands()
    sockets[1].close()
    with pytest.raises(ConnectionResetError, match="during the TLS handshake"):
        channel.shake_hands()


def test_peer_that_speaks_plain(sockets: tuple[socket.socket, socket.socket]) -> None:
    channel = TlsChannel(client_context())
    channel.begin(sockets[0].fileno(), HOST)
    assert not channel.shake_hands()
    sockets[1].send(b"8=FIXT.1.1\x019=5\x0135=5\x0110=000\x01")
    with pytest.raises(ssl.SSLError) as caught:
        channel.shake_hands()
    assert caught.value.reason == "WRONG_VERSION_NUMBER"


def test_another_connection_starts_clean(link: Link) -> None:
    channel, old = link
    record = bytearray(old.record(b"x"))
    record[-1] ^= 1
    old.send_raw(bytes(record))
    with pytest.raises(ssl.SSLError):
        channel.read(ROOM)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        peer = Peer(theirs, server_context())
        channel.begin(ours.fileno(), HOST)
        assert channel.failure == ""
        shake(channel, peer)
        assert channel.send(b"fresh")
        assert peer.receive() == b"fresh"


def test_words_out_of_turn(link: Link) -> None:
    with pytest.raises(UsageError, match="shake_hands was called before begin"):
        TlsChannel(client_context()).shake_hands()
    with pytest.raises(UsageError, match="descriptor was 7; shake hands on it before"):
        TlsChannel(client_context()).attach(7)
    channel, _ = link
    with pytest.raises(UsageError, match="shake hands on it before"):
        channel.attach(channel.descriptor + 1)
    with pytest.raises(UsageError, match=r"context was a NoneType; use an ssl\.SSLContext"):
        TlsChannel(None)  # type: ignore[arg-type]


def test_messages_leave_no_objects_behind(link: Link) -> None:
    channel, peer = link
    message = bytes(210)

    def exchange(times: int) -> None:
        for _ in range(times):
            channel.send(message)
            peer.connection.recv(ROOM)
            channel.read(16)

    exchange(100)
    before = sys.getallocatedblocks()
    exchange(2000)
    assert abs(sys.getallocatedblocks() - before) < 50


def test_orders_and_session_messages_share_the_way(
    make_order_rig: Callable[..., "OrderRig"],
    fix_splitter: Callable[[bytes], list[dict[int, str]]],
    fix_builder: Callable[..., bytes],
    link: Link,
) -> None:
    channel, peer = link
    rig = make_order_rig(sender=channel)
    rig.scripts[0].waiting.append(rig.new(Side.BUY, 50_000, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert channel.send(fix_builder("0", [(34, 2)]))
    rig.store.next_outgoing += 1
    rig.scripts[0].waiting.append(rig.new(Side.SELL, 50_000, 1))
    rig.pipeline.call_timers(rig.now_ns + 1)
    messages = fix_splitter(peer.receive())
    assert [(message[35], message[34]) for message in messages] == [
        ("D", "1"),
        ("0", "2"),
        ("D", "3"),
    ]


class OpensslServer:
    """``openssl s_server``, whose keyboard asks for what Python's ``ssl`` cannot."""

    def __init__(self, folder: Path, version: str) -> None:
        certificate = folder / "server.pem"
        issued = authority().issue_cert(HOST)
        issued.private_key_and_cert_chain_pem.write_to_path(certificate)
        files = ["-cert", str(certificate)]
        self.process = subprocess.Popen(
            # It reads what was typed in one go as one line: its answers have to be seen at once.
            ["stdbuf", "-oL", "openssl", "s_server", "-accept", "127.0.0.1:0", version, *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.keyboard, self.screen = self.process.stdin, self.process.stdout
        port = self.see("ACCEPT").rpartition(":")[2]
        self.connection = socket.create_connection(("127.0.0.1", int(port)))
        self.connection.setblocking(False)

    def see(self, words: str) -> str:
        """Its next line with these words."""
        for line in self.screen:
            if words in line.decode("latin-1"):
                return line.decode("latin-1").strip()
        raise AssertionError(f"openssl never said {words}")

    def type(self, line: str) -> None:
        self.keyboard.write(f"{line}\n".encode())
        self.keyboard.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.keyboard.close()
        self.screen.close()
        self.connection.close()


@pytest.fixture
def start_openssl(tmp_path: Path) -> Iterator[Callable[[str], OpensslServer]]:
    if shutil.which("openssl") is None or shutil.which("stdbuf") is None:
        pytest.skip("the commands openssl and stdbuf are not installed")
    servers = []

    def start(version: str) -> OpensslServer:
        servers.append(OpensslServer(tmp_path, version))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def wait_for(channel: TlsChannel, words: bytes) -> None:
    received, deadline = b"", time.monotonic() + PATIENCE_S
    while words not in received:
        assert time.monotonic() < deadline, received
        received += channel.read(ROOM) or b""


def hands_shaken(channel: TlsChannel) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not channel.shake_hands():
        assert time.monotonic() < deadline
    return True


def test_peer_changes_its_keys_and_asks_for_ours(
    start_openssl: Callable[[str], OpensslServer],
) -> None:
    """KeyUpdate of RFC 8446 section 4.6.3."""
    server = start_openssl("-tls1_3")
    channel = TlsChannel(client_context())
    channel.begin(server.connection.fileno(), HOST)
    assert hands_shaken(channel)
    for number in range(3):
        server.type("K")
        server.see("SSL_do_handshake -> 1")
        server.type(f"report {number}")
        wait_for(channel, b"report %d" % number)
        assert channel.send(b"order %d\n" % number)
        server.see(f"order {number}")
    assert channel.failure == ""


def test_renegotiation_ends_the_connection(
    start_openssl: Callable[[str], OpensslServer],
) -> None:
    """Of TLS 1.2 alone; while it lasts no order could be sent."""
    context = client_context()
    context.options |= ssl.OP_NO_RENEGOTIATION  # as the engine's has it
    server = start_openssl("-tls1_2")
    channel = TlsChannel(context)
    channel.begin(server.connection.fileno(), HOST)
    assert hands_shaken(channel)
    server.type("r")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        wait_for(channel, b"never")
    assert not channel.send(b"nothing more")
