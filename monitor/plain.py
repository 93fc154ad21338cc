"""Snapshots of the monitor as plain tables, for dumb terminals, logs and tests."""

import os
import sys
import time

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor import views
from monitor.client import MonitorClient

SNAPSHOT_SECONDS = 1.0
FIRST_SNAPSHOT_SECONDS = 3.0  # --once waits this long for the engine to be heard
SETTLE_SECONDS = 0.3  # after the first heartbeat: the relay answers a subscription with everything
EVENTS_SHOWN = 8
POLL_MS = 50
PIPED_COLUMNS = 1_000  # more than any line: in a file or pipe every line is as long as it is


def make_console() -> Console:
    """The terminal at its width; a file or pipe without one, unless ``COLUMNS`` says so."""
    is_free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=PIPED_COLUMNS if is_free else None)


def run_plain(client: MonitorClient, console: Console, *, only_once: bool) -> int:
    """Prints a snapshot every second until interrupted, or one and ends.

    Returns 0, or 1 when ``only_once`` and no engine was heard.
    """
    deadline = time.monotonic() + FIRST_SNAPSHOT_SECONDS
    while client.model.heartbeat is None and (only_once and time.monotonic() < deadline):
        client.poll(POLL_MS)
    _poll_for(client, SETTLE_SECONDS)
    while True:
        console.print(snapshot(client))
        if only_once:
            return 0 if client.model.heartbeat else 1
        _poll_for(client, SNAPSHOT_SECONDS)


def snapshot(client: MonitorClient) -> RenderableType:
    """Everything that is known, as one block of tables."""
    model = client.model
    now_ns = time.monotonic_ns()
    first, second = views.header_lines(model, now_ns, client.endpoint)
    if model.heartbeat is None:
        return Group(first, second)
    parts: list[RenderableType] = [first, second]
    symbols = model.heartbeat.instruments
    for index, symbol in enumerate(symbols):
        place = f"{index + 1}/{len(symbols)}"
        title = views.book_title(model, symbol, place, model.is_past(now_ns))
        parts.append(_table(title, views.BOOK_COLUMNS, views.book_rows(model, symbol)))
    tables = (
        ("positions", views.POSITION_COLUMNS, views.position_rows(model)),
        ("working orders", views.ORDER_COLUMNS, views.order_rows(model)),
        ("latency", views.LATENCY_COLUMNS, views.latency_rows(model)),
        ("counters", views.COUNTER_COLUMNS, views.counter_rows(model)),
    )
    parts += [_table(Text(title), columns, rows) for title, columns, rows in tables]
    parts += [views.event_line(event) for event in list(model.events)[-EVENTS_SHOWN:]]
    return Group(*parts)


def _poll_for(client: MonitorClient, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        client.poll(POLL_MS)


def _table(title: Text, columns: tuple[views.Column, ...], rows: list[views.Row]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for column in columns:
        table.add_column(column.title, justify=column.justify, no_wrap=True)
    for _, cells in rows:
        table.add_row(*cells)
    return table
