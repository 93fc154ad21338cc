"""A few rounds of the trials that kill engines; ``make crash`` has the long form."""

from pathlib import Path

import pytest

from tests.engine import long_run_trial
from tests.integration.crash_trial import run_trial

ROUNDS = 3
FRAMES = 24_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_engine_s_books_are_the_venue_s(tmp_path: Path) -> None:
    rounds = run_trial(ROUNDS, 11, tmp_path)
    assert rounds.kills == ROUNDS
    assert len(rounds.takeovers_s) == ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_killed_in_its_middle_ends_in_the_same_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert long_run_trial.main(["--frames", str(FRAMES), "--seed", "5"]) == 0
    told = capsys.readouterr().out
    assert "killed after" in told
    assert f"replay of {FRAMES:,} frames" in told
