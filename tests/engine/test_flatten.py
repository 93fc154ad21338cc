"""FLATTEN: what is held goes in slices, inside the collar, and never further than to zero."""

from collections.abc import Callable

import pytest

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.levels.flatten import Flatten
from engine.settings.config import make_limits
from ext.dtypes import POSITION
from ext.safety_records import GuardReason
from ext.wire import ExecutionType, OrderState

MID = 6_500_000
SLICE = 25
COLLAR = 0.2


class Venue:
    """Fills what comes up to ``depth_lots``, and cancels the rest: immediate or cancel."""

    def __init__(self, arc: Arc) -> None:
        self.arc, self.orders = arc, []  # type: ignore[var-annotated]
        self.depth_lots = 10**12
        self._fills = 0

    def answer(self, now_ns: int) -> None:
        for order in self.arc.pipeline.orders.open_orders():
            self.orders.append(order)
            number, lots = int(str(order["request_number"])), int(str(order["leaves_lots"]))
            filled = min(lots, self.depth_lots)
            base = {
                "request_number": number, "instrument": order["instrument"],
                "side": order["side"], "venue_order_id": b"v",
            }  # fmt: skip
            apply = self.arc.pipeline.apply_report
            if filled:
                self._fills += 1
                apply(
                    {
                        **base, "execution_type": ExecutionType.EXEC_TRADE,
                        "order_state": OrderState.PARTIALLY_FILLED,
                        "last_price_ticks": order["price_ticks"], "last_quantity_lots": filled,
                        "execution_id_low": self._fills, "trade_id": self._fills,
                    },
                    now_ns,
                )  # fmt: skip
            if filled < lots:
                apply(
                    {
                        **base, "execution_type": ExecutionType.EXEC_CANCELED,
                        "order_state": OrderState.CANCELED,
                    },
                    now_ns,
                )  # fmt: skip


class Rig:
    def __init__(self, arc: Arc) -> None:
        self.arc, self.now_ns = arc, 1_767_623_400_000_000_000
        self.venue = Venue(arc)
        clock = EngineClock(arc.memory)
        clock.now_ns = lambda: self.now_ns  # type: ignore[method-assign]
        self.flatten = Flatten(arc, clock)
        self.positions = arc.memory.region("positions_offset", POSITION, len(arc.strategies))
        self.is_answered = True
        self.show_book()

    def show_book(self, mid: int = MID) -> None:
        for symbol, scale in (("BTC-USD", 1), ("ETH-USD", 35)):
            middle = mid // scale
            levels = (
                f'"asks":[["{(middle + 5) / 100:.2f}","9"]],'
                f'"bids":[["{(middle - 5) / 100:.2f}","9"]]'
            )
            frame = f'{{"type":"snapshot","product_id":"{symbol}",{levels}}}'
            self.arc.pipeline.pause(self.now_ns, "test")
            assert self.arc.pipeline.receive(frame.encode(), self.now_ns) == 0

    def hold(self, strategy: int, lots: int) -> None:
        self.positions[strategy]["position_lots"] = lots
        self.positions[strategy]["average_price_ticks"] = MID // (1, 35)[strategy]

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)
        if self.is_answered:
            self.venue.answer(self.now_ns)
        self.show_book()

    async def run(self, seconds: float = 1e9) -> str:
        end_ns = self.now_ns + int(seconds * 1e9)
        return await self.flatten.run(self.sleep, lambda: self.now_ns > end_ns)


@pytest.fixture
def rig(make_arc: Callable[..., Arc]) -> Rig:
    arc = make_arc(f"flatten.slice_percent={SLICE}", f"flatten.collar_percent={COLLAR}",
                   "flatten.timeout_seconds=20", is_trading=True)  # fmt: skip
    return Rig(arc)


async def test_nothing_held_needs_nothing(rig: Rig) -> None:
    assert rig.flatten.begin() == ""
    assert not rig.flatten.is_running


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_position_goes_in_slices_inside_the_collar(rig: Rig, sign: int) -> None:
    largest = make_limits(rig.arc.config)[0].max_order_lots
    rig.hold(0, sign * 2 * largest)
    assert "BTC-USD" in rig.flatten.begin()
    assert (await rig.run()).startswith("flat, with 8 orders")
    assert int(rig.positions[0]["position_lots"]) == 0
    assert rig.arc.pipeline.gate.is_paused
    for order in rig.venue.orders:
        assert order["side"] == -sign
        assert order["reason"] == -GuardReason.EXIT_FLATTEN, "and no stop's"
        assert int(order["quantity_lots"]) <= largest * SLICE / 100
        away = (MID - 5 * sign - int(order["price_ticks"])) * sign
        assert 0 <= away <= MID * COLLAR / 100


async def test_a_thin_book_takes_more_orders_and_never_turns_it(rig: Rig) -> None:
    rig.hold(0, 1_000_000)
    rig.venue.depth_lots = 300_000
    rig.flatten.begin()
    assert (await rig.run()) == "flat, with 4 orders"
    assert int(rig.positions[0]["position_lots"]) == 0


async def test_every_position_is_worked(rig: Rig) -> None:
    rig.hold(0, 1_000)
    rig.hold(1, -2_000)
    rig.flatten.begin()
    assert (await rig.run()) == "flat, with 2 orders"
    assert [int(each["position_lots"]) for each in rig.positions] == [0, 0]


async def test_no_order_while_the_last_one_is_open(rig: Rig) -> None:
    rig.hold(0, 4_000_000)
    rig.is_answered = False
    rig.flatten.begin()
    text = await rig.run(3)
    assert text.startswith("NOT FLAT cut short")
    assert len(rig.arc.pipeline.orders.open_orders()) == 1


async def test_it_ends_in_time_and_says_what_is_left(rig: Rig) -> None:
    rig.hold(0, 4_000_000)
    rig.venue.depth_lots = 0
    rig.flatten.begin()
    text = await rig.run()
    assert text.startswith("NOT FLAT after 20 s: 0.04000000 BTC-USD")
    assert not rig.flatten.is_running


async def test_a_killed_engine_sends_nothing(rig: Rig) -> None:
    rig.hold(0, 4_000_000)
    rig.arc.pipeline.kill(rig.now_ns, 4, "drill")
    rig.flatten.begin()
    await rig.run(1)
    assert rig.arc.pipeline.orders.open_orders() == []


async def test_a_book_that_is_not_live_is_waited_for(rig: Rig) -> None:
    rig.hold(0, 1_000)
    rig.flatten.begin()
    rig.arc.pipeline.connection_lost(rig.now_ns)
    rig.flatten.step()
    assert rig.arc.pipeline.orders.open_orders() == []
    rig.show_book()
    rig.now_ns += 10**9
    rig.show_book()
    rig.flatten.step()
    assert len(rig.arc.pipeline.orders.open_orders()) == 1
