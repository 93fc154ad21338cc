"""Starts the journal's keeper from time to time, beside the relay's loop."""

import argparse
import logging
import subprocess
import sys

INTERVAL_NS = 60_000_000_000
END_SECONDS = 5.0

logger = logging.getLogger("wow-relay")


class KeeperProcess:
    """At most one ``journal.keeper`` at a time; the first soon after the start."""

    def __init__(self, options: argparse.Namespace, interval_ns: int = INTERVAL_NS) -> None:
        """``options`` are those of wow-relay; nothing is started yet."""
        self._arguments = [
            sys.executable,
            "-m",
            "journal.keeper",
            str(options.journal),
            "--snapshot",
            f"--keep-days-orders={options.keep_days_orders}",
            f"--keep-days-market={options.keep_days_market}",
            *(() if options.compress else ("--no-compression",)),
        ]
        self._interval_ns = interval_ns
        self._next_ns = 0
        self._process: subprocess.Popen[bytes] | None = None

    def poll(self, monotonic_ns: int) -> None:
        """Starts the next pass when it is due and the last one is over; never waits."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self._process is not None or monotonic_ns < self._next_ns:
            return
        if not self._next_ns:
            self._next_ns = monotonic_ns + self._interval_ns // 10  # the start is busy enough
            return
        self._next_ns = monotonic_ns + self._interval_ns
        try:
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            logger.warning("the journal's keeper cannot be started: %s", error)

    def close(self) -> None:
        """Ends a pass that is going on; the next keeper goes on with it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
