"""What left an engine, read from its bytes: both protocols come out alike."""

from decimal import Decimal

import pytest

from sim.fix_text import encode
from sim.world.sent_text import CANCEL, PLACE, FixSentReader, RestSentReader, SentText

NAME = "fc0421ab-1b66-45b3-8000-000000000011"
BODY = (
    f'{{"product_id":"BTC-USD","client_oid":"{NAME}","side":"sell","size":"0.25","price":"1"}}'
).encode()
POST = b"POST /orders HTTP/1.1\r\nHost: v\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
DELETE = f"DELETE /orders/client:{NAME}?product_id=BTC-USD HTTP/1.1\r\nHost: v\r\n\r\n".encode()
TIME = b"GET /time HTTP/1.1\r\nHost: v\r\n\r\n"


def told(found: list[SentText]) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.client_id, each.order_id, each.symbol) for each in found]


def test_orders_and_cancels_by_rest() -> None:
    found = RestSentReader().feed(POST + DELETE + TIME, 1)
    assert told(found) == [
        (PLACE, NAME, NAME, "BTC-USD"),
        (CANCEL, "", NAME, "BTC-USD"),
        ("", "", "", ""),
    ]
    assert (found[0].side, found[0].quantity) == (-1, Decimal("0.25"))


def test_each_connection_is_a_stream_of_its_own() -> None:
    reader = RestSentReader()
    assert reader.feed(POST[:40], 1) == []
    assert told(reader.feed(DELETE, 2)) == [(CANCEL, "", NAME, "BTC-USD")]
    assert told(reader.feed(POST[40:], 1)) == [(PLACE, NAME, NAME, "BTC-USD")]


def test_what_no_engine_asks_for() -> None:
    with pytest.raises(AssertionError, match="the engine sent DELETE /orders"):
        RestSentReader().feed(b"DELETE /orders HTTP/1.1\r\nHost: v\r\n\r\n", 1)


def test_orders_and_cancels_by_fix() -> None:
    ends = [(34, "2"), (49, "a"), (52, "20260105-14:30:00"), (56, "b"), (11, NAME), (55, "BTC-USD")]
    terms = [*ends, (54, "1"), (38, "0.5")]
    data = encode("FIXT.1.1", "D", terms) + encode("FIXT.1.1", "F", [*ends, (41, "old")])
    found = FixSentReader().feed(data, 0)
    assert told(found) == [(PLACE, NAME, NAME, "BTC-USD"), (CANCEL, NAME, "old", "BTC-USD")]
    assert [each.sequence for each in found] == [2, 2]
    assert (found[0].side, found[0].quantity) == (1, Decimal("0.5"))
