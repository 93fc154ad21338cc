"""``wow-monitor``: shows one engine in the terminal, fed by ZeroMQ alone. Read-only."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import DataTable, Footer, RichLog, Static

from ext.errors import ConfigError
from monitor import views
from monitor.client import MonitorClient
from monitor.plain import make_console, run_plain

REFRESH_SECONDS = 0.2
LOG_LINES = 1_000
WIDE_COLUMNS = 150  # fewer: the panels stand one below the other
HIGH_ROWS = 37  # fewer: the panels keep their height and are scrolled
EXIT_BAD_CONFIG = 2

HELP = """\
[b]wow-monitor[/b] shows what the relay of one engine publishes; it changes nothing.

 [b]tab[/b]     next instrument        Full screen and back:
 [b]↑ ↓[/b]     scroll, also [b]k j[/b]       [b]b[/b]  book       [b]p[/b]  positions
 [b]PgUp[/b]    a page, also [b]PgDn[/b]      [b]o[/b]  orders     [b]l[/b]  latency
 [b]?[/b]       this help              [b]e[/b]  events
 [b]q[/b]       quit

 [b]ours[/b]      our working quantity at that price; + when of several orders
 [b]open P&L[/b]  of closing at the middle of the book; ? without a LIVE book
 [b]state[/b]     of an order: SENT (no answer yet), WORKING, PARTIAL, CANCELING,
           REPLACING, UNKNOWN (the venue is being asked)
 [b]latency[/b]   since the engine's start; percentiles at most 3.2 % too high
 [b]STALE[/b]     nothing new for more than a second: what is shown may be untrue
 [b]GONE[/b]      the engine's process ended without stopping

Any key closes this help."""


class LiveTable(DataTable[Text]):
    """A table of fixed widths that repaints only the cells that changed."""

    def __init__(self, title: str, columns: tuple[views.Column, ...], name: str) -> None:
        super().__init__(id=name, show_cursor=False, cursor_type="none", cell_padding=0)
        self.border_title = title
        self._columns = columns
        self._shown: dict[str, tuple[Text, ...]] = {}

    def on_mount(self) -> None:
        """Adds the columns, whose widths never change."""
        for index, column in enumerate(self._columns):
            heading = Text(column.title, justify=column.justify)
            self.add_column(heading, width=column.width, key=str(index))

    def show(self, rows: list[views.Row]) -> None:
        """Makes the table equal to ``rows``."""
        if [key for key, _ in rows] != list(self._shown):
            self.clear()
            for key, cells in rows:
                self.add_row(*cells, key=key)
        else:
            for key, cells in rows:
                for index, cell in enumerate(cells):
                    if cell != self._shown[key][index]:
                        self.update_cell(key, str(index), cell)
        self._shown = dict(rows)


class HelpScreen(ModalScreen[None]):
    """What the keys and words mean; any key closes it."""

    def compose(self) -> ComposeResult:
        """One box in the middle."""
        yield Static(HELP, id="help")

    def on_key(self) -> None:
        """Closes the help."""
        self.dismiss()


class MonitorApp(App[None]):
    """The full-screen monitor; polls its client five times a second."""

    CSS = """
    #header { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #panels { grid-size: 2; grid-columns: 71 1fr; grid-rows: 13 13 1fr;
        overflow-y: auto; scrollbar-size: 1 1; }
    .-low #panels { grid-rows: 13 13 13; }
    .-narrow #panels { grid-size: 1; grid-columns: 1fr; grid-rows: auto; }
    .-narrow #panels LiveTable { height: auto; min-height: 5; }
    .-narrow #log { height: 12; min-height: 12; }
    LiveTable, #log { scrollbar-size: 1 1; border: round $surface-lighten-2; }
    LiveTable, #log { border-title-color: $text; }
    LiveTable > .datatable--header { background: $surface; color: $text-muted; }
    LiveTable.-maximized, #log.-maximized { height: 1fr; }
    HelpScreen { align: center middle; }
    #help { width: 84; max-width: 100%; height: auto; padding: 0 1; }
    #help { border: round $accent; background: $surface; }
    """
    TITLE = "wow-monitor"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # the keys are for all panels
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("tab", "next_instrument", "next instrument", priority=True),
        Binding("b", "enlarge('book')", "book"),
        Binding("o", "enlarge('orders')", "orders"),
        Binding("p", "enlarge('positions')", "positions"),
        Binding("l", "enlarge('latency')", "latency"),
        Binding("e", "enlarge('log')", "events"),
        Binding("down,j", "move(1)", "scroll", show=False),
        Binding("up,k", "move(-1)", "scroll", show=False),
        Binding("pagedown,space", "move_page(1)", "scroll", show=False),
        Binding("pageup", "move_page(-1)", "scroll", show=False),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(self, client: MonitorClient, clock: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE_COLUMNS, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (HIGH_ROWS, "-high")]
        self._client = client
        self._clock = clock
        self._instrument = 0
        self._events_shown = 0
        self._header = Static(id="header")
        self._book = LiveTable("book", views.BOOK_COLUMNS, "book")
        self._positions = LiveTable("positions", views.POSITION_COLUMNS, "positions")
        self._orders = LiveTable("working orders", views.ORDER_COLUMNS, "orders")
        self._latency = LiveTable("latency", views.LATENCY_COLUMNS, "latency")
        self._counters = LiveTable("counters", views.COUNTER_COLUMNS, "counters")
        self._event_log = RichLog(id="log", max_lines=LOG_LINES, wrap=True)

    def compose(self) -> ComposeResult:
        """Header, six panels, keys."""
        self._event_log.border_title = "events"
        yield self._header
        with Grid(id="panels"):
            yield self._book
            yield self._positions
            yield self._latency
            yield self._orders
            yield self._counters
            yield self._event_log
        yield Footer()

    def on_mount(self) -> None:
        """Starts to poll."""
        self.set_interval(REFRESH_SECONDS, self.update_view)
        self.update_view()

    def update_view(self) -> None:
        """Takes in what has arrived and shows what has changed."""
        self._client.poll()
        model = self._client.model
        lines = views.header_lines(model, self._clock(), self._client.endpoint)
        self._header.update(Text("\n").join(lines))
        symbols = model.heartbeat.instruments if model.heartbeat else []
        if symbols:
            self._instrument %= len(symbols)
            symbol = symbols[self._instrument]
            place = f"{self._instrument + 1}/{len(symbols)}"
            is_past = model.is_past(self._clock())
            self._book.border_title = views.book_title(model, symbol, place, is_past)
            self._book.show(views.book_rows(model, symbol))
        self._positions.show(views.position_rows(model))
        self._orders.show(views.order_rows(model))
        self._latency.show(views.latency_rows(model))
        self._counters.show(views.counter_rows(model))
        fresh = min(model.event_count - self._events_shown, len(model.events))
        for event in list(model.events)[len(model.events) - fresh :]:
            self._event_log.write(views.event_line(event))
        self._events_shown = model.event_count

    def action_next_instrument(self) -> None:
        """Shows the book of the next instrument."""
        self._instrument += 1
        self.update_view()

    def action_enlarge(self, name: str) -> None:
        """Gives one panel the whole screen, or takes it back."""
        panel = self.query_one(f"#{name}")
        if self.screen.maximized is panel:
            self.screen.minimize()
        else:
            self.screen.maximize(panel, container=False)

    def action_move(self, lines: int) -> None:
        """Scrolls the enlarged panel, or all of them."""
        self._scrolled().scroll_relative(y=lines, animate=False, immediate=True)

    def action_move_page(self, pages: int) -> None:
        """The same by its height."""
        panel = self._scrolled()
        lines = pages * max(1, panel.size.height - 1)
        panel.scroll_relative(y=lines, animate=False, immediate=True)

    def _scrolled(self) -> Widget:
        return self.screen.maximized or self.query_one("#panels")

    def action_help(self) -> None:
        """Shows the help."""
        self.push_screen(HelpScreen())


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``wow-monitor``; 1: --once and no engine heard, 2: wrong arguments."""
    options = _parser().parse_args(arguments)
    try:
        client = MonitorClient(options.connect)
    except ConfigError as error:
        sys.stderr.write(f"wow-monitor: {error}\n")
        return EXIT_BAD_CONFIG
    try:
        if options.plain or options.once:
            return run_plain(client, make_console(), only_once=options.once)
        MonitorApp(client).run()
    except KeyboardInterrupt:
        return 0
    finally:
        client.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-monitor", description="Shows a running engine; reads only."
    )
    parser.add_argument(
        "--connect", required=True, metavar="ENDPOINT", help="what the relay publishes on"
    )
    parser.add_argument("--plain", action="store_true", help="print tables every second")
    parser.add_argument("--once", action="store_true", help="print one snapshot and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
