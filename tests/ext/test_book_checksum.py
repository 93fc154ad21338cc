"""Checksums of books: the venue's published ones, and those of a long random session."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest

from ext.codecs.kraken_feed import KrakenFeed
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, StaleReason

TIME = "2023-07-30T15:29:58.343415Z"
SYMBOL = "BTC/USD"
DEPTH = 25

Level = tuple[str, str]
"""Price and quantity text."""


def parse(text: str) -> list[Level]:
    rows = [row.partition("/") for row in text.split()]
    return [(price, quantity) for price, _, quantity in rows]


# Kraken docs, guides on the book checksum of WebSocket v2 and of FIX (tag 5041): the text of the
# levels as they were sent; in the second one the numbers have lost their trailing zeros.
BTC_ASKS = parse(
    "45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911"
    " 45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000"
    " 45297.5/0.09945542 45299.5/0.18772827"
)
BTC_BIDS = parse(
    "45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000"
    " 45280.3/1.54592586 45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000"
    " 45277.3/1.54602737 45276.6/0.15445238"
)
MATIC_BIDS = parse(
    "0.5666/4831.75496356 0.5665/6658.22734739 0.5664/18724.91513344 0.5663/11563.92544914"
    " 0.5662/14006.65365711 0.5661/17454.85679807 0.566/18097.1547 0.5659/33644.89175666"
    " 0.5658/148.3464 0.5657/606.70854372"
)
MATIC_ASKS = parse(
    "0.5668/4410.79769741 0.5669/4655.40412487 0.567/49844.89424998 0.5671/24306.41678"
    " 0.5672/29783.25223475 0.5673/57234.71239278 0.5674/45065.04744 0.5675/5912.76380354"
    " 0.5676/42514.92434778 0.5677/36304.0847022"
)
FIX_ASKS = [("28013.0", "0.00096506")] + [
    (price, "0.001")
    for price in (
        *("28039.8", "28066.5", "28093.3", "28120.0", "28146.7"),
        *("28173.5", "28200.2", "28227.0", "28253.7"),
    )
]
FIX_BIDS = parse(
    "28003.0/0.001 27999.9/0.00096375 27969.9/0.73860423 27700.1/0.0035 27573.2/0.0032"
    " 27137.4/0.01 27091.3/0.004 26729.4/0.001 26702.6/0.001 26675.9/0.001"
)
PUBLISHED = [
    ("0.1", BTC_BIDS, BTC_ASKS, 3310070434),
    ("0.0001", MATIC_BIDS, MATIC_ASKS, 2439117997),
    ("0.1", FIX_BIDS, FIX_ASKS, 3341325816),
]


def make_pipeline(tick: str, **terms: int) -> Pipeline:
    table = InstrumentTable()
    table.add(SYMBOL, tick, "0.00000001", **terms)
    return Pipeline(table, KrakenFeed(table), step_interval=0)


def frame(kind: str, bids: Iterable[Level], asks: Iterable[Level], checksum: int) -> bytes:
    sides = [
        ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)
        for levels in (bids, asks)
    ]
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{SYMBOL}","bids":[{sides[0]}],'
        f'"asks":[{sides[1]}],"checksum":{checksum},"timestamp":"{TIME}"}}]}}'
    ).encode()


def state_after(pipeline: Pipeline, payload: bytes) -> tuple[BookState, StaleReason]:
    assert pipeline.receive(payload, 1) == FeedStatus.FEED_OK
    book = pipeline.book(0)
    return BookState(book.state), StaleReason(book.stale_reason)


LIVE = (BookState.LIVE, StaleReason.NOT_STALE)
STALE = (BookState.STALE, StaleReason.CHECKSUM)


@pytest.mark.parametrize(("tick", "bids", "asks", "checksum"), PUBLISHED)
def test_published_books(
    tick: str, bids: Sequence[Level], asks: Sequence[Level], checksum: int
) -> None:
    pipeline = make_pipeline(tick)
    pipeline.subscribed(1)
    assert state_after(pipeline, frame("snapshot", bids, asks, checksum)) == LIVE
    for wrong in (checksum ^ 1, checksum - 1, 0, 2**32 - 1):
        assert state_after(pipeline, frame("snapshot", bids, asks, wrong)) == STALE
        assert state_after(pipeline, frame("snapshot", bids, asks, checksum)) == LIVE


def test_published_update() -> None:
    pipeline = make_pipeline("0.0001")
    state_after(pipeline, frame("snapshot", MATIC_BIDS, MATIC_ASKS, 2439117997))
    update = [("0.5657", "1098.3947558")]
    assert state_after(pipeline, frame("update", update, [], 2114181697)) == LIVE


def test_a_wrong_checksum_makes_the_book_stale_until_a_snapshot() -> None:
    """The update was applied, and is not to be trusted; a snapshot heals."""
    tick, bids, asks, checksum = PUBLISHED[0]
    pipeline = make_pipeline(tick)
    state_after(pipeline, frame("snapshot", bids, asks, checksum))
    assert state_after(pipeline, frame("update", [("45283.5", "0.2")], [], checksum)) == STALE
    assert pipeline.counters()["stale_count"] == 1
    notices, _ = pipeline.take_notices()
    assert notices == [(0, *STALE)]
    assert state_after(pipeline, frame("update", bids[:1], [], checksum)) == STALE
    assert state_after(pipeline, frame("snapshot", bids, asks, checksum)) == LIVE


def test_precision_of_the_venue_where_the_tick_is_coarser() -> None:
    """Kraken docs, checksum of WebSocket v1: asks from 0.05005, bids from 0.05000, 974947235."""
    asks = [(f"{Decimal('0.05005') + n * Decimal('0.00005')}", "0.00000500") for n in range(10)]
    bids = [
        (price, "0.00000500")
        for price in (
            *("0.05000", "0.04995", "0.04990", "0.04980", "0.04975"),
            *("0.04970", "0.04965", "0.04960", "0.04955", "0.04950"),
        )
    ]
    payload = frame("snapshot", bids, asks, 974947235)
    assert state_after(make_pipeline("0.00005"), payload) == LIVE
    pipeline = make_pipeline("0.00005", price_precision=6)
    pipeline.subscribed(1)
    assert state_after(pipeline, payload) == STALE
    fewer = frame("snapshot", [("0.0005", "1")], [], crc32(b"5000" + b"100000000"))
    assert state_after(make_pipeline("0.0001", price_precision=7), fewer) == LIVE


@pytest.mark.parametrize(("bids", "asks"), [([], []), (BTC_BIDS[:1], []), ([], BTC_ASKS[:3])])
def test_books_of_few_levels(bids: Sequence[Level], asks: Sequence[Level]) -> None:
    pipeline = make_pipeline("0.1")
    for _ in range(2):
        payload = frame("snapshot", bids, asks, checksum_of_texts(bids, asks))
        assert state_after(pipeline, payload) == LIVE


def ladder(start: str, step: str, quantity: str) -> list[Level]:
    """Ten levels from the best one on."""
    return [(f"{Decimal(start) + n * Decimal(step)}", quantity) for n in range(10)]


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        (ladder("50.0", "-0.1", "2"), ladder("101.0", "0.1", "1")),
        (ladder("100.0", "-0.1", "1"), ladder("200.0", "0.1", "2")),
        (ladder("50.0", "-0.1", "2")[:3], ladder("200.0", "0.1", "2")[:3]),
        ([], ladder("101.0", "0.1", "1")),
        ([], []),
    ],
)
def test_nothing_of_the_old_book_is_left_after_a_snapshot(
    bids: Sequence[Level], asks: Sequence[Level]
) -> None:
    """Its levels may all be worse than those that counted before."""
    pipeline = make_pipeline("0.1")
    old = ladder("100.0", "-0.1", "1"), ladder("101.0", "0.1", "1")
    for levels in (old, (bids, asks), old, (bids, asks)):
        payload = frame("snapshot", levels[0], levels[1], checksum_of_texts(levels[0], levels[1]))
        assert state_after(pipeline, payload) == LIVE


def checksum_of_texts(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    texts = [
        text.replace(".", "").lstrip("0")
        for levels in (asks[:10], bids[:10])
        for price, quantity in levels
        for text in (f"{Decimal(price):.1f}", f"{Decimal(quantity):.8f}")
    ]
    return crc32("".join(texts).encode())


@pytest.mark.parametrize("seed", range(5))
def test_a_long_session(seed: int) -> None:
    """Changes at and behind the ten best levels, on one side and on both; every one is right.

    Prices repeat modulo the number of texts kept, so that texts push each other out.
    """
    source = random.Random(seed)
    books: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
    pipeline = make_pipeline("0.1", depth=DEPTH)
    kind = "snapshot"
    for _ in range(3_000):
        changes: list[list[Level]] = [[], []]
        for _ in range(source.choice((1, 1, 2, 3))):
            side = source.randrange(2)
            away = int(source.expovariate(0.08)) * source.choice((1, 32))
            price = Decimal(20_000 + (away + 1 if side else -away)) / 10
            lots = source.choice((0, source.randint(1, 10 ** source.randint(1, 15))))
            books[side][price] = Decimal(lots) / 10**8
            changes[side].append((f"{price}", f"{books[side][price]:f}"))
        sides = []
        for side in (0, 1):
            levels = sorted((p, q) for p, q in books[side].items() if q)
            kept = (levels if side else levels[::-1])[:DEPTH]
            books[side].clear()
            books[side].update(kept)
            sides.append([(str(price), str(quantity)) for price, quantity in kept])
        payload = frame(kind, changes[0], changes[1], checksum_of_texts(*sides))
        assert state_after(pipeline, payload) == LIVE, payload
        kind = "update"
