"""The compiled listener on real connections of picows, under asyncio's loop and uvloop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import picows
import pytest
import uvloop

from ext import ws_listener
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, StaleReason
from ext.ws_listener import FeedListener

TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CONTINUATION, PING = picows.WSMsgType.CONTINUATION, picows.WSMsgType.PING
PATIENCE_S = 10.0
SNAPSHOT = b'{"type":"snapshot","product_id":"BTC-USD","bids":[["1.00","5"]],"asks":[["1.01","7"]]}'
STATUS = b'{"type":"status","n":%d}'

Run = Callable[[Coroutine[Any, Any, None]], None]


def update(number: int) -> bytes:
    return (
        b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","0.%02d","%d"]],'
        b'"time":"2021-04-17T16:43:37Z"}' % (number % 99 + 1, number + 1)
    )


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    chosen: Run = request.param
    return chosen


class Venue(picows.WSListener):
    """Server side: keeps the connection, and the pongs that it got."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []
        self.pongs: list[bytes] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.PONG:
            self.pongs.append(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()


class Link:
    """A venue and a listener on loopback, and everything that the listener said."""

    def __init__(self) -> None:
        table = InstrumentTable()
        table.add("BTC-USD", "0.01", "1")
        self.pipeline = Pipeline(table, CoinbaseExchangeFeed(table))
        self.venue = Venue()
        self.connected: list[picows.WSTransport] = []
        self.disconnected: list[picows.WSTransport] = []
        self.controls: list[tuple[bytes, FeedStatus, int]] = []
        self.notices: list[int] = []
        self.is_taking_notices = True

    async def open(self) -> None:
        self.server = await picows.ws_create_server(lambda _: self.venue, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.client, self.listener = await picows.ws_connect(
            self.make_listener, f"ws://127.0.0.1:{port}/"
        )
        await self.until(lambda: self.venue.connections)

    async def close(self) -> None:
        self.client.disconnect()
        await self.client.wait_disconnected()
        self.server.close()
        await self.server.wait_closed()

    def make_listener(self) -> FeedListener:
        return FeedListener(
            self.pipeline,
            self.connected.append,
            self.disconnected.append,
            self.take_control,
            self.take_notices,
        )

    def take_control(self, payload: bytes, status: int, receive_time_ns: int) -> None:
        self.controls.append((payload, FeedStatus(status), receive_time_ns))

    def take_notices(self, receive_time_ns: int) -> None:
        self.notices.append(receive_time_ns)
        if self.is_taking_notices:
            self.pipeline.take_notices()

    def send(self, message: bytes, kind: Any = TEXT, *, fin: bool = True) -> None:
        self.venue.connections[0].send(kind, message, fin)

    async def until(self, is_true: Callable[[], object]) -> None:
        """Lets the loop work until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Until everything sent so far was received."""
        number = len(self.controls)
        self.send(STATUS % number)
        await self.until(lambda: self.controls and self.controls[-1][0] == STATUS % number)

    @property
    def frames(self) -> int:
        return self.pipeline.counters()["frames"]


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


@on_link
async def test_text_and_binary_frames_reach_the_book(link: Link) -> None:
    link.send(SNAPSHOT)
    link.send(update(10), BINARY)
    await link.flush()
    book = link.pipeline.book(0)
    assert book.state == BookState.LIVE
    assert (book.levels(True), book.levels(False)) == ([(100, 5), (11, 11)], [(101, 7)])
    assert link.pipeline.counters()["frame_bytes"] == len(SNAPSHOT + update(10) + STATUS % 0)


@on_link
async def test_many_frames_keep_their_order(link: Link) -> None:
    link.send(SNAPSHOT)
    for number in range(500):
        link.send(update(number))
    await link.flush()
    expected = {number % 99 + 1: number + 1 for number in range(500)} | {100: 5}
    assert dict(link.pipeline.book(0).levels(True)) == expected
    assert link.frames == 502


@on_link
async def test_receive_time_is_now(link: Link) -> None:
    link.pipeline.memory.header_record()["wall_offset_ns"] = 10**18
    before = time.monotonic_ns()
    await link.flush()
    received_ns = link.controls[-1][2] - 10**18
    assert before <= received_ns <= time.monotonic_ns()
    assert link.pipeline.last_frame_time_ns() == link.controls[-1][2]


@on_link
async def test_what_is_not_decoded_goes_to_python(link: Link) -> None:
    wrong = update(3).replace(b'"4"', b"4")
    for payload in (b'{"type":"subscriptions"}', b"{", b"", b"\xff\x00\xfe", wrong):
        link.send(payload)
    link.send(SNAPSHOT)
    await link.flush()
    assert [(payload, status) for payload, status, _ in link.controls[:-1]] == [
        (b'{"type":"subscriptions"}', FeedStatus.FEED_CONTROL),
        (b"{", FeedStatus.FEED_BAD_JSON),
        (b"", FeedStatus.FEED_BAD_JSON),
        (b"\xff\x00\xfe", FeedStatus.FEED_BAD_JSON),
        (wrong, FeedStatus.FEED_BAD_TYPE),
    ]
    assert all(isinstance(payload, bytes) for payload, _, _ in link.controls)


@on_link
async def test_notices_are_called_for_changes_of_state(link: Link) -> None:
    link.send(SNAPSHOT)
    link.send(update(1))
    link.send(update(2))
    await link.flush()
    assert len(link.notices) == 1
    link.send(b"{")
    await link.flush()
    assert len(link.notices) == 2
    assert link.pipeline.book(0).stale_reason == StaleReason.BAD_FRAME
    assert link.notices[-1] == link.controls[-2][2]


@on_link
async def test_notices_are_called_until_they_are_taken(link: Link) -> None:
    link.is_taking_notices = False
    link.send(SNAPSHOT)
    link.send(update(1))
    await link.flush()
    assert len(link.notices) == 3


@on_link
async def test_fragments_are_joined(link: Link) -> None:
    """A message in three frames, one in many, and one with an empty end."""
    link.send(SNAPSHOT[:10], fin=False)
    link.send(SNAPSHOT[10:40], CONTINUATION, fin=False)
    assert link.frames == 0
    link.send(SNAPSHOT[40:], CONTINUATION)
    message = update(20)
    link.send(message[:1], BINARY, fin=False)
    for at in range(1, len(message) - 1):
        link.send(message[at : at + 1], CONTINUATION, fin=False)
    link.send(message[-1:], CONTINUATION)
    link.send(update(21), fin=False)
    link.send(b"", CONTINUATION)
    await link.flush()
    assert link.pipeline.book(0).levels(True) == [(100, 5), (22, 22), (21, 21)]
    assert link.frames == 4
    assert link.pipeline.counters()["bad_frames"] == 0


@on_link
async def test_ping_between_fragments(link: Link) -> None:
    """RFC 6455, section 5.4: control frames may stand in the middle of a fragmented message."""
    link.send(SNAPSHOT[:30], fin=False)
    link.send(b"are you there", PING)
    link.send(SNAPSHOT[30:], CONTINUATION)
    await link.flush()
    await link.until(lambda: link.venue.pongs)
    assert link.venue.pongs == [b"are you there"]
    assert link.pipeline.book(0).state == BookState.LIVE
    assert link.frames == 2, "a ping is no market data"


@on_link
async def test_message_after_half_a_message(link: Link) -> None:
    link.send(b'{"type":"l2upd', fin=False)
    link.send(SNAPSHOT[:50], fin=False)
    link.send(SNAPSHOT[50:], CONTINUATION)
    await link.flush()
    assert link.pipeline.book(0).state == BookState.LIVE


@on_link
async def test_end_without_a_beginning_ends_the_connection(link: Link) -> None:
    link.send(b"}", CONTINUATION)
    await link.until(lambda: link.disconnected)
    assert link.frames == 0
    assert link.client.is_disconnected


@on_link
async def test_joined_message_has_ended(link: Link) -> None:
    """What continues it is out of place, and ends the connection too."""
    link.send(SNAPSHOT[:50], fin=False)
    link.send(SNAPSHOT[50:], CONTINUATION)
    await link.flush()
    link.send(b" ", CONTINUATION)
    await link.until(lambda: link.disconnected)
    assert link.frames == 2


def test_fragments_up_to_their_bound(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than the bound end the connection, as many as it do not."""
    monkeypatch.setattr(ws_listener, "MAX_FRAGMENTED_BYTES", len(SNAPSHOT))

    async def main() -> None:
        link = Link()
        await link.open()
        link.send(SNAPSHOT[:50], fin=False)
        link.send(SNAPSHOT[50:], CONTINUATION)
        await link.flush()
        assert link.pipeline.book(0).state == BookState.LIVE
        link.send(SNAPSHOT, fin=False)
        await link.flush()
        assert not link.disconnected
        link.send(b" ", CONTINUATION)
        await link.until(lambda: link.disconnected)
        assert link.frames == 3
        await link.close()

    run(main())


def test_bound_of_fragments_is_above_any_snapshot() -> None:
    assert ws_listener.MAX_FRAGMENTED_BYTES >= 10 * 5_000_000


@on_link
async def test_connection_is_told(link: Link) -> None:
    assert len(link.connected) == 1
    assert link.connected == [link.client]
    assert link.disconnected == []
    link.venue.connections[0].disconnect()
    await link.until(lambda: link.disconnected)
    assert link.disconnected == [link.client]


def test_listener_needs_a_pipeline() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match="pipeline"):
        FeedListener(nothing, print, print, print, print)
