"""Disks that fail, below the relay: what waits, what is given up, and that nothing comes twice."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ext.wire import RecordKind
from journal.directory import segment_paths
from journal.entries import MARKET, ORDERS, STREAMS
from journal.reader import read_entries, read_runs
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from monitor.client import MonitorClient
from monitor.messages import FillEvent
from monitor.publisher import Publisher
from monitor.relay import Relay
from monitor.status import RelayStatus, journal_lag_ns
from monitor.stream_journal import RETRY_NS, StreamJournal
from tests.engine_stand_in import MARKET_SLOTS, EngineStandIn

SECOND_NS = 1_000_000_000


class Disk:
    """``os`` below the journal: refuses what changes a file from some call on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code = 0
        self.calls_left = 0
        for name in ("write", "fsync", "ftruncate", "open"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def fail(self, code: int, after_calls: int = 0) -> None:
        """From now on, after so many calls that still succeed."""
        self.code, self.calls_left = code, after_calls

    def repair(self) -> None:
        self.code = 0

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            is_write = name != "open" or (
                bool(arguments[1] & os.O_WRONLY) and "/journal" in str(arguments[0])
            )
            if not (self.code and is_write):
                return real(*arguments, **options)
            self.calls_left -= 1
            if self.calls_left >= 0:
                return real(*arguments, **options)
            if name == "write":
                real(arguments[0], bytes(arguments[1])[:50])
            raise OSError(self.code, os.strerror(self.code))

        return call


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@contextmanager
def relay_of(
    engine: EngineStandIn, directory: Path, endpoint: str
) -> Iterator[tuple[Relay, RelayStatus]]:
    status = RelayStatus()
    reader = SharedReader(engine.path, writable=True)
    writers = {
        stream: JournalWriter(directory, reader, stream, sync_interval_ns=0) for stream in STREAMS
    }
    publisher = Publisher(endpoint, reader, status, epoch=1)
    try:
        relay = Relay(reader, writers, publisher, status)
        yield relay, status
        relay.close()
    finally:
        publisher.close()
        reader.close()


def orders_of(engine: EngineStandIn, directory: Path) -> list[int]:
    """Slots of the order stream; RecordingError where one is missing."""
    runs = read_runs(directory, engine.start_time_ns, ORDERS, allow_gaps=False)
    return [int(entry) for _, slots in runs for entry in range(len(slots))]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("after_calls", range(8))
def test_order_records_wait_for_the_disk_and_come_once(
    engine: EngineStandIn,
    directory: Path,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    after_calls: int,
) -> None:
    disk = Disk(monkeypatch)
    sent = []
    with relay_of(engine, directory, endpoint) as (relay, status):
        for number in range(12):
            data = bytes([number]) * (100 * number)
            engine.report(data)
            engine.records(3)
            sent.append(data)
            if number == 3:
                disk.fail(code, after_calls)
            if number == 9:
                disk.repair()
            relay.step(time.time_ns(), (number + 1) * RETRY_NS)
            if number == 8:
                assert engine.header["journal_failing"] == 1
                assert os.strerror(code) in status.journal_error
                assert engine.header["read_sequence"] <= engine.header["write_sequence"] - 5
                assert engine.header["synced_sequence"] == engine.header["read_sequence"]
        assert engine.header["journal_failing"] == 0
        assert engine.header["read_sequence"] == engine.header["write_sequence"]
        assert status.lost_records == status.unjournaled_records == 0
        assert status.journal_error == ""
    entries = list(read_entries(directory, engine.start_time_ns))
    assert [each.data for each in entries if each.kind == RecordKind.RECORD_REPORT] == sent
    assert entries[-1].last_sequence == engine.header["write_sequence"]
    assert len(entries) == 12 * 4


def fills(client: MonitorClient) -> int:
    return sum(isinstance(event, FillEvent) for event in client.model.events)


def test_publishing_goes_on_while_the_disk_is_full(
    engine: EngineStandIn,
    directory: Path,
    endpoint: str,
    client: MonitorClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    disk = Disk(monkeypatch)
    with relay_of(engine, directory, endpoint) as (relay, _):
        relay.step(time.time_ns(), 1)

        def step_and_poll() -> bool:
            relay.step(time.time_ns(), 1)
            return client.poll(20) > 0 and client.model.heartbeat is not None

        wait_until(step_and_poll)
        disk.fail(errno.ENOSPC)
        for number in range(1, 4):
            engine.fill()
            relay.step(time.time_ns(), number * RETRY_NS)
        wait_until(lambda: client.poll(20) >= 0 and fills(client) == 3)
        assert engine.header["read_sequence"] == 0
        disk.repair()
        for number in range(5, 8):
            relay.step(time.time_ns(), number * RETRY_NS)
        assert engine.header["read_sequence"] == 3
        client.poll(50)
        assert fills(client) == 3, "published once"
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "No space left on device; new orders are refused" in errors[0]
    assert "the journal is written again" in caplog.text


def test_an_idle_engine_is_not_refused_for_ever(
    engine: EngineStandIn, directory: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.fail(errno.EROFS)
    engine.records(1)
    with relay_of(engine, directory, endpoint) as (relay, _):
        relay.step(time.time_ns(), RETRY_NS)
        assert engine.header["journal_failing"] == 1
        engine.header["read_sequence"] = 1  # what failed was given up: nothing to try with
        relay._orders._sequence = 1
        relay.step(time.time_ns(), 3 * RETRY_NS)
        assert engine.header["journal_failing"] == 1
        disk.repair()
        relay.step(time.time_ns(), 5 * RETRY_NS)
        assert engine.header["journal_failing"] == 0


def test_a_journal_directory_that_cannot_be_made(
    engine: EngineStandIn, tmp_path: Path, endpoint: str
) -> None:
    (tmp_path / "file").write_text("")
    engine.records(3)
    with relay_of(engine, tmp_path / "file", endpoint) as (relay, status):
        relay.step(time.time_ns(), 1)
        assert "File exists" in status.journal_error
        assert engine.header["journal_failing"] == 1
        (tmp_path / "file").unlink()
        relay.step(time.time_ns(), 2 * RETRY_NS)
        assert engine.header["journal_failing"] == 0
    assert orders_of(engine, tmp_path / "file") == [0, 1, 2]


def test_market_data_waits_for_a_quarter_of_its_ring_and_is_then_given_up(
    engine: EngineStandIn, directory: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    with relay_of(engine, directory, endpoint) as (relay, status):
        disk.fail(errno.ENOSPC)
        given_up = 0
        for number in range(2 * MARKET_SLOTS // 4):
            engine.frame(bytes(400), reference=number)  # of 4 slots
            relay.step(time.time_ns(), 1_000)
            waiting = engine.header["market_write_sequence"] - engine.header["market_read_sequence"]
            assert waiting <= MARKET_SLOTS // 4 + 4
            given_up = status.unjournaled_records
        assert given_up == 2 * MARKET_SLOTS // 4 - MARKET_SLOTS // 16
        disk.repair()
        relay.step(time.time_ns(), 3 * RETRY_NS)
    entries = list(read_entries(directory, engine.start_time_ns))
    numbers = [int(entry.record["reference"]) for entry in entries]
    assert numbers == list(range(given_up, 2 * MARKET_SLOTS // 4))


def test_much_that_waits_for_the_disk_is_forced_there(
    engine: EngineStandIn, directory: Path
) -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    writer = JournalWriter(directory, reader, MARKET, sync_interval_ns=10**15)
    journal = StreamJournal(reader, writer, MARKET, RelayStatus())
    for _ in range(MARKET_SLOTS // 4):
        engine.frame(b"")
    journal.write(1)
    journal.acknowledge()
    assert engine.header["market_read_sequence"] == 0
    engine.frame(b"")
    journal.write(2)
    journal.acknowledge()
    assert engine.header["market_read_sequence"] == MARKET_SLOTS // 4 + 1
    journal.close()
    reader.close()


def test_without_a_journal_of_market_data_its_ring_is_given_back(
    engine: EngineStandIn, directory: Path, endpoint: str
) -> None:
    reader = SharedReader(engine.path, writable=True)
    status = RelayStatus()
    publisher = Publisher(endpoint, reader, status, epoch=1)
    relay = Relay(reader, {ORDERS: JournalWriter(directory, reader)}, publisher, status)
    engine.frame(b"x" * 500)
    engine.records(2)
    relay.step(time.time_ns(), 1)
    relay.finish(time.time_ns(), 2)
    relay.close()
    assert engine.header["market_read_sequence"] == engine.header["market_write_sequence"]
    assert [path.name.split("-")[1] for path in segment_paths(directory)] == [ORDERS]
    publisher.close()
    reader.close()


def test_the_lag_is_the_age_of_the_oldest_order_record_that_is_not_on_the_disk(
    engine: EngineStandIn,
) -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    assert journal_lag_ns(reader, 50) == 0
    engine.record(kind=RecordKind.RECORD_TIMER, time_ns=30)
    engine.record(kind=RecordKind.RECORD_TIMER, time_ns=40)
    assert journal_lag_ns(reader, 50) == 20
    reader.report_journal(is_failing=False, synced_sequence=1)
    assert journal_lag_ns(reader, 50) == 10
    assert journal_lag_ns(reader, 35) == 0
    reader.report_journal(is_failing=False, synced_sequence=2)
    assert journal_lag_ns(reader, 50) == 0
    reader.close()


def test_the_end_of_a_run_tries_once_more_and_says_what_is_left(
    engine: EngineStandIn,
    directory: Path,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = Disk(monkeypatch)
    disk.fail(errno.ENOSPC)
    engine.records(4)
    with relay_of(engine, directory, endpoint) as (relay, _):
        relay.step(time.time_ns(), 1)
        relay.finish(time.time_ns(), 2)
        assert "4 slots of order records are not in the journal; they stay in" in caplog.text
        disk.repair()
        relay.finish(time.time_ns(), 3)
    assert orders_of(engine, directory) == [0, 1, 2, 3]
