"""What a run leaves for an examiner: the venue, the records, DuckDB and the report agree."""

# tidy-ok: covers the processes together

import csv
import json
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from engine.cli import main
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from tests.integration.commands import Engine, Venue

REASON = "released for the test by nobody, ticket 0"


class Session(NamedTuple):
    """The venue's own last words, and the journal of the engine that traded there."""

    venue: dict[str, Any]
    journal: Path
    folder: Path


@pytest.fixture(scope="module")
def session(
    start_venue: "Callable[..., Venue]",
    start_engine: "Callable[..., Engine]",
    tmp_path_factory: pytest.TempPathFactory,
) -> Session:
    venue = start_venue("--duration=6", "--speed=4")
    ready = venue.ready
    engine = start_engine(
        "simulator.start=false",
        f"feed.url={ready['feed_url']}",
        f"order_entry.port={ready['fix_port']}",
        f"reconciliation.rest_url={ready['rest_url']}",
        "site.country=DE",
        f"site.override_reason={REASON}",
        "feed.reconnect_initial_ms=60000",
        "feed.reconnect_maximum_ms=60000",
    )
    engine.wait_for("market data ended")
    engine.send_signal(signal.SIGINT)
    engine.wait()
    assert venue.wait() == 0, venue.everything
    summary = json.loads(venue.output.splitlines()[-1])
    return Session(summary, engine.journal, tmp_path_factory.mktemp("trades"))


def write(session: Session, name: str, *words: str) -> Path:
    path = session.folder / name
    if not path.exists():
        line = ["trades", "--journal", str(session.journal), "--out", str(path), *words]
        assert main(line) == ExitCode.OK
    return path


def test_the_venues_cash_and_positions_to_the_last_digit(session: Session) -> None:
    path = write(session, "fills.csv")
    cash = Decimal(0)
    positions: dict[str, Decimal] = {}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        sign = 1 if row["side"] == "BUY" else -1
        quantity = Decimal(row["quantity"])
        cash -= sign * Decimal(row["price"]) * quantity + Decimal(row["fee"])
        held = positions.get(row["instrument"], Decimal(0))
        positions[row["instrument"]] = held + sign * quantity
    assert len(rows) == session.venue["fills"] > 20
    assert {"USD": cash} == {k: Decimal(v) for k, v in session.venue["client_cash"].items()}
    theirs = {k: Decimal(v) for k, v in session.venue["client_positions"].items()}
    assert positions == theirs
    assert {row["mode"] for row in rows} == {"simulated"}
    assert {row["country"] for row in rows} == {"DE"}
    assert {row["is_overridden"] for row in rows} == {"true"}


def test_another_party_adds_up_what_the_report_says(session: Session) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    parquet = write(session, "all.parquet", "--format", "parquet", "--events", "all")
    text = write(session, "fills.csv")
    report = session.folder / "report.csv"
    words = ["compliance", "report", "--journal", str(session.journal), "--out", str(report)]
    assert main(words) == ExitCode.OK
    with report.open() as file:
        lines = [line for line in csv.DictReader(file) if line["section"] == "trading"]
    sums = (
        "mode, instrument, strategy, count(*), sum(notional), sum(fee), sum(realised_pnl),"
        " sum(case when liquidity = 'MAKER' then notional else 0 end)"
    )
    of_parquet = duckdb.sql(
        f"select {sums} from '{parquet}' where event = 'FILL' group by all order by all"
    ).fetchall()
    kinds = ", ".join(
        f"'{name}': 'DECIMAL(38, 18)'" for name in ("notional", "fee", "realised_pnl")
    )
    of_csv = duckdb.sql(
        f"select {sums} from read_csv('{text}', types = {{{kinds}}}) group by all order by all"
    ).fetchall()
    names = ("notional", "fees", "realised_pnl", "maker_notional")
    ours = sorted(
        (
            line["mode"],
            line["instrument"],
            line["strategy"],
            int(line["fills"]),
            *(Decimal(line[name]) for name in names),
        )
        for line in lines
        if line["fills"] != "0"
    )
    assert of_parquet == ours
    assert of_csv == ours
    counts = dict(duckdb.sql(f"select event, count(*) from '{parquet}' group by all").fetchall())
    assert counts["SUBMIT"] == session.venue["orders"] == sum(int(x["orders"]) for x in lines)


def test_the_override_is_in_the_records_for_ever(session: Session) -> None:
    path = write(session, "all.json", "--format", "json", "--events", "all")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    (run,) = [row for row in rows if row["event"] == "RUN"]
    assert run["text"] == REASON
    assert run["mode"] == "simulated"


def test_a_period_is_half_open(session: Session) -> None:
    path = write(session, "all.json", "--format", "json", "--events", "all")
    times = [json.loads(line)["time"] for line in path.read_text().splitlines()]
    middle = times[len(times) // 2]
    parts = [
        write(session, f"{name}.json", "--format", "json", "--events", "all", option, middle)
        for name, option in (("late", "--from"), ("early", "--to"))
    ]
    late, early = ([json.loads(x)["time"] for x in part.read_text().splitlines()] for part in parts)
    assert early + late == times
    assert min(late) == middle > max(early)


def test_wrong_words(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    journal = ["--journal", str(session.journal)]
    out = write(session, "fills.csv")
    for words, said in (
        (["trades", *journal, "--out", str(out)], "File exists"),
        (["trades", *journal, "--format", "parquet"], "--format parquet needs --out FILE"),
        (["trades", *journal, "--from", "noon"], "time was 'noon'"),
        (["trades", "--journal", "/nowhere"], "/nowhere: is no directory"),
        (["compliance", "report", *journal, *journal, "--out", "x.csv"], "would count double"),
        (["compliance", "report", *journal, "--out", "x.txt"], "ends in .csv or .xlsx"),
    ):
        assert main(words) == ExitCode.CONFIG, words
        assert said in capsys.readouterr().err
