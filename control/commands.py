"""What an operator can ask of an engine, and what it answers: the messages, and which count.

A command has an id, so that it is done once however often it is sent, and a time to live, so that
one that was held up is not done when nobody wants it any more.
"""

import uuid
from collections import OrderedDict
from enum import Enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from control.people import Who
from ext.errors import WowError

MAX_REASON = 200
"""Characters."""
MAX_STRATEGY = 80
"""Characters of what names one."""
MAX_COMMAND_BYTES = 1000
"""Of the mailbox, which has 1,024."""
MAX_TTL_MS = 60_000
DEFAULT_TTL_MS = 10_000
FUTURE_LIMIT_NS = 5_000_000_000
"""So far may the clock of a sender be ahead; on one host they are the same."""
REMEMBERED_COMMANDS = 1024
_MILLISECOND_NS = 1_000_000


class CommandError(WowError):
    """A message that is no command; the text says why."""


class Verb(Enum):
    """What can be asked. ``STATUS`` is a question and changes nothing."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL_ALL = "cancel-all"
    FLATTEN = "flatten"
    KILL = "kill"
    ARM = "arm"
    REARM = "rearm"
    STATUS = "status"


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command. ``who`` is put there by the relay, from what the kernel says of the sender.

    ``strategy`` is the one that a PAUSE or RESUME is about, empty: the engine; see
    ``engine.levels.strategy_control``. ``seen_kill_time_ns`` is the newest KILL of which the sender
    of a REARM knows: no later one is lifted by it.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9A-Za-z-]{8,64}\Z")]
    verb: Verb
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""
    sent_time_ns: Annotated[int, Meta(ge=0)]
    ttl_ms: Annotated[int, Meta(ge=1, le=MAX_TTL_MS)] = DEFAULT_TTL_MS
    strategy: Annotated[str, Meta(max_length=MAX_STRATEGY)] = ""
    seen_kill_time_ns: Annotated[int, Meta(ge=0)] = 0
    who: Who | None = None

    @property
    def expires_ns(self) -> int:
        """Wall clock: not to be done any more from then on."""
        return self.sent_time_ns + self.ttl_ms * _MILLISECOND_NS


Code = Literal["done", "refused", "expired", "repeated", "failed", "unanswered"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command: ``done``; ``refused``, ``expired`` or ``repeated`` (nothing was
    done now); ``failed`` half way; ``unanswered`` by the engine, so that it may be done or not."""

    id: str
    code: Code
    text: str
    facts: dict[str, str] = {}


def new_command_id() -> str:
    """One that nobody has had."""
    return str(uuid.uuid4())


def decode_command(data: bytes) -> Command:
    """Reads one message; CommandError says what is wrong with it."""
    try:
        return msgspec.json.decode(data, type=Command)
    except msgspec.MsgspecError as error:
        raise CommandError(f"not a command: {error}") from None


def encode_command(command: Command) -> bytes:
    """The message; CommandError when it is longer than a mailbox holds."""
    data = msgspec.json.encode(command)
    if len(data) > MAX_COMMAND_BYTES:
        raise CommandError(
            f"the command has {len(data)} bytes, at most {MAX_COMMAND_BYTES} fit: say the reason"
            " in fewer words"
        )
    return data


class CommandBook:
    """Which commands count: each id once, none after its time."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer | None] = OrderedDict()

    def judge(self, command: Command, now_ns: int) -> Answer | None:
        """Why a command is not to be done now; None: it is. ``now_ns`` is wall clock."""
        if command.id in self._answers:
            return self._repeat(command)
        late_ns = now_ns - command.expires_ns
        if late_ns >= 0:
            text = (
                f"{command.verb.value} was not done: it came {late_ns / 1e9:.1f} s after its time"
                f" to live of {command.ttl_ms / 1e3:g} s; send it again if you still want it"
            )
            return Answer(id=command.id, code="expired", text=text)
        ahead_ns = command.sent_time_ns - now_ns
        if ahead_ns > FUTURE_LIMIT_NS:
            text = (
                f"{command.verb.value} was not done: it was sent {ahead_ns / 1e9:.1f} s in the"
                " future; compare the clocks"
            )
            return Answer(id=command.id, code="refused", text=text)
        return None

    def remember(self, command_id: str, answer: Answer | None) -> None:
        """What became of it; None: it was taken up, and nobody knows more yet."""
        self._answers[command_id] = answer
        self._answers.move_to_end(command_id)
        while len(self._answers) > REMEMBERED_COMMANDS:
            self._answers.popitem(last=False)

    def _repeat(self, command: Command) -> Answer:
        known = self._answers[command.id]
        if known is None:
            text = (
                f"{command.verb.value} with this id was taken up before, and its answer is not"
                " known here: see `wow-ctl status` and the audit log"
            )
            return Answer(id=command.id, code="repeated", text=text)
        text = f"was done before and not again; then: {known.code}, {known.text}"
        return Answer(id=command.id, code="repeated", text=text, facts=dict(known.facts))
