import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ext.errors import RecordingError
from monitor.journal import JournalWriter, read_blocks, read_header, read_journal, segment_paths
from monitor.shared_reader import SharedReader, Structured

if TYPE_CHECKING:
    from tests.monitor.conftest import EngineStandIn


@pytest.fixture
def reader(engine: "EngineStandIn") -> Iterator[SharedReader]:
    shared_reader = SharedReader(engine.path)
    yield shared_reader
    shared_reader.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def take(engine: "EngineStandIn", reader: SharedReader, count: int) -> Structured:
    before = int(engine.header["write_sequence"])
    engine.records(count)
    return reader.records_after(before)[0]


def sequences(directory: Path) -> list[int]:
    return [sequence for block in read_journal(directory) for sequence in block["sequence"]]


def test_what_is_written_is_read(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    batches = [take(engine, reader, count) for count in (3, 1, 40)]
    assert [writer.append(batch, 1) for batch in batches] == [3, 1, 40]
    writer.close()
    blocks = list(read_journal(directory, reader.start_time_ns))
    assert [block.tobytes() for block in blocks] == [batch.tobytes() for batch in batches]
    header = read_header(segment_paths(directory)[0])
    assert header.start_time_ns == reader.start_time_ns
    assert header.metadata["instruments"][0] == {
        "symbol": "BTC-USD",
        "tick": "0.01",
        "lot": "0.00000001",
    }


def test_segments_rotate_by_size(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_bytes=4_000)
    for _ in range(20):
        writer.append(take(engine, reader, 10), 1)
    writer.close()
    paths = segment_paths(directory)
    assert len(paths) > 5
    # A segment is begun before the block that would follow a full one.
    assert max(path.stat().st_size for path in paths) < 4_000 + 10 * 128 + 24
    assert sequences(directory) == list(range(1, 201))


def test_a_restarted_writer_neither_loses_nor_doubles(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    first = take(engine, reader, 10)
    writer = JournalWriter(directory, reader)
    writer.append(first, 1)
    writer.close()
    again = JournalWriter(directory, reader)
    assert again.resume() == ""
    assert again.last_sequence == 10
    both = np.concatenate((first[5:], take(engine, reader, 5)))
    assert again.append(both, 1) == 5
    again.close()
    assert sequences(directory) == list(range(1, 16))
    assert len(segment_paths(directory)) == 1


def test_a_tail_cut_short_at_any_byte_is_dropped(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    first, second = take(engine, reader, 3), take(engine, reader, 2)
    writer.append(first, 1)
    (path,) = segment_paths(directory)
    whole = path.stat().st_size
    writer.append(second, 1)
    writer.close()
    data = path.read_bytes()
    for end in range(whole, len(data)):
        path.write_bytes(data[:end])
        assert sequences(directory) == [1, 2, 3]
        again = JournalWriter(directory, reader)
        assert again.resume() == ""
        again.append(second[:1], 1)  # shorter than the tail
        again.close()
        assert sequences(directory) == [1, 2, 3, 4]


def test_a_header_cut_short_begins_a_new_segment(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_bytes=1)
    writer.append(take(engine, reader, 3), 1)
    second = take(engine, reader, 3)
    writer.append(second, 1)
    writer.close()
    os.truncate(segment_paths(directory)[1], 20)
    again = JournalWriter(directory, reader)
    assert "not a journal segment" in again.resume()
    assert again.last_sequence == 3
    assert again.append(second, 1) == 3
    again.close()
    assert len(segment_paths(directory)) == 3


def test_any_flipped_bit_is_found(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    for _ in range(3):
        writer.append(take(engine, reader, 4), 1)
    writer.close()
    (path,) = segment_paths(directory)
    data = path.read_bytes()
    positions = [*range(60), *random.Random(3).sample(range(60, len(data)), 300)]
    for position in positions:
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(RecordingError, match=path.name):
            list(read_blocks(path))


def test_a_damaged_segment_is_left_alone(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    writer.append(take(engine, reader, 4), 1)
    writer.close()
    (path,) = segment_paths(directory)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    again = JournalWriter(directory, reader)
    assert "damaged" in again.resume()
    again.append(take(engine, reader, 1), 1)
    again.close()
    assert path.read_bytes() == bytes(damaged)
    assert len(segment_paths(directory)) == 2


def test_another_engine_start_gets_its_own_segments(
    engine: "EngineStandIn", reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    writer.append(take(engine, reader, 4), 1)
    writer.close()
    reader.start_time_ns += 1
    again = JournalWriter(directory, reader)
    again.resume()
    assert again.last_sequence == 0
    again.append(reader.records_after(0)[0], 1)
    again.close()
    assert sequences(directory) == [1, 2, 3, 4, 1, 2, 3, 4]


def test_a_full_disk_costs_only_the_records_of_that_time(
    engine: "EngineStandIn",
    reader: SharedReader,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = JournalWriter(directory, reader)
    writer.append(take(engine, reader, 4), 1)
    (path,) = segment_paths(directory)
    whole = path.read_bytes()
    real_write, room = os.write, [100]

    def write_until_full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real_write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", write_until_full)
    for _ in range(3):  # within a block, then within the header of a new segment, then at once
        with pytest.raises(OSError, match="No space left"):
            writer.append(take(engine, reader, 4), 1)
    assert segment_paths(directory) == [path]
    assert path.read_bytes() == whole
    monkeypatch.undo()
    writer.append(take(engine, reader, 4), 1)
    writer.close()
    assert sequences(directory) == [1, 2, 3, 4, 17, 18, 19, 20]


def test_sync_waits_for_the_interval(
    engine: "EngineStandIn",
    reader: SharedReader,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    writer = JournalWriter(directory, reader, fsync_interval_ns=100)
    writer.append(take(engine, reader, 1), 1_000)
    writer.append(take(engine, reader, 1), 1_050)
    writer.sync(1_099)
    assert len(synced) == 0
    writer.sync(1_100)
    writer.sync(1_300)
    assert len(synced) == 1
    writer.close()


@pytest.mark.parametrize("data", [b"", b"WOWJRN01", b"something else that is long enough to be"])
def test_what_is_no_segment_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"x\.journal: not a journal segment"):
        read_header(path)
