"""Coinbase Advanced Trade WebSocket feed: l2_data, market_trades, heartbeats.

Source: Advanced Trade docs, WebSocket channels. Facts that shaped it: ``sequence_num`` counts
every frame of the connection over all channels, so it is read from frames that are not decoded
too; one frame holds several events of several products; a quantity of ``"0"`` removes the level;
the documented ``side`` of a trade is the *maker's*; the first market_trades event is history.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedEvent, FeedStatus, Trade

cdef struct Envelope:               # members of one frame, lent
    Span channel
    Span timestamp
    const char* events              # where they start, when they stood before the channel
    bint has_events
    int64_t sequence_num

cdef struct EventFields:            # members of one event
    Span type
    Span product_id
    const char* rows                # updates or trades that stood before type or product
    bint has_rows

cdef struct TradeTexts:             # members of one trade
    Span product_id
    Span trade_id
    Span time
    Span side
    const char* price               # still quoted
    const char* quantity


@cython.final
cdef class CoinbaseAdvancedFeed(FeedDecoder):
    cdef const char* end            # of the frame in hand
    cdef int64_t receive_time_ns

    cdef FeedStatus _read_envelope(self, const char* p, Envelope* envelope) noexcept nogil
    cdef const char* _read_events(
        self, const char* p, Span channel, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_event(
        self, const char* p, bint are_trades, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_rows(
        self, const char* p, EventFields* fields, bint are_trades, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_updates(
        self, const char* p, EventFields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_update(
        self, const char* p, Instrument* instrument, Span* event_time, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_trades(
        self, const char* p, EventFields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_trade(
        self, const char* p, Trade* trade, int64_t* index, FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _convert_trade(self, TradeTexts* texts, Trade* trade, int64_t* index) \
        noexcept nogil
    cdef void _put_oldest_first(self, int64_t first_event) noexcept nogil
