"""The circle of the data, see the ``.pxd``: read it from top to bottom."""

from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.order_encoder cimport EncodedMessage
from ext.orders cimport (
    REPORT_DUPLICATE,
    REPORT_FILL,
    REPORT_FIRST,
    REPORT_INCONSISTENT,
    REPORT_UNKNOWN_ORDER,
)
from ext.pipeline_commands cimport PipelineCommands
from ext.position_guard cimport RETRY_NS
from ext.risk_limits cimport InstrumentLimits
from ext.safety_records cimport BREAKER_KILLED, NO_EXIT, GuardState
from ext.tap cimport (
    record_command,
    record_decision,
    record_frame,
    record_message,
    record_read_end,
    record_report,
    record_request,
    record_sent,
)
from ext.wire cimport (
    ACCEPTED,
    CANCEL_ORDER,
    COMMAND_SEND_FAILED,
    ENGINE_KILLED,
    ENGINE_PAUSED,
    EXEC_MESSAGE_REJECT,
    EXEC_REJECTED,
    FEED_OK,
    IMMEDIATE_OR_CANCEL,
    JOURNAL_BEHIND,
    LIMIT,
    LIVE,
    NEW_ORDER,
    PENDING_CANCEL,
    REPORT_FIELDS,
    SNAPSHOT,
    STEP_ACKNOWLEDGE,
    STEP_APPLY,
    STEP_CHECK,
    STEP_DECIDE,
    STEP_DECODE,
    STEP_ENCODE,
    STEP_REPORT,
    STEP_SEND,
    STEP_TICK,
    STEP_TICK_TO_ORDER,
    STRATEGY_PAUSED,
    TRADES,
    UPDATE,
    BookView,
    ExecutionReport,
    FeedEvent,
    FeedStatus,
    Intent,
    Intents,
    Order,
    OrderRequest,
    Position,
    SharedHeader,
    Trade,
    Verdict,
)


cdef class Pipeline(PipelineCommands):
    """Everything between a frame and its orders, for the instruments of ``table``.

    With ``decoder`` alone it keeps the books (verify, recorders). Strategies need ``orders`` and
    ``gate`` too; orders leave when ``encoder``, ``sender`` and ``store`` are given and
    ``is_sending`` is set, otherwise decisions are checked, recorded and end there (shadow).
    The steps of one frame in ``step_interval`` are timed, with 0 nothing is.
    With ``is_conflating`` books are decided on when ``decide`` is called: the listener does, at
    the last frame of each read. With ``is_recording`` everything that comes in is kept in the
    rings, so that the run can be repeated.
    """

    # The arc: wire in to wire out.

    cdef FeedStatus receive_frame(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        """One market data frame: decode it, apply it, let the strategies decide, act on it."""
        cdef FeedStatus status
        cdef FeedEvent* event
        cdef int64_t index
        self._begin(True, receive_time_ns)
        self.came_after = self.memory.header.write_sequence
        self.market.last_frame_ns = receive_time_ns
        self.memory.header.frames += 1
        self.memory.header.frame_bytes += size
        status = self.decoder.decode(payload, size, receive_time_ns)
        self._time_step(STEP_DECODE)
        self.memory.header.general_frames += self.decoder.frame.is_general
        self.market.note_frame(&self.decoder.frame, receive_time_ns)
        if status != FEED_OK:
            self.market.refuse_frame(&self.decoder.frame, status, receive_time_ns)
        else:
            for index in range(self.decoder.frame.event_count):
                event = &self.decoder.frame.events[index]
                if event.instrument >= 0:
                    self.market.last_seen[event.instrument].frame_ns = receive_time_ns
                if event.kind == TRADES:
                    self.market.apply_trades(&self.decoder.frame, event, receive_time_ns)
                    self._decide_trades(event, receive_time_ns)
                elif (event.kind == UPDATE or event.kind == SNAPSHOT) and self.market.apply_book(
                        &self.decoder.frame, event, receive_time_ns):
                    self._time_step(STEP_APPLY)
                    if self.has_strategy[event.instrument]:
                        if self.is_conflating:
                            self._postpone_book(event.instrument)
                        else:
                            self._decide_book(event.instrument, receive_time_ns)
        if self.market.has_fallen:
            self._pull_orders(receive_time_ns, 0)
        if self.is_recording:               # now, for what came of the frame has left already
            record_frame(self.memory, payload, size, self.came_after, receive_time_ns)
        self._time_whole(STEP_TICK)
        return status

    cdef void decide_pending(self, int64_t receive_time_ns) noexcept nogil:
        """The last frame of a read was applied: decides on every book that the read has changed.

        A book that went STALE meanwhile is not decided on.
        """
        cdef int64_t index
        self.has_pending = False
        if self.is_recording:
            record_read_end(self.memory, receive_time_ns)
        for index in range(self.table.count):
            if self.is_pending[index]:
                self.is_pending[index] = False
                if self.memory.books[index].state == LIVE:
                    self._decide_book(index, receive_time_ns)

    cdef void _postpone_book(self, int64_t instrument) noexcept nogil:
        self.memory.header.conflated_updates += self.is_pending[instrument]
        self.is_pending[instrument] = self.has_pending = True

    cdef void _decide_book(self, int64_t instrument, int64_t receive_time_ns) noexcept nogil:
        """Every strategy of the instrument: update and decide in one call, then act."""
        cdef Intents* intents
        cdef int64_t strategy
        for strategy in range(self.strategy_count):
            if self.memory.positions[strategy].instrument == instrument:
                self.breakers.mark(strategy, &self.memory.books[instrument], receive_time_ns)
                if self.breakers.changed != 0:
                    self._note_breakers(receive_time_ns)
                if self.guard.limits[strategy].is_on:
                    self._manage(strategy, receive_time_ns)
                intents = self.strategies.decide_book(
                    strategy, &self.memory.books[instrument], &self.memory.positions[strategy]
                )
                self._time_step(STEP_DECIDE)
                self._act(strategy, intents, receive_time_ns)

    cdef void _note_breakers(self, int64_t receive_time_ns) noexcept nogil:
        """A breaker has changed: it is kept, and what has tripped has its orders pulled."""
        self._keep_breakers(receive_time_ns)
        if self.breakers.has_tripped:
            self._pull_orders(receive_time_ns, 0)

    cdef void _manage(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Position management of one strategy: follows its book, and goes on with an exit."""
        if self.guard.follow(
                strategy, &self.memory.books[self.memory.positions[strategy].instrument], time_ns
        ) and time_ns >= self.guard.retry_ns[strategy]:
            self._send_exit(strategy, time_ns)
        if self.guard.changed != 0:
            self._keep_guards(time_ns)

    cdef void _note_report(self, const Order* order, bint is_fill, int64_t time_ns) noexcept nogil:
        """A report of a managed strategy: entries are counted, an exit goes on at once."""
        cdef GuardState* state = &self.guard.states[order.strategy]
        if is_fill:
            self.guard.note_fill(
                order.strategy, order.order_number, &self.memory.books[order.instrument], time_ns
            )
        elif state.exit_reason == NO_EXIT:
            return
        if order.order_number == state.exit_order_number and order.filled_lots == 0 \
                and order.sent_time_ns >= state.triggered_time_ns:
            # Nothing was to be had within the collar: not again in the same moment.
            self.guard.retry_ns[order.strategy] = time_ns + RETRY_NS
        self._manage(order.strategy, time_ns)

    cdef void _send_exit(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Closes what no open order of ours could close already; the strategy's own orders are
        cancelled, and count until they have ended. One exit order at a time."""
        cdef GuardState* state = &self.guard.states[strategy]
        cdef Position* position = &self.memory.positions[strategy]
        cdef BookView* book = &self.memory.books[position.instrument]
        cdef InstrumentLimits* limits = &self.gate.limits[position.instrument]
        cdef Order* order
        cdef Intent intent
        cdef int64_t index
        memset(&intent, 0, sizeof(intent))
        for index in range(position.working_count):
            order = self.orders.find_open(position.working[index].order_number)
            if order == NULL or order.order_number == state.exit_order_number:
                continue
            if order.state != PENDING_CANCEL and (
                    order.update_time_ns <= state.triggered_time_ns
                    or time_ns - order.update_time_ns >= RETRY_NS):
                intent.kind = CANCEL_ORDER
                intent.order_number = order.order_number
                self._submit(strategy, &intent, time_ns)
        if self.orders.find_open(state.exit_order_number) != NULL:
            return
        memset(&intent, 0, sizeof(intent))
        intent.kind = NEW_ORDER
        intent.side = <int>-state.side
        intent.order_type = LIMIT
        intent.time_in_force = IMMEDIATE_OR_CANCEL
        intent.reason = <int>-state.exit_reason
        intent.price_ticks = self.guard.exit_price(strategy, book, intent.side)
        intent.quantity_lots = position.position_lots * state.side - state.exit_until_lots - (
            position.open_buy_lots if intent.side > 0 else position.open_sell_lots)
        intent.quantity_lots = min(intent.quantity_lots, limits.max_order_lots)
        intent.quantity_lots = min(
            intent.quantity_lots, limits.max_order_notional // intent.price_ticks
        )
        if intent.quantity_lots <= 0:
            return                              # what is open may close it all
        self.is_exiting = True
        if self._submit(strategy, &intent, time_ns) == ACCEPTED:
            state.exit_order_number = self.orders.next_number - 1
            self.guard.changed |= 1 << strategy
        else:
            self.guard.retry_ns[strategy] = time_ns + RETRY_NS
        self.is_exiting = False

    cdef Verdict _check_safety(self, int64_t strategy, const Intent* intent, int64_t time_ns) \
            noexcept nogil:
        """Breakers and position management; an exit reduces, and only a KILL stops it, of which a
        FLATTEN looks at the word alone."""
        cdef Verdict verdict
        if self.is_flattening:
            return ACCEPTED                 # a person has looked at what the breakers say
        if self.is_exiting:
            if self.breakers.states[self.breakers.count].level >= BREAKER_KILLED:
                return ENGINE_PAUSED
            return ACCEPTED
        verdict = self.breakers.check(strategy, time_ns)
        if verdict == STRATEGY_PAUSED and self.breakers.may_reduce(strategy) \
                and self._is_reducing(strategy, intent):
            verdict = ACCEPTED
        return self.guard.check(strategy, intent) if verdict == ACCEPTED else verdict

    cdef bint _is_reducing(self, int64_t strategy, const Intent* intent) noexcept nogil:
        """Whether a new order, with all that is open on its side, can only make the position
        smaller."""
        cdef Position* position = &self.memory.positions[strategy]
        cdef int64_t open_lots = (
            position.open_buy_lots if intent.side > 0 else position.open_sell_lots)
        return intent.kind == NEW_ORDER \
            and intent.quantity_lots + open_lots <= -intent.side * position.position_lots

    cdef void _decide_trades(self, const FeedEvent* event, int64_t receive_time_ns) \
            noexcept nogil:
        """Strategies of a LIVE book see each trade, and the bar that it ends."""
        cdef BookView* view = &self.memory.books[event.instrument]
        cdef Position* position
        cdef Trade* trade
        cdef int64_t index, strategy
        if view.state != LIVE or not self.has_strategy[event.instrument]:
            return
        for index in range(event.first, event.first + event.count):
            trade = &self.decoder.frame.trades[index]
            for strategy in range(self.strategy_count):
                position = &self.memory.positions[strategy]
                if position.instrument == event.instrument:
                    self._act(strategy, self.strategies.decide_trade(
                        strategy, trade, view, position
                    ), receive_time_ns)
                    self._act(strategy, self.strategies.decide_bar(
                        strategy, trade, view, position
                    ), receive_time_ns)

    cdef void _act(self, int64_t strategy, Intents* intents, int64_t receive_time_ns) \
            noexcept nogil:
        cdef int64_t index
        if intents == NULL:
            return
        self.memory.header.dropped_intents += intents.dropped
        if self.is_recording:
            self._keep_state(strategy, receive_time_ns)
        for index in range(intents.count):
            # Below zero it is why position management, or a person, has closed a position.
            intents.intents[index].reason = max(intents.intents[index].reason, 0)
            self._submit(strategy, &intents.intents[index], receive_time_ns)

    cdef Verdict _submit(self, int64_t strategy, Intent* intent, int64_t time_ns) noexcept nogil:
        """One intent: check, register, encode, send."""
        cdef Position* position = &self.memory.positions[strategy]
        cdef int64_t instrument = position.instrument
        cdef SharedHeader* header = self.memory.header
        cdef OrderRequest request
        cdef Verdict verdict
        if header.dropped_order_records != 0:
            self.gate.is_paused = True              # the journal has a hole: no new risk
        if intent.kind != NEW_ORDER:
            self.orders.complete(intent)        # side and terms are the order's own
        verdict = self.gate.check(
            intent, strategy, &self.memory.books[instrument],
            &self.market.last_seen[instrument], self.orders,
            not self.is_sending or self.store.state.is_active != 0, time_ns
        )
        if verdict == ACCEPTED and self.is_behind and intent.kind != CANCEL_ORDER:
            verdict = JOURNAL_BEHIND
        if verdict == ACCEPTED and intent.kind != CANCEL_ORDER:
            verdict = self._check_safety(strategy, intent, time_ns)
        if intent.kind != CANCEL_ORDER and self._is_killed(time_ns):
            verdict = ENGINE_KILLED
        self._time_step(STEP_CHECK)
        header.intents += 1
        position.signal_count += intent.kind != CANCEL_ORDER
        record_decision(
            self.memory, position, &self.memory.books[instrument], intent, verdict, time_ns
        )
        if verdict != ACCEPTED:
            header.rejected += 1
            position.reject_count += 1
            position.last_reject = verdict
            return verdict
        header.accepted += 1
        self.gate.note_sent(intent, strategy, instrument, time_ns)
        if self.is_sending:
            self.orders.register(intent, strategy, instrument, time_ns, &request)
            self._send(intent, strategy, &request, time_ns)
        return ACCEPTED

    cdef void _send(
        self, const Intent* intent, int64_t strategy, OrderRequest* request, int64_t time_ns
    ) noexcept nogil:
        """Encodes a registered request, records it, and hands it to the socket."""
        cdef int64_t sequence = self.store.state.next_outgoing
        cdef EncodedMessage message = self.encoder.encode(request, sequence, time_ns)
        self.store.save(
            sequence, message.start, message.size, time_ns - self.memory.header.wall_offset_ns
        )
        self.store.state.next_outgoing = sequence + 1
        self.orders.note_sequence(request.request_number, sequence)
        if self.is_recording:               # before the send: a crash between loses no order
            record_request(
                self.memory, intent, request, strategy, message.start, message.size, sequence,
                time_ns
            )
        self.told_outgoing = sequence + 1   # a replay counts this by itself
        self._time_step(STEP_ENCODE)
        if not self.sender.send_message(message.start, message.size):
            self._lose_request(request, sequence, time_ns)
        self._time_step(STEP_SEND)
        self.store.state.last_sent_ns = time_ns - self.memory.header.wall_offset_ns
        self.memory.header.requests_sent += 1
        self.memory.header.orders_sent += request.kind == NEW_ORDER
        self.memory.header.outgoing_sequence = sequence + 1
        if not self.has_order_sent:
            self._time_whole(STEP_TICK_TO_ORDER)
        self.has_order_sent = True
        record_sent(
            self.memory, &self.memory.positions[request.order.strategy],
            &self.memory.books[request.instrument], request, sequence, time_ns
        )

    cdef void _lose_request(
        self, OrderRequest* request, int64_t sequence, int64_t time_ns
    ) noexcept nogil:
        """The socket did not take a request. Its number is used and the venue will miss it, so
        nothing may follow on this connection, which its transport ends."""
        self.memory.header.failed_sends += 1
        if self.is_recording:
            record_command(self.memory, COMMAND_SEND_FAILED, 0, sequence, time_ns)
        self.orders.doubt(request.order, time_ns)
        self.sender.has_failed = True
        self.store.state.is_active = 0
        self.told_active = False

    cdef int receive_report(
        self, const ExecutionReport* report, int64_t receive_time_ns, const char* message,
        int64_t size, int64_t format
    ) noexcept nogil:
        """One report: apply it to its order and position, let the strategy decide on a fill.

        ``message`` is what it was read from, in a ReportFormat; NULL: it was made here.
        """
        cdef SharedHeader* header = self.memory.header
        cdef Order* order
        cdef int result
        self._begin(False, receive_time_ns)
        if self.is_recording:
            if message == NULL:
                message = <const char*>report
                size = sizeof(ExecutionReport)
                format = REPORT_FIELDS
            record_message(self.memory, message, size, format, receive_time_ns)
        result = self.orders.apply_report(report, receive_time_ns)
        self._time_step(STEP_REPORT)
        header.reports += 1
        header.duplicate_fills += (result & <int>REPORT_DUPLICATE) != 0
        header.unknown_reports += (result & <int>REPORT_UNKNOWN_ORDER) != 0
        order = self.orders.last_order
        record_report(self.memory, order, report, receive_time_ns)
        if result & <int>REPORT_FIRST:
            self.memory.count_latency(STEP_ACKNOWLEDGE, self.orders.acknowledged_ns)
        if result & <int>REPORT_INCONSISTENT:
            self.gate.is_paused = True      # until a person has looked: an invariant is broken
            self.has_report_notice = True
        if order != NULL and (report.execution_type == EXEC_REJECTED
                              or report.execution_type == EXEC_MESSAGE_REJECT):
            self.breakers.note_reject(order.strategy, receive_time_ns)
        if result & <int>REPORT_FILL:
            header.fills += 1
            self.breakers.note_fill(
                order.strategy, &self.memory.books[order.instrument], receive_time_ns
            )
        if self.breakers.changed != 0:
            self._note_breakers(receive_time_ns)
        if order != NULL and self.guard.limits[order.strategy].is_on:
            self._note_report(order, (result & <int>REPORT_FILL) != 0, receive_time_ns)
        if result & <int>REPORT_FILL:
            self._act(order.strategy, self.strategies.decide_fill(
                order.strategy, &self.orders.last_fill, &self.memory.books[order.instrument],
                &self.memory.positions[order.strategy]
            ), receive_time_ns)
        return result
