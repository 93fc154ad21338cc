"""Limits over positions taken together, with figures made by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.composition import Arc
from engine.safety.portfolio import Correlations, PortfolioWatch
from engine.settings.config import EngineConfig
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

    def order(self, strategy: int, buy: float = 0.0, sell: float = 0.0) -> None:
        """Open orders of a strategy, in place of those that it had."""
        self.positions["open_buy_lots"][strategy] = round(buy * LOT)
        self.positions["open_sell_lots"][strategy] = round(sell * LOT)

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


@pytest.mark.parametrize(
    ("buy", "sell", "reach", "is_stopped"),
    [(4.9, 0.0, 8.9, False), (5.0, 0.0, 9.0, True), (0.0, 13.0, 9.0, True), (0.0, 5.0, 4.0, False)],
    ids=["enlarges", "to the edge", "turns it round", "reduces it"],
)
def test_open_orders_count_where_they_could_lead(
    make_rig: Callable[..., Rig], buy: float, sell: float, reach: float, *, is_stopped: bool
) -> None:
    """Of 4 BTC at 100."""
    rig = make_rig(GROUP)
    rig.hold(4.0, 0.0)
    rig.order(0, buy, sell)
    rig.look()
    assert rig.shares()["exposure of coins"] == pytest.approx(reach / 10)
    assert rig.stopped() == [is_stopped] * 2


def test_who_was_stopped_for_its_orders_is_not_let_go_because_they_were_pulled(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(GROUP)
    rig.hold(5.0, 0.0)
    rig.order(0, buy=4.0)
    rig.look()
    assert rig.stopped() == [True, True]
    rig.order(0)
    rig.look()
    assert rig.stopped() == [True, True], "it would ask for them again"
    rig.hold(3.9, 0.0)
    rig.look()
    assert rig.stopped() == [False, False], "now it may"


def test_a_person_who_lets_it_go_is_not_overruled_by_what_was_pulled(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(GROUP)
    rig.hold(5.0, 0.0)
    rig.order(0, buy=4.0)
    rig.look()
    rig.order(0)
    for strategy in (0, 1):
        rig.arc.pipeline.resume_strategy(strategy, rig.now_ns, "looked")
    rig.look()
    assert rig.stopped() == [False, False]


def test_what_it_had_asked_for_is_forgotten_after_a_minute(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(GROUP)
    rig.hold(5.0, 0.0)
    rig.order(0, buy=4.0)
    rig.look()
    rig.order(0)
    for _ in range(59):
        rig.look()
    assert rig.stopped() == [True, True]
    rig.look()
    assert rig.stopped() == [False, False]


def test_it_goes_on_when_there_is_room_again(
    make_rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(GROUP)
    for quantity, is_stopped in [(7.0, False), (9.0, True), (8.5, True), (8.0, True), (7.9, False)]:
        rig.hold(quantity, 0)
        rig.look()
        assert rig.stopped()[0] == is_stopped, quantity
    assert caplog.text.count("exposure of coins is 700.00, 70 % of its limit") == 1
    assert caplog.text.count("exposure of coins is 900.00 of 1000.00") == 2, "for each of them"


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


@pytest.mark.parametrize(
    ("held", "buy", "sell", "lost"),
    [
        (2.0, 1.0, 0.0, 3 * 10),  # bought at 95: from 100 to the stop at 90
        (2.0, 0.0, 2.5, 2 * 10),  # half a coin short would lose less
        (2.0, 0.0, 7.0, 5 * 5),  # turned, with the stop of the config
        (0.0, 1.0, 3.0, 3 * 5),
    ],
)
def test_heat_of_open_orders(
    make_rig: Callable[..., Rig], held: float, buy: float, sell: float, lost: float
) -> None:
    rig = make_rig("portfolio.max_heat=100", "strategy.0.management.stop_loss=500 ticks")
    rig.hold(held, 0.0)
    rig.positions["average_price_ticks"][0] = 9_500
    rig.order(0, buy, sell)
    rig.look()
    assert rig.shares()["heat"] == pytest.approx(lost / 100)


@pytest.mark.parametrize(
    ("management", "lost"),
    [
        ((), 100),
        (("stop_loss=2 %", "trailing_stop=4 %"), 2),
        (("trailing_stop=1.5 %",), 1.5),
        (("stop_loss=2 atr",), 100),
    ],
    ids=["without a stop", "the nearer one", "trailing", "not known yet"],
)
def test_heat_of_an_order_that_would_begin_a_position(
    make_rig: Callable[..., Rig], management: tuple[str, ...], lost: float
) -> None:
    overrides = [f"strategy.0.management.{each}" for each in management]
    rig = make_rig("portfolio.max_heat=1000", *overrides)
    rig.order(0, sell=1.0)
    rig.look()
    assert rig.shares()["heat"] == pytest.approx(lost / 1000)


def test_margin(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("portfolio.max_margin=100", "portfolio.margin_percent=20")
    rig.hold(2.0, -3.0)
    rig.order(1, sell=2.0)
    rig.look()
    assert rig.shares()["margin"] == pytest.approx(0.2 * (2 * 100 + 5 * 10) / 100)


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
    # All buy orders filled and no sell order, or the other way round; whichever is worse.
    rig.order(0, buy=1.0, sell=4.0)
    rig.order(1, buy=9.0, sell=6.0)
    rig.look(100.0, 10.0)
    eth = (-30 + 90, -30 - 60) if sign > 0 else (30 + 60, 30 - 90)
    worst = max(200 + eth[0], abs(-300 + eth[1]))
    assert rig.shares()["exposure that moves with BTC-USD"] == pytest.approx(worst / 100, rel=0.01)


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
