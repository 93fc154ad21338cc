"""Reads Kraken's WebSocket v2 and v1 the slow obvious way, checksums from the texts of the levels.

Source: Kraken docs, "Spot WebSocket v2", "v1" and "Calculate book checksum": after an update each
side is cut to the subscribed depth, then the CRC-32 over the texts of the ten best asks and the
ten best bids, price and quantity with all decimals but without point and zeros in front, must be
the one that came with it.
"""

import json
import re
from decimal import Decimal
from typing import Any
from zlib import crc32

import orjson

from engine.reference.reference_feed import (
    BookTerms,
    ReferenceFeed,
    ReferenceInstrument,
    ReferenceState,
    change_book,
    check_time,
    load_book,
)
from ext.errors import FeedError

CHECKSUM_LEVELS = 10

_SECONDS = re.compile(r"\d{1,12}(\.\d{1,6}0*)?")
_WHOLE = re.compile(r"0|[1-9]\d{0,17}")
_BOOK_CHANNEL = re.compile(r"book-(\d{1,9})")


class NumberText(str):
    """The text of a JSON number, so that nothing is rounded and no string is taken for it."""

    __slots__ = ()


class _ReferenceKrakenBooks(ReferenceFeed):
    """What both versions have in common: depth and checksum."""

    def _settle(self, instrument: ReferenceInstrument, depth: int, checksum: int | None) -> None:
        """After the changes of a frame: cut to the depth, then the checksum."""
        if instrument.state is not ReferenceState.LIVE:
            return
        if depth:
            instrument.book.keep_best(depth)
        if checksum is None:
            return
        terms = self.terms.get(instrument.symbol, BookTerms())
        if checksum == checksum_of(instrument, terms):
            instrument.checksums_good += 1
        else:
            instrument.checksums_bad += 1
            instrument.make_stale("checksum")


class ReferenceKraken(_ReferenceKrakenBooks):
    """``book`` and ``trade`` of WebSocket v2."""

    channels = frozenset({"book", "trade"})

    def _parse(self, payload: bytes) -> Any:
        orjson.loads(payload)  # stricter than the standard library, which can keep the texts
        return json.loads(payload, parse_float=NumberText, parse_int=NumberText)

    def _symbols(self, frame: dict[str, Any]) -> set[str] | None:
        try:
            symbols = {row["symbol"] for row in frame["data"]}
        except (KeyError, TypeError):
            return None
        return symbols if all(isinstance(symbol, str) for symbol in symbols) else None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        return None if start.get("channel", "book") in self.channels else set()

    def _apply(self, frame: dict[str, Any]) -> list[ReferenceInstrument]:
        channel = frame.get("channel")
        if channel not in self.channels:
            if channel is None and "data" in frame:
                raise FeedError("data came without a channel")
            return []
        kind = frame["type"]
        if kind not in {"snapshot", "update"}:
            raise FeedError(f"type was {kind!r}; use snapshot or update")
        touched = []
        for row in frame["data"] if channel == "book" or kind == "update" else ():
            instrument = self._find(row["symbol"])
            if instrument is None:
                continue
            instrument.frames += 1
            if channel == "book":
                self._apply_book(instrument, row, is_snapshot=kind == "snapshot")
                touched.append(instrument)
            else:
                _note_trade(instrument, row)
        return touched

    def _apply_book(
        self, instrument: ReferenceInstrument, row: dict[str, Any], *, is_snapshot: bool
    ) -> None:
        checksum = _read_checksum(row["checksum"])
        if "timestamp" in row or not is_snapshot:
            check_time(row["timestamp"])
        if is_snapshot:
            load_book(instrument, _levels(row["bids"]), _levels(row["asks"]))
        else:
            if not row.keys() & {"bids", "asks"}:
                raise FeedError("the update has neither bids nor asks")
            changes = [(True, *level) for level in _levels(row.get("bids", []))]
            changes += [(False, *level) for level in _levels(row.get("asks", []))]
            change_book(instrument, changes)
        depth = self.terms.get(instrument.symbol, BookTerms()).depth
        self._settle(instrument, depth, checksum)


class ReferenceKrakenV1(_ReferenceKrakenBooks):
    """``book-<depth>`` and ``trade`` of WebSocket v1."""

    frame_types = (dict, list)

    def _symbols(self, frame: dict[str, Any] | list[Any]) -> set[str] | None:
        if isinstance(frame, list) and frame and isinstance(frame[-1], str):
            return {frame[-1]}
        return None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        return None

    def _apply(self, frame: dict[str, Any] | list[Any]) -> list[ReferenceInstrument]:
        if isinstance(frame, dict):
            return []
        _, *parts, channel, pair = frame
        depth = _BOOK_CHANNEL.fullmatch(channel)
        if not channel.startswith("book") and channel != "trade":
            return []
        instrument = self._find(pair)
        if instrument is None:
            return []
        instrument.frames += 1
        if channel == "trade":
            (trades,) = parts
            for price, quantity, seconds, side, *_ in trades:
                instrument.book.count_level(price, quantity)
                _check_seconds(seconds)
                if side not in {"b", "s"}:
                    raise FeedError(f"side was {side!r}; use b or s")
                instrument.trades += 1
        elif depth is None or int(depth[1]) == 0:
            raise FeedError(f"channel was {channel!r}; use book-<depth>")
        else:
            self._apply_book(instrument, parts, int(depth[1]))
        return [instrument]

    def _apply_book(
        self, instrument: ReferenceInstrument, parts: list[dict[str, Any]], depth: int
    ) -> None:
        members: dict[str, Any] = {}
        for part in parts:
            if members.keys() & part.keys() & {"as", "bs", "a", "b", "c"}:
                raise FeedError("the same member twice")
            members |= part
        if "as" in members or "bs" in members:
            if members.keys() & {"a", "b"} or len(parts) > 1:
                raise FeedError("a snapshot and an update in one message")
            load_book(instrument, _v1_levels(members["bs"]), _v1_levels(members["as"]))
        elif members.keys() & {"a", "b"}:
            changes = [(True, *level) for level in _v1_levels(members.get("b", []))]
            changes += [(False, *level) for level in _v1_levels(members.get("a", []))]
            _read_checksum(NumberText(members["c"]))
            change_book(instrument, changes)
        else:
            raise FeedError("neither a snapshot nor an update")
        checksum = _read_checksum(NumberText(members["c"])) if "c" in members else None
        self._settle(instrument, depth, checksum)


def checksum_of(instrument: ReferenceInstrument, terms: BookTerms) -> int:
    """CRC-32 over the best levels of a book, by the texts of its numbers."""
    book = instrument.book
    texts = []
    for is_bid in (False, True):
        for price_ticks, quantity_lots in book.levels(is_bid)[:CHECKSUM_LEVELS]:
            texts.append(_digits(book.price(price_ticks), terms.price_precision))
            texts.append(_digits(book.quantity(quantity_lots), terms.quantity_precision))
    return crc32("".join(texts).encode())


def _digits(number: Decimal, precision: int | None) -> str:
    text = f"{number:f}" if precision is None else f"{number:.{precision}f}"
    return text.replace(".", "").lstrip("0")


def _levels(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    levels = [(row["price"], row["qty"]) for row in rows]
    for number in (number for level in levels for number in level):
        if not isinstance(number, NumberText):
            raise FeedError(f"{number!r} is not a number")
    return levels


def _v1_levels(rows: list[list[Any]]) -> list[tuple[str, str]]:
    levels = []
    for price, quantity, seconds, *mark in rows:
        _check_seconds(seconds)
        if mark not in ([], ["r"]):
            raise FeedError(f"the level ended in {mark!r}; use r or nothing")
        levels.append((price, quantity))
    return levels


def _note_trade(instrument: ReferenceInstrument, row: dict[str, Any]) -> None:
    ((price, quantity),) = _levels([row])
    instrument.book.count_level(price, quantity)
    if row["side"] not in {"buy", "sell"}:
        raise FeedError(f"side was {row['side']!r}; use buy or sell")
    check_time(row["timestamp"])
    trade_id = row["trade_id"]
    if not isinstance(trade_id, NumberText) or not _WHOLE.fullmatch(trade_id):
        raise FeedError(f"trade_id was {trade_id!r}; use a whole number from 0")
    instrument.note_trade(int(trade_id))


def _read_checksum(text: object) -> int:
    if not isinstance(text, NumberText) or not text.isascii() or not text.isdecimal():
        raise FeedError(f"checksum was {text!r}; use a whole number")
    if int(text) >= 2**32:
        raise FeedError(f"checksum was {text}; use a number of 32 bits")
    return int(text)


def _check_seconds(text: object) -> None:
    if not isinstance(text, str) or not _SECONDS.fullmatch(text):
        raise FeedError(f"time was {text!r}; use unix seconds with up to six decimals")
