"""Entries: what one record is, once its slots are put together again.

Both rings, and both streams of the journal, are rows of slots of 128 bytes. An entry is one slot
(a ``Record``), or the head of a ``Blob`` and as many raw slots behind it as its bytes need. Which
of the two it is follows from its kind; that the head's sequence is the number of its slot is
checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ext.bounds import Bound
from ext.dtypes import BLOB, RECORD
from ext.errors import RecordingError
from ext.wire import RecordKind

Structured = NDArray[np.void]
Stream = Literal["orders", "market"]

ORDERS: Stream = "orders"
MARKET: Stream = "market"
STREAMS: tuple[Stream, ...] = (ORDERS, MARKET)

SLOT_BYTES = RECORD.itemsize
PAYLOAD_OFFSET = BLOB.itemsize - int(Bound.BLOB_PAYLOAD_BYTES)

BLOB_KINDS = frozenset(
    int(kind)
    for kind in (
        RecordKind.RECORD_FRAME,
        RecordKind.RECORD_READ_END,
        RecordKind.RECORD_REQUEST,
        RecordKind.RECORD_REPORT,
        RecordKind.RECORD_COMMAND,
        RecordKind.RECORD_RUN,
        RecordKind.RECORD_STRATEGY_STATE,
        RecordKind.RECORD_STATE_HASH,
    )
)
FIXED_KINDS = frozenset(int(kind) for kind in RecordKind) - BLOB_KINDS
MARKET_KINDS = frozenset(
    int(kind)
    for kind in (RecordKind.RECORD_TRADE, RecordKind.RECORD_FRAME, RecordKind.RECORD_READ_END)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: ``record`` is a RECORD, or a BLOB where the kind carries bytes, ``data``."""

    stream: Stream
    record: np.void
    data: bytes = b""

    @property
    def kind(self) -> int:
        """RecordKind as a number."""
        return int(self.record["kind"])

    @property
    def sequence(self) -> int:
        """Number of its (first) slot in its stream, from 1."""
        return int(self.record["sequence"])

    @property
    def last_sequence(self) -> int:
        """Number of its last slot."""
        return self.sequence - 1 + (slots_of(len(self.data)) if self.kind in BLOB_KINDS else 1)

    @property
    def time_ns(self) -> int:
        """Receive time of what caused it."""
        return int(self.record["time_ns"])


def slots_of(byte_count: int) -> int:
    """Slots that a blob of so many bytes takes, its head included."""
    return max(1, -(-(PAYLOAD_OFFSET + byte_count) // SLOT_BYTES))


def entry_starts(slots: Structured) -> tuple[list[int], int, str]:
    """Where the whole entries of a run of slots begin, where they end, and what is wrong there.

    The run begins with an entry. It may end in the middle of one: then the end is in front of that
    one. What is wrong is "" unless a slot cannot be the head that it should be.
    """
    first = int(slots["sequence"][0]) if len(slots) else 0
    sequences = slots["sequence"].tolist()
    kinds = slots["kind"].tolist()
    byte_counts = slots.view(BLOB)["byte_count"].tolist()
    starts: list[int] = []
    at, end = 0, len(slots)
    while at < end:
        kind, byte_count = kinds[at], byte_counts[at]
        if sequences[at] != first + at or first < 1:
            return starts, at, f"the record of slot {first + at} says that it is {sequences[at]}"
        if kind in FIXED_KINDS:
            size = 1
        elif kind not in BLOB_KINDS:
            return starts, at, f"the record of slot {first + at} is of the unknown kind {kind}"
        elif byte_count < 0:
            return starts, at, f"the record of slot {first + at} has {byte_count} bytes"
        else:
            size = slots_of(byte_count)
        if at + size > end:
            break
        starts.append(at)
        at += size
    return starts, at, ""


def split_slots(slots: Structured, where: str = "slots") -> Iterator[Entry]:
    """Entries of a contiguous run of whole entries.

    Raises RecordingError, which begins with ``where``, when the run is something else.
    """
    slots = np.ascontiguousarray(slots)
    starts, end, wrong = entry_starts(slots)
    kinds = slots["kind"].tolist()
    blobs = slots.view(BLOB)
    byte_counts = blobs["byte_count"].tolist()
    raw = slots.tobytes()
    for at in starts:
        kind = kinds[at]
        stream = MARKET if kind in MARKET_KINDS else ORDERS
        if kind in BLOB_KINDS:
            begin = at * SLOT_BYTES + PAYLOAD_OFFSET
            yield Entry(stream, blobs[at], raw[begin : begin + byte_counts[at]])
        else:
            yield Entry(stream, slots[at])
    if wrong or end < len(slots):
        raise RecordingError(f"{where}: {wrong or 'the last record is cut short'}")


def fixed_records(slots: Structured) -> Structured:
    """The records without bytes of a contiguous run of whole entries, in their order."""
    starts, _, _ = entry_starts(slots)
    heads = slots[starts]
    return heads[np.isin(heads["kind"], list(FIXED_KINDS))]


def merge(orders: Iterator[Entry], market: Iterator[Entry]) -> Iterator[Entry]:
    """Both streams in the one order in which the engine took their records.

    A market blob says in ``after_sequence`` how many slots of the order stream were written when
    it came. Trades are written in front of the frame that brought them, and stay there.
    """
    waiting = next(orders, None)
    trades: list[Entry] = []
    for entry in market:
        if entry.kind not in BLOB_KINDS:
            trades.append(entry)
            continue
        after_sequence = int(entry.record["after_sequence"])
        while waiting is not None and waiting.sequence <= after_sequence:
            yield waiting
            waiting = next(orders, None)
        yield from trades
        yield entry
        trades.clear()
    yield from trades
    if waiting is not None:
        yield waiting
        yield from orders
