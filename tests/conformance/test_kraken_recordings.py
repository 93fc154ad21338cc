"""Recorded Kraken sessions of both versions, rebuilt by the compiled path and by the reference.

After every frame every level of every book that the frame touched is compared. Here the venue is a
witness too: after each update its checksum says whether the ten best levels are right. A recording
that was tampered with has to be found out.
"""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.reference.verification import make_pipeline, verify_recording
from engine.reference.verification_report import VerificationReport
from ext.wire import BookState, FeedStatus, StaleReason
from feeds.recording import Recording
from feeds.recording_survey import survey_recording

DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data") / "kraken"
V1 = "v1_20210417_book1000.txt.gz"
V1_FRAMES, V1_UPDATES, V1_BOOKS = 4321, 4269, 10
V2_UPDATES = 509


def find(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    return path


def v2_frames() -> list[Any]:
    """The frames of the recorded v2 session, parsed: it is one JSON object, not a capture."""
    recorded = orjson.loads(gzip.decompress(find("v2_btcusd_book10_2023.json.gz").read_bytes()))
    return [recorded["init"], *recorded["updates"]]


def write_v2(folder: Path, frames: list[Any]) -> Recording:
    path = folder / "capture.txt"
    path.write_bytes(b"\n".join(b"1.5: " + orjson.dumps(frame) for frame in frames))
    return Recording(path)


def assert_clean(report: VerificationReport, frames: int, checksums: int) -> None:
    assert report.first_difference is None, str(report.first_difference)
    assert (report.differences, report.bad_frames, report.frames) == (0, 0, frames)
    totals = report.totals()
    assert (totals["checksums_good"], totals["checksums_bad"]) == (checksums, 0)
    assert (totals["gaps"], totals["crossed"]) == (0, 0)
    assert {row.state for row in report.instruments.values()} == {"LIVE"}


def test_v2_every_level_and_every_checksum(tmp_path: Path) -> None:
    report = verify_recording(write_v2(tmp_path, v2_frames()))
    assert report.venue == "kraken"
    assert_clean(report, V2_UPDATES + 1, V2_UPDATES + 1)
    (row,) = report.instruments.values()
    assert (row.tick, row.lot, row.bid_levels, row.ask_levels) == ("0.1", "0.00000001", 10, 10)


def test_v1_every_level_and_every_checksum() -> None:
    report = verify_recording(Recording(find(V1)))
    assert report.venue == "kraken_v1"
    assert_clean(report, V1_FRAMES, V1_UPDATES)
    assert report.totals()["snapshots"] == V1_BOOKS
    assert report.statuses[FeedStatus.FEED_CONTROL] == 11  # systemStatus, ten subscriptionStatus


def test_v1_with_its_list_of_pairs(tmp_path: Path) -> None:
    """Ticks are coarser than the texts, whose decimals the checksums have."""
    (tmp_path / "book.txt.gz").write_bytes(find(V1).read_bytes())
    (tmp_path / "book_http.txt.gz").write_bytes(find("v1_20210417_http.txt.gz").read_bytes())
    report = verify_recording(Recording(tmp_path / "book.txt.gz"))
    assert_clean(report, V1_FRAMES, V1_UPDATES)
    steps = {row.symbol: row.tick for row in report.instruments.values()}
    assert (steps["XBT/CHF"], steps["GRT/ETH"]) == ("0.1", "0.0000001")
    assert not any(row.are_steps_inferred for row in report.instruments.values())


def test_v1_trades() -> None:
    report = verify_recording(Recording(find("v1_20210417_trade.txt.gz")))
    assert (report.differences, report.bad_frames, report.totals()["trades"]) == (0, 0, 10)


def lose(frames: list[Any], at: int) -> None:
    """A frame that never arrived."""
    del frames[at]


def change_quantity(frames: list[Any], at: int) -> None:
    """One digit of a level that is set."""
    book = frames[at]["data"][0]
    level = next(level for level in book["bids"] + book["asks"] if level["qty"])
    level["qty"] = round(level["qty"] + 1e-8, 8)


def change_checksum(frames: list[Any], at: int) -> None:
    """The checksum itself."""
    frames[at]["data"][0]["checksum"] ^= 1 << 31


def first_with_a_level(frames: list[Any], start: int) -> int:
    def sets_a_level(frame: Any) -> bool:
        book = frame["data"][0]
        return any(level["qty"] for level in book["bids"] + book["asks"])

    return next(at for at in range(start, len(frames)) if sets_a_level(frames[at]))


@pytest.mark.parametrize("corrupt", [lose, change_quantity, change_checksum])
@pytest.mark.parametrize("start", [2, 100, 300])
def test_v2_corruption_is_reported(tmp_path: Path, corrupt: Any, start: int) -> None:
    """The book is STALE (CHECKSUM) from there on, on both sides: no difference, and not LIVE."""
    frames = v2_frames()
    corrupt(frames, first_with_a_level(frames, start))
    report = verify_recording(write_v2(tmp_path, frames))
    assert report.differences == 0, str(report.first_difference)
    (row,) = report.instruments.values()
    assert (row.checksums_bad, row.state, row.stale_reason) == (1, "STALE", "CHECKSUM")
    assert row.checksums_good <= first_with_a_level(frames, start) + 20
    healed = verify_recording(write_v2(tmp_path, [*frames, v2_frames()[0]]))
    (row,) = healed.instruments.values()
    assert (healed.differences, row.checksums_bad, row.state) == (0, 1, "LIVE")


def corrupted_lines(path: Path, line: int) -> Iterator[bytes]:
    """The lines of a capture, one digit of a quantity in one of them another one."""
    for number, text in enumerate(gzip.decompress(path.read_bytes()).splitlines(), 1):
        if number == line:
            text = re.sub(rb'","(\d+)\.(\d{7})\d"', rb'","\1.\g<2>7"', text, count=1)
        yield text


def test_v1_corruption_is_reported(tmp_path: Path) -> None:
    """XMR/USD's first update: the other books do not mind."""
    path = find(V1)
    line = next(
        number
        for number, text in enumerate(gzip.decompress(path.read_bytes()).splitlines(), 1)
        if b'[992,{"b":[["354.15000000","5.00000000"' in text
    )
    capture = tmp_path / "capture.txt"
    capture.write_bytes(b"\n".join(corrupted_lines(path, line)))
    report = verify_recording(Recording(capture))
    assert report.differences == 0, str(report.first_difference)
    states = {row.symbol: (row.state, row.checksums_bad) for row in report.instruments.values()}
    assert states.pop("XMR/USD") == ("STALE", 1)
    assert set(states.values()) == {("LIVE", 0)}


def test_every_single_bit_of_a_checksum_counts(tmp_path: Path) -> None:
    frames = v2_frames()[:2]
    products = list(survey_recording(write_v2(tmp_path, frames)).products.values())
    good = frames[1]["data"][0]["checksum"]
    for bit in range(32):
        pipeline = make_pipeline("kraken", products)
        for checksum, state in ((good, BookState.LIVE), (good ^ 1 << bit, BookState.STALE)):
            frames[1]["data"][0]["checksum"] = checksum
            for frame in frames:
                assert pipeline.receive(orjson.dumps(frame), 1) == FeedStatus.FEED_OK
            assert pipeline.book(0).state == state
        assert pipeline.book(0).stale_reason == StaleReason.CHECKSUM
