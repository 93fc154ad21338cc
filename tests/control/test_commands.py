"""Which commands count: each id once, none after its time, none that is no command."""

import msgspec
import pytest

from control.commands import (
    FUTURE_LIMIT_NS,
    MAX_COMMAND_BYTES,
    REMEMBERED_COMMANDS,
    Answer,
    Command,
    CommandBook,
    CommandError,
    Verb,
    decode_command,
    encode_command,
    new_command_id,
)
from control.people import Who

NOW_NS = 1_800_000_000_000_000_000


def make(**changes: object) -> Command:
    fields = {"id": new_command_id(), "verb": Verb.PAUSE, "sent_time_ns": NOW_NS, "ttl_ms": 1000}
    return Command(**(fields | changes))  # type: ignore[arg-type]


def test_a_command_survives_the_way() -> None:
    command = make(reason="lunch")
    assert decode_command(encode_command(command)) == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"id": "short", "verb": "pause", "sent_time_ns": 1}',
        '{"id": "long-enough", "verb": "explode", "sent_time_ns": 1}',
        '{"id": "long-enough", "verb": "pause", "sent_time_ns": -1}',
        '{"id": "long-enough", "verb": "pause", "sent_time_ns": 1, "ttl_ms": 0}',
        '{"id": "long-enough", "verb": "pause", "sent_time_ns": 1, "ttl_ms": 60001}',
        '{"id": "long-enough", "verb": "pause", "sent_time_ns": 1, "extra": 1}',
        '{"id": "../../etc", "verb": "pause", "sent_time_ns": 1}',
        '{"id": "long-enough", "verb": "pause", "sent_time_ns": 1, "reason": "%s"}' % ("x" * 201),
    ],
)
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="not a command"):
        decode_command(text.encode())


def test_one_that_does_not_fit_the_mailbox_is_refused() -> None:
    with pytest.raises(CommandError, match=str(MAX_COMMAND_BYTES)):
        encode_command(make(reason="\N{PILE OF POO}" * 200, who=Who(0, "u" * 200, 1)))


def test_a_command_counts_until_its_time_is_over() -> None:
    book, command = CommandBook(), make()
    assert book.judge(command, NOW_NS + 999_999_999) is None
    late = book.judge(command, NOW_NS + 1_000_000_000)
    assert late is not None
    assert late.code == "expired"


def test_a_command_from_the_future_is_refused() -> None:
    book, command = CommandBook(), make()
    assert book.judge(command, NOW_NS - FUTURE_LIMIT_NS) is None
    early = book.judge(command, NOW_NS - FUTURE_LIMIT_NS - 1)
    assert early is not None
    assert early.code == "refused"


def test_an_id_is_done_once_and_its_answer_is_told_again() -> None:
    book, command = CommandBook(), make()
    book.remember(command.id, None)
    again = book.judge(command, NOW_NS)
    assert again is not None
    assert (again.code, "not known" in again.text) == ("repeated", True)
    book.remember(command.id, Answer(id=command.id, code="done", text="PAUSED", facts={"a": "b"}))
    again = book.judge(command, NOW_NS + 10**12)
    assert again is not None
    assert again.code == "repeated"
    assert "done, PAUSED" in again.text
    assert again.facts == {"a": "b"}


def test_the_book_is_bounded_and_forgets_the_oldest() -> None:
    book = CommandBook()
    commands = [make() for _ in range(REMEMBERED_COMMANDS + 1)]
    for command in commands:
        book.remember(command.id, None)
    assert book.judge(commands[0], NOW_NS) is None
    assert book.judge(commands[1], NOW_NS) is not None


def test_an_answer_is_json() -> None:
    answer = Answer(id="x", code="done", text="y")
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
