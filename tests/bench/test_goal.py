"""Limits are rendered as people write them, compared exactly, and and-ed."""

import math

import pytest

from bench.goal import Clause, Goal, Quantity, holds_all, judge


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal(p50_ratio=1.2, p99_ratio=1.5), "p50 ≤ 1.2x, p99 ≤ 1.5x"),
        (Goal(value=8), "≤ 8 ns"),
        (Goal(value_equals=0), "= 0 ns"),
        (Goal(ratio_to={"C loop": 0.25}, value=1), "≤ 1 ns, p50 ≤ 0.25x of C loop"),
    ],
)
def test_text(goal: Goal, text: str) -> None:
    assert goal.text("ns") == text


@pytest.mark.parametrize(
    "limits",
    [{}, {"ratio_to": {}}, {"value": -1.0}, {"p50_ratio": math.nan}, {"ratio_to": {"b": math.inf}}],
)
def test_a_goal_has_a_limit_that_can_be_reached(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="goal"):
        Goal(**limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "is_exact", "holds"),
    [
        (1.5, False, True),
        (math.nextafter(1.5, 2), False, False),
        (1.4, True, False),
        (1.5, True, True),
        (None, False, False),
        (math.nan, False, False),
    ],
)
def test_the_limit_itself_holds(measured: float | None, is_exact: bool, holds: bool) -> None:
    clause = Clause(Quantity.VALUE, 1.5, is_exact=is_exact)
    assert judge(clause, measured, is_absent=False).holds is holds
    assert judge(clause, measured, is_absent=True).holds is None


@pytest.mark.parametrize(
    ("each", "together"),
    [
        ([], None),
        ([True, True], True),
        ([True, None], None),
        ([True, False], False),
        ([None, False], False),
    ],
)
def test_all_clauses_have_to_hold(each: list[bool | None], together: bool | None) -> None:
    clause = Clause(Quantity.VALUE, 1)
    verdicts = [judge(clause, 1, is_absent=True)._replace(holds=holds) for holds in each]
    assert holds_all(verdicts) is together
