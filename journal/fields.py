"""One record as named values: codes by their names, prices and quantities as exact decimals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from ext import wire
from ext.bounds import Bound
from ext.dtypes import BREAKER_STATE, EXECUTION_REPORT, GUARD_STATE, RECORD, REQUEST_TERMS
from ext.safety_records import KeptState
from ext.wire import RecordKind, ReportFormat
from journal import names
from journal.entries import BLOB_KINDS, Entry
from journal.names import name_of
from journal.run import Run, format_time

Values = dict[str, Any]

KINDS = {int(kind): kind.name.removeprefix("RECORD_") for kind in RecordKind}
TEXT_OFFSET = RECORD.itemsize - int(Bound.TEXT_BYTES)
ABSENT = -1  # of an ExecutionReport: the venue has not said it
TERMS_BYTES = REQUEST_TERMS.itemsize

_COMMANDS = {int(each): each.name.removeprefix("COMMAND_") for each in wire.Command}
_KEPT = {int(each): each.name.removeprefix("KEPT_") for each in KeptState}
_FORMATS = {int(each): each.name.removeprefix("REPORT_") for each in ReportFormat}
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_TIME_IN_FORCE = {int(each): each.name for each in wire.TimeInForce}
_PRICES = ("price", "best_bid", "best_ask")
_QUANTITIES = ("quantity", "filled", "leaves", "position")


def order_number_of(entry: Entry) -> int:
    """The order that a record is about, 0 when it is about none."""
    if entry.kind == RecordKind.RECORD_REQUEST and len(entry.data) >= TERMS_BYTES:
        return int(np.frombuffer(entry.data, REQUEST_TERMS, 1)["order_number"][0])
    if entry.kind in _ORDER_KINDS:
        return int(entry.record["order_number"])
    return 0


def fields_of(entry: Entry, run: Run) -> Values:
    """Values of a record by name, in the order in which they are best read; those that its kind
    does not have, or that are empty, are left out. Only ``data`` is bytes."""
    record = entry.record
    values: Values = {
        "time": format_time(entry.time_ns),
        "time_ns": entry.time_ns,
        "stream": entry.stream,
        "sequence": entry.sequence,
        "kind": KINDS[entry.kind],
    }
    instrument = run.instrument(int(record["instrument"]))
    if instrument.symbol:
        values["instrument"] = instrument.symbol
    if strategy := run.strategy(int(record["strategy"])):
        values["strategy"] = strategy
    values |= _OF_KIND[entry.kind](entry, run)
    if entry.kind not in BLOB_KINDS and record["exchange_time_ns"]:
        values["exchange_time_ns"] = int(record["exchange_time_ns"])
    return values


def _amounts(record: np.void, run: Run) -> Values:
    instrument = run.instrument(int(record["instrument"]))
    values: Values = {}
    if side := names.side_name(int(record["side"])):
        values["side"] = side
    for name in _QUANTITIES:
        lots = int(record[f"{name}_lots"])
        if lots and (lots != ABSENT or name == "position"):
            values[name] = instrument.lot.format(lots)
    for name in _PRICES:
        ticks = int(record[f"{name}_ticks"])
        if ticks and ticks != ABSENT:
            values[name] = instrument.tick.format(ticks)
    return values


def _trade(entry: Entry, run: Run) -> Values:
    return {**_amounts(entry.record, run), "trade_id": int(entry.record["reference"])}


def _book_state(entry: Entry, run: Run) -> Values:
    reason = int(entry.record["detail"])
    values: Values = {"state": name_of(names.BOOK_STATES, int(entry.record["code"]))}
    return {**values, "reason": name_of(names.STALE_REASONS, reason)} if reason else values


def _decision(entry: Entry, run: Run) -> Values:
    record = entry.record
    values: Values = {
        "intent": name_of(names.INTENT_KINDS, int(record["detail"])),
        "verdict": name_of(names.VERDICTS, int(record["code"])),
        **_amounts(record, run),
        "reason": int(record["reference"]),
    }
    return _with_order(values, record)


def _sent(entry: Entry, run: Run) -> Values:
    record = entry.record
    values: Values = {
        "request": name_of(names.INTENT_KINDS, int(record["detail"])),
        "state": name_of(names.ORDER_STATES, int(record["code"])),
        **_amounts(record, run),
        "message_number": int(record["reference"]),
    }
    return _with_order(values, record)


def _execution(entry: Entry, run: Run) -> Values:
    record = entry.record
    values: Values = {
        "execution": name_of(names.EXECUTION_TYPES, int(record["code"])),
        "state": name_of(names.ORDER_STATES, int(record["detail"])),
        **_amounts(record, run),
    }
    if record["fee_nano"]:
        values["fee"] = _nano(int(record["fee_nano"]))
    if record["reference"]:
        values["reject_code"] = int(record["reference"])
    return _with_order(values, record)


def _session(entry: Entry, run: Run) -> Values:
    return {
        "session": name_of(names.SESSIONS, int(entry.record["detail"])),
        "state": name_of(names.SESSION_STATES, int(entry.record["code"])),
    }


def _text(entry: Entry, run: Run) -> Values:
    text = entry.record.tobytes()[TEXT_OFFSET:].rstrip(b"\0").decode(errors="replace")
    return {"level": name_of(_LEVELS, int(entry.record["code"])), "text": text}


def _session_words(entry: Entry, run: Run) -> Values:
    record = entry.record
    return {
        "next_outgoing": int(record["order_number"]),
        "next_incoming": int(record["reference"]),
        "is_active": bool(record["code"]),
        "is_journal_behind": bool(record["detail"]),
    }


def _nothing(entry: Entry, run: Run) -> Values:
    return {}


def _frame(entry: Entry, run: Run) -> Values:
    values: Values = {"after_sequence": int(entry.record["after_sequence"])}
    if dropped := int(entry.record["reference"]):
        values["dropped_before"] = dropped
    return {**values, **_payload(entry.data)}


def _read_end(entry: Entry, run: Run) -> Values:
    return {"after_sequence": int(entry.record["after_sequence"])}


def _request(entry: Entry, run: Run) -> Values:
    record = entry.record
    values: Values = {"request": name_of(names.INTENT_KINDS, int(record["detail"]))}
    if len(entry.data) < TERMS_BYTES:
        return {**values, **_payload(entry.data)}
    terms = np.frombuffer(entry.data, REQUEST_TERMS, 1)[0]
    intent = terms["intent"]
    instrument = run.instrument(int(record["instrument"]))
    if side := names.side_name(int(intent["side"])):
        values["side"] = side
    if intent["quantity_lots"]:
        values["quantity"] = instrument.lot.format(int(intent["quantity_lots"]))
    if intent["price_ticks"]:
        values["price"] = instrument.tick.format(int(intent["price_ticks"]))
    if intent["time_in_force"]:
        values["time_in_force"] = name_of(_TIME_IN_FORCE, int(intent["time_in_force"]))
    values["order_number"] = int(terms["order_number"])
    values["request_number"] = int(terms["request_number"])
    values["message_number"] = int(record["reference"])
    return {**values, **_payload(entry.data[TERMS_BYTES:])}


def _report(entry: Entry, run: Run) -> Values:
    code = int(entry.record["code"])
    values: Values = {"format": name_of(_FORMATS, code)}
    size = EXECUTION_REPORT.itemsize
    is_fields = code == ReportFormat.REPORT_FIELDS and len(entry.data) == size
    if is_fields or (code == ReportFormat.REPORT_REST and len(entry.data) >= size):
        report = np.frombuffer(entry.data, EXECUTION_REPORT, 1)[0]
        fields = {name: report[name].item() for name in EXECUTION_REPORT.names or ()}
        fields["venue_order_id"] = fields["venue_order_id"].decode(errors="replace")
        return {**values, "report": fields, **_payload(entry.data[size:])}
    return {**values, **_payload(entry.data)}


def _command(entry: Entry, run: Run) -> Values:
    record = entry.record
    return {
        "command": name_of(_COMMANDS, int(record["code"])),
        "detail": int(record["detail"]),
        "reference": int(record["reference"]),
        **_payload(entry.data),
    }


def _run(entry: Entry, run: Run) -> Values:
    try:
        return {"run": orjson.loads(entry.data)}
    except orjson.JSONDecodeError:
        return _payload(entry.data)


def _kept_state(entry: Entry, run: Run) -> Values:
    kind = int(entry.record["code"])
    dtype = {
        int(KeptState.KEPT_BREAKERS): BREAKER_STATE,
        int(KeptState.KEPT_GUARD): GUARD_STATE,
    }.get(kind)
    if dtype is None:
        return _payload(entry.data)
    state = np.frombuffer(entry.data.ljust(dtype.itemsize, b"\0"), dtype, 1)[0]
    names_kept = [
        name
        for name, field in (dtype.fields or {}).items()
        if field[1] + field[0].itemsize <= len(entry.data)
    ]
    kept = {name: state[name].item() for name in names_kept}
    return {"state": name_of(_KEPT, kind), "kept": kept}


def _words(entry: Entry, run: Run) -> Values:
    return _payload(entry.data)


def _payload(data: bytes) -> Values:
    """As text where it is one; the separator of FIX is shown as a bar."""
    if not data:
        return {}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"data": data}
    if data.startswith(b"8=FIX"):
        text = text.replace("\x01", "|")
    return (
        {"text": text}
        if text.isprintable() or (text.isascii() and "\0" not in text)
        else {"data": data}
    )


def _with_order(values: Values, record: np.void) -> Values:
    number = int(record["order_number"])
    return {**values, "order_number": number} if number else values


def _nano(nano: int) -> str:
    whole, fraction = divmod(abs(nano), 1_000_000_000)
    return f"{'-' if nano < 0 else ''}{whole}.{fraction:09d}"


_ORDER_KINDS = frozenset(
    int(kind)
    for kind in (
        RecordKind.RECORD_DECISION,
        RecordKind.RECORD_ORDER_SENT,
        RecordKind.RECORD_EXECUTION,
    )
)
_OF_KIND: dict[int, Callable[[Entry, Run], Values]] = {
    int(RecordKind.RECORD_TRADE): _trade,
    int(RecordKind.RECORD_BOOK_STATE): _book_state,
    int(RecordKind.RECORD_DECISION): _decision,
    int(RecordKind.RECORD_ORDER_SENT): _sent,
    int(RecordKind.RECORD_EXECUTION): _execution,
    int(RecordKind.RECORD_SESSION): _session,
    int(RecordKind.RECORD_TEXT): _text,
    int(RecordKind.RECORD_FRAME): _frame,
    int(RecordKind.RECORD_READ_END): _read_end,
    int(RecordKind.RECORD_REQUEST): _request,
    int(RecordKind.RECORD_REPORT): _report,
    int(RecordKind.RECORD_TIMER): _nothing,
    int(RecordKind.RECORD_COMMAND): _command,
    int(RecordKind.RECORD_SESSION_WORDS): _session_words,
    int(RecordKind.RECORD_RUN): _run,
    int(RecordKind.RECORD_STRATEGY_STATE): _kept_state,
    int(RecordKind.RECORD_STATE_HASH): _words,
}
