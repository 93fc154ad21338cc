"""What a capture of Gemini's market data v2 holds: its numbers and its list of products."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

GEMINI = "gemini"


def is_gemini(frame: dict[str, Any]) -> bool:
    """Whether only Gemini sends such a frame."""
    return frame.get("type") == "l2_updates" and {"symbol", "changes"} <= frame.keys()


def gemini_numbers(frame: Any) -> Iterator[tuple[str, str, str]]:
    """Product, price text and quantity text of everything in a frame."""
    kind = frame["type"]
    if kind == "l2_updates":
        for _, price, quantity in frame["changes"]:
            yield frame["symbol"], price, quantity
    elif kind == "trade":
        yield frame["symbol"], frame["price"], frame["quantity"]


def gemini_product(body: Any) -> tuple[str, str, str] | None:
    """Symbol, tick and lot of ``GET /v1/symbols/details/{symbol}``; None for another body.

    The venue calls the step of a *quantity* ``tick_size``, and writes both steps as numbers.
    """
    if not isinstance(body, dict):
        return None
    symbol, tick, lot = (body.get(key) for key in ("symbol", "quote_increment", "tick_size"))
    if (
        not isinstance(symbol, str)
        or not isinstance(tick, float | int)
        or not isinstance(lot, float | int)
    ):
        return None
    # repr is the shortest text of the float, which is what the venue wrote.
    return symbol, f"{Decimal(repr(tick)):f}", f"{Decimal(repr(lot)):f}"
