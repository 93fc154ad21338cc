"""Signatures by published vectors, requests as text, answers and refusals by type."""

import base64
from decimal import Decimal
from typing import Any

import pytest

from ext.signing import sign_coinbase_exchange
from gateways import coinbase_rest as rest
from gateways.rest_request import (
    RateClass,
    RestAccessRefused,
    RestClockRefused,
    RestError,
    RestNotFound,
    RestOutcomeUnknown,
    RestRateLimited,
    RestRejected,
    RestRequest,
    RestUnavailable,
)

# "ccapi" unit test, and vectors computed with another implementation over the bytes 00 to 3f.
OTHER_SECRET = (
    "+xT7GWTDRHi09EZEhkOC8S7ktzngKtoT1ZoZ6QclGURlq3ePfUd7kLQzK4+P54685NEqYDaIerYj9cuYFILOhQ=="
)
SECRET = base64.b64encode(bytes(range(64))).decode()
CLIENT_OID = "666d0000-0000-4000-8000-000100000001"
ORDER = rest.NewOrder(
    client_oid=CLIENT_OID, product_id="BTC-USD", side="buy", type="limit", price="60000.1",
    size="0.001", time_in_force="GTC", post_only=True, stp="dc",
)  # fmt: skip


def signature(request: RestRequest[Any], timestamp: str, secret: str = SECRET) -> str:
    signer = rest.CoinbaseSigner("key", secret, "passphrase")
    return signer.sign(request, timestamp)["CB-ACCESS-SIGN"]


def test_signature_of_a_body_with_spaces() -> None:
    body = b'{"size": "1.0", "price": "1.0", "side": "buy", "product_id": "BTC-USD"}'
    request = RestRequest("POST", "/orders", bytes, body)
    expected = "QLKK5AWZ5akrAiaH5ugZzm3uRs5XnbsChlojmAs78Wk="
    assert signature(request, "1610075590", OTHER_SECRET) == expected


def test_signature_of_a_query() -> None:
    request = RestRequest(
        "GET", "/orders?status=open&status=pending&status=active&limit=1000", bytes
    )
    expected = "3teBlL3TL0GqMxBvSIgY+X+IG+CXlsBGti7kI6fczBc="
    assert signature(request, "1789299703.123") == expected


def test_signature_of_the_feed() -> None:
    expected = "01mHniQBpEBdSPvOaISYnOAnToNRJyvhSaeCcay+f6Y="
    assert sign_coinbase_exchange(SECRET, "1789299703GET/users/self/verify") == expected


def test_a_new_order_is_the_published_text_and_signature() -> None:
    request = rest.place_order(ORDER)
    assert request.body == (
        b'{"client_oid":"666d0000-0000-4000-8000-000100000001","product_id":"BTC-USD",'
        b'"side":"buy","type":"limit","price":"60000.1","size":"0.001","time_in_force":"GTC",'
        b'"post_only":true,"stp":"dc"}'
    )
    expected = "oWzgHF0nCM2tas9B1lOwkZ+YDHQlxYDZZkAiy0aBaWQ="
    assert signature(request, "1789299703.123") == expected


def test_a_cancel_is_the_published_text_and_signature() -> None:
    request = rest.cancel_client_order(CLIENT_OID, "BTC-USD")
    assert request.target == f"/orders/client:{CLIENT_OID}?product_id=BTC-USD"
    assert signature(request, "1789299703") == "bE9Ve06oh7NC3aybVt5w+HVsxt9e+vaWLp5+h+GiGM8="


def test_headers_name_the_key_and_public_requests_carry_none() -> None:
    signer = rest.CoinbaseSigner("key", SECRET, "passphrase")
    headers = signer.sign(rest.place_order(ORDER), "1789299703")
    assert headers["CB-ACCESS-KEY"] == "key"
    assert headers["CB-ACCESS-PASSPHRASE"] == "passphrase"
    assert headers["CB-ACCESS-TIMESTAMP"] == "1789299703"
    assert headers["Content-Type"] == "application/json"
    assert "Content-Type" not in signer.sign(rest.list_accounts(), "1")
    assert set(signer.sign(rest.get_time(), "1")) == {"User-Agent", "Accept"}


@pytest.mark.parametrize(
    ("request_made", "target", "rate_class"),
    [
        (
            rest.list_orders(),
            "/orders?status=open&status=pending&status=active&limit=100",
            RateClass.PRIVATE,
        ),
        (
            rest.list_orders(("done",), "BTC-USD", "17"),
            "/orders?status=done&product_id=BTC-USD&limit=100&after=17",
            RateClass.PRIVATE,
        ),
        (rest.get_order("a-1"), "/orders/a-1", RateClass.PRIVATE),
        (rest.get_client_order("a-1"), "/orders/client:a-1", RateClass.PRIVATE),
        (rest.get_order("../accounts"), "/orders/..%2Faccounts", RateClass.PRIVATE),
        (
            rest.list_fills(product_id="BTC-USD", after="9"),
            "/fills?product_id=BTC-USD&limit=100&after=9",
            RateClass.FILLS,
        ),
        (rest.list_fills(order_id="a-1"), "/fills?order_id=a-1&limit=100", RateClass.FILLS),
        (rest.list_products(), "/products", RateClass.PUBLIC),
        (rest.cancel_all_orders("BTC-USD"), "/orders?product_id=BTC-USD", RateClass.PRIVATE),
        (rest.cancel_all_orders(), "/orders", RateClass.PRIVATE),
    ],
)
def test_requests(request_made: RestRequest[Any], target: str, rate_class: RateClass) -> None:
    assert (request_made.target, request_made.rate_class) == (target, rate_class)


def test_an_order_is_read_with_exact_decimals() -> None:
    body = (
        b'{"id":"d50ec984","price":"10.00000001","size":"1.00000000","product_id":"BTC-USD",'
        b'"profile_id":"8058","side":"buy","type":"limit","time_in_force":"GTC","post_only":false,'
        b'"created_at":"2024-01-01T00:00:00.000Z","fill_fees":"0.0025","filled_size":"0.5",'
        b'"executed_value":"5.0","status":"open","settled":false,"something_new":[1]}'
    )
    order = rest.read_answer(rest.get_order("d50ec984"), 200, body)
    assert order.price == Decimal("10.00000001")
    assert (order.filled_size, order.fill_fees) == (Decimal("0.5"), Decimal("0.0025"))
    assert (order.client_oid, order.is_living) == ("", True)


@pytest.mark.parametrize(
    ("status", "is_living"),
    [("open", True), ("pending", True), ("active", True), ("received", True),
     ("something new", True), ("done", False), ("rejected", False)],
)  # fmt: skip
def test_a_status_that_we_do_not_know_counts_as_living(status: str, is_living: bool) -> None:
    order = rest.VenueOrder(id="1", product_id="BTC-USD", side="buy", status=status)
    assert order.is_living == is_living


def test_fills_accounts_products_and_fees_are_read() -> None:
    fills = rest.read_answer(
        rest.list_fills(product_id="BTC-USD"),
        200,
        b'[{"trade_id":74,"order_id":"o","product_id":"BTC-USD","side":"sell","price":"1.5",'
        b'"size":"2","fee":"0.0000000000000001","liquidity":"M","settled":true}]',
    )
    assert (fills[0].trade_id, fills[0].fee) == (74, Decimal("1E-16"))
    accounts = rest.read_answer(
        rest.list_accounts(), 200, b'[{"currency":"USD","balance":"1.5","hold":"0","id":"x"}]'
    )
    assert accounts[0].balance == Decimal("1.5")
    fees = rest.read_answer(
        rest.get_fees(), 200,
        b'{"taker_fee_rate":"0.0060","maker_fee_rate":"0.0040","usd_volume":null}',
    )  # fmt: skip
    assert (fees.maker_fee_rate, fees.usd_volume) == (Decimal("0.0040"), None)
    time = rest.read_answer(rest.get_time(), 200, b'{"iso":"","epoch":1420675443.123}')
    assert time.epoch == 1420675443.123


QUESTION: RestRequest[Any] = rest.list_accounts()
CHANGE: RestRequest[Any] = rest.place_order(ORDER)


@pytest.mark.parametrize(
    ("status", "text", "of_question", "of_change"),
    [
        (400, "request timestamp expired", RestClockRefused, RestClockRefused),
        (400, "invalid timestamp", RestClockRefused, RestClockRefused),
        (400, "Insufficient funds", RestRejected, RestRejected),
        (400, "Order already done", RestRejected, RestRejected),
        (401, "invalid signature", RestAccessRefused, RestAccessRefused),
        (403, "Forbidden", RestAccessRefused, RestAccessRefused),
        (404, "NotFound", RestNotFound, RestNotFound),
        (429, "Private rate limit exceeded", RestRateLimited, RestRateLimited),
        (500, "Internal Server Error", RestUnavailable, RestOutcomeUnknown),
        (503, "Service Unavailable", RestUnavailable, RestOutcomeUnknown),
        (504, "Gateway Timeout", RestUnavailable, RestOutcomeUnknown),
        (302, "", RestUnavailable, RestOutcomeUnknown),
    ],
)
def test_refusals_have_types(
    status: int, text: str, of_question: type[RestError], of_change: type[RestError]
) -> None:
    body = b'{"message":"' + text.encode() + b'"}'
    for request, expected in ((QUESTION, of_question), (CHANGE, of_change)):
        with pytest.raises(RestError) as caught:
            rest.read_answer(request, status, body)
        assert type(caught.value) is expected
        assert caught.value.status == status
        assert text in str(caught.value)
        assert request.target in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id":1}', b"[]", b"\xff"])
def test_a_good_status_with_a_bad_body_is_no_answer(body: bytes) -> None:
    with pytest.raises(RestUnavailable):
        rest.read_answer(rest.get_order("a-1"), 200, body)
    with pytest.raises(RestOutcomeUnknown):
        rest.read_answer(CHANGE, 200, body)


def test_a_body_that_is_no_json_is_shown_cut() -> None:
    with pytest.raises(RestUnavailable) as caught:
        rest.read_answer(QUESTION, 502, b"<html>" * 1000)
    assert len(str(caught.value)) < rest.MAX_TEXT + 100
