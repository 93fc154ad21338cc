"""What is told of a breaker, and to whom."""

import json
from collections.abc import Callable

import pytest

from engine.composition import Arc
from engine.safety.breaker_watch import BreakerWatch, read_use
from ext.dtypes import RECORD
from ext.safety_records import Breaker, BreakerLevel
from ext.wire import Command, RecordKind
from journal.entries import split_slots

NOW_NS = 1_800_000_000_000_000_000
LIMITS = ("breakers.daily_loss=1000", "strategy.jerico_maker.breakers.losses_in_row=5")


class Rig:
    """A watch over an arc that trades, and what it has told."""

    def __init__(self, arc: Arc) -> None:
        self.arc, self.states, self.kills = arc, list[str](), list[tuple[str, str, str]]()
        self.watch = BreakerWatch(arc, self.states.append, self.kill)

    def kill(self, reason: str, source: str, inputs: str) -> None:
        self.kills.append((reason, source, inputs))

    def trip(self, index: int, level: BreakerLevel, cause: Breaker) -> None:
        self.arc.pipeline.breakers.pause(index, level, cause, NOW_NS)
        self.watch.poll(NOW_NS)

    def told(self) -> list[dict[str, object]]:
        """The COMMAND_BREAKER records so far."""
        ring = self.arc.memory.region("ring_offset", RECORD, 65536)
        entries = split_slots(ring[: self.arc.memory.counters()["write_sequence"]])
        return [
            json.loads(each.data)
            for each in entries
            if each.kind == RecordKind.RECORD_COMMAND
            and int(each.record["code"]) == Command.COMMAND_BREAKER
        ]


@pytest.fixture
def rig(make_arc: Callable[..., Arc]) -> Rig:
    return Rig(make_arc(*LIMITS, is_trading=True))


def test_quiet_breakers_tell_nothing(rig: Rig) -> None:
    rig.watch.poll(NOW_NS)
    assert (rig.told(), rig.states, rig.kills) == ([], [], [])


def test_a_strategy_is_told_of_with_its_values(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.trip(0, BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_LOSSES_IN_ROW)
    assert "breaker losses_in_row of jerico_maker on BTC-USD: 0 of 5; PAUSED" in caplog.text
    assert "wow-ctl resume --strategy 0, or a start with --resume REASON" in caplog.text
    (told,) = rig.told()
    assert told["who"] == "jerico_maker on BTC-USD"
    assert told["breaker"] == "losses_in_row"
    assert told["level"] == "PAUSED"
    assert told["limits"]["losses_in_row"] == 5.0  # type: ignore[index]
    assert told["state"]["raised_time_ns"] == NOW_NS  # type: ignore[index]
    assert (rig.states, rig.kills) == ([], []), "the engine goes on"


def test_a_warning_says_what_comes_next(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.trip(0, BreakerLevel.BREAKER_WARNED, Breaker.BREAKER_DRAWDOWN)
    assert "at 90 % it is paused" in caplog.text


def test_the_engine_is_paused_and_goes_on(rig: Rig) -> None:
    rig.trip(-1, BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_DAILY_LOSS)
    assert "breaker daily_loss of the engine: 0.00 of 1000 (0.0%)" in rig.states[0]
    assert not rig.kills
    rig.arc.pipeline.resume_strategy(-1, NOW_NS, "looked")
    rig.watch.poll(NOW_NS)
    assert rig.states[1:] == [""]


def test_the_engine_is_killed_with_what_was_seen(rig: Rig) -> None:
    rig.trip(-1, BreakerLevel.BREAKER_KILLED, Breaker.BREAKER_DAILY_LOSS)
    ((reason, source, inputs),) = rig.kills
    assert "the engine is killed" in reason
    assert source == "breaker"
    assert json.loads(inputs)["level"] == "KILLED"


def test_a_cooldown_is_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.trip(0, BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_LOSSES_IN_ROW)
    rig.watch._states[0]["paused_until_ns"] = NOW_NS + 60_000_000_000
    assert "it goes on by itself after 60 s" in rig.watch.describe(0)
    assert caplog.text


def test_who_waits_for_room_in_the_portfolio_waits_for_nobody(rig: Rig) -> None:
    rig.trip(0, BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_PORTFOLIO)
    words = rig.watch.describe(0)
    assert "but for those that reduce; it goes on when less of it is used" in words
    assert "--resume" not in words


@pytest.mark.parametrize("cause", [each for each in Breaker if each != Breaker.BREAKER_COUNT])
@pytest.mark.parametrize("index", [0, -1])
def test_every_breaker_has_words(rig: Rig, cause: Breaker, index: int) -> None:
    rig.trip(index, BreakerLevel.BREAKER_KILLED, cause)
    words = rig.watch.describe(index)
    assert cause.name.removeprefix("BREAKER_").lower() in words


def test_use_in_words(rig: Rig) -> None:
    assert read_use(rig.arc) == []
    rig.watch._states["use_permille"][0][Breaker.BREAKER_LOSSES_IN_ROW] = 400
    rig.trip(-1, BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_DAILY_LOSS)
    assert read_use(rig.arc) == [
        "jerico_maker on BTC-USD: losses_in_row 40.0 %",
        "the engine: PAUSED",
    ]
