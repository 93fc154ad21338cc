"""What a market data session and its transport tell the engine, visible whole.

Each notice is a fact with the reason in words; ``Notice`` is the union of all of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """The WebSocket is open and the subscribe message is on its way."""

    url: str


@dataclass(frozen=True, slots=True)
class FeedDisconnected:
    """The connection ended or could not be opened; every book of it is STALE from now on."""

    url: str
    reason: str
    retry_in_ns: int
    """Nanoseconds until the next attempt; -1: there is none."""


@dataclass(frozen=True, slots=True)
class FeedSubscribed:
    """The venue confirmed every channel and product that was asked for."""


@dataclass(frozen=True, slots=True)
class FeedRefused:
    """The venue refused the subscription: key, signature, product. Trying again cannot help."""

    reason: str


@dataclass(frozen=True, slots=True)
class FeedComplaint:
    """The venue reported an error, or a control frame could not be read; the feed goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReconnectNeeded:
    """The connection is of no more use: the transport drops it and opens another."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProductSilent:
    """No frame of one product for longer than the limit: its book is to be made STALE."""

    symbol: str
    silent_ns: int


@dataclass(frozen=True, slots=True)
class ResyncSent:
    """A new snapshot of one product was asked for."""

    symbol: str
    attempt: int
    """1 for the first since the book was last live."""
    reason: str


Notice = (
    FeedConnected
    | FeedDisconnected
    | FeedSubscribed
    | FeedRefused
    | FeedComplaint
    | ReconnectNeeded
    | ProductSilent
    | ResyncSent
)
