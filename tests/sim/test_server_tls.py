"""Both doors of the venue under TLS, for a client on Python's own sockets and picows."""

import socket
import ssl
import uuid
from typing import Any

import pytest

from tests.certificates import client_context, server_context

BTC = "BTC-USD"


async def test_place_and_fill_under_tls(start_venue: Any) -> None:
    async with start_venue(duration_s=2.0, tls=server_context()) as session:
        assert session.ready["feed_url"].startswith("wss://127.0.0.1:")
        fix = await session.connect_fix_under_tls(client_context())
        fix.logon()
        feed = await session.connect_feed(client_context())
        feed.subscribe(BTC)
        assert await fix.next("A")
        await feed.until(lambda: any(b'"snapshot"' in raw[:30] for raw in feed.raw))
        client_id = str(uuid.uuid4())
        fix.order(client_id, 1, "0.00100000", "99999.00")
        new, fill = await fix.next("8"), await fix.next("8")
        assert (new.get(150), fill.get(150)) == (b"0", b"F")
        await feed.until(lambda: feed.close_code is not None)
        fix.send("5")
        assert await fix.next("5")


async def test_plain_client_and_one_without_trust_disturb_nobody(start_venue: Any) -> None:
    async with start_venue(duration_s=2.0, tls=server_context()) as session:
        plain = session.connect_fix()
        plain.logon()
        await plain.end()
        with pytest.raises(ssl.SSLCertVerificationError):
            await session.connect_fix_under_tls(ssl.create_default_context())
        gone = socket.create_connection((session.ready["fix_host"], session.ready["fix_port"]))
        gone.close()
        fix = await session.connect_fix_under_tls(client_context())
        fix.logon()
        assert await fix.next("A")
