"""Files that are there whole, or not at all, whenever the host dies."""

import os
from pathlib import Path

from journal.directory import sync_directory


def write_durably(path: Path, data: bytes) -> None:
    """Replaces a file by ``data`` at once: after a crash the old one is there or the new one."""
    draft = path.with_name(path.name + ".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)
