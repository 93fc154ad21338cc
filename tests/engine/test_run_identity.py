"""Who a run is to the venue: where its numbers begin."""

import pytest

from engine.run_identity import NUMBERS_PER_RUN, RunIdentity, follow_numbers
from ext.bounds import Bound

PREFIX = b"00000000-0000-4000-8"


@pytest.mark.parametrize("next_number", [1, 2, 5_000, 16_384, 16_385, NUMBERS_PER_RUN + 77])
@pytest.mark.parametrize("run", [1, 2, 1_000])
def test_numbers_go_on_at_the_digits_of_the_last_run(next_number: int, run: int) -> None:
    claimed = RunIdentity(PREFIX, run * NUMBERS_PER_RUN + 1)
    followed = follow_numbers(claimed, next_number)
    assert followed.prefix == PREFIX
    assert followed.first_number % Bound.MAX_REQUESTS == next_number % Bound.MAX_REQUESTS
    distance = followed.first_number - claimed.first_number
    assert 0 <= distance < Bound.MAX_REQUESTS, "within its own block"


def test_the_newest_requests_of_the_last_run_are_the_last_to_be_written_over() -> None:
    last = range(1, 40_000)
    newest = {number % Bound.MAX_REQUESTS for number in last[-1_000:]}
    first = follow_numbers(RunIdentity(PREFIX, NUMBERS_PER_RUN + 1), last[-1] + 1).first_number
    reused = {number % Bound.MAX_REQUESTS for number in range(first, first + 15_000)}
    assert not newest & reused
