"""Market data session of Coinbase Exchange (``ws-feed.exchange.coinbase.com``).

One signed ``subscribe`` for all channels. Signature: HMAC-SHA256 with the base64-decoded secret
over ``timestamp + "GET" + "/users/self/verify"``, base64 (Exchange docs, "WebSocket
authentication"); ``level2`` requires it, ``timestamp`` (unix seconds) must be within 30 s of the
venue's clock. ``level2`` carries no sequence number: what is lost is lost unseen, so a doubted book
is unsubscribed and subscribed again, which brings a new snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ext.errors import UsageError
from ext.signing import sign_coinbase_exchange
from feeds.session import SECOND_NS, FeedSession, FeedTiming

CHANNELS = ("level2", "matches", "heartbeat")
# Channels that begin with a snapshot of the book, and the names that the venue answers them with.
_BOOK_CHANNELS = {"level2": "level2", "level2_batch": "level2_50", "level2_50": "level2_50"}


@dataclass(frozen=True, slots=True)
class CoinbaseExchangeKey:
    """An API key; ``secret`` in base64 as the venue shows it. Its repr shows nothing."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


class CoinbaseExchangeSession(FeedSession):
    """Subscribes, confirms, resyncs.

    Args:
        symbols: product ids, such as ``BTC-USD``.
        api_key: None subscribes unsigned, which the venue refuses for ``level2``.
        channels: exactly one of ``level2``, ``level2_batch``, ``level2_50`` among them.
        timing: limits.
    """

    hears_each_product = True

    def __init__(
        self,
        symbols: Sequence[str],
        api_key: CoinbaseExchangeKey | None,
        *,
        channels: Sequence[str] = CHANNELS,
        timing: FeedTiming | None = None,
    ) -> None:
        super().__init__(symbols, timing)
        book_channels = [channel for channel in channels if channel in _BOOK_CHANNELS]
        if len(book_channels) != 1:
            raise UsageError(
                f"channels were {list(channels)}; use exactly one of {', '.join(_BOOK_CHANNELS)}"
            )
        self._api_key = api_key
        self._channels = tuple(channels)
        self._book_channel = book_channels[0]
        # Without heartbeats a quiet product is nothing to worry about.
        self.hears_each_product = "heartbeat" in channels

    def _subscribe_messages(self, now_ns: int) -> list[bytes]:
        return [self._message("subscribe", self.symbols, self._channels, now_ns)]

    def _resync_messages(self, symbols: Sequence[str], now_ns: int) -> list[bytes]:
        channels = (self._book_channel,)
        return [
            _encode("unsubscribe", symbols, channels),
            self._message("subscribe", symbols, channels, now_ns),
        ]

    def _message(
        self, kind: str, symbols: Sequence[str], channels: Sequence[str], now_ns: int
    ) -> bytes:
        if self._api_key is None:
            return _encode(kind, symbols, channels)
        timestamp = str(now_ns // SECOND_NS)
        return _encode(
            kind,
            symbols,
            channels,
            signature=sign_coinbase_exchange(
                self._api_key.secret, f"{timestamp}GET/users/self/verify"
            ),
            key=self._api_key.key,
            passphrase=self._api_key.passphrase,
            timestamp=timestamp,
        )

    def _process_control(self, frame: dict[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "subscriptions":
            confirmed = {row["name"]: set(row["product_ids"]) for row in frame["channels"]}
            self._on_confirmed(
                [
                    f"{channel} of {symbol}"
                    for channel in self._channels
                    for symbol in self.symbols
                    if symbol not in confirmed.get(channel, ())
                    and symbol not in confirmed.get(_BOOK_CHANNELS.get(channel, channel), ())
                ]
            )
        elif kind == "error":
            parts = (str(frame[name]) for name in ("message", "reason") if frame.get(name))
            self._on_venue_error(": ".join(parts))


def _encode(
    kind: str, symbols: Sequence[str], channels: Sequence[str], **authentication: str
) -> bytes:
    return orjson.dumps(
        {
            "type": kind,
            "product_ids": list(symbols),
            "channels": list(channels),
            **authentication,
        }
    )
