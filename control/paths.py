"""Where the files of control of one engine are: in its state directory, under its name."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ControlPaths:
    """``audit`` and ``audit_head`` are one log, see ``control.audit_log``; ``latch`` is there while
    the engine is KILLED; ``socket`` is the relay's door; ``venue`` says where a simulated venue
    listens that the engine has started."""

    audit: Path
    audit_head: Path
    latch: Path
    socket: Path
    lock: Path
    venue: Path


def control_paths(state_directory: str | Path, name: str) -> ControlPaths:
    """The files of the engine ``name``."""
    directory = Path(state_directory)
    return ControlPaths(
        audit=directory / f"{name}.audit.jsonl",
        audit_head=directory / f"{name}.audit.head",
        latch=directory / f"{name}.KILLED",
        socket=directory / f"{name}.control.sock",
        lock=directory / f"{name}.lock",
        venue=directory / f"{name}.venue.json",
    )
