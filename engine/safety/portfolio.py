"""Limits over positions taken together: groups, correlation, heat and margin.

Looked at once a second; what they decide goes into the arc as a recorded command. Open orders count
as if they were filled where that is worse. One limit that is used to STOP_SHARE stops those that
could add to it; they may reduce, their positions are managed as ever, and they go on below
GO_SHARE. Until the next look an order may pass: the gate's limits are those that none passes.
"""

import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from engine.composition import Arc
from engine.safety.breaker_limits import SECOND_NS
from engine.safety.guard_limits import read_distance
from engine.settings.config_management import ManagementTable
from engine.settings.config_portfolio import PortfolioSection
from ext.dtypes import BOOK_VIEW, BREAKER_STATE, GUARD_STATE, POSITION
from ext.safety_records import Breaker, BreakerLevel
from ext.wire import BookState

WARN_SHARE = 0.7
STOP_SHARE = 0.9
GO_SHARE = 0.8
ASKED_NS = 60 * SECOND_NS
"""So long the orders that a strategy had open when it was stopped count as if they still were: it
would ask for them again, and would be stopped and let go once a second."""
PERCENT = 100

_log = logging.getLogger("engine.breakers")


@dataclass(frozen=True, slots=True)
class Holding:
    """What one strategy holds or could come to hold, signed, in quote currency: ``longest`` with
    all its buy orders filled, ``shortest`` with all its sell orders. ``risk`` is what the worse of
    them loses at its stop."""

    strategy: int
    instrument: int
    longest: float
    shortest: float
    risk: float

    @property
    def size(self) -> float:
        """Of the larger one."""
        return max(abs(self.longest), abs(self.shortest))


@dataclass(frozen=True, slots=True)
class Asked:
    """Lots that a strategy had open when it was stopped, and until when they count."""

    buy_lots: int
    sell_lots: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is used, and which strategies could add to it."""

    what: str
    value: float
    limit: float
    strategies: frozenset[int]

    @property
    def share(self) -> float:
        """Of the limit."""
        return self.value / self.limit


class Correlations:
    """Correlation of the returns of instruments over the newest ``samples`` intervals."""

    def __init__(self, count: int, interval_ns: int, samples: int) -> None:
        self._interval_ns = interval_ns
        self._samples = samples
        self._mids: deque[NDArray[np.float64]] = deque(maxlen=samples + 1)
        self._next_ns = 0
        self._count = count

    def add(self, mids: NDArray[np.float64], now_ns: int) -> None:
        """Mids of all instruments, NaN where there is none; taken when an interval has passed."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + self._interval_ns
            self._mids.append(mids.copy())

    def matrix(self) -> NDArray[np.float64]:
        """Correlation of each with each; 0 where too little is known, or nothing has moved."""
        result = np.zeros((self._count, self._count))
        if len(self._mids) <= self._samples:
            return result
        returns = np.diff(np.log(np.stack(self._mids)), axis=0)
        for one in range(self._count):
            for other in range(self._count):
                pair = returns[:, [one, other]]
                if np.isfinite(pair).all() and (pair.std(axis=0) > 0).all():
                    result[one, other] = np.corrcoef(pair.T)[0, 1]
        return result


class PortfolioWatch:
    """Stops what adds to a limit that is used up; ``poll`` about once a second."""

    def __init__(self, arc: Arc) -> None:
        self._arc = arc
        self._limits: PortfolioSection = arc.config.portfolio
        count = len(arc.strategies)
        self._positions = arc.memory.region("positions_offset", POSITION, max(1, count))
        self._guards = arc.memory.region("guards_offset", GUARD_STATE, max(1, count))
        self._breakers = arc.memory.region("breakers_offset", BREAKER_STATE, count + 1)
        self._books = arc.memory.region("books_offset", BOOK_VIEW, len(arc.instruments))
        self._mids = np.full(len(arc.instruments), np.nan)
        self._correlations = Correlations(
            len(arc.instruments),
            self._limits.correlation_interval_seconds * SECOND_NS,
            self._limits.correlation_samples,
        )
        self._warned: set[str] = set()
        self._asked: dict[int, Asked] = {}
        sections = arc.config.enabled_strategies
        self._stops = [_stop_distances(each.management) for each in sections]

    def poll(self, now_ns: int) -> None:
        """Looks at everything once."""
        self._take_mids(now_ns)
        asked = self._asked.items()
        self._asked = {
            index: each
            for index, each in asked
            if now_ns < each.until_ns and self._is_ours(index)  # a person may have let it go
        }
        uses = self.uses()
        for use in uses:
            self._warn(use)
        self._show(uses)
        for index in range(len(self._arc.strategies)):
            self._decide(index, [use for use in uses if index in use.strategies], now_ns)

    def uses(self) -> list[Use]:
        """Every limit that is set, as it is used now by positions and open orders whose price is
        known."""
        limits, holdings = self._limits, self._holdings()
        everybody = frozenset(range(len(self._arc.strategies)))
        uses = []
        for group in limits.groups:
            inside = {
                each.index for each in self._arc.instruments if each.symbol in group.instruments
            }
            held = [each for each in holdings if each.instrument in inside]
            exposure = sum(each.size for each in held)
            who = self._strategies_of(inside)
            uses.append(_use(f"exposure of {group.name}", exposure, group.max_exposure, who))
        if limits.max_heat is not None:
            heat = sum(each.risk for each in holdings)
            uses.append(_use("heat", heat, limits.max_heat, everybody))
        if limits.max_margin is not None:
            worth = sum(each.size for each in holdings)
            margin = worth * float(limits.margin_percent) / PERCENT
            uses.append(_use("margin", margin, limits.max_margin, everybody))
        if limits.max_correlated_exposure is not None:
            uses += self._correlated(holdings)
        return uses

    def _correlated(self, holdings: list[Holding]) -> list[Use]:
        """For each product what moves with it: exposure with its sign times that of the
        correlation, all orders of one direction filled and none of the other."""
        limit = self._limits.max_correlated_exposure
        assert limit is not None
        matrix = self._correlations.matrix()
        np.fill_diagonal(matrix, 1.0)
        uses = []
        for instrument in self._arc.instruments:
            row = matrix[instrument.index]
            moving = set(np.flatnonzero(np.abs(row) >= self._limits.min_correlation).tolist())
            signs = np.sign(row).tolist()
            ends = [
                (each.longest * signs[each.instrument], each.shortest * signs[each.instrument])
                for each in holdings
                if each.instrument in moving
            ]
            exposure = max(sum(max(each) for each in ends), -sum(min(each) for each in ends))
            what = f"exposure that moves with {instrument.symbol}"
            uses.append(_use(what, exposure, limit, self._strategies_of(moving)))
        return uses

    def _holdings(self) -> list[Holding]:
        holdings = []
        for index, strategy in enumerate(self._arc.strategies):
            instrument = strategy.instrument
            mid = float(self._mids[instrument.index])
            longest, shortest = self._reach(index)
            if (longest == 0 and shortest == 0) or np.isnan(mid):
                continue
            tick_value = float(instrument.tick) * float(instrument.lot)
            risk = max(self._risk(index, lots, mid) for lots in (longest, shortest)) * tick_value
            value = mid * tick_value
            holdings.append(
                Holding(index, instrument.index, longest * value, shortest * value, risk)
            )
        return holdings

    def _reach(self, index: int) -> tuple[int, int]:
        """Lots of a strategy with all its buy orders filled, and with all its sell orders."""
        position = self._positions[index]
        asked = self._asked.get(index, Asked(0, 0, 0))
        buy_lots = max(int(position["open_buy_lots"]), asked.buy_lots)
        sell_lots = max(int(position["open_sell_lots"]), asked.sell_lots)
        lots = int(position["position_lots"])
        return lots + buy_lots, lots - sell_lots

    def _risk(self, index: int, lots: int, mid: float) -> float:
        """What so many lots lose at their stop, in ticks times lots. The stop of a position only
        comes nearer when it is enlarged; one that an order would begin has that of the config."""
        stop = int(self._guards[index]["stop_ticks"])
        if lots * int(self._positions[index]["position_lots"]) > 0:
            return max(0.0, (mid - stop) * lots) if stop else abs(lots) * mid
        ranges = self._arc.pipeline.guard.average_range(index)
        known = [
            each.get("ticks", 0.0) + each.get("share", 0.0) * mid + each.get("ranges", 0.0) * ranges
            for each in self._stops[index]
        ]
        return abs(lots) * min((each for each in known if each > 0), default=mid)

    def _strategies_of(self, instruments: set[int]) -> frozenset[int]:
        strategies = enumerate(self._arc.strategies)
        return frozenset(
            index for index, each in strategies if each.instrument.index in instruments
        )

    def _take_mids(self, now_ns: int) -> None:
        """The newest mid of each LIVE book; of another the last one that was known."""
        for index, book in enumerate(self._books):
            if book["state"] == BookState.LIVE and book["bid_levels"] and book["ask_levels"]:
                self._mids[index] = (int(book["bid_ticks"][0]) + int(book["ask_ticks"][0])) / 2
        self._correlations.add(self._mids, now_ns)

    def _warn(self, use: Use) -> None:
        if use.share < WARN_SHARE:
            self._warned.discard(use.what)
        elif use.what not in self._warned:
            self._warned.add(use.what)
            _log.warning("%s is %.2f, %.0f %% of its limit", use.what, use.value, use.share * 100)

    def _show(self, uses: Sequence[Use]) -> None:
        for index in range(len(self._arc.strategies)):
            shares = [use.share for use in uses if index in use.strategies]
            permille = round(1000 * max(shares, default=0.0))
            self._breakers["use_permille"][index][Breaker.BREAKER_PORTFOLIO] = permille
        engine_permille = round(1000 * max((use.share for use in uses), default=0.0))
        self._breakers["use_permille"][-1][Breaker.BREAKER_PORTFOLIO] = engine_permille

    def _is_ours(self, index: int) -> bool:
        """Whether a strategy is stopped, and for this."""
        state = self._breakers[index]
        is_stopped = state["level"] >= BreakerLevel.BREAKER_PAUSED
        return bool(is_stopped and state["cause"] == Breaker.BREAKER_PORTFOLIO)

    def _decide(self, index: int, uses: Sequence[Use], now_ns: int) -> None:
        pipeline = self._arc.pipeline
        is_stopped = self._breakers[index]["level"] >= BreakerLevel.BREAKER_PAUSED
        worst = max(uses, key=lambda use: use.share, default=None)
        if worst is not None and worst.share >= STOP_SHARE and not is_stopped:
            inputs = {"what": worst.what, "value": worst.value, "limit": worst.limit}
            text = json.dumps(inputs, sort_keys=True)
            _log.warning("%s is %.2f of %.2f", worst.what, worst.value, worst.limit)
            position = self._positions[index]
            self._asked[index] = Asked(
                int(position["open_buy_lots"]), int(position["open_sell_lots"]), now_ns + ASKED_NS
            )
            pipeline.pause_strategy(index, Breaker.BREAKER_PORTFOLIO, now_ns, text)
        elif self._is_ours(index) and (worst is None or worst.share < GO_SHARE):
            cause = int(Breaker.BREAKER_PORTFOLIO)
            self._asked.pop(index, None)
            pipeline.resume_strategy(index, now_ns, "the portfolio is within its limits", cause)


def _stop_distances(table: ManagementTable | None) -> list[dict[str, float]]:
    """Of the stops that a new position gets from its entry price on."""
    texts = (table.stop_loss, table.trailing_stop) if table is not None else ()
    return [read_distance(text) or {} for text in texts]


def _use(what: str, value: float, limit: Decimal, strategies: frozenset[int]) -> Use:
    return Use(what, value, float(limit), strategies)
