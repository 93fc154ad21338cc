"""``wow-kill`` with no engine, a broken config, a venue that does not answer: word and latch first,
and never a false word about zero."""

# tidy-ok: covers kill_access and kill_transport too: the command is their user

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from control.kill_source import KillSource
from control.latch import LatchFile
from control.mailbox import read_kill_word
from control.paths import control_paths
from engine.exit_codes import ControlExitCode
from engine.levels import kill_command
from engine.levels.cancel_by_rest import ZeroProof
from engine.levels.kill_access import describe_key, find_address, kill_address, note_venue
from engine.levels.kill_transport import make_kill_transport
from engine.settings.config import load_config
from ext.errors import ConfigError
from ext.shared_memory import SharedMemory

WriteConfig = Callable[..., Path]


class Place:
    """A config file and the directories of its engine."""

    def __init__(self, config: Path, directory: Path) -> None:
        self.config = config
        self.arguments = [
            "--config", str(config), "--reason", "drill", "--timeout", "0.2",
            "--set", f"engine.state_directory={directory / 'state'}",
            "--set", f"telemetry.shared_memory_directory={directory}",
        ]  # fmt: skip
        self.overrides = [each for each in self.arguments if "directory=" in each]
        self.name = load_config(config).engine.name
        self.paths = control_paths(directory / "state", self.name)
        self.memory_path = directory / f"wow-{self.name}.shm"

    def audited(self) -> list[str]:
        return [json.loads(line)["what"] for line in self.paths.audit.read_text().splitlines()]


@pytest.fixture
def place(write_config: WriteConfig, tmp_path: Path) -> Place:
    return Place(write_config(), tmp_path)


def answer(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """What comes of asking the venue."""
    fields: dict[str, Any] = {
        "is_proven": True, "open_orders": 0, "cancelled": 2, "rounds": 1, "first_cancel_ns": 5,
        "last_cancel_ns": 6, "zero_ns": 7, "confirmed_ns": 8, "problem": "",
    }  # fmt: skip

    async def empty(self: object, config: object, timeout_s: float) -> ZeroProof:
        return ZeroProof(**(fields | changes))

    monkeypatch.setattr(kill_command.Kill, "empty_venue", empty)


def test_proven(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    answer(monkeypatch)
    memory = SharedMemory(str(place.memory_path), [], [], engine_name=place.name)
    assert kill_command.main(place.arguments) == ControlExitCode.DONE
    assert read_kill_word(memory.header_record())[:2] == (KillSource.KILL_COMMAND, "drill")
    latch = LatchFile(place.paths.latch).read()
    assert latch is not None
    assert (latch.reason, latch.source) == ("drill", "wow-kill")
    output = capsys.readouterr().out
    assert "PROVEN  nothing is open" in output
    assert "NOT PROVEN" not in output
    assert place.audited() == ["kill", "kill proven"]


@pytest.mark.parametrize("mode", ["paper", "shadow"])
def test_modes_without_orders_leave_the_venue_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any, mode: str
) -> None:
    """What is open there is of another engine that goes by the same keys."""

    async def touch(self: object, config: object, timeout_s: float) -> ZeroProof:
        raise AssertionError("the venue was touched")

    monkeypatch.setattr(kill_command.Kill, "empty_venue", touch)
    sections = ("feed", "order_entry")
    names = ("key", "secret", "passphrase")
    overrides = [f"{section}.{name}=env:K" for section in sections for name in names]
    overrides += ["simulator.start=false", "feed.url=wss://a", "order_entry.port=1"]
    words = [word for each in (f"engine.mode={mode}", *overrides) for word in ("--set", each)]
    assert kill_command.main([*place.arguments, *words]) == ControlExitCode.DONE
    assert f"not touched: in {mode} mode no order of ours is there" in capsys.readouterr().out
    assert LatchFile(place.paths.latch).read() is not None
    assert place.audited() == ["kill"]
    config = load_config(place.config, [f"engine.mode={mode}", *overrides])
    with pytest.raises(ConfigError, match="none of its orders is at a venue"):
        find_address(config)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (
            {"open_orders": 3, "problem": ""},
            ControlExitCode.ORDERS_OPEN,
            "the venue lists 3 open orders",
        ),
        (
            {"open_orders": -1, "problem": "nobody there"},
            ControlExitCode.UNANSWERED,
            "the venue could not be asked: nobody there",
        ),
    ],
)
def test_not_proven_is_said_loudly(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    changes: dict[str, Any],
    code: ControlExitCode,
    words: str,
) -> None:
    answer(monkeypatch, is_proven=False, zero_ns=0, confirmed_ns=0, **changes)
    assert kill_command.main(place.arguments) == code
    output = capsys.readouterr().out
    assert f"NOT PROVEN  {words}" in output
    assert "ON THE VENUE'S OWN PAGE NOW" in output or "PAGE NOW" in output
    assert LatchFile(place.paths.latch).read() is not None
    assert place.audited() == ["kill", "kill not proven"]


def test_an_engine_that_never_ran_is_latched(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    answer(monkeypatch)
    assert kill_command.main(place.arguments) == ControlExitCode.DONE
    output = capsys.readouterr().out
    assert "no running engine's memory" in output
    assert "is this where the engine is started?" in output


def test_a_venue_that_nobody_started_is_told(place: Place, capsys: Any) -> None:
    arguments = [*place.arguments, "--set", "kill.rest_url=simulator"]
    assert kill_command.main(arguments) == ControlExitCode.CONFIG
    output = capsys.readouterr().out
    assert "has started no simulated venue here" in output
    assert "CANCEL THERE NOW" in output
    assert LatchFile(place.paths.latch).read() is not None


def test_a_broken_config_gets_word_and_latch_all_the_same(place: Place, capsys: Any) -> None:
    memory = SharedMemory(str(place.memory_path), [], [], engine_name=place.name)
    place.config.write_text(place.config.read_text() + "\n[nonsense]\nkey = 1\n")
    assert kill_command.main(place.arguments) == ControlExitCode.CONFIG
    assert read_kill_word(memory.header_record())[0] == KillSource.KILL_COMMAND
    assert LatchFile(place.paths.latch).read() is not None
    assert "CANCEL ON THE VENUE'S OWN PAGE NOW" in capsys.readouterr().err


def test_what_is_no_config_at_all_is_told(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.toml").write_text("= nonsense")
    arguments = ["--config", str(tmp_path / "x.toml"), "--reason", "drill"]
    assert kill_command.main(arguments) == ControlExitCode.CONFIG
    captured = capsys.readouterr()
    assert "NOT SET" in captured.out
    assert "kill it by signal" in captured.out


def test_a_latch_that_cannot_be_written_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    answer(monkeypatch)
    place.paths.latch.parent.write_text("a file")
    assert kill_command.main(place.arguments) == ControlExitCode.DONE
    output = capsys.readouterr().out
    assert "a restart would trade again" in output
    assert "NOT recorded" in output


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_reason_is_needed(place: Place, reason: str) -> None:
    arguments = ["--config", str(place.config), "--reason", reason]
    with pytest.raises(SystemExit) as ended:
        kill_command.main(arguments)
    assert ended.value.code == ControlExitCode.CONFIG


def test_the_address_is_that_of_the_kill_or_of_the_reconciliation(place: Place) -> None:
    config = load_config(place.config, place.overrides)
    assert kill_address(config) == ""
    with pytest.raises(ConfigError, match="venue's own page"):
        find_address(config)
    config = load_config(place.config, [*place.overrides, "reconciliation.rest_url=simulator"])
    assert kill_address(config) == "simulator"
    with pytest.raises(ConfigError, match="no simulated venue"):
        find_address(config)
    place.paths.venue.parent.mkdir(parents=True)
    note_venue(config, "http://127.0.0.1:1")
    assert find_address(config) == "http://127.0.0.1:1"


async def test_the_key_is_that_of_the_kill_or_of_order_entry(place: Place) -> None:
    config = load_config(place.config, place.overrides)
    assert describe_key(config) == "the key of [order_entry]"
    keys = ("kill.key=demo:key", "kill.secret=demo:secret", "kill.passphrase=demo:passphrase")
    own = load_config(place.config, [*place.overrides, *keys])
    assert describe_key(own) == "the key of [kill]"
    async with make_kill_transport(own, "http://127.0.0.1:1"):
        await asyncio.sleep(0)
