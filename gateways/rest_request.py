"""A REST request and its answer as values, and what can go wrong between them.

A refusal says whether the request was carried out: ``RestOutcomeUnknown`` alone leaves that open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from ext.errors import VenueError

Value = TypeVar("Value")


class RateClass(Enum):
    """Which of the venue's buckets a request is charged to."""

    PUBLIC = "public"
    PRIVATE = "private"
    FILLS = "fills"


@dataclass(frozen=True, slots=True)
class RestRequest(Generic[Value]):
    """One request, not signed yet: ``target`` is path and query as they will be sent.

    ``read`` makes the value out of the body of a good answer; ``ValueError`` when it cannot.
    """

    method: str
    target: str
    read: Callable[[bytes], Value]
    body: bytes = b""
    rate_class: RateClass = RateClass.PRIVATE

    @property
    def is_question(self) -> bool:
        """Whether it changes nothing, so that it may be repeated."""
        return self.method == "GET"

    @property
    def name(self) -> str:
        """For messages: what was asked."""
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class RestAnswer(Generic[Value]):
    """The value of a good answer, and the cursor that leads to older entries; empty: none."""

    value: Value
    older_cursor: str = ""


class RestError(VenueError):
    """A request that got no good answer; ``status`` is HTTP's, 0 when there was none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class RestUnavailable(RestError):
    """Nothing was changed and it may be asked again: no connection, no answer, or a fault there."""


class RestOutcomeUnknown(RestError):
    """It may have been carried out or not: the venue has to be asked what became of it."""


class RestRateLimited(RestError):
    """Refused for its rate; not carried out."""


class RestRejected(RestError):
    """Refused for what it says; not carried out, and never will be as it stands."""


class RestNotFound(RestRejected):
    """The venue does not know it, or does not any more."""


class RestAccessRefused(RestError):
    """Key, passphrase, signature or permission: a person has to look."""


class RestClockRefused(RestError):
    """Our timestamp was too far from the venue's clock; not carried out."""
