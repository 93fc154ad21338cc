"""What the journal costs the hot thread: a record with bytes, and the arc beside a relay."""

import functools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np

from bench.arc import make_arc
from bench.bench_tick_to_order import FrameToOrder
from bench.frames import UNIT_LOTS, FrameSet, generate_frames
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.step_loops import time_blobs
from ext.bounds import Bound
from ext.dtypes import BLOB, RECORD
from ext.order_sender import CapturingSender
from ext.shared_memory import SharedMemory

IN_MEMORY = Path("/dev/shm")
REPORT_BYTES = 400  # of an ExecutionReport
FRAME_BYTES = 700  # of an update with a few changes
DIFFERENT_PAYLOADS = 26
"""Few: what is recorded was read a moment before, so it is in the first cache. The ring is not."""
ORDER_BYTES = 512
RELAY_GOAL_RATIO = 1.05


def measure_blobs(directory: Path, payloads: list[bytes], is_market: bool) -> Measurement:
    """Records of these bytes into a ring in a file of its own, which nobody reads."""
    path = directory / "blobs.shm"
    slots_of_ring = Bound.MARKET_RING_SLOTS if is_market else Bound.RING_SLOTS
    memory = SharedMemory(str(path), [], [], market_ring_slots=Bound.MARKET_RING_SLOTS)
    total_ns = time_blobs(memory, payloads, is_market)
    region, word = (
        ("market_ring_offset", "market_write_sequence")
        if is_market
        else ("ring_offset", "write_sequence")
    )
    ring = memory.region(region, RECORD, slots_of_ring)
    written = memory.counters()[word]
    slots = written // len(payloads)
    first = (written - slots) % slots_of_ring
    held = np.concatenate([ring[first:], ring[:slots]])[:slots].tobytes()
    head = np.frombuffer(held, BLOB, 1)[0]
    offset = BLOB.fields["payload"][1] if BLOB.fields else 0
    found = held[offset : offset + int(head["byte_count"])]
    path.unlink()
    if found != payloads[-1]:
        raise BenchmarkError("journal: the last record does not hold what was written")
    return Measurement(total_ns, len(payloads), crc32(found))


class RecordedFrames(FrameToOrder):
    """Frames to orders in an arc that records; with a relay that journals, or without."""

    def __init__(self, frames: FrameSet, directory: Path, *, has_relay: bool) -> None:
        super().__init__(frames, UNIT_LOTS)
        directory.mkdir()
        self._sender = CapturingSender(ORDER_BYTES * len(frames.padded))
        self._arc = make_arc(
            frames.venue,
            frames.products,
            self._sender,
            unit_lots=UNIT_LOTS,
            directory=directory,
            is_recording=True,
        )
        self._pause = threading.Event()  # never set: its wait is a sleep until then
        self._header = self._arc.pipeline.memory.header_record()
        self.relay = _start_relay(directory) if has_relay else None

    def run(self) -> Measurement:
        """As its base, once the relay has room for all of the frames."""
        self._header["heartbeat_ns"] = time.time_ns()
        while (
            self.relay is not None
            and self.relay.poll() is None
            and (
                self._header["market_read_sequence"] < self._header["market_write_sequence"]
                or self._header["read_sequence"] < self._header["write_sequence"]
            )
        ):
            self._pause.wait(0.01)
        return super().run()

    def close(self) -> None:
        """Ends the relay."""
        if self.relay is not None:
            self.relay.terminate()
            self.relay.communicate()


def _start_relay(directory: Path) -> "subprocess.Popen[bytes]":
    relay = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("wow-relay")),
            f"--shared-memory={directory / 'bench.shm'}",
            f"--publish=ipc://{directory / 'p'}",
            f"--journal={directory / 'journal'}",
            "--no-compression",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if relay.stdout is None or b"ready" not in relay.stdout.readline():
        raise BenchmarkError("journal: wow-relay did not start")
    return relay


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Frames few enough that a run never fills the market ring."""
    count = size.pick(smoke=200, real=100_000)
    frames = generate_frames(size.pick(smoke=100, real=10_000)).frame_set()
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="wow-bench-", dir=parent)))
        without = RecordedFrames(frames, directory / "a", has_relay=False)
        beside = RecordedFrames(frames, directory / "b", has_relay=True)
        stack.callback(beside.close)
        yield [
            _blob_trial("journal.frame", directory, FRAME_BYTES, count, is_market=True),
            _blob_trial("journal.report", directory, REPORT_BYTES, count, is_market=False),
            Trial(
                "journal.tap",
                (
                    Contender("engine: frame to order, recorded", without.run),
                    Contender(
                        "engine: frame to order, nothing recorded",
                        FrameToOrder(frames, UNIT_LOTS).run,
                    ),
                ),
                baseline="engine: frame to order, nothing recorded",
            ),
            Trial(
                "journal.relay",
                (
                    Contender("engine: frame to order, relay beside it", beside.run),
                    Contender("engine: frame to order, no relay", without.run),
                ),
                baseline="engine: frame to order, no relay",
                goal=Goal(p99_ratio=RELAY_GOAL_RATIO),
            ),
        ]


def _blob_trial(name: str, directory: Path, size: int, count: int, *, is_market: bool) -> Trial:
    different = [bytes([65 + index]) * size for index in range(DIFFERENT_PAYLOADS)]
    payloads = [different[index % DIFFERENT_PAYLOADS] for index in range(count)]
    run = functools.partial(measure_blobs, directory, payloads, is_market)
    return Trial(name, (Contender("engine: record with its bytes", run),), goal=Goal(value=60))


BENCHMARK = Benchmark("journal", "what recording and a relay cost the hot thread", prepare)
