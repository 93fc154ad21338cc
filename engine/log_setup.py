"""Logging of the engine: one line a record, to standard error or a file, and into the ring.

Nothing on the arc logs; what comes here is the control plane's, so the standard library will do.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.background_writer import BackgroundHandler, BackgroundWriter
from engine.settings.config_records import LogSection
from ext.errors import ConfigError
from ext.shared_memory import SharedMemory

FORMAT = "%(asctime)s %(levelname)-7s %(name)-16s %(message)s"
CLOSE_TIMEOUT_S = 2.0  # for whoever reads the log, at the end


class RingHandler(logging.Handler):
    """Puts records into the shared ring: the journal keeps them and the monitor shows them."""

    def __init__(self, memory: SharedMemory) -> None:
        super().__init__(logging.INFO)
        self._memory = memory

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the text, cut at the size of a record."""
        self._memory.write_text(int(record.created * 1e9), record.levelno, record.getMessage())


LogHandler = logging.StreamHandler[Any]


def set_up_logging(section: LogSection) -> LogHandler:
    """Sends everything from ``section.level`` on to its place; ConfigError for a bad file.

    Gives the handler that ``log_in_background`` wants.
    """
    handler: LogHandler
    if section.file:
        try:
            Path(section.file).parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(section.file)
        except OSError as error:
            raise ConfigError(
                f"[log] file {section.file} cannot be written: {error.strerror}"
            ) from error
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=section.level.upper(), handlers=[handler], force=True)
    for chatty in ("numba", "asyncio", "picows", "feed"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return handler


@contextmanager
def log_in_background(handler: LogHandler) -> Iterator[BackgroundWriter]:
    """What ``handler`` would write leaves on a thread of its own while the context lasts."""
    root = logging.getLogger()
    writer = BackgroundWriter(handler.stream.fileno())
    background = BackgroundHandler(writer)
    background.setFormatter(handler.formatter)
    root.addHandler(background)
    root.removeHandler(handler)
    try:
        yield writer
    finally:
        root.removeHandler(background)
        if writer.close(CLOSE_TIMEOUT_S):  # else nobody reads: the next record would block
            root.addHandler(handler)


def log_into_ring(memory: SharedMemory) -> RingHandler:
    """Adds the ring to the places that records go to."""
    handler = RingHandler(memory)
    logging.getLogger("engine").addHandler(handler)
    return handler
