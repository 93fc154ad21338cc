"""Turns records of the ring into the messages that are published one by one."""

from collections.abc import Iterator

import numpy as np

from ext.bounds import Bound
from ext.dtypes import RECORD
from ext.wire import ExecutionType, RecordKind, Verdict
from journal import names
from journal.entries import Structured
from journal.names import name_of
from journal.shared_reader import Instrument, SharedReader
from monitor.messages import FillEvent, Message, OrderEvent, RiskEvent, StateEvent, TextEvent

TEXT_OFFSET = RECORD.itemsize - int(Bound.TEXT_BYTES)

_STATE_KINDS = (RecordKind.RECORD_BOOK_STATE, RecordKind.RECORD_SESSION)


def record_text(record: np.void) -> str:
    """Text of a TEXT record, which lies over its last fields."""
    return record.tobytes()[TEXT_OFFSET:].rstrip(b"\0").decode(errors="replace")


class EventBuilder:
    """Builds ``ord``, ``fill``, ``rsk``, ``state`` and ``txt`` messages from one engine's records.

    Trades of the venue and accepted decisions are journaled only: the first are market data, the
    second are followed by the order that was sent.
    """

    def __init__(self, reader: SharedReader) -> None:
        self._instruments = reader.instruments
        self._strategies = reader.strategies

    def build(self, records: Structured) -> Iterator[Message]:
        """Messages of the records, in their order; an execution that fills gives two."""
        kinds = records["kind"]
        accepted = (kinds == RecordKind.RECORD_DECISION) & (records["code"] == Verdict.ACCEPTED)
        for record in records[(kinds != RecordKind.RECORD_TRADE) & ~accepted]:
            kind = int(record["kind"])
            if kind == RecordKind.RECORD_EXECUTION:
                yield self._report(record)
                if record["code"] == ExecutionType.EXEC_TRADE:
                    yield self._fill(record)
            elif kind == RecordKind.RECORD_ORDER_SENT:
                yield self._request(record)
            elif kind == RecordKind.RECORD_DECISION:
                yield self._risk(record)
            elif kind == RecordKind.RECORD_TEXT:
                yield _text(record)
            elif kind in _STATE_KINDS:
                yield self._state(record)

    def _request(self, record: np.void) -> OrderEvent:
        return self._order(record, name_of(names.INTENT_KINDS, int(record["detail"])), "")

    def _report(self, record: np.void) -> OrderEvent:
        event = name_of(names.EXECUTION_TYPES, int(record["code"]))
        return self._order(record, event, name_of(names.ORDER_STATES, int(record["detail"])))

    def _order(self, record: np.void, event: str, state: str) -> OrderEvent:
        instrument = self._instrument(record)
        return OrderEvent(
            t_engine_ns=int(record["time_ns"]),
            sequence=int(record["sequence"]),
            event=event,
            is_report=int(record["kind"]) == RecordKind.RECORD_EXECUTION,
            order_number=int(record["order_number"]),
            instrument=instrument.symbol,
            strategy=self._strategy(record),
            side=names.side_name(int(record["side"])),
            price=instrument.tick.format(int(record["price_ticks"])),
            quantity=instrument.lot.format(int(record["quantity_lots"])),
            filled=instrument.lot.format(int(record["filled_lots"])),
            leaves=instrument.lot.format(int(record["leaves_lots"])),
            state=state,
        )

    def _fill(self, record: np.void) -> FillEvent:
        instrument = self._instrument(record)
        best = [int(record[name]) for name in ("best_bid_ticks", "best_ask_ticks")]
        best_bid, best_ask = (instrument.tick.format(ticks) if ticks else "" for ticks in best)
        return FillEvent(
            t_engine_ns=int(record["time_ns"]),
            sequence=int(record["sequence"]),
            exchange_time_ns=int(record["exchange_time_ns"]),
            order_number=int(record["order_number"]),
            instrument=instrument.symbol,
            strategy=self._strategy(record),
            side=names.side_name(int(record["side"])),
            price=instrument.tick.format(int(record["price_ticks"])),
            quantity=instrument.lot.format(int(record["quantity_lots"])),
            leaves=instrument.lot.format(int(record["leaves_lots"])),
            position=instrument.lot.format(int(record["position_lots"])),
            fee=int(record["fee_nano"]) / 1e9,
            best_bid=best_bid,
            best_ask=best_ask,
        )

    def _risk(self, record: np.void) -> RiskEvent:
        instrument = self._instrument(record)
        return RiskEvent(
            t_engine_ns=int(record["time_ns"]),
            sequence=int(record["sequence"]),
            instrument=instrument.symbol,
            strategy=self._strategy(record),
            intent=name_of(names.INTENT_KINDS, int(record["detail"])),
            verdict=name_of(names.VERDICTS, int(record["code"])),
            side=names.side_name(int(record["side"])),
            price=instrument.tick.format(int(record["price_ticks"])),
            quantity=instrument.lot.format(int(record["quantity_lots"])),
            suppressed=0,
        )

    def _state(self, record: np.void) -> StateEvent:
        code, detail = int(record["code"]), int(record["detail"])
        is_book = int(record["kind"]) == RecordKind.RECORD_BOOK_STATE
        return StateEvent(
            t_engine_ns=int(record["time_ns"]),
            sequence=int(record["sequence"]),
            subject=self._instrument(record).symbol if is_book else name_of(names.SESSIONS, detail),
            state=name_of(names.BOOK_STATES if is_book else names.SESSION_STATES, code),
            reason=name_of(names.STALE_REASONS, detail) if is_book and detail else "",
        )

    def _instrument(self, record: np.void) -> Instrument:
        index = int(record["instrument"])
        if 0 <= index < len(self._instruments):
            return self._instruments[index]
        return Instrument.unknown()

    def _strategy(self, record: np.void) -> str:
        index = int(record["strategy"])
        return self._strategies[index] if 0 <= index < len(self._strategies) else ""


def _text(record: np.void) -> TextEvent:
    return TextEvent(
        t_engine_ns=int(record["time_ns"]),
        sequence=int(record["sequence"]),
        level=int(record["code"]),
        text=record_text(record),
    )
