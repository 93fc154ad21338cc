"""What left the engine, read from its bytes by parsers of the venue's side: FIX, or REST.

Both protocols come out alike. ``kind`` is the MsgType(35) of FIX; a request by REST has that of the
message that asks for the same: D places, F cancels, and whatever asks for nothing is empty.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from sim.fix_text import FixReader, Garbled
from sim.http_text import HttpRequestReader
from sim.rest_text import RestRequest

PLACE, CANCEL, REPLACE, LOGON = "D", "F", "G", "A"
NEW_RISK = (PLACE, REPLACE)
REQUESTS = (PLACE, CANCEL, REPLACE)
_CANCELLED = re.compile(r"/orders/client:([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class SentText:
    """One message or request. ``client_id`` is the new one of a request, ``order_id`` that of the
    order it is about: the same of a new order; by REST a cancel has none of its own."""

    kind: str
    client_id: str
    order_id: str
    symbol: str
    shown: str
    """For people."""
    side: int = 0
    """Of what places or replaces: 1 buys, -1 sells."""
    quantity: Decimal = Decimal(0)
    """Of the same, in the product's own unit."""
    sequence: int = 0
    """MsgSeqNum(34)."""
    is_repeat: bool = False
    """PossDupFlag(43)."""


class SentReader(Protocol):
    """Reads all that one run of the engine sends."""

    def feed(self, data: bytes, connection: int) -> list[SentText]:
        """What is whole now."""


class FixSentReader:
    """Orders by FIX: one stream, whatever connections it is cut into."""

    def __init__(self) -> None:
        self._reader = FixReader()

    def feed(self, data: bytes, connection: int) -> list[SentText]:
        """Whole messages; AssertionError: what the engine sent is none."""
        found = []
        for message in self._reader.feed(data):
            if isinstance(message, Garbled):
                raise AssertionError(f"the engine sent what is no message: {message.reason}")
            kind, client_id = message.message_type, message.get(11) or ""
            found.append(
                SentText(
                    kind,
                    client_id,
                    client_id if kind == PLACE else message.get(41) or "",
                    message.get(55) or "",
                    f"35={kind} 34={message.get(34)}",
                    1 if message.get(54) == "1" else -1,
                    Decimal(message.get(38) or 0),
                    int(message.get(34) or 0),
                    message.get(43) == "Y",
                )
            )
        return found


class RestSentReader:
    """Orders by REST: each connection is a stream of its own."""

    def __init__(self) -> None:
        self._readers: dict[int, HttpRequestReader] = {}

    def feed(self, data: bytes, connection: int) -> list[SentText]:
        """Whole requests; what a dying engine sent half of never is one."""
        reader = self._readers.setdefault(connection, HttpRequestReader())
        return [_read(request) for request in reader.feed(data)]


def _read(request: RestRequest) -> SentText:
    shown = f"{request.method} {request.target}"
    if request.method == "POST" and request.path == "/orders":
        fields = json.loads(request.body)
        client_id = str(fields["client_oid"])
        side = 1 if fields["side"] == "buy" else -1
        symbol, quantity = str(fields["product_id"]), Decimal(fields["size"])
        return SentText(PLACE, client_id, client_id, symbol, shown, side, quantity)
    if request.method == "DELETE" and (match := _CANCELLED.fullmatch(request.path)):
        return SentText(CANCEL, "", match[1], request.parameter("product_id") or "", shown)
    assert request.method == "GET", f"the engine sent {shown}"
    return SentText("", "", "", "", shown)
