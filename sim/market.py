"""What the venue's front doors (feed and order entry) need of a market, generated or recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sim.orders import Order, OrderEvent
from sim.products import Product


@dataclass(frozen=True, slots=True)
class FeedFrame:
    """One market data frame: payload text as bytes, and who wants it.

    ``channel`` is the name that clients subscribe to; ``symbol`` is empty for channels that have
    no products.
    """

    channel: str
    symbol: str
    payload: bytes


class Market(Protocol):
    """A market that moves in steps of venue time. All times are nanoseconds since the epoch.

    A step changes books, may fill client orders (``take_events``) and produces frames
    (``take_frames``). Between steps client orders come in; they answer with their events.
    """

    @property
    def products(self) -> Mapping[str, Product]:
        """Products by symbol."""

    @property
    def channels(self) -> frozenset[str]:
        """Channels that clients may subscribe to."""

    @property
    def trade_count(self) -> int:
        """Public trades so far."""

    def start_time_ns(self) -> int:
        """Venue time before the first step."""

    def next_time_ns(self) -> int | None:
        """Venue time of the next step, ``None`` when there is none."""

    def run_step(self, now_ns: int) -> int:
        """Does the next step at ``now_ns``, which is its planned time or later.

        Returns the venue time at the end of the step, ``now_ns`` or later.
        """

    def submit(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """A client's new order."""

    def cancel(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """``RequestRefused`` when the order is not open."""

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str, now_ns: int
    ) -> list[OrderEvent]:
        """``RequestRefused`` when it cannot be done."""

    def take_events(self) -> list[OrderEvent]:
        """What the steps since the last call did to client orders."""

    def take_frames(self) -> list[FeedFrame]:
        """Frames since the last call, in the order they have to be sent."""

    def has_frames(self) -> bool:
        """Whether ``take_frames`` would return something."""

    def snapshot_frames(self, symbol: str) -> list[FeedFrame]:
        """The whole book of ``symbol`` now; empty when the market has none yet."""

    def last_match_frames(self, symbol: str) -> list[FeedFrame]:
        """The last trade of ``symbol`` for a new subscriber; empty when there was none."""
