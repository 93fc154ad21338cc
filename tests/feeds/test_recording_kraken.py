"""What is read of a Kraken capture of either version: venue, numbers, pairs, depth, precision."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from feeds.recording import Recording
from feeds.recording_kraken import (
    KrakenPair,
    detect_kraken,
    kraken_numbers,
    kraken_products,
    kraken_v1_numbers,
    note_pairs,
)
from feeds.recording_survey import Product, survey_recording

LEVEL = {"price": 10.5, "qty": 1e-8}
BOOK = {"symbol": "BTC/USD", "bids": [LEVEL], "asks": [{"price": 11, "qty": 0.25}]}
SNAPSHOT = {"channel": "book", "type": "snapshot", "data": [BOOK]}
TRADE = {"channel": "trade", "type": "update", "data": [{"symbol": "BTC/USD", **LEVEL}]}
V1_BOOK = [1, {"a": [["10.50000", "1.2500", "1.5"]]}, {"b": [["9", "2", "1.5"]]}, "book-10", "A/B"]
V1_TRADE = [1, [["10.5", "1.25", "1.5", "b", "l", ""]], "trade", "A/B"]
INSTRUMENT = {
    "channel": "instrument",
    "type": "snapshot",
    "data": {
        "assets": [],
        "pairs": [
            {
                "symbol": "BTC/USD",
                "price_increment": 0.5,
                "qty_increment": 1e-08,
                "price_precision": 1,
                "qty_precision": 8,
            }
        ],
    },
}


def acknowledge(depth: int) -> dict[str, Any]:
    result = {"channel": "book", "depth": depth, "snapshot": True, "symbol": "BTC/USD"}
    return {"method": "subscribe", "result": result, "success": True}


@pytest.mark.parametrize(
    ("frame", "venue"),
    [
        (SNAPSHOT, "kraken"),
        (TRADE, "kraken"),
        (V1_BOOK, "kraken_v1"),
        (V1_TRADE, "kraken_v1"),
        ({"channel": "l2_data", "sequence_num": 0, "events": []}, None),
        ({"channel": "book", "type": "patch", "data": []}, None),
        ({"channel": "heartbeat"}, None),
        ({"event": "heartbeat"}, None),
        ([1, {}, "ticker", "A/B"], None),
        ([1, "hb"], None),
        (["a", {}, "trade", "A/B"], None),
        (None, None),
    ],
)
def test_its_frames_are_told_from_others(frame: Any, venue: str | None) -> None:
    assert detect_kraken(frame) == venue


def test_numbers() -> None:
    levels = [("BTC/USD", "10.5", "0.00000001"), ("BTC/USD", "11", "0.25")]
    assert list(kraken_numbers(SNAPSHOT)) == levels
    assert list(kraken_numbers(TRADE)) == levels[:1]
    assert list(kraken_numbers({"channel": "status", "data": [{}]})) == []
    assert list(kraken_v1_numbers(V1_BOOK)) == [("A/B", "10.50000", "1.2500"), ("A/B", "9", "2")]
    assert list(kraken_v1_numbers(V1_TRADE)) == [("A/B", "10.5", "1.25")]
    assert list(kraken_v1_numbers({"event": "heartbeat"})) == []
    for wrong in ("10.5", True, None):
        with pytest.raises(TypeError):
            list(kraken_numbers({**TRADE, "data": [{**LEVEL, "symbol": "A/B", "qty": wrong}]}))


@pytest.mark.parametrize(
    ("frames", "depth"),
    [
        ([SNAPSHOT], 10),
        ([{**SNAPSHOT, "data": [{**BOOK, "bids": [LEVEL] * 11}]}], 25),
        ([{**SNAPSHOT, "data": [{**BOOK, "asks": [LEVEL] * 1000}]}, SNAPSHOT], 1000),
        ([{**SNAPSHOT, "data": [{**BOOK, "asks": [LEVEL] * 1001}]}], 1001),
        ([acknowledge(100), SNAPSHOT], 100),
        ([SNAPSHOT, acknowledge(25)], 25),
        ([{**acknowledge(100), "success": False}, SNAPSHOT], 10),
    ],
)
def test_depth(frames: list[Any], depth: int) -> None:
    """Of the answer to the subscription, else the least that the snapshot fits into."""
    pairs: dict[str, KrakenPair] = {}
    for frame in frames:
        note_pairs(frame, pairs)
    assert pairs["BTC/USD"].depth == depth


def test_pairs_of_the_rest_list() -> None:
    row = {"wsname": "XBT/CHF", "pair_decimals": 1, "lot_decimals": 8}
    body = {"error": [], "result": {"XBTCHF": row, "X": {**row, "wsname": None}, "Y": 5}}
    assert list(kraken_products(body)) == [("XBT/CHF", "0.1", "0.00000001")]
    body["result"] = {"XBTCHF": {**row, "tick_size": "0.5"}}
    assert list(kraken_products(body)) == [("XBT/CHF", "0.5", "0.00000001")]
    assert list(kraken_products([row])) == list(kraken_products({"result": []})) == []


def survey(folder: Path, *lines: bytes) -> dict[str, Product]:
    (folder / "capture.txt").write_bytes(b"\n".join(lines))
    return survey_recording(Recording(folder / "capture.txt")).products


def test_survey_of_v2(tmp_path: Path) -> None:
    frames = [b"1.5: " + orjson.dumps(frame) for frame in (SNAPSHOT, INSTRUMENT, TRADE)]
    inferred = Product("BTC/USD", "0.1", "0.00000001", is_inferred=True, depth=10)
    assert survey(tmp_path, frames[0], frames[2]) == {"BTC/USD": inferred}
    listed = Product(
        *("BTC/USD", "0.5", "0.00000001"),
        is_inferred=False,
        price_precision=1,
        quantity_precision=8,
        depth=10,
    )
    assert survey(tmp_path, *frames) == {"BTC/USD": listed}


def test_survey_of_v1(tmp_path: Path) -> None:
    """The precision is that of the texts, zeros at their end and all."""
    row = {"wsname": "A/B", "pair_decimals": 3, "lot_decimals": 8}
    frame = b"1.5: " + orjson.dumps(V1_BOOK)
    product = Product(
        *("A/B", "0.1", "0.01"), is_inferred=True, price_precision=5, quantity_precision=4
    )
    assert survey(tmp_path, frame) == {"A/B": product}
    body = orjson.dumps({"result": {"A": row}})
    rest = b"https://api.kraken.com/0/public/AssetPairs -> 1.4: " + body
    product.tick, product.lot, product.is_inferred = "0.001", "0.00000001", False
    assert survey(tmp_path, rest, frame) == {"A/B": product}
