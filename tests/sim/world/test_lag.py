"""A copy of the venue's record that is behind: what is new is missing everywhere alike."""

from decimal import Decimal

import pytest

from sim.orders import Order, OrderType, Side
from sim.products import Product
from sim.profile import Execution, Profile
from sim.rest_text import RestAnswer, RestRequest
from sim.venues.coinbase_exchange_reports import Fees
from sim.world.lag import show_late
from sim.world.market import SmallMarket

SYMBOL = "BTC-USD"
BEFORE_NS = 1_000


@pytest.fixture
def products() -> dict[str, Product]:
    return dict(SmallMarket(1, (SYMBOL,)).products)


@pytest.fixture
def profile(products: dict[str, Product]) -> Profile:
    """An old order and a new one, and a fill of each age."""
    profile = Profile(products, Fees())
    for name, time_ns in (("old", BEFORE_NS - 1), ("new", BEFORE_NS)):
        order = Order(name, 1, SYMBOL, Side.BUY, 10_000, 5, OrderType.LIMIT)
        profile.add(order, time_ns)
        trade_id = 7 if name == "old" else 8
        fee = Decimal("0.5")
        profile.executions.append(Execution(order, trade_id, 10_000, 5, fee, True, time_ns))
    return profile


@pytest.mark.parametrize(
    ("target", "content", "shown"),
    [
        ("/orders", [{"id": "new"}, {"id": "old"}], [{"id": "old"}]),
        ("/orders/old", {"id": "old"}, {"id": "old"}),
        ("/orders/client:x", {"id": "new"}, {"message": "NotFound"}),
        ("/fills?product_id=X", [{"trade_id": 8}, {"trade_id": 7}], [{"trade_id": 7}]),
        ("/time", {"epoch": 1.0}, {"epoch": 1.0}),
        (
            "/accounts",
            [{"currency": "USD", "balance": "100"}, {"currency": "BTC", "balance": "1"}],
            [
                {"currency": "USD", "balance": "100.5000050000"},
                {"currency": "BTC", "balance": "0.99999995"},
            ],
        ),
    ],
)
def test_what_is_new_is_not_there(
    profile: Profile, products: dict[str, Product], target: str, content: object, shown: object
) -> None:
    request = RestRequest("GET", target, {})
    found = show_late(request, RestAnswer(200, content), profile, products, BEFORE_NS)
    assert found.content == shown
    assert found.status == (404 if "message" in str(shown) else 200)


def test_what_an_order_request_does_is_told_at_once(
    profile: Profile, products: dict[str, Product]
) -> None:
    answer = RestAnswer(200, {"id": "new"})
    request = RestRequest("POST", "/orders", {})
    assert show_late(request, answer, profile, products, BEFORE_NS) is answer
