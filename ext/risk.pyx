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
            verdict = self._check_reach(intent, strategy, book, replaced, orders)
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

    cdef Verdict _check_reach(
        self, const Intent* intent, int64_t strategy, const BookView* book, const Order* replaced,
        OrderTable orders
    ) noexcept nogil:
        """The order together with all that is held and open.

        An order that lowers what a limit is about passes that limit, however far it is exceeded:
        position and net exposure look at the order's own side alone, and gross exposure lets pass
        what cannot bring its strategy's position beyond flat.
        """
        cdef InstrumentLimits* limits = &self.limits[book.instrument]
        cdef StrategyLimits* own = &self.strategies[strategy]
        cdef CurrencyLimits* currency = &self.currencies[limits.currency]
        cdef bint is_new = intent.kind == NEW_ORDER
        cdef OrderReach reach
        memset(&reach, 0, sizeof(OrderReach))
        reach.added_lots = intent.quantity_lots
        reach.added_notional = intent.price_ticks * intent.quantity_lots
        if replaced != NULL:                # until the answer, whichever of both is larger
            reach.added_lots -= min(replaced.leaves_lots, intent.quantity_lots)
            reach.added_notional -= min(
                multiply_saturating(replaced.price_ticks, replaced.leaves_lots),
                reach.added_notional
            )
        self._find_reach(intent, strategy, book, orders, &reach)
        if reach.matches_own and self.engine.prevents_self_match:
            return SELF_MATCH
        if is_new and (
                orders.totals[strategy].count >= min(
                    <int64_t>MAX_WORKING_ORDERS, own.max_open_orders)
                or reach.instrument_orders >= limits.max_open_orders
                or reach.engine_orders >= self.engine.max_open_orders):
            return OPEN_ORDERS
        if reach.has_overflow or reach.strategy_lots > own.max_position_lots \
                or reach.toward_lots - reach.against_lots > limits.max_position_lots:
            return POSITION_LIMIT
        if reach.instrument_notional > limits.max_open_notional \
                or reach.open_value > currency.max_open_value:
            return OPEN_NOTIONAL
        if reach.strategy_lots > 0 and (
                (reach.has_no_price and currency.has_worth_limit)
                or reach.strategy_value > own.max_gross_value
                or reach.gross_value > currency.max_gross_value):
            return EXPOSURE
        if currency.max_net_value != INT64_MAX and not reach.has_no_price and (
                reach.toward_value == INT64_MAX
                or reach.toward_value - reach.against_value > currency.max_net_value):
            return EXPOSURE
        return ACCEPTED

    cdef void _find_reach(
        self, const Intent* intent, int64_t strategy, const BookView* book, OrderTable orders,
        OrderReach* reach
    ) noexcept nogil:
        """Sums over the strategies, the order included."""
        cdef const OpenTotals* totals
        cdef const InstrumentLimits* limits
        cdef int64_t instrument = book.instrument
        cdef int64_t currency = self.limits[instrument].currency
        cdef bint is_valued = self.currencies[currency].is_limited
        cdef int64_t index, product, held, added, toward, other, price, largest
        for index in range(self.strategy_count):
            totals = &orders.totals[index]
            product = self.strategies[index].instrument
            reach.engine_orders += totals.count
            if product != instrument and (
                    not is_valued or self.limits[product].currency != currency):
                continue
            added = reach.added_lots if index == strategy else 0
            held = orders.positions[index].position_lots
            if intent.side == BUY:
                toward, other = totals.buy_lots, totals.sell_lots
            else:
                toward, other = totals.sell_lots, totals.buy_lots
                held = negate_saturating(held)
            # Positive is the order's side from here on.
            if add_overflows(toward, added, &toward):
                reach.has_overflow = True
                toward = INT64_MAX
            if product == instrument:
                reach.instrument_orders += totals.count
                reach.instrument_notional = add_saturating(
                    reach.instrument_notional, totals.notional
                )
                if intent.side == BUY:
                    reach.matches_own |= (
                        totals.lowest_sell_ticks > 0
                        and intent.price_ticks >= totals.lowest_sell_ticks
                    )
                else:
                    reach.matches_own |= intent.price_ticks <= totals.highest_buy_ticks
                reach.has_overflow |= add_overflows(
                    reach.toward_lots, toward, &reach.toward_lots
                )
                if held > 0:
                    reach.has_overflow |= add_overflows(
                        reach.toward_lots, held, &reach.toward_lots
                    )
                else:
                    reach.against_lots = add_saturating(
                        reach.against_lots, negate_saturating(held)
                    )
            if index == strategy:
                reach.strategy_lots = add_saturating(toward, held)
            if not is_valued and index != strategy:
                continue
            largest = max(
                add_saturating(toward, held), add_saturating(other, negate_saturating(held))
            )
            if largest == 0 and totals.notional == 0:
                continue
            limits = &self.limits[product]
            price = _mid_up(&book[product - instrument])
            reach.has_no_price |= price == 0
            price = multiply_saturating(price, limits.step_value)
            largest = multiply_saturating(largest, price)
            if index == strategy:
                reach.strategy_value = largest
            reach.gross_value = add_saturating(reach.gross_value, largest)
            reach.open_value = add_saturating(
                reach.open_value, multiply_saturating(totals.notional, limits.step_value)
            )
            reach.toward_value = add_saturating(
                reach.toward_value, multiply_saturating(toward, price)
            )
            if held > 0:
                reach.toward_value = add_saturating(
                    reach.toward_value, multiply_saturating(held, price)
                )
            else:
                reach.against_value = add_saturating(
                    reach.against_value, multiply_saturating(negate_saturating(held), price)
                )
        reach.instrument_notional = add_saturating(reach.instrument_notional, reach.added_notional)
        reach.open_value = add_saturating(
            reach.open_value,
            multiply_saturating(reach.added_notional, self.limits[instrument].step_value)
        )

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
