"""``wow-relay``: takes the engine's records and does everything slow with them.

One loop: copy slots out of both rings, journal them, publish the order records, and give the slots
back when the disk has them. So a relay that is killed at any point loses nothing: the next one
finds the records still in the rings, and skips those that the journal already holds. The engine
never waits for it, but opens no new risk while the journal of its orders cannot be written.
"""

import argparse
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from prometheus_client import CollectorRegistry

from control.paths import control_paths
from ext.errors import ConfigError
from ext.wire import EngineState
from journal.entries import MARKET, ORDERS, Stream, fixed_records
from journal.ring import MAX_BATCH
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from monitor.control_door import ControlDoor
from monitor.http_server import HttpServer
from monitor.keeper_process import KeeperProcess
from monitor.metrics import EngineCollector
from monitor.publisher import Publisher
from monitor.relay_options import parse_options
from monitor.status import RelayStatus, engine_gone, health
from monitor.stream_journal import StreamJournal
from tuning.threads import move_all_threads

FLUSH_SECONDS = 0.1  # for the last messages to leave: the socket does not linger
EXIT_BAD_CONFIG = 2

ENGINE_STOPPED = int(EngineState.ENGINE_STOPPED)

logger = logging.getLogger("wow-relay")


class Relay:
    """The loop of one relay; the clocks come in, so that tests can drive it step by step."""

    def __init__(
        self,
        reader: SharedReader,
        writers: dict[Stream, JournalWriter],
        publisher: Publisher,
        status: RelayStatus,
        keeper: KeeperProcess | None = None,
    ) -> None:
        """Attaches to the rings; raises ConfigError when another relay has them.

        A stream without a writer is not journaled.
        """
        self._reader = reader
        self._publisher = publisher
        self._status = status
        self._keeper = keeper
        self.door: ControlDoor | None = None
        """For commands; opened when the rings are ours, for it takes the place of a dead one's."""
        self._interrupts = 0
        self._must_stop = False
        reader.attach()
        self._published = reader.acknowledged(ORDERS)
        self._orders = StreamJournal(reader, writers.get(ORDERS), ORDERS, status)
        self._market = StreamJournal(reader, writers.get(MARKET), MARKET, status)

    def run(self, interval_seconds: float) -> None:
        """Runs until the engine ended or ``stop`` was called, and everything was taken."""
        while True:
            has_ended = self._must_stop or self._engine_ended(time.time_ns())
            taken = self.step(time.time_ns(), time.monotonic_ns())
            if has_ended and not taken:
                break
            if taken < MAX_BATCH and not has_ended:
                self._rest(interval_seconds)
        self.finish(time.time_ns(), time.monotonic_ns())
        time.sleep(FLUSH_SECONDS)

    def _rest(self, seconds: float) -> None:
        if self.door is None:
            time.sleep(seconds)
        else:  # a command does not wait for the end of the interval
            select.select(self.door.filenos(), [], [], seconds)

    def step(self, now_ns: int, monotonic_ns: int) -> int:
        """Takes one batch of each ring and publishes what is due; returns how much it took."""
        taken = self._orders.write(monotonic_ns) + self._market.write(monotonic_ns)
        taken = max(taken, self._publish(now_ns))
        self._give_back()
        self._publisher.publish_due(now_ns)
        self._reader.beat(now_ns)
        if self.door is not None:
            self.door.poll()
        if self._keeper is not None:
            self._keeper.poll(monotonic_ns)
        return taken

    def finish(self, now_ns: int, monotonic_ns: int) -> None:
        """The last tries of what waits for the disk, and the last word to the monitors."""
        for journal in (self._orders, self._market):
            while journal.write(monotonic_ns, at_once=True):
                pass
        self._publish(now_ns)
        self._give_back()
        if self._orders.waiting:
            logger.error(
                "%d slots of order records are not in the journal; they stay in %s",
                self._orders.waiting,
                self._reader.path,
            )
        self._publisher.publish_all(now_ns)

    def close(self) -> None:
        """Closes the journal; the engine goes on waiting for the next relay."""
        for journal in (self._orders, self._market):
            journal.close()

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

    def _publish(self, now_ns: int) -> int:
        """Order records only, and of those the ones without bytes: trades are not published. It
        goes on by itself while the journal cannot be written."""
        slots, lost = self._reader.slots_after(ORDERS, self._published)
        if len(slots):
            self._publisher.publish_records(fixed_records(slots), now_ns)
        self._published += len(slots) + lost
        return len(slots) + lost

    def _give_back(self) -> None:
        # Not before they are published: given back, they may be overwritten.
        safe = min(self._orders.synced_sequence, self._published)
        self._reader.acknowledge(ORDERS, safe)
        self._market.acknowledge()
        self._status.journal_error = self._orders.error or self._market.error
        self._reader.report_journal(
            is_failing=bool(self._orders.error), synced_sequence=self._orders.synced_sequence
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``wow-relay``; returns 0, or 2 when it cannot start as told."""
    options = parse_options(arguments)
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
    with ExitStack() as stack:
        stack.callback(reader.close)
        publisher = Publisher(options.publish, reader, status, epoch=time.time_ns())
        stack.callback(publisher.close)
        ready = {"event": "ready", "publish": publisher.endpoint, "http": None}
        if options.http_port is not None:
            server = _serve(options, reader, status)
            stack.callback(server.close)
            ready["http"] = server.url
        keeper = KeeperProcess(options)
        stack.callback(keeper.close)
        relay = Relay(reader, _writers(options, reader), publisher, status, keeper)
        stack.callback(relay.close)
        relay.door = _open_door(options, reader, stack)
        _handle_signals(relay)
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        relay.run(options.interval_ms / 1e3)
        reader.detach()


def _open_door(
    options: argparse.Namespace, reader: SharedReader, stack: ExitStack
) -> ControlDoor | None:
    if options.state_directory is None:
        return None
    paths = control_paths(options.state_directory, reader.engine_name)
    try:
        door = ControlDoor(paths, reader.header())
    except ConfigError as error:
        logger.error("%s; nobody can command this engine, wow-kill works", error)
        return None
    stack.callback(door.close)
    return door


def _writers(options: argparse.Namespace, reader: SharedReader) -> dict[Stream, JournalWriter]:
    sync_ms: dict[Stream, float] = {ORDERS: options.sync_ms_orders}
    if options.market_data:
        sync_ms[MARKET] = options.sync_ms_market
    return {
        stream: JournalWriter(
            options.journal,
            reader,
            stream,
            segment_bytes=int(options.segment_mib * (1 << 20)),
            segment_ns=int(options.segment_minutes * 60e9),
            sync_interval_ns=int(interval_ms * 1e6),
        )
        for stream, interval_ms in sync_ms.items()
    }


def _serve(options: argparse.Namespace, reader: SharedReader, status: RelayStatus) -> HttpServer:
    registry = CollectorRegistry()
    registry.register(EngineCollector(reader, status, time.time_ns))
    return HttpServer(
        options.http_host,
        options.http_port,
        registry,
        lambda: health(reader, status, time.time_ns()),
    )


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


if __name__ == "__main__":
    sys.exit(main())
