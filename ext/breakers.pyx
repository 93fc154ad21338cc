"""Circuit breakers, see the ``.pxd``."""

cimport cython
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ext.errors import RecordingError, UsageError
from ext.instrument_table cimport InstrumentTable
from ext.safety_records cimport (
    BREAKER_DAILY_LOSS,
    BREAKER_DRAWDOWN,
    BREAKER_ERROR_RATE,
    BREAKER_KILLED,
    BREAKER_LOSSES_IN_ROW,
    BREAKER_PAUSED,
    BREAKER_PORTFOLIO,
    BREAKER_QUIET,
    BREAKER_REJECT_RATE,
    BREAKER_REPEATED_FILLS,
    BREAKER_VENUE_OUTAGE,
    BREAKER_WARNED,
    NO_BREAKER,
    BreakerState,
)
from ext.shared_memory cimport SharedMemory
from ext.wire cimport BookView, Position

cdef enum:
    KEPT_SHARES = 100               # a rise of the high-water mark by one of so many is recorded

cdef int64_t DAY_NS = 86_400_000_000_000
cdef double WARN_SHARE = 0.7
cdef double PAUSE_SHARE = 0.9


@cython.final
cdef class Breakers:
    """Breakers of the strategies of ``memory`` in the order of ``add_strategy``, and the engine's.

    Without limits nothing is checked, and what somebody pauses stays paused.
    """

    def __cinit__(self, SharedMemory memory not None) -> None:
        self.owner = memory
        self.states = memory.breakers
        self.positions = memory.positions
        self.needed_marks = 1
        self.states[0].strategy = -1            # the engine's, until a strategy is added
        for index in range(<int64_t>ENGINE + 1):
            self.judgements[index].alarm_net = -INFINITY

    def add_strategy(self, table: InstrumentTable, instrument: int) -> None:
        """Strategies in the order of the strategy table; UsageError for more than the memory has
        places for."""
        cdef InstrumentTable instruments = table
        cdef int64_t place = self.count
        if place >= self.owner.counters()["strategy_count"] or place >= ENGINE:
            raise UsageError(f"strategy {place} has no place in the shared memory")
        self.tick_value[place] = (
            instruments.instruments[<int64_t>instrument].tick_size
            * instruments.instruments[<int64_t>instrument].lot_size
        )
        self.count = place + 1
        self.states[self.count] = self.states[place]
        memset(&self.states[place], 0, sizeof(BreakerState))
        self.states[place].strategy = place
        self.is_judged[place] = self._is_judged(place)

    def set_day(self, offset_ns: int, needed_marks: int) -> None:
        """When days begin, in nanoseconds behind midnight UTC, and how many marks in a row have to
        say the same; UsageError outside of a day, or below 1."""
        if not 0 <= offset_ns < DAY_NS or needed_marks < 1:
            raise UsageError(
                f"day offset was {offset_ns} and needed marks {needed_marks}; use 0 to"
                f" {DAY_NS - 1} and at least 1"
            )
        self.day_offset_ns = offset_ns
        self.needed_marks = needed_marks

    def set_limits(
        self,
        index: int,
        *,
        daily_loss: float = 0.0,
        drawdown: float = 0.0,
        losses_in_row: int = 0,
        losses_cooldown_ns: int = 0,
        is_counting_reductions: bool = False,
        max_fills: int = 0,
        fills_window_ns: int = 0,
        max_rejects: int = 0,
        rejects_window_ns: int = 0,
    ) -> None:
        """Limits of a strategy, -1: of the engine; 0: not checked. UsageError below 0, for a
        window that cannot hold its events, and for a strategy that was not added."""
        cdef BreakerLimits* limits = &self.limits[self._place(index)]
        numbers = (daily_loss, drawdown, losses_in_row, losses_cooldown_ns, max_fills, max_rejects)
        if not all(0 <= number < float("inf") for number in numbers):
            raise UsageError(f"limits were {numbers}; use 0 (off) or more")
        for name, events, window_ns in (
            ("fills", max_fills, fills_window_ns), ("rejects", max_rejects, rejects_window_ns)
        ):
            if events > MAX_WINDOW_EVENTS or (events > 0 and window_ns <= 0):
                raise UsageError(
                    f"max_{name} was {events} in {window_ns} ns; use at most {MAX_WINDOW_EVENTS}"
                    " in a window above 0"
                )
        limits.daily_loss = daily_loss
        limits.drawdown = drawdown
        limits.losses_in_row = losses_in_row
        limits.losses_cooldown_ns = losses_cooldown_ns
        limits.is_counting_reductions = is_counting_reductions
        limits.max_fills = max_fills
        limits.fills_window_ns = fills_window_ns
        limits.max_rejects = max_rejects
        limits.rejects_window_ns = rejects_window_ns
        for place in range(self.count):
            self.is_judged[<int64_t>place] = self._is_judged(place)
        self._set_alarm(self._place(index))

    # The arc.

    cdef BreakerState* state_of(self, int64_t index) noexcept nogil:
        return &self.states[self.count if index == ENGINE else index]

    cdef void note_fill(self, int64_t strategy, const BookView* book, int64_t time_ns) \
            noexcept nogil:
        """A fill was booked: ends of round trips, fills in the window, and the P&L."""
        cdef BreakerLimits* limits = &self.limits[strategy]
        self._follow_position(strategy, time_ns)
        self._count_event(
            strategy, &self.fills[strategy], limits.max_fills, limits.fills_window_ns,
            BREAKER_REPEATED_FILLS, time_ns
        )
        limits = &self.limits[<int64_t>ENGINE]
        self._count_event(
            ENGINE, &self.fills[<int64_t>ENGINE], limits.max_fills, limits.fills_window_ns,
            BREAKER_REPEATED_FILLS, time_ns
        )
        self.mark(strategy, book, time_ns)

    cdef void _follow_position(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Counts the result of what the fills since the last call have ended."""
        cdef BreakerState* state = &self.states[strategy]
        cdef const Position* position = &self.positions[strategy]
        cdef int64_t before = state.seen_lots
        cdef int64_t after = position.position_lots
        cdef double closed_net = position.realised_pnl - position.fees
        cdef bint is_turned = before != 0 and (after == 0 or (after > 0) != (before > 0))
        cdef bint is_reduced = is_turned or (before > 0 and after < before) or (
            before < 0 and after > before)
        state.seen_lots = after
        state.fill_count = position.fill_count
        self.changed |= 1 << strategy
        if is_turned or (is_reduced and self.limits[strategy].is_counting_reductions):
            self._count_result(strategy, closed_net - state.trip_start_net, time_ns)
            self._count_result(ENGINE, closed_net - state.trip_start_net, time_ns)
            state.trip_start_net = closed_net

    cdef void note_reject(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """The venue has refused an order."""
        cdef BreakerLimits* limits = &self.limits[strategy]
        self._count_event(
            strategy, &self.rejects[strategy], limits.max_rejects, limits.rejects_window_ns,
            BREAKER_REJECT_RATE, time_ns
        )
        limits = &self.limits[<int64_t>ENGINE]
        self._count_event(
            ENGINE, &self.rejects[<int64_t>ENGINE], limits.max_rejects, limits.rejects_window_ns,
            BREAKER_REJECT_RATE, time_ns
        )

    cdef bint lift(self, int64_t index, int64_t time_ns) noexcept nogil:
        """Whether it is still paused; what has cooled down is not."""
        cdef BreakerState* state = self.state_of(index)
        if state.level < BREAKER_PAUSED:
            return False
        if _is_paused(state, time_ns):
            return True
        state.level = BREAKER_QUIET
        state.paused_until_ns = 0
        state.losses_in_row = 0
        self.changed |= 1 << index
        self.untold |= 1 << index
        self._set_alarm(index)
        return False

    cdef void _revalue(self, int64_t strategy, double closed_net, double net, int64_t time_ns) \
            noexcept nogil:
        """A strategy's P&L has moved, and with it the engine's."""
        cdef double all_closed = 0.0
        cdef double all_net = 0.0
        cdef int64_t index
        if time_ns >= self.next_day_ns:
            self._begin_day(time_ns)
        self.states[strategy].net = net
        self._judge(strategy, closed_net, net, time_ns)
        for index in range(self.count):
            all_net += self.states[index].net
            all_closed += self.positions[index].realised_pnl - self.positions[index].fees
        self.states[self.count].net = all_net
        self._judge(ENGINE, all_closed, all_net, time_ns)

    cdef void _judge(self, int64_t index, double closed_net, double net, int64_t time_ns) \
            noexcept nogil:
        """Follows the high-water mark, and raises the level where enough marks agree."""
        cdef BreakerState* state = self.state_of(index)
        cdef Judgement* judgement = &self.judgements[index]
        cdef BreakerLimits* limits = &self.limits[index]
        cdef int64_t level
        if net > state.high_water_net:
            state.high_water_net = net
            if limits.drawdown > 0.0:
                if net - judgement.told_high_water > limits.drawdown / KEPT_SHARES:
                    judgement.told_high_water = net
                    self.changed |= 1 << index
                self._set_alarm(index)
        level = BREAKER_QUIET if net > judgement.alarm_net else self._level_of(index, net)
        if level <= state.level:
            judgement.confirmations = 0
            self.confirming &= ~(1 << index)
            return
        if judgement.confirmations == 0 or level < judgement.confirmed_level:
            judgement.confirmed_level = level
        judgement.confirmations += 1
        self.confirming |= 1 << index
        if self._level_of(index, max(net, closed_net)) < level:     # it hangs on the mid
            if judgement.confirmations < self.needed_marks:
                return
            level = judgement.confirmed_level
        judgement.confirmations = 0
        self.confirming &= ~(1 << index)
        self._raise_level(
            index, level,
            BREAKER_DAILY_LOSS if _share(state.day_start_net - net, limits.daily_loss)
            >= _share(state.high_water_net - net, limits.drawdown) else BREAKER_DRAWDOWN,
            time_ns, 0
        )

    cdef int64_t _level_of(self, int64_t index, double net) noexcept nogil:
        """The level that a net P&L stands for."""
        cdef BreakerState* state = self.state_of(index)
        cdef double daily = _share(state.day_start_net - net, self.limits[index].daily_loss)
        cdef double drawdown = _share(state.high_water_net - net, self.limits[index].drawdown)
        if daily >= 1.0 or drawdown >= 1.0:
            return BREAKER_KILLED
        if (daily >= PAUSE_SHARE and not state.is_excused) or drawdown >= PAUSE_SHARE:
            return BREAKER_PAUSED
        return BREAKER_WARNED if max(daily, drawdown) >= WARN_SHARE else BREAKER_QUIET

    cdef void _set_alarm(self, int64_t index) noexcept nogil:
        """The highest net P&L that could raise the level: above it nothing has to be looked at."""
        cdef BreakerState* state = self.state_of(index)
        cdef BreakerLimits* limits = &self.limits[index]
        cdef double share = WARN_SHARE
        cdef double alarm = -INFINITY
        if state.level == BREAKER_WARNED:
            share = PAUSE_SHARE
        elif state.level >= BREAKER_PAUSED:
            share = 1.0
        if state.level < BREAKER_KILLED:
            # One unit in the last place of slack: the shares decide, this only calls them.
            if limits.daily_loss > 0.0:
                alarm = state.day_start_net - share * limits.daily_loss * (1.0 - 1e-9)
            if limits.drawdown > 0.0:
                alarm = max(
                    alarm, state.high_water_net - share * limits.drawdown * (1.0 - 1e-9)
                )
        self.judgements[index].alarm_net = alarm

    cdef void _begin_day(self, int64_t time_ns) noexcept nogil:
        """Every day's loss counts from what was known before the day began."""
        cdef int64_t day = (time_ns - self.day_offset_ns) // DAY_NS
        cdef int64_t place, index
        cdef BreakerState* state
        self.next_day_ns = (day + 1) * DAY_NS + self.day_offset_ns
        for place in range(self.count + 1):
            index = place if place < self.count else ENGINE
            state = &self.states[place]
            if state.day == day:
                continue                        # a restart on the same day
            state.day = day
            state.day_start_net = state.net
            state.is_excused = 0
            if state.level == BREAKER_WARNED:
                state.level = BREAKER_QUIET
                self.untold |= 1 << index
            self.changed |= 1 << index
            self._set_alarm(index)

    cdef void _count_result(self, int64_t index, double result, int64_t time_ns) noexcept nogil:
        """A round trip has ended; one of exactly nothing neither counts nor ends a row."""
        cdef BreakerState* state = self.state_of(index)
        cdef BreakerLimits* limits = &self.limits[index]
        if result == 0.0:
            return
        state.losses_in_row = state.losses_in_row + 1 if result < 0.0 else 0
        self.changed |= 1 << index
        if limits.losses_in_row > 0 and state.losses_in_row >= limits.losses_in_row:
            self._raise_level(
                index, BREAKER_PAUSED, BREAKER_LOSSES_IN_ROW, time_ns,
                time_ns + limits.losses_cooldown_ns if limits.losses_cooldown_ns > 0 else 0
            )

    cdef void _count_event(
        self, int64_t index, Window* window, int64_t limit, int64_t window_ns, int64_t cause,
        int64_t time_ns
    ) noexcept nogil:
        """Trips when ``limit`` events came within ``window_ns``, the newest one included."""
        cdef int64_t oldest_ns
        if limit == 0:
            return
        window.times_ns[window.count % MAX_WINDOW_EVENTS] = time_ns
        window.count += 1
        if window.count >= limit:
            oldest_ns = window.times_ns[(window.count - limit) % MAX_WINDOW_EVENTS]
            if time_ns - oldest_ns < window_ns:
                self._raise_level(index, BREAKER_PAUSED, cause, time_ns, 0)

    cdef void _raise_level(
        self, int64_t index, int64_t level, int64_t cause, int64_t time_ns, int64_t until_ns
    ) noexcept nogil:
        """A level never falls here. What waits for a person takes the place of what ends by itself,
        and a cooldown that of the portfolio, never the other way round."""
        cdef BreakerState* state = self.state_of(index)
        if level < state.level or (level == state.level and not (
                _ends_by_itself(state.cause, state.paused_until_ns)
                and not _ends_by_itself(cause, until_ns)
                or state.cause == BREAKER_PORTFOLIO and until_ns != 0)):
            return
        state.level = level
        state.cause = cause
        state.raised_time_ns = time_ns
        state.paused_until_ns = until_ns
        if level >= BREAKER_PAUSED:
            state.trip_count += 1
            self.has_tripped = True
        self.changed |= 1 << index
        self.untold |= 1 << index
        self._set_alarm(index)

    # What others decide.

    def pause(self, index: int, level: int, cause: int, now_ns: int) -> None:
        """A Breaker that is reckoned elsewhere, or a person, pauses a strategy, -1: the engine."""
        self._raise_level(self._place(index), level, cause, now_ns, 0)

    def resume(self, index: int, now_ns: int) -> None:
        """A person lets a strategy, -1: the engine, go on.

        Losses in a row, fills and rejects count anew, and drawdown from here. The loss of the day
        stays: the next stop is at the whole limit, and behind that only the next day helps.
        """
        cdef int64_t place = self._place(index)
        cdef BreakerState* state = self.state_of(place)
        cdef Judgement* judgement = &self.judgements[place]
        if _share(state.day_start_net - state.net, self.limits[place].daily_loss) >= PAUSE_SHARE:
            state.is_excused = 1
        state.level = BREAKER_QUIET
        state.cause = NO_BREAKER
        state.paused_until_ns = 0
        state.losses_in_row = 0
        state.high_water_net = judgement.told_high_water = state.net
        judgement.confirmations = 0
        self.confirming |= 1 << place           # the next mark looks, though nothing may have moved
        self.fills[place].count = self.rejects[place].count = 0
        self.changed |= 1 << place
        self.untold |= 1 << place
        self._set_alarm(place)

    def end_pause(self, index: int, cause: int) -> None:
        """The Breaker that has paused a strategy, -1: the engine, is well again; nothing else of it
        changes, and a pause of another cause, or above PAUSED, stays."""
        cdef int64_t place = self._place(index)
        cdef BreakerState* state = self.state_of(place)
        if state.level != BREAKER_PAUSED or state.cause != cause:
            return
        state.level = BREAKER_QUIET
        self.changed |= 1 << place
        self.untold |= 1 << place
        self._set_alarm(place)

    def take_notices(self) -> list[int]:
        """Whose level has changed since the last call; -1: the engine's."""
        untold = self.untold
        self.untold = 0
        places = [*range(self.count), ENGINE]
        return [-1 if place == ENGINE else place for place in places if untold >> place & 1]

    @property
    def is_engine_stopped(self) -> bool:
        """Whether the engine's own breakers allow no new risk; one that has cooled down still
        shows until something comes in."""
        return self.states[self.count].level >= BREAKER_PAUSED

    @property
    def is_any_stopped(self) -> bool:
        """The same of the engine or any of the strategies."""
        return any(
            self.states[<int64_t>place].level >= BREAKER_PAUSED for place in range(self.count + 1)
        )

    # Over restarts, and to look at.

    def load(self, index: int, kept: bytes) -> None:
        """Puts back what was recorded of a strategy, -1: of the engine; RecordingError for another
        size. A fill that was recorded after it is counted now, so the engine's comes first."""
        cdef int64_t place = self._place(index)
        cdef BreakerState* state = self.state_of(place)
        cdef const char* start = kept
        if len(kept) != KEPT_BYTES:
            raise RecordingError(f"kept breakers had {len(kept)} bytes, not {KEPT_BYTES}")
        memcpy(state, start, KEPT_BYTES)
        state.strategy = -1 if place == ENGINE else place
        self.judgements[place].told_high_water = state.high_water_net
        self._set_alarm(place)
        if state.level > BREAKER_QUIET:
            self.untold |= 1 << place
        if place != ENGINE and state.fill_count != self.positions[place].fill_count:
            self._follow_position(place, state.raised_time_ns)

    def adopt(self, index: int) -> None:
        """Begins with a position of which no breakers are known: its P&L so far is nobody's loss
        of today."""
        cdef BreakerState* state = &self.states[self._place(index)]
        cdef Position* position = &self.positions[<int64_t>index]
        state.net = state.day_start_net = state.high_water_net = state.trip_start_net = (
            position.realised_pnl - position.fees
        )
        state.seen_lots = position.position_lots
        state.fill_count = position.fill_count

    def show_use(self, now_ns: int) -> None:
        """Writes how much of each limit is used, in thousandths, to where others read it."""
        for place in [*range(self.count), ENGINE]:
            self._show_use(place, now_ns)

    cdef object _show_use(self, int64_t index, int64_t now_ns):
        cdef BreakerState* state = self.state_of(index)
        cdef BreakerLimits* limits = &self.limits[index]
        cdef int64_t* use = state.use_permille
        use[<int64_t>BREAKER_DAILY_LOSS] = _permille(
            state.day_start_net - state.net, limits.daily_loss
        )
        use[<int64_t>BREAKER_DRAWDOWN] = _permille(
            state.high_water_net - state.net, limits.drawdown
        )
        use[<int64_t>BREAKER_LOSSES_IN_ROW] = _permille(
            <double>state.losses_in_row, <double>limits.losses_in_row
        )
        use[<int64_t>BREAKER_REPEATED_FILLS] = _permille(
            <double>_within(&self.fills[index], limits.fills_window_ns, now_ns),
            <double>limits.max_fills
        )
        use[<int64_t>BREAKER_REJECT_RATE] = _permille(
            <double>_within(&self.rejects[index], limits.rejects_window_ns, now_ns),
            <double>limits.max_rejects
        )

    def _is_judged(self, strategy: int) -> bool:
        cdef BreakerLimits* own = &self.limits[<int64_t>strategy]
        cdef BreakerLimits* engine = &self.limits[<int64_t>ENGINE]
        return own.daily_loss > 0 or own.drawdown > 0 or engine.daily_loss > 0 \
            or engine.drawdown > 0

    def _place(self, index: int) -> int:
        if not -1 <= index < self.count:
            raise UsageError(f"strategy was {index}; use -1 (the engine) to {self.count - 1}")
        return ENGINE if index == -1 else index


KEPT_BYTES = KEPT_SIZE
"""Of a BreakerState, those that are recorded: all but the use of the limits."""


cdef inline bint _ends_by_itself(int64_t cause, int64_t until_ns) noexcept nogil:
    """Whether a pause waits for nobody: it cools down, or what has caused it can be well again."""
    return until_ns != 0 or cause == BREAKER_PORTFOLIO \
        or BREAKER_ERROR_RATE <= cause <= BREAKER_VENUE_OUTAGE


cdef inline double _share(double loss, double limit) noexcept nogil:
    """Of a limit, 0 where there is none."""
    return loss / limit if limit > 0.0 else 0.0


cdef inline int64_t _permille(double used, double limit) noexcept nogil:
    return <int64_t>(_share(max(used, 0.0), limit) * 1000.0)


cdef int64_t _within(const Window* window, int64_t window_ns, int64_t now_ns) noexcept nogil:
    """Events in the window that ends now."""
    cdef int64_t number = window.count
    while number > 0 and number > window.count - MAX_WINDOW_EVENTS \
            and now_ns - window.times_ns[(number - 1) % MAX_WINDOW_EVENTS] < window_ns:
        number -= 1
    return window.count - number
