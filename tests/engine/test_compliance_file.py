"""The compliance report as CSV and XLSX, read back by code of others."""

import csv
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from engine.law.compliance import ComplianceReport, make_report
from engine.law.compliance_file import COLUMNS, write_report
from ext.errors import UsageError
from journal.trade_schema import COLUMNS as TRADE_COLUMNS
from journal.trade_schema import Row

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def report() -> ComplianceReport:
    row: Row = dict.fromkeys((name for name, _, _ in TRADE_COLUMNS), None)
    row |= {
        "event": "FILL",
        "mode": "paper",
        "country": "US",
        "region": "NY",
        "is_overridden": False,
        "engine": "one",
        "venue": "coinbase",
        "product": "spot",
        "permission": "permitted",
        "instrument": "BTC-USD",
        "quote_currency": "USD",
        "strategy": "=HYPERLINK(1)",
        "side": "BUY",
        "price": Decimal("65000.10"),
        "quantity": Decimal("12345678.12345678"),
        "liquidity": "TAKER",
        "fee": Decimal("0.5"),
        "realised_pnl": Decimal("-1.25"),
    }
    run = row | {"event": "RUN", "instrument": None}
    return make_report([run, row], "2026-11-01", "2026-12-01")


def test_csv(report: ComplianceReport, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write_report(report, path, ["var/journal"])
    with path.open() as file:
        trading, engine = csv.DictReader(file)
    assert tuple(trading) == COLUMNS
    assert (trading["section"], engine["section"]) == ("trading", "engine")
    assert trading["period_from"] == engine["period_from"] == "2026-11-01"
    assert trading["notional"] == "802470312592.5030456780"
    assert (trading["fees"], trading["net_pnl"], trading["mode"]) == ("0.5", "-1.75", "paper")
    assert (trading["runs"], engine["runs"], engine["fills"]) == ("", "1", "")


def read_sheet(path: Path, number: int) -> list[list[str]]:
    """Cells of a sheet as text, with the module of the standard library that reads XML."""
    with zipfile.ZipFile(path) as archive:
        strings = [
            "".join(node.text or "" for node in item.iter(f"{SPACE}t"))
            for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
        ]
        sheet = ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))
    rows = []
    for row in sheet.iter(f"{SPACE}row"):
        cells = []
        for cell in row:
            value = cell.findtext(f"{SPACE}v", "")
            assert cell.find(f"{SPACE}f") is None, "a formula"
            cells.append(strings[int(value)] if cell.get("t") == "s" else value)
        rows.append(cells)
    return rows


def test_xlsx(report: ComplianceReport, tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    path = tmp_path / "r.xlsx"
    write_report(report, path, ["var/journal"])
    about, (head, line), (_, engine) = (read_sheet(path, number) for number in (1, 2, 3))
    assert ["journal", "var/journal"] in about
    assert ["period from", "2026-11-01"] in about
    assert any("not legal advice" in cells[1] for cells in about)
    found = dict(zip(head, line, strict=True))
    assert found["notional"] == "802470312592.5030456780", "as text: a number would be rounded"
    assert found["bought"] == "12345678.12345678", "sixteen digits: as text too"
    assert (Decimal(found["fees"]), Decimal(found["net_pnl"])) == (Decimal("0.5"), Decimal("-1.75"))
    assert (found["mode"], found["is_overridden"]) == ("paper", "false")
    assert found["strategy"] == "=HYPERLINK(1)", "never a formula"
    assert engine[4:6] == ["one", "1"]


def test_other_names_and_files_that_are_there(report: ComplianceReport, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use a name that ends in \.csv or \.xlsx"):
        write_report(report, tmp_path / "r.pdf", [])
    path = tmp_path / "r.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_report(report, path, [])
    assert path.read_text() == "mine"


def test_without_xlsxwriter(
    report: ComplianceReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(UsageError, match=r"XLSX needs XlsxWriter: .*--group report"):
        write_report(report, tmp_path / "r.xlsx", [])
    assert not (tmp_path / "r.xlsx").exists()
