"""Order requests of the WebSocket API, byte by byte, and read back by a plain JSON parser."""

import random
import re
import uuid
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext.codecs.binance_order import MAX_RECEIVE_WINDOW_MS, BinanceOrderEncoder
from ext.errors import ConfigError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import IntentKind, Side, TimeInForce

RUN_SEED = bytes.fromhex("0123456789abcdef")
WALL_NS = 1_767_623_400_123_456_789  # 2026-01-05 14:30:00.123456789
INSTRUMENTS = [
    ("BTCUSDT", "0.01", "0.00001"),
    ("SHIBUSDT", "0.00000001", "1"),
    ("ODD.ONE-X_Y", "0.25", "5"),
    ("A-SYMBOL-OF-23-LETTERS-", "0.000000000001", "0.000000000001"),
]
CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")  # the venue's rule
DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")  # the venue's rule
DEFAULTS: dict[str, Any] = {
    "kind": IntentKind.NEW_ORDER,
    "instrument": 0,
    "side": Side.BUY,
    "price_ticks": 6_000_001,
    "quantity_lots": 1_000,
    "request_number": 1,
    "wall_ns": WALL_NS,
}
RULES = {
    TimeInForce.GOOD_TILL_CANCEL: "GTC",
    TimeInForce.IMMEDIATE_OR_CANCEL: "IOC",
    TimeInForce.FILL_OR_KILL: "FOK",
}


@pytest.fixture(scope="module")
def table() -> InstrumentTable:
    table = InstrumentTable()
    for symbol, tick, lot in INSTRUMENTS:
        table.add(symbol, tick, lot)
    return table


@pytest.fixture(scope="module")
def orders(table: InstrumentTable) -> OrderTable:
    return OrderTable(SharedMemory(None, [], []), table, RUN_SEED)


@pytest.fixture(scope="module")
def encoder(table: InstrumentTable, orders: OrderTable) -> BinanceOrderEncoder:
    return BinanceOrderEncoder(table, orders)


def encode(encoder: BinanceOrderEncoder, **changes: Any) -> bytes:
    return encoder.encode_request(**{**DEFAULTS, **changes})


def read(message: bytes) -> tuple[str, str, dict[str, Any]]:
    """(id, method, params); no name may stand twice, which the parser would not tell."""
    parsed = orjson.loads(message)
    assert list(parsed) == ["id", "method", "params"]
    names = re.findall(rb'"(\w+)":', message)
    assert len(names) == len(set(names)), "a name stands twice"
    assert b" " not in message
    return parsed["id"], parsed["method"], parsed["params"]


def test_new_order(encoder: BinanceOrderEncoder) -> None:
    assert encode(encoder) == (
        b'{"id":"01234567-89ab-4cde-8000-000000000001","method":"order.place","params":{'
        b'"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC",'
        b'"newOrderRespType":"ACK","recvWindow":5000,'
        b'"newClientOrderId":"01234567-89ab-4cde-8000-000000000001",'
        b'"timestamp":1767623400123,"price":"60000.01","quantity":"0.01000"}}'
    )


def test_cancel(encoder: BinanceOrderEncoder) -> None:
    message = encode(
        encoder,
        kind=IntentKind.CANCEL_ORDER,
        side=Side.SELL,
        request_number=0x1234567890ABCDE,
        original_number=15,
    )
    assert message == (
        b'{"id":"01234567-89ab-4cde-8123-4567890abcde","method":"order.cancel","params":{'
        b'"symbol":"BTCUSDT","recvWindow":5000,'
        b'"newClientOrderId":"01234567-89ab-4cde-8123-4567890abcde",'
        b'"origClientOrderId":"01234567-89ab-4cde-8000-00000000000f",'
        b'"timestamp":1767623400123}}'
    )


def test_replace_at_another_price(encoder: BinanceOrderEncoder) -> None:
    message = encode(
        encoder,
        kind=IntentKind.REPLACE_ORDER,
        side=Side.SELL,
        request_number=3,
        original_number=2,
        instrument=2,
        price_ticks=20_001,
        quantity_lots=7,
        order_price_ticks=20_002,
        order_quantity_lots=8,
    )
    assert message == (
        b'{"id":"01234567-89ab-4cde-8000-000000000003","method":"order.cancelReplace","params":{'
        b'"symbol":"ODD.ONE-X_Y","side":"SELL","type":"LIMIT","timeInForce":"GTC",'
        b'"cancelReplaceMode":"STOP_ON_FAILURE","cancelRestrictions":"ONLY_NEW",'
        b'"cancelOrigClientOrderId":"01234567-89ab-4cde-8000-000000000002",'
        b'"cancelNewClientOrderId":"01234567_89ab_4cde_8000_000000000003",'
        b'"newOrderRespType":"ACK","recvWindow":5000,'
        b'"newClientOrderId":"01234567-89ab-4cde-8000-000000000003",'
        b'"timestamp":1767623400123,"price":"5000.25","quantity":"35"}}'
    )


def test_replace_by_a_smaller_quantity_keeps_the_place_in_the_queue(
    encoder: BinanceOrderEncoder,
) -> None:
    message = encode(
        encoder,
        kind=IntentKind.REPLACE_ORDER,
        request_number=3,
        original_number=2,
        quantity_lots=700,
        order_price_ticks=6_000_001,
        order_quantity_lots=1_000,
        order_filled_lots=100,
    )
    assert message == (
        b'{"id":"01234567-89ab-4cde-8000-000000000003","method":"order.amend.keepPriority",'
        b'"params":{"symbol":"BTCUSDT","recvWindow":5000,'
        b'"newClientOrderId":"01234567-89ab-4cde-8000-000000000003",'
        b'"origClientOrderId":"01234567-89ab-4cde-8000-000000000002",'
        b'"timestamp":1767623400123,"newQty":"0.00700"}}'
    ), "newQty counts what was filled, like the quantity of our request"


@pytest.mark.parametrize(("quantity_lots", "method"), [(999, "amend.keepPriority")])
@pytest.mark.parametrize("same_or_more", [1_000, 1_001])
def test_only_less_of_the_same_price_is_amended(
    encoder: BinanceOrderEncoder, quantity_lots: int, method: str, same_or_more: int
) -> None:
    replace = {
        "kind": IntentKind.REPLACE_ORDER,
        "order_price_ticks": 6_000_001,
        "order_quantity_lots": 1_000,
    }
    assert read(encode(encoder, quantity_lots=quantity_lots, **replace))[1] == f"order.{method}"
    assert read(encode(encoder, quantity_lots=same_or_more, **replace))[1] == "order.cancelReplace"
    other = read(encode(encoder, quantity_lots=quantity_lots, price_ticks=6_000_000, **replace))
    assert other[1] == "order.cancelReplace"


def test_a_replaced_order_begins_without_a_fill(encoder: BinanceOrderEncoder) -> None:
    _, _, params = read(
        encode(
            encoder,
            kind=IntentKind.REPLACE_ORDER,
            price_ticks=5_000_000,
            quantity_lots=1_000,
            order_price_ticks=6_000_001,
            order_quantity_lots=1_000,
            order_filled_lots=300,
        )
    )
    assert params["quantity"] == "0.00700"


@pytest.mark.parametrize("kind", [IntentKind.NEW_ORDER, IntentKind.REPLACE_ORDER])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("post_only", [False, True])
def test_side_type_and_time_in_force(
    encoder: BinanceOrderEncoder, kind: IntentKind, side: Side, rule: TimeInForce, post_only: bool
) -> None:
    _, _, params = read(
        encode(encoder, kind=kind, side=side, time_in_force=rule, post_only=post_only)
    )
    assert params["side"] == side.name
    if post_only:
        assert params["type"] == "LIMIT_MAKER"
        assert "timeInForce" not in params, "the venue refuses one"
    else:
        assert (params["type"], params["timeInForce"]) == ("LIMIT", RULES[rule])


def test_every_template_stands_alone(encoder: BinanceOrderEncoder) -> None:
    """What one message left behind is never seen in another."""
    chance = random.Random(3)
    kinds = [
        {"kind": kind, "instrument": instrument, "side": side, "post_only": post_only}
        for kind in IntentKind
        for instrument in range(len(INSTRUMENTS))
        for side in Side
        for post_only in (False, True)
    ]
    once = [encode(encoder, **kind) for kind in kinds]
    for _ in range(500):
        noise = {
            "price_ticks": chance.randrange(1, 10**12),
            "quantity_lots": chance.randrange(1, 10**12),
            "request_number": chance.randrange(1, 2**60),
            "original_number": chance.randrange(1, 2**60),
            "wall_ns": WALL_NS + chance.randrange(10**12),
        }
        encode(encoder, **{**chance.choice(kinds), **noise})
        at = chance.randrange(len(kinds))
        assert encode(encoder, **kinds[at]) == once[at]


REQUESTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(IntentKind),
        "instrument": st.integers(0, len(INSTRUMENTS) - 1),
        "side": st.sampled_from(Side),
        "price_ticks": st.integers(1, 2**57),  # times the step of every tick: still an int64
        "quantity_lots": st.integers(1, 2**60),
        "request_number": st.integers(1, 2**60 - 1),
        "original_number": st.integers(1, 2**60 - 1),
        "time_in_force": st.sampled_from(TimeInForce),
        "post_only": st.booleans(),
        "wall_ns": st.integers(10**18, 2**63 - 1),
        "order_price_ticks": st.just(0),
        "order_quantity_lots": st.integers(1, 2**60),
        "order_filled_lots": st.integers(0, 2**60),
    }
)


def expect(orders: OrderTable, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Method and parameters by the venue's pages; decimals as such."""
    symbol, tick, lot = INSTRUMENTS[request["instrument"]]
    original = orders.client_order_id(request["original_number"])
    own = orders.client_order_id(request["request_number"])
    params: dict[str, Any] = {
        "symbol": symbol,
        "recvWindow": 5000,
        "newClientOrderId": own,
        "timestamp": request["wall_ns"] // 1_000_000,
    }
    if request["kind"] == IntentKind.CANCEL_ORDER:
        return "order.cancel", params | {"origClientOrderId": original}
    quantity = request["quantity_lots"] * Decimal(lot)
    is_replace = request["kind"] == IntentKind.REPLACE_ORDER
    if (
        is_replace
        and request["price_ticks"] == request["order_price_ticks"]
        and request["quantity_lots"] < request["order_quantity_lots"]
    ):
        params |= {"origClientOrderId": original, "newQty": quantity}
        return "order.amend.keepPriority", params
    params |= {"side": request["side"].name, "newOrderRespType": "ACK"}
    params |= {"price": request["price_ticks"] * Decimal(tick), "quantity": quantity}
    params["type"] = "LIMIT_MAKER" if request["post_only"] else "LIMIT"
    if not request["post_only"]:
        params["timeInForce"] = RULES[request["time_in_force"]]
    if not is_replace:
        return "order.place", params
    params |= {
        "quantity": quantity - request["order_filled_lots"] * Decimal(lot),
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelRestrictions": "ONLY_NEW",
        "cancelOrigClientOrderId": original,
        "cancelNewClientOrderId": own.replace("-", "_"),
    }
    return "order.cancelReplace", params


@given(request=REQUESTS, same_price=st.booleans())
def test_any_request_is_read_back(
    orders: OrderTable, encoder: BinanceOrderEncoder, request: dict[str, Any], same_price: bool
) -> None:
    request = dict(request)
    request["order_price_ticks"] = request["price_ticks"] - (not same_price)
    request["order_filled_lots"] %= request["quantity_lots"]
    identity, method, params = read(encoder.encode_request(**request))
    assert identity == params["newClientOrderId"]
    assert uuid.UUID(identity).version == 4
    assert CLIENT_ORDER_ID.fullmatch(params.get("cancelNewClientOrderId", identity))
    for name in {"price", "quantity", "newQty"} & set(params):
        assert DECIMAL.fullmatch(params[name])
        params[name] = Decimal(params[name])
    assert (method, params) == expect(orders, request)


@pytest.mark.parametrize("instrument", range(len(INSTRUMENTS)))
def test_decimals_follow_the_venue_s_rule(encoder: BinanceOrderEncoder, instrument: int) -> None:
    chance = random.Random(instrument)
    _, tick, lot = INSTRUMENTS[instrument]
    counts = [1, 9, 10, 99, 10**8 - 1, 10**8, 2**53, 10**17]
    counts += [chance.randrange(1, 10 ** chance.randint(1, 17)) for _ in range(300)]
    for count in counts:
        message = encode(encoder, instrument=instrument, price_ticks=count, quantity_lots=count)
        _, _, params = read(message)
        for text, step in ((params["price"], tick), (params["quantity"], lot)):
            assert DECIMAL.fullmatch(text)
            assert Decimal(text) == count * Decimal(step)


def test_timestamps_are_whole_milliseconds(encoder: BinanceOrderEncoder) -> None:
    chance = random.Random(4)
    seconds = [10**9, 1_767_623_400, 1_767_623_399, 9_223_372_036]
    seconds += [chance.randrange(10**9, 9_223_372_036) for _ in range(300)]
    for second in seconds:
        for rest_ns in (0, 999_999, 1_000_000, 99_000_000, 854_775_807):
            _, _, params = read(encode(encoder, wall_ns=second * 10**9 + rest_ns))
            assert params["timestamp"] == second * 1000 + rest_ns // 1_000_000


def test_self_trade_mode_of_new_orders_only(table: InstrumentTable, orders: OrderTable) -> None:
    encoder = BinanceOrderEncoder(table, orders, self_trade_mode="EXPIRE_TAKER")
    for kind in (IntentKind.NEW_ORDER, IntentKind.REPLACE_ORDER):
        _, _, params = read(encode(encoder, kind=kind))
        assert params["selfTradePreventionMode"] == "EXPIRE_TAKER"
    cancel = read(encode(encoder, kind=IntentKind.CANCEL_ORDER))
    assert "selfTradePreventionMode" not in cancel[2]


@pytest.mark.parametrize("mode", ["expire_taker", "DECREMENT", "TRANSFER", 'NONE","x":"'])
def test_self_trade_modes_that_cannot_be(
    table: InstrumentTable, orders: OrderTable, mode: str
) -> None:
    with pytest.raises(ConfigError, match="self_trade_mode was"):
        BinanceOrderEncoder(table, orders, self_trade_mode=mode)


@pytest.mark.parametrize("window", [0, -1, MAX_RECEIVE_WINDOW_MS + 1])
def test_receive_windows_that_cannot_be(
    table: InstrumentTable, orders: OrderTable, window: int
) -> None:
    with pytest.raises(ConfigError, match=f"receive_window_ms was {window}; use 1 to 60000"):
        BinanceOrderEncoder(table, orders, receive_window_ms=window)


@pytest.mark.parametrize("window", [1, MAX_RECEIVE_WINDOW_MS])
def test_the_receive_window_stands_in_every_request(
    table: InstrumentTable, orders: OrderTable, window: int
) -> None:
    encoder = BinanceOrderEncoder(table, orders, receive_window_ms=window)
    for kind in IntentKind:
        assert read(encode(encoder, kind=kind))[2]["recvWindow"] == window


@pytest.mark.parametrize("symbol", ['BTC"USDT', "BTC/USDT", "BTC USDT", "BTC%s", "É"])
def test_a_symbol_that_is_not_the_venue_s(orders: OrderTable, symbol: str) -> None:
    table = InstrumentTable()
    table.add(symbol, "0.01", "0.01")
    with pytest.raises(ConfigError, match=r"symbol was .*; use letters, digits"):
        BinanceOrderEncoder(table, orders)


def test_a_table_without_instruments_has_no_templates(orders: OrderTable) -> None:
    BinanceOrderEncoder(InstrumentTable(), orders)


def test_the_longest_message_fits(table: InstrumentTable, orders: OrderTable) -> None:
    encoder = BinanceOrderEncoder(table, orders, MAX_RECEIVE_WINDOW_MS, "EXPIRE_MAKER")
    message = encode(
        encoder,
        kind=IntentKind.REPLACE_ORDER,
        instrument=3,
        side=Side.SELL,
        price_ticks=2**62,
        quantity_lots=2**62,
    )
    assert len(message) < 640
    assert read(message)[2]["price"] == "4611686.018427387904"
