"""The regression gate: what a change must not make worse, judged by what noise cannot reach.

1. Allocations of a tick: none. Exact, so it judges by itself.
2. Instructions of each operation: within MAX_GROWTH of the committed baseline. Exact for one
   toolchain; with another one the counts are shown and not judged.
3. Times against the merge base, in turns: refused is what is slower by more than MAX_RATIO in every
   round. Absolute times judge nothing.

A part that cannot judge says why and is skipped; it does not pass silently.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.arc import DECODERS
from bench.base_build import NoBase, build_base, find_merge_base
from bench.compare import Comparison, compare, make_comparison_table
from bench.harness import BenchmarkError, Size, run_benchmark
from bench.instruction_counts import (
    MAX_GROWTH,
    Change,
    CountingUnavailable,
    Row,
    count_instructions,
    describe_toolchain,
    judge_counts,
    read_baseline,
)
from bench.rendered_frames import RENDERERS
from bench.suite import BENCHMARKS

MAX_RATIO = 1.10
ROUNDS = 3
COMPARED = ("tick_to_order", "decode", "book", "fix_encode", "fix_decode")

_REFUSED = (Change.MORE, Change.GONE)

Progress = Callable[[str], None]


class State(Enum):
    """How a part of the gate ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    SKIPPED = "skipped"


class Part(NamedTuple):
    """One part of the gate, with the words and the table that go with its end."""

    name: str
    state: State
    text: str
    table: Table | None = None


def run_gate(console: Console, on_progress: Progress) -> bool:
    """Runs all parts and shows each as it ends; whether none failed."""
    parts = []
    for check in (check_allocations, check_instructions, check_against_base):
        part = check(on_progress)
        parts.append(part)
        if part.table is not None:
            console.print(part.table)
        line = f"{part.name}: {part.state.value}: {part.text}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return all(part.state is not State.FAILED for part in parts)


def check_allocations(on_progress: Progress) -> Part:
    """Every figure of the benchmark of allocations has to reach its goal."""
    try:
        figures = list(run_benchmark(BENCHMARKS["allocations"], Size.SMOKE, 1, on_progress))
    except BenchmarkError as error:
        return Part("allocations", State.FAILED, str(error))
    short = [figure for figure in figures if figure.holds is not True]
    text = ", ".join(
        f"{figure.trial.name} {figure.outcomes[0].value:g} {figure.trial.unit}"
        f" (goal {figure.trial.goal_text or 'missing'})"
        for figure in short or figures
    )
    return Part("allocations", State.FAILED if short or not figures else State.PASSED, text)


def check_instructions(on_progress: Progress) -> Part:
    """The counts of this build against the committed ones."""
    on_progress("instructions: count under callgrind")
    try:
        baseline = read_baseline()
        counted = count_instructions()
        here = describe_toolchain()
    except CountingUnavailable as error:
        return Part("instructions", State.SKIPPED, str(error))
    except BenchmarkError as error:
        return Part("instructions", State.FAILED, str(error))
    rows = judge_counts(baseline.instructions, counted)
    part = judge_instructions(rows, baseline.toolchain, here)
    uncounted = sorted(DECODERS.keys() - RENDERERS.keys())
    if uncounted:
        text = f"{part.text}; no frames to count with: decode.{', decode.'.join(uncounted)}"
        part = part._replace(text=text)
    return part


def judge_instructions(
    rows: Sequence[Row], toolchain: dict[str, str], here: dict[str, str]
) -> Part:
    """The part's end; counts of another toolchain are shown and not judged."""
    table = make_count_table(rows)
    other = [
        f"{name} was {toolchain.get(name, 'unknown')}, is {here.get(name, 'unknown')}"
        for name in {**toolchain, **here}
        if toolchain.get(name) != here.get(name)
    ]
    if other:
        text = (
            f"the baseline was counted with another toolchain ({'; '.join(other)}); where this one"
            " is to be the rule, wow-bench gate --write-baseline takes its counts"
        )
        return Part("instructions", State.SKIPPED, text, table)
    refused = [row for row in rows if row.change in _REFUSED]
    if refused:
        text = (
            f"{', '.join(_describe(row) for row in refused)}; the limit is {MAX_GROWTH}x. Where it"
            " is worth that, wow-bench gate --write-baseline and a commit that says why"
        )
        return Part("instructions", State.FAILED, text, table)
    text = f"{len(rows)} operations within {MAX_GROWTH}x of the baseline"
    stale = [row.name for row in rows if row.change is not Change.SAME]
    if stale:
        text += f"; wow-bench gate --write-baseline keeps what changed: {', '.join(stale)}"
    return Part("instructions", State.PASSED, text, table)


def _describe(row: Row) -> str:
    return f"{row.name} {row.change.value}" if row.ratio is None else f"{row.name} {row.ratio:.3f}x"


def make_count_table(rows: Sequence[Row]) -> Table:
    """One row for each operation."""
    table = Table("operation", "baseline", "now", "now ÷ baseline", "", title="instructions")
    for column in table.columns[1:4]:
        column.justify = "right"
    for row in rows:
        table.add_row(
            row.name,
            "" if row.baseline is None else f"{row.baseline:,.1f}",
            "" if row.counted is None else f"{row.counted:,.1f}",
            "" if row.ratio is None else f"{row.ratio:.4f}",
            row.change.value,
        )
    return table


def check_against_base(on_progress: Progress) -> Part:
    """Our contenders against those of the merge base."""
    name = "against the merge base"
    try:
        base = build_base(find_merge_base(), on_progress)
        comparisons, missing = compare(base, COMPARED, Size.REAL, ROUNDS, on_progress)
    except NoBase as error:
        return Part(name, State.SKIPPED, str(error))
    except BenchmarkError as error:
        return Part(name, State.FAILED, str(error))
    part = judge_comparisons(comparisons)
    if missing:
        part = part._replace(text=f"{part.text}; the base has no {', '.join(missing)}")
    return part._replace(name=name)


def judge_comparisons(comparisons: Sequence[Comparison]) -> Part:
    """Refuses what was slower than MAX_RATIO in every round, where both did the same work."""
    judged = [each for each in comparisons if each.ratios and each.is_same_work]
    table = make_comparison_table(comparisons)
    if not judged:
        return Part("comparison", State.SKIPPED, "no figure with the same work in both", table)
    slower = [each for each in judged if min(each.ratios) > MAX_RATIO]
    if slower:
        text = ", ".join(f"{each.name} {each.ratio:.3g}x" for each in slower)
        text = f"slower than {MAX_RATIO}x in each of {len(slower[0].ratios)} rounds: {text}"
        return Part("comparison", State.FAILED, text, table)
    text = f"{len(judged)} figures, none slower than {MAX_RATIO}x in every round"
    return Part("comparison", State.PASSED, text, table)
