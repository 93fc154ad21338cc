"""``wow-ctl``: what a person can ask of a running engine, and the audit log of what people did.

Commands go to the relay by a Unix socket that belongs to the engine's user, are recorded there,
and wait for the engine's answer. ``status`` reads the shared memory by itself, so that it works
with a relay that is dead and an engine that hangs. ``kill`` does what ``wow-kill`` does.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec

from control.audit_log import AuditError
from control.audit_verify import verify_log
from control.commands import (
    DEFAULT_TTL_MS,
    MAX_TTL_MS,
    Answer,
    Command,
    Verb,
    new_command_id,
)
from control.door import DoorClosed, ask_door
from control.kill_source import KillSource
from control.paths import ControlPaths, control_paths
from control.people import find_who
from engine.exit_codes import ControlExitCode
from engine.levels.control_status import describe_status, read_status
from engine.levels.kill_command import DEFAULT_TIMEOUT_S, Kill, reason_text, run_kill
from engine.settings.config import load_config
from engine.settings.config_schema import EngineConfig
from engine.version import read_version
from ext.errors import ConfigError, WowError
from journal.shared_reader import SharedReader

PROGRAM = "wow-ctl"
AUDIT = "audit"
GRACE_S = 1.0  # for the relay's own answer behind the engine's
KILL_DOOR_S = 1.0  # then the KILL goes on without the relay
NEEDS_REASON = (Verb.RESUME, Verb.FLATTEN, Verb.KILL, Verb.ARM, Verb.REARM)
OF_A_STRATEGY = (Verb.PAUSE, Verb.RESUME)

_EPILOG = """verbs:
  status      level and why, sessions, open orders, positions, P&L; --json for programs
  pause       no new orders; cancels go, what rests stays; --strategy NAME: of one, pulled
  resume      trade again after a pause; needs --reason; --strategy NAME: that one alone
  cancel-all  cancel every open order; strategies trade on
  flatten     pause, then sell back what is held in slices; needs --reason
  kill        everything cancelled, nothing new until a rearm; needs --reason
  arm         let a live engine send orders; needs --reason
  rearm       lift a KILL, if nothing is open and the records are equal; needs --reason
  audit       `audit verify` follows the chain of the audit log, `audit show` prints it"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns a ControlExitCode."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except Exception as error:
        if os.environ.get("WOW_DEBUG") == "1":
            traceback.print_exc()
        known = isinstance(error, WowError)
        text = str(error) if known else f"internal error: {type(error).__name__}: {error}"
        sys.stderr.write(f"{PROGRAM}: {text}\n")
        return ControlExitCode.CONFIG if known else ControlExitCode.INTERNAL


def _run(options: argparse.Namespace) -> int:
    if options.verb == Verb.KILL.value:
        return _kill(options)
    config = load_config(options.config, options.set)
    paths = control_paths(config.engine.state_directory, config.engine.name)
    if options.verb == AUDIT:
        return _audit(paths, options.what)
    if options.verb == Verb.STATUS.value:
        return _status(config, paths, is_json=options.json)
    return _command(options, config, paths)


def _command(options: argparse.Namespace, config: EngineConfig, paths: ControlPaths) -> int:
    is_rearm = options.verb == Verb.REARM.value
    command = _make_command(options, _read_kill_time_ns(config) if is_rearm else 0)
    try:
        answer = ask_door(paths.socket, command, command.ttl_ms / 1e3 + GRACE_S)
    except DoorClosed as error:
        _tell(
            f"NOT DONE, as far as can be told: {error}\n"
            "The engine starts a dead relay again by itself: look with `wow-ctl status`, try again"
            f" with --id {command.id}, which is never done twice.\n"
            f"To stop everything without a relay: wow-kill --config {options.config} --reason TEXT"
        )
        return ControlExitCode.UNANSWERED
    return _show_answer(answer, is_json=options.json)


def _make_command(options: argparse.Namespace, seen_kill_time_ns: int = 0) -> Command:
    return Command(
        id=options.id or new_command_id(),
        verb=Verb(options.verb),
        reason=options.reason or "",
        sent_time_ns=time.time_ns(),
        ttl_ms=round(options.ttl * 1e3),
        strategy=getattr(options, "strategy", ""),
        seen_kill_time_ns=seen_kill_time_ns,
    )


def _read_kill_time_ns(config: EngineConfig) -> int:
    """The newest KILL that a person can know of now; 0 without an engine, who answers for that."""
    try:
        reader = SharedReader(Path(config.shared_memory_path))
    except ConfigError:
        return 0
    try:
        return reader.word("kill_time_ns")
    finally:
        reader.close()


def _show_answer(answer: Answer, *, is_json: bool) -> int:
    if is_json:
        _print(msgspec.json.encode(answer).decode())
    else:
        _print(f"{answer.code}: {answer.text}")
    if answer.code in ("done", "repeated"):
        return ControlExitCode.DONE
    if answer.code == "unanswered":
        return ControlExitCode.UNANSWERED
    return ControlExitCode.REFUSED


def _kill(options: argparse.Namespace) -> int:
    """By the relay if it is there, which makes it the same command everywhere; and in any case by
    ourselves, which proves it."""
    kill = Kill(options.reason, KillSource.KILL_CONTROL, find_who(), _say)
    try:
        config = load_config(options.config, options.set)
        paths = control_paths(config.engine.state_directory, config.engine.name)
        answer = ask_door(paths.socket, _make_command(options), KILL_DOOR_S)
        kill.say("relay", f"{answer.code}: {answer.text}, after {kill.since_ms()}")
    except DoorClosed as error:
        kill.say("relay", f"{error}; going on without it")
    except WowError:
        pass  # the config: told below, when word and latch are set
    return run_kill(kill, options.config, options.set, options.timeout)


def _status(config: EngineConfig, paths: ControlPaths, *, is_json: bool) -> int:
    status = read_status(config, paths)
    if is_json:
        _print(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        _print(describe_status(status))
    return ControlExitCode.DONE


def _audit(paths: ControlPaths, what: str) -> int:
    if what == "show":
        try:
            _print(paths.audit.read_text().rstrip("\n"))
        except OSError as error:
            raise AuditError(f"{paths.audit}: {error.strerror}") from error
        return ControlExitCode.DONE
    found = verify_log(paths.audit, paths.audit_head)
    if found.is_whole:
        _print(f"{found.path}: {found.records} records, every link holds; head {found.head[:16]}")
        if found.note:
            _print(f"note: {found.note}")
        return ControlExitCode.DONE
    _print(f"{found.path}:{found.line}: DAMAGED: line {found.line} {found.problem}")
    _print(f"the {found.records} records before it are whole; keep the file, and a copy")
    return ControlExitCode.REFUSED


def _say(what: str, text: str) -> None:
    _print(f"{what:>11}  {text}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Commands a running engine, through its relay.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{PROGRAM} {read_version()}")
    add("--config", required=True, metavar="FILE", help="the engine's own TOML file")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="as the engine was given")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in Verb:
        sub = verbs.add_parser(verb.value, prog=f"{PROGRAM} {verb.value}", allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="the answer as JSON")
        if verb is Verb.STATUS:
            continue
        sub.add_argument(
            "--reason",
            type=reason_text,
            required=verb in NEEDS_REASON,
            metavar="TEXT",
            help="why, for the record",
        )
        sub.add_argument("--id", default="", metavar="ID", help="of a command that is sent again")
        sub.add_argument(
            "--ttl",
            type=_ttl,
            default=DEFAULT_TTL_MS / 1e3,
            metavar="SECONDS",
            help="not to be done later than this (default: %(default)g)",
        )
        if verb in OF_A_STRATEGY:
            sub.add_argument(
                "--strategy",
                default="",
                metavar="NAME",
                help="this one alone: its name, NAME@SYMBOL, or its number",
            )
        if verb is Verb.KILL:
            sub.add_argument(
                "--timeout",
                type=float,
                default=DEFAULT_TIMEOUT_S,
                metavar="SECONDS",
                help="for the venue to list nothing (default: %(default)s)",
            )
    audit = verbs.add_parser(AUDIT, prog=f"{PROGRAM} {AUDIT}", allow_abbrev=False)
    audit.add_argument("what", choices=("verify", "show"))
    return parser


def _ttl(text: str) -> float:
    value = float(text)
    if not 0 < value * 1e3 <= MAX_TTL_MS:
        raise argparse.ArgumentTypeError(f"use seconds above 0, at most {MAX_TTL_MS / 1e3:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
