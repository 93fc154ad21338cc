"""What a journal has to outlive: engine and relay killed together, a disk that is full."""

# tidy-ok: covers the processes together

import os
import resource
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.wire import RecordKind, Verdict
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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def squeezed(start_engine: "Callable[..., Engine]") -> "Engine":
    """A run whose relay may not write for a while: its files may not grow."""
    engine = start_engine("simulator.duration_seconds=8")
    engine.wait_for_order()
    relay = engine.child("wow-relay")
    limits = resource.prlimit(relay, resource.RLIMIT_FSIZE)
    resource.prlimit(relay, resource.RLIMIT_FSIZE, (1_000, limits[1]))
    memory = engine.memory
    engine.wait_until(lambda: memory.word("journal_failing") == 1, "a journal that fails")
    rejected = memory.word("rejected")
    engine.wait_until(lambda: memory.word("rejected") > rejected, "an intent that is refused")
    resource.prlimit(relay, resource.RLIMIT_FSIZE, limits)
    engine.wait_until(lambda: memory.word("journal_failing") == 0, "a journal that is written")
    sent = memory.word("requests_sent")
    engine.wait_until(lambda: memory.word("requests_sent") > sent, "one more request")
    assert engine.wait() == 0, engine.everything
    return engine


@pytest.mark.slow
def test_a_full_disk_stops_new_risk_and_loses_no_order_record(squeezed: "Engine") -> None:
    # What it said meanwhile could not be written either: its own log is a file too.
    assert "the journal is written again" in squeezed.everything
    (start,) = run_starts(squeezed.journal)
    orders = list(read_entries(squeezed.journal, start, with_market=False))
    assert orders[-1].last_sequence == squeezed.memory.written(ORDERS)
    executions = sum(entry.kind == RecordKind.RECORD_EXECUTION for entry in orders)
    assert executions == squeezed.figure("reports")
    refused = [
        entry
        for entry in orders
        if entry.kind == RecordKind.RECORD_DECISION
        and entry.record["code"] == Verdict.JOURNAL_BEHIND
    ]
    assert refused
    assert not [check.problem for check in verify_journal(squeezed.journal) if check.problem]
