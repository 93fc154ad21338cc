"""Coinbase Exchange market data frames, shaped as recordings of the venue show them.

Level sizes carry all decimals of the lot (a deletion is ``0.00000000``), trades none too many.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from sim.exchange import BookSide, PublicTrade
from sim.market import FeedFrame
from sim.orders import Side
from sim.products import Product
from sim.times import iso_text

LEVEL2 = "level2"
MATCHES = "matches"
HEARTBEAT = "heartbeat"
CHANNELS = {"snapshot": LEVEL2, "l2update": LEVEL2, "match": MATCHES, "last_match": MATCHES}
"""``type`` of a frame to the channel it belongs to, where they differ."""


def _frame(channel: str, product: Product, message: dict[str, Any]) -> FeedFrame:
    return FeedFrame(channel, product.symbol, orjson.dumps(message))


def snapshot_frame(
    product: Product, asks: Iterable[tuple[int, int]], bids: Iterable[tuple[int, int]]
) -> FeedFrame:
    """The whole book: (price in ticks, lots) of each side, best first."""
    price, size = product.price.text, product.quantity.text
    message = {
        "type": "snapshot",
        "product_id": product.symbol,
        "asks": [[price(ticks), size(lots)] for ticks, lots in asks],
        "bids": [[price(ticks), size(lots)] for ticks, lots in bids],
    }
    return _frame(LEVEL2, product, message)


def book_levels(side: BookSide) -> list[tuple[int, int]]:
    """(price in ticks, lots) of a side, best first."""
    return [(level.price_ticks, level.open_lots) for level in side.levels()]


def update_frame(
    product: Product, changes: Iterable[tuple[Side, int, int]], time_ns: int
) -> FeedFrame:
    """Changed levels: side, price in ticks, lots that are there now (0: none)."""
    price, size = product.price.text, product.quantity.text
    message = {
        "type": "l2update",
        "product_id": product.symbol,
        "changes": [[side.feed_text, price(ticks), size(lots)] for side, ticks, lots in changes],
        "time": iso_text(time_ns),
    }
    return _frame(LEVEL2, product, message)


def match_frame(
    product: Product, trade: PublicTrade, time_ns: int, kind: str = "match"
) -> FeedFrame:
    """One execution; ``side`` is the resting order's. ``kind`` is ``match`` or ``last_match``."""
    message = {
        "type": kind,
        "trade_id": trade.trade_id,
        "maker_order_id": trade.maker_order_id,
        "taker_order_id": trade.taker_order_id,
        "side": trade.maker_side.feed_text,
        "size": product.quantity.trimmed(trade.quantity_lots),
        "price": product.price.trimmed(trade.price_ticks),
        "product_id": product.symbol,
        "sequence": trade.sequence,
        "time": iso_text(time_ns),
    }
    return _frame(MATCHES, product, message)


def heartbeat_frame(product: Product, sequence: int, last_trade_id: int, time_ns: int) -> FeedFrame:
    """Once a second for each product, so that silence means something."""
    message = {
        "type": "heartbeat",
        "last_trade_id": last_trade_id,
        "product_id": product.symbol,
        "sequence": sequence,
        "time": iso_text(time_ns),
    }
    return _frame(HEARTBEAT, product, message)
