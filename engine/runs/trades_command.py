"""``wow-engine trades``: the trade records of a journal, for research and for those who ask."""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.exit_codes import ExitCode
from ext.errors import RecordingError, UsageError
from journal.reader import run_starts
from journal.run import parse_time
from journal.trade_export import FORMATS, write_new, write_parquet, write_text
from journal.trade_record import read_trades
from journal.trade_schema import FILL, Row

EVENTS = ("fills", "all")


def main(arguments: Sequence[str]) -> int:
    """Runs the command line.

    Raises:
        RecordingError: the journal is damaged or has a hole.
        UsageError: an option that means nothing here, or a file that is there already.
    """
    options = _make_parser().parse_args(arguments)
    rows = read_period(options.journal, options.from_time, options.to_time)
    if options.events == "fills":
        rows = (row for row in rows if row["event"] == FILL)
    if options.out is None:
        if options.format == "parquet":
            raise UsageError("--format parquet needs --out FILE")
        write_text(rows, sys.stdout, options.format)
        return ExitCode.OK
    try:
        count = _write_file(rows, options.out, options.format)
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from error
    sys.stdout.write(f"{options.out}: {count} rows\n")
    return ExitCode.OK


def read_period(directory: Path, from_text: str | None, to_text: str | None) -> Iterator[Row]:
    """Rows of a journal between two times as an operator writes them; None: no bound.

    Raises RecordingError when there is no journal, UsageError for what is no time.
    """
    starts = run_starts(directory)
    if not starts:
        what = "holds no journal" if directory.is_dir() else "is no directory"
        raise RecordingError(f"{directory}: {what}; [journal] path of the config names it")

    def moment(text: str | None) -> int | None:
        return None if text is None else parse_time(text, starts[-1])

    return read_trades(directory, from_ns=moment(from_text), to_ns=moment(to_text))


def add_period(parser: argparse.ArgumentParser) -> None:
    """The options for a period."""
    parser.add_argument(
        "--from",
        dest="from_time",
        metavar="TIME",
        help="2026-11-20, 2026-11-20T13:00:00, or nanoseconds; UTC",
    )
    parser.add_argument("--to", dest="to_time", metavar="TIME", help="up to, not including")


def _write_file(rows: Iterator[Row], path: Path, form: str) -> int:
    if form == "parquet":
        return write_parquet(rows, path)
    count = 0

    def fill(file: Any) -> None:
        nonlocal count
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        count = write_text(rows, text, "csv" if form == "csv" else "json")
        text.flush()
        text.detach()

    write_new(path, fill)
    return count


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-engine trades",
        description="Writes the trade records of a journal: one row for each fill, or for each"
        " event of an order. docs/compliance.md explains the columns.",
        epilog="Exit status: 0 done, 2 wrong words, a file that is there already, or a journal"
        " that cannot be read whole.",
        allow_abbrev=False,
    )
    parser.add_argument("--journal", type=Path, required=True, metavar="DIRECTORY")
    add_period(parser)
    parser.add_argument("--format", choices=FORMATS, default="csv", help="default: csv")
    parser.add_argument(
        "--events", choices=EVENTS, default="fills", help="fills alone, or all; default: fills"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file; default: the output")
    return parser
