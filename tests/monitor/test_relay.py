import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ext.bounds import Bound
from ext.errors import RecordingError
from ext.wire import EngineState
from journal.directory import run_starts, segment_paths
from journal.entries import MARKET, ORDERS, STREAMS, Stream
from journal.reader import read_entries, read_runs
from journal.ring import MAX_BATCH
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from monitor.client import MonitorClient
from monitor.publisher import Publisher
from monitor.relay import Relay, _open_door, main
from monitor.relay_options import parse_options
from monitor.status import RelayStatus

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

RING_SLOTS = int(Bound.RING_SLOTS)
WaitUntil = Callable[[Callable[[], bool]], None]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@contextmanager
def relay_of(
    engine: "EngineStandIn", directory: Path, endpoint: str
) -> Iterator[tuple[Relay, RelayStatus]]:
    """A relay in this process; leaving the block is its sudden death."""
    status = RelayStatus()
    reader = SharedReader(engine.path, writable=True)
    writers = {
        stream: JournalWriter(directory, reader, stream, sync_interval_ns=0) for stream in STREAMS
    }
    publisher = Publisher(endpoint, reader, status, epoch=time.time_ns())
    try:
        yield Relay(reader, writers, publisher, status), status
    finally:
        publisher.close()
        for writer in writers.values():
            if writer._descriptor >= 0:
                os.close(writer._descriptor)
        reader.close()


def step(relay: Relay) -> int:
    return relay.step(time.time_ns(), time.monotonic_ns())


def journaled(directory: Path, stream: Stream = ORDERS) -> list[int]:
    """Numbers of the slots that the journal holds; RecordingError when one is missing."""
    (start,) = run_starts(directory)
    runs = read_runs(directory, start, stream, allow_gaps=stream == MARKET)
    return [int(slots["sequence"][0]) + at for _, slots in runs for at in range(len(slots))]


def test_records_are_journaled_and_given_back(
    engine: "EngineStandIn", directory: Path, endpoint: str
) -> None:
    engine.records(10)
    with relay_of(engine, directory, endpoint) as (relay, status):
        assert (step(relay), step(relay)) == (10, 0)
        assert engine.header["read_sequence"] == 10
        assert (status.journaled_records, status.lost_records) == (10, 0)
    assert journaled(directory) == list(range(1, 11))


def test_draining_across_the_wrap(engine: "EngineStandIn", directory: Path, endpoint: str) -> None:
    with relay_of(engine, directory, endpoint) as (relay, _):
        for count in (RING_SLOTS - 100, 500, RING_SLOTS):
            engine.records(count)
            while step(relay):
                pass
    assert journaled(directory) == list(range(1, 2 * RING_SLOTS + 401))


def test_a_batch_is_bounded(engine: "EngineStandIn", directory: Path, endpoint: str) -> None:
    engine.records(MAX_BATCH + 1)
    with relay_of(engine, directory, endpoint) as (relay, _):
        assert (step(relay), step(relay)) == (MAX_BATCH, 1)


def test_a_death_between_journal_and_acknowledge_doubles_nothing(
    engine: "EngineStandIn", directory: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.records(10)
    with relay_of(engine, directory, endpoint) as (relay, _):
        monkeypatch.setattr(SharedReader, "acknowledge", lambda reader, stream, sequence: None)
        step(relay)
        monkeypatch.undo()
    assert engine.header["read_sequence"] == 0
    engine.records(5)
    with relay_of(engine, directory, endpoint) as (relay, status):
        step(relay)
        assert status.journaled_records == 5
    assert journaled(directory) == list(range(1, 16))


def test_what_nobody_kept_is_counted_as_lost(
    engine: "EngineStandIn", directory: Path, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with relay_of(engine, directory, endpoint) as (relay, status):
        engine.records(RING_SLOTS + 10)  # as a writer that ignores its reader would
        step(relay)
        assert status.lost_records == 10
    assert "10 slots were overwritten" in caplog.text
    with pytest.raises(RecordingError, match="begins with slot 11; what came before is missing"):
        journaled(directory)


@pytest.mark.parametrize("end", ["stopped", "killed", "told"])
def test_the_end_of_the_engine_ends_the_relay_after_the_last_record(
    engine: "EngineStandIn", directory: Path, endpoint: str, end: str
) -> None:
    engine.records(MAX_BATCH + 20)
    if end == "killed":
        engine.kill()
    with relay_of(engine, directory, endpoint) as (relay, _):
        if end == "stopped":
            engine.set_state(EngineState.ENGINE_STOPPED, "done")
        elif end == "told":
            relay.stop()
        relay.run(0.001)
    assert journaled(directory) == list(range(1, MAX_BATCH + 21))


def test_ctrl_c_waits_for_the_engine(
    engine: "EngineStandIn", directory: Path, endpoint: str
) -> None:
    with relay_of(engine, directory, endpoint) as (relay, _):
        relay.interrupt()
        assert not relay._must_stop
        relay.interrupt()
        assert relay._must_stop


class RelayProcess:
    """``wow-relay`` as the engine starts it."""

    def __init__(self, engine: "EngineStandIn", directory: Path, endpoint: str) -> None:
        arguments = {
            "--shared-memory": str(engine.path),
            "--journal": str(directory),
            "--publish": endpoint,
            "--http-port": "0",
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "monitor.relay",
                *(word for pair in arguments.items() for word in pair),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.ready: dict[str, Any] = json.loads(line)

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Exit code and stderr, after a signal or by itself."""
        if number is not None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"{self.ready['http']}/healthz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture
def start_relay(
    engine: "EngineStandIn", directory: Path, endpoint: str
) -> Iterator[Callable[[], RelayProcess]]:
    started: list[RelayProcess] = []

    def start() -> RelayProcess:
        started.append(RelayProcess(engine, directory, endpoint))
        return started[-1]

    yield start
    for relay in started:
        if relay.process.poll() is None:
            relay.end(signal.SIGKILL)


def test_a_file_that_may_not_grow_and_then_may(
    engine: "EngineStandIn",
    directory: Path,
    start_relay: Callable[[], RelayProcess],
    wait_until: WaitUntil,
) -> None:
    """The kernel refuses the relay's writes, in the middle of a block: a disk that is full."""
    relay = start_relay()
    engine.records(10)
    engine.frame(b"f" * 1_000)
    wait_until(lambda: engine.header["read_sequence"] == 10)
    wait_until(lambda: engine.header["market_read_sequence"] > 0)
    limits = resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in segment_paths(directory))
    resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE, (size + 700, limits[1]))
    for _ in range(20):
        engine.report(b"r" * 300)
        time.sleep(0.002)  # tidy-ok: in several blocks, no result depends on it
    wait_until(lambda: engine.header["journal_failing"] == 1)
    assert engine.header["read_sequence"] < engine.header["write_sequence"]
    _, facts = relay.health()
    assert "File too large" in facts["journal_error"]
    resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE, limits)
    wait_until(lambda: engine.header["journal_failing"] == 0)
    wait_until(lambda: engine.header["read_sequence"] == engine.header["write_sequence"])
    engine.set_state(EngineState.ENGINE_STOPPED, "done")
    assert relay.end()[0] == 0
    assert journaled(directory) == every_slot(engine)


def every_slot(engine: "EngineStandIn") -> list[int]:
    """What the journal holds as numbers of slots, read strictly, from the first to the last."""
    return list(range(1, int(engine.header["write_sequence"]) + 1))


def test_killed_and_restarted_at_random_points_nothing_is_lost_or_doubled(
    engine: "EngineStandIn", directory: Path, start_relay: Callable[[], RelayProcess]
) -> None:
    for pause in (0.0, 0.004, 0.011):
        relay = start_relay()
        deadline = time.monotonic() + 0.05 + pause
        while time.monotonic() < deadline:
            engine.records(7)
            engine.report(os.urandom(700))
            engine.frame(os.urandom(900))
            time.sleep(0.0005)  # tidy-ok: paces the stand-in engine, no result depends on it
        relay.end(signal.SIGKILL)
    assert engine.header["reader_attached"] == 1
    engine.records(5)
    relay = start_relay()
    engine.set_state(EngineState.ENGINE_STOPPED, "done")
    assert relay.end() == (0, "")
    assert journaled(directory) == every_slot(engine)
    assert journaled(directory, MARKET) == list(
        range(1, int(engine.header["market_write_sequence"]) + 1)
    )
    (start,) = run_starts(directory)
    assert sum(len(entry.data) == 900 for entry in read_entries(directory, start)) > 10


def test_the_whole_process(
    engine: "EngineStandIn",
    directory: Path,
    endpoint: str,
    client: MonitorClient,
    start_relay: Callable[[], RelayProcess],
    wait_until: WaitUntil,
) -> None:
    engine.book()
    relay = start_relay()
    assert relay.ready["event"] == "ready"
    assert relay.ready["publish"] == endpoint
    wait_until(lambda: client.poll(20) > 0 and "BTC-USD" in client.model.books)
    engine.fill()
    wait_until(lambda: client.poll(20) > 0 and client.model.event_count == 2)
    engine.beat()
    assert relay.health()[0] == 200
    engine.set_state(EngineState.ENGINE_STOPPING, "SIGTERM")
    code, facts = relay.health()
    assert (code, facts["reason"]) == (503, "engine is STOPPING: SIGTERM")
    with urllib.request.urlopen(f"{relay.ready['http']}/metrics", timeout=10) as answer:
        assert b"wow_relay_journaled_records_total 1.0" in answer.read()
    engine.set_state(EngineState.ENGINE_STOPPED, "done")
    assert relay.end() == (0, "")
    wait_until(
        lambda: (
            client.poll(20) >= 0
            and client.model.heartbeat is not None
            and client.model.heartbeat.state == "STOPPED"
        )
    )
    assert len(segment_paths(directory)) == 1
    assert engine.header["reader_attached"] == 0


def test_sigterm_takes_what_is_there_and_leaves_the_ring(
    engine: "EngineStandIn", directory: Path, start_relay: Callable[[], RelayProcess]
) -> None:
    relay = start_relay()
    engine.records(100)
    assert relay.end(signal.SIGTERM) == (0, "")
    assert journaled(directory) == list(range(1, 101))
    assert engine.header["reader_attached"] == 0


def test_a_second_relay_is_refused(
    engine: "EngineStandIn",
    tmp_path: Path,
    start_relay: Callable[[], RelayProcess],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = start_relay()
    arguments = ["--shared-memory", str(engine.path), "--journal", str(tmp_path / "other")]
    assert main([*arguments, "--publish", "tcp://127.0.0.1:0"]) == 2
    assert "another relay reads this engine's rings" in capsys.readouterr().err
    assert engine.header["reader_attached"] == 1
    assert first.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shared-memory", "/nowhere"], "/nowhere: No such file"),
        (["--shared-memory", "/nowhere", "--http-port", "70000"], "70000 is not a port"),
        (["--shared-memory", "/nowhere", "--interval-ms", "0"], "not a number above 0"),
        (["--shared-memory", "/nowhere", "--core", "9999"], "--core 9999: .*use one of"),
    ],
)
def test_bad_arguments_are_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*arguments, "--journal", "/tmp", "--publish", "tcp://127.0.0.1:0"])
    except SystemExit as error:  # argparse's own
        code = int(error.code or 0)
    assert code == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_door_leaves_the_rings_to_this_relay(
    engine: "EngineStandIn", directory: Path, endpoint: str, tmp_path: Path
) -> None:
    """Closing any descriptor of the memory would give the lock back: the door opens none."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom ext.errors import ConfigError\n"
        "from journal.shared_reader import SharedReader\n"
        "try:\n    SharedReader(Path(sys.argv[1]), writable=True).attach()\n"
        "except ConfigError:\n    sys.exit(9)\n"
    )
    with relay_of(engine, directory, endpoint) as (relay, _), ExitStack() as stack:
        options = parse_options(
            [
                f"--shared-memory={engine.path}",
                f"--publish={endpoint}",
                f"--journal={directory}",
                f"--state-directory={tmp_path / 'state'}",
            ]
        )
        relay.door = _open_door(options, relay._reader, stack)
        assert relay.door is not None
        relay.step(time.time_ns(), time.monotonic_ns())
        other = subprocess.run([sys.executable, "-c", program, str(engine.path)], check=False)
    assert other.returncode == 9, "another process could attach"
