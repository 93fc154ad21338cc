"""The risk gate against a slow plain-Python one, on random intents in random situations."""

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ext.bounds import Bound
from ext.wire import IntentKind, OrderState, Side, TimeInForce, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
INTENTS_PER_SEED = 5000
MESSAGES_PER_SECOND, CANCEL_RESERVE = 25, 5
STALE_NS, DUPLICATE_NS = SECOND_NS // 2, 80_000_000
MAX_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION = 100, 4_700_000, 10_000, 160
STRATEGY_INSTRUMENTS = (0, 1, 0)
PENDING = (OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
LIMIT_ORDER = 1
INT64 = range(-(2**63), 2**63)
Orders = dict[int, dict[str, Any]]


class PlainGate:
    """The rules one by one, in whole numbers without an end."""

    def __init__(self) -> None:
        self.is_paused = False
        self.sent_ns: list[int] = []
        self.new_orders: list[tuple[int, int, int, int, int]] = []
        self.books = [(50_000, 50_010), (50_000, 50_010)]
        self.last_frame_ns = [0, 0]  # of each instrument

    def check(
        self,
        intent: dict[str, int],
        strategy: int,
        orders: Orders,
        positions: list[int],
        is_session_up: bool,
        now_ns: int,
    ) -> Verdict:
        """What the gate has to say; ``orders`` are the open ones."""
        order = orders.get(intent.get("order_number", 0))
        is_known = order is not None and order["strategy"] == strategy
        state = OrderState(order["state"]) if order else OrderState.NO_ORDER
        kind = intent["kind"]
        sent_in_window = sum(now_ns - sent_ns < SECOND_NS for sent_ns in self.sent_ns[-2000:])
        if not is_session_up:
            return Verdict.SESSION_DOWN
        if kind == IntentKind.CANCEL_ORDER:
            if not is_known:
                return Verdict.UNKNOWN_ORDER
            if state == OrderState.PENDING_CANCEL:
                return Verdict.ALREADY_PENDING
            is_free = sent_in_window < MESSAGES_PER_SECOND
            return Verdict.ACCEPTED if is_free else Verdict.MESSAGE_RATE
        if kind not in (IntentKind.NEW_ORDER, IntentKind.REPLACE_ORDER):
            return Verdict.INTENT_INVALID
        if self.is_paused:
            return Verdict.ENGINE_PAUSED
        if now_ns - self.last_frame_ns[STRATEGY_INSTRUMENTS[strategy]] > STALE_NS:
            return Verdict.BOOK_NOT_LIVE
        if kind == IntentKind.REPLACE_ORDER:
            if not is_known or state == OrderState.UNKNOWN:
                return Verdict.UNKNOWN_ORDER
            if state in PENDING:
                return Verdict.ALREADY_PENDING
        else:
            order = None
        verdict = self._check_terms(intent, strategy, order, orders, positions)
        if verdict != Verdict.ACCEPTED:
            return verdict
        if kind == IntentKind.NEW_ORDER and self._is_duplicate(intent, strategy, now_ns):
            return Verdict.DUPLICATE
        is_free = sent_in_window < MESSAGES_PER_SECOND - CANCEL_RESERVE
        return Verdict.ACCEPTED if is_free else Verdict.MESSAGE_RATE

    def _check_terms(
        self,
        intent: dict[str, int],
        strategy: int,
        replaced: dict[str, Any] | None,
        orders: Orders,
        positions: list[int],
    ) -> Verdict:
        terms = replaced or intent
        price, lots, side = intent["price_ticks"], intent["quantity_lots"], terms["side"]
        is_post_only = terms.get("post_only", 0) != 0
        if (
            side not in (Side.BUY, Side.SELL)
            or terms["order_type"] != LIMIT_ORDER
            or terms["time_in_force"] not in list(TimeInForce)
            or (is_post_only and terms["time_in_force"] != TimeInForce.GOOD_TILL_CANCEL)
        ):
            return Verdict.INTENT_INVALID
        if not 0 < lots <= MAX_LOTS:
            return Verdict.QUANTITY_INVALID
        if price <= 0 or price * lots not in INT64:
            return Verdict.PRICE_INVALID
        if price * lots > MAX_NOTIONAL:
            return Verdict.NOTIONAL
        instrument = STRATEGY_INSTRUMENTS[strategy]
        middle_twice = sum(self.books[instrument])
        if abs(2 * price - middle_twice) * 1_000_000 > middle_twice * COLLAR_PPM:
            return Verdict.PRICE_COLLAR
        mine = [order for order in orders.values() if order["strategy"] == strategy]
        if replaced is None and len(mine) >= Bound.MAX_WORKING_ORDERS:
            return Verdict.OPEN_ORDERS
        worst = lots
        for index, other_instrument in enumerate(STRATEGY_INSTRUMENTS):
            if other_instrument == instrument:
                worst += side * positions[index]
        for order in orders.values():
            if order["instrument"] == instrument and order["side"] == side:
                open_lots = order["leaves_lots"]
                if order["pending_quantity_lots"] > 0:
                    grown = order["pending_quantity_lots"] - order["filled_lots"]
                    open_lots = max(open_lots, grown)
                worst += open_lots
        if replaced is not None:
            worst -= min(replaced["leaves_lots"], lots)
        return Verdict.POSITION_LIMIT if worst > MAX_POSITION else Verdict.ACCEPTED

    def _is_duplicate(self, intent: dict[str, int], strategy: int, now_ns: int) -> bool:
        wanted = self._terms(intent, strategy)
        return any(
            terms == wanted and now_ns - sent_ns < DUPLICATE_NS
            for sent_ns, *terms in self.new_orders[-2000:]
        )

    @staticmethod
    def _terms(intent: dict[str, int], strategy: int) -> list[int]:
        instrument = STRATEGY_INSTRUMENTS[strategy]
        return [instrument, intent["side"], intent["price_ticks"], intent["quantity_lots"]]

    def note_sent(self, intent: dict[str, int], strategy: int, now_ns: int) -> None:
        self.sent_ns.append(now_ns)
        if intent["kind"] == IntentKind.NEW_ORDER:
            instrument, side, price, lots = self._terms(intent, strategy)
            self.new_orders.append((now_ns, instrument, side, price, lots))


def random_intent(
    rig: "OrderRig", chance: random.Random, numbers: list[int], is_burst: bool
) -> dict[str, int]:
    """Mostly what a strategy would want, now and then what none should."""
    price = 50_005 + chance.choice((-1, 1)) * chance.choice((0, 1, 2, 499, 500, 501, 2000))
    lots = chance.choice((1, 5, 5, 20, 50, 93, 94, 95, 100, 101, 0, -1))
    if is_burst:
        price, lots = 50_005 + chance.randrange(-4, 5), chance.randint(1, 3)
    kind = chance.random()
    if kind < (0.9 if is_burst else 0.45) or not numbers:
        intent = rig.new(chance.choice(list(Side)), price, lots)
        if chance.random() < 0.1:
            name = chance.choice(("side", "order_type", "time_in_force", "post_only", "kind"))
            intent[name] = chance.choice((-1, 0, 1, 2, 3, 4))
        if chance.random() < 0.03:
            intent["price_ticks"] = chance.choice((0, -5, 2**62, 2**63 - 1, -(2**63), 2**58))
        return intent
    number = chance.choice(numbers) if chance.random() < 0.95 else chance.randrange(-2, 10_000)
    if kind < 0.7:
        return rig.cancel(number)
    return rig.replace(number, price, lots)


def random_event(rig: "OrderRig", chance: random.Random, plain: PlainGate, orders: Orders) -> None:
    """Something else happens between two intents."""
    kind = chance.random()
    if kind < 0.25:
        rig.now_ns += chance.choice((1, 10**6, 10**7, 10**8, 6 * 10**8, 2 * 10**9))
    elif kind < 0.45:
        instrument = chance.randrange(2)
        bid = 50_000 + chance.randrange(-3, 4)
        plain.books[instrument] = (bid, bid + 10)
        plain.last_frame_ns[instrument] = rig.now_ns
        rig.set_book(bid, bid + 10, instrument)
    elif kind < 0.48:
        plain.is_paused = rig.gate.is_paused = chance.random() < 0.1
    elif kind < 0.51:
        rig.store.is_active = chance.random() < 0.9
    elif kind < 0.515:
        rig.order_table.mark_unknown(rig.now_ns)
    elif orders:
        order = chance.choice(list(orders.values()))
        number, symbol = order["order_number"], rig.options.instruments[order["instrument"]][0]
        answer = chance.random()
        is_active, rig.store.is_active = rig.store.is_active, True
        if answer < 0.35:
            rig.report(number, "0", "0", t55=symbol)
        elif answer < 0.55 and order["leaves_lots"] > 0:
            lots = rig.quantity(chance.randint(1, order["leaves_lots"]), order["instrument"])
            rig.report(number, "F", "1", t55=symbol, t31="1", t32=lots)
        elif answer < 0.8:
            rig.report(number, "4", "4", t55=symbol)
        else:
            rig.reject_cancel(order["request_number"], number)
        rig.store.is_active = is_active


@pytest.mark.parametrize("seed", range(5))
def test_the_gate_is_its_model(make_order_rig: MakeRig, seed: int) -> None:
    chance = random.Random(seed)
    rig = make_order_rig(
        strategies=STRATEGY_INSTRUMENTS,
        engine_limits=(MESSAGES_PER_SECOND, CANCEL_RESERVE, STALE_NS, DUPLICATE_NS),
        instrument_limits=(MAX_LOTS, MAX_NOTIONAL, COLLAR_PPM, MAX_POSITION),
    )
    plain = PlainGate()
    plain.last_frame_ns = [rig.now_ns] * 2
    seen: Counter[Verdict] = Counter()
    for index in range(INTENTS_PER_SEED):
        orders: Orders = {
            int(str(order["order_number"])): order for order in rig.order_table.open_orders()
        }
        is_burst = index % 500 < 250
        while chance.random() < (0.2 if is_burst else 0.6):
            random_event(rig, chance, plain, orders)
            orders = {
                int(str(order["order_number"])): order for order in rig.order_table.open_orders()
            }
        strategy = chance.randrange(3) if not is_burst else index // 500 % 3
        intent = random_intent(rig, chance, list(orders), is_burst)
        expected = plain.check(
            intent,
            strategy,
            orders,
            [int(position["position_lots"]) for position in rig.positions],
            rig.store.is_active,
            rig.now_ns + 1,
        )
        assert rig.verdict(intent, strategy) == expected, intent
        seen[expected] += 1
        if expected == Verdict.ACCEPTED:
            plain.note_sent(intent, strategy, rig.now_ns)
    assert not rig.bad_reports
    # The journal is not a matter of the gate's limits.
    assert set(seen) == set(Verdict) - {Verdict.JOURNAL_BEHIND}
    assert seen[Verdict.ACCEPTED] > INTENTS_PER_SEED // 20
