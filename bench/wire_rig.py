"""Drives the processes of the wire-to-wire benchmark: one exchange, one client at a time awake.

All clients stay connected for the whole run. A client whose turn it is not is stopped
(SIGSTOP), so that a busy polling one does not take the core from the others.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple, cast

import numpy as np

from bench.arc import make_arc, make_binance_arc, make_rest_arc
from bench.compiler import compile_program
from bench.frames import PRODUCT, UNIT_LOTS, GeneratedFrames
from bench.harness import BenchmarkError, Measurement
from bench.wire_tls import VARIABLE, compile_under_tls
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
    """A contender: how it is shown, its command before the arguments that all share.

    ``wire`` is how its orders leave: ``fix``, ``websocket`` or ``rest``.
    """

    name: str
    command: Callable[[], Sequence[str]]
    is_busy: bool
    wire: str = "fix"


def c_client() -> Sequence[str]:
    """The floor, compiled when its source is newer."""
    return (str(compile_program("client", "client.c")), "fix")


def c_websocket_client() -> Sequence[str]:
    """The floor of an order by WebSocket."""
    return (str(compile_program("client", "client.c")), "websocket")


def c_rest_client() -> Sequence[str]:
    """The floor of an order by REST: raw bytes, as by FIX."""
    return (str(compile_program("client", "client.c")), "rest")


def c_client_under_tls() -> Sequence[str]:
    """The floor with OpenSSL between it and its sockets."""
    return (str(compile_under_tls("client-tls", "client.c")), "fix")


def engine_client() -> Sequence[str]:
    """Our arc."""
    return (sys.executable, "-m", "bench.wire_engine", "fix")


def engine_websocket_client() -> Sequence[str]:
    """Our arc with orders by WebSocket."""
    return (sys.executable, "-m", "bench.wire_engine", "websocket")


def engine_rest_client() -> Sequence[str]:
    """Our arc with orders by REST."""
    return (sys.executable, "-m", "bench.wire_engine", "rest")


FIXED_ORDERS = {
    c_client: "order",
    c_client_under_tls: "order",
    c_websocket_client: "order-frame",
    c_rest_client: "order-request",
}
"""Those that answer with a fixed order, whatever came, and the file that holds it."""


def python_client() -> Sequence[str]:
    """Plain Python on picows and orjson."""
    return (sys.executable, "-m", "bench.wire_python")


def websockets_client() -> Sequence[str]:
    """Plain Python on websockets and json."""
    return (sys.executable, "-m", "bench.wire_websockets")


class _Process:
    """A program whose output is read line by line, and what it complains about."""

    def __init__(
        self, name: str, command: Sequence[str], complaints: Path, settings: Mapping[str, str]
    ) -> None:
        self.name = name
        self._complaints = complaints
        with complaints.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(_ROOT), **settings},
            )
        # Both were asked for as pipes.
        self.input = cast(IO[bytes], self._process.stdin)
        self.output = cast(IO[bytes], self._process.stdout)

    def send_signal(self, number: signal.Signals) -> None:
        """Stops or continues it."""
        self._process.send_signal(number)

    def read_words(self, first: str) -> list[str]:
        """The rest of a line that must begin with this word; BenchmarkError otherwise."""
        word, *rest = self.output.readline().decode().split() or [""]
        if word != first:
            raise self.failure("gave up")
        return rest

    def failure(self, what: str) -> BenchmarkError:
        """An error with what the program said last."""
        text = self._complaints.read_text(errors="replace").strip()
        return BenchmarkError(f"wire_to_wire: {self.name} {what}: {text[-MAX_SHOWN_CHARACTERS:]}")

    def wait(self) -> None:
        """Until it has ended by itself, well."""
        try:
            code = self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {EXIT_TIMEOUT_S:g} s") from None
        if code != 0:
            raise self.failure(f"ended with status {code}")

    def kill(self) -> None:
        """Ends it whatever it does, and closes the pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.input.close()
        self.output.close()


class WireRig:
    """The exchange and its connected clients; made by ``open_rig``."""

    def __init__(self, exchange: _Process, clients: dict[ClientKind, _Process]) -> None:
        self._exchange = exchange
        self._clients = clients

    def measure(self, kind: ClientKind, warm_up: int, count: int) -> Measurement:
        """Snapshot and ``warm_up`` frames untimed, then ``count`` round trips of one client.

        Raises:
            BenchmarkError: an order did not come, or a process ended.
        """
        client = self._clients[kind]
        number = list(self._clients).index(kind)
        client.send_signal(signal.SIGCONT)
        try:
            _write(self._exchange, f"run {number} {warm_up} {count}")
            _, work_hash = self._exchange.read_words("samples")
            raw = self._exchange.output.read(count * SAMPLE_BYTES)
        except BenchmarkError as error:
            raise client.failure(f"was not measured, {error}") from error
        finally:
            client.send_signal(signal.SIGSTOP)
        samples = np.frombuffer(raw, np.int64).copy()
        return Measurement(int(samples.sum()), count, int(work_hash, 16), samples)

    def finish(self) -> dict[ClientKind, bytes]:
        """Closes the exchange and lets every client end by itself: what each said at last.

        Raises:
            BenchmarkError: a client ended with an error, or not at all.
        """
        self._exchange.input.close()
        self._exchange.wait()
        said = {}
        for kind, client in self._clients.items():
            client.send_signal(signal.SIGCONT)
            client.wait()
            said[kind] = client.output.read()
        return said


@contextmanager
def open_rig(
    frames: GeneratedFrames, kinds: Sequence[ClientKind], certificate: Path | None = None
) -> Iterator[WireRig]:
    """Starts the exchange, then the clients one by one; ends them all.

    With a ``certificate`` all of them speak TLS.

    With two cores or more the exchange has the second and the clients the first; with one they
    share it, which works but measures the scheduler.
    """
    cores = available_cores()
    client_core, exchange_core = cores[:2] if len(cores) > 1 else (-1, -1)
    with TemporaryDirectory(prefix="wow-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        settings = {VARIABLE: str(certificate)} if certificate else {}
        _write_frames(directory / "frames", frames)
        (directory / "order").write_bytes(make_fixed_order())
        (directory / "order-frame").write_bytes(make_frame(make_fixed_request()))
        (directory / "order-request").write_bytes(make_fixed_rest_order())
        exchange = _Process(
            "exchange",
            [
                str(_compile_exchange(is_under_tls=certificate is not None)),
                *(str(exchange_core), str(INTERVAL_NS), str(directory / "frames")),
            ],
            directory / "exchange.err",
            settings,
        )
        stack.callback(exchange.kill)
        ports = exchange.read_words("ports")
        clients: dict[ClientKind, _Process] = {}
        for number, kind in enumerate(kinds):
            files = directory / FIXED_ORDERS.get(kind.command, f"client-{number}")
            waits = "busy" if kind.is_busy else "blocking"
            client = _Process(
                kind.name,
                [*kind.command(), waits, *ports, str(client_core), str(files)],
                directory / f"client-{number}.err",
                settings,
            )
            stack.callback(client.kill)
            client.read_words("connecting")
            _write(exchange, f"accept {kind.wire}")
            exchange.read_words("accepted")
            client.send_signal(signal.SIGSTOP)
            clients[kind] = client
        yield WireRig(exchange, clients)


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


def _compile_exchange(*, is_under_tls: bool) -> Path:
    sources = ("exchange.c", "handshake.c", "order.c")
    if is_under_tls:
        return compile_under_tls("exchange-tls", *sources)
    return compile_program("exchange", *sources)


def make_fixed_request() -> bytes:
    """The same order as the text of a WebSocket message."""
    arc = make_binance_arc("coinbase_exchange", [PRODUCT], OrderSender(), unit_lots=UNIT_LOTS)
    return arc.encoder.encode_request(
        IntentKind.NEW_ORDER,
        0,
        Side.BUY,
        6_399_999,
        UNIT_LOTS,
        1,
        1_767_623_400_000_000_000,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )


def make_fixed_rest_order() -> bytes:
    """The same order as a signed HTTP request."""
    arc = make_rest_arc("coinbase_exchange", [PRODUCT], [OrderSender()], unit_lots=UNIT_LOTS)
    return arc.encoder.encode_request(
        IntentKind.NEW_ORDER,
        0,
        Side.BUY,
        6_399_999,
        UNIT_LOTS,
        1,
        1_767_623_400_000_000_000,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )


def make_frame(text: bytes) -> bytes:
    """A client's text frame of 126 to 65535 bytes (RFC 6455 section 5.2) with a fixed mask."""
    mask = bytes((0x37, 0xFA, 0x21, 0x3D))
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + mask + masked


def _write(process: _Process, command: str) -> None:
    try:
        process.input.write(f"{command}\n".encode())
        process.input.flush()
    except BrokenPipeError:
        raise process.failure("is gone") from None


def _write_frames(path: Path, frames: GeneratedFrames) -> None:
    with path.open("wb") as file:
        for payload in (frames.snapshot, *frames.updates):
            file.write(len(payload).to_bytes(4, "little") + payload)
