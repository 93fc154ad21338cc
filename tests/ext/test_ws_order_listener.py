"""The listener of an order session on real connections of picows, under both loops."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import picows
import pytest
import uvloop

from ext.codecs.binance_report import AnswerStatus, BinanceReportDecoder
from ext.wire import OrderState, Side
from ext.ws_order_listener import WsOrderListener
from ext.ws_sender import WsSender
from tests.ext.binance_rig import TIME_MS, BinanceRig

TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CONTINUATION = picows.WSMsgType.CONTINUATION
PATIENCE_S = 10.0
MAX_FRAGMENTED_BYTES = 1 << 20
PRICE = 50_000

Run = Callable[[Coroutine[Any, Any, None]], None]
MakeRig = Callable[..., Any]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    chosen: Run = request.param
    return chosen


class Venue(picows.WSListener):
    """Server side: keeps the connection and the requests."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []
        self.requests: list[dict[str, Any]] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        else:
            self.requests.append(orjson.loads(frame.get_payload_as_bytes()))


class Link:
    """An order side whose sender and listener share a connection to a venue."""

    def __init__(self, make_order_rig: MakeRig) -> None:
        self.venue = Venue()
        self.sender = WsSender()
        self.side = BinanceRig(make_order_rig)
        self.states: list[str] = []
        self.messages: list[tuple[bytes, AnswerStatus]] = []
        self.bad_reports: list[bytes] = []
        self.notices: list[int] = []
        self.listener = WsOrderListener(
            self.side.rig.pipeline,
            BinanceReportDecoder(self.side.rig.table, self.side.rig.order_table),
            self.sender,
            lambda transport: self.states.append(f"up {self.sender.is_attached}"),
            lambda transport: self.states.append(f"down {self.sender.is_attached}"),
            lambda payload, status: self.messages.append((payload, status)),
            self.bad_reports.append,
            self.notices.append,
        )

    async def open(self) -> None:
        self.server = await picows.ws_create_server(lambda _: self.venue, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.client, _ = await picows.ws_connect(lambda: self.listener, f"ws://127.0.0.1:{port}/")
        await self.until(lambda: self.venue.connections)

    async def close(self) -> None:
        self.client.disconnect(False)
        await self.client.wait_disconnected()
        self.server.close()
        await self.server.wait_closed()

    def send(self, message: bytes, kind: Any = TEXT, *, fin: bool = True) -> None:
        self.venue.connections[0].send(kind, message, fin)

    async def until(self, is_true: Callable[[], object]) -> None:
        """Lets the loop work until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0)

    def event(self, kind: str, state: str, **changes: Any) -> bytes:
        fields = self.side.fields(1, kind, state, **changes)
        return orjson.dumps({"subscriptionId": 0, "event": fields})

    def state(self) -> OrderState:
        return OrderState(int(self.side.rig.order(1)["state"]))


def on_link(test: Callable[[Link], Awaitable[None]]) -> Callable[[Run, MakeRig], None]:
    """Makes a test function of a coroutine over an open link."""

    def run_test(run: Run, make_order_rig: MakeRig) -> None:
        async def main() -> None:
            link = Link(make_order_rig)
            await link.open()
            try:
                await test(link)
            finally:
                await link.close()

        run(main())

    run_test.__doc__ = test.__doc__
    return run_test


@on_link
async def test_reports_go_to_the_order_and_the_rest_to_the_session(link: Link) -> None:
    link.side.place(Side.BUY, PRICE, 100)
    link.send(b'{"id":"logon","status":200,"result":{}}')
    link.send(link.event("NEW", "NEW"))
    link.send(link.event("NEW", "NEW", q="x"), BINARY)
    await link.until(lambda: link.bad_reports)
    assert link.state() == OrderState.NEW
    assert link.messages == [
        (b'{"id":"logon","status":200,"result":{}}', AnswerStatus.ANSWER_OTHER)
    ]
    assert link.bad_reports == [link.event("NEW", "NEW", q="x")]
    assert link.notices == []


@on_link
async def test_a_broken_invariant_is_told_with_its_time(link: Link) -> None:
    before_ns = time.time_ns()
    link.send(link.event("TRADE", "FILLED", l="0.001", L="500", t=1, c="not ours"))
    await link.until(lambda: link.notices)
    assert link.side.rig.gate.is_paused
    # The rig's wall clock: its start, and what has passed since.
    assert link.notices[0] < before_ns + 10**18


@on_link
async def test_the_sender_follows_the_connection(link: Link) -> None:
    assert link.states == ["up True"]
    assert link.sender.send(b"{}")
    await link.until(lambda: link.venue.requests)
    link.venue.connections[0].disconnect(False)
    await link.client.wait_disconnected()
    assert link.states == ["up True", "down False"]
    assert not link.sender.send(b"{}")


@on_link
async def test_the_sender_stops_while_the_peer_leaves_too_much_unread(link: Link) -> None:
    link.venue.connections[0].underlying_transport.pause_reading()
    sent = 0
    while link.sender.send(b'{"pad":"%s"}' % (b"x" * 4_000)):
        sent += 1
    assert link.sender.is_full
    link.venue.connections[0].underlying_transport.resume_reading()
    await link.until(lambda: not link.sender.is_full)
    await link.until(lambda: len(link.venue.requests) == sent)
    assert link.sender.send(b"{}")


@pytest.mark.parametrize("parts", [2, 3, 50])
def test_a_message_in_fragments(run: Run, make_order_rig: MakeRig, parts: int) -> None:
    @on_link
    async def receive(link: Link) -> None:
        link.side.place(Side.BUY, PRICE, 100)
        message = link.event("NEW", "NEW")
        size = len(message) // parts
        for at in range(parts):
            kind = TEXT if at == 0 else CONTINUATION
            end = (at + 1) * size if at < parts - 1 else len(message)
            link.send(message[at * size : end], kind, fin=at == parts - 1)
        await link.until(lambda: link.state() == OrderState.NEW)
        assert link.bad_reports == []

    receive(run, make_order_rig)


@on_link
async def test_a_fragment_without_a_beginning_ends_the_connection(link: Link) -> None:
    link.send(b"}", CONTINUATION)
    await link.client.wait_disconnected()
    assert link.states[-1] == "down False"


@on_link
async def test_fragments_beyond_the_limit_end_the_connection(link: Link) -> None:
    half = b" " * (MAX_FRAGMENTED_BYTES // 2)
    link.send(half, fin=False)
    link.send(half, CONTINUATION, fin=False)
    link.send(b"{}", CONTINUATION)
    await link.client.wait_disconnected()
    assert link.messages == []


@on_link
async def test_fragments_up_to_the_limit_are_a_message(link: Link) -> None:
    link.send(b" " * (MAX_FRAGMENTED_BYTES - 2), fin=False)
    link.send(b"{}", CONTINUATION)
    await link.until(lambda: link.messages)
    assert len(link.messages[0][0]) == MAX_FRAGMENTED_BYTES


# What the venue tells when it is asked.


@pytest.fixture
def rig(make_order_rig: MakeRig) -> BinanceRig:
    return BinanceRig(make_order_rig)


def state(rig: BinanceRig, number: int) -> OrderState:
    return OrderState(int(rig.rig.order(number)["state"]))


def ask(rig: BinanceRig, number: int) -> None:
    """The connection was lost and the order is Unknown."""
    rig.rig.order_table.mark_unknown(rig.rig.now_ns)
    assert state(rig, number) == OrderState.UNKNOWN


def place_and_replace(rig: BinanceRig) -> tuple[int, int]:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.event(number, "NEW", "NEW")
    return number, rig.request(rig.rig.replace(number, PRICE - 1, 200))


def told(status: str, executed: str = "0.00000000", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 12_569_099_453,
        "clientOrderId": "whatever",
        "price": "500.00000000",
        "origQty": "0.00100000",
        "executedQty": executed,
        "status": status,
        "side": "BUY",
        "updateTime": TIME_MS,
        **changes,
    }


def trade(identity: int, quantity: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": identity,
        "orderId": 12_569_099_453,
        "price": "500.00000000",
        "qty": quantity,
        "commission": "0.00050000",
        "commissionAsset": "USDT",
        "time": TIME_MS,
        "isBuyer": True,
        "isMaker": True,
    }


def test_an_unknown_order_that_works(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    ask(rig, number)
    assert rig.listener.apply_told(rig.name(number), told("NEW"), [])
    assert state(rig, number) == OrderState.NEW
    assert rig.rig.order(number)["venue_order_id"] == b"12569099453"


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "REJECTED"])
def test_an_unknown_order_that_ended(rig: BinanceRig, status: str) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    ask(rig, number)
    assert rig.listener.apply_told(rig.name(number), told(status), [])
    assert state(rig, number) == OrderState[status]
    assert rig.rig.position()["open_buy_lots"] == 0


def test_fills_that_were_missed_count_once(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 40, 40, "PARTIALLY_FILLED", t=5)
    ask(rig, number)
    trades = [trade(5, "0.00040000"), trade(6, "0.00060000")]
    assert rig.listener.apply_told(rig.name(number), told("FILLED", "0.00100000"), trades)
    assert state(rig, number) == OrderState.FILLED
    position = rig.rig.position()
    assert (position["position_lots"], position["fill_count"]) == (100, 2)
    assert not rig.rig.gate.is_paused
    rig.fill(number, 60, 100, "FILLED", t=6)
    assert rig.rig.position()["position_lots"] == 100, "an event that comes late after all"


def test_fills_that_nobody_can_tell_pause_the_engine(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    ask(rig, number)
    trades = [trade(6, "0.00060000")]
    assert rig.listener.apply_told(rig.name(number), told("FILLED", "0.00100000"), trades)
    assert rig.rig.gate.is_paused


def test_an_unknown_replace_that_holds(rig: BinanceRig) -> None:
    number, replace = place_and_replace(rig)
    ask(rig, number)
    fields = told("NEW", origQty="0.00200000", price="499.99000000")
    assert rig.listener.apply_told(rig.name(replace), fields, [])
    order = rig.rig.order(number)
    assert (order["state"], order["accepted_number"]) == (OrderState.NEW, replace)
    assert (order["price_ticks"], order["quantity_lots"]) == (PRICE - 1, 200)


def test_an_unknown_replace_of_which_the_first_half_holds(rig: BinanceRig) -> None:
    number, replace = place_and_replace(rig)
    ask(rig, number)
    name = rig.name(replace).replace("-", "_")
    assert rig.listener.apply_told(name, told("CANCELED"), [])
    assert state(rig, number) == OrderState.CANCELED


def test_what_cannot_be_read_is_told(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    ask(rig, number)
    assert not rig.listener.apply_told(rig.name(number), told("NEW", "x"), [])
    assert not rig.listener.apply_told(rig.name(number), told("NEW"), [{"id": 5}])
    assert not rig.listener.apply_told(rig.name(number), {}, [])
    assert len(rig.bad_reports) == 3
    assert state(rig, number) == OrderState.UNKNOWN
