"""Updates that come before their snapshot are kept, up to a bound, and given back behind it."""

from typing import Any

import orjson
import pytest

from feeds.binance_depth import MAX_EARLY_UPDATES, EarlyUpdates, wrap_snapshot

BODY = b'{"lastUpdateId":160,"bids":[["1.00","2"]],"asks":[]}'


def update(last_id: int, symbol: str = "BTCUSDT", stream: str = "depth@100ms") -> bytes:
    event = {"e": "depthUpdate", "s": symbol, "U": last_id, "u": last_id, "b": [], "a": []}
    return orjson.dumps({"stream": f"{symbol.lower()}@{stream}", "data": event})


def all_wait(symbol: str) -> bool:
    return True


def none_waits(symbol: str) -> bool:
    return False


def test_a_body_gets_the_envelope_of_its_diff_stream() -> None:
    frame = orjson.loads(wrap_snapshot("BTCUSDT", BODY))
    assert frame == {"stream": "btcusdt@depth", "data": orjson.loads(BODY)}


def test_updates_are_given_back_in_order_and_once() -> None:
    early = EarlyUpdates()
    raw = orjson.dumps(orjson.loads(update(163))["data"])
    for payload in (update(161), update(162), raw, update(5, "ETHUSDT")):
        assert early.receive(payload, all_wait) == []
    assert (early.count("BTCUSDT"), early.count("ETHUSDT")) == (3, 1)
    snapshot = wrap_snapshot("BTCUSDT", BODY)
    assert early.receive(snapshot, all_wait) == [update(161), update(162), raw]
    assert early.receive(snapshot, all_wait) == []
    assert early.count("ETHUSDT") == 1


def test_only_updates_of_waiting_books_are_kept() -> None:
    early = EarlyUpdates()
    asked: list[str] = []

    def is_waiting(symbol: str) -> bool:
        asked.append(symbol)
        return symbol == "ETHUSDT"

    early.receive(update(1), is_waiting)
    early.receive(update(2, "ETHUSDT"), is_waiting)
    assert (early.count("BTCUSDT"), early.count("ETHUSDT")) == (0, 1)
    assert asked == ["BTCUSDT", "ETHUSDT"]
    assert early.receive(update(3), none_waits) == []


def test_the_oldest_makes_room_at_the_bound() -> None:
    early = EarlyUpdates()
    for number in range(MAX_EARLY_UPDATES):
        early.receive(update(number), all_wait)
    early.receive(update(7, "ETHUSDT"), all_wait)
    assert early.count("BTCUSDT") == MAX_EARLY_UPDATES
    early.receive(update(MAX_EARLY_UPDATES), all_wait)
    assert (early.count("BTCUSDT"), early.count("ETHUSDT")) == (MAX_EARLY_UPDATES, 1)
    kept = early.receive(wrap_snapshot("BTCUSDT", BODY), all_wait)
    assert kept == [update(number) for number in range(1, MAX_EARLY_UPDATES + 1)]


def test_the_next_connection_starts_without_them() -> None:
    early = EarlyUpdates()
    early.receive(update(1), all_wait)
    early.clear()
    assert early.receive(wrap_snapshot("BTCUSDT", BODY), all_wait) == []


@pytest.mark.parametrize(
    "payload",
    [
        update(1, stream="depth5"),
        update(1, stream="depth20@100ms"),
        update(1)[:-1],
        b'["depthUpdate"]',
        b'{"e":"depthUpdate"}',
        b'{"e":"depthUpdate","s":5}',
        b'{"stream":"btcusdt@depth","data":"depthUpdate"}',
        b'{"stream":5,"data":{"e":"depthUpdate","s":"BTCUSDT"}}',
        b'{"e":"trade","s":"BTCUSDT","x":"depthUpdate"}',
    ],
)
def test_other_frames_are_not_kept(payload: bytes) -> None:
    early = EarlyUpdates()
    assert early.receive(payload, all_wait) == []
    assert early.count("BTCUSDT") == 0


@pytest.mark.parametrize(
    "frame",
    [
        BODY,
        BODY[:-1],
        b"[lastUpdateId]",
        {"stream": "btcusdt@depth5", "data": orjson.loads(BODY)},
        {"stream": 5, "data": orjson.loads(BODY)},
        {"stream": "lastUpdateId", "data": {}},
    ],
)
def test_only_the_snapshot_of_the_diff_stream_ends_the_wait(frame: Any) -> None:
    early = EarlyUpdates()
    early.receive(update(161), all_wait)
    payload = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    assert early.receive(payload, all_wait) == []
    assert early.count("BTCUSDT") == 1
