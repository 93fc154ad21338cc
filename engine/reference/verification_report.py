"""What a verification found, for machines (``as_dict``) and for people (``print_report``)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from engine.reference.reference_feed import ReferenceInstrument
from ext.wire import FeedStatus
from feeds.recording_survey import Product

# Statuses of frames that are as they should be; the others are bad frames.
_GOOD_STATUSES = (FeedStatus.FEED_OK, FeedStatus.FEED_CONTROL)


@dataclass(slots=True)
class Difference:
    """One disagreement between the compiled book and the reference."""

    symbol: str
    what: str
    """``bid``, ``ask`` or ``state``."""
    ours: str
    reference: str
    price: str = ""
    """Of the level, in quote currency; empty for a state."""
    line_number: int = 0
    """Line of the file after whose frame it was found."""

    def __str__(self) -> str:
        place = f"{self.what} at {self.price}" if self.price else self.what
        return (
            f"line {self.line_number}: {self.symbol} {place}:"
            f" ours {self.ours}, reference {self.reference}"
        )


@dataclass(slots=True)
class InstrumentReport:
    """Totals of one product over all connections; prices and quantities are decimal texts."""

    symbol: str
    tick: str
    lot: str
    are_steps_inferred: bool
    frames: int = 0
    snapshots: int = 0
    changes: int = 0
    trades: int = 0
    gaps: int = 0
    checksums_good: int = 0
    """0 where the venue sends none."""
    checksums_bad: int = 0
    quotes_equal: int = 0
    """Updates behind which best bid and ask were those that the venue quoted: ``QuoteCheck``."""
    quotes_different: int = 0
    crossed: int = 0
    bad_frames: int = 0
    differences: int = 0
    state: str = ""
    """BookState of the compiled book at the end."""
    stale_reason: str = ""
    bid_levels: int = 0
    ask_levels: int = 0
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""

    @classmethod
    def of(cls, product: Product) -> "InstrumentReport":
        """An empty report of a product."""
        return cls(product.symbol, product.tick, product.lot, product.is_inferred)

    def add(self, instrument: ReferenceInstrument) -> None:
        """Adds one connection at its end; the last one gives the final book."""
        names = [
            *("frames", "snapshots", "changes", "trades", "gaps", "checksums_good"),
            *("checksums_bad", "crossed", "bad_frames"),
        ]
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(instrument, name))
        book = instrument.book
        self.bid_levels, self.ask_levels = book.level_count(True), book.level_count(False)
        for name, is_bid in (("best_bid", True), ("best_ask", False)):
            best = book.best(is_bid)
            setattr(self, name, f"{book.price(best[0]):f}" if best else "")
            setattr(self, f"{name}_quantity", f"{book.quantity(best[1]):f}" if best else "")


@dataclass(slots=True)
class VerificationReport:
    """The whole result."""

    path: str
    venue: str
    instruments: dict[str, InstrumentReport]
    frames: int = 0
    connections: int = 0
    seconds: float = 0.0
    differences: int = 0
    first_difference: Difference | None = None
    statuses: Counter[FeedStatus] = field(default_factory=Counter)
    """How many frames the compiled decoder gave each status."""
    first_bad_line: int = 0
    """Line of the first frame that the compiled decoder refused; 0: none."""

    @property
    def bad_frames(self) -> int:
        """Frames that the compiled decoder refused."""
        return self.frames - sum(self.statuses[status] for status in _GOOD_STATUSES)

    def note_status(self, status: FeedStatus, line_number: int) -> None:
        """Counts what the decoder said of a frame."""
        self.statuses[status] += 1
        if status not in _GOOD_STATUSES and not self.first_bad_line:
            self.first_bad_line = line_number

    def add_difference(self, difference: Difference) -> None:
        """Counts a difference; the first one is kept whole."""
        self.differences += 1
        self.instruments[difference.symbol].differences += 1
        if self.first_difference is None:
            self.first_difference = difference

    def totals(self) -> dict[str, int]:
        """Sums over the instruments."""
        names = [
            *("snapshots", "changes", "trades", "gaps", "checksums_good", "checksums_bad"),
            *("quotes_equal", "quotes_different", "crossed", "differences"),
        ]
        return {
            name: sum(getattr(row, name) for row in self.instruments.values()) for name in names
        }

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        first = self.first_difference
        return {
            "path": self.path,
            "venue": self.venue,
            "frames": self.frames,
            "connections": self.connections,
            "seconds": round(self.seconds, 3),
            "bad_frames": self.bad_frames,
            "first_bad_line": self.first_bad_line,
            "statuses": {status.name: count for status, count in sorted(self.statuses.items())},
            "totals": self.totals(),
            "first_difference": first and _fields(first),
            "instruments": [_fields(row) for row in self.instruments.values()],
        }


def print_report(report: VerificationReport, console: Console) -> None:
    """Writes what was counted, the books at the end, and the verdict."""
    rows = report.instruments.values()
    counts = Table(title=f"{report.path} ({report.venue})", title_justify="left", box=SIMPLE_HEAD)
    counts.add_column("instrument", no_wrap=True)
    columns = [
        *("frames", "changes", "trades", "gaps", "checksums", "quotes"),
        *("crossed", "differences"),
    ]
    for name in columns:
        counts.add_column(name, justify="right", no_wrap=True)
    books = Table(title="Books at the end", title_justify="left", box=SIMPLE_HEAD)
    books.add_column("instrument", no_wrap=True)
    for name in ("bids", "asks", "best bid", "size", "best ask", "size"):
        books.add_column(name, justify="right", no_wrap=True)
    books.add_column("state", no_wrap=True)
    for row in rows:
        style = "red" if row.differences else None
        counts.add_row(*_count_cells(row), style=style)
        books.add_row(*_book_cells(row), style=style)
    console.print(counts)
    console.print(books)
    for line in _verdict(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _count_cells(row: InstrumentReport) -> list[str]:
    checksums = f"{row.checksums_good} good {row.checksums_bad} bad"
    quotes = f"{row.quotes_equal:,} equal {row.quotes_different:,} not"
    return [
        f"{row.symbol}{'*' if row.are_steps_inferred else ''}",
        *(f"{count:,}" for count in (row.frames, row.changes, row.trades, row.gaps)),
        checksums if row.checksums_good or row.checksums_bad else "none sent",
        quotes if row.quotes_equal or row.quotes_different else "none sent",
        f"{row.crossed:,}",
        f"{row.differences:,}",
    ]


def _book_cells(row: InstrumentReport) -> list[str]:
    return [
        row.symbol,
        f"{row.bid_levels:,}",
        f"{row.ask_levels:,}",
        row.best_bid or "-",
        row.best_bid_quantity or "-",
        row.best_ask or "-",
        row.best_ask_quantity or "-",
        f"{row.state} ({row.stale_reason})" if row.stale_reason else row.state,
    ]


def _verdict(report: VerificationReport) -> list[str]:
    lines = []
    if any(row.are_steps_inferred for row in report.instruments.values()):
        steps = ", ".join(
            f"{row.symbol} {row.tick} / {row.lot}"
            for row in report.instruments.values()
            if row.are_steps_inferred
        )
        lines.append(f"* no product list: tick / lot taken from the finest decimals: {steps}")
    lines.append(
        f"{report.frames:,} frames of {report.connections} connection(s)"
        f" in {report.seconds:.1f} s, {report.bad_frames:,} bad"
    )
    if report.bad_frames:
        reasons = ", ".join(
            f"{count} {status.name}"
            for status, count in sorted(report.statuses.items())
            if status not in _GOOD_STATUSES
        )
        lines.append(f"bad frames: {reasons}; the first in line {report.first_bad_line}")
    if report.first_difference is None:
        lines.append("no difference: every level compared equals the reference")
    else:
        lines.append(f"{report.differences:,} differences, the first in {report.first_difference}")
    return lines


def _fields(row: Difference | InstrumentReport) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
