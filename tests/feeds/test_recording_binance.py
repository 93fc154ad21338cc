"""Captures of Binance: whose the snapshots are, which of the two venues, products and numbers."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from feeds.binance_depth import wrap_snapshot
from feeds.recording import RecordedAnswer, RecordedFrame, Recording
from feeds.recording_binance import (
    BINANCE_SPOT,
    BINANCE_USDM,
    binance_numbers,
    binance_products,
    detect_binance,
    read_records,
)
from feeds.recording_survey import Product, detect_venue, survey_recording

BODY = {"lastUpdateId": 160, "bids": [["10.125", "2"]], "asks": [["11.0", "0.25"]]}
UPDATE: dict[str, Any] = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": 157, "u": 160}
UPDATE |= {"b": [["10.00", "1.500"]], "a": []}
QUOTE = {"u": 160, "s": "BTCUSDT", "b": "10.10", "B": "1.5", "a": "10.2", "A": "1"}
TRADE = {"e": "trade", "E": 5, "T": 4, "s": "BTCUSDT", "t": 1, "p": "10.1", "q": "0.5", "m": True}
SPOT_URL = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"


def wrap(event: Any, stream: str = "btcusdt@depth") -> dict[str, Any]:
    return {"stream": stream, "data": event}


def line(content: Any, prefix: str = "1.5") -> bytes:
    return prefix.encode() + b": " + orjson.dumps(content)


def write(folder: Path, *lines: bytes) -> Recording:
    path = folder / "capture.txt"
    path.write_bytes(b"\n".join(lines))
    return Recording(path)


def payloads(recording: Recording) -> list[Any]:
    return [
        orjson.loads(record.payload if isinstance(record, RecordedFrame) else record.body)
        for record in read_records(recording)
    ]


def test_answers_become_frames_of_their_product(tmp_path: Path) -> None:
    recording = write(
        tmp_path,
        b"wss://stream.binance.com/stream <-> 1.0",
        line(wrap(UPDATE)),
        line(BODY, f"{SPOT_URL} -> 2.25"),
        line(wrap(QUOTE)),
    )
    first, snapshot, _ = read_records(recording)
    assert isinstance(first, RecordedFrame)
    assert isinstance(snapshot, RecordedFrame)
    assert snapshot.payload == wrap_snapshot("BTCUSDT", orjson.dumps(BODY))
    assert snapshot.connection == first.connection
    assert (snapshot.receive_time_ns, snapshot.line_number) == (2_250_000_000, 3)


def test_an_answer_before_all_frames_follows_the_first(tmp_path: Path) -> None:
    lines = [line(BODY, f"{SPOT_URL} -> 1.0"), line(wrap(UPDATE)), line(wrap(QUOTE))]
    assert payloads(write(tmp_path, *lines)) == [wrap(UPDATE), wrap(BODY), wrap(QUOTE)]


def test_a_body_between_the_frames_is_of_the_only_product(tmp_path: Path) -> None:
    lines = [line(wrap(UPDATE, "btcusdt@depth@0ms")), line(wrap(QUOTE)), line(BODY)]
    assert payloads(write(tmp_path, *lines))[2] == wrap(BODY)
    other = line(wrap({**UPDATE, "s": "ETHUSDT"}, "ethusdt@depth"))
    assert payloads(write(tmp_path, *lines[:2], other, lines[2]))[3] == BODY, "of which?"
    assert payloads(write(tmp_path, lines[2], *lines[:2]))[0] == BODY


@pytest.mark.parametrize(
    "url",
    [
        "https://api.binance.com/api/v3/trades?symbol=BTCUSDT",
        "https://api.binance.com/api/v3/depth?limit=5",
        "https://api.elsewhere.com/depth?symbol=BTCUSDT",
    ],
)
def test_other_answers_stay_what_they_are(tmp_path: Path, url: str) -> None:
    recording = write(tmp_path, line(wrap(UPDATE)), line(BODY, f"{url} -> 2.0"))
    assert isinstance(list(read_records(recording))[1], RecordedAnswer)


def test_which_of_the_two_venues() -> None:
    spot = [UPDATE, QUOTE, {**TRADE, "M": True}, {**TRADE, "e": "aggTrade", "M": True}]
    futures = [{**UPDATE, "pu": 156}, {**QUOTE, "e": "bookTicker"}, TRADE]
    for event in spot:
        assert detect_binance(event) == detect_venue(wrap(event)) == BINANCE_SPOT
    for event in futures:
        assert detect_binance(wrap(event)) == detect_venue(event) == BINANCE_USDM
    others: list[Any] = [{"result": None, "id": 1}, {"e": "kline"}, wrap([]), [], None, BODY]
    for other in others:
        assert detect_binance(other) is None


def test_numbers_of_every_message() -> None:
    assert list(binance_numbers(wrap(UPDATE))) == [("BTCUSDT", "10.00", "1.500")]
    assert list(binance_numbers(QUOTE)) == [("BTCUSDT", "10.10", "1.5"), ("BTCUSDT", "10.2", "1")]
    assert list(binance_numbers(TRADE)) == [("BTCUSDT", "10.1", "0.5")]
    assert list(binance_numbers(wrap(BODY))) == [
        ("BTCUSDT", "10.125", "2"),
        ("BTCUSDT", "11.0", "0.25"),
    ]
    assert list(binance_numbers({"result": None, "id": 1})) == []


def test_steps_of_the_snapshot_count(tmp_path: Path) -> None:
    recording = write(tmp_path, line(wrap(UPDATE)), line(BODY, f"{SPOT_URL} -> 2.25"))
    survey = survey_recording(recording)
    assert (survey.venue, survey.frame_count, survey.unread_frame_count) == (BINANCE_SPOT, 2, 0)
    assert survey.products == {"BTCUSDT": Product("BTCUSDT", "0.001", "0.01", is_inferred=True)}


FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL"},
]


def test_steps_of_the_list_of_products(tmp_path: Path) -> None:
    body = {"timezone": "UTC", "symbols": [{"symbol": "BTCUSDT", "filters": FILTERS}]}
    assert list(binance_products(body)) == [("BTCUSDT", "0.01000000", "0.00001000")]
    url = "https://api.binance.com/api/v3/exchangeInfo"
    survey = survey_recording(write(tmp_path, line(body, f"{url} -> 1.0"), line(wrap(UPDATE))))
    assert survey.products["BTCUSDT"].is_inferred is False
    assert survey.products["BTCUSDT"].tick == "0.01000000"


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"symbols": None},
        {"symbols": [5]},
        {"symbols": [{"symbol": "X", "filters": 5}]},
        {"symbols": [{"symbol": "X", "filters": [5, FILTERS[0]]}]},
        {"symbols": [{"symbol": 5, "filters": FILTERS}]},
    ],
)
def test_other_bodies_list_no_products(body: Any) -> None:
    assert list(binance_products(body)) == []
