"""A venue for orders by REST, on a real socket, that fails as the test tells it to."""

# tidy-ok: a helper of the tests of order entry by REST

import asyncio
import itertools
from decimal import Decimal
from typing import Any

from aiohttp import web

REFUSALS = {
    "funds": (400, "Insufficient funds"),
    "key": (401, "Invalid API Key"),
    "clock": (400, "request timestamp expired"),
    "rate": (429, "Private rate limit exceeded"),
    "gone": (404, "order not found"),
    "done": (400, "Order already done"),
    "fault": (503, "Service Unavailable"),
}


class Venue:
    """Orders by venue id. ``posts`` and ``deletes`` are what becomes of the next requests.

    "take" (also when the list is empty), "hang" (taken, never answered), "cut" (taken, connection
    cut), "cut unread" (cut and not taken), "fault taken" (taken, and 503), "rejected" (taken, then
    refused by the market), or a name of REFUSALS.
    """

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.deletes: list[str] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.questions: list[str] = []
        self.requests: list[str] = []
        self.is_silent = False  # questions are refused
        self.has_key = True
        self.url = ""
        self.released = asyncio.Event()
        self._ids = itertools.count(1)

    def fill(self, order_id: str, size: str, trade_id: int, *, is_listed: bool = True) -> None:
        order = self.orders[order_id]
        filled = Decimal(order["filled_size"]) + Decimal(size)
        order["filled_size"] = str(filled)
        if filled == Decimal(order["size"]):
            order.update(status="done", done_reason="filled")
        if is_listed:
            self.fills.insert(0, {
                "trade_id": trade_id, "order_id": order_id, "product_id": order["product_id"],
                "side": order["side"], "price": order["price"], "size": size, "liquidity": "M",
            })  # fmt: skip

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/time":
            if "Hang" in request.headers:
                await self.released.wait()
            return web.json_response({"epoch": 1.0})
        if request.method == "GET":
            return self._tell(request)
        self.requests.append(f"{request.method} {request.path}")
        script = self.posts if request.method == "POST" else self.deletes
        what = script.pop(0) if script else "take"
        if what in REFUSALS:
            status, text = REFUSALS[what]
            return web.json_response({"message": text}, status=status)
        body: object = ""
        if what != "cut unread":
            body = self._place(await request.json()) if request.method == "POST" else (
                self._cancel(request.path))  # fmt: skip
        if what == "rejected" and isinstance(body, dict):
            self.orders[body["id"]].update(status="rejected", reject_reason="post only")
        if what == "fault taken":
            return web.json_response({"message": "Bad Gateway"}, status=502)
        if what == "hang":
            await self.released.wait()
        if what in ("cut", "cut unread", "hang"):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.json_response(body)

    def _place(self, order: dict[str, Any]) -> dict[str, Any]:
        name = f"v-{next(self._ids)}"
        self.orders[name] = {**order, "id": name, "status": "open", "filled_size": "0"}
        return {**self.orders[name], "status": "pending"}

    def _cancel(self, path: str) -> str:
        name = path.rpartition("client:")[2]
        for order in self.orders.values():
            if order["client_oid"] == name:
                order.update(status="done", done_reason="canceled")
        return name

    def _tell(self, request: web.BaseRequest) -> web.StreamResponse:
        self.questions.append(request.path)
        if self.is_silent:
            return web.json_response({"message": "x"}, status=503)
        if not self.has_key:
            return web.json_response({"message": "Invalid API Key"}, status=401)
        if request.path == "/fills":
            wanted = request.query.get("order_id")
            found = [each for each in self.fills if wanted in (None, each["order_id"])]
            return web.json_response(found)
        if request.path == "/orders":
            living = [each for each in self.orders.values() if each["status"] == "open"]
            return web.json_response(living)
        name = request.path.removeprefix("/orders/")
        for order in self.orders.values():
            is_forgotten = order["status"] == "done" and Decimal(order["filled_size"]) == 0
            if name in (order["id"], f"client:{order['client_oid']}") and not is_forgotten:
                return web.json_response(order)
        return web.json_response({"message": "NotFound"}, status=404)
