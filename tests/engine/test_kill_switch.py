"""KILL in a running engine: word, record, cancels, latch, proof, and the way back."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from control.audit_log import AuditEntry
from control.kill_source import KillSource
from control.latch import Latch, LatchFile, make_latch
from control.mailbox import set_kill_word
from engine.composition import Arc
from engine.levels.kill_switch import KillEdges, KillSwitch
from ext.bounds import Bound
from ext.dtypes import RECORD
from ext.wire import Command, EngineState, RecordKind
from gateways.coinbase_rest import VenueOrder
from gateways.rest_request import RestAnswer, RestRequest, RestUnavailable
from journal.entries import split_slots

NOW_NS = 1_800_000_000_000_000_000


class Venue:
    """Lists ``count`` open orders until it is told to cancel them."""

    def __init__(self) -> None:
        self.count, self.cancels, self.is_down = 0, 0, False

    async def send(self, request: RestRequest[Any]) -> RestAnswer[Any]:
        if self.is_down:
            raise RestUnavailable("nobody there")
        if request.method == "DELETE":
            self.cancels, self.count = self.cancels + self.count, 0
            return RestAnswer([])
        order = VenueOrder(id="v", product_id="BTC-USD", side="buy", status="open")
        return RestAnswer([order] * self.count)


class Rig:
    def __init__(self, arc: Arc, directory: Path) -> None:
        self.arc, self.venue = arc, Venue()
        self.audited: list[AuditEntry] = []
        self.spawned: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.latch_file = LatchFile(directory / "x.KILLED")
        self.is_active = True
        self.monotonic_ns = 0
        self.cancels = 0
        edges = KillEdges(
            now_ns=lambda: NOW_NS,
            monotonic_ns=self._monotonic,
            latch=self.latch_file,
            audit=self.audited.append,
            in_background=lambda work: work(),
            spawn=self.spawned.append,
            sleep=self._sleep,
            is_session_active=lambda: self.is_active,
        )
        self.switch = KillSwitch(arc, edges)
        self.switch.rest = self.venue
        arc.memory.set_state(EngineState.ENGINE_RUNNING, "running")

    def _monotonic(self) -> int:
        self.monotonic_ns += 1_000
        return self.monotonic_ns

    async def _sleep(self, seconds: float) -> None:
        self.monotonic_ns += int(seconds * 1e9)
        await asyncio.sleep(0)

    async def guard(self, until: Callable[[], bool]) -> None:
        """Runs what was spawned until something holds."""
        tasks = [asyncio.ensure_future(make()) for make in self.spawned]
        self.spawned.clear()
        for _ in range(10_000):
            if until() or all(task.done() for task in tasks):
                break
            await asyncio.sleep(0)
        assert until()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def state(self) -> tuple[int, str]:
        header = self.arc.memory.header_record()[0]
        return int(header["engine_state"]), bytes(header["state_reason"]).decode()

    def commands(self) -> list[tuple[Command, str]]:
        ring = self.arc.memory.region("ring_offset", RECORD, int(Bound.RING_SLOTS))
        written = self.arc.memory.counters()["write_sequence"]
        return [
            (Command(int(each.record["code"])), each.data.decode())
            for each in split_slots(ring[:written])
            if each.kind == RecordKind.RECORD_COMMAND
        ]


@pytest.fixture
def rig(make_arc: Callable[..., Arc], tmp_path: Path) -> Rig:
    return Rig(make_arc(), tmp_path / "state")


async def is_clean() -> str:
    return ""


async def rearm(rig: Rig, reason: str = "looked at it") -> str:
    return await rig.switch.rearm(reason, "ana", rig.switch.killed_ns, is_clean)


def test_everything_that_may_not_wait_is_done_at_once(rig: Rig) -> None:
    rig.switch.kill("five losses", KillSource.KILL_BREAKER, {"losses": 5, "limit": 5})

    assert rig.arc.pipeline.is_killed
    latch = rig.latch_file.read()
    assert latch is not None
    assert (latch.reason, latch.source) == ("five losses", "a circuit breaker")
    assert latch.inputs == {"losses": "5", "limit": "5"}
    (kill, text), (cancel, _) = rig.commands()
    assert (kill, cancel) == (Command.COMMAND_KILL, Command.COMMAND_CANCEL_ALL)
    assert msgspec.json.decode(text, type=Latch) == latch
    assert [entry.what for entry in rig.audited] == ["kill"]
    assert rig.audited[0].detail["latch"] == text
    assert rig.state == (EngineState.ENGINE_KILLED_STATE, "cancelling: five losses")
    assert rig.switch.last_byte_ns > 0


async def test_the_venues_own_list_proves_it(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.venue.count = 3
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    await rig.guard(lambda: rig.switch.is_proven)
    assert rig.venue.cancels == 3
    assert rig.switch.proven_ns > 0
    assert rig.state[1] == "nothing open, proven: drill"
    assert [entry.what for entry in rig.audited] == ["kill", "kill proven"]
    assert "KILL proven" in caplog.text
    assert rig.commands()[-1][0] == Command.COMMAND_OPERATOR


async def test_an_order_that_shows_up_later_is_cancelled_too(rig: Rig) -> None:
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)

    def place_late() -> bool:
        if rig.switch.is_proven and not rig.venue.cancels and not rig.venue.count:
            rig.venue.count = 1
        return rig.venue.cancels == 1

    await rig.guard(place_late)


async def test_a_venue_that_is_down_is_told_and_asked_until_it_answers(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.venue.is_down = True
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    await rig.guard(lambda: "NOT PROVEN: an unknown number of orders open: drill" in rig.state[1])
    assert "nobody there" in caplog.text


async def test_without_rest_a_person_is_told_to_look(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.switch.rest, rig.switch.has_no_rest = None, True
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    await rig.guard(lambda: "look at the venue" in rig.state[1])


def test_a_word_that_another_process_has_set_is_taken_up(rig: Rig) -> None:
    rig.switch.look()
    assert rig.latch_file.read() is None
    set_kill_word(rig.arc.memory.header_record(), KillSource.KILL_COMMAND, "outside", 7)
    rig.switch.look()
    rig.switch.look()
    latch = rig.latch_file.read()
    assert latch is not None
    assert (latch.reason, latch.source, latch.time_ns) == ("outside", "wow-kill", 7)
    kills = [text for command, text in rig.commands() if command == Command.COMMAND_KILL]
    assert len(kills) == 1


def test_a_latch_without_a_word_is_taken_up(rig: Rig) -> None:
    rig.latch_file.write(make_latch("one", "while it hung", "wow-kill", 7))
    rig.switch.look_at_latch()
    assert rig.arc.pipeline.is_killed
    assert rig.switch.latch is not None
    assert rig.switch.latch.id == "one"


def test_a_second_kill_cancels_again_and_keeps_the_first_reason(rig: Rig) -> None:
    rig.switch.kill("first", KillSource.KILL_SIGNAL)
    rig.switch.kill("second", KillSource.KILL_TERMINAL)
    latch = rig.latch_file.read()
    assert latch is not None
    assert latch.reason == "first"
    assert [entry.what for entry in rig.audited] == ["kill", "kill again"]
    assert len(rig.spawned) == 1
    cancels = [1 for command, _ in rig.commands() if command == Command.COMMAND_CANCEL_ALL]
    assert len(cancels) == 2


def test_a_latch_that_cannot_be_written_stops_no_kill(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(latch: Latch) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.latch_file, "write", fail)
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert rig.arc.pipeline.is_killed
    assert len(rig.spawned) == 1
    assert "No space left" in caplog.text


def test_an_audit_log_that_fails_stops_no_kill(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def fail(entry: AuditEntry) -> None:
        raise OSError(28, "No space left on device")

    object.__setattr__(rig.switch._edges, "audit", fail)
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert rig.arc.pipeline.is_killed
    assert "the audit log lacks this KILL" in caplog.text


def test_with_the_session_down_no_cancel_is_recorded(rig: Rig) -> None:
    rig.is_active = False
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert [command for command, _ in rig.commands()] == [Command.COMMAND_KILL]


async def test_rearmed_by_a_person_with_a_reason_and_equal_records(rig: Rig) -> None:
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert await rearm(rig) == ""
    assert not rig.arc.pipeline.is_killed
    assert rig.latch_file.read() is None
    assert not rig.switch.is_killed
    command, text = rig.commands()[-1]
    assert command == Command.COMMAND_REARM
    assert "looked at it" in text


async def test_what_refuses_a_rearm(rig: Rig) -> None:
    assert await rearm(rig) == "", "it was not killed"
    rig.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert "needs a reason" in await rearm(rig, " ")
    rig.venue.count = 2
    assert "still lists 2 open orders" in await rearm(rig)
    rig.venue.is_down = True
    assert "cannot be asked" in await rearm(rig)
    rig.venue.is_down, rig.venue.count = False, 0

    async def is_not_clean() -> str:
        return "the balance of BTC"

    assert await rig.switch.rearm("why", "ana", NOW_NS, is_not_clean) == "the balance of BTC"
    rig.switch.rest = None
    assert "no REST" in await rearm(rig)
    assert rig.arc.pipeline.is_killed
    assert rig.latch_file.read() is not None


async def test_a_kill_during_a_rearm_wins(rig: Rig) -> None:
    rig.switch.kill("first", KillSource.KILL_SIGNAL)

    async def meanwhile() -> str:
        rig.latch_file.path.unlink()
        rig.latch_file.write(make_latch("other", "second", "wow-kill", 9))
        return ""

    answer = await rig.switch.rearm("why", "ana", NOW_NS, meanwhile)
    assert "another KILL came meanwhile" in answer
    assert rig.arc.pipeline.is_killed
    latch = rig.latch_file.read()
    assert latch is not None
    assert latch.id == "other"


async def test_a_kill_that_finds_word_and_latch_set_stops_a_rearm_too(rig: Rig) -> None:
    rig.switch.kill("first", KillSource.KILL_SIGNAL)

    async def meanwhile() -> str:
        assert not set_kill_word(rig.arc.memory.header_record(), 4, "second", NOW_NS + 1)
        return ""

    assert await rig.switch.rearm("why", "ana", NOW_NS, meanwhile) == "another KILL came meanwhile"
    assert rig.arc.pipeline.is_killed


async def test_a_kill_between_the_wish_to_rearm_and_the_rearm_wins(rig: Rig) -> None:
    rig.switch.kill("first", KillSource.KILL_SIGNAL)
    seen_ns = rig.switch.killed_ns
    set_kill_word(rig.arc.memory.header_record(), 4, "second", NOW_NS + 1)
    assert "since you looked" in await rig.switch.rearm("why", "ana", seen_ns, is_clean)
    assert rig.arc.pipeline.is_killed
    assert await rearm(rig) == "", "who has seen the second one may lift both"


async def test_a_kill_in_the_last_moment_of_a_rearm_is_seen(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.switch.kill("first", KillSource.KILL_SIGNAL)
    remove = rig.latch_file.remove

    def remove_behind_it(kill_id: str) -> bool:
        set_kill_word(rig.arc.memory.header_record(), 4, "second", NOW_NS + 1)
        return remove(kill_id)

    monkeypatch.setattr(rig.latch_file, "remove", remove_behind_it)
    assert await rearm(rig) == "another KILL came meanwhile"
    assert rig.arc.pipeline.is_killed
    assert rig.latch_file.read() is not None


def test_a_run_that_begins_with_a_latch_begins_killed(rig: Rig) -> None:
    rig.switch.take_over(make_latch("old", "last week", "wow-kill", 9))
    assert rig.arc.pipeline.is_killed
    latch = rig.latch_file.read()
    assert latch is not None, "a latch that only the journal knew is written again"
    assert latch.id == "old"
