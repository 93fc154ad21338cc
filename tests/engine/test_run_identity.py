"""Client order ids never repeat, whatever was lost."""

import json
from pathlib import Path

import pytest

from engine.runs.run_identity import (
    MAX_RUNS,
    NUMBERS_PER_RUN,
    RunIdentity,
    claim_identity,
    follow_numbers,
)
from ext.bounds import Bound
from ext.errors import ConfigError

PREFIX = b"00000000-0000-4000-8"


def test_each_start_has_numbers_of_its_own(tmp_path: Path) -> None:
    runs = [claim_identity(str(tmp_path), "one") for _ in range(3)]
    assert len({each.prefix for each in runs}) == 1
    assert [each.first_number for each in runs] == [1, NUMBERS_PER_RUN + 1, 2 * NUMBERS_PER_RUN + 1]


def test_engines_share_nothing(tmp_path: Path) -> None:
    one, other = (claim_identity(str(tmp_path), name) for name in ("one", "other"))
    assert one.prefix != other.prefix


@pytest.mark.parametrize("text", ["", "{}", '{"prefix": "x", "runs": 1}', '{"prefix": 1}', "[]"])
def test_a_damaged_file_is_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.identity.json").write_text(text)
    with pytest.raises(ConfigError, match=r"one\.identity\.json is damaged"):
        claim_identity(str(tmp_path), "one")


def test_numbers_end_before_they_overflow(tmp_path: Path) -> None:
    first = claim_identity(str(tmp_path), "one")
    path = tmp_path / "one.identity.json"
    path.write_text(json.dumps({"prefix": first.prefix.decode(), "runs": MAX_RUNS - 1}))
    assert claim_identity(str(tmp_path), "one").first_number < 1 << 54
    with pytest.raises(ConfigError, match="use another state directory"):
        claim_identity(str(tmp_path), "one")


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/one\.identity\.json cannot be used"):
        claim_identity(str(tmp_path / "file"), "one")


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
