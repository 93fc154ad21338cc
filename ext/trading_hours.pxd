"""When a product may be traded: windows of the UTC week, from the time of the event alone.

A week begins on Monday at 00:00:00 UTC; the epoch was a Thursday. UTC days have 86,400 seconds in
Unix time, so whole numbers suffice.
"""

from libc.stdint cimport int64_t

from ext.bounds cimport MAX_TRADING_WINDOWS

cdef enum:
    SECOND_NS = 1_000_000_000
    WEEK_S = 604_800
    EPOCH_IN_WEEK_S = 259_200       # Thursday 00:00

cdef struct TradingHours:
    int64_t count                   # windows; 0: every hour of the week
    int64_t opens_s[MAX_TRADING_WINDOWS]        # seconds of the week, ascending, apart
    int64_t closes_s[MAX_TRADING_WINDOWS]       # the first second outside
    int64_t from_ns                 # what was found holds from here to before until_ns
    int64_t until_ns
    bint is_open


cdef inline bint is_within_hours(TradingHours* hours, int64_t time_ns) noexcept nogil:
    """Whether the product may be traded at ``time_ns``; a time before the epoch is outside."""
    if hours.count == 0:
        return True
    if time_ns < hours.from_ns or time_ns >= hours.until_ns:
        _look_up(hours, time_ns)
    return hours.is_open


cdef inline void _look_up(TradingHours* hours, int64_t time_ns) noexcept nogil:
    cdef int64_t second = time_ns // SECOND_NS
    cdef int64_t of_week = (second + EPOCH_IN_WEEK_S) % WEEK_S
    cdef int64_t first = 0
    cdef int64_t end = WEEK_S
    cdef int64_t index
    hours.is_open = False
    if time_ns < 0:
        hours.from_ns = hours.until_ns = 0
        return
    for index in range(hours.count):
        if of_week < hours.opens_s[index]:
            end = hours.opens_s[index]
            break
        if of_week < hours.closes_s[index]:
            first, end = hours.opens_s[index], hours.closes_s[index]
            hours.is_open = True
            break
        first = hours.closes_s[index]
    hours.from_ns = (second - of_week + first) * SECOND_NS
    hours.until_ns = (second - of_week + end) * SECOND_NS
