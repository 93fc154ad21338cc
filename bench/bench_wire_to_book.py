"""One frame's bytes to the best bid and ask, against orjson and SortedDict.

Ours is the pipeline as a recorder runs it: decode, states and gaps, apply, the view of ten levels
that others read. It refuses what it cannot read exactly; the other takes floats.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from bench.arc import DECODERS, make_table
from bench.frames import FrameSet, generate_frames, recorded_frames
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_calls
from bench.python_books import PythonBooks
from bench.rendered_frames import render_binance_set
from bench.step_loops import time_books
from ext.pipeline import Pipeline

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
PYTHON_BOOKS = "orjson + SortedDict"
GOALS = {"binance_20": Goal(value=500, p50_ratio=1 / 16), "binance_usdm": Goal(p50_ratio=1 / 16)}
"""Of a frame of 20 levels, and of the recorded mix of 64 changes a frame."""


class Books:
    """Our contender: the books of one set of frames, built anew in every run."""

    def __init__(self, frames: FrameSet) -> None:
        self._payloads = frames.padded
        self._mask = np.array(frames.is_update)
        self._samples = np.zeros(len(self._payloads), np.int64)
        self._best = np.zeros((len(self._payloads), 2), np.int64)
        table = make_table(frames.products)
        self._pipeline = Pipeline(table, DECODERS[frames.venue](table), step_interval=0)
        self._name = frames.name

    def run(self) -> Measurement:
        """One pass over all frames; BenchmarkError when one was refused."""
        pipeline = self._pipeline
        pipeline.connection_lost(START_TIME_NS)
        pipeline.subscribed(START_TIME_NS)
        stale = pipeline.counters()["stale_count"]
        good = time_books(pipeline, self._payloads, START_TIME_NS, self._samples, self._best)
        if good != len(self._payloads) or pipeline.counters()["stale_count"] != stale:
            raise BenchmarkError(
                f"wire_to_book {self._name}: {good} of {len(self._payloads)} frames were taken,"
                f" {pipeline.counters()['stale_count'] - stale} books went stale"
            )
        samples = self._samples[self._mask]
        work_hash = hash_numbers(self._best[self._mask].ravel())
        return Measurement(int(samples.sum()), len(samples), work_hash, samples)


def measure_python(frames: FrameSet) -> Measurement:
    """The usual books; what is no update is read too, and not timed."""
    books = PythonBooks(frames.venue)
    samples = np.zeros(len(frames.payloads), np.int64)
    time_calls(books.receive, frames.payloads, samples)
    tick_of = {product.symbol: float(product.tick) for product in frames.products}
    best = [
        (round(bid / tick_of[product]), round(ask / tick_of[product]))
        for (product, bid, ask), is_update in zip(books.best, frames.is_update, strict=True)
        if is_update
    ]
    timed = samples[np.array(frames.is_update)]
    work_hash = hash_numbers(np.array(best, np.int64).ravel())
    return Measurement(int(timed.sum()), len(timed), work_hash, timed)


def make_trial(frames: FrameSet) -> Trial:
    """The figure of one set of frames, over its updates."""
    return Trial(
        f"wire_to_book.{frames.name}",
        (
            Contender("engine: bytes to best prices", Books(frames).run, work="best"),
            Contender(
                PYTHON_BOOKS,
                partial(measure_python, frames),
                work="best",
                package="sortedcontainers",
            ),
        ),
        baseline=PYTHON_BOOKS,
        goal=GOALS.get(frames.name),
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Generated frames, and every recording that is there."""
    generated = generate_frames(size.pick(smoke=100, real=10_000))
    recorded = recorded_frames(size.pick(smoke=100, real=10_000))
    sets = (generated.frame_set(), render_binance_set(generated), *recorded)
    yield [make_trial(frames) for frames in sets]


BENCHMARK = Benchmark("wire_to_book", "one frame's bytes to the best bid and ask", prepare)
