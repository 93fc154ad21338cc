"""Tables and lines of the monitor, made from the model; the terminal and plain views share them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.text import Text

from journal.decimals import format_duration_ns, format_uptime
from monitor.client import EngineModel, Event
from monitor.messages import FillEvent, OrderEvent, RiskEvent, StateEvent

LADDER_LEVELS = 10
JOURNAL_LAG_SHOWN_NS = 1_000_000_000  # older order records that are not on the disk are told of

GOOD, WARN, BAD, DIM = "green", "yellow", "bold red", "dim"
MODE_STYLES = {
    "live": "bold white on red",
    "paper": "bold black on yellow",
    "shadow": "bold white on blue",
    "replay": "bold white on magenta",
}
DEFAULT_MODE_STYLE = "bold black on cyan"
STATE_STYLES = {
    "RUNNING": GOOD,
    "ACTIVE": GOOD,
    "LIVE": GOOD,
    "PAUSED": WARN,
    "STARTING": WARN,
    "STOPPING": WARN,
    "KILLED": BAD,
    "STALE": BAD,
    "GONE": BAD,
    "DISCONNECTED": BAD,
}
SIDE_STYLES = {"BUY": GOOD, "SELL": "red"}

Row = tuple[str, tuple[Text, ...]]  # key and cells


@dataclass(frozen=True, slots=True)
class Column:
    """Heading, width in characters and side on which its cells stand."""

    title: str
    width: int
    justify: Literal["left", "right"] = "right"


# Cells stand side by side without padding: text to the left first, then numbers to the right.
# No table is wider than 77: one border, one scrollbar of its own and one of the panels, in 80.
BOOK_COLUMNS = (
    Column("ours", 11),
    Column("quantity", 12),
    Column("bid", 11),
    Column("ask", 11),
    Column("quantity", 12),
    Column("ours", 11),
)
POSITION_COLUMNS = (
    Column("strategy", 13, "left"),
    Column("symbol", 8, "left"),
    Column("position", 12),
    Column("average", 11),
    Column("realised", 10),
    Column("open P&L", 9),
    Column("fees", 8),
    Column("fills", 6),
)
ORDER_COLUMNS = (
    Column("order", 8, "left"),
    Column("strategy", 13, "left"),
    Column("symbol", 9, "left"),
    Column("side", 5, "left"),
    Column("state", 9, "left"),
    Column("price", 11),
    Column("leaves", 11),
    Column("filled", 11),
)
LATENCY_COLUMNS = (
    Column("step", 14, "left"),
    Column("count", 14),
    Column("p50", 10),
    Column("p99", 10),
    Column("p99.9", 10),
    Column("max", 10),
)
COUNTER_COLUMNS = (Column("counter", 14, "left"), Column("total", 24), Column("per second", 30))

SHORT_ORDER_STATES = {
    "PENDING_NEW": "SENT",
    "NEW": "WORKING",
    "PARTIALLY_FILLED": "PARTIAL",
    "PENDING_CANCEL": "CANCELING",
    "PENDING_REPLACE": "REPLACING",
}

_COUNTERS = {
    "frames": ("frames", GOOD),
    "updates": ("deltas", GOOD),
    "trades": ("trades", GOOD),
    "bad frames": ("bad_frames", BAD),
    "gaps": ("gaps", BAD),
    "stale books": ("stale_count", BAD),
    "signals": ("intents", GOOD),
    "rejects": ("rejected", WARN),
    "orders": ("orders_sent", GOOD),
    "fills": ("fills", GOOD),
    "order drops": ("dropped_order_records", BAD),
    "market drops": ("dropped_market_records", BAD),
    "loop stalls": ("loop_stalls", WARN),
}


def header_lines(model: EngineModel, monotonic_ns: int, endpoint: str) -> tuple[Text, Text]:
    """Who, in which mode and state, how old; and below it why, or what is wrong."""
    heartbeat = model.heartbeat
    if heartbeat is None:
        return Text(" waiting for engine ", "bold black on yellow"), Text(endpoint, DIM)
    is_past = model.is_past(monotonic_ns)
    age_ns = model.age_ns(monotonic_ns)
    first = Text(no_wrap=True, overflow="ellipsis")
    mode_style = MODE_STYLES.get(heartbeat.mode, DEFAULT_MODE_STYLE)
    if model.is_gone():
        first.append(" GONE ", "bold white on red")
    elif model.is_stale(monotonic_ns):
        first.append(f" STALE {age_ns / 1e9:.0f} s ", "bold white on red")
    first.append(f" {heartbeat.mode.upper()} ", DIM if is_past else mode_style)
    first.append(f" {heartbeat.src}  ", "bold")
    _append_state(first, heartbeat.state, is_past and heartbeat.state != "STOPPED", "")
    first.append("  feed ")
    _append_state(first, heartbeat.feed_state, is_past)
    first.append("  orders ")
    _append_state(first, heartbeat.order_session_state, is_past)
    # What may be cut off in 80 columns stands last.
    first.append(f"  up {format_uptime(heartbeat.t_engine_ns - heartbeat.engine_start_ns)}")
    first.append(f"  heartbeat {age_ns / 1e9:.1f} s")
    return first, _warnings(model, is_past)


def _append_state(line: Text, state: str, is_past: bool, style: str = WARN) -> None:
    line.append(f"was {state}" if is_past else state, _state_style(state, is_past, style))


def _state_style(state: str, is_past: bool, style: str) -> str:
    return DIM if is_past else STATE_STYLES.get(state, style)


def _warnings(model: EngineModel, is_past: bool) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    heartbeat = model.heartbeat
    if heartbeat is None:
        return line
    found = (
        (heartbeat.journal_error, f"journal not written: {heartbeat.journal_error}"),
        (
            heartbeat.journal_lag_ns > JOURNAL_LAG_SHOWN_NS,
            f"journal {format_duration_ns(heartbeat.journal_lag_ns)} behind",
        ),
        (heartbeat.dropped_order_records, "order records dropped, the journal has a hole"),
        (heartbeat.lost_records, f"{heartbeat.lost_records} records lost before the relay"),
        (heartbeat.threads_on_core, f"{heartbeat.threads_on_core} threads on the engine's core"),
        (model.missed, f"{model.missed} messages missed here"),
    )
    line.append(f"last: {heartbeat.reason}" if is_past else heartbeat.reason, DIM)
    for is_present, text in found:
        if is_present:
            line.append(f"  {text}", BAD)
    if heartbeat.loop_stalls:
        longest = format_duration_ns(heartbeat.loop_max_cycle_ns)
        line.append(f"  {heartbeat.loop_stalls} loop stalls, longest {longest}", WARN)
        line.append(f" in {heartbeat.loop_max_cycle_source}", WARN)
    return line


def book_title(model: EngineModel, symbol: str, position: str, is_past: bool) -> Text:
    """Symbol, place among the instruments, state and size of the book."""
    book = model.books.get(symbol)
    title = Text(f"book {symbol} {position}  ")
    if book is not None:
        _append_state(title, book.state, is_past)
        title.append(f" {book.stale_reason}".rstrip(), BAD)
        title.append(f"  {book.total_bid_levels} x {book.total_ask_levels} levels")
    return title


def book_rows(model: EngineModel, symbol: str) -> list[Row]:
    """Ladder of one instrument with our own working quantity beside its level."""
    book = model.books.get(symbol)
    bids = book.bids if book else []
    asks = book.asks if book else []
    own = _own_leaves(model, symbol)
    rows = []
    for level in range(LADDER_LEVELS):
        bid_price, bid_quantity = bids[level] if level < len(bids) else ("", "")
        ask_price, ask_quantity = asks[level] if level < len(asks) else ("", "")
        cells = (
            (own.get(("BUY", bid_price), ""), "bold cyan"),
            (bid_quantity, ""),
            (bid_price, GOOD),
            (ask_price, "red"),
            (ask_quantity, ""),
            (own.get(("SELL", ask_price), ""), "bold cyan"),
        )
        rows.append(_row(str(level), BOOK_COLUMNS, cells))
    return rows


def position_rows(model: EngineModel) -> list[Row]:
    """One row per strategy."""
    rows = []
    for index, entry in enumerate(model.positions.positions if model.positions else []):
        cells = (
            (entry.strategy, ""),
            (entry.instrument, ""),
            (entry.position, ""),
            (entry.average_price or "-", ""),
            _money(entry.realised_pnl),
            _money(entry.unrealised_pnl),
            (f"{entry.fees:,.2f}", ""),
            (str(entry.fill_count), ""),
        )
        rows.append(_row(str(index), POSITION_COLUMNS, cells))
    return rows


def order_rows(model: EngineModel) -> list[Row]:
    """Working orders, the newest first."""
    rows = []
    for order in reversed(model.open_orders.orders if model.open_orders else []):
        cells = (
            (str(order.order_number), ""),
            (order.strategy, ""),
            (order.instrument, ""),
            (order.side, SIDE_STYLES.get(order.side, "")),
            (
                SHORT_ORDER_STATES.get(order.state, order.state),
                BAD if order.state == "UNKNOWN" else "",
            ),
            (order.price, ""),
            (order.leaves, ""),
            (order.filled, ""),
        )
        rows.append(_row(str(order.order_number), ORDER_COLUMNS, cells))
    return rows


def latency_rows(model: EngineModel) -> list[Row]:
    """One row per step, in the order of the data's way."""
    rows = []
    for step in model.latency.steps if model.latency else []:
        values = (step.p50_ns, step.p99_ns, step.p999_ns, step.max_ns)
        texts = [format_duration_ns(value) if step.count else "-" for value in values]
        cells = [(step.step, ""), (f"{step.count:,}", ""), *((text, "") for text in texts)]
        rows.append(_row(step.step, LATENCY_COLUMNS, tuple(cells)))
    return rows


def counter_rows(model: EngineModel) -> list[Row]:
    """Counters and their rates; those that should stay zero are coloured when they do not."""
    values = model.counters.values if model.counters else {}
    rows = []
    for title, (name, style) in _COUNTERS.items():
        value, rate = values.get(name, 0), model.rates.get(name, 0.0)
        shown = "" if style == GOOD or not value else style
        cells = ((title, ""), (f"{value:,}", shown), (f"{rate:,.0f}" if rate else "-", DIM))
        rows.append(_row(title, COUNTER_COLUMNS, cells))
    return rows


def event_line(event: Event) -> Text:
    """One line of the log, with the UTC time of the engine."""
    moment = datetime.fromtimestamp(event.t_engine_ns / 1e9, UTC)
    line = Text(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} ", DIM)
    match event:
        case FillEvent():
            line.append("FILL   ", "bold cyan")
            line.append(f"{event.side:<4} ", SIDE_STYLES.get(event.side, ""))
            line.append(f"{event.quantity} {event.instrument} {event.price} {event.strategy}", "")
            line.no_wrap, line.overflow = True, "ellipsis"
        case RiskEvent():
            line.append("REJECT ", WARN)
            line.append(
                f"{event.verdict}  {event.intent} {event.side} {event.quantity} "
                f"{event.instrument} at {event.price}  {event.strategy}",
                "",
            )
            if event.suppressed:
                line.append(f" ({event.suppressed} more not shown)", DIM)
        case OrderEvent():
            line.append("REJECT ", BAD)
            line.append(
                f"{event.event} by the venue  {event.side} {event.quantity} {event.instrument} "
                f"at {event.price}  order {event.order_number} of {event.strategy}",
                "",
            )
        case StateEvent():
            line.append("STATE  ", "bold")
            line.append(f"{event.subject} ", "")
            line.append(event.state, STATE_STYLES.get(event.state, WARN))
            line.append(f" {event.reason}".rstrip(), "")
        case _:
            style = BAD if event.level >= 40 else WARN if event.level >= 30 else ""
            line.append("LOG    ", "bold")
            line.append(event.text, style)
    return line


def _own_leaves(model: EngineModel, symbol: str) -> dict[tuple[str, str], str]:
    own: dict[tuple[str, str], str] = {}
    for order in model.open_orders.orders if model.open_orders else []:
        if order.instrument == symbol:
            key = (order.side, order.price)
            own[key] = f"{own[key]}+" if key in own else order.leaves
    return own


def _money(value: float | None) -> tuple[str, str]:
    if value is None:
        return "?", WARN
    rounded = round(value, 2) or 0.0
    return f"{rounded:+,.2f}" if rounded else "0.00", "red" if rounded < 0 else GOOD


def _row(key: str, columns: tuple[Column, ...], cells: tuple[tuple[str, str], ...]) -> Row:
    texts = (
        Text(text, style, justify=column.justify, no_wrap=True)
        for column, (text, style) in zip(columns, cells, strict=True)
    )
    return key, tuple(texts)
