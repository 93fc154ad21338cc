"""A venue made by hand: right until a test makes it wrong.

Plain asyncio in a thread of its own; market data by picows' server, FIX by strings. It shares no
code with ``sim`` and none with ``ext``.
"""

# tidy-ok: covers the processes together

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

SYMBOL = "BTC-USD"
BIDS = [["64999.99", "1.00000000"], ["64999.00", "2.00000000"]]
ASKS = [["65000.01", "1.00000000"], ["65001.00", "2.00000000"]]
FAR_ASK = "65100.00"  # its size changes with every tick of the market
TICK_SECONDS = 0.02
START_SECONDS = 5.0

Fields = list[tuple[int, str]]
Message = dict[int, str]


def iso_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fix_time() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def encode_fix(fields: Fields) -> bytes:
    """A right message; ``fields`` begin with 35."""
    body = "".join(f"{tag}={value}\x01" for tag, value in fields)
    text = f"8=FIXT.1.1\x019={len(body)}\x01{body}"
    return f"{text}10={sum(text.encode()) % 256:03d}\x01".encode()


def update(*changes: list[Any], symbol: str = SYMBOL) -> dict[str, Any]:
    """A right frame of the book as long as its changes are."""
    return {
        "type": "l2update",
        "product_id": symbol,
        "changes": list(changes),
        "time": iso_time(),
    }


class FeedClient(WSListener):
    """One market data connection."""

    def __init__(self, venue: "MadeVenue") -> None:
        self._venue = venue

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._venue.feed = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._venue.take_request(json.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._venue.feed = None


class OrderClient(asyncio.Protocol):
    """One FIX connection."""

    def __init__(self, venue: "MadeVenue") -> None:
        self._venue = venue
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._venue.orders = transport
        self._venue.next_sequence = 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\x0110=")) >= 0 and len(self._received) >= end + 8:
            message, self._received = self._received[: end + 8], self._received[end + 8 :]
            pairs = (pair.partition("=") for pair in message.decode().split("\x01")[:-1])
            self._venue.take_message({int(tag): value for tag, _, value in pairs})

    def connection_lost(self, exc: Exception | None) -> None:
        self._venue.orders = None


class MadeVenue:
    """Serves one product. Everything public may be called from the test's thread."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.messages: list[Message] = []
        self.refusal = ""
        self.is_cancelling_on_disconnect = False
        self.next_sequence = 1
        self.feed: WSTransport | None = None
        self.orders: asyncio.Transport | None = None
        self.feed_url = ""
        self.order_port = 0
        self._working: dict[str, Message] = {}
        self._ticks = 0
        self._is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._is_ready.wait(START_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(START_SECONDS)

    def do(self, act: Callable[[], object]) -> None:
        """Runs ``act`` between two messages and returns when it is done."""
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(START_SECONDS)

    def subscriptions(self) -> int:
        return sum(request["type"] == "subscribe" for request in self.requests)

    def received(self, message_type: str) -> list[Message]:
        return [message for message in self.messages if message[35] == message_type]

    # Market data

    def send_frame(self, payload: bytes | dict[str, Any]) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if self.feed is not None:
            self.feed.send(WSMsgType.TEXT, data)

    def drop_feed(self) -> None:
        if self.feed is not None:
            self.feed.disconnect(graceful=False)

    def take_request(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        if request["type"] != "subscribe":
            return
        channels = [{"name": "level2", "product_ids": [SYMBOL]}]
        channels.append({"name": "matches", "product_ids": [SYMBOL]})
        self.send_frame({"type": "subscriptions", "channels": channels})
        self.send_frame({"type": "snapshot", "product_id": SYMBOL, "bids": BIDS, "asks": ASKS})

    def _tick(self) -> None:
        self._ticks += 1
        if self.subscriptions():
            self.send_frame(update(["sell", FAR_ASK, f"{1 + self._ticks % 2}.00000000"]))

    # Orders

    def send_bytes(self, data: bytes) -> None:
        if self.orders is not None:
            self.orders.write(data)

    def drop_orders(self) -> None:
        """The connection is gone, as the client sees it without a word."""
        if self.orders is not None:
            self.orders.abort()
        if self.is_cancelling_on_disconnect:
            for order in self._working.values():
                order[39] = "4"

    def header(self, message_type: str, sequence: int) -> Fields:
        names = [(49, "Coinbase"), (56, "demo-key")]
        return [(35, message_type), (34, str(sequence)), *names, (52, fix_time())]

    def send(self, message_type: str, *fields: tuple[int, str], sequence: int = 0) -> None:
        """A right message with the next number, or with ``sequence``, which does not count."""
        number = sequence or self.next_sequence
        self.next_sequence += 0 if sequence else 1
        self.send_bytes(encode_fix([*self.header(message_type, number), *fields]))

    def take_message(self, message: Message) -> None:
        self.messages.append(message)
        match message[35]:
            case "A":
                self._answer_logon()
            case "1":
                self.send("0", (112, message[112]))
            case "2":
                possible_duplicate = ((43, "Y"), (122, fix_time()), (123, "Y"))
                new = (36, str(self.next_sequence))
                self.send("4", *possible_duplicate, new, sequence=int(message[7]))
            case "5":
                self.send("5")
                if self.orders is not None:
                    self.orders.close()
            case "D":
                self._working[message[11]] = {37: str(uuid.uuid4()), 39: "0", **message}
                self._report(message[11], "0")
            case "F":
                self._end(message, "4", "4")
            case "G":
                self._end(message, "5", "0")
            case "H":
                self._report(message[11], "I")

    def _answer_logon(self) -> None:
        if self.refusal:
            self.send("5", (58, self.refusal))
            if self.orders is not None:
                self.orders.close()
            return
        self.send("A", (98, "0"), (108, "10"), (141, "Y"), (1137, "9"))

    def _end(self, request: Message, kind: str, state: str) -> None:
        order = self._working.pop(request[41])
        order[39] = state
        order |= {tag: request[tag] for tag in (38, 44) if tag in request}
        self._working[request[11]] = order
        self._report(request[11], kind, (41, request[41]))

    def _report(self, client_order_id: str, kind: str, *more: tuple[int, str]) -> None:
        order = self._working.get(client_order_id)
        if order is None:
            return
        leaves = order[38] if order[39] == "0" else "0"
        self.send(
            "8",
            (37, order[37]),
            (11, client_order_id),
            *more,
            (17, str(uuid.uuid4())),
            (150, kind),
            (39, order[39]),
            (55, order[55]),
            (54, order[54]),
            (38, order[38]),
            (44, order[44]),
            (14, "0"),
            (151, leaves),
            (60, fix_time()),
        )

    # The thread

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        feed = await ws_create_server(lambda request: FeedClient(self), "127.0.0.1", 0)
        orders = await self._loop.create_server(lambda: OrderClient(self), "127.0.0.1", 0)
        self.feed_url = f"ws://127.0.0.1:{feed.sockets[0].getsockname()[1]}"
        self.order_port = orders.sockets[0].getsockname()[1]
        self._stopping = asyncio.Event()
        self._is_ready.set()
        while not self._stopping.is_set():
            self._tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
        feed.close()
        orders.close()
        self.drop_feed()
        self.drop_orders()
        await asyncio.sleep(0)
