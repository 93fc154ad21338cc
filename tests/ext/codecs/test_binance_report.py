"""Answers and execution reports of the WebSocket API, and what they make of orders."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from ext.codecs.binance_report import AnswerStatus
from ext.wire import ExecutionType, OrderState, Side
from tests.ext.binance_rig import TIME_MS, BinanceRig

MakeRig = Callable[..., Any]
Step = Callable[[], None]
PRICE = 50_000
UNKNOWN_ORDER_SENT = {"code": -2011, "msg": "Unknown order sent."}
RESTRICTED = {"code": -2011, "msg": "Order was not canceled due to cancel restrictions."}
WOULD_MATCH = {"code": -2010, "msg": "Order would immediately match and take."}


@pytest.fixture
def rig(make_order_rig: MakeRig) -> BinanceRig:
    return BinanceRig(make_order_rig)


def state(rig: BinanceRig, number: int) -> OrderState:
    return OrderState(int(rig.rig.order(number)["state"]))


def decode(rig: BinanceRig, message: bytes) -> tuple[AnswerStatus, dict[str, Any]]:
    return rig.decoder.decode_message(message)


def decode_event(
    rig: BinanceRig, number: int, kind: str, state: str, **changes: Any
) -> tuple[AnswerStatus, dict[str, Any]]:
    event = rig.fields(number, kind, state, **changes)
    return decode(rig, orjson.dumps({"subscriptionId": 0, "event": event}))


# The life of an order.


@pytest.mark.parametrize("is_event_first", [False, True])
def test_accepted_filled_in_parts(rig: BinanceRig, is_event_first: bool) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    steps: list[Step] = [lambda: rig.answer(number), lambda: rig.event(number, "NEW", "NEW")]
    for step in reversed(steps) if is_event_first else steps:
        step()
        assert state(rig, number) == OrderState.NEW
    rig.fill(number, 40, 40, "PARTIALLY_FILLED", m=True)
    assert state(rig, number) == OrderState.PARTIALLY_FILLED
    rig.fill(number, 60, 100, "FILLED")
    assert state(rig, number) == OrderState.FILLED
    position = rig.rig.position()
    assert (position["position_lots"], position["fill_count"]) == (100, 2)
    assert position["fees"] == pytest.approx(0.001)
    assert rig.rig.order(number)["venue_order_id"] == b"12569099453"
    assert (rig.messages, rig.bad_reports, rig.notices) == ([], [], [])


def test_an_answer_behind_the_fill_changes_nothing(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 100, 100, "FILLED")
    rig.answer(number)
    rig.event(number, "NEW", "NEW")
    assert state(rig, number) == OrderState.FILLED


def test_a_fill_counts_once(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 40, 40, "PARTIALLY_FILLED", t=5)
    rig.fill(number, 40, 40, "PARTIALLY_FILLED", t=5)
    assert rig.rig.position()["position_lots"] == 40
    assert rig.rig.counters()["duplicate_fills"] == 1
    rig.fill(number, 60, 100, "FILLED", t=6)
    assert rig.rig.position()["position_lots"] == 100


def test_both_sides_of_a_trade_with_ourselves_count(rig: BinanceRig) -> None:
    buy, sell = rig.place(Side.BUY, PRICE, 100), rig.place(Side.SELL, PRICE, 100)
    rig.fill(buy, 100, 100, "FILLED", t=5)
    rig.fill(sell, 100, 100, "FILLED", t=5, S="SELL")
    position = rig.rig.position()
    assert (position["bought_lots"], position["sold_lots"]) == (100, 100)
    assert rig.rig.counters()["duplicate_fills"] == 0


@pytest.mark.parametrize(
    ("changes", "fee"),
    [
        ({"n": "0.00050000", "N": "USDT"}, 0.0005),
        ({"n": "-0.00050000", "N": "USDT"}, -0.0005),  # a rebate
        ({"n": "0.00000100", "N": "BTC"}, 0.0005),  # at the fill's price of 500
        ({"n": "0", "N": None}, 0.0),
    ],
)
def test_fees_in_quote_and_base(rig: BinanceRig, changes: dict[str, Any], fee: float) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 100, 100, "FILLED", **changes)
    assert rig.rig.position()["fees"] == pytest.approx(fee)
    assert rig.decoder.foreign_fees == 0


def test_fees_in_another_asset_are_counted_only(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 100, 100, "FILLED", n="0.00001234", N="BNB")
    assert (rig.rig.position()["fees"], rig.decoder.foreign_fees) == (0, 1)


@pytest.mark.parametrize("status", [400, 403, 418, 429])
def test_a_refused_order(rig: BinanceRig, status: int) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.answer(number, status, code=-2010, msg="Account has insufficient balance.")
    assert state(rig, number) == OrderState.REJECTED
    assert rig.rig.position()["open_buy_lots"] == 0


@pytest.mark.parametrize(("kind", "state_text"), [("EXPIRED", "EXPIRED")])
@pytest.mark.parametrize("prevented", [False, True])
def test_an_expired_remainder(rig: BinanceRig, kind: str, state_text: str, prevented: bool) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 40, 40, "PARTIALLY_FILLED")
    if prevented:
        kind, state_text = "TRADE_PREVENTION", "EXPIRED_IN_MATCH"
    rig.event(number, kind, state_text, z="0.00040000")
    assert state(rig, number) == OrderState.EXPIRED
    assert not rig.rig.gate.is_paused


def test_a_missed_fill_is_noticed(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.event(number, "EXPIRED", "EXPIRED", z="0.00040000")
    assert rig.rig.gate.is_paused
    assert rig.notices


# Cancels.


def test_canceled(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.event(number, "NEW", "NEW")
    cancel = rig.request(rig.rig.cancel(number))
    assert state(rig, number) == OrderState.PENDING_CANCEL
    rig.answer(cancel)
    assert state(rig, number) == OrderState.PENDING_CANCEL, "the fills before it come first"
    rig.fill(number, 40, 40, "PARTIALLY_FILLED")
    rig.event(cancel, "CANCELED", "CANCELED", C=rig.name(number), z="0.00040000")
    assert state(rig, number) == OrderState.CANCELED
    assert not rig.rig.gate.is_paused


def test_canceled_by_somebody_else(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.event(number, "CANCELED", "CANCELED", c="web_0123456789abcdef", C=rig.name(number))
    assert state(rig, number) == OrderState.CANCELED


@pytest.mark.parametrize("error", [UNKNOWN_ORDER_SENT, {"code": -2013, "msg": "No such order."}])
def test_a_cancel_of_an_order_that_the_venue_does_not_know(
    rig: BinanceRig, error: dict[str, Any]
) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.answer(number)
    cancel = rig.request(rig.rig.cancel(number))
    rig.answer(cancel, 400, **error)
    assert state(rig, number) == OrderState.UNKNOWN, "ask, do not assume"


@pytest.mark.parametrize("error", [{"code": -1003, "msg": "Too many requests."}, RESTRICTED])
def test_a_refused_cancel(rig: BinanceRig, error: dict[str, Any]) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.answer(number)
    cancel = rig.request(rig.rig.cancel(number))
    rig.answer(cancel, 429 if error["code"] == -1003 else 400, **error)
    assert state(rig, number) == OrderState.NEW


# Replaces.


def place_and_replace(rig: BinanceRig) -> tuple[int, int]:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.event(number, "NEW", "NEW")
    replace = rig.request(rig.rig.replace(number, PRICE - 1, 200))
    assert state(rig, number) == OrderState.PENDING_REPLACE
    return number, replace


def cancel_first_half(rig: BinanceRig, number: int, replace: int) -> None:
    name = rig.name(replace).replace("-", "_")
    rig.event(number, "CANCELED", "CANCELED", c=name, C=rig.name(number))


@pytest.mark.parametrize("answer_at", [0, 1, 2])
def test_replaced_by_a_new_order(rig: BinanceRig, answer_at: int) -> None:
    number, replace = place_and_replace(rig)
    steps: list[Step] = [
        lambda: cancel_first_half(rig, number, replace),
        lambda: rig.event(replace, "NEW", "NEW", q="0.00200000", p="499.99000000", i=2),
    ]
    steps.insert(answer_at, lambda: rig.answer(replace))
    for step in steps:
        step()
    assert state(rig, number) == OrderState.NEW
    order = rig.rig.order(number)
    assert (order["price_ticks"], order["quantity_lots"]) == (PRICE - 1, 200)
    assert order["accepted_number"] == replace
    rig.fill(replace, 200, 200, "FILLED", q="0.00200000")
    assert state(rig, number) == OrderState.FILLED
    assert rig.rig.position()["position_lots"] == 200
    assert not rig.rig.gate.is_paused


def test_amended(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.fill(number, 30, 30, "PARTIALLY_FILLED")
    (message,) = rig.submit(rig.rig.replace(number, PRICE, 50))
    assert message["method"] == "order.amend.keepPriority"
    assert message["params"]["newQty"] == "0.00080", "30 are filled, 50 shall stay open"
    amend = rig.rig.order_table.request_number(message["id"])
    changed = {"C": rig.name(number), "q": "0.00080000", "z": "0.00030000"}
    rig.event(amend, "REPLACED", "PARTIALLY_FILLED", **changed)
    rig.answer(amend)
    assert state(rig, number) == OrderState.PARTIALLY_FILLED
    assert rig.rig.order(number)["leaves_lots"] == 50
    rig.fill(amend, 50, 80, "FILLED", q="0.00080000")
    assert state(rig, number) == OrderState.FILLED
    assert not rig.rig.gate.is_paused


def halves(cancel: str, new: str, cancel_response: object, new_response: object) -> dict[str, Any]:
    return {
        "cancelResult": cancel,
        "newOrderResult": new,
        "cancelResponse": cancel_response,
        "newOrderResponse": new_response,
    }


@pytest.mark.parametrize("is_event_first", [False, True])
def test_a_replace_whose_new_order_was_refused(rig: BinanceRig, is_event_first: bool) -> None:
    number, replace = place_and_replace(rig)
    canceled = {"symbol": "BTCUSDT", "orderId": 1, "status": "CANCELED"}
    data = halves("SUCCESS", "FAILURE", canceled, WOULD_MATCH)
    steps: list[Step] = [
        lambda: cancel_first_half(rig, number, replace),
        lambda: rig.answer(replace, 409, code=-2021, msg="partially failed.", data=data),
    ]
    for step in steps if is_event_first else reversed(steps):
        step()
    assert state(rig, number) == OrderState.CANCELED
    assert not rig.rig.gate.is_paused


@pytest.mark.parametrize(
    ("error", "expected"),
    [(UNKNOWN_ORDER_SENT, OrderState.UNKNOWN), (RESTRICTED, OrderState.PARTIALLY_FILLED)],
)
def test_a_replace_whose_cancel_was_refused(
    rig: BinanceRig, error: dict[str, Any], expected: OrderState
) -> None:
    number, replace = place_and_replace(rig)
    rig.fill(number, 40, 40, "PARTIALLY_FILLED")
    data = halves("FAILURE", "NOT_ATTEMPTED", error, None)
    rig.answer(replace, 400, code=-2022, msg="Order cancel-replace failed.", data=data)
    assert state(rig, number) == expected


@pytest.mark.parametrize(
    ("status", "cancel", "new"), [(409, "FAILURE", "SUCCESS"), (400, "SUCCESS", "SUCCESS")]
)
def test_halves_that_our_mode_rules_out(
    rig: BinanceRig, status: int, cancel: str, new: str
) -> None:
    number, replace = place_and_replace(rig)
    data = halves(cancel, new, UNKNOWN_ORDER_SENT, {"orderId": 1})
    rig.answer(replace, status, code=-2021, msg="partially failed.", data=data)
    assert len(rig.bad_reports) == 1
    assert state(rig, number) == OrderState.PENDING_REPLACE


# What is not an order of ours, and what nobody knows.


@pytest.mark.parametrize(
    "message",
    [
        {"id": "logon", "status": 200, "result": {"apiKey": "k"}},
        {"id": None, "status": 401, "error": {"code": -2015, "msg": "revoked"}},
        {"id": 12, "status": 200, "result": {}},
        {"event": {"e": "serverShutdown", "E": TIME_MS}},
        {"e": "serverShutdown", "E": TIME_MS},
        {"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "B": []}},
        {"subscriptionId": None, "event": {}},
        {},
        {"id": "01234567-89ab-4cde-8000-000000000001"},
        {"id": "01234567-89ab-4cde-8000-00000000000f", "status": 200, "result": {}},
        {"id": "01234567_89ab_4cde_8000_000000000001", "status": 200, "result": {}},
    ],
)
def test_what_goes_to_the_session(rig: BinanceRig, message: dict[str, Any]) -> None:
    rig.place(Side.BUY, PRICE, 100)
    rig.receive(message)
    assert [status for _, status in rig.messages] == [AnswerStatus.ANSWER_OTHER]
    assert rig.rig.counters()["reports"] == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (500, {"code": -1, "msg": "?"}),
        (400, {"code": -1000, "msg": "An unknown error occurred."}),
        (400, {"code": -1006, "msg": "An unexpected response was received."}),
        (409, {"code": -2021, "msg": "", "data": halves("FAILURE", "X", {"code": -1007}, None)}),
    ],
)
def test_what_nobody_knows(rig: BinanceRig, status: int, error: dict[str, Any]) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    rig.answer(number, status, **error)
    assert [told for _, told in rig.messages] == [AnswerStatus.ANSWER_UNDECIDED]
    assert state(rig, number) == OrderState.PENDING_NEW, "its time runs out, then it is asked for"


def test_an_instrument_that_is_not_ours(rig: BinanceRig) -> None:
    rig.fill(1, 100, 100, "FILLED", s="XRPUSDT")
    assert [status for _, status in rig.messages] == [AnswerStatus.ANSWER_OTHER]
    assert not rig.rig.gate.is_paused


def test_somebody_s_fill_in_our_instrument(rig: BinanceRig) -> None:
    rig.fill(1, 100, 100, "FILLED", c="web_0123456789abcdef")
    assert rig.rig.gate.is_paused, "the account's position is not ours alone"


# Bad reports.


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"q": "0.000001"}, "BAD_NUMBER"),
        ({"p": "500.001"}, "BAD_NUMBER"),
        ({"z": "x"}, "BAD_NUMBER"),
        ({"T": -1}, "BAD_NUMBER"),
        ({"T": 9_223_372_036_855}, "BAD_NUMBER"),
        ({"S": "BOTH"}, "BAD_CODE"),
        ({"S": None}, "BAD_CODE"),
        ({"x": "CALCULATED"}, "BAD_CODE"),
        ({"x": "TRADE_PREVENTION", "X": "NEW"}, "BAD_CODE"),
        ({"x": None}, "MISSING_FIELD"),
        ({"c": 5}, "MISSING_FIELD"),
        ({"s": None}, "MISSING_FIELD"),
        ({"i": "x"}, "BAD_JSON"),
        ({"t": 1.5}, "BAD_JSON"),
    ],
)
def test_events_that_cannot_be_used(rig: BinanceRig, changes: dict[str, Any], status: str) -> None:
    rig.place(Side.BUY, PRICE, 100)
    assert decode_event(rig, 1, "NEW", "NEW")[0] == AnswerStatus.ANSWER_REPORT
    told, _ = decode_event(rig, 1, **{"kind": "NEW", "state": "NEW", **changes})
    assert told == AnswerStatus[f"ANSWER_{status}"]
    rig.event(1, **{"kind": "NEW", "state": "NEW", **changes})
    assert len(rig.bad_reports) == 1
    assert rig.rig.counters()["reports"] == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"l": "0.00000000"}, "MISSING_FIELD"),
        ({"L": "0.00000000"}, "MISSING_FIELD"),
        ({"l": None}, "MISSING_FIELD"),
        ({"t": -1}, "MISSING_FIELD"),
        ({"l": "0.000001"}, "BAD_NUMBER"),
        ({"L": "500.001"}, "BAD_NUMBER"),
        ({"n": "1e99"}, "BAD_NUMBER"),
        ({"n": "-"}, "BAD_NUMBER"),
        ({"n": "1000000000", "N": "BTC"}, "BAD_NUMBER"),
        ({"n": "0.0000000001"}, "BAD_NUMBER"),
    ],
)
def test_fills_that_cannot_be_used(rig: BinanceRig, changes: dict[str, Any], status: str) -> None:
    rig.place(Side.BUY, PRICE, 100)
    trade = {"l": "0.00100000", "z": "0.00100000", "L": "500.00000000", "t": 9, "N": "USDT"}
    assert decode_event(rig, 1, "TRADE", "FILLED", **trade)[0] == AnswerStatus.ANSWER_REPORT
    told, _ = decode_event(rig, 1, "TRADE", "FILLED", **{**trade, **changes})
    assert told == AnswerStatus[f"ANSWER_{status}"]


def test_a_refusal_without_a_code(rig: BinanceRig) -> None:
    rig.place(Side.BUY, PRICE, 100)
    rig.receive({"id": rig.name(1), "status": 400, "error": {"msg": "?"}})
    assert len(rig.bad_reports) == 1


def test_every_field_of_a_fill(rig: BinanceRig) -> None:
    number = rig.place(Side.BUY, PRICE, 100)
    trade = {"l": "0.00040000", "z": "0.00040000", "L": "499.99000000", "t": 77, "m": True}
    fee = {"n": "0.00020000", "N": "USDT", "C": "x"}
    status, report = decode_event(rig, number, "TRADE", "PARTIALLY_FILLED", **trade, **fee)
    assert status == AnswerStatus.ANSWER_REPORT
    assert report == {
        "execution_type": ExecutionType.EXEC_TRADE,
        "order_state": OrderState.PARTIALLY_FILLED,
        "request_number": number,
        "original_number": 0,
        "instrument": 0,
        "side": Side.BUY,
        "order_quantity_lots": 100,
        "price_ticks": 50_000,
        "cumulative_lots": 40,
        "leaves_lots": 60,
        "last_price_ticks": 49_999,
        "last_quantity_lots": 40,
        "is_maker": 1,
        "fee_nano": 200_000,
        "exchange_time_ns": TIME_MS * 1_000_000,
        "execution_id_high": 2,
        "execution_id_low": 77,
        "reject_code": 0,
        "reference_sequence": 0,
        "trade_id": 0,
        "venue_order_id": b"12569099453",
    }
