"""Binance the slow obvious way: diffs behind a snapshot, partial books, quotes, trades.

Written from the venue's documents, "How to manage a local order book correctly" of spot and of
USD-M futures. The reference keeps early updates by itself: what the engine's session replays
behind a snapshot is checked too.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from engine.reference.reference_feed import ReferenceFeed, ReferenceInstrument, ReferenceState
from ext.errors import FeedError

_MAX_ID = 10**18 - 1
_MAX_TIME_MS = (2**63 - 1) // 1_000_000
_KINDS = frozenset({"depthUpdate", "bookTicker", "trade", "aggTrade"})
_MEMBERS = frozenset("bBaAsuUpqmtET") | {"pu", "bids", "asks"}

Event = dict[str, Any]


class ReferenceBinance(ReferenceFeed):
    """What spot and futures have in common."""

    def __init__(self, steps: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(steps)
        self._early: dict[str, list[Event]] = {symbol: [] for symbol in self.instruments}

    @abstractmethod
    def _is_old(self, update: Event, book_id: int) -> bool:
        """Whether a book of that id holds the update already."""

    @abstractmethod
    def _is_first(self, update: Event, snapshot_id: int) -> bool:
        """Whether the update is the one to follow a snapshot."""

    @abstractmethod
    def _is_next(self, update: Event, book_id: int) -> bool:
        """Whether the update is the one to follow another one."""

    def _symbols(self, frame: Event) -> set[str] | None:
        event = frame.get("data", frame)
        if not isinstance(event, dict):
            return None
        if isinstance(event.get("s"), str):
            return {event["s"]}
        stream = frame.get("stream")
        return {_stream_symbol(stream)} if "bids" in event and isinstance(stream, str) else None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        if start.get("e", "depthUpdate") not in _KINDS:
            return set()
        if "s" not in start and {"stream", "lastUpdateId"} <= start.keys():
            return {_stream_symbol(start["stream"])}
        return {start["s"]} if "s" in start else None

    def _apply(self, frame: Event) -> list[ReferenceInstrument]:
        event = frame
        if "stream" in frame or "data" in frame:
            event = frame["data"]
            if not isinstance(frame["stream"], str) or not isinstance(event, dict):
                raise FeedError(f"stream was {frame['stream']!r}; use a text, and data an object")
        stream = frame.get("stream", "")
        kind = event.get("e")
        if kind is not None:
            if kind not in _KINDS:
                return []
        elif "lastUpdateId" in event:
            return self._load(event, _stream_symbol(stream), _is_partial(stream))
        elif "B" in event or "A" in event:
            kind = "bookTicker"
        elif "stream" in frame or _MEMBERS & event.keys():
            raise FeedError("e is missing")
        else:
            return []  # an answer to a request
        instrument = self._find(event["s"])
        if instrument is None:
            return []
        instrument.frames += 1
        if kind == "depthUpdate":
            return self._update(instrument, event, _is_partial(stream))
        if kind == "bookTicker":
            _note_quote(instrument, event)
        else:
            _note_trade(instrument, event, "a" if kind == "aggTrade" else "t")
        return []

    def _load(self, event: Event, symbol: str, is_partial: bool) -> list[ReferenceInstrument]:
        instrument = self._find(symbol)
        if instrument is None:
            return []
        instrument.frames += 1
        snapshot_id = _read_id(event, "lastUpdateId")
        for name in ("E", "T"):
            if name in event:
                _read_time(event, name)
        levels = _read_levels(instrument, event["bids"]), _read_levels(instrument, event["asks"])
        is_stale = instrument.state is ReferenceState.STALE
        book_id = -1 if instrument.sequence is None or is_stale else instrument.sequence
        if not is_partial and snapshot_id <= book_id:
            return []  # older than the book
        self._start(instrument, *levels, None if is_partial else snapshot_id)
        if instrument.state is ReferenceState.SYNCING:
            early, self._early[symbol] = self._early[symbol], []
            for update in early:
                self._follow(instrument, update)
        return [instrument]

    def _start(
        self,
        instrument: ReferenceInstrument,
        bids: list[tuple[str, str]],
        asks: list[tuple[str, str]],
        book_id: int | None,
    ) -> None:
        instrument.snapshots += 1
        instrument.book.load(bids, asks)
        instrument.sequence = book_id
        instrument.state = ReferenceState.LIVE if book_id is None else ReferenceState.SYNCING
        instrument.stale_reason = ""
        instrument.is_doubtful = False
        instrument.settle()

    def _update(
        self, instrument: ReferenceInstrument, event: Event, is_partial: bool
    ) -> list[ReferenceInstrument]:
        _read_time(event, "E")
        if "T" in event:
            _read_time(event, "T")
        if _read_id(event, "U") > _read_id(event, "u"):
            raise FeedError(f"U was {event['U']}, behind u {event['u']}")
        if "pu" in event:
            _read_id(event, "pu")
        bids = _read_levels(instrument, event["b"])
        asks = _read_levels(instrument, event["a"])
        if is_partial:
            self._start(instrument, bids, asks, None)
            return [instrument]
        instrument.changes += len(bids) + len(asks)
        self._follow(instrument, event)
        return [instrument]

    def _follow(self, instrument: ReferenceInstrument, update: Event) -> None:
        """Applies an update to the book that it follows, or keeps it for the next snapshot."""
        is_linked = instrument.state is ReferenceState.LIVE
        if instrument.state is ReferenceState.STALE or instrument.snapshots == 0:
            self._early[instrument.symbol].append(update)
            return
        book_id = instrument.sequence
        if book_id is None:  # of a partial book: nothing can follow it
            is_next = False
        elif self._is_old(update, book_id) and not (is_linked and "pu" in update):
            return
        else:
            is_next = (self._is_next if is_linked else self._is_first)(update, book_id)
        if not is_next:
            instrument.gaps += 1
            instrument.make_stale(f"update {update['U']} to {update['u']} behind {book_id}")
            self._early[instrument.symbol].append(update)
            return
        for is_bid, name in ((True, "b"), (False, "a")):
            for price, quantity in update[name]:
                instrument.book.set_level(is_bid, price, quantity)
        instrument.sequence = update["u"]
        instrument.state = ReferenceState.LIVE
        instrument.settle()
        if instrument.state is ReferenceState.STALE:
            self._early[instrument.symbol].append(update)


class ReferenceBinanceSpot(ReferenceBinance):
    """``U`` and ``u`` count every change of the book."""

    def _is_old(self, update: Event, book_id: int) -> bool:
        return bool(update["u"] <= book_id)

    def _is_first(self, update: Event, snapshot_id: int) -> bool:
        return bool(update["U"] <= snapshot_id + 1 <= update["u"])

    def _is_next(self, update: Event, book_id: int) -> bool:
        return self._is_first(update, book_id)


class ReferenceBinanceUsdm(ReferenceBinance):
    """Each update names the one before it, ``pu``."""

    def _is_old(self, update: Event, book_id: int) -> bool:
        return bool(update["u"] < book_id)

    def _is_first(self, update: Event, snapshot_id: int) -> bool:
        return bool(update["U"] <= snapshot_id <= update["u"])

    def _is_next(self, update: Event, book_id: int) -> bool:
        return bool(update["pu"] == book_id)


def _stream_symbol(stream: str) -> str:
    return stream.partition("@")[0].upper()


def _is_partial(stream: str) -> bool:
    """``btcusdt@depth5@100ms`` sends whole books, ``btcusdt@depth@100ms`` changes."""
    return re.match(r"[^@]*@depth\d", stream) is not None


def _read_levels(instrument: ReferenceInstrument, rows: Any) -> list[tuple[str, str]]:
    if not isinstance(rows, list):
        raise FeedError(f"levels were {rows!r}; use an array")
    for price, quantity in rows:
        if instrument.book.count_level(price, quantity)[0] == 0:
            raise FeedError(f"price was {price}; use a price greater than zero")
    return [(price, quantity) for price, quantity in rows]


def _note_quote(instrument: ReferenceInstrument, event: Event) -> None:
    bid = instrument.book.count_level(event["b"], event["B"])
    ask = instrument.book.count_level(event["a"], event["A"])
    for name in ("E", "T"):
        if name in event:
            _read_time(event, name)
    instrument.quote = (_read_id(event, "u"), bid, ask)


def _note_trade(instrument: ReferenceInstrument, event: Event, id_name: str) -> None:
    price_ticks, quantity_lots = instrument.book.count_level(event["p"], event["q"])
    if not isinstance(event["m"], bool):
        raise FeedError(f"m was {event['m']!r}; use true or false")
    _read_time(event, "T")
    trade_id = _read_id(event, id_name)
    if price_ticks and quantity_lots:
        instrument.note_trade(trade_id)
    else:  # a trade of nothing
        instrument.last_trade_id = trade_id


def _read_id(event: Event, name: str) -> int:
    value = event[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_ID:
        raise FeedError(f"{name} was {value!r}; use a whole number from 0")
    return value


def _read_time(event: Event, name: str) -> None:
    if _read_id(event, name) > _MAX_TIME_MS:
        raise FeedError(f"{name} was {event[name]}; use milliseconds of the years 1970 to 2262")
