"""What must hold at the end of a world: the network is whole, everything has settled."""

from typing import TYPE_CHECKING

import numpy as np

from sim.orders import Side
from sim.world.checkers import Checker
from sim.world.disk import slots_of_ring
from sim.world.order_stream import (
    difference,
    is_complete,
    read_orders,
    rebuild,
    replay,
)
from sim.world.venue import VenueFill

if TYPE_CHECKING:
    from sim.world.world import World

RELATIVE_ERROR = 1e-9
SMALLEST_SCALE = 1e-6


class EverythingSettles(Checker):
    """With a whole network both sides come to rest: logged on, books LIVE, nothing open."""

    def check(self, world: "World") -> None:
        """Names what has not come to rest."""
        self.require(world.is_settled(), f"after {world.settle_s} s: {world.unsettled_text()}")


class VenueAgreesOnEveryOrder(Checker):
    """Every order has filled here what it has filled there."""

    def check(self, world: "World") -> None:
        """Compares all orders of the run."""
        if world.is_excused:
            return
        theirs = world.observations.filled_at_venue(world.engine)
        orders = world.engine.orders[: len(theirs)]
        for slot in np.flatnonzero(orders["filled_lots"] != theirs):
            text = (
                f"order {orders['order_number'][slot]}: {orders['filled_lots'][slot]} lots filled "
                f"here, {theirs[slot]} at the venue"
            )
            self.require(False, text)


class DoubtHasACause(Checker):
    """An engine that asks a person to look has learned by REST what no report had told it, or had
    told it only later; or the venue has refused its key."""

    def check(self, world: "World") -> None:
        """Looks whether the engine learned anything by REST, in any of its runs."""
        doubts = ", ".join(world.engine.doubts)
        has_learned = world.has_explained or world.engine.reconciler.has_explained
        has_learned |= bool(world.lost_orders) or world.venue.access_refusals > 0
        self.require(not doubts or has_learned, f"no report was missed: {doubts}")


class PositionsEqualTheVenues(Checker):
    """Positions are the sums of the venue's fills."""

    def check(self, world: "World") -> None:
        """Compares every product."""
        held = dict.fromkeys(world.symbols, 0)
        for position in world.engine.positions:
            held[world.symbols[int(position["instrument"])]] += int(position["position_lots"])
        for symbol, lots in held.items():
            if world.is_excused:
                continue
            theirs = world.observations.record.position_lots.get(symbol, 0)
            self.require(lots == theirs, f"{symbol}: {lots} lots here, {theirs} at the venue")


class ProfitIsThatOfTheFills(Checker):
    """P&L and fees are those of the venue's fills, reckoned another way: cash and what is held.

    Average cost realises ``cash + position x average price``, whatever the order of the fills.
    """

    def check(self, world: "World") -> None:
        """Compares every strategy."""
        if world.is_excused:
            return
        fills: dict[int, list[VenueFill]] = {}
        for fill in world.observations.record.fill_list:
            number = world.observations.number_of_order[fill.order.order_id]
            fills.setdefault(world.observations.strategy_of[number], []).append(fill)
        for index, position in enumerate(world.engine.positions):
            mine = fills.get(index, [])
            self._compare_profit(index, position, mine)
            fees = float(sum(fill.fee for fill in mine))
            self._require_close(f"fees of strategy {index}", float(position["fees"]), fees)
            count = int(position["fill_count"])
            self.require(
                count == len(mine), f"strategy {index}: {count} fills, {len(mine)} in truth"
            )

    def _compare_profit(self, index: int, position: np.void, fills: list[VenueFill]) -> None:
        if not fills:
            return
        product_value = 0.01 * 0.00000001  # of one tick on one lot, in quote currency
        cash = -sum(int(f.order.side) * f.price_ticks * f.quantity_lots for f in fills)
        bought = sum(f.quantity_lots for f in fills if f.order.side is Side.BUY)
        held = float(position["position_lots"]) * float(position["average_price_ticks"])
        expected = (cash + held) * product_value
        scale = max(abs(cash) * product_value, SMALLEST_SCALE)
        profit = float(position["realised_pnl"])
        is_close = abs(profit - expected) <= RELATIVE_ERROR * scale * max(1, len(fills))
        self.require(is_close, f"strategy {index}: realised {profit!r}, the fills {expected!r}")
        bought_here = int(position["bought_lots"])
        self.require(bought == bought_here, f"strategy {index}: bought {bought_here}, not {bought}")

    def _require_close(self, what: str, ours: float, theirs: float) -> None:
        is_close = abs(ours - theirs) <= RELATIVE_ERROR * max(abs(theirs), SMALLEST_SCALE) * 1000
        self.require(is_close, f"{what}: {ours!r} here, {theirs!r} in truth")


class BooksEqualTheVenues(Checker):
    """After a new snapshot the books are the venue's own."""

    def check(self, world: "World") -> None:
        """Compares every level of every product."""
        for index, symbol in enumerate(world.symbols):
            book = world.engine.pipeline.book(index)
            ours = (book.levels(True), book.levels(False))
            theirs = world.venue.market.levels(symbol)
            self.require(ours == theirs, f"{symbol}: {ours} here, {theirs} at the venue")


class StreamTellsTheState(Checker):
    """The order stream tells all that the engine knows of orders and positions: a run that goes by
    it goes on where this one ended."""

    def check(self, world: "World") -> None:
        """Rebuilds the run and compares every order and position."""
        if not is_complete(world.engine):
            return
        rebuilt = rebuild(world.engine, read_orders(world.engine))
        text = difference(world.engine, rebuilt.snapshot)
        self.require(not text, text)


class JournalIsTheStream(Checker):
    """The journal of a run has every record of its order stream, once, whatever was cut off its
    segments: what they lack is taken from the ring."""

    def check(self, world: "World") -> None:
        """Reads the segments of the run."""
        if not is_complete(world.engine):
            return
        written = slots_of_ring(world.engine).tobytes()
        kept = world.disk.read_bytes(world.engine)
        text = f"the journal has {len(kept)} bytes of {len(written)}, or other ones"
        self.require(kept == written, text)


class ReplayIsTheRun(Checker):
    """Both streams, played again through the production pipeline, make the same orders byte for
    byte and end in the same state."""

    def check(self, world: "World") -> None:
        """Plays the run again."""
        if is_complete(world.engine):
            text = replay(world.engine, world.seed, world.setup)
            self.require(not text, text)
