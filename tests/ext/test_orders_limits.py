"""Order table: fills counted once, what is not known, lost answers, and every bound."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.dtypes import FILL
from ext.wire import OrderState, Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
PRICE = 50_000
SECOND_NS = 1_000_000_000


def state_of(rig: "OrderRig", number: int) -> OrderState:
    return OrderState(int(rig.order(number)["state"]))


@pytest.fixture
def rig(order_rig: "OrderRig") -> "OrderRig":
    """With order 1, a living buy of 100 lots."""
    assert order_rig.place(Side.BUY, PRICE, 100) == 1
    order_rig.report(1, "0", "0")
    return order_rig


# Fills.


def test_a_fill_is_counted_once(rig: "OrderRig") -> None:
    for _ in range(3):
        rig.fill(1, PRICE, 10, execution_id="same")
    assert rig.order(1)["filled_lots"] == 10
    assert rig.position()["position_lots"] == 10
    assert rig.position()["fill_count"] == 1
    assert (rig.counters()["fills"], rig.counters()["duplicate_fills"]) == (1, 2)
    rig.fill(1, PRICE, 10, execution_id="samf")
    assert rig.order(1)["filled_lots"] == 20


def test_a_duplicate_is_no_reason_to_doubt(rig: "OrderRig") -> None:
    rig.fill(1, PRICE, 10, cumulative=10, execution_id="one")
    rig.fill(1, PRICE, 10, cumulative=20, execution_id="two")
    rig.fill(1, PRICE, 10, cumulative=10, execution_id="one")
    assert not rig.gate.is_paused
    assert state_of(rig, 1) == OrderState.PARTIALLY_FILLED


def test_overfilled(rig: "OrderRig") -> None:
    rig.fill(1, PRICE, 101)
    assert rig.order(1)["filled_lots"] == 101, "the fill is real"
    assert rig.order(1)["leaves_lots"] == 0
    assert rig.position()["position_lots"] == 101
    assert rig.gate.is_paused
    assert len(rig.notices) == 1


def test_a_fill_was_missed(rig: "OrderRig") -> None:
    rig.fill(1, PRICE, 10, cumulative=30)
    assert state_of(rig, 1) == OrderState.UNKNOWN
    assert rig.order(1)["filled_lots"] == 10
    assert rig.gate.is_paused


@pytest.mark.parametrize(
    ("execution", "state"),
    [("4", OrderState.CANCELED), ("C", OrderState.EXPIRED), ("8", OrderState.REJECTED)],
)
def test_a_late_fill_counts_and_is_told(rig: "OrderRig", execution: str, state: OrderState) -> None:
    rig.report(1, execution, execution)
    rig.fill(1, PRICE, 10)
    assert rig.order(1)["filled_lots"] == 10
    assert (state_of(rig, 1), rig.order(1)["leaves_lots"]) == (state, 0)
    assert rig.position()["position_lots"] == 10
    assert rig.position()["open_buy_lots"] == 0
    assert rig.gate.is_paused


def test_a_fill_of_an_unknown_state_does_not_resolve_it(rig: "OrderRig") -> None:
    rig.order_table.mark_unknown(rig.now_ns)
    rig.fill(1, PRICE, 10, cumulative=10)
    assert state_of(rig, 1) == OrderState.UNKNOWN
    rig.fill(1, PRICE, 90, cumulative=100, status="2")
    assert state_of(rig, 1) == OrderState.FILLED
    assert not rig.gate.is_paused


def test_the_strategy_sees_the_fill(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(events={"on_timer": None, "on_fill": FILL})
    number = rig.place(Side.SELL, PRICE, 100)
    rig.fill(number, PRICE + 3, 40, t1057="N")
    (fill,) = [event for name, event in rig.scripts[0].seen if name == "on_fill"]
    seen = {name: int(fill[name]) for name in FILL.names or ()}
    assert seen.pop("receive_time_ns") > 0
    assert seen == {
        "order_number": number,
        "side": Side.SELL,
        "price_ticks": PRICE + 3,
        "quantity_lots": 40,
        "leaves_lots": 60,
        "is_maker": 1,
        "exchange_time_ns": 1_767_623_400_000_001_000,
    }
    assert rig.position()["position_lots"] == -40


def test_average_price_and_profit(order_rig: "OrderRig") -> None:
    tick_times_lot = 0.01 * 0.0001
    steps = [  # side, price, lots → position, average, realised in ticks times lots
        (Side.BUY, 100, 10, 10, 100.0, 0.0),
        (Side.BUY, 130, 20, 30, 120.0, 0.0),
        (Side.SELL, 150, 10, 20, 120.0, 300.0),
        (Side.SELL, 110, 30, -10, 110.0, 100.0),
        (Side.SELL, 90, 10, -20, 100.0, 100.0),
        (Side.BUY, 80, 5, -15, 100.0, 200.0),
        (Side.BUY, 120, 15, 0, 0.0, -100.0),
    ]
    for side, price, lots, position, average, realised in steps:
        number = order_rig.place(side, PRICE, lots)
        order_rig.fill(number, price, lots, t137="0.5")
        seen = order_rig.position()
        assert seen["position_lots"] == position
        assert seen["average_price_ticks"] == pytest.approx(average)
        assert seen["realised_pnl"] == pytest.approx(realised * tick_times_lot)
        assert seen["version"] % 2 == 0
    assert order_rig.position()["fees"] == pytest.approx(0.5 * len(steps))
    assert order_rig.position()["bought_lots"] == order_rig.position()["sold_lots"] == 50


# What is not known.


def test_reports_of_others_change_nothing(rig: "OrderRig") -> None:
    before = rig.orders.copy(), rig.positions.copy()
    other_run = "01234567-89ab-4cdf-8000-000000000001"
    for client_order_id in (other_run, rig.order_table.client_order_id(77), "abc", "0"):
        rig.report(1, "F", "1", t11=client_order_id, t31="1", t32="1")
    assert rig.counters()["unknown_reports"] == 4
    assert rig.counters()["fills"] == 0
    assert (rig.orders == before[0]).all()
    assert (rig.positions == before[1]).all()
    assert rig.gate.is_paused, "somebody's fill is in no position of ours: a person has to look"


def test_other_reports_of_others_are_only_counted(rig: "OrderRig") -> None:
    for execution_type, state in (("0", "0"), ("4", "4"), ("5", "0"), ("8", "8")):
        rig.report(1, execution_type, state, t11="abc")
    assert rig.counters()["unknown_reports"] == 4
    assert not rig.gate.is_paused


def test_the_original_id_finds_the_order_too(rig: "OrderRig") -> None:
    rig.report(1, "4", "4", t11="not-ours", t41=rig.order_table.client_order_id(1))
    assert state_of(rig, 1) == OrderState.CANCELED


def test_replaced_by_an_id_that_is_not_ours(rig: "OrderRig") -> None:
    rig.request(rig.replace(1, PRICE, 50))
    rig.report(1, "5", "0", t11="not-ours", t41=rig.order_table.client_order_id(1))
    assert state_of(rig, 1) == OrderState.UNKNOWN
    assert rig.order(1)["accepted_number"] == 1


# Lost answers.


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("0", 0, OrderState.NEW),
        ("1", 10, OrderState.PARTIALLY_FILLED),
        ("4", 10, OrderState.CANCELED),
        ("C", 0, OrderState.EXPIRED),
        ("8", 0, OrderState.REJECTED),
        ("6", 0, OrderState.PENDING_CANCEL),
        ("9", 0, OrderState.SUSPENDED),
    ],
)
def test_a_status_resolves_unknown(
    rig: "OrderRig", status: str, filled: int, state: OrderState
) -> None:
    if filled:
        rig.fill(1, PRICE, filled)
    assert rig.order_table.mark_unknown(rig.now_ns) == 1
    assert state_of(rig, 1) == OrderState.UNKNOWN
    rig.report(1, "I", status, t14=rig.quantity(filled), t17="0")
    assert state_of(rig, 1) == state
    is_working = state not in (OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED)
    assert rig.order(1)["leaves_lots"] == (100 - filled if is_working else 0)
    assert rig.position()["working_count"] == is_working
    # An order that was accepted once cannot have been rejected: what became of it?
    assert rig.gate.is_paused == (state == OrderState.REJECTED)


@pytest.mark.parametrize(("execution_type", "status"), [("4", "4"), ("C", "C"), ("3", "3")])
def test_the_end_of_an_order_tells_of_a_missed_fill(
    rig: "OrderRig", execution_type: str, status: str
) -> None:
    rig.report(1, execution_type, status, t14=rig.quantity(40))
    assert rig.gate.is_paused
    assert state_of(rig, 1) == OrderState.UNKNOWN, "it ends when the fill is found"
    rig.fill(1, PRICE, 40)
    rig.report(1, "I", "4", t14=rig.quantity(40), t17="0")
    assert state_of(rig, 1) == OrderState.CANCELED
    assert rig.position()["working_count"] == 0
    assert rig.position()["position_lots"] == 40


def test_a_status_with_fills_that_we_have_not_seen(rig: "OrderRig") -> None:
    rig.report(1, "I", "1", t14=rig.quantity(10))
    assert state_of(rig, 1) == OrderState.UNKNOWN
    assert rig.order(1)["filled_lots"] == 0, "only executions count"
    assert rig.gate.is_paused


@pytest.mark.parametrize("status", ["4", "0", "8"])
def test_a_status_in_flight_moves_nothing(rig: "OrderRig", status: str) -> None:
    rig.request(rig.cancel(1))
    rig.report(1, "I", status, t14="0", t31="1", t32="1")
    assert state_of(rig, 1) == OrderState.PENDING_CANCEL
    assert rig.counters()["fills"] == 0


@pytest.mark.parametrize(("status", "state"), [("4", "CANCELED"), ("C", "EXPIRED")])
def test_a_status_ends_an_unknown_order_whose_cancel_is_on_its_way(
    rig: "OrderRig", status: str, state: str
) -> None:
    # A cancel repeated at once whenever the venue refuses it would keep every answer out.
    rig.order_table.mark_unknown(rig.now_ns)
    rig.request(rig.cancel(1))
    rig.report(1, "I", "0", t14="0", t17="0")
    assert state_of(rig, 1) == OrderState.PENDING_CANCEL, "that may be older than our cancel"
    rig.report(1, "I", status, t14="0", t17="0")
    assert state_of(rig, 1) == OrderState[state]


def test_a_status_tells_of_a_replace_whose_answer_was_lost(rig: "OrderRig") -> None:
    number = rig.request(rig.replace(1, PRICE - 7, 60))
    rig.order_table.mark_unknown(rig.now_ns)
    rig.report(number, "I", "0", t14="0", t38=rig.quantity(60), t44=rig.price(PRICE - 7), t17="0")
    order = rig.order(1)
    assert (order["price_ticks"], order["leaves_lots"]) == (PRICE - 7, 60)
    (message,) = rig.submit(rig.cancel(1))
    assert message[41] == rig.order_table.client_order_id(number), "the accepted link"


def test_mark_unknown_leaves_closed_orders_alone(rig: "OrderRig") -> None:
    closed = rig.place(Side.BUY, PRICE, 5)
    rig.report(closed, "4", "4")
    pending = rig.place(Side.BUY, PRICE, 5)
    assert rig.order_table.mark_unknown(rig.now_ns) == 2
    assert state_of(rig, closed) == OrderState.CANCELED
    assert [order["order_number"] for order in rig.order_table.open_orders()] == [1, pending]
    assert rig.position()["open_buy_lots"] == 105, "Unknown may still be filled"


@pytest.mark.parametrize("kind", ["new", "cancel", "replace"])
def test_a_request_without_an_answer_expires(rig: "OrderRig", kind: str) -> None:
    rig.now_ns += 10 * SECOND_NS
    if kind == "new":
        number = rig.place(Side.BUY, PRICE, 5)
    else:
        rig.request(rig.cancel(1) if kind == "cancel" else rig.replace(1, PRICE, 50))
        number = 1
    sent_ns = rig.now_ns
    assert rig.order_table.expire_pending(sent_ns + 5 * SECOND_NS, 5 * SECOND_NS) == 0
    assert rig.order_table.expire_pending(sent_ns + 5 * SECOND_NS + 1, 5 * SECOND_NS) == 1
    assert state_of(rig, number) == OrderState.UNKNOWN
    assert rig.order_table.expire_pending(sent_ns + 50 * SECOND_NS, 5 * SECOND_NS) == 0


def test_a_late_acknowledgement_resolves_unknown(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 5)
    rig.order_table.expire_pending(rig.now_ns + SECOND_NS, 1)
    rig.report(number, "0", "0")
    assert state_of(rig, number) == OrderState.NEW


# Session rejects: our message never happened.


def last_sequence(rig: "OrderRig") -> int:
    return rig.store.next_outgoing - 1


def test_a_rejected_message_was_a_new_order(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 5)
    assert rig.pipeline.reject_request(last_sequence(rig), 5, rig.now_ns)
    assert (state_of(rig, number), rig.order(number)["leaves_lots"]) == (OrderState.REJECTED, 0)
    assert rig.position()["working_count"] == 1


def test_a_rejected_message_was_a_cancel_or_replace(rig: "OrderRig") -> None:
    rig.request(rig.replace(1, PRICE, 150))
    replace_sequence = last_sequence(rig)
    rig.request(rig.cancel(1))
    assert rig.pipeline.reject_request(last_sequence(rig), 5, rig.now_ns)
    assert state_of(rig, 1) == OrderState.PENDING_REPLACE
    assert rig.pipeline.reject_request(replace_sequence, 5, rig.now_ns)
    assert state_of(rig, 1) == OrderState.NEW
    assert rig.position()["open_buy_lots"] == 100


def test_a_rejected_new_order_whose_cancel_is_on_its_way(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 5)
    sequence = last_sequence(rig)
    cancel = rig.request(rig.cancel(number))
    assert rig.pipeline.reject_request(sequence, 5, rig.now_ns)
    assert state_of(rig, number) == OrderState.REJECTED
    rig.reject_cancel(cancel, number, reason=1)
    assert state_of(rig, number) == OrderState.REJECTED


def test_a_rejected_message_was_none_of_ours(rig: "OrderRig") -> None:
    for sequence in (0, -1, last_sequence(rig) + 1, 1 << 40):
        assert not rig.pipeline.reject_request(sequence, 5, rig.now_ns)
    rig.order_table.requests.forget_sequences()
    assert rig.order_table.requests.of_sequence(last_sequence(rig)) == 0
    assert not rig.pipeline.reject_request(last_sequence(rig), 5, rig.now_ns)
    assert state_of(rig, 1) == OrderState.NEW


# Bounds.


def test_max_working_orders_are_listed_in_order(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    numbers = [rig.place(Side.SELL, PRICE, 5) for _ in range(Bound.MAX_WORKING_ORDERS)]
    rig.report(numbers[3], "8", "8")
    del numbers[3]
    position = rig.position()
    assert position["working_count"] == len(numbers)
    assert list(position["working"]["order_number"][: len(numbers)]) == numbers
    assert position["open_sell_lots"] == 5 * len(numbers)
    assert position["open_buy_lots"] == 0


def test_max_execution_ids(rig: "OrderRig") -> None:
    limit = int(Bound.MAX_EXECUTION_IDS)
    number = rig.place(Side.BUY, PRICE, 10 * limit)
    template = rig.report_text(rig.fields(number, "F", "1", t17="%", t31="1", t32="0.0001"))
    body_start = template.index(b"35=")
    body = template[body_start : template.index(b"\x0110=") + 1]
    before, behind = body.replace(b"\x0134=", b"\x01034=").split(b"17=%")

    def fills(first: int, last: int) -> int:
        counted = rig.counters()["fills"]
        sequence = rig.store.next_incoming
        stream = []
        for index in range(first, last):
            text = b"%b17=E%d%b" % (before, index, behind)
            start, rest = text.split(b"\x01034=")
            text = b"%b\x0134=%d%b" % (start, sequence, rest[rest.index(b"\x01") :])
            text = b"8=FIXT.1.1\x019=%d\x01%b" % (len(text), text)
            stream.append(b"%b10=%03d\x01" % (text, sum(text) % 256))
            sequence += 1
        rig.listener.receive(b"".join(stream))
        return rig.counters()["fills"] - counted

    assert fills(0, limit) == limit
    assert fills(0, 50) == 0, "one generation is full: all are known"
    assert fills(limit, 2 * limit) == limit
    assert fills(limit, 2 * limit) == 0, "the newest are known"
    assert fills(0, 1) == 1, "older ones are forgotten"
    assert not rig.bad_reports
    assert not rig.messages


def test_max_requests(rig: "OrderRig") -> None:
    newest = 1
    while newest < Bound.MAX_REQUESTS:
        rig.now_ns += SECOND_NS
        orders = min(15, int(Bound.MAX_REQUESTS) - newest)
        for number in [rig.place(Side.SELL, PRICE, 5) for _ in range(orders)]:
            rig.report(number, "8", "8")
            newest = number
    unknown = rig.counters()["unknown_reports"]
    rig.report(1, "9", "9")
    assert state_of(rig, 1) == OrderState.SUSPENDED, "MAX_REQUESTS ids are known"
    cancel = rig.request(rig.cancel(1))
    assert cancel == Bound.MAX_REQUESTS + 1
    one = rig.quantity(1)
    rig.report(1, "F", "1", t31="1", t32=one, t14=one)
    assert rig.order(1)["filled_lots"] == 1, "an open order is found by what it remembers itself"
    rest = rig.quantity(int(rig.order(1)["leaves_lots"]))
    rig.report(1, "F", "2", t17="last", t31="1", t32=rest)
    assert state_of(rig, 1) == OrderState.FILLED, "also by the fill that ends it"
    rig.report(cancel, "8", "8")
    assert rig.counters()["unknown_reports"] == unknown
    rig.report(1, "4", "4")
    assert rig.counters()["unknown_reports"] == unknown + 1, "the id of an ended one is forgotten"
