import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.client import MonitorClient
from tests.engine_stand_in import EngineStandIn, wait_for


@pytest.fixture
def engine(tmp_path: Path) -> EngineStandIn:
    return EngineStandIn(tmp_path / "demo.shm")


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    # Relative to the shortest name there is: the path of a Unix socket has at most 107 bytes.
    return f"ipc://{os.path.relpath(tmp_path / 'pub')}"


@pytest.fixture
def client(endpoint: str) -> Iterator[MonitorClient]:
    monitor_client = MonitorClient(endpoint)
    yield monitor_client
    monitor_client.close()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    return wait_for
