"""The Python books that others are compared with are right."""

import orjson

from bench.bench_snapshot import generate_snapshot
from bench.frames import generate_frames
from bench.python_books import PythonBooks


def test_best_prices_follow_the_generated_market() -> None:
    frames = generate_frames(50)
    books = PythonBooks("coinbase_exchange")
    for payload in (frames.snapshot, b'{"type":"heartbeat"}', *frames.updates):
        books.receive(payload)
    assert books.best[1] == ("", 0.0, 0.0), "not a frame of a book"
    assert [f"{bid:.2f}" for _, bid, _ in books.best[2:]] == [price for price, _ in frames.orders]


def test_an_advanced_frame_replaces_changes_and_deletes() -> None:
    def frame(kind: str, *levels: tuple[str, str, str]) -> bytes:
        keys = ("side", "price_level", "new_quantity")
        updates = [dict(zip(keys, level, strict=True)) for level in levels]
        event = {"type": kind, "product_id": "A-USD", "updates": updates}
        return orjson.dumps({"channel": "l2_data", "events": [event]})

    books = PythonBooks("coinbase_advanced")
    books.receive(frame("snapshot", ("bid", "9", "1"), ("bid", "8", "1"), ("offer", "11", "1")))
    books.receive(frame("update", ("bid", "9", "0"), ("offer", "10", "2")))
    books.receive(frame("update", ("offer", "10", "0"), ("offer", "11", "0")))
    books.receive(b'{"channel":"heartbeats","events":[]}')
    assert books.best == [("A-USD", 9, 11), ("A-USD", 8, 10), ("A-USD", 8, 0), ("", 0, 0)]


def test_the_generated_snapshot_is_a_deep_book() -> None:
    snapshot = generate_snapshot(46_000)
    books = PythonBooks("coinbase_advanced")
    books.receive(snapshot.payload)
    [(bids, asks)] = books.books.values()
    assert (len(bids), len(asks)) == (23_000, 23_000)
    assert bids.peekitem(-1)[0] < asks.peekitem(0)[0]
    assert 4_000_000 < len(snapshot.payload) < 6_000_000, "that of the venue has 5 MB"
