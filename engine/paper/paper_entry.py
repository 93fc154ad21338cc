"""Order entry of paper mode: what stands where ``engine.order_entry`` has a socket.

The arc is that of live trading up to the bytes. Here they are read back and given to a venue in
this process, and its reports come in as reports do: recorded, so that journal, recovery and replay
work as ever. Nothing here knows an address.
"""

import asyncio
import logging
from dataclasses import dataclass

from engine.engine_clock import EngineClock
from engine.instruments import Instrument
from engine.paper.paper_order import PaperModel
from engine.paper.paper_requests import read_requests
from engine.paper.paper_venue import PaperVenue
from engine.settings.config_modes import PaperSection
from ext.dtypes import BOOK_VIEW
from ext.order_sender import CapturingSender
from ext.pipeline import Pipeline
from ext.session_store import SessionStore
from ext.wire import (
    BookState,
    ExecutionType,
    FeedEventKind,
    FeedStatus,
    OrderState,
    SessionState,
    Side,
)

SENDER_COMP_ID, TARGET_COMP_ID = "PAPER", "PAPER-VENUE"
MICROSECOND_NS = 1_000
POLL_S = 0.001
CAPTURE_BYTES = 1 << 20  # far more than what one frame or one timer can make us send
KNOWN_STATES = (BookState.LIVE, BookState.BUFFERING)

_log = logging.getLogger("engine.paper")


@dataclass(frozen=True, slots=True)
class PaperParts:
    """What paper orders need of the arc: numbers and sent bytes, both of this process alone."""

    store: SessionStore
    sender: CapturingSender
    model: PaperModel


def make_model(section: PaperSection) -> PaperModel:
    """The model of a config."""
    return PaperModel(
        order_latency_ns=section.order_latency_us * MICROSECOND_NS,
        cancel_latency_ns=section.cancel_latency_us * MICROSECOND_NS,
        report_latency_ns=section.report_latency_us * MICROSECOND_NS,
        maker_fee_ppm=section.maker_fee_ppm,
        taker_fee_ppm=section.taker_fee_ppm,
        queue=section.queue,
    )


def make_parts(section: PaperSection) -> PaperParts:
    """Parts for one run."""
    return PaperParts(
        SessionStore(None, "paper"), CapturingSender(CAPTURE_BYTES), make_model(section)
    )


class PaperDesk:
    """Between pipeline and paper venue; times come as arguments."""

    def __init__(
        self, pipeline: Pipeline, parts: PaperParts, instruments: tuple[Instrument, ...]
    ) -> None:
        self.venue = PaperVenue(parts.model, instruments)
        self._pipeline = pipeline
        self._parts = parts
        self._instruments = instruments
        self._books = pipeline.memory.region("books_offset", BOOK_VIEW, len(instruments))
        self._updates = [int(each) for each in self._books["update_count"]]
        self._has_book = [False] * len(instruments)
        self._now_ns = 0

    def open(self, now_ns: int) -> int:
        """Orders may be sent now. Those of an earlier run were cancelled when its process ended:
        how many there were."""
        left = self._pipeline.orders.open_orders()
        self._pipeline.forget_sequences(now_ns)
        self._parts.store.is_active = True
        for order in left:
            fields = {
                "execution_type": int(ExecutionType.EXEC_CANCELED),
                "order_state": int(OrderState.CANCELED),
                "request_number": order["accepted_number"],
                "cumulative_lots": order["filled_lots"],
                "exchange_time_ns": now_ns,
            }
            self._pipeline.apply_report(fields, now_ns)
        return len(left)

    def receive_frame(self, status: int, receive_time_ns: int) -> None:
        """A frame went through the arc: the venue sees the same market, then what we sent."""
        now_ns = self._now_ns = max(self._now_ns, receive_time_ns)
        if status == FeedStatus.FEED_OK:
            self._show_market(now_ns)
        self._look_at_books(now_ns)
        self._exchange(now_ns)

    def poll(self, now_ns: int) -> None:
        """Time went on without a frame."""
        self._now_ns = max(self._now_ns, now_ns)
        self._look_at_books(self._now_ns)
        self._exchange(self._now_ns)

    def _show_market(self, now_ns: int) -> None:
        decoder = self._pipeline.decoder
        deltas: list[tuple[int, int, Side]] | None = None
        depths = [depth for depth, _ in decoder.checks()]
        for number, (kind, instrument, first, count, _, _) in enumerate(decoder.events()):
            if instrument < 0:
                continue
            if kind == FeedEventKind.TRADES:
                for price, lots, aggressor, _, _ in decoder.trades()[first : first + count]:
                    self.venue.see_trade(instrument, price, lots, Side(aggressor), now_ns)
            elif kind in (FeedEventKind.SNAPSHOT, FeedEventKind.UPDATE):
                if not self._was_applied(instrument):
                    continue
                if deltas is None:
                    deltas = [(price, lots, Side(side)) for price, lots, side in decoder.deltas()]
                levels = deltas[first : first + count]
                if kind == FeedEventKind.SNAPSHOT:
                    self.venue.set_book(instrument, levels, now_ns)
                    self._has_book[instrument] = True
                else:
                    self.venue.change_book(instrument, levels, now_ns, depths[number])

    def _was_applied(self, instrument: int) -> bool:
        """Whether the pipeline took the frame's levels into its book."""
        view = self._books[instrument]
        before, self._updates[instrument] = self._updates[instrument], int(view["update_count"])
        return int(view["state"]) in KNOWN_STATES and self._updates[instrument] != before

    def _look_at_books(self, now_ns: int) -> None:
        """A book that is not to be traded on is none for the venue either."""
        for instrument, has_book in enumerate(self._has_book):
            if has_book and int(self._books[instrument]["state"]) not in KNOWN_STATES:
                self.venue.lose_book(instrument, now_ns)
                self._has_book[instrument] = False

    def _exchange(self, now_ns: int) -> None:
        """Requests to the venue, reports back, until neither is left: a fill may make requests."""
        while True:
            data = self._parts.sender.take()
            for request in read_requests(data, self._pipeline.orders, self._instruments):
                self.venue.send(request, now_ns)
            self.venue.advance(now_ns)
            reports = self.venue.take_reports(now_ns)
            for report in reports:
                self._pipeline.apply_report(report.fields(), now_ns)
            if not data and not reports:
                return


class PaperEntry:
    """A paper desk in the loop of a run; it stands for ``engine.order_entry.OrderEntry``, and for
    its transport."""

    def __init__(
        self,
        pipeline: Pipeline,
        parts: PaperParts,
        instruments: tuple[Instrument, ...],
        clock: EngineClock,
    ) -> None:
        self.desk = PaperDesk(pipeline, parts, instruments)
        self._pipeline = pipeline
        self._parts = parts
        self._clock = clock
        self._is_over = False

    @property
    def transport(self) -> "PaperEntry":
        """What runs; there is no connection."""
        return self

    @property
    def is_active(self) -> bool:
        """Whether orders can be sent now."""
        return self._parts.store.is_active

    def start(self) -> None:
        """Opens the desk, before the first frame comes."""
        self._show(SessionState.SESSION_ACTIVE)
        if count := self.desk.open(self._clock.now_ns()):
            _log.info("%d paper orders of the last run ended with it", count)

    async def run(self) -> None:
        """Lets time go on between frames, until the logout."""
        while not self._is_over:
            self.poll()
            await asyncio.sleep(POLL_S)

    def poll(self) -> None:
        """What has come due meanwhile."""
        self.desk.poll(self._clock.now_ns())

    def check_pending(self, now_ns: int) -> None:
        """No answer is lost on the way: a request that waits, waits for a book."""

    async def logout(self, timeout_s: float) -> bool:
        """Ends the run of the desk."""
        self.poll()
        self._is_over = True
        self._parts.store.is_active = False
        self._show(SessionState.SESSION_DISCONNECTED)
        return True

    def _show(self, state: SessionState) -> None:
        self._pipeline.memory.header_record()["order_session_state"] = state
        self._pipeline.memory.write_session(self._clock.now_ns(), 1, state)
