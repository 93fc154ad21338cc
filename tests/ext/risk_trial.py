"""Holds the compiled risk gate against the plain one in random streams, as many as it is told.

    python -m tests.ext.risk_trial --streams 1000000
    python -m tests.ext.risk_trial --streams 2000 --orders 500

Each stream has limits and a seed of its own, and orders with fills, cancels, rejects, books, trades
and pauses between them. A stream begins with the orders, positions and messages that the one before
has left; every RIG_STREAMS a new gate begins with nothing. The first difference ends the trial and
is shown with the seed of its gate.
"""

# tidy-ok: a tool of the tests, not a mirror of a module

import argparse
import gc
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ext.wire import Verdict
from tests.ext.conftest import OrderRig, RigOptions
from tests.ext.risk_stream import ASK, BID, RiskStream, StreamError

RIG_STREAMS = 50
COLLECT_RIGS = 10
REPORT_S = 30.0
STEPS = 2000
"""Of which a stream is a part: bursts of each strategy, and calm between them."""


def make_rig(**options: Any) -> OrderRig:
    """A rig whose books are LIVE."""
    rig = OrderRig(RigOptions(**options))
    for index in range(len(rig.options.instruments)):
        rig.set_book(BID, ASK, index)
    return rig


def run_rig(seed: int, streams: int, orders: int) -> Counter[Verdict]:
    """``streams`` of them, one after the other through one gate; StreamError where they differ."""
    chance = random.Random(seed)
    stream = RiskStream(make_rig, seed)
    for number in range(streams):
        if number:
            stream.renew(seed + number)
        stream.run(orders, chance.randrange(STEPS))
    return stream.seen


def run_trial(streams: int, orders: int, first_seed: int) -> Counter[Verdict]:
    """How often each verdict was given by both."""
    seen: Counter[Verdict] = Counter()
    told_s = time.monotonic()
    for rig, seed in enumerate(range(first_seed, first_seed + streams, RIG_STREAMS)):
        try:
            seen += run_rig(seed, min(RIG_STREAMS, first_seed + streams - seed), orders)
        except StreamError as error:
            again = f"python -m tests.ext.risk_trial --seed {seed} --streams {RIG_STREAMS}"
            raise StreamError(f"{error}\nagain: {again} --orders {orders}") from None
        if rig % COLLECT_RIGS == 0:
            gc.collect()  # a rig and its hooks hold each other, and 40 MiB
        if time.monotonic() - told_s > REPORT_S:
            told_s = time.monotonic()
            sys.stderr.write(f"{seed - first_seed:,} of {streams:,} streams, all the same\n")
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every verdict was the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=8, help="of a stream (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the first stream")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    try:
        seen = run_trial(options.streams, options.orders, options.seed)
    except StreamError as error:
        sys.stdout.write(f"DIFFERENT: {error}\n")
        return 1
    for verdict, count in seen.most_common():
        sys.stdout.write(f"{count:>10,}  {verdict.name}\n")
    sys.stdout.write(
        f"{options.streams:,} streams with {seen.total():,} orders: the same verdict each time;"
        f" {time.monotonic() - started_s:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
