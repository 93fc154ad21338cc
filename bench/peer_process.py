"""Drives ``bench/peer_books.py`` under the interpreter of the peers that live beside the engine."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bench.harness import BenchmarkError

Rows = NDArray[np.int64]

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
SCRIPT = Path(__file__).with_name("peer_books.py")

EXIT_TIMEOUT_S = 10.0
MAX_SHOWN_CHARACTERS = 2000  # of what a failed peer said


class PeerRun(NamedTuple):
    """What one replay gave: the time of the changes, and the best bid and ask after each."""

    total_ns: int
    best: Rows


class PeerProcess:
    """One peer, waiting for work; made by ``open_peers``."""

    def __init__(self, package: str, process: subprocess.Popen[str], directory: Path) -> None:
        self.package = package
        self._process = process
        self._directory = directory
        # Both were asked for as pipes.
        self._input = cast(IO[str], process.stdin)
        self._output = cast(IO[str], process.stdout)

    def wait_ready(self) -> bool:
        """Whether it has imported what it needs; False when it has ended: not installed."""
        return self._output.readline() == "ready\n"

    def replay(self, snapshot: Rows, changes: Rows) -> PeerRun:
        """Rows of (book, price_ticks, quantity_lots, side); BenchmarkError when it ends."""
        source, target = self._directory / "task.npz", self._directory / f"{self.package}.npy"
        np.savez(source, snapshot=snapshot, changes=changes)
        try:
            self._input.write(f"{source}\t{target}\n")
            self._input.flush()
            answer = self._output.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            said = (self._directory / f"{self.package}.err").read_text(errors="replace").strip()
            raise BenchmarkError(f"book: {self.package} ended: {said[-MAX_SHOWN_CHARACTERS:]}")
        return PeerRun(int(answer), np.load(target))

    def close(self) -> None:
        """Lets it end, and makes it."""
        self._input.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


@contextmanager
def open_peers(*packages: str) -> Iterator[dict[str, PeerProcess]]:
    """The processes of those that are installed (``make peers``), by package."""
    interpreter = PEERS / "bin" / "python"
    with TemporaryDirectory(prefix="wow-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        started = []
        for package in packages if interpreter.exists() else ():
            with (directory / f"{package}.err").open("w") as errors:
                process = subprocess.Popen(
                    [str(interpreter), "-P", str(SCRIPT), package],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            peer = PeerProcess(package, process, directory)
            stack.callback(peer.close)
            started.append(peer)
        yield {peer.package: peer for peer in started if peer.wait_ready()}
