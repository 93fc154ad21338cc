"""The gate refuses what is worse, says what it cannot judge, and lets the rest through."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench import gate
from bench.arc import DECODERS
from bench.base_build import NoBase
from bench.compare import Comparison
from bench.gate import (
    Part,
    State,
    check_against_base,
    check_allocations,
    check_instructions,
    judge_comparisons,
    judge_instructions,
    run_gate,
)
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Size, Trial
from bench.instruction_counts import Baseline, CountingUnavailable, judge_counts
from bench.suite import BENCHMARKS

MakeContender = Callable[..., Contender]
HERE = {"compiler": "cc 1"}


def ignore(text: str) -> None:
    pass


def set_allocations(
    monkeypatch: pytest.MonkeyPatch, contender: Contender, goal: Goal | None
) -> None:
    @contextmanager
    def prepare(size: Size) -> Iterator[Sequence[Trial]]:
        yield [Trial("allocations", (contender,), unit="blocks", goal=goal)]

    monkeypatch.setitem(BENCHMARKS, "allocations", Benchmark("allocations", "", prepare))


@pytest.mark.parametrize(
    ("blocks", "goal", "state"),
    [
        (0, Goal(value_equals=0), State.PASSED),
        (10, Goal(value_equals=0), State.FAILED),
        (0, None, State.FAILED),
    ],
)
def test_one_block_of_a_tick_is_refused(
    make_contender: MakeContender,
    monkeypatch: pytest.MonkeyPatch,
    blocks: int,
    goal: Goal | None,
    state: State,
) -> None:
    set_allocations(monkeypatch, make_contender("ours", [blocks]), goal)
    assert check_allocations(ignore).state is state


def test_an_arc_that_does_not_do_its_work_is_refused(
    make_contender: MakeContender, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender = make_contender("ours", [0], expected_hash=1)
    set_allocations(monkeypatch, contender, Goal(value_equals=0))
    part = check_allocations(ignore)
    assert part.state is State.FAILED
    assert "wrong work" in part.text


@pytest.mark.parametrize(
    ("counted", "toolchain", "state", "text"),
    [
        ({"a": 103.0, "b": 10.0}, HERE, State.PASSED, "2 operations within 1.03x"),
        ({"a": 103.1, "b": 10.0}, HERE, State.FAILED, "a 1.031x; the limit is 1.03x"),
        ({"a": 100.0}, HERE, State.FAILED, "b no longer counted; the limit"),
        ({"a": 100.0, "b": 5.0}, HERE, State.PASSED, "--write-baseline keeps what changed: b"),
        (
            {"a": 100.0, "b": 10.0, "c": 1.0},
            HERE,
            State.PASSED,
            "--write-baseline keeps what changed: c",
        ),
        (
            {"a": 900.0, "b": 10.0},
            {"compiler": "cc 2"},
            State.SKIPPED,
            "another toolchain (compiler was cc 2, is cc 1)",
        ),
        (
            {"a": 100.0, "b": 10.0},
            {"compiler": "cc 1", "libc": "c 1"},
            State.SKIPPED,
            "another toolchain (libc was c 1, is unknown)",
        ),
    ],
)
def test_counts_are_judged_where_the_toolchain_is_the_same(
    counted: dict[str, float], toolchain: dict[str, str], state: State, text: str
) -> None:
    part = judge_instructions(judge_counts({"a": 100.0, "b": 10.0}, counted), toolchain, HERE)
    assert part.state is state
    assert text in part.text
    assert part.table is not None, "the counts are shown, judged or not"
    assert part.table.row_count == len({"a", "b"} | counted.keys())


def test_a_baseline_and_a_count_make_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "read_baseline", lambda: Baseline(HERE, {"a": 1.0}))
    monkeypatch.setattr(gate, "count_instructions", lambda: {"a": 1.0})
    monkeypatch.setattr(gate, "describe_toolchain", lambda: HERE)
    assert check_instructions(ignore).state is State.PASSED
    monkeypatch.setitem(DECODERS, "venue", DECODERS["coinbase_exchange"])
    assert "no frames to count with: decode.venue" in check_instructions(ignore).text


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CountingUnavailable("valgrind was not found"), State.SKIPPED),
        (BenchmarkError("counting failed"), State.FAILED),
    ],
)
def test_no_valgrind_is_a_reason_and_a_broken_count_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, error: BenchmarkError, state: State
) -> None:
    def fail() -> dict[str, float]:
        raise error

    monkeypatch.setattr(gate, "count_instructions", fail)
    part = check_instructions(ignore)
    assert (part.state, part.text) == (state, str(error))


def comparison(*ratios: float, is_same_work: bool = True) -> Comparison:
    return Comparison("a", "ns", tuple(100 * r for r in ratios), (100,) * len(ratios), is_same_work)


@pytest.mark.parametrize(
    ("comparisons", "state", "text"),
    [
        (
            [comparison(1.11, 1.2, 1.5)],
            State.FAILED,
            "slower than 1.1x in each of 3 rounds: a 1.2x",
        ),
        ([comparison(1.1, 1.2, 1.5)], State.PASSED, "1 figures, none slower"),
        ([comparison(0.5, 9.0, 9.0)], State.PASSED, "1 figures, none slower"),
        ([comparison(0.5), comparison(2.0)], State.FAILED, "a 2x"),
        ([comparison(2.0, is_same_work=False)], State.SKIPPED, "no figure with the same work"),
        ([], State.SKIPPED, "no figure with the same work"),
    ],
)
def test_slower_in_every_round_is_refused(
    comparisons: list[Comparison], state: State, text: str
) -> None:
    part = judge_comparisons(comparisons)
    assert part.state is state
    assert text in part.text


def test_the_comparison_is_of_the_base_that_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_compare(
        base: Path, names: Sequence[str], size: Size, rounds: int, show: object
    ) -> tuple[list[Comparison], list[str]]:
        assert (base, size, rounds) == (tmp_path, Size.REAL, 3)
        return [comparison(2.0, 2.0, 2.0)], ["decode"]

    monkeypatch.setattr(gate, "find_merge_base", lambda: "abc")
    monkeypatch.setattr(gate, "build_base", lambda commit, on_progress: tmp_path)
    monkeypatch.setattr(gate, "compare", fake_compare)
    part = check_against_base(ignore)
    assert part.state is State.FAILED
    assert "a 2x; the base has no decode" in part.text


@pytest.mark.parametrize(
    ("error", "state"),
    [(NoBase("no merge base"), State.SKIPPED), (BenchmarkError("ours failed"), State.FAILED)],
)
def test_no_base_is_a_reason_and_our_fault_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, error: BenchmarkError, state: State
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(gate, "find_merge_base", fail)
    part = check_against_base(ignore)
    assert (part.state, part.text) == (state, str(error))


@pytest.mark.parametrize(
    ("states", "passes"),
    [
        ((State.PASSED, State.SKIPPED, State.PASSED), True),
        ((State.FAILED, State.PASSED, State.PASSED), False),
        ((State.PASSED, State.SKIPPED, State.FAILED), False),
    ],
)
def test_every_part_runs_and_is_shown(
    monkeypatch: pytest.MonkeyPatch, states: tuple[State, State, State], passes: bool
) -> None:
    names = ("check_allocations", "check_instructions", "check_against_base")
    for name, state in zip(names, states, strict=True):
        part = Part(name, state, f"because of {name}")
        monkeypatch.setattr(gate, name, lambda show, part=part: part)
    shown = StringIO()
    assert run_gate(Console(file=shown, width=160), ignore) is passes
    assert shown.getvalue().splitlines() == [
        f"{name}: {state.value}: because of {name}"
        for name, state in zip(names, states, strict=True)
    ]
