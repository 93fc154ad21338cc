"""One harness for every benchmark: contenders take turns, and their work is checked.

A benchmark prepares trials; a trial is one figure and holds the contenders, ours first. In each
round every contender runs once (A B A B), so that a slow minute of the machine hits all of them.
The value of a contender is the median over the rounds; the ratio is the median of the ratios of
the rounds, which is steadier than a ratio of medians. Every run returns a hash of its result: it
keeps the work from being optimised away, has to be the same in every round, and between
contenders that claim the same work.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.goal import Clause, Goal, Quantity, Verdict, holds_all, judge
from ext.errors import WowError
from ext.latency_histogram import BUCKETS, bucket_lower_ns

SEED = 20_260_105
DEFAULT_ROUNDS = 5
SMOKE_ROUNDS = 2
MAX_ROUNDS = 1000  # beyond, a run takes days
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}

Samples = NDArray[np.int64]
Value = TypeVar("Value")

_BUCKET_BOUNDS = np.array([bucket_lower_ns(index) for index in range(BUCKETS)])


class BenchmarkError(WowError):
    """A benchmark that measured nothing that could be believed: which one, and why."""


class Size(Enum):
    """How much work: ``SMOKE`` for the tests, ``REAL`` for numbers that are quoted."""

    SMOKE = "smoke"
    REAL = "real"

    def pick(self, *, smoke: Value, real: Value) -> Value:
        """One parameter of a benchmark at this size."""
        return real if self is Size.REAL else smoke


class Measurement(NamedTuple):
    """What one run of one contender gave.

    ``total`` is in the unit of the trial, for all ``operations`` together. ``samples`` holds one
    value for each operation; None where an operation is too short to be timed by itself.
    """

    total: int
    operations: int
    work_hash: int
    samples: Samples | None = None

    @property
    def value(self) -> float:
        """Median of the samples, or the mean where there are none."""
        if self.samples is not None:
            return float(np.median(self.samples))
        return self.total / self.operations


class Contender(NamedTuple):
    """One way to do the work.

    Contenders with the same ``work`` must give the same hash; empty text makes no such claim.
    ``expected_hash`` is the right answer where something independent of all contenders knows it.
    ``package`` is the distribution of a peer: somebody else's code that does the same.
    """

    name: str
    run: Callable[[], Measurement]
    work: str = ""
    expected_hash: int | None = None
    package: str = ""


class AbsentPeer(NamedTuple):
    """Stands where a contender would, whose package is not installed (``make peers``)."""

    name: str
    package: str


class Trial(NamedTuple):
    """One figure: the first contender is ours, ``baseline`` names what it is compared with.

    ``warm_up`` adds one run of each contender that does not count. ``goal`` is judged by
    ``Figure.verdicts``.
    """

    name: str
    contenders: tuple[Contender | AbsentPeer, ...]
    baseline: str = ""
    unit: str = "ns"
    goal: Goal | None = None
    warm_up: bool = True

    @property
    def present(self) -> list[Contender]:
        """The contenders that can run."""
        return [each for each in self.contenders if isinstance(each, Contender)]

    @property
    def absent(self) -> list[AbsentPeer]:
        """The peers that are not installed."""
        return [each for each in self.contenders if isinstance(each, AbsentPeer)]

    @property
    def has_peers(self) -> bool:
        """Whether somebody else's code is among the contenders, installed or not."""
        return any(each.package for each in self.contenders)

    @property
    def goal_text(self) -> str:
        """The goal as people write it; empty without one."""
        return self.goal.text(self.unit) if self.goal else ""


class Benchmark(NamedTuple):
    """A named group of trials over one arc; ``prepare`` holds what they need while it is open."""

    name: str
    summary: str
    prepare: Callable[[Size], AbstractContextManager[Sequence[Trial]]]


class Outcome(NamedTuple):
    """What one contender reached over all rounds."""

    name: str
    round_values: tuple[float, ...]
    work_hash: int
    operations: int
    samples: Samples | None

    @property
    def value(self) -> float:
        """Median of the rounds, in the unit of the trial."""
        return statistics.median(self.round_values)

    def percentiles(self) -> dict[str, float]:
        """p50, p90, p99, p999 and max over the samples of all rounds; empty without samples."""
        if self.samples is None:
            return {}
        values = np.quantile(
            self.samples, list(PERCENTILES.values()), method="inverted_cdf"
        ).tolist()
        return dict(zip(PERCENTILES, values, strict=True)) | {"max": int(self.samples.max())}

    def histogram(self) -> list[tuple[int, int]]:
        """Lower bound and count of each used bucket: 32 for each power of two."""
        if self.samples is None:
            return []
        indices = np.searchsorted(_BUCKET_BOUNDS, self.samples, side="right") - 1
        used, counts = np.unique(np.maximum(indices, 0), return_counts=True)
        return list(zip(_BUCKET_BOUNDS[used].tolist(), counts.tolist(), strict=True))


class Figure(NamedTuple):
    """A finished trial; ``outcomes`` are in the order of those that ran, ours first."""

    trial: Trial
    outcomes: tuple[Outcome, ...]

    @property
    def rounds(self) -> int:
        """How often every contender ran."""
        return len(self.outcomes[0].round_values)

    @property
    def ratio(self) -> float | None:
        """Ours divided by the baseline, median over the rounds; None without a baseline."""
        baseline = self._baseline()
        return self.ratio_to(baseline) if baseline else None

    @property
    def p99_ratio(self) -> float | None:
        """The same of the 99th percentiles over all samples; None without samples."""
        baseline = self._baseline()
        return self.p99_ratio_to(baseline) if baseline else None

    def ratio_to(self, other: Outcome) -> float | None:
        """Ours divided by that of another contender; None where theirs was nothing."""
        if not all(other.round_values):
            return None
        pairs = zip(self.outcomes[0].round_values, other.round_values, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def p99_ratio_to(self, other: Outcome) -> float | None:
        """The same of the 99th percentiles over all samples; None without samples."""
        ours, theirs = self.outcomes[0].percentiles(), other.percentiles()
        return ours["p99"] / theirs["p99"] if ours and theirs and theirs["p99"] else None

    def verdicts(self) -> list[Verdict]:
        """Each clause of the goal, judged; empty without a goal."""
        goal = self.trial.goal
        absent = {peer.name for peer in self.trial.absent}
        return [
            judge(clause, self._measured(clause), is_absent=clause.contender in absent)
            for clause in (goal.clauses(self.trial.baseline) if goal else ())
        ]

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None without one, or while a peer in it is absent."""
        return holds_all(self.verdicts())

    def _measured(self, clause: Clause) -> float | None:
        if clause.quantity is Quantity.VALUE:
            return self.outcomes[0].value
        other = self._outcome(clause.contender)
        if other is None:
            return None
        is_p99 = clause.quantity is Quantity.P99_RATIO
        return self.p99_ratio_to(other) if is_p99 else self.ratio_to(other)

    def _baseline(self) -> Outcome | None:
        return self._outcome(self.trial.baseline)

    def _outcome(self, name: str) -> Outcome | None:
        found = [outcome for outcome in self.outcomes if outcome.name == name]
        return found[0] if found else None

    def record(self) -> dict[str, Any]:
        """The figure as one JSON object."""
        ours = self.outcomes[0]
        return {
            "name": self.trial.name,
            "unit": self.trial.unit,
            "value": ours.value,
            **{name: None for name in (*PERCENTILES, "max")},
            **ours.percentiles(),
            "contenders": {outcome.name: outcome.value for outcome in self.outcomes},
            "baseline": self.trial.baseline or None,
            "ratio": self.ratio,
            "p99_ratio": self.p99_ratio,
            "goal": self.trial.goal_text or None,
            "clauses": [
                {
                    "text": verdict.clause.text(self.trial.unit),
                    "contender": verdict.clause.contender or None,
                    "limit": verdict.clause.limit,
                    "measured": verdict.measured,
                    "holds": verdict.holds,
                }
                for verdict in self.verdicts()
            ],
            "holds": self.holds,
            "absent": {peer.name: peer.package for peer in self.trial.absent},
            "samples": ours.operations,
            "rounds": self.rounds,
            "work_hash": f"{ours.work_hash:016x}",
            "details": {
                outcome.name: {
                    "round_values": list(outcome.round_values),
                    "work_hash": f"{outcome.work_hash:016x}",
                    "ratio": None if outcome is ours else self.ratio_to(outcome),
                    "p99_ratio": None if outcome is ours else self.p99_ratio_to(outcome),
                    "histogram": outcome.histogram(),
                    **outcome.percentiles(),
                }
                for outcome in self.outcomes
            },
        }


def run_benchmark(
    benchmark: Benchmark,
    size: Size,
    rounds: int,
    on_progress: Callable[[str], None] = lambda text: None,
    select: Callable[[Trial], bool] = lambda trial: True,
) -> Iterator[Figure]:
    """Runs every trial of a benchmark that ``select`` wants, and yields its figures.

    Raises:
        BenchmarkError: a contender's work was wrong, or it could not be measured.
    """
    if not 1 <= rounds <= MAX_ROUNDS:
        raise BenchmarkError(f"rounds was {rounds}; use a whole number from 1 to {MAX_ROUNDS}")
    on_progress(f"{benchmark.name}: prepare")
    with benchmark.prepare(size) as trials:
        for trial in filter(select, trials):
            yield run_trial(trial, rounds, on_progress)


def run_trial(
    trial: Trial, rounds: int, on_progress: Callable[[str], None] = lambda text: None
) -> Figure:
    """Lets the contenders take turns, ``rounds`` times; raises BenchmarkError as above."""
    _check_names(trial)
    contenders = trial.present
    runs: list[list[Measurement]] = [[] for _ in contenders]
    hashes: dict[str, int] = {}
    for number in range(0 if trial.warm_up else 1, rounds + 1):
        for contender, measured in zip(contenders, runs, strict=True):
            on_progress(
                f"{trial.name}: {f'round {number}' if number else 'warm-up'}"
                f" of {rounds}, {contender.name}"
            )
            measurement = contender.run()
            _check_work(trial, contender, measurement, hashes)
            if number > 0:
                measured.append(measurement)
    return Figure(trial, tuple(map(_outcome, contenders, runs)))


def _check_names(trial: Trial) -> None:
    """A goal against nobody could never be judged."""
    names = [contender.name for contender in trial.contenders]
    clauses = trial.goal.clauses(trial.baseline) if trial.goal else ()
    asked = [clause.contender for clause in clauses if clause.quantity is not Quantity.VALUE]
    if trial.baseline:
        asked.append(trial.baseline)
    for name in asked:
        if name not in names[1:]:
            raise BenchmarkError(
                f"{trial.name}: ours is compared with {name!r}; use one of {names[1:]}"
            )


def _check_work(
    trial: Trial, contender: Contender, measurement: Measurement, hashes: dict[str, int]
) -> None:
    if measurement.operations <= 0:
        raise BenchmarkError(f"{trial.name}: {contender.name} did no work")
    found = measurement.work_hash
    if contender.expected_hash is not None and found != contender.expected_hash:
        raise BenchmarkError(
            f"{trial.name}: {contender.name} did the wrong work: its hash was {found:016x},"
            f" the right one is {contender.expected_hash:016x}"
        )
    same_work = contender.work or f"of {contender.name} in another round"
    known = hashes.setdefault(same_work, found)
    if found != known:
        raise BenchmarkError(
            f"{trial.name}: {contender.name} did other work than before ({same_work}): its hash"
            f" was {found:016x}, not {known:016x}"
        )


def _outcome(contender: Contender, runs: list[Measurement]) -> Outcome:
    samples = [run.samples for run in runs if run.samples is not None]
    return Outcome(
        contender.name,
        tuple(run.value for run in runs),
        runs[0].work_hash,
        sum(run.operations for run in runs),
        np.concatenate(samples) if samples else None,
    )
