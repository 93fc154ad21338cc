"""The WebSocket sender on real connections of picows: whole frames in order, or nothing."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import orjson
import picows
import pytest
import uvloop

from ext.codecs.binance_order import BinanceOrderEncoder
from ext.errors import UsageError
from ext.wire import Side
from ext.ws_sender import WsSender

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

PATIENCE_S = 10.0
MAX_MESSAGE_BYTES = 4096
SEND_BUFFER_BYTES = 16_384  # small: a test fills it

Run = Callable[[Coroutine[Any, Any, None]], None]
MakeRig = Callable[..., "OrderRig"]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    chosen: Run = request.param
    return chosen


class Venue(picows.WSListener):
    """Server side: what came, and how."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []
        self.texts: list[bytes] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        else:
            assert (frame.msg_type, frame.fin) == (picows.WSMsgType.TEXT, 1)
            self.texts.append(frame.get_payload_as_bytes())


class Client(picows.WSListener):
    """Ours: tells the sender when the transport's buffer is full, and when it is not."""

    def __init__(self, sender: WsSender) -> None:
        self.sender = sender
        self.pauses: list[bool] = []

    def pause_writing(self) -> None:
        self.pauses.append(True)
        self.sender.pause()

    def resume_writing(self) -> None:
        self.pauses.append(False)
        self.sender.resume()


class Link:
    """A venue and a sender on loopback."""

    def __init__(self) -> None:
        self.venue = Venue()
        self.sender = WsSender()
        self.client = Client(self.sender)

    async def open(self) -> None:
        self.server = await picows.ws_create_server(lambda _: self.venue, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.transport, _ = await picows.ws_connect(lambda: self.client, f"ws://127.0.0.1:{port}/")
        await self.until(lambda: self.venue.connections)
        raw: socket.socket = self.transport.underlying_transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.sender.attach(self.transport)

    async def close(self) -> None:
        self.transport.disconnect(False)
        await self.transport.wait_disconnected()
        self.server.close()
        await self.server.wait_closed()

    def hold(self) -> None:
        """The venue reads nothing any more."""
        self.venue.connections[0].underlying_transport.pause_reading()

    def release(self) -> None:
        self.venue.connections[0].underlying_transport.resume_reading()

    @property
    def waiting(self) -> int:
        """Bytes that picows keeps for the socket."""
        size: int = self.transport.underlying_transport.get_write_buffer_size()
        return size

    async def until(self, is_true: Callable[[], object]) -> None:
        """Lets the loop work until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0)


def on_link(test: Callable[[Link], Awaitable[None]]) -> Callable[[Run], None]:
    """Makes a test function of a coroutine over an open link."""

    def run_test(run: Run) -> None:
        async def main() -> None:
            link = Link()
            await link.open()
            try:
                await test(link)
            finally:
                await link.close()

        run(main())

    run_test.__doc__ = test.__doc__
    return run_test


def fill(link: Link) -> list[bytes]:
    """Sends to a venue that does not read until bytes wait; what was sent."""
    link.hold()
    sent: list[bytes] = []
    while not link.waiting:
        sent.append(b"%08d" % len(sent) * 100)
        assert link.sender.send(sent[-1])
    return sent


@on_link
async def test_messages_of_every_length(link: Link) -> None:
    """Up to the largest; the length of a frame is told in one byte or in three."""
    sizes = [*range(300), 1_000, 65, MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES]
    sent = [random.Random(size).randbytes(size) for size in sizes]
    for message in sent:
        assert link.sender.send(message)
    await link.until(lambda: len(link.venue.texts) == len(sent))
    assert link.venue.texts == sent
    assert link.sender.refused == 0


@on_link
async def test_the_message_itself_is_not_masked(link: Link) -> None:
    message = b"as it was" * 30
    copy = bytes(bytearray(message))
    assert link.sender.send(message)
    assert link.sender.send(message)
    assert message == copy
    await link.until(lambda: len(link.venue.texts) == 2)
    assert link.venue.texts == [copy, copy]


@on_link
async def test_a_message_that_is_too_long(link: Link) -> None:
    with pytest.raises(UsageError, match="message had 4097 bytes; use at most 4096"):
        link.sender.send(bytes(MAX_MESSAGE_BYTES + 1))
    assert link.sender.send(b"next")
    await link.until(lambda: link.venue.texts)
    assert link.venue.texts == [b"next"]


@on_link
async def test_what_the_socket_takes_in_part_comes_whole(link: Link) -> None:
    """The rest of a frame, and the frames behind it, go out when the socket takes them."""
    sent = fill(link)
    assert link.waiting > 0
    for number in range(20):
        sent.append(b"behind %d" % number)
        assert link.sender.send(sent[-1])
    link.release()
    await link.until(lambda: len(link.venue.texts) == len(sent))
    assert link.venue.texts == sent
    assert link.waiting == 0
    assert link.sender.send(b"last")
    await link.until(lambda: link.venue.texts[-1] == b"last")


@on_link
async def test_a_peer_that_leaves_too_much_unread(link: Link) -> None:
    """Orders are refused, whole, until the transport's buffer has drained."""
    sent = fill(link)
    while not link.sender.is_full:
        sent.append(b"%08d" % len(sent) * 100)
        assert link.sender.send(sent[-1])
    waiting = link.waiting
    assert not link.sender.send(b"too late")
    assert not link.sender.send(b"too late as well")
    assert (link.sender.refused, link.waiting) == (2, waiting)
    link.release()
    await link.until(lambda: not link.sender.is_full)
    assert link.sender.send(b"in time")
    await link.until(lambda: link.venue.texts[-1] == b"in time")
    assert link.venue.texts == [*sent, b"in time"]
    assert link.client.pauses == [True, False]


@pytest.mark.parametrize("seed", range(3))
def test_any_mix_of_sends_and_reads_keeps_the_order(run: Run, seed: int) -> None:
    @on_link
    async def mix(link: Link) -> None:
        chance = random.Random(seed)
        sent: list[bytes] = []
        was_waiting = False
        for _ in range(400):
            kind = chance.random()
            if kind < 0.9:
                message = chance.randbytes(chance.choice((0, 1, 200, 4000)))
                if link.sender.send(message):
                    sent.append(message)
            else:
                (link.release if kind < 0.95 else link.hold)()
                await asyncio.sleep(0.001)
            was_waiting |= link.waiting > 0
        link.release()
        await link.until(lambda: len(link.venue.texts) == len(sent))
        assert link.venue.texts == sent
        assert was_waiting

    mix(run)


@on_link
async def test_a_peer_that_is_gone(link: Link) -> None:
    link.venue.connections[0].disconnect(False)
    await link.transport.wait_disconnected()
    assert not link.sender.send(b"lost"), "picows itself would say nothing"
    assert link.sender.refused == 1


@on_link
async def test_nothing_is_sent_behind_a_close(link: Link) -> None:
    link.transport.send_close(picows.WSCloseCode.OK)
    assert not link.sender.send(b"lost")


@on_link
async def test_without_a_connection_every_message_is_refused(link: Link) -> None:
    fresh = WsSender()
    assert not fresh.is_attached
    assert not fresh.send(b"lost")
    assert link.sender.is_attached
    link.sender.detach()
    assert [link.sender.is_attached] == [False]
    assert not link.sender.send(b"lost")
    link.sender.attach(link.transport)
    assert link.sender.send(b"found")
    await link.until(lambda: link.venue.texts)
    assert link.venue.texts == [b"found"]


@on_link
async def test_another_connection_starts_clean(link: Link) -> None:
    link.sender.pause()
    assert not link.sender.send(b"lost")
    link.sender.attach(link.transport)
    assert link.sender.send(b"found")
    await link.until(lambda: link.venue.texts)


@on_link
async def test_another_thread_is_told_so(link: Link) -> None:
    """picows refuses it; the error is kept, because the arc has no exceptions."""
    assert link.sender.error == ""
    assert not await asyncio.to_thread(link.sender.send, b"from nowhere")
    assert "wrong thread" in link.sender.error
    assert link.sender.refused == 1
    assert link.sender.send(b"from here")
    await link.until(lambda: link.venue.texts)
    assert link.venue.texts == [b"from here"]


def test_orders_of_the_arc_and_of_the_session_share_the_way(
    run: Run, make_order_rig: MakeRig
) -> None:
    @on_link
    async def place(link: Link) -> None:
        rig = make_order_rig(sender=link.sender, make_encoder=BinanceOrderEncoder)
        rig.scripts[0].waiting.append(rig.new(Side.BUY, 50_000, 1))
        rig.pipeline.call_timers(rig.now_ns)
        assert link.sender.send(b'{"method":"order.status"}')
        rig.scripts[0].waiting.append(rig.new(Side.SELL, 50_000, 1))
        rig.pipeline.call_timers(rig.now_ns + 1)
        await link.until(lambda: len(link.venue.texts) == 3)
        parsed = [orjson.loads(text) for text in link.venue.texts]
        assert [message["method"] for message in parsed] == [
            "order.place",
            "order.status",
            "order.place",
        ]
        assert [message["params"]["side"] for message in parsed[::2]] == ["BUY", "SELL"]

    place(run)
