"""REST sender, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ext.codecs.coinbase_rest_order cimport CoinbaseRestOrderEncoder
from ext.errors import UsageError
from ext.order_encoder cimport EncodedMessage
from ext.order_sender cimport OrderSender
from ext.session_store cimport SessionStore

CONNECTIONS_MAX = <int>MAX_CONNECTIONS
WAITING_MAX = <int>MAX_WAITING


@cython.final
cdef class RestConnection:
    """One connection of a RestSender, in the order in which they are tried."""

    cdef bint try_send(self, const char* message, int64_t size, int64_t sequence) noexcept nogil:
        """Sends on this one if it is free, else on one behind it; whether one has."""
        if self.is_open and self.sequence == 0:
            if self.sender.send_message(message, size):
                self.sequence = sequence
                self.is_new = message[0] == NEW_ORDER_BEGIN
                return True
            # Part of it may have left; without its end it is no request, so another may have it.
            self.is_open = False
            self.is_broken = True
        if self.behind is None:
            return False
        return self.behind.try_send(message, size, sequence)


@cython.final
cdef class RestSender(OrderSender):
    """Sender over the senders of 1 to 16 sockets. ``encoder`` seals what the pipeline hands over;
    ``store`` has the number of the message, by which ``sequence`` and the others name it."""

    def __cinit__(
        self,
        CoinbaseRestOrderEncoder encoder not None,
        SessionStore store not None,
        senders: list[OrderSender],
    ) -> None:
        cdef RestConnection connection
        cdef RestConnection before = None
        if not 1 <= len(senders) <= MAX_CONNECTIONS:
            raise UsageError(f"senders were {len(senders)}; use 1 to {int(MAX_CONNECTIONS)}")
        self.encoder = encoder
        self.store = store
        self.connections = []
        for sender in senders:
            connection = RestConnection()
            connection.sender = sender
            if before is None:
                self.first = connection
            else:
                before.behind = connection
            self.connections.append(connection)
            before = connection

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil:
        cdef EncodedMessage sealed
        cdef int64_t sequence = self.store.state.next_outgoing - 1
        sealed.start = <char*>message
        sealed.size = size
        sealed = self.encoder.seal(sealed)
        if sealed.size == 0:
            return False
        if self.waiting_count == 0 and self.first.try_send(sealed.start, sealed.size, sequence):
            self.sent_count += 1
            return True
        return self._keep(sealed.start, sealed.size, sequence)

    cdef bint _keep(self, const char* message, int64_t size, int64_t sequence) noexcept nogil:
        cdef int64_t at
        cdef Waiting* entry
        for at in range(MAX_WAITING):
            entry = &self.waiting[at]
            if entry.sequence == 0:
                entry.sequence = sequence
                entry.wall_ns = self.encoder.wall_ns
                entry.size = size
                entry.id_number = self.encoder.id_number
                entry.is_new = message[0] == NEW_ORDER_BEGIN
                entry.is_void = not entry.is_new and self._void_order(entry.id_number)
                memcpy(entry.text, message, size)
                self.waiting_count += not entry.is_void
                self.void_count += entry.is_void
                return True
        return False

    cdef bint _void_order(self, int64_t id_number) noexcept nogil:
        """Makes the new order of that client id void if it waits; whether it does."""
        cdef int64_t at
        cdef Waiting* entry
        for at in range(MAX_WAITING):
            entry = &self.waiting[at]
            if entry.sequence != 0 and entry.is_new and not entry.is_void \
                    and entry.id_number == id_number:
                entry.is_void = True
                self.waiting_count -= 1
                self.void_count += 1
                return True
        return False

    cdef Waiting* _next_waiting(self) noexcept nogil:
        """The oldest cancel, else the oldest order."""
        cdef Waiting* found = NULL
        cdef Waiting* entry
        cdef int64_t at
        for at in range(MAX_WAITING):
            entry = &self.waiting[at]
            if entry.sequence != 0 and not entry.is_void and (
                    found == NULL or entry.is_new < found.is_new
                    or (entry.is_new == found.is_new and entry.sequence < found.sequence)):
                found = entry
        return found

    cdef bint _send_waiting(self) noexcept nogil:
        """Sends what waits, as far as connections are free."""
        cdef Waiting* entry
        while self.waiting_count > 0:
            entry = self._next_waiting()
            if not self.first.try_send(entry.text, entry.size, entry.sequence):
                return False
            entry.sequence = 0
            self.waiting_count -= 1
            self.sent_count += 1
        return True

    cdef RestConnection _connection(self, int64_t index):
        if not 0 <= index < len(self.connections):
            raise UsageError(f"connection was {index}; there are {len(self.connections)}")
        return self.connections[index]

    def open(self, index: int) -> None:
        """Its socket is connected: what waits may leave on it."""
        cdef RestConnection connection = self._connection(index)
        connection.is_open = True
        connection.is_broken = False
        connection.sequence = 0
        self._send_waiting()

    def close(self, index: int) -> int:
        """Nothing leaves on it any more; number of the request whose answer will not come, 0: none.

        A question of the transport's own counts as none.
        """
        cdef RestConnection connection = self._connection(index)
        cdef int64_t sequence = connection.sequence
        connection.is_open = connection.is_broken = False
        connection.sequence = 0
        return max(<int64_t>0, sequence)

    def release(self, index: int) -> None:
        """The answer to its request was taken: what waits leaves on it."""
        self._connection(index).sequence = 0
        self._send_waiting()

    def ask(self, index: int, message: bytes) -> bool:
        """Sends a question of the transport's own; False when the connection is not free."""
        cdef RestConnection connection = self._connection(index)
        if not connection.is_open or connection.sequence != 0:
            return False
        if not connection.sender.send_message(message, len(message)):
            connection.is_open = False
            connection.is_broken = True
            return False
        connection.sequence = OWN_REQUEST
        return True

    def withdraw(self, before_wall_ns: int, is_new_only: bool) -> list[int]:
        """Takes back requests that were encoded before that time and still wait: they have never
        left. Their numbers, oldest first."""
        cdef int64_t at
        cdef Waiting* entry
        withdrawn = []
        for at in range(<int64_t>MAX_WAITING):
            entry = &self.waiting[at]
            if entry.sequence != 0 and not entry.is_void and entry.wall_ns < before_wall_ns and (
                    entry.is_new or not is_new_only):
                withdrawn.append(entry.sequence)
                entry.sequence = 0
                self.waiting_count -= 1
        return sorted(withdrawn)

    def take_void(self) -> list[int]:
        """Takes away orders that were cancelled before they left, and those cancels. Their
        numbers, oldest first."""
        cdef int64_t at
        cdef Waiting* entry
        taken = []
        for at in range(<int64_t>MAX_WAITING):
            entry = &self.waiting[at]
            if entry.sequence != 0 and entry.is_void:
                taken.append(entry.sequence)
                entry.sequence = 0
                self.void_count -= 1
        return sorted(taken)

    def sequence(self, index: int) -> int:
        """Number of the request under way; -1: a question of the transport's own, 0: none."""
        return self._connection(index).sequence

    def is_new(self, index: int) -> bool:
        """Whether the request under way is a new order, not a cancel."""
        return self._connection(index).is_new

    def is_open(self, index: int) -> bool:
        """Whether requests may leave on it."""
        return self._connection(index).is_open

    def is_broken(self, index: int) -> bool:
        """Whether its socket took no more: its transport has to close it."""
        return self._connection(index).is_broken

    def clear_failure(self) -> None:
        """All connections were ended after a request that could not be kept."""
        self.has_failed = False
