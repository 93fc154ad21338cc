"""Market data of a run: joins the compiled listener, the feed session and its transport.

The pipeline keeps the books; here the session learns what became of them, and the pipeline what
became of the connection.
"""

import asyncio
import logging
from collections.abc import Callable

import picows

from engine.engine_clock import EngineClock
from engine.settings.config_schema import EngineConfig
from engine.tls_context import make_client_context
from ext.busy_poll import BusyPoller
from ext.errors import UsageError
from ext.loop_meter import LoopMeter
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, SessionState, StaleReason
from ext.ws_listener import FeedListener
from feeds.coinbase_advanced import CoinbaseAdvancedSession
from feeds.coinbase_exchange import CoinbaseExchangeKey, CoinbaseExchangeSession
from feeds.notices import (
    FeedComplaint,
    FeedConnected,
    FeedDisconnected,
    FeedRefused,
    FeedSubscribed,
    Notice,
    ProductSilent,
    ReconnectNeeded,
    ResyncSent,
)
from feeds.session import FeedSession, FeedTiming
from feeds.transport import FeedEndpoint, FeedTransport

MILLISECOND_NS = 1_000_000
MAX_SHOWN_BYTES = 160  # of a refused frame in the log
MAX_REFUSED_LOGGED = 20  # refused frames that are logged one by one; the rest is counted

# ``FeedTransport`` and ``FeedListener`` or what stands for them: a world without sockets has its
# own.
MakeTransport = Callable[..., FeedTransport]
MakeListener = Callable[..., picows.WSListener]

_log = logging.getLogger("engine.feed")


class MarketData:
    """One feed of a run. ``on_disconnect`` gets the reason whenever the connection has ended, and
    says whether the run goes on. ``on_frame`` gets status and receive time behind each frame."""

    def __init__(
        self,
        config: EngineConfig,
        url: str,
        pipeline: Pipeline,
        clock: EngineClock,
        *,
        on_disconnect: Callable[[str], bool],
        on_inconsistent: Callable[[], None],
        meter: LoopMeter | None = None,
        poller: BusyPoller | None = None,
        make_transport: MakeTransport | None = None,
        make_listener: MakeListener | None = None,
        on_frame: Callable[[int, int], None] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._on_disconnect = on_disconnect
        self._on_inconsistent = on_inconsistent
        self._meter = meter
        self._poller = poller
        self._session = make_feed_session(config)
        self._on_frame = on_frame
        self._header = pipeline.memory.header_record()
        self._refused_frames = 0
        self._listener_type = make_listener or FeedListener
        self.transport = (make_transport or FeedTransport)(
            self._session,
            FeedEndpoint(
                url=url,
                max_frame_bytes=config.feed.max_frame_bytes,
                reconnect_initial_ns=config.feed.reconnect_initial_ms * MILLISECOND_NS,
                reconnect_maximum_ns=config.feed.reconnect_maximum_ms * MILLISECOND_NS,
                ssl_context=make_client_context(config.feed.ca_file, "feed")
                if url.lower().startswith("wss:")
                else None,
            ),
            self._make_listener,
            activity=self,
            on_notice=self._take_notice,
            clock=clock.now_ns,
        )

    def last_frame_time_ns(self) -> int:
        """Receive time of the last frame; 0: none yet (``FeedActivity``)."""
        return self._pipeline.last_frame_time_ns()

    def last_product_time_ns(self, symbol: str) -> int:
        """Receive time of the last frame of a product (``FeedActivity``)."""
        return self._pipeline.last_product_time_ns(self._pipeline.table.index(symbol))

    def take_book_notices(self, now_ns: int) -> None:
        """Tells the session which books went STALE or LIVE since the last call."""
        changed, is_inconsistent = self._pipeline.take_notices()
        for instrument, state, reason in changed:
            symbol = self._pipeline.table.symbol(instrument)
            if state == BookState.LIVE:
                _log.info("book %s is LIVE", symbol)
                self._session.book_is_live(symbol, now_ns)
            elif state == BookState.STALE:
                is_connected = reason != StaleReason.DISCONNECTED  # that is told once
                level = logging.WARNING if is_connected else logging.INFO
                _log.log(level, "book %s is STALE: %s", symbol, StaleReason(reason).name)
                self._session.book_went_stale(symbol, StaleReason(reason), now_ns)
        if is_inconsistent:
            self._on_inconsistent()

    def _make_listener(self) -> picows.WSListener:
        return self._listener_type(
            self._pipeline,
            self._on_connected,
            self._on_disconnected,
            self._take_control,
            self.take_book_notices,
            self._meter,
            **({} if self._on_frame is None else {"on_frame": self._on_frame}),
        )

    def _on_connected(self, connection: picows.WSTransport) -> None:
        self._pipeline.subscribed(self._clock.now_ns())
        if self._poller is not None:
            self._attach(self._poller, connection)

    def _attach(self, poller: BusyPoller, connection: picows.WSTransport) -> None:
        transport = connection.underlying_transport
        if connection.is_secure:
            # Not in its documents, which is why aiofastnet is pinned to one version.
            read_ready = getattr(transport, "_read_ready", None)
            if read_ready is None:
                _log.warning("busy poll leaves %s to the loop", type(transport).__name__)
            else:
                poller.attach_reader(read_ready, self._pipeline)
            return
        protocol = transport.get_protocol()
        if not isinstance(protocol, asyncio.BufferedProtocol):
            raise UsageError(f"busy poll needs a buffered protocol, not {type(protocol)}")
        poller.attach(transport.get_extra_info("socket").fileno(), protocol)

    def _on_disconnected(self, connection: picows.WSTransport) -> None:
        if self._poller is not None:
            self._poller.detach()
        self._lose_books()

    def _lose_books(self) -> None:
        now_ns = self._clock.now_ns()
        self._pipeline.connection_lost(now_ns)
        self.take_book_notices(now_ns)

    def _take_control(self, payload: bytes, status: int, receive_time_ns: int) -> None:
        if status == FeedStatus.FEED_CONTROL:
            self.transport.receive(payload, receive_time_ns)
            return
        self._refused_frames += 1
        if self._refused_frames <= MAX_REFUSED_LOGGED:
            _log.error(
                "frame of %d bytes refused, %s: %s",
                len(payload),
                FeedStatus(status).name,
                payload[:MAX_SHOWN_BYTES].decode("utf-8", "replace"),
            )
        if self._refused_frames == MAX_REFUSED_LOGGED:
            _log.error("further refused frames are only counted (bad_frames)")

    def _set_state(self, state: SessionState) -> None:
        self._header["feed_state"] = state
        self._pipeline.memory.write_session(self._clock.now_ns(), 0, state)

    def _take_notice(self, notice: Notice) -> None:
        match notice:
            case FeedConnected(url=url):
                self._set_state(SessionState.SESSION_LOGON_SENT)
                _log.info("connected to %s", url)
            case FeedSubscribed():
                self._set_state(SessionState.SESSION_ACTIVE)
                _log.info("subscribed to %s", ", ".join(self._session.symbols))
            case FeedDisconnected(reason=reason, retry_in_ns=retry_in_ns):
                self._set_state(SessionState.SESSION_DISCONNECTED)
                if self._on_disconnect(reason) and retry_in_ns >= 0:
                    retry_in_ms = retry_in_ns // MILLISECOND_NS
                    _log.warning("market data ended: %s; again in %d ms", reason, retry_in_ms)
            case FeedRefused(reason=reason) | FeedComplaint(reason=reason):
                _log.error("%s", reason)
            case ReconnectNeeded(reason=reason):
                _log.warning("connecting again: %s", reason)
                self._lose_books()  # now: the close may take the venue a second
            case ProductSilent(symbol=symbol):
                index = self._pipeline.table.index(symbol)
                self._pipeline.mark_stale(index, StaleReason.SILENCE, self._clock.now_ns())
                self.take_book_notices(self._clock.now_ns())
            case ResyncSent(symbol=symbol, reason=reason):
                _log.info("asked for a new snapshot of %s (%s)", symbol, reason)


def make_feed_session(config: EngineConfig) -> FeedSession:
    """The session of the configured venue, for every configured instrument."""
    feed = config.feed
    symbols = [instrument.symbol for instrument in config.instruments]
    timing = FeedTiming(
        silence_limit_ns=feed.silence_limit_ms * MILLISECOND_NS,
        product_silence_limit_ns=feed.silence_limit_ms * MILLISECOND_NS,
    )
    if feed.venue == "coinbase_advanced":
        return CoinbaseAdvancedSession(symbols, timing=timing)
    if feed.key is None or feed.secret is None or feed.passphrase is None:
        raise UsageError("coinbase_exchange needs [feed] key, secret and passphrase")
    key = CoinbaseExchangeKey(feed.key.reveal(), feed.secret.reveal(), feed.passphrase.reveal())
    return CoinbaseExchangeSession(symbols, key, channels=feed.channels, timing=timing)
