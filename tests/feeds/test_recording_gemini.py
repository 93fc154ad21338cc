"""What is read of a Gemini capture: its venue, its numbers, its list of products."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from feeds.recording import Recording
from feeds.recording_gemini import gemini_numbers, gemini_product, is_gemini
from feeds.recording_survey import Product, survey_recording

UPDATE = {"type": "l2_updates", "symbol": "BTCUSD", "changes": [["buy", "10.50", "0.20"]]}
TRADE = {"type": "trade", "symbol": "BTCUSD", "price": "10.25", "quantity": "0.125"}
DETAILS = {"symbol": "BTCUSD", "tick_size": 1e-8, "quote_increment": 0.01, "status": "open"}


def test_its_frames_are_told_from_others() -> None:
    assert is_gemini(UPDATE)
    assert not is_gemini({"type": "l2_updates", "symbol": "BTCUSD"})
    assert not is_gemini({"type": "l2update", "product_id": "BTC-USD", "changes": []})


def test_numbers() -> None:
    assert list(gemini_numbers(UPDATE)) == [("BTCUSD", "10.50", "0.20")]
    assert list(gemini_numbers(TRADE)) == [("BTCUSD", "10.25", "0.125")]
    assert list(gemini_numbers({"type": "heartbeat"})) == []


@pytest.mark.parametrize(
    ("body", "product"),
    [
        (DETAILS, ("BTCUSD", "0.01", "0.00000001")),
        ({**DETAILS, "tick_size": 1, "quote_increment": 5e-3}, ("BTCUSD", "0.005", "1")),
        ({**DETAILS, "tick_size": "1"}, None),
        ({**DETAILS, "symbol": 5}, None),
        ({"result": "error"}, None),
        (["btcusd", "ethusd"], None),
    ],
)
def test_product_of_the_details(body: Any, product: tuple[str, str, str] | None) -> None:
    assert gemini_product(body) == product


def test_survey(tmp_path: Path) -> None:
    rest = b"https://api.gemini.com/v1/symbols/details/btcusd -> 1.5: " + orjson.dumps(DETAILS)
    frames = [UPDATE, TRADE, {**UPDATE, "symbol": "ETHUSD"}]
    lines = [rest, *(b"1.6: " + orjson.dumps(frame) for frame in frames)]
    (tmp_path / "capture.txt").write_bytes(b"\n".join(lines))
    survey = survey_recording(Recording(tmp_path / "capture.txt"))
    assert survey.venue == "gemini"
    assert survey.products == {
        "BTCUSD": Product("BTCUSD", "0.01", "0.00000001", is_inferred=False),
        "ETHUSD": Product("ETHUSD", "0.1", "0.1", is_inferred=True),
    }
