# tidy-ok: one property of the whole arc, of no single module
"""Zero Python allocations per tick in steady state: frame, book, strategy, order, report.

``sys.getallocatedblocks`` counts what is alive. 10,000 rounds may leave no more behind than the
loop variables of the test itself; one block kept a round would be 10,000.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import orjson
import picows
import pytest

from bench.arc import SENDER, TARGET, Arc, make_arc, make_binance_arc, make_rest_arc
from bench.frames import PRODUCT, SYMBOL, UNIT_LOTS, GeneratedFrames, generate_frames
from ext.feed_decoder import PADDING
from ext.fix_listener import FixListener
from ext.loop_meter import LoopMeter
from ext.order_sender import CapturingSender
from ext.rest_sender import RestSender
from ext.wire import FeedStatus
from ext.ws_listener import FeedListener
from ext.ws_order_listener import WsOrderListener
from ext.ws_sender import WsSender
from feeds.recording_survey import Product

WARM_UP = 500
ROUNDS = 10_000
LOOP_VARIABLES = 4
SOCKET_OBJECTS = 64  # of the loop and the sockets: buffers, handles, timers
START_NS = 1_767_623_400_000_000_000
GAP_NS = 2_000_000  # 500 orders a second, under the gate's limit
BURST = 50
WORKING_ORDERS = 10  # in flight at once, under the limit of a strategy
PATIENCE_S = 20.0
THRESHOLD_NS = 1_000  # each read is a stall: that keeps nothing either
MARKER = b'{"type":"status"}'

BuildFix = Callable[..., bytes]


@contextmanager
def quiet_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def frames() -> GeneratedFrames:
    return generate_frames(WARM_UP + ROUNDS)


@pytest.fixture
def arc(frames: GeneratedFrames) -> Arc:
    """The arc with a strategy that sends an order on every frame, its book LIVE."""
    arc = make_arc("coinbase_exchange", [PRODUCT], CapturingSender(), unit_lots=UNIT_LOTS)
    arc.pipeline.subscribed(START_NS)
    assert arc.pipeline.receive(frames.snapshot, START_NS) == FeedStatus.FEED_OK
    return arc


def count_kept(rounds: Callable[[int, int], None]) -> int:
    """Blocks that ROUNDS rounds left behind, after a warm-up."""
    with quiet_collector():
        rounds(0, WARM_UP)
        before = sys.getallocatedblocks()
        rounds(WARM_UP, WARM_UP + ROUNDS)
        return sys.getallocatedblocks() - before


def make_reports(arc: Arc, orders: Sequence[tuple[str, str]], build_fix: BuildFix) -> list[bytes]:
    """The venue's answer to each order: every second one is filled, the others are cancelled."""
    first_number = arc.orders.request_number(arc.orders.client_order_id(1))
    reports = []
    for number, (price, quantity) in enumerate(orders, first_number):
        is_fill = number % 2
        fields = [
            (49, TARGET),
            (56, SENDER),
            (34, number),
            (52, "20260105-14:30:00.000"),
            (37, f"V{number}"),
            (11, arc.orders.client_order_id(number)),
            (17, f"X{number}"),
            (150, "F" if is_fill else "4"),
            (39, "2" if is_fill else "4"),
            (55, SYMBOL),
            (54, "1"),
            (31, price if is_fill else "0"),
            (32, quantity if is_fill else "0"),
            (14, quantity if is_fill else "0"),
            (151, "0"),
            (60, "20260105-14:30:00.000001"),
        ]
        reports.append(build_fix("8", fields))
    return reports


def test_arc_keeps_nothing(arc: Arc, frames: GeneratedFrames, fix_builder: BuildFix) -> None:
    kept: list[bytes] = []
    listener = FixListener(
        arc.store,
        arc.pipeline,
        arc.decoder,
        kept.append,
        lambda *_: None,
        kept.append,
        meter=LoopMeter(arc.pipeline.memory, THRESHOLD_NS),
    )
    # The snapshot was a tick too: its order is answered first.
    payloads = [[MARKER + PADDING], *([frame + PADDING] for frame in frames.updates)]
    snapshot_order = (frames.orders[0][0], f"{UNIT_LOTS / 1e8:.8f}")
    reports = make_reports(arc, [snapshot_order, *frames.orders], fix_builder)

    def rounds(first: int, behind: int) -> None:
        for index in range(first, behind):
            arc.pipeline.receive_padded(payloads[index], START_NS + index * GAP_NS)
            listener.receive(reports[index])

    left = count_kept(rounds)
    counters = arc.pipeline.counters()
    total = WARM_UP + ROUNDS
    assert kept == [], "every report was taken by the arc"
    assert (counters["bad_frames"], counters["rejected"], counters["stale_count"]) == (0, 0, 0)
    assert counters["orders_sent"] == counters["reports"] == total
    assert counters["fills"] == total // 2
    assert counters["deltas"] > 20 * ROUNDS
    assert abs(left) <= LOOP_VARIABLES


def test_refused_intents_and_frames_keep_nothing(arc: Arc, frames: GeneratedFrames) -> None:
    """Without reports the gate refuses the seventeenth order; bad frames need a new snapshot."""
    cycle = [frames.snapshot + PADDING, *(frame + PADDING for frame in frames.updates[:7])]
    cycle += [b"{" + PADDING, frames.updates[7] + PADDING]

    def rounds(first: int, behind: int) -> None:
        for index in range(first, behind, len(cycle)):
            arc.pipeline.receive_padded(cycle, START_NS + index * GAP_NS, GAP_NS)

    left = count_kept(rounds)
    counters = arc.pipeline.counters()
    assert counters["stale_count"] == counters["bad_frames"] == (WARM_UP + ROUNDS) // len(cycle)
    assert counters["rejected"] > ROUNDS // 2
    assert abs(left) <= LOOP_VARIABLES


def binance_frames(count: int) -> list[bytes]:
    """A snapshot and updates that follow it, a quote and a trade in front of each."""
    levels = [[f"{60_000 + n}.10", "1.500"] for n in range(-10, 11)]
    body = {"lastUpdateId": 1, "bids": levels[:10], "asks": levels[11:]}
    frames: list[dict[str, Any]] = [{"stream": "btcusdt@depth", "data": body}]
    for number in range(1, count + 1):
        bids = [
            [f"{59_990 + n}.10", f"{number % 100}.{number % 1000:03}"] for n in range(number % 9)
        ]
        asks = [["60005.10", "0.000" if number % 2 else "12.000"], ["90000.10", f"{number}"]]
        update = {"e": "depthUpdate", "E": number, "s": "BTCUSDT", "U": number, "u": number}
        quote = {"u": number, "s": "BTCUSDT", "b": "60000.10", "B": "1", "a": "60001.10", "A": "1"}
        trade = {"e": "trade", "E": 1, "T": 1, "s": "BTCUSDT", "t": number, "p": "1", "q": "1"}
        events = [{**trade, "m": True}, quote, {**update, "pu": number - 1, "b": bids, "a": asks}]
        frames += [{"stream": "btcusdt@any", "data": event} for event in events]
    return [orjson.dumps(frame) + PADDING for frame in frames]


def test_binance_frames_keep_nothing() -> None:
    """With an order on every update; nobody answers, so the gate refuses most of them."""
    product = Product("BTCUSDT", "0.1", "0.001", is_inferred=False)
    arc = make_arc("binance_usdm", [product], CapturingSender())
    snapshot, *payloads = binance_frames(WARM_UP + ROUNDS)
    arc.pipeline.subscribed(START_NS)
    arc.pipeline.receive_padded([snapshot], START_NS)
    rows = [payloads[3 * index : 3 * index + 3] for index in range(WARM_UP + ROUNDS)]

    def rounds(first: int, behind: int) -> None:
        for index in range(first, behind):
            arc.pipeline.receive_padded(rows[index], START_NS + index * GAP_NS)

    left = count_kept(rounds)
    counters = arc.pipeline.counters()
    assert (counters["bad_frames"], counters["stale_count"], counters["gaps"]) == (0, 0, 0)
    assert counters["trades"] == WARM_UP + ROUNDS
    assert counters["accepted"] + counters["rejected"] >= ROUNDS
    assert counters["deltas"] > 5 * ROUNDS
    assert abs(left) <= LOOP_VARIABLES


def kraken_checksum(*numbers: int) -> int:
    return crc32("".join(map(str, numbers)).encode())


# A snapshot, an update, a trade, a heartbeat, one frame that makes the book STALE; a tick of 0.1.
VENUE_FRAMES: dict[str, list[Any]] = {
    "gemini": [
        {"type": "l2_updates", "symbol": "A/B", "trades": [],
         "changes": [["buy", "5.0", "1"], ["sell", "5.2", "1"]]},
        {"changes": [["sell", "5.1", "2"], ["buy", "4.9", "3"]], "symbol": "A/B",
         "type": "l2_updates"},
        {"type": "trade", "symbol": "A/B", "event_id": 7, "timestamp": 1, "price": "5.1",
         "quantity": "1", "side": "buy"},
        {"type": "heartbeat", "timestamp": 2},
        {"type": "l2_updates", "symbol": "A/B", "changes": [["buy", "5.1", "1"]]},
    ],
    "kraken": [
        {"channel": "book", "type": kind, "data": [
            {"symbol": "A/B", "bids": [{"price": bid, "qty": 1}],
             "asks": [{"price": 5.2, "qty": 2}], "checksum": check,
             "timestamp": "2023-07-30T15:29:58.343415Z"}]}
        for kind, bid, check in (
            ("snapshot", 5, kraken_checksum(52, 2, 50, 1)),
            ("update", 5.1, kraken_checksum(52, 2, 51, 1)),
            ("update", 5.0, 7),
        )
    ],
    "kraken_v1": [
        [1, {"as": [["5.2", "2", "1.5"]], "bs": [["5.0", "1", "1.5"]]}, "book-1", "A/B"],
        [1, {"b": [["5.1", "1", "1.5"]], "c": str(kraken_checksum(52, 2, 51, 1))}, "book-1", "A/B"],
        [1, [["5.1", "1", "1.5", "b", "l", ""]], "trade", "A/B"],
        {"event": "heartbeat"},
        [1, {"b": [["5.0", "1", "1.5"]], "c": "7"}, "book-1", "A/B"],
    ],
}  # fmt: skip


@pytest.mark.parametrize("venue", VENUE_FRAMES)
def test_frames_of_every_venue_keep_nothing(venue: str) -> None:
    product = Product("A/B", "0.1", "1", is_inferred=False, depth=1)
    arc = make_arc(venue, [product], CapturingSender())
    arc.pipeline.subscribed(START_NS)
    cycle = [orjson.dumps(frame) + PADDING for frame in VENUE_FRAMES[venue]]
    cycles = (WARM_UP + ROUNDS) // len(cycle)

    def rounds(first: int, behind: int) -> None:
        for index in range(first, behind, len(cycle)):
            arc.pipeline.receive_padded(cycle, START_NS + index * GAP_NS, GAP_NS)

    left = count_kept(rounds)
    counters = arc.pipeline.counters()
    assert counters["bad_frames"] == counters["control_frames"] == 0
    assert counters["stale_count"] >= cycles, "each cycle ends in a STALE book"
    assert counters["intents"] >= 2 * cycles, "and was LIVE before"
    assert abs(left) <= LOOP_VARIABLES


def test_a_kept_object_is_seen(arc: Arc, fix_builder: BuildFix) -> None:
    """The control: messages for the session are Python objects, and this test keeps them."""
    kept: list[bytes] = []
    listener = FixListener(
        arc.store, arc.pipeline, arc.decoder, kept.append, lambda *_: None, kept.append
    )
    heartbeat = fix_builder("0", [(49, TARGET), (56, SENDER), (34, 1), (52, "20260105-14:30:00")])

    def rounds(first: int, behind: int) -> None:
        for _ in range(first, behind):
            listener.receive(heartbeat)

    assert count_kept(rounds) >= ROUNDS
    assert len(kept) == WARM_UP + ROUNDS


class Venue(picows.WSListener):
    """Server side: keeps the connection."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)


@pytest.mark.parametrize("is_keeping", [False, True])
async def test_listener_keeps_nothing(arc: Arc, frames: GeneratedFrames, is_keeping: bool) -> None:
    """10,000 frames over a real connection; the control keeps one object a frame."""
    venue = Venue()
    server = await picows.ws_create_server(lambda _: venue, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    arrived = asyncio.Event()
    kept: list[object] = []

    def take_control(payload: bytes, status: int, receive_time_ns: int) -> None:
        arrived.set()

    def nothing(_: object) -> None:
        return

    meter = LoopMeter(arc.pipeline.memory, THRESHOLD_NS)
    client, _ = await picows.ws_connect(
        lambda: FeedListener(arc.pipeline, nothing, nothing, take_control, nothing, meter),
        f"ws://127.0.0.1:{port}/",
    )

    async def rounds(first: int, behind: int) -> None:
        for start in range(first, behind, BURST):
            arrived.clear()
            for index in range(start, start + BURST):
                venue.connections[0].send(picows.WSMsgType.TEXT, frames.updates[index])
                if is_keeping:
                    kept.append(object())
            venue.connections[0].send(picows.WSMsgType.TEXT, MARKER)
            await asyncio.wait_for(arrived.wait(), PATIENCE_S)

    with quiet_collector():
        await rounds(0, WARM_UP)
        before = sys.getallocatedblocks()
        await rounds(WARM_UP, WARM_UP + ROUNDS)
        left = sys.getallocatedblocks() - before
    counters = arc.pipeline.counters()
    client.disconnect()
    await client.wait_disconnected()
    server.close()
    await server.wait_closed()
    assert counters["bad_frames"] == counters["stale_count"] == 0
    assert counters["frames"] == 1 + (WARM_UP + ROUNDS) // BURST * (BURST + 1)
    # What the sockets and the loop take or give back meanwhile is as little in either case.
    assert abs(left - (ROUNDS if is_keeping else 0)) <= SOCKET_OBJECTS


EXPIRED = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","s":"BTC-USD","c":"%b","S":"BUY",'
    b'"x":"EXPIRED","X":"EXPIRED","q":"1.0","z":"0.0","p":"1.00","i":5,"T":1767623400000,"t":-1}}'
)


class OrderVenue(Venue):
    """Ends each order unfilled, by a report on the same connection."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            client_order_id = frame.get_payload_as_bytes()[7:43]  # behind {"id":"
            transport.send(picows.WSMsgType.TEXT, EXPIRED % client_order_id)
        else:
            transport.disconnect()


async def test_orders_by_websocket_keep_nothing(frames: GeneratedFrames) -> None:
    """10,000 orders and their reports over one real connection."""
    sender = WsSender()
    arc = make_binance_arc("coinbase_exchange", [PRODUCT], sender, unit_lots=UNIT_LOTS)
    venue = OrderVenue()
    server = await picows.ws_create_server(lambda _: venue, "127.0.0.1", 0)
    told: list[object] = []
    client, _ = await picows.ws_connect(
        lambda: WsOrderListener(
            arc.pipeline,
            arc.decoder,
            sender,
            lambda transport: None,
            lambda transport: None,
            lambda payload, status: told.append(payload),
            told.append,
            lambda now_ns: None,
        ),
        f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/",
    )
    header = arc.pipeline.memory.header_record()
    arc.pipeline.subscribed(START_NS)
    assert arc.pipeline.receive(frames.snapshot, START_NS) == FeedStatus.FEED_OK

    async def rounds(first: int, behind: int) -> None:
        for start in range(first, behind, WORKING_ORDERS):
            for index in range(start, start + WORKING_ORDERS):
                payload = frames.updates[index] + PADDING
                arc.pipeline.receive_padded([payload], START_NS + (1 + index) * GAP_NS)
            deadline = time.monotonic() + PATIENCE_S
            while header["reports"] < header["orders_sent"]:
                assert time.monotonic() < deadline, "reports did not come in time"
                await asyncio.sleep(0)

    with quiet_collector():
        await rounds(0, WARM_UP // WORKING_ORDERS * WORKING_ORDERS)
        before = sys.getallocatedblocks()
        await rounds(WARM_UP, WARM_UP + ROUNDS)
        left = sys.getallocatedblocks() - before
    counters = arc.pipeline.counters()
    client.disconnect()
    await client.wait_disconnected()
    server.close()
    await server.wait_closed()
    assert (told, counters["rejected"], counters["unknown_reports"]) == ([], 0, 0)
    assert counters["orders_sent"] == counters["reports"] > ROUNDS
    assert abs(left) <= SOCKET_OBJECTS


def test_orders_by_rest_keep_nothing(frames: GeneratedFrames) -> None:
    """10,000 signed requests on one socket; the answers, which are read by Python, are left out."""
    socket = CapturingSender(1 << 20)
    arc = make_rest_arc("coinbase_exchange", [PRODUCT], [socket], unit_lots=UNIT_LOTS)
    sender = arc.sender
    assert isinstance(sender, RestSender)
    sender.open(0)
    arc.pipeline.subscribed(START_NS)
    assert arc.pipeline.receive(frames.snapshot, START_NS) == FeedStatus.FEED_OK

    def refuse(now_ns: int) -> None:
        assert arc.pipeline.reject_request(arc.store.next_outgoing - 1, 0, now_ns)
        sender.release(0)

    def rounds(first: int, behind: int) -> None:
        for index in range(first, behind):
            now_ns = START_NS + (1 + index) * GAP_NS
            arc.pipeline.receive_padded([frames.updates[index] + PADDING], now_ns)
            refuse(now_ns)

    refuse(START_NS)  # the snapshot has its order too
    with quiet_collector():
        rounds(0, WARM_UP)
        before = sys.getallocatedblocks()
        rounds(WARM_UP, WARM_UP + ROUNDS)
        left = sys.getallocatedblocks() - before
    assert sender.sent_count == socket.count == 1 + WARM_UP + ROUNDS
    assert sender.waiting_count == 0
    assert abs(left) <= 2, "the collector's own"
