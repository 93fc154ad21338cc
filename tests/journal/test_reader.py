from pathlib import Path

import pytest

from ext.errors import RecordingError
from journal.directory import SegmentName, run_starts, segment_names
from journal.entries import MARKET, ORDERS
from journal.index import MARK_BYTES, load_index, store_index
from journal.keeper import KeepRules, keep
from journal.reader import read_entries, read_runs
from journal.segment import SegmentReader
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import SECOND_NS, play, write


@pytest.fixture
def journal(engine: EngineStandIn, directory: Path) -> Path:
    play(engine, 40)
    write(engine, directory, blocks=12, segments=4)
    return directory


def times(engine: EngineStandIn, directory: Path, first: int, end: int) -> list[tuple[str, int]]:
    entries = read_entries(
        directory,
        engine.start_time_ns,
        from_ns=engine.start_time_ns + first * SECOND_NS,
        to_ns=engine.start_time_ns + end * SECOND_NS,
    )
    return [
        (entry.stream, (entry.time_ns - engine.start_time_ns) // SECOND_NS) for entry in entries
    ]


def test_both_streams_come_in_the_order_of_the_engine(engine: EngineStandIn, journal: Path) -> None:
    turn = [MARKET, MARKET, ORDERS, ORDERS]
    assert times(engine, journal, 0, 99) == [(each, n) for n in range(40) for each in turn]
    orders = read_entries(journal, engine.start_time_ns, with_market=False)
    assert [entry.stream for entry in orders] == [ORDERS] * 80


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_range_of_time(engine: EngineStandIn, journal: Path, *, is_indexed: bool) -> None:
    if is_indexed:
        keep(journal, KeepRules(), engine.start_time_ns)
    turn = [MARKET, MARKET, ORDERS, ORDERS]
    for first, end in ((0, 1), (5, 9), (17, 17), (30, 99), (98, 99)):
        expected = [(each, n) for n in range(first, min(end, 40)) for each in turn]
        assert times(engine, journal, first, end) == expected


def test_an_index_spares_the_other_segments(
    engine: EngineStandIn, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    opened: list[Path] = []
    real = SegmentReader.__init__

    def spy(reader: SegmentReader, path: Path) -> None:
        opened.append(path)
        real(reader, path)

    monkeypatch.setattr(SegmentReader, "__init__", spy)
    assert times(engine, journal, 20, 21)
    assert 0 < len(opened) < len(segment_names(journal)) / 2


def test_marks_begin_in_the_middle_of_a_segment(engine: EngineStandIn, directory: Path) -> None:
    for number in range(30):
        # The market ring of the stand-in has half a MiB: what is written is written in time.
        engine.frame(bytes(100_000), time_ns=engine.start_time_ns + number * SECOND_NS)
        write_on(engine, directory)
    (name, *_) = segment_names(directory, stream=MARKET)
    keep(directory, KeepRules(is_compressing=False), engine.start_time_ns)
    index = load_index(directory, name)
    assert index is not None
    assert len(index.marks) == 3
    assert index.marks[1].position >= MARK_BYTES
    mark = index.position_of(engine.start_time_ns + 25 * SECOND_NS)
    assert mark == index.marks[2]
    got = times(engine, directory, 25, 99)
    assert got == [(MARKET, number) for number in range(25, 30)]


def write_on(engine: EngineStandIn, directory: Path) -> None:
    """One more block of market data, in one segment."""
    from journal.segment import encode_block, encode_header
    from journal.shared_reader import SharedReader

    reader = SharedReader(engine.path)
    path = SegmentName(engine.start_time_ns, MARKET, 0).plain(directory)
    directory.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(encode_header(reader, MARKET))
    written = reader.written(MARKET)
    slots, _ = reader.slots_after(MARKET, written - 783)
    with path.open("ab") as file:
        file.write(encode_block(slots))
    reader.close()


def test_a_missing_segment_of_orders_is_told(engine: EngineStandIn, journal: Path) -> None:
    names = segment_names(journal, stream=ORDERS)
    names[1].plain(journal).unlink()
    with pytest.raises(RecordingError, match=r"slots [0-9]+ to [0-9]+ are missing in front of"):
        list(read_entries(journal, engine.start_time_ns))
    entries = list(read_entries(journal, engine.start_time_ns, allow_gaps=True))
    assert 80 < len(entries) < 160
    names[0].plain(journal).unlink()
    with pytest.raises(RecordingError, match="what came before is missing"):
        list(read_entries(journal, engine.start_time_ns))


@pytest.mark.parametrize("is_indexed", [False, True])
def test_behind_a_slot_nothing_in_front_of_it_is_needed(
    engine: EngineStandIn, journal: Path, *, is_indexed: bool
) -> None:
    entries = list(read_entries(journal, engine.start_time_ns, with_market=False))
    if is_indexed:
        keep(journal, KeepRules(), engine.start_time_ns)
    for at in (0, 1, 7, 40, 78, 79):
        after = entries[at].last_sequence
        rest = read_entries(journal, engine.start_time_ns, with_market=False, after_sequence=after)
        assert [entry.sequence for entry in rest] == [entry.sequence for entry in entries[at + 1 :]]
    first = segment_names(journal, stream=ORDERS)[0]
    first.stored(journal).unlink()
    rest = read_entries(journal, engine.start_time_ns, after_sequence=entries[60].last_sequence)
    assert sum(entry.stream == ORDERS for entry in rest) == 19
    with pytest.raises(RecordingError, match="slots 2 to"):
        list(read_entries(journal, engine.start_time_ns, after_sequence=1))


def test_missing_market_data_is_not_damage(engine: EngineStandIn, journal: Path) -> None:
    segment_names(journal, stream=MARKET)[0].plain(journal).unlink()
    entries = list(read_entries(journal, engine.start_time_ns))
    assert sum(entry.stream == ORDERS for entry in entries) == 80
    assert 0 < sum(entry.stream == MARKET for entry in entries) < 80


def test_slots_that_two_segments_hold_come_once(engine: EngineStandIn, journal: Path) -> None:
    """A disk that failed and could not be cleaned up: the writer wrote them again."""
    before = [entry.sequence for entry in read_entries(journal, engine.start_time_ns)]
    first, second, *_ = segment_names(journal, stream=ORDERS)
    with SegmentReader(second.plain(journal)) as reader:
        header_end = reader.end
    blocks = second.plain(journal).read_bytes()[header_end:]
    with first.plain(journal).open("ab") as file:
        file.write(blocks)
    assert [entry.sequence for entry in read_entries(journal, engine.start_time_ns)] == before


def test_a_segment_that_is_compressed_meanwhile(
    engine: EngineStandIn, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = read_runs(journal, engine.start_time_ns, ORDERS)
    count = len(next(runs)[1])
    keep(journal, KeepRules(), engine.start_time_ns)
    assert count + sum(len(slots) for _, slots in runs) == engine.header["write_sequence"]


def test_a_damaged_index_counts_as_none(engine: EngineStandIn, journal: Path) -> None:
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    name = segment_names(journal)[0]
    path = name.index(journal)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"earliest_ns":1', b'"earliest_ns":2'))
    assert load_index(journal, name) is None
    assert len(times(engine, journal, 0, 99)) == 160
    path.write_bytes(b"")
    assert load_index(journal, name) is None
    result = keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    assert result.indexed == 1
    assert path.read_bytes() == data


def test_an_index_of_another_file_counts_as_none(engine: EngineStandIn, journal: Path) -> None:
    keep(journal, KeepRules(is_compressing=False), engine.start_time_ns)
    first, second, *_ = segment_names(journal)
    index = load_index(journal, second)
    assert index is not None
    store_index(journal, first, index)
    assert load_index(journal, first) is None


def test_run_starts(engine: EngineStandIn, journal: Path, tmp_path: Path) -> None:
    (journal / "00000000000000000007-orders-000000.journal").write_bytes(b"")
    (journal / "notes.journal").write_bytes(b"")
    assert run_starts(journal) == [7, engine.start_time_ns]
    assert run_starts(tmp_path / "nowhere") == []
