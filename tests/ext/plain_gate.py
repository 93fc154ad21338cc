"""The rules of the risk gate one by one, in plain Python: whole numbers without an end, sums over
every single order, the calendar of ``datetime``. Slow and obvious; nothing is kept between two
checks but what was sent."""

# tidy-ok: a tool of the tests, not a mirror of a module

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from ext.bounds import Bound
from ext.wire import BookState, IntentKind, OrderState, Side, TimeInForce, Verdict

SECOND_NS = 1_000_000_000
NO_LIMIT = 2**63 - 1
LIMIT_ORDER = 1
MILLION = 1_000_000
CLOSED = (
    OrderState.NO_ORDER,
    OrderState.FILLED,
    OrderState.CANCELED,
    OrderState.REJECTED,
    OrderState.EXPIRED,
)
PENDING = (OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)


@dataclass
class EngineRules:
    """Limits of the engine, see ``RiskLimits.set_engine_limits``."""

    per_second: int = 1024
    reserve: int = 0
    per_ten_seconds: int = 16_384
    long_reserve: int = 0
    stale_ns: int = 10**15
    duplicate_ns: int = 0
    delay_ns: int = 0
    open_orders: int = NO_LIMIT
    trade_age_ns: int = NO_LIMIT
    prevents_self_match: bool = True


@dataclass
class InstrumentRules:
    """Limits of an instrument, see ``RiskLimits.set_instrument_limits``."""

    max_lots: int
    max_notional: int
    collar_ppm: int
    max_position: int
    min_lots: int = 0
    min_notional: int = 0
    trade_collar_ppm: int = 0
    open_orders: int = NO_LIMIT
    open_notional: int = NO_LIMIT
    currency: int = 0
    step_value: int = 1
    hours: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class StrategyRules:
    """Limits of a strategy, see ``RiskLimits.add_strategy``."""

    instrument: int
    max_position: int = NO_LIMIT
    open_orders: int = NO_LIMIT
    per_second: int = 1024
    gross: int = NO_LIMIT


@dataclass
class CurrencyRules:
    """Limits of a quote currency, see ``RiskLimits.set_currency_limits``."""

    open_value: int = NO_LIMIT
    gross: int = NO_LIMIT
    net: int = NO_LIMIT


@dataclass
class Rules:
    """All of them."""

    engine: EngineRules
    instruments: list[InstrumentRules]
    strategies: list[StrategyRules]
    currencies: list[CurrencyRules]


class PlainOrder(NamedTuple):
    """What the rules look at of an open order."""

    number: int
    instrument: int
    strategy: int
    side: int
    order_type: int
    time_in_force: int
    post_only: int
    state: int
    price: int
    filled: int
    leaves: int
    pending_price: int
    pending_quantity: int

    @property
    def prices(self) -> list[int]:
        """At which it may trade."""
        return [self.price, self.pending_price] if self.pending_quantity else [self.price]

    @property
    def worst_lots(self) -> int:
        """The most that may fill of it."""
        return max(self.leaves, self.pending_quantity - self.filled if self.pending_quantity else 0)

    @property
    def worst_notional(self) -> int:
        """The most that may be paid for it."""
        grown = self.pending_quantity - self.filled if self.pending_quantity else 0
        return max(self.price * self.leaves, self.pending_price * grown)


@dataclass
class PlainBook:
    """What the rules look at of a product's market."""

    state: int = BookState.LIVE
    bid: int | None = None
    ask: int | None = None
    exchange_ns: int = 0
    frame_ns: int = 0
    trade: int | None = None
    trade_ns: int = 0

    @property
    def has_mid(self) -> bool:
        """Whether there is a best price on either side, in order."""
        return self.bid is not None and self.ask is not None and 0 < self.bid < self.ask


@dataclass
class Situation:
    """Everything else that a verdict depends on."""

    orders: list[PlainOrder]
    positions: list[int]
    books: list[PlainBook]
    is_session_up: bool
    is_paused: bool
    now_ns: int


class PlainGate:
    """Gives verdicts, and remembers what was sent."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._times: list[int] = []
        self._strategy_times: list[list[int]] = [[] for _ in rules.strategies]
        self._new: list[tuple[int, tuple[int, int, int, int]]] = []

    def note(self, kind: int, strategy: int, terms: tuple[int, int, int], now_ns: int) -> None:
        """A request left; ``terms`` are side, price and quantity."""
        self._times.append(now_ns)
        self._strategy_times[strategy].append(now_ns)
        if kind == IntentKind.NEW_ORDER:
            self._new.append((now_ns, (self.rules.strategies[strategy].instrument, *terms)))

    def check(self, intent: dict[str, int], strategy: int, now: Situation) -> Verdict:
        """The first rule that is broken, in the order that ``ext/risk.pxd`` gives."""
        kind = intent["kind"]
        number = intent.get("order_number", 0)
        order = next((each for each in now.orders if each.number == number), None)
        if order is not None and order.strategy != strategy:
            order = None
        instrument = self.rules.strategies[strategy].instrument
        if not now.is_session_up:
            return Verdict.SESSION_DOWN
        if kind == IntentKind.CANCEL_ORDER:
            return self._check_cancel(order, now.now_ns)
        if kind not in (IntentKind.NEW_ORDER, IntentKind.REPLACE_ORDER):
            return Verdict.INTENT_INVALID
        if now.is_paused:
            return Verdict.ENGINE_PAUSED
        if not is_open_hour(self.rules.instruments[instrument].hours, now.now_ns):
            return Verdict.OUTSIDE_HOURS
        if not self._is_fresh(now.books[instrument], now.now_ns):
            return Verdict.BOOK_NOT_LIVE
        if kind == IntentKind.NEW_ORDER:
            order = None
        elif order is None or order.state == OrderState.UNKNOWN:
            return Verdict.UNKNOWN_ORDER
        elif order.state in PENDING:
            return Verdict.ALREADY_PENDING
        wanted = dict(intent)
        if order is not None:
            wanted |= {
                "side": order.side,
                "order_type": order.order_type,
                "time_in_force": order.time_in_force,
                "post_only": order.post_only,
            }
        verdict = self._check_terms(wanted, instrument, now)
        if verdict == Verdict.ACCEPTED:
            verdict = self._check_open(wanted, strategy, order, now)
        if verdict == Verdict.ACCEPTED and order is None:
            verdict = self._check_duplicate(wanted, instrument, now.now_ns)
        if verdict == Verdict.ACCEPTED and not self._has_room(strategy, now.now_ns):
            verdict = Verdict.MESSAGE_RATE
        return verdict

    def _check_cancel(self, order: PlainOrder | None, now_ns: int) -> Verdict:
        engine = self.rules.engine
        if order is None:
            return Verdict.UNKNOWN_ORDER
        if order.state == OrderState.PENDING_CANCEL:
            return Verdict.ALREADY_PENDING
        is_free = (
            count_since(self._times, now_ns - SECOND_NS) < engine.per_second
            and count_since(self._times, now_ns - 10 * SECOND_NS) < engine.per_ten_seconds
        )
        return Verdict.ACCEPTED if is_free else Verdict.MESSAGE_RATE

    def _is_fresh(self, book: PlainBook, now_ns: int) -> bool:
        engine = self.rules.engine
        if book.state != BookState.LIVE or now_ns - book.frame_ns > engine.stale_ns:
            return False
        has_delay = engine.delay_ns > 0 and book.exchange_ns > 0
        return not has_delay or now_ns - book.exchange_ns <= engine.delay_ns

    def _check_terms(self, wanted: dict[str, int], instrument: int, now: Situation) -> Verdict:
        rules, book = self.rules.instruments[instrument], now.books[instrument]
        price, lots = wanted["price_ticks"], wanted["quantity_lots"]
        is_resting = wanted["time_in_force"] == TimeInForce.GOOD_TILL_CANCEL
        if (
            wanted["side"] not in (Side.BUY, Side.SELL)
            or wanted["order_type"] != LIMIT_ORDER
            or wanted["time_in_force"] not in list(TimeInForce)
            or (wanted.get("post_only", 0) != 0 and not is_resting)
        ):
            return Verdict.INTENT_INVALID
        if not 0 < lots <= rules.max_lots:
            return Verdict.QUANTITY_INVALID
        if price <= 0 or price * lots > NO_LIMIT:
            return Verdict.PRICE_INVALID
        if price * lots > rules.max_notional:
            return Verdict.NOTIONAL
        if lots < rules.min_lots or price * lots < rules.min_notional:
            return Verdict.BELOW_MINIMUM
        if not book.has_mid:
            return Verdict.PRICE_COLLAR
        verdict = check_collar(price, (book.bid or 0) + (book.ask or 0), rules.collar_ppm)
        if verdict != Verdict.ACCEPTED or not rules.trade_collar_ppm:
            return verdict
        if book.trade is None or now.now_ns - book.trade_ns > self.rules.engine.trade_age_ns:
            return Verdict.PRICE_COLLAR
        return check_collar(price, 2 * book.trade, rules.trade_collar_ppm)

    def _check_open(
        self, wanted: dict[str, int], strategy: int, replaced: PlainOrder | None, now: Situation
    ) -> Verdict:
        own = self.rules.strategies[strategy]
        rules = self.rules.instruments[own.instrument]
        side, price, lots = wanted["side"], wanted["price_ticks"], wanted["quantity_lots"]
        here = [each for each in now.orders if each.instrument == own.instrument]
        mine = [each for each in now.orders if each.strategy == strategy]
        if self.rules.engine.prevents_self_match and any(
            each.side == -side and any(side * price >= side * theirs for theirs in each.prices)
            for each in here
        ):
            return Verdict.SELF_MATCH
        if replaced is None and (
            len(mine) >= min(int(Bound.MAX_WORKING_ORDERS), own.open_orders)
            or len(here) >= rules.open_orders
            or len(now.orders) >= self.rules.engine.open_orders
        ):
            return Verdict.OPEN_ORDERS
        added = lots
        notional = price * lots
        if replaced is not None:  # until it is answered, the larger of both
            added = max(lots, replaced.leaves) - replaced.leaves
            notional = max(notional, replaced.price * replaced.leaves) - (
                replaced.price * replaced.leaves
            )
        own_reach = self._reach(strategy, side, now) + added
        reach = added + sum(
            self._reach(index, side, now)
            for index, each in enumerate(self.rules.strategies)
            if each.instrument == own.instrument
        )
        ahead = added + sum(each.worst_lots for each in here if each.side == side)
        ahead += sum(
            max(0, side * now.positions[index])
            for index, each in enumerate(self.rules.strategies)
            if each.instrument == own.instrument
        )
        if ahead > NO_LIMIT:  # more than can be counted
            return Verdict.POSITION_LIMIT
        if max(own_reach - own.max_position, reach - rules.max_position) > 0:
            return Verdict.POSITION_LIMIT
        notionals = notional + sum(each.worst_notional for each in here)
        if rules.open_notional < NO_LIMIT and notionals > rules.open_notional:
            return Verdict.OPEN_NOTIONAL
        return self._check_currency(strategy, side, added, notional, own_reach, now)

    def _reach(self, strategy: int, side: int, now: Situation) -> int:
        """Where the position goes, seen from that side, when its open orders of the side fill."""
        return side * now.positions[strategy] + sum(
            each.worst_lots
            for each in now.orders
            if each.strategy == strategy and each.side == side
        )

    def _check_currency(
        self, strategy: int, side: int, added: int, notional: int, own_reach: int, now: Situation
    ) -> Verdict:
        own = self.rules.strategies[strategy]
        currency = self.rules.instruments[own.instrument].currency
        limits = self.rules.currencies[currency]
        open_value = notional * self.rules.instruments[own.instrument].step_value
        for order in now.orders:
            rules = self.rules.instruments[order.instrument]
            if rules.currency == currency:
                open_value += order.worst_notional * rules.step_value
        if limits.open_value < NO_LIMIT and open_value > limits.open_value:
            return Verdict.OPEN_NOTIONAL
        gross = toward = against = own_gross = 0
        has_prices = True
        for index, each in enumerate(self.rules.strategies):
            rules = self.rules.instruments[each.instrument]
            if rules.currency != currency:
                continue
            extra = added if index == strategy else 0
            ahead = self._reach(index, side, now) + extra
            back = self._reach(index, -side, now)
            if max(ahead, back) == 0:
                continue
            book = now.books[each.instrument]
            if not book.bid or not book.ask:
                has_prices = False
                continue
            worth = -(-(book.bid + book.ask) // 2) * rules.step_value  # half a tick counts whole
            gross += max(ahead, back) * worth
            if index == strategy:
                own_gross = max(ahead, back) * worth
            held = side * now.positions[index]
            toward += (ahead - min(held, 0)) * worth
            against += -min(held, 0) * worth
        is_limited = limits.gross < NO_LIMIT or limits.net < NO_LIMIT
        if own_reach > 0 and is_limited and not has_prices:
            return Verdict.EXPOSURE
        if own_reach > 0 and own.gross < NO_LIMIT and own_gross > own.gross:
            return Verdict.EXPOSURE
        if own_reach > 0 and limits.gross < NO_LIMIT and gross > limits.gross:
            return Verdict.EXPOSURE
        if (
            limits.net < NO_LIMIT
            and has_prices
            and (toward >= NO_LIMIT or toward - min(against, NO_LIMIT) > limits.net)
        ):
            return Verdict.EXPOSURE
        return Verdict.ACCEPTED

    def _check_duplicate(self, wanted: dict[str, int], instrument: int, now_ns: int) -> Verdict:
        terms = instrument, wanted["side"], wanted["price_ticks"], wanted["quantity_lots"]
        for sent_ns, sent in reversed(self._new):
            if now_ns - sent_ns >= self.rules.engine.duplicate_ns:
                break
            if sent == terms:
                return Verdict.DUPLICATE
        return Verdict.ACCEPTED

    def _has_room(self, strategy: int, now_ns: int) -> bool:
        engine, own = self.rules.engine, self.rules.strategies[strategy]
        return (
            count_since(self._times, now_ns - SECOND_NS) < engine.per_second - engine.reserve
            and count_since(self._times, now_ns - 10 * SECOND_NS)
            < engine.per_ten_seconds - engine.long_reserve
            and count_since(self._strategy_times[strategy], now_ns - SECOND_NS) < own.per_second
        )


def check_collar(price: int, doubled_reference: int, ppm: int) -> Verdict:
    """Whether a price is within so many parts per million of half of ``doubled_reference``."""
    if doubled_reference * ppm > NO_LIMIT or 2 * price > NO_LIMIT:
        return Verdict.PRICE_INVALID
    is_far = abs(2 * price - doubled_reference) * MILLION > doubled_reference * ppm
    return Verdict.PRICE_COLLAR if is_far else Verdict.ACCEPTED


def count_since(times: list[int], since_ns: int) -> int:
    """How many of the ascending times are after ``since_ns``."""
    return len(times) - bisect_right(times, since_ns)


def is_open_hour(hours: list[tuple[int, int]], now_ns: int) -> bool:
    """Whether a time is in one of the windows, seconds of the UTC week; without any: always."""
    if not hours:
        return True
    moment = datetime.fromtimestamp(now_ns // SECOND_NS, UTC)
    second = moment.weekday() * 86_400 + moment.hour * 3600 + moment.minute * 60 + moment.second
    return any(opens <= second < closes for opens, closes in hours)
