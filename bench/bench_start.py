"""From the command of the demo to its first LIVE book, compiled code kept and not kept."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.demo_engine import book_count, start_demo
from bench.goal import Goal
from bench.harness import Benchmark, Contender, Measurement, Size, Trial


def measure_start(kernel_cache: Path | None) -> Measurement:
    """One start, in milliseconds; the work: every book becomes LIVE, the engine stops well."""
    with start_demo(kernel_cache) as engine:
        total_ms = engine.wait_for_books(1) // 1_000_000
        engine.wait_for_books(book_count())
        engine.stop()
    return Measurement(total_ms, 1, book_count())


def measure_cold_start(kernel_cache: Path) -> Measurement:
    """The same with nothing kept."""
    shutil.rmtree(kernel_cache, ignore_errors=True)
    return measure_start(kernel_cache)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """The warm-up fills the cache. The small size starts each once, and takes the user's cache."""
    with TemporaryDirectory(prefix="wow-bench-") as name:
        warm = partial(measure_start, size.pick(smoke=None, real=Path(name) / "warm"))
        cold = partial(measure_cold_start, Path(name) / "cold")
        yield [
            Trial(
                "start",
                (Contender("kernel cache filled", warm), Contender("kernel cache empty", cold)),
                baseline="kernel cache empty",
                unit="ms",
                goal=Goal(value=2000),
                warm_up=size is Size.REAL,
            )
        ]


BENCHMARK = Benchmark("start", "command of the demo to its first LIVE book", prepare)
