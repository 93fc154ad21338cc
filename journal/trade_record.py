"""Trade records: what became of every order, one row an event, made from the order stream.

The rows are what an examiner asks for: who decided what, when, on what grounds, under which config
and in which mode, what the venue said, and what it cost. In the spirit of Commission Delegated
Regulation (EU) 2017/580 (RTS 24, order records), 2017/589 article 28 (five years) and SEC rules
17a-3 and 17a-4; no format of theirs. Quantities, prices and fees are exact decimals.
"""

from collections.abc import Callable, Iterator
from decimal import Context, Decimal, Inexact
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ext.dtypes import REQUEST_TERMS
from ext.orders import ReportResult
from ext.wire import Command, ExecutionType, IntentKind, OrderType, RecordKind, TimeInForce, Verdict
from journal import names
from journal.entries import Entry
from journal.names import name_of
from journal.order_ledger import ORDERLY_STOP, OrderLedger
from journal.reader import read_entries, run_starts
from journal.run import Run, load_run
from journal.run_facts import RunFacts, read_facts
from journal.snapshot import read_snapshot
from journal.trade_schema import COLUMNS, FILL, NO_ORDER, SCHEMA, Row

NANO = Decimal("0.000000001")  # fees come in it, realised P&L is rounded to it
MAX_DECIMALS = 18  # of a column; a notional that has more is left out, price and quantity tell it
EXACT = Context(prec=60, traps=[Inexact])  # 19 digits times 19; what would round raises

_REQUESTS = {
    int(IntentKind.NEW_ORDER): "SUBMIT",
    int(IntentKind.CANCEL_ORDER): "CANCEL",
    int(IntentKind.REPLACE_ORDER): "REPLACE",
}
_EXECUTIONS = names.EXECUTION_TYPES | {
    int(ExecutionType.EXEC_NEW): "ACCEPTED",
    int(ExecutionType.EXEC_TRADE): FILL,
}
_COMMANDS = {int(each): each.name.removeprefix("COMMAND_") for each in Command}
_TIME_IN_FORCE = {int(each): each.name for each in TimeInForce}
_ORDER_TYPES = {int(each): each.name for each in OrderType}


def read_trades(
    directory: Path,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    on_run: Callable[[Run], object] | None = None,
) -> Iterator[Row]:
    """Rows of all runs of a journal, in their order, of times from ``from_ns`` up to, not
    including, ``to_ns``. ``on_run`` is told of each run that is read.

    Raises RecordingError where the order stream is damaged or has a hole: a record of trades with
    one is none.
    """
    starts = run_starts(directory)
    for start_ns, next_ns in zip(starts, [*starts[1:], None], strict=True):
        ended = from_ns is not None and next_ns is not None and next_ns <= from_ns
        if ended or (to_ns is not None and start_ns >= to_ns):
            continue
        entries = read_entries(directory, start_ns, with_market=False, to_ns=to_ns)
        facts = read_facts(entries)
        if facts is None:
            continue  # it ended before its first record
        run = load_run(directory, start_ns)
        if on_run is not None:
            on_run(run)
        start = read_snapshot(directory / facts.snapshot) if facts.snapshot else None
        maker = TradeMaker(run, facts, OrderLedger(facts, start))
        rows = chain([maker.run_row()], chain.from_iterable(map(maker.rows_of, entries)))
        yield from (row for row in rows if from_ns is None or row["time"] >= from_ns)


class TradeMaker:
    """Makes the rows of one run; entries of its order stream come in order, from the first."""

    def __init__(self, run: Run, facts: RunFacts, ledger: OrderLedger) -> None:
        self._run = run
        self._ledger = ledger
        self._realised = [float(each) for each in ledger.positions["realised_pnl"]]
        self._report = b""  # bytes of the report that the next execution is of
        self._override = facts.site.override_reason
        self._rulings = {each.symbol: each for each in facts.site.rulings}
        self._common: Row = {
            "schema": SCHEMA,
            "engine": run.engine,
            "mode": facts.mode or run.mode,
            "country": facts.site.country,
            "region": facts.site.region,
            "engine_version": facts.version,
            "config_hash": facts.config_hash,
            "is_overridden": bool(facts.site.override_reason),
        }
        self._actions: dict[int, Callable[[Entry], Iterator[Row]]] = {
            RecordKind.RECORD_DECISION: self._decision,
            RecordKind.RECORD_REQUEST: self._request,
            RecordKind.RECORD_EXECUTION: self._execution,
            RecordKind.RECORD_COMMAND: self._command,
        }

    def run_row(self) -> Row:
        """The row of the run's start, with the reason of an override."""
        return self._row("RUN", None, {"text": self._override})

    def rows_of(self, entry: Entry) -> Iterator[Row]:
        """Rows of one entry; most entries make none."""
        self._ledger.apply(entry)
        if entry.kind == RecordKind.RECORD_REPORT:
            self._report = entry.data
        action = self._actions.get(entry.kind)
        if action is not None:
            yield from action(entry)

    def _decision(self, entry: Entry) -> Iterator[Row]:
        record = entry.record
        if record["code"] == Verdict.ACCEPTED:
            return  # what was accepted becomes a request
        number = int(record["order_number"])
        row = {
            **self._of_record(record),
            **self._of_order(number),
            "verdict": name_of(names.VERDICTS, int(record["code"])),
            "decision_reason": int(record["reference"]),
            "price": self._price(record["instrument"], record["price_ticks"]),
            "quantity": self._quantity(record["instrument"], record["quantity_lots"]),
        }
        yield self._row("REFUSED", entry, row)

    def _request(self, entry: Entry) -> Iterator[Row]:
        record = entry.record
        terms = np.frombuffer(entry.data[: REQUEST_TERMS.itemsize], REQUEST_TERMS)[0]
        intent, instrument = terms["intent"], int(record["instrument"])
        row = {
            **self._of_instrument(instrument, int(record["strategy"])),
            **self._of_order(int(terms["order_number"])),
            "side": names.side_name(int(intent["side"])),
            "decision_reason": int(intent["reason"]),
            "client_order_id": self._client_order_id(int(terms["request_number"])),
            "price": self._price(instrument, intent["price_ticks"]),
            "quantity": self._quantity(instrument, intent["quantity_lots"]),
            "position": self._position(instrument, int(record["strategy"])),
        }
        yield self._row(_REQUESTS[int(intent["kind"])], entry, row)

    def _execution(self, entry: Entry) -> Iterator[Row]:
        record, report = entry.record, self._ledger.history.last_report
        number, kind = int(record["order_number"]), int(record["code"])
        result = self._ledger.last_result
        if result & ReportResult.REPORT_DUPLICATE:
            return
        instrument, trade_id = int(record["instrument"]), int(str(report["trade_id"]))
        request_number = int(str(report["request_number"]))
        row: Row = {
            **self._of_record(record),
            **self._of_order(number),
            "execution_id": _execution_id(self._report),
            "trade_id": trade_id or None,
            "reject_code": int(record["reference"]) or None,
        }
        if request_number:
            row["client_order_id"] = self._client_order_id(request_number)
        event = _EXECUTIONS.get(kind, str(kind))
        if kind == ExecutionType.EXEC_TRADE:
            event = FILL if result & ReportResult.REPORT_FILL else "FOREIGN_FILL"
            row |= self._of_fill(instrument, int(record["strategy"]), report)
        yield self._row(event, entry, row)

    def _command(self, entry: Entry) -> Iterator[Row]:
        name = name_of(_COMMANDS, int(entry.record["code"]))
        is_stop = name == "PAUSE" and int(entry.record["detail"]) == ORDERLY_STOP
        if name == "SEND_FAILED":
            yield self._row("SEND_FAILED", entry, {})
        elif name in NO_ORDER and not is_stop:
            yield self._row(name, entry, {"text": entry.data.decode(errors="replace")})

    def _row(self, event: str, entry: Entry | None, values: Row) -> Row:
        """A row of ``entry``; None: of the run's start."""
        start_ns = self._run.start_time_ns
        row = dict.fromkeys((name for name, _, _ in COLUMNS), None) | self._common
        row["record_id"] = f"{start_ns}-{entry.sequence if entry is not None else 0}"
        row["time"] = entry.time_ns if entry is not None else start_ns
        row["event"] = event
        return row | values

    def _of_instrument(self, instrument: int, strategy: int) -> Row:
        symbol = self._run.instrument(instrument).symbol
        ruling = self._rulings.get(symbol)
        return {
            "instrument": symbol,
            "quote_currency": symbol.rpartition("-")[2] if "-" in symbol else "",
            "venue": ruling.venue if ruling else "",
            "product": ruling.product if ruling else "",
            "permission": ruling.permission if ruling else "",
            "strategy": self._run.strategy(strategy),
        }

    def _of_record(self, record: np.void) -> Row:
        instrument = int(record["instrument"])
        return {
            **self._of_instrument(instrument, int(record["strategy"])),
            "exchange_time": int(record["exchange_time_ns"]) or None,
            "side": names.side_name(int(record["side"])),
            "best_bid": self._price(instrument, record["best_bid_ticks"]),
            "best_ask": self._price(instrument, record["best_ask_ticks"]),
            "position": self._position(instrument, int(record["strategy"])),
        }

    def _of_order(self, number: int) -> Row:
        """Terms and state of an order as the table has it now; nothing when it has it not."""
        order = self._ledger.orders[number % len(self._ledger.orders)]
        if number <= 0 or int(order["order_number"]) != number:
            return {"order_number": number or None}
        instrument = int(order["instrument"])
        lots = (order["quantity_lots"], order["filled_lots"], order["leaves_lots"])
        quantity, filled, leaves = (self._exact_quantity(instrument, each) for each in lots)
        return {
            "order_number": number,
            "order_type": name_of(_ORDER_TYPES, int(order["order_type"])),
            "time_in_force": name_of(_TIME_IN_FORCE, int(order["time_in_force"])),
            "is_post_only": bool(order["post_only"]),
            "decision_reason": int(order["reason"]),
            "client_order_id": self._client_order_id(int(order["request_number"])),
            "venue_order_id": bytes(order["venue_order_id"]).decode(errors="replace"),
            "order_price": self._price(instrument, order["price_ticks"]),
            "order_quantity": quantity,
            "filled": filled,
            "leaves": leaves,
        }

    def _of_fill(self, instrument: int, strategy: int, report: dict[str, object]) -> Row:
        price = self._price(instrument, report["last_price_ticks"])
        quantity = self._quantity(instrument, report["last_quantity_lots"])
        row: Row = {
            "price": price,
            "quantity": quantity,
            "notional": _exact_product(price, quantity),
            "liquidity": "MAKER" if report["is_maker"] else "TAKER",
            "fee": int(str(report["fee_nano"])) * NANO,
        }
        if self._ledger.last_result & ReportResult.REPORT_FILL:
            now = float(self._ledger.positions[strategy]["realised_pnl"])
            row["realised_pnl"] = Decimal(now - self._realised[strategy]).quantize(NANO)
            self._realised[strategy] = now
        return row

    def _price(self, instrument: Any, ticks: Any) -> Decimal | None:
        if int(ticks) <= 0:
            return None
        return Decimal(self._run.instrument(int(instrument)).tick.format(int(ticks)))

    def _quantity(self, instrument: Any, lots: Any) -> Decimal | None:
        return None if int(lots) < 0 else self._exact_quantity(int(instrument), lots)

    def _exact_quantity(self, instrument: int, lots: Any) -> Decimal:
        return Decimal(self._run.instrument(instrument).lot.format(int(lots)))

    def _position(self, instrument: int, strategy: int) -> Decimal | None:
        if strategy < 0:
            return None
        lots = self._ledger.positions[strategy]["position_lots"]
        return self._exact_quantity(instrument, lots)

    def _client_order_id(self, number: int) -> str:
        return self._ledger.history.orders.client_order_id(number) if number > 0 else ""


def _exact_product(price: Decimal | None, quantity: Decimal | None) -> Decimal | None:
    if price is None or quantity is None:
        return None
    product = EXACT.multiply(price, quantity)
    decimals = -int(EXACT.normalize(product).as_tuple().exponent)
    return product if decimals <= MAX_DECIMALS else None


def _execution_id(report: bytes) -> str:
    """ExecID(17) of a FIX report; empty for other formats, whose trades have numbers."""
    if not report.startswith(b"8=FIX"):
        return ""
    _, _, rest = report.partition(b"\x0117=")
    return rest.partition(b"\x01")[0].decode(errors="replace")
