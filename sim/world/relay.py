"""The relay of a world: it writes the order ring to the disk and gives back what is safe there.

It takes what is written, or is stuck with a backlog, or cannot write its journal.
"""

import random

from ext.bounds import Bound
from sim.world.clock import WorldClock
from sim.world.disk import Disk
from sim.world.engine import WorldEngine
from sim.world.schedule import Trace

TAKE_NS = 20_000_000
BACKLOG_ROOM = 600
"""Slots that are free in one of the ways of being stuck: a second or two of trading."""
_SLOTS, _RESERVE = int(Bound.RING_SLOTS), int(Bound.RING_RESERVE)


class Relay:
    """Attached to one engine at a time."""

    def __init__(self, clock: WorldClock, disk: Disk, trace: Trace, seed: int) -> None:
        self._clock = clock
        self._disk = disk
        self._trace = trace
        self._rng = random.Random(f"{seed}:relay")
        self._is_stuck = False

    def attach(self, engine: WorldEngine) -> None:
        """Reads the rings of a new run from their start."""
        self._is_stuck = False
        engine.header["reader_attached"] = 1
        self._disk.attach(engine, self._clock.monotonic_ns())

    def take(self, engine: WorldEngine) -> None:
        """Takes what is written, as it does every few milliseconds."""
        if not self._is_stuck and not engine.is_dead:
            safe = self._disk.write(engine, self._clock.monotonic_ns())
            engine.header["read_sequence"] = engine.header["synced_sequence"] = safe
            engine.header["market_read_sequence"] = engine.header["market_write_sequence"]

    def get_stuck(self, engine: WorldEngine) -> None:
        """Takes nothing more: its backlog is near the reserve, or near the end, or cannot be
        written at all."""
        header, rng = engine.header, self._rng
        way = rng.choice(("near the reserve", "near the end", "cannot write"))
        self._trace.note(f"relay is stuck: {way}")
        self._is_stuck = True
        if way == "cannot write":
            header["journal_failing"] = 1
            return
        room = rng.randrange(BACKLOG_ROOM) + (_RESERVE if way == "near the reserve" else 0)
        header["read_sequence"] = int(header["write_sequence"][0]) - (_SLOTS - room)

    def recover(self, engine: WorldEngine) -> None:
        """It comes to itself and takes all that waits."""
        self._is_stuck = False
        engine.header["journal_failing"] = 0
        self.take(engine)


def is_journal_behind(engine: WorldEngine) -> bool:
    """Whether no new risk may leave: order records are lost, not stored, or hardly fit any more."""
    header = engine.header
    if header["journal_failing"][0] or header["dropped_order_records"][0]:
        return True
    unread = int(header["write_sequence"][0]) - int(header["read_sequence"][0])
    return bool(header["reader_attached"][0]) and unread >= _SLOTS - _RESERVE
