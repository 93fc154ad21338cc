from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal.shared_reader import SharedReader
from tests.engine_stand_in import EngineStandIn, wait_for


@pytest.fixture
def engine(tmp_path: Path) -> EngineStandIn:
    return EngineStandIn(tmp_path / "demo.shm")


@pytest.fixture
def reader(engine: EngineStandIn) -> Iterator[SharedReader]:
    shared_reader = SharedReader(engine.path)
    yield shared_reader
    shared_reader.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    return wait_for
