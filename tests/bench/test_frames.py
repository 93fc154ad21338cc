"""Generated frames are a sound market, and the orders that go with them are right."""

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from bench.arc import DECODERS, make_table
from bench.frames import CHANGES_PER_FRAME, UNIT_LOTS, generate_frames, recorded_frames
from ext.wire import FeedEventKind, FeedStatus


def test_the_same_seed_gives_the_same_frames() -> None:
    first = generate_frames.__wrapped__(20, 1)
    assert first == generate_frames.__wrapped__(20, 1)
    assert first.updates != generate_frames.__wrapped__(20, 2).updates


def test_orders_bid_at_the_best_price_of_a_book_that_never_crosses() -> None:
    frames = generate_frames(300)
    snapshot = orjson.loads(frames.snapshot)
    bids = {Decimal(price): Decimal(size) for price, size in snapshot["bids"]}
    asks = {Decimal(price): Decimal(size) for price, size in snapshot["asks"]}
    prices = set()
    for number, (payload, order) in enumerate(zip(frames.updates, frames.orders, strict=True), 1):
        changes = orjson.loads(payload)["changes"]
        assert len(changes) == CHANGES_PER_FRAME
        for side, price, size in changes:
            (bids if side == "buy" else asks)[Decimal(price)] = Decimal(size)
        best_bid = max(price for price, size in bids.items() if size)
        best_ask = min(price for price, size in asks.items() if size)
        assert best_bid < best_ask
        lots = (1 + number % 256) * UNIT_LOTS
        assert order == (f"{best_bid:.2f}", f"{Decimal(lots).scaleb(-8):.8f}")
        prices.add(best_bid)
    assert len(prices) > 3, "a best price that never moves tests little"


def test_absent_recordings_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOW_DATA", str(tmp_path))
    assert recorded_frames(7) == []


def test_recorded_updates_are_updates_of_their_venue() -> None:
    """What is measured changes a book by a little; what leads there is not measured."""
    recorded = recorded_frames(50)
    if not recorded:
        pytest.skip("no recordings; set WOW_DATA to their folder")
    for frames in recorded:
        assert sum(frames.is_update) == 50, frames.name
        decoder = DECODERS[frames.venue](make_table(frames.products))
        for payload, is_update in zip(frames.payloads, frames.is_update, strict=True):
            status = decoder.decode_bytes(payload)
            assert status in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL), payload[:100]
            kinds = {event[0] for event in decoder.events()}
            assert is_update == (kinds == {FeedEventKind.UPDATE}), payload[:100]
