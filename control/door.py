"""One message each way over the relay's Unix socket: the client's side, and how paths fit.

A socket's path may have 107 bytes and a state directory more: both sides go by the directory's
descriptor in /proc.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from control.commands import Answer, Command, encode_command
from ext.errors import WowError

MAX_LINE_BYTES = 8192
SEND_TIMEOUT_S = 2.0


class DoorClosed(WowError):
    """Nobody answers there: the relay is not up, or the caller is not let in."""


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path of a few bytes that leads to the same place while the context lasts."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def ask_door(path: Path, command: Command, timeout_s: float) -> Answer:
    """Sends a command and waits for its answer. DoorClosed says why there is none."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SEND_TIMEOUT_S)
            with short_path(path) as short:
                connection.connect(short)
            connection.sendall(encode_command(command) + b"\n")
            connection.settimeout(timeout_s)
            return msgspec.json.decode(_read_line(connection), type=Answer)
    except TimeoutError:
        raise DoorClosed(f"the relay has not answered within {timeout_s:g} s: it hangs") from None
    except OSError as error:
        raise DoorClosed(f"the relay is not there: {path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise DoorClosed(f"the relay answered with what is no answer: {error}") from None


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(MAX_LINE_BYTES)
        if not piece or len(data) > MAX_LINE_BYTES:
            raise DoorClosed("the relay closed the connection without an answer")
        data += piece
    return data
