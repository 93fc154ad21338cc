"""The paper venue in random markets: what must always hold, and the simulated venue's own book of
recorded markets, which is written without knowledge of it, as the second opinion."""

# tidy-ok: properties of engine/paper/paper_venue.py, beside its rules in test_paper_venue.py

import random
from collections import defaultdict
from typing import Any

import pytest

from engine.paper.paper_order import PaperOrder, PaperReport, QueueRule
from ext.wire import ExecutionType, OrderState, Side, TimeInForce
from sim.orders import EventKind, Order, OrderEvent, RequestRefused
from sim.orders import Side as SimSide
from sim.orders import TimeInForce as SimTimeInForce
from sim.recorded_book import RecordedBook
from tests.engine.paper_rig import MS, Rig

STEPS = 300
MIDDLE, WIDTH = 1000, 8
TIMES = (
    TimeInForce.GOOD_TILL_CANCEL,
    TimeInForce.GOOD_TILL_CANCEL,
    TimeInForce.IMMEDIATE_OR_CANCEL,
    TimeInForce.FILL_OR_KILL,
)


class Market:
    """A market that moves at random and never crosses itself; both venues are told the same."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.middle = MIDDLE
        self.levels: dict[Side, dict[int, int]] = {side: {} for side in Side}

    def snapshot(self) -> list[tuple[int, int, Side]]:
        rng = self.rng
        for side in Side:
            prices = range(1, WIDTH)
            self.levels[side] = {
                self.middle - side * away: rng.randrange(1, 60)
                for away in prices
                if rng.random() < 0.8
            }
        return [(p, lots, side) for side in Side for p, lots in self.levels[side].items()]

    def change(self) -> tuple[int, int, Side]:
        """One level; now and then the middle moves, and what is in its way goes first."""
        rng = self.rng
        side = rng.choice(tuple(Side))
        best_other = [p for p in self.levels[Side(-side)]]
        price = self.middle - side * rng.randrange(-2, WIDTH)
        if any((price - other) * side >= 0 for other in best_other):
            price = rng.choice(best_other)
            side = Side(-side)
            lots = 0
        else:
            lots = rng.choice((0, rng.randrange(1, 60)))
        self.levels[side].pop(price, None)
        if lots:
            self.levels[side][price] = lots
        return price, lots, side

    def trade(self) -> tuple[int, int, Side] | None:
        """Price, lots and resting side of a trade at the best price of a side."""
        rng = self.rng
        side = rng.choice(tuple(Side))
        if not self.levels[side]:
            return None
        best = max(self.levels[side], key=lambda price: price * side)
        price = best - side * rng.choice((0, 0, 0, 1))
        return price, rng.randrange(1, 40), side


def terms(market: Market, side: Side) -> tuple[int, int, TimeInForce, bool]:
    rng = market.rng
    price = market.middle - side * rng.randrange(-4, 6)
    time_in_force = rng.choice(TIMES)
    is_post_only = time_in_force == TimeInForce.GOOD_TILL_CANCEL and rng.random() < 0.3
    return price, rng.randrange(1, 50), time_in_force, is_post_only


# Against the simulated venue.


class Other:
    """The simulated venue's recorded book under the same requests; its fills by our numbers."""

    def __init__(self) -> None:
        self.book = RecordedBook()
        self.orders: dict[int, Order] = {}
        self.fills: list[tuple[int, int, int, bool]] = []

    def note(self, events: list[OrderEvent]) -> None:
        for event in events:
            if event.kind is EventKind.TRADED:
                number = int(event.order.order_id)
                self.fills.append((number, event.last_ticks, event.last_lots, not event.is_taker))

    def take(self) -> None:
        self.note(self.book.events)
        self.book.events.clear()


def is_free(rig: Rig, price: int) -> bool:
    """Nothing of ours rests there: two at one price are ordered otherwise by the other venue."""
    return all(order.price_ticks != price for order in rig.venue.open_orders)


@pytest.mark.parametrize("seed", range(60))
def test_the_simulated_venue_fills_the_same(seed: int) -> None:
    market, rig, other = Market(seed), Rig(), Other()
    side = market.rng.choice(tuple(Side))
    numbers: dict[int, int] = {}  # accepted request -> first
    levels = market.snapshot()
    rig.venue.set_book(0, levels, rig.now_ns)
    pairs = {each: [(p, lots) for p, lots, s in levels if s == each] for each in Side}
    other.book.apply_snapshot({SimSide(int(each)): pairs[each] for each in Side})
    ours: list[tuple[int, int, int, bool]] = []
    for _ in range(STEPS):
        rig.now_ns += MS
        act(market, rig, other, side, numbers)
        for report in rig.reports():
            if report.execution_type == ExecutionType.EXEC_TRADE:
                fill = (report.order_number, report.last_price_ticks, report.last_quantity_lots)
                ours.append((*fill, report.is_maker))
        other.take()
        assert ours == other.fills
    assert len(ours) > 5


def act(market: Market, rig: Rig, other: Other, side: Side, numbers: dict[int, int]) -> None:
    rng = market.rng
    kind = rng.random()
    opened = rig.venue.open_orders
    if kind < 0.45:
        price, lots, level_side = market.change()
        rig.level(level_side, price, lots)
        other.book.apply_change(SimSide(int(level_side)), price, lots)
    elif kind < 0.65:
        if (found := market.trade()) is None:
            return
        price, lots, resting = found
        better = [each for each in opened if (each.price_ticks - price) * side > 0]
        if any(each.ahead_lots for each in better) or (better and not is_free(rig, price)):
            # The other venue keeps a queue ahead where the market has gone past, and lets a trade
            # pass the queue at its price although a better order of ours has had a part of it.
            return
        rig.trade(price, lots, Side(-resting))
        other.book.apply_trade(SimSide(int(resting)), price, lots)
    elif kind < 0.85:
        price, lots, time_in_force, is_post_only = terms(market, side)
        if not is_free(rig, price):
            return
        number = rig.new(side, price, lots, time_in_force, post_only=is_post_only)
        order = Order(
            order_id=str(number),
            owner=1,
            symbol="BTC-USD",
            side=SimSide(int(side)),
            price_ticks=price,
            quantity_lots=lots,
            time_in_force=SimTimeInForce({1: "1", 2: "3", 3: "4"}[int(time_in_force)]),
            is_post_only=is_post_only,
        )
        numbers[number] = number
        other.orders[number] = order
        other.note(other.book.submit(order))
    elif opened:
        change_order(market, rig, other, rng.choice(opened), numbers)


def change_order(
    market: Market, rig: Rig, other: Other, order: PaperOrder, numbers: dict[int, int]
) -> None:
    theirs = other.orders[numbers[order.accepted_number]]
    if market.rng.random() < 0.5:
        other.note(other.book.cancel(theirs))
        rig.cancel(order.accepted_number)
        return
    price, lots, _, _ = terms(market, order.side)
    if price != order.price_ticks and not is_free(rig, price):
        return
    number = rig.replace(order.accepted_number, price, lots, order.side)
    numbers[number] = order.number
    try:
        other.note(other.book.replace(theirs, lots, price, ""))
    except RequestRefused:
        return


# What must hold whatever the model's settings are.


class Account:
    """What the reports say, held against what the market showed and traded."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.orders: dict[int, dict[str, Any]] = {}

    def book(self, report: PaperReport) -> None:
        order = self.orders.setdefault(
            report.order_number, {"filled": 0, "state": None, "quantity": report.quantity_lots}
        )
        if report.execution_type == ExecutionType.EXEC_CANCEL_REJECT:
            return
        assert order["state"] not in (
            OrderState.FILLED,
            OrderState.CANCELED,
            OrderState.EXPIRED,
            OrderState.REJECTED,
        ), "nothing is said of an order behind its end"
        if report.execution_type == ExecutionType.EXEC_TRADE:
            assert report.last_quantity_lots > 0
            order["filled"] += report.last_quantity_lots
            limit, price = report.price_ticks, report.last_price_ticks
            assert price * report.side <= limit * report.side, "never worse than its limit"
            assert not report.is_maker or price == limit, "a resting order fills at its own price"
        assert report.filled_lots == order["filled"] <= report.quantity_lots
        assert report.leaves_lots in (0, report.quantity_lots - report.filled_lots)
        order["state"] = report.state


@pytest.mark.parametrize("queue", ["conservative", "proportional"])
@pytest.mark.parametrize("seed", range(40))
def test_what_must_always_hold(seed: int, queue: QueueRule) -> None:
    market = Market(seed)
    rng = market.rng
    latencies = [rng.choice((0, 1, 7)) for _ in range(3)]
    order_ms, cancel_ms, report_ms = latencies
    rig = Rig(order_ms, cancel_ms, report_ms, queue=queue, fees=(100, 200))
    account = Account(market)
    rig.venue.set_book(0, market.snapshot(), rig.now_ns)
    last_due = 0
    for _ in range(STEPS):
        rig.now_ns += rng.choice((0, MS, 3 * MS))
        step(market, rig, account)
        for order in rig.venue.open_orders:
            assert order.ahead_lots >= 0
            assert order.leaves_lots > 0
        for report in rig.reports():
            assert last_due <= report.due_ns <= rig.now_ns, "in the order in which they come"
            assert report.due_ns == report.time_ns + latencies[2] * MS
            last_due = report.due_ns
            account.book(report)
    assert any(order["filled"] for order in account.orders.values())


def step(market: Market, rig: Rig, account: Account) -> None:
    rng = market.rng
    rig.venue.advance(rig.now_ns)  # what arrives before takes from the book as it was
    before = filled_by_side(rig)
    kind = rng.random()
    if kind < 0.4:
        price, lots, side = market.change()
        rig.level(side, price, lots)
        # A level that is told fills those that it reaches, together at most what all levels show.
        shown = sum(rig.venue._books[0].shown_lots(side, p) for p in market.levels[side])
        assert gained(rig, before)[Side(-side)] <= shown
    elif kind < 0.6 and (found := market.trade()) is not None:
        price, lots, resting = found
        rig.trade(price, lots, Side(-resting))
        grown = gained(rig, before)
        assert grown[resting] <= lots, "a trade fills no more than it was"
        assert grown[Side(-resting)] == 0
    elif kind < 0.8:
        side = rng.choice(tuple(Side))
        price, lots, time_in_force, is_post_only = terms(market, side)
        rig.new(side, price, lots, time_in_force, post_only=is_post_only)
    elif rig.venue.open_orders:
        order = rng.choice(rig.venue.open_orders)
        if rng.random() < 0.5:
            rig.cancel(order.accepted_number)
        else:
            price, lots, _, _ = terms(market, order.side)
            rig.replace(order.accepted_number, price, lots, order.side)
    elif rng.random() < 0.2:
        rig.venue.lose_book(0, rig.now_ns)
        rig.venue.set_book(0, market.snapshot(), rig.now_ns)


def filled_by_side(rig: Rig) -> dict[Side, int]:
    """Lots of all fills so far: those on their way to us too."""
    totals: dict[Side, int] = defaultdict(int)
    for _, _, report in rig.venue._reports:
        if report.execution_type == ExecutionType.EXEC_TRADE:
            totals[report.side] += report.last_quantity_lots
    return totals


def gained(rig: Rig, before: dict[Side, int]) -> dict[Side, int]:
    now = filled_by_side(rig)
    return {side: now[side] - before[side] for side in Side}


@pytest.mark.parametrize("seed", range(30))
def test_first_come_first_filled(seed: int) -> None:
    """Of two of ours at one price the older one is done before the younger one begins."""
    market, rig = Market(seed), Rig()
    rng = market.rng
    rig.venue.set_book(0, market.snapshot(), rig.now_ns)
    waiting: list[int] = []
    filled: dict[int, int] = defaultdict(int)
    for _ in range(STEPS):
        rig.now_ns += MS
        if rng.random() < 0.2:
            waiting.append(rig.new(Side.BUY, market.middle - 1, 5, post_only=True))
        elif (found := market.trade()) is not None:
            price, lots, resting = found
            rig.trade(price, lots, Side(-resting))
        for report in rig.reports():
            if report.execution_type == ExecutionType.EXEC_REJECTED:
                waiting.remove(report.order_number)
            elif report.execution_type == ExecutionType.EXEC_TRADE:
                assert report.order_number == waiting[0]
                filled[waiting[0]] += report.last_quantity_lots
                if report.leaves_lots == 0:
                    waiting.pop(0)
    assert filled
