"""Figures for people and for programs: a table, JSON, and the results page."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from rich.table import Table

from bench.goal import Quantity, Verdict
from bench.harness import Benchmark, Figure, Outcome

COLUMNS = ("p50", "p90", "p99", "p999", "max")
HEADINGS = ("contender", "value", "p50", "p90", "p99", "p99.9", "max", "ours ÷ this")

HOLDS = {True: "holds", False: "falls short", None: "open: peer absent"}

_SCALES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def format_value(value: float, unit: str) -> str:
    """A value with its unit; nanoseconds become µs, ms or s where that reads better."""
    if unit == "ns":
        for scale, name in _SCALES:
            if value >= scale:
                return (
                    f"{value / scale:.3g} {name}"
                    if value < 100 * scale
                    else (f"{value / scale:.0f} {name}")
                )
        return f"{value:.3g} ns"
    return f"{value:g} {unit}"


def make_json(machine: dict[str, str], figures: Sequence[Figure]) -> bytes:
    """The machine and one object for each figure."""
    document: dict[str, Any] = {
        "machine": machine,
        "figures": [figure.record() for figure in figures],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def make_table(figures: Sequence[Figure]) -> Table:
    """One row for each contender, a section for each figure."""
    table = Table("figure", *HEADINGS, title="value: median of the rounds")
    for heading in range(2, 2 + len(HEADINGS) - 1):
        table.columns[heading].justify = "right"
    for figure in figures:
        name = figure.trial.name
        for cells in _rows(figure):
            table.add_row(name, *cells)
            name = ""
        table.add_section()
    return table


def make_goal_table(figures: Sequence[Figure]) -> Table:
    """One row for each clause of each goal, a section for each figure."""
    table = Table("figure", "goal", "measured", "holds", title="goals, as measured now")
    for figure in figures:
        name = figure.trial.name
        for verdict in figure.verdicts():
            table.add_row(
                name,
                verdict.clause.text(figure.trial.unit),
                _measured(verdict, figure.trial.unit),
                HOLDS[verdict.holds],
            )
            name = ""
        table.add_section()
    return table


def _measured(verdict: Verdict, unit: str) -> str:
    if verdict.measured is None:
        return "nothing"
    if verdict.clause.quantity is Quantity.VALUE:
        return format_value(verdict.measured, unit)
    return f"{verdict.measured:.3g}x"


def make_page(
    machine: dict[str, str], results: Sequence[tuple[Benchmark, Sequence[Figure]]]
) -> str:
    """The results page in Markdown."""
    lines = [
        "# Results",
        "",
        "Written by `wow-bench run --write-results`; [how to read them](../docs/benchmarking.md).",
        "A value is the median over the rounds; percentiles are over the samples of all rounds.",
        "Absolute times belong to this machine; ratios travel better.",
        "",
        "![Latency percentiles, one curve for each contender](../docs/images/latency.svg)",
        "",
        *(f"- {name}: {value}" for name, value in machine.items()),
    ]
    for benchmark, figures in results:
        lines += [
            "",
            f"## {benchmark.name}",
            "",
            f"{benchmark.summary[0].upper()}{benchmark.summary[1:]}.",
        ]
        for figure in figures:
            lines += ["", *_markdown(figure)]
    return "\n".join(lines) + "\n"


def _markdown(figure: Figure) -> Iterator[str]:
    trial, ours = figure.trial, figure.outcomes[0]
    goal = f"; goal: {trial.goal_text}, {HOLDS[figure.holds]}" if trial.goal else ""
    yield f"**{trial.name}** ({ours.operations:,} samples in {figure.rounds} rounds{goal})"
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"| --- |{' ---: |' * (len(HEADINGS) - 1)}"
    for cells in _rows(figure):
        yield f"| {' | '.join(cells)} |"


def _rows(figure: Figure) -> Iterator[list[str]]:
    unit = figure.trial.unit
    for outcome in figure.outcomes:
        percentiles = outcome.percentiles()
        cells = [format_value(percentiles[name], unit) if percentiles else "" for name in COLUMNS]
        yield [
            outcome.name,
            format_value(outcome.value, unit),
            *cells,
            _ratio(figure, outcome),
        ]


def _ratio(figure: Figure, outcome: Outcome) -> str:
    ratio = figure.ratio_to(outcome)
    if outcome is figure.outcomes[0] or ratio is None:
        return ""
    p99_ratio = figure.p99_ratio_to(outcome)
    return f"{ratio:.2g}x" if p99_ratio is None else f"{ratio:.2g}x (p99 {p99_ratio:.2g}x)"
