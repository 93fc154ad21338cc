"""The usual Python client of the wire-to-wire benchmark: picows, orjson, SortedDict, an f-string.

    python -m bench.wire_python busy|blocking FEED_PORT ORDER_PORT CORE DIRECTORY

It keeps the book and sends the same order as ours; it has no risk checks, no order table, no
indicators and no records.
"""

import asyncio
import functools
import socket
import sys
import time
from typing import Any

import orjson
import picows
from sortedcontainers import SortedDict

from bench.arc import SENDER, TARGET
from bench.frames import SYMBOL, UNIT_LOTS
from bench.order_every_frame import QUANTITY_CYCLE
from bench.wire_client import ClientArguments, connect_feed, freeze_memory, run_client
from gateways.transport import connect_tcp

LOTS_PER_UNIT = 100_000_000
ORDER_ID_PREFIX = "00010203-0405-4607-8000-"


class PythonClient(picows.WSListener):
    """Book and orders of one product in plain Python."""

    def __init__(self, orders: socket.socket) -> None:
        super().__init__()
        self._orders = orders
        self._bids: SortedDict = SortedDict()
        self._asks: SortedDict = SortedDict()
        self._number = 0
        self._sequence = 0
        self._second = -1
        self._second_text = ""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """One frame: parse, then ``receive``."""
        self.receive(orjson.loads(frame.get_payload_as_memoryview()))

    def receive(self, message: Any) -> None:
        """One parsed frame: apply, order."""
        if message["type"] == "l2update":
            self._apply(message["changes"])
            self._number += 1
        else:
            self._bids = SortedDict({float(price): size for price, size in message["bids"]})
            self._asks = SortedDict({float(price): size for price, size in message["asks"]})
            self._number = 0
        self._orders.send(self._encode(self._bids.peekitem(-1)[0]))

    def _apply(self, changes: list[Any]) -> None:
        for side, price, size in changes:
            levels = self._bids if side == "buy" else self._asks
            if float(size) == 0.0:
                levels.pop(float(price), None)
            else:
                levels[float(price)] = size

    def _encode(self, price: float) -> bytes:
        lots = (1 + self._number % QUANTITY_CYCLE) * UNIT_LOTS
        self._sequence += 1
        now_ns = time.time_ns()
        second = now_ns // 1_000_000_000
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
        stamp = f"{self._second_text}.{now_ns // 1_000_000 % 1000:03d}"
        body = (
            f"35=D\x0149={SENDER}\x0156={TARGET}\x0134={self._sequence}\x0152={stamp}\x01"
            f"11={ORDER_ID_PREFIX}{self._sequence:012x}\x0155={SYMBOL}\x0154=1\x0160={stamp}\x01"
            f"38={lots / LOTS_PER_UNIT:.8f}\x0140=2\x0144={price:.2f}\x0159=3\x017928=N\x01"
        )
        message = f"8=FIXT.1.1\x019={len(body)}\x01{body}".encode()
        return message + b"10=%03d\x01" % (sum(message) % 256)


def drop_reports(orders: socket.socket) -> None:
    """Reads the reports and forgets them."""
    orders.recv(65536)


async def serve(arguments: ClientArguments) -> None:
    """Says ``connecting`` and serves until the exchange closes."""
    sys.stdout.write("connecting\n")
    sys.stdout.flush()
    orders = await connect_tcp("127.0.0.1", arguments.order_port)
    loop = asyncio.get_running_loop()
    loop.add_reader(orders.fileno(), drop_reports, orders)
    feed = await connect_feed(functools.partial(PythonClient, orders), arguments)
    freeze_memory()
    await feed.wait_disconnected()
    loop.remove_reader(orders.fileno())
    orders.close()


if __name__ == "__main__":
    run_client(serve)
