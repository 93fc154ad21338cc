"""A journal of two streams made by the stand-in of the engine, for the tests of what reads one."""

import random
from pathlib import Path

from ext.wire import ExecutionType, RecordKind
from journal.entries import STREAMS
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from tests.engine_stand_in import EngineStandIn

SECOND_NS = 1_000_000_000


def play(engine: EngineStandIn, count: int, seed: int = 1) -> None:
    """So many turns of an engine: a trade, its frame, a report and what it did; one a second."""
    rng = random.Random(seed)
    for number in range(count):
        now_ns = engine.start_time_ns + number * SECOND_NS
        engine.trade(time_ns=now_ns, instrument=0, price_ticks=100 + number, side=1)
        engine.frame(rng.randbytes(rng.randrange(0, 400)), time_ns=now_ns)
        engine.report(b"8=FIXT.1.1|" + rng.randbytes(rng.randrange(0, 300)), time_ns=now_ns)
        engine.record(
            kind=RecordKind.RECORD_EXECUTION,
            code=ExecutionType.EXEC_NEW,
            time_ns=now_ns,
            instrument=number % 2,
            strategy=number % 2,
            order_number=number,
        )


def write(engine: EngineStandIn, directory: Path, *, blocks: int = 4, segments: int = 2) -> None:
    """Journals what is in both rings of the stand-in, in so many blocks and segments at least."""
    reader = SharedReader(engine.path)
    for stream in STREAMS:
        writer = JournalWriter(directory, reader, stream, segment_ns=10)
        writer.resume()
        limit = max(1, (reader.written(stream) - writer.last_sequence) // blocks)
        sequence, number = writer.last_sequence, 0
        while sequence < reader.written(stream):
            slots, lost = reader.slots_after(stream, sequence, limit)
            writer.append(slots, number * segments * 10 // blocks + 1)
            sequence += len(slots) + lost
            number += 1
        writer.close()
    reader.close()
