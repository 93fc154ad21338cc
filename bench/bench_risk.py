"""One check of a new order by the risk gate, accepted and rejected, against the same in Python; and
with every limit set that there is, for four strategies that hold something in two products."""

import dataclasses
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.arc import make_table
from bench.frames import PRODUCT
from bench.goal import Goal
from bench.harness import SEED, Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers
from bench.step_loops import time_checks
from ext.dtypes import BOOK_VIEW, POSITION
from ext.orders import OrderTable
from ext.risk import RiskGate
from ext.shared_memory import SharedMemory
from ext.wire import BookState, Side, Verdict

Rows = NDArray[np.int64]
"""Side, price in ticks, quantity in lots, time in nanoseconds."""

BID_TICKS, ASK_TICKS = 6_400_000, 6_400_002
MAX_ORDER_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION_LOTS = 1_000_000, 2 * 10**12, 10_000, 100_000
MAX_MESSAGES_PER_SECOND, CANCEL_RESERVE = 1000, 24
STALE_AFTER_NS, DUPLICATE_WINDOW_NS = 2_000_000_000, 100_000_000
START_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
GAP_NS = 2_000_000  # 500 checks a second: the rate refuses none
SECOND_NS = 1_000_000_000
FULL_INSTRUMENTS, FULL_STRATEGIES = 2, 4
WIDE_VALUE = 10**15
WEEK_S = 604_800
QUANTITIES = 997  # before one comes again: more than fit into the window of duplicates

REASONS = (
    Verdict.ACCEPTED,
    Verdict.DUPLICATE,
    Verdict.QUANTITY_INVALID,
    Verdict.NOTIONAL,
    Verdict.PRICE_COLLAR,
    Verdict.POSITION_LIMIT,
)
"""In turns: an order that is accepted, the same again, and one for each further limit."""


def make_accepted(count: int) -> Rows:
    """Orders of both sides around the mid, all within every limit."""
    source = np.random.default_rng(SEED)
    index = np.arange(count)
    side = source.choice([Side.BUY, Side.SELL], count)
    price = source.integers(BID_TICKS - 30_000, ASK_TICKS + 30_000, count)
    return np.column_stack((side, price, 1 + index % QUANTITIES, START_NS + index * GAP_NS))


def make_rejected(count: int) -> Rows:
    """Orders that earn the verdicts of REASONS, one after the other."""
    rows = make_accepted(count)
    reason = np.arange(count) % len(REASONS)
    lots = {Verdict.QUANTITY_INVALID: 0, Verdict.NOTIONAL: 900_000, Verdict.POSITION_LIMIT: 200_000}
    for number, verdict in enumerate(REASONS):
        chosen = reason == number
        if verdict == Verdict.DUPLICATE:
            rows[chosen, :3] = rows[np.flatnonzero(chosen) - 1, :3]
        elif verdict == Verdict.PRICE_COLLAR:
            rows[chosen, 1] = ASK_TICKS * 1_011 // 1_000
        elif verdict in lots:
            rows[chosen, 2] = lots[verdict]
    return rows


def hash_verdicts(verdicts: Sequence[int]) -> int:
    """The hash that the compiled loop gives them."""
    return hash_numbers(np.array(verdicts, np.int64))


def make_gate() -> RiskGate:
    """The gate with the limits above, for strategy 0 on instrument 0."""
    gate = RiskGate()
    gate.set_engine_limits(
        MAX_MESSAGES_PER_SECOND, CANCEL_RESERVE, STALE_AFTER_NS, DUPLICATE_WINDOW_NS
    )
    gate.set_instrument_limits(0, MAX_ORDER_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION_LOTS)
    gate.add_strategy(0)
    return gate


def measure_gate(rows: Rows) -> Measurement:
    """The compiled gate, new in every run."""
    names = [(PRODUCT.symbol, PRODUCT.tick, PRODUCT.lot)]
    orders = OrderTable(SharedMemory(None, names, ["bench"]), make_table([PRODUCT]))
    book = np.zeros(1, BOOK_VIEW)
    book["state"] = BookState.LIVE
    book["bid_levels"] = book["ask_levels"] = 1
    book["bid_ticks"][:, 0], book["ask_ticks"][:, 0] = BID_TICKS, ASK_TICKS
    total_ns, work_hash = time_checks(make_gate(), orders, book, rows)
    return Measurement(total_ns, len(rows), work_hash)


def make_full_gate() -> RiskGate:
    """The same limits and all others, each wide enough, for four strategies on two instruments."""
    gate = RiskGate()
    gate.set_engine_limits(
        MAX_MESSAGES_PER_SECOND,
        CANCEL_RESERVE,
        STALE_AFTER_NS,
        DUPLICATE_WINDOW_NS,
        STALE_AFTER_NS,
        max_messages_per_ten_seconds=10 * MAX_MESSAGES_PER_SECOND,
        long_cancel_reserve=10 * CANCEL_RESERVE,
        max_open_orders=64,
        max_trade_age_ns=STALE_AFTER_NS,
        prevents_self_match=True,
    )
    gate.set_currency_limits(
        0, max_open_value=WIDE_VALUE, max_gross_value=WIDE_VALUE, max_net_value=WIDE_VALUE
    )
    for instrument in range(FULL_INSTRUMENTS):
        gate.set_instrument_limits(
            instrument,
            MAX_ORDER_LOTS,
            MAX_NOTIONAL,
            COLLAR_PPM,
            MAX_POSITION_LOTS,
            min_order_lots=1,
            min_order_notional=1,
            last_trade_collar_ppm=COLLAR_PPM,
            max_open_orders=32,
            max_open_notional=MAX_NOTIONAL,
            step_value=3,
        )
        gate.set_trading_hours(instrument, [(0, WEEK_S // 2), (WEEK_S // 2 + 1, WEEK_S)])
    for strategy in range(FULL_STRATEGIES):
        gate.add_strategy(
            strategy % FULL_INSTRUMENTS,
            max_position_lots=MAX_POSITION_LOTS,
            max_open_orders=8,
            max_messages_per_second=MAX_MESSAGES_PER_SECOND,
            max_gross_value=WIDE_VALUE,
        )
    return gate


def measure_full_gate(rows: Rows) -> Measurement:
    """The compiled gate with every limit, new in every run."""
    products = [PRODUCT, dataclasses.replace(PRODUCT, symbol="OTHER-USD")]
    names = [(product.symbol, product.tick, product.lot) for product in products]
    memory = SharedMemory(None, names, ["bench"] * FULL_STRATEGIES)
    orders = OrderTable(memory, make_table(products))
    positions = memory.region("positions_offset", POSITION, FULL_STRATEGIES)
    positions["position_lots"] = [1000, -2000, 3000, 4000]
    books = np.zeros(FULL_INSTRUMENTS, BOOK_VIEW)
    books["instrument"] = range(FULL_INSTRUMENTS)
    books["state"] = BookState.LIVE
    books["bid_levels"] = books["ask_levels"] = 1
    books["bid_ticks"][:, 0], books["ask_ticks"][:, 0] = BID_TICKS, ASK_TICKS
    total_ns, work_hash = time_checks(make_full_gate(), orders, books, rows)
    return Measurement(total_ns, len(rows), work_hash)


class PythonGate:
    """The rules for new orders, as one would write them in Python; a flat position."""

    def __init__(self) -> None:
        self._sent: dict[tuple[int, int, int], int] = {}
        self._times: deque[int] = deque()

    def check(self, side: int, price: int, lots: int, now_ns: int) -> int:
        """The verdict; an accepted order counts as sent."""
        if side not in {Side.BUY, Side.SELL}:
            return Verdict.INTENT_INVALID
        if not 0 < lots <= MAX_ORDER_LOTS:
            return Verdict.QUANTITY_INVALID
        if price <= 0:
            return Verdict.PRICE_INVALID
        if price * lots > MAX_NOTIONAL:
            return Verdict.NOTIONAL
        doubled_mid = BID_TICKS + ASK_TICKS
        if abs(2 * price - doubled_mid) * 1_000_000 > doubled_mid * COLLAR_PPM:
            return Verdict.PRICE_COLLAR
        if lots > MAX_POSITION_LOTS:
            return Verdict.POSITION_LIMIT
        key = side, price, lots
        if now_ns - self._sent.get(key, -SECOND_NS) < DUPLICATE_WINDOW_NS:
            return Verdict.DUPLICATE
        times = self._times
        while times and now_ns - times[0] >= SECOND_NS:
            times.popleft()
        if len(times) >= MAX_MESSAGES_PER_SECOND - CANCEL_RESERVE:
            return Verdict.MESSAGE_RATE
        times.append(now_ns)
        self._sent[key] = now_ns
        return Verdict.ACCEPTED


def measure_python(rows: Rows) -> Measurement:
    """The rules in Python."""
    check = PythonGate().check
    intents = [tuple(row) for row in rows.tolist()]
    started_ns = time.perf_counter_ns()
    verdicts = [check(side, price, lots, now_ns) for side, price, lots, now_ns in intents]
    return Measurement(time.perf_counter_ns() - started_ns, len(rows), hash_verdicts(verdicts))


def make_trial(name: str, rows: Rows, verdicts: Sequence[int], few: int) -> Trial:
    """The figure of one mix; ``few`` of the rows are enough for Python."""
    return Trial(
        f"risk.{name}",
        (
            Contender(
                "engine: RiskGate",
                partial(measure_gate, rows),
                expected_hash=hash_verdicts(verdicts),
            ),
            Contender(
                "the same rules in Python",
                partial(measure_python, rows[:few]),
                expected_hash=hash_verdicts(verdicts[:few]),
            ),
        ),
        baseline="the same rules in Python",
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Orders that pass, and orders of which five in six do not."""
    count = size.pick(smoke=1_200, real=600_000)
    few = size.pick(smoke=600, real=30_000)
    turns = REASONS * (count // len(REASONS))
    yield [
        make_trial("accepted", make_accepted(count), [Verdict.ACCEPTED] * count, few),
        make_trial("rejected", make_rejected(count), turns, few),
        Trial(
            "risk.every_limit",
            (
                Contender(
                    "engine: RiskGate",
                    partial(measure_full_gate, make_accepted(count)),
                    expected_hash=hash_verdicts([Verdict.ACCEPTED] * count),
                ),
            ),
            goal=Goal(value=50),
        ),
    ]


BENCHMARK = Benchmark("risk", "one new order through every check of the gate", prepare)
