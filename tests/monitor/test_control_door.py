"""The relay's door: who may come in, what is recorded before it is done, what an id is worth."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from control.audit_verify import verify_log
from control.commands import Answer, Command, Verb, new_command_id
from control.door import DoorClosed, ask_door, short_path
from control.kill_source import KillSource
from control.latch import LatchFile
from control.mailbox import Mailbox
from control.paths import ControlPaths, control_paths
from ext.errors import ConfigError
from monitor.control_door import MAX_CLIENTS, ControlDoor
from tests.engine_stand_in import EngineStandIn


class Rig:
    """A door that is polled as the relay does, and an engine that answers what comes."""

    def __init__(self, engine: EngineStandIn, directory: Path) -> None:
        self.engine = engine
        engine.header["process_id"] = 2**22 + 1  # nobody is to be woken
        self.paths: ControlPaths = control_paths(directory / ("long" * 40), "demo")
        self.header = engine.memory.header_record()
        self.door = ControlDoor(self.paths, self.header)
        self.answers = True
        self.seen: list[Command] = []
        self._mailbox = Mailbox(self.header)
        self._taken = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over:
            self.door.poll()
            found = self._mailbox.take(self._taken)
            if found is not None and self.answers:
                self._taken = found[0]
                command = msgspec.json.decode(found[1], type=Command)
                self.seen.append(command)
                answer = Answer(id=command.id, code="done", text=f"did {command.verb.value}")
                self._mailbox.answer(self._taken, msgspec.json.encode(answer))
            time.sleep(0.001)  # tidy-ok: the relay's own interval

    def stop(self) -> None:
        self._is_over = True
        self._thread.join()
        self.door.close()

    def ask(self, verb: Verb = Verb.PAUSE, **changes: object) -> Answer:
        return ask_door(self.paths.socket, make(verb, **changes), 5.0)

    def audited(self) -> list[tuple[str, str]]:
        lines = self.paths.audit.read_text().splitlines() if self.paths.audit.exists() else []
        return [(json.loads(line)["what"], json.loads(line)["command_id"]) for line in lines]

    def send_raw(self, data: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection, short_path(self.paths.socket) as path:
            connection.settimeout(5)
            connection.connect(path)
            connection.sendall(data)
            return connection.recv(8192)


def make(verb: Verb = Verb.PAUSE, **changes: object) -> Command:
    fields: dict[str, object] = {
        "id": new_command_id(), "verb": verb, "reason": "why", "sent_time_ns": time.time_ns(),
    }  # fmt: skip
    return Command(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def rig(engine: EngineStandIn, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(engine, tmp_path)
    yield made
    made.stop()


def test_a_command_is_recorded_passed_on_and_answered(rig: Rig) -> None:
    command = make()
    answer = ask_door(rig.paths.socket, command, 5.0)
    assert (answer.code, answer.text) == ("done", "did pause")
    assert rig.seen[0].who is not None
    assert rig.seen[0].who.uid == os.getuid()
    assert rig.seen[0].who.pid == os.getpid()
    assert rig.audited() == [("pause", command.id), ("pause done", command.id)]
    assert verify_log(rig.paths.audit, rig.paths.audit_head).is_whole


def test_the_socket_is_for_its_user_alone(rig: Rig) -> None:
    assert rig.paths.socket.stat().st_mode & 0o777 == 0o600
    assert len(str(rig.paths.socket)) > 107, "longer than a socket's path may be"


def test_another_user_is_refused_and_recorded(rig: Rig) -> None:
    rig.door._allowed = frozenset({2**31 - 1})
    answer = rig.ask()
    assert answer.code == "refused"
    assert "may not command" in answer.text
    assert rig.seen == []
    assert [what for what, _ in rig.audited()] == ["refused"]


def test_what_a_sender_says_of_himself_is_not_believed(rig: Rig) -> None:
    lie = msgspec.json.encode(make()).replace(b'"who":null', b'"who":{"uid":9,"user":"x","pid":1}')
    assert b'"uid":9' in lie
    rig.send_raw(lie + b"\n")
    assert rig.seen[0].who is not None
    assert rig.seen[0].who.uid == os.getuid()


def test_an_id_is_done_once(rig: Rig) -> None:
    command = make()
    ask_door(rig.paths.socket, command, 5.0)
    again = ask_door(rig.paths.socket, command, 5.0)
    assert again.code == "repeated"
    assert "did pause" in again.text
    assert len(rig.seen) == 1
    assert rig.audited()[-1] == ("pause repeated", command.id)


def test_a_command_that_is_late_is_not_done(rig: Rig) -> None:
    answer = rig.ask(sent_time_ns=time.time_ns() - 10**10, ttl_ms=1000)
    assert answer.code == "expired"
    assert rig.seen == []


def test_an_engine_that_does_not_answer_is_told(rig: Rig) -> None:
    rig.answers = False
    answer = rig.ask(ttl_ms=50)
    assert answer.code == "unanswered"
    assert "wow-kill works without it" in answer.text


@pytest.mark.parametrize("data", [b"\n", b"{}\n", b"\xff\xfe\n", b"x" * 9000])
def test_what_is_no_command_is_refused(rig: Rig, data: bytes) -> None:
    answer = msgspec.json.decode(rig.send_raw(data), type=Answer)
    assert answer.code == "refused"
    assert rig.seen == []
    assert rig.ask().code == "done", "the next one is served"


def test_nothing_is_done_that_cannot_be_recorded(rig: Rig) -> None:
    rig.paths.audit.mkdir()
    answer = rig.ask()
    assert answer.code == "refused"
    assert "audit log" in answer.text
    assert rig.seen == []


def test_a_kill_sets_word_and_latch_and_waits_for_nobody(rig: Rig) -> None:
    rig.answers = False
    answer = rig.ask(Verb.KILL)
    assert answer.code == "done"
    assert answer.text == "kill word set, latched on the disk, recorded"
    assert rig.header["kill_word"][0] == KillSource.KILL_CONTROL
    latch = LatchFile(rig.paths.latch).read()
    assert latch is not None
    assert latch.reason == "why"


def test_a_kill_is_done_even_if_it_cannot_be_recorded(rig: Rig) -> None:
    rig.paths.audit.mkdir()
    answer = rig.ask(Verb.KILL)
    assert answer.code == "done"
    assert "NOT in the audit log" in answer.text
    assert rig.header["kill_word"][0] == KillSource.KILL_CONTROL


def test_commands_wait_for_each_other(rig: Rig) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(rig.ask(Verb.CANCEL_ALL)))
        for _ in range(MAX_CLIENTS // 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.code for answer in answers] == ["done"] * len(threads)
    assert len(rig.seen) == len(threads)


def test_somebody_who_hangs_up_keeps_nobody_waiting(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as connection, short_path(rig.paths.socket) as path:
        connection.connect(path)
        connection.sendall(b'{"id": "half of it')
    assert rig.ask().code == "done"


def test_a_socket_that_cannot_be_made_is_told(engine: EngineStandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="control socket"):
        ControlDoor(control_paths(tmp_path / "file", "x"), engine.memory.header_record())


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DoorClosed, match="not there"):
        ask_door(tmp_path / "none.sock", make(), 1.0)


def test_the_next_relay_takes_the_place_of_a_dead_one(
    rig: Rig, engine: EngineStandIn, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    rig.stop()
    rig.paths.socket.write_text("left behind")
    again = ControlDoor(rig.paths, rig.header)
    again.close()
    assert not rig.paths.socket.exists()
