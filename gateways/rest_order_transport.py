"""The sockets of orders by REST: connects, reads, and turns the session's wheel.

Requests leave by the compiled sender on the plain file descriptors; what the session wants of a
question of its own goes the same way. Answers are read here, into the session.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.tls_channel import TlsChannel
from ext.tls_words import describe_connect_failure
from gateways.edges import Clock, Sender, SystemClock
from gateways.rest_order_session import RestOrderEvent, RestOrderSession
from gateways.transport import (
    CANNOT_CONNECT,
    CONNECT_TIMEOUT_S,
    MAX_TICK_INTERVAL_S,
    connect_tcp,
    connect_tls,
)

READ_BYTES = 65_536

logger = logging.getLogger(__name__)


class RestOrderTransport:
    """Keeps the connections of one session; ``run`` it as a task.

    ``senders`` are those of the connections in their order: TcpSender, or TlsChannel under TLS.
    ``on_event`` gets every event, ``on_turn`` is called after each look at the connections.
    """

    def __init__(
        self,
        session: RestOrderSession,
        senders: Sequence[Sender],
        host: str,
        port: int,
        *,
        on_event: Callable[[RestOrderEvent], None],
        on_turn: Callable[[], None],
        clock: Clock | None = None,
        meter: LoopMeter | None = None,
    ) -> None:
        self._session = session
        self._senders = senders
        self._host = host
        self._port = port
        self._on_event = on_event
        self._on_turn = on_turn
        self._clock = clock or SystemClock()
        self._meter = meter
        self._sockets: dict[int, socket.socket] = {}
        self._connecting: dict[int, asyncio.Task[None]] = {}
        self._flushed: set[int] = set()  # connections whose socket is waited for
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Connects and reconnects until stopped. Cancelling closes the connections."""
        self._ended.clear()
        try:
            while not self._is_stopping:
                self._turn()
                self._wake.clear()
                try:
                    async with asyncio.timeout(MAX_TICK_INTERVAL_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._connecting.values():
                task.cancel()
            await asyncio.gather(*self._connecting.values(), return_exceptions=True)
            self._session.stop(self._clock.monotonic_ns(), self._clock.wall_ns())
            self._drain()
            self._on_turn()
            self._ended.set()

    def stop(self) -> None:
        """Closes the connections; ``run`` returns soon after."""
        self._is_stopping = True
        self._wake.set()

    async def logout(self, timeout_s: float, text: str = "") -> bool:
        """Closes the connections; there is nothing to say goodbye with. Whether that was done
        within ``timeout_s``."""
        self.stop()
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def poll(self) -> int:
        """Reads what is there without waiting, and returns the bytes read; for busy loops."""
        return sum(self._read(index) for index in tuple(self._sockets))

    def _turn(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._session.tick(now_ns, self._clock.wall_ns())
        self._drain()
        for index in self._session.to_connect(now_ns):
            task = asyncio.get_running_loop().create_task(self._connect(index))
            self._connecting[index] = task
        for index in self._sockets:
            self._watch_pending(index)
        self._on_turn()

    async def _connect(self, index: int) -> None:
        sender = self._senders[index]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if isinstance(sender, TlsChannel):
                    connection = await connect_tls(sender, self._host, self._port)
                else:
                    connection = await connect_tcp(self._host, self._port)
        except (OSError, TimeoutError) as error:
            is_late = isinstance(error, TimeoutError) and not str(error)
            reason = (
                f"no answer within {CONNECT_TIMEOUT_S:g} s"
                if is_late
                else describe_connect_failure(error, self._host)
            )
            del self._connecting[index]
            self._end(index, f"{CANNOT_CONNECT} to {self._host}:{self._port}: {reason}")
            return
        del self._connecting[index]
        self._sockets[index] = connection
        sender.attach(connection.fileno())
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read, index)
        self._session.connected(index, self._clock.monotonic_ns())
        self._drain()
        self._on_turn()

    def _read(self, index: int) -> int:
        if self._meter is None:
            return self._read_all(index)
        before = self._meter.enter(LoopSource.LOOP_ORDER_REPORTS)
        try:
            return self._read_all(index)
        finally:
            self._meter.leave(before)

    def _read_all(self, index: int) -> int:
        connection, size = self._sockets.get(index), 0
        while connection is not None and connection is self._sockets.get(index):
            try:
                data = self._receive(index, connection)
            except (OSError, ssl.SSLError) as error:
                self._end(index, f"read failed: {error}")
                return size
            if data is None:
                break
            if not data:
                self._end(index, "the peer closed the connection")
                break
            size += len(data)
            now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
            self._session.receive(index, data, now_ns, wall_ns)
            self._drain()
        return size

    def _receive(self, index: int, connection: socket.socket) -> bytes | None:
        """What there is; empty at the end of the stream, None: nothing now."""
        sender = self._senders[index]
        if isinstance(sender, TlsChannel):
            return sender.read(READ_BYTES)
        try:
            return connection.recv(READ_BYTES)
        except BlockingIOError:
            return None

    def _end(self, index: int, text: str) -> None:
        self._session.ended(index, self._clock.monotonic_ns(), self._clock.wall_ns(), text)
        self._drain()

    def _drain(self) -> None:
        for index in self._session.to_close():
            self._close(index)
        for event in self._session.events():
            self._on_event(event)

    def _close(self, index: int) -> None:
        connection = self._sockets.pop(index, None)
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(connection.fileno())
        if index in self._flushed:
            self._flushed.discard(index)
            loop.remove_writer(connection.fileno())
        self._senders[index].detach()
        connection.close()

    def _watch_pending(self, index: int) -> None:
        if self._senders[index].has_pending and index not in self._flushed:
            loop = asyncio.get_running_loop()
            loop.add_writer(self._sockets[index].fileno(), self._flush, index)
            self._flushed.add(index)

    def _flush(self, index: int) -> None:
        if not self._senders[index].flush():
            self._end(index, "send failed")
        elif not self._senders[index].has_pending:
            self._flushed.discard(index)
            asyncio.get_running_loop().remove_writer(self._sockets[index].fileno())
