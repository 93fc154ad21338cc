"""Order table against slow obvious references, on seeded random traffic.

One reference is a venue with its own truth whose answers cross our requests; the other a plain
Python model of the table that is fed whatever a broken venue may say.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from ext.wire import OrderState, Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
PRICE = 50_000
TICK_VALUE = Fraction(1, 100) * Fraction(1, 10_000)


@dataclass
class Ledger:
    """Position by average cost, exactly."""

    lots: int = 0
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    fills: int = 0

    def fill(self, side: int, price: int, lots: int) -> None:
        signed = side * lots
        self.fills += 1
        if self.lots * signed >= 0:
            total = abs(self.lots) + lots
            self.average = (self.average * abs(self.lots) + price * lots) / total
        else:
            closed = min(abs(self.lots), lots)
            direction = 1 if self.lots > 0 else -1
            self.realised += direction * (price - self.average) * closed * TICK_VALUE
            if lots > abs(self.lots):
                self.average = Fraction(price)
            elif lots == abs(self.lots):
                self.average = Fraction(0)
        self.lots += signed

    def agrees(self, rig: "OrderRig") -> bool:
        position = rig.position()
        assert int(position["position_lots"]) == self.lots
        assert int(position["fill_count"]) == self.fills
        assert float(position["average_price_ticks"]) == pytest.approx(float(self.average))
        assert float(position["realised_pnl"]) == pytest.approx(float(self.realised), abs=1e-9)
        return True


@dataclass
class VenueOrder:
    """An order as the venue has it."""

    number: int
    side: int
    price: int
    quantity: int
    filled: int = 0
    state: OrderState = OrderState.NEW

    @property
    def is_open(self) -> bool:
        return self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled if self.is_open else 0


class Venue:
    """Takes our messages in order, some time later, and answers in order, later still."""

    def __init__(self, rig: "OrderRig", chance: random.Random) -> None:
        self.rig = rig
        self.chance = chance
        self.arriving: deque[dict[int, str]] = deque()
        self.leaving: deque[bytes] = deque()
        self.orders: dict[int, VenueOrder] = {}
        self.names: dict[int, int] = {}
        self.ledger = Ledger()
        self.sequence = rig.store.next_incoming
        self.executions: list[list[tuple[int, object]]] = []

    def tell(self, fields: list[tuple[int, object]], message_type: str = "8") -> None:
        text = self.rig.report_text(fields, message_type=message_type, sequence=self.sequence)
        self.sequence += 1
        self.leaving.append(text)

    def report(
        self, order: VenueOrder, number: int, execution: str, status: str, **given: object
    ) -> None:
        quantities = {
            "t38": self.rig.quantity(order.quantity),
            "t14": self.rig.quantity(order.filled),
            "t151": self.rig.quantity(order.leaves),
            "t17": f"V{self.sequence}",
        }
        fields = self.rig.fields(number, execution, status, **{**quantities, **given})
        if execution == "F":
            self.executions.append(fields)
        self.tell(fields)

    def take(self) -> None:
        """One of our messages."""
        message = self.arriving.popleft()
        number = self.rig.order_table.request_number(message[11])
        if message[35] == "D":
            self._take_new(message, number)
            return
        original = self.rig.order_table.request_number(message[41])
        order = self.orders[self.names[original]]
        self.names[number] = order.number
        if not order.is_open or self.chance.random() < 0.15:
            fields = [(37, "V"), (11, message[11]), (41, message[41]), (39, "8"), (102, 0)]
            self.tell(fields, "9")
        elif message[35] == "F":
            order.state = OrderState.CANCELED
            self.report(order, number, "4", "4")
        else:
            order.quantity = max(round(float(message[38]) * 10_000), order.filled)
            order.price = round(float(message[44]) * 100)
            if order.quantity == order.filled:
                order.state = OrderState.FILLED
            status = {OrderState.NEW: "0", OrderState.FILLED: "2"}.get(order.state, "1")
            self.report(order, number, "5", status, t44=message[44])

    def _take_new(self, message: dict[int, str], number: int) -> None:
        side = Side.BUY if message[54] == "1" else Side.SELL
        price = round(float(message[44]) * 100)
        order = VenueOrder(number, side, price, round(float(message[38]) * 10_000))
        self.orders[number] = order
        self.names[number] = number
        if self.chance.random() < 0.1:
            order.state = OrderState.REJECTED
            self.report(order, number, "8", "8")
        else:
            self.report(order, number, "0", "0")

    def trade(self) -> None:
        """Fills a part of some open order."""
        living = [order for order in self.orders.values() if order.is_open]
        if not living:
            return
        order = self.chance.choice(living)
        lots = self.chance.randint(1, order.leaves)
        price = order.price + self.chance.randint(-20, 20)
        order.filled += lots
        is_filled = order.filled == order.quantity
        order.state = OrderState.FILLED if is_filled else OrderState.PARTIALLY_FILLED
        self.ledger.fill(order.side, price, lots)
        self.report(
            order,
            order.number,
            "F",
            "2" if is_filled else "1",
            t31=self.rig.price(price),
            t32=self.rig.quantity(lots),
            t54="1" if order.side == Side.BUY else "2",
        )

    def repeat(self) -> None:
        """An execution once more, as after a resend."""
        if self.executions:
            self.tell(self.chance.choice(self.executions))

    def deliver(self) -> None:
        """Answers of a random length arrive in one piece."""
        data = b""
        for _ in range(self.chance.randint(1, 4)):
            if self.leaving:
                data += self.leaving.popleft()
        self.rig.listener.receive(data)


def ask(rig: "OrderRig", chance: random.Random) -> list[dict[int, str]]:
    """A random request that the gate may well refuse."""
    rig.now_ns += 10_000_000
    open_orders = [order["order_number"] for order in rig.order_table.open_orders()]
    kind = chance.random()
    if kind < 0.4 or not open_orders:
        side = chance.choice((Side.BUY, Side.SELL))
        price = PRICE + chance.randint(-50, 50)
        return rig.submit(rig.new(side, price, chance.randint(1, 100)))
    number = int(str(chance.choice(open_orders)))
    if kind < 0.65:
        return rig.submit(rig.cancel(number))
    price = PRICE + chance.randint(-50, 50)
    return rig.submit(rig.replace(number, price, chance.randint(1, 100)))


@pytest.mark.parametrize("seed", range(12))
def test_when_all_is_answered_we_know_what_the_venue_knows(
    make_order_rig: MakeRig, seed: int
) -> None:
    chance = random.Random(seed)
    rig = make_order_rig()
    venue = Venue(rig, chance)
    for _ in range(1500):
        step = chance.random()
        if step < 0.3:
            venue.arriving.extend(ask(rig, chance))
        elif step < 0.5 and venue.arriving:
            venue.take()
        elif step < 0.7:
            venue.trade()
        elif step < 0.73:
            venue.repeat()
        else:
            venue.deliver()
        reach = sum(order.leaves for order in venue.orders.values() if order.side == Side.BUY)
        assert reach <= int(rig.position()["open_buy_lots"]), "more may be filled than we know"
        known = int(rig.orders["filled_lots"].sum())
        assert known <= sum(order.filled for order in venue.orders.values())
    while venue.arriving:
        venue.take()
    while venue.leaving:
        venue.deliver()
    assert not rig.gate.is_paused
    assert not rig.bad_reports
    assert venue.ledger.agrees(rig)
    for order in venue.orders.values():
        ours = rig.order(order.number)
        assert OrderState(int(ours["state"])) == order.state
        assert int(ours["filled_lots"]) == order.filled
        assert int(ours["leaves_lots"]) == order.leaves
        assert int(ours["price_ticks"]) == order.price
    for side, name in ((Side.BUY, "open_buy_lots"), (Side.SELL, "open_sell_lots")):
        leaves = sum(order.leaves for order in venue.orders.values() if order.side == side)
        assert int(rig.position()[name]) == leaves


# Whatever a venue may say, also what it may not.

ENDED = {"4": OrderState.CANCELED, "C": OrderState.EXPIRED, "3": OrderState.EXPIRED}
OPEN = (
    OrderState.PENDING_NEW,
    OrderState.NEW,
    OrderState.PARTIALLY_FILLED,
    OrderState.PENDING_CANCEL,
    OrderState.SUSPENDED,
    OrderState.UNKNOWN,
)


@dataclass
class ModelOrder:
    """State of one order without replaces, after the table at the top of ``ext/orders.pxd``."""

    side: int
    quantity: int
    state: OrderState = OrderState.PENDING_NEW
    before: OrderState = OrderState.PENDING_NEW
    filled: int = 0
    seen: set[str] = field(default_factory=set)

    @property
    def leaves(self) -> int:
        return max(0, self.quantity - self.filled) if self.state in OPEN else 0

    def cancel(self) -> None:
        self.before, self.state = self.state, OrderState.PENDING_CANCEL

    def refuse(self, reason: int) -> None:
        if self.state == OrderState.PENDING_CANCEL:
            self.state = self.before
        if reason == 1 and self.state in OPEN:
            self.state = OrderState.UNKNOWN

    def fill(self, lots: int, cumulative: int) -> bool:
        """Whether it fits what was known."""
        was_open = self.state in OPEN
        self.filled += lots
        fits = was_open and self.filled <= self.quantity and cumulative == self.filled
        if self.filled >= self.quantity:
            self.state = OrderState.FILLED
        elif self.state in (OrderState.NEW, OrderState.PENDING_NEW):
            self.state = OrderState.PARTIALLY_FILLED
        elif self.state == OrderState.PENDING_CANCEL:
            self.before = OrderState.PARTIALLY_FILLED
        if not fits and self.state in OPEN:
            self.state = OrderState.UNKNOWN
        return fits

    def hear(self, execution: str) -> None:
        if execution == "0":
            acknowledged = OrderState.PARTIALLY_FILLED if self.filled else OrderState.NEW
            if self.state in (OrderState.PENDING_NEW, OrderState.UNKNOWN):
                self.state = acknowledged
            elif (self.state, self.before) == (OrderState.PENDING_CANCEL, OrderState.PENDING_NEW):
                self.before = OrderState.NEW
        elif self.state not in OPEN:
            return
        elif execution in ENDED:
            self.state = ENDED[execution]
        elif execution == "8":
            self.state = OrderState.REJECTED
        elif execution == "9" and self.state == OrderState.PENDING_CANCEL:
            self.before = OrderState.SUSPENDED
        elif execution == "9":
            self.state = OrderState.SUSPENDED


def random_fill(
    rig: "OrderRig", chance: random.Random, number: int, model: ModelOrder, ledger: Ledger
) -> bool:
    """A trade, at times a repeated or an impossible one; whether it made sense."""
    execution_id = f"{number}-{chance.randint(0, 12)}"
    lots, price = chance.randint(1, 40), chance.randint(1, 100_000)
    cumulative = model.filled + lots + chance.choice((0, 0, 0, 0, 0, 0, 0, 1))
    rig.fill(number, price, lots, cumulative=cumulative, execution_id=execution_id)
    if execution_id in model.seen:
        return True
    model.seen.add(execution_id)
    ledger.fill(model.side, price, lots)
    return model.fill(lots, cumulative)


@pytest.mark.parametrize("seed", range(12))
def test_the_table_is_its_model(make_order_rig: MakeRig, seed: int) -> None:
    chance = random.Random(1000 + seed)
    rig = make_order_rig()
    models: dict[int, ModelOrder] = {}
    cancels: list[tuple[int, int]] = []
    ledger = Ledger()
    has_doubt = False
    for _ in range(400):
        rig.gate.is_paused = False
        rig.now_ns += 10_000_000
        kind = chance.random()
        if kind < 0.15 or not models:
            side, quantity = chance.choice((Side.BUY, Side.SELL)), chance.randint(1, 100)
            for message in rig.submit(rig.new(side, PRICE, quantity)):
                number = rig.order_table.request_number(message[11])
                models[number] = ModelOrder(side, quantity)
            continue
        number = chance.choice(list(models))
        model = models[number]
        if kind < 0.3:
            for message in rig.submit(rig.cancel(number)):
                cancels.append((rig.order_table.request_number(message[11]), number))
                model.cancel()
        elif kind < 0.4 and cancels:
            request, number = chance.choice(cancels)
            reason = chance.choice((0, 0, 1))
            rig.reject_cancel(request, number, reason)
            models[number].refuse(reason)
        elif kind < 0.7:
            has_doubt |= not random_fill(rig, chance, number, model, ledger)
            assert rig.gate.is_paused <= has_doubt
        else:
            execution = chance.choice("000004C389")
            rig.report(number, execution, execution, t14=None)
            model.hear(execution)
        seen = rig.order(number)
        assert OrderState(int(seen["state"])) == models[number].state
        assert int(seen["filled_lots"]) == models[number].filled
        assert int(seen["leaves_lots"]) == models[number].leaves
        assert ledger.agrees(rig)
    working = [number for number, model in models.items() if model.state in OPEN]
    assert [order["order_number"] for order in rig.order_table.open_orders()] == working
    assert not rig.bad_reports
    for side, name in ((Side.BUY, "open_buy_lots"), (Side.SELL, "open_sell_lots")):
        leaves = sum(model.leaves for model in models.values() if model.side == side)
        assert int(rig.position()[name]) == leaves
