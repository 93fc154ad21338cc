"""Text that leaves on a thread of its own, so that no reader of it can stop the hot one.

A terminal held by Ctrl-S or a log collector that hangs blocks ``write`` for as long as it likes.
The standard library's QueueListener would do but for its end: it joins without a limit, and its
stream's lock, held by a blocked write, aborts the interpreter's exit. So: file descriptors.
"""

import contextlib
import logging
import os
import queue
import threading

MAX_WAITING_TEXTS = 1024  # some minutes of lines; what comes when so many wait is dropped


class BackgroundWriter:
    """Writes texts to ``descriptor`` in order; ``write`` never waits.

    Start it before the hot thread is pinned: its thread would inherit the core.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._queue: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING_TEXTS)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Writes soon; drops the text, and counts it, when too many wait already."""
        try:
            self._queue.put_nowait(text.encode("utf-8", "replace"))
        except queue.Full:
            self.dropped += 1

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything was written; False when that took too long."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(self._is_idle, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Writes what waits and ends the thread; False, and what waits is lost, when stuck.

        A stuck thread stays behind: it cannot be ended, and holds nothing that an exit needs.
        """
        is_flushed = self.flush(timeout_s)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        if is_flushed:
            self._thread.join(timeout_s)
        return is_flushed

    def _is_idle(self) -> bool:
        return self._queue.unfinished_tasks == 0

    def _run(self) -> None:
        told = 0
        while (data := self._queue.get()) is not None:
            self._write_all(data)
            if (dropped := self.dropped) > told:
                self._write_all(b"(%d lines were dropped: nobody read them)\n" % (dropped - told))
                told = dropped
            self._queue.task_done()
        self._queue.task_done()

    def _write_all(self, data: bytes) -> None:
        # A reader that is gone, a full disk: the text is lost, and there is no place to say so.
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


class BackgroundHandler(logging.Handler):
    """Formats records at once and leaves them to a writer."""

    def __init__(self, writer: BackgroundWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits."""
        try:
            self._writer.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)
