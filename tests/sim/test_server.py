"""The venue on real sockets: one client on picows, simplefix and plain TCP."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sim.playback import RecordedMarket
from sim.recording import read_recording
from sim.server import Venue, VenueOptions
from sim.venues.coinbase_advanced_feed import AdvancedFeedSession

BTC = "BTC-USD"


async def test_subscribe_snapshot_logon_place_fill_and_end(start_venue: Any) -> None:
    async with start_venue(duration_s=2.0) as session:
        fix = session.connect_fix()
        fix.logon()
        feed = await session.connect_feed()
        feed.subscribe(BTC, "ETH-USD")
        answer = await fix.next("A")
        assert answer.get(34) == b"1"
        assert answer.get(1137) == b"9"
        await feed.until(lambda: sum(b'"snapshot"' in raw[:30] for raw in feed.raw) == 2)
        assert orjson.loads(feed.raw[0])["type"] == "subscriptions"

        client_id = str(uuid.uuid4())
        fix.order(client_id, 1, "0.00100000", "99999.00")
        new, fill = await fix.next("8"), await fix.next("8")
        assert (new.get(150), new.get(39), new.get(11)) == (b"0", b"0", client_id.encode())
        assert (fill.get(150), fill.get(39)) == (b"F", b"2")
        assert (fill.get(32), fill.get(151), fill.get(1057)) == (b"0.00100000", b"0.00000000", b"Y")
        assert fill.get(37) == new.get(37)
        assert fill.get(17) != new.get(17)

        await feed.until(lambda: feed.close_code is not None)
        assert feed.close_code == 1000
        fix.send("5")
        assert await fix.next("5")
        fix.close()
        await session.running
        summary = session.venue.summary()
        assert (summary["orders"], summary["fills"]) == (1, 1)
        assert summary["client_positions"] == {BTC: "0.001"}
        assert summary["venue_seconds"] <= 2.001


async def run_reacting_client(start_venue: Any, seed: int) -> tuple[str, int, list[bytes]]:
    """A client that orders on frames and on fills; returns the ledger's hash and all frames."""
    async with start_venue(seed=seed, duration_s=1.5) as session:
        fix = session.connect_fix()
        fix.logon()
        feed = await session.connect_feed()
        book: dict[str, dict[str, str]] = {"buy": {}, "sell": {}}
        count = 0

        def react(message: dict[str, Any]) -> None:
            nonlocal count
            if message.get("product_id") != BTC:
                return
            if message["type"] == "snapshot":
                book["buy"] = dict(message["bids"])
                book["sell"] = dict(message["asks"])
            if message["type"] != "l2update":
                return
            for side, price, size in message["changes"]:
                book[side].pop(price, None)
                if float(size):
                    book[side][price] = size
            count += 1
            if count % 5 == 0:
                best = max(book["buy"], key=float)
                fix.order(str(uuid.uuid4()), 1, "0.01000000", best)

        def on_report(report: Any) -> None:
            if report.get(150) == b"F" and report.get(54) == b"1":
                price = f"{float(report.get(31)) + 0.5:.2f}"
                fix.order(str(uuid.uuid4()), 2, report.get(32).decode(), price)

        feed.on_message = react
        fix.on_report = on_report
        feed.subscribe(BTC, "ETH-USD")
        await feed.until(lambda: feed.close_code is not None)
        fix.close()
        await session.running
        summary = session.venue.summary()
        assert summary["orders"] > 10
        assert summary["fills"] > 5
        return summary["ledger_sha256"], summary["fills"], feed.raw


async def test_same_seed_and_client_give_the_same_orders_fills_and_frames(
    start_venue: Any,
) -> None:
    first = await run_reacting_client(start_venue, seed=3)
    second = await run_reacting_client(start_venue, seed=3)
    other = await run_reacting_client(start_venue, seed=4)
    assert first == second
    assert first[0] != other[0]


async def test_first_snapshot_waits_for_the_logon(start_venue: Any) -> None:
    async with start_venue() as session:
        feed = await session.connect_feed()
        feed.subscribe(BTC)
        for answers in range(1, 20):
            await feed.until(lambda count=answers: len(feed.raw) == count)
            feed.send({"type": "are you there"})
        await feed.until(lambda: len(feed.raw) == 20)
        assert b"subscriptions" in feed.raw[0]
        assert all(b"error" in raw for raw in feed.raw[1:])
        fix = session.connect_fix()
        fix.logon()
        await fix.next("A")
        await feed.until(lambda: len(feed.raw) > 20)
        assert orjson.loads(feed.raw[20])["type"] == "snapshot"


async def test_a_client_that_does_not_log_on_gets_its_books_after_a_while(
    start_venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.server.FIRST_FRAMES_PATIENCE_S", 0.05)
    async with start_venue() as session:
        feed = await session.connect_feed()
        feed.subscribe(BTC)
        await feed.until(lambda: len(feed.raw) == 2)
        assert session.venue.summary()["steps"] == 0, "the clock stands"


async def test_a_client_that_does_not_subscribe_is_closed(
    start_venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.feed_door.SUBSCRIBE_LIMIT_S", 0.05)
    async with start_venue() as session:
        feed = await session.connect_feed()
        await feed.until(lambda: feed.close_code is not None)
        assert feed.close_code == 1008


async def test_wrong_signature_is_an_error_frame(start_venue: Any) -> None:
    async with start_venue() as session:
        feed = await session.connect_feed()
        feed.subscribe(BTC, signature="wrong")
        await feed.until(lambda: len(feed.raw) == 1)
        error = orjson.loads(feed.raw[0])
        assert (error["type"], error["message"]) == ("error", "Authentication Failed")


async def test_wrong_logon_is_rejected_and_closed(start_venue: Any) -> None:
    async with start_venue() as session:
        fix = session.connect_fix()
        fix.logon(passphrase="wrong")
        reject = await fix.next("3")
        assert reject.get(373) == b"8"
        await fix.end()


async def test_resubscribe_gets_a_fresh_snapshot_in_mid_session(start_venue: Any) -> None:
    async with start_venue(needs_orders=False, duration_s=60.0) as session:
        feed = await session.connect_feed()
        feed.subscribe(BTC)
        await feed.until(lambda: len(feed.raw) > 50)
        feed.send({"type": "unsubscribe", "product_ids": [BTC], "channels": ["level2"]})
        feed.subscribe(BTC, channels=["level2"])
        await feed.until(lambda: sum(b'"snapshot"' in raw[:30] for raw in feed.raw) == 2)


async def test_disconnect_cancels_and_a_resumed_session_can_ask_for_the_report(
    start_venue: Any,
) -> None:
    async with start_venue() as session:
        fix = session.connect_fix()
        fix.logon()
        await fix.next("A")
        fix.order(str(uuid.uuid4()), 1, "0.5", "1000.00")
        report = await fix.next("8")
        fix.close()
        again = session.connect_fix()
        again.logon((141, "N"))
        reset = await again.next("4")
        number = int(reset.get(36))
        # The number of the test request between differs with timing; the last one is the cancel.
        again.send("2", (7, 2), (16, number - 1))
        canceled = await again.next("8")
        while canceled.get(150) != b"4":
            canceled = await again.next("8")
        assert canceled.get(37) == report.get(37)
        assert canceled.get(43) == b"Y"


@pytest.mark.parametrize("is_lockstep", [True, False])
async def test_session_without_orders_ends_at_its_duration(
    start_venue: Any, is_lockstep: bool
) -> None:
    async with start_venue(needs_orders=False, is_lockstep=is_lockstep, duration_s=1.0) as session:
        feed = await session.connect_feed()
        feed.subscribe("ETH-USD")
        await feed.until(lambda: feed.close_code is not None)
        await session.running
        summary = session.venue.summary()
        assert 0.9 < summary["venue_seconds"] < 1.01
        assert summary["frames"] > 30


async def test_venue_time_is_not_faster_than_wall_time_times_speed(start_venue: Any) -> None:
    loop = asyncio.get_running_loop()
    async with start_venue(needs_orders=False, duration_s=1.0, speed=4.0) as session:
        feed = await session.connect_feed()
        started = loop.time()
        feed.subscribe("ETH-USD")
        await feed.until(lambda: feed.close_code is not None)
        assert loop.time() - started > 0.2


async def test_recording_is_played_to_the_subscriber_and_fills_orders(
    start_venue: Any, recording_path: Callable[[str], Path]
) -> None:
    recording = read_recording(recording_path("exchange_20210417.txt.gz"))
    async with start_venue(RecordedMarket(recording), duration_s=2.0) as session:
        fix = session.connect_fix()
        fix.logon()
        feed = await session.connect_feed()
        sold = str(uuid.uuid4())

        def sell_into_the_first_update(message: dict[str, Any]) -> None:
            if message["type"] == "l2update":
                feed.on_message = lambda message: None
                fix.order(sold, 2, "10.0", "0.7000", (55, "SKL-USD"))

        feed.on_message = sell_into_the_first_update
        feed.subscribe("SKL-USD")
        await feed.until(lambda: feed.close_code is not None)
        assert (await fix.next("8")).get(150) == b"0"
        fill = await fix.next("8")
        assert fill.get(150) == b"F"
        assert float(fill.get(31)) > 0.78
        recorded = [frame.payload for frame in recording.frames]
        own = [raw for raw in feed.raw if b"heartbeat" not in raw and b"subscriptions" not in raw]
        assert own == [raw for raw in recorded if raw in set(own)]
        assert own[0] == next(raw for raw in recorded if b'"snapshot"' in raw and b"SKL-USD" in raw)


async def test_advanced_trade_recording_sends_the_large_snapshot_and_counts_frames(
    recording_path: Callable[[str], Path], connect_feed: Callable[[str], Any]
) -> None:
    market = RecordedMarket(read_recording(recording_path("advanced_20260809.jsonl.gz")))
    venue = Venue(
        market,
        lambda: AdvancedFeedSession(market.products, market.channels),
        VenueOptions(speed=0.0, needs_orders=False, duration_s=3.0),
    )
    ready = await venue.start()
    running = asyncio.ensure_future(venue.run())
    feed = await connect_feed(ready["feed_url"])
    for channel in ("level2", "market_trades", "heartbeats"):
        feed.send({"type": "subscribe", "channel": channel, "product_ids": [BTC, "ETH-USD"]})
    await feed.until(lambda: feed.close_code is not None)
    await asyncio.wait_for(running, 10)
    messages = [orjson.loads(raw) for raw in feed.raw]
    assert [each["sequence_num"] for each in messages] == list(range(len(messages)))
    assert {each["channel"] for each in messages} == {
        "subscriptions", "l2_data", "market_trades", "heartbeats",
    }  # fmt: skip
    assert max(len(raw) for raw in feed.raw) > 5_000_000
