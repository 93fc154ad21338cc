"""The reference reader on hand-made frames of both Coinbase feeds."""

from typing import Any

import orjson
import pytest

from engine.reference.reference_feed import (
    ReferenceCoinbaseAdvanced,
    ReferenceCoinbaseExchange,
    ReferenceFeed,
    ReferenceState,
    read_start,
)

STEPS = {"BTC-USD": ("0.01", "0.001"), "ETH-USD": ("0.01", "0.01")}
SNAPSHOT = {
    "type": "snapshot",
    "product_id": "BTC-USD",
    "asks": [["100.02", "1"], ["100.03", "2"]],
    "bids": [["100.00", "3"]],
}

TRADE = {"price": "100.01", "size": "0.5", "time": "2021-04-17T16:43:37.077621Z"}


def send(feed: ReferenceFeed, *frames: object) -> list[str]:
    """Applies frames: the symbols that the last one touched."""
    touched = []
    for frame in frames:
        touched = feed.receive(frame if isinstance(frame, bytes) else orjson.dumps(frame))
    return [instrument.symbol for instrument in touched]


def state_of(feed: ReferenceFeed) -> ReferenceState:
    return feed.instruments["BTC-USD"].state


def change(*changes: tuple[str, str, str], product_id: Any = "BTC-USD") -> dict[str, Any]:
    return {
        "type": "l2update",
        "product_id": product_id,
        "changes": list(changes),
        "time": "2021-04-17T16:43:37.077621Z",
    }


def advanced(sequence: int, channel: str, *events: dict[str, Any]) -> dict[str, Any]:
    return {
        "channel": channel,
        "timestamp": "2026-08-09T21:05:48.505350477Z",
        "sequence_num": sequence,
        "events": list(events),
    }


def book_event(kind: str, *updates: tuple[str, str, str]) -> dict[str, Any]:
    rows = [
        {"side": s, "event_time": "2026-08-09T21:05:48Z", "price_level": p, "new_quantity": q}
        for s, p, q in updates
    ]
    return {"type": kind, "product_id": "BTC-USD", "updates": rows}


def test_exchange_snapshot_and_changes() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    update = change(("buy", "100.01", "0.5"), ("sell", "100.02", "0.000"))
    assert send(feed, SNAPSHOT, update) == ["BTC-USD"]
    instrument = feed.instruments["BTC-USD"]
    assert instrument.state is ReferenceState.LIVE
    assert instrument.book.levels(True) == [(10001, 500), (10000, 3000)]
    assert instrument.book.levels(False) == [(10003, 2000)]
    assert (instrument.frames, instrument.snapshots, instrument.changes) == (2, 1, 2)
    assert feed.instruments["ETH-USD"].state is ReferenceState.SYNCING


def test_crossed_book_is_stale_until_the_next_snapshot() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    send(feed, SNAPSHOT, change(("buy", "100.02", "1")))
    instrument = feed.instruments["BTC-USD"]
    assert (instrument.state, instrument.stale_reason) == (ReferenceState.STALE, "crossed")
    send(feed, change(("buy", "100.02", "0")))
    assert instrument.state is ReferenceState.STALE
    send(feed, SNAPSHOT)
    assert (instrument.state, instrument.crossed) == (ReferenceState.LIVE, 1)


def test_book_may_cross_within_a_frame() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    send(feed, SNAPSHOT, change(("buy", "100.02", "1"), ("sell", "100.02", "0")))
    assert feed.instruments["BTC-USD"].state is ReferenceState.LIVE


def test_change_before_the_snapshot_is_not_a_book() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    send(feed, change(("buy", "100.02", "1")))
    assert feed.instruments["BTC-USD"].state is not ReferenceState.LIVE


def test_missing_trade_ids_are_gaps() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    match = {"type": "match", "product_id": "BTC-USD", "side": "buy", **TRADE}
    send(feed, {**match, "type": "last_match", "trade_id": 7})
    send(feed, {**match, "trade_id": 8}, {**match, "trade_id": 9}, {**match, "trade_id": 12})
    instrument = feed.instruments["BTC-USD"]
    assert (instrument.trades, instrument.gaps) == (3, 1)


@pytest.mark.parametrize(
    "frame",
    [
        change(("buy", "100.001", "1")),
        change(("buy", "100.01", "0.0001")),
        change(("buy", "0", "1")),
        change(("buy", "-1", "1")),
        change(("bid", "100.01", "1")),
        {**change(), "changes": [["buy", 100.01, "1"]]},
        {**change(), "changes": [["buy", "100.01"]]},
        {**change(), "changes": "buy"},
        {"type": "l2update", "product_id": "BTC-USD"},
    ],
)
def test_bad_frame_makes_its_book_stale(frame: dict[str, Any]) -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    other = {**SNAPSHOT, "product_id": "ETH-USD"}
    assert send(feed, SNAPSHOT, other, frame) == ["BTC-USD"]
    instrument = feed.instruments["BTC-USD"]
    assert instrument.state is ReferenceState.STALE
    assert instrument.stale_reason.startswith("bad frame: ")
    assert feed.bad_frames == 1
    assert feed.instruments["ETH-USD"].state is ReferenceState.LIVE


@pytest.mark.parametrize("payload", [b'{"type":"l2update","prod', b"[]", b"", b"\xff"])
def test_frame_of_nobody_makes_every_book_stale(payload: bytes) -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    send(feed, SNAPSHOT, payload)
    assert {i.state for i in feed.instruments.values()} == {ReferenceState.STALE}


def test_other_channels_touch_nothing() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    send(feed, SNAPSHOT)
    assert send(feed, {"type": "ticker", "product_id": "BTC-USD"}, {"type": "error"}) == []
    assert send(feed, b'{"type":"ticker","product_id":"BTC') == []
    assert feed.instruments["BTC-USD"].state is ReferenceState.LIVE


def test_unknown_product_leaves_doubt_until_the_next_snapshot() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    assert send(feed, SNAPSHOT, change(("buy", "1", "1"), product_id="XRP-USD")) == []
    instrument = feed.instruments["BTC-USD"]
    assert instrument.is_doubtful
    assert instrument.state is ReferenceState.LIVE
    send(feed, SNAPSHOT)
    assert not instrument.is_doubtful


def test_truncated_frame_makes_the_book_stale_that_it_names() -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    other = {**SNAPSHOT, "product_id": "ETH-USD"}
    send(feed, SNAPSHOT, other, b'{"type":"l2update","product_id":"ETH-USD","chan')
    btc, eth = feed.instruments.values()
    assert (btc.state, btc.is_doubtful) == (ReferenceState.LIVE, True)
    assert eth.state is ReferenceState.STALE


@pytest.mark.parametrize(
    ("field", "value"),
    [("price", "100.001"), ("size", "-1"), ("side", "BUY"), ("time", "now"), ("trade_id", "x")],
)
def test_bad_trade_makes_its_book_stale(field: str, value: str) -> None:
    feed = ReferenceCoinbaseExchange(STEPS)
    match = {"type": "match", "product_id": "BTC-USD", "side": "buy", "trade_id": 5, **TRADE}
    send(feed, SNAPSHOT, match)
    assert state_of(feed) is ReferenceState.LIVE
    send(feed, {**match, "trade_id": 6, field: value})
    assert state_of(feed) is not ReferenceState.LIVE


@pytest.mark.parametrize(
    ("payload", "members"),
    [
        (b'{"type":"l2update","product_id":"BTC', {"type": "l2update"}),
        (b' { "a" : "b" , "n":12, "c":"d"}x', {"a": "b", "n": "12", "c": "d"}),
        (b'{"a":"b","n":12', {"a": "b"}),
        (b'{"a":["b"],"c":"d"', {}),
        (b"\xff", {}),
        (b"", {}),
        (b'{"stream":"x","data":{"e":"y","u":5,"b":[', {"stream": "x", "e": "y", "u": "5"}),
    ],
)
def test_start_of_a_broken_frame(payload: bytes, members: dict[str, str]) -> None:
    assert read_start(payload) == members


def test_advanced_snapshot_changes_and_trades() -> None:
    feed = ReferenceCoinbaseAdvanced(STEPS)
    trade = {"product_id": "BTC-USD", "side": "BUY", **TRADE}
    trades = [{**trade, "trade_id": text} for text in ("3", "2", "1")]
    send(
        feed,
        advanced(0, "market_trades", {"type": "snapshot", "trades": [{"product_id": "BTC-USD"}]}),
        advanced(1, "l2_data", book_event("snapshot", ("bid", "1", "1"), ("offer", "2", "1"))),
        advanced(2, "l2_data", book_event("update", ("bid", "1.5", "2"), ("bid", "1", "0"))),
        advanced(3, "market_trades", {"type": "update", "trades": trades[2:]}),
        advanced(4, "market_trades", {"type": "update", "trades": trades[:2]}),
        advanced(5, "heartbeats"),
    )
    instrument = feed.instruments["BTC-USD"]
    assert instrument.state is ReferenceState.LIVE
    assert (instrument.book.levels(True), instrument.book.levels(False)) == (
        [(150, 2000)],
        [(200, 1000)],
    )
    counts = instrument.trades, instrument.gaps, feed.bad_frames
    assert counts == (3, 0, 0), "trades of a frame come newest first"


@pytest.mark.parametrize("sequence", [3, 1, 0])
def test_advanced_sequence_gap_makes_every_book_stale(sequence: int) -> None:
    feed = ReferenceCoinbaseAdvanced(STEPS)
    snapshot = book_event("snapshot", ("bid", "1", "1"), ("offer", "2", "1"))
    send(feed, advanced(0, "l2_data", snapshot), advanced(1, "heartbeats"))
    assert state_of(feed) is ReferenceState.LIVE
    assert send(feed, advanced(sequence, "heartbeats")) == ["BTC-USD", "ETH-USD"]
    assert state_of(feed) is ReferenceState.STALE
    assert feed.gaps == 1


def test_advanced_bad_event_makes_every_book_stale() -> None:
    feed = ReferenceCoinbaseAdvanced(STEPS)
    snapshot = book_event("snapshot", ("bid", "1", "1"), ("offer", "2", "1"))
    send(feed, advanced(0, "l2_data", snapshot))
    send(feed, advanced(1, "l2_data", {**snapshot, "type": "patch"}))
    assert feed.instruments["BTC-USD"].state is ReferenceState.STALE
