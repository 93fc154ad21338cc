"""Trade records as files: every format says the same, and others can read it."""

import csv
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ext.errors import UsageError
from journal.trade_export import TIMES, write_new, write_parquet, write_text
from journal.trade_schema import COLUMNS, FILL, NO_ORDER, Row

START_NS = 1_767_623_400_123_456_789


def make_row(number: int, **values: object) -> Row:
    row: Row = dict.fromkeys((name for name, _, _ in COLUMNS), None)
    row |= {
        "schema": 1,
        "record_id": f"{START_NS}-{number}",
        "event": FILL,
        "time": START_NS + number,
        "mode": "live",
        "is_overridden": False,
        "instrument": "BTC-USD",
        "price": Decimal("65000.10"),
        "quantity": Decimal("0.00000001"),
        "notional": Decimal("0.0006500010"),
        "fee": Decimal("-0.000000001"),
    }
    return row | values


ROWS = [make_row(1), make_row(2, text='a "quoted", text\nof two lines'), make_row(3, price=None)]


def test_csv_comes_back() -> None:
    out = io.StringIO()
    assert write_text(ROWS, out, "csv") == len(ROWS)
    found = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert list(found[0]) == [name for name, _, _ in COLUMNS]
    assert found[0]["time"] == "2026-01-05T14:30:00.123456790Z"
    assert (found[0]["price"], found[2]["price"]) == ("65000.10", "")
    assert (found[0]["fee"], found[0]["is_overridden"]) == ("-0.000000001", "false")
    assert found[1]["text"] == ROWS[1]["text"]


def test_json_comes_back() -> None:
    out = io.StringIO()
    assert write_text(ROWS, out, "json") == len(ROWS)
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    assert found[0]["notional"] == "0.0006500010"
    assert found[0]["schema"] == 1
    assert found[0]["is_overridden"] is False
    assert "price" not in found[2]


def test_parquet_comes_back_and_another_reader_adds_up_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "t.parquet"
    assert write_parquet(ROWS, path) == len(ROWS)
    count, notional, fee, first = duckdb.sql(
        f"select count(*), sum(notional), sum(fee), min(epoch_ns(time)) from '{path}'"
    ).fetchall()[0]
    assert count == len(ROWS)
    assert (notional, fee) == (Decimal("0.0019500030"), Decimal("-0.000000003"))
    assert first == START_NS + 1


def test_a_file_is_never_replaced_and_never_left_half(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"

    def fail(file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(path, fail)
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_new(path, fail)
    assert path.read_text() == "mine"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"Parquet needs pyarrow: .*--group export"):
        write_parquet([], tmp_path / "t.parquet")


def test_names_are_unique_and_events_of_the_engine_are_no_fills() -> None:
    found = [name for name, _, _ in COLUMNS]
    assert len(set(found)) == len(found)
    assert set(found) >= TIMES == {"time", "exchange_time"}
    assert FILL not in NO_ORDER
