"""Invariant: whatever the bytes, the Kraken decoders say what the slow reference says, or refuse.

What that means exactly is in ``tests/ext/test_feed_decoder_fuzz.py``. The numbers of WebSocket v2
are read from their text: nothing here goes through a float.
"""

import gzip
import json
import os
import random
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.reference.reference_book import count_steps
from ext.codecs.kraken_feed import KrakenFeed
from ext.codecs.kraken_v1_feed import KrakenV1Feed
from ext.errors import InstrumentError
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.wire import FeedEventKind, FeedStatus, Side
from feeds.recording import Recording
from feeds.recording_survey import survey_recording
from tests.ext.test_feed_decoder_fuzz import (
    SEED,
    Event,
    Refused,
    as_object,
    as_rows,
    decoded_events,
    mutate,
    read_time,
    require,
)

DATA = Path(__file__).parents[3] / os.environ.get("WOW_DATA", "../shared/data") / "kraken"
PRODUCTS = {
    "BTC/USD": (0, Decimal("0.1"), Decimal("0.00000001")),
    "ETH/EUR": (1, Decimal("0.05"), Decimal("0.002")),
}
DEPTH = 25
ROUNDS = 6_000
RECORDED_FRAMES = 60
ROUNDS_A_FRAME = 40
MAX_RECORDED_BYTES = 5_000
TIME = "2023-07-30T15:29:58.343415Z"
SECONDS = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[0-9]{1,18}")

Steps = dict[str, tuple[int, Decimal, Decimal]]


class NumberText(str):
    """Text of a JSON number."""

    __slots__ = ()


def sort_by_side(deltas: list[Any]) -> list[Any]:
    """Bids and asks are arrays of their own: which stands first means nothing."""
    return sorted(deltas, key=lambda delta: delta[2])


class ReferenceV2:
    """Reads one frame of WebSocket v2."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def level(self, symbol: str, row: dict[str, Any]) -> tuple[int, int]:
        _, tick, lot = self.steps[symbol]
        require(isinstance(row["price"], NumberText) and isinstance(row["qty"], NumberText))
        return count_steps(row["price"], tick), count_steps(row["qty"], lot)

    def read(self, payload: bytes) -> tuple[list[Event], list[int]]:
        """Events and checksums."""
        frame = as_object(json.loads(payload, parse_float=NumberText, parse_int=NumberText))
        channel, checksums = frame["channel"], []
        if channel == "heartbeat":
            return [(FeedEventKind.HEARTBEAT, -1, 0, -1, [])], [-1]
        kinds = {"snapshot": FeedEventKind.SNAPSHOT, "update": FeedEventKind.UPDATE}
        kind = kinds[frame["type"]]
        if channel == "trade":
            if kind == FeedEventKind.SNAPSHOT:
                return [], []
            events = self.trades(as_rows(frame["data"]))
            return events, [-1] * len(events)
        require(channel == "book")
        events = []
        for row in as_rows(frame["data"]):
            symbol = as_object(row)["symbol"]
            deltas = [
                (*self.level(symbol, as_object(level)), side)
                for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
                for level in as_rows(row.get(name, []))
            ]
            require(all(price for price, _, _ in deltas))
            time_ns = read_time(row["timestamp"]) if "timestamp" in row else 0
            events.append((kind, self.steps[symbol][0], time_ns, -1, sort_by_side(deltas)))
            checksums.append(self.whole(row["checksum"]))
        return events, checksums

    def trades(self, rows: list[Any]) -> list[Event]:
        runs: list[tuple[int, list[Any]]] = []
        for row in rows:
            index = self.steps[row["symbol"]][0]
            side = {"buy": Side.BUY, "sell": Side.SELL}[row["side"]]
            level = self.level(row["symbol"], row)
            trade = (*level, side, self.whole(row["trade_id"]), read_time(row["timestamp"]))
            if not runs or runs[-1][0] != index:
                runs.append((index, []))
            runs[-1][1].append(trade)
        return [
            (FeedEventKind.TRADES, index, trades[-1][4], trades[-1][3], trades)
            for index, trades in runs
        ]

    @staticmethod
    def whole(number: object) -> int:
        require(isinstance(number, NumberText) and WHOLE.fullmatch(number))
        return int(str(number))


class ReferenceV1:
    """Reads one frame of WebSocket v1."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def level(self, pair: str, row: list[Any]) -> tuple[int, int]:
        _, tick, lot = self.steps[pair]
        return count_steps(row[0], tick), count_steps(row[1], lot)

    def read(self, payload: bytes) -> tuple[list[Event], list[int]]:
        """Events and checksums."""
        frame = orjson.loads(payload)
        if isinstance(frame, dict):
            require(frame.get("event") == "heartbeat")
            return [(FeedEventKind.HEARTBEAT, -1, 0, -1, [])], [-1]
        _, *parts, channel, pair = as_rows(frame)
        index = self.steps[pair][0]
        if channel == "trade":
            (rows,) = parts
            sides = {"b": Side.BUY, "s": Side.SELL}
            trades = [
                (*self.level(pair, row), sides[row[3]], -1, self.time_ns(row[2]))
                for row in as_rows(rows)
            ]
            time_ns = trades[-1][4] if trades else 0
            return [(FeedEventKind.TRADES, index, time_ns, -1, trades)], [-1]
        require(re.fullmatch(r"book-0*[1-9][0-9]*", channel))
        members: dict[str, Any] = {}
        for part in parts:
            require(not as_object(part).keys() & members.keys() & {"a", "b", "c"})
            members |= part
        deltas, times = [], [0]
        for name, side in (("as", -1), ("a", -1), ("bs", 1), ("b", 1)):
            for row in as_rows(members.get(name, [])):
                deltas.append((*self.level(pair, row), side))
                times.append(self.time_ns(row[2]))
                require(row[3:] in ([], ["r"]))
        require(all(price for price, _, _ in deltas))
        is_whole = "as" in members
        kind = FeedEventKind.SNAPSHOT if is_whole else FeedEventKind.UPDATE
        require(("bs" in members) == is_whole and is_whole == (not members.keys() & {"a", "b"}))
        checksum = -1
        if "c" in members:
            require(isinstance(members["c"], str) and WHOLE.fullmatch(members["c"]))
            checksum = int(members["c"])
        return [(kind, index, max(times), -1, sort_by_side(deltas))], [checksum]

    @staticmethod
    def time_ns(text: object) -> int:
        require(isinstance(text, str) and SECONDS.fullmatch(text))
        return count_steps(text, Decimal("0.000001")) * 1_000


Reader = Callable[[bytes], tuple[list[Event], list[int]]]


def compare(decoder: FeedDecoder, read: Reader, payload: bytes) -> bool:
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
        events, checksums = read(payload)
    except (Refused, InstrumentError, AttributeError, LookupError, TypeError, ValueError):
        raise AssertionError(f"taken, but the reference refuses {payload!r}") from None
    ours = [
        (*told, held if told[0] == FeedEventKind.TRADES else sort_by_side(held))
        for *told, held in decoded_events(decoder)
    ]
    assert ours == events, payload
    assert [checksum for _, checksum in decoder.checks()] == checksums, payload
    return True


LEVEL = {"price": 29430.4, "qty": 0.25}
V2_FRAMES: list[Any] = [
    {
        "channel": "book",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "bids": [LEVEL, {"price": 29430, "qty": 0}],
                "asks": [{"qty": 1e-8, "price": 29431.5}],
                "checksum": 3310070434,
                "timestamp": TIME,
            }
        ],
    },
    {
        "data": [
            {"bids": [{"price": 5, "qty": 2}], "symbol": "ETH/EUR", "asks": [], "checksum": 7},
        ],
        "type": "snapshot",
        "channel": "book",
    },
    {
        "channel": "trade",
        "type": "update",
        "data": [
            {
                "symbol": symbol,
                "side": "buy",
                "price": 29430.5,
                "qty": 0.026,
                "trade_id": 4665906,
                "timestamp": TIME,
            }
            for symbol in ("ETH/EUR", "BTC/USD")
        ],
    },
    {"channel": "heartbeat"},
]
V1_FRAMES: list[Any] = [
    [
        1920,
        {"a": [["29430.50000", "0.02000000", "1618678145.920470"]]},
        {"b": [["29430.00000", "0.0", "1618678145.92", "r"]], "c": "4105471083"},
        "book-25",
        "BTC/USD",
    ],
    [464, {"as": [["6.15", "0.02", "1618678117.243818"]], "bs": []}, "book-1000", "ETH/EUR"],
    [993, [["354.10", "0.89594024", "1618678142.557535", "s", "l", ""]], "trade", "BTC/USD"],
    {"event": "heartbeat"},
]
VENUES: dict[str, tuple[type[FeedDecoder], Any, list[Any]]] = {
    "v2": (KrakenFeed, ReferenceV2, V2_FRAMES),
    "v1": (KrakenV1Feed, ReferenceV1, V1_FRAMES),
}


def make_decoder(kind: type[FeedDecoder], steps: Steps) -> FeedDecoder:
    table = InstrumentTable()
    for symbol, (_, tick, lot) in steps.items():
        table.add(symbol, f"{tick:f}", f"{lot:f}", depth=DEPTH)
    return kind(table)


@pytest.mark.parametrize("version", VENUES)
@pytest.mark.parametrize("number", range(4))
def test_decoder_never_says_anything_else_than_the_reference(version: str, number: int) -> None:
    kind, reference, frames = VENUES[version]
    decoder, read = make_decoder(kind, PRODUCTS), reference(PRODUCTS).read
    payload = json.dumps(frames[number], separators=(",", ":")).encode()
    assert compare(decoder, read, payload), "the frame itself is good"
    source = random.Random(f"{SEED} kraken {version} {number}")
    taken = sum(compare(decoder, read, mutate(source, payload)) for _ in range(ROUNDS))
    assert taken > ROUNDS // 50, "too few mutations are taken: nothing is compared"


def recorded(version: str) -> tuple[Steps, list[bytes]]:
    """Steps and frames of a recording."""
    names = {"v1": "v1_20210417_book1000.txt.gz", "v2": "v2_btcusd_book10_2023.json.gz"}
    path = DATA / names[version]
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    if version == "v2":
        whole = orjson.loads(gzip.decompress(path.read_bytes()))
        frames = [orjson.dumps(frame) for frame in (whole["init"], *whole["updates"])]
        return {"BTC/USD": PRODUCTS["BTC/USD"]}, frames
    recording = Recording(path)
    products = survey_recording(recording).products.values()
    steps = {p.symbol: (n, Decimal(p.tick), Decimal(p.lot)) for n, p in enumerate(products)}
    return steps, [frame.payload for frame in recording.frames()]


@pytest.mark.parametrize("version", VENUES)
def test_recorded_frames_whole_cut_and_mutated(version: str) -> None:
    steps, payloads = recorded(version)
    kind, reference, _ = VENUES[version]
    decoder, read = make_decoder(kind, steps), reference(steps).read
    source = random.Random(f"{SEED} {version}")
    taken = sum(compare(decoder, read, payload) for payload in payloads)
    controls = sum(b'Status"' in payload for payload in payloads)
    assert taken == len(payloads) - controls
    small = [payload for payload in payloads if len(payload) < MAX_RECORDED_BYTES]
    for payload in source.sample(small, RECORDED_FRAMES):
        assert not any(compare(decoder, read, payload[:size]) for size in range(len(payload)))
        for _ in range(ROUNDS_A_FRAME):
            compare(decoder, read, mutate(source, payload))


@pytest.mark.parametrize("version", VENUES)
def test_random_bytes(version: str) -> None:
    kind, reference, _ = VENUES[version]
    decoder, read = make_decoder(kind, PRODUCTS), reference(PRODUCTS).read
    source = random.Random(SEED)
    for size in range(400):
        compare(decoder, read, source.randbytes(size))
