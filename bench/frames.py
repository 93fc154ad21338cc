"""Market data for the benchmarks: frames generated from a seed, and recorded ones."""

import gzip
import os
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

from bench.harness import SEED
from bench.order_every_frame import QUANTITY_CYCLE
from ext.feed_decoder import PADDING
from feeds.binance_depth import EarlyUpdates
from feeds.recording import RecordedFrame, Recording
from feeds.recording_binance import read_records
from feeds.recording_survey import Product, survey_recording

SYMBOL = "BTC-USD"
PRODUCT = Product(SYMBOL, "0.01", "0.00000001", is_inferred=False)
UNIT_LOTS = 10_000
CHANGES_PER_FRAME = 20

_MID_TICKS = 6_400_000
_LEVELS = 50  # of a side
_DELETED_SHARE = 0.3
_TICKS_PER_UNIT = 100
_LOTS_PER_UNIT = 100_000_000

_ROOT = Path(__file__).parents[1]
_RECORDINGS = {
    "coinbase_exchange": "coinbase/exchange_20210417.txt.gz",
    "coinbase_advanced": "coinbase/advanced_20260809.jsonl.gz",
    "binance_usdm": "binance_usdm/btcusdt_20240808.gz",
    "gemini_2021": "gemini/v2_20210417.txt.gz",
    "gemini_2026": "gemini/v2_20260809.jsonl.gz",
    "kraken": "kraken/v2_btcusd_book10_2023.json.gz",
    "kraken_v1": "kraken/v1_20210417_book1000.txt.gz",
}
_KRAKEN_PRODUCT = Product("BTC/USD", "0.1", "0.00000001", is_inferred=False, depth=10)


class FrameSet(NamedTuple):
    """Frames of one venue, in order; ``is_update`` says which of them change a book by a little.

    The others (snapshots, other channels) are needed to get there, and are not measured.
    """

    name: str
    venue: str
    products: Sequence[Product]
    payloads: list[bytes]
    is_update: list[bool]

    @property
    def padded(self) -> list[bytes]:
        """The payloads with the readable bytes behind that compiled decoders need."""
        return [payload + PADDING for payload in self.payloads]

    @property
    def updates(self) -> list[bytes]:
        """The payloads that are updates."""
        return [
            payload
            for payload, is_update in zip(self.payloads, self.is_update, strict=True)
            if is_update
        ]


class GeneratedFrames(NamedTuple):
    """Coinbase Exchange frames of one product, and what ``OrderEveryFrame`` must answer."""

    snapshot: bytes
    updates: list[bytes]
    orders: list[tuple[str, str]]
    """Price and quantity text of the order for each update."""

    def frame_set(self) -> FrameSet:
        """The same frames in the form of a recording."""
        payloads = [self.snapshot, *self.updates]
        is_update = [False] + [True] * len(self.updates)
        return FrameSet("generated", "coinbase_exchange", [PRODUCT], payloads, is_update)


@cache
def generate_frames(count: int, seed: int = SEED) -> GeneratedFrames:
    """A book of 50 levels a side and ``count`` updates of 20 changes, up to a million.

    Most changes are near the touch, three in ten delete a level, the outermost level of a side
    always stays and the sides never meet.
    """
    source = random.Random(seed)
    sides = {
        side: {offset: source.randint(1, 5 * _LOTS_PER_UNIT) for offset in range(1, _LEVELS + 1)}
        for side in ("buy", "sell")
    }
    snapshot = orjson.dumps(
        {
            "type": "snapshot",
            "product_id": SYMBOL,
            "asks": [[_price("sell", at), _quantity(lots)] for at, lots in sides["sell"].items()],
            "bids": [[_price("buy", at), _quantity(lots)] for at, lots in sides["buy"].items()],
        }
    )
    updates, orders = [], []
    for number in range(1, count + 1):
        changes = []
        for _ in range(CHANGES_PER_FRAME):
            side = source.choice(("buy", "sell"))
            offset = min(_LEVELS, 1 + int(source.expovariate(0.1)))
            lots = source.randint(1, 5 * _LOTS_PER_UNIT)
            if offset < _LEVELS and source.random() < _DELETED_SHARE:
                lots = 0
            sides[side][offset] = lots
            changes.append([side, _price(side, offset), _quantity(lots)])
        updates.append(
            orjson.dumps(
                {
                    "type": "l2update",
                    "product_id": SYMBOL,
                    "changes": changes,
                    "time": f"2026-01-05T14:30:00.{number:06d}Z",
                }
            )
        )
        best = min(offset for offset, lots in sides["buy"].items() if lots)
        lots = (1 + number % QUANTITY_CYCLE) * UNIT_LOTS
        orders.append((_price("buy", best), _quantity(lots)))
    return GeneratedFrames(snapshot, updates, orders)


def recorded_frames(limit: int) -> list[FrameSet]:
    """The recordings that are there, each cut after ``limit`` updates; see WOW_DATA."""
    return [found for name in _RECORDINGS if (found := _load(name, limit)) is not None]


def recorded_snapshot(name: str) -> tuple[Product, bytes] | None:
    """The largest frame of a recording and its product; None when the recording is not there."""
    frames = _load(name, 1)
    if frames is None:
        return None
    payload = max(frames.payloads, key=len)
    [product] = [each for each in frames.products if f'"{each.symbol}"'.encode() in payload[:300]]
    return product, payload


@cache
def _load(name: str, limit: int) -> FrameSet | None:
    # A relative path counts from the root of the checkout.
    path = _ROOT / os.environ.get("WOW_DATA", "../shared/data") / _RECORDINGS[name]
    if not path.is_file():
        return None
    if name == "kraken":
        venue, products, recorded = name, [_KRAKEN_PRODUCT], _read_kraken(path)
    else:
        recording = Recording(path)
        survey = survey_recording(recording)
        venue, products = survey.venue, list(survey.products.values())
        recorded = (frame.payload for frame in recording.frames())
        if venue == "binance_usdm":
            recorded = _after_snapshot(recording)
    payloads: list[bytes] = []
    is_update: list[bool] = []
    for payload in recorded:
        payloads.append(payload)
        is_update.append(_is_update(venue, payload))
        if sum(is_update) == limit:
            break
    return FrameSet(name, venue, products, payloads, is_update)


def _after_snapshot(recording: Recording) -> Iterator[bytes]:
    """From the snapshot on, behind it those of the updates before it that are newer."""
    early = EarlyUpdates()
    has_snapshot = False
    for record in read_records(recording):
        if not isinstance(record, RecordedFrame):
            continue
        if b'"lastUpdateId"' in record.payload:
            has_snapshot = True
            snapshot_id = orjson.loads(record.payload)["data"]["lastUpdateId"]
            kept: list[bytes] = []
            early.receive(record.payload, lambda _: False, kept.append)
            yield record.payload
            yield from (p for p in kept if orjson.loads(p)["data"]["u"] >= snapshot_id)
        elif has_snapshot:
            yield record.payload
        else:
            early.receive(record.payload, lambda _: True, lambda _: None)


def _read_kraken(path: Path) -> Iterator[bytes]:
    """One JSON object, indented by its authors: the frames are written as the venue does."""
    recorded = orjson.loads(gzip.decompress(path.read_bytes()))
    for frame in (recorded["init"], *recorded["updates"]):
        yield orjson.dumps(frame)


def _is_update(venue: str, payload: bytes) -> bool:
    match venue:
        case "binance_usdm":
            return b'"e":"depthUpdate"' in payload[:80]
        case "coinbase_exchange":
            return payload.startswith(b'{"type":"l2update"')
        case "coinbase_advanced":
            is_book = payload.startswith(b'{"channel":"l2_data"')
            return is_book and b'"type":"snapshot"' not in payload[:200]
        case "gemini":
            return b'"l2_updates"' in payload and b'"trades"' not in payload
        case "kraken":
            return payload.startswith(b'{"channel":"book","type":"update"')
        case _:
            is_book = payload.startswith(b"[") and b'"book-' in payload
            return is_book and b'{"as":' not in payload[:20]


def _price(side: str, offset: int) -> str:
    ticks = _MID_TICKS - offset if side == "buy" else _MID_TICKS + offset
    return f"{ticks // _TICKS_PER_UNIT}.{ticks % _TICKS_PER_UNIT:02d}"


def _quantity(lots: int) -> str:
    return f"{lots // _LOTS_PER_UNIT}.{lots % _LOTS_PER_UNIT:08d}"
