"""Verification finds nothing where nothing is wrong, and every planted lie."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from engine.reference.verification import (
    VerifiableBook,
    VerifiablePipeline,
    make_pipeline,
    verify_recording,
)
from engine.reference.verification_report import VerificationReport
from ext.bounds import Bound
from ext.errors import RecordingError, UsageError
from ext.wire import BookState
from feeds.recording import Recording
from feeds.recording_survey import Product

Arrays = tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]


def snapshot(symbol: str) -> dict[str, Any]:
    return {
        "type": "snapshot",
        "product_id": symbol,
        "bids": [["10.00", "1.5"], ["9.99", "2.0"]],
        "asks": [["10.01", "1.0"], ["10.02", "4.0"]],
    }


def change(symbol: str, *changes: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "type": "l2update",
        "product_id": symbol,
        "changes": list(changes),
        "time": "2021-04-17T16:43:37.077621Z",
    }


FRAMES = [
    snapshot("BTC-USD"),
    snapshot("ETH-USD"),
    change("BTC-USD", ("buy", "10.00", "1.7")),
    change("ETH-USD", ("sell", "10.01", "0.0"), ("sell", "10.05", "7.1")),
    change("BTC-USD", ("buy", "9.98", "0.3")),
]


def write(folder: Path, *frames: object) -> Recording:
    path = folder / "capture.txt"
    lines = [
        frame if isinstance(frame, bytes) else b"1.5: " + orjson.dumps(frame) for frame in frames
    ]
    path.write_bytes(b"\n".join(lines))
    return Recording(path)


class LyingBook:
    """A compiled book behind a lie about its levels or its state."""

    def __init__(self, book: VerifiableBook) -> None:
        self.book = book
        self.lie: Callable[[bool, Arrays], Arrays] = lambda is_bid, arrays: arrays
        self.lied_state: int | None = None

    @property
    def state(self) -> int:
        return self.book.state if self.lied_state is None else self.lied_state

    @property
    def stale_reason(self) -> int:
        return self.book.stale_reason

    @property
    def update_count(self) -> int:
        return self.book.update_count

    def arrays(self, is_bid: bool) -> Arrays:
        return self.lie(is_bid, self.book.arrays(is_bid))


class LyingPipeline:
    """A compiled pipeline whose books can be told to lie, from a given frame on."""

    def __init__(self, pipeline: VerifiablePipeline, count: int) -> None:
        self.pipeline = pipeline
        self.books = [LyingBook(pipeline.book(index)) for index in range(count)]
        self.frames = 0
        self.on_frame: Callable[[int], None] = lambda frame: None

    def receive(self, payload: bytes, receive_time_ns: int) -> int:
        self.frames += 1
        self.on_frame(self.frames)
        return self.pipeline.receive(payload, receive_time_ns)

    def book(self, index: int) -> VerifiableBook:
        return self.books[index]


def verify_lie(
    recording: Recording, plant: Callable[[LyingPipeline], None], every: int = 1
) -> VerificationReport:
    def factory(venue: str, products: Sequence[Product]) -> VerifiablePipeline:
        pipeline = LyingPipeline(make_pipeline(venue, products), len(products))
        plant(pipeline)
        return pipeline

    return verify_recording(recording, pipeline_factory=factory, every=every)


def test_truth_has_no_difference(tmp_path: Path) -> None:
    report = verify_recording(write(tmp_path, *FRAMES))
    assert (report.differences, report.first_difference) == (0, None)
    assert (report.frames, report.bad_frames, report.connections) == (5, 0, 1)
    btc, eth = report.instruments.values()
    assert (btc.symbol, btc.frames, btc.snapshots, btc.changes) == ("BTC-USD", 3, 1, 2)
    assert (btc.bid_levels, btc.ask_levels, btc.state) == (3, 2, "LIVE")
    assert (btc.best_bid, btc.best_bid_quantity) == ("10.00", "1.7")
    assert (eth.best_ask, eth.best_ask_quantity) == ("10.02", "4.0")
    assert (btc.tick, btc.lot, btc.are_steps_inferred) == ("0.01", "0.1", True)


def _wrong_quantity(is_bid: bool, arrays: Arrays) -> Arrays:
    quantities = arrays[1].copy()
    if is_bid and len(quantities) > 1:
        quantities[1] += 3
    return arrays[0], quantities


def _missing_level(is_bid: bool, arrays: Arrays) -> Arrays:
    return arrays if is_bid else (arrays[0][1:], arrays[1][1:])


def _invented_level(is_bid: bool, arrays: Arrays) -> Arrays:
    if is_bid:
        return arrays
    return np.append(arrays[0], 2000), np.append(arrays[1], 5)


def _wrong_order(is_bid: bool, arrays: Arrays) -> Arrays:
    return arrays[0][::-1], arrays[1][::-1]


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (_wrong_quantity, "line 1: BTC-USD bid at 9.99: ours 2.3, reference 2.0"),
        (_missing_level, "line 1: BTC-USD ask at 10.01: ours no level, reference 1.0"),
        (_invented_level, "line 1: BTC-USD ask at 20.00: ours 0.5, reference no level"),
        (_wrong_order, "line 1: BTC-USD bid: ours the same levels in a wrong order or twice"),
    ],
)
def test_wrong_level_is_found_and_explained(
    tmp_path: Path, lie: Callable[[bool, Arrays], Arrays], words: str
) -> None:
    def plant(pipeline: LyingPipeline) -> None:
        pipeline.books[0].lie = lie

    report = verify_lie(write(tmp_path, *FRAMES), plant)
    assert str(report.first_difference).startswith(words)
    assert report.instruments["BTC-USD"].differences == report.differences > 0
    assert report.instruments["ETH-USD"].differences == 0


def test_wrong_state_is_found(tmp_path: Path) -> None:
    def plant(pipeline: LyingPipeline) -> None:
        pipeline.books[1].lied_state = int(BookState.SYNCING)

    report = verify_lie(write(tmp_path, *FRAMES), plant)
    assert str(report.first_difference) == ("line 2: ETH-USD state: ours SYNCING, reference LIVE")


def test_book_that_goes_wrong_untouched_is_found_at_the_end(tmp_path: Path) -> None:
    def plant(pipeline: LyingPipeline) -> None:
        def on_frame(frame: int) -> None:
            if frame == 5:
                pipeline.books[1].lie = _missing_level

        pipeline.on_frame = on_frame

    report = verify_lie(write(tmp_path, *FRAMES), plant)
    assert report.first_difference is not None
    assert report.first_difference.symbol == "ETH-USD"
    assert report.first_difference.line_number == 5


@pytest.mark.parametrize(("every", "lines"), [(1, 3), (2, 4), (3, 3), (100, 5)])
def test_every_compares_less_often_and_always_at_the_end(
    tmp_path: Path, every: int, lines: int
) -> None:
    def plant(pipeline: LyingPipeline) -> None:
        def on_frame(frame: int) -> None:
            if frame == 3:
                pipeline.books[0].lie = _wrong_quantity

        pipeline.on_frame = on_frame

    report = verify_lie(write(tmp_path, *FRAMES), plant, every)
    assert report.first_difference is not None
    assert report.first_difference.line_number == lines


def test_reconnect_starts_books_and_sequences_afresh(tmp_path: Path) -> None:
    opened = b"wss://feed.example.com <-> 1.5"
    late = change("BTC-USD", ("buy", "10.00", "9.9"))
    report = verify_recording(write(tmp_path, opened, *FRAMES, opened, late, *FRAMES[:1]))
    assert (report.connections, report.differences) == (2, 0)
    assert report.instruments["BTC-USD"].frames == 5
    assert report.instruments["BTC-USD"].snapshots == 2
    assert report.instruments["BTC-USD"].best_bid_quantity == "1.5"
    assert report.instruments["ETH-USD"].state == "CONNECTING", "no snapshot on the new connection"


def test_only_the_chosen_products_are_compared(tmp_path: Path) -> None:
    report = verify_recording(write(tmp_path, *FRAMES), symbols=["ETH-USD"])
    assert list(report.instruments) == ["ETH-USD"]
    assert (report.frames, report.differences, report.bad_frames) == (5, 0, 0)
    with pytest.raises(UsageError, match="products were XRP-USD; the recording holds BTC-USD, E"):
        verify_recording(write(tmp_path, *FRAMES), symbols=["XRP-USD"])


BAD_FRAMES = {
    "truncated": b'1.5: {"type":"l2update","product_id":"BTC-USD","chan',
    "wrong type": {**change("BTC-USD"), "changes": [["buy", 10.0, "1"]]},
    "off the tick": change("BTC-USD", ("buy", "9.985", "1.0")),
    "negative": change("BTC-USD", ("buy", "-9.98", "1.0")),
    "unknown side": change("BTC-USD", ("bid", "9.98", "1.0")),
    "crossed": change("BTC-USD", ("buy", "10.01", "1.0")),
    "no changes": {"type": "l2update", "product_id": "BTC-USD", "time": "2021-04-17T16:43:37Z"},
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_input_gives_a_stale_book_and_never_a_wrong_one(tmp_path: Path, bad: object) -> None:
    row = {"id": "BTC-USD", "quote_increment": "0.01", "base_increment": "0.1"}
    products = b"https://venue/products -> 1.5: " + orjson.dumps([row, {**row, "id": "ETH-USD"}])
    stale = verify_recording(write(tmp_path, products, *FRAMES[:3], bad))
    assert stale.instruments["BTC-USD"].state == "STALE"
    assert stale.differences == 0, str(stale.first_difference)
    healed = verify_recording(write(tmp_path, products, *FRAMES[:3], bad, snapshot("BTC-USD")))
    assert healed.instruments["BTC-USD"].state == "LIVE"
    assert healed.differences == 0, str(healed.first_difference)


def test_as_many_products_as_the_engine_holds(tmp_path: Path) -> None:
    frames = [snapshot(f"P{number}-USD") for number in range(Bound.MAX_INSTRUMENTS)]
    assert verify_recording(write(tmp_path, *frames)).differences == 0
    with pytest.raises(UsageError, match="holds 65 products and the engine 64; name at most that"):
        verify_recording(write(tmp_path, *frames, snapshot("ONE-MORE")))
    some = verify_recording(write(tmp_path, *frames, snapshot("ONE-MORE")), symbols=["ONE-MORE"])
    assert (some.differences, some.instruments["ONE-MORE"].state) == (0, "LIVE")


def test_senseless_arguments(tmp_path: Path) -> None:
    recording = write(tmp_path, *FRAMES)
    with pytest.raises(UsageError, match="every was 0"):
        verify_recording(recording, every=0)
    with pytest.raises(UsageError, match="venue was 'bitmex'; use one of coinbase_exchange"):
        verify_recording(recording, venue="bitmex")
    with pytest.raises(RecordingError, match="holds no book or trade of any product"):
        verify_recording(write(tmp_path, {"type": "status"}), venue="coinbase_exchange")
