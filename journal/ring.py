"""Copies entries out of a ring of slots that its writer goes on writing.

The writer clears the sequence of a head, writes the slots of the entry in order, and the head's
sequence last. So a head that still has its own sequence after it was copied was not overwritten
before that, nor were the slots behind it.
"""

from collections.abc import Callable

import numpy as np

from ext.dtypes import BLOB, RECORD
from journal.entries import BLOB_KINDS, Structured, entry_starts, slots_of

MAX_BATCH = 8_192  # slots copied at once, 1 MiB; an entry that is longer is still copied whole
# A quarter: what a writer may still overwrite while a reader attaches to a ring it has lapped.
ATTACH_MARGIN_SHIFT = 2

_NO_SLOTS: Structured = np.empty(0, RECORD)


class Ring:
    """One ring: its slots, and where its writer is."""

    def __init__(self, slots: Structured, write_sequence: Callable[[], int]) -> None:
        """``slots`` is the ring itself; ``write_sequence`` reads how many slots were written."""
        self._slots = slots
        self._write_sequence = write_sequence

    @property
    def written(self) -> int:
        """Slots written since the start; an entry ends with it."""
        return self._write_sequence()

    @property
    def size(self) -> int:
        """Slots that it has."""
        return len(self._slots)

    def time_after(self, sequence: int) -> int:
        """``time_ns`` of the record behind slot ``sequence``; 0 when there is none."""
        if self.written <= sequence or not self._is_head(sequence):
            return 0
        return int(self._slots["time_ns"][sequence % len(self._slots)])

    def safe_start(self, sequence: int) -> int:
        """Where a reader that continues behind ``sequence`` may, although nobody held the writer
        back so far."""
        size = len(self._slots)
        if self.written - sequence < size:
            return sequence
        return self.written - size + (size >> ATTACH_MARGIN_SHIFT)

    def copy_after(
        self, sequence: int, limit: int = MAX_BATCH, *, is_held: bool = False
    ) -> tuple[Structured, int]:
        """A run of whole entries behind slot ``sequence``, and the number of slots lost before it.

        About ``limit`` slots at most; one entry at least, if there is one. Lost slots were
        overwritten before they could be copied. ``is_held``: the writer waits for this reader, so
        that nothing but the start has to be looked at.
        """
        size = len(self._slots)
        written = self.written
        start = max(sequence, written - size)
        count = written - start
        if count <= 0:
            return _NO_SLOTS, 0
        limit = max(limit, self._entry_slots(start))
        if is_held and self._is_head(start):
            copied = self._copy(start, min(count, limit))
            end = len(copied) if count <= limit else entry_starts(copied)[1]
            if end and self._is_head(start):
                return copied[:end], start - sequence
        return self._intact(self._copy(start, count), start, start - sequence, limit)

    def _intact(
        self, copied: Structured, start: int, lost: int, limit: int
    ) -> tuple[Structured, int]:
        """The first run of entries that nobody wrote over, meanwhile or before."""
        expected = np.arange(start + 1, start + len(copied) + 1)
        heads = (copied["sequence"] == expected) & (self._sequences(start, len(copied)) == expected)
        at = 0
        for first in np.flatnonzero(heads).tolist():
            if first < at:
                continue
            starts, end, _ = entry_starts(copied[first:])
            kept = 0
            for begin, behind in zip(starts, [*starts, end][1:], strict=True):
                if not heads[first + begin] or (kept and behind > limit):
                    break
                kept = behind
            if kept:
                return copied[first : first + kept], lost + first
            at = first + 1
        return _NO_SLOTS, lost + len(copied)

    def _entry_slots(self, start: int) -> int:
        head = self._slots[start % len(self._slots)]
        if int(head["kind"]) not in BLOB_KINDS:
            return 1
        byte_count = int(self._slots.view(BLOB)["byte_count"][start % len(self._slots)])
        return min(slots_of(max(0, byte_count)), len(self._slots))

    def _is_head(self, start: int) -> bool:
        return int(self._slots["sequence"][start % len(self._slots)]) == start + 1

    def _sequences(self, start: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        first = start % len(self._slots)
        column = self._slots["sequence"]
        return np.concatenate((column[first:], column[:first]))[:count]

    def _copy(self, start: int, count: int) -> Structured:
        first = start % len(self._slots)
        until_wrap = len(self._slots) - first
        if count <= until_wrap:
            return self._slots[first : first + count].copy()
        return np.concatenate((self._slots[first:], self._slots[: count - until_wrap]))
