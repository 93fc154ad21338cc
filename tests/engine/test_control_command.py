"""``wow-ctl``: what it prints and how it ends, with a relay, without one, without an engine."""

# tidy-ok: covers control_status too: ``wow-ctl status`` is its user

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from control.audit_log import AuditEntry, AuditLog
from control.commands import Answer, Code, Command
from control.latch import LatchFile, make_latch
from control.mailbox import Mailbox, open_header
from control.paths import control_paths
from engine.exit_codes import ControlExitCode
from engine.levels import control_command
from engine.settings.config import load_config
from ext.dtypes import BREAKER_STATE
from ext.safety_records import Breaker, BreakerLevel
from ext.shared_memory import SharedMemory
from ext.wire import EngineState, SessionState

WriteConfig = Callable[..., Path]


class Place:
    """A config, the shared memory of its engine, and what a relay would do."""

    def __init__(self, config: Path, directory: Path) -> None:
        self.config = config
        self.base = [
            "--config", str(config),
            "--set", f"engine.state_directory={directory / 'state'}",
            "--set", f"telemetry.shared_memory_directory={directory}",
        ]  # fmt: skip
        loaded = load_config(config)
        self.paths = control_paths(directory / "state", loaded.engine.name)
        self.paths.latch.parent.mkdir()
        names = [(each.symbol, str(each.tick), str(each.lot)) for each in loaded.instruments]
        self.shared_memory = str(directory / f"wow-{loaded.engine.name}.shm")
        self._memory = (self.shared_memory, names, ["maker"])
        self._name = loaded.engine.name

    def make_memory(self) -> SharedMemory:
        """What a running engine has."""
        return SharedMemory(
            *self._memory,
            engine_name=self._name,
            mode="simulated",
            start_time_ns=time.time_ns(),
        )

    def run(self, *arguments: str) -> int:
        return control_command.main([*self.base, *arguments])


@pytest.fixture
def place(write_config: WriteConfig, tmp_path: Path) -> Place:
    return Place(write_config(), tmp_path)


@pytest.fixture
def relay(place: Place) -> Iterator[list[Command]]:
    """A door with an engine behind it that does what it is told."""
    from monitor.control_door import ControlDoor

    header = place.make_memory().header_record()
    header["process_id"] = 2**22 + 1
    door, mailbox, seen, taken = ControlDoor(place.paths, header), Mailbox(header), [], 0
    is_over = threading.Event()

    def serve() -> None:
        nonlocal taken
        while not is_over.wait(0.001):
            door.poll()
            found = mailbox.take(taken)
            if found is not None:
                taken = found[0]
                seen.append(msgspec.json.decode(found[1], type=Command))
                code: Code = "refused" if seen[-1].reason == "refuse" else "done"
                answer = Answer(id=seen[-1].id, code=code, text="so it is")
                mailbox.answer(taken, msgspec.json.encode(answer))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield seen
    is_over.set()
    thread.join()
    door.close()


def test_a_command_is_done_and_told(place: Place, relay: list[Command], capsys: Any) -> None:
    assert place.run("pause", "--reason", "lunch") == ControlExitCode.DONE
    assert capsys.readouterr().out == "done: so it is\n"
    assert (relay[0].verb.value, relay[0].reason) == ("pause", "lunch")
    assert place.run("pause", "--reason", "refuse") == ControlExitCode.REFUSED
    assert place.run("cancel-all", "--json") == ControlExitCode.DONE
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code"] == "done"


def test_an_id_that_is_sent_again_is_done_once(
    place: Place, relay: list[Command], capsys: Any
) -> None:
    for _ in range(2):
        assert place.run("pause", "--id", "my-own-id-1") == ControlExitCode.DONE
    assert "was done before and not again" in capsys.readouterr().out
    assert len(relay) == 1


def test_a_dead_relay_is_told_with_what_to_do(place: Place, capsys: Any) -> None:
    assert place.run("pause") == ControlExitCode.UNANSWERED
    text = capsys.readouterr().err
    assert "NOT DONE" in text
    assert "wow-kill --config" in text
    assert "--id " in text


@pytest.mark.parametrize("verb", ["resume", "flatten", "kill", "arm", "rearm"])
def test_what_needs_a_reason_is_refused_without(place: Place, verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        place.run(verb)
    assert ended.value.code == ControlExitCode.CONFIG


def test_a_strategy_is_named(place: Place, relay: list[Command]) -> None:
    assert place.run("pause", "--strategy", "maker@BTC-USD") == ControlExitCode.DONE
    assert place.run("resume", "--reason", "looked", "--strategy", "0") == ControlExitCode.DONE
    assert [each.strategy for each in relay] == ["maker@BTC-USD", "0"]


def test_a_rearm_says_which_kill_it_knows(place: Place, relay: list[Command]) -> None:
    open_header(Path(place.shared_memory))["kill_time_ns"] = 77
    assert place.run("rearm", "--reason", "looked") == ControlExitCode.DONE
    assert relay[0].seen_kill_time_ns == 77


def test_kill_goes_on_without_a_relay(place: Place, capsys: Any) -> None:
    code = place.run("kill", "--reason", "drill", "--timeout", "0.1")
    assert code == ControlExitCode.CONFIG, "this config leads to no REST"
    output = capsys.readouterr().out
    assert "going on without it" in output
    assert "NOT PROVEN" in output
    latch = LatchFile(place.paths.latch).read()
    assert latch is not None
    assert latch.source == "wow-ctl"


def test_status_of_an_engine_that_never_ran(place: Place, capsys: Any) -> None:
    assert place.run("status") == ControlExitCode.DONE
    assert "NOT RUNNING" in capsys.readouterr().out
    LatchFile(place.paths.latch).write(make_latch("x", "last week", "wow-kill", 5))
    place.run("status", "--json")
    status = json.loads(capsys.readouterr().out)
    assert status["level"] == "KILLED"
    assert "last week" in status["latch"]


def test_status_shows_level_and_sessions(place: Place, capsys: Any) -> None:
    memory = place.make_memory()
    memory.set_state(EngineState.ENGINE_PAUSED_STATE, "lunch")
    header = memory.header_record()
    header["heartbeat_ns"] = header["relay_heartbeat_ns"] = time.time_ns()
    header["order_session_state"] = SessionState.SESSION_ACTIVE
    place.run("status")
    output = capsys.readouterr().out
    assert "level  PAUSED: lunch" in output
    assert "process  lives" in output
    assert "orders ACTIVE" in output
    assert "open orders  0" in output
    assert "strategy  " not in output, "nothing stops one"
    state = memory.region("breakers_offset", BREAKER_STATE, 2)
    state["level"][0], state["cause"][0] = BreakerLevel.BREAKER_PAUSED, Breaker.BREAKER_OPERATOR
    place.run("status")
    resume = "wow-ctl resume --strategy 0 --reason TEXT"
    symbol = load_config(place.config).instruments[0].symbol
    shown = f"strategy  0 maker@{symbol}: PAUSED by operator; {resume}"
    assert shown in capsys.readouterr().out
    state["paused_until_ns"][0] = time.time_ns() + 90 * 10**9
    place.run("status")
    assert "goes on by itself in 90 s" in capsys.readouterr().out
    header["heartbeat_ns"] = time.time_ns() - 5 * 10**9
    header["start_time_ns"] = time.time_ns() - 5 * 10**9
    header["kill_word"] = 4
    place.run("status", "--json")
    status = json.loads(capsys.readouterr().out)
    assert (status["process"], status["level"]) == ("HANGS", "KILLED")
    assert status["kill_word"] == "wow-kill"


def test_audit_verify_names_the_place(place: Place, capsys: Any) -> None:
    assert place.run("audit", "verify") == ControlExitCode.CONFIG
    log = AuditLog(place.paths.audit, place.paths.audit_head)
    for number in range(3):
        log.append(AuditEntry(what=f"pause {number}", where="here"))
    assert place.run("audit", "verify") == ControlExitCode.DONE
    assert "3 records, every link holds" in capsys.readouterr().out
    assert place.run("audit", "show") == ControlExitCode.DONE
    assert "pause 2" in capsys.readouterr().out
    data = place.paths.audit.read_bytes()
    place.paths.audit.write_bytes(data.replace(b"pause 1", b"pause 7"))
    assert place.run("audit", "verify") == ControlExitCode.REFUSED
    assert f"{place.paths.audit}:2: DAMAGED" in capsys.readouterr().out


def test_a_config_that_cannot_be_used(tmp_path: Path, capsys: Any) -> None:
    assert control_command.main(["--config", str(tmp_path / "no.toml"), "status"]) == 2
    assert "wow-ctl: " in capsys.readouterr().err
