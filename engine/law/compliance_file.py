"""The compliance report as a file: CSV, or XLSX (with XlsxWriter, the group ``report``)."""

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.law.compliance import (
    ENGINE_FIGURES,
    ENGINE_KEYS,
    TRADING_FIGURES,
    TRADING_KEYS,
    ComplianceReport,
    Line,
)
from engine.law.jurisdiction import DISCLAIMER
from ext.errors import UsageError
from journal.trade_export import write_new

EXACT_DIGITS = 15  # of a number in a spreadsheet; one with more is written as text
SECTION = "section"
PERIOD = ("period_from", "period_to")
COLUMNS = (
    SECTION,
    *PERIOD,
    *TRADING_KEYS,
    *(name for name, _ in TRADING_FIGURES),
    *(name for name, _ in ENGINE_FIGURES),
)
NOTES = (
    "Sums of the trade records of the journals below. Figures of two modes, sites, venues or"
    " currencies are never added up. Times are UTC; the period is half open: from, and up to.",
    "P&L is realised, by average cost, in the quote currency; open positions are not in it.",
    f"The ruling of the jurisdiction table is {DISCLAIMER}.",
)


def write_report(report: ComplianceReport, path: Path, sources: list[str]) -> None:
    """Writes a new file of the kind that its name ends with; ``sources`` are the journals.

    UsageError for another kind or a missing library, OSError when the file cannot be made.
    """
    kinds: dict[str, Callable[[ComplianceReport, Any, list[str]], None]] = {
        ".csv": _fill_csv,
        ".xlsx": _fill_xlsx,
    }
    fill = kinds.get(path.suffix.lower())
    if fill is None:
        raise UsageError(f"--out was {path}; use a name that ends in {' or '.join(kinds)}")
    write_new(path, lambda file: fill(report, file, sources))


def _fill_csv(report: ComplianceReport, file: Any, _: list[str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for section, lines in (("trading", report.trading), ("engine", report.engines)):
        for line in lines:
            shown = {name: _show(value) for name, value in line.items()}
            period = dict(zip(PERIOD, (report.period_from, report.period_to), strict=True))
            writer.writerow({SECTION: section, **period, **shown})
    text.flush()
    text.detach()


def _fill_xlsx(report: ComplianceReport, file: Any, sources: list[str]) -> None:
    workbook = _import_xlsxwriter().Workbook(file, {"in_memory": True})
    head = workbook.add_format({"bold": True, "bottom": 1})
    about = workbook.add_worksheet("about")
    about.set_column(0, 0, 24)
    about.set_column(1, 1, 100)
    for index, (name, value) in enumerate(_about(report, sources)):
        about.write_string(index, 0, name, head)
        about.write_string(index, 1, value)
    _add_sheet(workbook, head, "trading", TRADING_KEYS, TRADING_FIGURES, report.trading)
    _add_sheet(workbook, head, "engine", ENGINE_KEYS, ENGINE_FIGURES, report.engines)
    workbook.close()


def _about(report: ComplianceReport, sources: list[str]) -> Iterator[tuple[str, str]]:
    yield "period from", report.period_from or "the beginning"
    yield "period to", report.period_to or "the end"
    yield from (("journal", source) for source in sources)
    yield from (("note", note) for note in NOTES)
    yield from ((name, meaning) for name, meaning in (*TRADING_FIGURES, *ENGINE_FIGURES))


def _add_sheet(
    workbook: Any,
    head: Any,
    name: str,
    keys: tuple[str, ...],
    figures: tuple[tuple[str, str], ...],
    lines: list[Line],
) -> None:
    sheet = workbook.add_worksheet(name)
    columns = [*keys, *(figure for figure, _ in figures)]
    for column, title in enumerate(columns):
        sheet.write_string(0, column, title, head)
    for number, line in enumerate(lines, 1):
        for column, title in enumerate(columns):
            value = line[title]
            if isinstance(value, Decimal) and _is_exact_in_a_sheet(value):
                sheet.write_number(number, column, float(value))
            else:
                sheet.write_string(number, column, _show(value))
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(lines)), len(columns) - 1)
    sheet.set_column(0, len(columns) - 1, 14)


def _is_exact_in_a_sheet(value: Decimal) -> bool:
    digits = value.as_tuple().digits
    return len("".join(map(str, digits)).strip("0")) <= EXACT_DIGITS


def _show(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _import_xlsxwriter() -> Any:
    try:
        import xlsxwriter
    except ImportError:
        raise UsageError(
            "XLSX needs XlsxWriter: .venv/bin/pip install --group report, in the checkout;"
            " a name that ends in .csv needs nothing"
        ) from None
    return xlsxwriter
