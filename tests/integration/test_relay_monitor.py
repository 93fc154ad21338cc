"""The relay and the monitor beside a run: they show it, keep it, and never disturb it."""

# tidy-ok: covers the processes together

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ext.wire import RecordKind
from journal.directory import run_starts
from journal.entries import STREAMS
from journal.reader import read_entries, read_runs

if TYPE_CHECKING:
    from tests.integration.commands import Command, Engine

LENGTH = "simulator.duration_seconds=4"
ORDER_STATES = ("WORKING", "PARTIAL", "SENT")  # as the monitor calls them


class Runs(NamedTuple):
    """One run alone, and the same again with a relay killed and monitors coming and going."""

    alone: "Engine"
    disturbed: "Engine"
    once: "Command"
    plain: "Command"


@pytest.fixture(scope="module")
def runs(start_engine: "Callable[..., Engine]", start_command: "Callable[..., Command]") -> Runs:
    alone, disturbed = start_engine(LENGTH), start_engine(LENGTH)
    disturbed.wait_for_order()
    plain = start_command("wow-monitor", f"--connect={disturbed.endpoint}", "--plain")
    once = start_command("wow-monitor", f"--connect={disturbed.endpoint}", "--once")
    assert once.wait() == 0, once.everything
    plain.wait_until(lambda: any(word in plain.output for word in ORDER_STATES), "an open order")
    os.kill(disturbed.child("wow-relay"), signal.SIGKILL)
    plain.send_signal(signal.SIGKILL)
    for run in (alone, disturbed):
        assert run.wait() == 0, run.everything
    return Runs(alone, disturbed, once, plain)


def journaled(engine: "Engine", kind: RecordKind) -> int:
    (start,) = run_starts(engine.journal)
    return sum(entry.kind == kind for entry in read_entries(engine.journal, start))


def test_a_killed_relay_and_monitors_change_no_order(runs: Runs) -> None:
    assert runs.disturbed.figure("fills") > 0
    assert runs.disturbed.ledger == runs.alone.ledger
    assert runs.disturbed.venue_count == runs.alone.venue_count


def test_a_killed_relay_is_told_and_started_again(runs: Runs) -> None:
    assert "wow-relay ended; starting it again" in runs.disturbed.log
    assert "wow-relay ended" not in runs.alone.log
    assert "records dropped" not in runs.disturbed.summary


@pytest.mark.parametrize("which", ["alone", "disturbed"])
def test_the_journal_holds_every_report(runs: Runs, which: str) -> None:
    engine: Engine = getattr(runs, which)
    assert journaled(engine, RecordKind.RECORD_EXECUTION) == engine.figure("reports")
    assert journaled(engine, RecordKind.RECORD_TRADE) == engine.figure("trades")


@pytest.mark.parametrize("which", ["alone", "disturbed"])
def test_the_journal_has_no_hole(runs: Runs, which: str) -> None:
    engine: Engine = getattr(runs, which)
    (start,) = run_starts(engine.journal)
    for stream in STREAMS:
        expected = 1
        for where, slots in read_runs(engine.journal, start, stream):
            assert slots["sequence"][0] == expected, where
            expected += len(slots)
        assert expected > 1


@pytest.mark.parametrize("which", ["once", "plain"])
def test_the_monitor_shows_books_orders_and_positions(runs: Runs, which: str) -> None:
    shown = getattr(runs, which).output
    for words in ("BTC-USD", "ETH-USD", "LIVE", "working orders", "positions", "latency"):
        assert words in shown, words
    assert "jerico_maker" in shown
