"""What the engine prints about a run: the start banner, a line a second, the summary."""

import sys
from collections.abc import Callable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from engine.canary import canary_lines
from engine.composition import Arc
from engine.law.jurisdiction import site_lines
from engine.loop import LoopCare
from engine.processes import RelayReady, VenueSummary
from engine.runs.run_figures import (
    StrategyFigures,
    find_differences,
    read_books,
    read_loop,
    read_steps,
    read_strategies,
)
from engine.safety.breaker_watch import read_use
from engine.settings.config import EngineConfig, config_hash
from ext.wire import OrderState, Side

TWO_DECIMAL_CURRENCIES = {"USD", "EUR", "GBP", "USDC", "USDT"}
# The only net under orders whose session has ended; what it does not hold is known to the venue.
CANCELLED_BY_VENUE = {
    "off": "cancel_on_disconnect is off: nobody cancels them but you",
    "rest": "by REST the venue cancels nothing: nobody cancels them but you",
    "session": "cancel_on_disconnect: the venue was told to cancel those of the session; look",
    "profile": "cancel_on_disconnect: the venue was told to cancel those of the profile; look",
}
WIDTH = 200  # above what is needed: a narrow terminal breaks lines, a cut figure is a wrong one

Write = Callable[[str], object]


def write_now(text: str) -> None:
    """Writes to standard output, as slow as its reader is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_banner(arc: Arc, write: Write = write_now) -> None:
    """Who runs, in which mode, with which strategies."""
    config = arc.config
    polling = "busy poll" if config.loop.busy_poll else "blocking"
    digest = config_hash(config, [strategy.source_digest for strategy in arc.strategies])
    write(
        f"wow-engine {config.engine.name}: mode {config.engine.mode.upper()}, "
        f"config {digest[:12]}, {polling}\n"
    )
    for line in (*site_lines(config), *mode_lines(config)):
        write(f"  {line}\n")
    for strategy in arc.strategies:
        slow = "" if strategy.is_compiled else "   SLOW: plain Python, not compiled"
        write(f"  {strategy.name} trades {strategy.instrument.symbol}{slow}\n")
    if not arc.strategies:
        write("  no strategy: books only\n")


def mode_lines(config: EngineConfig) -> Iterator[str]:
    """What the banner says of how orders are meant, one line each."""
    yield from canary_lines(config)
    if config.engine.mode == "paper":
        paper = config.paper
        yield (
            "PAPER: no order leaves this process; order, cancel, report latency"
            f" {paper.order_latency_us}, {paper.cancel_latency_us}, {paper.report_latency_us} µs;"
            f" fees {paper.maker_fee_ppm} and {paper.taker_fee_ppm} ppm; {paper.queue} queue"
        )


def print_relay(ready: RelayReady | None, write: Write = write_now) -> None:
    """Where to look at the run."""
    if ready is not None:
        write(f"  watch it: wow-monitor --connect {ready.publish}    metrics: {ready.http}\n")


def print_loop(care: LoopCare, write: Write = write_now) -> None:
    """Where the loop runs and what may stop it; true once it has begun."""
    write(f"  loop on {care.placement.describe()}\n  {care.collector.describe()}\n")


def print_progress(arc: Arc, elapsed_s: float, write: Write = write_now) -> None:
    """One line: how far, what came, what was done about it."""
    counters = arc.pipeline.counters()
    books = "  ".join(
        f"{book.symbol} {book.best_bid or '-'}/{book.best_ask or '-'}"
        + ("" if book.state == "LIVE" else f" {book.state}")
        for book in read_books(arc)
    )
    nets: dict[str, float] = {}
    for strategy in read_strategies(arc):
        nets[strategy.quote] = nets.get(strategy.quote, 0.0) + strategy.net
    net = " ".join(f"{value:+.2f} {quote}" for quote, value in nets.items()) or "-"
    write(
        f"{elapsed_s:5.0f} s  frames {counters['frames']:,}  orders {counters['orders_sent']:,}"
        f"  fills {counters['fills']:,}  P&L {net}  {books}\n"
    )


def print_summary(
    arc: Arc,
    elapsed_s: float,
    reason: str,
    orders_left: list[dict[str, object]],
    write: Write = write_now,
) -> None:
    """The whole run as tables, and what was left behind."""
    console = Console(file=sys.stdout, highlight=False, width=WIDTH)
    with console.capture() as shown:
        _print_run(console, arc, elapsed_s, reason)
        _print_left(console, arc, orders_left)
    write(shown.get())


def _print_run(console: Console, arc: Arc, elapsed_s: float, reason: str) -> None:
    counters = arc.pipeline.counters()
    rows = read_strategies(arc)
    console.print(f"\n[bold]Run of {elapsed_s:.1f} s ended[/bold]: {reason}")
    console.print(_market_data_line(counters))
    console.print(
        f"Orders: {counters['intents']:,} intents, {counters['accepted']:,} accepted, "
        f"{counters['rejected']:,} rejected by risk\n"
        f"        {counters['orders_sent']:,} orders and "
        f"{counters['requests_sent'] - counters['orders_sent']:,} cancels and replaces sent; "
        f"{counters['reports']:,} reports, {counters['fills']:,} fills"
    )
    console.print(_loop_lines(arc))
    doubts = {
        "duplicate fills": counters["duplicate_fills"],
        "reports of unknown orders": counters["unknown_reports"],
        "intents dropped": counters["dropped_intents"],
        "order records lost": counters["dropped_order_records"],
        "market records dropped": counters["dropped_market_records"],
        "threads on the engine's core": counters["threads_on_core"],
        "collections of a collector that is off": _unwanted_collections(arc),
    }
    if any(doubts.values()):
        shown = ", ".join(f"{name} {count:,}" for name, count in doubts.items() if count)
        console.print(f"[yellow]Look at: {shown}[/yellow]")
    console.print(_activity_table(rows))
    for row in rows:
        if row.failures:
            console.print(f"[red]  {row.name} raised in {row.failures:,} calls: see the log[/red]")
    for row in rows:
        if row.last_reject:
            console.print(f"  last rejection of {row.name}: {row.last_reject.replace('_', ' ')}")
    console.print(_money_table(rows))
    _print_limits(console, arc)
    console.print(_book_table(arc))
    console.print(_latency_table(arc))


def _print_limits(console: Console, arc: Arc) -> None:
    lines = read_use(arc)
    if lines:
        console.print("Limits used")
    for line in lines:
        console.print(f"  {line}")


def print_venue(arc: Arc, venue: VenueSummary, write: Write = write_now) -> None:
    """What the venue counted on its own, and where it differs from our count."""
    console = Console(file=sys.stdout, highlight=False, width=WIDTH)
    with console.capture() as shown:
        console.print(
            f"Venue's own count: {venue.orders:,} orders, {venue.fills:,} fills, "
            f"{venue.open_orders:,} open orders, ledger {venue.ledger_sha256[:12]}"
        )
        for difference in find_differences(arc, venue):
            console.print(f"[bold red]THE VENUE DIFFERS, look now: {difference}[/bold red]")
    write(shown.get())


def _market_data_line(counters: dict[str, int]) -> str:
    return (
        f"Market data: {counters['frames']:,} frames ({counters['frame_bytes'] / 1e6:.1f} MB), "
        f"{counters['deltas']:,} book updates, {counters['trades']:,} trades\n"
        f"             {counters['gaps']} gaps, {counters['bad_frames']} bad frames, "
        f"{counters['stale_count']} times stale, {counters['crossed_count']} crossed"
    )


def _loop_lines(arc: Arc) -> str:
    loop = read_loop(arc)
    place = f"core {loop.core}" if loop.core >= 0 else "not pinned"
    stalls = f"{loop.stalls:,} stalls above {arc.config.loop.stall_threshold_us / 1e3:g} ms"
    if loop.stalls:
        counts = loop.stalls_by_source.items()
        stalls += f" ({', '.join(f'{name} {count:,}' for name, count in counts)})"
    return (
        f"Loop:   {place}; {loop.cycles:,} cycles, the longest {loop.longest_ms:.2f} ms "
        f"({loop.longest_source})\n"
        f"        {stalls}; {loop.collections:,} garbage collections"
    )


def _unwanted_collections(arc: Arc) -> int:
    return read_loop(arc).collections if arc.config.loop.garbage_collection == "frozen" else 0


def _activity_table(rows: list[StrategyFigures]) -> Table:
    table = Table(title="Strategies", title_justify="left", box=SIMPLE_HEAD)
    for name in ("strategy", "instrument"):
        table.add_column(name, no_wrap=True)
    for name in ("signals", "rejected", "orders", "fills", "position", "average price"):
        table.add_column(name, justify="right", no_wrap=True)
    for figures in rows:
        table.add_row(
            figures.name,
            figures.symbol,
            f"{figures.signals:,}",
            f"{figures.rejects:,}",
            f"{figures.orders:,}",
            f"{figures.fills:,}",
            f"{figures.position:f}",
            figures.average_price,
        )
    return table


def _money_table(rows: list[StrategyFigures]) -> Table:
    """P&L of each strategy, and its sum for each currency: currencies are never added up."""
    table = Table(title="P&L, open positions at the mid", title_justify="left", box=SIMPLE_HEAD)
    for name in ("strategy", "currency"):
        table.add_column(name, no_wrap=True)
    for name in ("realised", "unrealised", "fees paid", "net"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, row.quote, *_format_money([row]))
    for quote in sorted({row.quote for row in rows}):
        of_quote = [row for row in rows if row.quote == quote]
        if len(of_quote) > 1:
            table.add_section()
            table.add_row("together", quote, *_format_money(of_quote))
    return table


def _format_money(rows: list[StrategyFigures]) -> list[str]:
    decimals = 2 if rows[0].quote in TWO_DECIMAL_CURRENCIES else 8
    gains = {
        name: f"{sum(getattr(row, name) for row in rows):+,.{decimals}f}"
        for name in ("realised", "unrealised", "net")
    }
    fees = f"{sum(row.fees for row in rows):,.{decimals}f}"
    return [gains["realised"], gains["unrealised"], fees, gains["net"]]


def _book_table(arc: Arc) -> Table:
    table = Table(title="Books at the end", title_justify="left", box=SIMPLE_HEAD)
    for name in ("instrument", "state"):
        table.add_column(name)
    for name in ("best bid", "best ask", "levels", "updates"):
        table.add_column(name, justify="right")
    for book in read_books(arc):
        table.add_row(
            book.symbol,
            book.state,
            book.best_bid or "-",
            book.best_ask or "-",
            f"{book.levels:,}",
            f"{book.updates:,}",
        )
    return table


def _latency_table(arc: Arc) -> Table:
    table = Table(title="Latency, microseconds", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("step")
    for name in ("count", "p50", "p99", "p99.9", "max"):
        table.add_column(name, justify="right")
    for step in read_steps(arc):
        table.add_row(step.name, f"{step.count:,}", *(f"{us:,.2f}" for us in step.microseconds))
    return table


def _print_left(console: Console, arc: Arc, orders_left: list[dict[str, object]]) -> None:
    if not orders_left:
        if arc.orders is not None or arc.paper is not None:
            console.print("[green]Nothing left behind: no open orders.[/green]")
        return
    console.print(f"[bold red]LEFT BEHIND: {len(orders_left)} orders, look now[/bold red]")
    for order in orders_left:
        instrument = arc.instruments[int(str(order["instrument"]))]
        number = int(str(order["accepted_number"]))
        console.print(
            f"  {Side(int(str(order['side']))).name} "
            f"{instrument.format_quantity(int(str(order['leaves_lots'])))} {instrument.symbol} at "
            f"{instrument.format_price(int(str(order['price_ticks'])))}, "
            f"{OrderState(int(str(order['state']))).name}, "
            f"ClOrdID {arc.pipeline.orders.client_order_id(number)}"
        )
    section = arc.config.order_entry
    if section is not None:
        is_by_rest = section.protocol == "rest"
        rule = "rest" if is_by_rest else section.cancel_on_disconnect
        console.print(f"  {CANCELLED_BY_VENUE[rule]}")
