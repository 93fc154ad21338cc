import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ext.errors import UsageError
from journal.entries import ORDERS, STREAMS, Entry
from journal.parquet import COLUMNS, export_parquet
from journal.ring_entries import ring_entries
from journal.run import Run, run_of_memory
from journal.shared_reader import SharedReader
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import SECOND_NS, play

TIMES = ["time", "exchange_time"]  # Python's datetime has no nanoseconds
arrow = pytest.importorskip("pyarrow")


@pytest.fixture
def run(engine: EngineStandIn, reader: SharedReader) -> Run:
    play(engine, 25)
    engine.fill()
    return run_of_memory(reader)


def export(reader: SharedReader, run: Run, path: Path) -> list[Entry]:
    entries = list(ring_entries(reader))
    rows: list[int] = []
    assert export_parquet(entries, run, path, rows.append) == len(entries) == sum(rows)
    return entries


def test_every_record_comes_back(reader: SharedReader, run: Run, tmp_path: Path) -> None:
    entries = export(reader, run, tmp_path / "x.parquet")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert [field.name for field in table.schema] == [name for name, _, _ in COLUMNS]
    rows = table.drop_columns(TIMES).to_pylist()
    for row, entry in zip(rows, entries, strict=True):
        assert row["stream"] in STREAMS
        assert (row["stream"], row["sequence"]) == (entry.stream, entry.sequence)
        assert row["data"] == (entry.data if entry.kind in (8, 11) else None)
        assert row["code"] == entry.record["code"]
    assert [value.value for value in table["time"]] == [entry.time_ns for entry in entries]
    fill = rows[-1]
    assert (fill["kind"], fill["instrument"], fill["strategy"], fill["side"]) == (
        "EXECUTION",
        "BTC-USD",
        "jerico_maker",
        "BUY",
    )
    assert fill["price"] == Decimal("65123.45")
    assert fill["quantity"] == Decimal("0.0025")
    assert fill["fee"] == Decimal("1.5")
    assert fill["order_number"] == 100
    assert json.loads(fill["fields"])["state"] == "PARTIALLY_FILLED"


def test_types_are_as_they_are_documented(reader: SharedReader, run: Run, tmp_path: Path) -> None:
    export(reader, run, tmp_path / "x.parquet")
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(tmp_path / "x.parquet")
    for name, documented, _ in COLUMNS:
        found = str(schema.field(name).type).replace("tz=", "")
        assert found.startswith("dictionary") if "dictionary" in documented else found == documented


def test_it_is_read_by_others_too(
    engine: EngineStandIn, reader: SharedReader, run: Run, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    entries = export(reader, run, tmp_path / "x.parquet")
    file = str(tmp_path / "x.parquet")
    count, first, notional = duckdb.sql(
        f"select count(*), min(epoch_ns(time)), sum(price::double * quantity::double) from '{file}'"
    ).fetchall()[0]
    assert count == len(entries)
    assert first == engine.start_time_ns
    assert notional == pytest.approx(65123.45 * 0.0025)
    kinds = dict(duckdb.sql(f"select kind, count(*) from '{file}' group by kind").fetchall())
    assert kinds == {"TRADE": 25, "FRAME": 25, "REPORT": 25, "EXECUTION": 26}
    ((last,),) = duckdb.sql(
        f"select max(epoch_ns(time)) from '{file}' where kind = 'TRADE'"
    ).fetchall()
    assert last == engine.start_time_ns + 24 * SECOND_NS


def test_a_file_that_could_not_be_finished_is_removed(
    reader: SharedReader, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"

    def stop(amount: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_parquet(ring_entries(reader), run, path, stop)
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        export_parquet(ring_entries(reader), run, path, stop)
    assert path.read_text() == "mine"


def test_without_pyarrow(
    reader: SharedReader, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"export needs pyarrow: .*--group export"):
        export_parquet([], run, tmp_path / "x.parquet", print)


def test_a_price_as_wide_as_there_is(
    engine: EngineStandIn, reader: SharedReader, run: Run, tmp_path: Path
) -> None:
    engine.fill(price_ticks=2**63 - 1, quantity_lots=2**63 - 1)
    export(reader, run, tmp_path / "x.parquet")
    import pyarrow.parquet

    row = pyarrow.parquet.read_table(tmp_path / "x.parquet").drop_columns(TIMES).to_pylist()[-1]
    assert row["stream"] == ORDERS
    assert row["price"] == Decimal(2**63 - 1) / 100
    assert row["quantity"] == Decimal(2**63 - 1) / 10**8
