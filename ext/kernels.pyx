"""Calls the strategies' hooks, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memset

import numpy as np

from ext.bounds cimport MAX_INTENTS_PER_CALL, MAX_STRATEGIES
from ext.errors import ConfigError, UsageError
from ext.wire cimport Bar, BookView, Fill, Intents, Position, Timer, Trade

HOOKS = ("on_book", "on_trade", "on_bar", "on_fill", "on_timer")


@cython.final
cdef class StrategyTable:
    """Strategies in the order in which they were added; the index is their number."""

    def __cinit__(self) -> None:
        memset(self.strategies, 0, sizeof(self.strategies))
        memset(&self.intents, 0, sizeof(self.intents))
        self.count = 0
        self.owners = []

    def add(
        self,
        instrument: int,
        state: np.ndarray,
        addresses: dict[str, int],
        bar_interval_ns: int = 0,
        timer_interval_ns: int = 0,
        owner: object = None,
        persistent: tuple[int, int] = (0, 0),
    ) -> int:
        """Adds a strategy and returns its number.

        ``state`` is its one record, ``addresses`` the hooks by name (see HOOKS), ``owner`` what
        has to stay alive for them, ``persistent`` the offset and size of the part of its state
        that is recorded when it changes. Raises UsageError for an unknown hook or one without its
        interval, ConfigError beyond MAX_STRATEGIES.
        """
        unknown = set(addresses) - set(HOOKS)
        if unknown:
            raise UsageError(f"unknown hooks {sorted(unknown)}; use {', '.join(HOOKS)}")
        if "on_bar" in addresses and bar_interval_ns <= 0:
            raise UsageError("a strategy with on_bar needs bar_interval_ns > 0")
        if "on_timer" in addresses and timer_interval_ns <= 0:
            raise UsageError("a strategy with on_timer needs timer_interval_ns > 0")
        if self.count == MAX_STRATEGIES:
            raise ConfigError(f"more than {MAX_STRATEGIES} strategies; remove some")
        cdef Strategy* strategy = &self.strategies[self.count]
        strategy.instrument = instrument
        strategy.state = <void*><uintptr_t>state.ctypes.data
        strategy.on_book = <Hook><uintptr_t>addresses.get("on_book", 0)
        strategy.on_trade = <Hook><uintptr_t>addresses.get("on_trade", 0)
        strategy.on_bar = <Hook><uintptr_t>addresses.get("on_bar", 0)
        strategy.on_fill = <Hook><uintptr_t>addresses.get("on_fill", 0)
        strategy.on_timer = <Hook><uintptr_t>addresses.get("on_timer", 0)
        strategy.bar_interval_ns = bar_interval_ns
        strategy.timer_interval_ns = timer_interval_ns
        offset, size = persistent
        if not 0 <= offset <= offset + size <= state.dtype.itemsize:
            raise UsageError(
                f"persistent was {persistent}; the state has {state.dtype.itemsize} bytes"
            )
        told = np.frombuffer(state.tobytes()[offset : offset + size], np.uint8).copy()
        strategy.persistent = <char*>strategy.state + <int64_t>offset
        strategy.persistent_size = size
        strategy.told = <char*><uintptr_t>told.ctypes.data
        self.owners.append((state, owner, told))
        self.count += 1
        return self.count - 1

    cdef Intents* decide_book(self, int64_t index, BookView* book, Position* position) \
            noexcept nogil:
        cdef Strategy* strategy = &self.strategies[index]
        if strategy.on_book == NULL:
            return NULL
        return self._call(strategy.on_book, strategy, NULL, book, position)

    cdef Intents* decide_trade(
        self, int64_t index, Trade* trade, BookView* book, Position* position
    ) noexcept nogil:
        cdef Strategy* strategy = &self.strategies[index]
        if strategy.on_trade == NULL:
            return NULL
        return self._call(strategy.on_trade, strategy, trade, book, position)

    cdef Intents* decide_bar(
        self, int64_t index, Trade* trade, BookView* book, Position* position
    ) noexcept nogil:
        """Adds a trade to the bar; a bar that it ends is decided on. NULL: none ended."""
        cdef Strategy* strategy = &self.strategies[index]
        cdef Bar* bar = &strategy.bar
        cdef Bar ended
        cdef int64_t start_time_ns
        if strategy.on_bar == NULL:
            return NULL
        start_time_ns = trade.exchange_time_ns - trade.exchange_time_ns % strategy.bar_interval_ns
        ended = bar[0]
        if bar.trade_count == 0 or start_time_ns > bar.start_time_ns:
            bar.start_time_ns = start_time_ns
            bar.interval_ns = strategy.bar_interval_ns
            bar.open_ticks = bar.high_ticks = bar.low_ticks = trade.price_ticks
            bar.volume_lots = 0
            bar.trade_count = 0
        bar.high_ticks = max(bar.high_ticks, trade.price_ticks)
        bar.low_ticks = min(bar.low_ticks, trade.price_ticks)
        bar.close_ticks = trade.price_ticks
        bar.volume_lots += trade.quantity_lots
        bar.trade_count += 1
        if ended.trade_count == 0 or ended.start_time_ns == bar.start_time_ns:
            return NULL
        return self._call(strategy.on_bar, strategy, &ended, book, position)

    cdef Intents* decide_fill(
        self, int64_t index, Fill* fill, BookView* book, Position* position
    ) noexcept nogil:
        cdef Strategy* strategy = &self.strategies[index]
        if strategy.on_fill == NULL:
            return NULL
        return self._call(strategy.on_fill, strategy, fill, book, position)

    cdef Intents* decide_timer(
        self, int64_t index, int64_t now_ns, BookView* book, Position* position
    ) noexcept nogil:
        """Calls the timer hook when its interval has passed; the first call starts it."""
        cdef Strategy* strategy = &self.strategies[index]
        cdef Timer timer
        if strategy.on_timer == NULL or now_ns < strategy.next_timer_ns:
            return NULL
        strategy.next_timer_ns = now_ns + strategy.timer_interval_ns
        timer.now_ns = now_ns
        return self._call(strategy.on_timer, strategy, &timer, book, position)

    cdef bint is_timer_due(self, int64_t now_ns) noexcept nogil:
        """Whether ``decide_timer`` would call some strategy, if its book is LIVE."""
        cdef int64_t index
        for index in range(self.count):
            if self.strategies[index].on_timer != NULL \
                    and now_ns >= self.strategies[index].next_timer_ns:
                return True
        return False

    cdef const char* changed_state(self, int64_t index) noexcept nogil:
        """What a strategy keeps, when it has changed since the last call; NULL: it has not."""
        cdef Strategy* strategy = &self.strategies[index]
        if strategy.persistent_size == 0 or memcmp(
                strategy.told, strategy.persistent, strategy.persistent_size) == 0:
            return NULL
        memcpy(strategy.told, strategy.persistent, strategy.persistent_size)
        return strategy.persistent

    cdef Intents* _call(
        self, Hook hook, Strategy* strategy, void* event, BookView* book, Position* position
    ) noexcept nogil:
        self.intents.count = 0
        self.intents.dropped = 0
        self.shown_book = book[0]
        self.shown_position = position[0]
        hook(strategy.state, event, &self.shown_book, &self.shown_position, &self.intents)
        if self.intents.count < 0 or self.intents.count > MAX_INTENTS_PER_CALL:
            self.intents.count = 0          # not written by our helpers: nothing of it is sent
            self.intents.dropped += 1
        return &self.intents
