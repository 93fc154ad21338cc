"""The engine's time follows the wall clock and never jumps."""

import pytest

from engine.engine_clock import MAX_SLEW_NS, EngineClock
from ext.clock import read_monotonic_ns, read_wall_ns
from ext.shared_memory import SharedMemory

SECOND_NS = 1_000_000_000


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


def test_it_tells_wall_time(memory: SharedMemory) -> None:
    clock = EngineClock(memory)
    before = read_wall_ns()
    now = clock.now_ns()
    assert before - SECOND_NS / 1000 < now < read_wall_ns() + SECOND_NS / 1000


def test_the_compiled_edges_read_the_same_offset(memory: SharedMemory) -> None:
    clock = EngineClock(memory)
    offset = int(memory.header_record()["wall_offset_ns"][0])
    before = read_monotonic_ns() + offset
    assert before <= clock.now_ns() <= read_monotonic_ns() + offset


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_host_moves_it_a_little_at_a_time(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    clock = EngineClock(memory)
    offset = int(memory.header_record()["wall_offset_ns"][0])
    monkeypatch.setattr("gateways.edges.read_wall_ns", lambda: read_wall_ns() + step_s * SECOND_NS)

    left = clock.follow()

    moved = int(memory.header_record()["wall_offset_ns"][0]) - offset
    assert moved == (MAX_SLEW_NS if step_s > 0 else -MAX_SLEW_NS)
    assert abs(left - step_s * SECOND_NS) < SECOND_NS
    assert abs(clock.follow()) < abs(left) + SECOND_NS / 1000


def test_a_small_distance_is_closed_at_once(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = EngineClock(memory)
    offset = int(memory.header_record()["wall_offset_ns"][0])
    monkeypatch.setattr("gateways.edges.read_monotonic_ns", lambda: 0)
    monkeypatch.setattr("gateways.edges.read_wall_ns", lambda: offset + MAX_SLEW_NS // 2)
    assert clock.follow() == 0
    assert int(memory.header_record()["wall_offset_ns"][0]) == offset + MAX_SLEW_NS // 2


def test_it_never_goes_back_while_it_slews(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten times a second 50 us: time itself must have gone on by more than that.
    assert MAX_SLEW_NS < SECOND_NS / 10
    clock = EngineClock(memory)
    now = [0]
    monkeypatch.setattr("gateways.edges.read_monotonic_ns", lambda: now[0])
    monkeypatch.setattr("gateways.edges.read_wall_ns", lambda: 0)
    times = []
    for watch in range(100):
        now[0] = 10**18 + watch * SECOND_NS // 10
        clock.follow()
        times.append(clock.now_ns())
    assert times == sorted(times)


def test_as_a_clock_it_tells_the_engines_time(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held against times of the engine must not follow a step of the host's clock."""
    clock = EngineClock(memory)
    monkeypatch.setattr("gateways.edges.read_wall_ns", lambda: read_wall_ns() + 15 * SECOND_NS)
    before = clock.now_ns()
    assert before <= clock.wall_ns() <= clock.now_ns()
    before = read_monotonic_ns()
    assert before <= clock.monotonic_ns() <= read_monotonic_ns()
