from pathlib import Path

import pytest

from ext.errors import RecordingError
from journal.directory import segment_names
from journal.entries import MARKET
from journal.statistics import gather_figures
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import SECOND_NS, play, write


def test_figures_of_both_streams(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 30)
    engine.report(b"", time_ns=engine.start_time_ns + 100 * SECOND_NS)
    write(engine, directory)
    read: list[int] = []
    orders, market = gather_figures(directory, engine.start_time_ns, read.append)
    assert (orders.records, market.records) == (61, 60)
    assert (orders.segments, market.segments) == (3, 3)
    assert orders.kinds["EXECUTION"].records == 30
    assert orders.kinds["EXECUTION"].bytes == 30 * 128
    assert market.kinds.keys() == {"TRADE", "FRAME"}
    assert sum(kind.bytes for kind in market.kinds.values()) == market.plain_bytes
    assert sum(read) == orders.plain_bytes + market.plain_bytes
    assert market.stored_bytes > market.plain_bytes
    assert orders.first_ns == engine.start_time_ns
    assert orders.last_ns == engine.start_time_ns + 100 * SECOND_NS
    assert orders.per_second == pytest.approx(0.61)
    assert orders.peak_per_second == market.peak_per_second == 2
    assert orders.quiet[0] == (71 * SECOND_NS, engine.start_time_ns + 29 * SECOND_NS)
    assert len(orders.quiet) == 3
    assert orders.missing_slots == market.missing_slots == 0


def test_dropped_records_are_those_of_the_last_frame(
    engine: EngineStandIn, directory: Path
) -> None:
    for dropped in (0, 3, 7):
        engine.frame(b"x" * 200, reference=dropped)
    write(engine, directory)
    _, market = gather_figures(directory, engine.start_time_ns, lambda amount: None)
    assert market.dropped_records == 7


def test_missing_slots_are_counted(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 30)
    write(engine, directory, blocks=9, segments=3)
    name = segment_names(directory, stream=MARKET)[1]
    before = gather_figures(directory, engine.start_time_ns, lambda amount: None)[1]
    name.plain(directory).unlink()
    after = gather_figures(directory, engine.start_time_ns, lambda amount: None)[1]
    lost_bytes = before.plain_bytes - after.plain_bytes
    assert after.missing_slots * 128 == lost_bytes > 0


def test_an_empty_stream(engine: EngineStandIn, directory: Path) -> None:
    engine.records(3)
    write(engine, directory)
    orders, market = gather_figures(directory, engine.start_time_ns, lambda amount: None)
    assert (orders.records, orders.first_ns, orders.quiet) == (3, 0, [])
    assert (market.records, market.segments, market.per_second) == (0, 0, 0)


def test_damage_is_not_counted_over(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 5)
    write(engine, directory)
    path = segment_names(directory)[0].plain(directory)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RecordingError, match=path.name):
        gather_figures(directory, engine.start_time_ns, lambda amount: None)
