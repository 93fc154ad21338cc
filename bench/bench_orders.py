"""The life of one order in the order table: registered, acknowledged, filled twice.

Against the same in Python, which has no limits, no client ids and no record of the order to show.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.arc import make_table
from bench.frames import PRODUCT
from bench.harness import SEED, Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers
from bench.step_loops import time_orders
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, Side

Rows = NDArray[np.int64]
"""Side, price in ticks, quantity in lots, lots of the first fill."""

REPORTS = 3  # of each order


def make_rows(count: int) -> Rows:
    """Orders of both sides, each filled in two parts."""
    source = np.random.default_rng(SEED)
    lots = source.integers(2, 1_000, count)
    side = source.choice([Side.BUY, Side.SELL], count)
    price = source.integers(6_300_000, 6_500_000, count)
    return np.column_stack((side, price, lots, source.integers(1, lots)))


def hash_rows(rows: Rows) -> int:
    """The right answer: filled lots and position after each of the three reports."""
    side, _, lots, first = rows.T
    after = (side * lots).cumsum()
    before = after - side * lots
    numbers = np.zeros((len(rows), REPORTS, 2), np.int64)
    numbers[:, 0] = np.column_stack((np.zeros_like(lots), before))
    numbers[:, 1] = np.column_stack((first, before + side * first))
    numbers[:, 2] = np.column_stack((lots, after))
    return hash_numbers(numbers.ravel())


def measure_table(rows: Rows) -> Measurement:
    """The compiled table, new in every run."""
    names = [(PRODUCT.symbol, PRODUCT.tick, PRODUCT.lot)]
    orders = OrderTable(SharedMemory(None, names, ["bench"]), make_table([PRODUCT]))
    total_ns, work_hash = time_orders(orders, rows)
    return Measurement(total_ns, len(rows), work_hash)


@dataclass(slots=True)
class PythonOrder:
    """What one would keep of an order."""

    number: int
    side: int
    price: int
    lots: int
    filled: int = 0
    state: int = OrderState.PENDING_NEW


class PythonTable:
    """Orders by number, fills by id, position and average price."""

    def __init__(self) -> None:
        self.position = 0
        self._average = 0.0
        self._realised = 0.0
        self._orders: dict[int, PythonOrder] = {}
        self._counted: set[int] = set()

    def register(self, side: int, price: int, lots: int) -> PythonOrder:
        """A new order."""
        order = PythonOrder(len(self._orders) + 1, side, price, lots)
        self._orders[order.number] = order
        return order

    def acknowledge(self, number: int) -> None:
        """The venue took it."""
        order = self._orders[number]
        if order.state == OrderState.PENDING_NEW:
            order.state = OrderState.NEW

    def fill(self, number: int, execution: int, price: int, lots: int) -> None:
        """One fill, counted once."""
        if execution in self._counted:
            return
        self._counted.add(execution)
        order = self._orders[number]
        order.filled += lots
        is_done = order.filled == order.lots
        order.state = OrderState.FILLED if is_done else OrderState.PARTIALLY_FILLED
        signed = order.side * lots
        size = abs(self.position)
        if self.position * signed >= 0:
            self._average = (self._average * size + price * lots) / (size + lots)
        else:
            closed = min(size, lots)
            self._realised += (price - self._average) * (closed if self.position > 0 else -closed)
            if lots > size:
                self._average = price
        self.position += signed


def measure_python(rows: Rows) -> Measurement:
    """The same life in Python."""
    table = PythonTable()
    numbers: list[int] = []
    execution = 0
    lives = [tuple(row) for row in rows.tolist()]
    started_ns = time.perf_counter_ns()
    for side, price, lots, first in lives:
        order = table.register(side, price, lots)
        table.acknowledge(order.number)
        numbers += (order.filled, table.position)
        table.fill(order.number, execution + 1, price, first)
        numbers += (order.filled, table.position)
        table.fill(order.number, execution + 2, price, lots - first)
        numbers += (order.filled, table.position)
        execution += 2
    total_ns = time.perf_counter_ns() - started_ns
    return Measurement(total_ns, len(rows), hash_numbers(np.array(numbers, np.int64)))


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """The same orders for both; Python gets fewer."""
    rows = make_rows(size.pick(smoke=500, real=200_000))
    few = rows[: size.pick(smoke=200, real=20_000)]
    yield [
        Trial(
            "orders",
            (
                Contender(
                    "engine: OrderTable",
                    partial(measure_table, rows),
                    expected_hash=hash_rows(rows),
                ),
                Contender(
                    "dict and dataclass in Python",
                    partial(measure_python, few),
                    expected_hash=hash_rows(few),
                ),
            ),
            baseline="dict and dataclass in Python",
        )
    ]


BENCHMARK = Benchmark("orders", "one order: register, acknowledgement, two fills", prepare)
