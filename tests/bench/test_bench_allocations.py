"""A leak is seen, and so is an order that did not come."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import bench_allocations
from bench.bench_allocations import AllocatedBlocks
from bench.harness import BenchmarkError
from bench.loops import time_frames
from ext.pipeline import Pipeline

Samples = NDArray[np.int64]


def test_nothing_is_taken() -> None:
    assert AllocatedBlocks(500).run().total == 0


def test_one_object_kept_for_each_chunk_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []

    def leak(
        pipeline: Pipeline, payloads: list[bytes], start_ns: int, gap_ns: int, samples: Samples
    ) -> int:
        if payloads:
            kept.append(object())
        return time_frames(pipeline, payloads, start_ns, gap_ns, samples)

    monkeypatch.setattr(bench_allocations, "time_frames", leak)
    assert AllocatedBlocks(500).run().total >= bench_allocations.CHUNKS


def test_frames_without_orders_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(
        pipeline: Pipeline, payloads: list[bytes], start_ns: int, gap_ns: int, samples: Samples
    ) -> int:
        return time_frames(pipeline, payloads[:10], start_ns, gap_ns, samples)

    monkeypatch.setattr(bench_allocations, "time_frames", skip)
    with pytest.raises(BenchmarkError, match="501 frames gave 101 orders"):
        AllocatedBlocks(500).run()
