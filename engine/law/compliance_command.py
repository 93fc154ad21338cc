"""``wow-engine compliance``: reports of a period from the journals of one or several engines."""

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from engine.exit_codes import ExitCode
from engine.law.compliance import make_report
from engine.law.compliance_file import write_report
from engine.runs.trades_command import add_period, read_period
from ext.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Runs the command line.

    Raises:
        RecordingError: a journal is damaged or has a hole.
        UsageError: an option that means nothing here, or a file that is there already.
    """
    options = _make_parser().parse_args(arguments)
    journals: list[Path] = options.journal
    if len({journal.resolve() for journal in journals}) != len(journals):
        raise UsageError("--journal names the same directory twice: its trades would count double")
    period = options.from_time, options.to_time
    rows = chain.from_iterable(read_period(journal, *period) for journal in journals)
    report = make_report(rows, options.from_time or "", options.to_time or "")
    try:
        write_report(report, options.out, [str(journal) for journal in journals])
    except OSError as error:
        raise UsageError(f"--out {options.out}: {error.strerror}") from error
    fills = sum(int(line["fills"]) for line in report.trading)
    modes = ", ".join(dict.fromkeys(line["mode"] for line in report.engines)) or "none"
    said = f"{options.out}: {len(report.trading)} lines of {fills} fills; modes: {modes}"
    sys.stdout.write(said + "\n")
    return ExitCode.OK


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-engine compliance",
        description="Reports of what was traded. docs/compliance.md explains the figures.",
        epilog="Exit status: 0 done, 2 wrong words, a file that is there already, or a journal"
        " that cannot be read whole.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "volume, P&L, fees, rejects and kills of a period by mode, jurisdiction and venue"
    report = commands.add_parser("report", help=text, description=text, allow_abbrev=False)
    report.add_argument(
        "--journal",
        type=Path,
        action="append",
        required=True,
        metavar="DIRECTORY",
        help="may be repeated",
    )
    add_period(report)
    report.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a new file, .csv or .xlsx"
    )
    return parser
