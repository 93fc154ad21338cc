"""The recorded market: plays a recorded Coinbase session, lets client orders fill against it.

Frames go out as they were recorded. Frames that arrived together (closer than
``BURST_GAP_NS``) are one step. How orders fill is written in ``sim/recorded_book.py``. Heartbeats
of the Exchange feed, which the recording may lack, are added once a second.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ext.errors import RecordingError
from sim.market import FeedFrame
from sim.orders import Order, OrderEvent, Side
from sim.products import Product
from sim.recorded_book import RecordedBook
from sim.recording import RecordedFrame, Recording
from sim.times import NS_PER_SECOND
from sim.venues import coinbase_advanced_frames as advanced
from sim.venues import coinbase_exchange_frames as exchange

# Frames of one TCP segment are received within microseconds of each other.
BURST_GAP_NS = 200_000
BURST_FRAMES_MAX = 64
# Frames this file does not have to understand: they are passed on, or were the recorder's own.
_OWN_ANSWERS = frozenset({"subscriptions", "error"})
_SYMBOL = re.compile(rb'"product_id":"([^"]+)"')
_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "bid": Side.BUY, "offer": Side.SELL}


class RecordedMarket:
    """Implements ``sim.market.Market`` over a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._kinds = [_kind(recording, frame) for frame in recording.frames]
        symbols = {symbol for _, symbol in self._kinds if symbol}
        unknown = sorted(symbols - recording.products.keys())
        if unknown:
            names = ", ".join(unknown)
            raise RecordingError(f"{recording.path}: no tick and lot recorded for {names}")
        self.products: Mapping[str, Product] = {
            symbol: recording.products[symbol] for symbol in sorted(symbols)
        }
        channels = {channel for channel, _ in self._kinds} - _OWN_ANSWERS
        self._adds_heartbeats = (
            not recording.is_advanced_trade and exchange.HEARTBEAT not in channels
        )
        if self._adds_heartbeats:
            channels.add(exchange.HEARTBEAT)
        self.channels = frozenset(channels)
        self._books = {symbol: RecordedBook() for symbol in self.products}
        self._matches: dict[str, dict[str, Any]] = {}
        self.trade_count = 0
        self._position = 0
        self._now_ns = self.start_time_ns()
        self._next_heartbeat_ns = self.start_time_ns() + NS_PER_SECOND
        self._frames: list[FeedFrame] = []
        self._events: list[OrderEvent] = []

    def start_time_ns(self) -> int:
        """Receive time of the first recorded frame."""
        return self._recording.frames[0].time_ns

    def next_time_ns(self) -> int | None:
        """Receive time of the next recorded frame; ``None`` after the last."""
        if self._position >= len(self._recording.frames):
            return None
        frame_ns = self._recording.frames[self._position].time_ns
        return min(frame_ns, self._next_heartbeat_ns) if self._adds_heartbeats else frame_ns

    def run_step(self, now_ns: int) -> int:
        """The frames that arrived together with the next one, or the heartbeats."""
        self._now_ns = now_ns
        frames = self._recording.frames
        if self._adds_heartbeats and frames[self._position].time_ns > self._next_heartbeat_ns:
            self._next_heartbeat_ns += NS_PER_SECOND
            self._add_heartbeats(now_ns)
            return now_ns
        last_ns = frames[self._position].time_ns
        for _ in range(BURST_FRAMES_MAX):
            if self._position >= len(frames):
                break
            frame = frames[self._position]
            if frame.time_ns - last_ns > BURST_GAP_NS:
                break
            last_ns = max(last_ns, frame.time_ns)
            self._play(frame, *self._kinds[self._position])
            self._position += 1
        return max(now_ns, last_ns)

    def submit(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """A client's new order against the recorded book; it is in no frame."""
        return self._books[order.symbol].submit(order)

    def cancel(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """``RequestRefused`` when the order is not open."""
        return self._books[order.symbol].cancel(order)

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str, now_ns: int
    ) -> list[OrderEvent]:
        """``RequestRefused`` when it cannot be done."""
        book = self._books[order.symbol]
        return book.replace(order, quantity_lots, price_ticks, client_order_id)

    def take_events(self) -> list[OrderEvent]:
        """What recorded frames did to client orders since the last call."""
        events, self._events = self._events, []
        return events

    def take_frames(self) -> list[FeedFrame]:
        """Recorded frames since the last call, unchanged."""
        frames, self._frames = self._frames, []
        return frames

    def has_frames(self) -> bool:
        """Whether ``take_frames`` would return something."""
        return bool(self._frames)

    def snapshot_frames(self, symbol: str) -> list[FeedFrame]:
        """The recorded book now; empty before its recorded snapshot (that one will come)."""
        book = self._books[symbol]
        if not book.is_known:
            return []
        asks, bids = book.levels(Side.SELL), book.levels(Side.BUY)
        product = self.products[symbol]
        if self._recording.is_advanced_trade:
            return [advanced.snapshot_frame(product, asks, bids, self._now_ns)]
        return [exchange.snapshot_frame(product, asks, bids)]

    def last_match_frames(self, symbol: str) -> list[FeedFrame]:
        """The last recorded trade of ``symbol`` for a late subscriber (Exchange feed only)."""
        match = self._matches.get(symbol)
        if match is None:
            return []
        payload = orjson.dumps({**match, "type": "last_match"})
        return [FeedFrame(exchange.MATCHES, symbol, payload)]

    def _add_heartbeats(self, now_ns: int) -> None:
        for symbol, product in self.products.items():
            match = self._matches.get(symbol, {})
            sequence, trade_id = match.get("sequence", 0), match.get("trade_id", 0)
            self._frames.append(exchange.heartbeat_frame(product, sequence, trade_id, now_ns))

    def _play(self, frame: RecordedFrame, channel: str, symbol: str) -> None:
        if channel in _OWN_ANSWERS:
            return
        try:
            if channel in (exchange.LEVEL2, exchange.MATCHES, advanced.MARKET_TRADES):
                self._apply(symbol, orjson.loads(frame.payload))
        except (ValueError, KeyError, TypeError) as error:
            place = f"{self._recording.path}: line {frame.line_number}"
            raise RecordingError(f"{place} cannot be played: {error}") from error
        self._frames.append(FeedFrame(channel, symbol, frame.payload))
        if symbol:
            book = self._books[symbol]
            self._events.extend(book.events)
            book.events.clear()

    def _apply(self, symbol: str, message: dict[str, Any]) -> None:
        if self._recording.is_advanced_trade:
            self._apply_advanced(symbol, message)
        else:
            self._apply_exchange(symbol, message)

    def _apply_exchange(self, symbol: str, message: dict[str, Any]) -> None:
        product, book = self.products[symbol], self._books[symbol]
        kind = message["type"]
        if kind == "snapshot":
            book.apply_snapshot(
                {
                    side: [
                        (product.price.count(price), product.quantity.count(size))
                        for price, size in message[name]
                    ]
                    for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
                }
            )
        elif kind == "l2update":
            for side, price, size in message["changes"]:
                book.apply_change(
                    _SIDES[side], product.price.count(price), product.quantity.count(size)
                )
        else:
            self._matches[symbol] = message
            if kind == "match":
                self._apply_trade(symbol, message)

    def _apply_advanced(self, symbol: str, message: dict[str, Any]) -> None:
        product, book = self.products[symbol], self._books[symbol]
        price_of, lots_of = product.price.count, product.quantity.count
        for event in message["events"]:
            is_snapshot = event["type"] == "snapshot"
            if "trades" in event:
                # The snapshot holds trades from before the session; newest first, as updates are.
                for trade in [] if is_snapshot else reversed(event["trades"]):
                    self._apply_trade(symbol, trade)
                continue
            levels: dict[Side, list[tuple[int, int]]] = {side: [] for side in Side}
            for update in event["updates"]:
                pair = (price_of(update["price_level"]), lots_of(update["new_quantity"]))
                if is_snapshot:
                    levels[_SIDES[update["side"]]].append(pair)
                else:
                    book.apply_change(_SIDES[update["side"]], *pair)
            if is_snapshot:
                book.apply_snapshot(levels)

    def _apply_trade(self, symbol: str, trade: dict[str, Any]) -> None:
        self.trade_count += 1
        # Both feeds name the maker's side (Advanced Trade: in capitals).
        product = self.products[symbol]
        price_ticks = product.price.count(trade["price"])
        quantity_lots = product.quantity.count(trade["size"])
        self._books[symbol].apply_trade(_SIDES[trade["side"].lower()], price_ticks, quantity_lots)


def _kind(recording: Recording, frame: RecordedFrame) -> tuple[str, str]:
    # Channel to subscribe to, and product. Looks at the text only: frames may have megabytes.
    head = frame.payload[:256]
    symbol = _SYMBOL.search(head)
    name = re.search(rb'"channel":"([^"]+)"|"type":"([^"]+)"', head)
    if name is None:
        place = f"{recording.path}: line {frame.line_number}"
        raise RecordingError(f"{place} is no Coinbase frame: neither channel nor type in it")
    text = (name[1] or name[2]).decode()
    table = advanced.CHANNELS if recording.is_advanced_trade else exchange.CHANNELS
    return table.get(text, text), symbol[1].decode() if symbol else ""
