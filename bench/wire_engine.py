"""Our client of the wire-to-wire benchmark: the compiled arc on real sockets, in its own process.

    python -m bench.wire_engine fix|websocket|rest busy|blocking FEED_PORT ORDER_PORT CORE DIRECTORY

Everything on the arc is production code. What is missing is the logon: the exchange of the
benchmark has no order session, so the session store says that we are logged on.
"""

import asyncio
import functools
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import orjson
import picows

from bench.arc import REST_HOST, make_arc, make_binance_arc, make_rest_arc
from bench.frames import PRODUCT, UNIT_LOTS
from bench.wire_client import ClientArguments, connect_feed, freeze_memory, run_client
from bench.wire_tls import client_context
from engine.rest.rest_reports import make_answer_report
from ext.clock import read_monotonic_ns, read_wall_ns
from ext.fix_listener import FixListener
from ext.pipeline import Pipeline
from ext.rest_sender import RestSender
from ext.tcp_sender import TcpSender
from ext.tls_channel import TlsChannel
from ext.ws_listener import FeedListener
from ext.ws_order_listener import WsOrderListener
from ext.ws_sender import WsSender
from gateways.rest_answers import AnswerLost
from gateways.rest_order_session import RequestAnswered, RestOrderSession
from gateways.transport import connect_tcp, connect_tls

FEED = "coinbase_exchange"
READ_BYTES = 65_536
ANSWER_TIMEOUT_NS = 5_000_000_000
COUNTED = ("frames", "orders_sent", "rejected", "reports", "unknown_reports", "stale_count")


class EngineClient:
    """The arc between the two sockets; subclasses open the one of the orders."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._problems: list[str] = []

    async def run(self, arguments: ClientArguments) -> dict[str, object]:
        """Serves until the exchange closes; the counters and what went wrong."""
        close = await self._connect_orders(arguments.order_port)
        feed = await connect_feed(self._make_listener, arguments, self._pipeline)
        freeze_memory()
        await feed.wait_disconnected()
        close()
        counters = self._pipeline.counters()
        return {"problems": self._problems, **{name: counters[name] for name in COUNTED}}

    async def _connect_orders(self, port: int) -> Callable[[], None]:
        """Connects the order socket; what closes it again."""
        raise NotImplementedError

    def _make_listener(self) -> picows.WSListener:
        return FeedListener(
            self._pipeline,
            on_connected=lambda transport: self._pipeline.subscribed(read_wall_ns()),
            on_disconnected=lambda transport: None,
            on_control=lambda data, status, now_ns: self._note_problem(f"status {status}", data),
            on_notices=self._take_notices,
        )

    def _take_notices(self, now_ns: int) -> None:
        self._pipeline.take_notices()

    def _note_message(self, message: bytes) -> None:
        self._note_problem("not a report that was next", message)

    def _note_problem(self, what: str, data: bytes) -> None:
        self._problems.append(f"{what}: {data[:200]!r}")


class FixClient(EngineClient):
    """Orders by FIX on TCP."""

    def __init__(self, directory: Path) -> None:
        tls = client_context()
        self._channel = None if tls is None else TlsChannel(tls)
        self._sender = self._channel or TcpSender()
        arc = make_arc(FEED, [PRODUCT], self._sender, unit_lots=UNIT_LOTS, directory=directory)
        super().__init__(arc.pipeline)
        self._orders = FixListener(
            arc.store,
            arc.pipeline,
            arc.decoder,
            on_message=self._note_message,
            on_garbled=lambda reason, data: self._note_problem(f"garbled FIX: {reason}", data),
            on_bad_report=lambda data: self._note_problem("bad report", data),
            on_notices=self._take_notices,
            channel=self._channel,
        )

    async def _connect_orders(self, port: int) -> Callable[[], None]:
        connect = (
            connect_tcp if not self._channel else functools.partial(connect_tls, self._channel)
        )
        connection = await connect("127.0.0.1", port)
        descriptor = connection.fileno()
        self._sender.attach(descriptor)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._orders.read, descriptor)

        def close() -> None:
            loop.remove_reader(descriptor)
            connection.close()

        return close


class WebSocketClient(EngineClient):
    """Orders by Binance's API on a WebSocket."""

    def __init__(self, directory: Path) -> None:
        self._sender = WsSender()
        self._arc = make_binance_arc(
            FEED, [PRODUCT], self._sender, unit_lots=UNIT_LOTS, directory=directory
        )
        super().__init__(self._arc.pipeline)

    async def _connect_orders(self, port: int) -> Callable[[], None]:
        transport, _ = await picows.ws_connect(self._make_order_listener, f"ws://127.0.0.1:{port}/")
        raw: socket.socket = transport.underlying_transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return functools.partial(transport.disconnect, False)

    def _make_order_listener(self) -> WsOrderListener:
        return WsOrderListener(
            self._arc.pipeline,
            self._arc.decoder,
            self._sender,
            on_connected=lambda transport: None,
            on_disconnected=lambda transport: None,
            on_message=lambda data, status: self._note_message(data),
            on_bad_report=lambda data: self._note_problem("bad report", data),
            on_notices=self._take_notices,
        )


class RestClient(EngineClient):
    """Orders by REST, on one connection."""

    def __init__(self, directory: Path) -> None:
        self._socket_sender = TcpSender()
        arc = make_rest_arc(
            FEED, [PRODUCT], [self._socket_sender], unit_lots=UNIT_LOTS, directory=directory
        )
        super().__init__(arc.pipeline)
        sender = cast(RestSender, arc.sender)
        self._session = RestOrderSession(sender, 1, REST_HOST, answer_timeout_ns=ANSWER_TIMEOUT_NS)

    async def _connect_orders(self, port: int) -> Callable[[], None]:
        connection = await connect_tcp("127.0.0.1", port)
        self._socket_sender.attach(connection.fileno())
        self._session.to_connect(read_monotonic_ns())
        self._session.connected(0, read_monotonic_ns())
        loop = asyncio.get_running_loop()
        loop.add_reader(connection.fileno(), self._read, connection)

        def close() -> None:
            loop.remove_reader(connection.fileno())
            connection.close()

        return close

    def _read(self, connection: socket.socket) -> None:
        data = connection.recv(READ_BYTES)
        if not data:
            asyncio.get_running_loop().remove_reader(connection.fileno())
            return
        now_ns = read_wall_ns()
        self._session.receive(0, data, read_monotonic_ns(), now_ns)
        for event in self._session.events():
            if not isinstance(event, RequestAnswered) or isinstance(event.outcome, AnswerLost):
                self._note_problem("not an answer", str(event).encode())
                continue
            number = self._pipeline.orders.requests.of_sequence(event.sequence)
            fields = make_answer_report(event.outcome, number, now_ns)
            self._pipeline.apply_report(fields, now_ns, event.answer)


CLIENTS: dict[str, type[EngineClient]] = {
    "fix": FixClient,
    "websocket": WebSocketClient,
    "rest": RestClient,
}


async def serve(make_client: Callable[[Path], EngineClient], arguments: ClientArguments) -> None:
    """Makes the client, says ``connecting``, serves, and says how it went as one line of JSON."""
    client = make_client(arguments.directory)
    sys.stdout.write("connecting\n")
    sys.stdout.flush()
    result = await client.run(arguments)
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


if __name__ == "__main__":
    run_client(functools.partial(serve, CLIENTS[sys.argv.pop(1)]))
