"""``order.place``: whole numbers to the text of a request, against C and the Python libraries.

All contenders write the same text; size, id and last bytes of every message are compared. The
Python contenders get decimals as ready text, which ours and C have to make. Header and mask of
the frame are not in it: they belong to the send.
"""

import ctypes
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import orjson

from bench.arc import BINANCE_SELF_TRADE_MODE, BinanceArc, make_binance_arc
from bench.bench_fix_encode import MAX_ORDERS, Rows, make_rows
from bench.compiler import compile_library
from bench.frames import PRODUCT, SYMBOL
from bench.goal import Goal
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_requests
from engine.instruments import Instrument
from ext.order_sender import OrderSender
from ext.wire import IntentKind, Side, TimeInForce

TAIL_BYTES = 48
ID_TAIL = slice(35, 43)


class Texts(NamedTuple):
    """The values of one request as text."""

    id: str
    side: str
    timestamp: int
    price: str
    quantity: str


def make_texts(arc: BinanceArc, rows: Rows) -> list[Texts]:
    """What the Python contenders are given for each row."""
    instrument = Instrument(SYMBOL, Decimal(PRODUCT.tick), Decimal(PRODUCT.lot))
    return [
        Texts(
            arc.orders.client_order_id(number),
            "BUY" if side == Side.BUY else "SELL",
            wall_ns // 1_000_000,
            instrument.format_price(price_ticks),
            f"{instrument.lots_to_quantity(quantity_lots):.8f}",
        )
        for side, price_ticks, quantity_lots, number, _, wall_ns in rows.tolist()
    ]


def encode_orjson(texts: Texts) -> bytes:
    """A dictionary by orjson."""
    return orjson.dumps(
        {
            "id": texts.id,
            "method": "order.place",
            "params": {
                "symbol": SYMBOL,
                "side": texts.side,
                "type": "LIMIT",
                "timeInForce": "IOC",
                "newOrderRespType": "ACK",
                "selfTradePreventionMode": BINANCE_SELF_TRADE_MODE,
                "recvWindow": 5000,
                "newClientOrderId": texts.id,
                "timestamp": texts.timestamp,
                "price": texts.price,
                "quantity": texts.quantity,
            },
        }
    )


def encode_text(texts: Texts) -> bytes:
    """An f-string."""
    return (
        f'{{"id":"{texts.id}","method":"order.place","params":{{"symbol":"{SYMBOL}",'
        f'"side":"{texts.side}","type":"LIMIT","timeInForce":"IOC","newOrderRespType":"ACK",'
        f'"selfTradePreventionMode":"{BINANCE_SELF_TRADE_MODE}","recvWindow":5000,'
        f'"newClientOrderId":"{texts.id}","timestamp":{texts.timestamp},'
        f'"price":"{texts.price}","quantity":"{texts.quantity}"}}}}'
    ).encode()


def measure_engine(arc: BinanceArc, rows: Rows) -> Measurement:
    """The compiled encoder."""
    total_ns, work_hash = time_requests(arc.encoder, rows)
    return Measurement(total_ns, len(rows), work_hash)


def measure_c(library: ctypes.CDLL, arc: BinanceArc, rows: Rows) -> Measurement:
    """The C loop over templates, which are our own first messages."""
    _, price_ticks, quantity_lots, number, _, wall_ns = rows[0].tolist()
    templates = [
        arc.encoder.encode_request(
            IntentKind.NEW_ORDER,
            0,
            side,
            price_ticks,
            quantity_lots,
            number,
            wall_ns,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )
        for side in (Side.BUY, Side.SELL)
    ]
    work_hash = ctypes.c_uint64()
    total_ns = library.encode_requests(
        *templates,
        rows.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(rows)),
        ctypes.byref(work_hash),
    )
    return Measurement(total_ns, len(rows), work_hash.value)


def measure_python(encode: Callable[[Texts], bytes], texts: Sequence[Texts]) -> Measurement:
    """One call of ``encode`` for each message."""
    started_ns = time.perf_counter_ns()
    messages = [encode(each) for each in texts]
    total_ns = time.perf_counter_ns() - started_ns
    numbers = b"".join(
        len(message).to_bytes(8, "little") + message[ID_TAIL] + message[-TAIL_BYTES:]
        for message in messages
    )
    return Measurement(total_ns, len(texts), hash_numbers(np.frombuffer(numbers, np.int64)))


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Up to 800,000 orders of one session, each in a millisecond of its own."""
    arc = make_binance_arc("coinbase_exchange", [PRODUCT], OrderSender())
    rows = make_rows(size.pick(smoke=2_000, real=MAX_ORDERS))
    # Python encodes the first orders: what is right about those, ours says too.
    few = rows[: size.pick(smoke=100, real=10_000)]
    right = measure_engine(arc, few).work_hash
    texts = make_texts(arc, few)
    library = ctypes.CDLL(str(compile_library("ws_loops", "ws_loops.c")))
    library.encode_requests.restype = ctypes.c_int64
    contenders = [
        Contender(
            "engine: BinanceOrderEncoder", functools.partial(measure_engine, arc, rows), work="all"
        ),
        Contender("C loop", functools.partial(measure_c, library, arc, rows), work="all"),
    ]
    for name, encode in (("f-string (Python)", encode_text), ("orjson (Python)", encode_orjson)):
        run = functools.partial(measure_python, encode, texts)
        contenders.append(Contender(name, run, expected_hash=right))
    yield [Trial("ws_encode", tuple(contenders), baseline="C loop", goal=Goal(value=100))]


BENCHMARK = Benchmark("ws_encode", "order.place of a WebSocket API: numbers to text", prepare)
