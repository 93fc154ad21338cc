"""Python memory that the arc takes while frames come and orders go: none."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from bench.arc import make_arc
from bench.frames import UNIT_LOTS, generate_frames
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import time_frames
from ext.order_sender import CapturingSender

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
GAP_NS = 2_000_000
PAUSE_NS = 1_000_000_000  # simulated, between two runs: no window of the gate reaches back
CHUNKS = 10


class AllocatedBlocks:
    """Counts Python's allocated blocks around each tenth of the frames.

    A block more or less after any tenth counts, so that what comes and goes does not cancel out.
    Objects that live for less than a frame cannot exist: the arc is compiled without the
    interpreter (``nogil``).
    """

    def __init__(self, frames: int) -> None:
        generated = generate_frames(frames).frame_set()
        self._frames = generated.padded
        self._sender = CapturingSender(1)
        self._arc = make_arc(generated.venue, generated.products, self._sender, unit_lots=UNIT_LOTS)
        self._samples = np.zeros(len(self._frames), np.int64)
        self._time_ns = START_TIME_NS

    def run(self) -> Measurement:
        """One pass over all frames, an order for each; the total is in blocks."""
        self._time_ns += PAUSE_NS
        sent_before = self._sender.count
        self._change(self._frames[:1])
        updates = self._frames[1:]
        size = -(-len(updates) // CHUNKS)
        chunks = [updates[at : at + size] for at in range(0, len(updates), size)]
        gc.collect()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            nothing = self._change([])  # what the counting itself takes
            blocks = sum(abs(self._change(chunk) - nothing) for chunk in chunks)
        finally:
            if was_enabled:
                gc.enable()
        sent = self._sender.count - sent_before
        if sent != len(self._frames):
            raise BenchmarkError(f"allocations: {len(self._frames)} frames gave {sent} orders")
        return Measurement(blocks, 1, sent)

    def _change(self, frames: list[bytes]) -> int:
        before = sys.getallocatedblocks()
        time_frames(self._arc.pipeline, frames, self._time_ns, GAP_NS, self._samples)
        change = sys.getallocatedblocks() - before
        self._time_ns += GAP_NS * len(frames)
        return change


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """10,000 frames and orders at both sizes: it takes a fraction of a second."""
    blocks = AllocatedBlocks(size.pick(smoke=10_000, real=10_000))
    engine = Contender("engine: 10,000 frames with orders", blocks.run)
    yield [Trial("allocations", (engine,), unit="blocks", goal=Goal(value_equals=0))]


BENCHMARK = Benchmark("allocations", "Python blocks that 10,000 frames with orders take", prepare)
