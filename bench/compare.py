"""This checkout against a base, in turns: A B A B, each turn a process of its own.

The ratio of a round is ours of that round divided by the base's, so that a slow minute of the
machine hits both. Of several rounds the smallest ratio says what no noise explains.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.table import Table

from bench.base_build import ROOT, NoBase
from bench.checkout import run_python
from bench.harness import BenchmarkError, Size
from bench.report import format_value

REPEATS = 3  # of a contender in a turn, whose best counts
TURN_TIMEOUT_SECONDS = 600  # all benchmarks at real size take a tenth of it

_PROGRAM = Path(__file__).with_name("measure_ours.py")

Turn = list[dict[str, Any]]
"""The figures that one process measured."""


class Comparison(NamedTuple):
    """One figure over all rounds; ``base_values`` is empty where the base has no such figure."""

    name: str
    unit: str
    our_values: tuple[float, ...]
    base_values: tuple[float, ...]
    is_same_work: bool

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours ÷ base, round by round; empty where that means nothing."""
        if not self.base_values or not all(self.base_values):
            return ()
        return tuple(o / b for o, b in zip(self.our_values, self.base_values, strict=True))

    @property
    def ratio(self) -> float | None:
        """Median of the rounds' ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    def record(self) -> dict[str, Any]:
        """The comparison as one JSON object."""
        return {
            "name": self.name,
            "unit": self.unit,
            "values": list(self.our_values),
            "base_values": list(self.base_values),
            "ratios": list(self.ratios),
            "ratio": self.ratio,
            "is_same_work": self.is_same_work,
        }


def compare(
    base: Path,
    names: Sequence[str],
    size: Size,
    rounds: int,
    on_progress: Callable[[str], None] = lambda text: None,
) -> tuple[list[Comparison], list[str]]:
    """The comparisons of the benchmarks ``names`` (empty: all of ours), and which of them the
    base does not have.

    Raises:
        NoBase: the base's benchmarks do not run.
        BenchmarkError: ours do not.
    """
    try:
        known = _run(base)
    except BenchmarkError as error:
        raise NoBase(f"the base has no benchmarks that run here: {error}") from error
    wanted = list(names) or _run(ROOT)
    shared = [name for name in wanted if name in known]
    missing = [name for name in wanted if name not in known]
    ours: list[Turn] = []
    theirs: list[Turn] = []
    arguments = [str(REPEATS), size.value, *shared]
    for number in range(1, rounds + 1) if shared else ():
        on_progress(f"round {number} of {rounds}: ours")
        ours.append(_run(ROOT, *arguments))
        on_progress(f"round {number} of {rounds}: base")
        try:
            theirs.append(_run(base, *arguments))
        except BenchmarkError as error:
            raise NoBase(f"the base's benchmarks do not run here: {error}") from error
    return list(pair_up(ours, theirs)), missing


def pair_up(ours: Sequence[Turn], theirs: Sequence[Turn]) -> Iterator[Comparison]:
    """One comparison for each figure of ours, in its order."""
    for index, figure in enumerate(ours[0] if ours else ()):
        name = figure["name"]
        our_figures = [turn[index] for turn in ours]
        base_figures = [each for turn in theirs for each in turn if each["name"] == name]
        hashes = {each["work_hash"] for each in (*our_figures, *base_figures)}
        yield Comparison(
            name,
            figure["unit"],
            tuple(each["value"] for each in our_figures),
            tuple(each["value"] for each in base_figures),
            len(hashes) == 1,
        )


def make_comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """One row for each figure: both values, their ratio, and the ratio of every round."""
    table = Table("figure", "ours", "base", "ours ÷ base", "round by round", "")
    for column in table.columns[1:4]:
        column.justify = "right"
    for each in comparisons:
        base = statistics.median(each.base_values) if each.base_values else None
        table.add_row(
            each.name,
            format_value(statistics.median(each.our_values), each.unit),
            "" if base is None else format_value(base, each.unit),
            "" if each.ratio is None else f"{each.ratio:.3g}x",
            "  ".join(f"{ratio:.3f}" for ratio in each.ratios),
            _remark(each),
        )
    return table


def _remark(comparison: Comparison) -> str:
    if not comparison.base_values:
        return "not in the base"
    return "" if comparison.is_same_work else "other work"


def _run(root: Path, *arguments: str) -> Any:
    """What the measuring program said in a checkout; BenchmarkError with its words."""
    # A relative path would lead each checkout to recordings of its own.
    recordings = (ROOT / os.environ.get("WOW_DATA", "../shared/data")).resolve()
    said = run_python(
        root,
        [str(_PROGRAM), *arguments],
        timeout_seconds=TURN_TIMEOUT_SECONDS,
        settings={"PYTHONHASHSEED": "0", "WOW_DATA": str(recordings)},
    )
    return orjson.loads(said.splitlines()[-1])
