"""Pre-trade risk gate, see the ``.pxd``."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memset

from ext.bounds cimport MAX_LONG_RATE_WINDOW, MAX_RATE_WINDOW, MAX_WORKING_ORDERS
from ext.checked cimport (
    add_overflows,
    add_saturating,
    multiply_overflows,
    multiply_saturating,
    negate_saturating,
)
from ext.duplicate_orders cimport note_order, was_sent_lately
from ext.market cimport LastSeen
from ext.message_rate cimport is_within_rate, note_message
from ext.orders cimport OrderTable
from ext.positions cimport OpenTotals
from ext.risk_limits cimport CurrencyLimits, InstrumentLimits, RiskLimits, StrategyLimits
from ext.trading_hours cimport is_within_hours
from ext.wire cimport (
    ACCEPTED,
    ALREADY_PENDING,
    BELOW_MINIMUM,
    BOOK_NOT_LIVE,
    BUY,
    CANCEL_ORDER,
    DUPLICATE,
    ENGINE_PAUSED,
    EXPOSURE,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    INTENT_INVALID,
    LIMIT,
    LIVE,
    MESSAGE_RATE,
    NEW_ORDER,
    NOTIONAL,
    NOT_PERMITTED,
    OPEN_NOTIONAL,
    OPEN_ORDERS,
    OUTSIDE_HOURS,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    POSITION_LIMIT,
    PRICE_COLLAR,
    PRICE_INVALID,
    QUANTITY_INVALID,
    REPLACE_ORDER,
    SELF_MATCH,
    SELL,
    SESSION_DOWN,
    UNKNOWN,
    UNKNOWN_ORDER,
    BookView,
    Intent,
    Order,
    Verdict,
)

cdef enum:
    SECOND_NS = 1_000_000_000
    TEN_SECONDS_NS = 10_000_000_000
    PPM = 1_000_000


@cython.final
cdef class RiskGate(RiskLimits):
    """Holds every order against the limits of ``RiskLimits``."""

    def __cinit__(self) -> None:
        memset(self.message_times_ns, 0, sizeof(self.message_times_ns))
        memset(self.strategy_times_ns, 0, sizeof(self.strategy_times_ns))
        memset(self.strategy_messages, 0, sizeof(self.strategy_messages))
        memset(&self.sent, 0, sizeof(self.sent))

    cdef Verdict check(
        self, const Intent* intent, int64_t strategy, const BookView* book, const LastSeen* seen,
        OrderTable orders, bint is_session_up, int64_t time_ns
    ) noexcept nogil:
        """Whether the intent may be sent now, and if not, the first reason found.

        ``book`` is of the strategy's instrument and stands in the array of all books; ``seen``
        says what came last of that instrument.
        """
        cdef Order* replaced = NULL
        cdef Verdict verdict
        if not is_session_up:
            return SESSION_DOWN
        if intent.kind == CANCEL_ORDER:
            return self._check_cancel(intent, strategy, orders, time_ns)
        if intent.kind != NEW_ORDER and (
                intent.kind != REPLACE_ORDER or self.is_replace_refused):
            return INTENT_INVALID
        if self.limits[book.instrument].is_forbidden:
            return NOT_PERMITTED
        if self.is_paused:
            return ENGINE_PAUSED
        if not is_within_hours(&self.hours[book.instrument], time_ns):
            return OUTSIDE_HOURS
        if book.state != LIVE or time_ns - seen.frame_ns > self.engine.stale_after_ns:
            return BOOK_NOT_LIVE
        if self.engine.max_feed_delay_ns > 0 and book.exchange_time_ns > 0 \
                and time_ns - book.exchange_time_ns > self.engine.max_feed_delay_ns:
            return BOOK_NOT_LIVE            # fresh to us, but old: a backlog is being read
        if intent.kind == REPLACE_ORDER:
            replaced = orders.find_open(intent.order_number)
            if replaced == NULL or replaced.strategy != strategy or replaced.side != intent.side \
                    or replaced.state == UNKNOWN:
                return UNKNOWN_ORDER
            if replaced.state == PENDING_NEW or replaced.state == PENDING_CANCEL \
                    or replaced.state == PENDING_REPLACE:
                return ALREADY_PENDING
        verdict = self._check_terms(intent, book, seen, time_ns)
        if verdict == ACCEPTED:
            verdict = self._check_open(intent, strategy, book, replaced, orders)
        if verdict != ACCEPTED:
            return verdict
        if intent.kind == NEW_ORDER and was_sent_lately(
                &self.sent, intent, book.instrument, self.engine.duplicate_window_ns, time_ns):
            return DUPLICATE
        return ACCEPTED if self._is_rate_free(strategy, time_ns) else MESSAGE_RATE

    cdef Verdict _check_cancel(
        self, const Intent* intent, int64_t strategy, OrderTable orders, int64_t time_ns
    ) noexcept nogil:
        cdef Order* order = orders.find_open(intent.order_number)
        if order == NULL or order.strategy != strategy:
            return UNKNOWN_ORDER
        if order.state == PENDING_CANCEL:
            return ALREADY_PENDING
        if not is_within_rate(
                self.message_times_ns, MAX_LONG_RATE_WINDOW, self.message_count,
                self.engine.max_messages_per_second, SECOND_NS, time_ns) \
            or not is_within_rate(
                self.message_times_ns, MAX_LONG_RATE_WINDOW, self.message_count,
                self.engine.max_messages_per_ten_seconds, TEN_SECONDS_NS, time_ns):
            return MESSAGE_RATE
        return ACCEPTED

    cdef Verdict _check_terms(
        self, const Intent* intent, const BookView* book, const LastSeen* seen, int64_t time_ns
    ) noexcept nogil:
        """The order by itself, against the market."""
        cdef InstrumentLimits* limits = &self.limits[book.instrument]
        cdef int64_t notional, doubled_mid
        cdef Verdict verdict
        if (intent.side != BUY and intent.side != SELL) or intent.order_type != LIMIT \
                or intent.time_in_force < GOOD_TILL_CANCEL \
                or intent.time_in_force > FILL_OR_KILL \
                or (intent.post_only != 0 and intent.time_in_force != GOOD_TILL_CANCEL):
            return INTENT_INVALID
        if intent.quantity_lots <= 0 or intent.quantity_lots > limits.max_order_lots:
            return QUANTITY_INVALID
        if intent.price_ticks <= 0 \
                or multiply_overflows(intent.price_ticks, intent.quantity_lots, &notional):
            return PRICE_INVALID
        if notional > limits.max_order_notional:
            return NOTIONAL
        if intent.quantity_lots < limits.min_order_lots or notional < limits.min_order_notional:
            return BELOW_MINIMUM
        if book.bid_levels == 0 or book.ask_levels == 0 or book.bid_ticks[0] <= 0 \
                or book.bid_ticks[0] >= book.ask_ticks[0] \
                or add_overflows(book.bid_ticks[0], book.ask_ticks[0], &doubled_mid):
            return PRICE_COLLAR             # no reference: nothing to hold the price against
        verdict = _check_collar(intent.price_ticks, doubled_mid, limits.price_collar_ppm)
        if verdict != ACCEPTED or limits.last_trade_collar_ppm == 0:
            return verdict
        if seen.trade_ticks <= 0 or time_ns - seen.trade_ns > self.engine.max_trade_age_ns \
                or seen.trade_ticks > INT64_MAX // 2:
            return PRICE_COLLAR             # the same of the last trade
        return _check_collar(
            intent.price_ticks, 2 * seen.trade_ticks, limits.last_trade_collar_ppm
        )

    cdef Verdict _check_open(
        self, const Intent* intent, int64_t strategy, const BookView* book, const Order* replaced,
        OrderTable orders
    ) noexcept nogil:
        """The order together with what is held and open of its instrument.

        Seen from the order's side: what is held or open on the other one makes no room for it, and
        a position on the other side does.
        """
        cdef const InstrumentLimits* limits = &self.limits[book.instrument]
        cdef const StrategyLimits* own = &self.strategies[strategy]
        cdef const OpenTotals* totals
        cdef bint is_buy = intent.side == BUY
        cdef bint has_overflow = False
        cdef bint matches_own = False
        cdef int64_t engine_orders = 0
        cdef int64_t instrument_orders = 0
        cdef int64_t strategy_lots = 0
        cdef int64_t against_lots = 0
        cdef int64_t added_lots = intent.quantity_lots
        cdef int64_t added_notional = intent.price_ticks * intent.quantity_lots
        cdef int64_t index, held, toward, toward_lots, notional
        if replaced != NULL:                # until the answer, whichever of both is larger
            added_lots -= min(replaced.leaves_lots, added_lots)
            added_notional -= min(
                multiply_saturating(replaced.price_ticks, replaced.leaves_lots), added_notional
            )
        toward_lots, notional = added_lots, added_notional
        for index in range(self.strategy_count):
            totals = &orders.totals[index]
            engine_orders += totals.count
            if self.strategies[index].instrument != book.instrument:
                continue
            instrument_orders += totals.count
            notional = add_saturating(notional, totals.notional)
            held = orders.positions[index].position_lots
            if is_buy:
                toward = totals.buy_lots
                matches_own |= totals.lowest_sell_ticks > 0 \
                    and intent.price_ticks >= totals.lowest_sell_ticks
            else:
                toward = totals.sell_lots
                matches_own |= intent.price_ticks <= totals.highest_buy_ticks
                held = negate_saturating(held)
            if index == strategy:
                strategy_lots = add_saturating(add_saturating(toward, added_lots), held)
            has_overflow |= add_overflows(toward_lots, toward, &toward_lots)
            if held > 0:
                has_overflow |= add_overflows(toward_lots, held, &toward_lots)
            else:
                against_lots = add_saturating(against_lots, negate_saturating(held))
        if matches_own and self.engine.prevents_self_match:
            return SELF_MATCH
        if intent.kind == NEW_ORDER and (
                orders.totals[strategy].count >= min(<int64_t>MAX_WORKING_ORDERS,
                                                     own.max_open_orders)
                or instrument_orders >= limits.max_open_orders
                or engine_orders >= self.engine.max_open_orders):
            return OPEN_ORDERS
        if has_overflow or strategy_lots > own.max_position_lots \
                or toward_lots - against_lots > limits.max_position_lots:
            return POSITION_LIMIT
        if notional > limits.max_open_notional:
            return OPEN_NOTIONAL
        if self.currencies[limits.currency].is_limited or own.max_gross_value != INT64_MAX:
            return self._check_worth(
                intent.side, strategy, book, added_lots, added_notional, strategy_lots, orders
            )
        return ACCEPTED

    cdef Verdict _check_worth(
        self, int64_t side, int64_t strategy, const BookView* book, int64_t added_lots,
        int64_t added_notional, int64_t strategy_lots, OrderTable orders
    ) noexcept nogil:
        """What is held and open of the order's currency, in its unit, the order included.

        ``strategy_lots`` is where the position of the order's strategy goes, seen from the order's
        side, if all filled: up to zero it is reduced, and gross exposure does not hold that back.
        """
        cdef const CurrencyLimits* currency = &self.currencies[self.limits[book.instrument].currency]
        cdef const StrategyLimits* own = &self.strategies[strategy]
        cdef const InstrumentLimits* limits = &self.limits[book.instrument]
        cdef const OpenTotals* totals
        cdef bint has_no_price = False
        cdef int64_t open_value = multiply_saturating(added_notional, limits.step_value)
        cdef int64_t gross_value = 0
        cdef int64_t own_value = 0
        cdef int64_t toward_value = 0
        cdef int64_t against_value = 0
        cdef int64_t index, product, held, ahead, back, largest, price
        for index in range(self.strategy_count):
            product = self.strategies[index].instrument
            limits = &self.limits[product]
            if index != strategy and (
                    not currency.is_limited
                    or limits.currency != self.limits[book.instrument].currency):
                continue
            totals = &orders.totals[index]
            held = orders.positions[index].position_lots
            if held == 0 and totals.count == 0 and index != strategy:
                continue
            open_value = add_saturating(
                open_value, multiply_saturating(totals.notional, limits.step_value)
            )
            if side == BUY:
                ahead, back = totals.buy_lots, totals.sell_lots
            else:
                ahead, back = totals.sell_lots, totals.buy_lots
                held = negate_saturating(held)
            if index == strategy:
                ahead = add_saturating(ahead, added_lots)
            largest = max(
                add_saturating(ahead, held), add_saturating(back, negate_saturating(held))
            )
            if largest == 0:
                continue
            price = _mid_up(&book[product - book.instrument])
            has_no_price |= price == 0
            price = multiply_saturating(price, limits.step_value)
            largest = multiply_saturating(largest, price)
            gross_value = add_saturating(gross_value, largest)
            if index == strategy:
                own_value = largest
            if held > 0:
                ahead = add_saturating(ahead, held)
            else:
                against_value = add_saturating(
                    against_value, multiply_saturating(negate_saturating(held), price)
                )
            toward_value = add_saturating(toward_value, multiply_saturating(ahead, price))
        if open_value > currency.max_open_value:
            return OPEN_NOTIONAL
        has_no_price &= currency.has_worth_limit
        if strategy_lots > 0 and (
                has_no_price or own_value > own.max_gross_value
                or gross_value > currency.max_gross_value):
            return EXPOSURE
        if currency.max_net_value != INT64_MAX and not has_no_price and (
                toward_value == INT64_MAX
                or toward_value - against_value > currency.max_net_value):
            return EXPOSURE
        return ACCEPTED

    cdef bint _is_rate_free(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Whether the rates have room for a message that is no cancel."""
        return is_within_rate(
            self.message_times_ns, MAX_LONG_RATE_WINDOW, self.message_count,
            self.engine.max_messages_per_second - self.engine.cancel_reserve, SECOND_NS, time_ns
        ) and is_within_rate(
            self.message_times_ns, MAX_LONG_RATE_WINDOW, self.message_count,
            self.engine.max_messages_per_ten_seconds - self.engine.long_cancel_reserve,
            TEN_SECONDS_NS, time_ns
        ) and is_within_rate(
            self.strategy_times_ns[strategy], MAX_RATE_WINDOW, self.strategy_messages[strategy],
            self.strategies[strategy].max_messages_per_second, SECOND_NS, time_ns
        )

    cdef void note_sent(
        self, const Intent* intent, int64_t strategy, int64_t instrument, int64_t time_ns
    ) noexcept nogil:
        """Counts an accepted message; every one counts, sent or not."""
        note_message(self.message_times_ns, MAX_LONG_RATE_WINDOW, self.message_count, time_ns)
        self.message_count += 1
        note_message(
            self.strategy_times_ns[strategy], MAX_RATE_WINDOW, self.strategy_messages[strategy],
            time_ns
        )
        self.strategy_messages[strategy] += 1
        if intent.kind == NEW_ORDER:
            note_order(&self.sent, intent, instrument, time_ns)


cdef inline Verdict _check_collar(
    int64_t price_ticks, int64_t doubled_reference, int64_t collar_ppm
) noexcept nogil:
    """The distance of a price from a reference, both doubled, so that a mid is whole."""
    cdef int64_t distance, allowed
    if multiply_overflows(doubled_reference, collar_ppm, &allowed):
        return PRICE_INVALID
    if multiply_overflows(price_ticks, 2, &distance):
        return PRICE_INVALID
    distance -= doubled_reference
    if distance < 0:
        distance = -distance
    if multiply_overflows(distance, PPM, &distance) or distance > allowed:
        return PRICE_COLLAR
    return ACCEPTED


cdef inline int64_t _mid_up(const BookView* book) noexcept nogil:
    """The mid of a book, half a tick counted whole; 0: a side is empty."""
    if book.bid_levels == 0 or book.ask_levels == 0 or book.bid_ticks[0] <= 0:
        return 0
    return <int64_t>((<uint64_t>book.bid_ticks[0] + <uint64_t>book.ask_ticks[0] + 1) >> 1)
