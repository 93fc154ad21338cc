"""The shipped strategies through the compiled arc: the risk gate takes what they ask for.

Feed frames in, FIX messages out to a sender in memory. Acceptances of the venue are written into
the order table by hand: what its reports look like is no matter of the strategies.
"""
# tidy-ok: covers both strategies with the compiled arc

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.instruments import Instrument
from engine.kernel.kernels import compile_strategy
from engine.kernel.strategy_loader import load_strategy
from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.dtypes import ORDER, POSITION
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_sender import CapturingSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, Verdict

SYMBOL, TICK, LOT = "BTC-USD", "0.01", "0.001"
START_NS = 1_767_623_400_000_000_000
STEP_NS = 1_000_000_000


class Arc:
    """One strategy with limits wide enough that only a malformed intent is refused."""

    def __init__(self, name: str, **parameters: object) -> None:
        table = InstrumentTable()
        table.add(SYMBOL, TICK, LOT)
        self.memory = SharedMemory(None, [(SYMBOL, TICK, LOT)], [name], start_time_ns=START_NS)
        orders = OrderTable(self.memory, table)
        gate = RiskGate()
        gate.set_engine_limits(500, 50, 10**12, 0)
        gate.set_instrument_limits(0, 10**6, 10**15, 500_000, 10**7)
        gate.add_strategy(0)
        instrument = Instrument(SYMBOL, Decimal(TICK), Decimal(LOT))
        compiled = compile_strategy(load_strategy(name), instrument, parameters)
        strategies = StrategyTable()
        strategies.add(0, compiled.state, compiled.addresses, owner=compiled)
        store = SessionStore(None, "arc")
        store.is_active = True
        self.sender = CapturingSender()
        self.pipeline = Pipeline(
            table,
            CoinbaseExchangeFeed(table),
            self.memory,
            strategies,
            orders,
            gate,
            encoder=FixOrderEncoder(table, orders, "FIXT.1.1", "us", "venue"),
            sender=self.sender,
            store=store,
        )
        self.positions = self.memory.region("positions_offset", POSITION, 1)
        self.orders = self.memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.now_ns = START_NS
        self.pipeline.subscribed(self.now_ns)

    def snapshot(self, bids: list[list[str]], asks: list[list[str]]) -> list[str]:
        return self._receive({"type": "snapshot", "product_id": SYMBOL, "bids": bids, "asks": asks})

    def change(self, *changes: list[str]) -> list[str]:
        self.now_ns += STEP_NS
        time = datetime.fromtimestamp(self.now_ns // STEP_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = {"type": "l2update", "product_id": SYMBOL, "changes": changes, "time": time}
        return self._receive(message)

    def _receive(self, message: dict[str, Any]) -> list[str]:
        payload = json.dumps(message, separators=(",", ":")).encode()
        assert self.pipeline.receive(payload, self.now_ns) == 0
        fields = self.sender.take().decode().split("\x01")
        return [field[3:] for field in fields if field.startswith("35=")]

    def accept(self) -> None:
        """As if the venue had accepted every request."""
        working = self.positions["working"][0]
        working["state"][: self.positions["working_count"][0]] = OrderState.NEW
        for pending in (OrderState.PENDING_NEW, OrderState.PENDING_REPLACE):
            self.orders["state"][self.orders["state"] == pending] = OrderState.NEW

    @property
    def refusal(self) -> str:
        position = self.positions[0]
        count = int(position["reject_count"])
        return f"{count} x {Verdict(int(position['last_reject'])).name}" if count else ""


@pytest.fixture
def maker() -> Iterator[Arc]:
    arc = Arc("jerico_maker", quantity="0.01", max_position="0.05")
    arc.snapshot([["60000.00", "1"]], [["60000.10", "1"]])
    yield arc
    assert arc.refusal == ""


def test_maker_places_replaces_and_cancels(maker: Arc) -> None:
    assert maker.change(["buy", "60000.01", "1"]) == ["D", "D"]
    maker.accept()
    assert maker.change(["buy", "60000.05", "1"]) == ["G", "G"]
    maker.accept()
    assert maker.change(["buy", "60000.08", "1"]) == ["G", "G"]
    maker.accept()
    maker.positions["position_lots"] = 50
    assert "F" in maker.change(["buy", "60000.03", "1"])


def test_maker_waits_for_the_answer(maker: Arc) -> None:
    assert maker.change(["buy", "60000.01", "1"]) == ["D", "D"]
    assert maker.change(["buy", "60000.05", "1"]) == []


def test_trend_takes() -> None:
    arc = Arc("jerico_trend", fast=2, slow=5, rsi_period=3, rsi_high=100.0, lean=-1.0)
    arc.snapshot([["60000.00", "1"]], [["60000.10", "1"]])
    prices = [*range(99, 89, -1), *range(91, 100)]
    last = "60000.00"
    sent = []
    for cents in prices:
        bid = f"59999.{cents:02}"
        sent += arc.change(["buy", last, "0"], ["buy", bid, "1"])
        last = bid
    assert sent == ["D"], "one order, which stays pending"
    assert arc.refusal == ""
