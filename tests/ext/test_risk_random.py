"""The compiled gate against the plain one in random streams, and what each limit is worth there.

The long form is ``make risk``.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.wire import Verdict
from tests.ext.plain_gate import NO_LIMIT, Rules
from tests.ext.risk_stream import RiskStream, StreamError

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
STREAMS, ORDERS_PER_STREAM = 24, 400
STREAMS_TO_FIND_IT = 120

# A limit that the compiled gate forgets: (what it is, how it gets lost).
LOST_LIMITS: dict[str, Callable[[Rules], None]] = {
    "max order quantity": lambda rules: _all(rules, "max_lots", NO_LIMIT),
    "max order notional": lambda rules: _all(rules, "max_notional", NO_LIMIT),
    "min order quantity": lambda rules: _all(rules, "min_lots", 0),
    "min order notional": lambda rules: _all(rules, "min_notional", 0),
    "price collar": lambda rules: _all(rules, "collar_ppm", 900_000),
    "last trade collar": lambda rules: _all(rules, "trade_collar_ppm", 0),
    "last trade age": lambda rules: setattr(rules.engine, "trade_age_ns", NO_LIMIT),
    "position of the instrument": lambda rules: _all(rules, "max_position", NO_LIMIT),
    "open orders of the instrument": lambda rules: _all(rules, "open_orders", NO_LIMIT),
    "open notional of the instrument": lambda rules: _all(rules, "open_notional", NO_LIMIT),
    "trading hours": lambda rules: _all(rules, "hours", []),
    "open orders of the engine": lambda rules: setattr(rules.engine, "open_orders", NO_LIMIT),
    "self-match": lambda rules: setattr(rules.engine, "prevents_self_match", False),
    "messages per second": lambda rules: setattr(rules.engine, "per_second", 1024),
    "reserve of a second": lambda rules: setattr(rules.engine, "reserve", 0),
    "messages per ten seconds": lambda rules: setattr(rules.engine, "per_ten_seconds", 16_384),
    "reserve of ten seconds": lambda rules: setattr(rules.engine, "long_reserve", 0),
    "stale books": lambda rules: setattr(rules.engine, "stale_ns", 10**15),
    "duplicates": lambda rules: setattr(rules.engine, "duplicate_ns", 0),
    "position of the strategy": lambda rules: _own(rules, "max_position", NO_LIMIT),
    "open orders of the strategy": lambda rules: _own(rules, "open_orders", NO_LIMIT),
    "messages of the strategy": lambda rules: _own(rules, "per_second", 1024),
    "exposure of the strategy": lambda rules: _own(rules, "gross", NO_LIMIT),
    "open notional of the currency": lambda rules: _quoted(rules, "open_value"),
    "gross exposure": lambda rules: _quoted(rules, "gross"),
    "net exposure": lambda rules: _quoted(rules, "net"),
    "worth of a step": lambda rules: _all(rules, "step_value", 1),
}


def _all(rules: Rules, name: str, value: object) -> None:
    for each in rules.instruments:
        setattr(each, name, value)


def _own(rules: Rules, name: str, value: int) -> None:
    for each in rules.strategies:
        setattr(each, name, value)


def _quoted(rules: Rules, name: str) -> None:
    for each in rules.currencies:
        setattr(each, name, NO_LIMIT)


def test_the_gate_is_its_model(make_order_rig: MakeRig) -> None:
    seen: Counter[Verdict] = Counter()
    for seed in range(STREAMS):
        stream = RiskStream(make_order_rig, seed)
        stream.run(ORDERS_PER_STREAM)
        seen += stream.seen
    # The journal is not a matter of the gate's limits.
    of_the_limits = {each for each in Verdict if each <= Verdict.EXPOSURE}
    assert set(seen) == of_the_limits - {Verdict.JOURNAL_BEHIND}
    assert seen[Verdict.ACCEPTED] > seen.total() // 20


def test_streams_that_follow_each_other_in_one_gate(make_order_rig: MakeRig) -> None:
    stream = RiskStream(make_order_rig, 0)
    follow(stream, 200)
    assert len(stream.seen) > 12


def follow(stream: RiskStream, count: int) -> None:
    """So many more streams through its gate."""
    for seed in range(1, count):
        stream.renew(seed)
        stream.run(8, 37 * seed)


@pytest.mark.parametrize("name", ["max order quantity", "net exposure", "reserve of a second"])
def test_no_limit_can_be_lost_where_streams_follow_each_other(
    make_order_rig: MakeRig, name: str
) -> None:
    stream = RiskStream(make_order_rig, 0, LOST_LIMITS[name])
    with pytest.raises(StreamError):
        follow(stream, 3000)


@pytest.mark.parametrize("name", LOST_LIMITS)
def test_no_limit_can_be_lost(make_order_rig: MakeRig, name: str) -> None:
    for seed in range(STREAMS_TO_FIND_IT):
        try:
            RiskStream(make_order_rig, seed, LOST_LIMITS[name]).run(ORDERS_PER_STREAM)
        except StreamError:
            return
    pytest.fail(f"nobody misses {name} in {STREAMS_TO_FIND_IT} streams")
