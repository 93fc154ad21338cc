"""A test bench for strategies in plain pytest: set a book, call a hook, read the intents.

    def test_it_buys_the_dip():
        bench = StrategyBench(BuyTheDip, quantity="0.5")
        for _ in range(200):
            assert bench.book(bids=[(9999, 5)], asks=[(10001, 5)]) == []
        [order] = bench.book(bids=[(9899, 5)], asks=[(9901, 5)])
        assert (order.side, order.price_ticks, order.quantity_lots) == (Side.BUY, 9901, 50)

Hooks run as in the engine: compiled, over the same records. What the engine would do with the
intents (risk, orders, fills) is for the test to set: ``bench.position``, ``bench.add_order``.
"""

import ctypes
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy, compile_strategy
from engine.kernel.python_hooks import structure_of
from engine.kernel.strategy_loader import load_strategy
from engine.strategy import HOOKS, Strategy
from ext.bounds import Bound
from ext.dtypes import BOOK_VIEW, INTENTS, POSITION
from ext.errors import UsageError
from ext.wire import BookState, OrderState, Side

Levels = Sequence[tuple[int, int]]

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
DEFAULT_STEP_NS = 1_000_000
_PROTOTYPE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)


class Intent(NamedTuple):
    """What the strategy asked for, with the fields of ``ext.wire.Intent``."""

    kind: int
    side: int
    order_type: int
    time_in_force: int
    post_only: int
    reason: int
    price_ticks: int
    quantity_lots: int
    order_number: int


class StrategyBench:
    """One strategy with a book, a position and a clock that tests set by hand.

    ``state``, ``book_view`` and ``position`` are live views: read and set their fields. Every hook
    call returns the intents of that call. ``now_ns`` is the exchange time of the next book.
    """

    def __init__(
        self,
        strategy: type[Strategy] | str,
        *,
        tick: str = "0.01",
        lot: str = "0.01",
        **parameters: Any,
    ) -> None:
        loaded = load_strategy(strategy) if isinstance(strategy, str) else strategy
        instrument = Instrument("TEST-USD", Decimal(tick), Decimal(lot), 0)
        self.compiled: CompiledStrategy = compile_strategy(
            loaded, instrument, parameters, bounds_check=True
        )
        self.now_ns = START_TIME_NS
        self.dropped = 0
        self._memory = [np.zeros(1, dtype) for dtype in (BOOK_VIEW, POSITION, INTENTS)]
        self.state = structure_of(self.compiled.state.dtype).from_address(
            self.compiled.state_address
        )
        views = [
            structure_of(memory.dtype).from_address(memory.ctypes.data) for memory in self._memory
        ]
        self.book_view, self.position, self._intents = views
        self.book_view.tick_size = float(tick)
        self.book_view.lot_size = float(lot)

    def set_book(
        self,
        bids: Levels,
        asks: Levels,
        *,
        state: int = BookState.LIVE,
        step_ns: int = DEFAULT_STEP_NS,
    ) -> None:
        """Moves the clock by ``step_ns`` and sets the book, best level first, (ticks, lots)."""
        if max(len(bids), len(asks)) > Bound.BOOK_VIEW_LEVELS:
            raise UsageError(f"a book view has at most {Bound.BOOK_VIEW_LEVELS} levels a side")
        self.now_ns += step_ns
        view = self.book_view
        view.state = state
        view.exchange_time_ns = view.receive_time_ns = self.now_ns
        view.update_count += 1
        view.bid_levels = view.total_bid_levels = len(bids)
        view.ask_levels = view.total_ask_levels = len(asks)
        for i, (price_ticks, quantity_lots) in enumerate(bids):
            view.bid_ticks[i], view.bid_lots[i] = price_ticks, quantity_lots
        for i, (price_ticks, quantity_lots) in enumerate(asks):
            view.ask_ticks[i], view.ask_lots[i] = price_ticks, quantity_lots

    def book(
        self,
        bids: Levels,
        asks: Levels,
        *,
        state: int = BookState.LIVE,
        step_ns: int = DEFAULT_STEP_NS,
    ) -> list[Intent]:
        """``set_book``, then ``on_book``."""
        self.set_book(bids, asks, state=state, step_ns=step_ns)
        return self.call("on_book")

    def trade(self, price_ticks: int, quantity_lots: int, aggressor_side: int) -> list[Intent]:
        """``on_trade`` at the current time."""
        return self.call(
            "on_trade",
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            aggressor_side=aggressor_side,
            exchange_time_ns=self.now_ns,
            receive_time_ns=self.now_ns,
        )

    def fill(self, side: int, price_ticks: int, quantity_lots: int) -> list[Intent]:
        """Adds the fill to the position, then ``on_fill`` if there is one.

        Working orders stay as they are.
        """
        self.position.position_lots += side * quantity_lots
        self.position.fill_count += 1
        if "on_fill" not in self.compiled.addresses:
            return []
        return self.call(
            "on_fill",
            side=side,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            exchange_time_ns=self.now_ns,
            receive_time_ns=self.now_ns,
        )

    def call(self, hook: str, **event: int) -> list[Intent]:
        """Calls any hook; ``event`` sets fields of its event record, the others are 0.

        Raises:
            UsageError: the strategy has no such hook, or the hook raised (run the strategy with
                ``compiled = False`` to see where).
        """
        if hook not in self.compiled.addresses:
            raise UsageError(f"{self.compiled.name} has no {hook}")
        dtype = HOOKS[hook].event
        record = np.zeros(1, dtype) if dtype is not None else None
        for name, value in event.items():
            assert record is not None
            record[name] = value
        failures = self.compiled.failure_count
        self._intents.count = self._intents.dropped = 0
        _PROTOTYPE(self.compiled.addresses[hook])(
            self.compiled.state_address,
            None if record is None else record.ctypes.data,
            *(memory.ctypes.data for memory in self._memory),
        )
        if self.compiled.failure_count > failures:
            raise UsageError(f"{self.compiled.name}.{hook} raised; compiled = False shows where")
        self.dropped = self._intents.dropped
        return [self._read_intent(i) for i in range(self._intents.count)]

    def add_order(
        self,
        side: int,
        price_ticks: int,
        leaves_lots: int,
        *,
        order_number: int = 0,
        state: int = OrderState.NEW,
    ) -> Any:
        """Adds a working order and returns its view; ``order_number`` 0 numbers it from 1."""
        index = self.position.working_count
        if index == Bound.MAX_WORKING_ORDERS:
            raise UsageError(f"a position holds at most {Bound.MAX_WORKING_ORDERS} working orders")
        order = self.position.working[index]
        order.order_number = order_number or index + 1
        order.side, order.state = side, state
        order.price_ticks, order.leaves_lots = price_ticks, leaves_lots
        self.position.working_count = index + 1
        self._count_open_lots()
        return order

    def clear_orders(self) -> None:
        """Removes all working orders."""
        self.position.working_count = 0
        self._count_open_lots()

    def _count_open_lots(self) -> None:
        working = [self.position.working[i] for i in range(self.position.working_count)]
        open_lots = {
            side: sum(order.leaves_lots for order in working if order.side == side)
            for side in (Side.BUY, Side.SELL)
        }
        self.position.open_buy_lots = open_lots[Side.BUY]
        self.position.open_sell_lots = open_lots[Side.SELL]

    def _read_intent(self, index: int) -> Intent:
        intent = self._intents.intents[index]
        return Intent(*(getattr(intent, name) for name in Intent._fields))
