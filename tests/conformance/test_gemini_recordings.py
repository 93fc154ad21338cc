"""Both recorded Gemini sessions, rebuilt by the compiled path and by the slow reference.

After every frame every level of every book that the frame touched is compared, and all books at
the end. There is no sequence and no checksum in this feed: that no book ever crosses is what the
recordings can say beyond that.
"""

import os
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from engine.reference.verification import make_pipeline, verify_recording
from ext.wire import BookState, FeedStatus
from feeds.recording import Recording
from feeds.recording_survey import survey_recording

DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data")


class Session(NamedTuple):
    """What is known of a recorded session from its description."""

    file: str
    frames: int
    snapshots: int
    changes: int
    trades: int
    has_product_list: bool


OLD = Session("v2_20210417.txt.gz", 993, 10, 6269, 51, has_product_list=False)
NEW = Session("v2_20260809.jsonl.gz", 337, 10, 326, 1, has_product_list=True)
SESSIONS = pytest.mark.parametrize("session", [OLD, NEW], ids=lambda s: s.file[3:7])


def open_recording(session: Session) -> Recording:
    path = DATA / "gemini" / session.file
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    return Recording(path)


@SESSIONS
def test_every_level_after_every_frame_equals_the_reference(session: Session) -> None:
    report = verify_recording(open_recording(session))
    assert report.first_difference is None, str(report.first_difference)
    assert report.differences == 0
    assert (report.venue, report.frames, report.bad_frames) == ("gemini", session.frames, 0)
    assert report.statuses == {FeedStatus.FEED_OK: session.frames}
    totals = report.totals()
    assert (totals["snapshots"], totals["changes"]) == (session.snapshots, session.changes)
    assert (totals["trades"], totals["gaps"], totals["crossed"]) == (session.trades, 0, 0)
    assert {row.state for row in report.instruments.values()} == {"LIVE"}
    inferred = {row.are_steps_inferred for row in report.instruments.values()}
    assert inferred == {not session.has_product_list}


@SESSIONS
def test_the_first_frame_of_a_symbol_and_no_other_holds_trades(session: Session) -> None:
    """What the decoder tells a snapshot by is what the venue's document says of the first frame."""
    seen: set[str] = set()
    for frame in open_recording(session).frames():
        fields = orjson.loads(frame.payload)
        if fields["type"] == "l2_updates":
            assert ("trades" in fields) == (fields["symbol"] not in seen)
            seen.add(fields["symbol"])
    assert len(seen) == session.snapshots


def test_steps_of_the_product_list() -> None:
    """A swap has a tick of half a dollar, and the venue calls the step of a quantity tick_size."""
    products = survey_recording(open_recording(NEW)).products
    steps = {symbol: (product.tick, product.lot) for symbol, product in products.items()}
    assert steps["BTCUSD"] == ("0.01", "0.00000001")
    assert steps["BTCUSDCPERP"] == ("0.5", "0.0001")
    assert steps["SOLUSDCPERP"] == ("0.005", "0.1")


@SESSIONS
def test_truncated_frames_are_refused_and_applied_in_no_part(session: Session) -> None:
    recording = open_recording(session)
    products = list(survey_recording(recording).products.values())
    pipeline = make_pipeline("gemini", products)
    books = [pipeline.book(index) for index in range(len(products))]
    checked = 0
    for frame in recording.frames():
        if len(frame.payload) > 3_000 or checked == 20:
            continue
        pipeline.receive(frame.payload, frame.receive_time_ns)
        checked += 1
        for size in range(len(frame.payload)):
            status = pipeline.receive(frame.payload[:size], frame.receive_time_ns)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)
        assert not any(book.state == BookState.LIVE for book in books)
    assert checked == 20
