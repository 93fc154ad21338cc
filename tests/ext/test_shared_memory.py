"""The shared memory of a run: layout, ring, drop rule, and files that cannot be made."""

import logging
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ext import dtypes
from ext.bounds import Bound
from ext.clock import read_wall_ns
from ext.errors import ConfigError
from ext.shared_memory import LIVING_NS, PAGE_BYTES, PRIVATE_MARKET_SLOTS, SharedMemory
from ext.wire import EngineState, RecordKind, SessionState, Step

INSTRUMENTS = [("BTC-USD", "0.01", "0.00000001"), ("ETH-EUR", "0.05", "0.002")]
STRATEGIES = ["jerico_trend BTC-USD", "jerico_maker ETH-EUR", "mine"]
MARKET_SLOTS = Bound.RING_SLOTS - Bound.RING_RESERVE
NOW_NS = 1_767_623_400_000_000_000

Array = np.ndarray[Any, np.dtype[Any]]


def make_memory(path: Path | None = None) -> SharedMemory:
    text = str(path) if path else None
    return SharedMemory(text, INSTRUMENTS, STRATEGIES, "engine", "shadow", NOW_NS)


def ring_of(memory: SharedMemory) -> Array:
    return memory.region("ring_offset", dtypes.RECORD, Bound.RING_SLOTS)


def text_of(record: Any) -> bytes:
    """Text of a RECORD_TEXT: the last TEXT_BYTES bytes of the record."""
    return bytes(record.tobytes()[-Bound.TEXT_BYTES :]).rstrip(b"\0")


REGIONS = {
    "names_offset": dtypes.NAME.itemsize * 5,
    "books_offset": dtypes.BOOK_VIEW.itemsize * 2,
    "positions_offset": dtypes.POSITION.itemsize * 3,
    "orders_offset": dtypes.ORDER.itemsize * Bound.MAX_ORDERS,
    "breakers_offset": dtypes.BREAKER_STATE.itemsize * 4,
    "guards_offset": dtypes.GUARD_STATE.itemsize * 3,
    "histograms_offset": 8 * Bound.HISTOGRAM_BUCKETS * Step.STEP_COUNT,
    "ring_offset": dtypes.RECORD.itemsize * Bound.RING_SLOTS,
    "market_ring_offset": dtypes.RECORD.itemsize * PRIVATE_MARKET_SLOTS,
}


def test_regions_follow_one_another_on_pages() -> None:
    counters = make_memory().counters()
    assert dtypes.SHARED_HEADER.itemsize <= PAGE_BYTES
    behind = PAGE_BYTES
    for name, size in REGIONS.items():
        assert counters[name] == behind, name
        behind += -(-size // PAGE_BYTES) * PAGE_BYTES
    assert counters["total_bytes"] == behind


def test_header_says_whose_it_is() -> None:
    memory = make_memory()
    header = memory.header_record()[0]
    assert header["magic"] == dtypes.SHARED_MAGIC
    assert header["layout_hash"] == dtypes.layout_hash()
    assert header["process_id"] == os.getpid()
    assert header["start_time_ns"] == NOW_NS
    assert (header["instrument_count"], header["strategy_count"]) == (2, 3)
    assert (header["engine_name"], header["mode"]) == (b"engine", b"shadow")
    assert memory.path == ""


def test_names_are_instruments_then_strategies() -> None:
    names = make_memory().region("names_offset", dtypes.NAME, 5)
    rows = [tuple(field.decode() for field in row) for row in names.tolist()]
    assert rows == [*INSTRUMENTS, *((name, "", "") for name in STRATEGIES)]


def test_long_names_are_cut_to_their_field() -> None:
    memory = SharedMemory(None, [], [], "e" * 99, "m" * 99)
    header = memory.header_record()[0]
    assert (header["engine_name"], header["mode"]) == (b"e" * 31, b"m" * 15)
    memory.set_state(EngineState.ENGINE_RUNNING, "r" * 999)
    assert memory.header_record()[0]["state_reason"] == b"r" * 127


def test_state_and_reason() -> None:
    memory = make_memory()
    memory.set_state(EngineState.ENGINE_PAUSED_STATE, "the operator asked")
    assert memory.counters()["engine_state"] == EngineState.ENGINE_PAUSED_STATE
    assert memory.header_record()[0]["state_reason"] == b"the operator asked"


def test_text_record() -> None:
    memory = make_memory()
    memory.write_text(NOW_NS, logging.WARNING, "the book of BTC-USD is STALE")
    record = ring_of(memory)[0]
    assert (record["sequence"], record["time_ns"]) == (1, NOW_NS)
    assert (record["kind"], record["code"]) == (RecordKind.RECORD_TEXT, logging.WARNING)
    assert (record["instrument"], record["strategy"]) == (-1, -1)
    assert text_of(record) == b"the book of BTC-USD is STALE"
    assert memory.counters()["write_sequence"] == 1


@pytest.mark.parametrize("size", [0, 1, Bound.TEXT_BYTES - 1, Bound.TEXT_BYTES, 500])
def test_text_is_cut_at_its_bound(size: int) -> None:
    memory = make_memory()
    memory.write_text(NOW_NS, 0, "x" * size)
    memory.write_text(NOW_NS, 0, "next")
    ring = ring_of(memory)
    assert text_of(ring[0]) == b"x" * min(size, Bound.TEXT_BYTES)
    assert ring[1]["sequence"] == 2
    assert text_of(ring[1]) == b"next"


def test_short_text_leaves_nothing_of_the_record_before() -> None:
    memory = make_memory()
    memory.write_text(NOW_NS, 0, "x" * Bound.TEXT_BYTES)
    memory.header_record()["write_sequence"] = Bound.RING_SLOTS
    memory.write_text(NOW_NS, 0, "short")
    assert text_of(ring_of(memory)[0]) == b"short"


def test_session_record() -> None:
    memory = make_memory()
    memory.write_session(NOW_NS, 1, SessionState.SESSION_ACTIVE)
    record = ring_of(memory)[0]
    assert (record["kind"], record["time_ns"]) == (RecordKind.RECORD_SESSION, NOW_NS)
    assert (record["detail"], record["code"]) == (1, SessionState.SESSION_ACTIVE)
    assert record["sequence"] == 1


def test_without_a_reader_old_records_are_overwritten() -> None:
    memory = make_memory()
    for number in range(Bound.RING_SLOTS + 3):
        memory.write_text(number, 0, "")
    counters = memory.counters()
    ring = ring_of(memory)
    assert counters["write_sequence"] == Bound.RING_SLOTS + 3
    assert counters["dropped_market_records"] == counters["dropped_order_records"] == 0
    assert ring["sequence"][:4].tolist() == [Bound.RING_SLOTS + 1 + n for n in range(3)] + [4]
    assert sorted(ring["sequence"].tolist()) == [4 + n for n in range(Bound.RING_SLOTS)]


def test_with_a_reader_market_records_stop_before_the_reserve() -> None:
    memory = make_memory()
    header = memory.header_record()
    header["reader_attached"] = 1
    for number in range(MARKET_SLOTS + 5):
        memory.write_text(number, 0, "")
    assert header["write_sequence"] == MARKET_SLOTS
    assert header["dropped_market_records"] == 5
    assert header["dropped_order_records"] == 0
    header["read_sequence"] = 2  # the reader takes two
    for number in range(3):
        memory.write_text(number, 0, "")
    assert header["write_sequence"] == MARKET_SLOTS + 2
    assert header["dropped_market_records"] == 6


def test_session_records_are_dropped_like_market_records() -> None:
    memory = make_memory()
    header = memory.header_record()
    header["reader_attached"] = 1
    header["write_sequence"] = MARKET_SLOTS
    memory.write_session(NOW_NS, 0, SessionState.SESSION_ACTIVE)
    assert header["dropped_market_records"] == 1
    assert header["write_sequence"] == MARKET_SLOTS


def test_order_records_go_on_to_the_end(make_order_rig: Callable[..., Any]) -> None:
    """A refused intent leaves one order record, whatever the market wanted to write."""
    rig = make_order_rig()
    header = rig.memory.header_record()
    header["reader_attached"] = 1
    header["write_sequence"] = Bound.RING_SLOTS - 2
    nothing = rig.cancel(999)
    for expected in (Bound.RING_SLOTS - 1, Bound.RING_SLOTS):
        rig.submit(nothing)
        assert header["write_sequence"] == expected
    assert header["dropped_order_records"] == 0
    rig.submit(nothing, nothing)
    assert header["write_sequence"] == Bound.RING_SLOTS
    assert header["dropped_order_records"] == 2
    assert ring_of(rig.memory)["sequence"][-1] == Bound.RING_SLOTS, "nothing was overwritten"
    rig.memory.write_text(NOW_NS, 0, "")
    assert header["dropped_market_records"] == 1


def test_hole_in_the_journal_stops_new_risk(make_order_rig: Callable[..., Any]) -> None:
    rig = make_order_rig()
    assert rig.submit(rig.new(1, 50_000, 10))
    rig.memory.header_record()["dropped_order_records"] = 1
    assert not rig.submit(rig.new(1, 50_000, 11))


def test_histograms() -> None:
    memory = make_memory()
    rows = memory.region(
        "histograms_offset", np.dtype(np.int64), Step.STEP_COUNT * Bound.HISTOGRAM_BUCKETS
    ).reshape(Step.STEP_COUNT, Bound.HISTOGRAM_BUCKETS)
    rows[Step.STEP_SEND][7] = 3
    copy = memory.histogram(Step.STEP_SEND)
    assert copy[7] == 3
    assert copy.sum() == 3
    assert memory.histogram(Step.STEP_DECODE).sum() == 0
    memory.clear_histograms()
    assert memory.histogram(Step.STEP_SEND).sum() == 0
    assert copy[7] == 3, "a copy, not a view"


def test_counters_are_the_integers_of_the_header() -> None:
    memory = make_memory()
    memory.header_record()["frames"] = 77
    counters = memory.counters()
    assert counters["frames"] == 77
    assert list(counters) == [
        name for name in dtypes.SHARED_HEADER.names or () if dtypes.SHARED_HEADER[name].kind == "i"
    ]


def test_file_is_seen_by_another_mapping(tmp_path: Path) -> None:
    path = tmp_path / "made" / "engine.shm"
    memory = make_memory(path)
    assert memory.path == str(path)
    assert path.stat().st_size == memory.counters()["total_bytes"]
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as reader:
        memory.write_text(NOW_NS, 0, "hello")
        offset = memory.counters()["ring_offset"]
        row = bytes(reader[offset : offset + dtypes.RECORD.itemsize])
        assert reader[:8] == dtypes.SHARED_MAGIC
    assert text_of(np.frombuffer(row, dtypes.RECORD)[0]) == b"hello"


def test_next_run_leaves_the_pages_of_the_last_one_to_their_reader(tmp_path: Path) -> None:
    path = tmp_path / "engine.shm"
    first = make_memory(path)
    second = make_memory(path)
    first.write_text(NOW_NS, 0, "first")
    assert first.counters()["write_sequence"] == 1
    assert second.counters()["write_sequence"] == 0


@pytest.mark.parametrize("kind", ["a folder", "below a file"])
def test_files_that_cannot_be_made_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "engine.shm"
    if kind == "a folder":
        path.mkdir()
    else:
        path.write_text("")
        path = path / "engine.shm"
    with pytest.raises(ConfigError, match=r"could not be made: .*; check \[telemetry\]") as caught:
        make_memory(path)
    assert str(path) in str(caught.value)


def test_the_memory_of_a_running_engine_is_not_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "wow-x.shm")
    header = SharedMemory(path, [], []).header_record()
    header["heartbeat_ns"] = read_wall_ns()
    SharedMemory(path, [], [])  # our own, as after a start that failed
    header = SharedMemory(path, [], []).header_record()
    header["process_id"] = 1
    header["heartbeat_ns"] = read_wall_ns()
    with pytest.raises(ConfigError, match=r"running engine, process 1; stop it first"):
        SharedMemory(path, [], [])
    header["heartbeat_ns"] = read_wall_ns() - LIVING_NS
    SharedMemory(path, [], [])
    header = SharedMemory(path, [], []).header_record()
    header["process_id"] = 1
    header["heartbeat_ns"] = read_wall_ns()
    header["engine_state"] = EngineState.ENGINE_STOPPED
    SharedMemory(path, [], [])
