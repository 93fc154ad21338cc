"""Output that nobody reads, as behind Ctrl-S or a collector that hangs: trading does not notice."""

# tidy-ok: covers the processes together

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from tests.integration.commands import Engine
    from tests.integration.made_venue import MadeVenue

SECOND_NS = 1_000_000_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading end, writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fill(descriptor: int) -> None:
    """The next write of anybody into that pipe blocks."""
    # A description of its own: not to block is a property of that, not of the pipe.
    filler = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(filler, b"x" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(filler, b"x")
    os.close(filler)


def test_a_stuck_reader_stops_neither_the_engine_nor_its_stop(
    start_at: "Callable[..., Engine]", made_venue: "MadeVenue", pipe: tuple[int, int]
) -> None:
    engine = start_at(made_venue, pipe=pipe[1])
    engine.wait_for_quotes()
    fill(pipe[1])
    since_ns = engine.memory.word("heartbeat_ns")
    made_venue.do(made_venue.drop_feed)  # is logged

    # Two progress lines later it still lives and works.
    engine.wait_until(
        lambda: engine.memory.word("heartbeat_ns") > since_ns + 2 * SECOND_NS + SECOND_NS // 2,
        "a heartbeat",
    )
    engine.wait_for_quotes()
    pulled = len(made_venue.received("F"))
    engine.send_signal(signal.SIGTERM)

    assert engine.wait(timeout=12) == ExitCode.OK
    assert len(made_venue.received("F")) == pulled + 2
    assert made_venue.received("5")
