"""``wow-engine`` with two more signals, for the drills of a KILL: a breaker that trips, and a
callback that hangs."""

# tidy-ok: a helper of the tests of processes

import asyncio
import signal
import sys
import time
from typing import Any

from control.kill_source import KillSource
from engine import app, cli

BREAKER = signal.SIGRTMIN
HANG = signal.SIGRTMIN + 1
HANG_S = 4.0


def main() -> int:
    """Runs the command line of ``wow-engine``."""
    handle = app._handle_signals

    def handle_more(supervisor: Any, writers: Any = ()) -> None:
        handle(supervisor, writers)
        loop = asyncio.get_running_loop()
        inputs = {"losses": 5, "limit": 5}
        loop.add_signal_handler(
            BREAKER, supervisor.kill, "five losses in a row", KillSource.KILL_BREAKER, inputs
        )
        loop.add_signal_handler(HANG, time.sleep, HANG_S)

    app._handle_signals = handle_more
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
