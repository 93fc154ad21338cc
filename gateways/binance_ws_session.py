"""The order session of Binance's WebSocket API, without a socket and without a clock.

Source: Binance Spot WebSocket API: session authentication, user data stream, rate limits.

    DISCONNECTED ─ start ─► CONNECTING ─ connected ─► LOGON_SENT ─ logon taken ─► RESYNCING
         ▲                                               │ refused: closes          │ subscribed
         └── disconnected, from every state ─────────────┴────── ACTIVE ◄───────────┘
    ACTIVE ─ logout, shutdown, stream terminated, end of its life ─► close requested

RESYNCING: logged on, but reports do not come yet. Orders and their reports never pass here: the
compiled path sends and reads them (``ext/codecs/binance_*``), by the word of ``store.is_active``.
What comes is what that path does not know: answers to our own requests, and other events.

Facts that shaped it:

* Only Ed25519 keys can log on. A request of a logged on session still carries its timestamp.
* The venue sends a ping every 20 s, which the WebSocket layer answers, and ends a connection after
  24 hours: so this session ends it before, at a time of its own.
* Nobody repeats what was missed. After a reconnect each order has to be asked for, and a cancel or
  a replace gives the order another client id: so an order is asked for under a list of ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson

from ext.errors import UsageError
from ext.signing import Ed25519Signer, join_parameters
from ext.wire import SessionState
from gateways.session import (
    Disconnected,
    Fatal,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    SessionEvent,
    StateChanged,
    Warned,
)

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
PING_INTERVAL_S = 20  # of the venue
STATUS_OK = 200
STATUS_UNAUTHORIZED = 401
STATUS_BACK_OFF = 418  # and above: told to wait (418, 429), or the venue's fault (5xx)
CODE_TIMESTAMP = -1021  # our clock, or a slow way: another try may do
CODE_NO_SUCH_ORDER = -2013
WARN_AT_SHARE = 0.8  # of a rate limit
MAX_TRADES = 1000  # of an order in one answer, the venue's limit
MAX_SHOWN_BYTES = 200


class RateLimit(NamedTuple):
    """What the venue counted, as it said with an answer."""

    limit: int
    used: int


@dataclass(frozen=True, slots=True)
class OrderTold:
    """The venue's answer about an order: the result of ``order.status``, and its trades.

    ``trades`` are the rows of ``myTrades``, so that fills which nobody has told us of are counted
    before the state is taken. Up to 1000; an order of more trades does not add up, and is noticed.
    """

    client_order_id: str
    fields: dict[str, Any]
    trades: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class OrderNotFound:
    """The venue knows the order under none of these ids: it never had it, or has forgotten it."""

    client_order_ids: tuple[str, ...]


BinanceEvent = SessionEvent | OrderTold | OrderNotFound


def list_names(request_id: str, accepted_id: str) -> list[str]:
    """Under which ids an order can stand at the venue, the newest first.

    ``request_id`` is the client order id of the last request about the order, ``accepted_id`` of
    the last that the venue accepted. A cancel gives the order its own id; the cancel of a replace
    writes ``_`` for ``-`` (``ext.codecs.binance_order``).
    """
    return list(dict.fromkeys((request_id, accepted_id, request_id.replace("-", "_"))))


class Activity(Protocol):
    """``ext.session_store.SessionStore``: the word by which the compiled path sends."""

    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceLimits:
    """Times of a session.

    ``receive_window_ms``: the venue refuses what reaches it later than this after its timestamp.
    ``lifetime_ns``: after this long it is closed, before the venue does so after 24 hours.
    """

    receive_window_ms: int = 5000
    answer_timeout_ns: int = 10 * SECOND_NS
    lifetime_ns: int = 23 * HOUR_NS + HOUR_NS // 2


class _Question(NamedTuple):
    symbol: str
    names: tuple[str, ...]  # still to be asked, the one in flight first
    asked: tuple[str, ...]  # all of them
    deadline_ns: int = 0
    fields: dict[str, Any] | None = None  # of the status, while the trades are asked for


class BinanceSession:
    """One session: logs on, subscribes to the account's events, asks for orders.

    The transport's contract is that of ``gateways.session``; ``wall_offset_ns`` plus monotonic
    time is the wall clock, which the venue has to agree with within a second.
    """

    def __init__(
        self,
        api_key: str,
        signer: Ed25519Signer,
        store: Activity,
        *,
        limits: BinanceLimits | None = None,
        wall_offset_ns: int = 0,
    ) -> None:
        self._api_key = api_key
        self._signer = signer
        self._store = store
        self._limits = limits or BinanceLimits()
        self.wall_offset_ns = wall_offset_ns
        self._state = SessionState.SESSION_DISCONNECTED
        self._events: list[BinanceEvent] = []
        self._outgoing: list[bytes] = []
        self._deadline_ns: int | None = None  # of the logon or the subscription in flight
        self._ends_ns = 0
        self._questions: dict[str, _Question] = {}
        self._question_count = 0
        self._is_close_requested = False
        self.rate_limits: dict[str, RateLimit] = {}
        """By kind and interval, as in ``ORDERS 10 SECOND``; the newest count that came here."""

    @property
    def state(self) -> SessionState:
        """Where the session is."""
        return self._state

    @property
    def is_close_requested(self) -> bool:
        """Whether the transport is to close the connection once everything is sent."""
        return self._is_close_requested

    def start(self, now_ns: int) -> None:
        """A connection is being made."""
        self._is_close_requested = False
        self._move(SessionState.SESSION_CONNECTING)

    def connected(self, now_ns: int) -> None:
        """The connection is up: logs on."""
        parameters: dict[str, object] = {
            "apiKey": self._api_key,
            "recvWindow": self._limits.receive_window_ms,
            "timestamp": self._timestamp_ms(now_ns),
        }
        signature = self._signer.sign(join_parameters(parameters).encode())
        self._request("logon", "session.logon", {**parameters, "signature": signature})
        self._deadline_ns = now_ns + self._limits.answer_timeout_ns
        self._ends_ns = now_ns + self._limits.lifetime_ns
        self._move(SessionState.SESSION_LOGON_SENT)

    def receive(self, message: bytes, now_ns: int) -> None:
        """One whole message that the compiled path did not take."""
        try:
            parsed = orjson.loads(message)
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            self._warn("not a message", message)
        elif isinstance(event := parsed.get("event", parsed), dict) and "e" in event:
            self._take_event(event)
        else:
            self._take_answer(parsed, message, now_ns)

    def disconnected(self, now_ns: int, text: str = "") -> None:
        """The connection is gone or could not be made; nothing in flight will be answered."""
        self._store.is_active = False
        self._deadline_ns = None
        self._questions.clear()
        self._outgoing.clear()
        self._move(SessionState.SESSION_DISCONNECTED)
        self._events.append(Disconnected(text))

    def logout(self, now_ns: int, text: str = "") -> None:
        """Ends the session; closing the connection is the logout."""
        self._events.append(LoggedOut(text))
        self._close()

    def ask_order(self, symbol: str, client_order_ids: Sequence[str], now_ns: int) -> None:
        """Asks what became of an order, under one id after the other until the venue knows one.

        ``OrderTold`` or ``OrderNotFound`` follows, or nothing when the question is lost. Raises
        ``UsageError`` unless the session is ACTIVE, and without an id.
        """
        if self._state != SessionState.SESSION_ACTIVE:
            raise UsageError(f"the session is {self._state.name}; ask for orders when it is ACTIVE")
        if not client_order_ids:
            raise UsageError("an order was asked for without an id; give at least one")
        names = tuple(client_order_ids)
        self._ask(_Question(symbol, names, names), now_ns)

    def events(self) -> list[BinanceEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def bytes_to_send(self) -> list[bytes]:
        """What must go out, in this order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_deadline_ns(self) -> int | None:
        """When to call ``tick`` at the latest; None: nothing is waited for."""
        if self._state == SessionState.SESSION_DISCONNECTED or self._is_close_requested:
            return None
        waits = [question.deadline_ns for question in self._questions.values()]
        if self._deadline_ns is not None:
            waits.append(self._deadline_ns)
        if self._state != SessionState.SESSION_CONNECTING:
            waits.append(self._ends_ns)
        return min(waits, default=None)

    def tick(self, now_ns: int) -> None:
        """Does what is due: timeouts, and the end of the connection's life."""
        if self._deadline_ns is not None and now_ns >= self._deadline_ns:
            self._refuse(f"no answer in {self._state.name}", is_retryable=True)
        for name, question in list(self._questions.items()):
            if now_ns >= question.deadline_ns:
                del self._questions[name]
                self._events.append(Warned(f"no answer about order {question.names[0]}"))
        if self._state == SessionState.SESSION_ACTIVE and now_ns >= self._ends_ns:
            self._events.append(Warned("the connection is nearly 24 hours old: a new one is made"))
            self._close()

    # What comes in.

    def _take_event(self, event: dict[str, Any]) -> None:
        name = event["e"]
        if name in ("serverShutdown", "eventStreamTerminated"):
            self._events.append(Warned(f"{name}: a new connection is made"))
            self._close()

    def _take_answer(self, answer: dict[str, Any], message: bytes, now_ns: int) -> None:
        self._note_rate_limits(answer.get("rateLimits"))
        name, status = answer.get("id"), answer.get("status")
        error = answer.get("error")
        code, text = _describe(error) if isinstance(error, dict) else (0, "")
        if not isinstance(status, int):
            self._warn("not an answer", message)
        elif name == "logon" and self._state == SessionState.SESSION_LOGON_SENT:
            if status == STATUS_OK:
                self._take_logon(now_ns)
            else:
                is_retryable = status >= STATUS_BACK_OFF or code == CODE_TIMESTAMP
                self._refuse(f"{status} {code} {text}", is_retryable=is_retryable)
        elif name == "subscribe" and self._state == SessionState.SESSION_RESYNCING:
            if status == STATUS_OK:
                self._deadline_ns = None
                self._store.is_active = True
                self._move(SessionState.SESSION_ACTIVE)
            else:
                self._refuse(f"no reports: {status} {code} {text}", is_retryable=True)
        elif isinstance(name, str) and name in self._questions:
            self._take_status(self._questions.pop(name), status, code, answer, now_ns)
        elif name is None and status == STATUS_UNAUTHORIZED:
            self._store.is_active = False
            self._events.append(Fatal(f"the venue ended the session: {code} {text}"))
            self._close()
        else:
            self._warn(f"status {status} {code} {text}".strip(), message)

    def _take_logon(self, now_ns: int) -> None:
        self._events.append(LoggedOn(PING_INTERVAL_S))
        self._request("subscribe", "userDataStream.subscribe", {})
        self._deadline_ns = now_ns + self._limits.answer_timeout_ns
        self._move(SessionState.SESSION_RESYNCING)

    def _take_status(
        self, question: _Question, status: int, code: int, answer: dict[str, Any], now_ns: int
    ) -> None:
        name, result = question.names[0], answer.get("result")
        if status == STATUS_OK and question.fields is not None and isinstance(result, list):
            trades = [row for row in result if isinstance(row, dict)]
            self._events.append(OrderTold(name, question.fields, trades))
        elif status == STATUS_OK and question.fields is None and isinstance(result, dict):
            if _is_filled_in_part(result):
                self._ask(question._replace(fields=result), now_ns)
            else:
                self._events.append(OrderTold(name, result, []))
        elif code != CODE_NO_SUCH_ORDER:
            self._events.append(Warned(f"order {name} was not told: {status} {code}"))
        elif len(question.names) > 1:
            self._ask(question._replace(names=question.names[1:]), now_ns)
        else:
            self._events.append(OrderNotFound(question.asked))

    def _note_rate_limits(self, limits: object) -> None:
        for each in limits if isinstance(limits, list) else ():
            try:
                name = f"{each['rateLimitType']} {each['intervalNum']} {each['interval']}"
                told = RateLimit(int(each["limit"]), int(each["count"]))
            except (KeyError, TypeError, ValueError):
                continue
            before = self.rate_limits.get(name, RateLimit(told.limit, 0))
            self.rate_limits[name] = told
            if before.used < WARN_AT_SHARE * told.limit <= told.used:
                self._events.append(Warned(f"rate limit {name}: {told.used} of {told.limit}"))

    # What goes out.

    def _ask(self, question: _Question, now_ns: int) -> None:
        self._question_count += 1
        name = f"order-{self._question_count}"
        deadline_ns = now_ns + self._limits.answer_timeout_ns
        self._questions[name] = question._replace(deadline_ns=deadline_ns)
        parameters: dict[str, Any] = {"symbol": question.symbol}
        if question.fields is None:
            method = "order.status"
            parameters["origClientOrderId"] = question.names[0]
        else:
            method = "myTrades"
            parameters |= {"orderId": question.fields["orderId"], "limit": MAX_TRADES}
        parameters["recvWindow"] = self._limits.receive_window_ms
        parameters["timestamp"] = self._timestamp_ms(now_ns)
        self._request(name, method, parameters)

    def _request(self, name: str, method: str, parameters: dict[str, Any]) -> None:
        request = {"id": name, "method": method}
        self._outgoing.append(
            orjson.dumps({**request, "params": parameters} if parameters else request)
        )

    def _timestamp_ms(self, now_ns: int) -> int:
        return (now_ns + self.wall_offset_ns) // MILLISECOND_NS

    # Where it goes.

    def _refuse(self, text: str, *, is_retryable: bool) -> None:
        self._events.append(LogonRefused(text, is_retryable))
        self._close()

    def _close(self) -> None:
        self._store.is_active = False
        self._deadline_ns = None
        self._is_close_requested = True

    def _move(self, state: SessionState) -> None:
        if state != self._state:
            self._events.append(StateChanged(self._state, state))
            self._state = state

    def _warn(self, what: str, message: bytes) -> None:
        shown = message[:MAX_SHOWN_BYTES].decode("utf-8", "replace")
        self._events.append(Warned(f"{what}: {shown}"))


def _is_filled_in_part(fields: dict[str, Any]) -> bool:
    """Whether ``order.status`` tells of fills, and whose they are."""
    quantity = fields.get("executedQty")
    return isinstance(quantity, str) and quantity.strip("0.") != "" and "orderId" in fields


def _describe(error: dict[str, Any]) -> tuple[int, str]:
    code, text = error.get("code"), error.get("msg")
    return (code if isinstance(code, int) else 0), (text if isinstance(text, str) else "")
