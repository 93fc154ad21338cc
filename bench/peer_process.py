"""Drives ``bench/peer_books.py`` under the interpreter of the peers that live beside the engine."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distributions
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
    """One peer, started when it is first asked; made by ``open_peers``."""

    def __init__(self, package: str, directory: Path) -> None:
        self.package = package
        self._directory = directory
        self._complaints = directory / f"{package}.err"
        self._process: subprocess.Popen[str] | None = None

    def replay(self, snapshot: Rows, changes: Rows) -> PeerRun:
        """Rows of (book, price_ticks, quantity_lots, side); BenchmarkError when it ends."""
        source, target = self._directory / "task.npz", self._directory / f"{self.package}.npy"
        np.savez(source, snapshot=snapshot, changes=changes)
        answer = self._ask(f"{source}\t{target}\n")
        return PeerRun(int(answer), np.load(target))

    def close(self) -> None:
        """Lets it end, and makes it."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=EXIT_TIMEOUT_S)  # closes its input
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _ask(self, line: str) -> str:
        if self._process is None:
            self._process = self._start()
        # Both were asked for as pipes.
        to_peer, from_peer = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            to_peer.write(line)
            to_peer.flush()
        except BrokenPipeError:
            raise self._failure() from None
        answer = from_peer.readline()
        if not answer:
            raise self._failure()
        return answer

    def _start(self) -> subprocess.Popen[str]:
        # -P: our modules must not answer the peers' imports.
        with self._complaints.open("w") as errors:
            return subprocess.Popen(
                [str(PEERS / "bin" / "python"), "-P", str(SCRIPT), self.package],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _failure(self) -> BenchmarkError:
        said = self._complaints.read_text(errors="replace").strip()
        return BenchmarkError(f"book: {self.package} ended: {said[-MAX_SHOWN_CHARACTERS:]}")


def peer_version(package: str) -> str | None:
    """The version that is installed beside the engine; None when it is not."""
    places = [str(path) for path in PEERS.glob("lib/python*/site-packages")]
    return next((each.version for each in distributions(name=package, path=places)), None)


@contextmanager
def open_peers(*packages: str) -> Iterator[dict[str, PeerProcess]]:
    """Those that are installed (``make peers``), by package; ends what was started."""
    with TemporaryDirectory(prefix="wow-bench-") as name, ExitStack() as stack:
        peers = {
            package: PeerProcess(package, Path(name))
            for package in packages
            if peer_version(package) is not None
        }
        for peer in peers.values():
            stack.callback(peer.close)
        yield peers
