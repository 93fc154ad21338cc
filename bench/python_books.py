"""The usual books in Python: orjson, float prices, one SortedDict a side.

What every benchmark of bytes to book compares with. A venue is one function that applies a parsed
frame and says which product it was of.
"""

from collections.abc import Callable
from typing import Any

import orjson
from sortedcontainers import SortedDict

KRAKEN_DEPTH = 10  # of the recording of its WebSocket v2

Best = tuple[str, float, float]
"""Product, best bid and best ask; 0.0 for an empty side, no product for a frame of no book."""

Sides = tuple[Any, Any]
"""Bids and asks: SortedDict of price to quantity text."""


class PythonBooks:
    """The books of one venue's products, fed with frames; ``best`` holds one entry a frame."""

    def __init__(self, venue: str) -> None:
        self.books: dict[str, Sides] = {}
        self.best: list[Best] = []
        self._apply = _APPLY[venue]

    def receive(self, payload: bytes) -> None:
        """One frame: bytes to best bid and ask."""
        product = self._apply(self.books, orjson.loads(payload))
        if product is None:
            self.best.append(("", 0.0, 0.0))
            return
        bids, asks = self.books[product]
        bid = bids.peekitem(-1)[0] if bids else 0.0
        ask = asks.peekitem(0)[0] if asks else 0.0
        self.best.append((product, bid, ask))


def _apply_exchange(books: dict[str, Sides], frame: Any) -> str | None:
    kind, product = frame["type"], frame.get("product_id")
    if kind == "l2update":
        bids, asks = books[product]
        for side, price, quantity in frame["changes"]:
            _set(bids if side == "buy" else asks, float(price), quantity)
    elif kind == "snapshot":
        books[product] = (
            SortedDict({float(price): quantity for price, quantity in frame["bids"]}),
            SortedDict({float(price): quantity for price, quantity in frame["asks"]}),
        )
    else:
        return None
    return str(product)


def _apply_advanced(books: dict[str, Sides], frame: Any) -> str | None:
    if frame["channel"] != "l2_data":
        return None
    for event in frame["events"]:
        product, updates = event["product_id"], event["updates"]
        if event["type"] == "snapshot":
            filled: tuple[dict[float, str], dict[float, str]] = {}, {}
            for update in updates:
                side = filled[update["side"] != "bid"]
                side[float(update["price_level"])] = update["new_quantity"]
            books[product] = SortedDict(filled[0]), SortedDict(filled[1])
            continue
        bids, asks = books[product]
        for update in updates:
            levels = bids if update["side"] == "bid" else asks
            _set(levels, float(update["price_level"]), update["new_quantity"])
    return str(frame["events"][0]["product_id"])


def _apply_gemini(books: dict[str, Sides], frame: Any) -> str | None:
    if frame["type"] != "l2_updates":
        return None
    product = str(frame["symbol"])
    if "trades" in frame:
        books[product] = SortedDict(), SortedDict()
    bids, asks = books[product]
    for side, price, quantity in frame["changes"]:
        _set(bids if side == "buy" else asks, float(price), quantity)
    return product


def _apply_kraken(books: dict[str, Sides], frame: Any) -> str | None:
    if frame.get("channel") != "book":
        return None
    [content] = frame["data"]
    product = str(content["symbol"])
    if frame["type"] == "snapshot":
        books[product] = SortedDict(), SortedDict()
    bids, asks = books[product]
    for levels, changes in ((bids, content["bids"]), (asks, content["asks"])):
        for change in changes:
            _set(levels, change["price"], change["qty"])
    _cut(bids, asks, KRAKEN_DEPTH)
    return product


def _apply_kraken_v1(books: dict[str, Sides], frame: Any) -> str | None:
    if isinstance(frame, dict) or not frame[-2].startswith("book-"):
        return None
    *parts, channel, product = frame[1:]
    if "as" in parts[0]:
        books[product] = SortedDict(), SortedDict()
    bids, asks = books[product]
    for part in parts:
        for levels, names in ((bids, ("bs", "b")), (asks, ("as", "a"))):
            for name in names:
                for price, quantity, *_ in part.get(name, ()):
                    _set(levels, float(price), quantity)
    _cut(bids, asks, int(channel.removeprefix("book-")))
    return str(product)


def _apply_binance(books: dict[str, Sides], frame: Any) -> str | None:
    content = frame["data"]
    if "lastUpdateId" in content:
        product = str(frame["stream"]).partition("@")[0].upper()
        books[product] = SortedDict(), SortedDict()
        changed = content["bids"], content["asks"]
    elif content["e"] == "depthUpdate":
        product = str(content["s"])
        changed = content["b"], content["a"]
    else:
        return None
    for levels, changes in zip(books[product], changed, strict=True):
        for price, quantity in changes:
            _set(levels, float(price), quantity)
    return product


def _cut(bids: Any, asks: Any, depth: int) -> None:
    while len(bids) > depth:
        bids.popitem(0)
    while len(asks) > depth:
        asks.popitem()


def _set(levels: Any, price: float, quantity: str) -> None:
    if float(quantity) == 0.0:
        levels.pop(price, None)
    else:
        levels[price] = quantity


_APPLY: dict[str, Callable[[dict[str, Sides], Any], str | None]] = {
    "coinbase_exchange": _apply_exchange,
    "coinbase_advanced": _apply_advanced,
    "gemini": _apply_gemini,
    "kraken": _apply_kraken,
    "kraken_v1": _apply_kraken_v1,
    "binance_usdm": _apply_binance,
}
