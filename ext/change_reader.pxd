"""Reads the two shapes in which Coinbase Exchange and Gemini write levels, into a frame's deltas.

    [["buy","price","quantity"],…]      changes of both sides
    [["price","quantity"],…]            one side of a snapshot

A reader returns the position behind the array. NULL: ``status`` says why; what was read of it
stays in the deltas, so nothing of the frame may be applied.
"""

from libc.stdint cimport int64_t

from ext.feed_decoder cimport DecodedFrame
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedStatus

cdef const char* read_changes(
    DecodedFrame* frame, const char* p, const char* end, const Instrument* instrument,
    FeedStatus* status
) noexcept nogil
cdef const char* read_levels(
    DecodedFrame* frame, const char* p, const char* end, const Instrument* instrument,
    int64_t side, FeedStatus* status
) noexcept nogil
