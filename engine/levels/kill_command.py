"""``wow-kill``: stops an engine that runs, hangs, is disconnected, is dead, or was never started.

It needs nothing of the engine. It sets the kill word in its shared memory if there is one, writes
the latch, wakes the engine, and whatever that does, cancels everything at the venue by REST itself
and asks until the venue lists no open order. Exit statuses: ``engine.exit_codes.ControlExitCode``.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control.audit_log import AuditEntry, AuditError, AuditLog
from control.commands import MAX_REASON, new_command_id
from control.kill_source import KillSource
from control.latch import LatchFile, make_latch
from control.mailbox import Header, open_header, set_kill_word
from control.paths import ControlPaths, control_paths
from control.people import Who, find_who
from engine.exit_codes import ControlExitCode
from engine.levels.kill_access import describe_key, find_address
from engine.settings.config import load_config
from engine.settings.config_schema import MODES_WITHOUT_ORDERS, EngineConfig
from engine.version import read_version
from ext.errors import ConfigError, WowError
from journal.names import ENGINE_STATES, name_of
from journal.processes import process_lives

if TYPE_CHECKING:
    from engine.levels.cancel_by_rest import ZeroProof

PROGRAM = "wow-kill"
DEFAULT_TIMEOUT_S = 30.0
_SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Kill:
    """One KILL from outside of the engine; ``say`` gets each line as soon as it is true."""

    reason: str
    source: KillSource
    who: Who
    say: Callable[[str, str], None]
    id: str = field(default_factory=new_command_id)
    started_ns: int = field(default_factory=time.monotonic_ns)
    facts: dict[str, str] = field(default_factory=dict)

    def stop_engine(self, paths: ControlPaths, shared_memory: Path) -> None:
        """Word, latch, waking call: what stops new risk, here and over a restart."""
        header = self._set_word(shared_memory)
        self._latch(paths)
        if header is not None:  # a rearm may have cleared it in between; it looks for the latch
            set_kill_word(header, int(self.source), self.reason, time.time_ns())
        self._wake(header)

    async def empty_venue(self, config: EngineConfig, timeout_s: float) -> "ZeroProof":
        """Cancels by REST until the venue lists nothing. ConfigError: nobody can be asked."""
        from engine.levels.cancel_by_rest import (
            cancel_until_zero,  # only here: the word comes first
        )
        from engine.levels.kill_transport import make_kill_transport  # only here, as above

        url = find_address(config)
        self.say("venue", f"{url} with {describe_key(config)}")
        async with make_kill_transport(config, url) as rest:
            return await cancel_until_zero(
                rest,
                time.monotonic_ns,
                asyncio.sleep,
                deadline_ns=self.started_ns + int(timeout_s * _SECOND_NS),
                on_problem=lambda text: self.say("problem", text),
            )

    def record(self, paths: ControlPaths, what: str) -> None:
        """Into the audit log, as far as it can be written: a KILL does not depend on it."""
        entry = AuditEntry(
            what=what,
            where=self.source.words,
            why=self.reason,
            command_id=self.id,
            detail=dict(self.facts),
            who=self.who,
        )
        try:
            AuditLog(paths.audit, paths.audit_head).append(entry)
        except AuditError as error:
            self.say("audit", f"NOT recorded: {error}")

    def since_ms(self, monotonic_ns: int = 0) -> str:
        """Time since the start of the command."""
        return f"{((monotonic_ns or time.monotonic_ns()) - self.started_ns) / 1e6:.1f} ms"

    def _set_word(self, shared_memory: Path) -> Header | None:
        try:
            header = open_header(shared_memory)
        except ConfigError as error:
            self.say("kill word", f"no running engine's memory to set it in ({error})")
            return None
        is_first = set_kill_word(header, int(self.source), self.reason, time.time_ns())
        state = name_of(ENGINE_STATES, int(header["engine_state"][0]))
        said = "set" if is_first else "was set before"
        self.say("kill word", f"{said} after {self.since_ms()}; the engine was {state}")
        self.facts.update(kill_word=self.since_ms(), engine_state=state)
        return header

    def _latch(self, paths: ControlPaths) -> None:
        latch_file = LatchFile(paths.latch)
        latch = make_latch(self.id, self.reason, self.source.words, time.time_ns(), self.who)
        is_new_place = not paths.latch.parent.is_dir()
        try:
            is_first = latch_file.write(latch)
            latch_file.sync()
        except OSError as error:
            self.say("latch", f"NOT WRITTEN ({error.strerror}): a restart would trade again")
            return
        said = "" if is_first else " was there before"
        self.say("latch", f"{paths.latch}{said}")
        if is_new_place:
            text = f"{paths.latch.parent} did not exist: is this where the engine is started?"
            self.say("WARNING", text)

    def _wake(self, header: Header | None) -> None:
        if header is None:
            return
        pid = int(header["process_id"][0])
        if not process_lives(pid, int(header["start_time_ns"][0])):
            self.say("engine", f"process {pid} is gone")
            return
        try:
            os.kill(pid, signal.SIGUSR1)
        except OSError as error:
            self.say("engine", f"process {pid} could not be woken: {error.strerror}")
        else:
            self.say("engine", f"process {pid} woken; it cancels too, if it can")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns a ControlExitCode."""
    options = _parser().parse_args(arguments)
    say = _say
    kill = Kill(options.reason, KillSource.KILL_COMMAND, find_who(), say)
    try:
        return run_kill(kill, options.config, options.set, options.timeout)
    except Exception as error:
        if os.environ.get("WOW_DEBUG") == "1":
            traceback.print_exc()
        known = isinstance(error, WowError)
        text = str(error) if known else f"internal error: {type(error).__name__}: {error}"
        sys.stderr.write(f"{PROGRAM}: {text}\n")
        return ControlExitCode.CONFIG if known else ControlExitCode.INTERNAL


def run_kill(kill: Kill, config_path: str, overrides: Sequence[str], timeout_s: float) -> int:
    """The whole KILL; a config that cannot be used stops the engine all the same."""
    kill.say("KILL", f"{kill.reason} ({kill.who.user or kill.who.uid})")
    try:
        config = load_config(config_path, overrides)
    except WowError as error:
        _stop_by_bare_config(kill, config_path, overrides)
        raise ConfigError(
            f"the config cannot be used, so nothing was cancelled by REST: {error}\n"
            "CANCEL ON THE VENUE'S OWN PAGE NOW"
        ) from error
    paths = control_paths(config.engine.state_directory, config.engine.name)
    kill.stop_engine(paths, config.shared_memory_path)
    if config.engine.mode in MODES_WITHOUT_ORDERS:
        kill.record(paths, "kill")
        kill.say("venue", f"not touched: in {config.engine.mode} mode no order of ours is there")
        return ControlExitCode.DONE
    try:
        proof = asyncio.run(_empty_and_record(kill, config, paths, timeout_s))
    except ConfigError as error:
        kill.record(paths, "kill not proven")
        kill.say("NOT PROVEN", f"{error}")
        kill.say("", "LOOK AT THE VENUE'S OWN PAGE, AND CANCEL THERE NOW")
        return ControlExitCode.CONFIG
    return _report(kill, paths, proof, config_path)


async def _empty_and_record(
    kill: Kill, config: EngineConfig, paths: ControlPaths, timeout_s: float
) -> "ZeroProof":
    recording = asyncio.create_task(asyncio.to_thread(kill.record, paths, "kill"))
    try:
        return await kill.empty_venue(config, timeout_s)
    finally:
        await recording


def _report(kill: Kill, paths: ControlPaths, proof: "ZeroProof", config_path: str) -> int:
    kill.facts.update(
        is_proven=str(proof.is_proven), open_orders=str(proof.open_orders), zero=kill.since_ms()
    )
    if proof.last_cancel_ns:
        last = kill.since_ms(proof.last_cancel_ns)
        kill.say("cancelled", f"{proof.cancelled} orders by REST; last answer after {last}")
    if proof.is_proven:
        first, second = kill.since_ms(proof.zero_ns), kill.since_ms(proof.confirmed_ns)
        kill.facts["zero"] = first
        kill.say("open orders", f"0 by the venue's own list, after {first} and again {second}")
    kill.record(paths, "kill proven" if proof.is_proven else "kill not proven")
    if proof.is_proven:
        kill.say("PROVEN", "nothing is open; positions are as they were")
        kill.say("", f"KILLED until: wow-ctl --config {config_path} rearm --reason TEXT")
        return ControlExitCode.DONE
    if proof.open_orders > 0:
        kill.say("NOT PROVEN", f"the venue lists {proof.open_orders} open orders")
        kill.say("", "CANCEL ON THE VENUE'S OWN PAGE NOW; run this again, it does no harm")
        return ControlExitCode.ORDERS_OPEN
    kill.say("NOT PROVEN", f"the venue could not be asked: {proof.problem}")
    kill.say("", "LOOK AT THE VENUE'S OWN PAGE NOW; run this again, it does no harm")
    return ControlExitCode.UNANSWERED


def _stop_by_bare_config(kill: Kill, config_path: str, overrides: Sequence[str]) -> None:
    """Word and latch by the three keys that matter, of a file that is wrong somewhere else."""
    raw: dict[str, Any] = {}
    with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        raw = tomllib.loads(Path(config_path).read_text())
    values = {
        "engine.name": raw.get("engine", {}).get("name", ""),
        "engine.state_directory": raw.get("engine", {}).get("state_directory", "var"),
        "telemetry.shared_memory_directory": raw.get("telemetry", {}).get(
            "shared_memory_directory", "/dev/shm"
        ),
    }
    for override in overrides:
        place, _, value = override.partition("=")
        if place in values:
            values[place] = value
    name = str(values["engine.name"])
    if not name:
        kill.say("kill word", "NOT SET: the config does not say which engine; kill it by signal")
        return
    paths = control_paths(str(values["engine.state_directory"]), name)
    directory = Path(str(values["telemetry.shared_memory_directory"]))
    kill.stop_engine(paths, directory / f"wow-{name}.shm")
    kill.record(paths, "kill not proven")


def _say(what: str, text: str) -> None:
    sys.stdout.write(f"{what:>11}  {text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Stops an engine now, whatever state it is in: no new orders, everything"
        " cancelled at the venue by REST, and asked until the venue lists nothing. Positions stay."
        " The engine stays KILLED over restarts until somebody rearms it.",
        epilog="exit status: "
        + "; ".join(f"{int(code)} {code.meaning}" for code in ControlExitCode),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{PROGRAM} {read_version()}")
    add("--config", required=True, metavar="FILE", help="the engine's own TOML file")
    add("--reason", required=True, type=reason_text, metavar="TEXT", help="why, for the record")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="as the engine was given")
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="for the venue to list nothing (default: %(default)s)",
    )
    return parser


def reason_text(text: str) -> str:
    """A reason: some words, not too many."""
    if not text.strip() or len(text) > MAX_REASON:
        raise argparse.ArgumentTypeError(f"say why in 1 to {MAX_REASON} characters")
    return text


if __name__ == "__main__":
    sys.exit(main())
