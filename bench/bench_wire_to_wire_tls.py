"""``wire_to_wire`` with both sockets under TLS, beside the same without.

Frames, orders, exchange and clients are those of ``bench_wire_to_wire``; between the C programs
and their sockets stands OpenSSL, and the engine's own TLS under ours. All contenders take turns in
one run, so that the price of TLS is a ratio of the same minute.
"""

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bench_wire_to_wire import check_engine, expected_orders, hash_orders
from bench.frames import GeneratedFrames, generate_frames
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.wire_rig import (
    FIXED_ORDERS,
    ClientKind,
    WireRig,
    c_client,
    c_client_under_tls,
    engine_client,
    open_rig,
)
from bench.wire_tls import find_missing, make_certificate

TLS = (
    ClientKind("engine, busy poll, TLS", engine_client, is_busy=True),
    ClientKind("C, busy poll, TLS", c_client_under_tls, is_busy=True),
    ClientKind("engine, blocking, TLS", engine_client, is_busy=False),
    ClientKind("C, blocking, TLS", c_client_under_tls, is_busy=False),
)
PLAIN = (
    ClientKind("engine, busy poll, plain", engine_client, is_busy=True),
    ClientKind("C, busy poll, plain", c_client, is_busy=True),
    ClientKind("engine, blocking, plain", engine_client, is_busy=False),
    ClientKind("C, blocking, plain", c_client, is_busy=False),
)

_log = logging.getLogger("bench")


def make_contender(
    rig: WireRig, kind: ClientKind, frames: GeneratedFrames, warm_up: int
) -> Contender:
    """One client of one rig; what it has to answer is that of ``bench_wire_to_wire``."""
    count = len(frames.updates) - warm_up
    run: functools.partial[Measurement] = functools.partial(rig.measure, kind, warm_up, count)
    known = kind._replace(command=c_client) if kind.command in FIXED_ORDERS else kind
    right = hash_orders(expected_orders(known, frames, warm_up, count))
    return Contender(kind.name, run, expected_hash=right)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """One exchange under TLS and one without, four clients each; nothing without OpenSSL in C."""
    if missing := find_missing():
        _log.warning("wire_to_wire_tls is left out: %s", missing)
        yield []
        return
    warm_up = size.pick(smoke=10, real=500)
    frames = generate_frames(warm_up + size.pick(smoke=30, real=2_000))
    with (
        TemporaryDirectory(prefix="wow-bench-") as name,
        open_rig(frames, PLAIN) as plain,
        open_rig(frames, TLS, certificate=make_certificate(Path(name))) as under_tls,
    ):
        rigs = [*((under_tls, kind) for kind in TLS), *((plain, kind) for kind in PLAIN)]
        yield [
            Trial(
                f"wire_to_wire_tls.{'busy' if is_busy else 'blocking'}",
                tuple(
                    make_contender(rig, kind, frames, warm_up)
                    for rig, kind in rigs
                    if kind.is_busy is is_busy
                ),
                baseline=f"C, {'busy poll' if is_busy else 'blocking'}, TLS",
                warm_up=False,  # every run has its own
            )
            for is_busy in (True, False)
        ]
        for said in (plain.finish(), under_tls.finish()):
            for kind, words in said.items():
                if kind.command is engine_client:
                    check_engine(kind.name, words)


BENCHMARK = Benchmark(
    "wire_to_wire_tls", "depth frame out to order back, both sockets under TLS", prepare
)
