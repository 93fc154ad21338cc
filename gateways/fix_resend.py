"""Both ends of a resend: what we repeat when asked, and what we still wait for.

FIX session layer, "Resend" and "Gap fill": application messages are repeated with 43=Y, 122 and
a new 52; each run of others becomes one SequenceReset-GapFill. A new order that the venue never
got is a real order when repeated, so one that is too old is gap filled instead, and so is every one
while new risk is not allowed. Cancels are always repeated.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ext.bounds import Bound
from gateways.fix_message import FixMessage, encode_message
from gateways.session import SessionStore

MAX_HELD_MESSAGES = 4096  # of a gap; later ones are dropped and asked for again
# New order, list, replace, and Coinbase's batch of new orders: what adds risk when repeated.
RISKY_TYPES = frozenset({b"D", b"E", b"G", b"U6"})


class Repeat(NamedTuple):
    """Send this kept message again."""

    sequence: int
    message: FixMessage


class GapFill(NamedTuple):
    """Numbers from ``sequence`` to before ``new_sequence`` are filled without contents.

    ``withheld`` holds the orders among them that must not be repeated.
    """

    sequence: int
    new_sequence: int
    withheld: tuple[Repeat, ...]


def plan_resend(
    store: SessionStore,
    begin: int,
    end: int,
    now_ns: int,
    age_limit_ns: int | None,
    *,
    is_risk_allowed: bool = True,
) -> Iterator[Repeat | GapFill]:
    """The answer to a ResendRequest for ``begin`` to ``end``, both sent before, in order.

    ``now_ns`` is monotonic. What adds risk is filled unless ``is_risk_allowed`` and it was sent at
    most ``age_limit_ns`` ago (None: however long); an unknown send time counts as too old. At most
    ``OUTGOING_SLOTS`` kept messages exist, so numbers further back are filled at once.
    """
    run_start = begin
    withheld: list[Repeat] = []
    for sequence in range(max(begin, store.next_outgoing - Bound.OUTGOING_SLOTS), end + 1):
        raw = store.load_outgoing(sequence)
        if raw is None:
            continue
        repeat = Repeat(sequence, FixMessage(raw))
        if repeat.message.message_type in RISKY_TYPES and not (
            is_risk_allowed and _is_fresh(store.outgoing_sent_ns(sequence), now_ns, age_limit_ns)
        ):
            withheld.append(repeat)
            continue
        if run_start < sequence:
            yield GapFill(run_start, sequence, tuple(withheld))
        yield repeat
        run_start = sequence + 1
        withheld = []
    if run_start <= end:
        yield GapFill(run_start, end + 1, tuple(withheld))


def _is_fresh(sent_ns: int, now_ns: int, age_limit_ns: int | None) -> bool:
    if age_limit_ns is None:
        return True
    # 0: not known. Later than now: of before a restart of the host, whose clock began anew.
    return 0 < sent_ns <= now_ns and now_ns - sent_ns <= age_limit_ns


def repeat_message(message: FixMessage, sending_time: bytes) -> bytes:
    """The same message with 43=Y, 122 = its SendingTime, a new 52, 9 and 10."""
    fields = []
    for tag, value in message.fields:
        if tag == 52:
            fields += [(43, b"Y"), (52, sending_time), (122, value)]
        elif tag not in (8, 9, 10, 43, 122):
            fields.append((tag, value))
    return encode_message(message.get(8) or b"", fields)


class InboundGap:
    """Numbers that we miss, and later messages held until they came; one open request at a time.

    ``chunk`` > 0 is the largest range one request may ask for.
    """

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._held: dict[int, FixMessage | None] = {}
        self._highest = 0
        self._requested_end = 0
        self.is_repeated = False
        self.progress_time_ns = 0

    def is_open(self, expected: int) -> bool:
        """Whether a number from ``expected`` on is known to have been sent and not processed."""
        return expected <= self._highest

    def hold(self, sequence: int, message: FixMessage | None) -> None:
        """Keeps a message that came early; None: it was acted on already and only counts.

        Beyond ``MAX_HELD_MESSAGES`` it is dropped, remembered as missing, and asked for later.
        """
        self._highest = max(self._highest, sequence)
        if len(self._held) < MAX_HELD_MESSAGES:
            self._held.setdefault(sequence, message)

    def has(self, sequence: int) -> bool:
        """Whether this number is held."""
        return sequence in self._held

    def take(self, sequence: int) -> FixMessage | None:
        """Removes a held number and returns its message."""
        return self._held.pop(sequence)

    def discard_below(self, sequence: int) -> None:
        """Forgets held numbers that a gap fill or a reset has jumped over."""
        for held in [number for number in self._held if number < sequence]:
            del self._held[held]

    def clear(self) -> None:
        """Forgets everything: the numbers were reset, or the connection is gone."""
        self._held.clear()
        self._highest = self._requested_end = 0
        self.is_repeated = False

    def request(self, expected: int, now_ns: int) -> tuple[int, int] | None:
        """First and last number of the request that must go out now, or None.

        None while an open request still covers ``expected``. The last number is the last one
        missing, even where the wire says 0.
        """
        if not self.is_open(expected):
            self.clear()
            return None
        if expected <= self._requested_end:
            return None
        end = min(self._held) - 1 if self._held else self._highest
        if self._chunk:
            end = min(end, expected + self._chunk - 1)
        self._requested_end = end
        self.is_repeated = False
        self.progress_time_ns = now_ns
        return expected, end

    def repeat(self, expected: int, now_ns: int) -> tuple[int, int] | None:
        """What is left of the open request, to be asked for again."""
        self.progress_time_ns = now_ns
        self.is_repeated = True
        return (expected, self._requested_end) if expected <= self._requested_end else None
