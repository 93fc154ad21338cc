import random

import numpy as np

from ext.dtypes import RECORD
from ext.wire import RecordKind
from journal.entries import MARKET, ORDERS, Structured, split_slots
from journal.ring import Ring
from journal.shared_reader import SharedReader
from tests.engine_stand_in import MARKET_SLOTS, EngineStandIn

FRAME = RecordKind.RECORD_FRAME


def test_entries_with_bytes_across_the_wrap_in_any_batches(engine: EngineStandIn) -> None:
    rng = random.Random(11)
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    sent: list[bytes] = []
    got: list[bytes] = []
    sequence = 0
    for _ in range(300):
        for _ in range(rng.randrange(1, 8)):
            data = rng.randbytes(rng.choice([0, 50, 72, 73, 500, 3000, 20_000]))
            engine.frame(data)
            sent.append(data)
        while reader.written(MARKET) > sequence:
            slots, lost = reader.slots_after(MARKET, sequence, limit=rng.choice([1, 7, 64, 4096]))
            assert not lost
            assert len(slots)
            got += [entry.data for entry in split_slots(slots)]
            sequence += len(slots)
            reader.acknowledge(MARKET, sequence)
    assert engine.header["market_write_sequence"] > 3 * MARKET_SLOTS
    assert got == sent
    reader.close()


def test_a_lapped_reader_begins_at_the_first_entry_that_is_whole(engine: EngineStandIn) -> None:
    heads = {engine.frame(bytes([number % 251]) * 500): number for number in range(2_000)}
    reader = SharedReader(engine.path)
    slots, lost = reader.slots_after(MARKET, 0, limit=MARKET_SLOTS)
    oldest = int(engine.header["market_write_sequence"]) - MARKET_SLOTS + 1
    first = min(head for head in heads if head >= oldest)
    assert (int(slots["sequence"][0]), lost) == (first, first - 1)
    for entry in split_slots(slots):
        assert entry.data == bytes([heads[entry.sequence] % 251]) * 500
    reader.close()


def test_an_attached_reader_that_was_lapped_finds_its_way(engine: EngineStandIn) -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    for _ in range(2_000):  # as a writer that ignores its reader would
        engine.frame(bytes(500))
    sequence, count = 0, 0
    while sequence < reader.written(MARKET):
        slots, lost = reader.slots_after(MARKET, sequence, limit=100)
        sequence += lost + len(slots)
        count += sum(1 for _ in split_slots(slots))
    assert count == MARKET_SLOTS // 5  # of 5 slots each: the rest of the ring is half of one
    reader.close()


class OverwritingRing(Ring):
    """Its writer goes on while the slots are being copied."""

    def __init__(self, slots: Structured, engine: EngineStandIn, frames: int) -> None:
        super().__init__(slots, lambda: int(engine.header["market_write_sequence"]))
        self._engine = engine
        self._frames = frames

    def _copy(self, start: int, count: int) -> Structured:
        copied = super()._copy(start, count)
        for _ in range(self._frames):
            self._engine.frame(b"new" * 100)
        self._frames = 0
        return copied


def test_what_is_overwritten_meanwhile_is_not_returned(engine: EngineStandIn) -> None:
    for _ in range(MARKET_SLOTS // 4):
        engine.frame(b"old" * 140)
    ring = OverwritingRing(engine.market_ring, engine, 100)
    slots, lost = ring.copy_after(0, MARKET_SLOTS)
    # 100 frames of 3 slots are new: 75 of the old ones, of 4 slots, are gone.
    assert lost == 300
    assert {entry.data for entry in split_slots(slots)} == {b"old" * 140}
    assert len(slots) == MARKET_SLOTS - 300


def test_a_claimed_slot_ends_the_run(engine: EngineStandIn) -> None:
    engine.records(10)
    engine.ring[4]["sequence"] = 0
    reader = SharedReader(engine.path)
    assert len(reader.slots_after(ORDERS, 0)[0]) == 4
    assert reader.oldest_time_ns(ORDERS, 4) == 0
    reader.close()


def test_time_of_the_oldest(engine: EngineStandIn) -> None:
    engine.record(kind=RecordKind.RECORD_TIMER, time_ns=77)
    reader = SharedReader(engine.path)
    assert (reader.oldest_time_ns(ORDERS, 0), reader.oldest_time_ns(ORDERS, 1)) == (77, 0)
    reader.close()


def test_an_empty_ring() -> None:
    ring = Ring(np.zeros(8, RECORD), lambda: 0)
    slots, lost = ring.copy_after(0)
    assert (len(slots), lost) == (0, 0)
    assert ring.safe_start(0) == 0
