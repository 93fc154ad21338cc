"""Recordings: reading both formats, playing them unchanged, orders against them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ext.errors import RecordingError
from sim.market import FeedFrame
from sim.orders import Order, Side
from sim.playback import RecordedMarket
from sim.recording import read_recording

PRODUCTS = (
    '[{"id":"A-USD","quote_increment":"0.01","base_increment":"0.001"},'
    '{"id":"B-USD","quote_increment":"0.1","base_increment":"1"}]'
)
SNAPSHOT = (
    '{"type":"snapshot","product_id":"A-USD","asks":[["10.02","1.000"]],"bids":[["10.00","2.000"]]}'
)


def update(side: str, price: str, size: str) -> str:
    """An l2update of A-USD."""
    return (
        '{"type":"l2update","product_id":"A-USD",'
        f'"changes":[["{side}","{price}","{size}"]],"time":"2021-04-17T16:43:37.075687Z"}}'
    )


def match(side: str, price: str, size: str) -> str:
    """A match of A-USD; side is the maker's."""
    return (
        '{"type":"match","trade_id":7,"maker_order_id":"m","taker_order_id":"t",'
        f'"side":"{side}","size":"{size}","price":"{price}","product_id":"A-USD","sequence":9,'
        '"time":"2021-04-17T16:43:37.075687Z"}'
    )


def text_recording(folder: Path, *frames: tuple[float, str], products: str = PRODUCTS) -> Path:
    """A recording in the text format, gzip."""
    lines = [
        "wss://venue <-> 1618677816.84",
        'wss://venue <- 1618677817.02: {"type":"subscribe"}',
        f"https://venue/products -> 1618677816.8: {products}",
        *(f"{time}: {payload}" for time, payload in frames),
        "",
    ]
    path = folder / "recording.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def play(market: RecordedMarket) -> list[list[FeedFrame]]:
    """Frames of each step to the end."""
    steps = []
    while (time_ns := market.next_time_ns()) is not None:
        market.run_step(time_ns)
        steps.append(market.take_frames())
    return steps


def test_text_format(tmp_path: Path) -> None:
    path = text_recording(tmp_path, (100.5, SNAPSHOT), (100.50000001, update("buy", "10.01", "1")))
    recording = read_recording(path)
    assert not recording.is_advanced_trade
    assert [frame.time_ns for frame in recording.frames] == [100_500_000_000, 100_500_000_010]
    assert recording.frames[0].payload == SNAPSHOT.encode()
    assert recording.frames[1].line_number == 5
    assert recording.products["A-USD"].price.count("10.01") == 1001


def test_products_may_stand_in_the_neighbour_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"1.5: {SNAPSHOT}\n")
    with pytest.raises(RecordingError, match=r"no products answer .* x_http\.txt"):
        read_recording(path)
    (tmp_path / "x_http.txt").write_text(f"https://venue -> 1.0: {PRODUCTS}\n")
    assert read_recording(path).products["B-USD"].symbol == "B-USD"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no received frame"),
        (b"1.5: {}\nnonsense\n", "line 2 cannot be read"),
        (b'{"t":"recv","ts":1.5}\n', "line 1 cannot be read"),
        (b'{"t":"what"}\n', "line 1 cannot be read: unknown record type"),
        (b'{"t":"recv"', "line 1 cannot be read"),
        (b"\xff\xfe\n", "cannot be read near line 1"),
        (gzip.compress(b"1.5: {}\n" * 1000)[:-12], "cannot be read near line"),
    ],
)
def test_broken_files_name_the_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=problem) as error:
        read_recording(path)
    assert str(path) in str(error.value)


def test_missing_file_is_a_recording_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(tmp_path / "absent.txt")


def test_frames_go_out_unchanged_and_bursts_are_steps(tmp_path: Path) -> None:
    frames = [
        (100.0, SNAPSHOT),
        (100.0001, update("buy", "10.01", "1.000")),
        (100.5, match("sell", "10.02", "0.5")),
        (101.6, update("buy", "10.01", "0.000")),
    ]
    market = RecordedMarket(read_recording(text_recording(tmp_path, *frames)))
    steps = play(market)
    own = [[each for each in step if each.channel != "heartbeat"] for step in steps]
    assert [[each.payload.decode() for each in step] for step in own if step] == [
        [frames[0][1], frames[1][1]],
        [frames[2][1]],
        [frames[3][1]],
    ]
    beats = [each for step in steps for each in step if each.channel == "heartbeat"]
    assert [orjson.loads(each.payload)["last_trade_id"] for each in beats] == [7]
    assert market.channels == {"level2", "matches", "heartbeat"}


def test_late_subscriber_gets_the_book_as_it_is_now(tmp_path: Path) -> None:
    frames = [(100.0, SNAPSHOT), (100.1, update("buy", "10.01", "1.000")),
              (100.2, match("sell", "10.02", "0.5"))]  # fmt: skip
    market = RecordedMarket(read_recording(text_recording(tmp_path, *frames)))
    assert market.snapshot_frames("A-USD") == []
    play(market)
    assert orjson.loads(market.snapshot_frames("A-USD")[0].payload) == {
        "type": "snapshot",
        "product_id": "A-USD",
        "asks": [["10.02", "1.000"]],
        "bids": [["10.01", "1.000"], ["10.00", "2.000"]],
    }
    assert orjson.loads(market.last_match_frames("A-USD")[0].payload)["type"] == "last_match"


def test_resting_order_fills_against_recorded_trades(tmp_path: Path) -> None:
    frames = [(100.0, SNAPSHOT), (100.1, match("buy", "10.00", "1.5")),
              (100.2, match("buy", "10.00", "1.5"))]  # fmt: skip
    market = RecordedMarket(read_recording(text_recording(tmp_path, *frames)))
    market.run_step(0)
    order = Order("id", 1, "A-USD", Side.BUY, 1000, 2000)
    market.submit(order, 0)
    market.run_step(0)
    assert market.take_events() == []
    market.run_step(0)
    (event,) = market.take_events()
    assert (event.last_ticks, event.last_lots) == (1000, 1000)
    assert market.trade_count == 2


@pytest.mark.parametrize(
    "frame",
    [
        update("buy", "10.001", "1"),
        update("up", "10.01", "1"),
        '{"type":"l2update","product_id":"A-USD"}',
    ],
)
def test_frame_that_can_not_be_played_names_its_line(tmp_path: Path, frame: str) -> None:
    path = text_recording(tmp_path, (100.0, SNAPSHOT), (100.1, frame))
    market = RecordedMarket(read_recording(path))
    with pytest.raises(RecordingError, match="line 5 cannot be played"):
        play(market)


def test_product_without_tick_and_lot_is_refused(tmp_path: Path) -> None:
    frame = SNAPSHOT.replace("A-USD", "C-USD")
    with pytest.raises(RecordingError, match="no tick and lot recorded for C-USD"):
        RecordedMarket(read_recording(text_recording(tmp_path, (100.0, frame))))


@pytest.mark.parametrize(
    ("name", "is_advanced", "frames", "products"),
    [
        ("exchange_20210417.txt.gz", False, 9946, 10),
        ("advanced_20260809.jsonl.gz", True, 618, 2),
    ],
)
def test_shared_recordings_play_whole(
    recording_path: Callable[[str], Path],
    name: str,
    is_advanced: bool,
    frames: int,
    products: int,
) -> None:
    recording = read_recording(recording_path(name))
    assert recording.is_advanced_trade == is_advanced
    assert (len(recording.frames)) == frames
    market = RecordedMarket(recording)
    assert len(market.products) == products
    recorded = {frame.payload for frame in recording.frames}
    sent = [each for step in play(market) for each in step]
    verbatim = [each for each in sent if each.payload in recorded]
    made = [each for each in sent if each.payload not in recorded]
    own_answers = sum(b'"subscriptions"' in frame.payload[:40] for frame in recording.frames)
    assert len(verbatim) == frames - own_answers
    assert {each.channel for each in made} <= {"heartbeat"}
    if is_advanced:
        assert max(len(each.payload) for each in sent) > 5_000_000
    for symbol in market.products:
        (frame,) = market.snapshot_frames(symbol)
        bids, asks = best_prices(orjson.loads(frame.payload))
        assert bids < asks


def best_prices(message: dict[str, Any]) -> tuple[float, float]:
    """Best bid and ask of a snapshot of either feed."""
    if message.get("type") == "snapshot":
        return float(message["bids"][0][0]), float(message["asks"][0][0])
    levels = message["events"][0]["updates"]
    bids = [float(each["price_level"]) for each in levels if each["side"] == "bid"]
    asks = [float(each["price_level"]) for each in levels if each["side"] == "offer"]
    return max(bids), min(asks)
