"""Several frames in one read, and frames cut anywhere: the same books, however the bytes come.

The bytes are put into picows' own buffer, so that a test decides what one read holds.
"""
# tidy-ok: the reads of ext/ws_listener.pyx, with the pipeline's conflation

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import picows
import pytest

from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.wire import BookState, RecordKind, Side
from ext.ws_listener import FeedListener

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

TEXT, PING, CONTINUATION = 0x1, 0x9, 0x0
INSTRUMENTS = [("BTC-USD", "0.01", "0.00000001"), ("ETH-USD", "0.01", "0.00000001")]
EVENTS = {"on_book": None, "on_trade": None, "on_bar": None, "on_fill": None}
STATUS = b'{"type":"status"}'


def websocket_frame(payload: bytes, kind: int = TEXT, *, fin: bool = True) -> bytes:
    """A frame as a server sends it (RFC 6455, section 5.2): not masked."""
    first = bytes([kind | (0x80 if fin else 0)])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    return first + bytes([126]) + len(payload).to_bytes(2, "big") + payload


def snapshot(symbol: str) -> bytes:
    return (
        f'{{"type":"snapshot","product_id":"{symbol}","bids":[["499.00","1.0"]],'
        f'"asks":[["501.00","1.0"]]}}'
    ).encode()


def update(symbol: str, price: str, quantity: str, side: str = "buy") -> bytes:
    return (
        f'{{"type":"l2update","product_id":"{symbol}","changes":[["{side}","{price}",'
        f'"{quantity}"]],"time":"2026-01-05T14:30:00.000000Z"}}'
    ).encode()


def match(symbol: str, trade_id: int) -> bytes:
    return (
        f'{{"type":"match","trade_id":{trade_id},"sequence":{trade_id},"maker_order_id":"a",'
        f'"taker_order_id":"b","time":"2026-01-05T14:30:{trade_id % 60:02d}.000000Z",'
        f'"product_id":"{symbol}","size":"0.01","price":"500.00","side":"sell"}}'
    ).encode()


@dataclass
class Feed:
    """A listener on a connection whose bytes the test delivers."""

    rig: "OrderRig"
    protocol: asyncio.BufferedProtocol
    pongs: list[bytes]
    meter: LoopMeter
    errors: list[Exception]

    def read(self, data: bytes) -> None:
        """One read of the socket brings ``data``."""
        memory = self.protocol.get_buffer(-1)
        memory[: len(data)] = data  # type: ignore[index]
        self.protocol.buffer_updated(len(data))

    def hooks(self, instrument: int = 0) -> list[str]:
        """Hooks called for an instrument since the last call, in order."""
        seen = [name for name, _ in self.rig.scripts[instrument].seen]
        self.rig.scripts[instrument].seen.clear()
        return seen

    def books(self) -> list[Any]:
        books = [self.rig.pipeline.book(index) for index in range(len(INSTRUMENTS))]
        return [(book.state, book.levels(True), book.levels(False)) for book in books]


class Venue(picows.WSListener):
    """The other side: keeps pongs."""

    def __init__(self, pongs: list[bytes]) -> None:
        self._pongs = pongs

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.PONG:
            self._pongs.append(frame.get_payload_as_bytes())


@pytest.fixture
def run_feed(
    make_order_rig: Callable[..., "OrderRig"],
) -> Callable[..., "OrderRig"]:
    """``run_feed(test, is_conflating=True)`` runs ``test(feed)`` on a loop of its own."""

    def run(test: Callable[[Feed], Any], *, is_conflating: bool) -> "OrderRig":
        rig = make_order_rig(
            instruments=INSTRUMENTS,
            strategies=(0, 1),
            events=EVENTS,
            bar_interval_ns=1_000_000_000,
            is_conflating=is_conflating,
        )
        meter = LoopMeter(rig.memory, 10**15)
        errors: list[Exception] = []

        def take_control(payload: bytes, status: int, receive_time_ns: int) -> None:
            if errors:
                raise errors.pop()

        async def main() -> None:
            pongs: list[bytes] = []
            server = await picows.ws_create_server(lambda _: Venue(pongs), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            client, _ = await picows.ws_connect(
                lambda: FeedListener(
                    rig.pipeline,
                    lambda _: None,
                    lambda _: None,
                    take_control,
                    lambda _: rig.pipeline.take_notices(),
                    meter,
                ),
                f"ws://127.0.0.1:{port}/",
                enable_auto_pong=False,
            )
            protocol: Any = client.underlying_transport.get_protocol()
            feed = Feed(rig, protocol, pongs, meter, errors)
            for symbol, _, _ in INSTRUMENTS:
                feed.read(websocket_frame(snapshot(symbol)))
            feed.hooks(0), feed.hooks(1)
            try:
                result = test(feed)
                if result is not None:
                    await result
            finally:
                client.disconnect(graceful=False)
                with contextlib.suppress(picows.WSError, ValueError):
                    await client.wait_disconnected()
                server.close()
                await server.wait_closed()

        asyncio.run(main())
        return rig

    return run


Run = Callable[..., "OrderRig"]


def test_each_frame_is_decided_on_without_conflation(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        frames = [update("BTC-USD", f"49{number}.00", "1.0") for number in range(5)]
        feed.read(b"".join(map(websocket_frame, frames)))
        assert feed.hooks() == ["on_book"] * 5
        assert feed.rig.counters()["conflated_updates"] == 0

    run_feed(check, is_conflating=False)


def test_a_read_is_decided_on_once_with_the_newest_book(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        frames = [update("BTC-USD", f"49{number}.00", "1.0") for number in range(5)]
        frames.insert(2, update("ETH-USD", "499.50", "3.0"))
        before = feed.rig.pipeline.book(0).update_count
        conflated = feed.rig.counters()["conflated_updates"]
        feed.rig.scripts[0].waiting.append(feed.rig.new(Side.BUY, 49_000, 1_000_000))
        feed.rig.records()
        feed.read(b"".join(map(websocket_frame, frames)))
        assert feed.rig.pipeline.book(0).update_count == before + 5, "all of them are applied"
        assert (feed.hooks(0), feed.hooks(1)) == (["on_book"], ["on_book"])
        (decision,) = feed.rig.records(RecordKind.RECORD_DECISION)
        assert decision["best_bid_ticks"] == 49_900
        assert len(feed.rig.sent()) == 1
        assert feed.rig.counters()["conflated_updates"] == conflated + 4

    run_feed(check, is_conflating=True)


def test_one_frame_a_read_is_decided_on_at_once(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        for number in range(4):
            feed.read(websocket_frame(update("BTC-USD", f"49{number}.00", "1.0")))
            assert feed.hooks() == ["on_book"]

    run_feed(check, is_conflating=True)


def test_no_trade_and_no_bar_is_left_out(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        frames = []
        for number in range(1, 6):
            frames += [match("BTC-USD", number), update("BTC-USD", "498.00", f"{number}.0")]
        feed.read(b"".join(map(websocket_frame, frames)))
        hooks = feed.hooks()
        assert hooks.count("on_trade") == 5
        assert hooks.count("on_bar") == 4
        assert hooks.count("on_book") == 1
        assert hooks[-1] == "on_book"

    run_feed(check, is_conflating=True)


@pytest.mark.parametrize(
    "last",
    [
        websocket_frame(STATUS),
        websocket_frame(b"hello", PING),
        websocket_frame(b'{"type":"l2upd', fin=False),
        websocket_frame(update("BTC-USD", "497.00", "1.0"))[:-7],
        websocket_frame(match("ETH-USD", 1)),
        websocket_frame(b"{"),
    ],
    ids=["control", "ping", "fragment", "cut frame", "trade", "garbage"],
)
def test_whatever_ends_the_read(run_feed: Run, last: bytes) -> None:
    """A decision is never left for the next read; a frame that is refused takes the book away."""

    def check(feed: Feed) -> None:
        feed.read(websocket_frame(update("BTC-USD", "498.00", "1.0")) + last)
        is_live = feed.rig.pipeline.book(0).state == BookState.LIVE
        assert feed.hooks() == (["on_book"] if is_live else [])
        assert is_live == (last != websocket_frame(b"{"))

    run_feed(check, is_conflating=True)


def test_a_ping_inside_of_a_read_is_answered(run_feed: Run) -> None:
    async def check(feed: Feed) -> None:
        frame = websocket_frame(update("BTC-USD", "498.00", "1.0"))
        feed.read(frame + websocket_frame(b"you?", PING) + frame)
        assert feed.hooks() == ["on_book"]
        for _ in range(1000):
            if feed.pongs:
                break
            await asyncio.sleep(0.001)
        assert feed.pongs == [b"you?"]

    run_feed(check, is_conflating=True)


def test_a_book_that_went_stale_in_the_same_read_is_not_decided_on(run_feed: Run) -> None:
    """Its orders are cancelled at once, the other book is decided on."""

    def check(feed: Feed) -> None:
        rig = feed.rig
        rig.scripts[0].waiting.append(rig.new(Side.BUY, 49_000, 1_000_000))
        feed.read(websocket_frame(update("BTC-USD", "498.00", "1.0")))
        (order,) = rig.sent()
        rig.report(rig.order_table.request_number(order[11]), "0", "0", t38="0.01")
        feed.hooks()
        frames = [
            update("ETH-USD", "498.00", "1.0"),
            update("BTC-USD", "497.00", "1.0"),
            update("BTC-USD", "502.00", "1.0"),  # crossed
            update("ETH-USD", "497.00", "1.0"),
        ]
        feed.read(b"".join(map(websocket_frame, frames)))
        assert rig.pipeline.book(0).state == BookState.STALE
        assert (feed.hooks(0), feed.hooks(1)) == ([], ["on_book"])
        assert [message[35] for message in rig.sent()] == ["F"]
        feed.read(websocket_frame(snapshot("BTC-USD")))
        assert feed.hooks(0) == ["on_book"]

    run_feed(check, is_conflating=True)


def test_a_callback_that_raises_leaves_no_decision_behind(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        feed.errors.append(ValueError("a defect"))
        feed.read(websocket_frame(update("BTC-USD", "498.00", "1.0")) + websocket_frame(STATUS))
        assert feed.hooks() == ["on_book"]
        assert feed.meter.enter(LoopSource.LOOP_BACKGROUND) == LoopSource.LOOP_IDLE

    run_feed(check, is_conflating=True)


def test_a_read_is_one_cycle_of_the_loop(run_feed: Run) -> None:
    def check(feed: Feed) -> None:
        frame = websocket_frame(update("BTC-USD", "498.00", "1.0"))
        before = feed.rig.counters()["loop_cycles"]
        feed.read(frame * 7)
        feed.read(frame[:20])
        feed.read(frame[20:] + websocket_frame(STATUS) + frame)
        assert feed.rig.counters()["loop_cycles"] == before + 2, "20 bytes hold no frame"

    run_feed(check, is_conflating=False)


def session_frames(seed: int) -> list[bytes]:
    """Updates and trades of both products; at the end each side is told whole."""
    chance = random.Random(seed)
    frames = []
    for number in range(1, 60):
        symbol = chance.choice(INSTRUMENTS)[0]
        if chance.random() < 0.2:
            frames.append(match(symbol, number))
        elif chance.random() < 0.5:
            frames.append(update(symbol, f"49{chance.randrange(9)}.00", str(chance.randrange(4))))
        else:
            price = f"50{chance.randrange(1, 9)}.00"
            frames.append(update(symbol, price, str(chance.randrange(4)), "sell"))
    return frames


def cuts(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    edges = [0, *sorted(places), len(data)]
    for start, end in itertools.pairwise(edges):
        if end > start:
            yield data[start:end]


@pytest.mark.parametrize("is_conflating", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_same_bytes_in_any_reads_give_the_same_books(
    run_feed: Run, seed: int, is_conflating: bool
) -> None:
    """Without conflation the same calls too, and with it the same trades."""
    data = b"".join(map(websocket_frame, session_frames(seed)))
    chance = random.Random(seed)
    ways: list[list[int]] = [[]]  # one read
    ways += [[chance.randrange(len(data)) for _ in range(count)] for count in (1, 7, 60)]
    ways.append(list(range(len(data))))  # a byte a read
    outcomes = []

    for places in ways:

        def check(feed: Feed, places: Sequence[int] = places) -> None:
            for part in cuts(data, places):
                feed.read(part)
            hooks = [feed.hooks(index) for index in range(len(INSTRUMENTS))]
            if is_conflating:
                hooks = [[name for name in names if name != "on_book"] for names in hooks]
            outcomes.append((feed.books(), hooks))

        rig = run_feed(check, is_conflating=is_conflating)
        assert rig.counters()["bad_frames"] == 0
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0][0][0][0] == BookState.LIVE
