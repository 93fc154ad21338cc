"""What the rings of an engine still hold, as entries: a look after its death, or beside it."""

from collections.abc import Iterator

from journal.entries import MARKET, ORDERS, Entry, Stream, merge, split_slots
from journal.shared_reader import SharedReader


def ring_entries(reader: SharedReader) -> Iterator[Entry]:
    """Entries of both rings in the order of the engine, from the oldest that was not overwritten.

    Nothing is taken and nobody held back; beside a living engine some may be missed.
    """
    return merge(_of_ring(reader, ORDERS), _of_ring(reader, MARKET))


def _of_ring(reader: SharedReader, stream: Stream) -> Iterator[Entry]:
    sequence, end = 0, reader.written(stream)
    while sequence < end:
        slots, lost = reader.slots_after(stream, sequence)
        if not len(slots) and not lost:
            return
        yield from split_slots(slots, f"{reader.path}: ring of the {stream}")
        sequence += len(slots) + lost
