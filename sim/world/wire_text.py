"""FIX messages on their way, as the network sees them: bytes to cut, to spoil, to repeat."""

import re

from sim.fix_text import FixReader, Garbled, encode

MESSAGE_END = re.compile(rb"\x0110=\d{3}\x01")
_SHOWN = re.compile(rb"\x01(34|35|150|39|36|7|16|45|102)=([^\x01]*)")
_POSSIBLE_DUPLICATE_TYPES = (b"\x0135=8\x01", b"\x0135=9\x01")


def whole_messages(data: bytes) -> list[bytes]:
    """Cuts what one side wrote at once into its messages; bytes behind the last one are one."""
    messages, start = [], 0
    for match in MESSAGE_END.finditer(data):
        messages.append(data[start : match.end()])
        start = match.end()
    if start < len(data):
        messages.append(data[start:])
    return messages


def describe(message: bytes) -> str:
    """Type, number and what else tells one message from another, for the trace."""
    fields = {tag: value.decode("latin-1") for tag, value in _SHOWN.findall(message)}
    words = [fields.pop(b"35", "?"), fields.pop(b"34", "?")]
    return " ".join([*words, *(f"{tag.decode()}={value}" for tag, value in fields.items())])


def is_report(message: bytes) -> bool:
    """Whether it is an execution report or a cancel reject."""
    return any(text in message[:40] for text in _POSSIBLE_DUPLICATE_TYPES)


def as_possible_duplicate(message: bytes) -> bytes:
    """The same message sent again under its number: 43=Y, 122 = its SendingTime."""
    [found] = FixReader().feed(message)
    if isinstance(found, Garbled):
        return message
    fields = [each for each in found.fields if each[0] not in (8, 9, 35, 10, 43, 122)]
    at = next(index for index, each in enumerate(fields) if each[0] == 52) + 1
    fields[at:at] = [(43, "Y"), (122, fields[at - 1][1])]
    return encode(found.get(8) or "", found.message_type, fields)
