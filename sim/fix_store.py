"""What the venue keeps of a key's session between connections: its numbers and its reports."""

from dataclasses import dataclass

from sim.fix_text import Fields

# Older reports are answered with a gap fill ("aged-out messages", Coinbase Exchange FIX resend).
REPORTS_KEPT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """An application message as it was sent the first time."""

    message_type: str
    body: Fields
    sending_time: str


class FixStore:
    """Outgoing numbers and application messages of one API key."""

    def __init__(self) -> None:
        self.next_number = 1
        self.is_in_use = False
        """Whether a connection is logged on: there is one session for each key."""
        self._kept: dict[int, KeptMessage] = {}

    def open(self, *, resets: bool) -> int:
        """A connection logs on; returns the number that its reports will go on with.

        The Logon answer itself is always number 1.
        """
        if resets:
            self._kept.clear()
            self.next_number = 1
        resume_at = self.next_number
        self.next_number = 1
        self.is_in_use = True
        return resume_at

    def take_number(self) -> int:
        """The number of a new message."""
        number = self.next_number
        self.next_number += 1
        return number

    def remember(self, number: int, message_type: str, body: Fields, sending_time: str) -> None:
        """Keeps an application message for a resend; the oldest goes when there are too many."""
        self._kept[number] = KeptMessage(message_type, body, sending_time)
        if len(self._kept) > REPORTS_KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def recall(self, number: int) -> KeptMessage | None:
        """The application message of that number, ``None`` for anything else."""
        return self._kept.get(number)
