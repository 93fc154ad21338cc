import pytest

from ext.errors import UsageError
from ext.wire import RecordKind
from journal.decimals import DecimalStep
from journal.ring_entries import ring_entries
from journal.run import Run, run_of_memory
from journal.selection import Selection, select
from journal.shared_reader import Instrument, SharedReader
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import SECOND_NS, play


@pytest.fixture
def run(reader: SharedReader) -> Run:
    return run_of_memory(reader)


def count(engine: EngineStandIn, reader: SharedReader, selection: Selection) -> int:
    if not reader.written("orders"):
        play(engine, 10)
    return sum(1 for _ in selection.apply(ring_entries(reader)))


def test_each_filter(engine: EngineStandIn, reader: SharedReader, run: Run) -> None:
    assert count(engine, reader, Selection()) == 40
    assert count(engine, reader, select(run, kinds=["execution"])) == 10
    assert count(engine, reader, select(run, kinds=["Execution", "TRADE"])) == 20
    assert count(engine, reader, select(run, instruments=["ETH-USD"])) == 5
    assert count(engine, reader, select(run, strategies=["jerico_maker"])) == 5
    assert count(engine, reader, select(run, order_number=3)) == 1
    start = engine.start_time_ns
    times = select(run, from_ns=start + 2 * SECOND_NS, to_ns=start + 4 * SECOND_NS)
    assert count(engine, reader, times) == 8
    both = select(run, kinds=["execution"], instruments=["BTC-USD"], order_number=4)
    assert count(engine, reader, both) == 1


def test_whether_market_data_has_to_be_read(run: Run) -> None:
    assert Selection().may_be_market
    assert select(run, kinds=["trade", "text"]).may_be_market
    assert select(run, instruments=["BTC-USD"]).may_be_market
    assert not select(run, kinds=["text"]).may_be_market
    assert not select(run, strategies=["jerico_maker"]).may_be_market
    assert not select(run, order_number=1).may_be_market


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"kinds": ["fill"]}, "--kind was 'fill'; use one of trade, book_state, decision"),
        ({"instruments": ["X"]}, "--instrument was 'X'; use one of BTC-USD, ETH-USD"),
        ({"strategies": ["x"]}, "--strategy was 'x'; use one of jerico_maker, jerico_trend"),
    ],
)
def test_unknown_names(run: Run, wanted: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(run, **wanted)  # type: ignore[arg-type]


def test_one_name_of_two_strategies() -> None:
    step = DecimalStep("1")
    run = Run(1, "", "", (Instrument("A", step, step),), ("same", "other", "same"))
    assert select(run, strategies=["same"]).strategies == {0, 2}


def test_kinds_are_numbers(run: Run) -> None:
    assert select(run, kinds=["text"]).kinds == {int(RecordKind.RECORD_TEXT)}
