"""Which trades an order table has counted, told by the ids that it keeps."""

import re

import numpy as np
import pytest

from engine.reconcile.known_trades import CLOCK_MARGIN_NS, known_trades, move_trades
from ext.instrument_table import InstrumentTable
from ext.order_history import OrderHistory
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import RecordKind
from journal.snapshot import FillMark, Snapshot
from tests.engine.test_replay import Run, run

__all__ = ["run"]  # the fixture
START_NS = 1_800_000_000_000_000_000
EXECUTION_ID = np.array([(1 << 62 | 5, -(1 << 60))], "<i8,<i8").tobytes()


def trade(order_number: int, instrument: int, trade_id: int) -> bytes:
    """As ``OrderTable._count_fill`` makes it, see ``test_of_a_real_run``."""
    high = 1 << 62 | order_number << 8 | instrument
    return np.array([(high, trade_id)], "<i8,<i8").tobytes()


def snapshot(
    *ids: bytes, next_number: int = 100, marks: dict[str, FillMark] | None = None
) -> Snapshot:
    return Snapshot(
        fill_marks=marks or {},
        start_time_ns=START_NS,
        sequence=0,
        time_ns=0,
        next_number=next_number,
        next_outgoing=1,
        next_incoming=1,
        pause_reason="",
        instruments=[("A-USD", "0.01", "0.01"), ("B-USD", "0.01", "0.01")],
        strategies=[],
        tables={"execution_ids": b"".join(ids)},
        positions=b"",
        strategy_states=[],
        messages=[],
    )


def test_what_was_agreed_on_what_was_counted_and_where_nobody_has_agreed() -> None:
    ids = (trade(1, 0, 7), trade(2, 0, 9), trade(3, 0, 8), trade(4, 1, 3), EXECUTION_ID)
    marks = {"A-USD": FillMark(5), "B-USD": FillMark(since_ns=START_NS - 1)}
    known = known_trades(snapshot(*ids, marks=marks))
    assert known.trade_ids == {"A-USD": 5}
    assert known.since_ns == {"B-USD": START_NS - 1 - CLOCK_MARGIN_NS}
    assert known.counted == {"A-USD": {7, 8, 9}, "B-USD": {3}}


def test_agreed_on_without_any_fill_is_a_mark_too() -> None:
    marks = {"A-USD": FillMark(0, 0), "B-USD": FillMark(7)}
    assert known_trades(snapshot(marks=marks)).trade_ids == {"A-USD": 0, "B-USD": 7}


def test_a_journal_of_before_there_were_marks() -> None:
    known = known_trades(snapshot(trade(1, 0, 7), trade(2, 0, 9)))
    assert known.trade_ids == {"A-USD": 9}
    assert known.since_ns == {"B-USD": START_NS - CLOCK_MARGIN_NS}


def test_what_looks_like_a_trade_is_none_with_a_number_that_nobody_had() -> None:
    known = known_trades(snapshot(trade(100, 1, 7), trade(99, 1, 6), next_number=100))
    assert known.counted == {"A-USD": set(), "B-USD": {6}}


def test_of_a_real_run(run: Run) -> None:
    """The ids that the compiled table has kept, against the fills that came in."""
    tables = run.arc.history.save()
    kept = snapshot(tables["execution_ids"], next_number=run.arc.history.next_number)
    reports = [entry.data for entry in run.entries if entry.kind == RecordKind.RECORD_REPORT]
    told = [int(found[1]) for data in reports if (found := re.search(rb"\x011003=(\d+)", data))]
    assert told
    assert max(max(each, default=0) for each in known_trades(kept).counted.values()) == max(told)


@pytest.mark.parametrize(("places", "expected"), [((1, 0), {1: 7, 0: 6}), ((-1, 0), {0: 6})])
def test_instruments_in_another_order(places: tuple[int, ...], expected: dict[int, int]) -> None:
    ids = trade(1, 0, 7) + trade(2, 1, 6) + EXECUTION_ID
    moved = move_trades(ids, 100, places)
    assert EXECUTION_ID in moved
    pairs = np.frombuffer(moved.replace(EXECUTION_ID, b""), "<i8,<i8")
    assert {int(high) & 255: int(low) for high, low in pairs} == expected


def test_a_fill_is_still_counted_once_when_instruments_have_moved() -> None:
    """The compiled table knows the moved id: the same trade, told again, is a duplicate."""
    table = InstrumentTable()
    for symbol in ("B-USD", "A-USD"):
        table.add(symbol, "0.01", "0.01")
    names = [("B-USD", "0.01", "0.01"), ("A-USD", "0.01", "0.01")]
    history = OrderHistory(OrderTable(SharedMemory(None, names, []), table))
    saved = history.save()
    saved["execution_ids"] = move_trades(trade(1, 0, 7), 100, (1, 0))
    history.load(saved)
    assert history.save()["execution_ids"] == trade(1, 1, 7)
