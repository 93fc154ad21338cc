from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ext.latency_histogram import bucket_index, bucket_upper_ns
from ext.loop_source import LoopSource
from ext.wire import BookState, OrderState, Side, StaleReason, Step, Verdict
from journal.shared_reader import SharedReader
from monitor.snapshots import SnapshotBuilder
from monitor.status import RelayStatus

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn


@pytest.fixture
def builder(engine: "EngineStandIn") -> Iterator[SnapshotBuilder]:
    reader = SharedReader(engine.path)
    yield SnapshotBuilder(reader, RelayStatus(lost_records=3, journal_error="disk full"))
    reader.close()


def test_heartbeat(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.header["feed_state"] = 4
    engine.header["dropped_order_records"] = 2
    engine.beat(engine.start_time_ns + 1_000)
    message = builder.heartbeat(engine.start_time_ns + 1_500, process_lives=True)
    assert (message.state, message.reason, message.mode) == ("RUNNING", "started", "simulated")
    assert (message.feed_state, message.order_session_state) == ("ACTIVE", "DISCONNECTED")
    assert (message.heartbeat_age_ns, message.lost_records) == (500, 3)
    assert (message.dropped_order_records, message.journal_error) == (2, "disk full")
    assert message.instruments == ["BTC-USD", "ETH-USD"]


def test_heartbeat_tells_of_the_loop(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    message = builder.heartbeat(engine.start_time_ns, process_lives=True)
    assert (message.engine_core, message.loop_max_cycle_source) == (-1, "")
    engine.header["loop_max_cycle_ns"] = 7_000_000
    engine.header["loop_max_cycle_source"] = LoopSource.LOOP_ORDER_REPORTS
    engine.header["loop_stalls"], engine.header["garbage_collections"] = 3, 2
    engine.header["engine_core"], engine.header["threads_on_core"] = 1, 4
    message = builder.heartbeat(engine.start_time_ns, process_lives=True)
    assert (message.loop_max_cycle_ns, message.loop_stalls) == (7_000_000, 3)
    assert message.loop_max_cycle_source == "order reports"
    assert (message.engine_core, message.threads_on_core) == (1, 4)
    assert message.garbage_collections == 2


def test_book_in_exact_decimals(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.book()
    message = builder.book(0)
    assert message is not None
    assert message.bids == [
        ("65123.45", "0.10000000"),
        ("65123.44", "0.20000000"),
        ("65123.40", "0.00000001"),
    ]
    assert message.asks[0] == ("65123.47", "0.05000000")
    assert (message.state, message.stale_reason) == ("LIVE", "")
    assert (message.total_bid_levels, message.total_ask_levels) == (812, 744)


def test_a_stale_book_says_why(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.book(state=BookState.STALE)["stale_reason"] = StaleReason.CHECKSUM
    message = builder.book(0)
    assert message is not None
    assert (message.state, message.stale_reason) == ("STALE", "CHECKSUM")


def test_a_book_under_the_writers_hands_gives_no_message(
    engine: "EngineStandIn", builder: SnapshotBuilder
) -> None:
    engine.book()["version"] += 1
    assert builder.book(0) is None


def test_positions(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.book()
    engine.position()["last_reject"] = Verdict.PRICE_COLLAR
    engine.position(1, 0)
    first, second = builder.positions().positions
    assert (first.strategy, first.instrument) == ("jerico_maker", "BTC-USD")
    assert (first.position, first.average_price) == ("0.03000000", "65122.4600")
    # Bought at 65122.46, the middle of the book is 65123.46: one dollar on 0.03.
    assert first.unrealised_pnl == pytest.approx(0.03)
    assert first.last_reject == ""  # only counted ones are told
    assert (second.average_price, second.unrealised_pnl) == ("", 0.0)


@pytest.mark.parametrize("damage", ["state", "bid_levels"])
def test_without_a_book_there_is_no_open_pnl(
    engine: "EngineStandIn", builder: SnapshotBuilder, damage: str
) -> None:
    engine.position()
    engine.book()[damage] = 0
    assert builder.positions().positions[0].unrealised_pnl is None


def test_a_short_position_gains_when_the_price_falls(
    engine: "EngineStandIn", builder: SnapshotBuilder
) -> None:
    engine.book()
    engine.position(0, -3_000_000)
    assert builder.positions().positions[0].unrealised_pnl == pytest.approx(-0.03)


def test_open_orders(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.order(0, 12, OrderState.PARTIALLY_FILLED, Side.SELL)
    engine.order(1, 11)
    engine.order(2, 10, OrderState.FILLED)
    first, second = builder.open_orders().orders
    assert (first.order_number, second.order_number) == (11, 12)
    assert (second.side, second.state, second.price) == ("SELL", "PARTIALLY_FILLED", "65123.44")
    assert (second.quantity, second.leaves) == ("0.10000000", "0.07500000")
    assert second.venue_order_id == "venue-1"


def test_latency_totals_and_deltas(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.latency(Step.STEP_DECODE, *[80] * 98, 500, 5_000)
    step = builder.latency().steps[int(Step.STEP_DECODE)]
    assert (step.step, step.count) == ("decode", 100)
    ends = [bucket_upper_ns(bucket_index(value)) for value in (80, 500, 5_000, 5_000)]
    assert [step.p50_ns, step.p99_ns, step.p999_ns, step.max_ns] == ends
    assert sum(step.delta.values()) == 100
    engine.latency(Step.STEP_DECODE, 80)
    step = builder.latency().steps[int(Step.STEP_DECODE)]
    assert (step.count, step.delta) == (101, {bucket_index(80): 1})


def test_cleared_histograms_begin_anew(engine: "EngineStandIn", builder: SnapshotBuilder) -> None:
    engine.latency(Step.STEP_SEND, *[900] * 10)
    builder.latency()
    engine.memory.clear_histograms()
    engine.latency(Step.STEP_SEND, 7)
    assert builder.latency().steps[int(Step.STEP_SEND)].delta == {7: 1}
