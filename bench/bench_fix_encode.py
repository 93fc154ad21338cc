"""NewOrderSingle: whole numbers to the bytes of a message, against C and the Python libraries.

All contenders write the same fields; BodyLength and CheckSum of every message are compared. The
Python libraries get every value as ready text, which ours and C have to make.
"""

import ctypes
import functools
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.arc import BEGIN_STRING, SELF_TRADE_RULE, SENDER, TARGET, Arc, make_arc
from bench.compiler import compile_library
from bench.frames import PRODUCT, SYMBOL
from bench.goal import Goal
from bench.harness import AbsentPeer, Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_encodes
from engine.instruments import Instrument
from ext.order_sender import OrderSender
from ext.wire import IntentKind, Side, TimeInForce

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
STEP_NS = 1_000_000
MINUTE_NS = 60_000_000_000
FIRST_SEQUENCE = 100_000  # as wide as the last
MAX_ORDERS = 800_000
TAGS = (35, 49, 56, 34, 52, 11, 55, 54, 60, 38, 40, 44, 59, 7928)
HEADER_TAGS = 5

Rows = NDArray[np.int64]
Texts = list[tuple[str, ...]]


def make_rows(count: int) -> Rows:
    """(side, price_ticks, quantity_lots, request_number, sequence, wall_ns) of each order."""
    number = np.arange(count, dtype=np.int64)
    columns = (
        np.where(number % 2 == 0, int(Side.BUY), int(Side.SELL)),
        6_400_000 + number % 997,
        (1 + number % 9_001) * 10_000,
        1 + number,
        FIRST_SEQUENCE + number,
        START_TIME_NS + number * STEP_NS % MINUTE_NS,
    )
    return np.ascontiguousarray(np.stack(columns, axis=1))


def make_texts(arc: Arc, rows: Rows) -> Texts:
    """The values of ``TAGS`` for each row, as text."""
    instrument = Instrument(SYMBOL, Decimal(PRODUCT.tick), Decimal(PRODUCT.lot))
    texts: Texts = []
    for side, price_ticks, quantity_lots, number, sequence, wall_ns in rows.tolist():
        milliseconds = (wall_ns - START_TIME_NS) // STEP_NS
        stamp = f"20260105-14:30:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
        texts.append(
            (
                "D",
                SENDER,
                TARGET,
                str(sequence),
                stamp,
                arc.orders.client_order_id(number),
                SYMBOL,
                "1" if side == Side.BUY else "2",
                stamp,
                f"{instrument.lots_to_quantity(quantity_lots):.8f}",
                "2",
                instrument.format_price(price_ticks),
                "3",
                SELF_TRADE_RULE,
            )
        )
    return texts


def measure_engine(arc: Arc, rows: Rows) -> Measurement:
    """The compiled encoder."""
    total_ns, work_hash = time_encodes(arc.encoder, rows)
    return Measurement(total_ns, len(rows), work_hash)


def measure_c(library: ctypes.CDLL, arc: Arc, rows: Rows) -> Measurement:
    """The C loop over a template, which is our own first message."""
    side, price_ticks, quantity_lots, number, sequence, wall_ns = rows[0].tolist()
    template = arc.encoder.encode_request(
        IntentKind.NEW_ORDER,
        0,
        side,
        price_ticks,
        quantity_lots,
        number,
        sequence,
        wall_ns,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )
    work_hash = ctypes.c_uint64()
    total_ns = library.encode_orders(
        template,
        ctypes.c_int64(len(template)),
        rows.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(rows)),
        ctypes.byref(work_hash),
    )
    return Measurement(total_ns, len(rows), work_hash.value)


def measure_library(encode: Callable[[tuple[str, ...]], bytes], texts: Texts) -> Measurement:
    """A Python library: one call of ``encode`` for each message."""
    sizes_and_sums: list[int] = []
    keep = sizes_and_sums.extend
    started_ns = time.perf_counter_ns()
    messages = [encode(values) for values in texts]
    total_ns = time.perf_counter_ns() - started_ns
    for message in messages:
        keep((len(message), int(message[-4:-1])))
    return Measurement(total_ns, len(texts), hash_numbers(np.array(sizes_and_sums, np.int64)))


def encode_simplefix(simplefix: Any, values: tuple[str, ...]) -> bytes:
    """One message with simplefix."""
    message = simplefix.FixMessage()
    message.append_pair(8, BEGIN_STRING)
    for tag, value in zip(TAGS, values, strict=True):
        message.append_pair(tag, value)
    encoded: bytes = message.encode()
    return encoded


def encode_quickfix(quickfix: Any, values: tuple[str, ...]) -> bytes:
    """One message with the Python binding of QuickFIX."""
    message = quickfix.Message()
    header = message.getHeader()
    header.setField(quickfix.BeginString(BEGIN_STRING))
    for tag, value in zip(TAGS[:HEADER_TAGS], values[:HEADER_TAGS], strict=True):
        header.setField(quickfix.StringField(tag, value))
    for tag, value in zip(TAGS[HEADER_TAGS:], values[HEADER_TAGS:], strict=True):
        message.setField(quickfix.StringField(tag, value))
    encoded: str = message.toString()
    return encoded.encode()


def make_contenders(arc: Arc, rows: Rows, library_rows: Rows) -> Iterator[Contender | AbsentPeer]:
    """Ours, C, and the libraries; ``library_rows`` are fewer: those are slow."""
    library = ctypes.CDLL(str(compile_library("fix_loops", "fix_loops.c")))
    library.encode_orders.restype = ctypes.c_int64
    engine = functools.partial(measure_engine, arc)
    yield Contender("engine: FixOrderEncoder", functools.partial(engine, rows), work="all")
    yield Contender("C loop", functools.partial(measure_c, library, arc, rows), work="all")
    # The libraries encode the first orders: what is right about those, ours says too.
    right = engine(library_rows).work_hash
    texts = make_texts(arc, library_rows)
    for package, encode in (("simplefix", encode_simplefix), ("quickfix", encode_quickfix)):
        name = f"{package} (Python)"
        try:
            bound = functools.partial(encode, importlib.import_module(package))
        except ImportError:
            yield AbsentPeer(name, package)
            continue
        run = functools.partial(measure_library, bound, texts)
        yield Contender(name, run, expected_hash=right, package=package)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Up to 800,000 orders of one session, each in a millisecond of its own."""
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    rows = make_rows(size.pick(smoke=2_000, real=MAX_ORDERS))
    library_rows = rows[: size.pick(smoke=100, real=10_000)]
    contenders = tuple(make_contenders(arc, rows, library_rows))
    yield [Trial("fix_encode", contenders, baseline="C loop", goal=Goal(value=100))]


BENCHMARK = Benchmark("fix_encode", "NewOrderSingle(D): numbers to message bytes", prepare)
