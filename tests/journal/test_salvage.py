import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ext.errors import ConfigError, UsageError
from journal.entries import MARKET, ORDERS, STREAMS
from journal.reader import read_entries
from journal.salvage import salvage
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from tests.engine_stand_in import RING_SLOTS, EngineStandIn
from tests.journal.journal_rig import play, write


def contents(directory: Path, start_time_ns: int) -> list[tuple[str, int]]:
    return [(each.stream, each.sequence) for each in read_entries(directory, start_time_ns)]


def die(engine: EngineStandIn) -> int:
    engine.kill()
    return int(engine.header["start_time_ns"])


def test_what_the_rings_still_hold_is_written_once(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    engine.start_time_ns = start
    play(engine, 5)
    write(engine, directory)
    before = contents(directory, start)
    play(engine, 3)
    assert salvage(engine.path, directory) == 12
    after = contents(directory, start)
    assert len(after) == len(before) + 12
    assert after[: len(before)] == before
    assert salvage(engine.path, directory) == 0
    assert contents(directory, start) == after


def test_nothing_was_journaled_at_all(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    play(engine, 4)
    assert salvage(engine.path, directory) == 16
    assert len(contents(directory, start)) == 16


def test_without_market_data(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    play(engine, 4)
    assert salvage(engine.path, directory, with_market=False) == 8
    assert {stream for stream, _ in contents(directory, start)} == {ORDERS}


def test_an_engine_that_died_while_it_wrote(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    engine.report(b"whole" * 100)
    engine.ring[int(engine.header["write_sequence"])]["kind"] = 11  # claimed, never published
    assert salvage(engine.path, directory) == 1
    (entry,) = read_entries(directory, start)
    assert entry.data == b"whole" * 100


def test_a_ring_that_nobody_read_gives_what_is_left(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    engine.records(RING_SLOTS + 500)
    count = salvage(engine.path, directory)
    assert 0 < count <= RING_SLOTS
    entries = list(read_entries(directory, start, allow_gaps=True))
    assert entries[-1].sequence == RING_SLOTS + 500
    assert len(entries) == count


def test_a_living_engine_is_left_alone(engine: EngineStandIn, directory: Path) -> None:
    engine.records(5)
    with pytest.raises(UsageError, match=f"engine process {os.getpid()} lives"):
        salvage(engine.path, directory)


RELAY = """
import sys, time
from pathlib import Path
from journal.shared_reader import SharedReader
reader = SharedReader(Path(sys.argv[1]), writable=True)
reader.attach()
print("attached", flush=True)
sys.stdin.read()
"""


def test_a_relay_that_still_empties_the_rings_is_waited_for(
    engine: EngineStandIn, directory: Path
) -> None:
    start = die(engine)
    play(engine, 4)
    relay = subprocess.Popen(
        [sys.executable, "-c", RELAY, str(engine.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert relay.stdout is not None
    relay.stdout.readline()
    with pytest.raises(ConfigError, match="another relay reads"):
        salvage(engine.path, directory, wait_s=0.1)
    ended = threading.Timer(0.2, relay.communicate)
    ended.start()
    assert salvage(engine.path, directory) == 16
    ended.join()
    assert relay.wait() == 0
    assert len(contents(directory, start)) == 16


def test_a_torn_tail_of_the_dead_relay(engine: EngineStandIn, directory: Path) -> None:
    start = die(engine)
    play(engine, 6)
    reader = SharedReader(engine.path)
    for stream in STREAMS:
        writer = JournalWriter(directory, reader, stream)
        slots, _ = reader.slots_after(stream, 0)
        writer.append(slots, time.monotonic_ns())
        writer.close()
        os.truncate(writer.path, writer.path.stat().st_size - 100)
    reader.close()
    assert salvage(engine.path, directory) == 24
    found = contents(directory, start)
    assert next(each for each in found if each[0] == MARKET) == (MARKET, 1)
    assert len(found) == 24
