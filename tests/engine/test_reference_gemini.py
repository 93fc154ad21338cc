"""The reference reader on hand-made frames of Gemini."""

from typing import Any

import orjson
import pytest

from engine.reference.reference_feed import ReferenceInstrument, ReferenceState
from engine.reference.reference_gemini import ReferenceGemini

STEPS = {"BTCUSD": ("0.01", "0.001"), "ETHUSD": ("0.01", "0.01")}
CHANGES = [["buy", "100.00", "1"], ["sell", "100.01", "2"]]
ANSWER = {"type": "l2_updates", "symbol": "BTCUSD", "changes": CHANGES, "trades": []}
TRADE = {
    "type": "trade",
    "symbol": "BTCUSD",
    "event_id": 7,
    "timestamp": 1618677942606,
    "price": "100.00",
    "quantity": "0.985",
    "side": "buy",
}


def send(feed: ReferenceGemini, *frames: Any) -> ReferenceInstrument:
    """Every frame in turn; the instrument of BTCUSD."""
    for frame in frames:
        feed.receive(frame if isinstance(frame, bytes) else orjson.dumps(frame))
    return feed.instruments["BTCUSD"]


def change(*changes: list[str]) -> dict[str, Any]:
    return {"type": "l2_updates", "symbol": "BTCUSD", "changes": changes}


@pytest.fixture
def feed() -> ReferenceGemini:
    return ReferenceGemini(STEPS)


def test_the_first_frame_is_the_book_and_the_next_are_changes(feed: ReferenceGemini) -> None:
    book = send(feed, ANSWER, change(["buy", "99.99", "3"], ["sell", "100.01", "0.0"]))
    assert (book.state, book.snapshots, book.changes) == (ReferenceState.LIVE, 1, 2)
    assert book.book.levels(True) == [(10_000, 1000), (9_999, 3000)]
    assert book.book.levels(False) == []
    assert feed.instruments["ETHUSD"].state is ReferenceState.SYNCING


def test_the_first_frame_is_the_book_even_without_trades(feed: ReferenceGemini) -> None:
    """The document says first, not how it is marked: a decoder that waits is a difference."""
    assert send(feed, change(*CHANGES)).state is ReferenceState.LIVE


def test_another_answer_counts_when_the_book_was_given_up(feed: ReferenceGemini) -> None:
    book = send(feed, ANSWER, change(["buy", "99.00", "9"]), ANSWER)
    assert (book.snapshots, book.book.level_count(True)) == (1, 2), "nobody had asked for it"
    book = send(feed, change(["buy", "99.001", "9"]))
    assert book.state is ReferenceState.STALE
    assert send(feed, change(*CHANGES)).state is ReferenceState.STALE
    book = send(feed, ANSWER)
    assert (book.state, book.snapshots) == (ReferenceState.LIVE, 2)
    assert book.book.levels(True) == [(10_000, 1000)]


def test_trades_are_counted_without_gaps(feed: ReferenceGemini) -> None:
    book = send(feed, TRADE, {**TRADE, "event_id": 90})
    assert (book.trades, book.gaps, book.bad_frames) == (2, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {**ANSWER, "trades": None},
        {**ANSWER, "changes": [["bid", "1", "1"]]},
        {**ANSWER, "changes": [["buy", 1, "1"]]},
        {**TRADE, "timestamp": "now"},
        {**TRADE, "timestamp": 2**63},
        {**TRADE, "event_id": True},
        {**TRADE, "side": "b"},
        {"symbol": "BTCUSD"},
        b'{"type":"l2_updates","symbol":"BTCUSD","cha',
        b'{"changes":[["buy"',
    ],
)
def test_bad_frames(feed: ReferenceGemini, bad: Any) -> None:
    assert send(feed, ANSWER, bad).state is ReferenceState.STALE
    assert feed.instruments["ETHUSD"].is_doubtful


def test_other_frames_are_passed_over(feed: ReferenceGemini) -> None:
    heartbeat = {"type": "heartbeat", "timestamp": 1618677942928}
    candles = {"type": "candles_1m_updates", "symbol": "BTCUSD", "changes": [[1, 2]]}
    broken = b'{"type":"candles_1m_updates","symbol":"BTC'
    behind = b'{"changes":[[1,2]],"symbol":"BTCUSD","type":"candles_1m_updates"}}'
    book = send(feed, ANSWER, heartbeat, candles, broken, behind)
    assert (book.state, book.frames) == (ReferenceState.LIVE, 1)


def test_the_symbol_of_a_broken_frame_may_stand_behind_its_changes(feed: ReferenceGemini) -> None:
    other = {**ANSWER, "symbol": "ETHUSD"}
    book = send(feed, ANSWER, other, b'{"changes":[["buy","1","1"]],"symbol":"BTCUSD","ty')
    assert book.state is ReferenceState.STALE
    assert feed.instruments["ETHUSD"].state is ReferenceState.LIVE
