"""The books of a run and their states, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from ext.book cimport (
    APPLIED,
    CROSSED_BOOK,
    ApplyStatus,
    Book,
    OrderBook,
    apply_snapshot,
    apply_update,
    write_view,
)
from ext.book_checksum cimport BookChecksum, book_checksum, clear_checksum, forget_levels
from ext.book_depth cimport keep_best
from ext.feed_decoder cimport DecodedFrame
from ext.instrument_table cimport InstrumentTable
from ext.shared_memory cimport SharedMemory
from ext.tap cimport record_book_state, record_trade
from ext.wire cimport (
    BAD_FRAME,
    BAD_NUMBER,
    BUFFERING,
    CHECKSUM,
    CONNECTING,
    CROSSED,
    DISCONNECTED,
    FEED_BAD_NUMBER,
    FEED_CONTROL,
    FEED_OFF_STEP,
    LEVELS_FULL,
    LIVE,
    NOT_STALE,
    SEQUENCE_GAP,
    SNAPSHOT,
    STALE,
    BookState,
    FeedEvent,
    FeedStatus,
    StaleReason,
)


cdef enum UpdatePlace:
    NEXT_UPDATE = 0
    OLD_UPDATE = 1
    UPDATES_MISSING = 2


cdef inline UpdatePlace find_place(
    const FeedEvent* event, int64_t last_sequence, bint is_linked
) noexcept nogil:
    """Where an update stands to a book of ``last_sequence``, by the rule that its ids imply.

    Binance, "How to manage a local order book correctly". Updates that name the one before them
    (USD-M futures) must name it exactly; the first one behind a snapshot, ``is_linked`` not yet
    set, must hold the snapshot's id, and those wholly before it are old. Of updates that only
    count (spot) the next one starts at or before the next id, and those that end before it are
    old. A book without a sequence, such as a partial one, has no next update.
    """
    if event.first_sequence < 0:
        return NEXT_UPDATE              # the venue does not count: nothing to judge
    if last_sequence < 0:
        return UPDATES_MISSING
    if event.previous_sequence < 0:
        if event.sequence <= last_sequence:
            return OLD_UPDATE
        return NEXT_UPDATE if event.first_sequence <= last_sequence + 1 else UPDATES_MISSING
    if is_linked:
        return NEXT_UPDATE if event.previous_sequence == last_sequence else UPDATES_MISSING
    if event.sequence < last_sequence:
        return OLD_UPDATE
    return NEXT_UPDATE if event.first_sequence <= last_sequence else UPDATES_MISSING


@cython.final
cdef class Market:
    """One book for each instrument of ``table``, seen by others through ``memory``."""

    def __cinit__(self, InstrumentTable table not None, SharedMemory memory not None) -> None:
        cdef OrderBook book
        cdef int64_t index
        self.table = table
        self.memory = memory
        self.owners = []
        self.expected_sequence = -1
        self.checksums = <BookChecksum*>calloc(table.count + 1, sizeof(BookChecksum))
        if self.checksums == NULL:
            raise MemoryError(f"no memory for the checksums of {table.count} books")
        for index in range(table.count):
            book = OrderBook()
            book.publish_in(&memory.books[index], memory)
            book.book.view.instrument = index
            book.book.view.tick_size = table.instruments[index].tick_size
            book.book.view.lot_size = table.instruments[index].lot_size
            self.books[index] = &book.book
            self.owners.append(book)
            self.last_trade_id[index] = self.last_sequence[index] = -1
            clear_checksum(&self.checksums[index])

    def __dealloc__(self) -> None:
        free(self.checksums)

    cdef void note_frame(self, const DecodedFrame* frame, int64_t receive_time_ns) noexcept nogil:
        """Where the venue counts every frame of a connection, a jump makes every book STALE."""
        cdef int64_t index
        if frame.connection_sequence < 0:
            return
        if self.expected_sequence >= 0 and frame.connection_sequence != self.expected_sequence:
            self.memory.header.gaps += 1
            for index in range(self.table.count):
                self.go_stale(index, SEQUENCE_GAP, receive_time_ns)
        self.expected_sequence = frame.connection_sequence + 1

    cdef void refuse_frame(
        self, const DecodedFrame* frame, FeedStatus status, int64_t receive_time_ns
    ) noexcept nogil:
        """A frame that was not applied: its book, or every book when nobody can tell whose."""
        cdef StaleReason reason = BAD_FRAME
        cdef int64_t index
        if status == FEED_CONTROL:
            self.memory.header.control_frames += 1
            return
        self.memory.header.bad_frames += 1
        if status == FEED_BAD_NUMBER or status == FEED_OFF_STEP:
            reason = BAD_NUMBER
        for index in range(self.table.count):
            if frame.instrument < 0 or frame.instrument == index:
                self.go_stale(index, reason, receive_time_ns)

    cdef bint apply_book(
        self, const DecodedFrame* frame, const FeedEvent* event, int64_t receive_time_ns
    ) noexcept nogil:
        """Applies a snapshot or an update; whether the book may be traded on afterwards.

        A snapshot with a sequence is only the start of a book: it is LIVE from the update on that
        follows it. One that is older than the book which updates have brought on is passed over.
        """
        cdef Book* book = self.books[event.instrument]
        cdef int64_t last_sequence = self.last_sequence[event.instrument]
        cdef ApplyStatus status
        cdef UpdatePlace place
        if event.kind == SNAPSHOT:
            if 0 <= event.sequence <= last_sequence and (
                    book.view.state == LIVE or book.view.state == BUFFERING):
                return False
            status = apply_snapshot(book, &frame.deltas[event.first], event.count)
            forget_levels(&self.checksums[event.instrument])
        elif book.view.state == LIVE or book.view.state == BUFFERING:
            place = find_place(event, last_sequence, book.view.state == LIVE)
            if place == OLD_UPDATE:
                return False            # the book holds it
            if place == UPDATES_MISSING:
                self.memory.header.gaps += 1
                self.go_stale(event.instrument, SEQUENCE_GAP, receive_time_ns)
                return False
            status = apply_update(book, &frame.deltas[event.first], event.count)
        else:
            return False                # before the snapshot that will hold this change
        self.last_sequence[event.instrument] = event.sequence
        self.memory.header.deltas += event.count
        if event.depth > 0:             # what falls off the venue's end is not said
            keep_best(&book.bids, event.depth)
            keep_best(&book.asks, event.depth)
        if status != APPLIED:
            self.memory.header.crossed_count += status == CROSSED_BOOK
            self.go_stale(event.instrument, CROSSED if status == CROSSED_BOOK else LEVELS_FULL,
                          receive_time_ns)
            return False
        if event.checksum >= 0 and event.checksum != book_checksum(
                &self.checksums[event.instrument], book,
                &self.table.instruments[event.instrument], &frame.deltas[event.first],
                event.count):
            self.go_stale(event.instrument, CHECKSUM, receive_time_ns)
            return False
        if event.kind == SNAPSHOT and event.sequence >= 0:
            self.has_fallen = self.has_fallen or book.view.state == LIVE
            self.set_state(event.instrument, BUFFERING, NOT_STALE, receive_time_ns)
            return False
        if book.view.state != LIVE:
            self.set_state(event.instrument, LIVE, NOT_STALE, receive_time_ns)
        write_view(book, LIVE, NOT_STALE, event.exchange_time_ns, receive_time_ns)
        return True

    cdef void apply_trades(
        self, const DecodedFrame* frame, const FeedEvent* event, int64_t receive_time_ns
    ) noexcept nogil:
        """Counts and records trades; a jump of the trade id is a gap, the book is not in doubt."""
        cdef int64_t instrument = event.instrument
        cdef int64_t index
        if event.sequence >= 0:
            if self.last_trade_id[instrument] >= 0 and event.count > 0 \
                    and event.sequence != self.last_trade_id[instrument] + event.count:
                self.memory.header.gaps += 1
            self.last_trade_id[instrument] = event.sequence
        self.memory.header.trades += event.count
        if event.count > 0:
            self.last_seen[instrument].trade_ticks = (
                frame.trades[event.first + event.count - 1].price_ticks
            )
            self.last_seen[instrument].trade_ns = receive_time_ns
        for index in range(event.first, event.first + event.count):
            record_trade(self.memory, instrument, &frame.trades[index], receive_time_ns)

    cdef void go_stale(self, int64_t instrument, StaleReason reason, int64_t receive_time_ns) \
            noexcept nogil:
        cdef int64_t state = self.books[instrument].view.state
        if state == CONNECTING:
            return
        if state == STALE:              # the snapshot that was asked for is of no use either
            self.has_notice[instrument] = self.has_notices = True
            return
        if state == LIVE:
            self.memory.header.stale_count += reason != DISCONNECTED
            self.has_fallen = True
        self.set_state(instrument, STALE, reason, receive_time_ns)

    cdef void set_state(
        self, int64_t instrument, BookState state, StaleReason reason, int64_t receive_time_ns
    ) noexcept nogil:
        """Publishes and records a change of state, and leaves a notice for the feed session."""
        cdef Book* book = self.books[instrument]
        record_book_state(self.memory, book.view, state, reason, receive_time_ns)
        write_view(book, state, reason, book.view.exchange_time_ns, receive_time_ns)
        self.has_notice[instrument] = self.has_notices = True

    def take_notices(self) -> list[tuple[int, int, int]]:
        """(instrument, BookState, StaleReason) of every book changed since the last call."""
        cdef int64_t index
        changed = []
        for index in range(self.table.count):
            if self.has_notice[index]:
                self.has_notice[index] = False
                changed.append((
                    index, self.books[index].view.state, self.books[index].view.stale_reason
                ))
        self.has_notices = False
        return changed

    def book(self, instrument: int) -> OrderBook:
        """The book of an instrument, an index of the table."""
        return self.owners[instrument]
