"""The test bench, and the example of ``docs/strategies.md`` as a strategist would run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine import indicators, intents, strategy
from engine.strategy import Record, Side, Strategy, buy
from engine.strategy_testing import StrategyBench
from ext import dtypes
from ext.errors import UsageError

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "strategies.md").read_text()


class Reader(Strategy):
    """Answers each event with a buy at a price that tells what it saw."""

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        buy(out, book.bid_ticks[book.bid_levels - 1], book.ask_lots[0])

    def on_trade(state: Record, trade: Record, book: Record, position: Record, out: Record) -> None:
        for _ in range(trade.quantity_lots):
            buy(out, trade.price_ticks, 1)

    def on_fill(state: Record, fill: Record, book: Record, position: Record, out: Record) -> None:
        buy(out, position.position_lots + 100, position.open_sell_lots + 1)


@pytest.fixture
def bench() -> StrategyBench:
    return StrategyBench(Reader)


def test_book_levels_and_clock(bench: StrategyBench) -> None:
    start_ns = bench.now_ns
    [intent] = bench.book([(5, 1), (4, 2)], [(7, 3)], step_ns=10)
    assert (intent.price_ticks, intent.quantity_lots) == (4, 3)
    assert bench.book_view.exchange_time_ns == bench.now_ns == start_ns + 10


def test_trade_and_dropped_intents(bench: StrategyBench) -> None:
    assert len(bench.trade(9, 10, Side.BUY)) == 8
    assert bench.dropped == 2
    assert len(bench.trade(9, 1, Side.BUY)) == 1
    assert bench.dropped == 0


def test_fill_changes_the_position_and_orders_are_counted(bench: StrategyBench) -> None:
    bench.add_order(Side.SELL, 10, 4)
    [intent] = bench.fill(Side.SELL, 10, 3)
    assert (intent.price_ticks, intent.quantity_lots) == (97, 5)
    bench.clear_orders()
    assert bench.fill(Side.BUY, 10, 3)[0].quantity_lots == 1


def test_misuse_is_named(bench: StrategyBench) -> None:
    with pytest.raises(UsageError, match="reader has no on_timer"):
        bench.call("on_timer", now_ns=1)
    with pytest.raises(UsageError, match="a book view has at most 10 levels a side"):
        bench.book([(1, 1)] * 11, [])
    for _ in range(16):
        bench.add_order(Side.BUY, 1, 1)
    with pytest.raises(UsageError, match="a position holds at most 16 working orders"):
        bench.add_order(Side.BUY, 1, 1)


def test_an_index_out_of_range_is_an_error(bench: StrategyBench) -> None:
    bench.set_book([], [(1, 1)])
    bench.book_view.bid_levels = 11
    with pytest.raises(UsageError, match=r"reader\.on_book raised; compiled = False shows where"):
        bench.call("on_book")


def test_the_example_of_the_guide_passes_its_own_test(tmp_path: Path) -> None:
    source, test = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "reversion.py").write_text(source)
    (tmp_path / "test_reversion.py").write_text(test)
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("name", ["BOOK_VIEW", "POSITION", "WORKING_ORDER", "TRADE", "BAR"])
def test_the_guide_names_every_field(name: str) -> None:
    for field in getattr(dtypes, name).names:
        if field not in ("version", "instrument", "strategy"):
            assert f"`{field}" in GUIDE, field


def test_the_guide_names_every_indicator_and_intent() -> None:
    for name in indicators.__all__:
        assert f"`{name}(" in GUIDE, name
    public = {name for name in vars(intents) if name in strategy.__all__ and name.islower()}
    for name in public - {"kernel_function", "nearest"}:
        assert f"`{name}(" in GUIDE or f"{name}(…)" in GUIDE, name
