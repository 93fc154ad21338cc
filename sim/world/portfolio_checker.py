"""Limits of the portfolio, reckoned anew from the venue's record at each look of the engine.

What the venue knows is never more than what the engine has to count: a fill that nobody has told
yet is of an order that is open here. So who uses 90 % of a limit there, uses it here.
"""

from typing import TYPE_CHECKING

import numpy as np

from sim.orders import Side
from sim.world.checkers import Checker
from sim.world.safety_checkers import is_good_book

if TYPE_CHECKING:
    from sim.world.world import World

STOP_SHARE = 0.9
SLACK = 1e-9
SECOND_NS = 1_000_000_000
STEP_WORTH = 0.01 * 0.00000001
"""Of one tick on one lot, of every product of a world, in quote currency."""


class PortfolioStopsWhoAdds(Checker):
    """After each look nobody who could add to a limit that is used to 90 % may take new risk."""

    def __init__(self, world: "World") -> None:
        config = world.setup.config
        self._limits = config.portfolio
        self._symbols = [section.instrument for section in config.enabled_strategies]
        self._held = [0] * len(self._symbols)
        self._fills = 0
        self._run = -1
        self._looks = 0
        self._mids: dict[str, float] = {}
        self._samples: list[list[float]] = []
        self._next_sample_ns = 0

    def check(self, world: "World") -> None:
        """Looks when the engine has looked."""
        self._follow_fills(world)
        engine = world.engine
        if engine.run != self._run:
            self._run, self._looks = engine.run, 0
            self._mids, self._samples, self._next_sample_ns = {}, [], 0
        if engine.portfolio_looks == self._looks:
            return
        self._looks = engine.portfolio_looks
        self._take_mids(world)
        if world.lost_orders:
            return  # nobody can reckon with orders that no journal tells of
        for what, share, symbols in self._uses(world):
            adding = {index for index, each in enumerate(self._symbols) if each in symbols}
            free = sorted(adding - world.stopped_until_ns.keys())
            text = f"{what} is used to {share:.3f}, and strategies {free} may add to it"
            self.require(share < STOP_SHARE + SLACK or not free, text)

    def _follow_fills(self, world: "World") -> None:
        seen, fills = world.observations, world.observations.record.fill_list
        while self._fills < len(fills):
            fill = fills[self._fills]
            self._fills += 1
            number = seen.number_of_order.get(fill.order.order_id, 0)
            if number in seen.strategy_of:
                self._held[seen.strategy_of[number]] += int(fill.order.side) * fill.quantity_lots

    def _take_mids(self, world: "World") -> None:
        engine = world.engine
        for symbol, book in zip(world.symbols, engine.books, strict=True):
            if is_good_book(book):
                self._mids[symbol] = (int(book["bid_ticks"][0]) + int(book["ask_ticks"][0])) / 2
        now_ns = engine.portfolio_looked_ns
        if now_ns >= self._next_sample_ns:
            self._next_sample_ns = now_ns + self._limits.correlation_interval_seconds * SECOND_NS
            nan = float("nan")
            self._samples.append([self._mids.get(symbol, nan) for symbol in world.symbols])

    def _uses(self, world: "World") -> list[tuple[str, float, set[str]]]:
        """(what, how much of it is used, symbols of those who could add to it)."""
        limits, everything = self._limits, set(self._symbols)
        ends = self._ends(world)
        uses = []
        for group in limits.groups:
            inside = set(group.instruments)
            value = sum(max(map(abs, end)) for symbol, end in ends if symbol in inside)
            uses.append((group.name, value / float(group.max_exposure), inside))
        if limits.max_margin is not None:
            margin = sum(max(map(abs, end)) for _, end in ends) * float(limits.margin_percent) / 100
            uses.append(("margin", margin / float(limits.max_margin), everything))
        if limits.max_heat is not None:
            uses.append(("heat", self._heat(world, ends) / float(limits.max_heat), everything))
        if limits.max_correlated_exposure is not None:
            limit = float(limits.max_correlated_exposure)
            for symbol in world.symbols:
                signs = self._moving_with(symbol, world.symbols)
                moving = [(signs[each], end) for each, end in ends if each in signs]
                both = [(sign * longest, sign * shortest) for sign, (longest, shortest) in moving]
                value = max(sum(map(max, both)), -sum(map(min, both)))
                uses.append((f"what moves with {symbol}", value / limit, set(signs)))
        return uses

    def _ends(self, world: "World") -> list[tuple[str, tuple[float, float]]]:
        """Of each strategy its worth with all buy orders filled, and with all sell orders."""
        seen = world.observations
        open_lots = {(index, side): 0 for index in range(len(self._symbols)) for side in Side}
        for order in seen.open_orders.values():
            number = seen.number_of_order.get(order.order_id, 0)
            if number in seen.strategy_of:
                open_lots[seen.strategy_of[number], order.side] += order.leaves_lots
        ends = []
        for index, symbol in enumerate(self._symbols):
            worth = self._mids.get(symbol, 0.0) * STEP_WORTH
            longest = self._held[index] + open_lots[index, Side.BUY]
            shortest = self._held[index] - open_lots[index, Side.SELL]
            ends.append((symbol, (longest * worth, shortest * worth)))
        return ends

    def _heat(self, world: "World", ends: list[tuple[str, tuple[float, float]]]) -> float:
        """Of positions, and of orders that enlarge them; what others begin has no stop yet."""
        heat = 0.0
        for index, (symbol, (longest, shortest)) in enumerate(ends):
            held, mid = self._held[index], self._mids.get(symbol, 0.0)
            stop = int(world.engine.guards[index]["stop_ticks"])
            if held * int(world.engine.positions[index]["position_lots"]) > 0 and mid:
                worth = longest if held > 0 else shortest
                heat += max(0.0, worth * (mid - stop) / mid) if stop else abs(worth)
        return heat

    def _moving_with(self, symbol: str, symbols: tuple[str, ...]) -> dict[str, int]:
        """Symbols that move with one, and the sign of their correlation."""
        signs = {symbol: 1}
        count = self._limits.correlation_samples + 1
        if len(self._samples) < count:
            return signs
        returns = np.diff(np.log(np.array(self._samples[-count:])), axis=0)
        own = returns[:, symbols.index(symbol)]
        for place, other in enumerate(symbols):
            theirs = returns[:, place]
            if other == symbol or not np.isfinite(returns).all() or not own.any():
                continue
            own_off, their_off = own - own.mean(), theirs - theirs.mean()
            scale = float(np.sqrt((own_off**2).sum() * (their_off**2).sum()))
            correlation = float((own_off * their_off).sum()) / scale if scale else 0.0
            if abs(correlation) > self._limits.min_correlation + SLACK:
                signs[other] = 1 if correlation > 0 else -1
        return signs
