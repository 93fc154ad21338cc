"""``wow-engine verify FILE``: does the engine rebuild the books of a recording rightly?"""

import argparse
import sys
from collections.abc import Sequence

import orjson
from rich.console import Console

from engine.exit_codes import ExitCode
from engine.reference.verification import verify_recording
from engine.reference.verification_report import print_report
from feeds.recording import Recording
from feeds.recording_survey import VENUES

REPORT_WIDTH = 130  # the tables need it; a narrower terminal wraps rather than loses digits


def main(arguments: Sequence[str]) -> int:
    """Runs the command: ``ExitCode.OK``, or ``DIFFERENCES`` when there is any.

    Raises:
        RecordingError: the recording cannot be read.
        UsageError: a product that is not in it.
    """
    options = _make_parser().parse_args(arguments)
    symbols = [text for text in options.products.split(",") if text]
    is_shown = sys.stderr.isatty()
    progress_console = Console(stderr=True)

    def show_progress(done: int, total: int) -> None:
        line = f"verify: {done:,} of {total:,} frames ({100 * done // max(total, 1)} %)"
        progress_console.print(line, end="\r" if is_shown else "\n", highlight=False)

    report = verify_recording(
        Recording(options.file),
        venue=options.venue,
        symbols=symbols,
        every=options.every,
        on_progress=show_progress,
    )
    if options.json:
        sys.stdout.write(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        terminal = Console()
        print_report(report, Console(width=max(terminal.width, REPORT_WIDTH)))
    return ExitCode.DIFFERENCES if report.differences else ExitCode.OK


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-engine verify",
        description="Rebuilds the books of a recording with the engine's decoder and book and with"
        " a slow reference, and compares every level of every book that a frame touched.",
        epilog="Exit status: 0 no difference, 1 differences, 2 the recording cannot be used.",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the recording: plain, gzip or xz")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--venue", choices=VENUES, help="default: told from the content")
    parser.add_argument(
        "--products", default="", metavar="A,B", help="compare these only; default: all"
    )
    parser.add_argument(
        "--every",
        type=_positive,
        default=1,
        metavar="N",
        help="compare after every N frames and at the end; default: 1",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"was {text!r}; use a whole number from 1")
    return int(text)
