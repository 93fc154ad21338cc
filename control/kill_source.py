"""What can begin a KILL. The numbers go to shared memory and journal: append, never renumber.

``SharedHeader.kill_word`` holds one of them, and ``detail`` of a COMMAND_KILL.
"""

from enum import IntEnum


class KillSource(IntEnum):
    """Who has set the kill word."""

    NOT_KILLED = 0
    KILL_TERMINAL = 1
    KILL_SIGNAL = 2
    KILL_CONTROL = 3
    KILL_COMMAND = 4
    KILL_BREAKER = 5
    KILL_RELAY = 6
    KILL_LATCH = 7

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


def source_words(source: int) -> str:
    """The words of a number that may be of a later version."""
    return {int(known): words for known, words in _WORDS.items()}.get(source, f"source {source}")


_WORDS = {
    KillSource.NOT_KILLED: "nobody",
    KillSource.KILL_TERMINAL: "the terminal (Ctrl-\\)",
    KillSource.KILL_SIGNAL: "a signal (SIGUSR2)",
    KillSource.KILL_CONTROL: "wow-ctl",
    KillSource.KILL_COMMAND: "wow-kill",
    KillSource.KILL_BREAKER: "a circuit breaker",
    KillSource.KILL_RELAY: "the watch over the relay",
    KillSource.KILL_LATCH: "the latch of an earlier run",
}
