"""Circuit breakers against a slow plain-Python model, on random fills, ticks and days."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.ext.test_breakers import (
    DAY_NS,
    KILLED,
    LOTS,
    PAUSED,
    QUIET,
    SECOND_NS,
    WARNED,
    state_of,
)

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]


@dataclass
class Plain:
    """One strategy, or the engine, in plain Python: every rule is asked at every step."""

    limits: dict[str, Any]
    needed: int
    day: int = 0
    day_start: float = 0.0
    high: float = 0.0
    net: float = 0.0
    level: int = 0
    row: int = 0
    is_excused: bool = False
    wanted: list[int] = field(default_factory=list)
    fills_ns: list[int] = field(default_factory=list)
    is_waiting: bool = False

    def begin_day(self, day: int) -> None:
        if day != self.day:
            self.day, self.day_start, self.is_excused = day, self.net, False
            self.level = 0 if self.level == WARNED else self.level

    def level_at(self, net: float) -> int:
        shares = []
        for name, start in (("daily_loss", self.day_start), ("drawdown", self.high)):
            limit = self.limits.get(name, 0)
            shares.append((start - net) / limit if limit else 0.0)
        if max(shares) >= 1:
            return KILLED
        if (shares[0] >= 0.9 and not self.is_excused) or shares[1] >= 0.9:
            return PAUSED
        return WARNED if max(shares) >= 0.7 else QUIET

    def judge(self, closed: float, net: float) -> None:
        self.net = net
        self.high = max(self.high, net)
        level = self.level_at(net)
        self.is_waiting = level > self.level
        if not self.is_waiting:
            self.wanted.clear()
            return
        self.wanted.append(level)
        if self.level_at(max(net, closed)) >= level:
            self.level = level
        elif len(self.wanted) >= self.needed:
            self.level = min(self.wanted)
        else:
            return
        self.is_waiting = False
        self.wanted.clear()

    def result(self, result: float) -> None:
        if result:
            self.row = self.row + 1 if result < 0 else 0
            limit = self.limits.get("losses_in_row", 0)
            if limit and self.row >= limit:
                self.level = max(self.level, PAUSED)

    def fill(self, now_ns: int) -> None:
        self.fills_ns.append(now_ns)
        limit = self.limits.get("max_fills", 0)
        window_ns = self.limits.get("fills_window_ns", 0)
        if limit and sum(now_ns - each < window_ns for each in self.fills_ns) >= limit:
            self.level = max(self.level, PAUSED)


class PlainBreakers:
    """Two strategies on two instruments, and the engine, from a list of fills and mids."""

    def __init__(self, limits: list[dict[str, Any]], needed: int) -> None:
        self.each = [Plain(each, needed) for each in limits]
        self.fills: list[list[tuple[int, int]]] = [[], []]
        self.trip_start = [0.0, 0.0]
        self.values = (0.01 * 0.0001, 0.25 * 5)

    def closed_and_lots(self, strategy: int) -> tuple[float, int, float]:
        """Realised P&L, position and its average price by average cost, from the first fill."""
        lots, average, realised = 0, 0.0, 0.0
        for price, signed in self.fills[strategy]:
            if lots == 0 or (lots > 0) == (signed > 0):
                average = (average * abs(lots) + price * abs(signed)) / (abs(lots) + abs(signed))
            else:
                closed = min(abs(lots), abs(signed))
                sign = 1 if lots > 0 else -1
                realised += (price - average) * closed * sign * self.values[strategy]
                if abs(signed) > abs(lots):
                    average = price
            lots += signed
            average = average if lots else 0.0
        return realised, lots, average

    def mark(self, strategy: int, doubled_mid: int, now_ns: int) -> None:
        closed, lots, average = self.closed_and_lots(strategy)
        net = closed + (doubled_mid / 2 - average) * lots * self.values[strategy]
        plain, engine = self.each[strategy], self.each[2]
        is_waiting = any(each.is_waiting for each in self.each)
        if net == plain.net and now_ns // DAY_NS == plain.day and not is_waiting:
            return
        for each in self.each:
            each.begin_day(now_ns // DAY_NS)
        plain.judge(closed, net)
        engine.judge(
            sum(self.closed_and_lots(index)[0] for index in range(2)),
            self.each[0].net + self.each[1].net,
        )

    def fill(self, strategy: int, price: int, signed: int, mid: int, now_ns: int) -> None:
        _, before, _ = self.closed_and_lots(strategy)
        self.fills[strategy].append((price, signed))
        closed, after, _ = self.closed_and_lots(strategy)
        if before and (after == 0 or (after > 0) != (before > 0)):
            for each in (self.each[strategy], self.each[2]):
                each.result(closed - self.trip_start[strategy])
            self.trip_start[strategy] = closed
        for each in (self.each[strategy], self.each[2]):
            each.fill(now_ns)
        self.mark(strategy, mid, now_ns)


@pytest.mark.parametrize("seed", range(12))
def test_against_plain_python(make_order_rig: MakeRig, seed: int) -> None:
    rng = random.Random(seed)
    rig = make_order_rig(strategies=(0, 1))
    needed = rng.choice((1, 2, 3))
    limits: list[dict[str, Any]] = [
        {
            "daily_loss": rng.choice((0.0, 40.0, 160.0)) * scale,
            "drawdown": rng.choice((0.0, 50.0, 170.0)) * scale,
            "losses_in_row": rng.choice((0, 2, 4)),
            "max_fills": rng.choice((0, 6)),
            "fills_window_ns": rng.choice((3, 40)) * SECOND_NS,
        }
        for scale in (1, 3000, 3000)
    ]
    plain = PlainBreakers(limits, needed)
    breakers = rig.pipeline.breakers
    breakers.set_day(0, needed)
    for index, each in zip((0, 1, -1), limits, strict=True):
        breakers.set_limits(index, **each)
    mids = [100_010, 100_010]
    seen = set()
    for step in range(400):
        rig.now_ns += rng.choice((1, SECOND_NS, 3600 * SECOND_NS if step % 40 == 0 else 7))
        strategy = rng.randrange(2)
        if rng.random() < 0.6:
            mids[strategy] = 100_010 + 2 * rng.randint(-4000, 4000)
            bid = mids[strategy] // 2 - 5
            rig.set_book(bid, bid + 10, strategy)
            plain.mark(strategy, mids[strategy], rig.now_ns)
        else:
            side, lots = rng.choice((1, -1)), rng.randint(1, 3) * (LOTS if strategy == 0 else 1)
            price = mids[strategy] // 2 + rng.randint(-50, 50)
            fields = order_and_fill(rig, strategy, side, price, lots)
            if fields is not None:
                rig.pipeline.apply_report(fields, rig.now_ns)
                plain.fill(strategy, price, side * lots, mids[strategy], rig.now_ns)
        for index, one in zip((0, 1, -1), plain.each, strict=True):
            state = state_of(rig, index)
            shown = (seed, step, index)
            assert int(state["level"]) == one.level, shown
            assert int(state["losses_in_row"]) == one.row, shown
            seen.add(one.level)
        if rng.random() < 0.03:
            for index, one in zip((0, 1, -1), plain.each, strict=True):
                if one.level >= PAUSED:
                    breakers.resume(index, rig.now_ns)
                    limit = one.limits["daily_loss"]
                    if limit and (one.day_start - one.net) / limit >= 0.9:
                        one.is_excused = True
                    one.level, one.row, one.high = QUIET, 0, one.net
                    one.wanted.clear()
                    one.is_waiting = True
                    one.fills_ns.clear()
    assert len(seen) > 1


def order_and_fill(
    rig: "OrderRig", strategy: int, side: int, price: int, lots: int
) -> dict[str, object] | None:
    """The fill of an order that is made for it; None: the strategy is paused."""
    rig.scripts[strategy].waiting.append(rig.new(side, price, lots))
    rig.pipeline.call_timers(rig.now_ns)
    rig.now_ns += 1
    messages = rig.sent()
    if not messages:
        return None
    number = rig.order_table.request_number(messages[-1][11])
    return {
        "execution_type": 6,
        "order_state": 4,
        "request_number": number,
        "instrument": strategy,
        "side": side,
        "last_price_ticks": price,
        "last_quantity_lots": lots,
        "trade_id": number,
    }
