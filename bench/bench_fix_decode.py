"""ExecutionReport of 30 fields: bytes of a message to whole numbers, framing and CheckSum included,
against C and the Python libraries.

Price, quantity, cumulative quantity and state that each contender found are compared.
"""

import ctypes
import functools
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.arc import BEGIN_STRING, SENDER, TARGET, Arc, make_arc
from bench.compiler import compile_library
from bench.frames import PRODUCT, SYMBOL
from bench.goal import Goal
from bench.harness import AbsentPeer, Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_reports
from ext.feed_decoder import PADDING
from ext.order_sender import OrderSender
from ext.wire import OrderState

MESSAGES = 64  # different ones, again and again
FIELDS = 30  # of a message, 8, 9 and 10 included

_PRICE_SCALE = 100
_QUANTITY_SCALE = 100_000_000
_STATES = {"1": int(OrderState.PARTIALLY_FILLED), "2": int(OrderState.FILLED)}

Numbers = tuple[int, int, int, int]
"""Last price in ticks, last and cumulative quantity in lots, OrderState."""


def make_report(arc: Arc, number: int) -> bytes:
    """The report of a fill, with the fields of Coinbase Exchange FIX order entry."""
    price_ticks = 6_400_000 + 37 * number
    quantity_lots = 100_000_000 + 1_000 * number
    last_lots = 50_000_000 + 10 * number
    cumulative_lots = quantity_lots if number % 2 else last_lots
    price = f"{price_ticks // _PRICE_SCALE}.{price_ticks % _PRICE_SCALE:02d}"
    stamp = f"20260105-14:30:00.{number:06d}"
    fields = (
        f"35=8|49={TARGET}|56={SENDER}|34={1000 + number}|52={stamp}"
        f"|37=d0c5340b-6d6c-49d9-b567-{number:012d}|11={arc.orders.client_order_id(1 + number)}"
        f"|17=3f1c2a40-0d6e-4f0b-9a35-{number:012d}|150=F|39={2 if number % 2 else 1}|1=a1b2c3d4"
        f"|55={SYMBOL}|54={1 + number % 2}|38={_quantity(quantity_lots)}|40=2|44={price}|59=1"
        f"|14={_quantity(cumulative_lots)}|151={_quantity(quantity_lots - cumulative_lots)}"
        f"|32={_quantity(last_lots)}|31={price}|60={stamp}|1057=Y|136=1|137=0.25|138=USD|139=4|"
    )
    body = fields.replace("|", "\x01")
    text = f"8={BEGIN_STRING}\x019={len(body)}\x01{body}"
    message = f"{text}10={sum(text.encode()) % 256:03d}\x01".encode()
    fields_made = message.count(b"\x01")
    if fields_made != FIELDS:
        raise BenchmarkError(f"fix_decode: a report has {fields_made} fields, not {FIELDS}")
    return message


def _quantity(lots: int) -> str:
    return f"{lots // _QUANTITY_SCALE}.{lots % _QUANTITY_SCALE:08d}"


def measure_engine(arc: Arc, messages: list[bytes], repeats: int) -> Measurement:
    """The compiled framer and decoder."""
    padded = [message + PADDING for message in messages]
    total_ns, work_hash = time_reports(arc.decoder, padded, repeats)
    return Measurement(total_ns, len(messages) * repeats, work_hash)


def measure_c(library: ctypes.CDLL, messages: list[bytes], repeats: int) -> Measurement:
    """The C loop."""
    sizes = np.array([len(message) for message in messages], np.int64)
    work_hash = ctypes.c_uint64()
    total_ns = library.decode_reports(
        b"".join(messages),
        sizes.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(messages)),
        ctypes.c_int64(repeats),
        ctypes.byref(work_hash),
    )
    if total_ns < 0:
        raise BenchmarkError("fix_decode: the C loop found a wrong CheckSum")
    return Measurement(total_ns, len(messages) * repeats, work_hash.value)


def measure_library(
    decode: Callable[[bytes], Numbers], messages: list[bytes], repeats: int
) -> Measurement:
    """A Python library: one call of ``decode`` for each message."""
    found: list[Numbers] = []
    keep = found.append
    started_ns = time.perf_counter_ns()
    for _ in range(repeats):
        for message in messages:
            keep(decode(message))
    total_ns = time.perf_counter_ns() - started_ns
    return Measurement(total_ns, len(found), hash_numbers(np.array(found, np.int64).ravel()))


def decode_simplefix(simplefix: Any, message: bytes) -> Numbers:
    """One message with simplefix, which does not check the sum."""
    parser = simplefix.FixParser()
    parser.append_buffer(message)
    fields = parser.get_message()
    return _numbers(*(fields.get(tag).decode() for tag in (31, 32, 14, 39)))


def decode_quickfix(quickfix: Any, message: bytes) -> Numbers:
    """One message with the Python binding of QuickFIX, which checks length and sum."""
    fields = quickfix.Message(message.decode(), True)
    return _numbers(*(fields.getField(tag) for tag in (31, 32, 14, 39)))


def _numbers(last_price: str, last_quantity: str, cumulative: str, state: str) -> Numbers:
    price_ticks, last_lots, cumulative_lots = (
        int(text.replace(".", "")) for text in (last_price, last_quantity, cumulative)
    )
    return price_ticks, last_lots, cumulative_lots, _STATES[state]


def make_contenders(
    arc: Arc, repeats: int, library_repeats: int
) -> Iterator[Contender | AbsentPeer]:
    """Ours, C, and the libraries; those repeat less: they are slow."""
    messages = [make_report(arc, number) for number in range(MESSAGES)]
    library = ctypes.CDLL(str(compile_library("fix_loops", "fix_loops.c")))
    library.decode_reports.restype = ctypes.c_int64
    engine = functools.partial(measure_engine, arc, messages)
    yield Contender("engine: FixReportDecoder", functools.partial(engine, repeats), work="all")
    c_loop = functools.partial(measure_c, library, messages, repeats)
    yield Contender("C loop", c_loop, work="all")
    right = engine(library_repeats).work_hash
    for package, decode in (("simplefix", decode_simplefix), ("quickfix", decode_quickfix)):
        name = f"{package} (Python)"
        try:
            bound = functools.partial(decode, importlib.import_module(package))
        except ImportError:
            yield AbsentPeer(name, package)
            continue
        run = functools.partial(measure_library, bound, messages, library_repeats)
        yield Contender(name, run, expected_hash=right, package=package)


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """64 different reports, repeated."""
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    contenders = tuple(
        make_contenders(
            arc,
            repeats=size.pick(smoke=10, real=5_000),
            library_repeats=size.pick(smoke=1, real=50),
        )
    )
    yield [Trial("fix_decode", contenders, baseline="C loop", goal=Goal(value=250))]


BENCHMARK = Benchmark(
    "fix_decode", "ExecutionReport(8) of 30 fields: message bytes to numbers", prepare
)
