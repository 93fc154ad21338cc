"""FIX encoder of NewOrderSingle(D), OrderCancelRequest(F) and OrderCancelReplaceRequest(G).

Source: FIX 5.0 SP2 over FIXT.1.1, with the fields of Coinbase Exchange FIX order entry. What does
not change between two messages is written once: the header before MsgSeqNum, the text of each
instrument, the second of the last SendingTime. A message is put together in one buffer from those
parts and the few fields that do change; BodyLength and BeginString go in front at the end.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.client_order_id cimport RunIdentity
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.orders cimport OrderTable
from ext.wire cimport OrderRequest

cdef enum:
    HEADER_ROOM = 32                # "8=FIXT.1.1|9=99999|" with room to spare
    MAX_HEADER_BYTES = 256          # CompIDs included
    MESSAGE_BYTES = 1024            # the longest message is under 700 bytes

cdef struct Part:                   # prefilled text
    char text[MAX_HEADER_BYTES]
    int64_t size

cdef struct InstrumentText:
    Part symbol                     # "55=BTC-USD|"
    Part new_tail                   # last fields of a new order: "7928=N|"
    int64_t price_decimals
    int64_t price_step
    int64_t price_power             # 10**price_decimals
    int64_t quantity_decimals
    int64_t quantity_step
    int64_t quantity_power


@cython.final
cdef class FixOrderEncoder(OrderEncoder):
    cdef Part begin                 # "8=FIXT.1.1|9="
    cdef Part new_header            # "35=D|49=…|56=…|34="
    cdef Part cancel_header
    cdef Part replace_header
    cdef InstrumentText instruments[MAX_INSTRUMENTS]
    cdef RunIdentity run
    cdef int64_t second             # that ``second_text`` stands for, since the epoch
    cdef char second_text[18]       # "20260105-14:30:00."
    cdef char buffer[MESSAGE_BYTES]

    cdef char* _write_time(self, char* out, int64_t wall_ns) noexcept nogil
    cdef char* _write_limits(self, char* out, const OrderRequest* request) noexcept nogil
    cdef EncodedMessage _finish(self, char* end) noexcept nogil
