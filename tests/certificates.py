"""Certificates made on the spot, and the server's side of TLS without a loop."""

import datetime
import functools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

PATIENCE_S = 10.0
HOST = "venue.test"
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@functools.cache
def authority() -> trustme.CA:
    """Issues what clients of ``client_context`` believe."""
    return trustme.CA()


@functools.cache
def stranger() -> trustme.CA:
    """Issues what nobody believes."""
    return trustme.CA()


def client_context() -> ssl.SSLContext:
    """A client that believes the authority and nobody else."""
    return ssl.create_default_context(cadata=authority().cert_pem.bytes().decode())


def server_context(
    *names: str,
    issuer: trustme.CA | None = None,
    expires: datetime.datetime | None = None,
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> ssl.SSLContext:
    """A server whose certificate holds these names, or ``HOST`` and loopback."""
    certificate = (issuer or authority()).issue_cert(
        *(names or (HOST, "localhost", "127.0.0.1")),
        not_before=datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC),
        not_after=expires,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = maximum
    certificate.configure_cert(context)
    return context


def write_files(folder: Path) -> tuple[Path, Path]:
    """(key with certificate for loopback, the authority's certificate) as PEM files."""
    certificate, trusted = folder / "venue.pem", folder / "authority.pem"
    authority().issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        certificate
    )
    authority().cert_pem.write_to_path(trusted)
    return certificate, trusted


@contextmanager
def thread_serving(context: ssl.SSLContext, times: int) -> Iterator[int]:
    """Shakes hands that often, in a thread: no loop of the test has anything of it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)

        def serve() -> None:
            for _ in range(times):
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE_S)
                with connection, suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


class Peer:
    """The server's end of a socket; nothing of it is shared with what is tested."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.connection = connection
        connection.setblocking(False)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_established = False

    def advance(self) -> None:
        """The handshake, as far as it goes; what is to be sent is left for ``take``."""
        self.collect()
        try:
            self.session.do_handshake()
            self.is_established = True
        except ssl.SSLWantReadError:
            pass

    def collect(self) -> None:
        """Takes what has arrived on the socket."""
        try:
            while data := self.connection.recv(1 << 16):
                self._incoming.write(data)
        except (BlockingIOError, ConnectionResetError):
            return
        self._incoming.write_eof()

    def take(self) -> bytes:
        """The ciphertext that waits to be sent."""
        return self._outgoing.read()

    def send_raw(self, ciphertext: bytes) -> None:
        """Into the socket as it is, however small its buffer."""
        deadline = time.monotonic() + PATIENCE_S
        while ciphertext:
            assert time.monotonic() < deadline, "the other side does not read"
            try:
                ciphertext = ciphertext[self.connection.send(ciphertext) :]
            except BlockingIOError:
                continue

    def record(self, data: bytes) -> bytes:
        """The ciphertext of some bytes."""
        self.session.write(data)
        return self.take()

    def send(self, data: bytes) -> None:
        """As one record, unless it is too long for one."""
        self.send_raw(self.record(data))

    def receive(self) -> bytes:
        """All plain bytes that have arrived."""
        self.collect()
        data = b""
        try:
            while part := self.session.read(1 << 16):
                data += part
        except ssl.SSLWantReadError:
            pass
        return data
