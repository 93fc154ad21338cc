"""The seeded market: repeatable, never crossed, never empty, with bursts and trades."""

import uuid
from collections import Counter

import orjson
import pytest

from sim.generated import EPOCH_NS, GeneratedMarket
from sim.ids import IdSource
from sim.market import FeedFrame
from sim.orders import Order, OrderType, Side
from sim.times import NS_PER_SECOND

BTC = "BTC-USD"


def play(market: GeneratedMarket, seconds: float) -> list[list[FeedFrame]]:
    """Frames of each step."""
    now_ns = EPOCH_NS
    steps = []
    while market.next_time_ns() <= EPOCH_NS + seconds * NS_PER_SECOND:
        now_ns = market.run_step(max(now_ns + 1000, market.next_time_ns()))
        steps.append(market.take_frames())
    return steps


def payloads(market: GeneratedMarket, seconds: float) -> list[bytes]:
    """All frames in one list, snapshots first."""
    first = [each.payload for symbol in market.products for each in market.snapshot_frames(symbol)]
    return first + [frame.payload for step in play(market, seconds) for frame in step]


def test_same_seed_same_bytes() -> None:
    first = payloads(GeneratedMarket(7, [BTC, "ETH-USD"]), 2.0)
    assert first == payloads(GeneratedMarket(7, [BTC, "ETH-USD"]), 2.0)
    assert first != payloads(GeneratedMarket(8, [BTC, "ETH-USD"]), 2.0)


def test_a_product_does_not_depend_on_the_others() -> None:
    alone = payloads(GeneratedMarket(7, [BTC]), 1.0)
    together = payloads(GeneratedMarket(7, [BTC, "ETH-USD"]), 1.0)
    # All but the time, which a burst of the other product can put off by microseconds.
    bitcoin = [each.partition(b'"time"')[0] for each in together if b"ETH-USD" not in each]
    assert bitcoin == [each.partition(b'"time"')[0] for each in alone]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_frames_rebuild_the_book_which_is_never_crossed_or_thin(seed: int) -> None:
    market = GeneratedMarket(seed, [BTC])
    snapshot = orjson.loads(market.snapshot_frames(BTC)[0].payload)
    assert list(snapshot) == ["type", "product_id", "asks", "bids"]
    book = {"sell": dict(snapshot["asks"]), "buy": dict(snapshot["bids"])}
    sizes: Counter[int] = Counter()
    changes_max = 0
    for step in play(market, 5.0):
        sizes[len(step)] += 1
        for frame in step:
            message = orjson.loads(frame.payload)
            if message["type"] != "l2update":
                continue
            assert list(message) == ["type", "product_id", "changes", "time"]
            changes_max = max(changes_max, len(message["changes"]))
            for side, price, size in message["changes"]:
                book[side].pop(price, None)
                if float(size):
                    book[side][price] = size
            assert max(map(float, book["buy"])) < min(map(float, book["sell"]))
            assert min(len(book["buy"]), len(book["sell"])) >= 100
    final = orjson.loads(market.snapshot_frames(BTC)[0].payload)
    assert book == {"sell": dict(final["asks"]), "buy": dict(final["bids"])}
    assert max(sizes) >= 20, "no burst of tens of frames in five seconds"
    assert sizes[1] > sum(sizes.values()) / 4, "most steps are quiet"
    assert changes_max > 1
    assert market.trade_count > 20


def test_heartbeats_come_once_a_second_for_each_product() -> None:
    market = GeneratedMarket(1, [BTC, "ETH-USD"])
    frames = [frame for step in play(market, 3.5) for frame in step]
    beats = [orjson.loads(frame.payload) for frame in frames if frame.channel == "heartbeat"]
    assert [beat["product_id"] for beat in beats] == [BTC, "ETH-USD"] * 3
    assert set(beats[0]) == {"type", "last_trade_id", "product_id", "sequence", "time"}
    assert beats[0]["time"] == "2026-01-05T14:30:01.000000Z"


def test_times_and_sequences_do_not_go_back_within_a_product() -> None:
    market = GeneratedMarket(5, [BTC])
    messages = [orjson.loads(frame.payload) for step in play(market, 2.0) for frame in step]
    times = [message["time"] for message in messages]
    assert times == sorted(times)
    trades = [message for message in messages if message["type"] == "match"]
    numbers = [trade["trade_id"] for trade in trades]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [t["sequence"] for t in trades] == sorted({t["sequence"] for t in trades})


def test_a_client_that_buys_the_whole_side_finds_it_refilled() -> None:
    market = GeneratedMarket(1, [BTC])
    everything = Order("id", 1, BTC, Side.BUY, 0, 10**14, order_type=OrderType.MARKET)
    market.submit(everything, EPOCH_NS)
    snapshot = orjson.loads(market.snapshot_frames(BTC)[0].payload)
    assert len(snapshot["asks"]) >= 100
    play(market, 1.0)


def test_last_match_is_the_last_trade() -> None:
    market = GeneratedMarket(1, [BTC])
    assert market.last_match_frames(BTC) == []
    messages = [orjson.loads(frame.payload) for step in play(market, 2.0) for frame in step]
    last = [message for message in messages if message["type"] == "match"][-1]
    frame = orjson.loads(market.last_match_frames(BTC)[0].payload)
    assert frame == {**last, "type": "last_match"}


def test_ids_are_version_4_uuids_and_follow_the_seed() -> None:
    source = IdSource("seed")
    ids = [source.uuid() for _ in range(50)]
    assert all(uuid.UUID(each).version == 4 and str(uuid.UUID(each)) == each for each in ids)
    assert all(uuid.UUID(each).variant == uuid.RFC_4122 for each in ids)
    again = IdSource("seed")
    assert [again.uuid() for _ in range(50)] == ids
