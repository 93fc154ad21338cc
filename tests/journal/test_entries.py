import random

import numpy as np
import pytest

from ext.bounds import Bound
from ext.dtypes import BLOB, RECORD
from ext.errors import RecordingError
from ext.wire import RecordKind
from journal.entries import (
    BLOB_KINDS,
    FIXED_KINDS,
    MARKET,
    MARKET_KINDS,
    ORDERS,
    PAYLOAD_OFFSET,
    SLOT_BYTES,
    Entry,
    Structured,
    entry_starts,
    fixed_records,
    merge,
    slots_of,
    split_slots,
)

HEAD_BYTES = int(Bound.BLOB_PAYLOAD_BYTES)


def blob(sequence: int, data: bytes, kind: int = RecordKind.RECORD_REPORT, after: int = 0) -> bytes:
    head = np.zeros(1, BLOB)
    head["sequence"], head["kind"], head["byte_count"] = sequence, kind, len(data)
    head["after_sequence"] = after
    raw = head.tobytes()[:PAYLOAD_OFFSET] + data
    return raw + bytes(slots_of(len(data)) * SLOT_BYTES - len(raw))


def fixed(sequence: int, kind: int = RecordKind.RECORD_TIMER) -> bytes:
    record = np.zeros(1, RECORD)
    record["sequence"], record["kind"] = sequence, kind
    return record.tobytes()


def slots(*raw: bytes) -> Structured:
    return np.frombuffer(b"".join(raw), RECORD)


def entries_of(run: Structured) -> list[tuple[int, bytes]]:
    return [(entry.sequence, entry.data) for entry in split_slots(run)]


def test_every_kind_is_one_or_the_other() -> None:
    assert frozenset(map(int, RecordKind)) == BLOB_KINDS | FIXED_KINDS
    assert not BLOB_KINDS & FIXED_KINDS
    assert set(range(1, 8)) <= FIXED_KINDS, "journals hold them as records"
    assert {1, 8, 9} == MARKET_KINDS


@pytest.mark.parametrize(
    ("byte_count", "expected"),
    [
        (0, 1),
        (1, 1),
        (HEAD_BYTES, 1),
        (HEAD_BYTES + 1, 2),
        (HEAD_BYTES + 128, 2),
        (5_000_000, 39063),
    ],
)
def test_slots_of(byte_count: int, expected: int) -> None:
    assert slots_of(byte_count) == expected


def test_random_entries_come_back() -> None:
    rng = random.Random(5)
    for _ in range(50):
        raw: list[bytes] = []
        expected: list[tuple[int, bytes]] = []
        sequence = rng.randrange(1, 1 << 40)
        for _ in range(rng.randrange(1, 30)):
            data = b""
            if rng.random() < 0.5:
                raw.append(fixed(sequence))
            else:
                data = rng.randbytes(rng.choice([0, 1, 71, 72, 73, 199, 200, 201, 1000]))
                raw.append(blob(sequence, data))
            expected.append((sequence, data))
            sequence += len(raw[-1]) // SLOT_BYTES
        run = slots(*raw)
        assert entries_of(run) == expected
        assert [entry.last_sequence for entry in split_slots(run)][-1] == sequence - 1
        starts, end, wrong = entry_starts(run)
        assert [int(run["sequence"][at]) for at in starts] == [each for each, _ in expected]
        assert (end, wrong) == (len(run), "")


def test_a_run_that_ends_within_an_entry() -> None:
    run = slots(fixed(7), blob(8, bytes(300)), blob(11, bytes(200)))
    assert entry_starts(run[:5]) == ([0, 1], 4, "")
    with pytest.raises(RecordingError, match="here: the last record is cut short"):
        list(split_slots(run[:5], "here"))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([fixed(7), fixed(9)], "the record of slot 8 says that it is 9"),
        ([fixed(0)], "the record of slot 0 says"),
        ([fixed(7, kind=77)], "the record of slot 7 is of the unknown kind 77"),
        (
            [blob(7, b"")[:44] + b"\xff\xff\xff\xff" + bytes(80)],
            "the record of slot 7 has -1 bytes",
        ),
    ],
)
def test_what_cannot_be_is_refused(raw: list[bytes], message: str) -> None:
    with pytest.raises(RecordingError, match=f"here: {message}"):
        list(split_slots(slots(*raw), "here"))


def test_bytes_behind_a_head_are_never_taken_for_one() -> None:
    inner = fixed(3) + fixed(4)
    run = slots(fixed(1), blob(2, bytes(HEAD_BYTES) + inner), fixed(5))
    assert [sequence for sequence, _ in entries_of(run)] == [1, 2, 5]
    assert fixed_records(run)["sequence"].tolist() == [1, 5]


def market_entry(sequence: int, after: int | None) -> Entry:
    if after is None:
        return next(split_slots(slots(fixed(sequence, RecordKind.RECORD_TRADE))))
    return next(split_slots(slots(blob(sequence, b"x", RecordKind.RECORD_FRAME, after))))


def test_merge_puts_a_frame_behind_the_orders_that_were_written_before_it() -> None:
    orders = list(split_slots(slots(fixed(1), blob(2, bytes(100)), fixed(4), fixed(5))))
    market = [
        market_entry(1, 0),
        market_entry(2, None),  # a trade, in front of its frame
        market_entry(3, 3),
        market_entry(4, 3),
        market_entry(5, None),
        market_entry(6, None),
        market_entry(7, 5),
        market_entry(8, None),  # the engine died before its frame was written
    ]
    merged = [(entry.stream, entry.sequence) for entry in merge(iter(orders), iter(market))]
    assert merged == [
        (MARKET, 1),
        (ORDERS, 1),
        (ORDERS, 2),
        (MARKET, 2),
        (MARKET, 3),
        (MARKET, 4),
        (ORDERS, 4),
        (ORDERS, 5),
        (MARKET, 5),
        (MARKET, 6),
        (MARKET, 7),
        (MARKET, 8),
    ]


def test_merge_of_one_stream_alone() -> None:
    orders = list(split_slots(slots(fixed(1), fixed(2))))
    assert list(merge(iter(orders), iter(()))) == orders
    market = [market_entry(1, 9)]
    assert list(merge(iter(()), iter(market))) == market
