"""Market data of a run: what becomes of a book, a connection, a frame that is refused."""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, cast

import orjson
import picows
import pytest

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.market_data import MAX_REFUSED_LOGGED, MarketData, make_feed_session
from engine.settings.config import EngineConfig
from ext.busy_poll import BusyPoller
from ext.dtypes import RECORD
from ext.errors import UsageError
from ext.wire import BookState, FeedStatus, RecordKind, SessionState
from feeds.coinbase_advanced import CoinbaseAdvancedSession
from feeds.coinbase_exchange import CoinbaseExchangeSession
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
from feeds.session import FeedSession, SyncState

URL = "ws://127.0.0.1:9"


class Wires:
    """Stands for ``FeedTransport``: the test is the connection."""

    def __init__(self, session: FeedSession, endpoint: object, make_listener: object,
                 *, on_notice: Callable[[Notice], None], **others: object) -> None:  # fmt: skip
        self.session = session
        self.make_listener = make_listener
        self.notify = on_notice
        self.received: list[bytes] = []

    def receive(self, payload: bytes, now_ns: int) -> None:
        self.received.append(payload)


class Rig(NamedTuple):
    arc: Arc
    data: MarketData
    wires: Wires
    ended: list[str]
    inconsistent: list[int]

    def feed_state(self) -> int:
        return int(self.arc.memory.header_record()["feed_state"][0])


@pytest.fixture
def rig(make_arc: Callable[..., Arc], monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr("engine.market_data.FeedTransport", Wires)
    arc = make_arc()
    ended: list[str] = []
    inconsistent: list[int] = []

    def note_end(reason: str) -> bool:
        ended.append(reason)
        return True

    data = MarketData(
        arc.config,
        URL,
        arc.pipeline,
        EngineClock(arc.memory),
        on_disconnect=note_end,
        on_inconsistent=lambda: inconsistent.append(1),
    )
    return Rig(arc, data, cast(Wires, data.transport), ended, inconsistent)


def test_the_state_of_the_connection_is_published(rig: Rig) -> None:
    rig.wires.notify(FeedConnected(URL))
    assert rig.feed_state() == SessionState.SESSION_LOGON_SENT
    rig.wires.notify(FeedSubscribed())
    assert rig.feed_state() == SessionState.SESSION_ACTIVE
    rig.wires.notify(FeedDisconnected(URL, "gone", 500))
    assert rig.feed_state() == SessionState.SESSION_DISCONNECTED
    assert rig.ended == ["gone"]


def test_each_change_of_it_is_in_the_ring(rig: Rig) -> None:
    rig.wires.notify(FeedConnected(URL))
    rig.wires.notify(FeedSubscribed())
    records = rig.arc.memory.region("ring_offset", RECORD, 2)
    assert set(records["kind"].tolist()) == {int(RecordKind.RECORD_SESSION)}


def test_the_session_learns_what_became_of_a_book(
    rig: Rig, snapshot: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "engine.feed")
    now_ns = 1_800_000_000_000_000_000
    rig.wires.session.connected(now_ns)
    rig.arc.pipeline.subscribed(now_ns)

    rig.arc.pipeline.receive(snapshot("BTC-USD"), now_ns)
    rig.data.take_book_notices(now_ns)
    assert rig.wires.session.book_state("BTC-USD") is SyncState.LIVE
    assert "book BTC-USD is LIVE" in caplog.text

    rig.arc.pipeline.receive(b'{"type":"l2update","product_id":"BTC-USD","changes":[[', now_ns)
    rig.data.take_book_notices(now_ns)
    assert rig.wires.session.book_state("BTC-USD") is SyncState.STALE
    assert "book BTC-USD is STALE: BAD_FRAME" in caplog.text
    assert rig.wires.session.book_state("ETH-USD") is not SyncState.LIVE


def test_silence_of_a_product_makes_its_book_stale(
    rig: Rig, snapshot: Callable[..., bytes]
) -> None:
    now_ns = 1_800_000_000_000_000_000
    rig.arc.pipeline.subscribed(now_ns)
    for symbol in ("BTC-USD", "ETH-USD"):
        rig.arc.pipeline.receive(snapshot(symbol), now_ns)
    rig.wires.notify(ProductSilent("ETH-USD", 6_000_000_000))
    assert rig.arc.pipeline.book(1).state == BookState.STALE
    assert rig.arc.pipeline.book(0).state == BookState.LIVE


def test_a_connection_that_is_given_up_makes_its_books_stale_at_once(
    rig: Rig, snapshot: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "engine.feed")
    rig.arc.pipeline.subscribed(1)
    rig.arc.pipeline.receive(snapshot("BTC-USD"), 1)
    rig.wires.notify(ReconnectNeeded("no frame for 5.0 s"))
    assert rig.arc.pipeline.book(0).state == BookState.STALE
    assert "book BTC-USD is STALE: DISCONNECTED" in caplog.text


class Connection:
    """Stands for ``picows.WSTransport``, over TLS or not, with a protocol that reads buffers."""

    def __init__(self, is_secure: bool) -> None:
        self.is_secure = is_secure
        self.underlying_transport = self

    def get_extra_info(self, name: str) -> "Connection":
        return self

    def get_protocol(self) -> asyncio.BufferedProtocol:
        return asyncio.BufferedProtocol()

    def fileno(self) -> int:
        return 7


class Poller:
    """Stands for ``BusyPoller``: what it was told to read."""

    def __init__(self) -> None:
        self.attached: list[object] = []

    def attach(self, descriptor: int, protocol: object) -> None:
        self.attached.append(descriptor)

    def attach_reader(self, read_ready: Callable[[], object], pipeline: object) -> None:
        self.attached.append(read_ready())


def poll_of(arc: Arc, connection: object) -> list[object]:
    """What busy poll reads of a connection."""
    poller = Poller()
    data = MarketData(
        arc.config,
        URL,
        arc.pipeline,
        EngineClock(arc.memory),
        on_disconnect=lambda _: True,
        on_inconsistent=lambda: None,
        poller=cast(BusyPoller, poller),
    )
    data._on_connected(cast(picows.WSTransport, connection))
    return poller.attached


def test_busy_poll_reads_the_socket_or_asks_the_transport_under_tls(
    make_arc: Callable[..., Arc],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("engine.market_data.FeedTransport", Wires)
    arc = make_arc()
    assert poll_of(arc, Connection(is_secure=False)) == [7]
    secure = Connection(is_secure=True)
    secure._read_ready = lambda: "decrypts"  # type: ignore[attr-defined]
    assert poll_of(arc, secure) == ["decrypts"]
    assert not caplog.messages
    assert poll_of(arc, Connection(is_secure=True)) == []
    assert "busy poll leaves Connection to the loop" in caplog.messages


def test_the_times_of_frames_are_the_pipeline_s(rig: Rig, snapshot: Callable[..., bytes]) -> None:
    assert rig.data.last_frame_time_ns() == rig.data.last_product_time_ns("ETH-USD") == 0
    rig.arc.pipeline.subscribed(1)
    rig.arc.pipeline.receive(snapshot("ETH-USD"), 1_000)
    rig.arc.pipeline.receive(b'{"type":"subscriptions","channels":[]}', 2_000)
    assert rig.data.last_frame_time_ns() == 2_000
    assert rig.data.last_product_time_ns("ETH-USD") == 1_000
    assert rig.data.last_product_time_ns("BTC-USD") == 0


def test_a_control_frame_goes_to_the_session(rig: Rig) -> None:
    rig.data._take_control(b"{}", FeedStatus.FEED_CONTROL, 1)
    assert rig.wires.received == [b"{}"]


def test_refused_frames_are_logged_up_to_a_number(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MAX_REFUSED_LOGGED + 50):
        rig.data._take_control(b"bad %d \xff" % number, FeedStatus.FEED_BAD_NUMBER, 1)
    assert rig.wires.received == []
    assert caplog.text.count("refused, FEED_BAD_NUMBER: bad ") == MAX_REFUSED_LOGGED
    assert caplog.text.count("further refused frames are only counted") == 1


def test_a_refused_frame_of_megabytes_is_shown_in_part(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.data._take_control(b"x" * 5_000_000, FeedStatus.FEED_OFF_STEP, 1)
    assert "frame of 5000000 bytes refused" in caplog.text
    assert len(caplog.text) < 500


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (FeedRefused("no level2 for you"), "no level2 for you"),
        (FeedComplaint("odd"), "odd"),
        (ReconnectNeeded("no frame for 5.0 s"), "connecting again: no frame for 5.0 s"),
        (ResyncSent("BTC-USD", 1, "CROSSED"), "asked for a new snapshot of BTC-USD (CROSSED)"),
    ],
)
def test_what_happens_is_logged(
    rig: Rig, caplog: pytest.LogCaptureFixture, notice: Notice, words: str
) -> None:
    caplog.set_level(logging.INFO, "engine.feed")
    rig.wires.notify(notice)
    assert words in caplog.text


def test_the_session_of_each_venue(load_demo: Callable[..., EngineConfig]) -> None:
    exchange = make_feed_session(load_demo("feed.silence_limit_ms=1500"))
    assert isinstance(exchange, CoinbaseExchangeSession)
    assert exchange.symbols == ("BTC-USD", "ETH-USD")
    assert exchange.timing.silence_limit_ns == 1_500_000_000
    advanced = make_feed_session(load_demo("feed.venue=coinbase_advanced"))
    assert isinstance(advanced, CoinbaseAdvancedSession)


def test_the_subscribe_is_signed_with_the_config_s_key(
    load_demo: Callable[..., EngineConfig],
) -> None:
    session = make_feed_session(load_demo())
    session.connected(1_800_000_000_000_000_000)
    (message,) = session.bytes_to_send()
    request = orjson.loads(message)
    assert (request["key"], request["passphrase"]) == ("demo-key", "demo-passphrase")
    assert request["channels"] == ["level2", "matches", "heartbeat"]


def test_a_venue_that_wants_a_key_and_gets_none(load_demo: Callable[..., EngineConfig]) -> None:
    from msgspec.structs import replace

    config = load_demo()
    without = replace(config, feed=replace(config.feed, key=None))
    with pytest.raises(UsageError, match=r"needs \[feed\] key, secret and passphrase"):
        make_feed_session(without)
