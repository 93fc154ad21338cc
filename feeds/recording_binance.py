"""What a capture of Binance holds: its snapshots, numbers and list of products.

The body of ``GET …/depth`` names no product. In a capture it stands as a REST answer, whose url
has the ``symbol``, or as a line between the frames, where it belongs to the only product so far.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from feeds.binance_depth import wrap_snapshot
from feeds.recording import Record, RecordedAnswer, RecordedFrame, Recording

BINANCE_SPOT = "binance_spot"
BINANCE_USDM = "binance_usdm"

_BODY = re.compile(rb'\s*\{\s*"lastUpdateId"')
_STREAM = re.compile(rb'\s*\{\s*"stream"\s*:\s*"([^"@]+)@')


def read_records(recording: Recording) -> Iterator[Record]:
    """Every record of a capture in the order of the file, snapshots as frames of their product.

    A REST answer counts to the connection of the frame before it, one at the very start to that of
    the first frame. A body whose product nobody can tell stays as it is, and will be refused.

    Raises:
        RecordingError: the capture cannot be read.
    """
    streams: set[bytes] = set()
    early: list[RecordedAnswer] = []
    last: RecordedFrame | None = None
    for record in recording.records():
        if isinstance(record, RecordedAnswer):
            if not _depth_symbol(record.url):
                yield record
            elif last is None:
                early.append(record)
            else:
                yield _as_frame(record, last)
            continue
        if stream := _STREAM.match(record.payload):
            streams.add(stream[1])
        elif len(streams) == 1 and _BODY.match(record.payload):
            symbol = next(iter(streams)).decode("utf-8", "replace")
            record = record._replace(payload=wrap_snapshot(symbol, record.payload))
        last = record
        yield record
        yield from (_as_frame(answer, last) for answer in early)
        early.clear()


def _as_frame(answer: RecordedAnswer, last: RecordedFrame) -> RecordedFrame:
    return last._replace(
        receive_time_ns=answer.receive_time_ns,
        payload=wrap_snapshot(_depth_symbol(answer.url), answer.body),
        line_number=answer.line_number,
    )


def _depth_symbol(url: str) -> str:
    parts = urlsplit(url)
    is_binance = (parts.hostname or "").rpartition("binance.")[1] != ""
    if not is_binance or not parts.path.endswith("/depth"):
        return ""
    return parse_qs(parts.query).get("symbol", [""])[0]


def detect_binance(frame: Any) -> str | None:
    """The venue of a frame that only one of the two sends, alone or in an envelope.

    Futures name the id of the update before (``pu``) and the kind of a ``bookTicker`` (``e``);
    spot does neither, and sends a member ``M`` to be ignored with its trades.
    """
    if not isinstance(frame, dict):
        return None
    event = frame.get("data", frame)
    if not isinstance(event, dict):
        return None
    kind = event.get("e")
    if kind == "depthUpdate" and {"s", "U", "u", "b", "a"} <= event.keys():
        return BINANCE_USDM if "pu" in event else BINANCE_SPOT
    if {"s", "u", "b", "B", "a", "A"} <= event.keys():
        return BINANCE_USDM if kind == "bookTicker" else BINANCE_SPOT
    if kind in {"trade", "aggTrade"} and {"s", "p", "q", "m"} <= event.keys():
        return BINANCE_SPOT if "M" in event else BINANCE_USDM
    return None


def binance_numbers(frame: Any) -> Iterator[tuple[str, str, str]]:
    """Product, price text and quantity text of everything in a frame."""
    event = frame.get("data", frame)
    kind = event.get("e")
    if kind == "depthUpdate":
        for price, quantity in (*event["b"], *event["a"]):
            yield event["s"], price, quantity
    elif kind in {"trade", "aggTrade"}:
        yield event["s"], event["p"], event["q"]
    elif "lastUpdateId" in event:
        symbol = frame["stream"].partition("@")[0].upper()
        for price, quantity in (*event["bids"], *event["asks"]):
            yield symbol, price, quantity
    elif "B" in event:
        yield event["s"], event["b"], event["B"]
        yield event["s"], event["a"], event["A"]


def binance_products(body: Any) -> Iterator[tuple[str, str, str]]:
    """Symbol, tick and lot text of each product of ``GET …/exchangeInfo``."""
    rows = body.get("symbols") if isinstance(body, dict) else None
    for row in rows if isinstance(rows, list) else ():
        filters = row.get("filters") if isinstance(row, dict) else None
        if not isinstance(filters, list):
            continue
        steps = {rule.get("filterType"): rule for rule in filters if isinstance(rule, dict)}
        tick = steps.get("PRICE_FILTER", {}).get("tickSize")
        lot = steps.get("LOT_SIZE", {}).get("stepSize")
        if isinstance(row.get("symbol"), str) and isinstance(tick, str) and isinstance(lot, str):
            yield row["symbol"], tick, lot
