"""Venue, products, ticks and lots of a capture, from its product list or from its numbers."""

import os
from pathlib import Path

import orjson
import pytest

from ext.errors import RecordingError
from feeds.recording import Recording
from feeds.recording_survey import Product, detect_venue, survey_recording

DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data")
CHANGE = {
    "type": "l2update",
    "product_id": "BTC-USD",
    "changes": [["buy", "101.80000000", "0.162567"]],
    "time": "2021-04-17T16:43:37.077621Z",
}
ADVANCED_CHANGE = {
    "channel": "l2_data",
    "timestamp": "2026-08-09T21:05:48.505350477Z",
    "sequence_num": 0,
    "events": [
        {
            "type": "update",
            "product_id": "BTC-USD",
            "updates": [{"side": "bid", "price_level": "5", "new_quantity": "0.00000001"}],
        }
    ],
}


def write(folder: Path, *frames: object, name: str = "capture.txt") -> Recording:
    lines = [b"1.5: " + orjson.dumps(frame) for frame in frames]
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return Recording(path)


def write_products(folder: Path, body: object) -> None:
    line = b"https://venue/products -> 1.5: " + orjson.dumps(body)
    (folder / "capture_http.txt").write_bytes(line)


def test_steps_are_inferred_from_the_finest_decimals(tmp_path: Path) -> None:
    match = {
        "type": "match",
        "product_id": "BTC-USD",
        "maker_order_id": "1",
        "price": "101.755",
        "size": "1.0",
    }
    survey = survey_recording(write(tmp_path, CHANGE, match))
    assert survey.venue == "coinbase_exchange"
    assert survey.frame_count == 2
    assert survey.products == {"BTC-USD": Product("BTC-USD", "0.001", "0.000001", is_inferred=True)}


def test_whole_numbers_have_steps_of_one(tmp_path: Path) -> None:
    snapshot = {
        "type": "snapshot",
        "product_id": "X-Y",
        "bids": [["10.00", "3"]],
        "asks": [["11", "0.0"]],
    }
    survey = survey_recording(write(tmp_path, snapshot))
    assert survey.products["X-Y"] == Product("X-Y", "1", "1", is_inferred=True)


def test_exchange_product_list_of_the_neighbour(tmp_path: Path) -> None:
    row = {"id": "BTC-USD", "quote_increment": "0.01", "base_increment": "0.00000001"}
    write_products(tmp_path, [row, {"id": "OTHER"}, 3, {**row, "id": "ETH-USD"}])
    survey = survey_recording(write(tmp_path, CHANGE))
    assert survey.products == {
        "BTC-USD": Product("BTC-USD", "0.01", "0.00000001", is_inferred=False)
    }


def test_advanced_product_list_takes_the_price_increment(tmp_path: Path) -> None:
    row = {
        "product_id": "BTC-USD",
        "price_increment": "0.05",
        "quote_increment": "0.01",
        "base_increment": "0.00000001",
    }
    write_products(tmp_path, {"products": [row]})
    survey = survey_recording(write(tmp_path, ADVANCED_CHANGE))
    assert survey.venue == "coinbase_advanced"
    assert survey.products["BTC-USD"].tick == "0.05"


@pytest.mark.parametrize(
    "body", ["<html>", {"products": 3}, {"products": [{"product_id": "BTC-USD"}]}, 5, None]
)
def test_answers_without_products_are_passed_over(tmp_path: Path, body: object) -> None:
    write_products(tmp_path, body)
    assert survey_recording(write(tmp_path, CHANGE)).products["BTC-USD"].is_inferred


@pytest.mark.parametrize("step", ["0", "-1", "abc", 0.01, None, "NaN"])
def test_product_with_a_senseless_step_is_passed_over(tmp_path: Path, step: object) -> None:
    row = {"id": "BTC-USD", "quote_increment": step, "base_increment": "0.01"}
    write_products(tmp_path, [row])
    assert survey_recording(write(tmp_path, CHANGE)).products["BTC-USD"].is_inferred


def test_frames_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    broken = [
        {**CHANGE, "changes": [["buy", "1"]]},
        {**CHANGE, "changes": [["buy", 1.5, "1"]]},
        {**CHANGE, "changes": [["buy", "-1.5", "1"]]},
        {**CHANGE, "changes": [["buy", "1.x", "1"]]},
        {**CHANGE, "product_id": 3},
        [1, 2],
    ]
    survey = survey_recording(write(tmp_path, CHANGE, *broken))
    assert survey.unread_frame_count == len(broken)
    assert survey.frame_count == len(broken) + 1


def test_given_venue_is_not_detected(tmp_path: Path) -> None:
    control = {"type": "subscriptions", "channels": []}
    with pytest.raises(RecordingError, match="none of its 1 frames is of a venue"):
        survey_recording(write(tmp_path, control))
    survey = survey_recording(write(tmp_path, control), "coinbase_exchange")
    assert (survey.venue, survey.products) == ("coinbase_exchange", {})


def test_capture_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "capture.txt"
    path.write_bytes(b"wss://x <-> 1.5\n")
    with pytest.raises(RecordingError, match="holds no WebSocket frames"):
        survey_recording(Recording(path))


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "l2_updates", "symbol": "BTCUSD"},
        {"topic": "orderbook.200.BTCUSDT", "type": "snapshot", "data": {}},
        {"channel": "l2Book", "data": {}},
        {"stream": "btcusdt@depth", "data": {}},
        [1, 2],
        "text",
        None,
    ],
)
def test_frames_of_other_venues_are_not_ours(frame: object) -> None:
    assert detect_venue(frame) is None


@pytest.mark.parametrize(
    ("name", "venue", "frames", "products"),
    [
        ("exchange_20210417.txt.gz", "coinbase_exchange", 9946, 10),
        ("advanced_20260809.jsonl.gz", "coinbase_advanced", 618, 2),
    ],
)
def test_recorded_sessions(name: str, venue: str, frames: int, products: int) -> None:
    path = DATA / "coinbase" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    survey = survey_recording(Recording(path))
    assert (survey.venue, survey.frame_count) == (venue, frames)
    assert survey.unread_frame_count == 0
    assert len(survey.products) == products
    assert not any(product.is_inferred for product in survey.products.values())


def test_every_other_recording_is_read_and_declined() -> None:
    files = sorted(DATA.glob("[!c]*/*_2024*.gz")) + sorted(DATA.glob("[!c]*/*.jsonl.gz"))
    files += sorted(DATA.glob("[!c]*/v2_20210417.txt.gz"))
    if not files:
        pytest.skip(f"{DATA} is absent; set WOW_DATA to the folder of the recordings")
    known = ("gemini", "binance")
    files = [path for path in files if not path.parent.name.startswith(known)]
    for path in (path for path in files if path.stat().st_size < 1_000_000):
        with pytest.raises(RecordingError, match="is of a venue that the engine knows"):
            survey_recording(Recording(path))
