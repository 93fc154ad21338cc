import pytest
from rich.text import Text

from journal.names import SideName
from monitor import views
from monitor.client import EngineModel
from monitor.messages import (
    Book,
    Counters,
    FillEvent,
    Heartbeat,
    Latency,
    OpenOrder,
    OpenOrders,
    OrderEvent,
    PositionEntry,
    Positions,
    RiskEvent,
    StateEvent,
    StepLatency,
    TextEvent,
)

NOON_NS = 1_797_854_400_000_000_000  # 12:00 UTC of a day in December 2026


def plain(rows: list[views.Row]) -> list[list[str]]:
    return [[cell.plain for cell in cells] for _, cells in rows]


@pytest.fixture
def model() -> EngineModel:
    engine_model = EngineModel()
    engine_model.heartbeat = Heartbeat(
        src="demo",
        t_engine_ns=83_000_000_000,
        mode="live",
        state="RUNNING",
        reason="started",
        process_id=1,
        process_lives=True,
        heartbeat_age_ns=0,
        feed_state="ACTIVE",
        order_session_state="DISCONNECTED",
        write_sequence=0,
        read_sequence=0,
        lost_records=0,
        dropped_market_records=0,
        dropped_order_records=0,
        loop_max_cycle_ns=0,
        journal_error="",
        instruments=["BTC-USD"],
        strategies=["jerico_maker"],
    )
    return engine_model


def open_order(price: str, side: SideName = "BUY", state: str = "NEW") -> OpenOrder:
    return OpenOrder(
        order_number=5,
        venue_order_id="v",
        instrument="BTC-USD",
        strategy="jerico_maker",
        side=side,
        state=state,
        price=price,
        quantity="0.10",
        filled="0.03",
        leaves="0.07",
        sent_time_ns=0,
    )


def coloured(text: Text) -> list[str]:
    """What stands out: neither plain, bold nor dim."""
    quiet = ("", "bold", views.DIM)
    return [
        text.plain[span.start : span.end].strip()
        for span in text.spans
        if str(span.style) not in quiet
    ]


def test_nobody_there() -> None:
    first, second = views.header_lines(EngineModel(), 0, "ipc:///x")
    assert (first.plain, second.plain) == (" waiting for engine ", "ipc:///x")


def test_header(model: EngineModel) -> None:
    first, second = views.header_lines(model, 200_000_000, "ipc:///x")
    assert first.plain == (
        " LIVE  demo  RUNNING  feed ACTIVE  orders DISCONNECTED  up 0:01:23  heartbeat 0.2 s"
    )
    assert second.plain == "started"


def test_header_of_what_is_stale(model: EngineModel) -> None:
    first, second = views.header_lines(model, 5_000_000_000, "")
    assert first.plain == (
        " STALE 5 s  LIVE  demo  was RUNNING  feed was ACTIVE  orders was DISCONNECTED"
        "  up 0:01:23  heartbeat 5.0 s"
    )
    assert second.plain == "last: started"
    assert coloured(first) == ["STALE 5 s"]


def test_header_of_a_dead_engine(model: EngineModel) -> None:
    assert model.heartbeat is not None
    model.heartbeat.process_lives = False
    first, second = views.header_lines(model, 0, "")
    assert first.plain.startswith(" GONE  LIVE  demo  was RUNNING ")
    assert second.plain == "last: started"
    assert coloured(first) == ["GONE"]


def test_header_of_an_engine_that_ended_in_order(model: EngineModel) -> None:
    assert model.heartbeat is not None
    model.heartbeat.process_lives = False
    model.heartbeat.state = "STOPPED"
    first = views.header_lines(model, 0, "")[0].plain
    assert first.startswith(" LIVE  demo  STOPPED ")
    assert "feed was ACTIVE" in first


@pytest.mark.parametrize(
    "columns",
    [
        views.BOOK_COLUMNS,
        views.POSITION_COLUMNS,
        views.ORDER_COLUMNS,
        views.LATENCY_COLUMNS,
        views.COUNTER_COLUMNS,
    ],
)
def test_every_table_fits_80_columns(columns: tuple[views.Column, ...]) -> None:
    assert sum(column.width for column in columns) <= 77


def test_what_is_wrong_is_said(model: EngineModel) -> None:
    assert model.heartbeat is not None
    model.heartbeat.journal_error = "/j: No space left on device"
    model.heartbeat.dropped_order_records = 1
    model.heartbeat.lost_records = 9
    model.heartbeat.threads_on_core = 9
    model.missed = 9  # equal counts are three facts
    line = views.header_lines(model, 0, "")[1].plain
    for text in ("No space left", "journal has a hole", "9 records lost", "9 messages missed"):
        assert text in line
    assert "9 threads on the engine's core" in line
    assert "stalls" not in line
    model.heartbeat.loop_stalls, model.heartbeat.loop_max_cycle_ns = 2, 7_250_000
    model.heartbeat.loop_max_cycle_source = "order reports"
    line = views.header_lines(model, 0, "")[1].plain
    assert "2 loop stalls, longest 7.25 ms in order reports" in line


def test_our_orders_stand_beside_their_level(model: EngineModel) -> None:
    model.books["BTC-USD"] = Book(
        instrument="BTC-USD",
        state="STALE",
        stale_reason="CHECKSUM",
        exchange_time_ns=0,
        receive_time_ns=0,
        update_count=1,
        total_bid_levels=8,
        total_ask_levels=9,
        bids=[("65123.45", "1.0"), ("65123.44", "2.0")],
        asks=[("65123.46", "3.0")],
    )
    orders = [
        open_order("65123.44"),
        open_order("65123.46", "SELL"),
        open_order("65123.45", "SELL"),
    ]
    model.open_orders = OpenOrders(orders=[*orders, open_order("65123.44")])
    rows = plain(views.book_rows(model, "BTC-USD"))
    assert rows[:3] == [
        ["", "1.0", "65123.45", "65123.46", "3.0", "0.07"],
        ["0.07+", "2.0", "65123.44", "", "", ""],
        ["", "", "", "", "", ""],
    ]
    assert len(rows) == 10
    title = views.book_title(model, "BTC-USD", "1/1", is_past=False).plain
    assert title == "book BTC-USD 1/1  STALE CHECKSUM  8 x 9 levels"
    title = views.book_title(model, "BTC-USD", "1/1", is_past=True).plain
    assert title.startswith("book BTC-USD 1/1  was STALE ")


def test_an_unknown_symbol_has_an_empty_ladder(model: EngineModel) -> None:
    assert plain(views.book_rows(model, "ETH-USD")) == [[""] * 6] * 10


@pytest.mark.parametrize(
    ("open_pnl", "shown"), [(None, "?"), (-0.004, "0.00"), (-1234.5, "-1,234.50"), (2.0, "+2.00")]
)
def test_positions(model: EngineModel, open_pnl: float | None, shown: str) -> None:
    entry = PositionEntry(
        strategy="jerico_maker",
        instrument="BTC-USD",
        position="-0.03",
        average_price="",
        realised_pnl=12.345,
        fees=1.5,
        unrealised_pnl=open_pnl,
        bought="0",
        sold="0",
        fill_count=7,
        order_count=0,
        reject_count=0,
        signal_count=0,
        last_reject="",
        working_count=0,
    )
    model.positions = Positions(positions=[entry])
    (row,) = plain(views.position_rows(model))
    assert row == ["jerico_maker", "BTC-USD", "-0.03", "-", "+12.35", shown, "1.50", "7"]


def test_working_orders_have_short_states(model: EngineModel) -> None:
    model.open_orders = OpenOrders(
        orders=[open_order("1.00"), open_order("2.00", "SELL", "UNKNOWN")]
    )
    rows = plain(views.order_rows(model))
    assert [row[3:6] for row in rows] == [["SELL", "UNKNOWN", "2.00"], ["BUY", "WORKING", "1.00"]]


def test_latency(model: EngineModel) -> None:
    used = StepLatency(
        step="decode",
        count=1_200,
        p50_ns=80,
        p99_ns=1_500,
        p999_ns=2_000_000,
        max_ns=10**9,
        delta={},
    )
    unused = StepLatency(step="send", count=0, p50_ns=0, p99_ns=0, p999_ns=0, max_ns=0, delta={})
    model.latency = Latency(steps=[used, unused])
    assert plain(views.latency_rows(model)) == [
        ["decode", "1,200", "80 ns", "1.50 µs", "2.00 ms", "1.00 s"],
        ["send", "0", "-", "-", "-", "-"],
    ]


def test_counters_that_should_be_zero_are_marked(model: EngineModel) -> None:
    model.counters = Counters(values={"frames": 1_234, "gaps": 2, "bad_frames": 0})
    model.rates = {"frames": 55.4}
    rows = {cells[0].plain: cells for _, cells in views.counter_rows(model)}
    assert [cell.plain for cell in rows["frames"]] == ["frames", "1,234", "55"]
    assert rows["gaps"][1].style == views.BAD
    assert rows["bad frames"][1].style == ""


def line(event: FillEvent | RiskEvent | OrderEvent | StateEvent | TextEvent) -> Text:
    event.t_engine_ns = NOON_NS + 7_000_000
    return views.event_line(event)


def test_event_lines() -> None:
    order_number, instrument, strategy = 5, "BTC-USD", "jerico_maker"
    fill = FillEvent(
        sequence=1,
        exchange_time_ns=0,
        order_number=order_number,
        instrument=instrument,
        strategy=strategy,
        side="BUY",
        price="65123.45",
        quantity="0.01",
        leaves="0",
        position="0.03",
        fee=0.0,
        best_bid="",
        best_ask="",
    )
    assert line(fill).plain == ("12:00:00.007 FILL   BUY  0.01 BTC-USD 65123.45 jerico_maker")
    assert line(fill).no_wrap
    risk = RiskEvent(
        sequence=1,
        instrument=instrument,
        strategy=strategy,
        intent="NEW",
        verdict="PRICE_COLLAR",
        side="SELL",
        price="1.00",
        quantity="2",
        suppressed=30,
    )
    assert line(risk).plain.endswith("jerico_maker (30 more not shown)")
    assert "REJECT PRICE_COLLAR  NEW SELL 2 BTC-USD at 1.00" in line(risk).plain
    order = OrderEvent(
        sequence=1,
        event="CANCEL_REJECT",
        is_report=True,
        order_number=order_number,
        instrument=instrument,
        strategy=strategy,
        side="BUY",
        price="1.00",
        quantity="2",
        filled="0",
        leaves="2",
        state="NEW",
    )
    assert "CANCEL_REJECT by the venue  BUY 2 BTC-USD at 1.00  order 5" in line(order).plain
    state = StateEvent(sequence=1, subject="ETH-USD", state="STALE", reason="SILENCE")
    assert line(state).plain.endswith("STATE  ETH-USD STALE SILENCE")
    text = TextEvent(sequence=1, level=40, text="[not] markup")
    assert line(text).plain.endswith("LOG    [not] markup")
