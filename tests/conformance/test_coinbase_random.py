"""Random sessions, good and bad frames mixed, through the compiled path and the reference."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.reference_feed import make_reference_feed
from engine.verification import find_differences, make_pipeline
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
    kind = draw(st.sampled_from(["snapshot", "l2update", "l2update", "l2update", "bad"]))
    frame = {"type": kind, "product_id": draw(SYMBOLS)}
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
    rows = [
        {"side": side, "event_time": TIME, "price_level": price, "new_quantity": quantity}
        for side, price, quantity in levels
    ]
    kind = "update" if kind == "bad" else kind
    return {"type": kind, "product_id": draw(SYMBOLS), "updates": rows}


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
        frame = {
            "channel": "l2_data",
            "client_id": "",
            "timestamp": TIME,
            "sequence_num": sequence,
            "events": [event],
        }
        payloads.append(orjson.dumps(frame))
        sequence += step
    compare("coinbase_advanced", payloads)
