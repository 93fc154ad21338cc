"""Invariant: whatever the bytes, a decoder says what ``orjson`` and exact decimals say, or refuses.

So: FEED_OK for a payload that is JSON means the very same events, deltas and trades as the slow
reference below; a payload that is not JSON is FEED_OK only for a slip inside a member that nobody
reads. Member names are taken literally, so payloads with escaped letters are not compared.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from engine.reference.reference_book import count_steps
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.errors import InstrumentError
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.wire import FeedEventKind, FeedStatus, Side

PRODUCTS = {
    "BTC-USD": (0, Decimal("0.01"), Decimal("0.00000001")),
    "ETH-EUR": (1, Decimal("0.05"), Decimal("0.002")),
}
SEED = 20_260_105
ROUNDS = 6_000
MAX_DIGITS = 18
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
MATCHES = {"match", "last_match"}

Event = tuple[Any, ...]
"""(kind, instrument, exchange time, sequence, what it holds)."""


class Refused(Exception):
    """The reference cannot use the frame."""


def require(condition: object) -> None:
    if not condition:
        raise Refused


def read_time(text: object) -> int:
    match = TIME.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    if match is None:
        raise Refused
    whole = match[1].removesuffix(":60")
    leap = whole != match[1]
    try:
        moment = datetime.strptime(whole + ":59" * leap, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refused from None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) + leap
    require(moment.year >= 1970)
    return seconds * 10**9 + int((match[2] or "").ljust(9, "0"))


def read_level(product: str, price: object, quantity: object) -> tuple[int, int]:
    _, tick, lot = PRODUCTS[product]
    return count_steps(price, tick), count_steps(quantity, lot)


def read_whole(value: object) -> int:
    require(isinstance(value, int) and not isinstance(value, bool))
    number = int(str(value))
    require(0 <= number < 10**MAX_DIGITS)
    return number


def as_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused
    return value


def as_rows(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Refused
    return value


def read_exchange(frame: dict[str, Any]) -> list[Event]:
    kind, product = frame.get("type"), frame.get("product_id")
    require(isinstance(kind, str) and isinstance(product, str) and product in PRODUCTS)
    index = PRODUCTS[str(product)][0]
    if kind in MATCHES:
        return [read_match(frame, str(product), index)]
    if kind == "heartbeat":
        sequence = read_whole(frame.get("last_trade_id"))
        return [(FeedEventKind.HEARTBEAT, index, read_time(frame.get("time")), sequence, [])]
    if kind == "snapshot":
        rows = [(Side.BUY, *row) for row in as_rows(frame.get("bids"))]
        rows += [(Side.SELL, *row) for row in as_rows(frame.get("asks"))]
        time_ns = read_time(frame["time"]) if "time" in frame else 0
    else:
        require(kind == "l2update")
        sides = {"buy": Side.BUY, "sell": Side.SELL}
        rows = [(sides[side], price, lots) for side, price, lots in as_rows(frame.get("changes"))]
        time_ns = read_time(frame.get("time"))
    deltas = [(*read_level(str(product), price, lots), side) for side, price, lots in rows]
    require(all(price for price, _, _ in deltas))
    # Bids and asks are arrays of their own: which stands first in the frame means nothing.
    deltas.sort(key=lambda delta: delta[2])
    event = FeedEventKind.SNAPSHOT if kind == "snapshot" else FeedEventKind.UPDATE
    return [(event, index, time_ns, -1, deltas)]


def read_match(frame: dict[str, Any], product: str, index: int) -> Event:
    trade_id = read_whole(frame.get("trade_id"))
    aggressor = {"sell": Side.BUY, "buy": Side.SELL}[frame["side"]]
    time_ns = read_time(frame.get("time"))
    level = read_level(product, frame["price"], frame["size"])
    trades = [(*level, aggressor, trade_id, time_ns)] if frame["type"] == "match" else []
    return FeedEventKind.TRADES, index, time_ns, trade_id, trades


def read_advanced(frame: dict[str, Any]) -> list[Event]:
    channel = frame.get("channel")
    read_whole(frame.get("sequence_num"))
    require(isinstance(frame.get("timestamp"), str))
    if channel == "heartbeats":
        return [(FeedEventKind.HEARTBEAT, -1, read_time(frame["timestamp"]), -1, [])]
    events: list[Event] = []
    for event in as_rows(frame.get("events")):
        require(isinstance(as_object(event).get("type"), str))
        if channel == "l2_data":
            events.append(read_updates(event))
        else:
            require(channel == "market_trades")
            events += read_trades(event)
    return events


def read_updates(event: dict[str, Any]) -> Event:
    kinds = {"snapshot": FeedEventKind.SNAPSHOT, "update": FeedEventKind.UPDATE}
    sides = {"bid": Side.BUY, "offer": Side.SELL}
    deltas, times = [], []
    for row in as_rows(event.get("updates")):
        level = read_level(event["product_id"], row["price_level"], row["new_quantity"])
        deltas.append((*level, sides[row["side"]]))
        require(level[0])
        times += [row["event_time"]] if "event_time" in row else []
    time_ns = read_time(times[-1]) if deltas else 0  # the others are not looked at
    return kinds[event["type"]], PRODUCTS[event["product_id"]][0], time_ns, -1, deltas


def read_trades(event: dict[str, Any]) -> list[Event]:
    """Runs of one product, each oldest first: the venue lists the newest first."""
    if event["type"] == "snapshot":
        return []
    require(event["type"] == "update")
    runs: list[tuple[int, list[Any]]] = []
    for row in as_rows(event.get("trades")):
        index = PRODUCTS[row["product_id"]][0]
        aggressor = {"SELL": Side.BUY, "BUY": Side.SELL}[row["side"]]
        level = read_level(row["product_id"], row["price"], row["size"])
        trade_id = row["trade_id"]
        require(isinstance(trade_id, str) and re.fullmatch(r"\s*[0-9]{1,18}", trade_id))
        trade = (*level, aggressor, int(trade_id), read_time(row["time"]))
        if not runs or runs[-1][0] != index:
            runs.append((index, []))
        runs[-1][1].insert(0, trade)
    return [(FeedEventKind.TRADES, index, trades[-1][4], -1, trades) for index, trades in runs]


def read_reference(payload: bytes, read: Callable[[dict[str, Any]], list[Event]]) -> list[Event]:
    """What the frame holds; Refused when it cannot be used."""
    try:
        return read(as_object(orjson.loads(payload)))
    except (InstrumentError, KeyError, TypeError, ValueError) as error:
        raise Refused from error


def decoded_events(decoder: FeedDecoder) -> Iterator[Event]:
    """The decoder's result in the form of the reference."""
    for kind, index, first, count, time_ns, sequence in decoder.events():
        held: list[Any]
        if kind == FeedEventKind.TRADES:
            held = decoder.trades()[first : first + count]
        elif kind == FeedEventKind.HEARTBEAT:
            held = []
        else:
            held = decoder.deltas()[first : first + count]
            if isinstance(decoder, CoinbaseExchangeFeed):
                held.sort(key=lambda delta: delta[2])
        yield kind, index, time_ns, sequence, held


TIME_TEXT = "2021-04-17T16:43:37.077621Z"
UPDATE_ROW = {"side": "bid", "event_time": TIME_TEXT, "price_level": "1.05", "new_quantity": "0.2"}
TRADE_ROW = {
    "product_id": "ETH-EUR",
    "trade_id": "1068",
    "price": "2000.05",
    "size": "0.004",
    "time": TIME_TEXT,
    "side": "SELL",
}
EXCHANGE_FRAMES: list[dict[str, Any]] = [
    {"type": "snapshot", "product_id": "BTC-USD", "asks": [["2.1", "5"]], "bids": [["2", "0.01"]]},
    {
        "type": "l2update",
        "product_id": "ETH-EUR",
        "changes": [["buy", "2000.05", "0.002"], ["sell", "1e3", "0.0"]],
        "time": TIME_TEXT,
    },
    {
        "type": "match",
        "trade_id": 280232,
        "side": "sell",
        "size": "0.985",
        "price": "60000.05",
        "product_id": "BTC-USD",
        "time": TIME_TEXT,
    },
    {"type": "heartbeat", "last_trade_id": 20, "product_id": "ETH-EUR", "time": TIME_TEXT},
]
ADVANCED_FRAMES: list[dict[str, Any]] = [
    {
        "channel": "l2_data",
        "timestamp": TIME_TEXT,
        "sequence_num": 5,
        "events": [
            {"type": "snapshot", "product_id": "BTC-USD", "updates": [UPDATE_ROW]},
            {
                "type": "update",
                "product_id": "ETH-EUR",
                "updates": [UPDATE_ROW, {**UPDATE_ROW, "side": "offer"}],
            },
        ],
    },
    {
        "channel": "market_trades",
        "timestamp": TIME_TEXT,
        "sequence_num": 6,
        "events": [
            {
                "type": "update",
                "trades": [TRADE_ROW, {**TRADE_ROW, "side": "BUY"}],
            },
            {"type": "update", "trades": [{**TRADE_ROW, "product_id": "BTC-USD"}, TRADE_ROW]},
        ],
    },
    {"channel": "heartbeats", "timestamp": TIME_TEXT, "sequence_num": 7, "events": [{"n": 1}]},
]
VENUES: dict[str, tuple[type[FeedDecoder], Callable[..., list[Event]], list[Any]]] = {
    "exchange": (CoinbaseExchangeFeed, read_exchange, EXCHANGE_FRAMES),
    "advanced": (CoinbaseAdvancedFeed, read_advanced, ADVANCED_FRAMES),
}
PALETTE = [bytes([byte]) for byte in b'0123456789.eE+-"[]{},: \n\\tfnaZT'] + [
    b"null",
    b'"0"',
    b"00",
    b"99999999999",
    b'["buy","1","1"],',
    b'"time":"2020-01-01T00:00:00Z",',
    b'"side":"sell",',
    b'"price":"5",',
    b'"type":"update",',
    b'"product_id":"BTC-USD",',
    b"\x00",
    b"\xff",
]


def mutate(source: random.Random, payload: bytes) -> bytes:
    """One to three small changes at random places."""
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        at = source.randrange(len(payload) + 1)
        length = source.choice((0, 0, 1, 1, 2, 5))
        kind = source.randrange(4)
        if kind == 0:  # delete
            payload = payload[:at] + payload[at + length :]
        elif kind == 1:  # insert or replace
            payload = payload[:at] + source.choice(PALETTE) + payload[at + length :]
        elif kind == 2:  # repeat what stands elsewhere
            start = source.randrange(len(payload) + 1)
            payload = payload[:at] + payload[start : start + 9 * length] + payload[at:]
        else:  # another digit
            places = [n for n, byte in enumerate(payload) if chr(byte).isdigit()]
            if places:
                place = source.choice(places)
                payload = payload[:place] + source.choice(PALETTE[:17]) + payload[place + 1 :]
    return payload


def make_decoder(kind: type[FeedDecoder]) -> FeedDecoder:
    table = InstrumentTable()
    for symbol, (_, tick, lot) in PRODUCTS.items():
        table.add(symbol, str(tick), f"{lot:f}")
    return kind(table)


def compare(decoder: FeedDecoder, read: Callable[..., list[Event]], payload: bytes) -> bool:
    """Checks the invariant on one payload; whether it was taken."""
    if decoder.decode_bytes(payload) != FeedStatus.FEED_OK:
        return False
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    if b"\\" in payload:
        return False
    try:
        expected = read_reference(payload, read)
    except Refused:
        raise AssertionError(f"taken, but the reference refuses {payload!r}") from None
    assert list(decoded_events(decoder)) == expected, payload
    return True


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("number", range(4))
def test_decoder_never_says_anything_else_than_the_reference(venue: str, number: int) -> None:
    kind, read, frames = VENUES[venue]
    if number >= len(frames):
        number = 0  # the frame with most to get wrong, once more
    decoder = make_decoder(kind)
    payload = json.dumps(frames[number], separators=(",", ":")).encode()
    assert compare(decoder, read, payload), "the frame itself is good"
    source = random.Random(f"{SEED} {venue} {number}")
    taken = sum(compare(decoder, read, mutate(source, payload)) for _ in range(ROUNDS))
    assert taken > ROUNDS // 50, "too few mutations are taken: nothing is compared"


@pytest.mark.parametrize("venue", VENUES)
def test_random_bytes(venue: str) -> None:
    kind, read, _ = VENUES[venue]
    decoder = make_decoder(kind)
    source = random.Random(SEED)
    for size in range(400):
        compare(decoder, read, source.randbytes(size))
        compare(decoder, read, b"".join(source.choices(PALETTE, k=size // 8)))
