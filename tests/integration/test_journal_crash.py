"""Engine and relay killed together: what stood in the rings comes into the journal, once."""

# tidy-ok: covers the processes together

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.wire import RecordKind
from journal.directory import run_starts
from journal.entries import MARKET, ORDERS, STREAMS
from journal.reader import read_entries, read_runs
from journal.ring_entries import ring_entries
from journal.salvage import salvage
from journal.shared_reader import SharedReader
from journal.verification import verify_journal

if TYPE_CHECKING:
    from tests.integration.commands import Engine


@pytest.fixture(scope="module")
def killed(start_engine: "Callable[..., Engine]") -> "Engine":
    """In the middle of a run, the relay stuck for a moment before: the rings have something."""
    engine = start_engine("simulator.duration_seconds=60")
    engine.wait_for_order()
    children = [engine.child("wow-relay"), engine.child("wow-sim")]
    os.kill(children[0], signal.SIGSTOP)
    sent = engine.memory.word("requests_sent")
    engine.wait_until(lambda: engine.memory.word("requests_sent") > sent, "one more request")
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    for child in children:
        os.kill(child, signal.SIGKILL)
        engine.wait_for_end_of(child)
    return engine


def test_nothing_is_missing_and_nothing_comes_twice(killed: "Engine") -> None:
    reader = SharedReader(killed.shared_memory)
    left = {stream: reader.written(stream) - reader.acknowledged(stream) for stream in STREAMS}
    assert left[ORDERS] > 0
    in_rings = [(entry.stream, entry.sequence, entry.data) for entry in ring_entries(reader)]
    assert salvage(killed.shared_memory, killed.journal) > 0
    assert salvage(killed.shared_memory, killed.journal) == 0
    (start,) = run_starts(killed.journal)
    for stream in STREAMS:
        runs = read_runs(killed.journal, start, stream, allow_gaps=False)
        assert sum(len(slots) for _, slots in runs) == reader.written(stream)
    entries = list(read_entries(killed.journal, start))
    journaled = [(entry.stream, entry.sequence, entry.data) for entry in entries]
    assert journaled == in_rings, "the rings were not lapped: they hold all of it"
    assert {entry.stream for entry in entries} == {ORDERS, MARKET}
    requests = sum(entry.kind == RecordKind.RECORD_REQUEST for entry in entries)
    assert requests == reader.word("requests_sent")
    assert not [check.problem for check in verify_journal(killed.journal) if check.problem]
    reader.close()
