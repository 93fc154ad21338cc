"""Order table, see the ``.pxd`` for its states."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import os

from ext.bounds cimport MAX_ORDERS, VENUE_ORDER_ID_BYTES
from ext.client_order_id cimport RUN_BYTES, read_client_order_id, write_client_order_id
from ext.errors import UsageError
from ext.execution_ids cimport ExecutionIds
from ext.instrument_table cimport InstrumentTable
from ext.positions cimport book_fill, is_open, show_order
from ext.requests cimport Request, RequestTable
from ext.shared_memory cimport SharedMemory
from ext.wire cimport (
    CANCEL_ORDER,
    CANCELED,
    EXEC_CANCEL_REJECT,
    EXEC_CANCELED,
    EXEC_DONE_FOR_DAY,
    EXEC_EXPIRED,
    EXEC_MESSAGE_REJECT,
    EXEC_NEW,
    EXEC_REJECTED,
    EXEC_REPLACED,
    EXEC_RESTATED,
    EXEC_STATUS,
    EXEC_SUSPENDED,
    EXEC_TRADE,
    EXPIRED,
    FILLED,
    NEW,
    NEW_ORDER,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    REJECTED,
    REPLACE_ORDER,
    SUSPENDED,
    UNKNOWN,
    ExecutionReport,
    Intent,
    Order,
    OrderRequest,
)

cdef enum:
    RUN_RANDOM_BYTES = 8
    TRADE_ID_MARK = 0x4000000000000000      # ids that are trades of an order, not ExecIDs
    REASON_UNKNOWN_ORDER = 1                # CxlRejReason(102): the venue does not know it


@cython.final
cdef class OrderTable:
    """Orders and positions of a run, kept in the shared memory ``memory``.

    ``run_seed`` fixes the random part of the client ids (tests only); None draws it.
    """

    def __cinit__(
        self,
        SharedMemory memory not None,
        InstrumentTable table not None,
        run_seed: bytes | None = None,
    ) -> None:
        cdef int64_t index
        self.owner = memory
        self.orders = memory.orders
        self.positions = memory.positions
        self.next_number = 1
        self.requests = RequestTable()
        self.counted = ExecutionIds()
        for index in range(table.count):
            self.tick_value[index] = (
                table.instruments[index].tick_size * table.instruments[index].lot_size
            )
        cdef bytes prefix = draw_run_prefix(run_seed)
        cdef const char* start = prefix
        memcpy(self.run.prefix, start, RUN_BYTES)
        self.run.prefix_sum = sum(prefix)

    cdef Order* find_open(self, int64_t order_number) noexcept nogil:
        """The open order of that number, NULL when there is none."""
        cdef Order* order
        if order_number <= 0:
            return NULL
        order = &self.orders[order_number % MAX_ORDERS]
        if order.order_number != order_number or not is_open(order.state):
            return NULL
        return order

    cdef void complete(self, Intent* intent) noexcept nogil:
        """Fills in what a cancel or replace does not say: the terms of the order itself."""
        cdef Order* order = self.find_open(intent.order_number)
        if order == NULL:
            return
        intent.side = <int>order.side
        intent.order_type = <int>order.order_type
        intent.time_in_force = <int>order.time_in_force
        intent.post_only = <int>order.post_only
        if intent.kind == CANCEL_ORDER:
            intent.price_ticks = order.price_ticks
            intent.quantity_lots = order.leaves_lots

    cdef void register(
        self, const Intent* intent, int64_t strategy, int64_t instrument, int64_t time_ns,
        OrderRequest* request
    ) noexcept nogil:
        """Takes an accepted intent into the table and fills in what the encoder writes."""
        cdef Order* order
        cdef int64_t number = self.next_number
        if intent.kind == NEW_ORDER:
            while is_open(self.orders[number % MAX_ORDERS].state):
                number += 1             # the working orders are fewer than the slots
            order = &self.orders[number % MAX_ORDERS]
            memset(order, 0, sizeof(Order))
            order.order_number = number
            order.instrument = instrument
            order.strategy = strategy
            order.side = intent.side
            order.order_type = intent.order_type
            order.time_in_force = intent.time_in_force
            order.post_only = intent.post_only
            order.price_ticks = intent.price_ticks
            order.quantity_lots = order.leaves_lots = intent.quantity_lots
            order.state = PENDING_NEW
            order.reason = intent.reason
            order.sent_time_ns = time_ns
            self.positions[strategy].order_count += 1
        else:
            order = &self.orders[intent.order_number % MAX_ORDERS]
            if order.state != PENDING_CANCEL and order.state != PENDING_REPLACE:
                order.state_before_pending = order.state
                if order.state != UNKNOWN:  # else a replace may hold that nobody has told us of
                    order.pending_quantity_lots = 0
            if intent.kind == CANCEL_ORDER:
                order.state = PENDING_CANCEL
            else:
                order.state = PENDING_REPLACE
                order.pending_price_ticks = intent.price_ticks
                order.pending_quantity_lots = order.filled_lots + intent.quantity_lots
        self.next_number = number + 1
        request.original_number = order.accepted_number
        order.request_number = number
        if intent.kind == NEW_ORDER:
            order.accepted_number = number
        order.update_time_ns = time_ns
        self.requests.add(number, order.order_number, intent.kind)
        request.kind = intent.kind
        request.instrument = order.instrument
        request.side = order.side
        request.order_type = order.order_type
        request.time_in_force = order.time_in_force
        request.post_only = order.post_only
        request.price_ticks = order.price_ticks
        request.quantity_lots = order.quantity_lots
        if intent.kind == REPLACE_ORDER:
            request.price_ticks = order.pending_price_ticks
            request.quantity_lots = order.pending_quantity_lots
        request.request_number = number
        request.order = order
        self._show(order)

    cdef void note_sequence(self, int64_t request_number, int64_t sequence) noexcept nogil:
        """Remembers under which MsgSeqNum a request went out, for a Reject(3) of it."""
        cdef Request* entry = self.requests.find(request_number)
        if entry != NULL:
            entry.message_sequence = sequence

    cdef Order* _find_reported(self, const ExecutionReport* report) noexcept nogil:
        cdef Request* entry
        cdef int64_t number = report.request_number
        cdef int64_t _attempt
        cdef Order* order
        for _attempt in range(2):
            entry = self.requests.find(number)
            if entry != NULL:
                order = &self.orders[entry.order_number % MAX_ORDERS]
                if order.order_number == entry.order_number:
                    return order
            number = report.original_number
        return self._search(report)

    cdef Order* _search(self, const ExecutionReport* report) noexcept nogil:
        """An open order whose requests are older than the table of requests; rare, so it looks
        at every order."""
        cdef Order* order
        cdef int64_t index
        if report.request_number <= 0 and report.original_number <= 0:
            return NULL
        for index in range(<int64_t>MAX_ORDERS):
            order = &self.orders[index]
            if is_open(order.state) and (
                    _names(order, report.request_number)
                    or _names(order, report.original_number)):
                return order
        return NULL

    cdef int apply_report(self, const ExecutionReport* report, int64_t time_ns) noexcept nogil:
        """Applies one report; returns ReportResult bits."""
        cdef Order* order = self._find_reported(report)
        cdef int result = REPORT_APPLIED
        cdef int64_t kind = report.execution_type
        self.last_order = order
        if order == NULL:
            if kind == EXEC_TRADE:          # somebody's fill that is in no position of ours
                return REPORT_UNKNOWN_ORDER | REPORT_INCONSISTENT
            return REPORT_UNKNOWN_ORDER
        if order.acknowledged_time_ns == 0:
            order.acknowledged_time_ns = time_ns
            self.acknowledged_ns = time_ns - order.sent_time_ns
            result |= REPORT_FIRST
        if order.venue_order_id[0] == 0 and kind != EXEC_CANCEL_REJECT \
                and kind != EXEC_MESSAGE_REJECT:
            memcpy(order.venue_order_id, report.venue_order_id, VENUE_ORDER_ID_BYTES)
        if order.accepted_time_ns == 0 and _shows_acceptance(report):
            order.accepted_time_ns = time_ns
        if kind == EXEC_TRADE:
            result = (result & ~REPORT_APPLIED) | self._apply_fill(order, report, time_ns)
        elif kind == EXEC_NEW:
            if order.state == PENDING_NEW or order.state == UNKNOWN:
                order.state = PARTIALLY_FILLED if order.filled_lots > 0 else NEW
            elif order.state_before_pending == PENDING_NEW:
                order.state_before_pending = NEW
        elif kind == EXEC_CANCELED or kind == EXEC_EXPIRED or kind == EXEC_DONE_FOR_DAY:
            result |= _check_cumulative(order, report)
            # An end that tells of fills we have not seen: Unknown, until they are found.
            if is_open(order.state) and not result & REPORT_INCONSISTENT:
                order.state = CANCELED if kind == EXEC_CANCELED else EXPIRED
                order.leaves_lots = 0
        elif kind == EXEC_REPLACED:
            result |= self._apply_replaced(order, report)
        elif kind == EXEC_REJECTED:
            # ExecType Rejected with the status of a living order answers a duplicate id.
            if report.order_state == REJECTED and is_open(order.state):
                result |= _check_cumulative(order, report) | _check_rejectable(order)
                order.state = REJECTED
                order.leaves_lots = 0
        elif kind == EXEC_CANCEL_REJECT:
            self._refuse(order, report.request_number)
            if report.reject_code == REASON_UNKNOWN_ORDER and is_open(order.state):
                order.state = UNKNOWN       # the venue does not know it: ask, do not assume
        elif kind == EXEC_MESSAGE_REJECT:
            self._apply_message_reject(order, report)
        elif kind == EXEC_SUSPENDED:
            if order.state == PENDING_CANCEL or order.state == PENDING_REPLACE:
                order.state_before_pending = SUSPENDED
            elif is_open(order.state):
                order.state = SUSPENDED
        elif kind == EXEC_STATUS or kind == EXEC_RESTATED:
            result |= self._apply_status(order, report)
        if result & REPORT_INCONSISTENT and is_open(order.state):
            order.state = UNKNOWN
        if not is_open(order.state):
            order.pending_quantity_lots = 0
        order.update_time_ns = time_ns
        self._show(order)
        return result

    cdef int _apply_fill(self, Order* order, const ExecutionReport* report, int64_t time_ns) \
            noexcept nogil:
        cdef int result = REPORT_APPLIED | REPORT_FILL
        cdef bint was_open = is_open(order.state)
        # A replace in flight, or one of which nobody knows, may open again what is filled now.
        cdef bint may_reopen = order.state == PENDING_REPLACE or (
            (order.state == PENDING_CANCEL or order.state == UNKNOWN)
            and order.pending_quantity_lots > 0)
        if not self._count_fill(order, report):
            return REPORT_DUPLICATE
        order.filled_lots += report.last_quantity_lots
        order.leaves_lots = max(<int64_t>0, order.quantity_lots - order.filled_lots)
        if order.filled_lots > order.quantity_lots or not was_open or (
                report.cumulative_lots >= 0 and report.cumulative_lots != order.filled_lots):
            result |= REPORT_INCONSISTENT   # overfilled, filled after its end, or one was missed
        if order.leaves_lots == 0 and not may_reopen:
            order.state = FILLED
        elif not was_open:
            order.leaves_lots = 0
        elif order.state == NEW or order.state == PENDING_NEW:
            order.state = PARTIALLY_FILLED
        elif order.state == PENDING_CANCEL or order.state == PENDING_REPLACE:
            order.state_before_pending = PARTIALLY_FILLED if order.leaves_lots > 0 else FILLED
        book_fill(
            &self.positions[order.strategy], order, report, self.tick_value[order.instrument]
        )
        self.last_fill.order_number = order.order_number
        self.last_fill.side = order.side
        self.last_fill.price_ticks = report.last_price_ticks
        self.last_fill.quantity_lots = report.last_quantity_lots
        self.last_fill.leaves_lots = order.leaves_lots
        self.last_fill.is_maker = report.is_maker
        self.last_fill.exchange_time_ns = report.exchange_time_ns
        self.last_fill.receive_time_ns = time_ns
        return result

    cdef bint _count_fill(self, const Order* order, const ExecutionReport* report) noexcept nogil:
        """Whether the fill is a new one. Its trade names it where the venue says so: the same fill
        comes by REST without the ExecID(17) that it has in FIX."""
        if report.trade_id > 0:
            return self.counted.add(
                TRADE_ID_MARK | order.order_number << 8 | order.instrument, report.trade_id
            )
        return self.counted.add(report.execution_id_high, report.execution_id_low)

    cdef int _apply_replaced(self, Order* order, const ExecutionReport* report) noexcept nogil:
        """The replace holds; a cancel sent after it may still be on its way."""
        cdef int64_t state
        cdef int result = _check_cumulative(order, report)
        if order.pending_quantity_lots == 0 or not is_open(order.state) \
                or not self._is_kind(report, REPLACE_ORDER):
            return REPORT_INCONSISTENT      # of no replace of ours, or of an order that has ended
        order.price_ticks = order.pending_price_ticks
        order.quantity_lots = order.pending_quantity_lots
        order.pending_quantity_lots = 0
        if report.order_quantity_lots >= 0:
            order.quantity_lots = report.order_quantity_lots
        order.accepted_number = report.request_number
        order.leaves_lots = max(<int64_t>0, order.quantity_lots - order.filled_lots)
        if order.leaves_lots == 0:
            state = FILLED                  # replaced down to what was filled already
        else:
            state = PARTIALLY_FILLED if order.filled_lots > 0 else NEW
        if order.state == PENDING_CANCEL and state != FILLED:
            order.state_before_pending = state
        else:
            order.state = state
        return result

    cdef int _apply_status(self, Order* order, const ExecutionReport* report) noexcept nogil:
        """Answer to a status request, or a restatement: no fill in it."""
        cdef int64_t state = report.order_state
        cdef int result = _check_cumulative(order, report)
        if result != 0 or not is_open(order.state):
            return result
        if order.state != UNKNOWN and report.execution_type == EXEC_STATUS and (
                order.state_before_pending != UNKNOWN or is_open(state)
                or (order.state != PENDING_CANCEL and order.state != PENDING_REPLACE)):
            return 0                        # we know more than a status in flight
        if state == CANCELED or state == EXPIRED or state == REJECTED or state == FILLED:
            if state == REJECTED:
                result = _check_rejectable(order)
            order.state = state
            order.leaves_lots = 0
        elif is_open(state):
            if order.state == PENDING_CANCEL or order.state == PENDING_REPLACE:
                if state != PENDING_CANCEL and state != PENDING_REPLACE:
                    order.state_before_pending = state
            else:
                order.state = state
            if report.order_quantity_lots >= 0:
                order.quantity_lots = report.order_quantity_lots
                order.leaves_lots = max(<int64_t>0, order.quantity_lots - order.filled_lots)
            if report.price_ticks > 0:
                order.price_ticks = report.price_ticks
            if self._is_kind(report, REPLACE_ORDER):
                order.accepted_number = report.request_number
        return result

    cdef bint _is_kind(self, const ExecutionReport* report, int64_t kind) noexcept nogil:
        """Whether ClOrdID names a request of that IntentKind."""
        cdef Request* entry = self.requests.find(report.request_number)
        return entry != NULL and entry.kind == kind

    cdef void _apply_message_reject(self, Order* order, const ExecutionReport* report) \
            noexcept nogil:
        """The venue could not read the request: it never happened."""
        if not self._is_kind(report, NEW_ORDER):
            self._refuse(order, report.request_number)
        elif order.state == PENDING_NEW or order.state_before_pending == PENDING_NEW and (
                order.state == PENDING_CANCEL or order.state == PENDING_REPLACE):
            order.state = REJECTED
            order.leaves_lots = 0

    cdef void _refuse(self, Order* order, int64_t request_number) noexcept nogil:
        """A cancel or replace in flight was refused: back to the state before it."""
        cdef Request* entry = self.requests.find(request_number)
        cdef bint is_cancel = order.state == PENDING_CANCEL
        if entry != NULL:
            is_cancel = entry.kind == CANCEL_ORDER
        if not is_cancel:
            order.pending_quantity_lots = 0
            if order.state == PENDING_REPLACE:
                order.state = order.state_before_pending
        elif order.state == PENDING_CANCEL:
            order.state = order.state_before_pending
            if order.pending_quantity_lots > 0 and order.state != UNKNOWN:
                order.state = PENDING_REPLACE

    cdef void _show(self, const Order* order) noexcept nogil:
        show_order(
            &self.positions[order.strategy], &self.totals[order.strategy], self.orders, order
        )

    cdef void doubt(self, Order* order, int64_t time_ns) noexcept nogil:
        """Nobody knows whether its last request left: Unknown until the venue has told."""
        order.state = UNKNOWN
        order.update_time_ns = time_ns
        self._show(order)

    def mark_unknown(self, now_ns: int) -> int:
        """The connection is lost: every open order is Unknown until the venue has told."""
        cdef int64_t index
        cdef int64_t count = 0
        for index in range(<int64_t>MAX_ORDERS):
            if is_open(self.orders[index].state):
                self.orders[index].state = UNKNOWN
                self.orders[index].update_time_ns = now_ns
                self._show(&self.orders[index])
                count += 1
        return count

    cdef bint has_expired(self, int64_t now_ns, int64_t limit_ns) noexcept nogil:
        """Whether ``expire_pending`` would find one."""
        cdef int64_t index
        for index in range(<int64_t>MAX_ORDERS):
            if self.orders[index].update_time_ns < now_ns - limit_ns \
                    and _is_pending(self.orders[index].state):
                return True
        return False

    def expire_pending(self, now_ns: int, limit_ns: int) -> int:
        """Requests unanswered for longer than ``limit_ns``: their orders are Unknown; how many."""
        cdef int64_t index
        cdef int64_t oldest_ns = now_ns - limit_ns
        cdef Order* order
        cdef int64_t count = 0
        for index in range(<int64_t>MAX_ORDERS):
            order = &self.orders[index]
            if order.update_time_ns < oldest_ns and _is_pending(order.state):
                order.state = UNKNOWN
                order.update_time_ns = now_ns
                self._show(order)
                count += 1
        return count

    def open_orders(self) -> list[dict[str, object]]:
        """Fields of every open order by name, oldest first."""
        cdef int64_t index
        found = []
        for index in range(<int64_t>MAX_ORDERS):
            if is_open(self.orders[index].state):
                found.append(<object>self.orders[index])
        return sorted(found, key=lambda order: order["order_number"])

    def client_order_id(self, number: int) -> str:
        """ClOrdID(11) text of a request number."""
        cdef char text[36]
        write_client_order_id(text, &self.run, number)
        return text[:36].decode()

    def request_number(self, client_order_id: str) -> int:
        """Request number of a ClOrdID(11) text, 0 when it is not one of this run."""
        cdef bytes encoded = client_order_id.encode()
        return read_client_order_id(encoded, len(encoded), &self.run)


cdef inline bint _is_pending(int64_t state) noexcept nogil:
    """Whether the order awaits the answer to a request."""
    return state == PENDING_NEW or state == PENDING_CANCEL or state == PENDING_REPLACE


cdef inline bint _names(const Order* order, int64_t number) noexcept nogil:
    """Whether a request number is one that the order itself remembers."""
    return number > 0 and (number == order.order_number or number == order.accepted_number
                           or number == order.request_number)


cdef inline bint _shows_acceptance(const ExecutionReport* report) noexcept nogil:
    """Whether the report could not come for an order that the venue never took."""
    cdef int64_t kind = report.execution_type
    return kind == EXEC_NEW or kind == EXEC_TRADE or kind == EXEC_REPLACED \
        or kind == EXEC_RESTATED or kind == EXEC_SUSPENDED or (
            kind == EXEC_STATUS and is_open(report.order_state)
            and report.order_state != PENDING_NEW and report.order_state != UNKNOWN)


cdef inline int _check_cumulative(const Order* order, const ExecutionReport* report) \
        noexcept nogil:
    """CumQty(14) tells of fills that we have not seen, or have counted and nobody else has."""
    if report.cumulative_lots >= 0 and report.cumulative_lots != order.filled_lots:
        return REPORT_INCONSISTENT
    return 0


cdef inline int _check_rejectable(const Order* order) noexcept nogil:
    """An order that the venue once accepted cannot be rejected: what became of it?"""
    return REPORT_INCONSISTENT if order.accepted_time_ns != 0 else 0


def draw_run_prefix(seed: bytes | None = None) -> bytes:
    """The part of a client order id that the ids of a run share; ``seed`` fixes it (tests)."""
    random_bytes = os.urandom(RUN_RANDOM_BYTES) if seed is None else seed
    if len(random_bytes) != RUN_RANDOM_BYTES:
        raise UsageError(f"run seed had {len(random_bytes)} bytes; use {RUN_RANDOM_BYTES}")
    digits = random_bytes.hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-8".encode()
