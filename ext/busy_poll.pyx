"""Busy poll of the feed's socket, see the ``.pxd``."""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, errno
from libc.stdint cimport int64_t

from ext.errors import UsageError
from ext.pipeline cimport Pipeline

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int descriptor, void* buffer, size_t size, int flags)
    int MSG_DONTWAIT


@cython.final
cdef class BusyPoller:
    """Polls one market data connection, ``spin_count`` reads a turn (1 to 100,000)."""

    def __cinit__(self, spin_count: int) -> None:
        if not 1 <= spin_count <= 100_000:
            raise UsageError(f"spin_count was {spin_count}; use 1 to 100,000")
        self.spin_count = spin_count
        self.feed_descriptor = -1

    def attach(self, descriptor: int, protocol: object) -> None:
        """Polls this socket from now on; ``protocol`` is the asyncio.BufferedProtocol behind it."""
        self.feed_descriptor = descriptor
        self.protocol = protocol

    def attach_reader(self, read_ready: object, Pipeline pipeline not None) -> None:
        """Calls the reader of a TLS transport from now on, which never waits.

        What it decrypts goes to ``pipeline``, whose count of frames says that something came.
        """
        self.read_ready = read_ready
        self.pipeline = pipeline

    def detach(self) -> None:
        """The connection is gone."""
        self.feed_descriptor = -1
        self.protocol = self.read_ready = self.pipeline = None

    def poll(self) -> bool:
        """Reads until something came or the spins are used up; whether something came."""
        self.poll_count += 1
        if self.protocol is not None:
            return self._read_feed(self.protocol, self.spin_count)
        if self.read_ready is not None:
            return self._read_under_tls(self.read_ready, self.spin_count)
        return False

    cdef bint _read_feed(self, object protocol, int spins):
        cdef Py_buffer buffer
        cdef ssize_t size = -1
        memory = protocol.get_buffer(-1)
        PyObject_GetBuffer(memory, &buffer, PyBUF_WRITABLE)
        while spins > 0 and size < 0:
            spins -= 1
            size = recv(self.feed_descriptor, buffer.buf, buffer.len, MSG_DONTWAIT)
            if size < 0 and errno != EAGAIN:
                break                   # the loop's own read finds and reports the error
        PyBuffer_Release(&buffer)
        if size <= 0:
            # The end of the stream stays readable: the loop's own read sees it too.
            return False
        protocol.buffer_updated(size)
        return True

    cdef bint _read_under_tls(self, object read_ready, int spins):
        cdef Pipeline pipeline = self.pipeline
        cdef int64_t frames = pipeline.memory.header.frames
        while spins > 0 and self.read_ready is not None:
            spins -= 1
            read_ready()
            if pipeline.memory.header.frames != frames:
                return True
        return False
