"""Both recorded Coinbase sessions, rebuilt by the compiled path and by the slow reference.

After every frame every level of every book that the frame touched is compared, and all books at
the end. The recorded ``ticker`` channel is a second, independent witness of the best prices: it is
not ordered against the book channel, so it may differ now and then, no more often than counted
when the recordings were taken in.
"""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from engine.reference.verification import VerifiableBook, make_pipeline, verify_recording
from engine.reference.verification_report import VerificationReport
from ext.wire import BookState, FeedStatus
from feeds.recording import Recording
from feeds.recording_survey import survey_recording

DATA = Path(__file__).parents[2] / os.environ.get("WOW_DATA", "../shared/data")


class Session(NamedTuple):
    """What is known of a recorded session from its description."""

    file: str
    venue: str
    frames: int
    control_frames: int
    snapshots: int
    changes: int
    trades: int
    tickers_equal: int
    tickers_different: int


EXCHANGE = Session(
    file="exchange_20210417.txt.gz",
    venue="coinbase_exchange",
    frames=9946,
    control_frames=107 + 3,  # ticker, subscriptions
    snapshots=10,
    changes=9719,
    trades=97,
    tickers_equal=100,
    tickers_different=7,
)
ADVANCED = Session(
    file="advanced_20260809.jsonl.gz",
    venue="coinbase_advanced",
    frames=618,
    control_frames=101 + 5 + 4,  # ticker, subscriptions, candles
    snapshots=2,
    changes=1140 + 1514,
    trades=36 + 21,
    tickers_equal=89,
    tickers_different=6,
)
SESSIONS = pytest.mark.parametrize("session", [EXCHANGE, ADVANCED], ids=lambda s: s.venue)


def open_recording(session: Session) -> Recording:
    path = DATA / "coinbase" / session.file
    if not path.is_file():
        pytest.skip(f"{path} is absent; set WOW_DATA to the folder of the recordings")
    return Recording(path)


@SESSIONS
def test_every_level_after_every_frame_equals_the_reference(session: Session) -> None:
    report: VerificationReport = verify_recording(open_recording(session))
    assert report.first_difference is None, str(report.first_difference)
    assert report.differences == 0
    assert (report.venue, report.frames, report.bad_frames) == (session.venue, session.frames, 0)
    assert report.statuses[FeedStatus.FEED_CONTROL] == session.control_frames
    totals = report.totals()
    assert (totals["snapshots"], totals["changes"]) == (session.snapshots, session.changes)
    assert (totals["trades"], totals["gaps"], totals["crossed"]) == (session.trades, 0, 0)
    assert {row.state for row in report.instruments.values()} == {"LIVE"}
    assert not any(row.are_steps_inferred for row in report.instruments.values())


def _tickers(payload: bytes) -> Iterator[dict[str, Any]]:
    frame = orjson.loads(payload)
    if frame.get("type") == "ticker":
        yield frame
    elif frame.get("channel") == "ticker":
        for event in frame["events"]:
            yield from event["tickers"]


def _best_prices(book: VerifiableBook, tick: Decimal) -> tuple[Decimal, Decimal]:
    return int(book.arrays(True)[0][0]) * tick, int(book.arrays(False)[0][0]) * tick


@SESSIONS
def test_recorded_ticker_agrees_with_the_compiled_book(session: Session) -> None:
    recording = open_recording(session)
    products = list(survey_recording(recording).products.values())
    pipeline = make_pipeline(session.venue, products)
    books = {product.symbol: pipeline.book(i) for i, product in enumerate(products)}
    ticks = {product.symbol: Decimal(product.tick) for product in products}
    equal = different = 0
    for frame in recording.frames():
        status = pipeline.receive(frame.payload, frame.receive_time_ns)
        if status != FeedStatus.FEED_CONTROL:
            continue
        for ticker in _tickers(frame.payload):
            book = books[ticker["product_id"]]
            if book.state != BookState.LIVE:
                continue
            told = Decimal(ticker["best_bid"]), Decimal(ticker["best_ask"])
            is_equal = told == _best_prices(book, ticks[ticker["product_id"]])
            equal, different = equal + is_equal, different + (not is_equal)
    assert equal >= session.tickers_equal
    assert different <= session.tickers_different
    assert equal + different == session.tickers_equal + session.tickers_different


@SESSIONS
def test_truncated_frames_are_refused_and_applied_in_no_part(session: Session) -> None:
    recording = open_recording(session)
    products = list(survey_recording(recording).products.values())
    pipeline = make_pipeline(session.venue, products)
    books = [pipeline.book(index) for index in range(len(products))]
    checked = 0
    for frame in recording.frames():
        if len(frame.payload) > 3_000 or checked == 20:
            continue
        whole = pipeline.receive(frame.payload, frame.receive_time_ns)
        if whole != FeedStatus.FEED_OK:
            continue
        checked += 1
        for size in range(len(frame.payload)):
            status = pipeline.receive(frame.payload[:size], frame.receive_time_ns)
            assert status != FeedStatus.FEED_OK, frame.payload[:size]
        assert not any(book.state == BookState.LIVE for book in books)
    assert checked == 20
