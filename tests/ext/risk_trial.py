"""Holds the compiled risk gate against the plain one in random streams, as many as it is told.

    python -m tests.ext.risk_trial --orders 1000000

Each stream has limits and a seed of its own, and 500 orders with fills, cancels, rejects, books,
trades and pauses between them; the first difference ends the trial and is shown with its seed.
"""

# tidy-ok: a tool of the tests, not a mirror of a module

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ext.wire import Verdict
from tests.ext.conftest import OrderRig, RigOptions
from tests.ext.risk_stream import ASK, BID, RiskStream, StreamError

ORDERS_PER_STREAM = 500
COLLECT_EVERY = 10  # streams


def make_rig(**options: Any) -> OrderRig:
    """A rig whose books are LIVE."""
    rig = OrderRig(RigOptions(**options))
    for index in range(len(rig.options.instruments)):
        rig.set_book(BID, ASK, index)
    return rig


def run_trial(orders: int, first_seed: int) -> Counter[Verdict]:
    """How often each verdict was given by both; StreamError where they differ."""
    seen: Counter[Verdict] = Counter()
    seed = first_seed
    while seen.total() < orders:
        stream = RiskStream(make_rig, seed)
        stream.run(ORDERS_PER_STREAM)
        seen += stream.seen
        seed += 1
        if seed % COLLECT_EVERY == 0:
            gc.collect()  # a rig and its hooks hold each other, and 40 MiB
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every verdict was the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first stream")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    try:
        seen = run_trial(options.orders, options.seed)
    except StreamError as error:
        sys.stdout.write(f"DIFFERENT: {error}\n")
        return 1
    for verdict, count in seen.most_common():
        sys.stdout.write(f"{count:>10,}  {verdict.name}\n")
    streams = -(-seen.total() // ORDERS_PER_STREAM)
    sys.stdout.write(
        f"{seen.total():,} orders in at least {streams:,} streams: the same verdict each time;"
        f" {time.monotonic() - started_s:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
