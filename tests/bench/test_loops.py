"""The compiled loops measure every call, and their hashes are of the true result."""

import numpy as np
import pytest

from bench.arc import DECODERS, make_arc, make_table
from bench.bench_fix_decode import make_report
from bench.bench_fix_encode import make_rows, make_texts
from bench.frames import PRODUCT, UNIT_LOTS, generate_frames
from bench.loops import (
    HASH_START,
    hash_numbers,
    time_calls,
    time_changes,
    time_decodes,
    time_encodes,
    time_frames,
    time_reports,
)
from ext.book import OrderBook
from ext.dtypes import POSITION
from ext.errors import UsageError
from ext.feed_decoder import PADDING
from ext.order_sender import CapturingSender, OrderSender

START_NS = 1_767_623_400_000_000_000


def fnv(numbers: list[int]) -> int:
    result = HASH_START
    for number in numbers:
        result = ((result ^ (number % 2**64)) * 1099511628211) % 2**64
    return result


def test_the_hash_is_fnv_over_words() -> None:
    numbers = [0, 1, -1, 2**63 - 1, -(2**63)]
    assert hash_numbers(np.array(numbers, np.int64)) == fnv(numbers)
    assert hash_numbers(np.array([2, 1], np.int64)) != hash_numbers(np.array([1, 2], np.int64))


def test_every_argument_is_called_once_and_timed() -> None:
    seen: list[int] = []
    samples = np.full(4, -1, np.int64)
    total_ns = time_calls(seen.append, [3, 1, 2], samples)
    assert seen == [3, 1, 2]
    assert (samples[:3] >= 0).all()
    assert total_ns == samples[:3].sum()
    assert samples[3] == -1


def test_an_error_of_the_called_function_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        time_calls(lambda value: 1 // value, [0], np.zeros(1, np.int64))


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="room for 1 values; 2 are needed"):
        time_calls(int, [1, 2], np.zeros(1, np.int64))


def test_a_frame_gives_an_order_and_leaves_no_order_open() -> None:
    frames = generate_frames(100).frame_set()
    sender = CapturingSender()
    arc = make_arc(frames.venue, frames.products, sender, unit_lots=UNIT_LOTS)
    samples = np.zeros(101, np.int64)
    assert time_frames(arc.pipeline, frames.padded, START_NS, 2_000_000, samples) == 101
    assert sender.count == 101
    assert arc.orders.open_orders() == []
    position = arc.pipeline.memory.region("positions_offset", POSITION, 1)[0]
    assert (position["order_count"], position["working_count"]) == (101, 0)
    assert (position["open_buy_lots"], position["reject_count"]) == (0, 0)
    prices = [field[3:].decode() for field in sender.take().split(b"\x01") if field[:3] == b"44="]
    assert prices[1:] == [price for price, _ in generate_frames(100).orders]


def test_a_frame_that_cannot_be_decoded_changes_the_hash() -> None:
    frames = generate_frames(3)
    decoder = DECODERS["coinbase_exchange"](make_table([PRODUCT]))
    good = [payload + PADDING for payload in frames.updates]
    bad = [*good[:2], good[2].replace(b"changes", b"chances")]
    samples = np.zeros(3, np.int64)
    assert time_decodes(decoder, good, samples)[1] != time_decodes(decoder, bad, samples)[1]


def test_changes_are_followed_by_both_best_prices() -> None:
    changes = np.array([(0, 100, 5, 1), (0, 103, 5, -1), (0, 101, 5, 1), (0, 101, 0, 1)], np.int64)
    _, work_hash = time_changes([OrderBook()], changes)
    assert work_hash == fnv([100, 0, 100, 103, 101, 103, 100, 103])


def test_a_change_of_no_book_is_refused() -> None:
    with pytest.raises(UsageError, match="row 0 is of book 1 of 1"):
        time_changes([OrderBook()], np.array([(1, 100, 5, 1)], np.int64))


def test_encodes_are_hashed_by_size_and_checksum() -> None:
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    rows = make_rows(50)
    numbers = []
    for values in make_texts(arc, rows):
        tags = (35, 49, 56, 34, 52, 11, 55, 54, 60, 38, 40, 44, 59, 7928)
        body = "".join(f"{tag}={value}\x01" for tag, value in zip(tags, values, strict=True))
        text = f"8=FIXT.1.1\x019={len(body)}\x01{body}".encode()
        numbers += [len(text) + 7, sum(text) % 256]
    assert time_encodes(arc.encoder, rows)[1] == fnv(numbers)


def test_a_report_that_cannot_be_decoded_is_an_error() -> None:
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    report = make_report(arc, 1)
    price, quantity, cumulative, filled = 6_400_037, 50_000_010, 100_001_000, 4
    assert time_reports(arc.decoder, [report + PADDING], 2)[1] == fnv(
        [price, quantity, cumulative, filled] * 2
    )
    broken = report.replace(b"31=64000", b"31=64001") + PADDING
    with pytest.raises(UsageError, match="1 of 1 reports could not be decoded"):
        time_reports(arc.decoder, [broken], 1)
