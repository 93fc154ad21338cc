"""Updates that come before their snapshot are kept, up to a bound, and given back behind it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from feeds.binance_depth import MAX_EARLY_UPDATES, EarlyUpdates, wrap_snapshot

BODY = b'{"lastUpdateId":160,"bids":[["1.00","2"]],"asks":[]}'


def update(last_id: int, symbol: str = "BTCUSDT", stream: str = "depth@100ms") -> bytes:
    event = {"e": "depthUpdate", "s": symbol, "U": last_id, "u": last_id, "b": [], "a": []}
    return orjson.dumps({"stream": f"{symbol.lower()}@{stream}", "data": event})


def receive(early: EarlyUpdates, payload: bytes, is_waiting: Callable[[str], bool]) -> list[bytes]:
    """Passes a frame: the updates that are to be applied behind it."""
    applied: list[bytes] = []
    early.receive(payload, is_waiting, applied.append)
    return applied


def kept_of(early: EarlyUpdates, symbol: str) -> list[bytes]:
    """The updates of a product, which are given back with that."""
    return receive(early, wrap_snapshot(symbol, BODY), none_waits)


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
        assert receive(early, payload, all_wait) == []
    snapshot = wrap_snapshot("BTCUSDT", BODY)
    assert receive(early, snapshot, none_waits) == [update(161), update(162), raw]
    assert receive(early, snapshot, none_waits) == []
    assert kept_of(early, "ETHUSDT") == [update(5, "ETHUSDT")]


def test_only_updates_of_waiting_books_are_kept() -> None:
    early = EarlyUpdates()
    asked: list[str] = []

    def is_waiting(symbol: str) -> bool:
        asked.append(symbol)
        return symbol == "ETHUSDT"

    receive(early, update(1), is_waiting)
    receive(early, update(2, "ETHUSDT"), is_waiting)
    assert asked == ["BTCUSDT", "ETHUSDT"]
    assert kept_of(early, "BTCUSDT") == []
    assert kept_of(early, "ETHUSDT") == [update(2, "ETHUSDT")]
    assert receive(early, update(3), none_waits) == []


def test_updates_behind_a_snapshot_of_no_use_are_kept_for_the_next() -> None:
    """One is missing between the snapshot and the second: the book waits again from there on."""
    early = EarlyUpdates()
    for number in (161, 170, 171):
        receive(early, update(number), all_wait)
    applied: list[bytes] = []
    snapshot = wrap_snapshot("BTCUSDT", BODY)
    early.receive(snapshot, lambda _: len(applied) > 1, applied.append)
    assert applied == [update(161), update(170), update(171)]
    assert receive(early, snapshot, none_waits) == [update(170), update(171)]


def test_the_oldest_makes_room_at_the_bound() -> None:
    early = EarlyUpdates()
    for number in range(MAX_EARLY_UPDATES):
        receive(early, update(number), all_wait)
    receive(early, update(7, "ETHUSDT"), all_wait)
    receive(early, update(MAX_EARLY_UPDATES), all_wait)
    assert kept_of(early, "ETHUSDT") == [update(7, "ETHUSDT")]
    kept = receive(early, wrap_snapshot("BTCUSDT", BODY), none_waits)
    assert kept == [update(number) for number in range(1, MAX_EARLY_UPDATES + 1)]


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
    assert receive(early, payload, all_wait) == []
    assert kept_of(early, "BTCUSDT") == []


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
    receive(early, update(161), all_wait)
    payload = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    assert receive(early, payload, all_wait) == []
    assert kept_of(early, "BTCUSDT") == [update(161)]
