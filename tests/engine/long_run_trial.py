"""Kills a run of a million frames in its middle, goes on from its journal, and compares the ends.

    python -m tests.engine.long_run_trial --frames 1000000

A process drives the production arc with made frames, reports and timers, beside a real wow-relay,
and is killed at a random moment. The state is rebuilt from the journal, the rest of the input
follows, and the state at the end has to be that of a run which nobody has killed. Measured on the
way: replay of all of it, and what a start needs with a snapshot and without.
"""

# tidy-ok: a tool of the tests, not a mirror of a module

import argparse
import functools
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from engine.composition import Arc, compile_strategies, compose
from engine.runs.replay import Replay, make_replay_arc
from engine.runs.run_identity import RunIdentity
from engine.runs.run_start import Inheritance, begin_run
from engine.runs.state_hash import hash_state
from engine.settings.config import EngineConfig, load_config
from ext.fix_listener import FixListener
from ext.order_sender import CapturingSender
from ext.session_store import SessionStore
from ext.tcp_sender import TcpSender
from ext.wire import EngineState, StaleReason
from journal.entries import Entry
from journal.reader import read_entries, run_starts
from journal.rebuild import rebuild, take_snapshot
from journal.run_facts import read_facts
from journal.salvage import salvage

REPOSITORY = Path(__file__).parents[2]
NOW_NS = 1_767_623_400_000_000_000
TURN_NS = 40_000_000
FRAMES_PER_TURN = 8
SNAPSHOT_EVERY = 1_000  # turns
PREFIX = b"01234567-89ab-4cde-8"
IDENTITY = RunIdentity(PREFIX, 1)
READY_S = 60.0

Operation = tuple[int, Callable[[], object]]


def make_frame(turn: int, index: int) -> bytes:
    """A snapshot now and then, otherwise an update near a mid that drifts up and down."""
    mid = 6_500_000 + abs(turn * 3 % 4_000 - 2_000)
    if index == 0 and turn % SNAPSHOT_EVERY == 0:
        bids = ",".join(f'["{(mid - 5 - step) / 100:.2f}","1.{step:02d}"]' for step in range(60))
        asks = ",".join(f'["{(mid + 5 + step) / 100:.2f}","1.{step:02d}"]' for step in range(60))
        return (
            f'{{"type":"snapshot","product_id":"BTC-USD","bids":[{bids}],"asks":[{asks}]}}'.encode()
        )
    minute, second = divmod(turn * TURN_NS // 1_000_000_000, 60)
    hour, minute = divmod(minute, 60)
    clock = f"{hour % 24:02d}:{minute:02d}:{second:02d}.{turn * 40 % 1000:03d}{index:03d}"
    offset = 6 + (turn * 7 + index * 3) % 40
    # What the drifting mid has passed goes, so that the book stays uncrossed.
    changes = [
        f'["buy","{(mid - offset) / 100:.2f}","0.{1 + (turn + index) % 97:02d}"]',
        f'["sell","{(mid + offset) / 100:.2f}","0.{1 + (turn * 3 + index) % 89:02d}"]',
    ]
    changes += [f'["buy","{(mid + step) / 100:.2f}","0"]' for step in range(-4, 3)]
    changes += [f'["sell","{(mid + step) / 100:.2f}","0"]' for step in range(-2, 5)]
    return (
        f'{{"type":"l2update","product_id":"BTC-USD","changes":[{",".join(changes)}],'
        f'"time":"2026-01-05T{clock}Z"}}'
    ).encode()


class Driver:
    """All the input of the run, from turn to turn; the same whoever gets it."""

    def __init__(self, arc: Arc, store: SessionStore) -> None:
        self._arc = arc
        self._store = store
        self._listener = FixListener(
            store, arc.pipeline, arc.decoder, _ignore, _ignore_two, _ignore, _ignore
        )

    def run(
        self, turns: range, after_ns: int = 0, on_turn: Callable[[], None] | None = None
    ) -> None:
        """Gives the input of these turns, but for what came up to ``after_ns``."""
        for turn in turns:
            for time_ns, act in self._operations(turn):
                if time_ns > after_ns:
                    act()
            if on_turn is not None:
                on_turn()

    def _operations(self, turn: int) -> Iterator[Operation]:
        pipeline = self._arc.pipeline
        base_ns = NOW_NS + turn * TURN_NS
        for index in range(FRAMES_PER_TURN):
            at_ns = base_ns + index * 1_000_000
            frame = make_frame(turn, index)
            yield at_ns, functools.partial(pipeline.receive, frame, at_ns)
        for order in pipeline.orders.open_orders():
            number, sent_ns = int(str(order["order_number"])), int(str(order["sent_time_ns"]))
            if sent_ns >= base_ns:
                continue
            at_ns = base_ns + 10_000_000 + number * 16 % 10_000_000
            message = self._answer(turn, order)
            if message:
                yield at_ns, functools.partial(self._take, message, at_ns)
        at_ns = base_ns + 30_000_000
        yield at_ns, functools.partial(pipeline.call_timers, at_ns)
        if turn % 500 == 499:
            at_ns = base_ns + 31_000_000
            yield at_ns, functools.partial(pipeline.mark_stale, 0, StaleReason.SILENCE, at_ns)

    def _take(self, message: bytes, at_ns: int) -> None:
        if not self._listener.apply_message(message, at_ns):
            raise RuntimeError(f"a report was not taken: {message!r}")

    def _answer(self, turn: int, order: dict[str, object]) -> bytes:
        number = int(str(order["order_number"]))
        if order["acknowledged_time_ns"] == 0:
            return self._report(turn, order, "0", "0")
        if (turn + number) % 5 == 2:
            lots = min(int(str(order["leaves_lots"])), 1_000 + turn % 100)
            return self._report(turn, order, "F", "1", lots)
        if (turn + number) % 7 == 3:
            return self._report(turn, order, "4", "4")
        return b""

    def _report(self, turn: int, order: dict[str, object], kind: str, status: str,
                lots: int = 0) -> bytes:  # fmt: skip
        instrument = self._arc.instruments[int(str(order["instrument"]))]
        number = int(str(order["request_number"]))
        body = [
            ("35", "8"), ("34", str(turn + 2)), ("49", "Coinbase"),
            ("56", self._arc.sender_comp_id), ("37", f"v-{order['order_number']}"),
            ("17", f"e-{turn}-{order['order_number']}"),
            ("11", self._arc.pipeline.orders.client_order_id(number)),
            ("55", instrument.symbol), ("54", "1" if order["side"] == 1 else "2"),
            ("150", kind), ("39", status),
        ]  # fmt: skip
        if lots:
            price = int(str(order["price_ticks"])) * instrument.tick
            trade = str(turn * 10 + int(str(order["order_number"])) % 10 + 1)
            body += [("31", f"{price:f}"), ("32", f"{lots * instrument.lot:f}"), ("1003", trade)]
        text = "".join(f"{tag}={value}\x01" for tag, value in body)
        head = f"8=FIXT.1.1\x019={len(text)}\x01{text}".encode()
        return head + b"10=%03d\x01" % (sum(head) % 256)


def _ignore(_: object) -> None:
    """Nobody listens."""


def _ignore_two(one: str, two: bytes) -> None:
    """Nobody listens."""


def load(directory: Path) -> EngineConfig:
    """The demo without its venue, in a directory."""
    return load_config(
        REPOSITORY / "configs" / "demo.toml",
        [
            "engine.name=long", f"engine.state_directory={directory / 'state'}",
            f"telemetry.shared_memory_directory={directory}", "telemetry.step_timing_interval=0",
            "strategy.1.enabled=false", 'risk.stale_after_ms=60000',
        ],
    )  # fmt: skip


def drive(directory: Path, turns: int) -> None:
    """The process that is killed: the arc, a relay, and all of the input."""
    config = load(directory)
    arc = compose(config, compile_strategies(config, lambda _: None), IDENTITY)
    if arc.orders is None:
        raise RuntimeError("the demo trades")
    ours = CapturingSocket(arc)
    arc.orders.store.is_active = True
    begin_run(arc, Inheritance(IDENTITY, None))
    header = arc.memory.header_record()
    header["wall_offset_ns"] = 0
    relay = _start_relay(config, directory)
    slots = int(header["market_ring_slots"][0])

    def wait_for_relay() -> None:
        ours.drain()
        header["heartbeat_ns"] = time.time_ns()
        while header["market_write_sequence"][0] - header["market_read_sequence"][0] > slots // 2:
            time.sleep(0.001)

    Driver(arc, arc.orders.store).run(range(turns), on_turn=wait_for_relay)
    print(hash_state(arc), flush=True)
    header["engine_state"] = EngineState.ENGINE_STOPPED
    relay.wait(60)


class CapturingSocket:
    """A socket pair into which the arc's orders go, and nobody reads them."""

    def __init__(self, arc: Arc) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        if arc.orders is not None and isinstance(arc.orders.sender, TcpSender):
            arc.orders.sender.attach(self._ours.fileno())

    def drain(self) -> None:
        """Forgets what was sent."""
        with suppress(BlockingIOError):
            while self._theirs.recv(1 << 20):
                pass


def _start_relay(config: EngineConfig, directory: Path) -> "subprocess.Popen[bytes]":
    relay = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("wow-relay")),
            f"--shared-memory={config.shared_memory_path}",
            f"--publish=ipc://{directory / 'p'}", f"--journal={config.journal.path}",
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    if relay.stdout is None or b"ready" not in relay.stdout.readline():
        raise RuntimeError("wow-relay did not start")
    return relay


def _spawn(directory: Path, turns: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.long_run_trial", "--drive", str(directory),
         "--turns", str(turns)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def uninterrupted(directory: Path, turns: int) -> str:
    """State at the end of a run that nobody kills."""
    process = _spawn(directory, turns)
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}")
    return output.strip()


def killed(directory: Path, turns: int, chance: random.Random) -> tuple[str, int]:
    """State at the end of a run that is killed and gone on from its journal; and the frames that
    it had seen when it was."""
    config = load(directory)
    process = _spawn(directory, turns)
    journal = Path(config.journal.path)
    wanted = chance.uniform(0.3, 0.7) * turns * FRAMES_PER_TURN * 400
    while (
        process.poll() is None
        and sum(path.stat().st_size for path in journal.glob("*market*")) < wanted
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    salvage(config.shared_memory_path, journal)
    start_time_ns = run_starts(journal)[-1]
    entries = read_entries(journal, start_time_ns)
    facts = read_facts(entries)
    if facts is None:
        raise RuntimeError("the run has no first record")
    strategies = compile_strategies(config, lambda _: None)
    arc, sender, store = make_replay_arc(config, strategies, facts)
    result = Replay(arc, sender, store).run(entries)
    if result.difference is not None:
        raise RuntimeError(f"the replay differs: {result.difference}")
    last_turn = (result.last_time_ns - NOW_NS) // TURN_NS
    Driver(arc, store).run(range(last_turn, turns), result.last_time_ns, lambda: _drop(sender))
    return hash_state(arc), result.frames


def _drop(sender: CapturingSender) -> None:
    sender.take()


def measure_start(directory: Path) -> tuple[int, float, float]:
    """Order records of the whole run, and the seconds of a start without and with a snapshot."""
    journal = Path(load(directory).journal.path)
    start_time_ns = run_starts(journal)[-1]
    for path in journal.glob(f"{start_time_ns:020d}-*.snapshot"):
        path.unlink()
    started_s = time.perf_counter()
    ledger, _ = rebuild(journal, start_time_ns)
    without_s = time.perf_counter() - started_s
    if ledger is None:
        raise RuntimeError("nothing to rebuild")
    take_snapshot(journal, start_time_ns)
    started_s = time.perf_counter()
    rebuild(journal, start_time_ns)
    return ledger.applied, without_s, time.perf_counter() - started_s


def measure_replay(directory: Path) -> tuple[int, float]:
    """Frames, and the seconds in which they are replayed and compared."""
    config = load(directory)
    journal = Path(config.journal.path)
    entries: Iterator[Entry] = read_entries(journal, run_starts(journal)[-1])
    facts = read_facts(entries)
    if facts is None:
        raise RuntimeError("the run has no first record")
    arc, sender, store = make_replay_arc(config, compile_strategies(config, lambda _: None), facts)
    started_s = time.perf_counter()
    result = Replay(arc, sender, store).run(entries)
    if result.difference is not None:
        raise RuntimeError(f"the replay differs: {result.difference}")
    return result.frames, time.perf_counter() - started_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trial; 1 when the ends differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.drive is not None:
        drive(options.drive, options.turns)
        return 0
    turns = options.frames // FRAMES_PER_TURN
    with tempfile.TemporaryDirectory(prefix="wow-long-") as folder:
        whole, cut = Path(folder, "a"), Path(folder, "b")
        whole.mkdir()
        cut.mkdir()
        expected = uninterrupted(whole, turns)
        found, frames = killed(cut, turns, random.Random(options.seed))
        print(f"uninterrupted {expected}; killed after {frames:,} frames and gone on {found}")
        replayed, replay_s = measure_replay(whole)
        print(f"replay of {replayed:,} frames, every order compared: {replay_s:.1f} s")
        applied, without_s, with_s = measure_start(whole)
        print(
            f"start after {applied:,} order records: {without_s:.2f} s without a snapshot,"
            f" {with_s:.2f} s with one"
        )
    return int(found != expected)


if __name__ == "__main__":
    sys.exit(main())
