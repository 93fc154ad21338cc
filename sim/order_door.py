"""The order entry side of the venue on real TCP: sockets under FIX sessions.

Sockets are raw and non-blocking, so that ``drain`` can take what has arrived without waiting for
the loop: after the feed's barrier every order that the client sent before it is in the socket.
Under TLS the handshake is part of the first reads.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable

from sim.venues.coinbase_exchange_fix import FixSession, SessionState

READ_BYTES = 65_536
# A client that does not read its reports is cut off when this much waits for it.
BACKLOG_BYTES_MAX = 16 << 20
TICK_S = 0.1
NOTHING_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_log = logging.getLogger("sim.orders")


class OrderConnection:
    """One client's TCP connection and its session."""

    def __init__(self, door: "OrderDoor", client: socket.socket, session: FixSession) -> None:
        self.session = session
        self.is_open = True
        self._door = door
        self._socket = client
        self._backlog = b""
        self._test_id = ""
        self._answered: asyncio.Future[None] | None = None
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asyncio.get_running_loop().add_reader(client, self._readable)

    def drain(self) -> None:
        """Takes everything that has arrived."""
        while self.is_open:
            try:
                data = self._socket.recv(READ_BYTES)
            except NOTHING_YET:
                break
            except OSError as error:
                _log.info("order entry connection lost: %s", error)
                data = b""
            if not data:
                self.close()
                break
            self.session.receive(data, time.monotonic_ns(), time.time_ns())
            if self.session.last_test_answer == self._test_id:
                self._release()
            if self.session.state is SessionState.CLOSED:
                self.close()

    def test(self, test_id: str) -> asyncio.Future[None]:
        """Sends a TestRequest; the future is done when the client answered or is gone."""
        self._test_id = test_id
        self._answered = asyncio.get_running_loop().create_future()
        self.session.test_request(test_id, time.monotonic_ns(), time.time_ns())
        self.flush()
        return self._answered

    def tick(self) -> None:
        """Lets the session's timers run."""
        self.session.tick(time.monotonic_ns(), time.time_ns())
        if self.session.state is SessionState.CLOSED:
            self.close()

    def flush(self) -> None:
        """Writes what the session has to send."""
        self._backlog += self.session.bytes_to_send()
        if not self._backlog or not self.is_open:
            return
        loop = asyncio.get_running_loop()
        try:
            sent = self._socket.send(self._backlog)
        except NOTHING_YET:
            sent = 0
        except OSError as error:
            _log.info("order entry connection lost: %s", error)
            self.close()
            return
        self._backlog = self._backlog[sent:]
        if len(self._backlog) > BACKLOG_BYTES_MAX:
            _log.warning("client does not read its reports: cut off")
            self.close()
        elif self._backlog:
            loop.add_writer(self._socket, self.flush)
        else:
            loop.remove_writer(self._socket)

    def close(self) -> None:
        """Last words, then the socket is closed."""
        if not self.is_open:
            return
        self.is_open = False
        self.session.close()
        self._last_words()
        self._release()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):  # no answer is waited for
                self._socket.unwrap()
        self._socket.close()
        self._door.disconnected(self)

    def _last_words(self) -> None:
        # A Logout or Reject that explains the end; the client may be gone already.
        data = self._backlog + self.session.bytes_to_send()
        self._backlog = b""
        try:
            self._socket.send(data)
        except OSError as error:
            _log.debug("last words not sent: %s", error)

    def _release(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _readable(self) -> None:
        self.drain()
        self._door.on_activity()


class OrderDoor:
    """The listening socket and all order entry connections."""

    def __init__(
        self,
        new_session: Callable[[int], FixSession],
        on_activity: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.on_activity = on_activity
        self._tls = tls
        self._new_session = new_session
        self._connections: list[OrderConnection] = []
        self._listener: socket.socket | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._barriers = 0

    def start(self, host: str, port: int) -> int:
        """Listens; returns the port (0 asks for any free one)."""
        listener = socket.create_server((host, port))
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)
        self._tick()
        return int(listener.getsockname()[1])

    @property
    def has_connections(self) -> bool:
        """Whether any client is connected."""
        return bool(self._connections)

    def has_reports_to_send(self) -> bool:
        """Whether a session has reports that are not flushed."""
        return any(each.session.has_reports_to_send for each in self._connections)

    def drain(self) -> None:
        """Takes what has arrived on every connection."""
        for connection in list(self._connections):
            connection.drain()

    def flush(self) -> None:
        """Writes what every session has to send."""
        for connection in list(self._connections):
            connection.flush()

    async def barrier(self, timeout_s: float) -> None:
        """Returns when every client has answered a TestRequest: it has seen all reports."""
        self._barriers += 1
        waiting = [
            each.test(f"barrier-{self._barriers}")
            for each in self._connections
            if each.session.state is SessionState.ACTIVE
        ]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=timeout_s)
        if late:
            _log.warning("no Heartbeat within %.1f s: going on without lock-step", timeout_s)

    def logout(self, text: str) -> None:
        """Logs every session out."""
        for connection in list(self._connections):
            connection.session.logout(text, time.monotonic_ns(), time.time_ns())
            connection.flush()

    def stop(self) -> None:
        """Closes every connection and listens no more."""
        for connection in list(self._connections):
            connection.close()
        if self._ticker is not None:
            self._ticker.cancel()
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    def disconnected(self, connection: OrderConnection) -> None:
        """A connection is gone."""
        self._connections.remove(connection)
        self.on_activity()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        if self._tls is not None:
            try:
                client = self._tls.wrap_socket(
                    client, server_side=True, do_handshake_on_connect=False
                )
            except OSError as error:
                _log.info("order entry connection lost: %s", error)
                client.close()
                return
        session = self._new_session(time.monotonic_ns())
        self._connections.append(OrderConnection(self, client, session))

    def _tick(self) -> None:
        for connection in list(self._connections):
            connection.tick()
        if any(each.session.has_bytes_to_send() for each in self._connections):
            self.on_activity()
        self._ticker = asyncio.get_running_loop().call_later(TICK_S, self._tick)
