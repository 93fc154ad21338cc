import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ext.dtypes import EXECUTION_REPORT, REQUEST_TERMS
from ext.wire import (
    BookState,
    Command,
    ExecutionType,
    IntentKind,
    OrderState,
    RecordKind,
    ReportFormat,
    SessionState,
    Side,
    StaleReason,
    TimeInForce,
    Verdict,
)
from journal.entries import ORDERS, Entry
from journal.fields import _OF_KIND, KINDS, fields_of, order_number_of
from journal.lines import MAX_TEXT_CHARACTERS, human_line, json_line
from journal.ring_entries import ring_entries
from journal.run import Run, run_of_memory
from journal.shared_reader import SharedReader
from tests.engine_stand_in import EngineStandIn

TIME = 1_763_640_000_123_456_789


@pytest.fixture
def run(reader: SharedReader) -> Run:
    return run_of_memory(reader)


def only(reader: SharedReader) -> Entry:
    (entry,) = ring_entries(reader)
    return entry


def shown(reader: SharedReader, run: Run) -> dict[str, Any]:
    values = fields_of(only(reader), run)
    common = ("time", "time_ns", "stream", "sequence", "kind")
    return {name: value for name, value in values.items() if name not in common}


def test_every_kind_has_its_values() -> None:
    assert set(_OF_KIND) == set(KINDS) == {int(kind) for kind in RecordKind}


def test_a_fill(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    engine.fill()
    assert shown(reader, run) == {
        "instrument": "BTC-USD",
        "strategy": "jerico_maker",
        "execution": "TRADE",
        "state": "PARTIALLY_FILLED",
        "side": "BUY",
        "quantity": "0.00250000",
        "filled": "0.00250000",
        "leaves": "0.00750000",
        "position": "0.03000000",
        "price": "65123.45",
        "best_bid": "65123.44",
        "fee": "1.500000000",
        "order_number": 100,
    }
    assert order_number_of(only(reader)) == 100


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {
                "kind": RecordKind.RECORD_EXECUTION,
                "code": ExecutionType.EXEC_CANCELED,
                "detail": OrderState.CANCELED,
                "price_ticks": -1,
                "quantity_lots": -1,
                "position_lots": -1,
                "instrument": 1,
                "reference": 7,
                "fee_nano": -5,
            },
            {
                "instrument": "ETH-USD",
                "execution": "CANCELED",
                "state": "CANCELED",
                "position": "-0.001",
                "fee": "-0.000000005",
                "reject_code": 7,
            },
        ),
        (
            {
                "kind": RecordKind.RECORD_DECISION,
                "code": Verdict.JOURNAL_BEHIND,
                "detail": IntentKind.REPLACE_ORDER,
                "side": Side.SELL,
                "instrument": 1,
                "strategy": 1,
                "price_ticks": 38_000,
                "quantity_lots": 250,
                "order_number": 4,
                "reference": 12,
            },
            {
                "instrument": "ETH-USD",
                "strategy": "jerico_trend",
                "intent": "REPLACE",
                "verdict": "JOURNAL_BEHIND",
                "side": "SELL",
                "quantity": "0.250",
                "price": "1900.00",
                "reason": 12,
                "order_number": 4,
            },
        ),
        (
            {
                "kind": RecordKind.RECORD_ORDER_SENT,
                "code": OrderState.PENDING_NEW,
                "detail": IntentKind.NEW_ORDER,
                "instrument": 0,
                "quantity_lots": 1,
                "order_number": 9,
                "reference": 77,
            },
            {
                "instrument": "BTC-USD",
                "request": "NEW",
                "state": "PENDING_NEW",
                "quantity": "0.00000001",
                "message_number": 77,
                "order_number": 9,
            },
        ),
        (
            {
                "kind": RecordKind.RECORD_BOOK_STATE,
                "instrument": 0,
                "code": BookState.STALE,
                "detail": StaleReason.SILENCE,
                "exchange_time_ns": 5,
            },
            {
                "instrument": "BTC-USD",
                "state": "STALE",
                "reason": "SILENCE",
                "exchange_time_ns": 5,
            },
        ),
        (
            {"kind": RecordKind.RECORD_SESSION, "code": SessionState.SESSION_ACTIVE, "detail": 1},
            {"session": "order entry", "state": "ACTIVE"},
        ),
        (
            {
                "kind": RecordKind.RECORD_SESSION_WORDS,
                "code": 1,
                "order_number": 12,
                "reference": 9,
            },
            {
                "next_outgoing": 12,
                "next_incoming": 9,
                "is_active": True,
                "is_journal_behind": False,
            },
        ),
        ({"kind": RecordKind.RECORD_TIMER}, {}),
    ],
)
def test_records_without_bytes(
    engine: EngineStandIn,
    reader: SharedReader,
    run: Run,
    fields: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    engine.record(time_ns=TIME, **fields)
    assert shown(reader, run) == expected


def test_a_trade_and_text(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    engine.trade(time_ns=TIME, instrument=0, price_ticks=5, quantity_lots=7, side=-1, reference=3)
    engine.memory.write_text(TIME, 30, "low on disk")
    text, trade = sorted(ring_entries(reader), key=lambda entry: entry.stream != ORDERS)
    values = fields_of(text, run)
    assert (values["level"], values["text"]) == ("WARNING", "low on disk")
    values = fields_of(trade, run)
    assert (values["side"], values["price"], values["quantity"], values["trade_id"]) == (
        "SELL",
        "0.05",
        "0.00000007",
        3,
    )


def test_a_request_with_its_terms_and_message(
    engine: EngineStandIn, reader: SharedReader, run: Run
) -> None:
    terms = np.zeros(1, REQUEST_TERMS)
    terms["order_number"], terms["request_number"] = 41, 42
    intent = terms["intent"]
    intent["side"], intent["price_ticks"], intent["quantity_lots"] = Side.BUY, 6_500_000, 100
    intent["time_in_force"] = TimeInForce.GOOD_TILL_CANCEL
    message = b"8=FIXT.1.1\x0135=D\x0111=abc\x01"
    engine.blob(
        ORDERS,
        terms.tobytes() + message,
        kind=RecordKind.RECORD_REQUEST,
        instrument=0,
        strategy=0,
        detail=IntentKind.NEW_ORDER,
        reference=17,
    )
    assert shown(reader, run) == {
        "instrument": "BTC-USD",
        "strategy": "jerico_maker",
        "request": "NEW",
        "side": "BUY",
        "quantity": "0.00000100",
        "price": "65000.00",
        "time_in_force": "GOOD_TILL_CANCEL",
        "order_number": 41,
        "request_number": 42,
        "message_number": 17,
        "text": "8=FIXT.1.1|35=D|11=abc|",
    }
    assert order_number_of(only(reader)) == 41


def test_a_report_as_fields(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    report = np.zeros(1, EXECUTION_REPORT)
    report["trade_id"], report["venue_order_id"] = 5, b"v-1"
    engine.report(report.tobytes(), code=ReportFormat.REPORT_FIELDS)
    values = shown(reader, run)
    assert (values["format"], values["report"]["trade_id"]) == ("FIELDS", 5)
    assert values["report"]["venue_order_id"] == "v-1"


def test_an_answer_of_rest_stands_beside_its_fields(
    engine: EngineStandIn, reader: SharedReader, run: Run
) -> None:
    report = np.zeros(1, EXECUTION_REPORT)
    report["reject_code"] = 400
    answer = b'{"message":"Insufficient funds"}'
    engine.report(report.tobytes() + answer, code=ReportFormat.REPORT_REST)
    values = shown(reader, run)
    assert (values["format"], values["report"]["reject_code"]) == ("REST", 400)
    assert values["text"] == answer.decode()


def test_a_command_and_a_run(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    engine.blob(
        ORDERS,
        b"operator: too wide",
        kind=RecordKind.RECORD_COMMAND,
        code=Command.COMMAND_PAUSE,
        reference=3,
    )
    engine.blob(ORDERS, b'{"seed":1}', kind=RecordKind.RECORD_RUN)
    engine.blob(ORDERS, b"{cut", kind=RecordKind.RECORD_RUN)
    engine.blob(ORDERS, b"abc123", kind=RecordKind.RECORD_STATE_HASH)
    command, first, cut, state_hash = (fields_of(entry, run) for entry in ring_entries(reader))
    assert (command["command"], command["text"]) == ("PAUSE", "operator: too wide")
    assert first["run"] == {"seed": 1}
    assert (cut["text"], state_hash["text"]) == ("{cut", "abc123")


def test_lines_for_people(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    engine.record(
        kind=RecordKind.RECORD_BOOK_STATE, code=BookState.LIVE, instrument=0, time_ns=TIME
    )
    assert human_line(only(reader), run) == (
        "2025-11-20T12:00:00.123456789Z orders         1 BOOK_STATE     BTC-USD state=LIVE"
    )


def test_no_control_character_reaches_a_terminal(
    engine: EngineStandIn, reader: SharedReader, run: Run
) -> None:
    engine.frame(b'{"a":"\x1b[31mred\x07"}\n' + "é\u202e".encode())
    engine.frame(b"\xff\x00\x01")
    engine.report(b"8=FIXT.1.1\x0158=\x1b]0;x\x07\x01")
    for entry in ring_entries(reader):
        line = human_line(entry, run, is_whole=True)
        assert line.isprintable(), line
        assert "\n" not in json_line(entry, run)


def test_long_payloads_are_cut_for_people_only(
    engine: EngineStandIn, reader: SharedReader, run: Run
) -> None:
    text = "x" * 1_000
    engine.frame(text.encode())
    line = human_line(only(reader), run)
    assert line.endswith("x" * MAX_TEXT_CHARACTERS + "… (1000 characters)")
    assert text in human_line(only(reader), run, is_whole=True)
    assert json.loads(json_line(only(reader), run))["text"] == text


def test_bytes_that_are_no_text_are_base64_in_json(
    engine: EngineStandIn, reader: SharedReader, run: Run, tmp_path: Path
) -> None:
    engine.blob(ORDERS, b"\x00\xff\x10", kind=RecordKind.RECORD_STRATEGY_STATE, strategy=1)
    values = json.loads(json_line(only(reader), run))
    assert values["data_base64"] == "AP8Q"
    assert values["strategy"] == "jerico_trend"
