"""The REST door on real sockets: kept-alive connections, TLS, and the same book as FIX."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from tests.certificates import client_context, server_context


def signed(sign: Callable[[str], str], method: str, target: str, body: bytes = b"") -> Any:
    timestamp = f"{time.time():.3f}"
    return {
        "CB-ACCESS-KEY": "demo-key",
        "CB-ACCESS-PASSPHRASE": "demo-passphrase",
        "CB-ACCESS-TIMESTAMP": timestamp,
        "CB-ACCESS-SIGN": sign(f"{timestamp}{method}{target}{body.decode()}"),
        "Content-Type": "application/json",
    }


async def test_an_order_by_fix_is_cancelled_by_rest(
    start_venue: Any, signer: Callable[[str], str]
) -> None:
    async with start_venue(needs_orders=True) as session, aiohttp.ClientSession() as http:
        fix = session.connect_fix()
        fix.logon()
        await fix.next("A")
        client_id = str(uuid.uuid4())
        fix.order(client_id, 1, "0.01000000", "100.00")
        assert (await fix.next("8")).get(150) == b"0"

        target = f"/orders/client:{client_id}"
        url = session.ready["rest_url"] + target
        async with http.get(url, headers=signed(signer, "GET", target)) as answer:
            assert answer.status == 200
            assert answer.content_type == "application/json"
            assert orjson.loads(await answer.read())["client_oid"] == client_id
        async with http.delete(url, headers=signed(signer, "DELETE", target)) as answer:
            assert answer.status == 200
        assert (await fix.next("8")).get(150) == b"4"
        assert len(http.connector._conns) == 1  # type: ignore[union-attr]


async def test_post_under_tls(start_venue: Any, signer: Callable[[str], str]) -> None:
    async with start_venue(tls=server_context()) as session, aiohttp.ClientSession() as http:
        assert session.ready["rest_url"].startswith("https://127.0.0.1:")
        body = orjson.dumps(
            {"product_id": "BTC-USD", "side": "buy", "price": "100.00", "size": "0.01"}
        )
        headers = signed(signer, "POST", "/orders", body)
        url = session.ready["rest_url"] + "/orders"
        async with http.post(url, data=body, headers=headers, ssl=client_context()) as answer:
            assert answer.status == 200
            assert (await answer.json())["status"] == "pending"
        async with http.post(url, data=body[:-1], headers=headers, ssl=client_context()) as answer:
            assert answer.status == 401
    assert session.venue.summary()["orders"] == 1


async def test_the_door_is_open_until_those_who_placed_orders_are_gone(
    start_venue: Any, signer: Callable[[str], str]
) -> None:
    """Without a FIX session the venue would end with its market data, and nobody could cancel."""
    async with start_venue(needs_orders=False, duration_s=1.0) as session:
        url = session.ready["rest_url"]
        async with aiohttp.ClientSession() as http:
            body = orjson.dumps(
                {"product_id": "BTC-USD", "side": "buy", "price": "100.00", "size": "0.01"}
            )
            headers = signed(signer, "POST", "/orders", body)
            async with http.post(f"{url}/orders", data=body, headers=headers) as answer:
                name = (await answer.json())["id"]
            feed = await session.connect_feed()
            feed.subscribe("BTC-USD")
            await feed.until(lambda: feed.close_code is not None)
            assert not session.running.done()
            headers = signed(signer, "DELETE", f"/orders/{name}")
            async with http.delete(f"{url}/orders/{name}", headers=headers) as answer:
                assert answer.status == 200
            assert not session.running.done()
        await session.running
        assert session.venue.summary()["open_orders"] == 0
