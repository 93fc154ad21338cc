"""Reads Gemini's market data v2 the slow obvious way.

Source: Gemini docs, Market Data v2. The first ``l2_updates`` of a symbol after the subscription is
its whole book, the later ones are changes. Later in a connection, a whole book can only be the
answer to another subscription: one that was asked for because the book was given up, and it then
holds ``trades`` again.
"""

import re
from collections.abc import Mapping
from typing import Any

from engine.reference.reference_feed import (
    ReferenceFeed,
    ReferenceInstrument,
    ReferenceState,
    change_book,
    load_book,
)
from ext.errors import FeedError

_SIDES = {"buy": True, "sell": False}
_MAX_TIME_MS = (2**63 - 1) // 1_000_000
_TYPE = re.compile(r'"type"\s*:\s*"([^"\\]*)"')
_SYMBOL = re.compile(r'"symbol"\s*:\s*"([^"\\]*)"')


class ReferenceGemini(ReferenceFeed):
    """``l2_updates``, ``trade`` and ``heartbeat`` of Gemini."""

    kinds = frozenset({"l2_updates", "trade", "heartbeat"})

    def __init__(self, steps: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(steps)
        self._answered: set[str] = set()
        self._payload = b""

    def _parse(self, payload: bytes) -> Any:
        self._payload = payload
        return super()._parse(payload)

    def _symbols(self, frame: dict[str, Any]) -> set[str] | None:
        symbol = frame.get("symbol")
        return {symbol} if isinstance(symbol, str) else None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        """Type and symbol may stand behind ``changes``: wherever they can still be read."""
        text = self._payload.decode("utf-8", "replace")
        kinds = set(_TYPE.findall(text))
        if kinds and not kinds & self.kinds:
            return set()
        return set(_SYMBOL.findall(text)) or None

    def _apply(self, frame: dict[str, Any]) -> list[ReferenceInstrument]:
        kind = frame["type"]
        if kind not in self.kinds:
            return []
        if kind == "heartbeat":
            _check_time(frame["timestamp"])
            return []
        instrument = self._find(frame["symbol"])
        if instrument is None:
            return []
        instrument.frames += 1
        if kind == "trade":
            _note_trade(instrument, frame)
        else:
            self._apply_book(instrument, frame)
        return [instrument]

    def _apply_book(self, instrument: ReferenceInstrument, frame: dict[str, Any]) -> None:
        if not isinstance(frame.get("trades", []), list):
            raise FeedError(f"trades was {frame['trades']!r}; use a list")
        changes = [(_SIDES[side], price, quantity) for side, price, quantity in frame["changes"]]
        is_given_up = instrument.state is not ReferenceState.LIVE or instrument.is_doubtful
        if instrument.symbol not in self._answered or ("trades" in frame and is_given_up):
            load_book(
                instrument,
                [(price, quantity) for is_bid, price, quantity in changes if is_bid],
                [(price, quantity) for is_bid, price, quantity in changes if not is_bid],
            )
            self._answered.add(instrument.symbol)
        else:
            change_book(instrument, changes)


def _note_trade(instrument: ReferenceInstrument, frame: dict[str, Any]) -> None:
    instrument.book.count_level(frame["price"], frame["quantity"])
    if frame["side"] not in _SIDES:
        raise FeedError(f"side was {frame['side']!r}; use buy or sell")
    _check_time(frame["timestamp"])
    event_id = frame["event_id"]
    if not isinstance(event_id, int) or isinstance(event_id, bool) or event_id < 0:
        raise FeedError(f"event_id was {event_id!r}; use a whole number from 0")
    instrument.trades += 1  # ids grow and are not consecutive


def _check_time(milliseconds: object) -> None:
    is_whole = isinstance(milliseconds, int) and not isinstance(milliseconds, bool)
    if not is_whole or not 0 <= int(str(milliseconds)) <= _MAX_TIME_MS:
        raise FeedError(f"timestamp was {milliseconds!r}; use milliseconds since the epoch")
