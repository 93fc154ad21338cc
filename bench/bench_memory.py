"""Resident memory of the engine's process when the demo has started: every book LIVE."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.demo_engine import book_count, start_demo
from bench.goal import Goal
from bench.harness import Benchmark, Contender, Measurement, Size, Trial

BYTES_PER_MB = 1_000_000


def measure_memory(kernel_cache: Path | None) -> Measurement:
    """One start; the total is in megabytes. Shared memory and mapped libraries count."""
    with start_demo(kernel_cache) as engine:
        engine.wait_for_books(book_count())
        megabytes = round(engine.resident_bytes() / BYTES_PER_MB)
        engine.stop()
    return Measurement(megabytes, 1, book_count())


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """With compiled code kept, as on every day but the first; the warm-up fills the cache.

    The small size starts once, with the user's cache.
    """
    with TemporaryDirectory(prefix="wow-bench-") as name:
        kernel_cache = size.pick(smoke=None, real=Path(name) / "kernels")
        engine = Contender("engine: VmRSS", partial(measure_memory, kernel_cache))
        trial = Trial(
            "memory", (engine,), unit="MB", goal=Goal(value=300), warm_up=size is Size.REAL
        )
        yield [trial]


BENCHMARK = Benchmark("memory", "resident memory of the engine after the demo's start", prepare)
