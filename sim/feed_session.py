"""What the feed door needs of one client's market data session, whatever the venue's dialect."""

from typing import Protocol

from sim.market import FeedFrame

Subscription = tuple[str, str]
"""Channel and product; the product is empty for channels that have none."""


class FeedSession(Protocol):
    """One connection's subscriptions. No sockets, no clock."""

    @property
    def has_books(self) -> bool:
        """Whether the client is subscribed to the book of any product."""

    def receive(self, payload: bytes, wall_ns: int) -> list[bytes]:
        """A text frame of the client; returns the frames that answer it."""

    def take_new_subscriptions(self) -> list[Subscription]:
        """What was subscribed since the last call: it is owed a snapshot or a last trade."""

    def payload_of(self, frame: FeedFrame) -> bytes | None:
        """The frame as this client gets it, ``None`` when it did not subscribe to it."""
