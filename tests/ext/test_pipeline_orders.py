"""The order half of the circle: an intent becomes bytes, a report becomes position."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.order_sender import CapturingSender, OrderSender
from ext.session_store import SessionStore
from ext.wire import (
    ExecutionType,
    IntentKind,
    OrderState,
    RecordKind,
    Side,
    Step,
    TimeInForce,
    Verdict,
)

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig, Record

MakeRig = Callable[..., "OrderRig"]
PRICE = 50_000
BID, ASK = 50_000, 50_010


def numbers_of(record: "Record", *names: str) -> tuple[int, ...]:
    return tuple(int(record[name]) for name in names)


# Intent to bytes.


def test_a_decision_becomes_one_message(order_rig: "OrderRig") -> None:
    (message,) = order_rig.submit(order_rig.new(Side.SELL, 50_003, 12_345, post_only=1))
    assert message.pop(9)
    assert message.pop(10)
    assert message == {
        8: "FIXT.1.1",
        35: "D",
        49: "US",
        56: "VENUE",
        34: "1",
        52: "20260105-14:30:00.000",
        11: order_rig.order_table.client_order_id(1),
        55: "BTC-USD",
        54: "2",
        60: "20260105-14:30:00.000",
        38: "1.2345",
        40: "2",
        44: "500.03",
        59: "1",
        18: "A",
    }
    assert order_rig.submit() == []


def test_each_strategy_trades_its_own_instrument(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(1, 0))
    (message,) = rig.submit(rig.new(Side.BUY, PRICE, 3), strategy=0)
    assert (message[55], message[44], message[38]) == ("ETH-USD", "12500.00", "15")
    (message,) = rig.submit(rig.new(Side.BUY, PRICE, 3), strategy=1)
    assert (message[55], message[44], message[38]) == ("BTC-USD", "500.00", "0.0003")
    assert [int(position["open_buy_lots"]) for position in rig.positions] == [3, 3]
    assert rig.order(1)["instrument"] == 1


def test_a_cancel_carries_the_terms_of_its_order(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.SELL, PRICE, 700)
    order_rig.report(number, "0", "0", t37="the-order")
    (message,) = order_rig.submit(order_rig.cancel(number))
    ids = order_rig.order_table.client_order_id
    assert (message[35], message[11], message[41]) == ("F", ids(number + 1), ids(number))
    assert (message[37], message[54], message[38]) == ("the-order", "2", "0.0700")


def test_a_replace_keeps_what_it_does_not_change(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.SELL, PRICE, 700, post_only=1)
    order_rig.report(number, "0", "0")
    order_rig.fill(number, PRICE, 200)
    (message,) = order_rig.submit(order_rig.replace(number, PRICE + 1, 600))
    assert (message[35], message[44], message[38]) == ("G", "500.01", "0.0800")
    assert (message[54], message[59], message[18]) == ("2", "1", "A")


def test_immediate_orders(order_rig: "OrderRig") -> None:
    for rule, text in ((TimeInForce.IMMEDIATE_OR_CANCEL, "3"), (TimeInForce.FILL_OR_KILL, "4")):
        (message,) = order_rig.submit(order_rig.new(Side.BUY, PRICE, 5, time_in_force=rule))
        assert message[59] == text


def test_a_refused_intent_sends_and_registers_nothing(order_rig: "OrderRig") -> None:
    assert order_rig.submit(order_rig.new(Side.BUY, PRICE, 0)) == []
    assert order_rig.order_table.open_orders() == []
    assert order_rig.store.next_outgoing == 1
    position = order_rig.position()
    assert numbers_of(position, "reject_count", "last_reject", "signal_count", "order_count") == (
        1,
        Verdict.QUANTITY_INVALID,
        1,
        0,
    )
    counters = order_rig.counters()
    assert (counters["intents"], counters["rejected"], counters["accepted"]) == (1, 1, 0)
    assert (counters["orders_sent"], counters["requests_sent"]) == (0, 0)


def test_counters_of_requests(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.BUY, PRICE, 5)
    order_rig.report(number, "0", "0")
    order_rig.request(order_rig.replace(number, PRICE, 6))
    order_rig.request(order_rig.cancel(number))
    counters = order_rig.counters()
    assert (counters["orders_sent"], counters["requests_sent"]) == (1, 3)
    assert (counters["intents"], counters["accepted"]) == (3, 3)
    position = order_rig.position()
    assert numbers_of(position, "order_count", "signal_count", "reject_count") == (1, 2, 0)


# Sequence numbers and the store.


def test_messages_are_numbered_and_kept(make_order_rig: MakeRig) -> None:
    sender = CapturingSender()
    rig = make_order_rig(sender=sender)
    rig.store.next_outgoing = 41
    rig.scripts[0].waiting += [rig.new(Side.BUY, PRICE, lots) for lots in (1, 2, 3)]
    rig.pipeline.call_timers(rig.now_ns)
    kept = [rig.store.load_outgoing(sequence) for sequence in (41, 42, 43)]
    assert b"".join(message or b"" for message in kept) == sender.take()
    assert rig.store.load_outgoing(44) is None
    assert rig.store.next_outgoing == 44
    assert rig.counters()["outgoing_sequence"] == 44
    assert [rig.order_table.requests.of_sequence(sequence) for sequence in (41, 42, 43)] == [
        1,
        2,
        3,
    ]


def test_a_message_that_could_not_be_sent_is_kept_too(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(sender=OrderSender())
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert rig.store.next_outgoing == 2
    message = rig.store.load_outgoing(1)
    assert message is not None
    assert b"\x0134=1\x01" in message


def test_a_message_that_could_not_be_sent_ends_the_connection(make_order_rig: MakeRig) -> None:
    """Nobody knows what the venue has of it: its order is asked for, and nothing follows it."""
    rig = make_order_rig(sender=OrderSender())
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert rig.order(1)["state"] == OrderState.UNKNOWN
    assert (rig.sender.has_failed, rig.store.is_active) == (True, False)
    assert rig.counters()["failed_sends"] == 1
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE - 1, 1))
    rig.now_ns += 1_000_000_000
    rig.pipeline.call_timers(rig.now_ns)
    assert rig.position()["last_reject"] == Verdict.SESSION_DOWN
    assert rig.counters()["requests_sent"] == 1


def test_numbers_survive_the_process(tmp_path: Path) -> None:
    path = str(tmp_path / "session")
    store = SessionStore(path, "one")
    store.next_outgoing = 7
    store.save_outgoing(6, b"message", 5)
    again = SessionStore(path, "one")
    assert (again.next_outgoing, again.load_outgoing(6)) == (7, b"message")


def test_the_store_knows_when_we_sent(order_rig: "OrderRig") -> None:
    order_rig.now_ns += 123
    order_rig.place(Side.BUY, PRICE, 1)
    offset_ns = order_rig.counters()["wall_offset_ns"]
    assert order_rig.store.last_sent_ns == order_rig.now_ns - offset_ns


# Sessions and shadow.


def test_a_session_that_is_down_sends_nothing(order_rig: "OrderRig") -> None:
    order_rig.store.is_active = False
    assert order_rig.verdict(order_rig.new(Side.BUY, PRICE, 5)) == Verdict.SESSION_DOWN
    assert order_rig.store.next_outgoing == 1


def test_shadow_decides_and_sends_nothing(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_sending=False, engine_limits=(2, 0, 10**15, 0))
    rig.store.is_active = False
    intent = rig.new(Side.BUY, PRICE, 5)
    assert rig.verdicts(intent, intent, intent) == [
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.MESSAGE_RATE,
    ]
    assert rig.sent() == []
    assert rig.store.next_outgoing == 1
    assert rig.order_table.open_orders() == []
    counters = rig.counters()
    assert (counters["accepted"], counters["requests_sent"]) == (2, 0)
    assert rig.position()["order_count"] == 0


# Reports to position, and on to the next decision.


def test_a_fill_reaches_the_position_and_the_strategy(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.BUY, PRICE, 100)
    order_rig.scripts[0].reactions.append(order_rig.new(Side.SELL, PRICE + 10, 40))
    order_rig.fill(number, PRICE, 40, t137="0.25")
    (message,) = order_rig.sent()
    assert (message[35], message[54], message[38]) == ("D", "2", "0.0040")
    position = order_rig.position()
    assert numbers_of(position, "position_lots", "open_buy_lots", "open_sell_lots") == (40, 60, 40)
    assert position["fees"] == 0.25
    counters = order_rig.counters()
    assert (counters["reports"], counters["fills"]) == (1, 1)


def test_only_a_fill_that_counts_is_reacted_to(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.BUY, PRICE, 100)
    order_rig.fill(number, PRICE, 10, execution_id="one")
    calls = len(order_rig.scripts[0].seen)
    order_rig.fill(number, PRICE, 10, execution_id="one")
    order_rig.report(number, "0", "0")
    order_rig.fill(77, PRICE, 10)
    assert len(order_rig.scripts[0].seen) == calls
    assert order_rig.counters()["reports"] == 4


def test_only_the_strategy_of_the_order_reacts(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0), events={"on_timer": None, "on_fill": None})
    (message,) = rig.submit(rig.new(Side.BUY, PRICE, 5), strategy=1)
    rig.fill(rig.order_table.request_number(message[11]), PRICE, 5)
    fills = [[name for name, _ in script.seen].count("on_fill") for script in rig.scripts]
    assert fills == [0, 1]
    assert [int(position["position_lots"]) for position in rig.positions] == [0, 5]


def test_an_inconsistent_fill_pauses_before_the_reaction(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.BUY, PRICE, 100)
    order_rig.scripts[0].reactions.append(order_rig.new(Side.SELL, PRICE, 40))
    order_rig.fill(number, PRICE, 40, cumulative=60)
    assert order_rig.sent() == []
    assert order_rig.position()["last_reject"] == Verdict.ENGINE_PAUSED
    assert order_rig.pipeline.take_notices()[1]
    assert not order_rig.pipeline.take_notices()[1]


# Cancel all.


def test_cancel_all(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1))
    numbers = [rig.place(Side.BUY, PRICE, lots) for lots in (1, 2, 3)]
    rig.submit(rig.new(Side.SELL, PRICE, 4), strategy=1)
    rig.report(numbers[0], "4", "4")
    rig.report(numbers[1], "0", "0")
    rig.request(rig.cancel(numbers[1]))
    rig.gate.is_paused = True
    assert rig.pipeline.cancel_all(rig.now_ns) == 2
    sent = [(message[35], rig.order_table.request_number(message[41])) for message in rig.sent()]
    assert sent == [("F", numbers[2]), ("F", numbers[2] + 1)]
    assert rig.pipeline.cancel_all(rig.now_ns) == 0
    states = {order["state"] for order in rig.order_table.open_orders()}
    assert states == {OrderState.PENDING_CANCEL}


def test_cancel_all_counts_what_was_sent(order_rig: "OrderRig") -> None:
    order_rig.place(Side.BUY, PRICE, 1)
    order_rig.store.is_active = False
    assert order_rig.pipeline.cancel_all(order_rig.now_ns) == 0
    assert order_rig.sent() == []


# Records.


def test_records_of_a_new_order(order_rig: "OrderRig") -> None:
    order_rig.records()
    order_rig.submit(order_rig.new(Side.SELL, 50_003, 12, reason=77))
    decision, sent = order_rig.records()
    names = ("strategy", "instrument", "side", "price_ticks", "quantity_lots", "position_lots")
    for record in (decision, sent):
        assert numbers_of(record, *names) == (0, 0, Side.SELL, 50_003, 12, 0)
        assert numbers_of(record, "best_bid_ticks", "best_ask_ticks") == (BID, ASK)
        assert record["time_ns"] == order_rig.now_ns
    assert numbers_of(decision, "kind", "code", "detail", "order_number", "reference") == (
        RecordKind.RECORD_DECISION,
        Verdict.ACCEPTED,
        IntentKind.NEW_ORDER,
        0,
        77,
    )
    assert numbers_of(sent, "kind", "code", "detail", "order_number", "reference") == (
        RecordKind.RECORD_ORDER_SENT,
        OrderState.PENDING_NEW,
        IntentKind.NEW_ORDER,
        1,
        1,
    )
    assert numbers_of(sent, "filled_lots", "leaves_lots") == (0, 12)
    assert sent["sequence"] == decision["sequence"] + 1


def test_records_of_a_cancel(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.SELL, PRICE, 12)
    order_rig.fill(number, PRICE, 5)
    order_rig.records()
    order_rig.submit(order_rig.cancel(number))
    decision, sent = order_rig.records()
    assert numbers_of(decision, "detail", "side", "price_ticks", "quantity_lots") == (
        IntentKind.CANCEL_ORDER,
        Side.SELL,
        PRICE,
        7,
    )
    assert numbers_of(sent, "code", "filled_lots", "leaves_lots", "position_lots") == (
        OrderState.PENDING_CANCEL,
        5,
        7,
        -5,
    )
    assert decision["order_number"] == sent["order_number"] == number


@pytest.mark.parametrize(
    ("price", "lots", "verdict"),
    [(60_000, 1, Verdict.PRICE_COLLAR), (50_001, 1000, Verdict.NOTIONAL)],
)
def test_records_of_a_refusal_name_the_reason(
    make_order_rig: MakeRig, price: int, lots: int, verdict: Verdict
) -> None:
    rig = make_order_rig(instrument_limits=(1000, 50_000_000, 10_000, 10**6))
    rig.records()
    rig.submit(rig.new(Side.BUY, price, lots))
    (decision,) = rig.records()
    assert numbers_of(decision, "kind", "code") == (RecordKind.RECORD_DECISION, verdict)
    assert numbers_of(decision, "price_ticks", "quantity_lots") == (price, lots)


def test_records_of_a_fill(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.SELL, PRICE, 12)
    order_rig.records()
    order_rig.fill(number, 50_004, 5, t137="-0.001", t1057="N")
    (record,) = order_rig.records()
    assert numbers_of(record, "kind", "code", "detail") == (
        RecordKind.RECORD_EXECUTION,
        ExecutionType.EXEC_TRADE,
        OrderState.PARTIALLY_FILLED,
    )
    assert numbers_of(record, "order_number", "strategy", "instrument", "side") == (
        number,
        0,
        0,
        Side.SELL,
    )
    names = ("price_ticks", "quantity_lots", "filled_lots", "leaves_lots", "position_lots")
    assert numbers_of(record, *names) == (50_004, 5, 5, 7, -5)
    assert numbers_of(record, "fee_nano", "best_bid_ticks", "best_ask_ticks") == (
        -1_000_000,
        BID,
        ASK,
    )
    assert record["exchange_time_ns"] == 1_767_623_400_000_001_000


def test_records_of_rejects_name_the_code(order_rig: "OrderRig") -> None:
    number = order_rig.place(Side.SELL, PRICE, 12)
    cancel = order_rig.request(order_rig.cancel(number))
    order_rig.records()
    order_rig.reject_cancel(cancel, number, reason=3)
    order_rig.pipeline.reject_request(1, 5, order_rig.now_ns)
    refused, rejected = order_rig.records()
    assert numbers_of(refused, "code", "detail", "reference") == (
        ExecutionType.EXEC_CANCEL_REJECT,
        OrderState.PENDING_NEW,
        3,
    )
    assert numbers_of(rejected, "code", "detail", "reference") == (
        ExecutionType.EXEC_MESSAGE_REJECT,
        OrderState.REJECTED,
        5,
    )


def test_records_of_an_order_that_is_not_ours(order_rig: "OrderRig") -> None:
    order_rig.records()
    order_rig.fill(99, 50_004, 5, t54="2")
    (record,) = order_rig.records()
    assert numbers_of(record, "order_number", "strategy", "instrument", "side") == (
        0,
        -1,
        0,
        Side.SELL,
    )
    assert numbers_of(record, "price_ticks", "quantity_lots") == (50_004, 5)


def test_a_full_ring_never_stops_the_arc(order_rig: "OrderRig") -> None:
    header = order_rig.memory.header_record()
    header["reader_attached"] = 1
    header["read_sequence"] = header["write_sequence"]
    number = order_rig.place(Side.BUY, PRICE, 5)
    header["write_sequence"] = header["read_sequence"] + int(Bound.RING_SLOTS)
    order_rig.report(number, "0", "0")
    assert order_rig.order(number)["state"] == OrderState.NEW
    assert order_rig.counters()["dropped_order_records"] == 1
    assert order_rig.submit(order_rig.new(Side.BUY, PRICE, 5)) == [], "no risk without a journal"
    assert [message[35] for message in order_rig.submit(order_rig.cancel(number))] == ["F"]


# Latency.


def counts(rig: "OrderRig") -> dict[str, int]:
    found = {step.name: int(rig.memory.histogram(step).sum()) for step in Step if step < 10}
    rig.memory.clear_histograms()
    return {name.removeprefix("STEP_"): count for name, count in found.items() if count}


def test_latencies_are_counted_by_step(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(step_interval=1, events={"on_book": None})
    counts(rig)
    rig.set_book(BID, ASK)
    assert counts(rig) == {"DECODE": 1, "APPLY": 1, "DECIDE": 1, "TICK": 1}
    rig.scripts[0].waiting += [rig.new(Side.BUY, PRICE, lots) for lots in (1, 2)]
    rig.set_book(BID, ASK)
    assert counts(rig) == {
        "DECODE": 1,
        "APPLY": 1,
        "DECIDE": 1,
        "CHECK": 2,
        "ENCODE": 2,
        "SEND": 2,
        "TICK_TO_ORDER": 1,
        "TICK": 1,
    }
    rig.report(1, "0", "0")
    rig.report(1, "4", "4")
    assert counts(rig) == {"REPORT": 2, "ACKNOWLEDGE": 1}


def test_without_timing_only_answers_are_measured(order_rig: "OrderRig") -> None:
    counts(order_rig)
    number = order_rig.place(Side.BUY, PRICE, 1)
    order_rig.report(number, "0", "0")
    assert counts(order_rig) == {"ACKNOWLEDGE": 1}
