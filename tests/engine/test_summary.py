"""What a run prints: every figure that a trader asks for, and loud words where it matters."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from engine.composition import Arc
from engine.loop import LoopCare
from engine.processes import RelayReady, VenueSummary
from engine.settings.config_schema import LoopSection
from engine.summary import (
    print_banner,
    print_loop,
    print_progress,
    print_relay,
    print_summary,
    print_venue,
)
from ext.dtypes import POSITION
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, Side, Step
from tuning.core_plan import plan_cores

NOW_NS = 1_800_000_000_000_000_000
Capture = pytest.CaptureFixture[str]


def words(capsys: Capture) -> str:
    """What was printed, as one line: the console breaks lines where it likes."""
    return " ".join(capsys.readouterr().out.split())


def test_the_banner_says_who_and_how(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    print_banner(make_arc("engine.name=nightly", is_trading=True))
    shown = words(capsys)
    assert "wow-engine nightly: mode SIMULATED, config " in shown
    assert ", blocking " in shown
    assert "jerico_maker trades BTC-USD" in shown
    assert "SLOW" not in shown


def test_the_banner_of_a_busy_engine(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    print_banner(make_arc("loop.busy_poll=true"))
    shown = words(capsys)
    assert ", busy poll " in shown
    assert "no strategy: books only" in shown


def test_where_to_look(capsys: Capture) -> None:
    print_relay(None)
    assert capsys.readouterr().out == ""
    print_relay(RelayReady(publish="ipc:///tmp/x", http="http://127.0.0.1:1"))
    assert "wow-monitor --connect ipc:///tmp/x metrics: http://127.0.0.1:1" in words(capsys)


def test_progress_is_one_line(
    make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None], capsys: Capture
) -> None:
    arc = make_arc(is_trading=True)
    feed_book(arc, NOW_NS)
    print_progress(arc, 3.4)
    (line,) = capsys.readouterr().out.splitlines()
    assert "    3 s  frames 2  orders 2  fills 0  P&L +0.00 USD" in line
    assert "BTC-USD 64999.99/65000.01  ETH-USD -/- SYNCING" in line


def test_the_loop_and_what_stalled_it(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc("loop.stall_threshold_us=2500")
    header = arc.memory.header_record()
    header["loop_cycles"], header["engine_core"] = 12_345, 3
    header["loop_max_cycle_ns"] = 7_250_000
    header["loop_max_cycle_source"] = LoopSource.LOOP_FEED_SESSION
    print_summary(arc, 1, "done", [])
    shown = words(capsys)
    assert "Loop: core 3; 12,345 cycles, the longest 7.25 ms (feed session)" in shown
    assert "0 stalls above 2.5 ms; 0 garbage collections" in shown
    assert "Look at" not in shown
    header["loop_stalls"] = 3
    header["loop_stalls_by_source"][0][LoopSource.LOOP_FEED_SESSION] = 1
    header["loop_stalls_by_source"][0][LoopSource.LOOP_OTHER] = 2
    header["garbage_collections"], header["threads_on_core"] = 4, 1
    print_summary(arc, 1, "done", [])
    shown = words(capsys)
    assert "3 stalls above 2.5 ms (feed session 1, other 2); 4 garbage collections" in shown
    assert "threads on the engine's core 1, collections of a collector that is off 4" in shown


def test_the_start_shows_where_the_loop_runs(capsys: Capture) -> None:
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])
    care = LoopCare(
        LoopSection(garbage_collection="on"),
        memory,
        plan_cores(-1, -1, [0, 1]),
        None,
        lambda: None,
    )
    print_loop(care)
    shown = words(capsys)
    assert re.search(r"loop on cores [0-9,-]+, not pinned garbage collector on", shown)


def test_currencies_are_never_added_up(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc("instrument.ETH-USD.symbol=ETH-BTC", "strategy.jerico_trend.instrument=ETH-BTC",
                   is_trading=True)  # fmt: skip
    positions = arc.memory.region("positions_offset", POSITION, 2)
    positions["realised_pnl"] = 3.25, 0.00012345
    print_progress(arc, 1)
    assert "P&L +3.25 USD +0.00 BTC" in words(capsys)
    print_summary(arc, 1, "done", [])
    shown = words(capsys)
    assert "jerico_maker USD +3.25" in shown
    assert "jerico_trend BTC +0.00012345" in shown
    assert "together" not in shown


def test_one_currency_is_added_up(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc(is_trading=True)
    positions = arc.memory.region("positions_offset", POSITION, 2)
    positions["realised_pnl"], positions["fees"] = (3.25, -1.0), (0.5, 0.25)
    print_summary(arc, 1, "done", [])
    assert "together USD +2.25 +0.00 0.75 +1.50" in words(capsys)


def test_the_summary_has_every_count(
    make_arc: Callable[..., Arc], count_step: Callable[..., None], capsys: Capture
) -> None:
    arc = make_arc(is_trading=True)
    header = arc.memory.header_record()
    counts = dict(
        frames=1_001, frame_bytes=2_500_000, deltas=2_002, trades=303, gaps=4, bad_frames=5,
        stale_count=6, crossed_count=7, intents=88, accepted=80, rejected=8, orders_sent=33,
        requests_sent=55, reports=99, fills=44,
    )  # fmt: skip
    for name, value in counts.items():
        header[name] = value
    count_step(arc.memory, Step.STEP_DECODE, *([20] * 9))

    print_summary(arc, 12.34, "signal SIGINT", [])

    shown = words(capsys)
    for text in (
        "Run of 12.3 s ended: signal SIGINT",
        "1,001 frames (2.5 MB), 2,002 book updates, 303 trades",
        "4 gaps, 5 bad frames, 6 times stale, 7 crossed",
        "88 intents, 80 accepted, 8 rejected by risk",
        "33 orders and 22 cancels and replaces sent; 99 reports, 44 fills",
        "decode 9 0.02 0.02 0.02 0.02",
        "Nothing left behind: no open orders.",
    ):
        assert text in shown
    assert "Look at" not in shown


def test_doubts_are_named(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc()
    arc.memory.header_record()["duplicate_fills"] = 2
    arc.memory.header_record()["dropped_market_records"] = 1_500
    print_summary(arc, 1, "done", [])
    assert "Look at: duplicate fills 2, market records dropped 1,500" in words(capsys)


def test_no_figure_is_cut(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc(is_trading=True)
    positions = arc.memory.region("positions_offset", POSITION, 2)
    positions["position_lots"] = -123_456_789_012
    positions["average_price_ticks"] = 6_512_345.0
    positions["realised_pnl"] = -1_234_567.89
    positions["signal_count"] = positions["order_count"] = positions["fill_count"] = 1_234_567
    print_summary(arc, 100_000, "done", [])
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert "-1234.56789012" in shown


def test_orders_left_behind_are_listed(
    make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None], capsys: Capture
) -> None:
    arc = make_arc(is_trading=True)
    feed_book(arc, NOW_NS)
    arc.pipeline.orders.mark_unknown(NOW_NS)
    left = arc.pipeline.orders.open_orders()
    assert {order["side"] for order in left} == {Side.BUY, Side.SELL}
    assert {order["state"] for order in left} == {OrderState.UNKNOWN}

    print_summary(arc, 1, "killed", left)

    shown = words(capsys)
    assert "LEFT BEHIND: 2 orders, look now" in shown
    assert "BUY 0.01000000 BTC-USD at 649" in shown
    for order in left:
        number = int(str(order["accepted_number"]))
        assert f"UNKNOWN, ClOrdID {arc.pipeline.orders.client_order_id(number)}" in shown
    assert "Nothing left behind" not in shown


@pytest.mark.parametrize(
    ("setting", "net"),
    [
        ("off", "cancel_on_disconnect is off: nobody cancels them but you"),
        ("session", "the venue was told to cancel those of the session"),
        ("profile", "the venue was told to cancel those of the profile"),
    ],
)
def test_orders_left_behind_have_the_venue_s_net_or_none(
    make_arc: Callable[..., Arc],
    feed_book: Callable[[Arc, int], None],
    capsys: Capture,
    setting: str,
    net: str,
) -> None:
    arc = make_arc(f"order_entry.cancel_on_disconnect={setting}", is_trading=True)
    feed_book(arc, NOW_NS)
    print_summary(arc, 1, "order session: MsgSeqNum too low", arc.pipeline.orders.open_orders())
    assert net in words(capsys)


def test_it_can_be_printed_elsewhere(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc, texts = make_arc(), list[str]()
    print_banner(arc, texts.append)
    print_relay(RelayReady(publish="ipc:///tmp/x"), texts.append)
    print_progress(arc, 1, texts.append)
    print_summary(arc, 1, "done", [], texts.append)
    print_venue(arc, VenueSummary(0, 0, 0, {}, "00"), texts.append)
    assert capsys.readouterr().out == ""
    assert all(text.endswith("\n") for text in texts)
    for phrase in ("wow-engine demo", "watch it", "1 s  frames", "Run of 1.0 s", "own count"):
        assert sum(phrase in text for text in texts) == 1, phrase


def test_shadow_says_nothing_of_orders_left(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    arc = make_arc("engine.mode=shadow", "simulator.start=false", "feed.url=ws://127.0.0.1:9",
                   "order_entry.port=9", "feed.key=env:K", "feed.secret=env:S",
                   "feed.passphrase=env:P", "order_entry.key=env:K", "order_entry.secret=env:S",
                   "order_entry.passphrase=env:P")  # fmt: skip
    print_summary(arc, 1, "done", [])
    assert "left behind" not in words(capsys).lower()


def test_the_venue_that_agrees(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    print_venue(make_arc(), VenueSummary(1_016, 0, 0, {}, "7d0f4d6b15afcc"))
    assert words(capsys) == (
        "Venue's own count: 1,016 orders, 0 fills, 0 open orders, ledger 7d0f4d6b15af"
    )


def test_the_venue_that_differs_is_loud(make_arc: Callable[..., Arc], capsys: Capture) -> None:
    print_venue(make_arc(), VenueSummary(1, 3, 2, {"BTC-USD": Decimal("0.5")}, "0" * 64))
    shown = words(capsys)
    assert "THE VENUE DIFFERS, look now: 3 fills, we have 0" in shown
    assert "THE VENUE DIFFERS, look now: position 0.5 BTC-USD, we have 0" in shown
