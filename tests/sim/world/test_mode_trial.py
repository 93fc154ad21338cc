"""Paper and live at the simulated venue, same seed: same decisions, and how far fills differ."""

# tidy-ok: covers mode_trial.py and mode_legs.py, the two halves of one trial

import pytest

from sim.world.engine_config import EngineSetup, make_setup
from sim.world.mode_trial import (
    CONFIG,
    LATENCIES_MS,
    Trial,
    count_common,
    first_report_difference_ns,
    main,
    run_trial,
)

SECONDS = 12.0
SEEDS = (1, 2, 3)
TRADED_APART, NET_APART = 0.5, 0.6
"""How far the matching engine, whose queue holds our orders, may be away: shares of the larger."""


@pytest.fixture(scope="module")
def setup() -> EngineSetup:
    return make_setup(CONFIG)


@pytest.fixture(scope="module", params=[(s, ms) for s in SEEDS for ms in LATENCIES_MS])
def trial(request: pytest.FixtureRequest, setup: EngineSetup) -> Trial:
    seed, latencies_ms = request.param
    return run_trial(setup, seed, SECONDS, latencies_ms)


def test_on_the_same_market_paper_decides_and_fills_as_live(trial: Trial) -> None:
    """The simulated venue of a recorded market is written apart from the paper venue and has the
    same model: nothing may differ, to the nanosecond."""
    live, paper = trial.recorded, trial.conservative
    assert len(live.decisions) > 50
    assert len(live.fills) > 20
    assert paper.decisions == live.decisions
    assert paper.fills == live.fills
    assert paper.reports == live.reports
    assert (paper.orders, paper.net) == (live.orders, live.net)


def test_decisions_are_the_same_until_a_report_differs(trial: Trial) -> None:
    for other in (trial.proportional, trial.matched):
        apart_ns = first_report_difference_ns(trial.recorded, other)
        if apart_ns is None:
            assert other.decisions == trial.recorded.decisions
            continue
        if other is trial.matched:
            continue  # frames of our own orders are in its feed from the first one on
        before = [
            [each for each in leg.decisions if each[0] < apart_ns]
            for leg in (trial.recorded, other)
        ]
        assert before[0] == before[1]


def test_the_first_decision_at_a_matching_engine_is_the_same(trial: Trial) -> None:
    """Before any order of ours is in its book the two markets are one."""
    first, paper = (
        [each[1:] for each in leg.decisions] for leg in (trial.matched, trial.conservative)
    )
    assert count_common(first, paper) >= 2


def test_the_distance_to_a_matching_engine_is_of_the_size_that_is_told(trial: Trial) -> None:
    paper, live = trial.conservative, trial.matched
    for one, other, limit in (
        (paper.traded(0), live.traded(0), TRADED_APART),
        (abs(paper.net), abs(live.net), NET_APART),
    ):
        assert abs(one - other) <= limit * max(one, other)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "2", "--seconds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4 * len(LATENCIES_MS)
    assert all(line.count("|") == 10 for line in lines)
