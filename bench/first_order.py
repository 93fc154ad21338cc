"""A fresh engine process that sends its first order: ``python -m bench.first_order WARMTH``.

A process can be cold once. The arc is composed from the demo's config as in production, its orders
go to a TCP socket on loopback. Frames come before the order session is ready, as they do, so book
and strategy have run; then the next frame is the first that sends. Says in one line of JSON how
long that frame took, and the median of the frames behind it.
"""

import argparse
import gc
import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.frames import generate_frames
from bench.loops import time_frames
from engine.composition import OrderParts, compile_strategies, compose
from engine.settings.config import EngineConfig, load_config
from engine.warm.warm_up import WarmUp, warm_up
from ext.clock import read_wall_ns
from ext.feed_decoder import PADDING

DEMO = Path(__file__).parents[1] / "configs" / "demo.toml"
FRAMES_BEFORE = 100  # received while the order session is not ready
FRAMES_AFTER = 100
GAP_NS = 25_000_000  # of made time, under the gate's rate
COLD, WARMED_UP, KEPT_WARM = "cold", "warmed-up", "kept-warm"
WARMTHS = (COLD, WARMED_UP, KEPT_WARM)
PULSE_S = 0.001
READ_BYTES = 4096
SETTLE_S = 0.2  # connecting, logging on: meanwhile the caches go cold


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="How long the first order of a process takes.")
    parser.add_argument("warmth", choices=WARMTHS, help="what [loop] warm_up, keep_warm_ms do")
    options = parser.parse_args()
    # The session store on disk, the shared memory in memory: as in production.
    with (
        tempfile.TemporaryDirectory() as state,
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
    ):
        first_ns, next_ns = measure(_load(Path(state), Path(memory)), warmth=options.warmth)
    sys.stdout.write(json.dumps({"first_ns": first_ns, "next_ns": next_ns}) + "\n")
    return 0


def measure(config: EngineConfig, *, warmth: str) -> tuple[int, int]:
    """(nanoseconds of the frame with the first order, median of those behind it)."""
    arc = compose(config, compile_strategies(config, lambda _: None))
    if arc.orders is None:
        raise SystemExit("the demo's config sends orders")
    if not isinstance(arc.orders, OrderParts):
        raise SystemExit("the first order is measured by FIX")
    warmed = warm_up(config, arc.strategies) if warmth != COLD else None
    gc.collect()
    gc.freeze()
    gc.disable()
    frames = generate_frames(FRAMES_BEFORE + FRAMES_AFTER)
    payloads = [payload + PADDING for payload in (frames.snapshot, *frames.updates)]
    samples = np.zeros(len(payloads), np.int64)
    start_ns = read_wall_ns()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        arc.orders.sender.attach(connection.fileno())
        arc.orders.sender.send(b"the logon")
        peer.recv(READ_BYTES)
        settle(warmed if warmth == KEPT_WARM else None)
        arc.pipeline.subscribed(start_ns)
        time_frames(arc.pipeline, payloads[:FRAMES_BEFORE], start_ns, GAP_NS, samples)
        arc.orders.store.is_active = True
        start_ns += FRAMES_BEFORE * GAP_NS
        rest = samples[FRAMES_BEFORE:]
        time_frames(arc.pipeline, payloads[FRAMES_BEFORE:], start_ns, GAP_NS, rest)
        connection.close()
        peer.close()
    sent = arc.pipeline.counters()["orders_sent"]
    if sent != len(rest):
        raise SystemExit(f"{sent} orders were sent in {len(rest)} frames")
    return int(rest[0]), int(statistics.median(rest[1:].tolist()))


def settle(warmed: WarmUp | None) -> None:
    """The quiet before the order: what is measured is how cold it is afterwards."""
    end_s = time.monotonic() + SETTLE_S
    while time.monotonic() < end_s:
        time.sleep(PULSE_S)  # tidy-ok: the loop asleep in its poll
        if warmed is not None:
            warmed.pulse()


def _load(state: Path, memory: Path) -> EngineConfig:
    overrides = (
        f"engine.state_directory={state}",
        f"telemetry.shared_memory_directory={memory}",
        "strategy.jerico_maker.class=bench.order_every_frame:OrderEveryFrame",
        "strategy.0.params={unit_lots = 10}",
        "strategy.jerico_trend.enabled=false",
        "instrument.BTC-USD.limits.max_position=1000",
        "instrument.BTC-USD.limits.max_order_quantity=1000",
        "risk.max_orders_per_second=1000",
    )
    return load_config(DEMO, overrides)


if __name__ == "__main__":
    sys.exit(main())
