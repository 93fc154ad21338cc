"""Binance market data, USD-M futures and spot: depth, best bid and ask, trades.

Source: Binance documents, "WebSocket Market Streams" (USD-M) and "WebSocket Streams" (spot).
Read: ``depthUpdate`` of diff and of partial streams, the body of ``GET …/depth``, ``bookTicker``,
``trade`` and ``aggTrade``, each alone or in the envelope ``{"stream":…,"data":…}``. Facts that
shaped it:

* Futures events name the id of the event before them (``pu``), spot events do not; both count
  order book changes with ``U`` to ``u``. The ids are handed on, ``ext/market`` judges them.
* A snapshot body and the partial streams of spot have no symbol: it is taken from the name of the
  stream, so a body needs an envelope, ``{"stream":"btcusdt@depth","data":<body>}``.
* Partial streams of futures look like diffs: only the stream's name (``@depth5``) tells. No diff
  can follow their books, so those have no sequence.
* ``m`` says that the buyer was the maker: then the seller took. Times are milliseconds.
* Spot's ``bookTicker`` has no ``e``. Single letters mean other things in other messages: ``a`` is
  a side of the book, a price, or the id of an ``aggTrade``.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.codecs.binance_fields cimport Fields
from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.level_reader cimport LevelShape
from ext.wire cimport BookDelta, FeedStatus


@cython.final
cdef class BinanceFeed(FeedDecoder):
    cdef const char* end            # of the frame in hand
    cdef LevelShape shapes[MAX_INSTRUMENTS]     # how the venue writes the levels of each

    cdef const char* _read_members(
        self, const char* p, Fields* fields, bint is_envelope, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_named(
        self, const char* p, Fields* fields, bint is_envelope, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_data(
        self, const char* p, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_letter(
        self, const char* p, char letter, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_symbol(
        self, const char* p, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_word(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_side(
        self, const char* p, bint is_bids, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef int64_t _find_by_stream(self, Span stream) noexcept nogil
    cdef FeedStatus _take_event(self, Fields* fields, int64_t receive_time_ns) noexcept nogil
    cdef FeedStatus _take_update(self, Fields* fields) noexcept nogil
    cdef FeedStatus _take_snapshot(self, Fields* fields) noexcept nogil
    cdef FeedStatus _take_ticker(self, Fields* fields) noexcept nogil
    cdef FeedStatus _take_trade(
        self, Fields* fields, bint is_aggregate, int64_t receive_time_ns
    ) noexcept nogil
    cdef FeedStatus _read_sides(self, Fields* fields) noexcept nogil
    cdef FeedStatus _read_apart(
        self, const Fields* fields, const char* price, const char* quantity,
        int64_t* price_ticks, int64_t* quantity_lots
    ) noexcept nogil
    cdef const char* _read_levels(
        self, const char* p, int64_t instrument, int64_t side, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_level(
        self, const char* p, int64_t instrument, BookDelta* delta, FeedStatus* status
    ) noexcept nogil
