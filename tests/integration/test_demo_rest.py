"""The demo with its orders by REST, from start to end: both sides count the same, nothing is left,
and the journal repeats it byte for byte without a secret."""

# tidy-ok: covers the processes together

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ext.dtypes import REQUEST_TERMS
from ext.wire import RecordKind, ReportFormat, Side
from journal.directory import run_starts
from journal.reader import read_entries

if TYPE_CHECKING:
    from tests.integration.commands import Engine

DEMO_REST = Path(__file__).parents[2] / "configs" / "demo_rest.toml"
REPLAY_S = 120


@pytest.fixture(scope="module")
def run(start_engine: "Callable[..., Engine]") -> "Engine":
    engine = start_engine("simulator.duration_seconds=8", config=DEMO_REST)
    assert engine.wait() == 0, engine.everything
    return engine


@pytest.mark.slow
def test_the_venue_counts_what_we_count(run: "Engine") -> None:
    assert run.figure("fills") > 0
    venue = run.venue_count
    assert venue["fills"] == run.figure("fills")
    assert venue["open"] == 0
    assert "THE VENUE DIFFERS" not in run.output
    assert "Nothing left behind: no open orders." in run.summary
    assert "PAUSED" not in run.log


@pytest.mark.slow
def test_the_maker_cancels_where_it_would_replace(run: "Engine") -> None:
    (start,) = run_starts(run.journal)
    entries = list(read_entries(run.journal, start))
    requests = [each for each in entries if each.kind == RecordKind.RECORD_REQUEST]
    kinds = {int(each.record["detail"]) for each in requests}
    assert kinds == {1, 2}, "new orders and cancels, no replace"
    reports = [each for each in entries if each.kind == RecordKind.RECORD_REPORT]
    formats = {ReportFormat(int(each.record["code"])) for each in reports}
    assert formats == {ReportFormat.REPORT_REST, ReportFormat.REPORT_FIELDS}
    first = requests[0].data[REQUEST_TERMS.itemsize :]
    assert first.startswith(b"POST /orders HTTP/1.1\r\n")
    assert Side.BUY.name.lower().encode() in first or b"sell" in first


@pytest.mark.slow
def test_no_secret_is_kept(run: "Engine") -> None:
    (start,) = run_starts(run.journal)
    for entry in read_entries(run.journal, start):
        assert b"demo-passphrase" not in entry.data
        assert b"CB-ACCESS-SIGN" not in entry.data


@pytest.mark.slow
def test_the_journal_repeats_the_run(run: "Engine") -> None:
    program = Path(sys.executable).with_name("wow-engine")
    done = subprocess.run(
        [str(program), "replay", str(run.journal)],
        capture_output=True,
        text=True,
        timeout=REPLAY_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every byte as recorded" in done.stdout + done.stderr
