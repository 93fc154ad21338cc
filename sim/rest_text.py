"""Requests and answers of the REST door as values, without HTTP: what the venue's pages name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request. ``target`` is path and query as sent; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """Values by name; a name may stand more than once."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def parameter(self, name: str) -> str | None:
        """The last value of a name, None when it is absent."""
        return self.query.get(name, [None])[-1]


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """Status, JSON body and the headers beyond those that every answer has."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content as JSON text."""
        return orjson.dumps(self.content)


class RestRefused(Exception):
    """A request that is answered with an error status and ``{"message": ...}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def answer(self) -> RestAnswer:
        """What the client gets."""
        return RestAnswer(self.status, {"message": str(self)})
