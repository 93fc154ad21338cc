"""The WebSocket order session against a venue that checks every signature and every field."""

import base64
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ext.errors import UsageError
from ext.signing import Ed25519Signer
from ext.wire import SessionState
from gateways.binance_ws_session import (
    BinanceEvent,
    BinanceLimits,
    BinanceSession,
    OrderNotFound,
    OrderTold,
    RateLimit,
    list_names,
)
from gateways.session import (
    Disconnected,
    Fatal,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    StateChanged,
    Warned,
)

# The key of the venue's FIX sample, and what belongs to it.
PRIVATE_KEY = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
PUBLIC_KEY = "19420abfd752a565c15625e9da6eaf0086fc40c14960183214442c14996a800d"
API_KEY = "sBRXrJx2DsOraMXOaUovEhgVRcjOvCtQwnWj8VxkOh1xqboS02SPGfKi2h8spZJb"
START_NS = 7_000_000_000
WALL_NS = 1_767_623_400_123_456_789
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS

DISCONNECTED = SessionState.SESSION_DISCONNECTED
CONNECTING = SessionState.SESSION_CONNECTING
LOGON_SENT = SessionState.SESSION_LOGON_SENT
RESYNCING = SessionState.SESSION_RESYNCING
ACTIVE = SessionState.SESSION_ACTIVE


class Store:
    """The word that the compiled path goes by."""

    is_active = False


class Rig:
    """A session and its venue; time passes when the test says so."""

    def __init__(self, limits: BinanceLimits | None = None) -> None:
        self.now_ns = START_NS
        self.store = Store()
        self.session = BinanceSession(
            API_KEY,
            Ed25519Signer(PRIVATE_KEY),
            self.store,
            limits=limits,
            wall_offset_ns=WALL_NS - START_NS,
        )

    def is_active(self) -> bool:
        return self.store.is_active

    def sent(self) -> list[dict[str, Any]]:
        return [orjson.loads(message) for message in self.session.bytes_to_send()]

    def receive(self, message: object) -> list[BinanceEvent]:
        self.session.receive(orjson.dumps(message), self.now_ns)
        return self.session.events()

    def pass_time(self, nanoseconds: int) -> list[BinanceEvent]:
        self.now_ns += nanoseconds
        self.session.tick(self.now_ns)
        return self.session.events()

    def connect(self) -> dict[str, Any]:
        """The connection is up; the logon that was sent."""
        self.session.start(self.now_ns)
        self.session.connected(self.now_ns)
        (logon,) = self.sent()
        return logon

    def log_on(self) -> None:
        """As far as ACTIVE, nothing left to be told."""
        self.connect()
        self.receive({"id": "logon", "status": 200, "result": {"apiKey": API_KEY}})
        self.receive({"id": "subscribe", "status": 200, "result": {"subscriptionId": 0}})
        assert self.session.state == ACTIVE
        self.sent()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def refused(status: int, code: int, text: str = "?", name: object = "logon") -> dict[str, Any]:
    return {"id": name, "status": status, "error": {"code": code, "msg": text}}


# Logging on.


def test_the_logon_is_signed_as_the_venue_checks_it(rig: Rig) -> None:
    logon = rig.connect()
    assert (logon["id"], logon["method"]) == ("logon", "session.logon")
    params = dict(logon["params"])
    signature = base64.b64decode(params.pop("signature"))
    assert params == {
        "apiKey": API_KEY,
        "recvWindow": 5000,
        "timestamp": WALL_NS // 1_000_000,
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC_KEY)).verify(signature, text.encode())


def test_logs_on_subscribes_and_is_active(rig: Rig) -> None:
    rig.connect()
    assert rig.session.events() == [
        StateChanged(DISCONNECTED, CONNECTING),
        StateChanged(CONNECTING, LOGON_SENT),
    ]
    events = rig.receive({"id": "logon", "status": 200, "result": {}})
    assert events == [LoggedOn(20), StateChanged(LOGON_SENT, RESYNCING)]
    assert rig.sent() == [{"id": "subscribe", "method": "userDataStream.subscribe"}]
    assert not rig.is_active(), "reports do not come yet"
    events = rig.receive({"id": "subscribe", "status": 200, "result": {"subscriptionId": 0}})
    assert events == [StateChanged(RESYNCING, ACTIVE)]
    assert rig.is_active()
    assert not rig.session.is_close_requested


@pytest.mark.parametrize(
    ("status", "code", "is_retryable"),
    [
        (401, -2015, False),
        (400, -1022, False),
        (400, -2014, False),
        (400, -1021, True),  # our clock
        (429, -1003, True),
        (418, -1003, True),
        (503, -1000, True),
    ],
)
def test_a_refused_logon(rig: Rig, status: int, code: int, is_retryable: bool) -> None:
    rig.connect()
    rig.session.events()
    events = rig.receive(refused(status, code, "no"))
    assert events == [LogonRefused(f"{status} {code} no", is_retryable)]
    assert rig.session.is_close_requested
    assert not rig.is_active()


def test_without_reports_there_are_no_orders(rig: Rig) -> None:
    rig.connect()
    rig.receive({"id": "logon", "status": 200, "result": {}})
    events = rig.receive(refused(500, -1000, "down", "subscribe"))
    assert events == [LogonRefused("no reports: 500 -1000 down", is_retryable=True)]
    assert rig.session.is_close_requested


@pytest.mark.parametrize("is_logged_on", [False, True])
def test_answers_that_do_not_come(rig: Rig, is_logged_on: bool) -> None:
    rig.connect()
    if is_logged_on:
        rig.receive({"id": "logon", "status": 200, "result": {}})
    rig.session.events()
    assert rig.session.next_deadline_ns() == rig.now_ns + 10 * SECOND_NS
    assert rig.pass_time(10 * SECOND_NS - 1) == []
    (event,) = rig.pass_time(1)
    assert isinstance(event, LogonRefused)
    assert event.is_retryable
    assert rig.session.is_close_requested
    assert rig.session.next_deadline_ns() is None


def test_logs_on_again_after_a_loss(rig: Rig) -> None:
    rig.log_on()
    rig.session.ask_order("BTCUSDT", ["a"], rig.now_ns)
    rig.session.disconnected(rig.now_ns, "reset")
    assert rig.session.events()[-2:] == [
        StateChanged(ACTIVE, DISCONNECTED),
        Disconnected("reset"),
    ]
    assert not rig.is_active()
    assert rig.sent() == [], "nothing of the old connection goes out on the next"
    assert rig.session.next_deadline_ns() is None
    rig.now_ns += SECOND_NS
    assert rig.connect()["params"]["timestamp"] == WALL_NS // 1_000_000 + 1000
    rig.session.disconnected(rig.now_ns)
    rig.log_on()
    assert rig.receive({"id": "order-1", "status": 200, "result": {}})[0] != OrderTold("a", {}, [])


# The end of a connection.


@pytest.mark.parametrize("name", ["serverShutdown", "eventStreamTerminated"])
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_the_venue_says_that_it_ends(rig: Rig, name: str, is_wrapped: bool) -> None:
    rig.log_on()
    event = {"e": name, "E": 1}
    events = rig.receive({"subscriptionId": 0, "event": event} if is_wrapped else event)
    assert events == [Warned(f"{name}: a new connection is made")]
    assert rig.session.is_close_requested
    assert not rig.is_active(), "no order goes into a connection that ends"


def test_it_ends_before_the_venue_ends_it(rig: Rig) -> None:
    rig.log_on()
    assert rig.session.next_deadline_ns() == START_NS + 23 * HOUR_NS + HOUR_NS // 2
    assert rig.pass_time(23 * HOUR_NS) == []
    assert rig.is_active()
    (event,) = rig.pass_time(HOUR_NS // 2)
    assert isinstance(event, Warned)
    assert rig.session.is_close_requested
    assert not rig.is_active()


def test_a_key_that_was_revoked(rig: Rig) -> None:
    rig.log_on()
    events = rig.receive(refused(401, -2015, "revoked", None))
    assert events == [Fatal("the venue ended the session: -2015 revoked")]
    assert rig.session.is_close_requested
    assert not rig.is_active()


def test_logs_out_by_closing(rig: Rig) -> None:
    rig.log_on()
    rig.session.logout(rig.now_ns, "done")
    assert rig.session.events() == [LoggedOut("done")]
    assert rig.session.is_close_requested
    assert not rig.is_active()


def test_other_events_of_the_account_mean_nothing_here(rig: Rig) -> None:
    rig.log_on()
    assert rig.receive({"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "BTC"}}) == []
    assert rig.is_active()


# Asking for orders.


def test_an_order_is_told(rig: Rig) -> None:
    rig.log_on()
    rig.now_ns += 5 * SECOND_NS
    rig.session.ask_order("BTCUSDT", ["one", "two"], rig.now_ns)
    assert rig.sent() == [
        {
            "id": "order-1",
            "method": "order.status",
            "params": {
                "symbol": "BTCUSDT",
                "origClientOrderId": "one",
                "recvWindow": 5000,
                "timestamp": WALL_NS // 1_000_000 + 5000,
            },
        }
    ]
    fields = {"status": "NEW", "executedQty": "0.00000000", "orderId": 7}
    assert rig.receive({"id": "order-1", "status": 200, "result": fields}) == [
        OrderTold("one", fields, [])
    ]
    again = rig.receive({"id": "order-1", "status": 200, "result": fields})
    assert [type(event) for event in again] == [Warned], "an answer is taken once"


def test_the_fills_of_an_order_are_told_with_it(rig: Rig) -> None:
    rig.log_on()
    rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
    rig.sent()
    fields = {"status": "FILLED", "executedQty": "0.00010000", "orderId": 77}
    assert rig.receive({"id": "order-1", "status": 200, "result": fields}) == []
    (request,) = rig.sent()
    assert (request["id"], request["method"]) == ("order-2", "myTrades")
    assert request["params"] == {
        "symbol": "BTCUSDT",
        "orderId": 77,
        "limit": 1000,
        "recvWindow": 5000,
        "timestamp": WALL_NS // 1_000_000,
    }
    trades = [{"id": 5, "price": "4.0"}, {"id": 6, "price": "4.1"}]
    told = rig.receive({"id": "order-2", "status": 200, "result": [*trades, "noise"]})
    assert told == [OrderTold("one", fields, trades)]


def test_without_its_fills_an_order_is_not_told(rig: Rig) -> None:
    rig.log_on()
    fields = {"status": "FILLED", "executedQty": "0.00010000", "orderId": 77}
    for number, refusal in ((1, {"status": 200, "result": {}}), (3, {"status": 429})):
        rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
        rig.receive({"id": f"order-{number}", "status": 200, "result": fields})
        (event,) = rig.receive({"id": f"order-{number + 1}", **refusal})
        assert isinstance(event, Warned)


def test_an_order_is_asked_for_under_each_of_its_ids(rig: Rig) -> None:
    rig.log_on()
    rig.session.ask_order("BTCUSDT", ["one", "two"], rig.now_ns)
    rig.sent()
    assert rig.receive(refused(400, -2013, name="order-1")) == []
    (request,) = rig.sent()
    assert request["params"]["origClientOrderId"] == "two"
    fields = {"status": "CANCELED"}
    assert rig.receive({"id": request["id"], "status": 200, "result": fields}) == [
        OrderTold("two", fields, [])
    ]


def test_the_names_of_an_order_newest_first() -> None:
    assert list_names("a-2", "a-1") == ["a-2", "a-1", "a_2"]
    assert list_names("a-1", "a-1") == ["a-1", "a_1"]


def test_an_order_that_the_venue_does_not_know(rig: Rig) -> None:
    rig.log_on()
    rig.session.ask_order("BTCUSDT", ["one", "two"], rig.now_ns)
    rig.receive(refused(400, -2013, name="order-1"))
    assert rig.receive(refused(400, -2013, name="order-2")) == [OrderNotFound(("one", "two"))]


def test_questions_do_not_mix(rig: Rig) -> None:
    rig.log_on()
    for name in ("one", "two"):
        rig.session.ask_order("BTCUSDT", [name], rig.now_ns)
    assert rig.receive({"id": "order-2", "status": 200, "result": {"a": 2}}) == [
        OrderTold("two", {"a": 2}, [])
    ]
    assert rig.receive({"id": "order-1", "status": 200, "result": {"a": 1}}) == [
        OrderTold("one", {"a": 1}, [])
    ]


def test_a_question_that_is_refused_or_lost_can_be_asked_again(rig: Rig) -> None:
    rig.log_on()
    rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
    (event,) = rig.receive(refused(429, -1003, name="order-1"))
    assert event == Warned("order one was not told: 429 -1003")
    rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
    assert rig.session.next_deadline_ns() == rig.now_ns + 10 * SECOND_NS
    assert rig.pass_time(10 * SECOND_NS) == [Warned("no answer about order one")]
    assert rig.session.state == ACTIVE
    rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
    assert [request["id"] for request in rig.sent()] == ["order-1", "order-2", "order-3"]


def test_questions_that_cannot_be_asked(rig: Rig) -> None:
    with pytest.raises(UsageError, match="SESSION_DISCONNECTED; ask for orders when it is ACTIVE"):
        rig.session.ask_order("BTCUSDT", ["one"], rig.now_ns)
    rig.log_on()
    with pytest.raises(UsageError, match="without an id"):
        rig.session.ask_order("BTCUSDT", [], rig.now_ns)


# Rate limits and noise.


def test_rate_limits_are_noted_and_told_once_when_near(rig: Rig) -> None:
    rig.log_on()

    def told(count: int) -> list[BinanceEvent]:
        limit = {
            "rateLimitType": "ORDERS",
            "interval": "SECOND",
            "intervalNum": 10,
            "limit": 50,
            "count": count,
        }
        name = "order-9"
        answer = {"id": name, "status": 200, "result": {}, "rateLimits": [limit, {"bad": 1}, 5]}
        return [event for event in rig.receive(answer) if "rate limit" in str(event)]

    assert told(39) == []
    assert told(40) == [Warned("rate limit ORDERS 10 SECOND: 40 of 50")]
    assert told(45) == []
    assert rig.session.rate_limits == {"ORDERS 10 SECOND": RateLimit(50, 45)}
    assert told(3) == []
    assert told(50) == [Warned("rate limit ORDERS 10 SECOND: 50 of 50")]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b"{}",
        b'{"id":"logon"}',
        b'{"id":"logon","status":200}',
        b'{"id":[],"status":200}',
        b'{"id":"order-1","status":"x"}',
        b'{"id":"subscribe","status":200}',
        b'{"event":5}',
        b'{"id":null,"status":400,"error":5}',
        b'{"id":"x","status":504,"error":{"code":-1007,"msg":"?"}}',
        b"\xff" * 500,
    ],
)
def test_what_should_not_come_is_told_and_survived(rig: Rig, message: bytes) -> None:
    rig.log_on()
    rig.session.receive(message, rig.now_ns)
    events = rig.session.events()
    assert [type(event) for event in events] == [Warned]
    assert len(str(events[0])) < 400
    assert rig.session.state == ACTIVE
    assert rig.is_active()


def test_times_of_its_own() -> None:
    limits = BinanceLimits(receive_window_ms=100, answer_timeout_ns=5, lifetime_ns=50)
    rig = Rig(limits)
    assert rig.connect()["params"]["recvWindow"] == 100
    assert rig.session.next_deadline_ns() == START_NS + 5
    rig.receive({"id": "logon", "status": 200, "result": {}})
    rig.receive({"id": "subscribe", "status": 200, "result": {}})
    assert rig.session.next_deadline_ns() == START_NS + 50
