"""The latch of a KILL: a file in the state directory that outlives process, host and power.

While it is there no run of that engine takes new risk. Whoever kills writes it: the engine, the
relay, ``wow-kill``. The first one stays, for it has the cause; only a rearm removes it. A file that
cannot be read is a latch all the same.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from control.audit_log import show_time, sync_directory
from control.people import Who


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """Why the engine is KILLED. ``id`` names this KILL; ``inputs`` are what triggered it."""

    id: str
    reason: str
    source: str
    time_ns: int
    time: str
    who: Who | None = None
    inputs: dict[str, str] = {}

    @property
    def text(self) -> str:
        """One line for people."""
        by = f" by {self.who.user or self.who.uid}" if self.who is not None else ""
        return f"KILLED {self.time} from {self.source}{by}: {self.reason}"


def make_latch(
    kill_id: str,
    reason: str,
    source: str,
    time_ns: int,
    who: Who | None = None,
    inputs: dict[str, str] | None = None,
) -> Latch:
    """A latch of now."""
    return Latch(
        id=kill_id,
        reason=reason,
        source=source,
        time_ns=time_ns,
        time=show_time(time_ns),
        who=who,
        inputs=inputs or {},
    )


class LatchFile:
    """The latch of one engine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, latch: Latch) -> bool:
        """Puts it there unless there is one; whether it was put. Another process sees it at once
        and a crash of this one loses nothing; ``sync`` makes it outlive the power too."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.draft")
        draft.write_bytes(msgspec.json.encode(latch) + b"\n")
        try:
            os.link(draft, self.path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def sync(self) -> None:
        """On the disk, file and name, when this returns."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.path.parent)

    def read(self) -> Latch | None:
        """The latch; None: there is none. One that cannot be read is one that says so."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._unreadable(error.strerror or "unknown")
        try:
            return msgspec.json.decode(data, type=Latch)
        except msgspec.MsgspecError as error:
            return self._unreadable(str(error))

    def remove(self, kill_id: str) -> bool:
        """Takes the latch of that KILL away, on the disk when this returns; False: there is
        another one, which stays."""
        latch = self.read()
        if latch is not None and latch.id != kill_id:
            return False
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
            sync_directory(self.path.parent)
        return True

    def _unreadable(self, why: str) -> Latch:
        reason = f"{self.path} is there and cannot be read ({why}): it counts"
        return make_latch("unreadable", reason, "unknown", 0)
