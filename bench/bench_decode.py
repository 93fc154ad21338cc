"""The market data decoders alone, against ``orjson.loads`` of the same frames."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from bench.arc import DECODERS, make_table
from bench.frames import FrameSet, generate_frames, recorded_frames
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_calls, time_decodes
from ext.feed_decoder import PADDING, FeedDecoder
from ext.wire import Side

Changes = Iterator[tuple[str, str, str, int]]
"""Product, price text, quantity text and side of each change of one parsed frame."""


def measure_decoder(decoder: FeedDecoder, payloads: list[bytes]) -> Measurement:
    """The compiled decoder over padded frames."""
    samples = np.zeros(len(payloads), np.int64)
    total_ns, work_hash = time_decodes(decoder, payloads, samples)
    return Measurement(total_ns, len(payloads), work_hash, samples)


def measure_orjson(payloads: list[bytes], work_hash: int) -> Measurement:
    """``orjson.loads`` of each frame; its numbers stay text."""
    samples = np.zeros(len(payloads), np.int64)
    total_ns = time_calls(orjson.loads, payloads, samples)
    return Measurement(total_ns, len(payloads), work_hash, samples)


def hash_changes(frames: FrameSet) -> int:
    """The right answer, by way of orjson: every price, quantity and side of the updates."""
    steps = {p.symbol: (Decimal(p.tick), Decimal(p.lot)) for p in frames.products}
    numbers = []
    for payload in frames.updates:
        for symbol, price, quantity, side in _CHANGES[frames.venue](orjson.loads(payload)):
            tick, lot = steps[symbol]
            numbers += [int(Decimal(price) / tick), int(Decimal(quantity) / lot), int(side)]
    return hash_numbers(np.array(numbers, np.int64))


def _exchange_changes(frame: Any) -> Changes:
    for side, price, quantity in frame["changes"]:
        yield frame["product_id"], price, quantity, Side.BUY if side == "buy" else Side.SELL


def _advanced_changes(frame: Any) -> Changes:
    for event in frame["events"]:
        for update in event["updates"]:
            side = Side.BUY if update["side"] == "bid" else Side.SELL
            yield event["product_id"], update["price_level"], update["new_quantity"], side


def _binance_changes(frame: Any) -> Changes:
    event = frame["data"]
    for member, side in (("b", Side.BUY), ("a", Side.SELL)):
        for price, quantity in event[member]:
            yield event["s"], price, quantity, side


def _gemini_changes(frame: Any) -> Changes:
    for side, price, quantity in frame["changes"]:
        yield frame["symbol"], price, quantity, Side.BUY if side == "buy" else Side.SELL


def _kraken_changes(frame: Any) -> Changes:
    for book in frame["data"]:
        for name, side in (("bids", Side.BUY), ("asks", Side.SELL)):
            for level in book[name]:
                # repr is the shortest text of the float, which is the frame's.
                yield book["symbol"], repr(level["price"]), repr(level["qty"]), side


def _kraken_v1_changes(frame: Any) -> Changes:
    for part in frame[1:-2]:
        for name, side in (("a", Side.SELL), ("b", Side.BUY)):
            for price, quantity, *_ in part.get(name, ()):
                yield frame[-1], price, quantity, side


_CHANGES: dict[str, Callable[[Any], Changes]] = {
    "coinbase_exchange": _exchange_changes,
    "coinbase_advanced": _advanced_changes,
    "binance_usdm": _binance_changes,
    "gemini": _gemini_changes,
    "kraken": _kraken_changes,
    "kraken_v1": _kraken_v1_changes,
}


def make_trial(frames: FrameSet) -> Trial:
    """The figure of one set of frames, over its updates."""
    updates = frames.updates
    padded = [payload + PADDING for payload in updates]
    decoder = DECODERS[frames.venue](make_table(frames.products))
    work_hash = hash_changes(frames)
    return Trial(
        f"decode.{frames.name}",
        (
            Contender(
                "engine: ticks and lots",
                functools.partial(measure_decoder, decoder, padded),
                expected_hash=work_hash,
            ),
            Contender(
                "orjson.loads",
                functools.partial(measure_orjson, updates, work_hash),
                package="orjson",
            ),
        ),
        baseline="orjson.loads",
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Generated frames, and every recording that is there."""
    generated = generate_frames(size.pick(smoke=100, real=10_000)).frame_set()
    recorded = recorded_frames(size.pick(smoke=100, real=10_000))
    yield [make_trial(frames) for frames in (generated, *recorded)]


BENCHMARK = Benchmark("decode", "frame bytes to whole ticks and lots, the decoder alone", prepare)
