"""The venue on real sockets: one client on picows, simplefix and plain TCP."""

import uuid
from typing import Any

import orjson

BTC = "BTC-USD"


def best_ask(messages: list[bytes]) -> str:
    """Of the BTC-USD snapshot."""
    snapshots = [orjson.loads(raw) for raw in messages if b'"snapshot"' in raw[:30]]
    return next(each["asks"][0][0] for each in snapshots if each["product_id"] == BTC)


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
