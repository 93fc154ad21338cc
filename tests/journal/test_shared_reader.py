import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.errors import ConfigError, UsageError
from ext.wire import OrderState
from journal.entries import ORDERS
from journal.ring import ATTACH_MARGIN_SHIFT
from journal.shared_reader import SharedReader

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

RING_SLOTS = int(Bound.RING_SLOTS)


def sequences_after(reader: SharedReader, sequence: int, limit: int = RING_SLOTS) -> list[int]:
    records, _ = reader.slots_after(ORDERS, sequence, limit)
    return [int(each) for each in records["sequence"]]


def test_names_and_counters(engine: "EngineStandIn") -> None:
    engine.header["frames"] = 123
    reader = SharedReader(engine.path)
    assert [each.symbol for each in reader.instruments] == ["BTC-USD", "ETH-USD"]
    assert reader.instruments[1].tick.format(3) == "0.15"
    assert reader.strategies == ["jerico_maker", "jerico_trend"]
    assert (reader.engine_name, reader.mode) == ("demo", "simulated")
    assert reader.text("state_reason") == "started"
    assert reader.counters()["frames"] == 123
    reader.close()


def test_the_writers_own_text_records_are_read(engine: "EngineStandIn") -> None:
    engine.memory.write_text(7, 30, "low on disk")
    reader = SharedReader(engine.path)
    records, lost = reader.slots_after(ORDERS, 0)
    assert (records["sequence"].tolist(), records["code"].tolist(), lost) == ([1], [30], 0)
    reader.close()


def test_records_across_the_wrap(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    engine.records(RING_SLOTS - 10)
    reader.acknowledge(ORDERS, RING_SLOTS - 10)
    engine.records(30)
    records, lost = reader.slots_after(ORDERS, RING_SLOTS - 10)
    expected = list(range(RING_SLOTS - 9, RING_SLOTS + 21))
    assert (records["sequence"].tolist(), lost) == (expected, 0)
    assert records["price_ticks"].tolist() == expected
    reader.close()


def test_a_full_ring_is_read_whole_by_its_consumer(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    engine.records(RING_SLOTS)
    assert sequences_after(reader, 0) == list(range(1, RING_SLOTS + 1))
    reader.close()


def test_a_lapped_reader_says_what_it_lost(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path)
    engine.records(RING_SLOTS + 100)
    records, lost = reader.slots_after(ORDERS, 50, RING_SLOTS)
    assert (int(records["sequence"][0]), lost) == (101, 50)
    assert len(records) == RING_SLOTS
    reader.close()


def test_a_slot_that_is_being_overwritten_is_not_returned(engine: "EngineStandIn") -> None:
    engine.records(10)
    engine.ring[3]["sequence"] = 0  # claimed by the writer
    reader = SharedReader(engine.path)
    records, lost = reader.slots_after(ORDERS, 0)
    assert (records["sequence"].tolist(), lost) == ([1, 2, 3], 0)
    records, lost = reader.slots_after(ORDERS, 3)
    assert (records["sequence"].tolist(), lost) == ([5, 6, 7, 8, 9, 10], 1)
    reader.close()


def test_the_batch_is_limited(engine: "EngineStandIn") -> None:
    engine.records(10)
    reader = SharedReader(engine.path)
    assert sequences_after(reader, 2, limit=3) == [3, 4, 5]
    assert sequences_after(reader, 10) == []
    reader.close()


def test_attaching_continues_after_what_was_acknowledged(engine: "EngineStandIn") -> None:
    engine.records(10)
    engine.header["read_sequence"] = 4
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    assert reader.acknowledged(ORDERS) == 4
    assert engine.header["reader_attached"] == 1
    reader.acknowledge(ORDERS, 9)
    assert engine.header["read_sequence"] == 9
    reader.detach()
    reader.close()
    assert engine.header["reader_attached"] == 0


def test_attaching_to_a_lapped_ring_leaves_the_writer_room(engine: "EngineStandIn") -> None:
    engine.records(RING_SLOTS + 5)
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    start = reader.acknowledged(ORDERS)
    assert start == engine.header["read_sequence"] == 5 + (RING_SLOTS >> ATTACH_MARGIN_SHIFT)
    assert sequences_after(reader, start)[0] == start + 1
    reader.close()


def test_only_the_consumer_writes(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path)
    with pytest.raises(UsageError, match="writable"):
        reader.attach()
    with pytest.raises(UsageError, match="attach"):
        reader.acknowledge(ORDERS, 1)
    reader.close()


def test_a_second_relay_is_refused(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path, writable=True)
    reader.attach()
    program = (
        "import sys; from pathlib import Path; from journal.shared_reader import SharedReader\n"
        "SharedReader(Path(sys.argv[1]), writable=True).attach()"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, engine.path], capture_output=True, text=True, check=False
    )
    assert "another relay reads this engine's rings" in second.stderr
    reader.close()


def test_a_book_that_is_always_being_written_is_not_returned(engine: "EngineStandIn") -> None:
    view = engine.book()
    reader = SharedReader(engine.path)
    assert reader.book(0) is not None
    view["version"] += 1
    assert reader.book(0) is None
    reader.close()


def test_no_torn_book_while_a_writer_writes(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path)
    must_end = Event()

    def write() -> None:
        view = engine.books[0]
        while not must_end.is_set():
            view["version"] += 1
            view["update_count"] += 1
            view["bid_ticks"][:] = view["update_count"]
            view["ask_lots"][:] = view["update_count"]
            view["version"] += 1

    writer = Thread(target=write)
    writer.start()
    try:
        seen: set[int] = set()
        deadline = time.monotonic() + 20
        while len(seen) < 40 and time.monotonic() < deadline:
            book = reader.book(0)
            if book is not None:
                values = {int(book["update_count"]), *book["bid_ticks"], *book["ask_lots"]}
                assert len(values) == 1
                seen |= values
        assert len(seen) >= 40
    finally:
        must_end.set()
        writer.join()
        reader.close()


def test_open_orders_are_the_ones_that_may_trade(engine: "EngineStandIn") -> None:
    for slot, state in enumerate(OrderState):
        engine.order(slot, 100 - slot, state)
    reader = SharedReader(engine.path)
    orders = reader.open_orders()
    closed = {
        OrderState.NO_ORDER,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
    }
    assert set(orders["state"].tolist()) == set(map(int, OrderState)) - set(map(int, closed))
    assert orders["order_number"].tolist() == sorted(orders["order_number"].tolist())
    reader.close()


def test_a_dead_engines_memory_can_be_read(engine: "EngineStandIn") -> None:
    engine.book()
    engine.records(5)
    engine.kill()
    reader = SharedReader(engine.path)
    assert not reader.engine_lives()
    assert sequences_after(reader, 0) == [1, 2, 3, 4, 5]
    assert reader.book(0) is not None
    reader.close()


def test_this_process_lives_and_its_heartbeat_has_an_age(engine: "EngineStandIn") -> None:
    engine.beat(engine.start_time_ns + 500)
    reader = SharedReader(engine.path)
    assert reader.engine_lives()
    assert reader.heartbeat_age_ns(engine.start_time_ns + 700) == 200
    engine.beat(0)  # not yet
    assert reader.heartbeat_age_ns(engine.start_time_ns + 700) == 700
    reader.close()


def corrupt_magic(engine: "EngineStandIn") -> None:
    engine.header["magic"] = b"NOTOURS!"


def corrupt_layout(engine: "EngineStandIn") -> None:
    engine.header["layout_hash"] += 1


def corrupt_offset(engine: "EngineStandIn") -> None:
    engine.header["ring_offset"] = engine.header["total_bytes"]


def corrupt_tick(engine: "EngineStandIn") -> None:
    start = int(engine.header["names_offset"]) + 48
    with engine.path.open("r+b") as file:
        file.seek(start)
        file.write(b"zero\0")


def cut_short(engine: "EngineStandIn") -> None:
    os.truncate(engine.path, 8192)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (corrupt_magic, "starts with b'NOTOURS!'"),
        (corrupt_layout, "another version of the engine"),
        (corrupt_offset, "ring_offset .* outside"),
        (corrupt_tick, "instrument BTC-USD: step 'zero'"),
        (cut_short, "cut short"),
    ],
)
def test_damage_is_named(
    engine: "EngineStandIn", damage: Callable[["EngineStandIn"], None], message: str
) -> None:
    damage(engine)
    with pytest.raises(ConfigError, match=message):
        SharedReader(engine.path)


def test_an_absent_or_tiny_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.shm: No such file"):
        SharedReader(tmp_path / "none.shm")
    (tmp_path / "tiny.shm").write_bytes(b"WOWSHM01")
    with pytest.raises(ConfigError, match="too short"):
        SharedReader(tmp_path / "tiny.shm")
