"""One random stream: limits drawn anew, orders, fills, cancels, rejects, books, trades and time in
any order; after each order the compiled gate and the plain one must give the same verdict."""

# tidy-ok: a tool of the tests, not a mirror of a module

import copy
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ext.bounds import Bound
from ext.wire import (
    BookState,
    ExecutionType,
    IntentKind,
    OrderState,
    RecordKind,
    Side,
    TimeInForce,
    Verdict,
)
from tests.ext.plain_gate import (
    CLOSED,
    NO_LIMIT,
    CurrencyRules,
    EngineRules,
    InstrumentRules,
    PlainBook,
    PlainGate,
    PlainOrder,
    Rules,
    Situation,
    StrategyRules,
)

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
MONDAY_1430_S = 14 * 3600 + 30 * 60  # when every rig starts
INSTRUMENTS = (("BTC-USD", "0.01", "0.0001"), ("ETH-USD", "0.25", "5"), ("BTC-EUR", "1", "0.01"))
STEP_VALUES = (1, 3, 1)
CURRENCIES = (0, 0, 1)
TRADERS = (0, 1, 0, 2)  # instrument of each strategy
BID, ASK = 50_000, 50_010
STEPS_NS = (1,) * 4 + (10**6, 10**7, 10**8) * 3 + (6 * 10**8, 2 * 10**9, 11 * 10**9)
SLOTS = int(Bound.MAX_ORDERS)
RING = int(Bound.RING_SLOTS)
EXTREMES = (0, -5, 2**62, 2**63 - 1, -(2**63), 2**58)
ORDER_FIELDS = (
    "order_number",
    "instrument",
    "strategy",
    "side",
    "order_type",
    "time_in_force",
    "post_only",
    "state",
    "price_ticks",
    "filled_lots",
    "leaves_lots",
    "pending_price_ticks",
    "pending_quantity_lots",
)


class StreamError(Exception):
    """The two gates differ; ``str()`` says where."""


def draw_rules(chance: random.Random) -> Rules:
    """Limits of which some are tight, some wide and some absent."""

    def some(*values: int) -> int:
        return chance.choice((*values, NO_LIMIT))

    is_fast = chance.random() < 0.5
    engine = EngineRules(
        per_second=25 if is_fast else 1024,
        reserve=5 if is_fast else chance.choice((0, 100)),
        per_ten_seconds=chance.choice((40, 120, 16_384)),
        long_reserve=chance.choice((0, 10)),
        stale_ns=chance.choice((SECOND_NS, 20 * SECOND_NS)),
        duplicate_ns=chance.choice((0, 80_000_000, SECOND_NS)),
        open_orders=some(6, 20),
        trade_age_ns=some(SECOND_NS),
        prevents_self_match=chance.random() < 0.8,
    )
    instruments = [
        InstrumentRules(
            max_lots=chance.choice((100, 100, 100, 10_000, NO_LIMIT)),
            max_notional=chance.choice((4_700_000, 4_700_000, NO_LIMIT)),
            collar_ppm=chance.choice((10_000,) * 12 + (400, 40_000, 40_000, NO_LIMIT)),
            max_position=some(160, 400),
            min_lots=chance.choice((0, 0, 2)),
            min_notional=chance.choice((0, 0, 0, 120_000)),
            trade_collar_ppm=chance.choice((0, 0, 0, 12_000)),
            open_orders=some(4, 12),
            open_notional=some(3_000_000, 9_000_000),
            currency=CURRENCIES[index],
            step_value=STEP_VALUES[index],
            hours=draw_hours(chance),
        )
        for index in range(len(INSTRUMENTS))
    ]
    strategies = [
        StrategyRules(
            instrument,
            max_position=some(90, 250),
            open_orders=some(3, 10),
            per_second=chance.choice((8, 1024)),
            gross=some(4_000_000, 15_000_000),
        )
        for instrument in TRADERS
    ]
    currencies = [
        CurrencyRules(
            open_value=some(5_000_000, 20_000_000),
            gross=some(9_000_000, 40_000_000),
            net=some(6_000_000, 25_000_000),
        )
        for _ in range(2)
    ]
    return Rules(engine, instruments, strategies, currencies)


def draw_hours(chance: random.Random) -> list[tuple[int, int]]:
    """Always, or windows that open and close while the stream goes on."""
    if chance.random() < 0.75:
        return []
    at = MONDAY_1430_S
    return [(at - 3600, at + 40), (at + 60, at + 120), (at + 86_400, at + 90_000)]


def apply_rules(rig: "OrderRig", rules: Rules) -> None:
    """Sets the limits of the compiled gate; its strategies are there already."""
    engine = rules.engine
    rig.gate.set_engine_limits(
        engine.per_second,
        engine.reserve,
        engine.stale_ns,
        engine.duplicate_ns,
        engine.delay_ns,
        max_messages_per_ten_seconds=engine.per_ten_seconds,
        long_cancel_reserve=engine.long_reserve,
        max_open_orders=engine.open_orders,
        max_trade_age_ns=engine.trade_age_ns,
        prevents_self_match=engine.prevents_self_match,
    )
    for index, each in enumerate(rules.instruments):
        rig.gate.set_instrument_limits(
            index,
            each.max_lots,
            each.max_notional,
            each.collar_ppm,
            each.max_position,
            min_order_lots=each.min_lots,
            min_order_notional=each.min_notional,
            last_trade_collar_ppm=each.trade_collar_ppm,
            max_open_orders=each.open_orders,
            max_open_notional=each.open_notional,
            currency=each.currency,
            step_value=each.step_value,
        )
        rig.gate.set_trading_hours(index, each.hours)
    for index, currency in enumerate(rules.currencies):
        rig.gate.set_currency_limits(
            index,
            max_open_value=currency.open_value,
            max_gross_value=currency.gross,
            max_net_value=currency.net,
        )


class RiskStream:
    """One stream. ``run`` compares as many orders as it is told; ``seen`` counts the verdicts.

    ``change`` is done to the limits that the compiled gate gets, and to no other.
    """

    def __init__(
        self, make_rig: MakeRig, seed: int, change: Callable[[Rules], None] = lambda _: None
    ) -> None:
        self.seen: Counter[Verdict] = Counter()
        self._chance = chance = random.Random(seed)
        self._seed = seed
        self._change = change
        plain_rules = draw_rules(chance)
        rules = copy.deepcopy(plain_rules)
        change(rules)
        limits = [
            {
                "max_position_lots": each.max_position,
                "max_open_orders": each.open_orders,
                "max_messages_per_second": each.per_second,
                "max_gross_value": each.gross,
            }
            for each in rules.strategies
        ]
        self._rig = rig = make_rig(
            instruments=INSTRUMENTS, strategies=TRADERS, strategy_limits=limits
        )
        apply_rules(rig, rules)
        self._plain = PlainGate(plain_rules)
        self._books = [
            PlainBook(bid=BID, ask=ASK, frame_ns=rig.now_ns) for _ in range(len(INSTRUMENTS))
        ]
        self._header = rig.memory.header_record()
        self._written = int(self._header["write_sequence"][0])
        self._numbers: set[int] = set()
        self._execution = 0
        self._trade_id = 0

    def renew(self, seed: int) -> None:
        """Another stream from here on: limits drawn anew over the orders, positions and messages
        that are there; only the limits of the strategies, which a gate is made with, stay."""
        self._chance = random.Random(seed)
        self._seed = seed
        rules = draw_rules(self._chance)
        rules.strategies = self._plain.rules.strategies
        self._plain.rules = copy.deepcopy(rules)
        self._change(rules)
        apply_rules(self._rig, rules)
        self._rig.gate.is_paused, self._rig.store.is_active = False, True

    def run(self, count: int, first: int = 0) -> None:
        """Compares ``count`` orders; StreamError at the first that differs. The 500 steps of a
        stream begin with a burst of one strategy; ``first`` is the step to begin with."""
        for index in range(first, first + count):
            is_burst = index % 500 < 200
            while self._chance.random() < (0.2 if is_burst else 0.6):
                self._do_something()
            self._compare(index, is_burst)

    def _compare(self, index: int, is_burst: bool) -> None:
        rig, chance = self._rig, self._chance
        strategy = index // 500 % len(TRADERS) if is_burst else chance.randrange(len(TRADERS))
        orders = self._open_orders()
        intent = self._draw_intent(strategy, orders, is_burst)
        now = Situation(
            orders,
            [int(lots) for lots in rig.positions["position_lots"]],
            self._books,
            rig.store.is_active,
            rig.gate.is_paused,
            rig.now_ns + 1,
        )
        instrument = TRADERS[strategy]
        if self._books[instrument].state != BookState.LIVE:
            return  # nobody is called
        expected = self._plain.check(intent, strategy, now)
        rig.now_ns += 1
        rig.scripts[strategy].waiting.append(intent)
        rig.pipeline.call_timers(rig.now_ns)
        rig.sender.take()  # type: ignore[attr-defined]
        found = self._follow()
        if found != expected:
            raise StreamError(
                f"seed {self._seed}, order {index} of strategy {strategy}: the gate says"
                f" {found.name}, the rules {expected.name}; {intent}, {now}, {self._plain.rules}"
            )
        self.seen[found] += 1

    def _follow(self) -> Verdict:
        """Takes in every decision since the last call; the verdict of the last one."""
        written = int(self._header["write_sequence"][0])
        verdict = Verdict.ACCEPTED
        for sequence in range(self._written, written):
            record = self._rig.ring[sequence % RING]
            if record["kind"] == RecordKind.RECORD_DECISION:
                verdict = Verdict(int(record["code"]))
                if verdict == Verdict.ACCEPTED:
                    self._note(record)
        self._written = written
        return verdict

    def _note(self, record: Any) -> None:
        terms = int(record["side"]), int(record["price_ticks"]), int(record["quantity_lots"])
        self._plain.note(
            int(record["detail"]), int(record["strategy"]), terms, int(record["time_ns"])
        )
        if record["detail"] == IntentKind.NEW_ORDER:
            newest = self._rig.order_table.open_orders()[-1]
            self._numbers.add(int(str(newest["order_number"])))

    def _open_orders(self) -> list[PlainOrder]:
        slots = [number % SLOTS for number in sorted(self._numbers)]
        rows = self._rig.orders[slots][list(ORDER_FIELDS)].tolist()
        orders = [PlainOrder(*row) for row in rows]
        found = [each for each in orders if each.state not in CLOSED]
        self._numbers = {each.number for each in found}
        return found

    # What a strategy may want.

    def _draw_intent(
        self, strategy: int, orders: list[PlainOrder], is_burst: bool
    ) -> dict[str, int]:
        rig, chance = self._rig, self._chance
        off = chance.choice((-1, 1)) * chance.choice((0, 1, 2, 5, 20, 20, 100, 499, 500, 501, 2000))
        price = 50_005 + off
        lots = chance.choice((1, 2, 3, 5, 5, 8, 20, 30, 50, 93, 94, 95, 100, 101))
        if chance.random() < 0.02:
            lots = chance.choice((0, -1))
        if is_burst:
            price, lots = 50_005 + chance.randrange(-4, 5), chance.randint(1, 4)
        kind = chance.random()
        numbers = [each.number for each in orders if each.strategy == strategy]
        if kind < (0.9 if is_burst else 0.5) or not numbers:
            side = chance.choice(list(Side))
            if chance.random() < 0.7:  # away from the market, so that some of them rest
                price = 50_005 - side * abs(price - 50_005)
            intent = rig.new(side, price, lots)
            if chance.random() < 0.2:
                intent["time_in_force"] = chance.choice(list(TimeInForce))
            if chance.random() < 0.05:
                name = chance.choice(("side", "order_type", "time_in_force", "post_only", "kind"))
                intent[name] = chance.choice((-1, 0, 1, 2, 3, 4))
            if chance.random() < 0.04:
                intent[chance.choice(("price_ticks", "quantity_lots"))] = chance.choice(EXTREMES)
            return intent
        number = chance.choice(numbers)
        if chance.random() < 0.05:
            number = chance.choice([each.number for each in orders] + [-1, 0, 9_999])
        if kind < 0.65:
            return rig.cancel(number)
        return rig.replace(number, price, lots)

    # What else happens.

    def _do_something(self) -> None:
        rig, chance = self._rig, self._chance
        kind = chance.random()
        if kind < 0.25:
            rig.now_ns += chance.choice(STEPS_NS) if kind < 0.249 else 86_400 * SECOND_NS
        elif kind < 0.45:
            self._move_book(chance.randrange(len(INSTRUMENTS)))
        elif kind < 0.5:
            self._trade(chance.randrange(len(INSTRUMENTS)))
        elif kind < 0.52:
            rig.gate.is_paused = chance.random() < 0.05
        elif kind < 0.53:
            rig.store.is_active = chance.random() < 0.95
        elif kind < 0.533:
            rig.order_table.mark_unknown(rig.now_ns)
        elif kind < 0.534:
            held = chance.choice((0, 0, 500, -500, 2**62, -(2**62), 2**63 - 1, -(2**63)))
            rig.positions["position_lots"][chance.randrange(len(TRADERS))] = held
        else:
            orders = self._open_orders()
            if orders:
                self._report(chance.choice(orders))

    def _move_book(self, instrument: int) -> None:
        rig, chance, book = self._rig, self._chance, self._books[instrument]
        symbol = INSTRUMENTS[instrument][0]
        bid = BID + chance.randrange(-3, 4)
        book.bid, book.ask, book.state = bid, bid + 10, BookState.LIVE
        if (kind := chance.random()) < 0.03:  # a side is empty
            book.ask = None
        elif kind < 0.05:
            book.ask = bid - 1
        sides = [
            f'[["{rig.price(price, instrument)}","{rig.quantity(1000, instrument)}"]]'
            if price is not None
            else "[]"
            for price in (book.bid, book.ask)
        ]
        rig.frame(
            f'{{"type":"snapshot","product_id":"{symbol}","bids":{sides[0]},"asks":{sides[1]}}}'
        )
        book.frame_ns = rig.now_ns
        book.state = int(rig.pipeline.book(instrument).state)
        rig.pipeline.take_notices()
        rig.sender.take()  # type: ignore[attr-defined]
        self._follow()

    def _trade(self, instrument: int) -> None:
        rig, book = self._rig, self._books[instrument]
        self._trade_id += 1
        price = BID + self._chance.choice((-300, -20, 0, 20, 200))
        rig.frame(
            f'{{"type":"match","trade_id":{self._trade_id},"side":"sell","size":'
            f'"{rig.quantity(1, instrument)}","price":"{rig.price(price, instrument)}",'
            f'"product_id":"{INSTRUMENTS[instrument][0]}","sequence":1,'
            f'"time":"2026-01-05T14:30:00.000000Z"}}'
        )
        book.trade, book.trade_ns, book.frame_ns = price, rig.now_ns, rig.now_ns

    def _report(self, order: PlainOrder) -> None:
        """The venue says something of an order that fits its state."""
        rig, chance = self._rig, self._chance
        row = rig.orders[order.number % SLOTS]
        fields: dict[str, object] = {"request_number": int(row["request_number"])}
        answer = chance.random()
        if order.state == OrderState.UNKNOWN and answer < 0.5:
            fields |= {"execution_type": ExecutionType.EXEC_STATUS, "order_state": OrderState.NEW}
        elif order.state == OrderState.PENDING_REPLACE and answer < 0.5:
            fields |= {"execution_type": ExecutionType.EXEC_REPLACED, "order_state": OrderState.NEW}
        elif answer < 0.3:
            fields |= {"execution_type": ExecutionType.EXEC_NEW, "order_state": OrderState.NEW}
        elif answer < 0.55 and order.leaves > 0:
            self._execution += 1
            lots = chance.choice((order.leaves, chance.randint(1, order.leaves)))
            fields |= {
                "execution_type": ExecutionType.EXEC_TRADE,
                "order_state": OrderState.PARTIALLY_FILLED,
                "last_price_ticks": max(1, order.price - order.side),
                "last_quantity_lots": lots,
                "cumulative_lots": order.filled + lots,
                "execution_id_low": self._execution,
            }
        elif answer < 0.6 and order.state in (
            OrderState.PENDING_CANCEL,
            OrderState.PENDING_REPLACE,
        ):
            fields |= {"execution_type": ExecutionType.EXEC_CANCEL_REJECT}
        elif answer < 0.63 and order.state == OrderState.PENDING_NEW:
            fields |= {
                "execution_type": ExecutionType.EXEC_REJECTED,
                "order_state": OrderState.REJECTED,
            }
        elif answer < 0.65:
            fields |= {
                "execution_type": ExecutionType.EXEC_SUSPENDED,
                "order_state": OrderState.SUSPENDED,
            }
        elif answer < 0.85:
            fields |= {
                "execution_type": ExecutionType.EXEC_CANCELED,
                "order_state": OrderState.CANCELED,
            }
        else:
            return
        rig.pipeline.apply_report(fields, rig.now_ns)
        rig.pipeline.take_notices()
