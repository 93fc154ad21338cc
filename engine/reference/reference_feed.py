"""Reads market data frames the slow obvious way: ``orjson``, dictionaries, exact decimals.

Written from the venues' documents, not from the compiled decoders, and sharing nothing with them:
it says what the books must be after each frame. After a frame that cannot be read the books of
its products are STALE, and every other book is *doubtful*: an engine may be more careful than the
reference and give those up too, never less.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from engine.reference.quote_check import Quote
from engine.reference.reference_book import ReferenceBook
from ext.errors import FeedError, InstrumentError

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_MEMBER = re.compile(
    r'[\s,]*"(?P<name>[^"\\]*)"\s*:\s*("(?P<text>[^"\\]*)"|(?P<number>\d+)(?=\s*,))'
)
_ENVELOPE = re.compile(r'[\s,]*"data"\s*:\s*\{')


class ReferenceState(Enum):
    """What is known of a book: nothing yet, everything, or not enough any more."""

    SYNCING = "SYNCING"
    LIVE = "LIVE"
    STALE = "STALE"


@dataclass(slots=True)
class ReferenceInstrument:
    """The book of one product and what happened to it."""

    symbol: str
    book: ReferenceBook
    state: ReferenceState = ReferenceState.SYNCING
    stale_reason: str = ""
    is_doubtful: bool = False
    """A frame since the last snapshot could not be read: an engine may have given the book up."""
    frames: int = 0
    """Frames that named the product."""
    snapshots: int = 0
    changes: int = 0
    """Level changes of updates; the levels of snapshots are not among them."""
    trades: int = 0
    gaps: int = 0
    """Jumps of the venue's sequence or of the trade ids."""
    crossed: int = 0
    """Frames after which the best bid was at or above the best ask."""
    bad_frames: int = 0
    checksums_good: int = 0
    checksums_bad: int = 0
    last_trade_id: int | None = field(default=None, repr=False)
    sequence: int | None = None
    """Id of the last update in the book, where updates of a product are counted."""
    quote: Quote | None = None
    """The last best bid and ask that the venue sent beside the book."""

    def make_stale(self, reason: str) -> None:
        """Gives the book up until the next snapshot; the first reason stays."""
        if self.state is not ReferenceState.STALE:
            self.state = ReferenceState.STALE
            self.stale_reason = reason
            self.book.clear()

    def settle(self) -> None:
        """After all of a frame: a crossed book cannot be the venue's."""
        if self.book.is_crossed():
            self.crossed += 1
            self.make_stale("crossed")

    def note_trade(self, trade_id: int) -> None:
        """Counts a trade, and a gap when ids are missing between it and the last one."""
        self.trades += 1
        if self.last_trade_id is not None and trade_id > self.last_trade_id + 1:
            self.gaps += 1
        self.last_trade_id = max(trade_id, self.last_trade_id or 0)


@dataclass(frozen=True, slots=True)
class BookTerms:
    """What a venue's book is bound to, beyond tick and lot."""

    depth: int = 0
    """Levels of a side that the venue keeps; 0: all."""
    price_precision: int | None = None
    """Decimals of a price in the checksum; None: those of the tick."""
    quantity_precision: int | None = None


class ReferenceFeed(ABC):
    """All books of one connection. ``steps`` gives tick and lot text of each product."""

    frame_types: tuple[type, ...] = (dict,)
    """What a frame of the venue may be in JSON."""

    def __init__(self, steps: Mapping[str, tuple[str, str]]) -> None:
        self.instruments = {
            symbol: ReferenceInstrument(symbol, ReferenceBook(tick, lot))
            for symbol, (tick, lot) in steps.items()
        }
        self.terms: dict[str, BookTerms] = {}
        """By symbol, for venues whose books have any."""
        self.frames = 0
        self.bad_frames = 0
        self.gaps = 0
        """Jumps of the connection's sequence; each makes every book STALE."""

    def receive(self, payload: bytes) -> list[ReferenceInstrument]:
        """Applies one frame: the instruments whose book or state it touched."""
        self.frames += 1
        try:
            frame = self._parse(payload)
        except orjson.JSONDecodeError as error:
            return self._refuse(self._symbols_of_broken(read_start(payload)), f"not JSON ({error})")
        if not isinstance(frame, self.frame_types):
            return self._refuse(None, "not a JSON object")
        try:
            return self._apply(frame)
        except (FeedError, InstrumentError) as error:
            return self._refuse(self._symbols(frame), str(error))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"not shaped as documented ({type(error).__name__}: {error})"
            return self._refuse(self._symbols(frame), reason)

    def _parse(self, payload: bytes) -> Any:
        return orjson.loads(payload)

    @abstractmethod
    def _apply(self, frame: Any) -> list[ReferenceInstrument]: ...

    @abstractmethod
    def _symbols(self, frame: Any) -> set[str] | None:
        """The products of a frame; None when it may be of any."""

    @abstractmethod
    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        """The same for a frame of which only the first members can be read."""

    def _find(self, symbol: str) -> ReferenceInstrument | None:
        """The instrument of a product; None, and doubt about all others, when it is not ours."""
        if symbol not in self.instruments:
            self._doubt_all()
        return self.instruments.get(symbol)

    def _refuse(self, symbols: set[str] | None, reason: str) -> list[ReferenceInstrument]:
        self.bad_frames += 1
        self._doubt_all()
        touched = [
            instrument
            for symbol, instrument in self.instruments.items()
            if symbols is None or symbol in symbols
        ]
        for instrument in touched:
            instrument.bad_frames += 1
            instrument.make_stale(f"bad frame: {reason}")
        return touched

    def _doubt_all(self) -> None:
        for instrument in self.instruments.values():
            instrument.is_doubtful = True


class ReferenceCoinbaseExchange(ReferenceFeed):
    """``snapshot``, ``l2update``, ``match`` and ``last_match`` of Coinbase Exchange."""

    kinds = frozenset({"snapshot", "l2update", "match", "last_match", "heartbeat"})

    def _symbols(self, frame: dict[str, Any]) -> set[str] | None:
        symbol = frame.get("product_id")
        return {symbol} if isinstance(symbol, str) else None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        if start.get("type", "l2update") not in self.kinds:
            return set()
        return self._symbols(start)

    def _apply(self, frame: dict[str, Any]) -> list[ReferenceInstrument]:
        kind = frame.get("type")
        if kind not in self.kinds:
            return []
        instrument = self._find(frame["product_id"])
        if instrument is None:
            return []
        instrument.frames += 1
        if kind == "snapshot":
            load_book(instrument, frame["bids"], frame["asks"])
        elif kind == "l2update":
            check_time(frame["time"])
            sides = {"buy": True, "sell": False}
            change_book(instrument, [(sides[s], p, q) for s, p, q in frame["changes"]])
        elif kind == "heartbeat":
            check_time(frame["time"])
        else:
            trade_id = _check_trade(instrument, frame, {"buy", "sell"})
            if kind == "match":
                instrument.note_trade(trade_id)
            else:  # from before the subscription
                instrument.last_trade_id = trade_id
        return [instrument]


class ReferenceCoinbaseAdvanced(ReferenceFeed):
    """``l2_data`` and ``market_trades`` of Coinbase Advanced Trade; one sequence for all frames."""

    def __init__(self, steps: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(steps)
        self._last_sequence: int | None = None

    def _symbols(self, frame: dict[str, Any]) -> set[str] | None:
        try:
            rows = [row for event in frame["events"] for row in event.get("trades", [event])]
            symbols = {row["product_id"] for row in rows}
        except (AttributeError, KeyError, TypeError):
            return None
        return symbols if all(isinstance(symbol, str) for symbol in symbols) else None

    def _symbols_of_broken(self, start: dict[str, str]) -> set[str] | None:
        return None

    def _apply(self, frame: dict[str, Any]) -> list[ReferenceInstrument]:
        touched = self._check_sequence(frame)
        channel = frame.get("channel")
        events = frame["events"] if channel in {"l2_data", "market_trades"} else ()
        for event in events:
            if channel == "l2_data":
                touched += self._apply_book(event)
            elif event["type"] == "update":
                self._note_trades(event["trades"])
        return touched

    def _check_sequence(self, frame: dict[str, Any]) -> list[ReferenceInstrument]:
        if "sequence_num" not in frame:
            return []
        sequence = frame["sequence_num"]
        if not isinstance(sequence, int) or sequence < 0:
            raise FeedError(f"sequence_num was {sequence!r}; use a whole number from 0")
        expected = None if self._last_sequence is None else self._last_sequence + 1
        self._last_sequence = sequence
        if expected is None or sequence == expected:
            return []
        self.gaps += 1
        for instrument in self.instruments.values():
            instrument.gaps += 1
            instrument.make_stale(f"sequence_num was {sequence} after {expected - 1}")
        return list(self.instruments.values())

    def _apply_book(self, event: dict[str, Any]) -> list[ReferenceInstrument]:
        instrument = self._find(event["product_id"])
        if instrument is None:
            return []
        instrument.frames += 1
        sides = {"bid": True, "offer": False}
        changes = [
            (sides[update["side"]], update["price_level"], update["new_quantity"])
            for update in event["updates"]
        ]
        if event["type"] == "snapshot":
            load_book(
                instrument,
                [(price, quantity) for is_bid, price, quantity in changes if is_bid],
                [(price, quantity) for is_bid, price, quantity in changes if not is_bid],
            )
        elif event["type"] == "update":
            change_book(instrument, changes)
        else:
            raise FeedError(f"type was {event['type']!r}; use snapshot or update")
        return [instrument]

    def _note_trades(self, trades: list[dict[str, Any]]) -> None:
        for trade in sorted(trades, key=lambda trade: int(trade["trade_id"])):  # newest first
            if instrument := self._find(trade["product_id"]):
                instrument.frames += 1
                instrument.note_trade(_check_trade(instrument, trade, {"BUY", "SELL"}))


def read_start(payload: bytes) -> dict[str, str]:
    """The members at the start of a broken JSON object that are plain strings or numbers.

    Those of an object ``data`` are read in its place.
    """
    members: dict[str, str] = {}
    text = payload.decode("utf-8", "replace").lstrip().removeprefix("{")
    while member := _MEMBER.match(text) or _ENVELOPE.match(text):
        if member.re is _MEMBER:
            members[member["name"]] = member["text"] or member["number"]
        text = text[member.end() :]
    return members


def load_book(
    instrument: ReferenceInstrument, bids: list[tuple[str, str]], asks: list[tuple[str, str]]
) -> None:
    """Replaces the book of an instrument by a snapshot, and settles it."""
    instrument.snapshots += 1
    instrument.book.load(bids, asks)
    instrument.state = ReferenceState.LIVE
    instrument.stale_reason = ""
    instrument.is_doubtful = False
    instrument.settle()


def change_book(instrument: ReferenceInstrument, changes: list[tuple[bool, str, str]]) -> None:
    """Applies (is_bid, price, quantity) to a LIVE book, and settles it."""
    instrument.changes += len(changes)
    for is_bid, price, quantity in changes:
        instrument.book.set_level(is_bid, price, quantity)
    if instrument.state is ReferenceState.LIVE:
        instrument.settle()
    else:
        instrument.book.clear()  # the changes were read for their errors only


def _check_trade(instrument: ReferenceInstrument, trade: dict[str, Any], sides: set[str]) -> int:
    instrument.book.count_level(trade["price"], trade["size"])
    if trade["side"] not in sides:
        raise FeedError(f"side was {trade['side']!r}; use {' or '.join(sorted(sides))}")
    check_time(trade["time"])
    return int(trade["trade_id"])


def check_time(text: str) -> None:
    """FeedError unless the text is a time as RFC 3339 has it, in UTC."""
    if not _TIME.fullmatch(text):
        raise FeedError(f"time was {text!r}; use RFC 3339 in UTC")
