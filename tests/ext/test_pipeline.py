"""The market data half of the arc: who is called when, and what a doubtful book does to orders."""

import ctypes
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.dtypes import BAR, BOOK_VIEW, POSITION, TRADE
from ext.errors import UsageError
from ext.feed_decoder import PADDING
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.shared_memory import SharedMemory
from ext.wire import BookState, FeedStatus, OrderState, RecordKind, Side, StaleReason, Step, Verdict

BUY, SELL = int(Side.BUY), int(Side.SELL)
BTC, ETH = 0, 1
TIME = "2021-04-17T16:43:37.077621Z"
SECOND_NS = 1_000_000_000

MakeRig = Callable[..., Any]


def update(rig: Any, *changes: tuple[int, int, int], instrument: int = BTC) -> str:
    """Frame with (side, ticks, lots) changes of the rig's instrument."""
    rows = [
        [
            "buy" if side == BUY else "sell",
            rig.price(ticks, instrument),
            rig.quantity(lots, instrument),
        ]
        for side, ticks, lots in changes
    ]
    symbol = rig.options.instruments[instrument][0]
    return json.dumps({"type": "l2update", "product_id": symbol, "changes": rows, "time": TIME})


def match(rig: Any, trade_id: int, instrument: int = BTC, kind: str = "match") -> str:
    return json.dumps(
        {
            "type": kind,
            "trade_id": trade_id,
            "side": "sell",
            "size": rig.quantity(1, instrument),
            "price": rig.price(50_005, instrument),
            "product_id": rig.options.instruments[instrument][0],
            "time": TIME,
        }
    )


@pytest.fixture
def watcher(make_order_rig: MakeRig) -> Any:
    """Three strategies, two in BTC and one in ETH, that see books, trades and bars."""
    rig = make_order_rig(
        events={"on_book": None, "on_trade": TRADE, "on_bar": BAR},
        strategies=(BTC, ETH, BTC),
        bar_interval_ns=SECOND_NS,
    )
    for script in rig.scripts:
        script.seen.clear()
        script.arguments.clear()
    return rig


def calls(rig: Any) -> list[list[str]]:
    """Names of the hooks called since the last time, of each strategy."""
    names = [[name for name, _ in script.seen] for script in rig.scripts]
    for script in rig.scripts:
        script.seen.clear()
    return names


# Who is called.


def test_book_hooks_are_called_once_a_frame(watcher: Any) -> None:
    watcher.frame(update(watcher, (BUY, 49_999, 5), (SELL, 50_011, 5)))
    assert calls(watcher) == [["on_book"], [], ["on_book"]]
    watcher.frame(update(watcher, (BUY, 49_999, 5), instrument=ETH))
    assert calls(watcher) == [[], ["on_book"], []]
    watcher.set_book(50_000, 50_010, BTC)
    assert calls(watcher) == [["on_book"], [], ["on_book"]], "a snapshot is a tick too"
    heartbeat = {"type": "heartbeat", "product_id": "BTC-USD", "last_trade_id": 1, "time": TIME}
    watcher.frame(json.dumps(heartbeat))
    watcher.frame('{"type":"subscriptions"}')
    assert calls(watcher) == [[], [], []]


def test_trade_hooks(watcher: Any) -> None:
    watcher.frame(match(watcher, 7))
    names, event = watcher.scripts[0].seen[0]
    assert (names, int(event["trade_id"]), int(event["aggressor_side"])) == ("on_trade", 7, BUY)
    assert int(event["receive_time_ns"]) == watcher.now_ns
    assert calls(watcher) == [["on_trade"], [], ["on_trade"]]
    watcher.frame(match(watcher, 8, kind="last_match"))
    assert calls(watcher) == [[], [], []], "history is not traded on"


def test_hooks_get_the_book_and_position_of_their_own(watcher: Any) -> None:
    watcher.frame(update(watcher, (BUY, 49_999, 5)))
    watcher.frame(update(watcher, (BUY, 49_998, 5), instrument=ETH))
    shown = [script.shown[0] for script in watcher.scripts]
    assert shown == [(BTC, 0), (ETH, 1), (BTC, 2)]
    assert [int(p["strategy"]) for p in watcher.positions] == [0, 1, 2]
    assert [int(p["instrument"]) for p in watcher.positions] == [BTC, ETH, BTC]


@pytest.mark.parametrize(
    "changes",
    [["buy", "1"], ["buy", "1.001", "1"], ["buy", "501", "1"]],
    ids=["bad frame", "off the tick", "crossed"],
)
def test_only_live_books_are_seen(watcher: Any, changes: list[str]) -> None:
    doubt = {"type": "l2update", "product_id": "BTC-USD", "changes": [changes], "time": TIME}
    watcher.frame(json.dumps(doubt))
    calls(watcher)
    watcher.frame(update(watcher, (BUY, 49_999, 5)))
    watcher.frame(match(watcher, 7))
    assert calls(watcher) == [[], [], []]
    watcher.set_book(50_000, 50_010)
    watcher.frame(match(watcher, 8))
    assert calls(watcher) == [["on_book", "on_trade"], [], ["on_book", "on_trade"]]


def test_nothing_is_seen_before_the_snapshot(watcher: Any) -> None:
    watcher.pipeline.connection_lost(watcher.now_ns)
    watcher.frame(update(watcher, (BUY, 49_999, 5)))
    watcher.pipeline.call_timers(watcher.now_ns)
    assert calls(watcher) == [[], [], []]


def test_timers_wait_for_a_live_book(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(BTC, ETH))
    rig.pipeline.mark_stale(BTC, StaleReason.SILENCE, rig.now_ns)
    rig.pipeline.call_timers(rig.now_ns)
    assert calls(rig) == [[], ["on_timer"]]


# What a doubtful book does to orders.


def pending(rig: Any) -> list[int]:
    return [
        int(state)
        for state in rig.positions[0]["working"]["state"][: rig.positions[0]["working_count"]]
    ]


@pytest.mark.parametrize(
    "doubt",
    [
        lambda rig: rig.frame("{"),
        lambda rig: rig.frame(update(rig, (BUY, 50_010, 1))),
        lambda rig: rig.frame(update(rig, (SELL, 50_000, 1))),
        lambda rig: rig.frame(match(rig, 5).replace("500.05", "500.001")),
        lambda rig: rig.pipeline.connection_lost(rig.now_ns),
        lambda rig: rig.pipeline.mark_stale(BTC, StaleReason.SILENCE, rig.now_ns),
    ],
    ids=["bad frame", "crossed", "touching", "off the tick", "disconnect", "silence"],
)
def test_stale_book_pulls_its_orders(make_order_rig: MakeRig, doubt: Callable[[Any], Any]) -> None:
    rig = make_order_rig()
    numbers = [rig.place(BUY, 49_000 + n, 10) for n in range(3)]
    rig.report(numbers[1], "0", "0")
    rig.records()
    doubt(rig)
    messages = rig.sent()
    assert [message[35] for message in messages] == ["F"] * 3
    ids = rig.order_table.client_order_id
    assert [message[41] for message in messages] == [ids(number) for number in numbers]
    assert pending(rig) == [OrderState.PENDING_CANCEL] * 3
    sent = [record for record in rig.records() if record["kind"] == RecordKind.RECORD_ORDER_SENT]
    assert [int(record["order_number"]) for record in sent] == numbers
    rig.frame("{")
    assert rig.sent() == [], "once"


def test_orders_of_other_books_stay(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(BTC, ETH))
    rig.submit(rig.new(BUY, 49_000, 10), strategy=0)
    rig.submit(rig.new(BUY, 49_000, 10), strategy=1)
    rig.frame(update(rig, (BUY, 50_010, 1), instrument=ETH))
    (message,) = rig.sent()
    assert (message[35], message[55]) == ("F", "ETH-USD")
    assert pending(rig) == [OrderState.PENDING_NEW]


def test_every_strategy_of_the_book_is_pulled(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(BTC, BTC))
    for strategy in (0, 1):
        rig.submit(rig.new(BUY, 49_000 + strategy, 10), strategy=strategy)
    rig.frame("{")
    assert [message[35] for message in rig.sent()] == ["F", "F"]


def test_full_book_of_orders_is_pulled(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    count = int(Bound.MAX_WORKING_ORDERS)
    numbers = [rig.place(BUY, 49_000 + n, 10) for n in range(count)]
    rig.frame("{")
    ids = rig.order_table.client_order_id
    assert [message[41] for message in rig.sent()] == [ids(number) for number in numbers]


def test_stale_book_takes_no_order(make_order_rig: MakeRig) -> None:
    """A fill may still ask for something: the gate refuses all but a cancel."""
    rig = make_order_rig()
    number = rig.place(BUY, 49_000, 10)
    rig.report(number, "0", "0")
    rig.frame("{")
    rig.sent()
    rig.records()
    rig.scripts[0].reactions.append(rig.new(SELL, 50_010, 5))
    rig.fill(number, 49_000, 5, cumulative=5)
    assert rig.sent() == []
    decisions = [r for r in rig.records() if r["kind"] == RecordKind.RECORD_DECISION]
    assert [int(record["code"]) for record in decisions] == [Verdict.BOOK_NOT_LIVE]


def test_shadow_pulls_nothing(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_sending=False)
    rig.submit(rig.new(BUY, 49_000, 10))
    rig.frame("{")
    assert rig.sent() == []


# The cold edge.


def test_strategies_need_their_partners() -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.001")
    with pytest.raises(UsageError, match="strategies need memory, orders and gate"):
        Pipeline(table, CoinbaseExchangeFeed(table), strategies=StrategyTable())


def test_books_alone_need_nothing() -> None:
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.001")
    pipeline = Pipeline(table, CoinbaseExchangeFeed(table))
    frame = b'{"type":"snapshot","product_id":"BTC-USD","bids":[["1","1"]],"asks":[]}'
    assert pipeline.receive(frame, 5) == FeedStatus.FEED_OK
    assert pipeline.book(0).state == BookState.LIVE
    assert pipeline.book(0).best_bid() == (100, 1000)
    counters = pipeline.counters()
    assert (counters["frames"], counters["frame_bytes"], counters["deltas"]) == (1, len(frame), 1)


def test_padded_frames_get_their_times(watcher: Any) -> None:
    frames = [match(watcher, n).encode() + PADDING for n in range(1, 4)]
    frames.insert(1, b'{"type":"status"}' + PADDING)
    frames.append(b"{" + PADDING)
    assert watcher.pipeline.receive_padded(frames, 1000, 10) == 4
    assert [int(event["receive_time_ns"]) for _, event in watcher.scripts[0].seen] == [
        1000,
        1020,
        1030,
    ]
    assert watcher.pipeline.last_frame_time_ns() == 1040


@pytest.mark.parametrize(
    ("interval", "decodes", "applies", "ticks"),
    [(1, 4, 2, 4), (2, 2, 1, 4), (4, 1, 0, 4), (0,) * 4],
)
def test_latency_of_the_steps(interval: int, decodes: int, applies: int, ticks: int) -> None:
    """Each frame has its whole time counted, one in an interval its steps: decode, and apply
    where it changed a book."""
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.001")
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.001")], [])
    pipeline = Pipeline(table, CoinbaseExchangeFeed(table), memory, step_interval=interval)
    snapshot = b'{"type":"snapshot","product_id":"BTC-USD","bids":[["1","1"]],"asks":[]}'
    for frame in (snapshot, snapshot, b'{"type":"status"}', b"{"):
        pipeline.receive(frame, 5)
    counts = [int(memory.histogram(step).sum()) for step in (Step.STEP_DECODE, Step.STEP_APPLY)]
    assert counts == [decodes, applies]
    assert int(memory.histogram(Step.STEP_TICK).sum()) == ticks
    buckets = np.flatnonzero(memory.histogram(Step.STEP_TICK))
    assert all(0 < bucket < Bound.HISTOGRAM_BUCKETS - 1 for bucket in buckets), "measured, and sane"


def test_what_a_hook_writes_reaches_nobody(make_order_rig: MakeRig) -> None:
    """Book and position are copies; a count beyond the array is not believed."""
    rig = make_order_rig(strategies=(BTC,))

    def write_all_over(state: int, event: int, book: int, position: int, out: int) -> None:
        ctypes.memset(book, 0xFF, BOOK_VIEW.itemsize)
        ctypes.memset(position, 0xFF, POSITION.itemsize)
        ctypes.cast(out, ctypes.POINTER(ctypes.c_int64))[0] = 100

    scribble = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(write_all_over)
    table = StrategyTable()
    address = ctypes.cast(scribble, ctypes.c_void_p).value or 0
    table.add(0, np.zeros(1, "i8"), {"on_timer": address}, timer_interval_ns=1, owner=scribble)
    gate = RiskGate()
    pipeline = Pipeline(
        rig.pipeline.table, rig.pipeline.decoder, rig.memory, table, rig.order_table, gate
    )
    rig.memory.region("books_offset", BOOK_VIEW, 1)["state"] = BookState.LIVE
    before = rig.positions.copy(), rig.memory.region("books_offset", BOOK_VIEW, 1).copy()
    pipeline.call_timers(rig.now_ns)
    assert pipeline.counters()["dropped_intents"] == 1
    assert pipeline.counters()["intents"] == 0
    assert (rig.positions == before[0]).all()
    assert (rig.memory.region("books_offset", BOOK_VIEW, 1) == before[1]).all()


@pytest.mark.parametrize(("given", "kept"), [(-6, 0), (-1, 0), (0, 0), (7, 7)])
def test_a_strategy_gives_no_reason_that_is_of_an_exit(
    make_order_rig: MakeRig, given: int, kept: int
) -> None:
    rig = make_order_rig()
    assert rig.order(rig.place(1, 49_000, 10, reason=given))["reason"] == kept
