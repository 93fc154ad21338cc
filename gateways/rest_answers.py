"""What the answer to an order request means. No sockets: status and body in, one outcome out.

 asked    answer                       outcome          the order
 ──────────────────────────────────────────────────────────────────────────────────────────
 POST     200 with an order            OrderTaken       the venue has it; not a placement yet
 POST     4xx                          RequestRefused   ended: it never came into the market
 DELETE   200                          CancelTaken      its cancel was asked for; not its end yet
 DELETE   404, 400 "already done"      CancelRefused    is gone: what became of it is asked
 DELETE   other 4xx                    CancelRefused    as before
 either   408, 5xx, unreadable, other  AnswerLost       nobody knows: what became of it is asked

Source: "Place an order", "Cancel an order", "Errors" of the venue's documents. A 4xx says that the
request was not carried out; a 5xx leaves that open.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec
from msgspec import Struct

MAX_TEXT = 200
OK, REQUEST_TIMEOUT, TOO_MANY_REQUESTS, NOT_FOUND = 200, 408, 429, 404


class Trouble(Enum):
    """A refusal that says something of all requests to come."""

    NONE = "none"
    ACCESS = "access"  # key, passphrase, signature or permission
    CLOCK = "clock"  # our timestamp is too far from the venue's clock
    RATE = "rate"  # too many requests: the next ones have to wait


@dataclass(frozen=True, slots=True)
class OrderTaken:
    """The venue has the order; ``status`` is its word for it, mostly ``pending``."""

    venue_order_id: str
    client_order_id: str
    status: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A new order that was not taken."""

    status: int
    text: str
    trouble: Trouble = Trouble.NONE


@dataclass(frozen=True, slots=True)
class CancelTaken:
    """The venue will take the order out, or has."""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """``is_gone``: the venue has no such open order."""

    status: int
    text: str
    is_gone: bool
    trouble: Trouble = Trouble.NONE


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """The request may have been carried out or not."""

    text: str


Outcome = OrderTaken | RequestRefused | CancelTaken | CancelRefused | AnswerLost


class _Taken(Struct, frozen=True):
    id: str
    status: str = ""
    client_oid: str = ""


class _Refusal(Struct, frozen=True):
    message: str


_TAKEN = msgspec.json.Decoder(_Taken)
_REFUSAL = msgspec.json.Decoder(_Refusal)


def read_outcome(*, is_new: bool, status: int, body: bytes) -> Outcome:
    """The outcome of a new order, or with ``is_new`` false of a cancel."""
    if status == OK:
        return _read_taken(body) if is_new else CancelTaken()
    text = _text_of(body)
    if not 400 <= status < 500 or status == REQUEST_TIMEOUT:
        return AnswerLost(f"{status}: {text}")
    trouble = _trouble_of(status, text)
    if is_new:
        return RequestRefused(status, text, trouble)
    is_gone = status == NOT_FOUND or (status == 400 and "already done" in text.lower())
    return CancelRefused(status, text, is_gone, trouble)


def _read_taken(body: bytes) -> Outcome:
    try:
        taken = _TAKEN.decode(body)
    except msgspec.DecodeError as error:
        return AnswerLost(f"an order that cannot be read ({error})")
    if not taken.id:
        return AnswerLost("an order without an id")
    return OrderTaken(taken.id, taken.client_oid, taken.status)


def _trouble_of(status: int, text: str) -> Trouble:
    if status == TOO_MANY_REQUESTS:
        return Trouble.RATE
    if status in (400, 401) and "timestamp" in text.lower():
        return Trouble.CLOCK
    return Trouble.ACCESS if status in (401, 403) else Trouble.NONE


def _text_of(body: bytes) -> str:
    try:
        return _REFUSAL.decode(body).message[:MAX_TEXT]
    except msgspec.DecodeError:
        return body[:MAX_TEXT].decode("utf-8", "replace")
