"""Market data's listener and transport in a world: what ``ext.ws_listener`` and
``feeds.transport.FeedTransport`` do, frame by frame and without a socket.
"""

from collections.abc import Callable
from typing import Any

from ext.pipeline import Pipeline
from ext.wire import FeedStatus
from feeds.backoff import Backoff
from feeds.notices import FeedConnected, FeedDisconnected, FeedRefused, Notice, ReconnectNeeded
from feeds.session import MILLISECOND_NS, FeedSession
from feeds.transport import FeedActivity, FeedEndpoint
from sim.world.network import Connection, Network
from sim.world.venue import Venue

URL = "ws://world"
BACKOFF_INITIAL_NS = 100 * MILLISECOND_NS
BACKOFF_MAXIMUM_NS = 2_000 * MILLISECOND_NS
READ_FRAMES = 4
"""When books are decided on once a read: the frames that one read is made of, at most."""


class WorldFeedListener:
    """Takes frames; made by ``engine.market_data`` with the callbacks of the compiled one."""

    def __init__(
        self,
        pipeline: Pipeline,
        on_connected: Callable[[object], object],
        on_disconnected: Callable[[object], object],
        on_control: Callable[[bytes, int, int], object],
        on_notices: Callable[[int], object],
        meter: object = None,
    ) -> None:
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self._pipeline = pipeline
        self._on_control = on_control
        self._on_notices = on_notices

    def receive(self, frame: bytes, receive_time_ns: int, *, is_last: bool) -> None:
        """One frame; ``is_last`` of what one read brought."""
        status = self._pipeline.receive(frame, receive_time_ns)
        if is_last:
            self._pipeline.decide(receive_time_ns)
        if status != FeedStatus.FEED_OK:
            self._on_control(frame, status, receive_time_ns)
        if self._pipeline.has_notices:
            self._on_notices(receive_time_ns)


class WorldFeedTransport:
    """Connects the feed session to the venue's market data door, and again whenever that ends.

    ``heard`` gets the frames as they arrive, before the engine does, and None for each new
    connection.
    """

    def __init__(
        self,
        network: Network,
        venue: Venue,
        heard: Callable[[bytes | None], None],
        session: FeedSession,
        endpoint: FeedEndpoint,
        make_listener: Callable[[], Any],
        *,
        activity: FeedActivity,
        on_notice: Callable[[Notice], None],
        clock: Callable[[], int],
    ) -> None:
        self._network = network
        self._venue = venue
        self._heard = heard
        self._session = session
        self._listener: WorldFeedListener = make_listener()
        self._activity = activity
        self._on_notice = on_notice
        self._clock = clock
        self._backoff = Backoff(BACKOFF_INITIAL_NS, BACKOFF_MAXIMUM_NS)
        self._connection: Connection | None = None
        self._reconnect_reason = ""
        self.frames = 0
        """That have come so far."""
        self.is_stopping = False

    def start(self) -> None:
        """Begins to connect."""
        self._network.connect("feed", self, self._venue.accept_feed, self._connected, self._refused)

    def abandon(self) -> None:
        """The process is dead."""
        self.is_stopping = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close_by_engine()

    def receive(self, data: bytes, now_ns: int = 0) -> None:
        """A frame of the venue; with ``now_ns`` a control frame that the listener hands back."""
        if now_ns:
            self._session.receive(data, now_ns)
            self._flush()
            return
        self._heard(data)
        self.frames += 1
        is_last = self.frames % READ_FRAMES == 0
        self._listener.receive(data, self._clock(), is_last=is_last)
        self._end_if_needed()

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self._end(text)

    def tick(self) -> None:
        """Timers of the session."""
        if self._connection is None:
            return
        session, activity = self._session, self._activity
        session.heard(activity.last_frame_time_ns())
        for symbol in session.symbols:
            if receive_time_ns := activity.last_product_time_ns(symbol):
                session.product_heard(symbol, receive_time_ns)
        session.tick(self._clock())
        self._flush()
        self._end_if_needed()

    def _connected(self, connection: Connection) -> None:
        if self.is_stopping:
            connection.close_by_engine()
            return
        self._connection = connection
        self._reconnect_reason = ""
        self._heard(None)
        self._listener.on_connected(connection)
        now_ns = self._clock()
        self._session.connected(now_ns)
        self._on_notice(FeedConnected(URL))
        self._backoff.succeeded(now_ns)
        self._flush()

    def _refused(self, text: str) -> None:
        self._retry(f"cannot connect: {text}")

    def _end_if_needed(self) -> None:
        if self._reconnect_reason and self._connection is not None:
            self._connection.close_by_engine()
            self._end(self._reconnect_reason)

    def _end(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._listener.on_disconnected(connection)
            self._session.disconnected()
            self._retry(reason)

    def _retry(self, reason: str) -> None:
        if self.is_stopping:
            return
        delay_ns = self._backoff.next_delay_ns(self._clock())
        self._on_notice(FeedDisconnected(URL, reason, delay_ns))
        self._network.schedule.after(delay_ns, "feed: connects", self._begin_again)

    def _begin_again(self) -> None:
        if not self.is_stopping:
            self.start()

    def _flush(self) -> None:
        for message in self._session.bytes_to_send():
            if self._connection is not None:
                self._connection.to_venue.send(message, f"{len(message)} bytes")
        for notice in self._session.notices():
            if isinstance(notice, ReconnectNeeded):
                self._reconnect_reason = notice.reason
            elif isinstance(notice, FeedRefused):
                self.is_stopping = True
            self._on_notice(notice)
