"""Our client of the wire-to-wire benchmark: the compiled arc on real sockets, in its own process.

    python -m bench.wire_engine busy|blocking FEED_PORT ORDER_PORT CORE DIRECTORY

Everything on the arc is production code. What is missing is the logon: the exchange of the
benchmark has no FIX session, so the session store says that we are logged on.
"""

import asyncio
import functools
import sys
from pathlib import Path

import orjson
import picows

from bench.arc import make_arc
from bench.frames import PRODUCT, UNIT_LOTS
from bench.wire_client import ClientArguments, connect_feed, freeze_memory, run_client
from bench.wire_tls import client_context
from ext.clock import read_wall_ns
from ext.fix_listener import FixListener
from ext.tcp_sender import TcpSender
from ext.tls_channel import TlsChannel
from ext.ws_listener import FeedListener
from gateways.transport import connect_tcp, connect_tls

COUNTED = ("frames", "orders_sent", "rejected", "reports", "unknown_reports", "stale_count")


class EngineClient:
    """The arc between the two sockets."""

    def __init__(self, directory: Path) -> None:
        tls = client_context()
        self._channel = None if tls is None else TlsChannel(tls)
        self._sender = self._channel or TcpSender()
        self._arc = make_arc(
            "coinbase_exchange", [PRODUCT], self._sender, unit_lots=UNIT_LOTS, directory=directory
        )
        self._pipeline = self._arc.pipeline
        self._problems: list[str] = []
        self._orders = FixListener(
            self._arc.store,
            self._pipeline,
            self._arc.decoder,
            on_message=self._note_message,
            on_garbled=lambda reason, data: self._note_problem(f"garbled FIX: {reason}", data),
            on_bad_report=lambda data: self._note_problem("bad report", data),
            on_notices=self._take_notices,
            channel=self._channel,
        )

    async def run(self, arguments: ClientArguments) -> dict[str, object]:
        """Serves until the exchange closes; the counters and what went wrong."""
        connect = (
            connect_tcp if not self._channel else functools.partial(connect_tls, self._channel)
        )
        connection = await connect("127.0.0.1", arguments.order_port)
        descriptor = connection.fileno()
        self._sender.attach(descriptor)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._orders.read, descriptor)
        feed = await connect_feed(self._make_listener, arguments, self._pipeline)
        freeze_memory()
        await feed.wait_disconnected()
        loop.remove_reader(descriptor)
        connection.close()
        counters = self._pipeline.counters()
        return {"problems": self._problems, **{name: counters[name] for name in COUNTED}}

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


async def serve(arguments: ClientArguments) -> None:
    """Makes the client, says ``connecting``, serves, and says how it went as one line of JSON."""
    client = EngineClient(arguments.directory)
    sys.stdout.write("connecting\n")
    sys.stdout.flush()
    result = await client.run(arguments)
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


if __name__ == "__main__":
    run_client(serve)
