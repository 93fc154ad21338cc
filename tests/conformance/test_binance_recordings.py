"""Recorded Binance sessions, rebuilt by the compiled path and by the slow reference.

Two sessions of several products are compared after every frame, the long ones now and then. The
quotes recorded beside the books are an independent witness of every update.
"""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.reference.verification import make_pipeline, verify_recording
from engine.reference.verification_report import VerificationReport
from ext.wire import BookState, FeedStatus
from feeds.recording import RecordedFrame, Recording
from feeds.recording_binance import read_records
from feeds.recording_survey import survey_recording

DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data")


class Session(NamedTuple):
    """What is known of a recorded session from its description."""

    file: str
    venue: str
    products: int
    frames: int
    changes: int
    trades: int
    quotes_equal: int
    every: int = 1


MULTI_USDM = Session(
    file="binance_usdm/multi_20210405.txt.gz",
    venue="binance_usdm",
    products=5,
    frames=8421 + 5,
    changes=39_524,
    trades=574,
    quotes_equal=4_374,
)
MULTI_SPOT = Session(
    file="binance_spot/multi_20210405.txt.gz",
    venue="binance_spot",
    products=10,
    frames=11_357 + 10,
    changes=15_407,
    trades=1240,
    quotes_equal=4_593,
)
LONG = [
    Session("binance_usdm/btcusdt_20240718.gz", "binance_usdm", 1, 11_414, 75_704, 974, 3320, 50),
    Session(
        "binance_spot/btcusdt_20240808.gz", "binance_spot", 1, 41_249, 124_090, 9757, 3449, 500
    ),
]


def open_recording(file: str) -> Recording:
    path = DATA / file
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    return Recording(path)


def verify(session: Session) -> None:
    report: VerificationReport = verify_recording(open_recording(session.file), every=session.every)
    assert report.first_difference is None, str(report.first_difference)
    assert (report.venue, report.frames, report.bad_frames) == (session.venue, session.frames, 0)
    assert report.statuses[FeedStatus.FEED_OK] == session.frames
    totals = report.totals()
    assert (totals["snapshots"], totals["changes"]) == (session.products, session.changes)
    assert (totals["trades"], totals["gaps"], totals["crossed"]) == (session.trades, 0, 0)
    assert (totals["quotes_equal"], totals["quotes_different"]) == (session.quotes_equal, 0)
    assert {row.state for row in report.instruments.values()} == {"LIVE"}


@pytest.mark.parametrize("session", [MULTI_USDM, MULTI_SPOT], ids=lambda s: s.venue)
def test_every_level_after_every_frame_equals_the_reference(session: Session) -> None:
    verify(session)


@pytest.mark.slow
@pytest.mark.parametrize("session", LONG, ids=lambda s: s.file.partition(".")[0])
def test_long_sessions_equal_the_reference(session: Session) -> None:
    verify(session)


@pytest.mark.parametrize("session", [MULTI_USDM, MULTI_SPOT], ids=lambda s: s.venue)
def test_a_lost_update_makes_its_book_stale_and_no_other(session: Session) -> None:
    """Each product in turn loses one update in the middle."""
    recording = open_recording(session.file)
    products = list(survey_recording(recording).products.values())
    frames = [r for r in read_records(recording) if isinstance(r, RecordedFrame)]
    pipeline = make_pipeline(session.venue, products)
    books = [pipeline.book(index) for index in range(len(products))]
    waiting = {product.symbol.encode(): index for index, product in enumerate(products)}
    stale: set[int] = set()
    for number, frame in enumerate(frames):
        if b"depthUpdate" in frame.payload and number % 40 == 0 and number > len(frames) // 2:
            lost = next((s for s in waiting if b'"s":"%s"' % s in frame.payload), None)
            if lost is not None and books[waiting[lost]].state == BookState.LIVE:
                stale.add(waiting.pop(lost))
                continue
        pipeline.receive(frame.payload, frame.receive_time_ns)
    reasons = [BookState(book.state) for book in books]
    assert len(stale) > len(products) // 2, "too few were tried"
    assert {index for index, state in enumerate(reasons) if state is BookState.STALE} == stale


@pytest.mark.parametrize("session", [MULTI_USDM, MULTI_SPOT], ids=lambda s: s.venue)
def test_truncated_frames_are_refused_and_applied_in_no_part(session: Session) -> None:
    recording = open_recording(session.file)
    products = list(survey_recording(recording).products.values())
    pipeline = make_pipeline(session.venue, products)
    books = [pipeline.book(index) for index in range(len(products))]
    checked = 0
    for frame in recording.frames():
        if b"depthUpdate" not in frame.payload or len(frame.payload) > 2_000 or checked == 20:
            continue
        checked += 1
        assert pipeline.receive(frame.payload, frame.receive_time_ns) == FeedStatus.FEED_OK
        for size in range(len(frame.payload)):
            status = pipeline.receive(frame.payload[:size], frame.receive_time_ns)
            assert status not in (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)
        assert not any(book.state == BookState.LIVE for book in books)
    assert checked == 20
