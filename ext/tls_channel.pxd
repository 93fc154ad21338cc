"""TLS on the order socket: messages are encrypted inside the arc and leave in the same call.

OpenSSL does the cryptography, by way of Python's ``ssl`` and two buffers in memory. The socket
stays ours: one ``send`` a message, never waiting; reads without waiting, by busy poll or when the
loop says so, straight into the memory of the FIX listener.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.order_sender cimport OrderSender
from ext.tcp_sender cimport TcpSender

cdef enum:
    CIPHERTEXT_BYTES = 65536        # of one recv; a record has at most 16 KiB and 256 bytes


@cython.final
cdef class TlsChannel(OrderSender):
    cdef object context             # ssl.SSLContext of a client
    cdef TcpSender socket           # of ciphertext: keeps what the kernel does not take, in order
    cdef object session             # ssl.SSLObject; None: not begun
    cdef object incoming            # ssl.MemoryBIO, ciphertext of the peer
    cdef object outgoing            # ssl.MemoryBIO, our ciphertext
    cdef char* ciphertext           # what the last recv gave
    cdef bint has_input             # TLS was given bytes that it was not asked for yet
    cdef readonly bint is_established
    cdef readonly str failure       # why nothing can be sent any more; empty: it can

    cdef ssize_t receive(self, char* target, ssize_t room) except -2
    cdef ssize_t _fill(self) except -2
    cdef ssize_t _decrypt(self, char* target, ssize_t room) except -2
    cdef bint _encrypt(self, const char* message, int64_t size)
    cdef bint _send_ciphertext(self)
    cdef object _look_for_input(self)
