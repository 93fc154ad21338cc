"""Starts the demo as an operator does, and watches it from outside: through its shared memory."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import BenchmarkError
from control.paths import control_paths
from ext.errors import ConfigError
from ext.wire import BookState
from journal.shared_reader import SharedReader

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.toml"

LIVE_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 20.0
POLL_S = 0.001
MAX_SHOWN_CHARACTERS = 2000  # of what a failed engine said

_NAME = "bench"
_NS_PER_S = 1_000_000_000
_BYTES_PER_KIB = 1024


class DemoEngine:
    """A started ``wow-engine``; made by ``start_demo``."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.control = control_paths(directory / "state", _NAME)
        self._process = process
        self._directory = directory
        self._started_ns = time.monotonic_ns()
        self._memory: SharedReader | None = None

    def wait_for_books(self, count: int) -> int:
        """Nanoseconds from the start of the process until so many books are LIVE.

        Raises:
            BenchmarkError: the engine ended, or the books were not LIVE within a minute.
        """
        while self._live_count() < count:
            passed_ns = time.monotonic_ns() - self._started_ns
            if self._process.poll() is not None or passed_ns > LIVE_TIMEOUT_S * _NS_PER_S:
                raise self._failure(
                    f"had no {count} LIVE books after {passed_ns / _NS_PER_S:.1f} s"
                )
            time.sleep(POLL_S)  # tidy-ok: waits for another process
        return time.monotonic_ns() - self._started_ns

    def wait_for(self, what: str, is_true: Callable[[], bool]) -> None:
        """Until it is true; BenchmarkError when the engine ends before, or it takes a minute."""
        deadline_ns = time.monotonic_ns() + int(LIVE_TIMEOUT_S * _NS_PER_S)
        while not is_true():
            if self._process.poll() is not None or time.monotonic_ns() > deadline_ns:
                raise self._failure(f"did not come to {what}")
            time.sleep(POLL_S)  # tidy-ok: waits for another process

    @property
    def memory(self) -> SharedReader:
        """What it shows; BenchmarkError before ``wait_for_books``."""
        if self._memory is None:
            raise self._failure("shows nothing yet")
        return self._memory

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def resident_bytes(self) -> int:
        """Memory of the engine's process that is in RAM, shared pages included (VmRSS)."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * _BYTES_PER_KIB
        raise self._failure("has no resident memory")

    def stop(self) -> None:
        """Ctrl-C; BenchmarkError when it does not end well."""
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise self._failure(f"did not stop within {EXIT_TIMEOUT_S:g} s") from None
        if status != 0:
            raise self._failure(f"ended with status {status}")

    def kill(self) -> None:
        """Ends it and its children, whatever they do."""
        if self._process.poll() is None:
            tasks = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            children = [int(child) for child in tasks.read_text().split()]
            self._process.kill()
            self._process.wait()
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    def _live_count(self) -> int:
        if self._memory is None:
            try:
                self._memory = SharedReader(self._directory / f"wow-{_NAME}.shm")
            except (ConfigError, OSError):
                return 0
        books = (self._memory.book(index) for index in range(len(self._memory.instruments)))
        return sum(book is not None and book["state"] == BookState.LIVE for book in books)

    def _failure(self, what: str) -> BenchmarkError:
        said = (self._directory / "said.txt").read_text(errors="replace").strip()
        return BenchmarkError(f"the demo {what}: {said[-MAX_SHOWN_CHARACTERS:]}")


def book_count() -> int:
    """How many books the demo has, by its config."""
    return len(tomllib.loads(DEMO.read_text("utf-8"))["instrument"])


@contextmanager
def start_demo(kernel_cache: Path | None, *changes: str) -> Iterator[DemoEngine]:
    """``wow-engine --config configs/demo.toml`` with files of its own; ends it.

    ``kernel_cache`` is where compiled code is kept; None leaves that to the user's settings.
    ``changes`` are ``section.key=value``.
    """
    kept = {} if kernel_cache is None else {"WOW_KERNEL_CACHE": str(kernel_cache)}
    with TemporaryDirectory(prefix="wow-bench-") as name:
        directory = Path(name)
        settings = (
            f"engine.name={_NAME}",
            f"engine.state_directory={directory / 'state'}",
            f"telemetry.shared_memory_directory={directory}",
            f"telemetry.publish=ipc://{directory / 'p'}",
            *changes,
        )
        command = [str(Path(sys.executable).with_name("wow-engine")), "--config", str(DEMO)]
        for setting in settings:
            command += ["--set", setting]
        with (directory / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=os.environ | kept,
            )
        engine = DemoEngine(process, directory)
        try:
            yield engine
        finally:
            engine.kill()
