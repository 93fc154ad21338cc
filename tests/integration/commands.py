"""The installed commands as processes: what they write, what their summary says."""

# tidy-ok: covers the processes together

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ext.errors import ConfigError
from ext.wire import BookState, OrderState
from journal.shared_reader import SharedReader

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 15.0  # of a busy machine; the usual start takes one
END_SECONDS = 45.0
POLL_SECONDS = 0.01


class Command:
    """One started command whose output goes to files, or both to ``pipe``.

    ``stop_all`` ends what it left running.
    """

    def __init__(self, output: Path, arguments: list[str], pipe: int | None = None) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self._out = output / "stdout.txt"
        self._error = output / "stderr.txt"
        program = str(Path(sys.executable).with_name(arguments[0]))
        with self._out.open("wb") as out, self._error.open("wb") as error:
            self._process = subprocess.Popen(
                [program, *arguments[1:]],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=out if pipe is None else pipe,
                stderr=error if pipe is None else pipe,
                start_new_session=True,
            )
        self._children: list[int] = []

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self._out.read_text()

    @property
    def log(self) -> str:
        """Standard error so far."""
        return self._error.read_text()

    @property
    def everything(self) -> str:
        """Both, for the message of an assertion."""
        return f"{self.output}\n--- standard error\n{self.log}"

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout: float = END_SECONDS) -> int:
        """Its exit status."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {timeout} s:\n{self.everything}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Returns when ``condition`` holds; fails when the command ends before."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            is_over = not self.is_running or time.monotonic() > deadline
            assert not is_over or condition(), f"{what} did not come:\n{self.everything}"
            time.sleep(POLL_SECONDS)  # tidy-ok: waits for another process

    def wait_for(self, text: str, times: int = 1) -> None:
        """Waits until ``text`` stands that often in what was written."""
        self.wait_until(lambda: self.everything.count(text) >= times, repr(text))

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def child(self, name: str) -> int:
        """The process that it started last under that name."""
        found = [
            child
            for child in self._read_children()
            if name in Path(f"/proc/{child}/cmdline").read_text()
        ]
        assert found, f"no child {name}"
        return found[-1]

    def wait_for_end_of(self, child: int) -> None:
        """Waits until a process that it left behind is gone, or a zombie that nobody collects."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            assert time.monotonic() < deadline, f"process {child} still runs"
            time.sleep(POLL_SECONDS)  # tidy-ok: waits for another process

    def stop_all(self) -> None:
        if self.is_running:
            self._children = self._read_children()
            self._process.kill()
            self._process.wait()
        for child in self._children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _read_children(self) -> list[int]:
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(child) for child in path.read_text().split()]


class Engine(Command):
    """A run of ``wow-engine`` and what its summary says."""

    name = "test"

    def __init__(self, directory: Path, output: Path, arguments: list[str], pipe: int | None):
        super().__init__(output, arguments, pipe)
        self.directory = directory
        self._memory: SharedReader | None = None

    @property
    def memory(self) -> SharedReader:
        """Its shared memory, as soon as it is there."""
        if self._memory is None:
            self.wait_until(self._has_memory, "the shared memory")
        assert self._memory is not None
        return self._memory

    def open_orders(self) -> list[np.void]:
        return list(self.memory.open_orders())

    def book_state(self, instrument: int = 0) -> BookState:
        book = self.memory.book(instrument)
        return BookState.CONNECTING if book is None else BookState(int(book["state"]))

    def wait_for_book(self, state: BookState, instrument: int = 0) -> None:
        self.wait_until(lambda: self.book_state(instrument) == state, f"book {state.name}")

    def wait_for_order(self, *states: OrderState) -> None:
        """Waits until an order in one of ``states`` is open; without states, any."""
        self.wait_until(
            lambda: any(
                not states or int(order["state"]) in states for order in self.open_orders()
            ),
            f"an order {states}",
        )

    @property
    def endpoint(self) -> str:
        return f"ipc://{self.directory / 'p'}"

    @property
    def journal(self) -> Path:
        return self.directory / "state" / "journal"

    @property
    def shared_memory(self) -> Path:
        return self.directory / f"wow-{self.name}.shm"

    @property
    def summary(self) -> str:
        """All of it as one line: the console breaks lines where it likes."""
        return " ".join(self.output.partition("Run of ")[2].split())

    def figure(self, words: str) -> int:
        """The number before ``words`` in the summary."""
        match = re.search(rf"([\d,]+) {words}\b", self.summary)
        assert match, f"no number before {words!r}:\n{self.everything}"
        return int(match[1].replace(",", ""))

    @property
    def ledger(self) -> str:
        match = re.search(r"ledger ([0-9a-f]{12})", self.summary)
        assert match, f"the venue's count is missing:\n{self.everything}"
        return match[1]

    @property
    def venue_count(self) -> dict[str, int]:
        match = re.search(
            r"Venue's own count: ([\d,]+) orders, ([\d,]+) fills, ([\d,]+) open", self.summary
        )
        assert match, f"the venue's count is missing:\n{self.everything}"
        numbers = (int(text.replace(",", "")) for text in match.groups())
        return dict(zip(("orders", "fills", "open"), numbers, strict=True))

    def _has_memory(self) -> bool:
        try:
            self._memory = SharedReader(self.shared_memory)
        except (ConfigError, OSError):
            return False
        return True

    def wait_for_quotes(self) -> None:
        """Waits for a LIVE book and two orders that the venue has confirmed."""
        self.wait_for_book(BookState.LIVE)
        self.wait_until(
            lambda: [int(order["state"]) for order in self.open_orders()] == [OrderState.NEW] * 2,
            "two confirmed quotes",
        )

    def row(self, first: str) -> list[str]:
        """The cells of the first line of the summary that begins with that cell."""
        for line in self.output.partition("Run of ")[2].splitlines():
            cells = line.replace("│", " ").split()
            if cells and cells[0] == first:
                return cells
        pytest.fail(f"no row {first}:\n{self.everything}")


class Venue(Command):
    """A ``wow-sim`` started by hand."""

    @property
    def ready(self) -> dict[str, Any]:
        self.wait_for('"ready"')
        line: dict[str, Any] = json.loads(self.output.splitlines()[0])
        return line
