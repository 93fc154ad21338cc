"""The limits of the risk gate, as whole numbers worked out at the start.

Everything not set is refused; an optional limit that is not set is INT64_MAX, which no sum can
exceed, for sums are cut there. Quantities are lots, prices ticks, notionals ticks times lots of
their instrument. What adds up over instruments is a value: a count of the currency's own unit, of
which one tick times one lot of each instrument is a whole number.
"""

from libc.stdint cimport int64_t

from ext.bounds cimport MAX_CURRENCIES, MAX_INSTRUMENTS, MAX_STRATEGIES
from ext.trading_hours cimport TradingHours

cdef struct EngineLimits:
    int64_t max_messages_per_second     # 1 to MAX_RATE_WINDOW
    int64_t cancel_reserve          # of them only cancels may use these
    int64_t max_messages_per_ten_seconds    # 1 to MAX_LONG_RATE_WINDOW
    int64_t long_cancel_reserve
    int64_t stale_after_ns          # age of the last frame of the instrument
    int64_t max_feed_delay_ns       # receive time less exchange time of the book; 0: not checked
    int64_t max_trade_age_ns        # of the trade that last_trade_collar_ppm holds against
    int64_t duplicate_window_ns     # 0: off
    int64_t max_open_orders
    bint prevents_self_match

cdef struct InstrumentLimits:
    int64_t max_order_lots
    int64_t min_order_lots          # 0: none
    int64_t max_order_notional
    int64_t min_order_notional      # 0: none
    int64_t price_collar_ppm        # allowed distance from the mid, parts per million of it
    int64_t last_trade_collar_ppm   # the same from the last trade; 0: not checked
    int64_t max_position_lots       # absolute, worst case with open orders
    int64_t max_open_orders
    int64_t max_open_notional
    int64_t currency                # index of the quote currency's limits
    int64_t step_value              # of one tick times one lot, in the currency's unit
    bint is_forbidden               # not permitted from where we are: no new risk on it, ever

cdef struct StrategyLimits:
    int64_t instrument
    int64_t max_position_lots       # its own, absolute, worst case with open orders
    int64_t max_open_orders
    int64_t max_messages_per_second     # new orders and replaces are held back, cancels count
    int64_t max_gross_value         # its own position, worst case with open orders

cdef struct CurrencyLimits:
    int64_t max_open_value          # of all open orders
    int64_t max_gross_value         # of all positions regardless of side, worst case
    int64_t max_net_value           # of all positions, sides set off, worst case of one side
    bint is_limited                 # False: no limit is set and nothing is added up
    bint has_worth_limit            # of positions: they have to have a price


cdef class RiskLimits:
    cdef EngineLimits engine
    cdef InstrumentLimits limits[MAX_INSTRUMENTS]
    cdef TradingHours hours[MAX_INSTRUMENTS]
    cdef StrategyLimits strategies[MAX_STRATEGIES]
    cdef int64_t strategy_count
    cdef CurrencyLimits currencies[MAX_CURRENCIES]
