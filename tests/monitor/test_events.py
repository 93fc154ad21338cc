from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.wire import (
    BookState,
    ExecutionType,
    IntentKind,
    OrderState,
    RecordKind,
    SessionState,
    Side,
    StaleReason,
    Verdict,
)
from journal.entries import ORDERS
from journal.shared_reader import SharedReader
from monitor.events import EventBuilder
from monitor.messages import (
    FillEvent,
    Message,
    OrderEvent,
    RiskEvent,
    StateEvent,
    TextEvent,
)

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn


@pytest.fixture
def reader(engine: "EngineStandIn") -> Iterator[SharedReader]:
    shared_reader = SharedReader(engine.path)
    yield shared_reader
    shared_reader.close()


def events(reader: SharedReader) -> list[Message]:
    return list(EventBuilder(reader).build(reader.slots_after(ORDERS, 0)[0]))


def test_a_fill_is_an_order_event_and_a_fill(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.fill()
    order, fill = events(reader)
    assert isinstance(order, OrderEvent)
    assert (order.event, order.state, order.is_report) == ("TRADE", "PARTIALLY_FILLED", True)
    assert isinstance(fill, FillEvent)
    assert (fill.side, fill.quantity, fill.price) == ("BUY", "0.00250000", "65123.45")
    assert (fill.position, fill.leaves, fill.fee) == ("0.03000000", "0.00750000", 1.5)
    assert (fill.best_bid, fill.best_ask) == ("65123.44", "")
    assert fill.strategy == "jerico_maker"
    assert fill.t_engine_ns == engine.start_time_ns + 5


def test_a_request(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.record(
        kind=RecordKind.RECORD_ORDER_SENT,
        detail=IntentKind.REPLACE_ORDER,
        instrument=1,
        strategy=1,
        side=Side.SELL,
        price_ticks=62_469,
        quantity_lots=1_500,
    )
    (order,) = events(reader)
    assert isinstance(order, OrderEvent)
    assert (order.event, order.state, order.is_report) == ("REPLACE", "", False)
    assert (order.price, order.quantity) == ("3123.45", "1.500")


def test_a_rejection_by_the_venue(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.record(
        kind=RecordKind.RECORD_EXECUTION,
        code=ExecutionType.EXEC_REJECTED,
        detail=OrderState.REJECTED,
        instrument=0,
    )
    (order,) = events(reader)
    assert isinstance(order, OrderEvent)
    assert (order.event, order.state) == ("REJECTED", "REJECTED")


def test_only_refused_decisions_are_published(
    engine: "EngineStandIn", reader: SharedReader
) -> None:
    for code in (Verdict.ACCEPTED, Verdict.PRICE_COLLAR):
        engine.record(
            kind=RecordKind.RECORD_DECISION, code=code, detail=IntentKind.NEW_ORDER, instrument=0
        )
    engine.records(3)
    (risk,) = events(reader)
    assert isinstance(risk, RiskEvent)
    assert (risk.sequence, risk.verdict, risk.intent) == (2, "PRICE_COLLAR", "NEW")


def test_states(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.record(
        kind=RecordKind.RECORD_BOOK_STATE,
        instrument=1,
        code=BookState.STALE,
        detail=StaleReason.SEQUENCE_GAP,
    )
    engine.record(kind=RecordKind.RECORD_SESSION, code=SessionState.SESSION_ACTIVE, detail=1)
    book, session = events(reader)
    assert isinstance(book, StateEvent)
    assert (book.subject, book.state, book.reason) == ("ETH-USD", "STALE", "SEQUENCE_GAP")
    assert isinstance(session, StateEvent)
    assert (session.subject, session.state, session.reason) == ("order entry", "ACTIVE", "")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("logged on", "logged on"),
        ("", ""),
        ("x" * 100, "x" * int(Bound.TEXT_BYTES)),
        ("é" * 60, "é" * (int(Bound.TEXT_BYTES) // 2)),
    ],
)
def test_text(engine: "EngineStandIn", reader: SharedReader, written: str, read: str) -> None:
    engine.memory.write_text(5, 40, written)
    (text,) = events(reader)
    assert isinstance(text, TextEvent)
    assert (text.level, text.text, text.t_engine_ns) == (40, read, 5)


def test_codes_of_a_later_version_do_not_stop_the_relay(
    engine: "EngineStandIn", reader: SharedReader
) -> None:
    engine.record(kind=RecordKind.RECORD_EXECUTION, code=99, detail=98, instrument=77, strategy=66)
    engine.record(kind=97)
    (order,) = events(reader)
    assert isinstance(order, OrderEvent)
    assert (order.event, order.state, order.instrument, order.strategy) == ("99", "98", "", "")
