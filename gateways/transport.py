"""The socket of an order session: connects, reconnects, drives the timers, wires the edges.

The only file here that awaits. Reading and sending go through the compiled edges on the plain
file descriptor; whatever they do not consume themselves comes to the session. What the session
wants sent leaves before control returns to anyone who could send an order, so numbers go out in
order. Under TLS both edges stand on the channel that ``connect_tls`` has shaken hands with.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ext.tls_words import describe_connect_failure
from ext.wire import SessionState
from gateways.edges import Clock, ListenerFactory, Sender, SystemClock, TlsSession
from gateways.fix_message import NANOSECONDS_PER_SECOND, Field
from gateways.session import (
    Fatal,
    LoggedOut,
    LogonRefused,
    OrderSession,
    SessionEvent,
    StateChanged,
)

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
# The compiled path may leave bytes unsent or move a deadline between two looks at them.
MAX_TICK_INTERVAL_S = 0.05
CANNOT_CONNECT = "cannot connect"  # how ``Disconnected`` begins when there was no connection
FLUSH_TIMEOUT_S = 1.0  # for the last Logout or Reject before a close


Connect = Callable[[str, int], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds to wait before the next connection.

    ``first_s`` doubles up to ``limit_s`` until a session was ACTIVE for longer than ``limit_s``: a
    venue that accepts and drops at once is not asked at full speed. A refused logon waits
    ``refused_s``, whatever was before.
    """

    first_s: float = 0.5
    limit_s: float = 30.0
    refused_s: float = 60.0


async def connect_tcp(host: str, port: int) -> socket.socket:
    """A connected non-blocking TCP socket with TCP_NODELAY; raises ``OSError``.

    Names are resolved on each connect: venues move without notice.
    """
    loop = asyncio.get_running_loop()
    error = OSError(f"{host}:{port} has no address")
    try:
        for family, kind, protocol, _, address in await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(connection, address)
            except OSError as raised:
                connection.close()
                error = raised
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise error
    finally:
        del error  # its traceback holds this frame: a cycle, and nobody collects those


async def connect_tls(channel: TlsSession, host: str, port: int) -> socket.socket:
    """``connect_tcp``, and then TLS: the socket of a channel whose peer has been verified.

    Raises ``OSError`` (``ssl.SSLError`` is one) when there is no connection or no trust.
    """
    connection = await connect_tcp(host, port)
    try:
        channel.begin(connection.fileno(), host)
        while not channel.shake_hands():
            await _until_ready(connection, channel)
    except BaseException:
        channel.detach()
        connection.close()
        raise
    return connection


async def _until_ready(connection: socket.socket, channel: TlsSession) -> None:
    """Until the peer has said more; what waits for the socket leaves meanwhile."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    descriptor = connection.fileno()

    def flush() -> None:
        if not channel.flush() or not channel.has_pending:
            loop.remove_writer(descriptor)

    loop.add_reader(descriptor, readable.set)
    if channel.has_pending:
        loop.add_writer(descriptor, flush)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        loop.remove_writer(descriptor)


class OrderTransport:
    """Keeps one order session connected; ``run`` it as a task.

    ``make_listener`` gets the two callbacks of the listener: message, and garbled (reason, data).
    ``on_event`` gets every event of the session, after what it wanted sent was sent.
    """

    def __init__(
        self,
        session: OrderSession,
        make_listener: ListenerFactory,
        sender: Sender,
        host: str,
        port: int,
        *,
        on_event: Callable[[SessionEvent], None],
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        connect: Connect = connect_tcp,
    ) -> None:
        self._session = session
        self._sender = sender
        self._listener = make_listener(self._take_message, self._take_garbled)
        self._host = host
        self._port = port
        self._on_event = on_event
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._connect = connect
        self._socket: socket.socket | None = None
        self._lost_text = ""
        self._delay_s = self._backoff.first_s
        self._active_since_ns = 0
        self._is_refused = False
        self._is_stopping = False
        self._is_flush_watched = False
        self._is_logged_out = False
        self._is_running = False
        self._connect_timeout: asyncio.Timeout | None = None
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Connects and reconnects until stopped, or until the session must not be retried.

        Returns after ``stop`` or ``logout``, after ``Fatal``, and after a ``LogonRefused`` that is
        not retryable: those need a person. Cancelling closes the connection without a Logout.
        """
        self._is_running = True
        self._ended.clear()
        try:
            while not self._is_stopping:
                await self._run_once()
                if not self._is_stopping:
                    await self._wait_before_retry()
        finally:
            self._is_running = False
            self._ended.set()

    def stop(self) -> None:
        """Closes the connection without a Logout; ``run`` returns soon after."""
        self._is_stopping = True
        self._end_waits()

    async def logout(self, timeout_s: float, text: str = "") -> bool:
        """Logs out and ends ``run``; whether the venue confirmed it within ``timeout_s``."""
        self._is_stopping = True
        self._is_logged_out = False
        self._session.logout(self._now_ns(), text)
        self._drain()
        self._end_waits()
        if not self._is_running:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            self._lose("no answer to the Logout in time")
            await self._ended.wait()
        return self._is_logged_out

    def send_application(self, message_type: str, fields: list[Field]) -> int:
        """Sends a cold application message (35=H and the like) and returns its MsgSeqNum.

        Raises ``UsageError`` unless the session is ACTIVE.
        """
        sequence = self._session.send_application(message_type, fields, self._now_ns())
        self._drain()
        return sequence

    def poll(self) -> int:
        """Reads what is there without waiting, and returns the bytes read; for busy loops."""
        if self._socket is None or self._lost_text:
            return 0
        try:
            size = self._listener.read(self._socket.fileno())
        except OSError as error:
            self._lose(f"read failed: {error}")
            return 0
        if size == 0:
            self._lose("the peer closed the connection")
        self._watch_pending()
        return max(size, 0)

    async def _run_once(self) -> None:
        self._is_refused = False
        self._active_since_ns = 0
        self._lost_text = ""
        self._session.start(self._now_ns())
        self._drain()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S) as self._connect_timeout:
                connection = await self._connect(self._host, self._port)
        except (OSError, TimeoutError) as error:
            is_late = isinstance(error, TimeoutError) and not str(error)
            reason = (
                f"no answer within {CONNECT_TIMEOUT_S:g} s"
                if is_late
                else describe_connect_failure(error, self._host)
            )
            text = f"{CANNOT_CONNECT} to {self._host}:{self._port}: {reason}"
            self._session.disconnected(self._now_ns(), text)
            self._drain()
            return
        except asyncio.CancelledError:
            self._session.disconnected(self._now_ns(), "cancelled while connecting")
            self._drain()
            raise
        finally:
            self._connect_timeout = None
        loop = asyncio.get_running_loop()
        descriptor = connection.fileno()
        self._socket = connection
        self._listener.reset()
        self._sender.attach(descriptor)
        loop.add_reader(descriptor, self.poll)
        try:
            await self._serve()
        finally:
            loop.remove_reader(descriptor)
            self._unwatch_pending(descriptor)
            self._sender.detach()
            self._socket = None
            connection.close()
            self._session.disconnected(self._now_ns(), self._lost_text or "stopped")
            self._drain()

    async def _serve(self) -> None:
        if not self._is_stopping:
            self._session.connected(self._now_ns())
            self._drain()
            self.poll()  # TLS may hold bytes that came with the end of the handshake
        while not self._lost_text and not self._session.is_close_requested:
            if self._is_stopping and self._session.state != SessionState.SESSION_LOGOUT_SENT:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(self._seconds_to_tick()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._session.tick(self._now_ns())
            self._drain()
            self._watch_pending()
        await self._flush_last()

    async def _flush_last(self) -> None:
        deadline_ns = self._now_ns() + int(FLUSH_TIMEOUT_S * NANOSECONDS_PER_SECOND)
        while not self._lost_text and self._sender.has_pending and self._now_ns() < deadline_ns:
            if not self._sender.flush():
                return
            await asyncio.sleep(0.001)

    async def _wait_before_retry(self) -> None:
        active_ns = self._now_ns() - self._active_since_ns if self._active_since_ns else 0
        if active_ns > self._backoff.limit_s * NANOSECONDS_PER_SECOND:
            self._delay_s = self._backoff.first_s
        delay_s = self._backoff.refused_s if self._is_refused else self._delay_s
        self._delay_s = min(self._delay_s * 2, self._backoff.limit_s)
        logger.info("order session connects again in %.3f s", delay_s)
        self._wake.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _seconds_to_tick(self) -> float:
        deadline_ns = self._session.next_deadline_ns()
        if deadline_ns is None:
            return MAX_TICK_INTERVAL_S
        seconds = (deadline_ns - self._now_ns()) / NANOSECONDS_PER_SECOND
        return min(max(seconds, 0.0), MAX_TICK_INTERVAL_S)

    def _now_ns(self) -> int:
        now_ns = self._clock.monotonic_ns()
        self._session.wall_offset_ns = self._clock.wall_ns() - now_ns
        return now_ns

    def _take_message(self, message: bytes) -> None:
        self._session.receive(message, self._now_ns())
        self._drain()

    def _take_garbled(self, reason: str, data: bytes) -> None:
        self._session.receive_garbled(reason, data, self._now_ns())
        self._drain()

    def _drain(self) -> None:
        # Bytes first: an event may make the engine send orders with the numbers after them.
        for message in self._session.bytes_to_send():
            if self._socket is None or not self._sender.send(message):
                self._lose("send failed")
                break
        for event in self._session.events():
            self._note(event)
            self._on_event(event)
        if self._session.is_close_requested:
            self._wake.set()

    def _note(self, event: SessionEvent) -> None:
        match event:
            case StateChanged(new=SessionState.SESSION_ACTIVE):
                self._active_since_ns = self._active_since_ns or self._clock.monotonic_ns()
            case LogonRefused(is_retryable=is_retryable):
                self._is_refused = True
                self._is_stopping = self._is_stopping or not is_retryable
            case Fatal():
                self._is_stopping = True
            case LoggedOut():
                self._is_logged_out = True
            case _:
                pass

    def _lose(self, text: str) -> None:
        self._lost_text = self._lost_text or text
        self._wake.set()

    def _end_waits(self) -> None:
        self._wake.set()
        if self._connect_timeout is not None:
            self._connect_timeout.reschedule(asyncio.get_running_loop().time())

    def _watch_pending(self) -> None:
        if self._socket is not None and self._sender.has_failed:
            self._lose("an order could not be sent")
        if self._socket is None or self._is_flush_watched or not self._sender.has_pending:
            return
        descriptor = self._socket.fileno()
        asyncio.get_running_loop().add_writer(descriptor, self._flush, descriptor)
        self._is_flush_watched = True

    def _unwatch_pending(self, descriptor: int) -> None:
        if self._is_flush_watched:
            asyncio.get_running_loop().remove_writer(descriptor)
            self._is_flush_watched = False

    def _flush(self, descriptor: int) -> None:
        if not self._sender.flush():
            self._lose("send failed")
        if self._lost_text or not self._sender.has_pending:
            self._unwatch_pending(descriptor)
