"""A few rounds of the trials that kill engines; ``make crash`` has the long form."""

from pathlib import Path

import pytest

from ext.safety_records import GuardReason
from tests.engine import long_run_trial
from tests.integration.crash_trial import run_trial
from tests.integration.stops_trial import StopsError, StopsLook

ROUNDS = 3
FRAMES = 24_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_engine_s_books_are_the_venue_s(tmp_path: Path) -> None:
    rounds = run_trial(ROUNDS, 11, tmp_path)
    assert rounds.kills == ROUNDS
    assert len(rounds.takeovers_s) == ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stops_outlive_the_process_and_fire_once(tmp_path: Path) -> None:
    rounds = run_trial(1, 4, tmp_path, with_stops=True)
    assert rounds.kills == 1
    assert rounds.stops is not None
    assert rounds.stops.exits, "nothing was closed: the distances are too far for this market"


FILLS = (("1", "buy", "0.02"), ("2", "sell", "0.02"), ("3", "sell", "0.01"))


@pytest.mark.parametrize(("exit_number", "is_doubled"), [("2", False), ("3", True), ("1", True)])
def test_an_exit_that_does_not_reduce_is_told(
    tmp_path: Path, exit_number: str, *, is_doubled: bool
) -> None:
    look = StopsLook(tmp_path / "none.shm", tmp_path)
    look.exits[f"order {exit_number}"] = GuardReason.EXIT_STOP
    fills = [
        {"trade_id": number, "order_id": f"order {number}", "side": side, "size": size}
        for number, side, size in reversed(FILLS)
    ]
    if not is_doubled:
        look.compare_fills("BTC-USD", fills)
        return
    with pytest.raises(StopsError, match="BTC-USD: with"):
        look.compare_fills("BTC-USD", fills)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_killed_in_its_middle_ends_in_the_same_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert long_run_trial.main(["--frames", str(FRAMES), "--seed", "5"]) == 0
    told = capsys.readouterr().out
    assert "killed after" in told
    assert f"replay of {FRAMES:,} frames" in told
