"""Text on its way out: in order, and never waited for by the thread that says it."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest

from engine.background_writer import MAX_WAITING_TEXTS, BackgroundHandler, BackgroundWriter

PIPE_BYTES = 4096
END_SECONDS = 10.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A small pipe that nobody reads unless the test does."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    before = set(threading.enumerate())
    yield reader, writer
    os.close(reader)  # a thread that is stuck gets EPIPE and ends
    for thread in set(threading.enumerate()) - before:
        thread.join(END_SECONDS)  # or the rest of its text lands in the next pipe
    os.close(writer)


def stick(writer: BackgroundWriter) -> None:
    """Its thread hangs in a text that is larger than the pipe, and nothing waits behind it."""
    writer.write("x" * 2 * PIPE_BYTES)
    deadline = time.monotonic() + END_SECONDS
    while not writer._queue.empty():
        assert time.monotonic() < deadline
        time.sleep(0.001)  # tidy-ok: waits for a thread


def test_texts_leave_in_order(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    for number in range(100):
        writer.write(f"{number} é\n")
    assert writer.close(END_SECONDS)
    shown = os.read(pipe[0], PIPE_BYTES).decode()
    assert shown == "".join(f"{number} é\n" for number in range(100))
    assert writer.dropped == 0


def test_the_bound_and_what_is_said_about_it(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    stick(writer)
    for _ in range(MAX_WAITING_TEXTS):
        writer.write("kept\n")
    assert writer.dropped == 0
    for _ in range(3):
        writer.write("dropped\n")
    assert writer.dropped == 3
    expected = b"x" * 2 * PIPE_BYTES + b"(3 lines were dropped: nobody read them)\n"
    expected += b"kept\n" * MAX_WAITING_TEXTS
    shown = b""
    while len(shown) < len(expected):
        shown += os.read(pipe[0], PIPE_BYTES)
    assert shown == expected
    assert writer.close(END_SECONDS)


def test_a_stuck_reader_does_not_hold_the_end(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    stick(writer)
    assert not writer.close(0.02)
    assert writer._thread.daemon  # what is stuck does not hold the exit either


def test_a_reader_that_is_gone_is_no_error() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    writer = BackgroundWriter(descriptor)
    for _ in range(3):
        writer.write("nobody\n")
    assert writer.close(END_SECONDS)
    assert not writer._thread.is_alive()
    os.close(descriptor)


def test_records_are_formatted_by_the_thread_that_logs(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    handler = BackgroundHandler(writer)
    handler.setFormatter(logging.Formatter("%(levelname)s %(thread)d %(message)s"))
    record = logging.makeLogRecord({"msg": "is %s", "args": ("lost",), "levelname": "ERROR"})
    handler.handle(record)
    assert writer.close(END_SECONDS)
    assert os.read(pipe[0], 100) == f"ERROR {threading.get_ident()} is lost\n".encode()
