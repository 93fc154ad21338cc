"""Python edge of the session store, see the ``.pxd``."""

import mmap
import os
from pathlib import Path

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

from ext.bounds cimport OUTGOING_SLOTS
from ext.errors import ConfigError, UsageError
from ext.pages cimport touch_pages

MAGIC = b"WOWFIX02"


@cython.final
cdef class SessionStore:
    """Store of one session, in ``path`` or, for None, in memory only.

    Raises ConfigError when the file cannot be used or belongs to another session.
    """

    def __cinit__(self, path: str | None, session_name: str) -> None:
        cdef bytes name = session_name.encode()
        cdef bytes magic = MAGIC
        cdef const char* start
        total_bytes = sizeof(SessionState) + sizeof(OutgoingSlot) * OUTGOING_SLOTS
        if not 1 <= len(name) < 120:
            raise ConfigError(f"session name {session_name!r} had {len(name)} bytes; use 1 to 119")
        self.path = path or ""
        self.memory = _map_store(path, total_bytes)
        cdef char[::1] view = self.memory
        self.state = <SessionState*>&view[0]
        self.slots = <OutgoingSlot*>(&view[0] + sizeof(SessionState))
        touch_pages(&view[0], total_bytes)
        if self.state.next_outgoing == 0:       # a new file
            start = name
            memcpy(self.state.session_name, start, len(name))
            self.reset(0)
            start = magic
            memcpy(self.state.magic, start, 8)
        stored = <bytes>self.state.session_name
        start = magic
        if memcmp(self.state.magic, start, 8) != 0 or stored != name:
            raise ConfigError(
                f"session store {path} belongs to session {stored.decode(errors='replace')!r}, "
                f"not {session_name!r}; use another [engine] state_directory or remove the file"
            )
        self.state.is_active = 0
        self.state.last_sent_ns = 0
        self.state.last_received_ns = 0

    def reset(self, now_ns: int) -> None:
        """Both numbers start again at 1 and the sent messages are forgotten."""
        cdef int64_t index
        self.state.next_outgoing = 1
        self.state.next_incoming = 1
        self.state.created_time_ns = now_ns
        for index in range(<int64_t>OUTGOING_SLOTS):
            self.slots[index].sequence = 0

    @property
    def next_outgoing(self) -> int:
        """MsgSeqNum(34) of the next message we send, at least 1."""
        return self.state.next_outgoing

    @next_outgoing.setter
    def next_outgoing(self, sequence: int) -> None:
        _check_sequence(sequence)
        self.state.next_outgoing = sequence

    @property
    def next_incoming(self) -> int:
        """MsgSeqNum(34) that we expect next, at least 1."""
        return self.state.next_incoming

    @next_incoming.setter
    def next_incoming(self, sequence: int) -> None:
        _check_sequence(sequence)
        self.state.next_incoming = sequence

    @property
    def is_active(self) -> bool:
        """Whether orders may be sent: logged on and no gap open."""
        return self.state.is_active != 0

    @is_active.setter
    def is_active(self, value: bool) -> None:
        self.state.is_active = value

    @property
    def last_sent_ns(self) -> int:
        """Monotonic time of the last message sent, by whichever path."""
        return self.state.last_sent_ns

    @last_sent_ns.setter
    def last_sent_ns(self, now_ns: int) -> None:
        self.state.last_sent_ns = now_ns

    @property
    def last_received_ns(self) -> int:
        """Monotonic time of the last valid message received."""
        return self.state.last_received_ns

    @last_received_ns.setter
    def last_received_ns(self, now_ns: int) -> None:
        self.state.last_received_ns = now_ns

    @property
    def created_time_ns(self) -> int:
        """Time of the last reset of the numbers."""
        return self.state.created_time_ns

    def save_outgoing(self, sequence: int, message: bytes, now_ns: int) -> None:
        """Keeps an application message sent at ``now_ns``, monotonic; the OUTGOING_SLOTS newest
        are kept."""
        _check_sequence(sequence)
        self.save(sequence, message, len(message), now_ns)

    def load_outgoing(self, sequence: int) -> bytes | None:
        """The message sent under a number, None when it is not kept."""
        cdef OutgoingSlot* slot = &self.slots[<int64_t>sequence % OUTGOING_SLOTS]
        if sequence < 1 or slot.sequence != sequence:
            return None
        return slot.text[: slot.size]

    def outgoing_sent_ns(self, sequence: int) -> int:
        """Monotonic time at which a kept message was sent; 0 when it is not kept."""
        cdef OutgoingSlot* slot = &self.slots[<int64_t>sequence % OUTGOING_SLOTS]
        return slot.sent_ns if sequence > 0 and slot.sequence == sequence else 0

    def close(self) -> None:
        """Writes the file to disk; the store may not be used any more by the hot path."""
        self.state.is_active = 0
        if self.path:
            self.memory.flush()


def _check_sequence(sequence: int) -> None:
    if sequence < 1:
        raise UsageError(f"sequence number was {sequence}; FIX numbers start at 1")


def _map_store(path: str | None, total_bytes: int) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, total_bytes, mmap.MAP_SHARED | mmap.MAP_POPULATE)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            present_bytes = os.fstat(descriptor).st_size
            if present_bytes not in (0, total_bytes):
                raise ConfigError(
                    f"session store {path} had {present_bytes} bytes, not {total_bytes}; it is of "
                    "another version: log out cleanly with that one, then remove the file"
                )
            os.posix_fallocate(descriptor, 0, total_bytes)
            return mmap.mmap(descriptor, total_bytes, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            f"session store {path} could not be opened: {error.strerror}; "
            "check [engine] state_directory"
        ) from error
