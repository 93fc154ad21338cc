"""The disk of a world: the order stream in real segments, as a relay writes them.

When the process dies, the rings are there still, and what of the last block had reached the file;
when the host loses power, what was forced to the disk, and any part of the rest.
"""

import os
import random
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ext.bounds import Bound
from ext.dtypes import RECORD
from journal.entries import ORDERS, SLOT_BYTES, Entry, Structured, split_slots
from journal.reader import read_runs
from journal.writer import JournalWriter
from sim.world.engine import WorldEngine
from sim.world.schedule import Trace

SYNC_NS = 100_000_000
SEGMENT_BYTES = 64 * 1024
"""A world writes a few of them."""
WHOLE_SHARE = 0.3
"""Of the crashes: all that was written is there."""
ZEROS_SHARE = 0.3
"""Of those that cut a file: the file system had made it longer and had not filled it yet."""
IN_MEMORY = Path("/dev/shm")


class Disk:
    """Holds the journal of all runs of a world; ``close`` removes it."""

    def __init__(self, trace: Trace, rng: random.Random) -> None:
        self._trace = trace
        self._rng = rng
        parent = IN_MEMORY if IN_MEMORY.is_dir() else None
        self.directory = Path(tempfile.mkdtemp(prefix="wow-world-", dir=parent))
        self._remove = weakref.finalize(self, shutil.rmtree, self.directory, True)
        self._writer = _make_writer(self.directory, 0, [])
        self._safe_bytes = 0
        self._safe_path = Path()

    def attach(self, engine: WorldEngine, now_ns: int) -> None:
        """Begins the stream of a new run: its first record is on the disk before it trades."""
        self._writer.close()
        self._writer = _writer_of(self.directory, engine)
        self.write(engine, now_ns, at_once=True)

    def write(self, engine: WorldEngine, now_ns: int, *, at_once: bool = False) -> int:
        """Writes what is new in the ring, and forces it to the disk when it has waited; the slots
        that are safe."""
        slots = slots_of_ring(engine)[self._writer.last_sequence :]
        if len(slots):
            self._writer.append(slots, now_ns)
        self._writer.sync(now_ns, at_once=at_once)
        if not self._writer.unsynced_since_ns:
            self._safe_path = self._writer.path
            self._safe_bytes = self._safe_path.stat().st_size
        return self._writer.synced_sequence

    def die(self, *, is_power_lost: bool) -> None:
        """The writer is gone in the middle of what it did, or the host with all that waited."""
        path = self._writer.path
        size = path.stat().st_size
        safe = self._safe_bytes if path == self._safe_path else 0
        self._writer.close()
        if safe == size or self._rng.random() < WHOLE_SHARE:
            return
        kept = self._rng.randrange(safe, size)
        os.truncate(path, kept)
        is_long = size - kept >= SLOT_BYTES  # fewer zeros could be a damaged record
        has_zeros = is_power_lost and is_long and self._rng.random() < ZEROS_SHARE
        if has_zeros:
            os.truncate(path, size)
        self._trace.note(f"the journal is cut: {kept} of {size} bytes, zeros behind: {has_zeros}")

    def salvage(self, engine: WorldEngine) -> str:
        """Writes what a dead engine's ring has and the journal lacks, as the next start does it;
        what was found damaged, empty: nothing."""
        writer = _writer_of(self.directory, engine)
        damage = writer.resume()
        slots = slots_of_ring(engine)[writer.last_sequence :]
        if len(slots):
            writer.append(slots, 0)
        writer.close()
        return damage

    def read(self, engine: WorldEngine) -> list[Entry]:
        """The order stream of a run as the journal has it."""
        return [entry for where, slots in self._runs(engine) for entry in split_slots(slots, where)]

    def read_bytes(self, engine: WorldEngine) -> bytes:
        """The same as it was written, slot by slot."""
        return b"".join(slots.tobytes() for _, slots in self._runs(engine))

    def _runs(self, engine: WorldEngine) -> Iterator[tuple[str, Structured]]:
        return read_runs(self.directory, engine.facts.start_time_ns, ORDERS, allow_gaps=False)

    def close(self) -> None:
        """Removes it."""
        self._writer.close()
        self._remove()


def slots_of_ring(engine: WorldEngine) -> Structured:
    """What the run has written into its order ring; a world is too short to fill it."""
    written = int(engine.header["write_sequence"][0])
    assert written <= int(Bound.RING_SLOTS), "the ring has gone round: the world is too long"
    return engine.memory.region("ring_offset", RECORD, int(Bound.RING_SLOTS))[:written]


def _make_writer(directory: Path, start_time_ns: int, strategies: list[str]) -> JournalWriter:
    named = SimpleNamespace(
        engine_name="world",
        mode="simulated",
        start_time_ns=start_time_ns,
        strategies=strategies,
        instruments=[],
    )
    return JournalWriter(
        directory, cast(Any, named), segment_bytes=SEGMENT_BYTES, sync_interval_ns=SYNC_NS
    )


def _writer_of(directory: Path, engine: WorldEngine) -> JournalWriter:
    names = [each.name for each in engine.facts.strategies]
    return _make_writer(directory, engine.facts.start_time_ns, names)
