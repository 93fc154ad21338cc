"""Pre-trade risk gate, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from ext.bounds cimport MAX_INSTRUMENTS, MAX_RATE_WINDOW, MAX_STRATEGIES, MAX_WORKING_ORDERS
from ext.errors import UsageError
from ext.orders cimport OrderTable
from ext.wire cimport (
    ACCEPTED,
    ALREADY_PENDING,
    BOOK_NOT_LIVE,
    BUY,
    CANCEL_ORDER,
    DUPLICATE,
    ENGINE_PAUSED,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    INTENT_INVALID,
    LIMIT,
    LIVE,
    MESSAGE_RATE,
    NEW_ORDER,
    NOTIONAL,
    NOT_PERMITTED,
    OPEN_ORDERS,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    POSITION_LIMIT,
    PRICE_COLLAR,
    PRICE_INVALID,
    QUANTITY_INVALID,
    REPLACE_ORDER,
    SELL,
    SESSION_DOWN,
    UNKNOWN,
    UNKNOWN_ORDER,
    BookView,
    Intent,
    Order,
    Position,
    Verdict,
)

cdef extern from *:
    bint multiply_overflows "__builtin_mul_overflow"(int64_t a, int64_t b, int64_t* result) \
        noexcept nogil
    bint add_overflows "__builtin_add_overflow"(int64_t a, int64_t b, int64_t* result) \
        noexcept nogil

cdef enum:
    SECOND_NS = 1_000_000_000
    PPM = 1_000_000


@cython.final
cdef class RiskGate:
    """Limits of the engine and of each instrument; everything not set is refused."""

    def __cinit__(self) -> None:
        memset(self.limits, 0, sizeof(self.limits))
        memset(&self.engine, 0, sizeof(self.engine))
        memset(self.message_times_ns, 0, sizeof(self.message_times_ns))
        memset(self.sent, 0, sizeof(self.sent))
        memset(self.newest, 0, sizeof(self.newest))

    def set_engine_limits(
        self,
        max_messages_per_second: int,
        cancel_reserve: int,
        stale_after_ns: int,
        duplicate_window_ns: int,
        max_feed_delay_ns: int = 0,
    ) -> None:
        """Limits over all orders; UsageError outside their ranges (see ``EngineLimits``)."""
        if max_feed_delay_ns < 0:
            raise UsageError(f"max_feed_delay_ns was {max_feed_delay_ns}; use 0 (off) or more")
        if not 1 <= max_messages_per_second <= MAX_RATE_WINDOW:
            raise UsageError(
                f"max_messages_per_second was {max_messages_per_second}; use 1 to "
                f"{MAX_RATE_WINDOW}"
            )
        if not 0 <= cancel_reserve < max_messages_per_second:
            raise UsageError(
                f"cancel_reserve was {cancel_reserve}; use 0 to {max_messages_per_second - 1}"
            )
        if stale_after_ns <= 0 or not 0 <= duplicate_window_ns <= SECOND_NS:
            raise UsageError(
                "stale_after_ns must be positive and duplicate_window_ns 0 to one second; were "
                f"{stale_after_ns} and {duplicate_window_ns}"
            )
        self.engine.max_messages_per_second = max_messages_per_second
        self.engine.cancel_reserve = cancel_reserve
        self.engine.stale_after_ns = stale_after_ns
        self.engine.duplicate_window_ns = duplicate_window_ns
        self.engine.max_feed_delay_ns = max_feed_delay_ns

    def set_instrument_limits(
        self,
        instrument: int,
        max_order_lots: int,
        max_order_notional: int,
        price_collar_ppm: int,
        max_position_lots: int,
    ) -> None:
        """Limits of one instrument, all greater than zero; notional in ticks times lots."""
        if not 0 <= instrument < MAX_INSTRUMENTS:
            raise UsageError(f"instrument was {instrument}; use 0 to {MAX_INSTRUMENTS - 1}")
        values = (max_order_lots, max_order_notional, price_collar_ppm, max_position_lots)
        if min(values) <= 0:
            raise UsageError(f"limits of instrument {instrument} were {values}; use > 0")
        self.limits[instrument].max_order_lots = max_order_lots
        self.limits[instrument].max_order_notional = max_order_notional
        self.limits[instrument].price_collar_ppm = price_collar_ppm
        self.limits[instrument].max_position_lots = max_position_lots

    def forbid(self, instrument: int) -> None:
        """No new order or replace of an instrument passes from now on; its cancels do."""
        if not 0 <= instrument < MAX_INSTRUMENTS:
            raise UsageError(f"instrument was {instrument}; use 0 to {MAX_INSTRUMENTS - 1}")
        self.limits[instrument].is_forbidden = True

    def add_strategy(self, instrument: int) -> None:
        """Strategies in the order of the strategy table: their positions add up."""
        if self.strategy_count == MAX_STRATEGIES:
            raise UsageError(f"more than {MAX_STRATEGIES} strategies")
        self.strategy_instruments[self.strategy_count] = instrument
        self.strategy_count += 1

    cdef Verdict check(
        self, const Intent* intent, int64_t strategy, BookView* book, int64_t last_product_ns,
        OrderTable orders, bint is_session_up, int64_t time_ns
    ) noexcept nogil:
        """Whether the intent may be sent now, and if not, the first reason found."""
        cdef Order* replaced = NULL
        cdef Verdict verdict
        if not is_session_up:
            return SESSION_DOWN
        if intent.kind == CANCEL_ORDER:
            return self._check_cancel(intent, strategy, orders, time_ns)
        if intent.kind != NEW_ORDER and intent.kind != REPLACE_ORDER:
            return INTENT_INVALID
        if self.limits[book.instrument].is_forbidden != 0:
            return NOT_PERMITTED
        if self.is_paused:
            return ENGINE_PAUSED
        if book.state != LIVE or time_ns - last_product_ns > self.engine.stale_after_ns:
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
        verdict = self._check_order(intent, strategy, book, replaced, orders)
        if verdict != ACCEPTED:
            return verdict
        if intent.kind == NEW_ORDER and self._is_duplicate(intent, book.instrument, time_ns):
            return DUPLICATE
        if not self._is_within_rate(
                self.engine.max_messages_per_second - self.engine.cancel_reserve, time_ns):
            return MESSAGE_RATE
        return ACCEPTED

    cdef Verdict _check_cancel(
        self, const Intent* intent, int64_t strategy, OrderTable orders, int64_t time_ns
    ) noexcept nogil:
        cdef Order* order = orders.find_open(intent.order_number)
        if order == NULL or order.strategy != strategy:
            return UNKNOWN_ORDER
        if order.state == PENDING_CANCEL:
            return ALREADY_PENDING
        if not self._is_within_rate(self.engine.max_messages_per_second, time_ns):
            return MESSAGE_RATE
        return ACCEPTED

    cdef Verdict _check_order(
        self, const Intent* intent, int64_t strategy, BookView* book, Order* replaced,
        OrderTable orders
    ) noexcept nogil:
        cdef InstrumentLimits* limits = &self.limits[book.instrument]
        cdef int64_t notional, doubled_mid, distance, allowed
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
        if book.bid_levels == 0 or book.ask_levels == 0:
            return PRICE_COLLAR             # no reference: nothing to hold the price against
        doubled_mid = book.bid_ticks[0] + book.ask_ticks[0]
        if multiply_overflows(doubled_mid, limits.price_collar_ppm, &allowed):
            return PRICE_INVALID
        if multiply_overflows(intent.price_ticks, 2, &distance):
            return PRICE_INVALID
        distance -= doubled_mid
        if distance < 0:
            distance = -distance
        if multiply_overflows(distance, PPM, &distance) or distance > allowed:
            return PRICE_COLLAR
        if intent.kind == NEW_ORDER \
                and orders.positions[strategy].working_count >= MAX_WORKING_ORDERS:
            return OPEN_ORDERS
        return self._check_position(intent, book.instrument, replaced, orders)

    cdef Verdict _check_position(
        self, const Intent* intent, int64_t instrument, Order* replaced, OrderTable orders
    ) noexcept nogil:
        """Worst case of that side: all our open orders of it filled, and none of the other."""
        cdef int64_t reach = intent.quantity_lots
        cdef int64_t limit = self.limits[instrument].max_position_lots
        cdef int64_t held = 0
        cdef int64_t index, open_lots
        cdef Position* position
        for index in range(self.strategy_count):
            if self.strategy_instruments[index] == instrument:
                position = &orders.positions[index]
                held += intent.side * position.position_lots
                open_lots = (
                    position.open_buy_lots if intent.side == BUY else position.open_sell_lots
                )
                if add_overflows(reach, open_lots, &reach):
                    return POSITION_LIMIT
        if replaced != NULL:
            reach -= min(replaced.leaves_lots, intent.quantity_lots)
        if add_overflows(held, reach, &reach) or reach > limit:
            return POSITION_LIMIT
        return ACCEPTED

    cdef bint _is_within_rate(self, int64_t allowed, int64_t time_ns) noexcept nogil:
        """Whether fewer than ``allowed`` messages went out in the second before ``time_ns``."""
        if self.message_count < allowed:
            return True
        return time_ns - self.message_times_ns[(self.message_count - allowed) % MAX_RATE_WINDOW] \
            >= SECOND_NS

    cdef bint _is_duplicate(self, const Intent* intent, int64_t instrument, int64_t time_ns) \
            noexcept nogil:
        """Whether the same order was accepted within the window. Only orders of its hash are
        looked at; numbers older than the table's size are gone, the rate forbids that in time."""
        cdef SentOrder* other
        cdef int64_t number = self.newest[_hash_order(intent, instrument)]
        while number > 0 and number > self.sent_count - MAX_RATE_WINDOW:
            other = &self.sent[number % MAX_RATE_WINDOW]
            if time_ns - other.time_ns >= self.engine.duplicate_window_ns:
                return False
            if other.instrument == instrument and other.side == intent.side \
                    and other.price_ticks == intent.price_ticks \
                    and other.quantity_lots == intent.quantity_lots:
                return True
            number = other.previous
        return False

    cdef void note_sent(self, const Intent* intent, int64_t instrument, int64_t time_ns) \
            noexcept nogil:
        """Counts an accepted message; every one counts, sent or not."""
        cdef SentOrder* sent
        cdef int64_t bucket
        self.message_times_ns[self.message_count % MAX_RATE_WINDOW] = time_ns
        self.message_count += 1
        if intent.kind == NEW_ORDER:
            self.sent_count += 1
            bucket = _hash_order(intent, instrument)
            sent = &self.sent[self.sent_count % MAX_RATE_WINDOW]
            sent.previous = self.newest[bucket]
            self.newest[bucket] = self.sent_count
            sent.time_ns = time_ns
            sent.instrument = instrument
            sent.side = intent.side
            sent.price_ticks = intent.price_ticks
            sent.quantity_lots = intent.quantity_lots


cdef inline int64_t _hash_order(const Intent* intent, int64_t instrument) noexcept nogil:
    """Bucket of an order by what makes it the same; side, price and quantity are small numbers."""
    cdef uint64_t mixed = <uint64_t>intent.price_ticks * 0x9E3779B97F4A7C15u
    mixed ^= <uint64_t>intent.quantity_lots * 0xC2B2AE3D27D4EB4Fu
    mixed ^= <uint64_t>(instrument * 2 + (intent.side == BUY)) * 0x165667B19E3779F9u
    return <int64_t>((mixed >> 40) % MAX_RATE_WINDOW)
