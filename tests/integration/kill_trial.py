"""KILL from each source, with the engine in each state: does the venue itself list nothing?

``python -m tests.integration.kill_trial`` plays the whole table against a simulated venue on
loopback, then kills engines in the middle of a KILL and starts them again. ``make kill``.
"""

# tidy-ok: a trial of the processes together, too long for the tests

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from control.latch import LatchFile
from control.mailbox import open_header
from control.paths import control_paths
from ext.errors import ConfigError
from ext.wire import OrderState
from journal.shared_reader import SharedReader
from tests.integration.cable import Cable
from tests.integration.crash_trial import REPOSITORY, TrialError, Venue
from tests.integration.kill_engine import BREAKER, HANG

DRILL_ATTEMPTS = 3
START_S, KILL_S, POLL_S = 40.0, 15.0, 0.002
SOURCES = ("terminal", "signal", "wow-ctl", "wow-kill", "breaker", "dead relay")
STATES = ("idle", "busy", "hung", "in a callback", "disconnected", "dead")
HEAD = (
    "| source | engine | open before | trigger to word, ms | word to last cancel, ms |"
    " word to zero, ms | command to zero, ms |\n" + "| --- " * 7 + "|"
)
OUTSIDE = ("wow-ctl", "wow-kill")
SIGNALS = {"terminal": signal.SIGQUIT, "signal": signal.SIGUSR2, "breaker": BREAKER}
LAST_CANCEL = re.compile(r"last cancel sent after ([\d.]+) ms, nothing open after ([\d.]+) ms")
ZERO = re.compile(r"0 by the venue's own list, after ([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Drill:
    """One KILL. Times in milliseconds, -1 where nobody told: from the trigger to the word, from
    there to the last cancel of the engine and to zero as the engine saw it; ``outside_ms`` is of
    the command's start to zero as the command saw it."""

    source: str
    state: str
    open_before: int
    word_ms: float
    last_byte_ms: float
    zero_ms: float
    outside_ms: float


class Engine:
    """One engine in a directory of its own, and what can be done to it."""

    def __init__(self, directory: Path, venue: Venue, name: str = "kill") -> None:
        self.directory, self.name = directory, name
        self.cable = Cable(int(venue.ready["fix_port"]))
        self.config = directory / "kill.toml"
        self.config.write_text(_make_config(directory, venue, self.cable.port, name))
        self.log = directory / "engine.log"
        self.paths = control_paths(directory / "state", name)
        self.memory_path = directory / f"wow-{name}.shm"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Starts it; returns at once."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.kill_engine",
                 "--config", str(self.config), *arguments],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def wait(self, what: str, is_true: Callable[[], bool], seconds: float = START_S) -> None:
        """Until it is true; TrialError when it does not come true in time."""
        deadline_s = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline_s:
                raise TrialError(f"{what} did not come: {self.tail()}")
            time.sleep(POLL_S)

    def is_quoting(self) -> bool:
        """Whether two orders rest at the venue, by the engine's own table."""
        try:
            reader = SharedReader(self.memory_path)
        except (ConfigError, OSError):
            return False
        try:
            lives = reader.engine_lives()
            states = [int(order["state"]) for order in reader.open_orders()]
            return lives and states.count(OrderState.NEW) >= 2
        finally:
            reader.close()

    def signal(self, number: int) -> None:
        """Sends a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def relay(self) -> int:
        """The process of its relay."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(path.read_text().split()[0])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs ``wow-ctl`` or ``wow-kill``."""
        program = str(Path(sys.executable).with_name(arguments[0]))
        return subprocess.run(
            [program, "--config", str(self.config), *arguments[1:]],
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=KILL_S + 20, check=False,
        )  # fmt: skip

    def kill_time_ns(self) -> int:
        """Wall clock of the kill word; 0: it is not set."""
        header = open_header(self.memory_path)
        return int(header["kill_time_ns"][0]) if header["kill_word"][0] else 0

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2500:]

    def stop(self) -> None:
        """Ends it whatever state it is in, and its relay."""
        self.cable.stop()
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGCONT)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in map(int, children.split()):
            os.kill(child, signal.SIGCONT)
            os.kill(child, signal.SIGTERM)
        self.process.kill()
        self.process.wait()


def drill(venue: Venue, source: str, state: str) -> Drill:
    """One cell of the table; TrialError when something is open afterwards. Played again when the
    last quote was filled just before: there has to be something to cancel."""
    found = _drill(venue, source, state)
    for _ in range(DRILL_ATTEMPTS):
        if found.open_before:
            break
        found = _drill(venue, source, state)
    return found


def _drill(venue: Venue, source: str, state: str) -> Drill:
    directory = Path(tempfile.mkdtemp(prefix="wow-kill-"))
    engine = Engine(directory, venue)
    try:
        engine.start()
        engine.wait("two quotes", engine.is_quoting)
        _bring_into(engine, state)
        before = len(venue.open_orders())
        started_ns, started_s = time.time_ns(), time.monotonic()
        outside_ms = _trigger(engine, source)
        _recover(engine, state, source)
        engine.wait("zero", lambda: _has_ended(engine, source, state), KILL_S)
        time.sleep(0.15)  # of the venue's rate, and for anything that was on its way
        left = venue.open_orders()
        if left:
            raise TrialError(f"{source}, {state}: open at the venue: {left}; {engine.tail()}")
        if LatchFile(engine.paths.latch).read() is None:
            raise TrialError(f"{source}, {state}: no latch; {engine.tail()}")
        elapsed_s = time.monotonic() - started_s
        if elapsed_s > KILL_S:
            raise TrialError(f"{source}, {state}: {elapsed_s:.1f} s")
        word_ms = (engine.kill_time_ns() - started_ns) / 1e6
        found = LAST_CANCEL.search(engine.tail())
        last_ms, zero_ms = (float(found[1]), float(found[2])) if found else (-1.0, -1.0)
        return Drill(source, state, before, word_ms, last_ms, zero_ms, outside_ms)
    finally:
        engine.stop()


def _bring_into(engine: Engine, state: str) -> None:
    if state == "idle":
        result = engine.command("wow-ctl", "pause", "--reason", "drill")
        if result.returncode:
            raise TrialError(f"pause: {result.stdout}{result.stderr}")
    elif state == "hung":
        engine.signal(signal.SIGSTOP)
    elif state == "in a callback":
        engine.signal(HANG)
        time.sleep(0.1)
    elif state == "disconnected":
        engine.cable.cut()
        time.sleep(0.05)
    elif state == "dead":
        engine.signal(signal.SIGKILL)
        assert engine.process is not None
        engine.process.wait()


def _trigger(engine: Engine, source: str) -> float:
    """Kills; for a command of its own the milliseconds until it had seen zero, else -1."""
    if source in SIGNALS:
        engine.signal(SIGNALS[source])
    elif source == "dead relay":
        os.kill(engine.relay(), signal.SIGSTOP)
    else:
        arguments = ("wow-ctl", "kill") if source == "wow-ctl" else ("wow-kill",)
        result = engine.command(*arguments, "--reason", "drill")
        found = ZERO.search(result.stdout)
        if result.returncode or not found:
            raise TrialError(f"{source} ended with {result.returncode}: {result.stdout}")
        return float(found[1])
    return -1.0


def _recover(engine: Engine, state: str, source: str) -> None:
    """A hung engine comes to itself: what it had in hand must not leave either."""
    if state == "hung":
        if source not in OUTSIDE:
            time.sleep(0.2)
        engine.signal(signal.SIGCONT)


def _has_ended(engine: Engine, source: str, state: str) -> bool:
    """The engine itself has proven it, unless it is dead."""
    if state == "dead":
        return True
    return "KILL proven" in engine.tail()


def crash_in_kill(venue: Venue, chance: random.Random) -> tuple[bool, bool]:
    """``kill -9`` in the middle of a KILL, then a restart: (was it killed, is it KILLED)."""
    directory = Path(tempfile.mkdtemp(prefix="wow-kill-"))
    engine = Engine(directory, venue)
    try:
        engine.start()
        engine.wait("two quotes", engine.is_quoting)
        engine.signal(signal.SIGUSR2)
        time.sleep(chance.uniform(0.0, 0.004))
        engine.signal(signal.SIGKILL)
        assert engine.process is not None
        engine.process.wait()
        was_killed = engine.kill_time_ns() > 0
        engine.cable.stop()
        engine.cable = Cable(int(venue.ready["fix_port"]))
        engine.config.write_text(_make_config(directory, venue, engine.cable.port, engine.name))
        engine.start()
        engine.wait("the next run", lambda: "are equal" in engine.tail())
        engine.wait(
            "its level",
            lambda: not was_killed or "KILL proven" in engine.tail() or engine.is_quoting(),
        )
        time.sleep(0.15)
        is_killed = engine.kill_time_ns() > 0
        if was_killed and venue.open_orders():
            raise TrialError(f"open after a crash in a KILL: {engine.tail()}")
        return was_killed, is_killed
    finally:
        engine.stop()
        _clear(engine)


def _clear(engine: Engine) -> None:
    """Whatever a run without a KILL has left open goes, for the next drill."""
    engine.command("wow-kill", "--reason", "the trial clears up")


def possible(source: str, state: str) -> bool:
    """What is in the engine cannot kill a dead one, and a hung loop watches no relay."""
    return source in OUTSIDE or (
        state != "dead" and not (source == "dead relay" and state in ("hung", "in a callback"))
    )


def _make_config(directory: Path, venue: Venue, fix_port: int, name: str) -> str:
    text = (REPOSITORY / "configs" / "demo.toml").read_text()
    ready = venue.ready
    changes = {
        'name = "demo"': f'name = "{name}"',
        'state_directory = "var/demo"': f'state_directory = "{directory / "state"}"',
        "start = true": "start = false",
        'url = "simulator"': f'url = "{ready["feed_url"]}"',
        'port = "simulator"': f'port = {fix_port}\ncancel_on_disconnect = "off"',
        'rest_url = "simulator"': f'rest_url = "{ready["rest_url"]}"\ninterval_seconds = 30',
        "lockstep = true": "lockstep = false",
        'publish = "ipc:///tmp/wow-demo.ipc"': (
            f'publish = "ipc://{directory / "p"}"\nshared_memory_directory = "{directory}"\n'
            '[kill]\nkey = "demo:key"\nsecret = "demo:secret"\npassphrase = "demo:passphrase"\n'
            f'rest_url = "{ready["rest_url"]}"\non_dead_relay = "kill"\ndead_relay_seconds = 1'
        ),
    }
    for old, new in changes.items():
        if old not in text:
            raise TrialError(f"configs/demo.toml has no {old!r} any more")
        text = text.replace(old, new, 1)
    return text


def run_table(sources: Sequence[str], states: Sequence[str], seed: int) -> list[Drill]:
    """Every possible cell; TrialError at the first that leaves something open."""
    drills = []
    cells = [(source, state) for source in sources for state in states if possible(source, state)]
    venue = Venue(seed, duration_s=60.0 * len(cells) + 600)
    try:
        for source, state in cells:
            drills.append(drill(venue, source, state))
            print(_line(drills[-1]), flush=True)
    finally:
        venue.stop()
    return drills


def _line(each: Drill) -> str:
    def shown(value: float) -> str:
        return "-" if value < 0 else f"{value:.2f}" if value < 10 else f"{value:.0f}"

    return (
        f"| {each.source} | {each.state} | {each.open_before} | {shown(each.word_ms)} |"
        f" {shown(each.last_byte_ms)} | {shown(each.zero_ms)} | {shown(each.outside_ms)} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trial; 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", action="append", choices=SOURCES)
    parser.add_argument("--state", action="append", choices=STATES)
    parser.add_argument("--crashes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    print(HEAD)
    try:
        drills = run_table(options.source or SOURCES, options.state or STATES, options.seed)
        crashes = _run_crashes(options.crashes, options.seed)
    except TrialError as error:
        print(f"NOT ZERO: {error}", file=sys.stderr)
        return 1
    sent = _spread([each.last_byte_ms for each in drills], 2)
    zero = _spread([each.zero_ms for each in drills], 0)
    print(
        f"{len(drills)} kills, nothing open at the venue after any; word to last cancel {sent};"
        f" word to zero {zero}; {crashes[0]} crashes in the middle of a KILL, {crashes[1]} of them"
        f" behind the word, KILLED after each restart; {time.monotonic() - started_s:.0f} s"
    )
    return 0


def _spread(values: list[float], decimals: int) -> str:
    known = sorted(value for value in values if value >= 0)
    if not known:
        return "not known"
    middle = known[len(known) // 2]
    return f"p50 {middle:.{decimals}f} ms, longest {known[-1]:.{decimals}f} ms"


def _run_crashes(count: int, seed: int) -> tuple[int, int]:
    chance, killed = random.Random(seed), 0
    for number in range(count):
        venue = Venue(seed + number, duration_s=300)  # one each: it knows the fills of one engine
        try:
            was_killed, is_killed = crash_in_kill(venue, chance)
        finally:
            venue.stop()
        killed += was_killed
        if was_killed and not is_killed:
            raise TrialError(f"crash {number + 1}: the latch is lost")
    return count, killed


if __name__ == "__main__":
    sys.exit(main())
