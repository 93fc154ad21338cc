"""Figures of one run's journal: how much of what, when, how fast, and what is missing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ext.dtypes import BLOB
from ext.wire import RecordKind
from journal.directory import segment_names, stored_bytes
from journal.entries import SLOT_BYTES, STREAMS, Stream, Structured, entry_starts
from journal.fields import KINDS
from journal.reader import read_runs

GAPS_KEPT = 3
NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class KindFigures:
    """Records of one kind and the bytes of their slots."""

    records: int = 0
    bytes: int = 0


@dataclass(slots=True)
class StreamFigures:
    """Figures of one stream. Times are receive times, 0 when it has none; ``quiet`` are the longest
    times without a record, longest first: (nanoseconds, when it began). Slots that are missing were
    lost before the relay could take them, or given up while the disk was full; dropped records had
    no room in the ring, as the market stream's last frame counts them."""

    stream: Stream
    segments: int = 0
    stored_bytes: int = 0
    plain_bytes: int = 0
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    peak_per_second: int = 0
    missing_slots: int = 0
    dropped_records: int = 0
    kinds: dict[str, KindFigures] = field(default_factory=dict)
    quiet: list[tuple[int, int]] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Records a second from the first to the last."""
        return self.records * NS_PER_S / max(self.last_ns - self.first_ns, 1)


def gather_figures(
    directory: Path, start_time_ns: int, on_progress: Callable[[int], None]
) -> list[StreamFigures]:
    """Reads every record of a run; ``on_progress`` gets the plain bytes that were read.

    Raises RecordingError at the first damage.
    """
    return [_of_stream(directory, start_time_ns, stream, on_progress) for stream in STREAMS]


def _of_stream(
    directory: Path, start_time_ns: int, stream: Stream, on_progress: Callable[[int], None]
) -> StreamFigures:
    figures = StreamFigures(
        stream,
        segments=len(segment_names(directory, start_time_ns, stream)),
        stored_bytes=stored_bytes(directory, start_time_ns)[stream],
    )
    expected = 1
    second = (0, 0)
    for _, slots in read_runs(directory, start_time_ns, stream):
        figures.missing_slots += int(slots["sequence"][0]) - expected
        expected = int(slots["sequence"][0]) + len(slots)
        second = _add(figures, slots, second)
        on_progress(len(slots) * SLOT_BYTES)
    return figures


def _add(figures: StreamFigures, slots: Structured, second: tuple[int, int]) -> tuple[int, int]:
    starts, end, _ = entry_starts(slots)
    sizes = np.diff(np.array([*starts, end])) * SLOT_BYTES
    kinds = slots["kind"][starts]
    for kind in np.unique(kinds).tolist():
        of_kind = figures.kinds.setdefault(KINDS[kind], KindFigures())
        of_kind.records += int((kinds == kind).sum())
        of_kind.bytes += int(sizes[kinds == kind].sum())
    frames = slots.view(BLOB)[starts][kinds == RecordKind.RECORD_FRAME]
    if len(frames):
        figures.dropped_records = int(frames["reference"][-1])
    figures.records += len(starts)
    figures.plain_bytes += len(slots) * SLOT_BYTES
    times = slots["time_ns"][starts]
    times = times[times > 0]
    if not len(times):
        return second
    figures.first_ns = figures.first_ns or int(times[0])
    before = np.concatenate(([figures.last_ns or times[0]], times))
    pauses = np.diff(before)
    for at in np.argsort(pauses)[-GAPS_KEPT:].tolist():
        figures.quiet.append((int(pauses[at]), int(before[at])))
    figures.quiet = sorted(figures.quiet, reverse=True)[:GAPS_KEPT]
    figures.last_ns = int(times[-1])
    for each, count in zip(*np.unique(times // NS_PER_S, return_counts=True), strict=True):
        second = (int(each), int(count) + (second[1] if second[0] == each else 0))
        figures.peak_per_second = max(figures.peak_per_second, second[1])
    return second
