"""``wow-engine journal``: shows, follows, checks, counts and exports what an engine recorded."""

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.exit_codes import ExitCode
from engine.runs.journal_report import print_figures
from ext.errors import UsageError
from journal.directory import stored_bytes
from journal.entries import Entry
from journal.fields import KINDS
from journal.follow import Follower
from journal.lines import human_line, json_line
from journal.parquet import export_parquet
from journal.reader import read_entries
from journal.ring_entries import ring_entries
from journal.run import LATEST, Run, choose_run, load_run, parse_time, run_of_memory
from journal.selection import Selection, select
from journal.shared_reader import SharedReader
from journal.statistics import gather_figures
from journal.verification import verify_journal

FOLLOW_SECONDS = 0.2
DEFAULT_TAIL = 10


def main(arguments: Sequence[str]) -> int:
    """Runs the command: ``ExitCode.OK``, or ``DIFFERENCES`` when ``verify`` found damage.

    Raises:
        RecordingError: the journal cannot be read: which file, which byte.
        UsageError: an option that means nothing here.
        ConfigError: shared memory that cannot be read.
    """
    options = _make_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.function
    try:
        return command(options)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"{error.filename or options.command}: {error.strerror}") from error


def _cat(options: argparse.Namespace) -> int:
    if options.shared_memory is not None:
        reader = SharedReader(options.shared_memory)
        run = run_of_memory(reader)
        entries = ring_entries(reader)
    elif options.directory is None:
        raise UsageError("give the journal's directory, or --shared-memory FILE of a dead engine")
    else:
        run, selection = _open(options)
        entries = read_entries(
            options.directory,
            run.start_time_ns,
            with_market=selection.may_be_market,
            from_ns=selection.from_ns,
            to_ns=selection.to_ns,
            allow_gaps=True,
        )
    _write(_selection(options, run).apply(entries), run, options)
    return ExitCode.OK


def _tail(options: argparse.Namespace) -> int:
    run, selection = _open(options)
    follower = Follower(options.directory, run.start_time_ns, with_market=selection.may_be_market)
    last = deque(selection.apply(follower.take()), maxlen=options.lines)
    _write(iter(last), run, options)
    try:
        while options.follow:
            time.sleep(FOLLOW_SECONDS)  # tidy-ok: the relay is another process
            _write(selection.apply(follower.take()), run, options)
    except KeyboardInterrupt:
        pass  # how one ends it
    return ExitCode.OK


def _verify(options: argparse.Namespace) -> int:
    start = None if options.run == "all" else choose_run(options.directory, options.run)
    if start is None:
        choose_run(options.directory, LATEST)  # complains when there is nothing to verify
    total = sum(stored_bytes(options.directory, start).values())
    damaged = count = records = 0
    with _progress("verify", total) as advance:
        for check in verify_journal(options.directory, start):
            count += 1
            records += check.records
            damaged += bool(check.problem)
            note = f" ({check.note})" if check.note else ""
            if check.problem:
                _say(f"DAMAGED {check.problem}")
            else:
                _say(f"OK {check.path} {check.records} records{note}")
            advance(check.stored_bytes)
    _say(f"{count} files, {records} records, {damaged or 'none'} damaged")
    return ExitCode.DIFFERENCES if damaged else ExitCode.OK


def _stats(options: argparse.Namespace) -> int:
    run, _ = _open(options)
    total = sum(stored_bytes(options.directory, run.start_time_ns).values())
    with _progress("stats", total) as advance:
        figures = gather_figures(options.directory, run.start_time_ns, advance)
    if options.json:
        data = {"run_ns": run.start_time_ns, "engine": run.engine, "mode": run.mode}
        sys.stdout.write(orjson.dumps({**data, "streams": figures}).decode() + "\n")
    else:
        print_figures(run, figures, Console())
    return ExitCode.OK


def _export(options: argparse.Namespace) -> int:
    run, selection = _open(options)
    entries = read_entries(
        options.directory,
        run.start_time_ns,
        with_market=selection.may_be_market,
        from_ns=selection.from_ns,
        to_ns=selection.to_ns,
        allow_gaps=True,
    )
    if options.force:
        options.file.unlink(missing_ok=True)
    if options.file.exists():
        raise UsageError(f"{options.file} is there already; use --force to replace it")
    with _progress("export", None) as advance:
        count = export_parquet(selection.apply(entries), run, options.file, advance)
    _say(f"{options.file}: {count} records of run {run.start_time_ns}")
    return ExitCode.OK


def _open(options: argparse.Namespace) -> tuple[Run, Selection]:
    run = load_run(options.directory, choose_run(options.directory, options.run))
    return run, _selection(options, run)


def _selection(options: argparse.Namespace, run: Run) -> Selection:
    def moment(text: str | None) -> int | None:
        return None if text is None else parse_time(text, run.start_time_ns)

    return select(
        run,
        kinds=getattr(options, "kind", ()),
        instruments=getattr(options, "instrument", ()),
        strategies=getattr(options, "strategy", ()),
        order_number=getattr(options, "order", 0),
        from_ns=moment(getattr(options, "from_time", None)),
        to_ns=moment(getattr(options, "to_time", None)),
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write(entries: Iterator[Entry], run: Run, options: argparse.Namespace) -> None:
    for entry in entries:
        if options.json:
            line = json_line(entry, run)
        else:
            line = human_line(entry, run, is_whole=options.whole)
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def _progress(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal: of bytes, or of records without an end."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
    )
    is_shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not is_shown) as progress:
        task = progress.add_task(name, total=total)
        yield lambda amount: progress.advance(task, amount)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-engine journal",
        description="Shows, follows, checks, counts and exports what an engine recorded.",
        epilog="Exit status: 0 done, 1 `verify` found damage, 2 wrong words or a journal that"
        " cannot be read. docs/journal-format.md has the format.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cat = _command(commands, "cat", _cat, "print records, one a line", "?")
    cat.add_argument(
        "--shared-memory",
        type=Path,
        metavar="FILE",
        help="of the rings of an engine, dead or alive, in place of a journal",
    )
    tail = _command(commands, "tail", _tail, "print the last records")
    tail.add_argument("-n", dest="lines", type=_count, default=DEFAULT_TAIL, metavar="N")
    tail.add_argument("-f", "--follow", action="store_true", help="go on as they are written")
    for each in (cat, tail):
        _add_filters(each)
        each.add_argument("--json", action="store_true", help="one object a line")
        each.add_argument("--whole", action="store_true", help="do not cut long payloads")
    verify = _command(commands, "verify", _verify, "read every byte and say what is damaged")
    verify.set_defaults(run="all")
    stats = _command(commands, "stats", _stats, "count records, bytes, rates, pauses, losses")
    stats.add_argument("--json", action="store_true", help="one object")
    export = _command(commands, "export", _export, "write a Parquet file")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--force", action="store_true", help="replace FILE")
    _add_filters(export)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
    count: str | None = None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", nargs=count)
    parser.add_argument(
        "--run",
        default=LATEST,
        help="latest, -2 (the one before), all (verify), or the beginning of its start time",
    )
    parser.set_defaults(function=function)
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which records; all that are given must hold")
    kinds = ", ".join(name.lower() for name in KINDS.values())
    group.add_argument("--kind", action="append", default=[], help=f"may be repeated: {kinds}")
    group.add_argument("--instrument", action="append", default=[], metavar="SYMBOL")
    group.add_argument("--strategy", action="append", default=[], metavar="NAME")
    group.add_argument("--order", type=_count, default=0, metavar="NUMBER")
    group.add_argument(
        "--from", dest="from_time", metavar="TIME", help="2026-11-20T13:00:00, 13:00:00, or ns"
    )
    group.add_argument("--to", dest="to_time", metavar="TIME", help="up to, not including")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"was {text!r}; use a whole number from 0")
    return int(text)
