"""The WebSocket of an order session: connects, reconnects, drives the timers, wires the edges.

It does for a WebSocket what ``gateways.transport`` does for FIX on TCP. Orders and reports go
through the compiled edges on the connection; what the listener does not know comes to the session.
picows answers the venue's pings, and pings itself when nothing comes, to notice a dead peer.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

import picows

from ext.wire import SessionState
from gateways.binance_ws_session import BinanceEvent, BinanceSession
from gateways.edges import Clock, SystemClock
from gateways.session import Fatal, LogonRefused, StateChanged
from gateways.transport import MAX_TICK_INTERVAL_S, Backoff

logger = logging.getLogger(__name__)

SECOND_NS = 1_000_000_000
HANDSHAKE_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0  # for the venue's answer to our close frame
MAX_FRAME_BYTES = 4 * 1024 * 1024  # answers and events are under 10 kB
IDLE_S = 30.0  # the venue pings every 20 s: silence for longer is asked about
PONG_TIMEOUT_S = 10.0


class Sender(Protocol):
    """``ext.ws_sender.WsSender``: attached by the listener while the connection is up."""

    @property
    def has_failed(self) -> bool:
        """Whether a request of the compiled path did not leave."""

    def send(self, message: bytes, /) -> bool:
        """Sends; False: the connection is gone, or the peer leaves too much unread."""


OnMessage = Callable[[bytes, int], None]
ListenerFactory = Callable[[OnMessage], picows.WSListener]
"""Makes the listener of a connection: it calls back with what the session has to know."""


class WsOrderTransport:
    """Keeps one order session connected; ``run`` it as a task.

    ``on_event`` gets every event of the session, after what it wanted sent was sent. ``url`` is
    ``wss://…``, or ``ws://…`` on loopback.
    """

    def __init__(
        self,
        session: BinanceSession,
        make_listener: ListenerFactory,
        sender: Sender,
        url: str,
        *,
        on_event: Callable[[BinanceEvent], None],
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._session = session
        self._make_listener = make_listener
        self._sender = sender
        self._url = url
        self._on_event = on_event
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._ssl_context = ssl_context
        self._delay_s = self._backoff.first_s
        self._active_since_ns = 0
        self._is_refused = False
        self._is_stopping = False
        self._is_failing = False  # what the session wanted sent could not be
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Connects and reconnects until stopped, or until the session must not be retried.

        Returns after ``stop``, after ``Fatal``, and after a ``LogonRefused`` that is not
        retryable: those need a person.
        """
        while not self._is_stopping:
            await self._run_once()
            if not self._is_stopping:
                await self._wait_before_retry()

    def stop(self, text: str = "") -> None:
        """Logs out by closing the connection; ``run`` returns soon after."""
        self._is_stopping = True
        if self._session.state == SessionState.SESSION_ACTIVE:
            self._session.logout(self._now_ns(), text)
            self._drain()
        self._wake.set()

    def ask_order(self, symbol: str, client_order_ids: list[str]) -> None:
        """As the session's; the question goes out at once. Raises ``UsageError``."""
        self._session.ask_order(symbol, client_order_ids, self._now_ns())
        self._drain()

    async def _run_once(self) -> None:
        self._is_refused = self._is_failing = False
        self._active_since_ns = 0
        self._session.start(self._now_ns())
        self._drain()
        connection: picows.WSTransport | None = None
        text = "stopped"
        try:
            connection = await self._connect()
            _send_without_delay(connection)
            text = await self._serve(connection)
        except (OSError, picows.WSError, TimeoutError) as error:
            text = f"cannot connect to {self._url}: {str(error) or type(error).__name__}"
            _forget_frames(error)
        finally:
            # The session first: no order goes into a connection that closes.
            self._session.disconnected(self._now_ns(), text)
            self._drain()
            if connection is not None:
                await _close(connection)

    async def _connect(self) -> picows.WSTransport:
        connection, _ = await picows.ws_connect(
            lambda: self._make_listener(self._take_message),
            self._url,
            ssl_context=self._ssl_context,
            max_frame_size=MAX_FRAME_BYTES,
            websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            enable_auto_ping=True,
            auto_ping_idle_timeout=IDLE_S,
            auto_ping_reply_timeout=PONG_TIMEOUT_S,
            logger_name="orders",
        )
        return connection

    async def _serve(self, connection: picows.WSTransport) -> str:
        """Why the connection ended."""
        if connection.is_disconnected:  # picows does not tell it otherwise
            return "the venue hung up during the handshake"
        self._session.connected(self._now_ns())
        self._drain()
        ended = asyncio.ensure_future(connection.wait_disconnected())
        ended.add_done_callback(lambda _: self._wake.set())
        try:
            while not (ended.done() or self._is_leaving() or _has_closed(connection)):
                self._wake.clear()
                try:
                    async with asyncio.timeout(self._seconds_to_tick()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._session.tick(self._now_ns())
                self._drain()
        finally:
            ended.cancel()
        if ended.done() and (error := ended.exception()) is not None:
            _forget_frames(error)
            return f"the venue broke the WebSocket protocol: {error}"
        if self._is_failing or self._sender.has_failed:
            return "send failed"
        return "closed by us" if self._is_leaving() else "the venue closed the connection"

    async def _wait_before_retry(self) -> None:
        active_ns = self._now_ns() - self._active_since_ns if self._active_since_ns else 0
        if active_ns > self._backoff.limit_s * SECOND_NS:
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

    def _is_leaving(self) -> bool:
        is_failing = self._is_failing or self._sender.has_failed
        return self._is_stopping or is_failing or self._session.is_close_requested

    def _seconds_to_tick(self) -> float:
        deadline_ns = self._session.next_deadline_ns()
        if deadline_ns is None:
            return MAX_TICK_INTERVAL_S
        return min(max((deadline_ns - self._now_ns()) / SECOND_NS, 0.0), MAX_TICK_INTERVAL_S)

    def _now_ns(self) -> int:
        now_ns = self._clock.monotonic_ns()
        self._session.wall_offset_ns = self._clock.wall_ns() - now_ns
        return now_ns

    def _take_message(self, message: bytes, status: int) -> None:
        self._session.receive(message, self._now_ns())
        self._drain()

    def _drain(self) -> None:
        # Bytes first: an event may make the engine send orders behind them.
        for message in self._session.bytes_to_send():
            if not self._sender.send(message):
                self._is_failing = True
                break
        for event in self._session.events():
            self._note(event)
            self._on_event(event)
        if self._is_leaving():
            self._wake.set()

    def _note(self, event: BinanceEvent) -> None:
        match event:
            case StateChanged(new=SessionState.SESSION_ACTIVE):
                self._active_since_ns = self._clock.monotonic_ns()
            case LogonRefused(is_retryable=is_retryable):
                self._is_refused = True
                self._is_stopping = self._is_stopping or not is_retryable
            case Fatal():
                self._is_stopping = True
            case _:
                pass


def _send_without_delay(connection: picows.WSTransport) -> None:
    raw: socket.socket | None = connection.underlying_transport.get_extra_info("socket")
    if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _has_closed(connection: picows.WSTransport) -> bool:
    # None without a close frame, which picows' type stub does not say.
    handshake = cast("picows.picows.WSCloseHandshake | None", connection.close_handshake)
    return handshake is not None and handshake.recv is not None


def _forget_frames(error: BaseException) -> None:
    # picows keeps the error where frames of its traceback can see it: a cycle that nobody collects.
    error.__traceback__ = None


async def _close(connection: picows.WSTransport) -> None:
    if not connection.is_disconnected:
        connection.send_close(picows.WSCloseCode.OK)
    try:
        await asyncio.wait_for(connection.wait_disconnected(), CLOSE_TIMEOUT_S)
    except TimeoutError:
        connection.disconnect(graceful=False)
    except picows.WSError as error:
        _forget_frames(error)  # told already, as the reason why the connection ended
