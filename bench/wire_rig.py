"""Drives the processes of the wire-to-wire benchmark: one exchange, one client at a time awake.

All clients stay connected for the whole run. A client whose turn it is not is stopped
(SIGSTOP), so that a busy polling one does not take the core from the others.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

import numpy as np

from bench.arc import make_arc
from bench.compiler import compile_program
from bench.frames import PRODUCT, UNIT_LOTS, GeneratedFrames
from bench.harness import BenchmarkError, Measurement
from ext.order_sender import OrderSender
from ext.wire import IntentKind, Side, TimeInForce
from tuning.affinity import available_cores

INTERVAL_NS = 1_050_000
"""Between two frames: 952 orders a second, under the gate's limit of 1000."""

EXIT_TIMEOUT_S = 10.0
MAX_SHOWN_CHARACTERS = 2000  # of what a failed process said
SAMPLE_BYTES = 8

_ROOT = Path(__file__).parents[1]


class ClientKind(NamedTuple):
    """A contender: how it is shown, and its command before the arguments that all share."""

    name: str
    command: Callable[[], Sequence[str]]
    is_busy: bool


class _Client(NamedTuple):
    kind: ClientKind
    process: "subprocess.Popen[bytes]"
    number: int
    errors: IO[bytes]


def c_client() -> Sequence[str]:
    """The floor, compiled when its source is newer."""
    return (str(compile_program("client", "client.c")),)


def engine_client() -> Sequence[str]:
    """Our arc."""
    return (sys.executable, "-m", "bench.wire_engine")


def python_client() -> Sequence[str]:
    """Plain Python on picows and orjson."""
    return (sys.executable, "-m", "bench.wire_python")


class WireRig:
    """The exchange and its clients; a context manager that ends them all.

    With two cores or more the exchange has the second and the clients the first; with one they
    share it, which works but measures the scheduler.
    """

    def __init__(self, frames: GeneratedFrames, kinds: Sequence[ClientKind]) -> None:
        self._frames = frames
        self._kinds = kinds
        self._clients: dict[ClientKind, _Client] = {}
        self._directory = Path(tempfile.mkdtemp(prefix="wow-bench-"))
        cores = available_cores()
        self._client_core, self._exchange_core = cores[:2] if len(cores) > 1 else (-1, -1)
        self._exchange: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._write_files()
            ports = self._start_exchange()
            for kind in self._kinds:
                self._start_client(kind, ports)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def measure(self, kind: ClientKind, warm_up: int, count: int) -> Measurement:
        """Snapshot and ``warm_up`` frames untimed, then ``count`` round trips of one client.

        Raises:
            BenchmarkError: an order did not come, or a process ended.
        """
        client = self._clients[kind]
        client.process.send_signal(signal.SIGCONT)
        try:
            answer = self._ask(f"run {client.number} {warm_up} {count}", "samples", client)
            raw = self._output().read(count * SAMPLE_BYTES)
        finally:
            client.process.send_signal(signal.SIGSTOP)
        samples = np.frombuffer(raw, np.int64).copy()
        return Measurement(int(samples.sum()), count, int(answer[1], 16), samples)

    def finish(self) -> dict[str, bytes]:
        """Closes the exchange and lets every client end by itself: what each said at last.

        Raises:
            BenchmarkError: a client ended with an error, or not at all.
        """
        assert self._exchange is not None and self._exchange.stdin is not None
        self._exchange.stdin.close()
        said = {}
        for client in self._clients.values():
            client.process.send_signal(signal.SIGCONT)
            try:
                code = client.process.wait(EXIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(
                    f"wire_to_wire: {client.kind.name} did not end within {EXIT_TIMEOUT_S:g} s"
                ) from None
            if code != 0:
                raise self._failure(f"{client.kind.name} ended with {code}", client)
            assert client.process.stdout is not None
            said[client.kind.name] = client.process.stdout.read()
        return said

    def _write_files(self) -> None:
        with (self._directory / "frames").open("wb") as file:
            for payload in (self._frames.snapshot, *self._frames.updates):
                file.write(len(payload).to_bytes(4, "little") + payload)
        (self._directory / "order").write_bytes(make_fixed_order())

    def _start_exchange(self) -> tuple[str, str]:
        program = compile_program("exchange", "exchange.c", "handshake.c")
        self._exchange = subprocess.Popen(
            [program, str(self._exchange_core), str(INTERVAL_NS), self._directory / "frames"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._directory / "exchange.err").open("wb"),
        )
        feed_port, order_port = self._read_answer("ports", None)
        return feed_port, order_port

    def _start_client(self, kind: ClientKind, ports: tuple[str, str]) -> None:
        number = len(self._clients)
        directory = self._directory / f"client-{number}"
        is_c = kind.command is c_client
        errors = (self._directory / f"client-{number}.err").open("w+b")
        process = subprocess.Popen(
            [
                *kind.command(),
                "busy" if kind.is_busy else "blocking",
                *ports,
                str(self._client_core),
                self._directory / "order" if is_c else directory,
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )
        client = self._clients[kind] = _Client(kind, process, number, errors)
        assert process.stdout is not None
        if process.stdout.readline() != b"connecting\n":
            raise self._failure(f"{kind.name} did not start", client)
        self._ask("accept", "accepted", client)
        process.send_signal(signal.SIGSTOP)

    def _output(self) -> IO[bytes]:
        assert self._exchange is not None and self._exchange.stdout is not None
        return self._exchange.stdout

    def _ask(self, command: str, answer: str, client: _Client) -> list[str]:
        assert self._exchange is not None and self._exchange.stdin is not None
        self._exchange.stdin.write(f"{command}\n".encode())
        self._exchange.stdin.flush()
        return self._read_answer(answer, client)

    def _read_answer(self, answer: str, client: _Client | None) -> list[str]:
        word, *rest = self._output().readline().decode().split() or [""]
        if word != answer:
            raise self._failure("the exchange gave up", client)
        return rest

    def _failure(self, what: str, client: _Client | None) -> BenchmarkError:
        files = ["exchange.err"] + ([f"client-{client.number}.err"] if client else [])
        if client is not None:
            what += f" on {client.kind.name}"
        texts = [(self._directory / name).read_text(errors="replace") for name in files]
        shown = "\n".join(text.strip()[-MAX_SHOWN_CHARACTERS:] for text in texts)
        return BenchmarkError(f"wire_to_wire: {what}: {shown.strip()}")

    def _end(self) -> None:
        processes = [client.process for client in self._clients.values()]
        if self._exchange is not None:
            processes.append(self._exchange)
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        for client in self._clients.values():
            client.errors.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def make_fixed_order() -> bytes:
    """What the C client answers with: an order of ours, so the same number of bytes."""
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender(), unit_lots=UNIT_LOTS)
    return arc.encoder.encode_request(
        IntentKind.NEW_ORDER,
        0,
        Side.BUY,
        6_399_999,
        UNIT_LOTS,
        1,
        1_000,
        1_767_623_400_000_000_000,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )
