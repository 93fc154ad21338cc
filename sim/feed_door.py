"""The market data side of the venue on a real WebSocket server, with the barrier of lock-step.

A barrier is a PING with a counter: a client answers it only after it has processed every frame
before it, so its PONG says that the client has reacted to all of them.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from sim.feed_session import FeedSession
from sim.market import FeedFrame, Market

# Sheet A3 and B3: a connection that does not subscribe within 5 s is closed.
SUBSCRIBE_LIMIT_S = 5.0
CLIENT_FRAME_BYTES_MAX = 1 << 20

_log = logging.getLogger("sim.feed")


class FeedConnection(WSListener):
    """One client's connection."""

    def __init__(self, door: "FeedDoor", session: FeedSession) -> None:
        self.session = session
        self.is_open = False
        self.is_writable = asyncio.Event()
        self.is_writable.set()
        self.ended = asyncio.Event()
        self._door = door
        self._transport: WSTransport | None = None
        self._subscribe_timer: asyncio.TimerHandle | None = None
        self._pinged = 0
        self._answered: asyncio.Future[None] | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done; the client has to subscribe soon."""
        self._transport = transport
        self.is_open = True
        loop = asyncio.get_running_loop()
        self._subscribe_timer = loop.call_later(SUBSCRIBE_LIMIT_S, self._subscribe_late)
        self._door.connected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A request, the answer to a barrier, or the end."""
        if frame.msg_type == WSMsgType.TEXT:
            self._cancel_timer()
            self._door.receive(self, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            if frame.get_payload_as_bytes() == str(self._pinged).encode():
                self._release()
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone; nobody waits for it any more."""
        self.is_open = False
        self._cancel_timer()
        self._release()
        self.is_writable.set()
        self.ended.set()
        self._door.disconnected(self)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self.is_writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.is_writable.set()

    def send(self, payload: bytes) -> None:
        """One text frame; dropped when the connection is closing or gone."""
        if self._transport is not None and self.is_open:
            self._transport.send(WSMsgType.TEXT, payload)
            self._door.frames_sent += 1

    def close(self, code: WSCloseCode, reason: str) -> None:
        """Sends CLOSE, after which nothing else may be sent; the client answers and it ends."""
        if self._transport is not None and self.is_open:
            self.is_open = False
            self._transport.send_close(code, reason.encode())

    def ping(self) -> asyncio.Future[None]:
        """Sends the barrier; the future is done when the client answered or is gone."""
        self._pinged += 1
        self._answered = asyncio.get_running_loop().create_future()
        if self._transport is not None and self.is_open:
            self._transport.send_ping(str(self._pinged).encode())
        else:
            self._release()
        return self._answered

    def _release(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _subscribe_late(self) -> None:
        _log.warning("client did not subscribe within %.0f s: closed", SUBSCRIBE_LIMIT_S)
        self.close(WSCloseCode.POLICY_VIOLATION, "no subscribe")

    def _cancel_timer(self) -> None:
        if self._subscribe_timer is not None:
            self._subscribe_timer.cancel()
            self._subscribe_timer = None


class FeedDoor:
    """All market data connections.

    While the door is shut (``open`` not yet called) clients may subscribe, but what they are owed
    first, snapshots and last trades, waits.
    """

    def __init__(
        self,
        market: Market,
        new_session: Callable[[], FeedSession],
        on_activity: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.frames_sent = 0
        self._tls = tls
        self._market = market
        self._new_session = new_session
        self._on_activity = on_activity
        self._connections: list[FeedConnection] = []
        self._server: asyncio.Server | None = None
        self._is_open = False

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port (0 asks for any free one)."""
        self._server = await ws_create_server(
            self._accept,
            host,
            port,
            max_frame_size=CLIENT_FRAME_BYTES_MAX,
            logger_name="sim",
            ssl=self._tls,
        )
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def has_subscriber(self) -> bool:
        """Whether a client is subscribed to a book."""
        return any(each.session.has_books for each in self._connections)

    @property
    def has_connections(self) -> bool:
        """Whether any client is connected."""
        return bool(self._connections)

    def open(self) -> None:
        """Sends what waited for the opening; from now on new subscriptions are served at once."""
        self._is_open = True
        for connection in self._connections:
            self._send_first_frames(connection)

    def publish(self, frames: Iterable[FeedFrame]) -> None:
        """Sends every frame to those who subscribed to it."""
        for frame in frames:
            for connection in self._connections:
                payload = connection.session.payload_of(frame)
                if payload is not None:
                    connection.send(payload)

    async def barrier(self, timeout_s: float) -> None:
        """Returns when every subscribed client has processed all that was sent."""
        waiting = [each.ping() for each in self._connections if each.session.has_books]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=timeout_s)
        if late:
            _log.warning("no PONG within %.1f s: going on without lock-step", timeout_s)

    async def until_writable(self) -> None:
        """Returns when no client is behind with reading."""
        for connection in list(self._connections):
            await connection.is_writable.wait()

    async def close(self, code: WSCloseCode, reason: str, *, timeout_s: float) -> None:
        """Closes every connection and waits a while for the clients to answer."""
        for connection in list(self._connections):
            connection.close(code, reason)
        ends = [asyncio.ensure_future(each.ended.wait()) for each in self._connections]
        if ends:
            _, late = await asyncio.wait(ends, timeout=timeout_s)
            for end in late:
                end.cancel()

    def stop(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()

    def connected(self, connection: FeedConnection) -> None:
        """A client is there."""
        self._connections.append(connection)

    def disconnected(self, connection: FeedConnection) -> None:
        """A client is gone."""
        self._connections.remove(connection)
        self._on_activity()

    def receive(self, connection: FeedConnection, payload: bytes) -> None:
        """A client's request: frames that are due go out first, so that a snapshot is newer."""
        self.publish(self._market.take_frames())
        for answer in connection.session.receive(payload, time.time_ns()):
            connection.send(answer)
        if self._is_open:
            self._send_first_frames(connection)
        self._on_activity()

    def _accept(self, request: WSUpgradeRequest) -> FeedConnection:
        return FeedConnection(self, self._new_session())

    def _send_first_frames(self, connection: FeedConnection) -> None:
        for channel, symbol in connection.session.take_new_subscriptions():
            if channel == "level2":
                frames = self._market.snapshot_frames(symbol)
            elif channel == "matches":
                frames = self._market.last_match_frames(symbol)
            else:
                continue
            for frame in frames:
                payload = connection.session.payload_of(frame)
                if payload is not None:
                    connection.send(payload)
