"""What every market data decoder produces, and the contract it keeps.

``decode`` turns one frame into events over deltas and trades, or says why it cannot. It is all or
nothing: after another status than FEED_OK nothing of the frame may be applied. It keeps no state
about the market: order of frames, gaps and states are the pipeline's matter.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_EVENTS_PER_FRAME, MAX_TRADES_PER_FRAME
from ext.cursor cimport NumberStatus, Span
from ext.instrument_table cimport Instrument, InstrumentTable
from ext.wire cimport BookDelta, FeedEvent, FeedStatus, Trade

cdef struct DecodedFrame:
    int64_t event_count
    int64_t delta_count
    int64_t trade_count
    int64_t instrument              # whose frame it is, also of a bad one; -1: not known
    bint is_general                 # a part had not the usual shape: read member by member
    int64_t connection_sequence     # counts every frame of the connection; -1: the venue has none
    FeedEvent events[MAX_EVENTS_PER_FRAME]
    Trade trades[MAX_TRADES_PER_FRAME]
    BookDelta* deltas               # MAX_DELTAS_PER_FRAME of them


cdef class FeedDecoder:
    cdef readonly InstrumentTable table
    cdef DecodedFrame frame

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil

cdef FeedEvent* add_event(DecodedFrame* frame, int64_t kind, int64_t instrument) noexcept nogil
cdef FeedStatus number_error(NumberStatus status) noexcept nogil
