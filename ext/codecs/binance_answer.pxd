"""Binance WebSocket API messages as texts: answers to requests, and the events of an account.

Source: Binance Spot WebSocket API, request and response format; user data stream, execution
report. Decimals need the instrument, which may stand behind them, so they are kept as text.
"""

from libc.stdint cimport int64_t

from ext.cursor cimport Span

cdef struct EventTexts:             # of an executionReport; by the key of each
    Span name                       # e
    Span symbol                     # s
    Span client_id                  # c
    Span original_id                # C
    Span side                       # S
    Span quantity                   # q
    Span price                      # p
    Span kind                       # x
    Span state                      # X
    Span last_quantity              # l
    Span cumulative                 # z
    Span last_price                 # L
    Span fee                        # n
    Span fee_asset                  # N
    int64_t order_id                # i
    int64_t trade_id                # t; -1: none
    int64_t time_ms                 # T
    bint is_maker                   # m

cdef struct Answer:
    bint has_event
    Span id
    int64_t status                  # HTTP's; 0: absent
    int64_t code                    # of the error
    int64_t cancel_code             # cancelReplace: of the cancel that failed
    bint is_canceled                # cancelReplace: the cancel succeeded
    bint is_placed                  # cancelReplace: the new order did
    bint is_restricted              # the cancel was refused for the order's state

cdef const char* read_message(
    const char* p, const char* end, Answer* answer, EventTexts* texts
) noexcept nogil
