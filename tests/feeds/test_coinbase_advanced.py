"""Session of Coinbase Advanced Trade: one subscribe per channel, confirmation, resync."""

import orjson
import pytest

from ext.wire import SessionState, StaleReason
from feeds.coinbase_advanced import CoinbaseAdvancedSession
from feeds.notices import FeedComplaint, FeedRefused, FeedSubscribed, ReconnectNeeded
from feeds.session import MILLISECOND_NS, SECOND_NS

NOW_NS = 1_789_299_703 * SECOND_NS


def sent(session: CoinbaseAdvancedSession) -> list[dict[str, object]]:
    return [orjson.loads(message) for message in session.bytes_to_send()]


def confirm(session: CoinbaseAdvancedSession, subscriptions: dict[str, list[str]]) -> None:
    frame = {
        "channel": "subscriptions",
        "client_id": "",
        "timestamp": "2026-08-09T21:05:48.228846629Z",
        "sequence_num": 2,
        "events": [{"subscriptions": subscriptions}],
    }
    session.receive(orjson.dumps(frame), NOW_NS)


def make_active() -> CoinbaseAdvancedSession:
    session = CoinbaseAdvancedSession(["BTC-USD", "ETH-USD"])
    session.connected(NOW_NS)
    confirm(
        session,
        {
            "level2": ["BTC-USD", "ETH-USD"],
            "market_trades": ["ETH-USD", "BTC-USD"],
            "heartbeats": ["heartbeats"],
        },
    )
    for symbol in session.symbols:
        session.book_is_live(symbol, NOW_NS)
    session.bytes_to_send()
    session.notices()
    return session


def test_one_subscribe_per_channel_and_no_token() -> None:
    session = CoinbaseAdvancedSession(["BTC-USD", "ETH-USD"])
    session.connected(NOW_NS)
    products = ["BTC-USD", "ETH-USD"]
    assert sent(session) == [
        {"type": "subscribe", "channel": "level2", "product_ids": products},
        {"type": "subscribe", "channel": "market_trades", "product_ids": products},
        {"type": "subscribe", "channel": "heartbeats"},
    ]


def test_confirmation_arrives_channel_by_channel() -> None:
    session = CoinbaseAdvancedSession(["BTC-USD"])
    session.connected(NOW_NS)
    confirm(session, {"market_trades": ["BTC-USD"]})
    confirm(session, {"market_trades": ["BTC-USD"], "level2": ["BTC-USD"]})
    assert session.notices() == []
    confirm(
        session,
        {"market_trades": ["BTC-USD"], "level2": ["BTC-USD"], "heartbeats": ["heartbeats"]},
    )
    assert session.state == SessionState.SESSION_ACTIVE
    assert session.notices() == [FeedSubscribed()]


def test_missing_heartbeats_are_named() -> None:
    session = CoinbaseAdvancedSession(["BTC-USD"])
    session.connected(NOW_NS)
    confirm(session, {"market_trades": ["BTC-USD"], "level2": ["BTC-USD"]})
    session.heard(NOW_NS + session.timing.subscribe_timeout_ns)
    session.tick(NOW_NS + session.timing.subscribe_timeout_ns)
    assert session.notices() == [ReconnectNeeded("not confirmed in time: heartbeats")]


def test_refused_subscription() -> None:
    session = CoinbaseAdvancedSession(["XXX-YYY"])
    session.connected(NOW_NS)
    session.receive(b'{"type":"error","message":"invalid product"}', NOW_NS)
    assert session.notices() == [FeedRefused("the venue refused the subscription: invalid product")]


def test_all_stale_books_share_one_resync() -> None:
    session = make_active()
    for symbol in session.symbols:
        session.book_went_stale(symbol, StaleReason.SEQUENCE_GAP, NOW_NS)
    session.tick(NOW_NS + 99 * MILLISECOND_NS)
    assert session.bytes_to_send() == [], "the backoff was not kept"
    session.tick(NOW_NS + 100 * MILLISECOND_NS)
    products = ["BTC-USD", "ETH-USD"]
    assert sent(session) == [
        {"type": "unsubscribe", "channel": "level2", "product_ids": products},
        {"type": "subscribe", "channel": "level2", "product_ids": products},
    ]


def test_resyncs_keep_the_message_limit_of_the_venue() -> None:
    session = make_active()
    first_ns, second_ns = NOW_NS + 100 * MILLISECOND_NS, NOW_NS + 600 * MILLISECOND_NS
    session.book_went_stale("BTC-USD", StaleReason.CROSSED, NOW_NS)
    session.tick(first_ns)
    session.book_went_stale("ETH-USD", StaleReason.CROSSED, NOW_NS)
    assert len(session.bytes_to_send()) == 2
    session.tick(second_ns - 1)
    assert session.bytes_to_send() == [], "more than 8 messages a second are possible"
    assert session.next_deadline_ns() == second_ns
    session.tick(second_ns)
    assert len(session.bytes_to_send()) == 2


def test_products_have_no_heartbeat_of_their_own() -> None:
    session = make_active()
    later_ns = NOW_NS + 60 * SECOND_NS
    session.product_heard("BTC-USD", NOW_NS)
    session.heard(later_ns)
    session.tick(later_ns)
    assert session.notices() == []


@pytest.mark.parametrize("events", [3, [3], [{}], [{"subscriptions": 3}]])
def test_confirmation_of_another_shape_is_a_complaint(events: object) -> None:
    session = CoinbaseAdvancedSession(["BTC-USD"])
    session.connected(NOW_NS)
    session.receive(orjson.dumps({"channel": "subscriptions", "events": events}), NOW_NS)
    (notice,) = session.notices()
    assert isinstance(notice, FeedComplaint)
