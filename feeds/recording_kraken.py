"""What a capture of Kraken Spot holds, WebSocket v2 and v1: numbers, products, depths."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

KRAKEN = "kraken"
KRAKEN_V1 = "kraken_v1"
DEPTHS = (10, 25, 100, 500, 1000)
"""Levels of a side that a subscription may ask for (docs, ``book`` channel)."""


@dataclass(slots=True)
class KrakenPair:
    """What frames said of a pair; 0 and None: nothing."""

    depth: int = 0
    is_depth_confirmed: bool = False
    tick: str | None = None
    lot: str | None = None
    price_precision: int | None = None
    quantity_precision: int | None = None


def detect_kraken(frame: Any) -> str | None:
    """``KRAKEN`` or ``KRAKEN_V1`` when only they send such a frame.

    v2 names channel and type and keeps the rows in ``data``; v1 sends arrays that end in the
    channel and the pair.
    """
    if isinstance(frame, dict):
        is_v2 = frame.get("channel") in {"book", "trade"} and isinstance(frame.get("data"), list)
        return KRAKEN if is_v2 and frame.get("type") in {"snapshot", "update"} else None
    if isinstance(frame, list) and len(frame) in {4, 5} and isinstance(frame[0], int):
        channel, pair = frame[-2:]
        if isinstance(channel, str) and isinstance(pair, str):
            return KRAKEN_V1 if channel.startswith("book-") or channel == "trade" else None
    return None


def kraken_numbers(frame: Any) -> Iterator[tuple[str, str, str]]:
    """Product, price text and quantity text of everything in a v2 frame."""
    channel = frame.get("channel")
    rows = frame["data"] if channel in {"book", "trade"} else ()
    for row in rows:
        levels = [row] if channel == "trade" else row.get("bids", []) + row.get("asks", [])
        for level in levels:
            yield row["symbol"], number_text(level["price"]), number_text(level["qty"])


def kraken_v1_numbers(frame: Any) -> Iterator[tuple[str, str, str]]:
    """Product, price text and quantity text of everything in a v1 frame."""
    if detect_kraken(frame) != KRAKEN_V1:
        return
    pair = frame[-1]
    for part in frame[1:-2]:
        sides = [part] if isinstance(part, list) else [part.get(k, ()) for k in _V1_SIDES]
        for level in (level for side in sides for level in side):
            yield pair, level[0], level[1]


def number_text(number: object) -> str:
    """A JSON number as plain decimal text: repr is its shortest text, which the venue wrote."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"number was {number!r}")
    return f"{Decimal(repr(number)):f}"


def note_pairs(frame: Any, pairs: dict[str, KrakenPair]) -> None:
    """Keeps what a v2 frame says of its pairs.

    The depth is that of the answer to the subscription or, when the capture lacks it, the
    smallest one that a subscription may ask for and the snapshot fits into.
    """
    channel, kind = frame.get("channel"), frame.get("type")
    if frame.get("method") == "subscribe" and frame.get("success") is True:
        result = frame["result"]
        if result["channel"] == "book":
            pair = pairs.setdefault(result["symbol"], KrakenPair())
            pair.depth, pair.is_depth_confirmed = int(result["depth"]), True
    elif channel == "book" and kind == "snapshot":
        for row in frame["data"]:
            pair = pairs.setdefault(row["symbol"], KrakenPair())
            levels = max(len(row["bids"]), len(row["asks"]), pair.depth)
            if not pair.is_depth_confirmed:
                pair.depth = next((depth for depth in DEPTHS if depth >= levels), levels)
    elif channel == "instrument":
        for row in frame["data"]["pairs"]:
            pair = pairs.setdefault(row["symbol"], KrakenPair())
            pair.tick = number_text(row["price_increment"])
            pair.lot = number_text(row["qty_increment"])
            pair.price_precision = int(row["price_precision"])
            pair.quantity_precision = int(row["qty_precision"])


def kraken_products(body: Any) -> Iterator[tuple[str, str, str]]:
    """Pair, tick and lot of each row of ``GET /0/public/AssetPairs``, by the pair's feed name."""
    rows = body.get("result") if isinstance(body, dict) else None
    for row in rows.values() if isinstance(rows, dict) else ():
        if not isinstance(row, dict) or not isinstance(row.get("wsname"), str):
            continue
        price_decimals, lot_decimals = row.get("pair_decimals"), row.get("lot_decimals")
        if isinstance(price_decimals, int) and isinstance(lot_decimals, int):
            tick = row.get("tick_size", _step(price_decimals))
            yield row["wsname"], tick, _step(lot_decimals)


def _step(decimals: int) -> str:
    return f"{Decimal(1).scaleb(-decimals):f}"


_V1_SIDES = ("as", "bs", "a", "b")
