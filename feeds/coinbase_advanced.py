"""Market data session of Coinbase Advanced Trade (``advanced-trade-ws.coinbase.com``).

One ``subscribe`` per channel, unauthenticated: the public channels need no token. The frames of
all channels of a connection share one ``sequence_num``; a gap in it makes every book of the
connection doubtful, and one unsubscribe and subscribe of all of them brings the new snapshots.

A ``-USDC`` product answers under its ``-USD`` alias on the public channels: name the alias.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from feeds.session import MILLISECOND_NS, FeedSession

# ``heartbeats`` takes no products; without it the venue drops quiet channels after 60 to 90 s.
CHANNELS = ("level2", "market_trades", "heartbeats")
_BOOK_CHANNEL = "level2"
_HEARTBEATS = "heartbeats"


class CoinbaseAdvancedSession(FeedSession):
    """Subscribes, confirms, resyncs."""

    # The venue takes 8 unauthenticated messages a second; a resync is two.
    resync_spacing_ns = 500 * MILLISECOND_NS

    def _subscribe_messages(self, now_ns: int) -> list[bytes]:
        return [_encode("subscribe", channel, self.symbols) for channel in CHANNELS]

    def _resync_messages(self, symbols: Sequence[str], now_ns: int) -> list[bytes]:
        return [_encode(kind, _BOOK_CHANNEL, symbols) for kind in ("unsubscribe", "subscribe")]

    def _process_control(self, frame: dict[str, Any]) -> None:
        if frame.get("type") == "error":
            self._on_venue_error(str(frame.get("message", "")))
        elif frame.get("channel") == "subscriptions":
            confirmed: dict[str, list[str]] = {}
            for event in frame["events"]:
                confirmed.update(event["subscriptions"])
            missing = [
                f"{channel} of {symbol}"
                for channel in CHANNELS
                if channel != _HEARTBEATS
                for symbol in self.symbols
                if symbol not in confirmed.get(channel, ())
            ]
            if _HEARTBEATS not in confirmed:
                missing.append(_HEARTBEATS)
            self._on_confirmed(missing)


def _encode(kind: str, channel: str, symbols: Sequence[str]) -> bytes:
    message: dict[str, Any] = {"type": kind, "channel": channel}
    if channel != _HEARTBEATS:
        message["product_ids"] = list(symbols)
    return orjson.dumps(message)
