"""The command line: what it prints, where, and with which exit status."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine import cli
from engine.decisions import Decisions
from engine.exit_codes import ExitCode
from ext.errors import LogonRefused

WriteConfig = Callable[..., Path]


class App(ModuleType):
    """Stands in for ``engine.app``: remembers the call, returns or raises what it was told."""

    def __init__(self, outcome: int | BaseException = 0) -> None:
        super().__init__("engine.app")
        self.outcome = outcome
        self.calls: list[tuple[str, Decisions]] = []

    def run(self, config: Any, decisions: Decisions) -> int:
        self.calls.append((config.engine.name, decisions))
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], None]:
    """Puts a stand-in where ``from engine import NAME`` finds it."""
    monkeypatch.delenv("WOW_DEBUG", raising=False)

    def put(module: ModuleType) -> None:
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module.__name__, module, raising=False)

    return put


Install = Callable[[ModuleType], None]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [[], ["run"]])
def test_run_is_the_default(write_config: WriteConfig, install: Install, words: list[str]) -> None:
    app = App(outcome=ExitCode.ORDERS_LEFT)
    install(app)
    path = write_config()
    assert cli.main([*words, "--config", str(path), "--set", "engine.name=other"]) == 4
    assert app.calls == [("other", Decisions())]


def test_a_person_s_decisions_reach_the_run(write_config: WriteConfig, install: Install) -> None:
    app = App()
    install(app)
    words = ["--config", str(write_config()), "--fresh", "moved house", "--resume", "looked"]
    cli.main(words)
    ((_, decisions),) = app.calls
    assert decisions == Decisions(False, "moved house", "looked")


def test_live_without_a_live_config_never_starts(
    write_config: WriteConfig, install: Install, capsys: Capture
) -> None:
    app = App()
    install(app)
    assert cli.main(["--config", str(write_config()), "--live"]) == ExitCode.CONFIG
    assert app.calls == []
    assert capsys.readouterr().err == (
        'wow-engine: --live was given, but [engine] mode is "simulated"; use one or the other\n'
    )


def test_a_missing_recording_never_starts(
    write_config: WriteConfig, install: Install, capsys: Capture
) -> None:
    app = App()
    install(app)
    words = ["--config", str(write_config()), "--set", "simulator.recording=/nowhere.gz"]
    assert cli.main(words) == ExitCode.CONFIG
    assert app.calls == []
    assert 'wow-engine: [simulator] recording was "/nowhere.gz"' in capsys.readouterr().err


def test_config_errors_have_no_traceback(write_config: WriteConfig, capsys: Capture) -> None:
    path = write_config({"= 50": "= 0"})
    assert cli.main(["--config", str(path)]) == ExitCode.CONFIG
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"wow-engine: {path}: [risk] max_orders_per_second was 0;"
        " use a whole number from 1 to 1024\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (LogonRefused("logon refused: bad key"), 3, "wow-engine: logon refused: bad key\n"),
        (KeyboardInterrupt(), 130, "wow-engine: interrupted\n"),
        (
            ZeroDivisionError("division by zero"),
            5,
            "wow-engine: internal error: ZeroDivisionError: division by zero;"
            " WOW_DEBUG=1 shows the traceback\n",
        ),
    ],
)
def test_errors_of_a_run(
    write_config: WriteConfig,
    install: Install,
    capsys: Capture,
    error: BaseException,
    status: int,
    text: str,
) -> None:
    install(App(outcome=error))
    assert cli.main(["--config", str(write_config())]) == status
    assert capsys.readouterr().err == text


def test_a_traceback_for_those_who_ask(
    write_config: WriteConfig, install: Install, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(App(outcome=ZeroDivisionError("division by zero")))
    monkeypatch.setenv("WOW_DEBUG", "1")
    assert cli.main(["--config", str(write_config())]) == ExitCode.INTERNAL
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_warnings_come_first(write_config: WriteConfig, install: Install, capsys: Capture) -> None:
    install(App())
    words = ["--config", str(write_config()), "--set", "strategy.0.enabled=false"]
    assert cli.main(words) == ExitCode.OK
    assert capsys.readouterr().err == (
        "wow-engine: warning: [[strategy]]: none is enabled, so no order will be sent\n"
    )


def test_verify_gets_its_own_words(install: Install) -> None:
    verify = ModuleType("engine.reference.verify")
    seen: list[list[str]] = []

    def verify_main(words: list[str]) -> int:
        seen.append(words)
        return 1

    vars(verify)["main"] = verify_main
    install(verify)
    assert cli.main(["verify", "FILE", "--json", "--help"]) == ExitCode.DIFFERENCES
    assert seen == [["FILE", "--json", "--help"]]


def test_check_prints_a_config_that_loads(write_config: WriteConfig, capsys: Capture) -> None:
    words = ["--set", "strategy.0.params={}", "--set", "risk.stale_after_ms=777"]
    assert cli.main(["check", "--config", str(write_config()), *words]) == ExitCode.OK
    output = capsys.readouterr()
    assert tomllib.loads(output.out)["risk"]["stale_after_ms"] == 777
    assert "# jerico_maker on BTC-USD: compiled: on_book" in output.out
    assert "# config hash " in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy.0.class=jerico_makr", "strategy.0 (jerico_makr on BTC-USD): "),
        ("strategy.0.params={fasst = 1}", "strategy.0 (jerico_maker on BTC-USD): "),
        ("strategy.0.params={quantity = '0.015e-8'}", "strategy.0 (jerico_maker on BTC-USD)"),
    ],
)
def test_check_refuses_a_strategy_that_cannot_run(
    write_config: WriteConfig, capsys: Capture, override: str, message: str
) -> None:
    words = ["check", "--config", str(write_config()), "--set", "strategy.0.params={}"]
    assert cli.main([*words, "--set", override]) == ExitCode.CONFIG
    assert f"wow-engine: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "the following arguments are required: --config"),
        (["--config", "x", "--sett", "a.b=1"], "unrecognized arguments: --sett a.b=1"),
        (["chekc", "--config", "x"], "unrecognized arguments: chekc"),
    ],
)
def test_wrong_command_lines(words: list[str], message: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == ExitCode.CONFIG
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_says_what_there_is(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert not caught.value.code
    output = capsys.readouterr().out
    assert all(f"  {command} " in output for command in cli.COMMANDS)


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("wow-engine ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error(write_config: WriteConfig, unbuffered: str) -> None:
    program = "import sys; from engine.cli import main; sys.exit(main())"
    path = write_config({'class = "jerico_maker"': 'class = "jerico_maker"\nenabled = false'})
    process = subprocess.Popen(
        [sys.executable, "-c", program, "check", "--config", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        cwd=Path(cli.__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == ExitCode.OK
    assert b"Broken" not in errors
