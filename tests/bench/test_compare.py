"""Turns are paired figure by figure, and a base that cannot take part says so."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.base_build import ROOT, NoBase
from bench.compare import Comparison, Turn, compare, make_comparison_table, pair_up
from bench.harness import Size

OLD_BASE = """
from bench.harness import Benchmark, Contender, Measurement, Trial
from contextlib import contextmanager

@contextmanager
def prepare(size):
    {prepare}
    ours = Contender("ours", lambda: Measurement(1000, 10, {work_hash}))
    yield [Trial("allocations", (ours,), unit="blocks")]

BENCHMARKS = {{"allocations": Benchmark("allocations", "as it was", prepare)}}
"""


def turn(**values: float) -> Turn:
    return [
        {"name": name, "unit": "ns", "value": value, "work_hash": "7"}
        for name, value in values.items()
    ]


def make_base(folder: Path, *, prepare: str = "", work_hash: int = 10_001) -> Path:
    """A checkout whose one benchmark says 100 blocks, on the harness of this one."""
    package = folder / "bench"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "suite.py").write_text(
        OLD_BASE.format(prepare=prepare or "pass", work_hash=work_hash)
    )
    for name in ("bench/harness.py", "bench/goal.py"):
        (folder / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    (folder / "ext").symlink_to(ROOT / "ext")
    return folder


def test_ratios_are_of_the_rounds() -> None:
    ours = [turn(a=10, b=1), turn(a=40, b=1), turn(a=30, b=1)]
    [a, b] = pair_up(ours, [turn(a=10), turn(a=20), turn(a=20)])
    assert (a.ratios, a.ratio, a.is_same_work) == ((1.0, 2.0, 1.5), 1.5, True)
    assert (b.ratios, b.ratio, b.base_values) == ((), None, ())
    assert a.record()["ratios"] == [1.0, 2.0, 1.5]


def test_other_work_is_seen() -> None:
    theirs = turn(a=10)
    theirs[0]["work_hash"] = "8"
    [a] = pair_up([turn(a=10)], [theirs])
    assert not a.is_same_work


def test_nothing_divided_by_nothing_is_no_ratio() -> None:
    [a] = pair_up([turn(a=0)], [turn(a=0)])
    assert (a.ratios, a.ratio) == ((), None)


def test_the_table_shows_every_round() -> None:
    shown = StringIO()
    Console(file=shown, width=160).print(
        make_comparison_table(
            [
                Comparison("a", "ns", (10.0, 30.0), (10.0, 20.0), True),
                Comparison("b", "ns", (10.0,), (10.0,), False),
                Comparison("c", "blocks", (10.0,), (), True),
            ]
        )
    )
    lines = [" ".join(line.split()) for line in shown.getvalue().splitlines() if "│" in line]
    assert lines == [
        "│ a │ 20 ns │ 15 ns │ 1.25x │ 1.000 1.500 │ │",
        "│ b │ 10 ns │ 10 ns │ 1x │ 1.000 │ other work │",
        "│ c │ 10 blocks │ │ │ │ not in the base │",
    ]


@pytest.mark.slow
def test_the_base_runs_its_own_code_in_turns_with_ours(tmp_path: Path) -> None:
    said: list[str] = []
    comparisons, missing = compare(
        make_base(tmp_path), ["allocations", "book"], Size.SMOKE, 2, said.append
    )
    assert said == [f"round {n} of 2: {whose}" for n in (1, 2) for whose in ("ours", "base")]
    assert missing == ["book"]
    assert comparisons == [Comparison("allocations", "blocks", (0.0, 0.0), (100.0, 100.0), True)]


def test_nothing_in_common_runs_nothing(tmp_path: Path) -> None:
    assert compare(make_base(tmp_path), ["book"], Size.SMOKE, 1) == ([], ["book"])


@pytest.mark.slow
def test_a_base_that_does_not_run_says_why(tmp_path: Path) -> None:
    base = make_base(tmp_path, prepare="raise ValueError('no frames')")
    with pytest.raises(NoBase, match=r"(?s)the base's benchmarks do not run here.*no frames"):
        compare(base, ["allocations"], Size.SMOKE, 1)
    (base / "bench" / "suite.py").unlink()
    with pytest.raises(NoBase, match=r"(?s)the base has no benchmarks that run here.*bench.suite"):
        compare(base, ["allocations"], Size.SMOKE, 1)
