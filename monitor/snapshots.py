"""Turns the present state of the shared memory into messages. No socket, no clock."""

import numpy as np
from numpy.typing import NDArray

from ext import latency_histogram
from ext.wire import BookState
from journal import names
from journal.names import name_of
from journal.shared_reader import SharedReader
from monitor.messages import (
    Book,
    BreakerEntry,
    Counters,
    Heartbeat,
    Latency,
    OpenOrder,
    OpenOrders,
    PositionEntry,
    Positions,
    StepLatency,
)
from monitor.status import RelayStatus, journal_lag_ns

QUANTILES = (0.5, 0.99, 0.999)


class SnapshotBuilder:
    """Builds the state messages of one engine; remembers only the last histograms, for deltas."""

    def __init__(self, reader: SharedReader, status: RelayStatus) -> None:
        self._reader = reader
        self._status = status
        self._last_histograms: NDArray[np.int64] | None = None

    def heartbeat(self, now_ns: int, *, process_lives: bool) -> Heartbeat:
        """``now_ns`` is wall clock."""
        reader = self._reader
        return Heartbeat(
            mode=reader.mode,
            state=name_of(names.ENGINE_STATES, reader.word("engine_state")),
            reason=reader.text("state_reason"),
            process_id=reader.process_id,
            process_lives=process_lives,
            heartbeat_age_ns=reader.heartbeat_age_ns(now_ns),
            feed_state=name_of(names.SESSION_STATES, reader.word("feed_state")),
            order_session_state=name_of(names.SESSION_STATES, reader.word("order_session_state")),
            write_sequence=reader.word("write_sequence"),
            read_sequence=reader.word("read_sequence"),
            lost_records=self._status.lost_records,
            dropped_market_records=reader.word("dropped_market_records"),
            dropped_order_records=reader.word("dropped_order_records"),
            loop_max_cycle_ns=reader.word("loop_max_cycle_ns"),
            loop_max_cycle_source=_source_name(reader.word("loop_max_cycle_source")),
            loop_stalls=reader.word("loop_stalls"),
            engine_core=reader.word("engine_core"),
            threads_on_core=reader.word("threads_on_core"),
            garbage_collections=reader.word("garbage_collections"),
            journal_error=self._status.journal_error,
            journal_lag_ns=journal_lag_ns(reader, now_ns),
            instruments=[each.symbol for each in reader.instruments],
            strategies=reader.strategies,
        )

    def counters(self) -> Counters:
        """All counters of the shared header."""
        return Counters(values=self._reader.counters())

    def latency(self) -> Latency:
        """Percentiles since the engine's start and what was counted since the last call."""
        histograms = self._reader.histograms()
        last = self._last_histograms
        # The engine clears its histograms once, after the warm-up: then all of it is new.
        deltas = histograms if last is None or (histograms < last).any() else histograms - last
        self._last_histograms = histograms
        return Latency(
            steps=[
                _step_latency(step, counts, delta)
                for step, counts, delta in zip(names.STEPS, histograms, deltas, strict=True)
            ]
        )

    def book(self, index: int) -> Book | None:
        """None when the book was being written at every try."""
        view = self._reader.book(index)
        if view is None:
            return None
        instrument = self._reader.instruments[index]
        price, quantity = instrument.tick.format, instrument.lot.format

        def levels(side: str) -> list[tuple[str, str]]:
            ticks, lots = view[f"{side}_ticks"].tolist(), view[f"{side}_lots"].tolist()
            count = int(view[f"{side}_levels"])
            return [(price(ticks[i]), quantity(lots[i])) for i in range(count)]

        reason = int(view["stale_reason"])
        return Book(
            instrument=instrument.symbol,
            state=name_of(names.BOOK_STATES, int(view["state"])),
            stale_reason=name_of(names.STALE_REASONS, reason) if reason else "",
            exchange_time_ns=int(view["exchange_time_ns"]),
            receive_time_ns=int(view["receive_time_ns"]),
            update_count=int(view["update_count"]),
            total_bid_levels=int(view["total_bid_levels"]),
            total_ask_levels=int(view["total_ask_levels"]),
            bids=levels("bid"),
            asks=levels("ask"),
        )

    def positions(self) -> Positions:
        """Positions of all strategies; one that was being written at every try is left out."""
        views = (self._reader.position(index) for index in range(len(self._reader.strategies)))
        return Positions(
            positions=[self._position(view) for view in views if view is not None],
            breakers=[self._breakers(state) for state in self._reader.breakers()],
        )

    def open_orders(self) -> OpenOrders:
        """All working orders, oldest first."""
        return OpenOrders(orders=[self._order(order) for order in self._reader.open_orders()])

    def _position(self, view: np.void) -> PositionEntry:
        index, strategy = int(view["instrument"]), int(view["strategy"])
        instrument = self._reader.instruments[index]
        lots, average_ticks = int(view["position_lots"]), float(view["average_price_ticks"])
        reject_count = int(view["reject_count"])
        return PositionEntry(
            strategy=self._reader.strategies[strategy],
            instrument=instrument.symbol,
            position=instrument.lot.format(lots),
            average_price=instrument.tick.format_average(average_ticks) if lots else "",
            realised_pnl=float(view["realised_pnl"]),
            fees=float(view["fees"]),
            unrealised_pnl=unrealised_pnl(self._reader, index, lots, average_ticks),
            bought=instrument.lot.format(int(view["bought_lots"])),
            sold=instrument.lot.format(int(view["sold_lots"])),
            fill_count=int(view["fill_count"]),
            order_count=int(view["order_count"]),
            reject_count=reject_count,
            signal_count=int(view["signal_count"]),
            last_reject=name_of(names.VERDICTS, int(view["last_reject"])) if reject_count else "",
            working_count=int(view["working_count"]),
        )

    def _breakers(self, state: np.void) -> BreakerEntry:
        index, is_quiet = int(state["strategy"]), not state["level"]
        use = state["use_permille"].tolist()
        return BreakerEntry(
            strategy=self._reader.strategies[index] if index >= 0 else "",
            level=name_of(names.BREAKER_LEVELS, int(state["level"])),
            breaker="" if is_quiet else name_of(names.BREAKERS, int(state["cause"])),
            paused_until_ns=int(state["paused_until_ns"]),
            trip_count=int(state["trip_count"]),
            use_percent={
                name: use[kind] / 10 for kind, name in names.BREAKERS.items() if use[kind]
            },
        )

    def _order(self, order: np.void) -> OpenOrder:
        instrument = self._reader.instruments[int(order["instrument"])]
        return OpenOrder(
            order_number=int(order["order_number"]),
            venue_order_id=order["venue_order_id"].decode(errors="replace"),
            instrument=instrument.symbol,
            strategy=self._reader.strategies[int(order["strategy"])],
            side=names.side_name(int(order["side"])),
            state=name_of(names.ORDER_STATES, int(order["state"])),
            price=instrument.tick.format(int(order["price_ticks"])),
            quantity=instrument.lot.format(int(order["quantity_lots"])),
            filled=instrument.lot.format(int(order["filled_lots"])),
            leaves=instrument.lot.format(int(order["leaves_lots"])),
            sent_time_ns=int(order["sent_time_ns"]),
        )


def _source_name(source: int) -> str:
    return names.LOOP_SOURCES[source] if 0 < source < len(names.LOOP_SOURCES) else ""


def unrealised_pnl(
    reader: SharedReader, instrument: int, position_lots: int, average_price_ticks: float
) -> float | None:
    """P&L in quote currency of closing at the middle of the book; None when it is not LIVE."""
    if not position_lots:
        return 0.0
    view = reader.book(instrument)
    if view is None or view["state"] != BookState.LIVE:
        return None
    if not view["bid_levels"] or not view["ask_levels"]:
        return None
    middle_ticks = (int(view["bid_ticks"][0]) + int(view["ask_ticks"][0])) / 2
    steps = reader.instruments[instrument]
    return steps.tick.to_float(middle_ticks - average_price_ticks) * steps.lot.to_float(
        position_lots
    )


def _step_latency(step: str, counts: NDArray[np.int64], delta: NDArray[np.int64]) -> StepLatency:
    p50, p99, p999 = latency_histogram.percentiles_ns(counts, QUANTILES)
    return StepLatency(
        step=step,
        count=int(counts.sum()),
        p50_ns=p50,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=latency_histogram.maximum_ns(counts),
        delta={int(index): int(delta[index]) for index in np.flatnonzero(delta)},
    )
