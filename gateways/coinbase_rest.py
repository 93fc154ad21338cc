"""REST of Coinbase Exchange without sockets: signed requests out, typed answers in.

Sources: "REST API Authentication", "Pagination", "Rate Limits", "Get all orders", "Get all
fills", "Place an order" of the venue's documents. Decimals are text on the wire and ``Decimal``
here, never floats. There is no amend.

Gotcha: an order that was cancelled without a fill may not be found any more. So a 404 says that
nothing of the order lives, not that it never did.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from ext.signing import sign_coinbase_exchange
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

PAGE_ENTRIES = 100
"""Of lists; the venue allows 1,000, and a page of fills takes the loop long enough as it is."""
LIVING_STATUSES = ("open", "pending", "active")
USER_AGENT = "wow-engine"
MAX_TEXT = 200
"""Characters of an error body that are shown."""
_IDENTIFIER = re.compile(r"[0-9A-Za-z-]{1,64}")

_Value = TypeVar("_Value")


class VenueOrder(Struct, frozen=True, kw_only=True):
    """An order as the venue shows it. ``price`` is absent of market orders."""

    id: str
    product_id: str
    side: str
    status: str
    size: Decimal = Decimal(0)
    price: Decimal | None = None
    client_oid: str = ""
    filled_size: Decimal = Decimal(0)
    executed_value: Decimal = Decimal(0)
    fill_fees: Decimal = Decimal(0)
    type: str = "limit"
    time_in_force: str = ""
    post_only: bool = False
    created_at: str = ""
    done_at: str = ""
    done_reason: str = ""
    reject_reason: str = ""

    @property
    def is_living(self) -> bool:
        """Whether it can still trade; a status that we do not know counts as living."""
        return self.status not in ("done", "rejected")


class VenueFill(Struct, frozen=True, kw_only=True):
    """One fill; ``trade_id`` counts within the product, ``fee`` is in quote currency."""

    trade_id: int
    order_id: str
    product_id: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal = Decimal(0)
    liquidity: str = ""
    created_at: str = ""


class VenueAccount(Struct, frozen=True, kw_only=True):
    """One currency: ``balance`` includes what is on ``hold``."""

    currency: str
    balance: Decimal
    hold: Decimal = Decimal(0)
    available: Decimal = Decimal(0)


class VenueProduct(Struct, frozen=True, kw_only=True):
    """One product: ``quote_increment`` is the tick, ``base_increment`` the lot."""

    id: str
    base_currency: str
    quote_currency: str
    base_increment: Decimal
    quote_increment: Decimal
    status: str = ""
    min_market_funds: Decimal = Decimal(0)
    post_only: bool = False
    limit_only: bool = False
    cancel_only: bool = False
    trading_disabled: bool = False


class VenueFees(Struct, frozen=True, kw_only=True):
    """Rates as fractions of the notional."""

    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    usd_volume: Decimal | None = None


class VenueTime(Struct, frozen=True, kw_only=True):
    """The venue's clock: seconds since the epoch."""

    epoch: float


class NewOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of POST /orders; members in the order in which they are sent."""

    client_oid: str
    product_id: str
    side: str
    type: str
    price: str
    size: str
    time_in_force: str
    post_only: bool = False
    stp: str = ""


class CoinbaseSigner:
    """Makes the headers of a request. ``secret`` is base64 as the venue handed it out."""

    def __init__(self, key: str, secret: str, passphrase: str) -> None:
        self._key = key
        self._secret = secret
        self._passphrase = passphrase

    def sign(
        self, request: RestRequest[Any], timestamp: str, user_agent: str = USER_AGENT
    ) -> dict[str, str]:
        """``timestamp`` is seconds since the epoch, decimals allowed; within 30 s of the venue's.

        Base64 of HMAC-SHA256 over timestamp, method, path with query, and body, byte for byte.
        Public requests carry no key.
        """
        plain = {"User-Agent": user_agent, "Accept": "application/json"}
        if request.rate_class is RateClass.PUBLIC:
            return plain
        text = f"{timestamp}{request.method}{request.target}".encode() + request.body
        headers = {
            "CB-ACCESS-KEY": self._key,
            "CB-ACCESS-SIGN": sign_coinbase_exchange(self._secret, text),
            "CB-ACCESS-TIMESTAMP": timestamp,
            "CB-ACCESS-PASSPHRASE": self._passphrase,
            **plain,
        }
        if request.body:
            headers["Content-Type"] = "application/json"
        return headers


def list_orders(
    statuses: Sequence[str] = LIVING_STATUSES, product_id: str = "", after: str = ""
) -> RestRequest[list[VenueOrder]]:
    """Orders of any of these statuses, newest first, one page."""
    query = [("status", status) for status in statuses]
    query += _some(product_id=product_id, limit=str(PAGE_ENTRIES), after=after)
    return RestRequest("GET", f"/orders?{urlencode(query)}", _reader(list[VenueOrder]))


def get_order(order_id: str) -> RestRequest[VenueOrder]:
    """The order with the venue's id."""
    return RestRequest("GET", f"/orders/{_identifier(order_id)}", _reader(VenueOrder))


def get_client_order(client_oid: str) -> RestRequest[VenueOrder]:
    """The order with our id."""
    return RestRequest("GET", f"/orders/client:{_identifier(client_oid)}", _reader(VenueOrder))


def place_order(order: NewOrder) -> RestRequest[VenueOrder]:
    """A new order; the answer shows it pending."""
    body = msgspec.json.encode(order)
    return RestRequest("POST", "/orders", _reader(VenueOrder), body)


def cancel_order(order_id: str, product_id: str = "") -> RestRequest[str]:
    """By the venue's id; the product makes it quicker there."""
    target = f"/orders/{_identifier(order_id)}{_query(product_id=product_id)}"
    return RestRequest("DELETE", target, _reader(str))


def cancel_client_order(client_oid: str, product_id: str = "") -> RestRequest[str]:
    """By our id."""
    target = f"/orders/client:{_identifier(client_oid)}{_query(product_id=product_id)}"
    return RestRequest("DELETE", target, _reader(str))


def cancel_all_orders(product_id: str = "") -> RestRequest[list[str]]:
    """Best effort of the venue; the ids of those it took out."""
    return RestRequest("DELETE", f"/orders{_query(product_id=product_id)}", _reader(list[str]))


def list_fills(
    *, product_id: str = "", order_id: str = "", after: str = ""
) -> RestRequest[list[VenueFill]]:
    """Fills of a product or an order, newest first, one page."""
    query = _query(product_id=product_id, order_id=order_id, limit=str(PAGE_ENTRIES), after=after)
    return RestRequest(
        "GET", f"/fills{query}", _reader(list[VenueFill]), rate_class=RateClass.FILLS
    )


def list_accounts() -> RestRequest[list[VenueAccount]]:
    """All currencies of the profile."""
    return RestRequest("GET", "/accounts", _reader(list[VenueAccount]))


def list_products() -> RestRequest[list[VenueProduct]]:
    """All products; public."""
    read = _reader(list[VenueProduct])
    return RestRequest("GET", "/products", read, rate_class=RateClass.PUBLIC)


def get_fees() -> RestRequest[VenueFees]:
    """What the profile pays now."""
    return RestRequest("GET", "/fees", _reader(VenueFees))


def get_time() -> RestRequest[VenueTime]:
    """The venue's clock; public."""
    return RestRequest("GET", "/time", _reader(VenueTime), rate_class=RateClass.PUBLIC)


def read_answer(request: RestRequest[_Value], status: int, body: bytes) -> _Value:
    """The value of a good answer; raises the RestError that the status and the text mean."""
    if status == 200:
        try:
            return request.read(body)
        except ValueError as error:  # msgspec.DecodeError is one
            raise _lost(request, f"an answer that cannot be read ({error})", status) from None
    raise _error(request, status, _message(body))


def _error(request: RestRequest[Any], status: int, text: str) -> RestError:
    what = f"{request.name} was answered with {status}: {text}"
    if status == 429:
        return RestRateLimited(what, status)
    if status in (400, 401) and "timestamp" in text.lower():
        return RestClockRefused(what, status)
    if status in (401, 403):
        return RestAccessRefused(what, status)
    if status == 404:
        return RestNotFound(what, status)
    if 400 <= status < 500:
        return RestRejected(what, status)
    return _lost(request, text, status)


def _lost(request: RestRequest[Any], text: str, status: int) -> RestError:
    kind = RestUnavailable if request.is_question else RestOutcomeUnknown
    return kind(f"{request.name} got {status}: {text}", status)


def _message(body: bytes) -> str:
    try:
        text = str(msgspec.json.decode(body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        text = body.decode("utf-8", "replace")
    return text[:MAX_TEXT]


def _reader(kind: type[_Value]) -> Callable[[bytes], _Value]:
    return msgspec.json.Decoder(kind).decode


def _some(**values: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in values.items() if value]


def _query(**values: str) -> str:
    given = _some(**values)
    return f"?{urlencode(given)}" if given else ""


def _identifier(text: str) -> str:
    """An id as part of a path: the venue's and ours are UUIDs."""
    return text if _IDENTIFIER.fullmatch(text) else quote(text, safe="")
