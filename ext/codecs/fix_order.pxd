"""FIX encoder of NewOrderSingle(D), OrderCancelRequest(F) and OrderCancelReplaceRequest(G).

Source: FIX 5.0 SP2 over FIXT.1.1, with the fields of Coinbase Exchange FIX order entry. What does
not change between two messages is written once, with the sum of its bytes: the header before
MsgSeqNum, the text of each instrument and side, the second of the last SendingTime, the end. A
message is put together in one buffer from those parts and the few fields that do change, and its
CheckSum from their sums; BodyLength and BeginString go in front at the end.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.client_order_id cimport RunIdentity
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.orders cimport OrderTable
from ext.wire cimport OrderRequest

cdef enum:
    HEADER_ROOM = 32                # "8=FIXT.1.1|9=99999|" with room to spare
    MAX_HEADER_BYTES = 256          # CompIDs included
    BLOCK_BYTES = 32                # parts are copied in blocks of that many
    MESSAGE_BYTES = 1024            # the longest message is under 700 bytes

cdef struct Part:                   # prefilled text
    char text[MAX_HEADER_BYTES]
    int64_t size
    uint64_t sum                    # of its bytes

cdef struct InstrumentText:
    Part buy                        # "|55=BTC-USD|54=1|60="
    Part sell
    int64_t price_decimals
    int64_t price_step
    int64_t price_power             # 10**price_decimals
    int64_t quantity_decimals
    int64_t quantity_step
    int64_t quantity_power


@cython.final
cdef class FixOrderEncoder(OrderEncoder):
    cdef Part begin                 # "8=FIXT.1.1|9="
    cdef Part headers[4]            # by IntentKind: "35=D|49=…|56=…|34="
    cdef Part tails[4][4][2]        # by IntentKind, TimeInForce, post only: "|59=3|18=A|7928=N|"
    cdef InstrumentText instruments[MAX_INSTRUMENTS]
    cdef RunIdentity run
    cdef int64_t second             # that ``second_text`` stands for, since the epoch
    cdef Part second_text           # "20260105-14:30:00."
    cdef char buffer[MESSAGE_BYTES]

    cdef uint64_t _take_time(self, int64_t wall_ns) noexcept nogil
    cdef char* _put_original(self, char* out, const OrderRequest* request, uint64_t* sum) \
        noexcept nogil
    cdef EncodedMessage _finish(self, char* end, uint64_t sum) noexcept nogil
