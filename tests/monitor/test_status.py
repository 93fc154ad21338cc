import time
from typing import TYPE_CHECKING

import pytest

from ext.wire import EngineState
from journal.shared_reader import SharedReader
from monitor.status import RelayStatus, engine_gone, health

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("state", "age_ns", "reason"),
    [
        (EngineState.ENGINE_RUNNING, 0, ""),
        (EngineState.ENGINE_PAUSED_STATE, 0, ""),
        (EngineState.ENGINE_RUNNING, 3 * SECOND - 1, ""),
        (EngineState.ENGINE_RUNNING, 3 * SECOND, "heartbeat is 3.0 s old"),
        (EngineState.ENGINE_STARTING, 0, "engine is STARTING: because"),
        (EngineState.ENGINE_STOPPING, 0, "engine is STOPPING: because"),
        (EngineState.ENGINE_STOPPED, 0, "engine is STOPPED: because"),
    ],
)
def test_health(engine: "EngineStandIn", state: EngineState, age_ns: int, reason: str) -> None:
    engine.set_state(state, "because")
    engine.beat(engine.start_time_ns + SECOND)
    reader = SharedReader(engine.path)
    now_ns = engine.start_time_ns + SECOND + age_ns
    is_healthy, facts = health(reader, RelayStatus(journal_error="disk full"), now_ns)
    reader.close()
    assert is_healthy == facts["healthy"] == (not reason)
    assert reason in facts["reason"]
    assert facts["journal_error"] == "disk full"


def test_a_dead_engine_is_gone(engine: "EngineStandIn") -> None:
    engine.kill()
    reader = SharedReader(engine.path)
    now_ns = time.time_ns()
    assert engine_gone(reader, now_ns)
    is_healthy, facts = health(reader, RelayStatus(), now_ns)
    assert (is_healthy, facts["reason"]) == (False, f"engine process {2**22 + 1} is gone")
    # Its process cannot be seen from another PID namespace: a fresh heartbeat says that it lives.
    engine.beat(now_ns)
    assert not engine_gone(reader, now_ns)
    reader.close()


def test_a_hung_engine_is_not_gone(engine: "EngineStandIn") -> None:
    reader = SharedReader(engine.path)
    assert not engine_gone(reader, time.time_ns() + 3_600 * SECOND)
    reader.close()
