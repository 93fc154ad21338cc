"""``wow-bench``: measures, says on what and against what, and judges."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson
from rich.console import Console
from rich.table import Table

from bench.base_build import build_base, resolve_commit
from bench.compare import compare, make_comparison_table
from bench.gate import run_gate
from bench.harness import (
    DEFAULT_ROUNDS,
    MAX_ROUNDS,
    SMOKE_ROUNDS,
    Benchmark,
    BenchmarkError,
    Figure,
    Size,
    Trial,
    run_benchmark,
)
from bench.instruction_counts import BASELINE, count_instructions, write_baseline
from bench.machine import describe_machine
from bench.report import make_goal_table, make_json, make_page, make_table
from bench.suite import BENCHMARKS
from ext.errors import WowError

RESULTS = Path(__file__).parent / "RESULTS.md"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "latency.svg"

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class Progress(Protocol):
    """Takes one line about what is being done now."""

    def __call__(self, text: str, /) -> None:
        """Shows it."""


class Results(NamedTuple):
    """What was measured, by benchmark, and what could not be measured."""

    machine: dict[str, str]
    groups: list[tuple[Benchmark, list[Figure]]]
    failures: list[str]

    @property
    def figures(self) -> list[Figure]:
        """All of them, in order."""
        return [figure for _, each in self.groups for figure in each]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 a benchmark failed or falls short, 2 a command line of no use."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    options = _make_parser().parse_args(typed)
    problem = _problem(options)
    if problem:
        sys.stderr.write(f"wow-bench: {problem}\n")
        return EXIT_USAGE
    options.typed = ["wow-bench", *typed]
    command: Callable[[argparse.Namespace], int] = options.function
    try:
        return command(options)
    except WowError as error:
        sys.stderr.write(f"wow-bench: {error}\n")
        return EXIT_FAILED


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wow-bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and what each measures").set_defaults(function=_list)

    run = commands.add_parser("run", help="run benchmarks, all of them by default")
    run.set_defaults(function=_run)
    _add_names(run)
    _add_measuring(run, DEFAULT_ROUNDS)
    run.add_argument(
        "--write-results",
        action="store_true",
        help=f"write {RESULTS.name} beside the benchmarks, and docs/images/{PICTURE.name}",
    )

    goals = commands.add_parser("goals", help="measure what has a goal, and judge it")
    goals.set_defaults(function=_goals)
    _add_measuring(goals, DEFAULT_ROUNDS)

    peers = commands.add_parser("peers", help="measure what somebody else's code does too")
    peers.set_defaults(function=_peers)
    _add_measuring(peers, DEFAULT_ROUNDS)

    compare = commands.add_parser("compare", help="ours against another revision, in turns")
    compare.set_defaults(function=_compare)
    compare.add_argument("base", metavar="BASE", help="git revision; it is built under build/base")
    _add_names(compare)
    _add_measuring(compare, DEFAULT_ROUNDS)

    gate = commands.add_parser("gate", help="refuse a change that makes the hot path worse")
    gate.set_defaults(function=_gate)
    gate.add_argument(
        "--write-baseline",
        action="store_true",
        help=f"count instructions and write {BASELINE.name} anew; judges nothing",
    )
    return parser


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="see wow-bench list")


def _add_measuring(parser: argparse.ArgumentParser, rounds: int) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of the table")
    parser.add_argument("--smoke", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"turns of every contender, 1 to {MAX_ROUNDS}; {rounds} by default",
    )


def _problem(options: argparse.Namespace) -> str:
    for name in getattr(options, "names", ()):
        if name not in BENCHMARKS:
            near = difflib.get_close_matches(name, BENCHMARKS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(BENCHMARKS)}"
            return f"there is no benchmark {name!r}; {hint}"
    rounds = getattr(options, "rounds", None)
    if rounds is not None and not 1 <= rounds <= MAX_ROUNDS:
        return f"--rounds was {rounds}; use a whole number from 1 to {MAX_ROUNDS}"
    if getattr(options, "write_results", False) and (options.smoke or options.names):
        return "--write-results is for all benchmarks at real sizes; leave out names and --smoke"
    return ""


def _list(options: argparse.Namespace) -> int:
    table = Table("name", "measures")
    for benchmark in BENCHMARKS.values():
        table.add_row(benchmark.name, benchmark.summary)
    Console().print(table)
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    results = _measure(options, lambda trial: True)
    _show(options, results, make_table(results.figures))
    if options.write_results and not results.failures:
        _write_results(results)
    return _finish(results)


def _write_results(results: Results) -> None:
    # Not at the top: nothing else needs it, and it takes a second to import.
    from bench.picture import make_picture

    machine = results.machine
    RESULTS.write_text(make_page(machine, results.groups), "utf-8")
    caption = ", ".join(machine[name] for name in ("cpu", "date", "revision"))
    picture = make_picture(results.figures, caption)
    if picture:
        PICTURE.write_text(picture, "utf-8")


def _goals(options: argparse.Namespace) -> int:
    results = _measure(options, lambda trial: trial.goal is not None)
    _show(options, results, make_goal_table(results.figures))
    short = [figure.trial.name for figure in results.figures if figure.holds is False]
    if short:
        sys.stderr.write(f"wow-bench: short of the goal: {', '.join(short)}\n")
    return max(_finish(results), EXIT_FAILED if short else EXIT_OK)


def _peers(options: argparse.Namespace) -> int:
    results = _measure(options, lambda trial: trial.has_peers)
    _show(options, results, make_table(results.figures))
    return _finish(results)


def _compare(options: argparse.Namespace) -> int:
    size = Size.SMOKE if options.smoke else Size.REAL
    rounds = options.rounds or (SMOKE_ROUNDS if options.smoke else DEFAULT_ROUNDS)
    commit = resolve_commit(options.base)
    machine = describe_machine(options.typed) | {"base": commit}
    with _progress() as show:
        base = build_base(commit, show)
        comparisons, missing = compare(base, options.names, size, rounds, show)
    if options.json:
        document = {
            "machine": machine,
            "missing": missing,
            "comparisons": [each.record() for each in comparisons],
        }
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(machine, make_comparison_table(comparisons))
    if missing:
        sys.stderr.write(f"wow-bench: not in the base: {', '.join(missing)}\n")
    return EXIT_OK


def _gate(options: argparse.Namespace) -> int:
    with _progress() as show:
        if not options.write_baseline:
            return EXIT_OK if run_gate(_make_console(), show) else EXIT_FAILED
        show("instructions: count under callgrind")
        counted = count_instructions()
    write_baseline(counted)
    for name, count in counted.items():
        sys.stdout.write(f"{name}: {count:,.1f} instructions\n")
    sys.stdout.write(f"written: {BASELINE}\n")
    return EXIT_OK


def _measure(options: argparse.Namespace, select: Callable[[Trial], bool]) -> Results:
    size = Size.SMOKE if options.smoke else Size.REAL
    rounds = options.rounds or (SMOKE_ROUNDS if options.smoke else DEFAULT_ROUNDS)
    results = Results(describe_machine(options.typed), [], [])
    with _progress() as show:
        for name in dict.fromkeys(getattr(options, "names", ()) or BENCHMARKS):
            figures: list[Figure] = []
            try:
                figures.extend(run_benchmark(BENCHMARKS[name], size, rounds, show, select))
            except BenchmarkError as error:  # the others are still worth knowing
                results.failures.append(str(error))
            results.groups.append((BENCHMARKS[name], figures))
    return results


def _show(options: argparse.Namespace, results: Results, table: Table) -> None:
    if options.json:
        sys.stdout.write(make_json(results.machine, results.figures).decode() + "\n")
    else:
        _print(results.machine, table)
    absent = {peer.package for figure in results.figures for peer in figure.trial.absent}
    if absent:
        sys.stderr.write(f"not installed: {', '.join(sorted(absent))}; use make peers\n")


def _print(machine: dict[str, str], table: Table) -> None:
    console = _make_console()
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(table)


def _make_console() -> Console:
    # A pipe has no width; a table that is cut is of no use.
    return Console() if sys.stdout.isatty() else Console(width=160)


def _finish(results: Results) -> int:
    for failure in results.failures:
        sys.stderr.write(f"wow-bench: {failure}\n")
    return EXIT_FAILED if results.failures else EXIT_OK


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    with console.status("") as status:
        yield lambda text: status.update(text)
