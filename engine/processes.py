"""The processes that an engine starts: the simulated venue and the relay.

Both say on standard output, as one line of JSON, when they are ready and where they listen. The
engine knows their command lines, not their code.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError, VenueError

READY_TIMEOUT_S = 30.0  # a recording with a 5 MB frame is read before the venue is ready
EXIT_TIMEOUT_S = 10.0

_Ready = TypeVar("_Ready", "VenueReady", "RelayReady")

_log = logging.getLogger("engine.processes")


class VenueReady(msgspec.Struct):
    """What wow-sim says when it listens."""

    feed_url: str
    fix_host: str
    fix_port: int
    rest_url: str = ""


class VenueSummary(msgspec.Struct):
    """The venue's own count of the session, which wow-sim says when it is over.

    ``client_positions`` are in base currency by symbol; ``ledger_sha256`` is of every order and
    fill with its venue time, so equal runs have equal ones.
    """

    orders: int
    fills: int
    open_orders: int
    client_positions: dict[str, Decimal]
    ledger_sha256: str


class RelayReady(msgspec.Struct):
    """What wow-relay says when it publishes."""

    publish: str
    http: str | None = None


class ChildProcess:
    """One started program; its later output lines can be read when it has ended."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str]) -> "ChildProcess":
        """Starts the console script ``name`` that is installed beside this interpreter."""
        program = Path(sys.executable).with_name(name)
        if not program.exists():
            raise ConfigError(f"{program} does not exist; install the project (`make build`)")
        process = await asyncio.create_subprocess_exec(
            str(program),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the engine, which stops them in order
        )
        return cls(name, process)

    async def read_line(self, timeout_s: float) -> bytes:
        """Its next line of output; VenueError when it ends or says nothing in time."""
        if self._process.stdout is None:
            raise VenueError(f"{self.name} has no output")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), timeout_s)
        except TimeoutError:
            raise VenueError(f"{self.name} was not ready after {timeout_s:.0f} s") from None
        if not line:
            status = await self._process.wait()
            raise VenueError(f"{self.name} ended with status {status} before it was ready")
        return line

    async def ended(self) -> int:
        """Waits for its end; its exit status."""
        return await self._process.wait()

    async def read_last_line(self) -> bytes:
        """The last line it wrote; empty when there is none. Waits until it has ended."""
        if self._process.stdout is None:
            return b""
        output = await self._process.stdout.read()
        await self._process.wait()
        return output.rstrip().rpartition(b"\n")[2]

    async def wait(self, timeout_s: float) -> bool:
        """Waits for its end; False when it still runs."""
        try:
            await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def end(self, timeout_s: float = EXIT_TIMEOUT_S) -> None:
        """Lets it end by itself, then asks it to, then makes it."""
        if await self.wait(timeout_s):
            return
        _log.warning("%s still runs; terminating it", self.name)
        self._process.terminate()
        if not await self.wait(timeout_s):
            self._process.kill()
            await self._process.wait()

    def stop(self) -> None:
        """Asks it to end now."""
        if self._process.returncode is None:
            self._process.terminate()


async def start_venue(config: EngineConfig) -> tuple[ChildProcess, VenueReady]:
    """Starts the simulated venue of ``[simulator]`` and waits until it listens.

    It knows the ``demo:`` credentials alone: a real secret has no place on a command line.
    """
    section = config.simulator
    arguments = [
        f"--seed={section.seed}",
        f"--duration={section.duration_seconds:g}",
        f"--speed={section.speed if section.speed == 'max' else format(section.speed, 'g')}",
    ]
    if section.recording:
        arguments.append(f"--recording={section.recording}")
    elif section.products:
        arguments.append(f"--products={','.join(section.products)}")
    if section.certificate:
        arguments.append(f"--certificate={section.certificate}")
    if not section.lockstep:
        arguments.append("--free-running")
    if config.order_entry is None or config.order_entry.protocol == "rest":
        arguments.append("--start-without-orders")
    return await _start_ready("wow-sim", arguments, VenueReady)


async def read_venue_summary(venue: ChildProcess) -> VenueSummary | None:
    """What a venue that has ended says about its session; None when it died before it could."""
    line = await venue.read_last_line()
    try:
        return msgspec.json.decode(line, type=VenueSummary)
    except msgspec.DecodeError:
        _log.error("%s ended without a summary: it crashed or was killed", venue.name)
        return None


async def start_relay(
    config: EngineConfig, core: int | None = None
) -> tuple[ChildProcess, RelayReady]:
    """Starts the relay on the engine's shared memory and waits until it publishes.

    ``core`` is where it runs; None: where its parent may.
    """
    telemetry, journal = config.telemetry, config.journal
    arguments = [
        f"--shared-memory={config.shared_memory_path}",
        f"--publish={telemetry.publish}",
        f"--http-port={telemetry.http_port}",
        f"--journal={journal.path}",
        f"--state-directory={config.engine.state_directory}",
        f"--sync-ms-orders={journal.sync_ms_orders}",
        f"--sync-ms-market={journal.sync_ms_market}",
        f"--segment-mib={journal.segment_mib}",
        f"--segment-minutes={journal.segment_minutes}",
        f"--keep-days-orders={journal.keep_days_orders}",
        f"--keep-days-market={journal.keep_days_market}",
        *(() if journal.market_data else ("--no-market-data",)),
        *(() if journal.compress else ("--no-compression",)),
    ]
    if core is not None:
        arguments.append(f"--core={core}")
    return await _start_ready("wow-relay", arguments, RelayReady)


async def _start_ready(
    name: str, arguments: Sequence[str], ready: type[_Ready]
) -> tuple[ChildProcess, _Ready]:
    process = await ChildProcess.start(name, arguments)
    try:
        line = await process.read_line(READY_TIMEOUT_S)
        return process, msgspec.json.decode(line, type=ready)
    except (VenueError, msgspec.DecodeError) as error:
        process.stop()
        await process.end()
        if isinstance(error, VenueError):
            raise
        raise VenueError(f"{name} said something else than where it listens: {error}") from error
