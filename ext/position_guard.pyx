"""Position management, see the ``.pxd``."""

cimport cython
from libc.math cimport ceil, fabs, floor
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ext.errors import RecordingError, UsageError
from ext.safety_records cimport (
    EXIT_BREAK_EVEN,
    EXIT_STOP,
    EXIT_TARGET,
    EXIT_TIME,
    EXIT_TRAILING,
    NO_EXIT,
    GuardState,
)
from ext.shared_memory cimport SharedMemory
from ext.wire cimport (
    ACCEPTED,
    ENTRY_REFUSED,
    LIVE,
    NEW_ORDER,
    BookView,
    Intent,
    Position,
    Verdict,
)

cdef extern from *:
    bint multiply_overflows "__builtin_mul_overflow"(int64_t a, int64_t b, int64_t* result) \
        noexcept nogil

cdef enum:
    PPM = 1_000_000
    PERMILLE = 1000

GUARD_BYTES = sizeof(GuardState)
"""Of what is kept of a position's management."""

UNITS = ("ticks", "share", "ranges", "risks")


@cython.final
cdef class PositionGuard:
    """Manages the positions of the strategies of ``memory`` for which it was given limits."""

    def __cinit__(self, SharedMemory memory not None) -> None:
        self.owner = memory
        self.states = memory.guards
        self.positions = memory.positions
        self.count = memory.counters()["strategy_count"]
        memset(self.limits, 0, sizeof(self.limits))
        memset(self.ranges, 0, sizeof(self.ranges))
        for index in range(self.count):
            self.states[<int64_t>index].strategy = index

    def set_limits(
        self,
        strategy: int,
        *,
        stop: dict[str, float] | None = None,
        trailing: dict[str, float] | None = None,
        break_even_after: dict[str, float] | None = None,
        targets: tuple[tuple[dict[str, float], int], ...] = (),
        max_hold_ns: int = 0,
        max_entries: int = 0,
        min_reward_to_risk: float = 0.0,
        slippage_ppm: int = 0,
        range_bar_ns: int = 60_000_000_000,
        range_period: int = 14,
    ) -> None:
        """Manages the positions of a strategy from now on.

        Distances are dicts of ``ticks``, ``share`` (of the entry price), ``ranges`` (of the average
        true range) and ``risks`` (of the distance of the first stop); ``targets`` are
        (distance, thousandths of the largest position), nearest first. Raises UsageError for what
        cannot be.
        """
        cdef GuardLimits limits
        memset(&limits, 0, sizeof(limits))
        if not 0 <= strategy < self.count:
            raise UsageError(f"strategy was {strategy}; use 0 to {self.count - 1}")
        if len(targets) > MAX_TARGETS or sum(part for _, part in targets) > PERMILLE:
            raise UsageError(
                f"targets were {targets}; use at most {MAX_TARGETS}, of {PERMILLE} together"
            )
        numbers = (max_hold_ns, max_entries, min_reward_to_risk, slippage_ppm)
        if min(numbers) < 0 or slippage_ppm >= PPM or range_bar_ns < 1 or range_period < 1:
            raise UsageError(
                f"limits were {numbers}, bars of {range_bar_ns} ns, {range_period} of them"
            )
        limits.is_on = True
        limits.stop = _read_distance(stop)
        limits.trailing = _read_distance(trailing)
        limits.break_even_after = _read_distance(break_even_after)
        for place, (distance, permille) in enumerate(targets):
            limits.targets[<int64_t>place] = _read_distance(distance)
            limits.target_permille[<int64_t>place] = permille
        limits.target_count = len(targets)
        limits.max_hold_ns = max_hold_ns
        limits.max_entries = max_entries
        limits.min_reward_to_risk = min_reward_to_risk
        limits.slippage_ppm = slippage_ppm
        limits.range_bar_ns = range_bar_ns
        limits.range_period = range_period
        self.limits[<int64_t>strategy] = limits

    # The arc.

    cdef bint follow(self, int64_t strategy, const BookView* book, int64_t time_ns) noexcept nogil:
        """The book has moved, or a report has come; whether an exit is under way."""
        cdef GuardState* state = &self.states[strategy]
        cdef int64_t lots = self.positions[strategy].position_lots
        cdef int64_t side = 1 if lots > 0 else -1
        cdef int64_t touch
        if not self.limits[strategy].is_on or book.state != LIVE or book.bid_levels == 0 \
                or book.ask_levels == 0 or book.bid_ticks[0] >= book.ask_ticks[0]:
            return False
        self._add_range(
            strategy, <double>(book.bid_ticks[0] + book.ask_ticks[0]) * 0.5, time_ns
        )
        if lots == 0:
            if state.side != 0:
                self._begin(strategy, 0, 0, 0)
            return False
        touch = book.bid_ticks[0] if side > 0 else book.ask_ticks[0]
        if state.side != side:
            self._begin(strategy, side, touch, time_ns)
        if lots * side > state.largest_lots:
            state.largest_lots = lots * side
            self.changed |= 1 << strategy
        if state.extreme_ticks == 0 or (touch - state.extreme_ticks) * side > 0:
            state.extreme_ticks = touch
        self._move_stop(strategy, touch)
        if state.exit_reason != NO_EXIT and lots * side <= state.exit_until_lots:
            state.exit_reason = NO_EXIT             # a part is closed
            self.changed |= 1 << strategy
        self._trigger(strategy, touch, time_ns)
        return state.exit_reason != NO_EXIT

    cdef void note_fill(
        self, int64_t strategy, int64_t order_number, const BookView* book, int64_t time_ns
    ) noexcept nogil:
        """A fill was booked: entries are counted by their orders."""
        cdef GuardState* state = &self.states[strategy]
        cdef int64_t lots = self.positions[strategy].position_lots
        cdef int64_t side = 0 if lots == 0 else (1 if lots > 0 else -1)
        cdef int64_t touch
        if not self.limits[strategy].is_on:
            return
        if side != state.side:
            touch = 0
            if side > 0 and book.bid_levels > 0:
                touch = book.bid_ticks[0]
            elif side < 0 and book.ask_levels > 0:
                touch = book.ask_ticks[0]
            self._begin(strategy, side, touch, time_ns)
            state.entry_count = 1 if side != 0 else 0
            state.entry_order_number = order_number
            state.largest_lots = lots * side
        elif lots * side > state.largest_lots:
            state.largest_lots = lots * side
            self.changed |= 1 << strategy
            if order_number != state.entry_order_number:
                state.entry_count += 1
                state.entry_order_number = order_number

    cdef Verdict check(self, int64_t strategy, const Intent* intent) noexcept nogil:
        """Whether a strategy's own order fits the management of its position."""
        cdef GuardLimits* limits = &self.limits[strategy]
        cdef GuardState* state = &self.states[strategy]
        cdef const Position* position = &self.positions[strategy]
        cdef int64_t size = position.position_lots * intent.side
        cdef int64_t entries, index
        cdef double entry, risk, distance
        cdef double reward = 0.0
        if not limits.is_on:
            return ACCEPTED
        if state.exit_reason != NO_EXIT:
            return ENTRY_REFUSED            # the exit is on its way, and nothing beside it
        if size < 0 and intent.quantity_lots <= -size:
            return ACCEPTED                 # it reduces
        entry = <double>intent.price_ticks
        risk = self._distance(strategy, &limits.stop, entry)
        if risk < 0.0:
            return ENTRY_REFUSED            # nobody knows yet where its stop would be
        if limits.min_reward_to_risk > 0.0:
            for index in range(limits.target_count):
                distance = _sum_distance(
                    &limits.targets[index], entry, self.ranges[strategy].average_ticks, risk
                )
                reward += distance * <double>limits.target_permille[index] / PERMILLE
            if reward < limits.min_reward_to_risk * risk:
                return ENTRY_REFUSED
        if limits.max_entries > 0 and intent.kind == NEW_ORDER:
            entries = state.entry_count if size > 0 else 0
            for index in range(position.working_count):
                if position.working[index].side == intent.side \
                        and position.working[index].order_number != state.entry_order_number:
                    entries += 1
            if entries >= limits.max_entries:
                return ENTRY_REFUSED
        return ACCEPTED

    cdef int64_t exit_price(self, int64_t strategy, const BookView* book, int64_t side) \
            noexcept nogil:
        """Limit of an exit order of that side: as far through the book as it may go."""
        cdef int64_t doubled_mid = book.bid_ticks[0] + book.ask_ticks[0]
        cdef int64_t share = PPM + side * self.limits[strategy].slippage_ppm
        cdef int64_t price
        if multiply_overflows(doubled_mid, share, &price):
            return book.ask_ticks[0] if side > 0 else book.bid_ticks[0]
        if side > 0:
            return price // (2 * PPM)
        return max(<int64_t>1, (price + 2 * PPM - 1) // (2 * PPM))

    cdef void _begin(self, int64_t strategy, int64_t side, int64_t touch, int64_t time_ns) \
            noexcept nogil:
        """A position has begun, or with side 0 ended; what it was before is forgotten."""
        cdef GuardState* state = &self.states[strategy]
        cdef int64_t triggers = state.trigger_count
        memset(state, 0, sizeof(GuardState))
        state.strategy = strategy
        state.trigger_count = triggers
        state.side = side
        state.extreme_ticks = touch
        state.entered_time_ns = time_ns
        state.entry_count = 1 if side != 0 else 0
        self.retry_ns[strategy] = 0
        self.changed |= 1 << strategy

    cdef void _move_stop(self, int64_t strategy, int64_t touch) noexcept nogil:
        """The stop that is nearest to the price, of all kinds that are known now."""
        cdef GuardLimits* limits = &self.limits[strategy]
        cdef GuardState* state = &self.states[strategy]
        cdef double entry = self.positions[strategy].average_price_ticks
        cdef double side = <double>state.side
        cdef double distance = self._distance(strategy, &limits.stop, entry)
        if state.risk_ticks == 0.0 and distance > 0.0:
            state.risk_ticks = distance             # of the entry, and no other moment
            self.changed |= 1 << strategy
        if state.risk_ticks > 0.0:
            self._offer_stop(strategy, entry - side * state.risk_ticks, EXIT_STOP)
        distance = self._distance(strategy, &limits.trailing, entry)
        if distance > 0.0:
            self._offer_stop(
                strategy, <double>state.extreme_ticks - side * distance, EXIT_TRAILING
            )
        distance = self._distance(strategy, &limits.break_even_after, entry)
        if distance > 0.0 and (<double>state.extreme_ticks - entry) * side >= distance:
            self._offer_stop(strategy, entry, EXIT_BREAK_EVEN)

    cdef void _offer_stop(self, int64_t strategy, double level, int64_t reason) noexcept nogil:
        """Takes a stop that is nearer to the price than the present one; the touch is in ticks, so
        the last tick beyond the level is where it triggers."""
        cdef GuardState* state = &self.states[strategy]
        cdef int64_t ticks = <int64_t>(floor(level) if state.side > 0 else ceil(level))
        if ticks > 0 and (
                state.stop_ticks == 0 or (ticks - state.stop_ticks) * state.side > 0):
            state.stop_ticks = ticks
            state.stop_reason = reason
            self.changed |= 1 << strategy

    cdef void _trigger(self, int64_t strategy, int64_t touch, int64_t time_ns) noexcept nogil:
        """A stop, or the time, closes all that is left; a target its part."""
        cdef GuardLimits* limits = &self.limits[strategy]
        cdef GuardState* state = &self.states[strategy]
        cdef double entry = self.positions[strategy].average_price_ticks
        cdef int64_t closed, index
        cdef double distance
        if state.exit_reason != NO_EXIT and state.exit_reason != EXIT_TARGET:
            return                          # it closes all, already
        if state.stop_ticks > 0 and (touch - state.stop_ticks) * state.side <= 0:
            self._exit(strategy, state.stop_reason, 0, time_ns)
            return
        if time_ns < state.entered_time_ns:     # the host's clock was set back, between two runs
            state.entered_time_ns = time_ns
            self.changed |= 1 << strategy
        if limits.max_hold_ns > 0 and time_ns - state.entered_time_ns >= limits.max_hold_ns:
            self._exit(strategy, EXIT_TIME, 0, time_ns)
            return
        closed = state.targets_done
        while closed < limits.target_count:
            distance = self._distance(strategy, &limits.targets[closed], entry)
            if distance <= 0.0 or (<double>touch - entry) * <double>state.side < distance:
                break
            closed += 1
        if closed > state.targets_done:
            state.targets_done = closed
            closed = 0
            for index in range(state.targets_done):
                closed += limits.target_permille[index]
            self._exit(
                strategy, EXIT_TARGET, state.largest_lots - _part_of(state.largest_lots, closed),
                time_ns
            )

    cdef void _exit(self, int64_t strategy, int64_t reason, int64_t until_lots, int64_t time_ns) \
            noexcept nogil:
        cdef GuardState* state = &self.states[strategy]
        self.changed |= 1 << strategy
        if self.positions[strategy].position_lots * state.side <= until_lots:
            return                          # a part that somebody has closed before
        state.exit_reason = reason
        state.exit_until_lots = until_lots
        state.triggered_time_ns = time_ns
        state.trigger_count += 1

    cdef double _distance(self, int64_t strategy, const Distance* distance, double entry_ticks) \
            noexcept nogil:
        """In ticks; 0: none was given, below 0: the average true range is not known yet."""
        if distance.ranges > 0.0 \
                and self.ranges[strategy].bar_count < self.limits[strategy].range_period:
            return -1.0
        return _sum_distance(
            distance, entry_ticks, self.ranges[strategy].average_ticks,
            self.states[strategy].risk_ticks
        )

    cdef void _add_range(self, int64_t strategy, double mid_ticks, int64_t time_ns) noexcept nogil:
        """Wilder's average of the true range, of bars without a gap in front of the next one."""
        cdef TrueRange* bar = &self.ranges[strategy]
        cdef GuardLimits* limits = &self.limits[strategy]
        cdef int64_t start_ns = time_ns - time_ns % limits.range_bar_ns
        cdef double true_range, weight
        if bar.bar_start_ns != 0 and start_ns == bar.bar_start_ns:
            bar.high_ticks = max(bar.high_ticks, mid_ticks)
            bar.low_ticks = min(bar.low_ticks, mid_ticks)
            bar.close_ticks = mid_ticks
            return
        if bar.bar_start_ns != 0:
            true_range = bar.high_ticks - bar.low_ticks
            if bar.last_close_ticks > 0.0:
                true_range = max(true_range, fabs(bar.high_ticks - bar.last_close_ticks))
                true_range = max(true_range, fabs(bar.low_ticks - bar.last_close_ticks))
            bar.last_close_ticks = bar.close_ticks
            bar.bar_count += 1
            weight = <double>min(bar.bar_count, limits.range_period)
            bar.average_ticks += (true_range - bar.average_ticks) / weight
        bar.bar_start_ns = start_ns
        bar.high_ticks = bar.low_ticks = bar.close_ticks = mid_ticks

    # Over restarts, and to look at.

    def load(self, strategy: int, kept: bytes) -> None:
        """Puts back what was recorded of a strategy's position; RecordingError for another size."""
        cdef const char* start = kept
        cdef GuardState* state
        if not 0 <= strategy < self.count:
            raise UsageError(f"strategy was {strategy}; use 0 to {self.count - 1}")
        if len(kept) != sizeof(GuardState):
            raise RecordingError(f"a kept guard had {len(kept)} bytes, not {sizeof(GuardState)}")
        state = &self.states[<int64_t>strategy]
        memcpy(state, start, sizeof(GuardState))
        state.strategy = strategy

    def average_range(self, strategy: int) -> float:
        """Average true range of a strategy's instrument in ticks; 0.0 until it is known."""
        cdef int64_t place = strategy
        if self.ranges[place].bar_count < self.limits[place].range_period:
            return 0.0
        return self.ranges[place].average_ticks


cdef inline double _sum_distance(
    const Distance* distance, double entry_ticks, double range_ticks, double risk_ticks
) noexcept nogil:
    return distance.ticks + distance.share * entry_ticks + distance.ranges * range_ticks \
        + distance.risks * risk_ticks


cdef inline int64_t _part_of(int64_t lots, int64_t permille) noexcept nogil:
    """So many thousandths, rounded up, without a product that could overflow."""
    return lots // PERMILLE * permille + (lots % PERMILLE * permille + PERMILLE - 1) // PERMILLE


cdef Distance _read_distance(object given):
    cdef Distance distance
    memset(&distance, 0, sizeof(distance))
    values = given or {}
    if set(values) - set(UNITS) or not all(0 < each < float("inf") for each in values.values()):
        raise UsageError(f"distance was {given}; use {', '.join(UNITS)} above 0")
    distance.ticks = values.get("ticks", 0.0)
    distance.share = values.get("share", 0.0)
    distance.ranges = values.get("ranges", 0.0)
    distance.risks = values.get("risks", 0.0)
    return distance
