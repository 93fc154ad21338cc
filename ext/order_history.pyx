"""The order table over restarts, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ext.bounds cimport MAX_ORDERS, MAX_REQUESTS
from ext.client_order_id cimport RUN_BYTES
from ext.codecs.fix_report cimport REPORT_READ, FixReportDecoder, ReportHeader
from ext.errors import RecordingError, UsageError
from ext.execution_ids cimport ExecutionIds
from ext.orders cimport OrderTable
from ext.positions cimport OpenTotals, show_order
from ext.requests cimport Request, RequestTable
from ext.wire cimport (
    REPORT_FIELDS,
    REPORT_FIX,
    REPORT_REST,
    ExecutionReport,
    Order,
    OrderRequest,
    Position,
    RequestTerms,
)

PADDING_BYTES = 64
"""Readable bytes that a decoder needs behind a message."""


@cython.final
cdef class OrderHistory:
    """Takes the state of ``orders`` out and puts it back; applies what was recorded of it.

    ``decoder`` reads FIX reports; without it they cannot be applied.
    """

    def __cinit__(self, OrderTable orders not None, FixReportDecoder decoder=None) -> None:
        self.orders = orders
        self.decoder = decoder

    @property
    def next_number(self) -> int:
        """Of the next request."""
        return self.orders.next_number

    @property
    def last_report(self) -> dict[str, object]:
        """Fields of the last report that was applied here, whatever its format was."""
        return self.last_applied

    @property
    def run_prefix(self) -> bytes:
        """The part of a client order id that all of a run share."""
        return self.orders.run.prefix[:RUN_BYTES]

    def identify(self, prefix: bytes, first_number: int) -> None:
        """Client order ids begin with ``prefix`` and go on from ``first_number``.

        To be called before codecs copy them. Raises UsageError for what cannot be an id.
        """
        cdef const char* start = prefix
        if len(prefix) != RUN_BYTES:
            raise UsageError(f"run prefix had {len(prefix)} bytes; use {int(RUN_BYTES)}")
        if not 1 <= first_number < 1 << 54:
            raise UsageError(f"first_number was {first_number}; use 1 to 2**54 - 1")
        memcpy(self.orders.run.prefix, start, RUN_BYTES)
        self.orders.run.prefix_sum = sum(prefix)
        self.orders.next_number = first_number

    def save(self) -> dict[str, bytes]:
        """What the order table knows, but for positions: ``load`` takes it back."""
        cdef RequestTable requests = self.orders.requests
        return {
            "orders": (<char*>self.orders.orders)[: MAX_ORDERS * sizeof(Order)],
            "requests": (<char*>requests.entries)[: MAX_REQUESTS * sizeof(Request)],
            "execution_ids": self.orders.counted.ids(),
        }

    def load(self, saved: dict[str, bytes]) -> None:
        """Puts back what ``save`` gave; RecordingError when it is of another size."""
        cdef const char* start
        cdef RequestTable requests = self.orders.requests
        sizes = {
            "orders": MAX_ORDERS * sizeof(Order), "requests": MAX_REQUESTS * sizeof(Request)
        }
        for name, size in sizes.items():
            if len(saved[name]) != size:
                raise RecordingError(f"saved {name} had {len(saved[name])} bytes, not {size}")
        start = saved["orders"]
        memcpy(self.orders.orders, start, MAX_ORDERS * sizeof(Order))
        start = saved["requests"]
        memcpy(requests.entries, start, MAX_REQUESTS * sizeof(Request))
        self.orders.counted = ExecutionIds()
        self.orders.counted.add_ids(saved["execution_ids"])

    def show_positions(self, count: int) -> None:
        """Makes the working orders of ``count`` strategies those of the table, oldest first."""
        cdef int64_t index, strategy
        cdef Position* position
        for index in range(<int64_t>count):
            position = &self.orders.positions[index]
            position.working_count = 0
            memset(position.working, 0, sizeof(position.working))
            memset(&self.orders.totals[index], 0, sizeof(OpenTotals))
        for fields in self.orders.open_orders():
            index = fields["order_number"] % MAX_ORDERS
            strategy = self.orders.orders[index].strategy
            show_order(
                &self.orders.positions[strategy], &self.orders.totals[strategy],
                self.orders.orders, &self.orders.orders[index]
            )

    def apply_request(
        self, terms: bytes, strategy: int, instrument: int, sequence: int, time_ns: int
    ) -> None:
        """Registers again a request that was recorded; RecordingError when it is not the same."""
        cdef const char* start = terms
        cdef const RequestTerms* recorded = <const RequestTerms*>start
        cdef OrderRequest request
        if len(terms) < sizeof(RequestTerms):
            raise RecordingError(f"request of {len(terms)} bytes, at least {sizeof(RequestTerms)}")
        if recorded.request_number < self.orders.next_number:
            raise RecordingError(
                f"request {recorded.request_number} was recorded after "
                f"{self.orders.next_number - 1}: records are out of order"
            )
        self.orders.next_number = recorded.request_number
        self.orders.register(&recorded.intent, strategy, instrument, time_ns, &request)
        if request.order.order_number != recorded.order_number \
                or request.request_number != recorded.request_number:
            raise RecordingError(
                f"request {recorded.request_number} is of order {recorded.order_number}, and "
                f"became request {request.request_number} of order {request.order.order_number}"
            )
        self.orders.note_sequence(request.request_number, sequence)

    def apply_unsent(self, sequence: int, time_ns: int) -> None:
        """The request with that MsgSeqNum did not leave, or got no answer: its order is Unknown."""
        cdef Order* order = self.orders.find_requested(sequence)
        if order != NULL:
            self.orders.doubt(order, time_ns)

    def apply_report(self, message: bytes, report_format: int, time_ns: int) -> int:
        """Applies a report that was recorded in a ReportFormat; ReportResult bits.

        Raises RecordingError when it cannot be read.
        """
        cdef ReportHeader header
        cdef ExecutionReport report
        cdef bytes padded = message + bytes(PADDING_BYTES)
        cdef const char* start = padded
        if report_format == REPORT_FIELDS and len(message) == sizeof(ExecutionReport):
            memcpy(&report, start, sizeof(ExecutionReport))
        elif report_format == REPORT_REST and len(message) >= sizeof(ExecutionReport):
            memcpy(&report, start, sizeof(ExecutionReport))
        elif report_format != REPORT_FIX or self.decoder is None \
                or self.decoder.decode(padded, len(message), &header, &report) != REPORT_READ:
            raise RecordingError(f"a report of format {report_format} cannot be read: {message!r}")
        self.last_applied = report
        return self.orders.apply_report(&report, time_ns)
