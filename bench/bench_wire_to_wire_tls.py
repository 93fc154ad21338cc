"""``wire_to_wire`` with both sockets under TLS, beside the same without.

Frames, orders, exchange and clients are those of ``bench_wire_to_wire``; between the C programs
and their sockets stands OpenSSL, and the engine's own TLS under ours. All contenders take turns in
one run, so that the price of TLS is a ratio of the same minute.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bench_wire_to_wire import check_engine, expected_orders, hash_orders
from bench.frames import generate_frames
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.wire_rig import (
    ClientKind,
    WireRig,
    c_client,
    c_client_under_tls,
    engine_client,
    open_rig,
)
from bench.wire_tls import find_missing, make_certificate


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """One exchange under TLS and one without, four clients each."""
    if missing := find_missing():
        raise BenchmarkError(f"wire_to_wire_tls: {missing}")
    warm_up, count = size.pick(smoke=10, real=500), size.pick(smoke=30, real=2_000)
    frames = generate_frames(warm_up + count)
    with TemporaryDirectory(prefix="wow-bench-") as name:
        certificate = make_certificate(Path(name))
        plain, under_tls = _make_kinds("plain", c_client), _make_kinds("TLS", c_client_under_tls)
        with (
            open_rig(frames, plain) as plain_rig,
            open_rig(frames, under_tls, certificate=certificate) as tls_rig,
        ):

            def contender(kind: ClientKind, rig: WireRig) -> Contender:
                run: functools.partial[Measurement] = functools.partial(
                    rig.measure, kind, warm_up, count
                )
                floor = kind._replace(command=c_client)
                same = kind if kind.command is engine_client else floor
                right = hash_orders(expected_orders(same, frames, warm_up, count))
                return Contender(kind.name, run, expected_hash=right)

            yield [
                Trial(
                    f"wire_to_wire_tls.{waits}",
                    (
                        *(contender(kind, tls_rig) for kind in under_tls if kind.is_busy is busy),
                        *(contender(kind, plain_rig) for kind in plain if kind.is_busy is busy),
                    ),
                    baseline=f"C, {words}, TLS",
                    warm_up=False,  # every run has its own
                )
                for waits, words, busy in (
                    ("busy", "busy poll", True),
                    ("blocking",) * 2 + (False,),
                )
            ]
            for rig, kinds in ((plain_rig, plain), (tls_rig, under_tls)):
                said = rig.finish()
                for kind in kinds:
                    if kind.command is engine_client:
                        check_engine(kind.name, said[kind])


def _make_kinds(wire: str, c_command: Callable[[], Sequence[str]]) -> tuple[ClientKind, ...]:
    return tuple(
        ClientKind(f"{who}, {words}, {wire}", command, is_busy=is_busy)
        for words, is_busy in (("busy poll", True), ("blocking", False))
        for who, command in (("engine", engine_client), ("C", c_command))
    )


BENCHMARK = Benchmark(
    "wire_to_wire_tls", "depth frame out to order back, both sockets under TLS", prepare
)
