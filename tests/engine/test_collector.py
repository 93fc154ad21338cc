"""The collector is off while the engine runs, and somebody notices when it is not."""

import gc
from collections.abc import Iterator

import pytest

from engine.collector import CollectorCare
from ext.shared_memory import SharedMemory


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


@pytest.fixture(autouse=True)
def kept_collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def published(memory: SharedMemory) -> int:
    return int(memory.header_record()["garbage_collections"][0])


def make_garbage(count: int = 20_000) -> None:
    """Enough container objects for many collections of a collector that is on."""
    kept = []
    for _ in range(count):
        cycle: list[object] = []
        cycle.append(cycle)
        kept.append(cycle)


def test_frozen_means_no_collection_until_the_end(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    care = CollectorCare("frozen", memory)
    care.begin()
    assert not gc.isenabled()
    assert gc.get_freeze_count() > 0
    make_garbage()
    care.check()
    assert care.collections == published(memory) == 0
    assert "objects frozen, no collection" in care.describe()
    care.end()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert caplog.text == ""


def test_a_collection_meanwhile_is_told_once(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    care = CollectorCare("frozen", memory)
    care.begin()
    gc.collect(0)
    care.check()
    gc.collect(0)
    care.check()
    assert care.collections == published(memory) == 2
    assert caplog.text.count("garbage was collected 1 times though the collector is off") == 1
    assert "though" not in caplog.text.replace("though the collector is off", "", 1)
    assert "BUT 2 collections" in care.describe()
    care.end()


def test_a_collector_that_was_turned_on_is_turned_off_again(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    care = CollectorCare("frozen", memory)
    care.begin()
    gc.enable()
    care.check()
    assert not gc.isenabled()
    gc.enable()
    care.check()
    assert not gc.isenabled()
    assert caplog.text.count("something turned the garbage collector on") == 1
    assert care.was_enabled
    care.end()


def test_on_leaves_the_collector_alone_and_counts(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    care = CollectorCare("on", memory)
    care.begin()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    make_garbage()
    care.check()
    assert care.collections == published(memory) > 0
    assert care.describe() == f"garbage collector on, {care.collections} collections"
    care.end()
    assert gc.isenabled()
    assert caplog.text == ""
