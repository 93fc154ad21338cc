"""Session of Coinbase Exchange: signature vector, confirmation, refusals, resync."""

import base64
import re

import orjson
import pytest

from ext.errors import UsageError
from ext.wire import SessionState, StaleReason
from feeds.coinbase_exchange import CHANNELS, CoinbaseExchangeKey, CoinbaseExchangeSession
from feeds.notices import FeedComplaint, FeedRefused, FeedSubscribed, ReconnectNeeded, ResyncSent
from feeds.session import MILLISECOND_NS, SECOND_NS

SECRET = base64.b64encode(bytes(range(64))).decode()
NOW_NS = 1_789_299_703 * SECOND_NS
PUBLISHED_SIGNATURE = "01mHniQBpEBdSPvOaISYnOAnToNRJyvhSaeCcay+f6Y="


def make_session(*symbols: str, channels: tuple[str, ...] = CHANNELS) -> CoinbaseExchangeSession:
    key = CoinbaseExchangeKey("the-key", SECRET, "the-passphrase")
    return CoinbaseExchangeSession(symbols or ("BTC-USD",), key, channels=channels)


def confirm(session: CoinbaseExchangeSession, *symbols: str, without: str = "") -> None:
    channels = [
        {"name": name, "product_ids": list(symbols)}
        for name in ("level2", "matches", "heartbeat")
        if name != without
    ]
    session.receive(orjson.dumps({"type": "subscriptions", "channels": channels}), NOW_NS)


def sent(session: CoinbaseExchangeSession) -> list[dict[str, object]]:
    return [orjson.loads(message) for message in session.bytes_to_send()]


def test_subscribe_is_signed_as_published() -> None:
    session = make_session("BTC-USD", "ETH-USD")
    session.connected(NOW_NS + 999_999_999)
    assert sent(session) == [
        {
            "type": "subscribe",
            "product_ids": ["BTC-USD", "ETH-USD"],
            "channels": ["level2", "matches", "heartbeat"],
            "signature": PUBLISHED_SIGNATURE,
            "key": "the-key",
            "passphrase": "the-passphrase",
            "timestamp": "1789299703",
        }
    ]
    assert session.bytes_to_send() == [], "the subscribe was sent twice"
    assert session.state == SessionState.SESSION_LOGON_SENT


def test_without_a_key_nothing_is_signed() -> None:
    session = CoinbaseExchangeSession(["BTC-USD"], None, channels=("level2_batch", "matches"))
    session.connected(NOW_NS)
    assert sent(session) == [
        {
            "type": "subscribe",
            "product_ids": ["BTC-USD"],
            "channels": ["level2_batch", "matches"],
        }
    ]


def test_repr_of_a_key_shows_nothing() -> None:
    shown = repr(CoinbaseExchangeKey("the-key", SECRET, "the-passphrase"))
    assert not re.search(f"the-key|{re.escape(SECRET)}|the-passphrase", shown)


def test_confirmation_of_everything_makes_it_active() -> None:
    session = make_session("BTC-USD", "ETH-USD")
    session.connected(NOW_NS)
    confirm(session, "BTC-USD")
    assert session.notices() == [], "ETH-USD is missing"
    confirm(session, "ETH-USD", "BTC-USD", without="matches")
    assert session.notices() == [], "matches is missing"
    confirm(session, "ETH-USD", "BTC-USD", "SOL-USD")
    assert session.state == SessionState.SESSION_ACTIVE
    assert session.notices() == [FeedSubscribed()]
    confirm(session, "ETH-USD", "BTC-USD")
    assert session.notices() == [], "subscribed is told once"


def test_batched_level2_is_confirmed_under_its_other_name() -> None:
    session = make_session(channels=("level2_batch",))
    session.connected(NOW_NS)
    session.receive(
        b'{"type":"subscriptions","channels":[{"name":"level2_50","product_ids":["BTC-USD"]}]}',
        NOW_NS,
    )
    assert session.notices() == [FeedSubscribed()]


def test_missing_confirmation_asks_for_a_reconnect_and_names_what_is_missing() -> None:
    session = make_session("BTC-USD", "ETH-USD")
    session.connected(NOW_NS)
    confirm(session, "BTC-USD")
    late_ns = NOW_NS + session.timing.subscribe_timeout_ns
    session.heard(late_ns)
    session.tick(late_ns - 1)
    assert session.notices() == []
    session.tick(late_ns)
    (notice,) = session.notices()
    assert isinstance(notice, ReconnectNeeded)
    assert notice.reason == (
        "not confirmed in time: level2 of ETH-USD, matches of ETH-USD, heartbeat of ETH-USD"
    )


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Authentication Failed", "reason": '{"message":"Invalid API Key"}'},
        {"message": "Failed to subscribe", "reason": "XXX-YYY is not a valid product"},
        {"message": "Failed to subscribe"},
    ],
)
def test_refused_subscription_is_final(error: dict[str, str]) -> None:
    session = make_session()
    session.connected(NOW_NS)
    session.bytes_to_send()
    session.receive(orjson.dumps({"type": "error", **error}), NOW_NS)
    (notice,) = session.notices()
    assert isinstance(notice, FeedRefused)
    assert notice.reason.startswith("the venue refused the subscription: ")
    assert all(text in notice.reason for text in error.values())
    assert session.state == SessionState.SESSION_DISCONNECTED
    session.tick(NOW_NS + 3600 * SECOND_NS)
    assert (session.bytes_to_send(), session.notices()) == ([], []), "refused: it must be quiet"


def test_temporary_error_asks_for_a_reconnect() -> None:
    session = make_session()
    session.connected(NOW_NS)
    session.receive(b'{"type":"error","message":"Rate limit exceeded"}', NOW_NS)
    assert session.notices() == [ReconnectNeeded("the venue reported: Rate limit exceeded")]


def test_error_after_the_confirmation_is_a_complaint() -> None:
    session = make_session()
    session.connected(NOW_NS)
    confirm(session, "BTC-USD")
    session.notices()
    session.receive(b'{"type":"error","message":"Malformed JSON","reason":"x"}', NOW_NS)
    assert session.notices() == [FeedComplaint("the venue reported: Malformed JSON: x")]
    assert session.state == SessionState.SESSION_ACTIVE


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b'{"type":"subscriptions","chan', "was not JSON"),
        (b"[1,2]", "was not a JSON object"),
        (b"\xff\xfe", "was not JSON"),
        (b'{"type":"subscriptions"}', "was not shaped as documented"),
        (b'{"type":"subscriptions","channels":3}', "was not shaped as documented"),
        (b'{"type":"subscriptions","channels":[3]}', "was not shaped as documented"),
        (b'{"type":"subscriptions","channels":[{"name":[]}]}', "was not shaped as documented"),
    ],
)
def test_control_frame_that_cannot_be_read_is_a_complaint(payload: bytes, words: str) -> None:
    session = make_session()
    session.connected(NOW_NS)
    session.receive(payload, NOW_NS)
    (notice,) = session.notices()
    assert isinstance(notice, FeedComplaint)
    assert words in notice.reason
    confirm(session, "BTC-USD")
    assert session.notices() == [FeedSubscribed()], "the session did not survive"


def test_frames_of_other_channels_are_ignored() -> None:
    session = make_session()
    session.connected(NOW_NS)
    session.receive(b'{"type":"ticker","product_id":"BTC-USD","price":"1"}', NOW_NS)
    session.receive(b'{"type":"status","products":[]}', NOW_NS)
    session.receive(b"{}", NOW_NS)
    assert session.notices() == []


def test_resync_unsubscribes_and_subscribes_the_book_of_that_product() -> None:
    session = make_session("BTC-USD", "ETH-USD")
    session.connected(NOW_NS)
    confirm(session, "BTC-USD", "ETH-USD")
    for symbol in session.symbols:
        session.book_is_live(symbol, NOW_NS)
    session.bytes_to_send()
    session.notices()
    session.book_went_stale("ETH-USD", StaleReason.CROSSED, NOW_NS)
    session.tick(NOW_NS + 100 * MILLISECOND_NS)
    unsubscribe, subscribe = sent(session)
    assert unsubscribe == {
        "type": "unsubscribe",
        "product_ids": ["ETH-USD"],
        "channels": ["level2"],
    }
    assert subscribe["type"] == "subscribe"
    assert subscribe["product_ids"] == ["ETH-USD"]
    assert subscribe["channels"] == ["level2"]
    assert subscribe["signature"] == PUBLISHED_SIGNATURE
    assert session.notices() == [ResyncSent("ETH-USD", 1, "CROSSED")]


@pytest.mark.parametrize("channels", [("matches",), ("level2", "level2_batch"), ()])
def test_exactly_one_book_channel(channels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="use exactly one of level2"):
        make_session(channels=channels)
