"""Busy poll of a real client connection: frames arrive by ``poll`` alone, without the loop."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import picows
import pytest
import uvloop

from ext.busy_poll import BusyPoller
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.errors import UsageError
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState
from ext.ws_listener import FeedListener
from tests.certificates import client_context, server_context

TEXT = picows.WSMsgType.TEXT
SNAPSHOT = b'{"type":"snapshot","product_id":"BTC-USD","bids":[["1.00","5"]],"asks":[["1.01","7"]]}'
STATUS = b'{"type":"status"}'
SPINS = 1000
PATIENCE_S = 10.0

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def is_secure(request: pytest.FixtureRequest) -> bool:
    """Whether the connection is under TLS."""
    return bool(request.param)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    chosen: Run = request.param
    return chosen


class Venue(picows.WSListener):
    """Server side: keeps the connection."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)


class Link:
    """A venue, a listener and a poller that is attached as the engine does it."""

    def __init__(self, is_secure: bool, spin_count: int = SPINS) -> None:
        self.is_secure = is_secure
        table = InstrumentTable()
        table.add("BTC-USD", "0.01", "1")
        self.pipeline = Pipeline(table, CoinbaseExchangeFeed(table))
        self.poller = BusyPoller(spin_count)
        self.venue = Venue()
        self.is_connected = False

    async def __aenter__(self) -> "Link":
        context = server_context() if self.is_secure else None
        self.server = await picows.ws_create_server(
            lambda _: self.venue, "127.0.0.1", 0, ssl=context
        )
        port = self.server.sockets[0].getsockname()[1]
        listener = FeedListener(
            self.pipeline, self.attach, self.detach, lambda *_: None, lambda _: None
        )
        self.client, _ = await picows.ws_connect(
            lambda: listener,
            f"ws{'s' if self.is_secure else ''}://127.0.0.1:{port}/",
            ssl_context=client_context() if self.is_secure else None,
        )
        await self.until(lambda: self.is_connected and self.venue.connections)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await self.client.wait_disconnected()
        self.server.close()
        await self.server.wait_closed()

    def attach(self, connection: picows.WSTransport) -> None:
        self.is_connected = True
        transport: Any = connection.underlying_transport
        if self.is_secure:
            self.poller.attach_reader(transport._read_ready, self.pipeline)
        else:
            descriptor = transport.get_extra_info("socket").fileno()
            self.poller.attach(descriptor, transport.get_protocol())

    def detach(self, _: picows.WSTransport) -> None:
        self.is_connected = False
        self.poller.detach()

    def send(self, message: bytes) -> None:
        """Straight into the socket: no turn of the loop between this and a poll."""
        self.venue.connections[0].send(TEXT, message)

    def poll_until(self, is_true: Callable[[], object]) -> int:
        """Polls, and nothing else, until something is so; how many polls brought something."""
        deadline = time.monotonic() + PATIENCE_S
        brought = 0
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen in time"
            brought += self.poller.poll()
        return brought

    async def until(self, is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0)

    @property
    def frames(self) -> int:
        return self.pipeline.counters()["frames"]


def test_frames_arrive_by_polling_alone(run: Run, is_secure: bool) -> None:
    async def main() -> None:
        async with Link(is_secure) as link:
            assert not link.poller.poll(), "nothing was sent"
            link.send(SNAPSHOT)
            assert link.poll_until(lambda: link.frames == 1) == 1
            assert link.pipeline.book(0).state == BookState.LIVE
            assert not link.poller.poll()

    run(main())


def test_one_poll_takes_all_frames_that_are_there(run: Run, is_secure: bool) -> None:
    async def main() -> None:
        async with Link(is_secure) as link:
            for _ in range(20):
                link.send(STATUS)
            assert link.poll_until(lambda: link.frames == 20) <= 20
            link.send(STATUS)
            link.poll_until(lambda: link.frames == 21)

    run(main())


def test_frame_larger_than_the_buffer(run: Run, is_secure: bool) -> None:
    """It comes in parts, more than the sockets hold: the loop has to send the rest."""

    async def main() -> None:
        async with Link(is_secure) as link:
            large = SNAPSHOT[:-1] + b',"padding":"' + b"x" * 3_000_000 + b'"}'
            link.send(large)
            polls = 0
            while link.frames == 0:
                polls += link.poller.poll()
                await asyncio.sleep(0)
            assert link.pipeline.book(0).state == BookState.LIVE
            assert link.pipeline.counters()["frame_bytes"] == len(large)

    run(main())


def test_loop_and_poller_share_a_stream(run: Run, is_secure: bool) -> None:
    """Frames are counted once, in their order, whoever reads them."""

    async def main() -> None:
        async with Link(is_secure, spin_count=1) as link:
            link.send(SNAPSHOT)
            for number in range(200):
                link.send(
                    b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","0.50","%d"]],'
                    b'"time":"2021-04-17T16:43:37Z"}' % (number + 1)
                )
                if number % 3 == 0:
                    link.poller.poll()
                elif number % 3 == 1:
                    await asyncio.sleep(0)
            await link.until(lambda: link.frames == 201)
            assert link.pipeline.book(0).levels(True) == [(100, 5), (50, 200)]

    run(main())


def test_detached_poller_reads_nothing(run: Run, is_secure: bool) -> None:
    async def main() -> None:
        async with Link(is_secure) as link:
            link.poller.detach()
            link.send(SNAPSHOT)
            before = link.poller.poll_count
            for _ in range(100):
                assert not link.poller.poll()
            assert link.poller.poll_count == before + 100
            assert link.frames == 0
            await link.until(lambda: link.frames == 1)

    run(main())


def test_end_of_the_stream_is_left_to_the_loop(run: Run, is_secure: bool) -> None:
    async def main() -> None:
        async with Link(is_secure) as link:
            link.send(STATUS)
            link.venue.connections[0].disconnect()
            await link.until(lambda: not link.is_connected)
            assert link.frames == 1, "what came before the end is read"
            assert not link.poller.poll(), "detached"

    run(main())


def test_poll_under_tls_ends_at_the_first_frames(run: Run) -> None:
    """Not when its spins are used up: the order socket waits for its turn."""

    async def main() -> None:
        async with Link(True, spin_count=100_000) as link:
            calls = 0
            reader: Any = link.client.underlying_transport

            def count() -> None:
                nonlocal calls
                calls += 1
                reader._read_ready()

            link.poller.attach_reader(count, link.pipeline)
            link.send(STATUS)
            assert link.poll_until(lambda: link.frames == 1) == 1
            assert calls < 100_000

    run(main())


def test_detached_under_its_own_reader() -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "1")
    poller = BusyPoller(10)
    calls = []

    def read_and_end() -> None:
        calls.append(1)
        poller.detach()

    poller.attach_reader(read_and_end, Pipeline(table, CoinbaseExchangeFeed(table)))
    assert not poller.poll()
    assert not poller.poll()
    assert len(calls) == 1


class Buffered(asyncio.BufferedProtocol):
    """Takes what is handed over, into 16 bytes at a time."""

    def __init__(self) -> None:
        self.memory = bytearray(16)
        self.received = b""

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.memory[:nbytes]


def test_poll_ends_at_the_first_bytes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        protocol, poller = Buffered(), BusyPoller(5)
        poller.attach(ours.fileno(), protocol)
        assert not poller.poll()
        theirs.send(b"0123456789abcdefghij")
        assert poller.poll()
        assert protocol.received == b"0123456789abcdef"
        assert poller.poll()
        assert protocol.received == b"0123456789abcdefghij"
        assert not poller.poll()
        theirs.close()
        for _ in range(3):
            assert not poller.poll(), "the end is nothing that came"
        assert protocol.received == b"0123456789abcdefghij"


def test_broken_descriptor_is_left_to_the_loop() -> None:
    reader, writer = os.pipe()  # recv on a pipe fails with ENOTSOCK, not EAGAIN
    try:
        protocol, poller = Buffered(), BusyPoller(100_000)
        poller.attach(reader, protocol)
        assert not poller.poll()
        assert protocol.received == b""
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("spin_count", [0, -1, 100_001])
def test_spin_count_out_of_range(spin_count: int) -> None:
    with pytest.raises(UsageError, match=f"spin_count was {spin_count}; use 1 to 100,000"):
        BusyPoller(spin_count)


@pytest.mark.parametrize("spin_count", [1, 100_000])
def test_spin_count_in_range(spin_count: int) -> None:
    poller = BusyPoller(spin_count)
    assert (poller.spin_count, poller.poll_count) == (spin_count, 0)
    assert not poller.poll(), "not attached"
    assert poller.poll_count == 1
