"""The order desk: FIX order messages of Coinbase Exchange (sheet B6) against a market.

One profile stands behind the API key: all its orders have one owner. Reports of a profile whose
session is down are numbered and kept, so that a session that resumes can ask for them.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from sim.fix_store import FixStore
from sim.fix_text import FixMessage
from sim.ids import IdSource
from sim.ledger import Ledger
from sim.market import Market
from sim.orders import (
    EventKind,
    Order,
    OrderEvent,
    OrderType,
    RequestRefused,
    SelfTradeRule,
    Side,
    TimeInForce,
)
from sim.products import Product
from sim.profile import INITIAL_BALANCE, Profile
from sim.times import fix_text
from sim.venues.coinbase_exchange_fix import FixSession, RejectMessage
from sim.venues.coinbase_exchange_logon import session_rule
from sim.venues.coinbase_exchange_reports import Fees, ReportWriter

CLIENT_OWNER = 1
_SIDES = {"1": Side.BUY, "2": Side.SELL}
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_UNKNOWN_SYMBOL, _OTHER = 1, 0
"""OrdRejReason(103)."""
# Order messages the real venue has and this one does not: batches and TPSL, quotes for RFQ.
_UNSUPPORTED_TYPES = frozenset({"U4", "U6", "R", "S", "AI", "V", "x", "e", "AF"})

_Value = TypeVar("_Value")
_log = logging.getLogger("sim.orders")


class OrderRefused(Exception):
    """A new order that is answered with 150=8; ``code`` is OrdRejReason(103)."""

    def __init__(self, text: str, code: int = _OTHER) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class _Request:
    """The figures of a new order or a replace, in steps."""

    quantity_lots: int
    price_ticks: int


class OrderDesk:
    """Implements ``Application``: takes D, F, G, H and q of the sessions, sends 8, 9, j and r.

    ``clock`` returns venue time in nanoseconds. Orders that came over REST are of the same profile
    and not of the session: it hears of them when its Logon asked for a drop copy (9406=Y).
    """

    def __init__(
        self,
        market: Market,
        store: FixStore,
        ids: IdSource,
        fees: Fees,
        ledger: Ledger,
        clock: Callable[[], int],
        initial_balance: Decimal = INITIAL_BALANCE,
    ) -> None:
        self.profile = Profile(market.products, fees, initial_balance)
        self._market = market
        self._store = store
        self._ids = ids
        self._ledger = ledger
        self._clock = clock
        self._reports = ReportWriter(market.products, ids, fees)
        self._session: FixSession | None = None
        self._rule = SelfTradeRule.CANCEL_AGGRESSOR
        self._cancels_on_disconnect = ""
        self._has_drop_copy = False

    @property
    def is_logged_on(self) -> bool:
        """Whether the key's session is up."""
        return self._session is not None

    def new_order_id(self) -> str:
        """For an order that is to be placed."""
        return self._ids.uuid()

    def place(self, order: Order) -> None:
        """A checked order into the market; ``OrderRefused`` when the funds do not suffice."""
        if not self.profile.can_afford(order):
            raise OrderRefused("Insufficient funds")
        self.profile.add(order, self._clock())
        self._ledger.add_order("order", self._market.products[order.symbol], order, self._clock())
        self.publish(self._market.submit(order, self._clock()))

    def cancel(self, order: Order, request_id: str = "", original_id: str = "") -> None:
        """Takes an order out; ``RequestRefused`` when it is not open."""
        self.publish(self._market.cancel(order, self._clock()), request_id, original_id)

    def logged_on(self, session: FixSession, logon: FixMessage) -> None:
        """The key's session is up."""
        self._session = session
        self._rule = session_rule(logon)
        self._cancels_on_disconnect = logon.get(8013) or ""
        self._has_drop_copy = logon.get(9406) == "Y"

    def disconnected(self, session: FixSession) -> None:
        """The session is over; 8013 decides what becomes of its orders."""
        self._session = None
        if self._cancels_on_disconnect in ("S", "Y"):
            for order in self.profile.open_orders():
                if not order.is_of_rest or self._cancels_on_disconnect == "Y":
                    self.cancel(order)

    def receive(self, session: FixSession, message: FixMessage) -> None:
        """One order message, in sequence."""
        kind = message.message_type
        if kind == "D":
            self._new_order(message)
        elif kind == "F":
            self._cancel(message)
        elif kind == "G":
            self._replace(message)
        elif kind == "H":
            self._status(message)
        elif kind == "q":
            self._mass_cancel(message)
        elif kind in _UNSUPPORTED_TYPES:
            text = f"message type {kind} is not supported by this venue; use D, F, G, H or q"
            self._send("j", [(45, message.get(34) or "0"), (372, kind), (380, "3"), (58, text)])
        else:
            raise RejectMessage(11, 35, f"message type {kind} is not known")

    def publish(
        self, events: list[OrderEvent], request_id: str = "", original_id: str = ""
    ) -> None:
        """Reports for ``events``; the first one answers the request with these ids, if any."""
        for index, event in enumerate(events):
            time_ns = self._clock()
            fee = Decimal(0)
            if event.kind is EventKind.TRADED:
                fee = self._reports.fee(event)
                product = self._market.products[event.order.symbol]
                self._ledger.add_fill(product, event, fee, time_ns)
            self.profile.take(event, fee, time_ns)
            if event.order.is_of_rest and not self._has_drop_copy:
                continue
            is_answer = index == 0 and bool(request_id)
            ids = (request_id, original_id) if is_answer else (event.order.client_order_id, "")
            self._send("8", self._reports.execution(event, ids, fee, time_ns))

    def _send(self, message_type: str, body: list[tuple[int, str]]) -> None:
        if self._session is not None:
            self._session.send(message_type, body, is_application=True)
        else:
            number = self._store.take_number()
            self._store.remember(number, message_type, body, fix_text(self._clock()))

    def _new_order(self, message: FixMessage) -> None:
        order = self._order(message)
        product = self._market.products.get(order.symbol)
        try:
            if product is None:
                raise OrderRefused(f"unknown product {order.symbol}", _UNKNOWN_SYMBOL)
            self._check_client_id(order.client_order_id)
            request = _read_request(message, product, order.order_type)
            order.quantity_lots = request.quantity_lots
            order.price_ticks = request.price_ticks
            self.place(order)
        except OrderRefused as problem:
            text = str(problem)
            _log.info("order refused: %s", text)
            time_ns = self._clock()
            self._send("8", self._reports.refusal(message, order, problem.code, text, time_ns))

    def _order(self, message: FixMessage) -> Order:
        _require(message, 11, 55, 54, 40)
        if message.get(38) is None and message.get(152) is None:
            raise RejectMessage(1, 38, "OrderQty is required")
        rule = message.get(7928)
        return Order(
            order_id=self._ids.uuid(),
            owner=CLIENT_OWNER,
            symbol=message.get(55) or "",
            side=_choice(message, 54, _SIDES),
            price_ticks=0,
            quantity_lots=0,
            order_type=_choice(message, 40, {each.value: each for each in OrderType}),
            time_in_force=_choice(message, 59, {each.value: each for each in TimeInForce}, "1"),
            is_post_only=_choice(message, 18, {"A": True, "": False}, ""),
            self_trade_rule=self._rule if rule is None else _rule(message),
            client_order_id=message.get(11) or "",
        )

    def _check_client_id(self, client_order_id: str) -> None:
        if _UUID4.fullmatch(client_order_id) is None:
            raise OrderRefused("ClOrdID must be a lower-case UUID version 4 with hyphens")
        if self.profile.has_open(client_order_id):
            raise OrderRefused("ClOrdID is that of an open order")

    def _cancel(self, message: FixMessage) -> None:
        _require(message, 11)
        order = self._find(message)
        request_id, original_id = message.get(11) or "", message.get(41) or ""
        try:
            if order is None:
                raise RequestRefused("Order not found")
            original_id = original_id or order.client_order_id
            self.cancel(order, request_id, original_id)
        except RequestRefused as problem:
            self._refuse_request(message, order, "1", str(problem))

    def _replace(self, message: FixMessage) -> None:
        _require(message, 11, 38, 40)
        order = self._find(message)
        request_id = message.get(11) or ""
        try:
            if order is None:
                raise RequestRefused("Order not found")
            product = self._market.products[order.symbol]
            self._check_client_id(request_id)
            request = _read_request(message, product, order.order_type)
            original_id = order.client_order_id
            events = self._market.replace(
                order, request.quantity_lots, request.price_ticks, request_id, self._clock()
            )
        except (RequestRefused, OrderRefused) as problem:
            self._refuse_request(message, order, "2", str(problem))
            return
        self.profile.rename(order, request_id)
        self._ledger.add_order("replace", product, order, self._clock())
        self.publish(events, request_id, original_id)

    def _status(self, message: FixMessage) -> None:
        by_venue_id = self.profile.order(message.get(37) or "")
        order = by_venue_id or self.profile.order_of_client(message.get(11) or "")
        self._send("8", self._reports.status(message, order, self._clock()))

    def _mass_cancel(self, message: FixMessage) -> None:
        _require(message, 11, 530)
        if message.get(530) != "6":
            body = [(530, message.get(530) or ""), (531, "0"), (58, "use 530=6: this session")]
        else:
            body = [(530, "6"), (531, "6")]
        time = (60, fix_text(self._clock(), 6))
        self._send("r", [(11, message.get(11) or ""), (37, self._ids.uuid()), *body, time])
        if message.get(530) == "6":
            for order in self.profile.open_orders():
                if not order.is_of_rest:
                    self.cancel(order)

    def _find(self, message: FixMessage) -> Order | None:
        _require_one(message, 37, 41)
        by_venue_id = self.profile.order(message.get(37) or "")
        by_client_id = self.profile.order_of_client(message.get(41) or "")
        if message.get(41) is not None and message.get(37) is not None:
            return by_venue_id if by_venue_id is by_client_id else None
        return by_venue_id or by_client_id

    def _refuse_request(
        self, message: FixMessage, order: Order | None, response_to: str, text: str
    ) -> None:
        _log.info("request refused: %s", text)
        # CxlRejReason 1 is an order that is unknown or done, 2 any other reason of the venue; the
        # OrdStatus of this message is always 8 (sheet B6).
        is_gone = order is None or not order.status.is_open
        body = [
            (37, order.order_id if order is not None else message.get(37) or "NONE"),
            (11, message.get(11) or ""),
            (41, message.get(41) or (order.client_order_id if order is not None else "NONE")),
            (39, "8"),
            (434, response_to),
            (102, "1" if is_gone else "2"),
            (58, text),
        ]
        self._send("9", body)


def _read_request(message: FixMessage, product: Product, order_type: OrderType) -> _Request:
    if message.get(38) is None:
        raise OrderRefused("orders by quote quantity (152) are not supported; use 38")
    quantity_lots = _steps(message, 38, "size", product.quantity.count)
    if quantity_lots == 0:
        smallest = product.quantity.text(1)
        raise OrderRefused(f"size is too small. Minimum size is {smallest}")
    if order_type is OrderType.MARKET:
        return _Request(quantity_lots, 0)
    if message.get(44) is None:
        raise RejectMessage(1, 44, "Price is required for a limit order")
    price_ticks = _steps(message, 44, "price", product.price.count)
    if price_ticks == 0:
        raise OrderRefused(f"price is too small. Minimum price is {product.price.text(1)}")
    return _Request(quantity_lots, price_ticks)


def _steps(message: FixMessage, tag: int, name: str, count: Callable[[str], int]) -> int:
    text = message.get(tag) or ""
    if not re.fullmatch(r"\d{1,15}(\.\d{0,15})?", text):
        raise RejectMessage(6, tag, f"tag {tag} is {text!r}; use digits with at most one dot")
    try:
        return count(text)
    except ValueError as error:
        raise OrderRefused(f"{name} is too accurate: {error}") from error


def _rule(message: FixMessage) -> SelfTradeRule:
    return _choice(message, 7928, {each.value: each for each in SelfTradeRule})


def _choice(
    message: FixMessage, tag: int, table: Mapping[str, _Value], default: str | None = None
) -> _Value:
    value = message.get(tag)
    chosen = table.get(default if value is None and default is not None else value or "")
    if chosen is None:
        choices = " or ".join(sorted(each for each in table if each))
        raise RejectMessage(5, tag, f"tag {tag} is {value!r}; use {choices}")
    return chosen


def _require(message: FixMessage, *tags: int) -> None:
    for tag in tags:
        if message.get(tag) is None:
            raise RejectMessage(1, tag, f"tag {tag} is required")


def _require_one(message: FixMessage, *tags: int) -> None:
    if all(message.get(tag) is None for tag in tags):
        raise RejectMessage(1, tags[0], f"one of tags {tags} is required")
