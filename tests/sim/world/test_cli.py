"""``python -m sim``: what it prints and how it ends."""

import pytest

from sim.world import cli
from sim.world.runner import Failure


def test_worlds_that_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--seed", "5", "--count", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 worlds held: ")


def test_a_failure_ends_with_its_seed_and_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure(17, "FillsAreCountedOnce", "order 3: 2 lots", ("the last event",))
    monkeypatch.setattr(cli, "play_many", lambda *_, **__: iter([failure]))
    assert cli.main(["--seed", "17"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "the last event",
        "seed 17: FillsAreCountedOnce: order 3: 2 lots",
        "again: python -m sim --seed 17 --count 1",
    ]


@pytest.mark.parametrize("arguments", [["--count", "-1"], ["--jobs", "0"], ["--seed", "x"]])
def test_a_wrong_argument(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err
