"""The first order of a fresh process: cold, warmed up at its start, and kept warm until then."""

import functools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from bench.first_order import COLD, KEPT_WARM, WARMED_UP
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 60.0
NAMES = {
    KEPT_WARM: "engine: kept warm, a pulse each ms",
    WARMED_UP: "warmed up once, 0.2 s before",
    COLD: "cold",
}


class FirstOrder(msgspec.Struct):
    """What ``bench.first_order`` says."""

    first_ns: int
    next_ns: int


def measure(warmth: str, processes: int) -> Measurement:
    """The first order of so many processes, one after the other."""
    samples = np.array([_run(warmth).first_ns for _ in range(processes)], np.int64)
    return Measurement(int(samples.sum()), processes, processes, samples)


def _run(warmth: str) -> FirstOrder:
    command = [sys.executable, "-m", "bench.first_order", warmth]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise BenchmarkError(f"first_order {warmth}: {done.stderr.decode()[-500:]}")
    return msgspec.json.decode(done.stdout, type=FirstOrder)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """One trial: each contender starts processes of its own, so nothing is warmed by another."""
    processes = size.pick(smoke=1, real=4)
    yield [
        Trial(
            "first_order",
            tuple(
                Contender(name, functools.partial(measure, warmth, processes))
                for warmth, name in NAMES.items()
            ),
            baseline=NAMES[COLD],
            goal=Goal(p50_ratio=0.5),
            warm_up=False,
        )
    ]


BENCHMARK = Benchmark(
    "first_order", "frame bytes to the first order of a process on a TCP socket", prepare
)
