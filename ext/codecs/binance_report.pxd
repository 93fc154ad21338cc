"""Binance WebSocket API decoder of answers to order requests, and of execution reports.

Source: Binance Spot WebSocket API (general, trading requests) and user data streams. One
connection carries both: ``{"id":…,"status":…,"result"|"error":…}`` answers the request of that id,
``{"subscriptionId":…,"event":{"e":"executionReport",…}}`` tells what became of an order.

Facts that shaped it:

* An answer says only that the venue took a request or refused it. What it took is told again by an
  event, behind the fills that came before. So success moves an order no further than New, and
  events decide everything else; only refusals are known from answers alone.
* An event names the order's id ``c`` as it is after the action: that of a cancel is the cancel's,
  and the order's own stands in ``C``.
* ``order.cancelReplace`` is told as Canceled, under the name that the request gave it, and then
  New under the request's id: Pending Replace, then Replaced. If the new order is refused, the
  answer's status is 409 and the order is gone.
* A trade id ``t`` is one of its symbol. Both sides of a trade with ourselves have the same one,
  so the side belongs to what a fill is known by.
* A fee is told in its asset: quote, base (counted at the fill's price) or another (BNB), which
  has no price here and is counted in ``foreign_fees`` alone.
* 5xx, and the codes -1000, -1006 and -1007, say that the venue does not know what it did.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.client_order_id cimport RunIdentity
from ext.codecs.binance_answer cimport Answer, EventTexts
from ext.cursor cimport Span
from ext.instrument_table cimport InstrumentTable
from ext.orders cimport OrderTable
from ext.wire cimport ExecutionReport

cpdef enum AnswerStatus:
    ANSWER_REPORT = 0               # the report is filled in
    ANSWER_OTHER = 1                # not about a request or an instrument of ours: the session's
    ANSWER_UNDECIDED = 2            # nobody knows whether the request was executed
    ANSWER_BAD_JSON = 3             # cut, not JSON, or not a message
    ANSWER_BAD_NUMBER = 4           # not a decimal, off the tick or lot, out of range
    ANSWER_MISSING_FIELD = 5
    ANSWER_BAD_CODE = 6             # an execution type or a combination that we do not know


@cython.final
cdef class BinanceReportDecoder:
    cdef InstrumentTable table
    cdef OrderTable orders
    cdef RunIdentity run
    cdef readonly int64_t foreign_fees      # fills whose fee is in no position

    cdef AnswerStatus decode(
        self, const char* payload, int64_t size, ExecutionReport* report
    ) noexcept nogil
    cdef AnswerStatus _convert_event(self, const EventTexts* texts, ExecutionReport* report) \
        noexcept nogil
    cdef AnswerStatus _convert_fill(self, const EventTexts* texts, ExecutionReport* report) \
        noexcept nogil
    cdef AnswerStatus _convert_answer(self, const Answer* answer, ExecutionReport* report) \
        noexcept nogil
    cdef int64_t _read_name(self, Span text, bint* is_replace) noexcept nogil
    cdef int64_t _kind_of(self, int64_t request_number) noexcept nogil
