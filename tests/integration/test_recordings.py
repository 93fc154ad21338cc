"""Recorded sessions played by the venue at full speed: the books end as the recording does."""

# tidy-ok: covers the processes together

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.integration.commands import Command, Engine

REPOSITORY = Path(__file__).parents[2]
DATA = Path(REPOSITORY, os.environ.get("WOW_DATA", "../shared/data")) / "coinbase"
RECORDINGS = {
    "recording.toml": DATA / "advanced_20260809.jsonl.gz",
    "recording_2021.toml": DATA / "exchange_20210417.txt.gz",
}


class Played(NamedTuple):
    """A run and what it played."""

    engine: "Engine"
    recording: Path


@pytest.fixture(scope="module", params=RECORDINGS)
def played(request: pytest.FixtureRequest, start_engine: "Callable[..., Engine]") -> Played:
    config = str(request.param)
    recording = RECORDINGS[config]
    if not recording.exists():
        pytest.skip(f"{recording} is not here; WOW_DATA names the folder of the recordings")
    engine = start_engine(
        f"simulator.recording={recording}",
        "simulator.speed=max",
        config=REPOSITORY / "configs" / config,
    )
    assert engine.wait() == 0, engine.everything
    return Played(engine, recording)


@pytest.fixture(scope="module")
def truth(played: Played, start_command: "Callable[..., Command]") -> dict[str, dict[str, Any]]:
    """The end of the recording by the compiled books and the slow reference, which must agree."""
    command = start_command("wow-engine", "verify", str(played.recording), "--json", "--every=1000")
    assert command.wait() == 0, command.everything
    return {row["symbol"]: row for row in json.loads(command.output)["instruments"]}


def test_the_books_end_as_the_recording_does(
    played: Played, truth: dict[str, dict[str, Any]]
) -> None:
    run = played.engine
    compared = 0
    for symbol, expected in truth.items():
        if symbol not in run.summary:
            continue
        prices = " ".join(run.row(symbol))
        levels = expected["bid_levels"] + expected["ask_levels"]
        assert f"{expected['best_bid']} {expected['best_ask']} {levels:,}" in prices
        compared += 1
    assert compared >= 2


def test_nothing_was_lost_or_refused(played: Played) -> None:
    run = played.engine
    for words in ("gaps", "bad frames", "times stale", "crossed"):
        assert run.figure(words) == 0, words
    assert run.figure("book updates") > 1000


def test_our_orders_fill_against_the_recorded_book(played: Played) -> None:
    run = played.engine
    assert run.figure("orders") > 0
    assert run.figure("fills") > 0
    assert run.venue_count["fills"] == run.figure("fills")
    assert run.venue_count["open"] == 0
    assert "THE VENUE DIFFERS" not in run.output
