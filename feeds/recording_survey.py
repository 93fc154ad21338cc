"""What a capture holds: which venue, which products, and the tick and lot of each.

Tick and lot come from the venue's own product list when the capture (or its ``_http`` neighbour)
holds one. Otherwise they are inferred: the finest decimal place of any price and of any quantity
of the product in the whole file, which represents every number of the file exactly.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard

import orjson

from ext.errors import RecordingError
from feeds.recording import RecordedAnswer, RecordedFrame, Recording
from feeds.recording_binance import (
    BINANCE_SPOT,
    BINANCE_USDM,
    binance_numbers,
    binance_products,
    detect_binance,
    read_records,
)
from feeds.recording_gemini import GEMINI, gemini_numbers, gemini_product, is_gemini
from feeds.recording_kraken import (
    KRAKEN,
    KRAKEN_V1,
    KrakenPair,
    detect_kraken,
    kraken_numbers,
    kraken_products,
    kraken_v1_numbers,
    note_pairs,
)

COINBASE_EXCHANGE = "coinbase_exchange"
COINBASE_ADVANCED = "coinbase_advanced"
VENUES = (
    *(COINBASE_EXCHANGE, COINBASE_ADVANCED, GEMINI, KRAKEN, KRAKEN_V1),
    *(BINANCE_USDM, BINANCE_SPOT),
)

Number = tuple[str, str, str]
"""Product, price text, quantity text."""


@dataclass(slots=True)
class Product:
    """One product of a capture. ``tick`` and ``lot`` are decimal texts."""

    symbol: str
    tick: str
    lot: str
    is_inferred: bool
    """True: no product list in the capture, the steps are the finest decimals seen."""
    price_precision: int | None = None
    """Decimals of a price in the venue's checksums; None: those of the tick."""
    quantity_precision: int | None = None
    depth: int = 0
    """Levels of a side that the venue keeps, where its frames do not say; 0: all."""


@dataclass(slots=True)
class Survey:
    """What one pass over a capture found."""

    venue: str
    products: dict[str, Product]
    frame_count: int = 0
    unread_frame_count: int = 0
    """Frames that are not JSON or not shaped as the venue documents."""


@dataclass(slots=True)
class _Decimals:
    price: int = 0
    quantity: int = 0
    sent_price: int = 0  # with the zeros at the end
    sent_quantity: int = 0


@dataclass(slots=True)
class _Findings:
    listed: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: dict[str, _Decimals] = field(default_factory=dict)
    pairs: dict[str, KrakenPair] = field(default_factory=dict)


def survey_recording(recording: Recording, venue: str | None = None) -> Survey:
    """Reads the whole capture once.

    Args:
        recording: the capture.
        venue: one of ``VENUES``; None tells it from the first frame that only one venue sends.

    Raises:
        RecordingError: no frame, no frame of a known venue, or a line that cannot be read.
    """
    findings = _Findings()
    frame_count = unread_count = 0
    for record in read_records(recording):
        if isinstance(record, RecordedAnswer):
            findings.listed.update(_read_products(record))
            continue
        frame_count += 1
        frame = _load(record)
        venue = venue or detect_venue(frame)
        if venue is None:
            continue
        try:
            if venue == KRAKEN:
                note_pairs(frame, findings.pairs)
            _note_decimals(findings.seen, _NUMBERS[venue](frame))
        except (AttributeError, KeyError, TypeError, ValueError):
            unread_count += 1
    if frame_count == 0:
        raise RecordingError(f"{recording.path}: holds no WebSocket frames, nothing to replay")
    if venue is None:
        raise RecordingError(
            f"{recording.path}: none of its {frame_count} frames is of a venue that the engine"
            f" knows ({', '.join(VENUES)})"
        )
    neighbour = recording.neighbour()
    for answer in neighbour.answers() if neighbour else ():
        findings.listed.update(_read_products(answer))
    products = {symbol: _product(symbol, venue, findings) for symbol in sorted(findings.seen)}
    return Survey(venue, products, frame_count, unread_count)


def detect_venue(frame: object) -> str | None:
    """The venue of one parsed frame, or None when the frame does not tell.

    Coinbase Advanced Trade wraps every frame in ``channel``, ``sequence_num`` and ``events``;
    Coinbase Exchange names the kind in ``type`` and the product beside it, Gemini the symbol;
    Binance names both in single letters.
    """
    if kraken := detect_kraken(frame):
        return kraken
    if not isinstance(frame, dict):
        return None
    if is_gemini(frame):
        return GEMINI
    if "channel" in frame and "sequence_num" in frame and "events" in frame:
        return COINBASE_ADVANCED
    kind = frame.get("type")
    if kind == "snapshot" and {"product_id", "bids", "asks"} <= frame.keys():
        return COINBASE_EXCHANGE
    if kind == "l2update" and {"product_id", "changes"} <= frame.keys():
        return COINBASE_EXCHANGE
    if kind in {"match", "last_match"} and {"product_id", "maker_order_id"} <= frame.keys():
        return COINBASE_EXCHANGE
    return detect_binance(frame)


def _load(frame: RecordedFrame) -> Any:
    try:
        return orjson.loads(frame.payload)
    except orjson.JSONDecodeError:
        return None


def _exchange_numbers(frame: Any) -> Iterator[Number]:
    kind = frame["type"]
    if kind == "l2update":
        for _, price, quantity in frame["changes"]:
            yield frame["product_id"], price, quantity
    elif kind == "snapshot":
        for side in ("bids", "asks"):
            for price, quantity in frame[side]:
                yield frame["product_id"], price, quantity
    elif kind in {"match", "last_match"}:
        yield frame["product_id"], frame["price"], frame["size"]


def _advanced_numbers(frame: Any) -> Iterator[Number]:
    if frame["channel"] == "l2_data":
        for event in frame["events"]:
            for update in event["updates"]:
                yield event["product_id"], update["price_level"], update["new_quantity"]
    elif frame["channel"] == "market_trades":
        for event in frame["events"]:
            for trade in event["trades"]:
                yield trade["product_id"], trade["price"], trade["size"]


_NUMBERS: dict[str, Callable[[Any], Iterator[Number]]] = {
    COINBASE_EXCHANGE: _exchange_numbers,
    COINBASE_ADVANCED: _advanced_numbers,
    BINANCE_USDM: binance_numbers,
    BINANCE_SPOT: binance_numbers,
    GEMINI: gemini_numbers,
    KRAKEN: kraken_numbers,
    KRAKEN_V1: kraken_v1_numbers,
}


def _note_decimals(seen: dict[str, _Decimals], numbers: Iterator[Number]) -> None:
    for symbol, price, quantity in numbers:
        if not isinstance(symbol, str):
            raise TypeError(f"product_id was {symbol!r}")
        decimals = seen.setdefault(symbol, _Decimals())
        fraction = _read_fraction(price)
        decimals.price = max(decimals.price, len(fraction.rstrip("0")))
        decimals.sent_price = max(decimals.sent_price, len(fraction))
        fraction = _read_fraction(quantity)
        decimals.quantity = max(decimals.quantity, len(fraction.rstrip("0")))
        decimals.sent_quantity = max(decimals.sent_quantity, len(fraction))


def _read_fraction(number: str) -> str:
    whole, _, fraction = number.partition(".")
    if not whole.isdecimal() or not (fraction + "0").isdecimal():
        raise ValueError(f"{number!r} is not a decimal number")
    return fraction


def _product(symbol: str, venue: str, findings: _Findings) -> Product:
    decimals = findings.seen[symbol]
    tick, lot = _finest_step(decimals.price), _finest_step(decimals.quantity)
    product = Product(symbol, tick, lot, is_inferred=True)
    pair = findings.pairs.get(symbol, KrakenPair())
    if symbol in findings.listed:
        product.tick, product.lot = findings.listed[symbol]
        product.is_inferred = False
    elif pair.tick and pair.lot:
        product.tick, product.lot = pair.tick, pair.lot
        product.is_inferred = False
    product.depth = pair.depth
    if venue == KRAKEN_V1:  # its texts have the decimals of its checksums
        product.price_precision = decimals.sent_price
        product.quantity_precision = decimals.sent_quantity
    elif venue == KRAKEN:
        product.price_precision = pair.price_precision
        product.quantity_precision = pair.quantity_precision
    return product


def _finest_step(decimals: int) -> str:
    return "1" if decimals == 0 else f"0.{'0' * (decimals - 1)}1"


def _read_products(answer: RecordedAnswer) -> Iterator[tuple[str, tuple[str, str]]]:
    """Symbol, tick and lot of each product in the body of ``GET /products``.

    Coinbase Exchange answers a list (``id``, ``quote_increment``, ``base_increment``); Advanced
    Trade an object with ``products`` (``product_id``, ``price_increment``, ``base_increment``).
    Gemini answers one symbol at a time, Kraken all pairs by name, Binance ``symbols``. Other
    bodies hold no products for us.
    """
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return
    yield from _read_other_products(body)
    if isinstance(body, dict):
        rows, symbol_key, tick_key = body.get("products"), "product_id", "price_increment"
    else:
        rows, symbol_key, tick_key = body, "id", "quote_increment"
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        symbol, tick, lot = row.get(symbol_key), row.get(tick_key), row.get("base_increment")
        if isinstance(symbol, str) and _is_step(tick) and _is_step(lot):
            yield symbol, (tick, lot)


def _read_other_products(body: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    found = gemini_product(body)
    others = [*kraken_products(body), *binance_products(body)]
    for symbol, tick, lot in [found] if found else others:
        if _are_steps(tick, lot):
            yield symbol, (tick, lot)


def _are_steps(*texts: object) -> bool:
    return all(_is_step(text) for text in texts)


def _is_step(text: object) -> TypeGuard[str]:
    try:
        return isinstance(text, str) and Decimal(text) > 0
    except InvalidOperation:
        return False
