"""Copies into the journal what a dead engine left in its rings: its relay may have died with it."""

import time
from pathlib import Path

from ext.errors import ConfigError, UsageError
from journal.entries import STREAMS, Stream, entry_starts
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter

RELAY_WAIT_S = 10.0  # a relay that lives takes what is there, and ends within seconds
POLL_S = 0.05


def salvage(
    shared_memory_path: Path,
    directory: Path,
    *,
    with_market: bool = True,
    wait_s: float = RELAY_WAIT_S,
) -> int:
    """Writes the records of both rings that the journal in ``directory`` lacks; how many they were.

    All of it is on the disk when it returns; a second call finds nothing to do. A relay that still
    empties the rings is waited for, ``wait_s`` seconds at most. Raises ConfigError when there is no
    such memory or its relay does not end, UsageError when the engine lives, OSError when the
    journal cannot be written.
    """
    reader = SharedReader(shared_memory_path, writable=True)
    try:
        if reader.engine_lives():
            raise UsageError(
                f"{shared_memory_path}: engine process {reader.process_id} lives; stop it first"
            )
        _attach(reader, wait_s)
        streams = STREAMS if with_market else STREAMS[:1]
        return sum(_salvage_stream(reader, stream, directory) for stream in streams)
    finally:
        reader.close()


def _attach(reader: SharedReader, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            reader.attach()
        except ConfigError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_S)  # tidy-ok: the relay is another process
        else:
            return


def _salvage_stream(reader: SharedReader, stream: Stream, directory: Path) -> int:
    writer = JournalWriter(directory, reader, stream)
    writer.resume()
    count = 0
    try:
        sequence = writer.last_sequence
        while sequence < reader.written(stream):
            slots, lost = reader.slots_after(stream, sequence)
            sequence += lost + len(slots)
            if not len(slots):
                break
            writer.append(slots, time.monotonic_ns())
            count += len(entry_starts(slots)[0])
    finally:
        writer.close()
    return count
