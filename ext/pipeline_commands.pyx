"""The pipeline's cold edge, see the ``.pxd``."""

from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.errors import UsageError
from ext.feed_decoder import PADDING
from ext.pipeline_parts cimport PipelineParts
from ext.report_fields cimport fill_report
from ext.safety_records cimport BREAKER_PAUSED, EXIT_FLATTEN, NO_BREAKER
from ext.tap cimport record_timer
from ext.wire cimport (
    ACCEPTED,
    BUY,
    CANCEL_ORDER,
    COMMAND_AGREED,
    COMMAND_BREAKER,
    COMMAND_CANCEL_ALL,
    COMMAND_CONNECTION_LOST,
    COMMAND_EXPIRE_PENDING,
    COMMAND_FLATTEN,
    COMMAND_FORGET_SEQUENCES,
    COMMAND_KILL,
    COMMAND_MARK_STALE,
    COMMAND_MARK_UNKNOWN,
    COMMAND_OPERATOR,
    COMMAND_PAUSE,
    COMMAND_REARM,
    COMMAND_RESUME,
    COMMAND_STRATEGY_PAUSE,
    COMMAND_STRATEGY_RESUME,
    COMMAND_SEND_FAILED,
    COMMAND_SUBSCRIBED,
    CONNECTING,
    DISCONNECTED,
    EXEC_MESSAGE_REJECT,
    FEED_CONTROL,
    FEED_OK,
    IMMEDIATE_OR_CANCEL,
    INTENT_INVALID,
    LIMIT,
    LIVE,
    NEW_ORDER,
    NOT_STALE,
    PENDING_CANCEL,
    POSITION_LIMIT,
    RECORD_COMMAND,
    REPORT_REST,
    SELL,
    SYNCING,
    ExecutionReport,
    FeedStatus,
    Intent,
    Intents,
    Order,
    Position,
    StaleReason,
    Verdict,
)


cdef enum:
    CANCEL_AGAIN_NS = 1_000_000_000     # between two cancels of an order that nobody has ended
    NEVER = 0x7FFFFFFFFFFFFFFF


cdef class PipelineCommands(PipelineParts):
    """Base of ``Pipeline``: everything that does not belong to the arc of a frame or a report."""

    # The steps of the arc that the commands begin; ``Pipeline`` has them.

    cdef FeedStatus receive_frame(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        return FEED_OK

    cdef void decide_pending(self, int64_t receive_time_ns) noexcept nogil:
        pass

    cdef void _act(self, int64_t strategy, Intents* intents, int64_t receive_time_ns) \
            noexcept nogil:
        pass

    cdef Verdict _submit(self, int64_t strategy, Intent* intent, int64_t time_ns) noexcept nogil:
        return INTENT_INVALID

    cdef int receive_report(
        self, const ExecutionReport* report, int64_t receive_time_ns, const char* message,
        int64_t size, int64_t format
    ) noexcept nogil:
        return 0

    cdef void _pull_orders(self, int64_t receive_time_ns, int64_t quiet_ns) noexcept nogil:
        """Cancels every working order of the instruments whose books may not be traded on, and of
        the strategies that are stopped.

        Orders about which something was said or asked within ``quiet_ns`` are left alone.
        """
        cdef Position* position
        cdef Order* order
        cdef Intent intent
        cdef int64_t strategy, index
        self.market.has_fallen = False
        self.breakers.has_tripped = False
        memset(&intent, 0, sizeof(intent))
        intent.kind = CANCEL_ORDER
        for strategy in range(self.strategy_count):
            position = &self.memory.positions[strategy]
            if self.store.state.is_active == 0 or (
                    self.memory.books[position.instrument].state == LIVE
                    and not self.breakers.is_stopped(strategy, receive_time_ns)):
                continue
            for index in range(position.working_count):
                order = self.orders.find_open(position.working[index].order_number)
                if order != NULL and self.memory.books[position.instrument].state == LIVE \
                        and order.side * position.position_lots < 0 \
                        and self.breakers.may_reduce(strategy):
                    continue
                if order != NULL and order.state != PENDING_CANCEL \
                        and order.order_number != self.guard.states[strategy].exit_order_number \
                        and (
                            quiet_ns == 0
                            or receive_time_ns - order.update_time_ns >= quiet_ns):
                    intent.order_number = order.order_number
                    self._submit(strategy, &intent, receive_time_ns)
        if self.breakers.changed != 0:          # one has cooled down
            self._keep_breakers(receive_time_ns)

    cdef void _fall(self, int64_t instrument, int64_t reason, int64_t time_ns) noexcept nogil:
        """Takes a book, or with -1 every one, for STALE and pulls its orders."""
        cdef int64_t index
        for index in range(self.table.count):
            if instrument < 0 or instrument == index:
                self.market.go_stale(index, <StaleReason>reason, time_ns)
        if self.market.has_fallen:
            self._pull_orders(time_ns, 0)

    # The cold edge: what the engine, tools and tests call.

    def receive(self, payload: bytes, receive_time_ns: int) -> int:
        """Takes a copy of one frame through the arc; its FeedStatus."""
        cdef bytes padded = payload + PADDING
        return self.receive_frame(padded, len(payload), receive_time_ns)

    def receive_padded(self, payloads: list[bytes], receive_time_ns: int, gap_ns: int = 0) -> int:
        """Takes frames that carry FRAME_PADDING_BYTES behind them, without a copy or an object.

        The n-th has the receive time ``receive_time_ns + n * gap_ns``. Returns how many of them
        were FEED_OK or FEED_CONTROL.
        """
        cdef int64_t time_ns = receive_time_ns
        cdef int64_t step_ns = gap_ns
        cdef int64_t padding = len(PADDING)
        cdef int64_t good = 0
        cdef FeedStatus status
        cdef bytes payload
        for payload in payloads:
            status = self.receive_frame(payload, len(payload) - padding, time_ns)
            good += status == FEED_OK or status == FEED_CONTROL
            time_ns += step_ns
        return good

    def decide(self, now_ns: int) -> None:
        """Decides on the books that frames have changed since the last call (``is_conflating``)."""
        self.decide_pending(now_ns)

    def call_timers(self, now_ns: int) -> None:
        """Calls the timer hooks that are due; ``now_ns`` is wall time like a receive time.

        Orders of books that are not LIVE are pulled again: the rate may have refused a cancel.
        """
        cdef int64_t strategy, instrument
        self._begin(False, now_ns)
        if self.is_recording and (
                self.strategies.is_timer_due(now_ns) or self._has_orders_to_pull(now_ns)):
            record_timer(self.memory, now_ns)
        self._pull_orders(now_ns, CANCEL_AGAIN_NS)
        for strategy in range(self.strategy_count):
            instrument = self.memory.positions[strategy].instrument
            if self.memory.books[instrument].state == LIVE:
                self._act(strategy, self.strategies.decide_timer(
                    strategy, now_ns, &self.memory.books[instrument],
                    &self.memory.positions[strategy]
                ), now_ns)

    def cancel_all(self, now_ns: int) -> int:
        """Asks for the cancel of every open order that has none pending; how many were sent."""
        cdef Intent intent
        cdef Order* order
        cdef int64_t count = 0
        self._command(COMMAND_CANCEL_ALL, 0, 0, now_ns)
        memset(&intent, 0, sizeof(intent))
        intent.kind = CANCEL_ORDER
        for fields in self.orders.open_orders():
            intent.order_number = fields["order_number"]
            order = self.orders.find_open(intent.order_number)
            if order != NULL and order.state != PENDING_CANCEL:
                count += self._submit(order.strategy, &intent, now_ns) == ACCEPTED
        return count

    def reject_request(self, reference_sequence: int, reason: int, now_ns: int) -> bool:
        """A session reject of the message with that MsgSeqNum; whether it was one of ours."""
        cdef ExecutionReport report
        memset(&report, 0, sizeof(report))
        report.request_number = self.orders.requests.of_sequence(reference_sequence)
        if report.request_number == 0:
            return False
        report.execution_type = EXEC_MESSAGE_REJECT
        report.order_quantity_lots = report.price_ticks = -1
        report.cumulative_lots = report.leaves_lots = -1
        report.reject_code = reason
        report.reference_sequence = reference_sequence
        self.receive_report(&report, now_ns, NULL, 0, 0)
        return True

    def apply_report(self, fields: dict[str, object], now_ns: int, answer: bytes = b"") -> int:
        """Applies a report that was made here of what the venue has told by another way.

        ``fields`` are those of ``ExecutionReport`` by name; absent numbers that may be absent in a
        report are. ``answer`` is what it was made of, for the journal. Returns ReportResult bits.
        """
        cdef ExecutionReport report = fill_report(fields)
        cdef bytes told
        cdef const char* start
        if not answer:
            return self.receive_report(&report, now_ns, NULL, 0, 0)
        told = (<const char*>&report)[: sizeof(ExecutionReport)] + answer
        start = told
        return self.receive_report(&report, now_ns, start, len(told), REPORT_REST)

    def lose_answer(self, sequence: int, now_ns: int) -> bool:
        """The answer to the message with that number will not come: its order is Unknown until
        the venue has told. Whether it was of an open order."""
        cdef Order* order = self.orders.find_requested(sequence)
        if order == NULL:
            return False
        self._command(COMMAND_SEND_FAILED, 1, sequence, now_ns)
        self.orders.doubt(order, now_ns)
        return True

    def mark_unknown(self, now_ns: int) -> int:
        """The order session is down: every open order is Unknown; how many."""
        self._command(COMMAND_MARK_UNKNOWN, 0, 0, now_ns)
        return self.orders.mark_unknown(now_ns)

    def expire_pending(self, now_ns: int, limit_ns: int) -> int:
        """Requests unanswered for longer than ``limit_ns``: their orders are Unknown; how many."""
        if not self.orders.has_expired(now_ns, limit_ns):
            return 0
        self._command(COMMAND_EXPIRE_PENDING, 0, limit_ns, now_ns)
        return self.orders.expire_pending(now_ns, limit_ns)

    def forget_sequences(self, now_ns: int) -> None:
        """The order session counts from 1 again: old numbers name no request of ours any more."""
        self._command(COMMAND_FORGET_SEQUENCES, 0, 0, now_ns)
        self.orders.requests.forget_sequences()

    def pause(self, now_ns: int, reason: str, is_stop: bool = False) -> None:
        """No new risk from now on; cancels stay allowed. ``is_stop``: it belongs to an orderly
        stop, the next start need not ask for a person."""
        self._tell_command(COMMAND_PAUSE, now_ns, reason, is_stop)
        self.gate.is_paused = True

    def resume(self, now_ns: int, reason: str) -> None:
        """New risk is allowed again, by the engine's breakers too; ``reason`` says who decided
        that and why."""
        self._tell_command(COMMAND_RESUME, now_ns, reason, 0)
        self.gate.is_paused = False
        self.breakers.resume(-1, now_ns)
        self._keep_breakers(now_ns)

    def pause_strategy(self, strategy: int, cause: int, now_ns: int, reason: str) -> None:
        """No new risk of one strategy, -1: of all, and its working orders are pulled, until a
        person resumes it. ``cause`` is a Breaker."""
        self._tell_command(COMMAND_STRATEGY_PAUSE, now_ns, reason, strategy, cause)
        self.breakers.pause(strategy, BREAKER_PAUSED, cause, now_ns)
        self._keep_breakers(now_ns)
        if self.breakers.has_tripped:
            self._pull_orders(now_ns, 0)

    def resume_strategy(self, strategy: int, now_ns: int, reason: str, cause: int = 0) -> None:
        """Ends the pause of one strategy, -1: the engine's by its breakers, and no other.

        ``cause`` 0: a person has decided it. A Breaker: that one is well again; it ends a pause of
        its own alone.
        """
        self._tell_command(COMMAND_STRATEGY_RESUME, now_ns, reason, strategy, cause)
        if cause == NO_BREAKER:
            self.breakers.resume(strategy, now_ns)
        else:
            self.breakers.end_pause(strategy, cause)
        self._keep_breakers(now_ns)

    def tell_breaker(self, strategy: int, now_ns: int, inputs: str) -> None:
        """Records what a breaker has seen, as JSON: the arc has acted, and kept that, by itself."""
        self._tell_command(COMMAND_BREAKER, now_ns, inputs, strategy)

    def note_agreed(self, now_ns: int, trade_ids: str) -> None:
        """Records until which trades the venue's record and ours are equal: JSON, product to trade
        id. The next run looks for what it does not know from there on."""
        self._tell_command(COMMAND_AGREED, now_ns, trade_ids, 0)

    def disarm(self, now_ns: int, reason: str) -> None:
        """As ``pause``, of an engine that nobody has armed: the next start need not ask why."""
        self._tell_command(COMMAND_PAUSE, now_ns, reason, 2)
        self.gate.is_paused = True

    def kill(self, now_ns: int, source: int, text: str) -> None:
        """Sets the kill word for a KillSource, if it is not set yet; ``text`` says who, why and
        from what inputs. Cancels are the caller's to send."""
        if self.memory.header.kill_word == 0:
            self.memory.header.kill_word = source
        self.is_kill_told = True
        self._tell_command(COMMAND_KILL, now_ns, text, source)

    def kill_from(self, intents: int, source: int) -> None:
        """For a replay: the word is seen when so many intents have been judged."""
        self.killed_from = intents
        self.killed_source = source

    def rearm(self, now_ns: int, reason: str) -> None:
        """Clears the kill word; whoever calls has made sure of what ``reason`` says."""
        self._tell_command(COMMAND_REARM, now_ns, reason, 0)
        self.memory.header.kill_word = 0
        self.is_kill_told = False
        self.killed_from = NEVER

    def note_command(self, now_ns: int, text: str) -> None:
        """Records an audited command that changes nothing here by itself."""
        self._tell_command(COMMAND_OPERATOR, now_ns, text, 0)

    def flatten(self, strategy: int, price_ticks: int, quantity_lots: int, now_ns: int) -> int:
        """One immediate-or-cancel order against the position of a strategy, through the gate, also
        while PAUSED; its Verdict. POSITION_LIMIT unless it lowers the position, all open orders of
        that side filled."""
        cdef Position* position
        cdef Intent intent
        cdef int64_t open_lots
        cdef bint was_paused = self.gate.is_paused
        if not 0 <= strategy < self.strategy_count:
            raise UsageError(f"strategy was {strategy}; there are {self.strategy_count}")
        self._begin(False, now_ns)
        if self.is_recording:
            self.memory.write_blob(
                now_ns, RECORD_COMMAND, f"{quantity_lots}".encode(), code=COMMAND_FLATTEN,
                detail=strategy, reference=price_ticks,
            )
        position = &self.memory.positions[<int64_t>strategy]
        memset(&intent, 0, sizeof(intent))
        intent.kind = NEW_ORDER
        intent.side = SELL if position.position_lots > 0 else BUY
        intent.order_type = LIMIT
        intent.time_in_force = IMMEDIATE_OR_CANCEL
        intent.reason = -<int>EXIT_FLATTEN      # no strategy's own
        intent.price_ticks = price_ticks
        intent.quantity_lots = quantity_lots
        open_lots = position.open_buy_lots if intent.side == BUY else position.open_sell_lots
        if intent.quantity_lots > abs(position.position_lots) - open_lots:
            return POSITION_LIMIT
        self.gate.is_paused = False
        self.is_flattening = True
        verdict = self._submit(strategy, &intent, now_ns)
        self.is_flattening = False
        self.gate.is_paused = was_paused
        return verdict

    def _tell_command(
        self, command: int, now_ns: int, reason: str, detail: int, reference: int = 0
    ) -> None:
        self._begin(False, now_ns)
        if self.is_recording:
            text = reason.encode()
            self.memory.write_blob(
                now_ns, RECORD_COMMAND, text, code=command, detail=detail, reference=reference
            )

    def connection_lost(self, now_ns: int) -> None:
        """The feed is down: every book is STALE and the next connection counts from its start."""
        self._command(COMMAND_CONNECTION_LOST, 0, 0, now_ns)
        self._fall(-1, DISCONNECTED, now_ns)
        self.market.expected_sequence = -1

    def subscribed(self, now_ns: int) -> None:
        """The subscribe is on its way: books without a snapshot wait for theirs."""
        cdef int64_t index
        self._command(COMMAND_SUBSCRIBED, 0, 0, now_ns)
        for index in range(self.table.count):
            if self.memory.books[index].state == CONNECTING:
                self.market.set_state(index, SYNCING, NOT_STALE, now_ns)

    def mark_stale(self, instrument: int, reason: int, now_ns: int) -> None:
        """Makes a LIVE book, or with -1 every one, STALE for a StaleReason."""
        self._command(COMMAND_MARK_STALE, instrument, reason, now_ns)
        self._fall(instrument, reason, now_ns)
