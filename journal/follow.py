"""The end of a journal that is still being written."""

from collections.abc import Iterator
from pathlib import Path

from journal.directory import segment_names
from journal.entries import MARKET, ORDERS, STREAMS, Entry, Stream, merge, split_slots
from journal.segment import CutHeader, SegmentReader

LAST_SEGMENTS = 2  # of each stream are looked at for the last records


class Follower:
    """Gives what was added to both streams of a run since the last time it was asked.

    Records of one call are in the order of the engine. A call sees what the relay has written, not
    what waits in the rings. It holds a position, and opens the files anew each time.
    """

    def __init__(self, directory: Path, start_time_ns: int, *, with_market: bool = True) -> None:
        """Begins near the end: with the last ``LAST_SEGMENTS`` segments of each stream."""
        self._directory = directory
        self._with_market = with_market
        self._start_time_ns = start_time_ns
        self._positions: dict[Stream, tuple[int, int]] = {}
        for stream in STREAMS:
            names = segment_names(directory, start_time_ns, stream)
            first = names[-LAST_SEGMENTS:][0].number if names else 0
            self._positions[stream] = (first, 0)

    def take(self) -> Iterator[Entry]:
        """New records; RecordingError at damage."""
        market = self._of_stream(MARKET) if self._with_market else iter(())
        return merge(self._of_stream(ORDERS), market)

    def _of_stream(self, stream: Stream) -> Iterator[Entry]:
        for name in segment_names(self._directory, self._start_time_ns, stream):
            number, position = self._positions[stream]
            if name.number < number:
                continue
            try:
                reader = SegmentReader(name.stored(self._directory))
            except CutHeader:
                continue  # just begun
            with reader:
                if name.number == number and position:
                    reader.skip_to(position)
                for at, slots in reader.blocks():
                    yield from split_slots(slots, f"{reader.path}: block at byte {at}")
                    self._positions[stream] = (name.number, reader.end)
