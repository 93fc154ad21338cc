"""The transport against a WebSocket server on loopback: frames, resync, loss, refusal, stop."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import picows
import pytest
import uvloop

from ext.errors import LogonRefused
from ext.wire import StaleReason
from feeds.coinbase_exchange import CoinbaseExchangeSession
from feeds.notices import (
    FeedConnected,
    FeedDisconnected,
    FeedRefused,
    FeedSubscribed,
    Notice,
    ReconnectNeeded,
    ResyncSent,
)
from feeds.session import MILLISECOND_NS, FeedTiming
from feeds.transport import FeedEndpoint, FeedTransport

PATIENCE_S = 10.0
CONFIRMATION = (
    b'{"type":"subscriptions","channels":['
    b'{"name":"level2","product_ids":["BTC-USD"]},'
    b'{"name":"matches","product_ids":["BTC-USD"]},'
    b'{"name":"heartbeat","product_ids":["BTC-USD"]}]}'
)


class Venue(picows.WSListener):
    """Server side: answers what the test told it to, keeps what it was sent."""

    def __init__(self) -> None:
        self.received: list[dict[str, object]] = []
        self.answer: Callable[[picows.WSTransport], None] = lambda transport: transport.send(
            picows.WSMsgType.TEXT, CONFIRMATION
        )
        self.connections: list[picows.WSTransport] = []
        self.changed = asyncio.Event()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
            return
        self.received.append(orjson.loads(frame.get_payload_as_bytes()))
        self.changed.set()
        self.answer(transport)


class Client(picows.WSListener):
    """The plain Python stand-in for the compiled listener: every frame is a control frame."""

    def __init__(self, harness: "Harness") -> None:
        self.harness = harness

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.harness.client_transports.append(transport)
            self.harness.frames.append(frame.get_payload_as_bytes())
            now_ns = self.harness.clock()
            self.harness.frame_time_ns = now_ns
            self.harness.transport.receive(frame.get_payload_as_bytes(), now_ns)


class Harness:
    """One transport, one venue, all notices."""

    def __init__(self, venue: Venue, url: str) -> None:
        self.venue = venue
        self.url = url
        self.notices: list[Notice] = []
        self.frames: list[bytes] = []
        self.client_transports: list[picows.WSTransport] = []
        self.frame_time_ns = 0
        self.product_time_ns = 0
        self.offset_ns = 0
        self.changed = asyncio.Event()
        timing = FeedTiming(resync_initial_ns=MILLISECOND_NS)
        self.session = CoinbaseExchangeSession(["BTC-USD"], None, timing=timing)
        self.transport = self.make_transport(url)

    def make_transport(self, url: str, max_frame_bytes: int = 1_000_000) -> FeedTransport:
        return FeedTransport(
            self.session,
            FeedEndpoint(
                url=url,
                max_frame_bytes=max_frame_bytes,
                reconnect_initial_ns=MILLISECOND_NS,
                reconnect_maximum_ns=4 * MILLISECOND_NS,
            ),
            lambda: Client(self),
            activity=self,
            on_notice=self.on_notice,
            clock=self.clock,
        )

    def clock(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9) + self.offset_ns

    def last_frame_time_ns(self) -> int:
        return self.frame_time_ns

    def last_product_time_ns(self, symbol: str) -> int:
        return self.product_time_ns

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.changed.set()

    async def wait_for(self, kind: type, count: int = 1) -> list[Notice]:
        """The notices of a kind, as soon as there are that many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [n for n in self.notices if isinstance(n, kind)]) < count:
                self.changed.clear()
                await self.changed.wait()
        return found

    async def finish(self, run: "asyncio.Task[None]") -> None:
        self.transport.stop()
        async with asyncio.timeout(PATIENCE_S):
            await run


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    venue = Venue()
    server = await picows.ws_create_server(lambda request: venue, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield Harness(venue, f"ws://127.0.0.1:{port}/")
    server.close()
    await server.wait_closed()


async def test_subscribes_and_stops_politely(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    raw_socket = harness.client_transports[0].underlying_transport.get_extra_info("socket")
    assert raw_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    await harness.finish(run)
    assert [message["type"] for message in harness.venue.received] == ["subscribe"]
    assert harness.notices == [
        FeedConnected(harness.url),
        FeedSubscribed(),
        FeedDisconnected(harness.url, "stopped", -1),
    ]


async def test_stale_book_is_resynced_over_the_wire(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    harness.session.book_is_live("BTC-USD", harness.clock())
    harness.session.book_went_stale("BTC-USD", StaleReason.CROSSED, harness.clock())
    await harness.wait_for(ResyncSent)
    async with asyncio.timeout(PATIENCE_S):
        while len(harness.venue.received) < 3:
            harness.venue.changed.clear()
            await harness.venue.changed.wait()
    kinds = [message["type"] for message in harness.venue.received]
    assert kinds == ["subscribe", "unsubscribe", "subscribe"]
    await harness.finish(run)


async def test_lost_connection_is_opened_again(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    harness.venue.connections[0].disconnect(graceful=False)
    await harness.wait_for(FeedSubscribed, 2)
    (lost,) = await harness.wait_for(FeedDisconnected)
    assert isinstance(lost, FeedDisconnected)
    assert lost.reason == "the connection was lost without a close frame"
    assert lost.retry_in_ns == MILLISECOND_NS
    await harness.finish(run)
    assert [message["type"] for message in harness.venue.received] == ["subscribe"] * 2


async def test_close_by_the_venue_is_told_with_code_and_words(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    harness.venue.connections[0].send_close(picows.WSCloseCode.GOING_AWAY, b"maintenance")
    (lost,) = await harness.wait_for(FeedDisconnected)
    assert isinstance(lost, FeedDisconnected)
    assert lost.reason == "the venue closed it: 1001 maintenance"
    await harness.finish(run)


async def test_silence_drops_the_connection_and_opens_another(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    harness.offset_ns += harness.session.timing.silence_limit_ns + 1_000_000_000
    (needed,) = await harness.wait_for(ReconnectNeeded)
    assert isinstance(needed, ReconnectNeeded)
    assert needed.reason.startswith("no frame for ")
    (lost,) = await harness.wait_for(FeedDisconnected)
    assert isinstance(lost, FeedDisconnected)
    assert lost.reason == needed.reason
    await harness.wait_for(FeedSubscribed, 2)
    await harness.finish(run)


async def test_activity_of_the_listener_keeps_the_connection(harness: Harness) -> None:
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedSubscribed)
    harness.session.book_is_live("BTC-USD", harness.clock())
    harness.offset_ns += harness.session.timing.silence_limit_ns + 1_000_000_000
    harness.frame_time_ns = harness.product_time_ns = harness.clock()
    harness.session.book_went_stale("BTC-USD", StaleReason.CROSSED, harness.clock())
    await harness.wait_for(ResyncSent)  # a tick has run since
    assert not any(isinstance(notice, ReconnectNeeded) for notice in harness.notices)
    await harness.finish(run)


async def test_refusal_ends_the_run(harness: Harness) -> None:
    harness.venue.answer = lambda transport: transport.send(
        picows.WSMsgType.TEXT, b'{"type":"error","message":"Authentication Failed"}'
    )
    with pytest.raises(LogonRefused, match="Authentication Failed"):
        await asyncio.wait_for(harness.transport.run(), PATIENCE_S)
    assert [type(notice) for notice in harness.notices] == [
        FeedConnected,
        FeedRefused,
        FeedDisconnected,
    ]


async def test_frame_beyond_the_limit_ends_the_connection(harness: Harness) -> None:
    harness.transport = harness.make_transport(harness.url, max_frame_bytes=2_000)
    harness.venue.answer = lambda transport: transport.send(picows.WSMsgType.TEXT, b"x" * 2_001)
    run = asyncio.create_task(harness.transport.run())
    lost = (await harness.wait_for(FeedDisconnected))[0]
    assert isinstance(lost, FeedDisconnected)
    assert lost.reason.startswith("the venue broke the WebSocket protocol: ")
    assert harness.frames == []
    await harness.finish(run)


async def test_unreachable_venue_is_tried_with_growing_delays(harness: Harness) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}/"
        harness.transport = harness.make_transport(url)
        run = asyncio.create_task(harness.transport.run())
        lost = await harness.wait_for(FeedDisconnected, 4)
        await harness.finish(run)
    delays = [notice.retry_in_ns for notice in lost[:4] if isinstance(notice, FeedDisconnected)]
    assert delays == [factor * MILLISECOND_NS for factor in (1, 2, 4, 4)]
    assert all("cannot connect: " in n.reason for n in lost[:4] if isinstance(n, FeedDisconnected))


async def serve_drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def serve_not_found(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def test_hang_up_during_the_handshake_is_tried_again(harness: Harness) -> None:
    server = await asyncio.start_server(serve_drop, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        harness.transport = harness.make_transport(url)
        run = asyncio.create_task(harness.transport.run())
        lost = await harness.wait_for(FeedDisconnected, 3)
        await harness.finish(run)
    assert lost[0] == FeedDisconnected(
        url, "cannot connect: the venue hung up during the handshake", MILLISECOND_NS
    )


async def count_garbage(url: str, venue: Venue) -> int:
    """Unreachable objects after 20 lost connections, without the collector, as in production."""
    harness = Harness(venue, url)
    harness.transport = harness.make_transport(url, max_frame_bytes=2_000)
    run = asyncio.create_task(harness.transport.run())
    await harness.wait_for(FeedDisconnected, 2)
    gc.collect()
    gc.disable()
    try:
        harness.notices.clear()
        await harness.wait_for(FeedDisconnected, 20)
        return gc.collect()
    finally:
        gc.enable()
        await harness.finish(run)


@pytest.mark.parametrize("serve", [None, serve_drop, serve_not_found])
def test_failed_connects_leave_nothing_to_collect(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None,
) -> None:
    async def scenario() -> int:
        server = await asyncio.start_server(serve or serve_drop, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if serve is None:
            server.close()
        async with server:
            return await count_garbage(url, Venue())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) < 20, "less than one a connection is somebody else's"


@pytest.mark.parametrize("size", [0, 2_001])
def test_lost_connections_leave_nothing_to_collect(size: int) -> None:
    """Without a word, or over a frame beyond the limit: picows keeps that error."""

    def answer(transport: picows.WSTransport) -> None:
        if size:
            transport.send(picows.WSMsgType.TEXT, b"x" * size)
        else:
            transport.disconnect(graceful=False)

    async def scenario() -> int:
        venue = Venue()
        venue.answer = answer
        server = await picows.ws_create_server(lambda request: venue, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            return await count_garbage(url, venue)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) < 20, "less than one a connection is somebody else's"


async def test_error_in_the_listener_reaches_the_caller(harness: Harness) -> None:
    def fail(payload: bytes, now_ns: int) -> None:
        raise ZeroDivisionError("planted")

    harness.session.receive = fail  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError, match="planted"):
        await asyncio.wait_for(harness.transport.run(), PATIENCE_S)
