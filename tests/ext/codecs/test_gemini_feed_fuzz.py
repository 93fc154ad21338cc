"""Invariant: whatever the bytes, the Gemini decoder says what the slow reference says, or refuses.

What that means exactly is in ``tests/ext/test_feed_decoder_fuzz.py``.
"""

import json
import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.reference.reference_book import count_steps
from ext.codecs.gemini_feed import GeminiFeed
from ext.instrument_table import InstrumentTable
from ext.wire import FeedEventKind, Side
from feeds.recording import Recording
from feeds.recording_survey import Product, survey_recording
from tests.ext.test_feed_decoder_fuzz import (
    SEED,
    Event,
    as_rows,
    compare,
    mutate,
    read_whole,
    require,
)

DATA = Path(__file__).parents[3] / os.environ.get("WOW_DATA", "../shared/data")
RECORDINGS = ["v2_20210417.txt.gz", "v2_20260809.jsonl.gz"]
PRODUCTS = [
    Product("BTCUSD", "0.01", "0.00000001", is_inferred=False),
    Product("ETHEUR", "0.05", "0.002", is_inferred=False),
]
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
ROUNDS = 6_000
RECORDED_FRAMES = 60
ROUNDS_A_FRAME = 40
MAX_RECORDED_BYTES = 5_000
FRAMES: list[dict[str, Any]] = [
    {
        "type": "l2_updates",
        "symbol": "ETHEUR",
        "changes": [["buy", "2000.05", "0.002"], ["sell", "1e3", "0.0"]],
    },
    {"changes": [["buy", "2", "0.1"]], "symbol": "BTCUSD", "trades": [[1]], "type": "l2_updates"},
    {
        "type": "trade",
        "symbol": "BTCUSD",
        "event_id": 34359626684,
        "timestamp": 1618677942606,
        "price": "60000.05",
        "quantity": "0.985",
        "side": "buy",
    },
    {"type": "heartbeat", "timestamp": 1618677942928},
]


class Reference:
    """Reads one frame with ``orjson`` and exact decimals."""

    def __init__(self, products: list[Product]) -> None:
        self.products = {product.symbol: index for index, product in enumerate(products)}
        self.steps = [(Decimal(product.tick), Decimal(product.lot)) for product in products]

    def level(self, index: int, price: object, quantity: object) -> tuple[int, int]:
        tick, lot = self.steps[index]
        return count_steps(price, tick), count_steps(quantity, lot)

    def read(self, frame: dict[str, Any]) -> list[Event]:
        kind = frame["type"]
        if kind == "heartbeat":
            time_ns = read_whole(frame["timestamp"]) * 1_000_000
            return [(FeedEventKind.HEARTBEAT, -1, time_ns, -1, [])]
        index = self.products[frame["symbol"]]
        if kind == "trade":
            time_ns = read_whole(frame["timestamp"]) * 1_000_000
            level = self.level(index, frame["price"], frame["quantity"])
            trade = (*level, SIDES[frame["side"]], read_whole(frame["event_id"]), time_ns)
            return [(FeedEventKind.TRADES, index, time_ns, -1, [trade])]
        require(kind == "l2_updates")
        deltas = [
            (*self.level(index, price, quantity), SIDES[side])
            for side, price, quantity in as_rows(frame["changes"])
        ]
        require(all(price for price, _, _ in deltas))
        is_whole = "trades" in frame
        require(not is_whole or isinstance(frame["trades"], list))
        event = FeedEventKind.SNAPSHOT if is_whole else FeedEventKind.UPDATE
        return [(event, index, 0, -1, deltas)]


def make_decoder(products: list[Product]) -> GeminiFeed:
    table = InstrumentTable()
    for product in products:
        table.add(product.symbol, product.tick, product.lot)
    return GeminiFeed(table)


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_decoder_never_says_anything_else_than_the_reference(number: int) -> None:
    decoder, read = make_decoder(PRODUCTS), Reference(PRODUCTS).read
    payload = json.dumps(FRAMES[number], separators=(",", ":")).encode()
    assert compare(decoder, read, payload), "the frame itself is good"
    source = random.Random(f"{SEED} gemini {number}")
    taken = sum(compare(decoder, read, mutate(source, payload)) for _ in range(ROUNDS))
    assert taken > ROUNDS // 50, "too few mutations are taken: nothing is compared"


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_frames_whole_cut_and_mutated(name: str) -> None:
    path = DATA / "gemini" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    recording = Recording(path)
    products = list(survey_recording(recording).products.values())
    decoder, read = make_decoder(products), Reference(products).read
    source = random.Random(f"{SEED} {name}")
    payloads = [frame.payload for frame in recording.frames()]
    assert all(compare(decoder, read, payload) for payload in payloads)
    small = [payload for payload in payloads if len(payload) < MAX_RECORDED_BYTES]
    for payload in source.sample(small, RECORDED_FRAMES):
        assert not any(compare(decoder, read, payload[:size]) for size in range(len(payload)))
        for _ in range(ROUNDS_A_FRAME):
            compare(decoder, read, mutate(source, payload))


def test_random_bytes() -> None:
    decoder, read = make_decoder(PRODUCTS), Reference(PRODUCTS).read
    source = random.Random(SEED)
    for size in range(400):
        compare(decoder, read, source.randbytes(size))
