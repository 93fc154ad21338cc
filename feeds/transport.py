"""Keeps one WebSocket of market data open: the only file of ``feeds`` that waits on a socket.

The listener (picows, made by the caller's factory) takes the frames; this class opens and
re-opens the connection, drives the session's timers, sends what the session wants sent and
passes its notices on. Nothing here runs per market data frame.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import picows

from ext.errors import LogonRefused
from ext.tls_words import describe_connect_failure
from feeds.backoff import Backoff
from feeds.notices import FeedConnected, FeedDisconnected, FeedRefused, Notice, ReconnectNeeded
from feeds.session import MILLISECOND_NS, NEVER_NS, SECOND_NS, FeedSession

# Books go stale inside frame processing, which cannot wake the timer: it looks at least this often.
TICK_INTERVAL_NS = 50 * MILLISECOND_NS
CLOSE_TIMEOUT_S = 1.0  # for the venue's answer to our close frame
HANDSHAKE_TIMEOUT_S = 5.0  # venues close when the first subscribe takes longer than that


class FeedActivity(Protocol):
    """When frames came last, as the listener and the pipeline know it. 0: none yet."""

    def last_frame_time_ns(self) -> int:
        """Receive time of the last frame of any kind."""

    def last_product_time_ns(self, symbol: str) -> int:
        """Receive time of the last frame of that product, its heartbeats included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEndpoint:
    """Where and how to connect."""

    url: str
    max_frame_bytes: int = 64 * 1024 * 1024
    """A larger frame ends the connection; book snapshots of 5 MB exist."""
    reconnect_initial_ns: int = 250 * MILLISECOND_NS
    """First delay; venues take 8 new connections a second from one address."""
    reconnect_maximum_ns: int = 30 * SECOND_NS
    ssl_context: ssl.SSLContext | None = None
    """None: the system's certificates, for ``wss`` addresses."""


class FeedTransport:
    """One connection of one session, opened again whenever it ends.

    Args:
        session: decides what to send; its notices go to ``on_notice``.
        endpoint: address and limits.
        listener_factory: makes the listener of each new connection. It hands control frames to
            ``FeedTransport.receive`` (or ``session.receive``), and answers pings.
        activity: where to read the times of the last frames.
        on_notice: called with every notice, in order, on the loop.
        clock: nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        session: FeedSession,
        endpoint: FeedEndpoint,
        listener_factory: Callable[[], picows.WSListener],
        *,
        activity: FeedActivity,
        on_notice: Callable[[Notice], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._session = session
        self._endpoint = endpoint
        self._listener_factory = listener_factory
        self._activity = activity
        self._on_notice = on_notice
        self._clock = clock
        self._backoff = Backoff(endpoint.reconnect_initial_ns, endpoint.reconnect_maximum_ns)
        self._stopping = asyncio.Event()
        self._connection: picows.WSTransport | None = None
        self._refused: FeedRefused | None = None
        self._reconnect_reason = ""

    async def run(self) -> None:
        """Serves until ``stop``.

        Raises:
            LogonRefused: the venue refused the subscription; trying again cannot help.
        """
        while not self._stopping.is_set():
            reason = await self._connect_and_serve()
            self._session.disconnected()
            if self._refused is not None:
                self._on_notice(FeedDisconnected(self._endpoint.url, reason, -1))
                raise LogonRefused(self._refused.reason)
            if self._stopping.is_set():
                self._on_notice(FeedDisconnected(self._endpoint.url, reason, -1))
                return
            delay_ns = self._backoff.next_delay_ns(self._clock())
            self._on_notice(FeedDisconnected(self._endpoint.url, reason, delay_ns))
            await self._wait_for_stop(delay_ns)

    def stop(self) -> None:
        """Makes ``run`` close the connection and return."""
        self._stopping.set()

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Takes a control frame from the listener: the session's answer goes out at once."""
        self._session.receive(payload, now_ns)
        self._flush()

    async def _connect_and_serve(self) -> str:
        host, is_under_tls = _address(self._endpoint.url)
        limits: Any = {"ssl_handshake_timeout": HANDSHAKE_TIMEOUT_S} if is_under_tls else {}
        try:
            connection, _ = await picows.ws_connect(
                self._listener_factory,
                self._endpoint.url,
                ssl_context=self._endpoint.ssl_context,
                max_frame_size=self._endpoint.max_frame_bytes,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                enable_auto_pong=False,  # the listener answers: it has to see every frame
                logger_name="feed",
                **limits,
            )
        except (OSError, picows.WSError, TimeoutError) as error:
            _forget_frames(error)
            return f"cannot connect: {describe_connect_failure(error, host)}"
        if connection.is_disconnected:  # picows does not tell it otherwise
            return "cannot connect: the venue hung up during the handshake"
        _send_without_delay(connection)
        self._connection = connection
        self._reconnect_reason = ""
        try:
            return await self._serve(connection)
        finally:
            self._connection = None
            await _close(connection)

    async def _serve(self, connection: picows.WSTransport) -> str:
        now_ns = self._clock()
        self._session.connected(now_ns)
        self._on_notice(FeedConnected(self._endpoint.url))
        self._backoff.succeeded(now_ns)
        self._flush()
        disconnected = asyncio.ensure_future(connection.wait_disconnected())
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            while not (disconnected.done() or stopped.done() or _closing_info(connection)):
                delay_ns = self._tick()
                if self._refused is not None:
                    return self._refused.reason
                if self._reconnect_reason:
                    return self._reconnect_reason
                await asyncio.wait(
                    {disconnected, stopped},
                    timeout=delay_ns / SECOND_NS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            disconnected.cancel()
            stopped.cancel()
        if self._stopping.is_set():
            return "stopped"
        return _closing_words(connection, _failure(disconnected))

    def _tick(self) -> int:
        session, activity = self._session, self._activity
        session.heard(activity.last_frame_time_ns())
        for symbol in session.symbols:
            if receive_time_ns := activity.last_product_time_ns(symbol):
                session.product_heard(symbol, receive_time_ns)
        now_ns = self._clock()
        session.tick(now_ns)
        self._flush()
        deadline_ns = session.next_deadline_ns()
        if deadline_ns == NEVER_NS:
            return TICK_INTERVAL_NS
        return min(max(deadline_ns - now_ns, 0), TICK_INTERVAL_NS)

    def _flush(self) -> None:
        for message in self._session.bytes_to_send():
            if self._connection is not None:
                self._connection.send(picows.WSMsgType.TEXT, message)
        for notice in self._session.notices():
            if isinstance(notice, FeedRefused):
                self._refused = notice
            elif isinstance(notice, ReconnectNeeded):
                self._reconnect_reason = notice.reason
            self._on_notice(notice)

    async def _wait_for_stop(self, delay_ns: int) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_ns / SECOND_NS)
        except TimeoutError:
            return


def _address(url: str) -> tuple[str, bool]:
    """The host, and whether it is reached under TLS."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.scheme == "wss"


def _send_without_delay(connection: picows.WSTransport) -> None:
    raw_socket = connection.underlying_transport.get_extra_info("socket")
    if raw_socket is not None and raw_socket.family in (socket.AF_INET, socket.AF_INET6):
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _close(connection: picows.WSTransport) -> None:
    if not connection.is_disconnected:
        connection.send_close(picows.WSCloseCode.OK)
    try:
        await asyncio.wait_for(connection.wait_disconnected(), CLOSE_TIMEOUT_S)
    except TimeoutError:
        connection.disconnect(graceful=False)
    except picows.WSError as error:
        _forget_frames(error)  # told already, as the reason why the connection ended


def _failure(disconnected: "asyncio.Task[None]") -> str:
    if not disconnected.done():
        return ""
    error = disconnected.exception()
    if error is None:
        return ""
    if not isinstance(error, picows.WSError):
        raise error
    _forget_frames(error)
    return str(error)


def _forget_frames(error: BaseException) -> None:
    # picows keeps the error where frames of its traceback can see it: a cycle that nobody collects.
    error.__traceback__ = None


def _closing_info(connection: picows.WSTransport) -> "picows.picows.WSCloseInfo | None":
    # None without a close frame, which picows' type stub does not say.
    handshake = cast("picows.picows.WSCloseHandshake | None", connection.close_handshake)
    return handshake.recv if handshake is not None else None


def _closing_words(connection: picows.WSTransport, failure: str) -> str:
    if failure:
        return f"the venue broke the WebSocket protocol: {failure}"
    received = _closing_info(connection)
    if received is None:
        return "the connection was lost without a close frame"
    return f"the venue closed it: {received.code.value} {received.reason}".rstrip()
