from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ext.loop_source import LoopSource
from ext.wire import BookState, EngineState, Step
from journal.shared_reader import COUNTERS, SharedReader
from monitor.metrics import EngineCollector, cumulative_buckets
from monitor.status import RelayStatus

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def reader(engine: "EngineStandIn") -> Iterator[SharedReader]:
    shared_reader = SharedReader(engine.path)
    yield shared_reader
    shared_reader.close()


def scrape(reader: SharedReader, status: RelayStatus, now_ns: int) -> Samples:
    """What Prometheus would read, by name and labels."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(reader, status, lambda: now_ns))
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_and_gauges(engine: "EngineStandIn", reader: SharedReader) -> None:
    for number, name in enumerate(COUNTERS):
        engine.header[name] = 1_000 + number
    engine.header["write_sequence"], engine.header["read_sequence"] = 30, 10
    engine.order(0, 1)
    engine.beat(engine.start_time_ns + 500_000_000)
    status = RelayStatus(journaled_records=4, journal_error="disk full")
    samples = scrape(reader, status, engine.start_time_ns + 750_000_000)
    for number, name in enumerate(COUNTERS):
        assert samples[f"wow_engine_{name}_total", ()] == 1_000 + number
    expected = {
        "wow_engine_up": 1,
        "wow_engine_heartbeat_age_seconds": 0.25,
        "wow_engine_open_orders": 1,
        "wow_relay_journaled_records_total": 4,
        "wow_relay_journal_failed": 1,
        "wow_relay_journal_lag_seconds": 0,
    }
    assert {name: samples[name, ()] for name in expected} == expected
    assert samples["wow_relay_ring_backlog_records", (("stream", "orders"),)] == 20
    assert samples["wow_relay_ring_backlog_records", (("stream", "market"),)] == 0
    assert samples["wow_relay_journal_bytes_total", (("stream", "market"),)] == 0
    assert samples["wow_engine_info", (("engine", "demo"), ("mode", "simulated"))] == 1
    states = {
        labels[0][1]: v for (name, labels), v in samples.items() if name == "wow_engine_state"
    }
    assert [state for state, value in states.items() if value] == ["running"]
    assert len(states) == len(EngineState)


def test_positions_and_books(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.book()["receive_time_ns"] = engine.start_time_ns
    engine.book(1, BookState.STALE)
    engine.position()
    samples = scrape(reader, RelayStatus(), engine.start_time_ns + 2_000_000_000)
    maker = (("instrument", "BTC-USD"), ("strategy", "jerico_maker"))
    assert samples["wow_engine_position", maker] == pytest.approx(0.03)
    assert samples["wow_engine_unrealised_pnl", maker] == pytest.approx(0.03)
    assert samples["wow_engine_realised_pnl", maker] == 12.34
    assert samples["wow_engine_fees", maker] == 1.5
    assert samples["wow_engine_book_live", (("instrument", "BTC-USD"),)] == 1
    assert samples["wow_engine_book_live", (("instrument", "ETH-USD"),)] == 0
    assert samples["wow_engine_book_age_seconds", (("instrument", "BTC-USD"),)] == 2


def test_an_unknown_open_pnl_is_absent(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.position()
    names = {name for name, _ in scrape(reader, RelayStatus(), engine.start_time_ns)}
    assert "wow_engine_realised_pnl" in names
    flat = ("wow_engine_unrealised_pnl", (("instrument", "BTC-USD"), ("strategy", "jerico_maker")))
    assert flat not in scrape(reader, RelayStatus(), engine.start_time_ns)


def test_latency_buckets_are_exact(engine: "EngineStandIn", reader: SharedReader) -> None:
    values = np.random.default_rng(5).lognormal(9, 3, 2_000).astype(np.int64)
    engine.latency(Step.STEP_SEND, *values.tolist())
    counts = reader.histograms()[int(Step.STEP_SEND)]
    buckets = cumulative_buckets(counts)
    for bound, count in buckets[:-1]:
        assert count == (values <= round(float(bound) * 1e9)).sum()
    assert buckets[-1] == ("+Inf", 2_000.0)
    samples = scrape(reader, RelayStatus(), 0)
    name = "wow_engine_step_latency_seconds"
    assert samples[f"{name}_count", (("step", "send"),)] == 2_000
    assert samples[f"{name}_sum", (("step", "send"),)] == pytest.approx(
        values.sum() / 1e9, rel=1 / 64
    )


def test_every_metric_is_documented(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.book()
    engine.position()
    text = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")
    ends = ("_bucket", "_count", "_sum")
    names = {name for name, _ in scrape(reader, RelayStatus(), engine.start_time_ns)}
    missing = {name for name in names if f"`{name}`" not in text and not name.endswith(ends)}
    assert missing == set()


def test_the_loop_is_shown(engine: "EngineStandIn", reader: SharedReader) -> None:
    engine.header["loop_stalls"] = 3
    engine.header["loop_stalls_by_source"][LoopSource.LOOP_MARKET_DATA] = 1
    engine.header["loop_stalls_by_source"][LoopSource.LOOP_OTHER] = 2
    engine.header["engine_core"], engine.header["threads_on_core"] = 3, 1
    found = scrape(reader, RelayStatus(), engine.start_time_ns)
    name = "wow_engine_loop_callback_stalls_total"
    by_callback = {
        dict(labels)["callback"]: value
        for (family, labels), value in found.items()
        if family == name
    }
    assert by_callback == {
        "market_data": 1,
        "order_reports": 0,
        "feed_session": 0,
        "order_session": 0,
        "strategy_timers": 0,
        "background": 0,
        "other": 2,
    }
    assert found["wow_engine_loop_stalls_total", ()] == 3
    assert found["wow_engine_core", ()] == 3
    assert found["wow_engine_threads_on_core", ()] == 1
