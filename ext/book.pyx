"""Order book of one instrument, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memmove, memset

import numpy as np

from ext.bounds cimport BOOK_VIEW_LEVELS, MAX_LEVELS_PER_SIDE
from ext.fence cimport release_fence
from ext.wire cimport BUY, BookDelta, BookState, BookView, StaleReason


cdef inline int64_t find_position(BookSide* side, int64_t key) noexcept nogil:
    """Index of the first key >= ``key``: gallop from the best price, then bisect."""
    cdef int64_t high = side.count          # keys[high:] are all >= key
    cdef int64_t step = 1
    cdef int64_t low, middle
    while step <= high and side.keys[high - step] >= key:
        high -= step
        step += step
    low = high - step + 1 if step <= high else 0
    while low < high:
        middle = (low + high) >> 1
        if side.keys[middle] >= key:
            high = middle
        else:
            low = middle + 1
    return high


cdef inline bint set_level(BookSide* side, int64_t key, int64_t lots) noexcept nogil:
    """Sets, or with 0 lots removes, one level; False when the side is full."""
    cdef int64_t at = find_position(side, key)
    cdef int64_t behind = side.count - at
    if behind > 0 and side.keys[at] == key:
        if lots > 0:
            side.lots[at] = lots
            return True
        memmove(&side.keys[at], &side.keys[at + 1], (behind - 1) * sizeof(int64_t))
        memmove(&side.lots[at], &side.lots[at + 1], (behind - 1) * sizeof(int64_t))
        side.count -= 1
        return True
    if lots == 0:
        return True                         # a level that we never had
    if side.count == MAX_LEVELS_PER_SIDE:
        return False
    if behind > 0:
        memmove(&side.keys[at + 1], &side.keys[at], behind * sizeof(int64_t))
        memmove(&side.lots[at + 1], &side.lots[at], behind * sizeof(int64_t))
    side.keys[at] = key
    side.lots[at] = lots
    side.count += 1
    return True


cdef inline void clear_levels(Book* book) noexcept nogil:
    book.bids.count = 0
    book.asks.count = 0


cdef ApplyStatus apply_snapshot(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil:
    """Replaces the book. Best first within each side loads in one pass; any order works."""
    cdef BookSide* side
    cdef const BookDelta* delta
    cdef int64_t key
    cdef int64_t index = count
    clear_levels(book)
    while index > 0:                    # from the worst level: each one is appended
        index -= 1
        delta = &deltas[index]
        side = &book.bids if delta.side == BUY else &book.asks
        key = delta.side * delta.price_ticks
        if side.count == MAX_LEVELS_PER_SIDE:
            return SIDE_FULL
        if delta.quantity_lots == 0 or (side.count > 0 and key <= side.keys[side.count - 1]):
            clear_levels(book)
            return apply_update(book, deltas, count)
        side.keys[side.count] = key
        side.lots[side.count] = delta.quantity_lots
        side.count += 1
    return CROSSED_BOOK if is_crossed(book) else APPLIED


cdef ApplyStatus apply_update(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil:
    """Applies the changes in order; the book may cross within a frame, not after it."""
    cdef const BookDelta* delta
    cdef int64_t index
    for index in range(count):
        delta = &deltas[index]
        if not set_level(&book.bids if delta.side == BUY else &book.asks,
                         delta.side * delta.price_ticks, delta.quantity_lots):
            return SIDE_FULL
    return CROSSED_BOOK if is_crossed(book) else APPLIED


cdef void write_view(
    Book* book, BookState state, StaleReason reason, int64_t exchange_time_ns,
    int64_t receive_time_ns
) noexcept nogil:
    """Publishes state and the best levels under the view's sequence lock."""
    cdef BookView* view = book.view
    cdef int64_t bid_levels = min(book.bids.count, <int64_t>BOOK_VIEW_LEVELS)
    cdef int64_t ask_levels = min(book.asks.count, <int64_t>BOOK_VIEW_LEVELS)
    cdef const int64_t* keys = book.bids.keys + book.bids.count - 1
    cdef const int64_t* lots = book.bids.lots + book.bids.count - 1
    cdef int64_t level
    view.version += 1
    release_fence()
    view.state = state
    view.stale_reason = reason
    view.exchange_time_ns = exchange_time_ns
    view.receive_time_ns = receive_time_ns
    view.update_count += 1
    view.bid_levels = bid_levels
    view.ask_levels = ask_levels
    view.total_bid_levels = book.bids.count
    view.total_ask_levels = book.asks.count
    for level in range(bid_levels):
        view.bid_ticks[level] = (keys - level)[0]
        view.bid_lots[level] = (lots - level)[0]
    keys = book.asks.keys + book.asks.count - 1
    lots = book.asks.lots + book.asks.count - 1
    for level in range(ask_levels):
        view.ask_ticks[level] = -(keys - level)[0]
        view.ask_lots[level] = (lots - level)[0]
    release_fence()
    view.version += 1


cdef int _allocate(BookSide* side) except -1:
    cdef size_t size = MAX_LEVELS_PER_SIDE * sizeof(int64_t)
    side.keys = <int64_t*>malloc(size)
    side.lots = <int64_t*>malloc(size)
    if side.keys == NULL or side.lots == NULL:
        raise MemoryError(f"no memory for {MAX_LEVELS_PER_SIDE} levels a side")
    memset(side.keys, 0, size)              # touches every page: none faults on the arc
    memset(side.lots, 0, size)
    return 0


@cython.final
cdef class OrderBook:
    """All levels of one instrument; prices in ticks, quantities in lots."""

    def __cinit__(self) -> None:
        _allocate(&self.book.bids)
        _allocate(&self.book.asks)
        memset(&self.own_view, 0, sizeof(BookView))
        self.book.view = &self.own_view

    def __dealloc__(self) -> None:
        free(self.book.bids.keys)
        free(self.book.bids.lots)
        free(self.book.asks.keys)
        free(self.book.asks.lots)

    cdef void publish_in(self, BookView* view, object owner):
        """Moves the view, as it is, to where other processes see it; ``owner`` keeps it alive."""
        view[0] = self.book.view[0]
        self.book.view = view
        self.owner = owner

    @property
    def state(self) -> int:
        """BookState."""
        return self.book.view.state

    @property
    def stale_reason(self) -> int:
        """StaleReason; NOT_STALE unless the state is STALE."""
        return self.book.view.stale_reason

    @property
    def update_count(self) -> int:
        """Frames applied and state changes since the start."""
        return self.book.view.update_count

    def best_bid(self) -> tuple[int, int] | None:
        """(price_ticks, quantity_lots) of the best bid; None when the side is empty."""
        if self.book.bids.count == 0:
            return None
        last = self.book.bids.count - 1
        return self.book.bids.keys[last], self.book.bids.lots[last]

    def best_ask(self) -> tuple[int, int] | None:
        """(price_ticks, quantity_lots) of the best ask; None when the side is empty."""
        if self.book.asks.count == 0:
            return None
        last = self.book.asks.count - 1
        return -self.book.asks.keys[last], self.book.asks.lots[last]

    def level_count(self, is_bid: bool) -> int:
        """Levels of one side."""
        return self.book.bids.count if is_bid else self.book.asks.count

    def arrays(self, is_bid: bool) -> tuple[np.ndarray, np.ndarray]:
        """Copies of one side, best first: int64 prices in ticks, int64 quantities in lots."""
        cdef BookSide* side = &self.book.bids if is_bid else &self.book.asks
        prices = np.zeros(side.count, np.int64)
        lots = np.zeros(side.count, np.int64)
        if side.count > 0:
            prices[:] = <int64_t[:side.count]>side.keys
            lots[:] = <int64_t[:side.count]>side.lots
        sign = 1 if is_bid else -1
        return np.ascontiguousarray(prices[::-1]) * sign, np.ascontiguousarray(lots[::-1])

    def levels(self, is_bid: bool) -> list[tuple[int, int]]:
        """(price_ticks, quantity_lots) of one side, best first."""
        prices, lots = self.arrays(is_bid)
        return list(zip(prices.tolist(), lots.tolist(), strict=True))

    def load(self, levels: list[tuple[int, int, int]]) -> bool:
        """Replaces the book by (side, price_ticks, quantity_lots) rows; False if not possible."""
        return self._apply(levels, True)

    def change(self, levels: list[tuple[int, int, int]]) -> bool:
        """Applies (side, price_ticks, quantity_lots) rows; False when a side is full or crossed."""
        return self._apply(levels, False)

    def _apply(self, levels: list[tuple[int, int, int]], is_snapshot: bool) -> bool:
        cdef BookDelta* deltas = <BookDelta*>calloc(len(levels) + 1, sizeof(BookDelta))
        cdef ApplyStatus status
        try:
            for index, (side, price_ticks, quantity_lots) in enumerate(levels):
                deltas[index] = BookDelta(price_ticks, quantity_lots, side)
            if is_snapshot:
                status = apply_snapshot(&self.book, deltas, len(levels))
            else:
                status = apply_update(&self.book, deltas, len(levels))
        finally:
            free(deltas)
        return status == APPLIED
