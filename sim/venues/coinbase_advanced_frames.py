"""Advanced Trade market data frames, as far as the venue has to make any of its own.

Numbering (``sequence_num``) belongs to the connection, so frames are made without meaning in it
and numbered when they are sent.
"""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from sim.market import FeedFrame
from sim.products import Product
from sim.times import iso_text

LEVEL2 = "level2"
MARKET_TRADES = "market_trades"
CHANNELS = {"l2_data": LEVEL2}
"""Name in the frame to name in the subscription, where they differ."""

# Snapshots carry this event_time (sheet A3: "snapshot event_time is 1970").
_SNAPSHOT_EVENT_TIME = "1970-01-01T00:00:00Z"
_SEQUENCE = re.compile(rb'"sequence_num":(\d+)')
# The number stands in the envelope, before the events: no need to search megabytes.
_ENVELOPE_BYTES = 256


def envelope(channel: str, events: list[dict[str, Any]], time_ns: int) -> bytes:
    """A frame with ``sequence_num`` 0, to be numbered when it is sent."""
    message = {
        "channel": channel,
        "timestamp": iso_text(time_ns),
        "sequence_num": 0,
        "events": events,
    }
    return orjson.dumps(message)


def snapshot_frame(
    product: Product,
    asks: Iterable[tuple[int, int]],
    bids: Iterable[tuple[int, int]],
    time_ns: int,
) -> FeedFrame:
    """The whole book: (price in ticks, lots) of each side, best first."""
    updates = [
        {
            "side": side,
            "event_time": _SNAPSHOT_EVENT_TIME,
            "price_level": product.price.trimmed(ticks),
            "new_quantity": product.quantity.trimmed(lots),
        }
        for side, levels in (("bid", bids), ("offer", asks))
        for ticks, lots in levels
    ]
    event = {"type": "snapshot", "product_id": product.symbol, "updates": updates}
    return FeedFrame(LEVEL2, product.symbol, envelope("l2_data", [event], time_ns))


def numbered(payload: bytes, sequence: int) -> bytes:
    """``payload`` with ``sequence_num`` as given; the same bytes when it is so already."""
    match = _SEQUENCE.search(payload, 0, _ENVELOPE_BYTES)
    if match is None or int(match[1]) == sequence:
        return payload
    return b"%s%d%s" % (payload[: match.start(1)], sequence, payload[match.end(1) :])
