"""Limits over positions taken together, with figures made by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.composition import Arc
from engine.config import EngineConfig
from engine.safety.portfolio import Correlations, PortfolioWatch
from ext.dtypes import BREAKER_STATE, GUARD_STATE, POSITION
from ext.errors import ConfigError
from ext.safety_records import Breaker, BreakerLevel

NOW_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
LOT = 100_000_000  # one BTC
GROUP = "portfolio.group=[{name='coins', instruments=['BTC-USD','ETH-USD'], max_exposure=1000}]"
Snapshot = Callable[..., bytes]


class Rig:
    """The demo's arc with books and positions of the test's making."""

    def __init__(self, make_arc: Callable[..., Arc], snapshot: Snapshot, *overrides: str) -> None:
        self.arc = make_arc(*overrides, is_trading=True)
        self.arc.pipeline.subscribed(NOW_NS)
        self.snapshot, self.now_ns = snapshot, NOW_NS
        self.positions = self.arc.memory.region("positions_offset", POSITION, 2)
        self.guards = self.arc.memory.region("guards_offset", GUARD_STATE, 2)
        self.states = self.arc.memory.region("breakers_offset", BREAKER_STATE, 3)
        self.watch = PortfolioWatch(self.arc)

    def look(self, btc: float = 100.0, eth: float = 10.0) -> None:
        """A second later, at these mids."""
        self.now_ns += SECOND_NS
        for symbol, mid in (("BTC-USD", btc), ("ETH-USD", eth)):
            frame = self.snapshot(symbol, f"{mid - 0.01:.2f}", f"{mid + 0.01:.2f}")
            self.arc.pipeline.receive(frame, self.now_ns)
        self.watch.poll(self.now_ns)

    def hold(self, *quantities: float) -> None:
        self.positions["position_lots"][:] = [round(each * LOT) for each in quantities]

    def shares(self) -> dict[str, float]:
        return {use.what: use.share for use in self.watch.uses()}

    def stopped(self) -> list[bool]:
        levels = self.states["level"][:2].tolist()
        return [level >= BreakerLevel.BREAKER_PAUSED for level in levels]


@pytest.fixture
def make_rig(make_arc: Callable[..., Arc], snapshot: Snapshot) -> Callable[..., Rig]:
    def make(*overrides: str) -> Rig:
        return Rig(make_arc, snapshot, *overrides)

    return make


def test_without_limits_nothing_is_looked_at(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.hold(1000, -1000)
    rig.look()
    assert rig.shares() == {}
    assert rig.stopped() == [False, False]


@pytest.mark.parametrize(
    ("btc", "eth", "is_stopped"), [(4.0, -49.9, False), (4.0, -50.0, True), (-9.0, 0.0, True)]
)
def test_the_exposure_of_a_group(
    make_rig: Callable[..., Rig], btc: float, eth: float, is_stopped: bool
) -> None:
    rig = make_rig(GROUP)
    rig.hold(btc, eth)
    rig.look()
    assert rig.shares()["exposure of coins"] == pytest.approx(
        (abs(btc) * 100 + abs(eth) * 10) / 1000
    )
    assert rig.stopped() == [is_stopped] * 2, "each of them could add to it"


def test_it_goes_on_when_there_is_room_again(
    make_rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(GROUP)
    for quantity, is_stopped in [(7.0, False), (9.0, True), (8.5, True), (8.0, True), (7.9, False)]:
        rig.hold(quantity, 0)
        rig.look()
        assert rig.stopped()[0] == is_stopped, quantity
    assert caplog.text.count("exposure of coins is 700.00, 70 % of its limit") == 1


def test_a_pause_of_another_cause_is_left_alone(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(GROUP)
    rig.arc.pipeline.pause_strategy(0, Breaker.BREAKER_OPERATOR, NOW_NS, "look")
    rig.look()
    assert rig.stopped() == [True, False]


def test_heat_is_what_the_stops_would_cost(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("portfolio.max_heat=100")
    rig.hold(2.0, -3.0)
    rig.guards["stop_ticks"][:] = [9_000, 1_200]  # 90.00 and 12.00
    rig.look()
    assert rig.shares()["heat"] == pytest.approx((2 * 10 + 3 * 2) / 100)
    rig.guards["stop_ticks"][1] = 0  # without a stop it is all at risk
    assert rig.shares()["heat"] == pytest.approx((2 * 10 + 3 * 10) / 100)
    rig.guards["stop_ticks"][0] = 11_000  # in profit for sure
    assert rig.shares()["heat"] == pytest.approx(30 / 100)


def test_margin(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("portfolio.max_margin=100", "portfolio.margin_percent=20")
    rig.hold(2.0, -3.0)
    rig.look()
    assert rig.shares()["margin"] == pytest.approx(0.2 * 230 / 100)


@pytest.mark.parametrize(("sign", "expected"), [(1, 0.7), (-1, 1.3)])
def test_what_moves_together_adds_up(
    make_rig: Callable[..., Rig], sign: int, expected: float
) -> None:
    """ETH moves with BTC, or against it: 100 of one and -30 of the other."""
    rig = make_rig(
        "portfolio.max_correlated_exposure=100",
        "portfolio.correlation_interval_seconds=1",
        "portfolio.correlation_samples=5",
    )
    rig.hold(1.0, -3.0)
    rig.look()
    shares = rig.shares()
    assert shares["exposure that moves with BTC-USD"] == pytest.approx(1.0), "alone, so far"
    assert shares["exposure that moves with ETH-USD"] == pytest.approx(0.3)
    for move in (0.05, 0.02, -0.04, 0.03, -0.06, 0.0):
        rig.look(100 * (1 + move), 10 * (1 + sign * move))
    assert rig.shares()["exposure that moves with BTC-USD"] == pytest.approx(expected, rel=0.01)


def test_correlation_equals_that_of_numpy() -> None:
    rng = np.random.default_rng(7)
    correlations = Correlations(3, SECOND_NS, 50)
    mids = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (51, 3)), axis=0))
    mids[:, 2] = mids[:, 0] * 2  # the same returns
    for index, row in enumerate(mids):
        assert not correlations.matrix().any(), "too few"
        correlations.add(row, NOW_NS + index * SECOND_NS)
        correlations.add(row * 3, NOW_NS + index * SECOND_NS + 1)  # too soon: not taken
    expected = np.corrcoef(np.diff(np.log(mids), axis=0).T)
    assert correlations.matrix() == pytest.approx(expected)
    assert correlations.matrix()[0, 2] == pytest.approx(1.0)


def test_what_stands_still_or_is_unknown_moves_with_nobody() -> None:
    correlations = Correlations(3, SECOND_NS, 5)
    for index in range(6):
        row = np.array([100.0 + index % 2, 100.0, np.nan])
        correlations.add(row, NOW_NS + index * SECOND_NS)
    assert np.flatnonzero(correlations.matrix()).tolist() == [0], "BTC with itself"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("portfolio.group=[{name='a', instruments=['XRP-USD'], max_exposure=1}]",),
            "names XRP-USD, which no",
        ),
        (
            (
                "instrument.1.symbol=ETH-EUR",
                "strategy.1.instrument=ETH-EUR",
                "portfolio.max_heat=5",
            ),
            "adds up EUR and USD",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(
    load_demo: Callable[..., EngineConfig], overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_demo(*overrides)
