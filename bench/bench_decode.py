"""The market data decoders alone, against ``orjson.loads`` of the same frames."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson

from bench.arc import DECODERS, make_table
from bench.frames import FrameSet, generate_frames, recorded_frames
from bench.harness import Benchmark, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_calls, time_decodes
from ext.feed_decoder import PADDING, FeedDecoder
from ext.wire import Side
from feeds.recording_survey import Product

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
    steps = {product.symbol: _decimals(product) for product in frames.products}
    numbers = []
    for payload in frames.updates:
        for symbol, price, quantity, side in _CHANGES[frames.venue](orjson.loads(payload)):
            price_decimals, quantity_decimals = steps[symbol]
            numbers += [to_steps(price, price_decimals), to_steps(quantity, quantity_decimals)]
            numbers.append(side)
    return hash_numbers(np.array(numbers, np.int64))


def to_steps(text: str, decimals: int) -> int:
    """A decimal text as a count of 10**-decimals; zeros beyond are dropped."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction[:decimals].ljust(decimals, "0"))


def _decimals(product: Product) -> tuple[int, int]:
    return len(product.tick.partition(".")[2]), len(product.lot.partition(".")[2])


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


_CHANGES: dict[str, Callable[[Any], Changes]] = {
    "coinbase_exchange": _exchange_changes,
    "coinbase_advanced": _advanced_changes,
    "binance_usdm": _binance_changes,
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
            Contender("orjson.loads", functools.partial(measure_orjson, updates, work_hash)),
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
