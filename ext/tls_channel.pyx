"""TLS of one order connection, see the ``.pxd``."""

import ssl

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from ext.errors import UsageError

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int descriptor, void* buffer, size_t size, int flags)
    int MSG_DONTWAIT

# Names of this module: an attribute of another one would be looked up for every message.
cdef object SSLError = ssl.SSLError
cdef object SSLWantReadError = ssl.SSLWantReadError


@cython.final
cdef class TlsChannel(OrderSender):
    """The client's side of TLS on one socket at a time, which its transport owns.

    ``begin``, then ``shake_hands`` until it is true; from then on it sends and receives as
    ``TcpSender`` and ``recv`` do. Whether the peer is the right one is up to ``context``.
    """

    def __cinit__(self, context: object) -> None:
        if not isinstance(context, ssl.SSLContext):
            raise UsageError(f"context was a {type(context).__name__}; use an ssl.SSLContext")
        self.context = context
        self.socket = TcpSender()
        self.failure = ""
        self.ciphertext = <char*>calloc(CIPHERTEXT_BYTES, 1)
        if self.ciphertext == NULL:
            raise MemoryError(f"no memory for {CIPHERTEXT_BYTES} bytes of TLS input")

    def __dealloc__(self) -> None:
        free(self.ciphertext)

    def begin(self, descriptor: int, host: str) -> None:
        """Starts a session with the server of that name or address on a connected socket."""
        self.detach()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self.socket.attach(descriptor)
        self.has_failed = False

    def shake_hands(self) -> bool:
        """Goes on with the handshake as far as it can without waiting; whether it is done.

        Raises ``ssl.SSLError`` when the peer's certificate or its TLS will not do (it is told
        why), ``ConnectionError`` when the connection ends.
        """
        cdef ssize_t count
        if self.session is None:
            raise UsageError("shake_hands was called before begin")
        while not self.is_established:
            try:
                self.session.do_handshake()
                self.is_established = True
            except SSLWantReadError:
                pass
            except SSLError:
                self._send_ciphertext()
                raise
            if not self._send_ciphertext():
                raise ConnectionResetError("the connection was lost during the TLS handshake")
            if self.is_established:
                break
            count = self._fill()
            if count < 0:
                return False
            if count == 0:
                raise ConnectionResetError("the peer hung up during the TLS handshake")
        return True

    def attach(self, descriptor: int) -> None:
        """The socket is the one that the handshake was done on; UsageError otherwise."""
        if not self.is_established or descriptor != self.socket.descriptor:
            raise UsageError(f"descriptor was {descriptor}; shake hands on it before")

    def detach(self) -> None:
        """Takes leave of the peer (close_notify) and sends nothing any more."""
        if self.is_established and not self.failure:
            try:
                self.session.unwrap()
            except SSLError:
                pass                # it wants the peer's close_notify, which is not waited for
            self._send_ciphertext()
        self.socket.detach()
        self.session = self.incoming = self.outgoing = None
        self.is_established = self.has_input = False
        self.failure = ""

    @property
    def descriptor(self) -> int:
        """The socket's; -1: not begun."""
        return self.socket.descriptor

    @property
    def has_pending(self) -> bool:
        """Whether ciphertext waits for the socket, or ``flush`` has a failure to tell."""
        return self.socket.pending_size > 0 or self.failure != ""

    @property
    def version(self) -> str:
        """As "TLSv1.3"; empty without a session."""
        return (self.session.version() or "") if self.session is not None else ""

    def send(self, message: bytes) -> bool:
        """Encrypts and sends, or keeps the rest for ``flush``; False when that is over."""
        return self.send_message(message, len(message))

    def flush(self) -> bool:
        """Sends what is pending as far as the socket takes it; False when that is over."""
        return self.failure == "" and self.socket.flush()

    def read(self, room: int) -> bytes | None:
        """At most ``room`` bytes; empty at the end of the stream, None when nothing came."""
        cdef bytearray memory = bytearray(room)
        cdef ssize_t count = self.receive(memory, room)
        return None if count < 0 else bytes(memory[:count])

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        with gil:
            return self._encrypt(message, size)

    cdef ssize_t receive(self, char* target, ssize_t room) except -2:
        """As ``recv``: bytes read, 0 at the end of the stream, -1 when nothing is there.

        Raises ``ssl.SSLError`` for what is no TLS or was changed on the way.
        """
        cdef ssize_t count
        while self.session is not None:
            count = self._decrypt(target, room) if self.has_input else -1
            if count >= 0:
                return count
            count = self._fill()
            if count <= 0:
                return count
        return 0

    cdef ssize_t _fill(self) except -2:
        """One read of the socket: bytes of ciphertext, 0 at its end, -1 when nothing is there."""
        cdef ssize_t count
        while True:
            count = recv(self.socket.descriptor, self.ciphertext, CIPHERTEXT_BYTES, MSG_DONTWAIT)
            if count > 0:
                self.incoming.write(PyMemoryView_FromMemory(self.ciphertext, count, PyBUF_READ))
                self.has_input = True
                return count
            if count == 0 or errno != EINTR:
                return -1 if count < 0 and errno == EAGAIN else 0

    cdef ssize_t _decrypt(self, char* target, ssize_t room) except -2:
        """What TLS has: bytes, 0 after the peer's close_notify, -1 when it needs more input."""
        cdef ssize_t count = -1
        try:
            count = self.session.read(room, PyMemoryView_FromMemory(target, room, PyBUF_WRITE))
        except SSLWantReadError:
            self.has_input = False
        except SSLError as error:
            self._send_ciphertext()         # the alert that tells the peer why
            self.failure = str(error)
            raise
        if count > 0:
            self._look_for_input()
        if self.outgoing.pending > 0:       # an answer to a message of TLS itself
            self._send_ciphertext()
        return count

    cdef bint _encrypt(self, const char* message, int64_t size):
        if not self.is_established or self.failure != "":
            return False
        try:
            self.session.write(message[:size])
        except SSLError as error:
            self.failure = str(error)
            return False
        return self._send_ciphertext()

    cdef bint _send_ciphertext(self):
        cdef bytes ciphertext = self.outgoing.read()
        if len(ciphertext) > 0 and not self.socket.send_message(ciphertext, len(ciphertext)):
            # Nothing may follow a record that is missing: the peer could not decrypt it.
            self.failure = "the socket did not take a record"
            return False
        return True

    cdef object _look_for_input(self):
        self.has_input = self.incoming.pending > 0 or self.session.pending() > 0
