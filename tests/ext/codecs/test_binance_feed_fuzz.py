"""Whatever the bytes, the decoder says what ``orjson`` and exact decimals say, or refuses.

Made frames and recorded ones, whole, cut and mutated. Member names are taken literally, so payloads
with escaped letters are not compared; nor are those that are no JSON, where the decoder may pass a
slip inside a member that nobody reads.
"""

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
from ext.codecs.binance_feed import BinanceFeed
from ext.errors import InstrumentError
from ext.instrument_table import InstrumentTable
from ext.wire import FeedEventKind, FeedStatus, Side
from feeds.binance_depth import wrap_snapshot
from feeds.recording import RecordedFrame, Recording
from feeds.recording_binance import read_records

DATA = Path(__file__).parents[3] / os.environ.get("WOW_DATA", "../shared/data")
RECORDINGS = ("binance_usdm/multi_20210405.txt.gz", "binance_spot/multi_20210405.txt.gz")
SEED = 20_260_105
ROUNDS = 5_000
RECORDED_FRAMES = 40
ROUNDS_A_FRAME = 60
MAX_ID = 10**18 - 1
MAX_TIME_MS = (2**63 - 1) // 1_000_000
KINDS = {"depthUpdate", "bookTicker", "trade", "aggTrade"}
STEPS = {"BTCUSDT": ("0.1", "0.001"), "ETHBTC": ("0.00001", "0.0001"), "ODD": ("0.05", "0.002")}

Event = tuple[Any, ...]
"""(kind, instrument, exchange time, sequences, what it holds)."""
Steps = dict[str, tuple[str, str]]


class Refused(Exception):
    """The reference cannot use the frame."""


def require(condition: object) -> None:
    if not condition:
        raise Refused


def read_id(value: object, most: int = MAX_ID) -> int:
    require(isinstance(value, int) and not isinstance(value, bool))
    number = int(str(value))
    require(0 <= number <= most)
    return number


class Reference:
    """Reads frames the obvious way."""

    def __init__(self, steps: Steps) -> None:
        self.steps = {symbol: (Decimal(t), Decimal(lot)) for symbol, (t, lot) in steps.items()}

    def read(self, payload: bytes) -> Event | None:
        """The event of a frame, None for one of another kind; Refused when it cannot be used."""
        try:
            return self._read(orjson.loads(payload))
        except (AttributeError, InstrumentError, KeyError, TypeError, ValueError) as error:
            raise Refused from error

    def _read(self, frame: Any) -> Event | None:
        require(isinstance(frame, dict))
        event, stream = frame, ""
        if "stream" in frame or "data" in frame:
            event, stream = frame["data"], frame["stream"]
            require(isinstance(stream, str) and isinstance(event, dict))
        is_partial = re.match(r"[^@]*@depth[0-9]", stream) is not None
        if "e" in event:
            require(isinstance(event["e"], str))
            if event["e"] not in KINDS:
                return None
        kind = event.get("e") or ("depth" if "lastUpdateId" in event else "bookTicker")
        symbol = event["s"] if "s" in event else stream.partition("@")[0].upper()
        require(symbol in self.steps and (kind == "depth" or "s" in event))
        times = [read_id(event[name]) for name in ("T", "E") if name in event]
        require(kind in ("depth", "bookTicker") or "E" in event or "T" in event)
        require(not times or times[0] <= MAX_TIME_MS)
        head = (list(self.steps).index(symbol), times[0] * 1_000_000 if times else 0)
        if kind in ("depth", "depthUpdate"):
            names = ("bids", "asks") if kind == "depth" else ("b", "a")
            deltas = [
                self._level(symbol, price, quantity, side)
                for name, side in zip(names, (Side.BUY, Side.SELL), strict=True)
                for price, quantity in self._rows(event[name])
            ]
            require(all(price for price, _, _ in deltas))
            if kind == "depth":
                book_id = read_id(event["lastUpdateId"])
                return (
                    FeedEventKind.SNAPSHOT,
                    *head,
                    (-1, -1 if is_partial else book_id, -1),
                    deltas,
                )
            first, last = read_id(event["U"]), read_id(event["u"])
            previous = read_id(event["pu"]) if "pu" in event else -1
            require(first <= last and "E" in event)
            if is_partial:
                return FeedEventKind.SNAPSHOT, *head, (-1, -1, -1), deltas
            return FeedEventKind.UPDATE, *head, (first, last, previous), deltas
        if kind == "bookTicker":
            deltas = [
                self._level(symbol, event["b"], event["B"], Side.BUY),
                self._level(symbol, event["a"], event["A"], Side.SELL),
            ]
            return FeedEventKind.QUOTE, *head, (-1, read_id(event["u"]), -1), deltas
        require("T" in event and isinstance(event["m"], bool))
        trade_id = read_id(event["a" if kind == "aggTrade" else "t"])
        side = Side.SELL if event["m"] else Side.BUY
        price, quantity, _ = self._level(symbol, event["p"], event["q"], side)
        trades = [(price, quantity, side, trade_id, head[1])] if price and quantity else []
        return FeedEventKind.TRADES, *head, (-1, trade_id, -1), trades

    def _rows(self, rows: object) -> list[Any]:
        if not isinstance(rows, list):
            raise Refused
        return rows

    def _level(self, symbol: str, price: Any, quantity: Any, side: Side) -> tuple[int, int, int]:
        tick, lot = self.steps[symbol]
        return count_steps(price, tick), count_steps(quantity, lot), side


def decoded(decoder: BinanceFeed) -> Event:
    """The decoder's result in the form of the reference."""
    ((kind, index, first, count, time_ns, _),) = decoder.events()
    held: list[Any] = decoder.deltas()[first : first + count]
    if kind == FeedEventKind.TRADES:
        held = decoder.trades()[first : first + count]
    # Bids and asks are arrays of their own: which stands first in the frame means nothing.
    held.sort(key=lambda row: -row[2])
    return kind, index, time_ns, decoder.sequences()[0], held


def make_decoder(steps: Steps) -> BinanceFeed:
    table = InstrumentTable()
    for symbol, (tick, lot) in steps.items():
        table.add(symbol, tick, lot)
    return BinanceFeed(table)


def compare(decoder: BinanceFeed, reference: Reference, payload: bytes) -> bool:
    """Checks the invariant on one payload; whether it was taken."""
    status = decoder.decode_bytes(payload)
    if status != FeedStatus.FEED_OK or b"\\" in payload:
        return False
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    try:
        expected = reference.read(payload)
    except Refused:
        raise AssertionError(f"taken, but the reference refuses {payload!r}") from None
    assert decoded(decoder) == expected, payload
    return True


LEVELS = [["61800.20", "2.909"], ["1000.00", "606.675"], ["100000.10", "0.000"]]
FRAMES: dict[str, dict[str, Any]] = {
    "depth update": {
        "stream": "btcusdt@depth@0ms",
        "data": {
            **{"e": "depthUpdate", "E": 1723161256299, "T": 1723161256298, "s": "BTCUSDT"},
            **{"U": 5123107832006, "u": 5123107837557, "pu": 5123107831937},
            **{"b": LEVELS, "a": LEVELS[::-1]},
        },
    },
    "spot update": {
        **{"e": "depthUpdate", "E": 1723161256299, "s": "ETHBTC", "U": 12, "u": 15},
        **{"b": [["0.03100000", "2.5070"], ["12.03100000", "0.0000"]], "a": []},
    },
    "steps": {
        **{"e": "depthUpdate", "E": 1723161256299, "s": "ODD", "U": 12, "u": 15},
        **{"b": [["2000.05", "0.002"], ["1e3", "0.0"]], "a": [["2000.10", "0.004"]]},
    },
    "snapshot": {
        "stream": "btcusdt@depth",
        "data": {"lastUpdateId": 160, "bids": LEVELS, "asks": LEVELS},
    },
    "ticker": {
        **{"u": 50093239212, "s": "BTCUSDT", "b": "61837.60", "B": "3.788"},
        **{"a": "61837.70", "A": "1.546"},
    },
    "trade": {
        **{"e": "trade", "E": 5, "T": 4, "s": "BTCUSDT", "t": 5266583935, "p": "61800.30"},
        **{"q": "0.006", "X": "MARKET", "m": False},
    },
    "aggregate": {
        **{"e": "aggTrade", "E": 5, "s": "ETHBTC", "a": 18938405, "p": "0.21448", "q": "2062.9"},
        **{"f": 23806928, "l": 23806929, "T": 4, "m": True, "M": True},
    },
}
PALETTE = [bytes([byte]) for byte in b'0123456789.eE+-"[]{},: \n\\tfnuUaAbBsT'] + [
    *(b"null", b'"0"', b"00", b"99999999999", b'["1.00","1.000"],', b'],["', b'","', b'0"],['),
    *(
        b'"s":"BTCUSDT",',
        b'"u":7,',
        b'"pu":7,',
        b'"a":[],',
        b'"data":{',
        b"@depth5",
        b"\x00",
        b"\xff",
    ),
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
                payload = payload[:place] + source.choice(PALETTE[:15]) + payload[place + 1 :]
    return payload


@pytest.mark.parametrize("name", FRAMES)
def test_decoder_never_says_anything_else_than_the_reference(name: str) -> None:
    decoder, reference = make_decoder(STEPS), Reference(STEPS)
    payload = json.dumps(FRAMES[name], separators=(",", ":")).encode()
    for _ in range(2):  # the second time with the levels' shape known
        assert compare(decoder, reference, payload), "the frame itself is good"
    source = random.Random(f"{SEED} {name}")
    taken = sum(compare(decoder, reference, mutate(source, payload)) for _ in range(ROUNDS))
    assert taken > ROUNDS // 50, "too few mutations are taken: nothing is compared"


def test_random_bytes() -> None:
    decoder, reference = make_decoder(STEPS), Reference(STEPS)
    source = random.Random(SEED)
    for size in range(400):
        compare(decoder, reference, source.randbytes(size))
        compare(decoder, reference, b"".join(source.choices(PALETTE, k=size // 8)))


def recorded(name: str) -> tuple[Steps, list[bytes]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    payloads = [
        record.payload
        for record in read_records(Recording(path))
        if isinstance(record, RecordedFrame)
    ]
    symbols = {orjson.loads(payload)["stream"].partition("@")[0].upper() for payload in payloads}
    return {symbol: ("0.00000001", "0.00000001") for symbol in sorted(symbols)}, payloads


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_frames(name: str) -> None:
    steps, payloads = recorded(name)
    decoder, reference = make_decoder(steps), Reference(steps)
    assert all(compare(decoder, reference, payload) for payload in payloads)


@pytest.mark.parametrize(
    "spoil", [mutate, lambda source, payload: payload[: source.randrange(len(payload))]]
)
@pytest.mark.parametrize("name", RECORDINGS)
def test_spoilt_recorded_frames(name: str, spoil: Callable[[random.Random, bytes], bytes]) -> None:
    """By real steps, so that most numbers are of the shape that is read quickly."""
    steps, payloads = recorded(name)
    tick_and_lot = ("0.00001", "0.01") if "usdm" in name else ("0.0000001", "0.000001")
    steps = dict.fromkeys(steps, tick_and_lot)
    decoder, reference = make_decoder(steps), Reference(steps)
    source = random.Random(f"{SEED} {name}")
    chosen = source.sample(
        [payload for payload in payloads if len(payload) < 4_000], RECORDED_FRAMES
    )
    for payload in chosen:
        assert compare(decoder, reference, payload)
        for _ in range(ROUNDS_A_FRAME):
            compare(decoder, reference, spoil(source, payload))


def test_snapshot_in_its_envelope() -> None:
    decoder, reference = make_decoder(STEPS), Reference(STEPS)
    payload = wrap_snapshot("BTCUSDT", orjson.dumps(FRAMES["snapshot"]["data"]))
    assert compare(decoder, reference, payload)
