"""Prometheus metrics, read from the shared memory at each scrape. Nothing is kept in between."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ext import latency_histogram
from ext.wire import BookState
from journal import names
from journal.entries import STREAMS
from journal.shared_reader import COUNTERS, SharedReader
from monitor.snapshots import unrealised_pnl
from monitor.status import RelayStatus, engine_gone, journal_lag_ns

# Upper bounds 31 ns .. 1.07 s: each is the end of one of our buckets, so the counts are exact.
BOUND_EXPONENTS = range(5, 31)

_COUNTER_HELP = {
    "dropped_market_records": "Market records not written because the ring was full",
    "dropped_order_records": "Order records not written because the ring was full",
    "frames": "Market data frames received",
    "frame_bytes": "Bytes of market data frames received",
    "control_frames": "Frames handed to the session",
    "bad_frames": "Frames that were not understood",
    "deltas": "Book updates applied",
    "trades": "Trades of the venue",
    "gaps": "Jumps in venue sequences or trade ids",
    "stale_count": "Times a book went STALE",
    "crossed_count": "Times a book was crossed",
    "intents": "Intents of strategies",
    "accepted": "Intents accepted by the risk gate",
    "rejected": "Intents rejected by the risk gate",
    "orders_sent": "New orders sent",
    "requests_sent": "Requests sent: new, cancel and replace",
    "reports": "Execution reports received",
    "fills": "Executions counted",
    "duplicate_fills": "Executions received again and not counted",
    "unknown_reports": "Reports of orders that are not ours",
    "dropped_intents": "Intents beyond the limit of one call",
    "failed_sends": "Requests that the socket did not take",
    "general_frames": "Frames with a part that their decoder is not fast at",
    "conflated_updates": "Book updates that a later one of the same read decided for",
    "loop_cycles": "Cycles of the engine's loop",
    "loop_stalls": "Cycles of the engine's loop above its threshold",
    "garbage_collections": "Collections of the engine's garbage collector; 0 while it is off",
}
_RELAY_COUNTERS = {
    "journaled_records": "Records written to the journal",
    "unjournaled_records": "Records of market data that the journal could not take",
    "lost_records": "Slots overwritten before the relay took them",
    "published_messages": "Messages published",
}


class EngineCollector(Collector):
    """Collects ``wow_engine_*`` from the shared memory and ``wow_relay_*`` from the relay.

    Labels are engine, instrument, strategy, breaker, step and callback only, all fixed at start.
    """

    def __init__(self, reader: SharedReader, status: RelayStatus, clock: Callable[[], int]) -> None:
        """``clock`` gives wall clock nanoseconds."""
        self._reader = reader
        self._status = status
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """One family after the other, as prometheus-client asks for them."""
        yield from self._engine()
        for name in COUNTERS:
            value = self._reader.word(name)
            yield CounterMetricFamily(f"wow_engine_{name}", _COUNTER_HELP[name], value)
        yield self._stalls()
        yield self._latency()
        yield from self._books()
        yield from self._positions()
        yield from self._breakers()
        yield from self._relay()

    def _engine(self) -> Iterator[Metric]:
        reader, now_ns = self._reader, self._clock()
        state = reader.word("engine_state")
        facts = {"engine": reader.engine_name, "mode": reader.mode}
        yield InfoMetricFamily("wow_engine", "Name and mode of the engine", facts)
        states = GaugeMetricFamily("wow_engine_state", "1 for the present state", labels=["state"])
        for code, name in names.ENGINE_STATES.items():
            states.add_metric([name.lower()], float(code == state))
        yield states
        gauges = {
            "up": ("1 while the engine's process lives", not engine_gone(reader, now_ns)),
            "start_time_seconds": ("Start, Unix time", reader.start_time_ns / 1e9),
            "heartbeat_age_seconds": (
                "Age of the engine's heartbeat",
                reader.heartbeat_age_ns(now_ns) / 1e9,
            ),
            "feed_state": ("SessionState of market data; 4 is active", reader.word("feed_state")),
            "order_session_state": (
                "SessionState of order entry; 4 is active",
                reader.word("order_session_state"),
            ),
            "loop_max_cycle_seconds": (
                "Longest cycle of the engine's loop",
                reader.word("loop_max_cycle_ns") / 1e9,
            ),
            "core": ("Core of the engine's thread; -1: not pinned", reader.word("engine_core")),
            "threads_on_core": (
                "Other threads of the engine that may run on its core",
                reader.word("threads_on_core"),
            ),
            "open_orders": ("Orders that may still trade", len(reader.open_orders())),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"wow_engine_{name}", text, float(value))

    def _stalls(self) -> Metric:
        family = CounterMetricFamily(
            "wow_engine_loop_callback_stalls",
            "Cycles of the engine's loop above its threshold, by what took most of each",
            labels=["callback"],
        )
        for name, count in zip(names.LOOP_SOURCES, self._reader.stalls_by_source(), strict=True):
            if name != "idle":
                family.add_metric([name.replace(" ", "_")], count)
        return family

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "wow_engine_step_latency_seconds",
            "Latency of each step of the arc; the sum is within 1/64",
            labels=["step"],
        )
        for step, counts in zip(names.STEPS, self._reader.histograms(), strict=True):
            buckets = cumulative_buckets(counts)
            family.add_metric(
                [step.replace(" ", "_")], buckets, sum_value=latency_histogram.sum_ns(counts) / 1e9
            )
        return family

    def _books(self) -> Iterator[Metric]:
        live = GaugeMetricFamily(
            "wow_engine_book_live", "1 while the book may be traded on", labels=["instrument"]
        )
        age = GaugeMetricFamily(
            "wow_engine_book_age_seconds",
            "Time since the book's last frame",
            labels=["instrument"],
        )
        now_ns = self._clock()
        for index, instrument in enumerate(self._reader.instruments):
            view = self._reader.book(index)
            if view is None:
                continue
            live.add_metric([instrument.symbol], float(view["state"] == BookState.LIVE))
            if view["receive_time_ns"]:
                seconds = (now_ns - int(view["receive_time_ns"])) / 1e9
                age.add_metric([instrument.symbol], seconds)
        yield live
        yield age

    def _positions(self) -> Iterator[Metric]:
        labels = ["strategy", "instrument"]
        families = {
            "position": "Signed position in base currency",
            "realised_pnl": "Realised P&L in quote currency, fees not taken off",
            "unrealised_pnl": "P&L of closing at the middle of the book; absent without one",
            "fees": "Fees paid in quote currency",
        }
        metrics = {
            name: GaugeMetricFamily(f"wow_engine_{name}", text, labels=labels)
            for name, text in families.items()
        }
        for index, strategy in enumerate(self._reader.strategies):
            view = self._reader.position(index)
            if view is None:
                continue
            number, lots = int(view["instrument"]), int(view["position_lots"])
            instrument = self._reader.instruments[number]
            average = float(view["average_price_ticks"])
            values = {
                "position": instrument.lot.to_float(lots),
                "realised_pnl": float(view["realised_pnl"]),
                "unrealised_pnl": unrealised_pnl(self._reader, number, lots, average),
                "fees": float(view["fees"]),
            }
            for name, value in values.items():
                if value is not None:
                    metrics[name].add_metric([strategy, instrument.symbol], value)
        yield from metrics.values()

    def _breakers(self) -> Iterator[Metric]:
        """Labelled with the strategy; "" is the engine."""
        level = GaugeMetricFamily(
            "wow_engine_breaker_level",
            "0 quiet, 1 warned, 2 paused, 3 killed",
            labels=["strategy"],
        )
        trips = CounterMetricFamily(
            "wow_engine_breaker_trips", "Times that a breaker has paused", labels=["strategy"]
        )
        use = GaugeMetricFamily(
            "wow_engine_breaker_use_ratio",
            "Of each limit, how much is used; 1 is all of it",
            labels=["strategy", "breaker"],
        )
        for state in self._reader.breakers():
            index = int(state["strategy"])
            strategy = self._reader.strategies[index] if index >= 0 else ""
            level.add_metric([strategy], float(state["level"]))
            trips.add_metric([strategy], float(state["trip_count"]))
            for kind, name in names.BREAKERS.items():
                use.add_metric([strategy, name], int(state["use_permille"][kind]) / 1000)
        yield level
        yield trips
        yield use

    def _relay(self) -> Iterator[Metric]:
        for name, text in _RELAY_COUNTERS.items():
            yield CounterMetricFamily(f"wow_relay_{name}", text, getattr(self._status, name))
        written = CounterMetricFamily(
            "wow_relay_journal_bytes", "Bytes written to the journal", labels=["stream"]
        )
        backlog = GaugeMetricFamily(
            "wow_relay_ring_backlog_records",
            "Slots of a ring that are not given back",
            labels=["stream"],
        )
        for stream in STREAMS:
            written.add_metric([stream], self._status.journal_bytes[stream])
            waiting = self._reader.written(stream) - self._reader.acknowledged(stream)
            backlog.add_metric([stream], waiting)
        yield written
        yield backlog
        gauges = {
            "journal_lag_seconds": (
                "Age of the oldest order record that is not on the disk",
                journal_lag_ns(self._reader, self._clock()) / 1e9,
            ),
            "journal_failed": (
                "1 while the journal cannot be written",
                bool(self._status.journal_error),
            ),
            "subscriptions": ("Subscriptions of monitors", self._status.subscriptions),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"wow_relay_{name}", text, float(value))


def cumulative_buckets(counts: NDArray[np.int64]) -> list[tuple[str, float]]:
    """Classic Prometheus buckets (upper bound in seconds as text, values up to it)."""
    cumulative = np.cumsum(counts)
    buckets = []
    for exponent in BOUND_EXPONENTS:
        bound_ns = (1 << exponent) - 1
        count = float(cumulative[latency_histogram.bucket_index(bound_ns)])
        buckets.append((repr(bound_ns / 1e9), count))
    return [*buckets, ("+Inf", float(cumulative[-1]))]
