"""``wow-relay``: takes the engine's records and does everything slow with them.

One loop: copy records out of the ring, journal them, publish them, and only then give their slots
back. So a relay that is killed at any point loses nothing: the next one finds the records still in
the ring, and skips those that the journal already holds. The engine never waits for it.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from prometheus_client import CollectorRegistry

from ext.errors import ConfigError
from ext.wire import EngineState
from monitor.http_server import HttpServer
from monitor.journal import DEFAULT_FSYNC_INTERVAL_NS, DEFAULT_SEGMENT_BYTES, JournalWriter
from monitor.metrics import EngineCollector
from monitor.publisher import Publisher
from monitor.shared_reader import MAX_BATCH, SharedReader, Structured
from monitor.status import RelayStatus, engine_gone, health
from tuning.threads import move_all_threads

DEFAULT_INTERVAL_MS = 1.0
JOURNAL_RETRY_NS = 1_000_000_000
FLUSH_SECONDS = 0.1  # for the last messages to leave: the socket does not linger
EXIT_BAD_CONFIG = 2

ENGINE_STOPPED = int(EngineState.ENGINE_STOPPED)

logger = logging.getLogger("wow-relay")


class Relay:
    """The loop of one relay; the clocks come in, so that tests can drive it step by step."""

    def __init__(
        self,
        reader: SharedReader,
        journal: JournalWriter,
        publisher: Publisher,
        status: RelayStatus,
    ) -> None:
        """Attaches to the ring; raises ConfigError when another relay has it."""
        self._reader = reader
        self._journal = journal
        self._publisher = publisher
        self._status = status
        self._journal_retry_ns = 0
        self._interrupts = 0
        self._must_stop = False
        self._sequence = reader.attach()
        self._resume_journal()

    def run(self, interval_seconds: float) -> None:
        """Runs until the engine ended or ``stop`` was called, and everything was taken."""
        while True:
            has_ended = self._must_stop or self._engine_ended(time.time_ns())
            taken = self.step(time.time_ns(), time.monotonic_ns())
            if has_ended and not taken:
                break
            if taken < MAX_BATCH and not has_ended:
                time.sleep(interval_seconds)
        self._publisher.publish_all(time.time_ns())
        time.sleep(FLUSH_SECONDS)

    def step(self, now_ns: int, monotonic_ns: int) -> int:
        """Takes one batch and publishes what is due; returns the number of records taken."""
        records, lost = self._reader.records_after(self._sequence)
        if lost:
            self._status.lost_records += lost
            logger.warning("%d records were overwritten before they could be taken", lost)
        self._write_journal(records, monotonic_ns)
        if len(records) or lost:
            self._publisher.publish_records(records, now_ns)
            self._sequence += len(records) + lost
            self._reader.acknowledge(self._sequence)
        self._publisher.publish_due(now_ns)
        return len(records)

    def stop(self) -> None:
        """Asks the loop to take what is there and end."""
        self._must_stop = True

    def interrupt(self) -> None:
        """Ctrl-C: the engine got it too and still has orders to cancel, which must be journaled."""
        self._interrupts += 1
        if self._interrupts > 1 or self._engine_ended(time.time_ns()):
            self.stop()
        else:
            logger.info("the relay ends when the engine has; Ctrl-C again to end it now")

    def _engine_ended(self, now_ns: int) -> bool:
        has_stopped = self._reader.word("engine_state") == ENGINE_STOPPED
        return has_stopped or engine_gone(self._reader, now_ns)

    def _resume_journal(self) -> None:
        try:
            damage = self._journal.resume()
        except OSError as error:
            self._journal_failed(error, time.monotonic_ns())
        else:
            if damage:
                logger.warning("%s; it is left alone, a new segment is begun", damage)

    def _write_journal(self, records: Structured, monotonic_ns: int) -> None:
        if monotonic_ns < self._journal_retry_ns:
            self._status.unjournaled_records += len(records)
            return
        try:
            if len(records):
                self._status.journaled_records += self._journal.append(records, monotonic_ns)
            self._journal.sync(monotonic_ns)
        except OSError as error:
            self._status.unjournaled_records += len(records)
            self._journal_failed(error, monotonic_ns)
            return
        self._status.journal_bytes = self._journal.written_bytes
        if self._status.journal_error and len(records):
            logger.warning("the journal is written again: %s", self._journal.directory)
            self._status.journal_error = ""

    def _journal_failed(self, error: OSError, monotonic_ns: int) -> None:
        self._journal_retry_ns = monotonic_ns + JOURNAL_RETRY_NS
        reason = f"{self._journal.directory}: {error.strerror or error}"
        if reason != self._status.journal_error:
            logger.error(
                "cannot write the journal in %s; records are published only, trying again "
                "every second: free space or permissions?",
                reason,
            )
        self._status.journal_error = reason


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``wow-relay``; returns 0, or 2 when it cannot start as told."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s"
    )
    try:
        _run(options)
    except ConfigError as error:
        sys.stderr.write(f"wow-relay: {error}\n")
        return EXIT_BAD_CONFIG
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.core is not None:
        _pin(options.core)
    status = RelayStatus()
    reader = SharedReader(options.shared_memory, writable=True)
    journal = JournalWriter(
        options.journal,
        reader,
        segment_bytes=int(options.segment_mib * (1 << 20)),
        fsync_interval_ns=int(options.fsync_ms * 1e6),
    )
    with ExitStack() as stack:
        stack.callback(reader.close)
        stack.callback(_close_journal, journal)
        publisher = Publisher(options.publish, reader, status, epoch=time.time_ns())
        stack.callback(publisher.close)
        ready = {"event": "ready", "publish": publisher.endpoint, "http": None}
        if options.http_port is not None:
            server = _serve(options, reader, status)
            stack.callback(server.close)
            ready["http"] = server.url
        relay = Relay(reader, journal, publisher, status)
        _handle_signals(relay)
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        relay.run(options.interval_ms / 1e3)


def _serve(options: argparse.Namespace, reader: SharedReader, status: RelayStatus) -> HttpServer:
    registry = CollectorRegistry()
    registry.register(EngineCollector(reader, status, time.time_ns))
    return HttpServer(
        options.http_host,
        options.http_port,
        registry,
        lambda: health(reader, status, time.time_ns()),
    )


def _close_journal(journal: JournalWriter) -> None:
    try:
        journal.close()
    except OSError as error:
        logger.error("the end of the journal may be missing: %s", error)


def _pin(core: int) -> None:
    try:
        move_all_threads({core})  # numeric libraries have made theirs by now
    except OSError as error:
        cores = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise ConfigError(f"--core {core}: {error.strerror}; use one of {cores}") from error


def _handle_signals(relay: Relay) -> None:
    def on_terminate(number: int, frame: FrameType | None) -> None:
        relay.stop()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        relay.interrupt()

    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGINT, on_interrupt)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0 and below 1000000")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; use 0 (any free one) to 65535")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-relay",
        description="Journals and publishes what an engine writes into its shared memory.",
    )
    parser.add_argument(
        "--shared-memory", type=Path, required=True, help="file of the engine, /dev/shm/..."
    )
    parser.add_argument("--journal", type=Path, required=True, help="directory of the journal")
    parser.add_argument(
        "--publish", required=True, help="ipc:///path or tcp://127.0.0.1:port, port 0 is any"
    )
    parser.add_argument("--http-port", type=_port, help="of /metrics and /healthz; 0 is any")
    parser.add_argument("--http-host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument(
        "--interval-ms",
        type=_positive,
        default=DEFAULT_INTERVAL_MS,
        help="sleep between two looks at the ring; default %(default)s",
    )
    parser.add_argument(
        "--fsync-ms",
        type=_positive,
        default=DEFAULT_FSYNC_INTERVAL_NS / 1e6,
        help="longest wait of a written record for the disk; default %(default)s",
    )
    parser.add_argument(
        "--segment-mib",
        type=_positive,
        default=DEFAULT_SEGMENT_BYTES / (1 << 20),
        help="size after which a journal file is followed by the next; default %(default)s",
    )
    parser.add_argument("--core", type=int, help="core to run on; never the engine's")
    return parser


if __name__ == "__main__":
    sys.exit(main())
