"""``wow-bench``: runs the benchmarks and says what was measured, on what, and against what."""

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from bench.harness import (
    DEFAULT_ROUNDS,
    MAX_ROUNDS,
    SMOKE_ROUNDS,
    Benchmark,
    BenchmarkError,
    Figure,
    Size,
    run_benchmark,
)
from bench.machine import describe_machine
from bench.report import make_json, make_page, make_table
from bench.suite import BENCHMARKS
from ext.errors import WowError

RESULTS = Path(__file__).parent / "RESULTS.md"

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

Results = list[tuple[Benchmark, list[Figure]]]


class Progress(Protocol):
    """Takes one line about what is being done now."""

    def __call__(self, text: str, /) -> None:
        """Shows it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 a benchmark failed, 2 the command line cannot be used."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    options = _make_parser().parse_args(typed)
    if options.command == "list":
        _list()
        return EXIT_OK
    problem = _problem(options)
    if problem:
        sys.stderr.write(f"wow-bench: {problem}\n")
        return EXIT_USAGE
    try:
        return _run(options, ["wow-bench", *typed])
    except WowError as error:
        sys.stderr.write(f"wow-bench: {error}\n")
        return EXIT_FAILED


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wow-bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and what each measures")
    run = commands.add_parser("run", help="run benchmarks, all of them by default")
    run.add_argument("names", nargs="*", metavar="NAME", help="see wow-bench list")
    run.add_argument("--json", action="store_true", help="JSON on stdout instead of the table")
    run.add_argument("--smoke", action="store_true", help="small sizes: does it run at all?")
    run.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"turns of every contender, 1 to {MAX_ROUNDS}; {DEFAULT_ROUNDS} by default",
    )
    run.add_argument(
        "--write-results", action="store_true", help=f"write {RESULTS.name} beside the benchmarks"
    )
    return parser


def _problem(options: argparse.Namespace) -> str:
    for name in options.names:
        if name not in BENCHMARKS:
            near = difflib.get_close_matches(name, BENCHMARKS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(BENCHMARKS)}"
            return f"there is no benchmark {name!r}; {hint}"
    if options.rounds is not None and not 1 <= options.rounds <= MAX_ROUNDS:
        return f"--rounds was {options.rounds}; use a whole number from 1 to {MAX_ROUNDS}"
    if options.write_results and (options.smoke or options.names):
        return "--write-results is for all benchmarks at real sizes; leave out names and --smoke"
    return ""


def _list() -> None:
    table = Table("name", "measures")
    for benchmark in BENCHMARKS.values():
        table.add_row(benchmark.name, benchmark.summary)
    Console().print(table)


def _run(options: argparse.Namespace, command: list[str]) -> int:
    size = Size.SMOKE if options.smoke else Size.REAL
    rounds = options.rounds or (SMOKE_ROUNDS if options.smoke else DEFAULT_ROUNDS)
    machine = describe_machine(command)
    results: Results = []
    failures = []
    with _progress() as show:
        for name in dict.fromkeys(options.names or BENCHMARKS):
            figures: list[Figure] = []
            try:
                figures.extend(run_benchmark(BENCHMARKS[name], size, rounds, show))
            except BenchmarkError as error:  # the others are still worth knowing
                failures.append(str(error))
            results.append((BENCHMARKS[name], figures))
    _show(options, machine, results)
    for failure in failures:
        sys.stderr.write(f"wow-bench: {failure}\n")
    if options.write_results and not failures:
        RESULTS.write_text(make_page(machine, results), "utf-8")
    return EXIT_FAILED if failures else EXIT_OK


def _show(options: argparse.Namespace, machine: dict[str, str], results: Results) -> None:
    figures = [figure for _, each in results for figure in each]
    if options.json:
        sys.stdout.write(make_json(machine, figures).decode() + "\n")
        return
    # A pipe has no width; a table that is cut is of no use.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(make_table(figures))


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    with console.status("") as status:
        yield lambda text: status.update(text)
