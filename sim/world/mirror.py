"""The books as the delivered frames make them: a second reading of market data, in plain Python.

Frames that this reading does not understand make a book uncertain until its next snapshot; what
the engine makes of those is judged by its own tests.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

TICK = Decimal("0.01")
LOT = Decimal("0.00000001")


class Mirror:
    """Books by symbol: what ``take`` was given since the connection began."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.changed: set[str] = set()
        """Symbols whose book a frame has changed since somebody cleared this."""
        self._bids: dict[str, dict[int, int]] = {symbol: {} for symbol in symbols}
        self._asks: dict[str, dict[int, int]] = {symbol: {} for symbol in symbols}
        self._certain: dict[str, bool] = dict.fromkeys(symbols, False)

    def is_certain(self, symbol: str) -> bool:
        """Whether every frame since its snapshot was understood."""
        return self._certain[symbol]

    def levels(self, symbol: str, *, is_bid: bool) -> list[tuple[int, int]]:
        """(ticks, lots) of a side, best first."""
        side = self._bids[symbol] if is_bid else self._asks[symbol]
        return sorted(side.items(), reverse=is_bid)

    def take(self, frame: bytes | None) -> None:
        """A frame as it was delivered; None: a new connection."""
        if frame is None:
            self._doubt_all()
            return
        try:
            self._apply(orjson.loads(frame))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, InvalidOperation):
            self._doubt_all()

    def _doubt_all(self) -> None:
        self._certain = dict.fromkeys(self._certain, False)

    def _apply(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind not in ("snapshot", "l2update"):
            return
        symbol = message["product_id"]
        sides = {"buy": self._bids[symbol], "sell": self._asks[symbol]}
        self.changed.add(symbol)
        if kind == "snapshot":
            for side, name in (("buy", "bids"), ("sell", "asks")):
                sides[side].clear()
                sides[side].update({_ticks(price): _lots(size) for price, size in message[name]})
            self._certain[symbol] = True
            return
        for side, price, size in message["changes"]:
            lots = _lots(size)
            if lots:
                sides[side][_ticks(price)] = lots
            else:
                sides[side].pop(_ticks(price), None)


def _ticks(text: str) -> int:
    return _steps(text, TICK)


def _lots(text: str) -> int:
    return _steps(text, LOT)


def _steps(text: str, step: Decimal) -> int:
    count, rest = divmod(Decimal(text), step)
    if rest or count < 0:
        raise ValueError(f"{text} is off the step {step}")
    return int(count)
