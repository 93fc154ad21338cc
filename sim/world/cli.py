"""``python -m sim``: plays worlds, and ends with 1 at the first in which something does not hold.

The last lines of a failure are the seed, what did not hold, and the command that plays it again.
"""

import argparse
import itertools
import logging
import sys
import time
from collections.abc import Iterable, Sequence

from sim.world.runner import Failure, play_many
from sim.world.world import Outcome

REPORT_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 all held, 1 one did not, 2 a wrong argument."""
    options = _parser().parse_args(arguments)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return _play(options)
    finally:
        logging.disable(before)


def _play(options: argparse.Namespace) -> int:
    seed = int(time.time()) if options.seed is None else options.seed
    seeds: Iterable[int] = range(seed, seed + options.count)
    if options.count == 0:
        seeds = itertools.count(seed)
    tally = _Tally()
    try:
        outcomes = play_many(seeds, options.jobs, is_twice=options.twice, protocol=options.protocol)
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                _tell(outcome, options.protocol)
                return 1
            tally.add(outcome)
            if options.verbose:
                print(outcome)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    print(tally.text())
    return 0


class _Tally:
    def __init__(self) -> None:
        self._started = self._told = time.monotonic()
        self._worlds = self._events = self._orders = self._fills = 0
        self._connections = self._restarts = self._doubts = 0
        self._kills = self._rearms = self._by_rest = 0

    def add(self, outcome: Outcome) -> None:
        self._worlds += 1
        self._events += outcome.events
        self._orders += outcome.orders
        self._fills += outcome.fills
        self._connections += outcome.connections
        self._restarts += outcome.runs - 1
        self._doubts += outcome.has_doubts
        self._by_rest += outcome.is_by_rest
        self._kills += outcome.kills
        self._rearms += outcome.rearms
        if time.monotonic() - self._told > REPORT_SECONDS:
            self._told = time.monotonic()
            print(f"{self.text()}; seed {outcome.seed}", file=sys.stderr)

    def text(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{self._worlds} worlds held: {self._by_rest} by REST, {self._events} events, "
            f"{self._orders} orders, {self._fills} fills, {self._connections} order connections, "
            f"{self._restarts} restarts, {self._kills} kills, {self._rearms} rearms, "
            f"{self._doubts} ended in doubt; "
            f"{self._worlds / seconds:.1f} worlds/s, {self._events / seconds:.0f} events/s"
        )


def _tell(failure: Failure, protocol: str) -> None:
    for line in failure.lines:
        print(line)
    print(f"seed {failure.seed}: {failure.checker}: {failure.text}")
    rest = f" --protocol {protocol}" if protocol else ""
    print(f"again: python -m sim --seed {failure.seed} --count 1{rest}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim",
        description="Plays the engine against the simulated venue in worlds of one seed each: "
        "virtual time, a network that does its worst, checks after every event.",
    )
    add = parser.add_argument
    add("--seed", type=int, help="the first seed (default: the time)")
    add("--count", type=_count, default=1, help="so many seeds, 0: until stopped (default: 1)")
    add("--jobs", type=_jobs, default=1, help="processes (default: 1)")
    add("--twice", action="store_true", help="play each world two times and compare the runs")
    add("--protocol", choices=("fix", "rest"), default="", help="of orders (default: by the seed)")
    add("--verbose", action="store_true", help="print the outcome of each world")
    return parser


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no count; use a whole number, 0: no end")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r}: use 1 to 256 processes")
    return int(text)
