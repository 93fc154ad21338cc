"""A whole order side without sockets: scripted strategies, FIX text in and out.

FIX messages are built and read here by code of its own, so that a mistake of the compiled codecs
is not repeated in what they are tested with.
"""

import ctypes
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.dtypes import BOOK_VIEW, INTENT, INTENTS, ORDER, POSITION, RECORD
from ext.fix_listener import FixListener
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_encoder import OrderEncoder
from ext.order_sender import CapturingSender, OrderSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import PRIVATE_MARKET_SLOTS, SharedMemory
from ext.wire import IntentKind, OrderType, RecordKind, TimeInForce, Verdict

SOH = "\x01"
START_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30:00 UTC
SECOND_NS = 1_000_000_000
RUN_SEED = bytes.fromhex("0123456789abcdef")
INSTRUMENTS = (("BTC-USD", "0.01", "0.0001"), ("ETH-USD", "0.25", "5"))
OURS, VENUE = "US", "VENUE"
Pairs = Iterable[tuple[int, object]]
Record = Any


def build_fix(message_type: str, fields: Pairs, begin_string: str = "FIXT.1.1") -> bytes:
    """A message with the right BodyLength and CheckSum; ``fields`` are header and body."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in ((35, message_type), *fields))
    text = f"8={begin_string}{SOH}9={len(body.encode('latin-1'))}{SOH}{body}".encode("latin-1")
    return text + b"10=%03d\x01" % (sum(text) % 256)


def split_fix(data: bytes) -> list[dict[int, str]]:
    """Messages without data fields, one behind the other; length and sum are checked."""
    messages = []
    while data:
        end = data.index(b"\x0110=") + 8
        fields = [part.split("=", 1) for part in data[:end].decode().split(SOH)[:-1]]
        assert [tag for tag, _ in fields[:3]] == ["8", "9", "35"]
        assert fields[-1][0] == "10"
        middle = [(int(tag), value) for tag, value in fields[3:-1]]
        assert build_fix(fields[2][1], middle, fields[0][1]) == data[:end]
        messages.append({int(tag): value for tag, value in fields})
        data = data[end:]
    return messages


_HOOK = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)


def record_at(address: int, dtype: np.dtype[Any]) -> Record:
    """View of the one record at an address."""
    memory: Any = (ctypes.c_char * dtype.itemsize).from_address(address)
    return np.frombuffer(memory, dtype, 1)[0]


class Script:
    """A strategy whose hooks ask for what the test has put into ``waiting``, and no more.

    ``seen`` holds (hook, copy of the event or None) of each call, ``books`` and ``positions``
    the addresses that came with them.
    """

    def __init__(self, events: dict[str, np.dtype[Any] | None]) -> None:
        self.waiting: list[dict[str, int]] = []
        self.reactions: list[dict[str, int]] = []
        self.seen: list[tuple[str, Any]] = []
        self.arguments: list[tuple[int, int, int]] = []
        self.shown: list[tuple[int, int]] = []  # instrument of the book, strategy of the position
        self._functions = {name: self._hook(name, dtype) for name, dtype in events.items()}

    def _hook(self, name: str, dtype: np.dtype[Any] | None) -> Any:
        def call(state: int, event: int | None, book: int, position: int, out: int) -> None:
            copied = record_at(event, dtype).copy() if event and dtype is not None else None
            self.seen.append((name, copied))
            self.arguments.append((state, book, position))
            shown_book, shown_position = record_at(book, BOOK_VIEW), record_at(position, POSITION)
            self.shown.append((int(shown_book["instrument"]), int(shown_position["strategy"])))
            wanted = self.reactions if name == "on_fill" else self.waiting
            intents = record_at(out, INTENTS)
            count = min(len(wanted), int(Bound.MAX_INTENTS_PER_CALL))
            rows = np.zeros(count, INTENT)
            for row, intent in zip(rows, wanted, strict=False):
                for key, value in intent.items():
                    row[key] = value
            intents["intents"][:count] = rows
            intents["count"] = count
            intents["dropped"] = len(wanted) - count
            wanted.clear()

        return _HOOK(call)

    @property
    def addresses(self) -> dict[str, int]:
        """Of the hooks by name."""
        return {
            name: ctypes.cast(function, ctypes.c_void_p).value or 0
            for name, function in self._functions.items()
        }


@dataclass(kw_only=True)
class RigOptions:
    """What a test may want different from the usual."""

    instruments: Sequence[tuple[str, str, str]] = INSTRUMENTS
    strategies: Sequence[int] = (0,)
    events: dict[str, np.dtype[Any] | None] = field(
        default_factory=lambda: {"on_timer": None, "on_fill": None}
    )
    sender: OrderSender | None = None
    make_encoder: Callable[[InstrumentTable, OrderTable], OrderEncoder] | None = None
    make_sender: Callable[[OrderEncoder, SessionStore], OrderSender] | None = None
    is_sending: bool = True
    step_interval: int = 0
    is_conflating: bool = False
    is_recording: bool = False
    market_ring_slots: int = PRIVATE_MARKET_SLOTS
    bar_interval_ns: int = 0
    timer_interval_ns: int = 1
    engine_limits: tuple[int, int, int, int] = (1024, 0, 10**15, 0)
    instrument_limits: tuple[int, int, int, int] | None = (1 << 40, 1 << 60, 1_000_000, 1 << 45)
    strategy_limits: Sequence[dict[str, int]] = ()


def _make_fix_encoder(table: InstrumentTable, orders: OrderTable) -> OrderEncoder:
    return FixOrderEncoder(table, orders, "FIXT.1.1", OURS, VENUE)


class OrderRig:
    """Pipeline, FIX listener and everything between them, with a clock that the test drives."""

    def __init__(self, options: RigOptions) -> None:
        self.options = options
        self.now_ns = START_NS
        self.table = InstrumentTable()
        for symbol, tick, lot in options.instruments:
            self.table.add(symbol, tick, lot)
        names = [f"script {index}" for index in range(len(options.strategies))]
        self.memory = SharedMemory(
            None,
            list(options.instruments),
            names,
            start_time_ns=START_NS,
            market_ring_slots=options.market_ring_slots,
        )
        self.order_table = OrderTable(self.memory, self.table, RUN_SEED)
        # Reports are stamped with the monotonic clock: it starts where the rig's clock does.
        self.memory.header_record()["wall_offset_ns"] = START_NS - time.monotonic_ns()
        self.gate = RiskGate()
        self.gate.set_engine_limits(*options.engine_limits)
        for index in range(len(options.instruments)):
            if options.instrument_limits is not None:
                self.gate.set_instrument_limits(index, *options.instrument_limits)
        strategies = StrategyTable()
        self.scripts = []
        self.states: list[np.ndarray[Any, Any]] = []
        for index, instrument in enumerate(options.strategies):
            script = Script(options.events)
            state = np.zeros(1, np.int64)
            strategies.add(
                instrument,
                state,
                script.addresses,
                bar_interval_ns=options.bar_interval_ns,
                timer_interval_ns=options.timer_interval_ns,
                owner=script,
                persistent=(0, 8),
            )
            limits = options.strategy_limits[index] if options.strategy_limits else {}
            self.gate.add_strategy(instrument, **limits)
            self.scripts.append(script)
            self.states.append(state)
        self.store = SessionStore(None, "rig")
        self.store.is_active = True
        self.encoder = (options.make_encoder or _make_fix_encoder)(self.table, self.order_table)
        self.sender: OrderSender = options.sender or CapturingSender()
        if options.make_sender is not None:
            self.sender = options.make_sender(self.encoder, self.store)
        self.pipeline = Pipeline(
            self.table,
            CoinbaseExchangeFeed(self.table),
            self.memory,
            strategies,
            self.order_table,
            self.gate,
            encoder=self.encoder,
            sender=self.sender,
            store=self.store,
            is_sending=options.is_sending,
            step_interval=options.step_interval,
            is_conflating=options.is_conflating,
            is_recording=options.is_recording,
        )
        self._add_listener()
        self.positions = self.memory.region("positions_offset", POSITION, max(1, len(names)))
        self.orders = self.memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.ring = self.memory.region("ring_offset", RECORD, int(Bound.RING_SLOTS))
        self._records_read = 0

    def _add_listener(self) -> None:
        self.messages: list[bytes] = []
        self.garbled: list[tuple[str, bytes]] = []
        self.bad_reports: list[bytes] = []
        self.notices: list[int] = []
        self.decoder = FixReportDecoder(self.table, self.order_table, OURS, VENUE)
        self.listener = FixListener(
            self.store,
            self.pipeline,
            self.decoder,
            self.messages.append,
            lambda reason, skipped: self.garbled.append((reason, skipped)),
            self.bad_reports.append,
            self.notices.append,
        )

    # Market data.

    def price(self, ticks: int, instrument: int = 0) -> str:
        """Decimal text of a price."""
        return str(ticks * Decimal(self.options.instruments[instrument][1]))

    def quantity(self, lots: int, instrument: int = 0) -> str:
        """Decimal text of a quantity."""
        return str(lots * Decimal(self.options.instruments[instrument][2]))

    def frame(self, text: str) -> int:
        """One frame of the feed, now."""
        return self.pipeline.receive(text.encode(), self.now_ns)

    def set_book(self, bid_ticks: int, ask_ticks: int, instrument: int = 0) -> None:
        """A snapshot of one level on each side; the book is LIVE afterwards."""
        symbol = self.options.instruments[instrument][0]
        lots = self.quantity(1000, instrument)
        bid, ask = self.price(bid_ticks, instrument), self.price(ask_ticks, instrument)
        status = self.frame(
            f'{{"type":"snapshot","product_id":"{symbol}","bids":[["{bid}","{lots}"]],'
            f'"asks":[["{ask}","{lots}"]]}}'
        )
        assert status == 0
        self.pipeline.take_notices()

    # Intents.

    @staticmethod
    def new(side: int, price_ticks: int, quantity_lots: int, **terms: int) -> dict[str, int]:
        """A limit order that stays until it is cancelled, unless ``terms`` say otherwise."""
        return {
            "kind": IntentKind.NEW_ORDER,
            "side": side,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "price_ticks": price_ticks,
            "quantity_lots": quantity_lots,
            **terms,
        }

    @staticmethod
    def cancel(order_number: int) -> dict[str, int]:
        """Cancel of an order."""
        return {"kind": IntentKind.CANCEL_ORDER, "order_number": order_number}

    @staticmethod
    def replace(order_number: int, price_ticks: int, quantity_lots: int) -> dict[str, int]:
        """Replace of an order: ``quantity_lots`` shall be open afterwards."""
        return {
            "kind": IntentKind.REPLACE_ORDER,
            "order_number": order_number,
            "price_ticks": price_ticks,
            "quantity_lots": quantity_lots,
        }

    # Our side.

    def submit(self, *intents: dict[str, int], strategy: int = 0) -> list[dict[int, str]]:
        """The strategy wants these in one call; what was sent for it."""
        self.now_ns += 1
        self.scripts[strategy].waiting.extend(intents)
        self.pipeline.call_timers(self.now_ns)
        assert not self.scripts[strategy].waiting, "the hook was not called: is the book LIVE?"
        return self.sent()

    def sent(self) -> list[dict[int, str]]:
        """Messages sent since the last call, by tag."""
        assert isinstance(self.sender, CapturingSender)
        return split_fix(self.sender.take())

    def place(
        self, side: int, price_ticks: int, quantity_lots: int, *, strategy: int = 0, **terms: int
    ) -> int:
        """Sends a new order that the gate must accept; its order number."""
        intent = self.new(side, price_ticks, quantity_lots, **terms)
        (message,) = self.submit(intent, strategy=strategy)
        return self.order_table.request_number(message[11])

    def request(self, intent: dict[str, int]) -> int:
        """Sends a cancel or replace that the gate must accept; its request number."""
        (message,) = self.submit(intent)
        return self.order_table.request_number(message[11])

    # The venue's side.

    def report_text(
        self,
        fields: Pairs,
        *,
        message_type: str = "8",
        sequence: int | None = None,
        extra: Pairs = (),
    ) -> bytes:
        """A message of the venue, next in sequence unless it is given."""
        number = self.store.next_incoming if sequence is None else sequence
        header = [(49, VENUE), (56, OURS), (34, number), *extra, (52, "20260105-14:30:00.000")]
        return build_fix(message_type, [*header, *fields])

    def receive(self, fields: Pairs, **header: Any) -> None:
        """The venue sends a message."""
        self.listener.receive(self.report_text(fields, **header))

    def fields(
        self, number: int, execution: str, status: str, **given: object
    ) -> list[tuple[int, object]]:
        """ExecutionReport of a request number; ``given`` holds more fields as ``t38="1.5"``."""
        named = {int(name[1:]): value for name, value in given.items() if value is not None}
        base: dict[int, object] = {
            37: f"V-{number}",
            11: self.order_table.client_order_id(number),
            17: f"X{self.store.next_incoming}",
            150: execution,
            39: status,
            55: self.options.instruments[0][0],
            54: "1",
            60: "20260105-14:30:00.000001",
        }
        return list({**base, **named}.items())

    def report(self, number: int, execution: str, status: str, **given: object) -> None:
        """The venue sends an ExecutionReport."""
        self.receive(self.fields(number, execution, status, **given))

    def fill(
        self,
        number: int,
        price_ticks: int,
        lots: int,
        *,
        status: str = "1",
        cumulative: int | None = None,
        execution_id: str | None = None,
        **given: object,
    ) -> None:
        """The venue reports a trade of an order."""
        if execution_id is not None:
            given["t17"] = execution_id
        if cumulative is not None:
            given["t14"] = self.quantity(cumulative)
        self.report(
            number, "F", status, t31=self.price(price_ticks), t32=self.quantity(lots), **given
        )

    def reject_cancel(self, number: int, original: int, reason: int = 0, status: str = "8") -> None:
        """The venue refuses a cancel or a replace."""
        number_text = self.order_table.client_order_id
        self.receive(
            [
                (37, "V-1"),
                (11, number_text(number)),
                (41, number_text(original)),
                (39, status),
                (434, 1),
                (102, reason),
            ],
            message_type="9",
        )

    # What can be seen.

    def order(self, number: int) -> Record:
        """The slot of an order; the number is checked."""
        order = self.orders[number % int(Bound.MAX_ORDERS)]
        assert order["order_number"] == number
        return order

    def position(self, strategy: int = 0) -> Record:
        """What a strategy sees of its position."""
        return self.positions[strategy]

    def counters(self) -> dict[str, int]:
        """Counters of the shared header."""
        return self.pipeline.counters()

    def records(self, kind: RecordKind | None = None) -> list[Record]:
        """Records of the ring since the last call, of one kind or all."""
        written = self.counters()["write_sequence"]
        slots = [index % int(Bound.RING_SLOTS) for index in range(self._records_read, written)]
        self._records_read = written
        found = [self.ring[slot].copy() for slot in slots]
        return [record for record in found if kind is None or record["kind"] == kind]

    def verdicts(self, *intents: dict[str, int], strategy: int = 0) -> list[Verdict]:
        """What the gate says to intents that a strategy wants in one call."""
        self.records()
        self.submit(*intents, strategy=strategy)
        return [Verdict(int(r["code"])) for r in self.records(RecordKind.RECORD_DECISION)]

    def verdict(self, intent: dict[str, int], strategy: int = 0) -> Verdict:
        """What the gate says to one intent."""
        (verdict,) = self.verdicts(intent, strategy=strategy)
        return verdict


@pytest.fixture(scope="session")
def fix_builder() -> Callable[..., bytes]:
    """``build_fix``."""
    return build_fix


@pytest.fixture(scope="session")
def fix_splitter() -> Callable[[bytes], list[dict[int, str]]]:
    """``split_fix``."""
    return split_fix


@pytest.fixture(scope="session")
def make_order_rig() -> Callable[..., OrderRig]:
    """OrderRig(**RigOptions) with a LIVE book of 50,000 ticks bid and 50,010 ask."""

    def make(**options: Any) -> OrderRig:
        rig = OrderRig(RigOptions(**options))
        for index in range(len(rig.options.instruments)):
            rig.set_book(50_000, 50_010, index)
        return rig

    return make


@pytest.fixture
def order_rig(make_order_rig: Callable[..., OrderRig]) -> OrderRig:
    """One scripted strategy in BTC-USD, limits wide."""
    return make_order_rig()
