"""Replays a recording through the compiled decoder and book and through the reference, and
compares every level of every book that a frame touched, after that frame.

Each connection of the recording has its own pipeline and its own reference, made anew when the
connection was opened again: sequences and books start over there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import orjson

from engine.reference.quote_check import Level, QuoteCheck, QuoteDifference
from engine.reference.reference_feed import (
    BookTerms,
    ReferenceFeed,
    ReferenceInstrument,
    ReferenceState,
)
from engine.reference.reference_venues import make_reference_feed
from engine.reference.verification_report import Difference, InstrumentReport, VerificationReport
from ext.bounds import Bound
from ext.codecs.binance_feed import BinanceFeed
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.gemini_feed import GeminiFeed
from ext.codecs.kraken_feed import KrakenFeed
from ext.codecs.kraken_v1_feed import KrakenV1Feed
from ext.errors import RecordingError, UsageError
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, StaleReason
from feeds.binance_depth import EarlyUpdates
from feeds.recording import RecordedFrame, Recording
from feeds.recording_binance import BINANCE_SPOT, BINANCE_USDM, read_records
from feeds.recording_gemini import GEMINI
from feeds.recording_kraken import KRAKEN, KRAKEN_V1
from feeds.recording_survey import (
    COINBASE_ADVANCED,
    COINBASE_EXCHANGE,
    Product,
    Survey,
    survey_recording,
)

PROGRESS_INTERVAL_S = 1.0

_DECODERS = {
    COINBASE_EXCHANGE: CoinbaseExchangeFeed,
    COINBASE_ADVANCED: CoinbaseAdvancedFeed,
    BINANCE_USDM: BinanceFeed,
    BINANCE_SPOT: BinanceFeed,
    GEMINI: GeminiFeed,
    KRAKEN: KrakenFeed,
    KRAKEN_V1: KrakenV1Feed,
}
_HAS_SNAPSHOT = (BookState.BUFFERING, BookState.LIVE)
_IntegerArray = np.ndarray[Any, np.dtype[np.int64]]


class VerifiableBook(Protocol):
    """What is read of a compiled book."""

    @property
    def state(self) -> int: ...
    @property
    def stale_reason(self) -> int: ...
    @property
    def update_count(self) -> int: ...
    def arrays(self, is_bid: bool) -> tuple[_IntegerArray, _IntegerArray]: ...


class VerifiablePipeline(Protocol):
    """What is used of the compiled pipeline."""

    def receive(self, payload: bytes, receive_time_ns: int) -> int: ...
    def book(self, index: int) -> VerifiableBook: ...


PipelineFactory = Callable[[str, Sequence[Product]], VerifiablePipeline]


def make_pipeline(venue: str, products: Sequence[Product]) -> VerifiablePipeline:
    """The production decoder and books of those products, without strategies and orders."""
    table = InstrumentTable()
    for product in products:
        table.add(
            product.symbol,
            product.tick,
            product.lot,
            price_precision=product.price_precision,
            quantity_precision=product.quantity_precision,
            depth=product.depth,
        )
    return Pipeline(table, _DECODERS[venue](table))


def verify_recording(
    recording: Recording,
    *,
    venue: str | None = None,
    symbols: Sequence[str] = (),
    every: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    pipeline_factory: PipelineFactory = make_pipeline,
) -> VerificationReport:
    """Verifies one recording.

    Args:
        recording: the capture.
        venue: None tells it from the content.
        symbols: products to compare; empty compares all.
        every: compare whole books after each that many frames (and always at the end).
        on_progress: called about once a second with frames done and frames in all.
        pipeline_factory: makes what is verified.

    Raises:
        RecordingError: the capture cannot be read or holds no books.
        UsageError: unknown venue or product, ``every`` below 1.
    """
    if every < 1:
        raise UsageError(f"every was {every}; use a whole number of frames from 1")
    if venue is not None and venue not in _DECODERS:
        raise UsageError(f"venue was {venue!r}; use one of {', '.join(_DECODERS)}")
    survey = survey_recording(recording, venue)
    chosen = _choose(recording, survey, symbols)
    report = VerificationReport(
        path=str(recording.path),
        venue=survey.venue,
        instruments={product.symbol: InstrumentReport.of(product) for product in chosen},
    )
    products = _fill_table(recording, survey, chosen)
    left_out = survey.products.keys() - {product.symbol for product in products}
    verification = _Verification(report, products, every, pipeline_factory)
    started_s = reported_s = time.monotonic()
    for frame in read_records(recording):
        if not isinstance(frame, RecordedFrame):
            continue
        if not left_out or _read_symbol(frame) not in left_out:
            verification.receive(frame)
        if report.frames % 64 == 0 and time.monotonic() - reported_s > PROGRESS_INTERVAL_S:
            reported_s = time.monotonic()
            on_progress(report.frames, survey.frame_count)
    verification.finish()
    report.seconds = time.monotonic() - started_s
    return report


def _choose(recording: Recording, survey: Survey, symbols: Sequence[str]) -> list[Product]:
    known = survey.products
    if unknown := [symbol for symbol in symbols if symbol not in known]:
        raise UsageError(
            f"products were {', '.join(unknown)}; the recording holds {', '.join(known)}"
        )
    chosen = [known[symbol] for symbol in (dict.fromkeys(symbols) or known)]
    if not chosen:
        raise RecordingError(f"{recording.path}: holds no book or trade of any product")
    return chosen


def _fill_table(recording: Recording, survey: Survey, chosen: list[Product]) -> list[Product]:
    """The products to replay: all, since a frame of an unknown one makes every book doubtful."""
    if len(survey.products) <= Bound.MAX_INSTRUMENTS:
        others = [p for p in survey.products.values() if p not in chosen]
        return chosen + others
    if len(chosen) <= Bound.MAX_INSTRUMENTS and survey.venue == COINBASE_EXCHANGE:
        return chosen
    raise UsageError(
        f"{recording.path} holds {len(survey.products)} products and the engine"
        f" {int(Bound.MAX_INSTRUMENTS)}; name at most that many with --products"
        f" (possible for {COINBASE_EXCHANGE} only)"
    )


def _read_symbol(frame: RecordedFrame) -> object:
    try:
        return orjson.loads(frame.payload)["product_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


class _Lane:
    """One connection from its opening to its end."""

    def __init__(
        self, opening: int, pipeline: VerifiablePipeline, reference: ReferenceFeed
    ) -> None:
        self.opening = opening
        self.pipeline = pipeline
        self.reference = reference
        self.books = {
            symbol: pipeline.book(index) for index, symbol in enumerate(reference.instruments)
        }
        self.update_counts = dict.fromkeys(self.books, 0)
        self.early = EarlyUpdates()
        self.quote_checks = {symbol: QuoteCheck() for symbol in self.books}
        self.quote_differences: list[tuple[str, QuoteDifference]] = []
        self.touched: set[str] = set()
        self.line_number = 0

    def receive(self, frame: RecordedFrame) -> int:
        self.line_number = frame.line_number
        self.touched.update(i.symbol for i in self.reference.receive(frame.payload))
        status = self.pipeline.receive(frame.payload, frame.receive_time_ns)
        if status == FeedStatus.FEED_OK:
            self.early.receive(
                frame.payload,
                self._is_waiting,
                lambda payload: self.pipeline.receive(payload, frame.receive_time_ns),
            )
        for symbol, book in self.books.items():
            if self.update_counts[symbol] != book.update_count:
                self.update_counts[symbol] = book.update_count
                self.touched.add(symbol)
                self._note_book(symbol)
        self._note_quotes()
        return status

    def take_quote_differences(self) -> Iterator[Difference]:
        """Compiled books that were not what a quote of the same update says."""
        for symbol, found in self.quote_differences:
            instrument = self.reference.instruments[symbol]
            if found.is_certain:
                ours, quoted = (_quote_text(instrument, q[1:]) for q in (found.book, found.quote))
                yield Difference(symbol, f"quote {found.quote[0]}", ours, quoted)
        self.quote_differences.clear()

    def _is_waiting(self, symbol: str) -> bool:
        book = self.books.get(symbol)
        return book is not None and book.state not in _HAS_SNAPSHOT

    def _note_book(self, symbol: str) -> None:
        check, sequence = self.quote_checks[symbol], self.reference.instruments[symbol].sequence
        if self.books[symbol].state != BookState.LIVE:
            check.forget_books()
        elif sequence is not None:
            bid, ask = (_best(self.books[symbol], is_bid) for is_bid in (True, False))
            self._note(symbol, check.note_book((sequence, bid, ask)))

    def _note_quotes(self) -> None:
        for symbol, instrument in self.reference.instruments.items():
            if instrument.quote is not None:
                self._note(symbol, self.quote_checks[symbol].note_quote(instrument.quote))
                instrument.quote = None

    def _note(self, symbol: str, found: list[QuoteDifference]) -> None:
        self.quote_differences += [(symbol, difference) for difference in found]


class _Verification:
    def __init__(
        self,
        report: VerificationReport,
        products: Sequence[Product],
        every: int,
        pipeline_factory: PipelineFactory,
    ) -> None:
        self._report = report
        self._products = products
        self._every = every
        self._pipeline_factory = pipeline_factory
        self._lanes: dict[str, _Lane] = {}

    def receive(self, frame: RecordedFrame) -> None:
        lane = self._lane(frame)
        status = lane.receive(frame)
        self._report.frames += 1
        self._report.note_status(FeedStatus(status), frame.line_number)
        for difference in lane.take_quote_differences():
            self._add(difference, lane)
        if self._report.frames % self._every == 0:
            for each in self._lanes.values() if self._every > 1 else (lane,):
                self._compare(each, each.touched)

    def finish(self) -> None:
        for lane in self._lanes.values():
            self._close(lane)

    def _lane(self, frame: RecordedFrame) -> _Lane:
        lane = self._lanes.get(frame.connection)
        if lane is not None and lane.opening == frame.connection_number:
            return lane
        if lane is not None:
            self._close(lane)
        venue = self._report.venue
        steps = {product.symbol: (product.tick, product.lot) for product in self._products}
        terms = {
            product.symbol: BookTerms(
                product.depth, product.price_precision, product.quantity_precision
            )
            for product in self._products
        }
        lane = _Lane(
            frame.connection_number,
            self._pipeline_factory(venue, self._products),
            make_reference_feed(venue, steps, terms),
        )
        self._lanes[frame.connection] = lane
        self._report.connections += 1
        return lane

    def _close(self, lane: _Lane) -> None:
        self._compare(lane, set(lane.books))
        for symbol, row in self._report.instruments.items():
            book = lane.books[symbol]
            row.add(lane.reference.instruments[symbol])
            row.quotes_equal += lane.quote_checks[symbol].equal
            row.quotes_different += lane.quote_checks[symbol].different
            row.state = BookState(book.state).name
            row.stale_reason = _stale_reason(book)

    def _compare(self, lane: _Lane, symbols: set[str]) -> None:
        for symbol in sorted(symbols & self._report.instruments.keys()):
            instrument = lane.reference.instruments[symbol]
            for difference in find_differences(instrument, lane.books[symbol]):
                self._add(difference, lane)
        symbols.clear()

    def _add(self, difference: Difference, lane: _Lane) -> None:
        if difference.symbol in self._report.instruments:
            difference.line_number = lane.line_number
            self._report.add_difference(difference)


def find_differences(instrument: ReferenceInstrument, book: VerifiableBook) -> Iterator[Difference]:
    """Where a compiled book is not what the reference says: state, then level by level."""
    is_live, must_be_live = book.state == BookState.LIVE, instrument.state is ReferenceState.LIVE
    if is_live and must_be_live:
        for is_bid in (True, False):
            yield from _find_level_differences(instrument, book, is_bid)
    elif is_live or (must_be_live and not instrument.is_doubtful):
        ours, reference = BookState(book.state).name, instrument.state.value
        if reason := _stale_reason(book):
            ours = f"{ours} ({reason})"
        if instrument.stale_reason:
            reference = f"{reference} ({instrument.stale_reason})"
        yield Difference(instrument.symbol, "state", ours, reference)


def _stale_reason(book: VerifiableBook) -> str:
    return StaleReason(book.stale_reason).name if book.state == BookState.STALE else ""


def _find_level_differences(
    instrument: ReferenceInstrument, book: VerifiableBook, is_bid: bool
) -> Iterator[Difference]:
    ours, reference = book.arrays(is_bid), instrument.book.arrays(is_bid)
    if np.array_equal(ours[0], reference[0]) and np.array_equal(ours[1], reference[1]):
        return
    side = "bid" if is_bid else "ask"
    our_levels = dict(zip(ours[0].tolist(), ours[1].tolist(), strict=True))
    reference_levels = dict(zip(reference[0].tolist(), reference[1].tolist(), strict=True))
    prices = sorted(our_levels.keys() | reference_levels.keys(), reverse=is_bid)
    is_explained = False
    for price_ticks in prices:
        lots = our_levels.get(price_ticks, 0), reference_levels.get(price_ticks, 0)
        if lots[0] != lots[1]:
            is_explained = True
            yield Difference(
                instrument.symbol,
                side,
                _level_text(instrument, lots[0]),
                _level_text(instrument, lots[1]),
                price=f"{instrument.book.price(price_ticks):f}",
            )
    if not is_explained:
        yield Difference(
            instrument.symbol, side, "the same levels in a wrong order or twice", "sorted"
        )


def _best(book: VerifiableBook, is_bid: bool) -> Level:
    prices, quantities = book.arrays(is_bid)
    return (int(prices[0]), int(quantities[0])) if len(prices) else (0, 0)


def _quote_text(instrument: ReferenceInstrument, levels: tuple[Level, ...]) -> str:
    book = instrument.book
    return " / ".join(f"{book.quantity(lots):f} at {book.price(ticks):f}" for ticks, lots in levels)


def _level_text(instrument: ReferenceInstrument, quantity_lots: int) -> str:
    return f"{instrument.book.quantity(quantity_lots):f}" if quantity_lots else "no level"
