"""What a figure has to reach, as data: limits that are rendered as text and judged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Quantity(Enum):
    """What a clause limits: ours alone, or ours divided by a contender's."""

    VALUE = "value"
    P50_RATIO = "p50"
    P99_RATIO = "p99"


class Clause(NamedTuple):
    """One limit; ``contender`` is whom ours is divided by, empty for the value itself."""

    quantity: Quantity
    limit: float
    contender: str = ""
    is_exact: bool = False

    def text(self, unit: str) -> str:
        """The clause as people write it; ``unit`` is that of the trial."""
        if self.quantity is Quantity.VALUE:
            return f"{'=' if self.is_exact else '≤'} {self.limit:g} {unit}"
        of = f" of {self.contender}" if self.contender else ""
        return f"{self.quantity.value} ≤ {self.limit:g}x{of}"


class Verdict(NamedTuple):
    """A clause beside what was measured.

    ``holds`` is None where the contender is not installed. A number that could not be made
    although everybody ran does not hold.
    """

    clause: Clause
    measured: float | None
    holds: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Limits of a trial; every one that is given has to hold, and at least one is given.

    A ratio is ours divided by theirs: ``p50_ratio`` of the values (medians, or means where an
    operation is too short to be timed alone) and ``p99_ratio`` of the 99th percentiles, both to
    the baseline. ``ratio_to`` limits the ratio of the values to contenders by name. ``value`` and
    ``value_equals`` are in the unit of the trial.

    Raises:
        ValueError: no limit, or one that is negative or not finite.
    """

    p50_ratio: float | None = None
    p99_ratio: float | None = None
    value: float | None = None
    value_equals: float | None = None
    ratio_to: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clauses = self.clauses("")
        if not clauses:
            raise ValueError("a goal without a limit; give at least one")
        for clause in clauses:
            if not (math.isfinite(clause.limit) and clause.limit >= 0):
                raise ValueError(f"the limit of a goal was {clause.limit}; use 0 or more")

    def clauses(self, baseline: str) -> tuple[Clause, ...]:
        """The limits one by one, the ratios to ``baseline`` first."""
        given = (
            (Quantity.P50_RATIO, self.p50_ratio, baseline, False),
            (Quantity.P99_RATIO, self.p99_ratio, baseline, False),
            (Quantity.VALUE, self.value, "", False),
            (Quantity.VALUE, self.value_equals, "", True),
        )
        return (
            *(
                Clause(quantity, limit, contender, is_exact)
                for quantity, limit, contender, is_exact in given
                if limit is not None
            ),
            *(
                Clause(Quantity.P50_RATIO, limit, contender)
                for contender, limit in self.ratio_to.items()
            ),
        )

    def text(self, unit: str) -> str:
        """All clauses as people write them; the baseline goes without saying."""
        return ", ".join(clause.text(unit) for clause in self.clauses(""))


def judge(clause: Clause, measured: float | None, *, is_absent: bool) -> Verdict:
    """Compares exactly, before anything is rounded; ``is_absent``: the contender did not run."""
    if is_absent:
        return Verdict(clause, None, None)
    if measured is None or math.isnan(measured):
        return Verdict(clause, measured, False)
    holds = measured == clause.limit if clause.is_exact else measured <= clause.limit
    return Verdict(clause, measured, holds)


def holds_all(verdicts: list[Verdict]) -> bool | None:
    """False when one clause does not hold, otherwise None when one is open or there is none."""
    found = {verdict.holds for verdict in verdicts}
    if False in found:
        return False
    return None if None in found or not found else True
