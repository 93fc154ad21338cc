"""The JSON objects of Coinbase Exchange's REST: orders, fills, accounts, products, fees.

Decimals are text. An order is ``pending`` in the answer to its POST, then ``open``, ``done`` or
``rejected``; fees have sixteen decimals as at the venue.
"""

import uuid
from decimal import Decimal
from typing import Any

from sim.orders import Order, OrderStatus, OrderType, SelfTradeRule, TimeInForce
from sim.products import Product, trimmed_text
from sim.profile import Balance, Execution
from sim.times import iso_text
from sim.venues.coinbase_exchange_reports import Fees

PROFILE_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "profile.simulated.venue"))
MIN_MARKET_FUNDS = "1"
TIMES_IN_FORCE = {
    "GTC": TimeInForce.GOOD_TILL_CANCEL,
    "IOC": TimeInForce.IMMEDIATE_OR_CANCEL,
    "FOK": TimeInForce.FILL_OR_KILL,
}
SELF_TRADE_RULES = {
    "cn": SelfTradeRule.CANCEL_AGGRESSOR,
    "co": SelfTradeRule.CANCEL_RESTING,
    "cb": SelfTradeRule.CANCEL_BOTH,
}
_TIME_NAMES = {value: name for name, value in TIMES_IN_FORCE.items()}
_RULE_NAMES = {value: name for name, value in SELF_TRADE_RULES.items()}
_SIXTEEN = Decimal(1).scaleb(-16)


def order_object(order: Order, product: Product, fees_paid: Decimal) -> dict[str, Any]:
    """An order as GET shows it."""
    value = order.filled_ticks_lots * product.price.step * product.quantity.step
    shown: dict[str, Any] = {
        "id": order.order_id,
        "size": product.quantity.text(order.quantity_lots),
        "product_id": order.symbol,
        "profile_id": PROFILE_ID,
        "side": order.side.feed_text,
        "type": "limit" if order.order_type is OrderType.LIMIT else "market",
        "stp": _RULE_NAMES[order.self_trade_rule],
        "post_only": order.is_post_only,
        "created_at": iso_text(order.created_time_ns),
        "fill_fees": f"{fees_paid.quantize(_SIXTEEN):f}",
        "filled_size": product.quantity.text(order.filled_lots),
        "executed_value": f"{value.quantize(_SIXTEEN):f}",
        "status": status_of(order),
        "settled": not order.status.is_open,
    }
    if order.order_type is OrderType.LIMIT:
        shown["price"] = product.price.text(order.price_ticks)
        shown["time_in_force"] = _TIME_NAMES[order.time_in_force]
    if order.client_order_id:
        shown["client_oid"] = order.client_order_id
    if order.status is OrderStatus.REJECTED:
        shown["reject_reason"] = order.reject_text
    elif not order.status.is_open:
        shown["done_at"] = iso_text(order.done_time_ns)
        is_filled = order.status is OrderStatus.FILLED
        shown["done_reason"] = "filled" if is_filled else "canceled"
    return shown


def accepted_object(order: Order, product: Product) -> dict[str, Any]:
    """The answer to POST: the order as it came, before it met the market."""
    shown = order_object(order, product, Decimal(0))
    for name in ("done_at", "done_reason", "reject_reason"):
        shown.pop(name, None)
    zero = f"{Decimal(0).quantize(_SIXTEEN):f}"
    return {
        **shown,
        "status": "pending",
        "settled": False,
        "filled_size": product.quantity.text(0),
        "executed_value": zero,
    }


def status_of(order: Order) -> str:
    """``open``, ``done`` or ``rejected``."""
    if order.status.is_open:
        return "open"
    return "rejected" if order.status is OrderStatus.REJECTED else "done"


def fill_object(execution: Execution, product: Product) -> dict[str, Any]:
    """One fill."""
    notional = product.notional(execution.price_ticks, execution.quantity_lots)
    return {
        "trade_id": execution.trade_id,
        "order_id": execution.order.order_id,
        "product_id": execution.order.symbol,
        "profile_id": PROFILE_ID,
        "price": product.price.text(execution.price_ticks),
        "size": product.quantity.text(execution.quantity_lots),
        "fee": f"{execution.fee.quantize(_SIXTEEN):f}",
        "side": execution.order.side.feed_text,
        "liquidity": "T" if execution.is_taker else "M",
        "settled": True,
        "usd_volume": f"{notional.quantize(_SIXTEEN):f}",
        "funding_currency": product.quote_currency,
        "created_at": iso_text(execution.time_ns),
    }


def account_object(balance: Balance) -> dict[str, Any]:
    """One account: a currency of the profile."""
    account = uuid.uuid5(uuid.UUID(PROFILE_ID), balance.currency)
    return {
        "id": str(account),
        "currency": balance.currency,
        "balance": f"{balance.total.quantize(_SIXTEEN):f}",
        "hold": f"{balance.hold.quantize(_SIXTEEN):f}",
        "available": f"{balance.available.quantize(_SIXTEEN):f}",
        "profile_id": PROFILE_ID,
        "trading_enabled": True,
    }


def product_object(product: Product) -> dict[str, Any]:
    """One product: ``base_increment`` is the lot, ``quote_increment`` the tick."""
    return {
        "id": product.symbol,
        "base_currency": product.base_currency,
        "quote_currency": product.quote_currency,
        "base_increment": trimmed_text(product.quantity.step),
        "quote_increment": trimmed_text(product.price.step),
        "display_name": product.symbol.replace("-", "/"),
        "min_market_funds": MIN_MARKET_FUNDS,
        "status": "online",
        "status_message": "",
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "fx_stablecoin": False,
    }


def fees_object(fees: Fees, volume: Decimal) -> dict[str, Any]:
    """Rates as fractions; ``volume`` in quote currency."""
    return {
        "maker_fee_rate": f"{fees.maker_rate:.4f}",
        "taker_fee_rate": f"{fees.taker_rate:.4f}",
        "usd_volume": f"{volume:.2f}",
    }
