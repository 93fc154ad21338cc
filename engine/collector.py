"""Python's garbage collector, off while the engine trades, and watched that it stays so.

A collection stops the loop for as long as it walks the heap: tens of milliseconds in an engine that
has Numba loaded. What it would find is bounded elsewhere: the arc makes no objects, and tests hold
that sessions leave no cycles behind.
"""

import gc
import logging
from typing import Literal

from ext.shared_memory import SharedMemory

_log = logging.getLogger("engine.collector")


class CollectorCare:
    """Freezes the collector with ``begin``, gives it back with ``end``; ``mode`` is the config's.

    The number of collections since ``begin`` is published: 0 for as long as it is off.
    """

    def __init__(self, mode: Literal["frozen", "on"], memory: SharedMemory) -> None:
        self.collections = 0
        self.was_enabled = False  # somebody turned it on meanwhile
        self._is_frozen = mode == "frozen"
        self._header = memory.header_record()
        self._begun_at = 0

    def begin(self) -> None:
        """Collects, takes everything that lives out of the collector's sight, turns it off."""
        if self._is_frozen:
            gc.collect()
            gc.freeze()
            gc.disable()
        self._begun_at = _count_collections()

    def check(self) -> None:
        """Counts what was collected; a collector that is on against the config is turned off.

        Takes a microsecond; told once of each.
        """
        count = _count_collections() - self._begun_at
        if self._is_frozen and count > self.collections == 0:
            _log.warning("garbage was collected %d times though the collector is off", count)
        self.collections = count
        self._header["garbage_collections"] = count
        if self._is_frozen and gc.isenabled():
            gc.disable()
            if not self.was_enabled:
                self.was_enabled = True
                _log.warning("something turned the garbage collector on; it is off again")

    def describe(self) -> str:
        """One line for the banner and the summary."""
        if not self._is_frozen:
            return f"garbage collector on, {self.collections} collections"
        if gc.isenabled() or self.was_enabled or self.collections:
            return f"garbage collector frozen, BUT {self.collections} collections since"
        return f"garbage collector off, {gc.get_freeze_count():,} objects frozen, no collection"

    def end(self) -> None:
        """Lets the collector work again."""
        self.check()
        if self._is_frozen:
            gc.enable()
            gc.unfreeze()


def _count_collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())
