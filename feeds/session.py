"""A market data session without sockets and without a clock: bytes and times in, bytes and
notices out.

One connection:  DISCONNECTED ─connected→ LOGON_SENT ─all confirmed→ ACTIVE ─disconnected→ …
One book of it, seen from here:

========  ==========================================  =======================================
state     leaves it when                              to
========  ==========================================  =======================================
SYNCING   ``book_is_live``                            LIVE
SYNCING   stale again, or no snapshot in time         STALE, due after the backoff
LIVE      ``book_went_stale``, or the product silent  STALE, due after the backoff
STALE     due: a snapshot is asked for (resync)       SYNCING
STALE     ``book_is_live``                            LIVE
========  ==========================================  =======================================

Market data frames do not come here: the compiled pipeline takes them and keeps the books. The
session sees control frames (``receive``), the times of the last frames (``heard``,
``product_heard``) and what became of the books.

The integrator calls ``connected`` when the socket is open, then ``tick`` no later than
``next_deadline_ns``, ``disconnected`` at the end; after each call it sends ``bytes_to_send()`` in
order and acts on ``notices()``.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from ext.errors import UsageError
from ext.wire import SessionState, StaleReason
from feeds.backoff import Backoff
from feeds.notices import (
    FeedComplaint,
    FeedRefused,
    FeedSubscribed,
    Notice,
    ProductSilent,
    ReconnectNeeded,
    ResyncSent,
)

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
NEVER_NS = 2**63 - 1  # of a deadline: there is none
MAX_SHOWN_CHARACTERS = 200  # of a venue's text in a notice

# Words of an error that time heals; every other error before the first confirmation is final.
_TEMPORARY_ERRORS = ("rate limit", "too many", "try again", "unavailable", "internal", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """Limits of a session, all in nanoseconds and greater than zero."""

    silence_limit_ns: int = 5 * SECOND_NS
    """No frame of the connection for longer: it is dropped. Heartbeats come each second."""
    product_silence_limit_ns: int = 5 * SECOND_NS
    """No frame of one product for longer: its book goes STALE. Venues with such a heartbeat."""
    subscribe_timeout_ns: int = 10 * SECOND_NS
    """From the subscribe message to the confirmation of all of it."""
    snapshot_timeout_ns: int = 15 * SECOND_NS
    """From the subscribe or resync to the live book; snapshots of 5 MB exist."""
    resync_initial_ns: int = 100 * MILLISECOND_NS
    resync_maximum_ns: int = 30 * SECOND_NS

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} was {getattr(self, name)}; use a time greater than 0")


class SyncState(Enum):
    """Where the book of one product stands, see the table of the module."""

    SYNCING = "syncing"
    LIVE = "live"
    STALE = "stale"


class _Product:
    __slots__ = ("attempt", "backoff", "deadline_ns", "heard_ns", "reason", "state", "symbol")

    def __init__(self, symbol: str, timing: FeedTiming) -> None:
        self.symbol = symbol
        self.state = SyncState.STALE
        self.deadline_ns = NEVER_NS
        self.heard_ns = 0
        self.attempt = 0
        self.reason = ""
        self.backoff = Backoff(timing.resync_initial_ns, timing.resync_maximum_ns)


class FeedSession(ABC):
    """What the sessions of all venues share. Times are nanoseconds since the Unix epoch.

    Args:
        symbols: product ids as the venue writes them, at least one, none twice.
        timing: limits.
    """

    resync_spacing_ns = 100 * MILLISECOND_NS
    """Between two resync messages: venues limit the messages of a client."""
    hears_each_product = False
    """True: the venue sends a heartbeat of each product, so that its silence means something."""

    def __init__(self, symbols: Sequence[str], timing: FeedTiming | None = None) -> None:
        if not symbols or len(set(symbols)) != len(symbols):
            raise UsageError(f"symbols were {list(symbols)}; use at least one, none twice")
        self.timing = timing or FeedTiming()
        self.symbols = tuple(symbols)
        self.state = SessionState.SESSION_DISCONNECTED
        self._products = {symbol: _Product(symbol, self.timing) for symbol in symbols}
        self._outgoing: list[bytes] = []
        self._notices: list[Notice] = []
        self._heard_ns = 0
        self._subscribe_deadline_ns = NEVER_NS
        self._next_resync_ns = 0
        self._missing: tuple[str, ...] = ()

    # What the venue's class says.

    @abstractmethod
    def _subscribe_messages(self, now_ns: int) -> list[bytes]: ...

    @abstractmethod
    def _resync_messages(self, symbols: Sequence[str], now_ns: int) -> list[bytes]: ...

    @abstractmethod
    def _process_control(self, frame: dict[str, Any]) -> None: ...

    # The connection.

    def connected(self, now_ns: int) -> None:
        """The socket is open: subscribes. Venues close when that takes longer than 5 s."""
        self.state = SessionState.SESSION_LOGON_SENT
        self._heard_ns = now_ns
        self._next_resync_ns = now_ns
        self._subscribe_deadline_ns = now_ns + self.timing.subscribe_timeout_ns
        self._missing = ()
        self._outgoing = self._subscribe_messages(now_ns)
        for product in self._products.values():
            product.state = SyncState.SYNCING
            product.deadline_ns = now_ns + self.timing.snapshot_timeout_ns
            product.heard_ns = 0
            product.attempt = 0

    def disconnected(self) -> None:
        """The socket is gone; nothing is sent until ``connected``."""
        self.state = SessionState.SESSION_DISCONNECTED
        self._outgoing.clear()

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Takes one control frame. A frame that cannot be read is a notice, never an exception."""
        self.heard(now_ns)
        try:
            frame = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            self._complain(f"a control frame was not JSON ({error}): {_show(payload)}")
            return
        if not isinstance(frame, dict):
            self._complain(f"a control frame was not a JSON object: {_show(payload)}")
            return
        try:
            self._process_control(frame)
        except (AttributeError, KeyError, TypeError):
            self._complain(f"a control frame was not shaped as documented: {_show(payload)}")

    def heard(self, receive_time_ns: int) -> None:
        """A frame of any kind came at that time."""
        self._heard_ns = max(self._heard_ns, receive_time_ns)

    # The books.

    def product_heard(self, symbol: str, receive_time_ns: int) -> None:
        """A frame of that product came at that time. Starts the product's silence watchdog."""
        product = self._product(symbol)
        product.heard_ns = max(product.heard_ns, receive_time_ns)

    def book_is_live(self, symbol: str, now_ns: int) -> None:
        """The pipeline applied a snapshot of the product."""
        product = self._product(symbol)
        product.state = SyncState.LIVE
        product.deadline_ns = NEVER_NS
        product.attempt = 0
        product.backoff.succeeded(now_ns)

    def book_went_stale(self, symbol: str, reason: StaleReason, now_ns: int) -> None:
        """The pipeline gave up the book: a snapshot will be asked for, after the backoff."""
        if reason != StaleReason.DISCONNECTED:
            self._make_stale(self._product(symbol), StaleReason(reason).name, now_ns)

    def book_state(self, symbol: str) -> SyncState:
        """Where the book stands as the session knows it."""
        return self._product(symbol).state

    # Time.

    def tick(self, now_ns: int) -> None:
        """Does what is due: timeouts, silence, resyncs."""
        if not self._is_open():
            return
        if now_ns >= self._subscribe_deadline_ns:
            self._give_up(f"not confirmed in time: {self._missing_text()}")
        elif now_ns - self._heard_ns > self.timing.silence_limit_ns:
            self._give_up(f"no frame for {(now_ns - self._heard_ns) / SECOND_NS:.1f} s")
        else:
            for product in self._products.values():
                self._tick_product(product, now_ns)
            self._send_resyncs(now_ns)

    def next_deadline_ns(self) -> int:
        """When ``tick`` has something to do at the latest; ``NEVER_NS`` when disconnected."""
        if not self._is_open():
            return NEVER_NS
        deadlines = [self._subscribe_deadline_ns, self._heard_ns + self.timing.silence_limit_ns + 1]
        for product in self._products.values():
            if product.state is SyncState.STALE:
                deadlines.append(max(product.deadline_ns, self._next_resync_ns))
            elif product.state is SyncState.SYNCING:
                deadlines.append(product.deadline_ns)
            elif self.hears_each_product and product.heard_ns:
                deadlines.append(product.heard_ns + self.timing.product_silence_limit_ns + 1)
        return min(deadlines)

    def bytes_to_send(self) -> list[bytes]:
        """Messages to send now, in order; the next call does not repeat them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def notices(self) -> list[Notice]:
        """What happened since the last call."""
        notices, self._notices = self._notices, []
        return notices

    # For the venue's class.

    def _on_confirmed(self, missing: Sequence[str]) -> None:
        self._missing = tuple(missing)
        if not missing and self.state == SessionState.SESSION_LOGON_SENT:
            self.state = SessionState.SESSION_ACTIVE
            self._subscribe_deadline_ns = NEVER_NS
            self._notices.append(FeedSubscribed())

    def _on_venue_error(self, text: str) -> None:
        text = text[:MAX_SHOWN_CHARACTERS]
        if self.state != SessionState.SESSION_LOGON_SENT:
            self._complain(f"the venue reported: {text}")
        elif any(word in text.lower() for word in _TEMPORARY_ERRORS):
            self._give_up(f"the venue reported: {text}")
        else:
            self.state = SessionState.SESSION_DISCONNECTED
            self._notices.append(FeedRefused(f"the venue refused the subscription: {text}"))

    # Steps.

    def _missing_text(self) -> str:
        return ", ".join(self._missing) or "any channel"

    def _is_open(self) -> bool:
        return self.state in (SessionState.SESSION_LOGON_SENT, SessionState.SESSION_ACTIVE)

    def _give_up(self, reason: str) -> None:
        self.state = SessionState.SESSION_DISCONNECTED
        self._notices.append(ReconnectNeeded(reason))

    def _complain(self, reason: str) -> None:
        self._notices.append(FeedComplaint(reason))

    def _product(self, symbol: str) -> _Product:
        try:
            return self._products[symbol]
        except KeyError:
            raise UsageError(
                f"symbol was {symbol!r}; the session has {', '.join(self.symbols)}"
            ) from None

    def _make_stale(self, product: _Product, reason: str, now_ns: int) -> None:
        if product.state is SyncState.STALE:
            return
        product.state = SyncState.STALE
        product.reason = reason
        product.deadline_ns = now_ns + product.backoff.next_delay_ns(now_ns)

    def _tick_product(self, product: _Product, now_ns: int) -> None:
        silent_ns = now_ns - product.heard_ns
        if product.state is SyncState.SYNCING and now_ns >= product.deadline_ns:
            self._make_stale(product, "no snapshot in time", now_ns)
        elif (
            product.state is SyncState.LIVE
            and self.hears_each_product
            and product.heard_ns
            and silent_ns > self.timing.product_silence_limit_ns
        ):
            self._notices.append(ProductSilent(product.symbol, silent_ns))
            self._make_stale(product, StaleReason.SILENCE.name, now_ns)

    def _send_resyncs(self, now_ns: int) -> None:
        due = [
            product
            for product in self._products.values()
            if product.state is SyncState.STALE and now_ns >= product.deadline_ns
        ]
        if not due or now_ns < self._next_resync_ns:
            return
        self._next_resync_ns = now_ns + self.resync_spacing_ns
        self._outgoing += self._resync_messages([product.symbol for product in due], now_ns)
        for product in due:
            product.state = SyncState.SYNCING
            product.deadline_ns = now_ns + self.timing.snapshot_timeout_ns
            product.attempt += 1
            self._notices.append(ResyncSent(product.symbol, product.attempt, product.reason))


def _show(payload: bytes) -> str:
    return payload[:MAX_SHOWN_CHARACTERS].decode("utf-8", "replace")
