"""One engine on one market of a seed: with orders at a simulated venue, or on paper.

No socket and no clock: the arc is the production one, its requests are read back from its own
bytes, and what the venue says comes in as reports. Latencies are those of the paper model for both.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING
from pathlib import Path

import numpy as np

from engine.composition import OrderEdge, join, private_memory
from engine.paper.paper_entry import SENDER_COMP_ID, TARGET_COMP_ID, PaperDesk, PaperParts
from engine.paper.paper_order import PaperModel, PaperRequest
from engine.paper.paper_requests import read_requests
from engine.runs.run_identity import RunIdentity
from ext.bounds import Bound
from ext.dtypes import EXECUTION_REPORT, POSITION, RECORD
from ext.order_sender import CapturingSender
from ext.orders import draw_run_prefix
from ext.session_store import SessionStore
from ext.wire import ExecutionType, IntentKind, OrderState, RecordKind
from journal.entries import split_slots
from sim.generated import GeneratedMarket
from sim.market import FeedFrame, Market
from sim.orders import EventKind, Order, OrderEvent, OrderStatus, RequestRefused, Side, TimeInForce
from sim.products import Product
from sim.recording import RecordedFrame, Recording
from sim.world.engine_config import EngineSetup

FRAME_GAP_NS = 250_000
"""At least so much between two frames: the recorded market plays closer ones as one step."""
CAPTURE_BYTES = 1 << 20
NANO = 1_000_000_000
_TIMES = {
    1: TimeInForce.GOOD_TILL_CANCEL,
    2: TimeInForce.IMMEDIATE_OR_CANCEL,
    3: TimeInForce.FILL_OR_KILL,
}
_KINDS = {
    EventKind.ACCEPTED: ExecutionType.EXEC_NEW,
    EventKind.CANCELED: ExecutionType.EXEC_CANCELED,
    EventKind.REPLACED: ExecutionType.EXEC_REPLACED,
    EventKind.REJECTED: ExecutionType.EXEC_REJECTED,
    EventKind.EXPIRED: ExecutionType.EXEC_EXPIRED,
    EventKind.TRADED: ExecutionType.EXEC_TRADE,
}
_STATES = {
    OrderStatus.NEW: OrderState.NEW,
    OrderStatus.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELED: OrderState.CANCELED,
    OrderStatus.REJECTED: OrderState.REJECTED,
    OrderStatus.EXPIRED: OrderState.EXPIRED,
}


DECISION_FIELDS = ("time_ns", "strategy", "detail", "code", "side", "price_ticks", "quantity_lots")
FILL_FIELDS = (
    "exchange_time_ns",
    "instrument",
    "side",
    "last_price_ticks",
    "last_quantity_lots",
    "is_maker",
)


@dataclass(slots=True)
class LegResult:
    """What one leg did: decisions by DECISION_FIELDS, fills by FILL_FIELDS, and the time and
    request of every report."""

    decisions: list[tuple[int, ...]] = field(default_factory=list)
    fills: list[tuple[int, ...]] = field(default_factory=list)
    reports: list[tuple[int, int]] = field(default_factory=list)
    orders: int = 0
    net: float = 0.0  # realised P&L less fees, quote currency

    @property
    def lots(self) -> int:
        """Of all fills."""
        return sum(fill[4] for fill in self.fills)

    def traded(self, instrument: int) -> float:
        """Base currency traded of a product, both sides, at a lot of 1e-8."""
        return sum(fill[4] for fill in self.fills if fill[1] == instrument) / 100_000_000

    @property
    def maker_share(self) -> float:
        """Of the filled lots, 0 to 1."""
        return sum(fill[4] for fill in self.fills if fill[5]) / max(1, self.lots)


def record_market(seed: int, symbols: tuple[str, ...], seconds: float) -> Recording:
    """The frames of a generated market in which nobody of ours trades."""
    market = GeneratedMarket(seed, symbols)
    recording = Recording(Path(f"seed {seed}"), False)
    recording.products = dict(market.products)
    for time_ns, frame in market_frames(market, seconds):
        number = len(recording.frames) + 1
        recording.frames.append(RecordedFrame(time_ns, frame.payload, number))
    return recording


def market_frames(
    market: Market, seconds: float, before_step: Callable[[int], object] = lambda time_ns: None
) -> Iterator[tuple[int, FeedFrame]]:
    """Frames with their times, snapshots first; ``before_step`` is called before time goes on."""
    end_ns = market.start_time_ns() + int(seconds * NANO)
    last_ns = market.start_time_ns()
    for symbol in market.products:
        for frame in market.snapshot_frames(symbol):
            last_ns += FRAME_GAP_NS
            yield last_ns, frame
    while (step_ns := market.next_time_ns()) is not None and step_ns < end_ns:
        time_ns = max(step_ns, last_ns + FRAME_GAP_NS)
        before_step(time_ns)
        market.run_step(step_ns)
        for frame in market.take_frames():
            yield time_ns, frame
            last_ns, time_ns = time_ns, time_ns + FRAME_GAP_NS


class Leg:
    """The arc of one run; ``drive`` it once. ``model`` has latencies and fees for either kind."""

    def __init__(self, setup: EngineSetup, model: PaperModel) -> None:
        self.config, self.model = setup.config, model
        strategies = tuple(replace(each, state=each.state.copy()) for each in setup.strategies)
        self.sender = CapturingSender(CAPTURE_BYTES)
        self.store = SessionStore(None, "leg")
        edge = OrderEdge(SENDER_COMP_ID, TARGET_COMP_ID, self.store, self.sender)
        memory = private_memory(setup.config, strategies)
        identity = RunIdentity(draw_run_prefix(bytes(8)), 1)
        self.arc = join(setup.config, strategies, memory, edge, identity)
        self.pipeline = self.arc.pipeline
        self.pipeline.subscribed(1)

    def result(self) -> LegResult:
        """What it came to, by its own records."""
        memory, result = self.arc.memory, LegResult()
        written = memory.counters()["write_sequence"]
        assert written <= int(Bound.RING_SLOTS), "the ring has gone round: the trial is too long"
        ring = memory.region("ring_offset", RECORD, int(Bound.RING_SLOTS))
        for entry in split_slots(ring[:written]):
            if entry.kind == RecordKind.RECORD_DECISION:
                numbers = (int(entry.record[name]) for name in DECISION_FIELDS)
                result.decisions.append(tuple(numbers))
            elif entry.kind == RecordKind.RECORD_REPORT:
                report = np.frombuffer(entry.data, EXECUTION_REPORT, 1)[0]
                if report["execution_type"] == ExecutionType.EXEC_TRADE:
                    result.fills.append(tuple(int(report[name]) for name in FILL_FIELDS))
                result.reports.append((entry.time_ns, int(report["request_number"])))
        positions = memory.region("positions_offset", POSITION, len(self.arc.strategies))
        result.orders = memory.counters()["orders_sent"]
        result.net = float(np.sum(positions["realised_pnl"] - positions["fees"]))
        return result


def run_paper(setup: EngineSetup, model: PaperModel, market: Market, seconds: float) -> LegResult:
    """Frames of a market through the arc, orders to the paper venue."""
    leg = Leg(setup, model)
    desk = PaperDesk(leg.pipeline, PaperParts(leg.store, leg.sender, model), leg.arc.instruments)
    desk.open(market.start_time_ns())
    for time_ns, frame in market_frames(market, seconds):
        while (due_ns := desk.venue.next_due_ns) is not None and due_ns < time_ns:
            desk.poll(due_ns)
        status = leg.pipeline.receive(frame.payload, time_ns)
        desk.receive_frame(status, time_ns)
    return leg.result()


def run_live(setup: EngineSetup, model: PaperModel, market: Market, seconds: float) -> LegResult:
    """Frames of a market through the arc, orders to the simulated venue of that market."""
    leg = Leg(setup, model)
    desk = SimulatedDesk(leg, market)
    for time_ns, frame in market_frames(market, seconds, desk.advance):
        desk.tell_reports(time_ns - 1)
        leg.pipeline.receive(frame.payload, time_ns)
        desk.exchange(time_ns)
    return leg.result()


class SimulatedDesk:
    """Orders of a leg at the simulated venue's market, over wires of the model's latencies."""

    def __init__(self, leg: Leg, market: Market) -> None:
        self._leg = leg
        self._market = market
        self._orders: dict[int, Order] = {}  # by every request that named them
        self._accepted: dict[str, int] = {}  # last accepted request of an order
        self._wire: list[tuple[int, int, PaperRequest]] = []
        self._reports: list[tuple[int, int, dict[str, object]]] = []
        self._count = 0
        self._trades = 0
        leg.store.is_active = True

    def advance(self, now_ns: int) -> None:
        """What has arrived by ``now_ns`` meets the market as it is."""
        while self._wire and self._wire[0][0] <= now_ns:
            due_ns, _, request = heapq.heappop(self._wire)
            self._note(self._arrive(request, due_ns), due_ns)

    def tell_reports(self, now_ns: int) -> None:
        """Reports due by ``now_ns``, each at its time, and what they make us send."""
        while self._reports and self._reports[0][0] <= now_ns:
            due_ns, _, fields = heapq.heappop(self._reports)
            self._leg.pipeline.apply_report(fields, due_ns)
            self._send(due_ns)
            self.advance(due_ns)

    def exchange(self, now_ns: int) -> None:
        """Behind a frame: its fills, our requests, and what is due now."""
        self._note(self._market.take_events(), now_ns)
        self._send(now_ns)
        self.advance(now_ns)
        self.tell_reports(now_ns)

    def _send(self, now_ns: int) -> None:
        model, pipeline = self._leg.model, self._leg.pipeline
        instruments = self._leg.arc.instruments
        for request in read_requests(self._leg.sender.take(), pipeline.orders, instruments):
            is_cancel = request.kind == IntentKind.CANCEL_ORDER
            latency_ns = model.cancel_latency_ns if is_cancel else model.order_latency_ns
            latest_ns = max((due_ns for due_ns, _, _ in self._wire), default=0)
            self._count += 1
            due_ns = max(now_ns + latency_ns, latest_ns)
            heapq.heappush(self._wire, (due_ns, self._count, request))

    def _arrive(self, request: PaperRequest, now_ns: int) -> list[OrderEvent]:
        if request.kind == IntentKind.NEW_ORDER:
            order = Order(
                order_id=f"{request.request_number}",
                owner=1,
                symbol=self._leg.arc.instruments[request.instrument].symbol,
                side=Side(int(request.side)),
                price_ticks=request.price_ticks,
                quantity_lots=request.quantity_lots,
                time_in_force=_TIMES[int(request.time_in_force)],
                is_post_only=request.is_post_only,
            )
            self._orders[request.request_number] = order
            self._accepted[order.order_id] = request.request_number
            return self._market.submit(order, now_ns)
        found = self._orders.get(request.original_number)
        assert found is not None
        self._orders[request.request_number] = found
        try:
            if request.kind == IntentKind.CANCEL_ORDER:
                return self._market.cancel(found, now_ns)
            events = self._market.replace(
                found, request.quantity_lots, request.price_ticks, "", now_ns
            )
        except RequestRefused:
            fields: dict[str, object] = {
                "execution_type": int(ExecutionType.EXEC_CANCEL_REJECT),
                "request_number": request.request_number,
                "original_number": request.original_number,
            }
            self._put(fields, now_ns)
            return []
        self._accepted[found.order_id] = request.request_number
        return events

    def _note(self, events: list[OrderEvent], now_ns: int) -> None:
        for event in events:
            order = event.order
            product = self._market.products[order.symbol]
            is_fill = event.kind is EventKind.TRADED
            self._trades += is_fill
            fields: dict[str, object] = {
                "execution_type": int(_KINDS[event.kind]),
                "order_state": int(_STATES[event.status]),
                "request_number": self._accepted[order.order_id],
                "instrument": self._leg.pipeline.table.index(order.symbol),
                "side": int(order.side),
                "cumulative_lots": event.filled_lots,
                "leaves_lots": event.leaves_lots,
                "order_quantity_lots": event.quantity_lots,
                "exchange_time_ns": now_ns,
            }
            if is_fill:
                fields |= {
                    "last_price_ticks": event.last_ticks,
                    "last_quantity_lots": event.last_lots,
                    "is_maker": int(not event.is_taker),
                    "trade_id": self._trades,
                    "fee_nano": self._fee(product, event),
                }
            self._put(fields, now_ns)

    def _fee(self, product: Product, event: OrderEvent) -> int:
        model = self._leg.model
        ppm = model.taker_fee_ppm if event.is_taker else model.maker_fee_ppm
        fee = product.notional(event.last_ticks, event.last_lots) * ppm * (NANO // 1_000_000)
        return int(fee.to_integral_value(ROUND_CEILING))

    def _put(self, fields: dict[str, object], now_ns: int) -> None:
        self._count += 1
        due_ns = now_ns + self._leg.model.report_latency_ns
        heapq.heappush(self._reports, (due_ns, self._count, fields))
