"""Questions by REST that are answered from a copy which is behind: what is new is not there yet.

An order that was acknowledged a moment ago is not found, and a fill that an order shows already is
not listed, nor in the balances. What an order request does is done at once.
"""

from collections.abc import Mapping
from decimal import Decimal

from sim.products import Product
from sim.profile import Execution, Profile
from sim.rest_text import RestAnswer, RestRequest

NOT_FOUND = RestAnswer(404, {"message": "NotFound"})


def show_late(
    request: RestRequest,
    answer: RestAnswer,
    profile: Profile,
    products: Mapping[str, Product],
    before_ns: int,
) -> RestAnswer:
    """The answer without what has come into being since ``before_ns`` of the venue's time."""
    if request.method != "GET" or answer.status != 200:
        return answer
    late = [each for each in profile.executions if each.time_ns >= before_ns]
    if request.path == "/fills":
        return _without(answer, "trade_id", {str(each.trade_id) for each in late})
    if request.path == "/accounts":
        return _before_fills(answer, late, products)
    hidden = {each.order_id for each in profile.orders() if each.created_time_ns >= before_ns}
    if request.path == "/orders":
        return _without(answer, "id", hidden)
    if request.path.startswith("/orders/") and answer.content["id"] in hidden:
        return NOT_FOUND
    return answer


def _without(answer: RestAnswer, name: str, hidden: set[str]) -> RestAnswer:
    shown = [each for each in answer.content if str(each[name]) not in hidden]
    return RestAnswer(answer.status, shown, answer.headers)


def _before_fills(
    answer: RestAnswer, late: list[Execution], products: Mapping[str, Product]
) -> RestAnswer:
    changes: dict[str, Decimal] = {}
    for each in late:
        product, side = products[each.order.symbol], int(each.order.side)
        quantity = each.quantity_lots * product.quantity.step
        paid = side * product.notional(each.price_ticks, each.quantity_lots) + each.fee
        for currency, change in (
            (product.base_currency, side * quantity),
            (product.quote_currency, -paid),
        ):
            changes[currency] = changes.get(currency, Decimal(0)) + change
    shown = [
        {**each, "balance": f"{Decimal(each['balance']) - changes.get(each['currency'], 0):f}"}
        for each in answer.content
    ]
    return RestAnswer(answer.status, shown, answer.headers)
