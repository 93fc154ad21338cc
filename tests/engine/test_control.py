"""What a person asks of a run, and what becomes of it: pause, resume, arm, rearm, FLATTEN."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from control.commands import Answer, Command, Verb, new_command_id
from control.kill_source import KillSource
from control.mailbox import Mailbox
from control.people import Who
from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.levels.control import UNARMED, Control
from ext.clock import read_wall_ns
from ext.wire import EngineState


class Host:
    """Runs tasks at once, as far as they come without waiting."""

    def __init__(self) -> None:
        self.is_stopping, self.is_session_active = False, True
        self.difference, self.forgotten = "", 0
        self.reconciler: Any = self
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def compare_now(self) -> str:
        return self.difference

    def forget_told(self) -> None:
        self.forgotten += 1


class Rig:
    def __init__(self, arc: Arc) -> None:
        self.arc, self.host = arc, Host()
        self.control = Control(arc, EngineClock(arc.memory), self.host)
        self.header = arc.memory.header_record()
        self.mailbox = Mailbox(self.header)
        arc.memory.set_state(EngineState.ENGINE_RUNNING, "running")

    async def ask(self, verb: Verb, reason: str = "why", **changes: Any) -> Answer:
        fields: dict[str, Any] = {
            "id": new_command_id(), "verb": verb, "reason": reason,
            "sent_time_ns": read_wall_ns(), "who": Who(1000, "ana", 7),
            "seen_kill_time_ns": int(self.header["kill_time_ns"][0]),
        }  # fmt: skip
        number = self.mailbox.post(msgspec.json.encode(Command(**(fields | changes))))
        self.control.look()
        for _ in range(200):
            data = self.mailbox.answer_to(number)
            if data is not None:
                return msgspec.json.decode(data, type=Answer)
            await asyncio.sleep(0.001)
        pytest.fail("no answer")

    def state(self) -> tuple[int, str]:
        """Level and why, as others see it."""
        return int(self.header["engine_state"][0]), bytes(self.header["state_reason"][0]).decode()

    def is_paused(self) -> bool:
        """Of the gate: a method, for it changes while a test looks."""
        return bool(self.arc.pipeline.gate.is_paused)


@pytest.fixture
def rig(make_arc: Callable[..., Arc]) -> Rig:
    return Rig(make_arc())


async def test_pause_and_resume(rig: Rig) -> None:
    assert (await rig.ask(Verb.PAUSE, "lunch")).code == "done"
    assert rig.is_paused()
    assert rig.state() == (EngineState.ENGINE_PAUSED_STATE, "lunch (wow-ctl, ana)")
    assert "already" in (await rig.ask(Verb.PAUSE)).text
    assert (await rig.ask(Verb.RESUME, "")).code == "refused"
    answer = await rig.ask(Verb.RESUME, "back")
    assert answer.text == "resumed; it was paused for: lunch (wow-ctl, ana)"
    assert not rig.is_paused()
    assert rig.state()[0] == EngineState.ENGINE_RUNNING
    assert rig.host.forgotten == 1


async def test_a_resume_of_what_is_not_paused_does_nothing(rig: Rig) -> None:
    assert (await rig.ask(Verb.RESUME)).text == "is not paused"


async def test_a_hole_in_the_journal_is_not_resumed(rig: Rig) -> None:
    await rig.ask(Verb.PAUSE)
    rig.header["dropped_order_records"] = 1
    assert "only a restart" in (await rig.ask(Verb.RESUME)).text
    assert rig.is_paused()


async def test_a_command_is_done_once_and_not_late(rig: Rig) -> None:
    number = new_command_id()
    assert (await rig.ask(Verb.PAUSE, id=number)).code == "done"
    assert (await rig.ask(Verb.RESUME)).code == "done"
    assert (await rig.ask(Verb.PAUSE, id=number)).code == "repeated"
    assert not rig.is_paused()
    late = await rig.ask(Verb.PAUSE, sent_time_ns=read_wall_ns() - 10**11)
    assert late.code == "expired"
    assert not rig.is_paused()


async def test_what_is_no_command_is_answered(rig: Rig) -> None:
    number = rig.mailbox.post(b"nonsense")
    rig.control.look()
    data = rig.mailbox.answer_to(number)
    assert data is not None
    assert msgspec.json.decode(data, type=Answer).code == "refused"


async def test_cancel_all_says_what_was_sent_or_why_not(rig: Rig) -> None:
    assert (await rig.ask(Verb.CANCEL_ALL)).facts == {"cancels_sent": "0"}
    rig.host.is_session_active = False
    assert "wow-kill cancels by REST" in (await rig.ask(Verb.CANCEL_ALL)).text


async def test_nothing_is_done_while_the_engine_stops(rig: Rig) -> None:
    rig.host.is_stopping = True
    assert (await rig.ask(Verb.PAUSE)).code == "refused"


async def test_killed_it_neither_resumes_nor_arms_nor_flattens(rig: Rig) -> None:
    await rig.ask(Verb.KILL, "drill")
    assert rig.state()[0] == EngineState.ENGINE_KILLED_STATE
    for verb in (Verb.RESUME, Verb.ARM, Verb.FLATTEN):
        assert (await rig.ask(verb)).code == "refused"
    rig.control.pause("a doubt besides")
    assert rig.state()[0] == EngineState.ENGINE_KILLED_STATE, "the gravest level is shown"


async def test_a_rearm_needs_equal_records(rig: Rig) -> None:
    class Nothing:
        async def send(self, request: Any) -> Any:
            from gateways.rest_request import RestAnswer

            return RestAnswer([])

    rig.control.switch.rest = Nothing()
    rig.control.switch.kill("drill", KillSource.KILL_SIGNAL)
    rig.host.difference = "the balance of BTC"
    assert (await rig.ask(Verb.REARM)).text == "the balance of BTC"
    rig.host.difference = ""
    seen = rig.control.switch.killed_ns - 1
    answer = await rig.ask(Verb.REARM, seen_kill_time_ns=seen)
    assert answer.code == "refused", "of a KILL that came later it knows nothing"
    answer = await rig.ask(Verb.REARM)
    assert answer.text == "rearmed: the latch is gone, the engine is trading"
    assert rig.state()[0] == EngineState.ENGINE_RUNNING
    for task in rig.host.tasks:
        task.cancel()


async def test_one_strategy_is_paused_and_resumed(make_arc: Callable[..., Arc]) -> None:
    rig = Rig(make_arc(is_trading=True))
    answer = await rig.ask(Verb.PAUSE, "odd quotes", strategy="jerico_maker")
    assert answer.text.startswith("jerico_maker@BTC-USD is PAUSED")
    assert not rig.is_paused(), "the engine goes on"
    assert (await rig.ask(Verb.RESUME, "", strategy="0")).code == "refused"
    answer = await rig.ask(Verb.RESUME, "looked", strategy="0")
    assert answer.text == "jerico_maker@BTC-USD is resumed; it was paused by operator"
    assert (await rig.ask(Verb.PAUSE, strategy="nobody")).code == "refused"
    await rig.ask(Verb.PAUSE, strategy="0")
    await rig.ask(Verb.PAUSE)
    answer = await rig.ask(Verb.RESUME, strategy="0")
    assert answer.text.endswith("the engine itself is PAUSED still")
    await rig.ask(Verb.KILL)
    assert "KILLED" in (await rig.ask(Verb.RESUME, strategy="0")).text


def make_live(rig: Rig) -> Control:
    engine = msgspec.structs.replace(rig.arc.config.engine, mode="live")
    object.__setattr__(rig.arc, "config", msgspec.structs.replace(rig.arc.config, engine=engine))
    rig.control = Control(rig.arc, EngineClock(rig.arc.memory), rig.host)
    return rig.control


async def test_a_live_engine_waits_to_be_armed(rig: Rig) -> None:
    control = make_live(rig)
    control.begin("")
    control.show()
    assert rig.is_paused()
    assert rig.state() == (EngineState.ENGINE_PAUSED_STATE, UNARMED)
    assert UNARMED in (await rig.ask(Verb.RESUME)).text
    assert rig.is_paused()
    assert (await rig.ask(Verb.ARM, "")).code == "refused"
    assert (await rig.ask(Verb.ARM)).code == "done"
    assert not rig.is_paused()
    assert "already" in (await rig.ask(Verb.ARM)).text


async def test_arming_lifts_no_pause_and_a_resume_arms_nothing(rig: Rig) -> None:
    control = make_live(rig)
    control.begin("")
    control.pause("a doubt")
    assert "still PAUSED" in (await rig.ask(Verb.ARM)).text
    assert rig.is_paused()
    assert (await rig.ask(Verb.RESUME)).code == "done"
    assert not rig.is_paused()

    other = make_live(rig)
    rig.control = other
    rig.control._taken = int(rig.header["command_sequence"][0])
    other.begin("")
    other.pause("a doubt")
    assert UNARMED in (await rig.ask(Verb.RESUME)).text
    assert rig.is_paused()


async def test_a_kill_disarms_a_live_engine(rig: Rig) -> None:
    control = make_live(rig)
    control.begin("")
    await rig.ask(Verb.ARM)
    control.switch.kill("drill", KillSource.KILL_SIGNAL)
    assert not control.is_armed
    for task in rig.host.tasks:
        task.cancel()


async def test_a_kill_that_only_the_journal_knew_goes_on(rig: Rig) -> None:
    rig.control.begin("five losses")
    assert rig.control.switch.is_killed
    assert rig.state() == (EngineState.ENGINE_KILLED_STATE, "cancelling: five losses")
    for task in rig.host.tasks:
        task.cancel()


@pytest.mark.parametrize(("action", "level"), [("pause", "PAUSED"), ("kill", "KILLED")])
async def test_a_relay_that_does_not_live(
    make_arc: Callable[..., Arc], action: str, level: str
) -> None:
    arc = make_arc(f"kill.on_dead_relay={action}", "kill.dead_relay_seconds=2")
    rig = Rig(arc)
    second = 1_000_000_000
    rig.header["relay_heartbeat_ns"] = 1
    for now_s in range(1, 10):
        rig.header["relay_heartbeat_ns"] = now_s
        rig.control.look_slowly(now_s * second)
    assert not rig.is_paused()
    rig.control.look_slowly(10 * second)
    assert not rig.is_paused()
    rig.control.look_slowly(11 * second)
    assert rig.state()[0] == EngineState[f"ENGINE_{level}_STATE"]
    assert "the relay has not lived for 2 s" in rig.state()[1]
    for task in rig.host.tasks:
        task.cancel()


async def test_a_flatten_without_a_position_only_pauses(rig: Rig) -> None:
    assert (await rig.ask(Verb.FLATTEN, "home")).text == "PAUSED; nothing was held"
    assert rig.is_paused()


async def test_a_mode_without_a_venue_asks_none(rig: Rig) -> None:
    engine = msgspec.structs.replace(rig.arc.config.engine, mode="shadow")
    config = msgspec.structs.replace(rig.arc.config, engine=engine)
    object.__setattr__(rig.arc, "config", config)
    await rig.control.connect("http://127.0.0.1:1")
    assert rig.control.switch.rest is None, "what is open there belongs to somebody else"
    rig.control.switch.kill("drill", KillSource.KILL_SIGNAL)
    await asyncio.sleep(0)
    assert rig.state()[1] == "nothing of it is at a venue: drill"
    assert (await rig.ask(Verb.REARM)).code == "done"
