"""Breakers and position management over a restart: the next run goes on with them."""
# tidy-ok: covers engine/runs/recovery.py, run_start.py and order_ledger.py for engine/safety

from collections.abc import Callable
from pathlib import Path

from engine.composition import Arc
from engine.runs.recovery import Recovery, take_over
from engine.runs.run_start import snapshot_arc
from engine.runs.state_hash import hash_state
from ext.dtypes import BREAKER_STATE, GUARD_STATE
from ext.safety_records import Breaker, BreakerLevel
from journal.order_ledger import OrderLedger
from journal.snapshot import read_snapshot, write_snapshot
from tests.engine.test_recovery import ledger, next_arc, recovery, snapshot
from tests.engine.test_replay import NOW_NS, Run, read_rings, run

__all__ = ["ledger", "next_arc", "recovery", "run", "snapshot"]  # fixtures
OTHER_ORDER = (
    "strategy.0.class=jerico_trend", "strategy.0.instrument=ETH-USD", "strategy.0.params={}",
    "strategy.1.class=jerico_maker", "strategy.1.instrument=BTC-USD", "strategy.1.params={}",
)  # fmt: skip


def left_behind(run: Run) -> Recovery:
    """The run at its end, by its order stream."""
    ledger = OrderLedger(run.facts)
    for entry in read_rings(run.arc):
        if entry.stream == "orders":
            ledger.apply(entry)
    return Recovery(run.facts, ledger.snapshot(), 0, 0.0)


def test_a_latch_and_the_loss_of_the_day_are_there_again(
    run: Run, next_arc: Callable[..., Arc], tmp_path: Path
) -> None:
    run.arc.pipeline.pause_strategy(0, Breaker.BREAKER_OPERATOR, NOW_NS, "look")
    left = left_behind(run)
    path = write_snapshot(tmp_path, left.snapshot)
    arc = next_arc("strategy.0.breakers.daily_loss=1000", *OTHER_ORDER)
    take_over(Recovery(left.facts, read_snapshot(path), 0, 0.0), arc)
    before = run.arc.memory.region("breakers_offset", BREAKER_STATE, 3)
    after = arc.memory.region("breakers_offset", BREAKER_STATE, 3)
    for name in (
        "level",
        "cause",
        "losses_in_row",
        "day_start_net",
        "trip_start_net",
        "fill_count",
    ):
        assert after[name].tolist() == before[name][[1, 0, 2]].tolist(), name
    assert after["level"][1] == BreakerLevel.BREAKER_PAUSED
    assert after["strategy"].tolist() == [0, 1, -1]
    assert arc.pipeline.breakers.take_notices() == [1], "it is told again"
    again = snapshot_arc(arc, NOW_NS, left.snapshot)
    assert again.breakers == [each.tobytes()[: len(again.breakers[0])] for each in after]


def test_what_was_kept_before_there_were_breakers_begins_anew(
    run: Run, next_arc: Callable[..., Arc]
) -> None:
    left = left_behind(run)
    left.snapshot.breakers.clear()
    left.snapshot.guards.clear()
    arc = next_arc()
    take_over(left, arc)
    state = arc.memory.region("breakers_offset", BREAKER_STATE, 3)[0]
    assert state["day_start_net"] == state["high_water_net"] == state["trip_start_net"] != 0
    assert state["fill_count"] > 0


def test_a_stop_is_there_again(run: Run, next_arc: Callable[..., Arc]) -> None:
    guards = run.arc.memory.region("guards_offset", GUARD_STATE, 2)
    guards["stop_ticks"][0], guards["side"][0], guards["targets_done"][0] = 6_400_000, 1, 2
    left = left_behind(run)
    left.snapshot.guards[0] = guards[0].tobytes()
    arc = next_arc(*OTHER_ORDER)
    take_over(left, arc)
    after = arc.memory.region("guards_offset", GUARD_STATE, 2)
    assert (after["stop_ticks"][1], after["targets_done"][1]) == (6_400_000, 2)
    assert after["strategy"].tolist() == [0, 1]


def test_breakers_and_guards_count_in_the_hash(run: Run) -> None:
    before = hash_state(run.arc)
    run.arc.memory.region("breakers_offset", BREAKER_STATE, 3)["use_permille"][0] = 5
    assert hash_state(run.arc) == before, "only shown"
    run.arc.memory.region("breakers_offset", BREAKER_STATE, 3)["losses_in_row"][1] += 1
    middle = hash_state(run.arc)
    assert middle != before
    run.arc.memory.region("guards_offset", GUARD_STATE, 2)["stop_ticks"][1] += 1
    assert hash_state(run.arc) != middle
