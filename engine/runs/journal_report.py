"""Figures of a journal as tables for a terminal."""

from rich.console import Console
from rich.table import Table

from journal.run import Run, format_time
from journal.statistics import StreamFigures

NS_PER_S = 1_000_000_000


def print_figures(run: Run, figures: list[StreamFigures], console: Console) -> None:
    """One table of records by kind, and a line or two of each stream."""
    console.print(
        f"run {run.start_time_ns}, {format_time(run.start_time_ns)}: {run.engine}, {run.mode}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("stream", "kind")
    for title in ("records", "bytes", "bytes each"):
        table.add_column(title, justify="right")
    for stream in figures:
        for name, kind in sorted(stream.kinds.items(), key=lambda item: -item[1].bytes):
            table.add_row(
                stream.stream,
                name,
                f"{kind.records:,}",
                f"{kind.bytes:,}",
                f"{kind.bytes / max(kind.records, 1):,.0f}",
            )
    console.print(table)
    for stream in figures:
        for line in _lines(stream):
            console.print(line, highlight=False, soft_wrap=True)


def _segments(count: int) -> str:
    return "one segment" if count == 1 else f"{count:,} segments"


def _lines(figures: StreamFigures) -> list[str]:
    if not figures.records:
        return [f"{figures.stream}: nothing"]
    share = figures.stored_bytes / max(figures.plain_bytes, 1)
    lines = [
        f"{figures.stream}: {figures.records:,} records in {_segments(figures.segments)}, "
        f"{figures.stored_bytes:,} bytes on disk ({share:.0%} of the records)",
        f"  {format_time(figures.first_ns)} to {format_time(figures.last_ns)}, "
        f"{figures.per_second:,.1f} a second, at most {figures.peak_per_second:,}",
        f"  slots missing: {figures.missing_slots:,}; records dropped: {figures.dropped_records:,}",
    ]
    for length_ns, began_ns in figures.quiet:
        lines.append(f"  quiet for {length_ns / NS_PER_S:.3f} s from {format_time(began_ns)}")
    return lines
