from pathlib import Path

from journal.entries import MARKET, ORDERS
from journal.follow import Follower
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write


def test_what_is_written_is_given_once(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writers = {
        stream: JournalWriter(directory, reader, stream, segment_bytes=4_000)
        for stream in (ORDERS, MARKET)
    }
    follower = Follower(directory, engine.start_time_ns)
    assert list(follower.take()) == []
    seen: list[tuple[str, int]] = []
    for number in range(20):
        play(engine, 3, seed=number)
        for stream, writer in writers.items():
            slots, _ = reader.slots_after(stream, writer.last_sequence)
            writer.append(slots, 1)
        seen += [(entry.stream, entry.sequence) for entry in follower.take()]
    for writer in writers.values():
        assert writer.path.name.split("-")[2] > "000003.journal"
        writer.close()
    assert list(follower.take()) == []
    for stream in (ORDERS, MARKET):
        of_stream = [sequence for each, sequence in seen if each == stream]
        assert len(of_stream) == 120
        assert of_stream == sorted(set(of_stream))


def test_orders_alone(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 3)
    write(engine, directory)
    follower = Follower(directory, engine.start_time_ns, with_market=False)
    assert {entry.stream for entry in follower.take()} == {ORDERS}


def test_it_begins_near_the_end(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_bytes=1)
    for _ in range(5):
        engine.records(2)
        writer.append(reader.slots_after(ORDERS, writer.last_sequence)[0], 1)
    follower = Follower(directory, engine.start_time_ns)
    assert [entry.sequence for entry in follower.take()] == [7, 8, 9, 10]
    (directory / f"{engine.start_time_ns:020d}-orders-000009.journal").write_bytes(b"WOWJ")
    assert list(follower.take()) == []
    writer.close()


def test_a_block_that_is_being_written_comes_when_it_is_whole(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    engine.records(2)
    writer.append(reader.slots_after(ORDERS, 0)[0], 1)
    engine.records(2)
    writer.append(reader.slots_after(ORDERS, 2)[0], 1)
    writer.close()
    data = writer.path.read_bytes()
    writer.path.write_bytes(data[:-100])
    follower = Follower(directory, engine.start_time_ns)
    assert [entry.sequence for entry in follower.take()] == [1, 2]
    writer.path.write_bytes(data)
    assert [entry.sequence for entry in follower.take()] == [3, 4]
