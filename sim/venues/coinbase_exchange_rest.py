"""REST of Coinbase Exchange (sheet B4) over the order desk that FIX works on too.

An order that was cancelled without a fill is not found any more, as at the venue. There is no
amend. Pages: ``after`` asks for older entries than a cursor, ``before`` for newer ones, always
newest first; every page that is not empty names its first and last entry in CB-BEFORE and CB-AFTER.
"""

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from sim.credentials import Credentials
from sim.market import Market
from sim.orders import Order, OrderType, RequestRefused, Side, TimeInForce
from sim.products import Product, StepSize, trimmed_text
from sim.rest_text import RestAnswer, RestRefused, RestRequest
from sim.times import NS_PER_SECOND, iso_text
from sim.venues.coinbase_exchange_orders import CLIENT_OWNER, OrderDesk, OrderRefused
from sim.venues.coinbase_exchange_reports import Fees
from sim.venues.coinbase_exchange_rest_access import RestAccess
from sim.venues.coinbase_exchange_rest_json import (
    SELF_TRADE_RULES,
    TIMES_IN_FORCE,
    accepted_object,
    account_object,
    fees_object,
    fill_object,
    order_object,
    product_object,
    status_of,
)

PAGE_MAX = 1000
PAGE_DEFAULT = 100
OPEN_ORDERS_MAX = 500
"""Of one product and profile ("Place an order")."""
LIVING_STATUSES = ("open", "pending", "active")
PUBLIC_PATHS = frozenset({"/time", "/products"})
_DECIMAL = re.compile(r"\d{1,15}(\.\d{1,15})?")

_Entry = TypeVar("_Entry")
_Value = TypeVar("_Value")
_log = logging.getLogger("sim.rest")


class RestDesk:
    """Answers requests. ``now_ns`` is monotonic, ``wall_ns`` since the epoch."""

    def __init__(
        self, desk: OrderDesk, market: Market, credentials: Credentials, fees: Fees
    ) -> None:
        self._desk = desk
        self._profile = desk.profile
        self._market = market
        self._fees = fees
        self._access = RestAccess(credentials)

    def handle(self, request: RestRequest, now_ns: int, wall_ns: int) -> RestAnswer:
        """The answer to one request, refusals included."""
        try:
            if request.method == "GET" and request.path in PUBLIC_PATHS:
                self._access.check_public(now_ns)
            else:
                self._access.check_private(request, now_ns, wall_ns)
            return self._route(request, wall_ns)
        except RestRefused as problem:
            _log.info("%s %s: %s", request.method, request.target, problem)
            return problem.answer

    def _route(self, request: RestRequest, wall_ns: int) -> RestAnswer:
        method, path = request.method, request.path
        if path.startswith("/orders/") and method in ("GET", "DELETE"):
            order = self._find(path.removeprefix("/orders/"), request.parameter("product_id"))
            return self._show(order) if method == "GET" else self._cancel(order)
        if method == "GET" and path == "/time":
            epoch = wall_ns / NS_PER_SECOND
            return RestAnswer(200, {"iso": iso_text(wall_ns), "epoch": round(epoch, 3)})
        handlers: Mapping[tuple[str, str], Callable[[RestRequest], RestAnswer]] = {
            ("GET", "/orders"): self._list_orders,
            ("POST", "/orders"): self._place,
            ("DELETE", "/orders"): self._cancel_all,
            ("GET", "/fills"): self._list_fills,
            ("GET", "/accounts"): self._list_accounts,
            ("GET", "/products"): self._list_products,
            ("GET", "/fees"): self._show_fees,
        }
        if (method, path) not in handlers:
            raise RestRefused(404, "NotFound")
        return handlers[method, path](request)

    def _find(self, name: str, symbol: str | None) -> Order:
        by_client = name.removeprefix("client:")
        order = (
            self._profile.order(name)
            if by_client == name
            else self._profile.order_of_client(by_client)
        )
        if order is None or (symbol is not None and order.symbol != symbol):
            raise RestRefused(404, "NotFound")
        return order

    def _show(self, order: Order) -> RestAnswer:
        if _is_forgotten(order):
            raise RestRefused(404, "NotFound")
        return RestAnswer(200, self._object_of(order))

    def _object_of(self, order: Order) -> dict[str, Any]:
        product = self._market.products[order.symbol]
        return order_object(order, product, self._profile.fees_paid(order))

    def _cancel(self, order: Order) -> RestAnswer:
        if _is_forgotten(order):
            raise RestRefused(404, "order not found")
        try:
            self._desk.cancel(order)
        except RequestRefused as problem:
            raise RestRefused(400, str(problem)) from None
        return RestAnswer(200, order.order_id)

    def _cancel_all(self, request: RestRequest) -> RestAnswer:
        symbol = request.parameter("product_id")
        chosen = [order for order in self._profile.open_orders() if symbol in (None, order.symbol)]
        for order in chosen:
            self._desk.cancel(order)
        return RestAnswer(200, [order.order_id for order in chosen])

    def _list_orders(self, request: RestRequest) -> RestAnswer:
        statuses = request.query.get("status") or list(LIVING_STATUSES)
        symbol = request.parameter("product_id")
        listed = [
            (number, order)
            for number, order in enumerate(self._profile.orders(), 1)
            if symbol in (None, order.symbol)
            and not _is_forgotten(order)
            and ("all" in statuses or status_of(order) in statuses)
        ]
        page, headers = _page(listed, request)
        return RestAnswer(200, [self._object_of(order) for order in page], headers)

    def _list_fills(self, request: RestRequest) -> RestAnswer:
        order_id, symbol = request.parameter("order_id"), request.parameter("product_id")
        if not order_id and not symbol:
            raise RestRefused(400, "either order_id or product_id is required")
        listed = [
            (execution.trade_id, execution)
            for execution in self._profile.executions
            if order_id in (None, execution.order.order_id)
            and symbol in (None, execution.order.symbol)
        ]
        page, headers = _page(listed, request)
        products = self._market.products
        fills = [fill_object(each, products[each.order.symbol]) for each in page]
        return RestAnswer(200, fills, headers)

    def _list_accounts(self, request: RestRequest) -> RestAnswer:
        return RestAnswer(200, [account_object(each) for each in self._profile.balances()])

    def _list_products(self, request: RestRequest) -> RestAnswer:
        return RestAnswer(200, [product_object(each) for each in self._market.products.values()])

    def _show_fees(self, request: RestRequest) -> RestAnswer:
        volume = sum(
            (
                self._market.products[each.order.symbol].notional(
                    each.price_ticks, each.quantity_lots
                )
                for each in self._profile.executions
            ),
            Decimal(0),
        )
        return RestAnswer(200, fees_object(self._fees, volume))

    def _place(self, request: RestRequest) -> RestAnswer:
        fields = _json_object(request.body)
        product = self._market.products.get(_text(fields, "product_id"))
        if product is None:
            raise RestRefused(404, "Product not found")
        order = self._read_order(fields, product)
        living = [each for each in self._profile.open_orders() if each.symbol == order.symbol]
        if len(living) >= OPEN_ORDERS_MAX:
            raise RestRefused(400, f"maximum of {OPEN_ORDERS_MAX} open orders reached")
        try:
            self._desk.place(order)
        except OrderRefused as problem:
            raise RestRefused(400, str(problem)) from None
        return RestAnswer(200, accepted_object(order, product))

    def _read_order(self, fields: Mapping[str, Any], product: Product) -> Order:
        kinds = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
        kind = _choice(fields, "type", kinds, "limit")
        is_limit = kind is OrderType.LIMIT
        client_order_id = _text(fields, "client_oid", "")
        if client_order_id and self._profile.has_open(client_order_id):
            raise RestRefused(400, "client_oid must be unique among open orders")
        for name in ("stop", "stop_price", "funds", "max_floor", "cancel_after"):
            if name in fields:
                raise RestRefused(400, f"{name} is not supported by this venue")
        is_post_only = fields.get("post_only", False)
        if not isinstance(is_post_only, bool):
            raise RestRefused(400, "post_only must be true or false")
        times = TIMES_IN_FORCE if is_limit else {"": TimeInForce.IMMEDIATE_OR_CANCEL}
        return Order(
            order_id=self._desk.new_order_id(),
            owner=CLIENT_OWNER,
            symbol=product.symbol,
            side=_choice(fields, "side", {"buy": Side.BUY, "sell": Side.SELL}),
            price_ticks=_steps(fields, "price", product.price) if is_limit else 0,
            quantity_lots=_steps(fields, "size", product.quantity),
            order_type=kind,
            time_in_force=_choice(fields, "time_in_force", times, "GTC" if is_limit else ""),
            is_post_only=is_post_only,
            self_trade_rule=_choice(fields, "stp", SELF_TRADE_RULES, "cn"),
            client_order_id=_client_id(client_order_id),
            is_of_rest=True,
        )


def _is_forgotten(order: Order) -> bool:
    """Cancelled or expired without a fill: purged ("Get all orders", canceled orders)."""
    return status_of(order) == "done" and order.filled_lots == 0


def _page(
    entries: Sequence[tuple[int, _Entry]], request: RestRequest
) -> tuple[list[_Entry], dict[str, str]]:
    """Newest first, cut to the limit; and the headers that lead to the neighbours."""
    limit = _whole(request, "limit") or PAGE_DEFAULT
    if limit > PAGE_MAX:
        raise RestRefused(400, f"limit must be at most {PAGE_MAX}")
    after, before = _whole(request, "after"), _whole(request, "before")
    chosen = [
        (cursor, entry)
        for cursor, entry in sorted(entries, key=lambda each: each[0], reverse=True)
        if (after is None or cursor < after) and (before is None or cursor > before)
    ][:limit]
    if not chosen:
        return [], {}
    headers = {"CB-BEFORE": str(chosen[0][0]), "CB-AFTER": str(chosen[-1][0])}
    return [entry for _, entry in chosen], headers


def _whole(request: RestRequest, name: str) -> int | None:
    text = request.parameter(name)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,17}", text):
        raise RestRefused(400, f"{name} must be a whole number above 0")
    return int(text)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RestRefused(400, "Bad Request") from None
    if not isinstance(fields, dict):
        raise RestRefused(400, "Bad Request")
    return fields


def _text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise RestRefused(400, f"{name} is required")
    return value


def _choice(
    fields: Mapping[str, Any],
    name: str,
    table: Mapping[str, _Value],
    default: str | None = None,
) -> _Value:
    value = _text(fields, name, default)
    if value not in table:
        raise RestRefused(400, f"Invalid {name}: use {_join(table)}")
    return table[value]


def _join(names: Iterable[str]) -> str:
    return " or ".join(name or "none" for name in names)


def _steps(fields: Mapping[str, Any], name: str, step: StepSize) -> int:
    text = _text(fields, name)
    if not _DECIMAL.fullmatch(text):
        raise RestRefused(400, f"Invalid {name}")
    try:
        count = step.count(text)
    except ValueError:
        smallest = trimmed_text(step.step)
        refusal = f"{name} is too accurate. Smallest unit is {smallest}"
        raise RestRefused(400, refusal) from None
    if count == 0:
        smallest = trimmed_text(step.step)
        raise RestRefused(400, f"{name} is too small. Minimum {name} is {smallest}")
    return count


def _client_id(text: str) -> str:
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise RestRefused(400, "Invalid client_oid: use a UUID") from None
