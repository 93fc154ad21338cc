"""``POST /orders``: whole numbers to a signed HTTP request, against Python on OpenSSL's HMAC.

All contenders write the same bytes; size, the beginning of the signature and the last bytes of
every message are compared. The Python contenders get decimals as ready text, which ours has to
make. Orders come a millisecond apart, so a thousand of them share the second of their timestamp.
"""

import base64
import functools
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from bench.arc import make_table
from bench.bench_fix_encode import MAX_ORDERS, Rows, make_rows
from bench.frames import PRODUCT, SYMBOL
from bench.goal import Goal
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_requests
from engine.instruments import Instrument
from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import Side
from gateways.coinbase_rest import CoinbaseSigner, NewOrder, place_order

HOST, KEY, PASSPHRASE = "api.exchange.coinbase.com", "k" * 32, "p" * 16
SECRET = bytes(range(64))
RUN_SEED = bytes(8)
TAIL_BYTES = 48
SIGNATURE_HEAD = slice(35, 43)


class Texts(NamedTuple):
    """The values of one request as text."""

    id: str
    side: str
    second: str
    price: str
    quantity: str


def make_texts(orders: OrderTable, rows: Rows) -> list[Texts]:
    """What the Python contenders are given for each row."""
    instrument = Instrument(SYMBOL, Decimal(PRODUCT.tick), Decimal(PRODUCT.lot))
    return [
        Texts(
            orders.client_order_id(number),
            "buy" if side == Side.BUY else "sell",
            str(wall_ns // 1_000_000_000),
            instrument.format_price(price_ticks),
            instrument.format_quantity(quantity_lots),
        )
        for side, price_ticks, quantity_lots, number, _, wall_ns in rows.tolist()
    ]


def encode_text(texts: Texts) -> bytes:
    """f-strings, and the standard library's one-shot HMAC, which is OpenSSL's."""
    body = (
        f'{{"product_id":"{SYMBOL}","type":"limit","side":"{texts.side}","time_in_force":"IOC",'
        f'"post_only":false,"stp":"cn","client_oid":"{texts.id}","price":"{texts.price}",'
        f'"size":"{texts.quantity}"}}'
    )
    signed = f"{texts.second}POST/orders{body}".encode()
    signature = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    return (
        f"POST /orders HTTP/1.1\r\nCB-ACCESS-SIGN: {signature}\r\n"
        f"CB-ACCESS-PASSPHRASE: {PASSPHRASE}\r\nCB-ACCESS-TIMESTAMP: {texts.second}\r\n"
        f"CB-ACCESS-KEY: {KEY}\r\nHost: {HOST}\r\nUser-Agent: wow-engine\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def sign_by_client(signer: CoinbaseSigner, texts: Texts) -> dict[str, str]:
    """What the REST client does before it writes anything: body and headers."""
    order = NewOrder(
        client_oid=texts.id,
        product_id=SYMBOL,
        side=texts.side,
        type="limit",
        price=texts.price,
        size=texts.quantity,
        time_in_force="IOC",
        stp="cn",
    )
    return signer.sign(place_order(order), texts.second)


def measure_engine(encoder: CoinbaseRestOrderEncoder, rows: Rows) -> Measurement:
    """The compiled encoder."""
    total_ns, work_hash = time_requests(encoder, rows, encoder)
    return Measurement(total_ns, len(rows), work_hash)


def measure_python(encode: Callable[[Texts], bytes], texts: Sequence[Texts]) -> Measurement:
    """One call of ``encode`` for each message."""
    started_ns = time.perf_counter_ns()
    messages = [encode(each) for each in texts]
    total_ns = time.perf_counter_ns() - started_ns
    numbers = b"".join(
        len(message).to_bytes(8, "little") + message[SIGNATURE_HEAD] + message[-TAIL_BYTES:]
        for message in messages
    )
    return Measurement(total_ns, len(texts), hash_numbers(np.frombuffer(numbers, np.int64)))


def measure_client(signer: CoinbaseSigner, texts: Sequence[Texts]) -> Measurement:
    """The REST client of reconciliation."""
    started_ns = time.perf_counter_ns()
    signatures = [sign_by_client(signer, each)["CB-ACCESS-SIGN"] for each in texts]
    total_ns = time.perf_counter_ns() - started_ns
    digest = hashlib.sha256("".join(signatures).encode()).digest()
    return Measurement(total_ns, len(texts), int.from_bytes(digest[:7], "little"))


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Up to 800,000 orders, a millisecond apart."""
    table = make_table([PRODUCT])
    memory = SharedMemory(None, [(SYMBOL, PRODUCT.tick, PRODUCT.lot)], [])
    orders = OrderTable(memory, table, RUN_SEED)
    secret = base64.b64encode(SECRET).decode()
    encoder = CoinbaseRestOrderEncoder(table, orders, HOST, KEY, secret, PASSPHRASE)
    rows = make_rows(size.pick(smoke=2_000, real=MAX_ORDERS))
    # Python encodes the first orders: what is right about those, ours says too.
    few = rows[: size.pick(smoke=100, real=10_000)]
    right = measure_engine(encoder, few).work_hash
    texts = make_texts(orders, few)
    signer = CoinbaseSigner(KEY, secret, PASSPHRASE)
    baseline = "f-string, OpenSSL (Python)"
    run = functools.partial(measure_python, encode_text, texts)
    contenders = (
        Contender(
            "engine: CoinbaseRestOrderEncoder",
            functools.partial(measure_engine, encoder, rows),
            work="all",
        ),
        Contender(baseline, run, expected_hash=right),
        Contender(
            "REST client, body and headers alone (Python)",
            functools.partial(measure_client, signer, texts),
            work="client",
        ),
    )
    yield [Trial("rest_encode", contenders, baseline=baseline, goal=Goal(value=500))]


BENCHMARK = Benchmark("rest_encode", "POST /orders: numbers to a signed HTTP request", prepare)
