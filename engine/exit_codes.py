"""What the exit status of ``wow-engine`` tells the shell, systemd or a script that started it."""

from enum import IntEnum

from ext.errors import ConfigError, InstrumentError, RecordingError, UsageError, VenueError


class ExitCode(IntEnum):
    """Exit statuses of ``wow-engine``; the numbers never change their meaning.

    SIGINT, SIGTERM and SIGHUP ask for an orderly stop: one that leaves nothing behind is ``OK``;
    only a second signal, which cuts the stop short, gives the shell's 128 + signal number.
    """

    OK = 0
    DIFFERENCES = 1
    CONFIG = 2
    VENUE = 3
    ORDERS_LEFT = 4
    INTERNAL = 5
    ALREADY_RUNNING = 6
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]


class ControlExitCode(IntEnum):
    """Exit statuses of ``wow-ctl`` and ``wow-kill``; the numbers never change their meaning."""

    DONE = 0
    REFUSED = 1
    CONFIG = 2
    UNANSWERED = 3
    ORDERS_OPEN = 4
    INTERNAL = 5

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _CONTROL_MEANINGS[self]


_CONTROL_MEANINGS = {
    ControlExitCode.DONE: "Done; of a KILL: the venue itself lists no open order.",
    ControlExitCode.REFUSED: "Refused, or too late: nothing was done; `audit verify`: damaged.",
    ControlExitCode.CONFIG: "The command line or the config cannot be used. `wow-kill` has set kill"
    " word and latch all the same, where it could find them.",
    ControlExitCode.UNANSWERED: "The relay, the engine, or of a KILL the venue, did not answer:"
    " look at the venue now.",
    ControlExitCode.ORDERS_OPEN: "Of a KILL: the venue still lists open orders: cancel there now.",
    ControlExitCode.INTERNAL: "A defect of ours; WOW_DEBUG=1 shows the traceback.",
}
_MEANINGS = {
    ExitCode.OK: "Done; also after SIGINT, SIGTERM or SIGHUP when no order was left behind.",
    ExitCode.DIFFERENCES: "`verify` found a difference between the book and the reference, or"
    " `journal verify` damage.",
    ExitCode.CONFIG: "The command line, the config or an input file cannot be used.",
    ExitCode.VENUE: "The venue refused us, broke its protocol, or ours ended before its time.",
    ExitCode.ORDERS_LEFT: "Stopped, but orders are open or their state is unknown: look now.",
    ExitCode.INTERNAL: "A defect of the engine; WOW_DEBUG=1 shows the traceback.",
    ExitCode.ALREADY_RUNNING: "Another engine of that name runs in the same state directory.",
    ExitCode.HANGUP: "A second SIGHUP cut the stop short; orders may be open: look now.",
    ExitCode.INTERRUPTED: "A second SIGINT cut the stop short; orders may be open: look now.",
    ExitCode.TERMINATED: "A second SIGTERM cut the stop short; orders may be open: look now.",
}


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit status for an error that nobody handled."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, VenueError):
        return ExitCode.VENUE
    if isinstance(error, (ConfigError, InstrumentError, RecordingError, UsageError)):
        return ExitCode.CONFIG
    return ExitCode.INTERNAL
