"""KILL with real processes: some cells of the table that ``kill_trial`` plays whole."""

# tidy-ok: covers the processes together

import random
from collections.abc import Iterator

import pytest

from tests.integration.crash_trial import Venue
from tests.integration.kill_trial import crash_in_kill, drill, possible

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    made = Venue(3, duration_s=600)
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("terminal", "busy"),
        ("breaker", "disconnected"),
        ("wow-ctl", "hung"),
        ("wow-kill", "in a callback"),
        ("wow-kill", "dead"),
    ],
)
def test_nothing_is_open_at_the_venue_afterwards(venue: Venue, source: str, state: str) -> None:
    found = drill(venue, source, state)
    assert found.open_before >= 1, "there was something to cancel"


def test_a_crash_in_the_middle_loses_no_kill() -> None:
    venue = Venue(4, duration_s=300)
    try:
        was_killed, is_killed = crash_in_kill(venue, random.Random(1))
    finally:
        venue.stop()
    assert is_killed or not was_killed


def test_what_cannot_be_is_not_in_the_table() -> None:
    assert not possible("signal", "dead")
    assert possible("wow-ctl", "dead")
