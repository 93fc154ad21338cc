"""Trials whose times are made up, so that tests do not depend on the machine."""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
import pytest

from bench.harness import Contender, Measurement

MakeContender = Callable[..., Contender]


@pytest.fixture
def journal() -> list[str]:
    """Names of the contenders in the order in which they ran."""
    return []


@pytest.fixture
def make_contender(journal: list[str]) -> MakeContender:
    """A contender that says it took ``totals[n]`` for 10 operations in its n-th run."""

    def make(
        name: str,
        totals: Sequence[int],
        *,
        hashes: Sequence[int] = (7,),
        samples: Sequence[int] | None = None,
        work: str = "",
        expected_hash: int | None = None,
    ) -> Contender:
        turns = count()

        def run() -> Measurement:
            turn = next(turns)
            journal.append(name)
            taken = None if samples is None else np.array(samples, np.int64)
            total = totals[turn % len(totals)]
            return Measurement(total, 10, hashes[turn % len(hashes)], taken)

        return Contender(name, run, work, expected_hash)

    return make
