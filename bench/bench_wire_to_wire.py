"""The exchange sends a depth frame on loopback; the time until its order is back, whole arc.

    core 1                              core 0
    exchange.c ── depth frame, WebSocket ──► client: C, ours, or Python
      t0 before send                           read, book, decide, check, encode
      t1 after recv ◄── order ──────────────── send, by FIX on TCP, by WebSocket or by REST
      report: ended unfilled ────────────────► (outside the time that is taken)

Contenders use the same sockets in the same run, in turns; frames and orders are the same.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

import orjson

from bench.frames import GeneratedFrames, generate_frames
from bench.goal import Goal
from bench.harness import AbsentPeer, Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.wire_rig import (
    ClientKind,
    WireRig,
    c_client,
    c_rest_client,
    c_websocket_client,
    engine_client,
    engine_rest_client,
    engine_websocket_client,
    make_fixed_order,
    make_fixed_request,
    make_fixed_rest_order,
    open_rig,
    python_client,
    websockets_client,
)

FNV_START = 14695981039346656037
FNV_PRIME = 1099511628211

BUSY = (
    ClientKind("engine, busy poll", engine_client, is_busy=True),
    ClientKind("C, busy poll", c_client, is_busy=True),
    ClientKind("picows + Python + orjson, busy poll", python_client, is_busy=True),
)
BLOCKING = (
    ClientKind("engine, blocking", engine_client, is_busy=False),
    ClientKind("C, blocking", c_client, is_busy=False),
    ClientKind("picows + Python + orjson, blocking", python_client, is_busy=False),
)
WEBSOCKET_ORDER = (
    ClientKind("engine, busy poll", engine_websocket_client, is_busy=True, wire="websocket"),
    ClientKind("C, busy poll", c_websocket_client, is_busy=True, wire="websocket"),
)
REST_ORDER = (
    ClientKind("engine by REST, busy poll", engine_rest_client, is_busy=True, wire="rest"),
    ClientKind("C, a fixed request, busy poll", c_rest_client, is_busy=True, wire="rest"),
    BUSY[0]._replace(name="engine by FIX, busy poll"),
)
TEXTBOOK = ClientKind("websockets + Python + json, blocking", websockets_client, is_busy=False)


def hash_orders(orders: Sequence[tuple[str, str]]) -> int:
    """The hash that the exchange makes of price and quantity texts."""
    result = FNV_START
    for byte in "".join(f"{price} {quantity}\n" for price, quantity in orders).encode():
        result = (result ^ byte) * FNV_PRIME % 2**64
    return result


def expected_orders(
    kind: ClientKind, frames: GeneratedFrames, warm_up: int, count: int
) -> list[tuple[str, str]]:
    """Price and quantity of each timed order, by the rule of the strategy and not by its code."""
    if kind.command is c_client:
        fields = dict(field.split(b"=") for field in make_fixed_order().split(b"\x01")[:-1])
        return [(fields[b"44"].decode(), fields[b"38"].decode())] * count
    if kind.command is c_websocket_client:
        params = orjson.loads(make_fixed_request())["params"]
        return [(params["price"], params["quantity"])] * count
    if kind.command is c_rest_client:
        body = orjson.loads(make_fixed_rest_order().partition(b"\r\n\r\n")[2])
        return [(body["price"], body["size"])] * count
    return frames.orders[warm_up : warm_up + count]


def make_trial(
    rig: WireRig,
    name: str,
    kinds: Sequence[ClientKind],
    frames: GeneratedFrames,
    warm_up: int,
    baseline: ClientKind | None = None,
) -> Trial:
    """The figure of one way to wait, or to send; the goal is against the C program, the second.

    With another ``baseline`` there is none.
    """
    count = len(frames.updates) - warm_up

    def contender(kind: ClientKind) -> Contender:
        run: functools.partial[Measurement] = functools.partial(rig.measure, kind, warm_up, count)
        right = hash_orders(expected_orders(kind, frames, warm_up, count))
        return Contender(kind.name, run, expected_hash=right)

    return Trial(
        f"wire_to_wire.{name}",
        tuple(map(contender, kinds)),
        baseline=(baseline or kinds[1]).name,
        goal=Goal(p50_ratio=1.2, p99_ratio=1.5) if kinds[0].is_busy and not baseline else None,
        warm_up=False,  # every run has its own
    )


def check_engine(name: str, said: bytes) -> None:
    """Raises BenchmarkError unless our client took every frame and report and refused nothing."""
    counters = orjson.loads(said.splitlines()[-1])
    frames = counters["frames"]
    right = {"problems": [], "frames": frames, "orders_sent": frames, "rejected": 0}
    right |= {"reports": counters["reports"], "unknown_reports": 0, "stale_count": 0}
    # The report of the very last order may still be on its way when the exchange closes.
    if counters != right or not 0 <= frames - counters["reports"] <= 1:
        raise BenchmarkError(f"wire_to_wire: {name} did not do its work: {counters}")


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Eleven clients on one exchange, and a twelfth where its library is installed."""
    has_textbook = find_spec("websockets") is not None
    blocking = (*BLOCKING, TEXTBOOK) if has_textbook else BLOCKING
    warm_up = size.pick(smoke=10, real=500)
    frames = generate_frames(warm_up + size.pick(smoke=30, real=2_000))
    with open_rig(frames, (*BUSY, *blocking, *WEBSOCKET_ORDER, *REST_ORDER)) as rig:
        waiting = make_trial(rig, "blocking", blocking, frames, warm_up)
        if not has_textbook:
            absent = AbsentPeer(TEXTBOOK.name, "websockets")
            waiting = waiting._replace(contenders=(*waiting.contenders, absent))
        yield [
            make_trial(rig, "busy", BUSY, frames, warm_up),
            waiting,
            make_trial(rig, "websocket_order", WEBSOCKET_ORDER, frames, warm_up),
            make_trial(rig, "rest_order", REST_ORDER, frames, warm_up, baseline=REST_ORDER[2]),
        ]
        said = rig.finish()
        for kind in (BUSY[0], BLOCKING[0], WEBSOCKET_ORDER[0], REST_ORDER[0], REST_ORDER[2]):
            check_engine(kind.name, said[kind])


BENCHMARK = Benchmark(
    "wire_to_wire", "depth frame out to order back on loopback, whole arc on sockets", prepare
)
