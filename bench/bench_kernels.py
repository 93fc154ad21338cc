"""One on_book call through the strategy table, compiled and in plain Python.

The table copies book and position, calls the hook by pointer, and checks the count of intents.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

import numpy as np

from bench.bench_indicators import Books, make_books
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers
from bench.order_every_frame import OrderEveryFrame
from bench.step_loops import time_decisions
from engine.instruments import Instrument
from engine.kernel.kernels import compile_strategy
from engine.strategy import Strategy
from ext.kernels import StrategyTable
from ext.wire import Side


class InPython(OrderEveryFrame):
    """The same hook, interpreted."""

    compiled = False


class Decisions:
    """One strategy in a table of its own."""

    def __init__(self, strategy: type[Strategy]) -> None:
        instrument = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"))
        self._compiled = compile_strategy(strategy, instrument)
        self._table = StrategyTable()
        self._table.add(0, self._compiled.state, self._compiled.addresses, owner=self._compiled)

    def measure(self, books: Books) -> Measurement:
        """Every book once, from the strategy's start."""
        self._compiled.reset()
        total_ns, work_hash = time_decisions(self._table, books)
        return Measurement(total_ns, len(books), work_hash)


def hash_bids(books: Books) -> int:
    """The right answer: one buy order at the best bid of every book."""
    bids = books["bid_ticks"][:, 0]
    columns = np.ones_like(bids), np.full_like(bids, Side.BUY), bids
    return hash_numbers(np.column_stack(columns).ravel())


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """The interpreted hook sees fewer books: it is slow."""
    books = make_books(size.pick(smoke=1_000, real=200_000))
    few = books[: size.pick(smoke=500, real=10_000)]
    yield [
        Trial(
            "kernels",
            (
                Contender(
                    "engine: compiled hook",
                    partial(Decisions(OrderEveryFrame).measure, books),
                    expected_hash=hash_bids(books),
                ),
                Contender(
                    "the same hook in Python",
                    partial(Decisions(InPython).measure, few),
                    expected_hash=hash_bids(few),
                ),
            ),
            baseline="the same hook in Python",
        )
    ]


BENCHMARK = Benchmark("kernels", "one on_book call through the strategy table", prepare)
