"""Market data sessions of both Coinbase feeds: subscribe, signature, errors, numbering."""
# tidy-ok: covers both feed sessions, which answer alike

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sim.credentials import DEMO_SECRET, Credentials
from sim.market import FeedFrame
from sim.products import Product
from sim.times import NS_PER_SECOND
from sim.venues.coinbase_advanced_feed import AdvancedFeedSession
from sim.venues.coinbase_advanced_frames import numbered
from sim.venues.coinbase_exchange_feed import ExchangeFeedSession

PRODUCTS = {name: Product.from_text(name, "0.01", "0.00000001") for name in ("BTC-USD", "ETH-USD")}
CHANNELS = frozenset({"level2", "matches", "heartbeat"})
# Vector 3 of the venue sheet.
VECTOR_TIMESTAMP = "1789299703"
VECTOR_SIGNATURE = "01mHniQBpEBdSPvOaISYnOAnToNRJyvhSaeCcay+f6Y="
WALL_NS = int(VECTOR_TIMESTAMP) * NS_PER_SECOND
SIGNED = {
    "key": "demo-key",
    "passphrase": "demo-passphrase",
    "timestamp": VECTOR_TIMESTAMP,
    "signature": VECTOR_SIGNATURE,
}


@pytest.fixture
def session() -> ExchangeFeedSession:
    """A fresh connection."""
    return ExchangeFeedSession(PRODUCTS, CHANNELS, Credentials())


def ask(session: Any, request: Any, wall_ns: int = WALL_NS) -> Any:
    """Sends a request; returns its only answer."""
    payload = request if isinstance(request, bytes) else orjson.dumps(request)
    (answer,) = session.receive(payload, wall_ns)
    return orjson.loads(answer)


def test_demo_secret_is_that_of_the_vectors(signer: Callable[[str], str]) -> None:
    assert Credentials().signature("x") == signer("x")
    assert DEMO_SECRET.startswith("AAECAwQF")


def test_vector_3_subscribes_to_level2(session: ExchangeFeedSession) -> None:
    request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2"], **SIGNED}
    assert ask(session, request) == {
        "type": "subscriptions",
        "channels": [{"name": "level2", "product_ids": ["BTC-USD"]}],
    }
    assert session.has_books
    assert session.take_new_subscriptions() == [("level2", "BTC-USD")]
    assert session.take_new_subscriptions() == []


@pytest.mark.parametrize(
    ("changes", "late_s", "reason"),
    [
        ({"signature": "x" + VECTOR_SIGNATURE[1:]}, 0, "invalid signature"),
        ({"key": "other"}, 0, "Invalid API Key"),
        ({"passphrase": "other"}, 0, "invalid passphrase"),
        ({"timestamp": "soon"}, 0, "seconds since 1970"),
        ({"timestamp": "nan"}, 0, "timestamp expired"),
        ({}, 31, "timestamp expired"),
        ({}, -31, "timestamp expired"),
        ({"signature": None}, 0, "needs signature"),
        ({"key": 5}, 0, "needs signature"),
    ],
)
def test_bad_signature_is_refused_and_changes_nothing(
    session: ExchangeFeedSession, changes: dict[str, Any], late_s: int, reason: str
) -> None:
    request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2", "matches"]}
    answer = ask(session, {**request, **SIGNED, **changes}, WALL_NS + late_s * NS_PER_SECOND)
    assert (answer["type"], answer["message"]) == ("error", "Authentication Failed")
    assert reason in answer["reason"]
    assert not session.has_books
    assert session.take_new_subscriptions() == []


def test_public_channels_need_no_signature_and_may_be_objects(
    session: ExchangeFeedSession,
) -> None:
    request = {
        "type": "subscribe",
        "product_ids": ["BTC-USD"],
        "channels": ["heartbeat", {"name": "matches", "product_ids": ["ETH-USD"]}],
    }
    assert ask(session, request)["channels"] == [
        {"name": "heartbeat", "product_ids": ["BTC-USD"]},
        {"name": "matches", "product_ids": ["ETH-USD"]},
    ]
    assert not session.has_books


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"type": "subscribe", "channels": ["matches"], "product_ids": ["X-Y"]}, "X-Y is not"),
        ({"type": "subscribe", "channels": ["full"], "product_ids": ["BTC-USD"]}, "full is not"),
        ({"type": "subscribe", "channels": ["matches"]}, "no product_ids"),
        ({"type": "subscribe", "product_ids": ["BTC-USD"]}, "channels must be"),
        ({"type": "subscribe", "channels": ["matches"], "product_ids": 1}, "must be a list"),
        ({"type": "hello"}, "hello is not a valid type"),
        (b"{", "unexpected end"),
        (b"[]", "must be an object"),
    ],
)
def test_requests_that_can_not_be_served(
    session: ExchangeFeedSession, request_: Any, reason: str
) -> None:
    answer = ask(session, request_)
    assert answer["type"] == "error"
    assert reason in answer["reason"]


def test_resubscribe_owes_a_new_snapshot_and_a_repeated_subscribe_does_not(
    session: ExchangeFeedSession,
) -> None:
    request = {"product_ids": ["BTC-USD"], "channels": ["level2"], **SIGNED}
    ask(session, {"type": "subscribe", **request})
    session.take_new_subscriptions()
    ask(session, {"type": "subscribe", **request})
    assert session.take_new_subscriptions() == []
    assert ask(session, {"type": "unsubscribe", **request})["channels"] == []
    ask(session, {"type": "subscribe", **request})
    assert session.take_new_subscriptions() == [("level2", "BTC-USD")]


def test_unsubscribe_without_products_is_the_whole_channel(session: ExchangeFeedSession) -> None:
    products = ["BTC-USD", "ETH-USD"]
    request = {"type": "subscribe", "product_ids": products, "channels": ["matches", "heartbeat"]}
    ask(session, request)
    left = ask(session, {"type": "unsubscribe", "channels": ["matches"]})["channels"]
    assert left == [{"name": "heartbeat", "product_ids": products}]


def test_frames_go_to_subscribers_only(session: ExchangeFeedSession) -> None:
    ask(session, {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]})
    assert session.payload_of(FeedFrame("matches", "BTC-USD", b"x")) == b"x"
    assert session.payload_of(FeedFrame("matches", "ETH-USD", b"x")) is None
    assert session.payload_of(FeedFrame("level2", "BTC-USD", b"x")) is None


def test_advanced_frames_are_numbered_over_all_channels() -> None:
    channels = frozenset({"level2", "heartbeats", "ticker"})
    session = AdvancedFeedSession(PRODUCTS, channels)
    first = ask(
        session, {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD"]}, WALL_NS
    )
    second = ask(session, {"type": "subscribe", "channel": "heartbeats"}, WALL_NS)
    assert (first["sequence_num"], second["sequence_num"]) == (0, 1)
    assert second["events"] == [
        {"subscriptions": {"heartbeats": ["heartbeats"], "level2": ["BTC-USD"]}}
    ]
    assert session.take_new_subscriptions() == [("level2", "BTC-USD"), ("heartbeats", "heartbeats")]
    payload = b'{"channel":"l2_data","sequence_num":77,"events":[]}'
    assert session.payload_of(FeedFrame("ticker", "BTC-USD", payload)) is None
    assert session.payload_of(FeedFrame("level2", "ETH-USD", payload)) is None
    sent = session.payload_of(FeedFrame("level2", "BTC-USD", payload))
    assert sent == payload.replace(b"77", b"2")
    beat = session.payload_of(FeedFrame("heartbeats", "", payload))
    assert beat == payload.replace(b"77", b"3")


def test_advanced_numbering_leaves_right_frames_alone() -> None:
    payload = b'{"channel":"l2_data","sequence_num":5,"events":[{"sequence_num":9}]}'
    assert numbered(payload, 5) is payload
    assert numbered(payload, 1234).count(b"1234") == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "subscribe", "channel": "level3"},
        {"type": "subscribe", "channel": "level2", "product_ids": ["X-Y"]},
        {"type": "hello", "channel": "level2"},
        b"{",
        b"[]",
    ],
)
def test_advanced_errors(request_: Any) -> None:
    session = AdvancedFeedSession(PRODUCTS, frozenset({"level2"}))
    assert ask(session, request_)["type"] == "error"
