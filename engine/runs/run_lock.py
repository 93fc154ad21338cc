"""One engine of a name at a time: a lock on a file in the state directory.

The kernel drops the lock when the process ends, however it ends; the file stays.
"""

import fcntl
import os
from pathlib import Path

from ext.errors import ConfigError


class AlreadyRunning(ConfigError):
    """Another engine of that name holds the state directory."""


class RunLock:
    """Held from ``acquire`` until ``release`` or the end of the process."""

    def __init__(self, directory: str, name: str) -> None:
        self._path = Path(directory) / f"{name}.lock"
        self._descriptor = -1

    def acquire(self) -> None:
        """Takes the lock; AlreadyRunning names the holder, ConfigError a directory not usable."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written: {error.strerror}; check [engine] state_directory"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            self._descriptor = -1
            raise AlreadyRunning(
                f"another engine (process {holder}) holds {self._path}; stop it first, or use "
                "another [engine] name and state_directory"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives the lock back; nothing happens without one."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
