"""The demo from start to end: what it shows, and that a seed decides all of it."""

# tidy-ok: covers the processes together

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.integration.commands import Engine

STEPS = (
    "decode",
    "apply to book",
    "indicators + decide",
    "risk check",
    "register + encode",
    "send",
    "frame → order sent",
    "frame, whole",
    "report → position",
    "order → first report",
)


class Runs(NamedTuple):
    """The same seed twice, the same at another pace, and another seed."""

    first: "Engine"
    again: "Engine"
    slower: "Engine"
    other: "Engine"


@pytest.fixture(scope="module")
def runs(start_engine: "Callable[..., Engine]") -> Runs:
    length, at_once = "simulator.duration_seconds=6", "simulator.speed=max"
    # Two at a time: more would only wait for each other.
    runs = [start_engine(length, at_once), start_engine(length, "simulator.speed=4")]
    statuses = [run.wait() for run in runs]
    runs += [start_engine(length, at_once), start_engine(length, at_once, "simulator.seed=2")]
    statuses += [run.wait() for run in runs[2:]]
    assert statuses == [0, 0, 0, 0], "".join(run.everything for run in runs)
    first, slower, again, other = runs
    return Runs(first, again, slower, other)


def test_the_summary_holds_what_a_trader_asks_for(runs: Runs) -> None:
    run = runs.first
    for words in ("frames", "book updates", "trades", "orders", "reports", "fills"):
        assert run.figure(words) > 0, words
    for words in ("gaps", "bad frames", "times stale", "crossed"):
        assert run.figure(words) == 0, words
    assert "Run of" in run.output
    assert "the venue ended the session" in run.summary
    assert "Nothing left behind: no open orders." in run.summary
    assert "Look at:" not in run.summary


def test_every_strategy_has_its_position_and_profit(runs: Runs) -> None:
    run = runs.first
    name, symbol, signals, _, orders, fills, position, *_ = run.row("jerico_maker")
    assert (name, symbol) == ("jerico_maker", "BTC-USD")
    assert int(signals) > 0
    assert int(orders) > 0
    assert int(fills) > 0
    assert abs(Decimal(position)) <= Decimal("0.05")  # of the config
    assert "…" not in run.output  # nothing was cut for want of room
    for words in ("realised", "unrealised", "fees", "net"):
        assert words in run.summary


def test_every_step_has_its_latency(runs: Runs) -> None:
    summary = runs.first.summary
    for step in STEPS:
        after = summary.partition(f" {step} ")[2].split()[:5]
        count, p50, p99, p999, largest = (float(cell.replace(",", "")) for cell in after)
        assert count > 0, step
        assert 0 < p50 <= p99 <= p999 <= largest, step


def test_progress_is_shown_each_second(runs: Runs) -> None:
    lines = [line for line in runs.slower.output.splitlines() if " s  frames " in line]
    assert lines
    assert "BTC-USD" in lines[0]
    assert "wow-monitor --connect" in runs.slower.output


def test_the_venue_counts_what_we_count(runs: Runs) -> None:
    for run in runs:
        venue = run.venue_count
        assert venue["fills"] == run.figure("fills")
        assert venue["open"] == 0
        assert "THE VENUE DIFFERS" not in run.output


def test_the_same_seed_gives_the_same_orders_and_fills(runs: Runs) -> None:
    assert runs.first.ledger == runs.again.ledger
    assert runs.first.venue_count == runs.again.venue_count
    assert runs.first.row("jerico_maker") == runs.again.row("jerico_maker")


def test_another_seed_gives_other_orders(runs: Runs) -> None:
    assert runs.first.ledger != runs.other.ledger


def test_no_warning_is_logged_but_that_the_session_is_over(runs: Runs) -> None:
    # A busy machine stalls any loop: that is told as well, and is no fault of the run.
    expected = (" INFO ", "DISCONNECTED", "end of session", "the loop stalled")
    doubtful = [
        line for line in runs.first.log.splitlines() if not any(words in line for words in expected)
    ]
    assert doubtful == []
