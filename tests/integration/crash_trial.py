"""Kills a trading engine with SIGKILL at random moments and holds its books against the venue's.

    python -m tests.integration.crash_trial --count 200 --seed 1 [--rest] [--stops]

One venue (wow-sim) lives through all rounds. A round: the engine trades for a random while and is
killed, alone or with its relay; it is started again, takes over, reconciles, goes on for a moment
and is stopped in order. Then position and fills by its journal have to be those that the venue
tells over REST, and nothing may be open there. The questions to the venue are asked in plain
``urllib`` with a signature of their own, so that no code of the engine can be wrong on both sides.
With ``--rest`` the engine's orders go by REST instead of FIX. With ``--stops`` positions are
managed, and what ``stops_trial`` says is held too.
"""

# tidy-ok: a tool of the tests, not a mirror of a module

import argparse
import base64
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from engine.secrets import Secret
from ext.dtypes import POSITION
from journal.reader import run_starts
from journal.rebuild import rebuild
from journal.shared_reader import SharedReader
from tests.integration.stops_trial import MANAGEMENT, StopsError, StopsLook

REPOSITORY = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 60.0
POLL_S = 0.02
PAGE = 100
SLOW_TAKEOVER_S = 15.0
TRADING_S = 1.2
STOPS_TRADING_S = 3.0
"""So that positions begin and end."""
READY_TEXT = "the venue's record and ours are equal"
PAUSED_TEXT = "PAUSED, no new orders"


class TrialError(Exception):
    """What the venue tells is not what the engine's journal tells."""


class Venue:
    """One wow-sim for all rounds, and questions to it."""

    def __init__(self, seed: int, duration_s: float, *, by_rest: bool = False) -> None:
        program = str(Path(sys.executable).with_name("wow-sim"))
        arguments = ["--seed", str(seed), "--duration", str(duration_s), "--free-running"]
        if by_rest:
            arguments.append("--start-without-orders")
        self._process = subprocess.Popen(
            [program, *arguments, "--log-level", "ERROR"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def ask(self, path: str) -> tuple[Any, str]:
        """The answer to a signed GET, and the cursor of the next page."""
        timestamp = f"{time.time():.3f}"
        key, secret, passphrase = _credentials()
        digest = hmac.new(
            base64.b64decode(secret), f"{timestamp}GET{path}".encode(), hashlib.sha256
        ).digest()
        request = urllib.request.Request(
            self.ready["rest_url"] + path,
            headers={
                "CB-ACCESS-KEY": key,
                "CB-ACCESS-SIGN": base64.b64encode(digest).decode(),
                "CB-ACCESS-TIMESTAMP": timestamp,
                "CB-ACCESS-PASSPHRASE": passphrase,
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read()), answer.headers.get("CB-AFTER", "")

    def fills(self, product: str) -> list[dict[str, Any]]:
        """Every fill of ours in a product."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            after = f"&after={cursor}" if cursor else ""
            page, cursor = self.ask(f"/fills?product_id={product}&limit={PAGE}{after}")
            found += page
            if not cursor or len(page) < PAGE:
                return found
            time.sleep(0.12)  # /fills answers 10 times a second

    def open_orders(self) -> list[dict[str, Any]]:
        """What is open there."""
        orders, _ = self.ask("/orders?status=open&status=pending&status=active&limit=1000")
        return list(orders)

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Rounds:
    """The rounds of one trial in one state directory."""

    def __init__(
        self,
        directory: Path,
        venue: Venue,
        seed: int,
        *,
        by_rest: bool = False,
        with_stops: bool = False,
    ) -> None:
        self.kills = 0
        self.killed_with_relay = 0
        self.fills: dict[str, int] = {}
        self.takeovers_s: list[float] = []
        self._directory = directory
        self._venue = venue
        self._chance = random.Random(seed)
        self._config = directory / "crash.toml"
        make = _make_rest_config if by_rest else _make_config
        text = make(directory, venue.ready)
        self._config.write_text(_add_management(text) if with_stops else text)
        self._log = directory / "engine.log"
        self._name = "crash"
        self._shared_memory = directory / f"wow-{self._name}.shm"
        self._journal = directory / "state" / "journal"
        self.stops = StopsLook(self._shared_memory, self._journal) if with_stops else None

    def run_round(self) -> None:
        """One kill, one takeover, one comparison."""
        engine = self._start()
        self._wait_until_reconciled(engine)
        time.sleep(self._chance.uniform(0.0, TRADING_S if self.stops is None else STOPS_TRADING_S))
        self._kill(engine)
        if self.stops is not None:
            self.stops.note_kill()
        time.sleep(self._chance.choice((0.0, 0.05, 0.3)))
        started_s = time.monotonic()
        engine = self._start()
        self._wait_until_reconciled(engine)
        self.takeovers_s.append(time.monotonic() - started_s)
        if self.takeovers_s[-1] > SLOW_TAKEOVER_S:
            print(f"a takeover of {self.takeovers_s[-1]:.1f} s: {self._tail()}", flush=True)
        if self.stops is not None:
            self.stops.compare_takeover()
        time.sleep(self._chance.uniform(0.0, 0.3))
        self._stop(engine)
        if PAUSED_TEXT in self._log.read_text(errors="replace"):
            raise TrialError(f"the engine does not trade any more: {self._tail()}")
        self._compare()

    def _start(self) -> "subprocess.Popen[bytes]":
        program = str(Path(sys.executable).with_name("wow-engine"))
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [program, "--config", str(self._config)],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _wait_until_reconciled(self, engine: "subprocess.Popen[bytes]") -> None:
        deadline_s = time.monotonic() + START_S
        while READY_TEXT not in self._log.read_text(errors="replace"):
            if engine.poll() is not None:
                raise TrialError(f"the engine ended with {engine.returncode}: {self._tail()}")
            if time.monotonic() > deadline_s:
                engine.kill()
                raise TrialError(f"not reconciled within {START_S:.0f} s: {self._tail()}")
            time.sleep(POLL_S)

    def _kill(self, engine: "subprocess.Popen[bytes]") -> None:
        relays = _children(engine.pid)
        with_relay = self._chance.random() < 0.5
        os.kill(engine.pid, signal.SIGKILL)
        if with_relay:
            for pid in relays:
                os.kill(pid, signal.SIGKILL)
        engine.wait()
        self.kills += 1
        self.killed_with_relay += with_relay

    def _stop(self, engine: "subprocess.Popen[bytes]") -> None:
        engine.send_signal(signal.SIGTERM)
        code = engine.wait(STOP_S)
        if code != 0:
            raise TrialError(f"the orderly stop ended with {code}: {self._tail()}")

    def _compare(self) -> None:
        _wait_for_relay(self._shared_memory)
        ledger, _ = rebuild(self._journal, run_starts(self._journal)[-1])
        if ledger is None:
            raise TrialError("the last run has no record")
        if self.stops is not None:
            self.stops.note_exits(ledger)
        left = self._venue.open_orders()
        if left:
            raise TrialError(f"open at the venue after the stop: {left}; {self._tail()}")
        snapshot = ledger.snapshot()
        positions = np.frombuffer(snapshot.positions, POSITION)
        for index, (_, symbol) in enumerate(snapshot.strategies):
            lot = Decimal(next(each[2] for each in snapshot.instruments if each[0] == symbol))
            fills = self._venue.fills(symbol)
            self.fills[symbol] = len(fills)
            if self.stops is not None:
                self.stops.compare_fills(symbol, fills)
            signed = sum(
                (Decimal(each["size"]) if each["side"] == "buy" else -Decimal(each["size"]))
                for each in fills
            )
            ours = int(positions[index]["position_lots"]) * lot
            count = int(positions[index]["fill_count"])
            if (ours, count) != (signed, len(fills)):
                raise TrialError(
                    f"{symbol}: the venue tells {len(fills)} fills and a position of {signed},"
                    f" the journal {count} and {ours}; {self._tail()}"
                )

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]


def _wait_for_relay(path: Path) -> None:
    """Until the relay of an engine that has stopped has taken everything."""
    reader = SharedReader(path)
    deadline_s = time.monotonic() + 10
    try:
        while time.monotonic() < deadline_s:
            if reader.word("synced_sequence") == reader.word("write_sequence"):
                return
            time.sleep(POLL_S)
    finally:
        reader.close()
    raise TrialError("the relay did not finish within 10 s")


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


def _credentials() -> tuple[str, str, str]:
    key, secret, passphrase = (
        Secret.parse(f"demo:{name}").reveal() for name in ("key", "secret", "passphrase")
    )
    return key, secret, passphrase


def _make_config(directory: Path, ready: dict[str, Any]) -> str:
    return _change(
        "demo.toml",
        {
            'name = "demo"': 'name = "crash"',
            'state_directory = "var/demo"': f'state_directory = "{directory / "state"}"',
            'port = "simulator"': f"port = {ready['fix_port']}",
            'publish = "ipc:///tmp/wow-demo.ipc"': _publish(directory),
            **_common_changes(ready),
        },
    )


def _make_rest_config(directory: Path, ready: dict[str, Any]) -> str:
    return _change(
        "demo_rest.toml",
        {
            'name = "demo_rest"': 'name = "crash"',
            'state_directory = "var/demo_rest"': f'state_directory = "{directory / "state"}"',
            'protocol = "rest"\nrest_url = "simulator"': (
                f'protocol = "rest"\nrest_url = "{ready["rest_url"]}"'
            ),
            'publish = "ipc:///tmp/wow-demo-rest.ipc"': _publish(directory),
            **_common_changes(ready),
        },
    )


def _publish(directory: Path) -> str:
    return f'publish = "ipc://{directory / "p"}"\nshared_memory_directory = "{directory}"'


def _common_changes(ready: dict[str, Any]) -> dict[str, str]:
    return {
        "start = true": "start = false",
        'url = "simulator"': f'url = "{ready["feed_url"]}"',
        'rest_url = "simulator"': f'rest_url = "{ready["rest_url"]}"\ninterval_seconds = 1',
        "lockstep = true": "lockstep = false",
    }


def _add_management(text: str) -> str:
    """Stops for every strategy, and no breaker that ends the trial because they cost something."""
    for symbol, table in MANAGEMENT.items():
        line = f'instrument = "{symbol}"\n'
        if line not in text:
            raise TrialError(f"the config has no {line!r} any more")
        text = text.replace(line, f"{line}management = {table}\n")
    return text.replace("daily_loss = 250", "daily_loss = 1_000_000")


def _change(name: str, changes: dict[str, str]) -> str:
    text = (REPOSITORY / "configs" / name).read_text()
    for old, new in changes.items():
        if old not in text:
            raise TrialError(f"configs/{name} has no {old!r} any more")
        text = text.replace(old, new, 1)
    return text


def run_trial(
    count: int, seed: int, directory: Path, *, by_rest: bool = False, with_stops: bool = False
) -> Rounds:
    """``count`` rounds; TrialError at the first that is not equal."""
    venue = Venue(seed, duration_s=60.0 * count + 600, by_rest=by_rest)
    try:
        rounds = Rounds(directory, venue, seed, by_rest=by_rest, with_stops=with_stops)
        for number in range(count):
            try:
                rounds.run_round()
            except (TrialError, StopsError) as error:
                raise TrialError(f"round {number + 1} of seed {seed}: {error}") from error
            if sys.stdout.isatty() or (number + 1) % 10 == 0:
                print(f"{number + 1} of {count} kills, all equal", flush=True)
    finally:
        venue.stop()
    return rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a trial; 1 when something was not equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rest", action="store_true", help="orders by REST instead of FIX")
    parser.add_argument("--stops", action="store_true", help="with position management")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="wow-crash-"))
    try:
        rounds = run_trial(
            options.count,
            options.seed,
            directory,
            by_rest=options.rest,
            with_stops=options.stops,
        )
    except TrialError as error:
        print(f"NOT EQUAL: {error}\nstate: {directory}", file=sys.stderr)
        return 1
    shutil.rmtree(directory)
    takeovers = sorted(rounds.takeovers_s)
    middle_s, longest_s = takeovers[len(takeovers) // 2], takeovers[-1]
    print(
        f"{rounds.kills} kills ({rounds.killed_with_relay} with the relay) in"
        f" {time.monotonic() - started_s:.0f} s; after each, fills and positions equal to the"
        f" venue's, {sum(rounds.fills.values())} fills in the end; takeover with reconciliation"
        f" p50 {middle_s:.2f} s, longest {longest_s:.2f} s"
    )
    if rounds.stops is not None:
        print(rounds.stops.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
