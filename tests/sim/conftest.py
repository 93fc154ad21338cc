"""An independent client of the simulated venue: picows, simplefix and plain sockets."""

import asyncio
import base64
import hashlib
import hmac
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import picows
import pytest
import simplefix

from sim.generated import GeneratedMarket
from sim.market import Market
from sim.server import Venue, VenueOptions
from sim.venues.coinbase_exchange_feed import ExchangeFeedSession

KEY, PASSPHRASE, SECRET = "demo-key", "demo-passphrase", bytes(range(64))
DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data") / "coinbase"
WAIT_S = 10.0


def sign(message: str) -> str:
    """base64(HMAC-SHA256) of the venue's scheme, written again here."""
    return base64.b64encode(hmac.new(SECRET, message.encode(), hashlib.sha256).digest()).decode()


class FixClient:
    """A FIX initiator on simplefix; ``on_report`` is called inside the read, as engines do."""

    def __init__(self, connection: socket.socket) -> None:
        self.messages: list[simplefix.FixMessage] = []
        self.on_report: Callable[[simplefix.FixMessage], None] = lambda message: None
        self.is_open = True
        self._number = 0
        self._parser = simplefix.FixParser()
        self._arrived = asyncio.Event()
        self._socket = connection
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def send(self, message_type: str, *fields: tuple[int, Any], number: int | None = None) -> str:
        """One message with header; returns its SendingTime."""
        self._number = self._number + 1 if number is None else number
        sending_time = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        message = simplefix.FixMessage()
        for tag, value in (
            (8, "FIXT.1.1"),
            (35, message_type),
            (34, self._number),
            (49, KEY),
            (52, sending_time),
            (56, "Coinbase"),
            *fields,
        ):
            message.append_pair(tag, value, header=False)
        self._socket.send(message.encode())
        return sending_time

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._socket.send(data)

    def logon(self, *more: tuple[int, Any], passphrase: str = PASSPHRASE) -> None:
        """A signed Logon."""
        sending_time = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        text = "\x01".join((sending_time, "A", "1", KEY, "Coinbase", passphrase))
        signature = sign(text)
        self._number = 1
        message = simplefix.FixMessage()
        options = dict(more)
        for tag, value in (
            (8, "FIXT.1.1"), (35, "A"), (34, 1), (49, KEY), (52, sending_time), (56, "Coinbase"),
            (98, 0), (108, options.pop(108, 30)), (141, options.pop(141, "Y")), (553, KEY),
            (554, passphrase), (95, len(signature)), (96, signature), (1137, 9),
            (8013, options.pop(8013, "S")), *options.items(),
        ):  # fmt: skip
            message.append_pair(tag, value, header=False)
        self._socket.send(message.encode())

    def order(self, client_id: str, side: int, quantity: str, price: str, *more: Any) -> None:
        """A limit order for BTC-USD unless ``more`` says otherwise."""
        fields = {11: client_id, 55: "BTC-USD", 54: side, 38: quantity, 40: 2, 44: price, 59: 1}
        fields.update(dict(more))
        self.send("D", *((tag, value) for tag, value in fields.items() if value is not None))

    async def next(self, message_type: str) -> simplefix.FixMessage:
        """The next message of that type that nobody asked for yet; others are kept."""

        async def wait() -> simplefix.FixMessage:
            while True:
                for index, message in enumerate(self.messages):
                    if message.get(35) == message_type.encode():
                        return self.messages.pop(index)
                self._arrived.clear()
                await self._arrived.wait()

        return await asyncio.wait_for(wait(), WAIT_S)

    async def end(self) -> None:
        """Returns when the venue has closed the connection."""

        async def wait() -> None:
            while self.is_open:
                self._arrived.clear()
                await self._arrived.wait()

        await asyncio.wait_for(wait(), WAIT_S)

    def close(self) -> None:
        """Cuts the connection."""
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        while self.is_open:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except ConnectionError:
                data = b""
            self._arrived.set()
            if not data:
                self.close()
                return
            self._parser.append_buffer(data)
            while (message := self._parser.get_message()) is not None:
                if message.get(35) == b"1":
                    self.send("0", (112, message.get(112).decode()))
                    continue
                self.messages.append(message)
                if message.get(35) == b"8":
                    self.on_report(message)


class FeedClient(picows.WSListener):
    """A market data client; ``on_message`` is called inside the frame, as engines do."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.close_code: int | None = None
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None
        self.transport: picows.WSTransport | None = None
        self._arrived = asyncio.Event()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.close_code = frame.get_close_code().value
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.TEXT:
            self.raw.append(frame.get_payload_as_bytes())
            self.on_message(orjson.loads(self.raw[-1]))
        self._arrived.set()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.transport = None
        self._arrived.set()

    def send(self, request: dict[str, Any]) -> None:
        """One request."""
        assert self.transport is not None
        self.transport.send(picows.WSMsgType.TEXT, orjson.dumps(request))

    def subscribe(self, *symbols: str, **more: Any) -> None:
        """A signed subscribe to everything."""
        timestamp = f"{time.time():.3f}"
        request = {
            "type": "subscribe",
            "product_ids": list(symbols),
            "channels": ["level2", "matches", "heartbeat"],
            "key": KEY,
            "passphrase": PASSPHRASE,
            "timestamp": timestamp,
            "signature": sign(f"{timestamp}GET/users/self/verify"),
        }
        self.send({**request, **more})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when ``condition`` holds; looked at after every frame."""

        async def wait() -> None:
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

        await asyncio.wait_for(wait(), WAIT_S)


class Session:
    """A running venue with one client on either door."""

    def __init__(self, venue: Venue, ready: dict[str, Any], running: asyncio.Task[None]) -> None:
        self.venue = venue
        self.ready = ready
        self.running = running
        self.feed = FeedClient()
        self.fix: FixClient | None = None

    async def connect_feed(self, tls: ssl.SSLContext | None = None) -> FeedClient:
        """A market data connection, not subscribed yet."""
        await picows.ws_connect(lambda: self.feed, self.ready["feed_url"], ssl_context=tls)
        return self.feed

    def connect_fix(self) -> FixClient:
        """An order entry connection, not logged on yet."""
        self.fix = FixClient(self._connect_order_socket())
        return self.fix

    async def connect_fix_under_tls(self, tls: ssl.SSLContext) -> FixClient:
        """The same behind a handshake, made in a thread: the venue needs this one for its part."""
        host = self.ready["fix_host"]
        connection = self._connect_order_socket()
        wrapped = await asyncio.to_thread(tls.wrap_socket, connection, server_hostname=host)
        self.fix = FixClient(wrapped)
        return self.fix

    def _connect_order_socket(self) -> socket.socket:
        address = (self.ready["fix_host"], self.ready["fix_port"])
        return socket.create_connection(address, timeout=WAIT_S)


StartVenue = Callable[..., Any]


@pytest.fixture
def start_venue() -> StartVenue:
    """Async context manager: ``start_venue(market=None, **options)`` gives a ``Session``."""

    @asynccontextmanager
    async def start(market: Market | None = None, **options: Any) -> AsyncIterator[Session]:
        seed = options.setdefault("seed", 1)
        options.setdefault("speed", 0.0)
        market = market or GeneratedMarket(seed, ["BTC-USD", "ETH-USD"])
        credentials = VenueOptions().credentials
        venue = Venue(
            market,
            lambda: ExchangeFeedSession(market.products, market.channels, credentials),
            VenueOptions(**options),
        )
        ready = await venue.start()
        session = Session(venue, ready, asyncio.ensure_future(venue.run()))
        try:
            yield session
        finally:
            venue.stop()
            if session.fix is not None:
                session.fix.close()
            await asyncio.wait_for(session.running, WAIT_S)

    return start


@pytest.fixture
def connect_feed() -> Callable[[str], Any]:
    """Connects a market data client to a URL."""

    async def connect(url: str) -> FeedClient:
        client = FeedClient()
        await picows.ws_connect(lambda: client, url, max_frame_size=1 << 24)
        return client

    return connect


@pytest.fixture
def signer() -> Callable[[str], str]:
    """Signs with the demo secret."""
    return sign


@pytest.fixture
def recording_path() -> Callable[[str], Path]:
    """Path of a shared recording; skips where it is absent."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"recording {name} is not there; set WOW_DATA to the data folder")
        return path

    return find
