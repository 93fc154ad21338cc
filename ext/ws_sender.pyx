"""WebSocket sender, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from picows.picows cimport TEXT, WSTransport

from ext.errors import UsageError
from ext.order_sender cimport OrderSender

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)


@cython.final
cdef class WsSender(OrderSender):
    """Sender of one connected WebSocket, which its transport owns."""

    def __cinit__(self) -> None:
        self.error = ""
        self.frame = <char*>aligned_alloc(CACHE_LINE_BYTES, CACHE_LINE_BYTES + MAX_MESSAGE_BYTES)
        if self.frame == NULL:
            raise MemoryError(f"no memory for a message of {MAX_MESSAGE_BYTES} bytes")

    def __dealloc__(self) -> None:
        free(self.frame)

    @property
    def is_attached(self) -> bool:
        """Whether there is a connection to send on."""
        return self.transport is not None

    def attach(self, WSTransport transport not None) -> None:
        """Uses a connected WebSocket from now on."""
        self.transport = transport
        self.is_full = self.has_failed = False

    def detach(self) -> None:
        """Sends nothing any more: every message is refused until the next ``attach``."""
        self.transport = None

    def pause(self) -> None:
        """What waits for the socket is beyond the transport's limit: refuses messages."""
        self.is_full = True

    def resume(self) -> None:
        """The socket has taken what waited."""
        self.is_full = False

    def send(self, message: bytes) -> bool:
        """Sends a message; False when the connection is gone or full.

        Raises UsageError for a message of more than 4096 bytes.
        """
        if len(message) > MAX_MESSAGE_BYTES:
            raise UsageError(f"message had {len(message)} bytes; use at most {MAX_MESSAGE_BYTES}")
        return self.send_message(message, len(message))

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        with gil:                       # held by the caller anyway: picows's methods want it
            if self._send(message, size):
                return True
            self.refused += 1
            return False

    cdef bint _send(self, const char* message, int64_t size) noexcept:
        cdef WSTransport transport = self.transport
        cdef char* text = self.frame + FRAME_HEADER_ROOM
        # picows drops what comes after the end of a connection without a word.
        if transport is None or self.is_full or size > MAX_MESSAGE_BYTES \
                or transport.is_disconnected or transport.is_close_frame_sent:
            return False
        memcpy(text, message, size)
        try:
            transport.send_reuse_external_buffer(TEXT, text, size)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            return False
        return True
