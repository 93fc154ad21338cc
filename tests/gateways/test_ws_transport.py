"""The WebSocket order transport with the compiled edges, against a venue on loopback."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import picows
import pytest
import uvloop
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ext.codecs.binance_order import BinanceOrderEncoder
from ext.codecs.binance_report import BinanceReportDecoder
from ext.errors import UsageError
from ext.signing import Ed25519Signer
from ext.wire import OrderState, SessionState, Side
from ext.ws_order_listener import WsOrderListener
from ext.ws_sender import WsSender
from gateways.binance_ws_session import (
    BinanceEvent,
    BinanceSession,
    OrderNotFound,
    OrderTold,
    list_names,
)
from gateways.session import Disconnected, Fatal, LogonRefused, StateChanged, Warned
from gateways.transport import Backoff
from gateways.ws_transport import OnMessage, WsOrderTransport
from tests.ext.binance_rig import INSTRUMENTS, BinanceRig
from tests.ext.conftest import OrderRig, RigOptions

PRIVATE_KEY = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
PUBLIC_KEY = bytes.fromhex("19420abfd752a565c15625e9da6eaf0086fc40c14960183214442c14996a800d")
API_KEY = "sBRXrJx2DsOraMXOaUovEhgVRcjOvCtQwnWj8VxkOh1xqboS02SPGfKi2h8spZJb"
PATIENCE_S = 10.0
PRICE = 50_000
ACTIVE = SessionState.SESSION_ACTIVE
# A session that is ACTIVE for longer than the limit starts over: far above what a test takes.
QUICK = Backoff(first_s=0.001, limit_s=5.0, refused_s=0.003)

Run = Callable[[Coroutine[Any, Any, None]], None]
Request = dict[str, Any]


class Venue(picows.WSListener):
    """Checks logons as the venue does; ``refusal`` answers them instead."""

    def __init__(self) -> None:
        self.connections: list[picows.WSTransport] = []
        self.requests: list[Request] = []
        self.refusal: Request | None = None
        self.orders: dict[str, Request] = {}
        self.trades: list[Request] = []
        self.times_ms: list[int] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connections.append(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.TEXT:
            request = orjson.loads(frame.get_payload_as_bytes())
            self.requests.append(request)
            answer = self.answer(request["method"], request.get("params", {}))
            if answer:
                self.send({"id": request["id"], **answer})

    def answer(self, method: str, params: Request) -> Request:
        if method == "session.logon":
            self.times_ms.append(params["timestamp"])
            text = "&".join(f"{n}={v}" for n, v in sorted(params.items()) if n != "signature")
            try:
                Ed25519PublicKey.from_public_bytes(PUBLIC_KEY).verify(
                    base64.b64decode(params["signature"]), text.encode()
                )
            except InvalidSignature:
                return {"status": 401, "error": {"code": -1022, "msg": "signature"}}
            return self.refusal or {"status": 200, "result": {"apiKey": params["apiKey"]}}
        if method == "userDataStream.subscribe":
            return {"status": 200, "result": {"subscriptionId": 0}}
        if method == "order.status":
            found = self.orders.get(params["origClientOrderId"])
            if found is None:
                return {"status": 400, "error": {"code": -2013, "msg": "no such order"}}
            return {"status": 200, "result": found}
        if method == "myTrades":
            return {"status": 200, "result": self.trades}
        return {}

    def send(self, message: Request) -> None:
        self.connections[-1].send(picows.WSMsgType.TEXT, orjson.dumps(message))

    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests]


class Client:
    """An order side with its transport, and everything that it told."""

    def __init__(self, private_key: str = PRIVATE_KEY) -> None:
        self.venue = Venue()
        self.sender = WsSender()
        self.events: list[BinanceEvent] = []
        self.bad_reports: list[bytes] = []
        self.rig = self._make_rig()
        self.side = BinanceRig(lambda **options: self.rig)
        self.session = BinanceSession(API_KEY, Ed25519Signer(private_key), self.rig.store)
        self.rig.store.is_active = False
        self.task: asyncio.Task[None] | None = None

    def _make_rig(self) -> OrderRig:
        rig = OrderRig(
            RigOptions(
                instruments=INSTRUMENTS, make_encoder=BinanceOrderEncoder, sender=self.sender
            )
        )
        rig.set_book(PRICE, PRICE + 10)
        return rig

    async def open(self) -> None:
        self.server = await picows.ws_create_server(lambda _: self.venue, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/ws-api/v3"
        self.transport = self.make_transport(self.url)

    def make_transport(self, url: str) -> WsOrderTransport:
        return WsOrderTransport(
            self.session,
            self.make_listener,
            self.sender,
            url,
            on_event=self.take_event,
            backoff=QUICK,
        )

    def make_listener(self, on_message: OnMessage) -> WsOrderListener:
        self.listener = WsOrderListener(
            self.rig.pipeline,
            BinanceReportDecoder(self.rig.table, self.rig.order_table),
            self.sender,
            lambda transport: None,
            lambda transport: None,
            on_message,
            self.bad_reports.append,
            lambda now_ns: None,
        )
        return self.listener

    def take_event(self, event: BinanceEvent) -> None:
        self.events.append(event)
        if isinstance(event, Disconnected):
            self.rig.order_table.mark_unknown(self.rig.now_ns)
        if isinstance(event, OrderTold) and "symbol" in event.fields:
            self.listener.apply_told(event.client_order_id, event.fields, event.trades)

    def start(self) -> None:
        self.task = asyncio.create_task(self.transport.run())

    async def until_active(self, times: int = 1) -> None:
        await self.until(lambda: self.times_active() == times)

    def times_active(self) -> int:
        return sum(isinstance(e, StateChanged) and e.new == ACTIVE for e in self.events)

    async def until(self, is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.events}"
            await asyncio.sleep(0.001)

    def place(self, side: int, lots: int) -> int:
        """The strategy places an order; its number."""
        number = self.rig.order_table.open_orders()
        self.rig.now_ns += 1
        self.rig.scripts[0].waiting.append(self.rig.new(side, PRICE, lots))
        self.rig.pipeline.call_timers(self.rig.now_ns)
        found = self.rig.order_table.open_orders()
        assert len(found) == len(number) + 1
        return int(str(found[-1]["order_number"]))

    def state(self, number: int) -> OrderState:
        return OrderState(int(self.rig.order(number)["state"]))

    async def close(self) -> None:
        if self.task is not None:
            self.transport.stop("the test is over")
            await asyncio.wait_for(self.task, PATIENCE_S)
        self.server.close()
        await self.server.wait_closed()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    chosen: Run = request.param
    return chosen


def with_client(test: Callable[[Client], Awaitable[None]]) -> Callable[[Run], None]:
    """Makes a test function of a coroutine over a client and its venue."""

    def run_test(run: Run) -> None:
        async def main() -> None:
            client = Client()
            await client.open()
            try:
                await test(client)
            finally:
                await client.close()

        run(main())

    run_test.__doc__ = test.__doc__
    return run_test


@with_client
async def test_logs_on_and_places_an_order_that_is_filled(client: Client) -> None:
    client.start()
    await client.until_active()
    assert client.venue.methods() == ["session.logon", "userDataStream.subscribe"]
    assert abs(client.venue.times_ms[0] - time.time_ns() // 1_000_000) < 60_000
    number = client.place(Side.BUY, 100)
    await client.until(lambda: len(client.venue.requests) == 3)
    order = client.venue.requests[-1]
    assert order["method"] == "order.place"
    assert (order["params"]["price"], order["params"]["quantity"]) == ("500.00", "0.00100")
    client.venue.send({"id": order["id"], "status": 200, "result": {"orderId": 5}})
    fill = {"l": "0.001", "z": "0.001", "L": "500.00", "t": 1, "n": "0", "q": "0.001"}
    fields = client.side.fields(number, "TRADE", "FILLED", **fill)
    client.venue.send({"subscriptionId": 0, "event": fields})
    await client.until(lambda: client.state(number) == OrderState.FILLED)
    assert client.rig.position()["position_lots"] == 100
    assert client.bad_reports == []
    client.transport.stop()
    assert client.task is not None
    await asyncio.wait_for(client.task, PATIENCE_S)
    assert client.events[-1] == Disconnected("closed by us")
    assert not client.rig.store.is_active


@with_client
async def test_after_a_loss_it_logs_on_again_and_asks_for_the_order(client: Client) -> None:
    client.start()
    await client.until_active()
    number = client.place(Side.BUY, 100)
    client.venue.connections[-1].disconnect(False)
    await client.until_active(times=2)
    assert client.state(number) == OrderState.UNKNOWN
    names = [client.side.name(number), "another"]
    client.transport.ask_order("BTCUSDT", names)
    await client.until(lambda: OrderNotFound(tuple(names)) in client.events)
    client.venue.orders["another"] = {"status": "NEW"}
    client.transport.ask_order("BTCUSDT", names)
    await client.until(lambda: OrderTold("another", {"status": "NEW"}, []) in client.events)
    assert client.venue.methods().count("session.logon") == 2
    assert len(client.venue.connections) == 2


@with_client
async def test_a_fill_that_was_missed_is_counted_after_the_loss(client: Client) -> None:
    client.start()
    await client.until_active()
    number = client.place(Side.BUY, 100)
    name = client.side.name(number)
    client.venue.connections[-1].disconnect(False)
    fields = {"symbol": "BTCUSDT", "orderId": 5, "side": "BUY", "status": "FILLED"}
    fields |= {"price": "500.00", "origQty": "0.00100", "executedQty": "0.00100"}
    row = {"symbol": "BTCUSDT", "id": 9, "price": "500.00", "qty": "0.00100", "isBuyer": True}
    client.venue.orders[name.replace("-", "_")] = fields
    client.venue.trades = [row]
    await client.until_active(times=2)
    client.transport.ask_order("BTCUSDT", list_names(name, name))
    await client.until(lambda: client.state(number) == OrderState.FILLED)
    assert client.rig.position()["position_lots"] == 100
    assert not client.rig.gate.is_paused


@with_client
async def test_a_lost_connection_takes_no_orders(client: Client) -> None:
    with pytest.raises(UsageError):
        client.transport.ask_order("BTCUSDT", ["one"])
    client.start()
    await client.until_active()
    client.venue.refusal = {"status": 503, "error": {"code": -1000, "msg": "down"}}
    client.venue.connections[-1].disconnect(False)
    await client.until(lambda: any(isinstance(e, LogonRefused) for e in client.events))
    assert not client.rig.store.is_active
    client.venue.refusal = None
    await client.until_active(times=2)


@with_client
async def test_a_shutdown_notice_makes_a_new_connection_at_once(client: Client) -> None:
    client.start()
    await client.until_active()
    client.venue.send({"event": {"e": "serverShutdown", "E": 1}})
    await client.until_active(times=2)
    assert Warned("serverShutdown: a new connection is made") in client.events
    assert Disconnected("closed by us") in client.events


@with_client
async def test_a_close_frame_of_the_venue(client: Client) -> None:
    client.start()
    await client.until_active()
    client.venue.connections[-1].send_close(picows.WSCloseCode.GOING_AWAY)
    await client.until_active(times=2)
    assert Disconnected("the venue closed the connection") in client.events


@with_client
async def test_a_refusal_that_needs_a_person_ends_it(client: Client) -> None:
    client.venue.refusal = {"status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}}
    await asyncio.wait_for(client.transport.run(), PATIENCE_S)
    assert LogonRefused("401 -2015 Invalid API-key", is_retryable=False) in client.events
    assert len(client.venue.connections) == 1


@with_client
async def test_a_revoked_key_ends_it(client: Client) -> None:
    client.start()
    await client.until_active()
    client.venue.send({"id": None, "status": 401, "error": {"code": -2015, "msg": "revoked"}})
    assert client.task is not None
    await asyncio.wait_for(client.task, PATIENCE_S)
    assert Fatal("the venue ended the session: -2015 revoked") in client.events


@with_client
async def test_a_venue_that_cannot_be_reached_is_tried_again(client: Client) -> None:
    client.server.close()
    await client.server.wait_closed()
    client.start()
    await client.until(lambda: sum(isinstance(e, Disconnected) for e in client.events) > 2)
    (text, *_) = [e.text for e in client.events if isinstance(e, Disconnected)]
    assert text.startswith(f"cannot connect to {client.url}: ")


@with_client
async def test_cancelling_closes_the_connection(client: Client) -> None:
    client.start()
    await client.until_active()
    assert client.task is not None
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    client.task = None
    assert client.events[-1] == Disconnected("stopped")
    assert not client.rig.store.is_active
    await client.until(lambda: client.venue.connections[-1].is_disconnected)


def test_a_key_that_is_not_the_venue_s_is_refused(run: Run) -> None:
    """The venue checks: the signature of another key does not pass."""

    async def main() -> None:
        client = Client("MC4CAQAwBQYDK2VwBCIEIJjlVz+AXahN5M3GYOlq7UDSG/XbW1w8mVo2mnp6zCLx")
        await client.open()
        try:
            await asyncio.wait_for(client.transport.run(), PATIENCE_S)
            assert LogonRefused("401 -1022 signature", is_retryable=False) in client.events
        finally:
            await client.close()

    run(main())
