"""The words in shared memory through which others reach a running engine.

The kill word: any process sets it, the compiled arc reads it before every send, the engine alone
clears it. The mailbox: one command at a time from the relay, and the engine's answer. A text is
written before the number that says that it is there; x86 keeps stores in order.
"""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ext.dtypes import SHARED_HEADER, SHARED_MAGIC, layout_hash
from ext.errors import ConfigError

Header = NDArray[Any]
"""One record of ``ext.dtypes.SHARED_HEADER``, writable."""

KILL_REASON_BYTES = int(SHARED_HEADER["kill_reason"].itemsize) - 1
ANSWER_BYTES = int(SHARED_HEADER["answer_text"].itemsize) - 1


def open_header(path: Path) -> Header:
    """The first page of an engine's shared memory, to be written to.

    Raises ConfigError when there is none, or it is of another version.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        if os.fstat(descriptor).st_size < SHARED_HEADER.itemsize:
            raise ConfigError(f"{path}: too short for an engine's shared memory")
        memory = mmap.mmap(descriptor, SHARED_HEADER.itemsize, access=mmap.ACCESS_WRITE)
    finally:
        os.close(descriptor)
    header: Header = np.frombuffer(memory, SHARED_HEADER, 1)
    if bytes(header["magic"][0]) != SHARED_MAGIC or int(header["layout_hash"][0]) != layout_hash():
        raise ConfigError(f"{path}: not the shared memory of an engine of this version")
    return header


def set_kill_word(header: Header, source: int, reason: str, now_ns: int) -> bool:
    """No new risk leaves from now on; ``source`` is a KillSource. False: it was set before, and
    the first reason stays; the time is the newest one's, so that a rearm that is under way sees
    that somebody has killed again."""
    is_first = not header["kill_word"][0]
    if is_first:
        header["kill_reason"] = _fit(reason, KILL_REASON_BYTES)
    header["kill_time_ns"] = now_ns
    if is_first:
        header["kill_word"] = source
    return is_first


def read_kill_word(header: Header) -> tuple[int, str, int]:
    """(KillSource, its reason, wall clock of the newest KILL); 0 first when nobody has set it."""
    reason = bytes(header["kill_reason"][0]).decode(errors="replace")
    return int(header["kill_word"][0]), reason, int(header["kill_time_ns"][0])


class Mailbox:
    """Both sides of the one slot, over the header of a shared memory."""

    def __init__(self, header: Header) -> None:
        self._header = header

    # The relay's side

    def post(self, data: bytes) -> int:
        """Puts a command there; its number. Whoever posts has waited for the answer before."""
        number = int(self._header["command_sequence"][0]) + 1
        self._header["command_text"] = data
        self._header["command_sequence"] = number
        return number

    def answer_to(self, number: int) -> bytes | None:
        """The engine's answer to that command; None: not yet."""
        if int(self._header["answer_sequence"][0]) != number:
            return None
        return bytes(self._header["answer_text"][0])

    # The engine's side

    def take(self, last_number: int) -> tuple[int, bytes] | None:
        """A command behind ``last_number``, with its own; None: there is none."""
        number = int(self._header["command_sequence"][0])
        if number == last_number:
            return None
        return number, bytes(self._header["command_text"][0])

    def answer(self, number: int, data: bytes) -> None:
        """Answers that command; a text that does not fit is the caller's fault, and is cut."""
        self._header["answer_text"] = data[:ANSWER_BYTES]
        self._header["answer_sequence"] = number


def _fit(text: str, size: int) -> bytes:
    return text.encode()[:size].decode(errors="ignore").encode()
