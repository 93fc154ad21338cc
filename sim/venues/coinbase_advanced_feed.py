"""A client's market data session on the Coinbase Advanced Trade WebSocket feed (sheet A3).

One channel in each request; ``sequence_num`` counts the frames of the connection over all its
channels, so frames are numbered here. A recorded frame keeps its bytes when the numbers agree.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from sim.feed_session import Subscription
from sim.market import FeedFrame
from sim.products import Product
from sim.venues.coinbase_advanced_frames import LEVEL2, envelope, numbered

# Channels without products: one subscription, under their own name, serves them whole.
_WHOLE_CHANNELS = frozenset({"heartbeats"})


class AdvancedFeedSession:
    """Implements ``FeedSession`` for Advanced Trade, unauthenticated as its public channels are."""

    def __init__(self, products: Mapping[str, Product], channels: frozenset[str]) -> None:
        self._products = products
        self._subscribed: dict[str, set[str]] = {name: set() for name in sorted(channels)}
        self._new: list[Subscription] = []
        self._next_sequence = 0

    @property
    def has_books(self) -> bool:
        """Whether the client gets the book of any product."""
        return bool(self._subscribed.get(LEVEL2))

    def receive(self, payload: bytes, wall_ns: int) -> list[bytes]:
        """``subscribe`` or ``unsubscribe``; errors are answered with their text."""
        try:
            self._take(orjson.loads(payload))
        except (orjson.JSONDecodeError, ValueError, AttributeError) as error:
            return [orjson.dumps({"type": "error", "message": str(error)})]
        current = {name: sorted(each) for name, each in self._subscribed.items() if each}
        event = {"subscriptions": current}
        return [self._number(envelope("subscriptions", [event], wall_ns))]

    def take_new_subscriptions(self) -> list[Subscription]:
        """What was subscribed since the last call."""
        new, self._new = self._new, []
        return [each for each in new if each[1] in self._subscribed[each[0]]]

    def payload_of(self, frame: FeedFrame) -> bytes | None:
        """The frame with this connection's next number, when the client subscribed to it."""
        symbols = self._subscribed.get(frame.channel)
        if not symbols or (frame.symbol and frame.symbol not in symbols):
            return None
        return self._number(frame.payload)

    def _number(self, payload: bytes) -> bytes:
        sequence = self._next_sequence
        self._next_sequence += 1
        return numbered(payload, sequence)

    def _take(self, request: dict[str, Any]) -> None:
        kind, channel = request.get("type"), request.get("channel")
        if kind not in ("subscribe", "unsubscribe"):
            raise ValueError(f"{kind} is not a valid type; use subscribe or unsubscribe")
        if channel not in self._subscribed:
            raise ValueError(f"{channel} is not a valid channel")
        symbols = request.get("product_ids") or []
        for symbol in symbols:
            if symbol not in self._products:
                raise ValueError(f"{symbol} is not a valid product")
        subscribed = self._subscribed[channel]
        if kind == "unsubscribe":
            subscribed.difference_update(symbols or set(subscribed))
            return
        wanted = [channel] if channel in _WHOLE_CHANNELS else symbols or sorted(self._products)
        for symbol in wanted:
            if symbol not in subscribed:
                subscribed.add(symbol)
                self._new.append((channel, symbol))
