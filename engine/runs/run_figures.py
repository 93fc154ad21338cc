"""What a run amounts to, read from its shared memory: figures of strategies and latencies.

Latencies come from log-linear histograms: a percentile is the upper bound of its bucket, at most
3.2 % above the truth, and never above the largest bucket in use.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.composition import Arc
from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy
from engine.loop import source_name
from engine.processes import VenueSummary
from ext.book import OrderBook
from ext.dtypes import BOOK_VIEW, POSITION
from ext.latency_histogram import percentiles_ns
from ext.wire import BookState, StaleReason, Step, Verdict

STEP_NAMES = {
    Step.STEP_DECODE: "decode",
    Step.STEP_APPLY: "apply to book",
    Step.STEP_DECIDE: "indicators + decide",
    Step.STEP_CHECK: "risk check",
    Step.STEP_ENCODE: "register + encode",
    Step.STEP_SEND: "send",
    Step.STEP_TICK_TO_ORDER: "frame → order sent",
    Step.STEP_TICK: "frame, whole",
    Step.STEP_REPORT: "report → position",
    Step.STEP_ACKNOWLEDGE: "order → first report",
}
QUANTILES = (0.5, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class StrategyFigures:
    """One strategy; money in the quote currency, ``position`` in the base currency."""

    name: str
    symbol: str
    quote: str
    signals: int
    orders: int
    rejects: int
    last_reject: str
    fills: int
    position: Decimal
    average_price: str
    realised: float
    unrealised: float
    fees: float
    failures: int  # hook calls that raised and were ignored

    @property
    def net(self) -> float:
        """Realised and unrealised profit less fees."""
        return self.realised + self.unrealised - self.fees


@dataclass(frozen=True, slots=True)
class BookFigures:
    """One instrument at this moment; None where a side is empty."""

    symbol: str
    state: str
    best_bid: str | None
    best_ask: str | None
    levels: int
    updates: int


@dataclass(frozen=True, slots=True)
class StepFigures:
    """Latency of one step in microseconds at each of QUANTILES."""

    name: str
    count: int
    microseconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """The loop and what may have stopped it; names as ``source_name`` gives them."""

    cycles: int
    longest_ms: float
    longest_source: str
    stalls: int
    stalls_by_source: dict[str, int]
    core: int  # -1: not pinned
    threads_on_core: int  # others of ours, at the last look
    collections: int


def read_loop(arc: Arc) -> LoopFigures:
    """Cycles, stalls and collections since the start."""
    header = arc.memory.header_record()[0]
    by_source = enumerate(header["loop_stalls_by_source"].tolist())
    return LoopFigures(
        cycles=int(header["loop_cycles"]),
        longest_ms=int(header["loop_max_cycle_ns"]) / 1e6,
        longest_source=source_name(int(header["loop_max_cycle_source"])),
        stalls=int(header["loop_stalls"]),
        stalls_by_source={source_name(index): count for index, count in by_source if count},
        core=int(header["engine_core"]),
        threads_on_core=int(header["threads_on_core"]),
        collections=int(header["garbage_collections"]),
    )


def read_strategies(arc: Arc) -> list[StrategyFigures]:
    """Figures of every strategy, its position valued at the mid of its book."""
    positions = arc.memory.region("positions_offset", POSITION, max(len(arc.strategies), 1))
    books = arc.memory.region("books_offset", BOOK_VIEW, len(arc.instruments))
    return [
        _strategy_figures(strategy, position, books)
        for strategy, position in zip(arc.strategies, positions, strict=False)
    ]


def _strategy_figures(strategy: CompiledStrategy, position: Any, books: Any) -> StrategyFigures:
    instrument = strategy.instrument
    tick_value = float(instrument.tick) * float(instrument.lot)
    lots = int(position["position_lots"])
    book = books[instrument.index]
    unrealised = 0.0
    if lots and book["bid_levels"] and book["ask_levels"]:
        mid_ticks = (int(book["bid_ticks"][0]) + int(book["ask_ticks"][0])) / 2
        unrealised = (mid_ticks - float(position["average_price_ticks"])) * lots * tick_value
    last_reject = int(position["last_reject"])
    return StrategyFigures(
        name=strategy.name,
        symbol=instrument.symbol,
        quote=quote_currency(instrument.symbol),
        signals=int(position["signal_count"]),
        orders=int(position["order_count"]),
        rejects=int(position["reject_count"]),
        last_reject=Verdict(last_reject).name.lower() if last_reject else "",
        fills=int(position["fill_count"]),
        position=instrument.lots_to_quantity(lots),
        average_price=_format_average(instrument, float(position["average_price_ticks"])),
        realised=float(position["realised_pnl"]),
        unrealised=unrealised,
        fees=float(position["fees"]),
        failures=strategy.failure_count,
    )


def find_differences(arc: Arc, venue: VenueSummary) -> list[str]:
    """Where the fills and positions of a venue that was ours alone are not what we count."""
    fills = arc.pipeline.counters()["fills"]
    differences = [] if fills == venue.fills else [f"{venue.fills:,} fills, we have {fills:,}"]
    ours: dict[str, Decimal] = {}
    for strategy in read_strategies(arc):
        ours[strategy.symbol] = ours.get(strategy.symbol, Decimal(0)) + strategy.position
    for symbol in sorted(ours.keys() | venue.client_positions.keys()):
        position = ours.get(symbol, Decimal(0))
        theirs = venue.client_positions.get(symbol, Decimal(0))
        if position != theirs:
            differences.append(f"position {theirs:f} {symbol}, we have {position:f}")
    return differences


def quote_currency(symbol: str) -> str:
    """Currency that the prices of a product are in: behind the hyphen of ``BTC-USD``."""
    return symbol.rpartition("-")[2]


def _format_average(instrument: Instrument, average_ticks: float) -> str:
    if not average_ticks:
        return "-"
    decimals = max(0, -int(instrument.tick.normalize().as_tuple().exponent))
    return f"{average_ticks * float(instrument.tick):,.{decimals}f}"


def read_books(arc: Arc) -> list[BookFigures]:
    """State and best prices of every instrument."""
    figures = []
    for instrument in arc.instruments:
        book = arc.pipeline.book(instrument.index)
        bid, ask = book.best_bid(), book.best_ask()
        figures.append(
            BookFigures(
                symbol=instrument.symbol,
                state=_book_state(book),
                best_bid=instrument.format_price(bid[0]) if bid else None,
                best_ask=instrument.format_price(ask[0]) if ask else None,
                levels=book.level_count(True) + book.level_count(False),
                updates=book.update_count,
            )
        )
    return figures


def _book_state(book: OrderBook) -> str:
    state = BookState(book.state).name
    if book.state == BookState.STALE:
        return f"{state} ({StaleReason(book.stale_reason).name.lower()})"
    return state


def read_steps(arc: Arc) -> list[StepFigures]:
    """Latency of every step that was counted at least once."""
    figures = []
    for step, name in STEP_NAMES.items():
        counts = arc.memory.histogram(step)
        total = int(counts.sum())
        if total:
            quantiles = tuple(value_ns / 1e3 for value_ns in percentiles_ns(counts, QUANTILES))
            figures.append(StepFigures(name, total, quantiles))
    return figures
