"""Sends messages on a WebSocket from the hot thread: one text frame and one ``send`` per message.

The mask of a client's frame (RFC 6455 section 5.3) destroys what it lies on. Encoders keep their
text as a template, and hand it out as ``const``: so a message is copied once, into a buffer with
room for the header in front, and picows writes the header, masks and sends there. That copy is
all that the mask costs beyond itself; unmasking the template afterwards would be a pass as long.

What the socket does not take at once picows keeps, in order, and sends when it can. Beyond the
limit of its buffer it says so, and messages are refused until the buffer has drained.
"""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport WSTransport

from ext.order_sender cimport OrderSender

cdef enum:
    CACHE_LINE_BYTES = 64
    # The header takes 14 bytes at most. picows masks byte by byte up to the next multiple of 64,
    # and 64 bytes of them when it begins at one: so the text begins one byte before.
    FRAME_HEADER_ROOM = 63
    MAX_MESSAGE_BYTES = 4096        # an order is under 700, a logon under 600


@cython.final
cdef class WsSender(OrderSender):
    cdef WSTransport transport      # None: not attached
    cdef char* frame
    cdef readonly bint is_full      # the peer leaves too much unread
    cdef readonly int64_t refused   # messages that were not sent since the start
    cdef readonly str error         # why the last one was not, if picows said

    cdef bint _send(self, const char* message, int64_t size) noexcept
