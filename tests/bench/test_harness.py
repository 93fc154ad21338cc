"""The harness sees slow contenders and wrong work, and counts what it says it counts."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import orjson
import pytest

from bench.goal import Goal
from bench.harness import (
    AbsentPeer,
    Benchmark,
    BenchmarkError,
    Contender,
    Measurement,
    Size,
    Trial,
    run_benchmark,
    run_trial,
)

MakeContender = Callable[..., Contender]


def test_contenders_take_turns_and_the_warm_up_does_not_count(
    make_contender: MakeContender, journal: list[str]
) -> None:
    trial = Trial("t", (make_contender("a", [999, 10, 20]), make_contender("b", [1])), "b")
    figure = run_trial(trial, 2)
    assert journal == ["a", "b"] * 3
    assert figure.outcomes[0].round_values == (1.0, 2.0)
    assert figure.outcomes[0].operations == 20


def test_without_warm_up_the_first_run_counts(make_contender: MakeContender) -> None:
    trial = Trial("t", (make_contender("a", [10, 20]),), warm_up=False)
    assert run_trial(trial, 2).outcomes[0].round_values == (1.0, 2.0)


def test_a_slowed_contender_changes_the_ratio(make_contender: MakeContender) -> None:
    def ratio(ours: int) -> float | None:
        trial = Trial("t", (make_contender("a", [ours]), make_contender("b", [100])), "b")
        return run_trial(trial, 3).ratio

    assert ratio(50) == 0.5
    assert ratio(500) == 5.0


def test_real_work_that_is_slowed_changes_the_ratio() -> None:
    def work(repeats: int) -> Measurement:
        started_ns = time.perf_counter_ns()
        for _ in range(repeats):
            digest = hashlib.sha256(bytes(100_000)).digest()
        return Measurement(time.perf_counter_ns() - started_ns, 1, digest[0])

    slow = Contender("slow", functools.partial(work, 40))
    quick = Contender("quick", functools.partial(work, 4))
    ratio = run_trial(Trial("t", (slow, quick), "quick"), 5).ratio
    assert ratio is not None
    assert ratio > 3


def test_the_ratio_is_of_the_rounds_not_of_the_medians(make_contender: MakeContender) -> None:
    # A machine that gets slower: both take longer each round, and ours is twice as slow always.
    ours = make_contender("a", [1, 20, 200, 2000])
    trial = Trial("t", (ours, make_contender("b", [1, 10, 100, 1000])), "b")
    assert run_trial(trial, 3).ratio == 2.0


def test_no_baseline_no_ratio(make_contender: MakeContender) -> None:
    assert run_trial(Trial("t", (make_contender("a", [1]),)), 1).ratio is None


def test_other_work_than_the_other_contender_fails(make_contender: MakeContender) -> None:
    contenders = (
        make_contender("a", [1], work="same"),
        make_contender("b", [1], work="same", hashes=[8]),
    )
    with pytest.raises(BenchmarkError, match=r"t: b did other work .*0008, not 0*7$"):
        run_trial(Trial("t", contenders), 1)


def test_other_work_than_in_the_round_before_fails(make_contender: MakeContender) -> None:
    with pytest.raises(BenchmarkError, match="a did other work than before"):
        run_trial(Trial("t", (make_contender("a", [1], hashes=[7, 7, 8]),)), 2)


def test_wrong_work_fails(make_contender: MakeContender) -> None:
    with pytest.raises(BenchmarkError, match=r"a did the wrong work: its hash was 0+7"):
        run_trial(Trial("t", (make_contender("a", [1], expected_hash=6),)), 1)


def test_contenders_without_a_claim_may_differ(make_contender: MakeContender) -> None:
    contenders = (make_contender("a", [1]), make_contender("b", [1], hashes=[8]))
    assert len(run_trial(Trial("t", contenders), 1).outcomes) == 2


def test_no_work_fails() -> None:
    idle = Contender("idle", lambda: Measurement(1, 0, 0))
    with pytest.raises(BenchmarkError, match="idle did no work"):
        run_trial(Trial("t", (idle,)), 1)


def test_percentiles_are_samples_that_were_there(make_contender: MakeContender) -> None:
    samples = range(1, 101)
    figure = run_trial(Trial("t", (make_contender("a", [0], samples=samples),)), 2)
    ours = figure.outcomes[0]
    assert ours.percentiles() == {"p50": 50, "p90": 90, "p99": 99, "p999": 100, "max": 100}
    assert ours.value == 50.5


def test_the_histogram_holds_every_sample(make_contender: MakeContender) -> None:
    samples = [0, 5, 5, 31, 32, 33, 64, 65, 66, 1_000_000]
    histogram = (
        run_trial(Trial("t", (make_contender("a", [0], samples=samples),)), 1)
        .outcomes[0]
        .histogram()
    )
    assert histogram[:6] == [(0, 1), (5, 2), (31, 1), (32, 1), (33, 1), (64, 2)]
    assert histogram[6] == (66, 1)
    lower_ns, count = histogram[7]
    assert 1_000_000 * 31 / 32 < lower_ns <= 1_000_000
    assert count == 1


def test_a_record_has_the_promised_fields(make_contender: MakeContender) -> None:
    contenders = (make_contender("a", [20], samples=[1, 3]), make_contender("b", [10]))
    figure = run_trial(Trial("t", contenders, "b", goal=Goal(p50_ratio=2, value=1)), 3)
    record = orjson.loads(orjson.dumps(figure.record()))
    expected = {
        "name": "t",
        "unit": "ns",
        "value": 2.0,
        "p50": 1,
        "max": 3,
        "contenders": {"a": 2.0, "b": 1.0},
        "ratio": 2.0,
        "p99_ratio": None,
        "goal": "p50 ≤ 2x, ≤ 1 ns",
        "clauses": [
            {
                "text": "p50 ≤ 2x of b",
                "contender": "b",
                "limit": 2,
                "measured": 2.0,
                "holds": True,
            },
            {
                "text": "≤ 1 ns",
                "contender": None,
                "limit": 1,
                "measured": 2.0,
                "holds": False,
            },
        ],
        "holds": False,
        "absent": {},
        "samples": 30,
        "rounds": 3,
        "work_hash": f"{7:016x}",
    }
    assert record | expected == record
    assert record["details"]["a"]["histogram"] == [[1, 3], [3, 3]]


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (None, None),
        (Goal(p50_ratio=2), True),
        (Goal(p50_ratio=1.99), False),
        (Goal(p99_ratio=3), True),
        (Goal(p99_ratio=2.9), False),
        (Goal(value=2), True),
        (Goal(value=1.9), False),
        (Goal(value_equals=2), True),
        (Goal(value_equals=3), False),
        (Goal(ratio_to={"b": 2, "c": 0.5}), True),
        (Goal(ratio_to={"b": 2, "c": 0.4}), False),
        (Goal(p50_ratio=2, p99_ratio=2.9, value=2), False),
        (Goal(ratio_to={"gone": 1}), None),
        (Goal(p50_ratio=2, ratio_to={"gone": 1}), None),
        (Goal(p50_ratio=1, ratio_to={"gone": 1}), False),
    ],
)
def test_a_goal_is_judged_clause_by_clause(
    make_contender: MakeContender, goal: Goal | None, holds: bool | None
) -> None:
    contenders = (
        make_contender("a", [0], samples=[1, 2, 6]),
        make_contender("b", [0], samples=[1, 1, 2]),
        make_contender("c", [40]),
        AbsentPeer("gone", "gone-package"),
    )
    figure = run_trial(Trial("t", contenders, "b", goal=goal), 2)
    assert figure.holds is holds
    record = figure.record()
    assert record["holds"] is holds
    assert record["absent"] == {"gone": "gone-package"}
    assert record["details"]["c"]["ratio"] == 0.5


def test_a_ratio_that_cannot_be_made_does_not_hold(make_contender: MakeContender) -> None:
    contenders = (make_contender("a", [10]), make_contender("b", [0]))
    for goal in (Goal(p50_ratio=2), Goal(p99_ratio=2)):
        assert run_trial(Trial("t", contenders, "b", goal=goal), 1).holds is False


@pytest.mark.parametrize(
    ("baseline", "goal"),
    [
        ("", Goal(p50_ratio=1)),
        ("", Goal(ratio_to={"c": 1})),
        ("", Goal(ratio_to={"a": 1})),
        ("c", None),
    ],
)
def test_a_comparison_with_nobody_fails(
    make_contender: MakeContender, baseline: str, goal: Goal | None
) -> None:
    contenders = (make_contender("a", [1]), make_contender("b", [1]))
    with pytest.raises(BenchmarkError, match=r"t: ours is compared with '\w?'; use one of \['b'\]"):
        run_trial(Trial("t", contenders, baseline, goal=goal), 1)


@pytest.mark.parametrize("rounds", [0, -1, 1001])
def test_rounds_have_a_range(rounds: int) -> None:
    @contextmanager
    def prepare(size: Size) -> Iterator[Sequence[Trial]]:
        yield []

    with pytest.raises(BenchmarkError, match=rf"rounds was {rounds}; use"):
        list(run_benchmark(Benchmark("b", "", prepare), Size.SMOKE, rounds))


def test_what_a_benchmark_holds_is_released_after_an_error(make_contender: MakeContender) -> None:
    released = []

    @contextmanager
    def prepare(size: Size) -> Iterator[Sequence[Trial]]:
        try:
            yield [Trial("t", (make_contender("a", [1], expected_hash=6),))]
        finally:
            released.append(size)

    with pytest.raises(BenchmarkError):
        list(run_benchmark(Benchmark("b", "", prepare), Size.SMOKE, 1))
    assert released == [Size.SMOKE]
