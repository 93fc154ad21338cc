"""A client's market data session on the Coinbase Exchange WebSocket feed (sheet B3).

``level2`` needs a signed subscribe: key, passphrase, timestamp and
base64(HMAC-SHA256(secret, timestamp + "GET" + "/users/self/verify")).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from sim.credentials import Credentials
from sim.feed_session import Subscription
from sim.market import FeedFrame
from sim.products import Product
from sim.times import NS_PER_SECOND
from sim.venues.coinbase_exchange_frames import LEVEL2

# Sheet B2: a timestamp must be within 30 s of the server's clock.
TIMESTAMP_LIMIT_S = 30.0
_SIGNED_CHANNELS = frozenset({LEVEL2})
_SIGNED_FIELDS = ("signature", "key", "passphrase", "timestamp")


class SubscribeError(Exception):
    """A request that is answered with an ``error`` frame."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(reason)
        self.message = message


class ExchangeFeedSession:
    """Implements ``FeedSession`` for the Exchange feed."""

    def __init__(
        self,
        products: Mapping[str, Product],
        channels: frozenset[str],
        credentials: Credentials,
    ) -> None:
        self._products = products
        self._credentials = credentials
        self._subscribed: dict[str, set[str]] = {name: set() for name in sorted(channels)}
        self._new: list[Subscription] = []

    @property
    def has_books(self) -> bool:
        """Whether the client gets the book of any product."""
        return bool(self._subscribed.get(LEVEL2))

    def receive(self, payload: bytes, wall_ns: int) -> list[bytes]:
        """``subscribe`` or ``unsubscribe``; a refused request changes nothing."""
        try:
            request = _json_object(payload)
            kind = request.get("type")
            if kind == "subscribe":
                self._subscribe(request, wall_ns)
            elif kind == "unsubscribe":
                self._unsubscribe(request)
            else:
                raise SubscribeError("Invalid request", f"{kind} is not a valid type")
        except SubscribeError as error:
            answer = {"type": "error", "message": error.message, "reason": str(error)}
            return [orjson.dumps(answer)]
        return [self._subscriptions()]

    def take_new_subscriptions(self) -> list[Subscription]:
        """What was subscribed since the last call, products in order within a channel."""
        new, self._new = self._new, []
        return [each for each in new if each[1] in self._subscribed[each[0]]]

    def payload_of(self, frame: FeedFrame) -> bytes | None:
        """The frame itself when its channel and product are subscribed."""
        if frame.symbol in self._subscribed.get(frame.channel, ()):
            return frame.payload
        return None

    def _subscribe(self, request: dict[str, Any], wall_ns: int) -> None:
        wanted = self._wanted(request)
        if any(channel in _SIGNED_CHANNELS for channel in wanted):
            self._authenticate(request, wall_ns)
        for channel, symbols in wanted.items():
            if not symbols:
                raise SubscribeError("Failed to subscribe", f"no product_ids for {channel}")
        for channel, symbols in wanted.items():
            for symbol in symbols:
                if symbol not in self._subscribed[channel]:
                    self._subscribed[channel].add(symbol)
                    self._new.append((channel, symbol))

    def _unsubscribe(self, request: dict[str, Any]) -> None:
        for channel, symbols in self._wanted(request).items():
            if symbols:
                self._subscribed[channel].difference_update(symbols)
            else:
                self._subscribed[channel].clear()

    def _wanted(self, request: dict[str, Any]) -> dict[str, list[str]]:
        # Channels are names, which take the request's products, or objects with their own.
        common = request.get("product_ids", [])
        channels = request.get("channels")
        if not isinstance(channels, list) or not channels:
            raise SubscribeError("Failed to subscribe", "channels must be a list of channels")
        wanted: dict[str, list[str]] = {}
        for entry in channels:
            is_object = isinstance(entry, dict)
            name = entry.get("name") if is_object else entry
            symbols = entry.get("product_ids", common) if is_object else common
            if name not in self._subscribed:
                raise SubscribeError("Failed to subscribe", f"{name} is not a valid channel")
            if not isinstance(symbols, list):
                raise SubscribeError("Failed to subscribe", "product_ids must be a list")
            for symbol in symbols:
                if symbol not in self._products:
                    reason = f"{symbol} is not a valid product"
                    raise SubscribeError("Failed to subscribe", reason)
            wanted.setdefault(name, []).extend(symbols)
        return wanted

    def _authenticate(self, request: dict[str, Any], wall_ns: int) -> None:
        def refuse(reason: str) -> SubscribeError:
            return SubscribeError("Authentication Failed", reason)

        fields = [request.get(name) for name in _SIGNED_FIELDS]
        signature, key, passphrase, timestamp = fields
        if not all(isinstance(value, str) and value for value in fields):
            raise refuse("level2 needs signature, key, passphrase and timestamp as text")
        try:
            age_s = abs(wall_ns / NS_PER_SECOND - float(str(timestamp)))
        except ValueError as error:
            raise refuse("timestamp must be seconds since 1970") from error
        if not age_s <= TIMESTAMP_LIMIT_S:
            raise refuse("request timestamp expired")
        if key != self._credentials.key:
            raise refuse("Invalid API Key")
        if passphrase != self._credentials.passphrase:
            raise refuse("invalid passphrase")
        signed = f"{timestamp}GET/users/self/verify"
        if not self._credentials.is_signed(signed, str(signature)):
            raise refuse("invalid signature")

    def _subscriptions(self) -> bytes:
        channels = [
            {"name": name, "product_ids": sorted(symbols)}
            for name, symbols in self._subscribed.items()
            if symbols
        ]
        return orjson.dumps({"type": "subscriptions", "channels": channels})


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise SubscribeError("Malformed JSON", str(error)) from error
    if not isinstance(request, dict):
        raise SubscribeError("Malformed JSON", "a request must be an object")
    return request
