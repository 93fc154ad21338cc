"""Who runs where: one core for the engine alone, the rest for the others, and never a refusal."""

import pytest

from tuning.core_plan import CorePlan, plan_cores


@pytest.mark.parametrize(
    ("engine_core", "relay_core", "cores", "plan"),
    [
        (-1, -1, [0, 1], CorePlan(None, None, (0, 1))),
        (1, -1, [0, 1], CorePlan(1, 0, (0,))),
        (0, -1, [0, 1, 2, 3], CorePlan(0, 3, (1, 2, 3))),
        (3, 1, [0, 1, 2, 3], CorePlan(3, 1, (0, 1, 2))),
        (-1, 1, [0, 1], CorePlan(None, 1, (0, 1))),
        (8, -1, [4, 8], CorePlan(8, 4, (4,))),
    ],
)
def test_what_can_be_had_is_planned(
    engine_core: int, relay_core: int, cores: list[int], plan: CorePlan
) -> None:
    assert plan_cores(engine_core, relay_core, cores) == plan


def test_a_core_that_is_not_ours_leaves_the_engine_unpinned() -> None:
    plan = plan_cores(5, -1, [0, 1])
    assert (plan.engine, plan.relay, plan.others) == (None, None, (0, 1))
    assert plan.warnings == (
        "[loop] engine_core 5 is not a core of this process; it may use 0-1: the engine is not"
        " pinned",
    )


def test_the_only_core_is_not_taken_from_the_other_threads() -> None:
    plan = plan_cores(0, -1, [0])
    assert (plan.engine, plan.relay, plan.others) == (None, None, (0,))
    (warning,) = plan.warnings
    assert "engine_core 0 is the only core of this process" in warning


@pytest.mark.parametrize(
    ("engine_core", "relay_core", "relay"), [(1, 1, 0), (1, 9, 0), (-1, 9, None)]
)
def test_a_relay_core_that_cannot_be_had_is_told(
    engine_core: int, relay_core: int, relay: int | None
) -> None:
    plan = plan_cores(engine_core, relay_core, [0, 1])
    assert plan.relay == relay
    (warning,) = plan.warnings
    assert f"relay_core {relay_core} is not a core that the relay may use" in warning
