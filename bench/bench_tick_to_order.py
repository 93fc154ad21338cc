"""In process: frame bytes to order bytes through the whole arc, against parsing alone."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import orjson

from bench.arc import make_arc
from bench.frames import UNIT_LOTS, FrameSet, generate_frames, recorded_frames
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import time_calls, time_frames
from ext.order_sender import CapturingSender

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
GAP_NS = 2_000_000  # 500 orders a second, under the gate's limit
ROUND_NS = 3_600_000_000_000  # of simulated time between two rounds: no window reaches back
ORDER_BYTES = 512  # more than an order has


class FrameToOrder:
    """Our contender: the same frames again in every run, with the books built anew."""

    def __init__(self, frames: FrameSet, unit_lots: int) -> None:
        self._payloads = frames.padded
        self._mask = np.array(frames.is_update)
        self._samples = np.zeros(len(self._payloads), np.int64)
        self._sender = CapturingSender(ORDER_BYTES * len(self._payloads))
        self._arc = make_arc(frames.venue, frames.products, self._sender, unit_lots=unit_lots)
        self._name = frames.name
        self._runs = 0

    def run(self) -> Measurement:
        """One pass over all frames; BenchmarkError when a frame or an order was refused."""
        pipeline = self._arc.pipeline
        start_ns = START_TIME_NS + self._runs * ROUND_NS
        self._runs += 1
        pipeline.connection_lost(start_ns)
        pipeline.subscribed(start_ns)
        for strategy in self._arc.strategies:
            strategy.reset()
        before = pipeline.counters()
        good = time_frames(pipeline, self._payloads, start_ns, GAP_NS, self._samples)
        after = pipeline.counters()
        sent, rejected, stale = (
            after[name] - before[name] for name in ("orders_sent", "rejected", "stale_count")
        )
        if good != len(self._payloads) or stale or sent < self._mask.sum() or rejected:
            raise BenchmarkError(
                f"tick_to_order {self._name}: {good} of {len(self._payloads)} frames were taken,"
                f" {sent} orders sent, {rejected} rejected, {stale} books went stale"
            )
        samples = self._samples[self._mask]
        return Measurement(int(samples.sum()), len(samples), self._hash_orders(), samples)

    def _hash_orders(self) -> int:
        # Sequence and client order id go on from run to run, time is the run's: left out.
        varying = (b"9=", b"34=", b"52=", b"11=", b"60=", b"10=")
        fields = self._sender.take().split(b"\x01")
        return crc32(b"\x01".join(f for f in fields if not f.startswith(varying)))


def measure_parse(payloads: list[bytes]) -> Measurement:
    """``orjson.loads`` of each payload and nothing else."""
    samples = np.zeros(len(payloads), np.int64)
    total_ns = time_calls(orjson.loads, payloads, samples)
    work_hash = crc32(b"".join(orjson.dumps(orjson.loads(payload)) for payload in payloads))
    return Measurement(total_ns, len(payloads), work_hash, samples)


def make_trial(frames: FrameSet, unit_lots: int) -> Trial:
    """The figure of one set of frames."""
    updates = frames.updates
    return Trial(
        f"tick_to_order.{frames.name}",
        (
            Contender("engine: frame to order", FrameToOrder(frames, unit_lots).run),
            Contender(
                "orjson.loads alone", functools.partial(measure_parse, updates), package="orjson"
            ),
        ),
        baseline="orjson.loads alone",
        goal=Goal(p50_ratio=0.5),
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Generated frames, and every recording that is there."""
    generated = generate_frames(size.pick(smoke=100, real=10_000)).frame_set()
    recorded = recorded_frames(size.pick(smoke=100, real=10_000))
    yield [
        make_trial(generated, UNIT_LOTS),
        *(make_trial(frames, 1) for frames in recorded),
    ]


BENCHMARK = Benchmark(
    "tick_to_order", "frame bytes to order bytes in one process, whole arc", prepare
)
