"""Measures our contenders of the checkout in the current folder, whichever that is, without peers.

A program of its own, run by its path: ``bench/compare.py`` starts it once for each round, here and
in the base, whose ``bench`` it imports. It asks nothing of that but names that have been there from
the first. Arguments: rounds, size, names of benchmarks; without names it says which there are.
"""

import json
import sys

from bench.harness import BenchmarkError, Size, Trial, run_trial
from bench.suite import BENCHMARKS

KEPT_PERCENTILES = ("p50", "p99")


def measure(name: str, size: Size, rounds: int) -> list[dict[str, object]]:
    """The figures of one benchmark; a value is the best of the rounds.

    An interrupted mean says nothing about the code, and the median of few rounds may be one.
    """
    figures = []
    with BENCHMARKS[name].prepare(size) as trials:
        for trial in trials:
            alone = Trial(trial.name, trial.contenders[:1], unit=trial.unit, warm_up=trial.warm_up)
            ours = run_trial(alone, rounds).outcomes[0]
            percentiles = ours.percentiles()
            figures.append(
                {
                    "name": trial.name,
                    "unit": trial.unit,
                    "value": min(ours.round_values),
                    "work_hash": f"{ours.work_hash:016x}",
                    **{key: percentiles.get(key) for key in KEPT_PERCENTILES},
                }
            )
    return figures


def main() -> int:
    """Entry point: one JSON object on stdout; 1: a benchmark failed, its words on stderr."""
    if len(sys.argv) == 1:
        sys.stdout.write(json.dumps(list(BENCHMARKS)) + "\n")
        return 0
    rounds, size, *names = sys.argv[1:]
    figures = []
    try:
        for name in names:
            figures += measure(name, Size(size), int(rounds))
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
