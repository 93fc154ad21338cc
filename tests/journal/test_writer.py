import errno
import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from journal.directory import segment_paths
from journal.entries import MARKET, ORDERS, Stream, Structured
from journal.reader import read_runs
from journal.segment import read_header
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from tests.engine_stand_in import EngineStandIn


def take(engine: EngineStandIn, reader: SharedReader, count: int) -> Structured:
    before = int(engine.header["write_sequence"])
    engine.records(count)
    return reader.slots_after(ORDERS, before)[0]


def sequences(directory: Path, reader: SharedReader, stream: Stream = ORDERS) -> list[int]:
    runs = read_runs(directory, reader.start_time_ns, stream)
    return [int(sequence) for _, slots in runs for sequence in slots["sequence"]]


def test_what_is_written_is_read(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    batches = [take(engine, reader, count) for count in (3, 1, 40)]
    assert [writer.append(batch, 1) for batch in batches] == [3, 1, 40]
    writer.close()
    blocks = [slots for _, slots in read_runs(directory, reader.start_time_ns, ORDERS)]
    assert [block.tobytes() for block in blocks] == [batch.tobytes() for batch in batches]
    (path,) = segment_paths(directory)
    assert path.name == f"{reader.start_time_ns:020d}-orders-000000.journal"
    header = read_header(path)
    assert (header.start_time_ns, header.stream) == (reader.start_time_ns, ORDERS)
    assert header.metadata["instruments"][0] == {
        "symbol": "BTC-USD",
        "tick": "0.01",
        "lot": "0.00000001",
    }
    assert header.metadata["kinds"]["8"] == "RECORD_FRAME"


def test_streams_have_their_own_segments(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writers = {stream: JournalWriter(directory, reader, stream) for stream in (ORDERS, MARKET)}
    engine.frame(b"f" * 300)
    writers[MARKET].append(reader.slots_after(MARKET, 0)[0], 1)
    writers[ORDERS].append(take(engine, reader, 2), 1)
    for writer in writers.values():
        writer.close()
    assert [read_header(path).stream for path in segment_paths(directory)] == [ORDERS, MARKET]
    assert sequences(directory, reader) == [1, 2]


def test_segments_rotate_by_size(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_bytes=4_000)
    for _ in range(20):
        writer.append(take(engine, reader, 10), 1)
    writer.close()
    paths = segment_paths(directory)
    assert len(paths) > 5
    # A segment is begun before the block that would follow a full one.
    assert max(path.stat().st_size for path in paths) < 4_000 + 10 * 128 + 24
    assert sequences(directory, reader) == list(range(1, 201))


def test_segments_rotate_by_time(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_ns=1_000)
    for now_ns in (10, 1_009, 1_010, 1_011, 3_000):
        writer.append(take(engine, reader, 1), now_ns)
    writer.close()
    assert len(segment_paths(directory)) == 3
    assert sequences(directory, reader) == [1, 2, 3, 4, 5]


def test_a_restarted_writer_neither_loses_nor_doubles(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    first = take(engine, reader, 10)
    writer = JournalWriter(directory, reader)
    writer.append(first, 1)
    writer.close()
    again = JournalWriter(directory, reader)
    assert again.resume() == ""
    assert (again.last_sequence, again.synced_sequence) == (10, 10)
    both = np.concatenate((first[5:], take(engine, reader, 5)))
    assert again.append(both, 1) == 5
    again.close()
    assert sequences(directory, reader) == list(range(1, 16))


def test_a_tail_cut_short_at_any_byte_is_dropped(
    engine: EngineStandIn,
    reader: SharedReader,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # takes milliseconds each time
    writer = JournalWriter(directory, reader)
    engine.report(b"r" * 300)  # of three slots: it may be cut in the middle
    first = reader.slots_after(ORDERS, 0)[0]
    engine.report(b"s" * 200)
    second = reader.slots_after(ORDERS, len(first))[0]
    writer.append(first, 1)
    (path,) = segment_paths(directory)
    whole = path.stat().st_size
    writer.append(second, 1)
    writer.close()
    data = path.read_bytes()
    for end in range(whole, len(data)):
        path.write_bytes(data[:end])
        assert sequences(directory, reader)[0] == 1
        again = JournalWriter(directory, reader)
        assert again.resume() == ""
        assert again.last_sequence == len(first)
        again.append(second, 1)
        again.close()
        old, new = segment_paths(directory)
        assert old.stat().st_size == whole
        runs = [slots for _, slots in read_runs(directory, reader.start_time_ns, ORDERS)]
        assert np.concatenate(runs).tobytes() == np.concatenate((first, second)).tobytes()
        new.unlink()


def test_a_header_cut_short_begins_a_new_segment(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader, segment_bytes=1)
    writer.append(take(engine, reader, 3), 1)
    second = take(engine, reader, 3)
    writer.append(second, 1)
    writer.close()
    os.truncate(segment_paths(directory)[1], 20)
    again = JournalWriter(directory, reader)
    assert "cut short at byte 20, in its header" in again.resume()
    assert again.last_sequence == 3
    assert again.append(second, 1) == 3
    again.close()
    assert len(segment_paths(directory)) == 3


def test_a_damaged_segment_is_left_alone(
    engine: EngineStandIn, reader: SharedReader, directory: Path
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
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    writer.append(take(engine, reader, 4), 1)
    writer.close()
    reader.start_time_ns += 1
    again = JournalWriter(directory, reader)
    again.resume()
    assert again.last_sequence == 0
    again.append(reader.slots_after(ORDERS, 0)[0], 1)
    again.close()
    assert sequences(directory, reader) == [1, 2, 3, 4]
    assert len(segment_paths(directory)) == 2


class FailingDisk:
    """Refuses the calls of ``os`` from one of them on, until it is repaired."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.calls = 0
        self.fails_at = -1
        self._code = code
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # takes milliseconds each time
        for name in ("open", "write", "fsync", "ftruncate"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: object) -> object:
        def call(*arguments: object, **options: object) -> object:
            self.calls += 1
            if 0 <= self.fails_at <= self.calls:
                if name == "write" and self._code == errno.ENOSPC:
                    head = bytes(arguments[1])[:40]  # type: ignore[call-overload]
                    real(arguments[0], head)  # type: ignore[operator]
                raise OSError(self._code, os.strerror(self._code))
            return real(*arguments, **options)  # type: ignore[operator]

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_at_any_call_costs_nothing(
    engine: EngineStandIn,
    reader: SharedReader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    batches = [take(engine, reader, 4) for _ in range(6)]
    everything = np.concatenate(batches)
    disk = FailingDisk(monkeypatch, code)
    total = 0
    for fails_at in range(1, 60):
        directory = tmp_path / str(fails_at)
        writer = JournalWriter(directory, reader, segment_bytes=1_200, sync_interval_ns=2)
        writer.resume()
        disk.calls, disk.fails_at = 0, fails_at
        failures = 0
        for now_ns, _ in enumerate(batches, 1):
            try:
                writer.append(everything[writer.last_sequence : 4 * now_ns], now_ns)
                writer.sync(now_ns)
            except OSError:
                failures += 1
                if failures == 2:
                    disk.fails_at = -1
        disk.fails_at = -1
        assert writer.synced_sequence <= writer.last_sequence
        writer.append(everything[writer.last_sequence :], 100)
        writer.close()
        total += failures
        runs = list(read_runs(directory, reader.start_time_ns, ORDERS, allow_gaps=False))
        assert np.concatenate([slots for _, slots in runs]).tobytes() == everything.tobytes()
    assert total > 50


def test_sync_waits_for_the_interval(
    engine: EngineStandIn,
    reader: SharedReader,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = JournalWriter(directory, reader, sync_interval_ns=100)
    writer.append(take(engine, reader, 1), 1_000)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    writer.append(take(engine, reader, 1), 1_050)
    writer.sync(1_099)
    assert (len(synced), writer.synced_sequence) == (0, 0)
    writer.sync(1_100)
    writer.sync(1_300)
    assert (len(synced), writer.synced_sequence) == (1, 2)
    writer.close()


def test_a_segment_is_locked_while_it_is_written(
    engine: EngineStandIn, reader: SharedReader, directory: Path
) -> None:
    writer = JournalWriter(directory, reader)
    writer.append(take(engine, reader, 1), 1)
    with writer.path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError):
        JournalWriter(directory, reader).resume()
    writer.close()
    with writer.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as the keeper does
        assert JournalWriter(directory, reader).resume() == ""


def test_begin_tells_whether_the_disk_takes_anything(reader: SharedReader, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writer = JournalWriter(tmp_path / "file", reader)
    with pytest.raises(OSError, match="File exists"):
        writer.begin(1)
    writer = JournalWriter(tmp_path / "journal", reader)
    writer.begin(1)
    writer.begin(2)
    writer.close()
    assert len(segment_paths(tmp_path / "journal")) == 1
