"""Answers and reports, whole, cut and mutated: the decoder against a plain one on orjson."""

import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from ext.codecs.binance_report import AnswerStatus
from ext.wire import ExecutionType, IntentKind, OrderState, Side
from tests.ext.binance_rig import INSTRUMENTS, BinanceRig

S = AnswerStatus
X = ExecutionType
NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
EXECUTIONS = {
    "NEW": X.EXEC_NEW,
    "CANCELED": X.EXEC_CANCELED,
    "REPLACED": X.EXEC_REPLACED,
    "REJECTED": X.EXEC_REJECTED,
    "TRADE": X.EXEC_TRADE,
    "EXPIRED": X.EXEC_EXPIRED,
}
STATES = {
    state.name: state
    for state in (
        OrderState.NEW,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.PENDING_NEW,
        OrderState.PENDING_CANCEL,
    )
} | {"EXPIRED_IN_MATCH": OrderState.EXPIRED}
KINDS = {1: IntentKind.NEW_ORDER, 2: IntentKind.REPLACE_ORDER, 3: IntentKind.CANCEL_ORDER}
Result = tuple[AnswerStatus, dict[str, object]]


class BadError(Exception):
    """The message is not to be used; the status says why."""

    def __init__(self, status: AnswerStatus) -> None:
        self.status = status


@pytest.fixture(scope="module")
def rig(make_order_rig: Callable[..., Any]) -> BinanceRig:
    """Requests 1, 2 and 3 are a new order, its replace and its cancel."""
    rig = BinanceRig(make_order_rig)
    number = rig.place(Side.BUY, 50_000, 100)
    rig.event(number, "NEW", "NEW")
    assert rig.request(rig.rig.replace(number, 50_001, 100)) == 2
    rig.event(2, "NEW", "NEW")
    assert rig.request(rig.rig.cancel(number)) == 3
    return rig


class Plain:
    """The rules of the messages, said once more."""

    def decode(self, message: dict[str, Any]) -> Result:
        try:
            for name in ("event", "error"):
                if name in message and not isinstance(message[name], dict):
                    raise BadError(S.ANSWER_BAD_JSON)
            whole(message.get("status", 0), minimum=0)
            error = message.get("error", {})
            whole(error.get("code", 0))
            if "event" in message:
                for name in "itT":
                    whole(message["event"].get(name, 0))
            halves = error.get("data")
            halves = halves if isinstance(halves, dict) else {}
            cancel = halves.get("cancelResponse")
            cancel = cancel if isinstance(cancel, dict) else {}
            whole(cancel.get("code", 0))
            if "event" in message:
                return self.decode_event(message["event"])
            return self.decode_answer(message, error, halves, cancel)
        except BadError as bad:
            return bad.status, {}

    def decode_event(self, event: dict[str, Any]) -> Result:
        texts = {name: value for name, value in event.items() if isinstance(value, str)}
        if texts.get("e") != "executionReport":
            return S.ANSWER_OTHER, {}
        if not {"s", "c", "x", "X"} <= set(texts):
            raise BadError(S.ANSWER_MISSING_FIELD)
        symbols = [symbol for symbol, _, _ in INSTRUMENTS]
        if texts["s"] not in symbols:
            return S.ANSWER_OTHER, {}
        index = symbols.index(texts["s"])
        _, tick, lot = INSTRUMENTS[index]
        state = STATES.get(texts["X"], OrderState.UNKNOWN)
        number = number_of(texts["c"])
        kind, state = self.execution(texts, number, state)
        side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(texts.get("S", ""))
        if side is None:
            raise BadError(S.ANSWER_BAD_CODE)
        report: dict[str, object] = {
            "execution_type": kind,
            "order_state": state,
            "request_number": number,
            "original_number": number_of(texts.get("C", "")),
            "instrument": index,
            "side": side,
        }
        quantity, filled = steps(texts.get("q"), lot), steps(texts.get("z"), lot)
        report |= {"order_quantity_lots": quantity, "cumulative_lots": filled}
        report["price_ticks"] = steps(texts.get("p"), tick)
        time_ms = event.get("T", 0)
        if not 0 <= time_ms <= 9_223_372_036_854:
            raise BadError(S.ANSWER_BAD_NUMBER)
        report["exchange_time_ns"] = time_ms * 1_000_000
        report["leaves_lots"] = max(0, quantity - filled) if min(quantity, filled) >= 0 else -1
        order_id = event.get("i", -1)
        report["venue_order_id"] = str(order_id).encode() if order_id >= 0 else b""
        if kind == X.EXEC_TRADE:
            report |= self.decode_fill(event, texts, index, side)
        return S.ANSWER_REPORT, report

    def execution(
        self, texts: dict[str, str], number: int, state: OrderState
    ) -> tuple[ExecutionType, OrderState]:
        kind = EXECUTIONS.get(texts["x"])
        if kind == X.EXEC_CANCELED and is_cancel_name(texts["c"]):
            return X.EXEC_PENDING_REPLACE, OrderState.PENDING_REPLACE
        if kind == X.EXEC_NEW and KINDS.get(number) == IntentKind.REPLACE_ORDER:
            return X.EXEC_REPLACED, state
        if kind is None and texts["x"] == "TRADE_PREVENTION" and state == OrderState.EXPIRED:
            return X.EXEC_EXPIRED, state
        if kind is None:
            raise BadError(S.ANSWER_BAD_CODE)
        return kind, state

    def decode_fill(
        self, event: dict[str, Any], texts: dict[str, str], index: int, side: Side
    ) -> dict[str, object]:
        symbol, tick, lot = INSTRUMENTS[index]
        lots, price = steps(texts.get("l"), lot), steps(texts.get("L"), tick)
        text = texts.get("n")
        sign = -1 if text is not None and text.startswith("-") else 1
        magnitude = text[1:] if text is not None and sign < 0 else text
        fee = max(0, steps(magnitude, "0.000000001"))
        if fee > 10**18:
            raise BadError(S.ANSWER_BAD_NUMBER)
        if lots <= 0 or price <= 0 or event.get("t", -1) < 0:
            raise BadError(S.ANSWER_MISSING_FIELD)
        asset = texts.get("N", "")
        fee *= sign
        if not 0 < len(asset) < len(symbol):
            fee = 0
        elif symbol.endswith(asset):
            pass
        elif symbol.startswith(asset):
            fee = int(float(fee) * price * float(tick))
            if abs(fee) >= 10**18:
                raise BadError(S.ANSWER_BAD_NUMBER)
        else:
            fee = 0
        return {
            "last_quantity_lots": lots,
            "last_price_ticks": price,
            "is_maker": int(event.get("m") is True),
            "fee_nano": fee,
            "execution_id_high": 2 * (index + 1) + (side == Side.SELL),
            "execution_id_low": event["t"],
        }

    def decode_answer(
        self,
        message: dict[str, Any],
        error: dict[str, Any],
        halves: dict[str, Any],
        cancel: dict[str, Any],
    ) -> Result:
        number = 0 if is_cancel_name(str(message.get("id"))) else number_of(str(message.get("id")))
        kind, status = KINDS.get(number), message.get("status", 0)
        if kind is None or status == 0:
            return S.ANSWER_OTHER, {}
        code, cancel_code = error.get("code", 0), cancel.get("code", 0)
        if status >= 500 or {code, cancel_code} & {-1000, -1006, -1007}:
            return S.ANSWER_UNDECIDED, {}
        report: dict[str, object] = {"request_number": number}
        if status == 200:
            name = {
                IntentKind.NEW_ORDER: "NEW",
                IntentKind.CANCEL_ORDER: "PENDING_CANCEL",
                IntentKind.REPLACE_ORDER: "PENDING_REPLACE",
            }[kind]
            report["execution_type"] = ExecutionType[f"EXEC_{name}"]
            report["order_state"] = OrderState[name]
            return S.ANSWER_REPORT, report
        if code == 0:
            raise BadError(S.ANSWER_MISSING_FIELD)
        is_canceled = halves.get("cancelResult") == "SUCCESS"
        if kind == IntentKind.NEW_ORDER:
            report |= {"execution_type": X.EXEC_REJECTED, "order_state": OrderState.REJECTED}
        elif halves.get("newOrderResult") == "SUCCESS" or (status == 409 and not is_canceled):
            raise BadError(S.ANSWER_BAD_CODE)
        elif is_canceled:
            report |= {"execution_type": X.EXEC_CANCELED, "order_state": OrderState.CANCELED}
        else:
            report |= {"execution_type": X.EXEC_CANCEL_REJECT, "order_state": OrderState.UNKNOWN}
            code = cancel_code or code
            reasons = (str(error.get("msg")), str(cancel.get("msg")))
            is_restricted = any(text.startswith("Order was not canceled") for text in reasons)
            code = 1 if code in (-2011, -2013) and not is_restricted else code
        return S.ANSWER_REPORT, report | {"reject_code": code}


def is_cancel_name(text: str) -> bool:
    return len(text) == 36 and all(text[at] == "_" for at in (8, 13, 18, 23))


def number_of(text: str) -> int:
    """The request of a client order id of the run, or of the cancel of its replace."""
    if is_cancel_name(text):
        text = text.replace("_", "-", 4) if text.count("_") == 4 else ""
    match = re.fullmatch(r"01234567-89ab-4cde-8([0-9a-f]{3})-([0-9a-f]{12})", text)
    return int(match[1] + match[2], 16) if match else 0


def whole(value: object, minimum: int = -(10**18) + 1) -> None:
    """What is read as a number has to be a whole one of at most 18 digits."""
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value < 10**18:
        raise BadError(S.ANSWER_BAD_JSON)


def steps(text: str | None, step: str) -> int:
    if text is None:
        return -1
    if NUMBER.fullmatch(text) is None:
        raise BadError(S.ANSWER_BAD_NUMBER)
    count = Decimal(text) / Decimal(step)
    if count != int(count) or count > 2**62:
        raise BadError(S.ANSWER_BAD_NUMBER)
    return int(count)


ABSENT = dict.fromkeys(("order_quantity_lots", "price_ticks", "cumulative_lots", "leaves_lots"), -1)
EMPTY: dict[str, object] = {
    "execution_type": 0,
    "order_state": 0,
    "request_number": 0,
    "original_number": 0,
    "instrument": -1,
    "side": 0,
    "last_price_ticks": 0,
    "last_quantity_lots": 0,
    "is_maker": 0,
    "fee_nano": 0,
    "exchange_time_ns": 0,
    "execution_id_high": 0,
    "execution_id_low": 0,
    "reject_code": 0,
    "reference_sequence": 0,
    "trade_id": 0,
    "venue_order_id": b"",
    **ABSENT,
}


def make_message(rig: BinanceRig, chance: random.Random) -> dict[str, Any]:
    """A message as the venue could send it, or nearly."""
    number = chance.choice((1, 1, 2, 3, 4))
    names = [rig.name(number), rig.name(number).replace("-", "_"), "web_1", ""]
    if chance.random() < 0.6:
        changes = {
            "s": chance.choice(("BTCUSDT", "ETHBTC", "BTCUSDT", "XRPUSDT")),
            "c": chance.choice(names),
            "C": chance.choice(["", rig.name(1), "web_1"]),
            "S": chance.choice(("BUY", "SELL")),
            "l": chance.choice(("0.0004", "0.00000000", "1e-3", "12.0")),
            "z": chance.choice(("0.0004", "0.00100000", "0")),
            "L": chance.choice(("500.00000000", "499.99", "0.05001", "0")),
            "n": chance.choice(("0", "0.00000123", "-0.00000123", "999999999.999999999")),
            "N": chance.choice((None, "USDT", "BTC", "ETH", "BNB", "")),
            "t": chance.choice((-1, 0, 1, 8_000_000_000)),
            "m": chance.choice((True, False)),
            "i": chance.choice((0, 1, 10**17, -1)),
        }
        if chance.random() < 0.5:
            changes = dict(chance.sample(list(changes.items()), chance.randint(0, 5)))
        kind = chance.choice([*EXECUTIONS, "TRADE", "TRADE", "TRADE_PREVENTION"])
        event = rig.fields(number, kind, chance.choice(list(STATES)), **changes)
        return {"subscriptionId": 0, "event": event}
    message: dict[str, Any] = {"id": chance.choice([*names[:2], names[0], "logon", None])}
    message["status"] = chance.choice((200, 200, 400, 409, 429, 500, 504))
    if message["status"] == 200:
        message["result"] = {"orderId": 5, "fills": [], "status": "NEW", "nested": {"a": [{}]}}
    else:
        reason = {
            "code": chance.choice((-1003, -1007, -2010, -2011, -2013, -2021, 0)),
            "msg": chance.choice(("?", "Order was not canceled due to cancel restrictions.")),
        }
        message["error"] = dict(reason)
        if chance.random() < 0.5:
            message["error"]["data"] = {
                "cancelResult": chance.choice(("SUCCESS", "FAILURE")),
                "newOrderResult": chance.choice(("SUCCESS", "FAILURE", "NOT_ATTEMPTED")),
                "cancelResponse": chance.choice((reason, {"orderId": 1}, None, {"code": -2011})),
                "newOrderResponse": None,
            }
    message["rateLimits"] = [{"rateLimitType": "ORDERS", "limit": 50, "count": 1}]
    return message


def mutate(text: bytes, chance: random.Random) -> bytes:
    """One to three bytes changed, put in or taken out."""
    data = bytearray(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        kind = chance.random()
        if kind < 0.5:
            data[at] = chance.choice(b'"{}[]:,-.0123456789eEtnscCSqpxXlzLN _')
        elif kind < 0.75:
            del data[at]
        else:
            data.insert(at, chance.choice(b'"{}[]:,-.0123456789e '))
    return bytes(data)


def check(rig: BinanceRig, plain: Plain, text: bytes) -> AnswerStatus | None:
    """Compares what both say; None when it is no JSON, or has what is told apart below."""
    status, report = rig.decoder.decode_message(text)
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict):
        assert status == S.ANSWER_BAD_JSON
        return status
    # Twice the same name, an escape or a minus before a zero: read as it stands, or refused.
    if len(orjson.dumps(message)) != len(re.sub(rb"\s", b"", text)) or b"\\" in text:
        return None
    expected, fields = plain.decode(message)
    assert status == expected, text
    if status == S.ANSWER_REPORT:
        assert report == EMPTY | fields, text
    return status


@pytest.mark.parametrize("seed", range(4))
def test_whole_messages(rig: BinanceRig, seed: int) -> None:
    chance = random.Random(seed)
    plain = Plain()
    seen = [check(rig, plain, orjson.dumps(make_message(rig, chance))) for _ in range(2_000)]
    assert set(seen) >= set(S) - {S.ANSWER_BAD_JSON}, "every status, but for bad JSON"
    assert seen.count(S.ANSWER_REPORT) > 300


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages(rig: BinanceRig, seed: int) -> None:
    chance = random.Random(100 + seed)
    plain = Plain()
    seen = []
    for _ in range(6_000):
        text = mutate(orjson.dumps(make_message(rig, chance)), chance)
        seen.append(check(rig, plain, text))
    assert set(seen) >= set(S)


def test_cut_messages(rig: BinanceRig) -> None:
    chance = random.Random(9)
    for _ in range(40):
        text = orjson.dumps(make_message(rig, chance))
        for size in range(len(text)):
            status, _ = rig.decoder.decode_message(text[:size])
            assert status == S.ANSWER_BAD_JSON, text[:size]


def test_white_space_changes_nothing(rig: BinanceRig) -> None:
    chance = random.Random(10)
    for _ in range(300):
        message = make_message(rig, chance)
        wide = b" \n\t" + orjson.dumps(message, option=orjson.OPT_INDENT_2) + b"\r\n "
        assert rig.decoder.decode_message(wide) == rig.decoder.decode_message(orjson.dumps(message))


def test_bytes_of_any_kind(rig: BinanceRig) -> None:
    chance = random.Random(11)
    for _ in range(2_000):
        text = chance.randbytes(chance.randrange(200))
        assert rig.decoder.decode_message(text)[0] == S.ANSWER_BAD_JSON
    deep = b'{"x":' * 5_000 + b"1" + b"}" * 5_000
    assert rig.decoder.decode_message(deep)[0] == S.ANSWER_BAD_JSON
