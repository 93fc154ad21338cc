"""TCP sender, see the ``.pxd``."""

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove

from ext.errors import UsageError
from ext.order_sender cimport OrderSender
from ext.pages cimport touch_pages

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int descriptor, const void* data, size_t size, int flags)
    int MSG_DONTWAIT
    int MSG_NOSIGNAL


@cython.final
cdef class TcpSender(OrderSender):
    """Sender of one connected, non-blocking socket, which its transport owns."""

    def __cinit__(self) -> None:
        self.descriptor = -1
        self.pending = <char*>calloc(PENDING_BYTES, 1)
        if self.pending == NULL:
            raise MemoryError(f"no memory for {PENDING_BYTES} bytes of unsent messages")
        touch_pages(self.pending, PENDING_BYTES)

    def __dealloc__(self) -> None:
        free(self.pending)

    def attach(self, descriptor: int) -> None:
        """Uses a connected socket from now on; what an earlier one left unsent is forgotten."""
        if descriptor < 0:
            raise UsageError(f"descriptor was {descriptor}; attach a connected socket")
        self.descriptor = descriptor
        self.pending_size = 0
        self.has_failed = False

    def detach(self) -> None:
        """Sends nothing any more: every message is refused until the next ``attach``."""
        self.descriptor = -1
        self.pending_size = 0

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait for the socket to become writable."""
        return self.pending_size > 0

    def send(self, message: bytes) -> bool:
        """Sends a message, or keeps its rest for ``flush``; False when the socket is dead."""
        return self.send_message(message, len(message))

    def flush(self) -> bool:
        """Sends what is pending as far as the socket takes it; False when the socket is dead."""
        cdef int64_t size = self.pending_size
        cdef ssize_t sent
        if self.descriptor < 0:
            return False
        while size > 0:
            sent = send(self.descriptor, self.pending, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent < 0 and errno == EINTR:
                continue
            if sent < 0:
                return errno == EAGAIN
            size -= sent
            memmove(self.pending, self.pending + sent, size)
            self.pending_size = size
        return True

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        cdef ssize_t sent
        if self.descriptor < 0:
            return False
        if self.pending_size > 0:
            return self._keep(message, size)
        while size > 0:
            sent = send(self.descriptor, message, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent < 0 and errno == EINTR:
                continue
            if sent < 0:
                if errno == EAGAIN:
                    return self._keep(message, size)
                return False
            message += sent
            size -= sent
        return True

    cdef bint _keep(self, const char* message, int64_t size) noexcept nogil:
        if self.pending_size + size > PENDING_BYTES:
            return False
        memcpy(self.pending + self.pending_size, message, size)
        self.pending_size += size
        return True
