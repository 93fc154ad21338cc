"""Which trades an order table has counted, told by the ids that it keeps."""

import re

import numpy as np
import pytest

from engine.known_trades import known_trades, move_trades
from ext.instrument_table import InstrumentTable
from ext.order_history import OrderHistory
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import RecordKind
from journal.snapshot import Snapshot
from tests.engine.test_replay import Run, run

__all__ = ["run"]  # the fixture
EXECUTION_ID = np.array([(1 << 62 | 5, -(1 << 60))], "<i8,<i8").tobytes()


def trade(order_number: int, instrument: int, trade_id: int) -> bytes:
    """As ``OrderTable._count_fill`` makes it, see ``test_of_a_real_run``."""
    high = 1 << 62 | order_number << 8 | instrument
    return np.array([(high, trade_id)], "<i8,<i8").tobytes()


def snapshot(*ids: bytes, next_number: int = 100) -> Snapshot:
    return Snapshot(
        start_time_ns=0,
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


def test_the_largest_trade_of_each_product() -> None:
    ids = (trade(1, 0, 7), trade(2, 0, 9), trade(3, 0, 8), EXECUTION_ID)
    known = known_trades(snapshot(*ids), 55)
    assert (known.trade_ids, known.start_time_ns) == ({"A-USD": 9}, 55)


def test_what_looks_like_a_trade_is_none_with_a_number_that_nobody_had() -> None:
    known = known_trades(snapshot(trade(100, 1, 7), trade(99, 1, 6), next_number=100), 0)
    assert known.trade_ids == {"B-USD": 6}


def test_of_a_real_run(run: Run) -> None:
    """The ids that the compiled table has kept, against the fills that came in."""
    tables = run.arc.history.save()
    kept = snapshot(tables["execution_ids"], next_number=run.arc.history.next_number)
    reports = [entry.data for entry in run.entries if entry.kind == RecordKind.RECORD_REPORT]
    told = [int(found[1]) for data in reports if (found := re.search(rb"\x011003=(\d+)", data))]
    assert told
    assert max(known_trades(kept, 0).trade_ids.values()) == max(told)


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
