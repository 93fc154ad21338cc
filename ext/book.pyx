"""Order book of one instrument, see the ``.pxd``."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from ext.book_side cimport (
    BookSide,
    allocate_side,
    best_key,
    best_lots,
    clear_side,
    copy_best,
    free_side,
    is_far,
    set_level,
    show_best,
)
from ext.bounds cimport BOOK_VIEW_LEVELS
from ext.fence cimport release_fence
from ext.wire cimport BUY, SELL, BookDelta, BookState, BookView, StaleReason


cdef inline BookSide* side_of(Book* book, int64_t side) noexcept nogil:
    return &book.bids if side == BUY else &book.asks


cdef inline bint _set(Book* book, const BookDelta* delta) noexcept nogil:
    cdef BookSide* side = side_of(book, delta.side)
    cdef int64_t key = delta.side * delta.price_ticks
    side.is_view_old |= key >= side.shown_floor
    return set_level(side, key, delta.quantity_lots)


cdef ApplyStatus apply_snapshot(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil:
    """Replaces the book. Best first within each side is quickest; any order works."""
    cdef const BookDelta* delta
    cdef int64_t index
    clear_side(&book.bids)
    clear_side(&book.asks)
    if not _is_best_first(deltas, count):
        return apply_update(book, deltas, count)
    for index in range(count):          # from the best level, which lays the ladder
        delta = &deltas[index]
        if not is_far(side_of(book, delta.side), delta.side * delta.price_ticks) \
                and not _set(book, delta):
            return SIDE_FULL
    for index in range(count - 1, -1, -1):      # from the worst one: each is appended
        delta = &deltas[index]
        if is_far(side_of(book, delta.side), delta.side * delta.price_ticks) \
                and not _set(book, delta):
            return SIDE_FULL
    return CROSSED_BOOK if is_crossed(book) else APPLIED


cdef ApplyStatus apply_update(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil:
    """Applies the changes in order; the book may cross within a frame, not after it."""
    cdef int64_t index
    for index in range(count):
        if not _set(book, &deltas[index]):
            return SIDE_FULL
    return CROSSED_BOOK if is_crossed(book) else APPLIED


cdef bint _is_best_first(const BookDelta* deltas, int64_t count) noexcept nogil:
    """Whether each side has its levels best first, none of them twice and none empty."""
    cdef int64_t last_bid = INT64_MAX
    cdef int64_t last_ask = INT64_MAX
    cdef int64_t key
    cdef int64_t index
    for index in range(count):
        key = deltas[index].side * deltas[index].price_ticks
        if deltas[index].quantity_lots == 0:
            return False
        if deltas[index].side == BUY:
            if key >= last_bid:
                return False
            last_bid = key
        else:
            if key >= last_ask:
                return False
            last_ask = key
    return True


cdef void write_view(
    Book* book, BookState state, StaleReason reason, int64_t exchange_time_ns,
    int64_t receive_time_ns
) noexcept nogil:
    """Publishes state and the best levels under the view's sequence lock."""
    cdef BookView* view = book.view
    view.version += 1
    release_fence()
    view.state = state
    view.stale_reason = reason
    view.exchange_time_ns = exchange_time_ns
    view.receive_time_ns = receive_time_ns
    view.update_count += 1
    view.total_bid_levels = book.bids.count
    view.total_ask_levels = book.asks.count
    view.bid_levels = show_best(
        &book.bids, BUY, BOOK_VIEW_LEVELS, view.bid_ticks, view.bid_lots
    )
    view.ask_levels = show_best(
        &book.asks, SELL, BOOK_VIEW_LEVELS, view.ask_ticks, view.ask_lots
    )
    release_fence()
    view.version += 1


@cython.final
cdef class OrderBook:
    """All levels of one instrument; prices in ticks, quantities in lots."""

    def __cinit__(self) -> None:
        allocate_side(&self.book.bids)
        allocate_side(&self.book.asks)
        memset(&self.own_view, 0, sizeof(BookView))
        self.book.view = &self.own_view

    def __dealloc__(self) -> None:
        free_side(&self.book.bids)
        free_side(&self.book.asks)

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
        return best_key(&self.book.bids), best_lots(&self.book.bids)

    def best_ask(self) -> tuple[int, int] | None:
        """(price_ticks, quantity_lots) of the best ask; None when the side is empty."""
        if self.book.asks.count == 0:
            return None
        return -best_key(&self.book.asks), best_lots(&self.book.asks)

    def level_count(self, is_bid: bool) -> int:
        """Levels of one side."""
        return self.book.bids.count if is_bid else self.book.asks.count

    def arrays(self, is_bid: bool) -> tuple[np.ndarray, np.ndarray]:
        """Copies of one side, best first: int64 prices in ticks, int64 quantities in lots."""
        cdef BookSide* side = &self.book.bids if is_bid else &self.book.asks
        cdef int64_t[::1] prices = np.zeros(side.count + 1, np.int64)
        cdef int64_t[::1] lots = np.zeros(side.count + 1, np.int64)
        copy_best(side, BUY if is_bid else SELL, side.count, &prices[0], &lots[0])
        return np.asarray(prices)[: side.count], np.asarray(lots)[: side.count]

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
