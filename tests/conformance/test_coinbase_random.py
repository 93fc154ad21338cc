"""Random sessions, good and bad frames mixed, through the compiled path and the reference."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reference.reference_venues import make_reference_feed
from engine.reference.verification import find_differences, make_pipeline
from feeds.recording_survey import Product

PRODUCTS = [
    Product("BTC-USD", "0.01", "0.00000001", is_inferred=False),
    Product("ETH-EUR", "0.05", "0.002", is_inferred=False),
]
TIME = "2021-04-17T16:43:37.077621Z"
START_NS = 1_618_677_817_000_000_000

# Mostly numbers that fit, some that do not: off the step, signed, not a string, beyond 64 bits.
PRICES = st.one_of(
    st.integers(1, 40).map(lambda n: f"{n // 20}.{n % 20 * 5:02}"),
    st.integers(1, 40).map(lambda n: f"{n // 20}.{n % 20 * 5:02}000"),
    st.sampled_from(["0.01", "0", "-1", "", "1e1", "0.001", "99999999999999999999", "x", 1.5]),
)
QUANTITIES = st.one_of(
    st.integers(0, 50).map(lambda n: f"{2 * n / 1000:.3f}"),
    st.sampled_from(["0", "0.0", "0.00000000", "0.001", "0.000000001", "-0", "1E2", None]),
)
SYMBOLS = st.sampled_from(["BTC-USD", "BTC-USD", "ETH-EUR", "ETH-EUR", "XRP-USD"])
GOOD_BIDS = st.lists(st.tuples(st.sampled_from(["0.50", "0.55"]), st.just("2")), max_size=3)
GOOD_ASKS = st.lists(st.tuples(st.sampled_from(["1.50", "1.55"]), st.just("2")), max_size=3)


@st.composite
def exchange_frames(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["snapshot", "l2update", "l2update", "l2update", "bad", "match"]))
    frame = {"type": kind, "product_id": draw(SYMBOLS)}
    if kind == "match":
        side, price, size = draw(st.tuples(st.sampled_from(["buy", "sell"]), PRICES, QUANTITIES))
        return {**frame, "trade_id": 7, "side": side, "price": price, "size": size, "time": TIME}
    if kind == "snapshot":
        return {**frame, "asks": draw(GOOD_ASKS), "bids": draw(GOOD_BIDS)}
    sides = ["buy", "sell"] if kind == "l2update" else ["buy", "bid", 3]
    rows = st.tuples(st.sampled_from(sides), PRICES, QUANTITIES)
    changes = draw(st.lists(rows, max_size=4))
    return {**frame, "type": "l2update", "changes": changes, "time": TIME}


@st.composite
def advanced_events(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["snapshot", "update", "update", "update", "bad"]))
    if kind == "snapshot":
        levels = [("bid", *level) for level in draw(GOOD_BIDS)]
        levels += [("offer", *level) for level in draw(GOOD_ASKS)]
    else:
        sides = ["bid", "offer"] if kind == "update" else ["bid", "ask", None]
        levels = draw(
            st.lists(st.tuples(st.sampled_from(sides), PRICES, QUANTITIES), min_size=1, max_size=4)
        )
    return book_event("snapshot" if kind == "snapshot" else "update", draw(SYMBOLS), *levels)


def advanced_frame(sequence: int, *events: dict[str, Any]) -> bytes:
    frame = {
        "channel": "l2_data",
        "client_id": "",
        "timestamp": TIME,
        "sequence_num": sequence,
        "events": events,
    }
    return orjson.dumps(frame)


def book_event(kind: str, symbol: str, *levels: tuple[str, str, str]) -> dict[str, Any]:
    rows = [
        {"side": side, "event_time": TIME, "price_level": price, "new_quantity": quantity}
        for side, price, quantity in levels
    ]
    return {"type": kind, "product_id": symbol, "updates": rows}


def compare(venue: str, payloads: list[bytes]) -> None:
    pipeline = make_pipeline(venue, PRODUCTS)
    reference = make_reference_feed(venue, {p.symbol: (p.tick, p.lot) for p in PRODUCTS})
    for number, payload in enumerate(payloads):
        reference.receive(payload)
        pipeline.receive(payload, START_NS + number)
        for index, instrument in enumerate(reference.instruments.values()):
            differences = list(find_differences(instrument, pipeline.book(index)))
            assert not differences, f"frame {number}, {payload!r}: {differences[0]}"


@settings(max_examples=150, deadline=None)
@given(st.lists(exchange_frames(), max_size=12), st.data())
def test_random_exchange_sessions(frames: list[dict[str, Any]], data: st.DataObject) -> None:
    payloads = [orjson.dumps(frame) for frame in frames]
    if payloads and data.draw(st.integers(0, 3)) == 0:
        at = data.draw(st.integers(0, len(payloads) - 1))
        payloads[at] = payloads[at][: data.draw(st.integers(0, len(payloads[at]) - 1))]
    compare("coinbase_exchange", payloads)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(advanced_events(), st.sampled_from([1] * 9 + [2])), max_size=12))
def test_random_advanced_sessions(steps: list[tuple[dict[str, Any], int]]) -> None:
    payloads = []
    sequence = 0
    for event, step in steps:
        payloads.append(advanced_frame(sequence, event))
        sequence += step
    compare("coinbase_advanced", payloads)


BTC_CHANGE = book_event("update", "BTC-USD", ("bid", "0.50", "5"))
ETH_CHANGE = book_event("update", "ETH-EUR", ("bid", "0.50", "6"))
REFUSED_EVENTS = (
    book_event("update", "ETH-EUR", ("bid", "0.51", "5")),
    {"product_id": "ETH-EUR", "updates": []},
    {"type": "update", "updates": []},
    book_event("update", "XRP-USD", ("bid", "0.50", "5")),
)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_refused_frame_gives_up_every_book_that_it_would_have_changed(position: int) -> None:
    levels = ("bid", "0.50", "2"), ("offer", "1.50", "2")
    for refused in REFUSED_EVENTS:
        events = [BTC_CHANGE, ETH_CHANGE]
        events.insert(position, refused)
        compare(
            "coinbase_advanced",
            [
                advanced_frame(0, book_event("snapshot", "BTC-USD", *levels)),
                advanced_frame(1, book_event("snapshot", "ETH-EUR", *levels)),
                advanced_frame(2, *events),
            ],
        )


def test_frame_of_several_events_is_applied_whole() -> None:
    levels = ("bid", "0.50", "2"), ("offer", "1.50", "2")
    snapshots = [book_event("snapshot", symbol, *levels) for symbol in ("BTC-USD", "ETH-EUR")]
    changes = [BTC_CHANGE, ETH_CHANGE, BTC_CHANGE]
    compare("coinbase_advanced", [advanced_frame(0, *snapshots), advanced_frame(1, *changes)])
