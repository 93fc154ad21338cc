"""Order senders without a socket, see the ``.pxd``; the one with a socket is ``tcp_sender``."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from ext.errors import UsageError


cdef class OrderSender:
    """Sends nowhere: every message is lost."""

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        return False


@cython.final
cdef class CapturingSender(OrderSender):
    """Keeps messages in memory, up to ``capacity`` bytes; later ones are counted only."""

    def __cinit__(self, capacity: int = 1 << 20) -> None:
        if capacity <= 0:
            raise UsageError(f"capacity was {capacity}; use a number of bytes greater than zero")
        self.capacity = capacity
        self.until_refused = -1
        self.buffer = <char*>calloc(capacity, 1)
        if self.buffer == NULL:
            raise MemoryError(f"no memory for {capacity} bytes of messages")

    def __dealloc__(self) -> None:
        free(self.buffer)

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        if self.until_refused == 0:
            self.until_refused = -1
            return False
        if self.until_refused > 0:
            self.until_refused -= 1
        self.count += 1
        if self.size + size <= self.capacity:
            memcpy(self.buffer + self.size, message, size)
            self.size += size
        return True

    def refuse_after(self, count: int) -> None:
        """Takes ``count`` messages more and then refuses one, as a socket that has failed."""
        if count < 0:
            raise UsageError(f"count was {count}; use 0 or more")
        self.until_refused = count
        self.has_failed = False

    def take(self) -> bytes:
        """The bytes kept since the last call; the count goes on."""
        taken = self.buffer[: self.size]
        self.size = 0
        return taken
