"""Order state: the stories of the FIX 4.4 specification, appendix D, and the table's bounds.

Letters are those of the appendix; X is the new order, Y and Z the requests after it. Quantities
are of 10,000 lots, as there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.bounds import Bound
from ext.errors import UsageError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
PRICE = 50_000
QUANTITY = 10_000
TOO_LATE, UNKNOWN_TO_VENUE, ALREADY_PENDING = 0, 1, 3


class Story:
    """One order of a rig, told in reports of (150, 39, cumulative, leaves)."""

    def __init__(self, rig: "OrderRig") -> None:
        self.rig = rig
        self.x = rig.place(Side.BUY, PRICE, QUANTITY)

    def told(self, number: int, execution: str, status: str, filled: int, leaves: int) -> None:
        self.rig.report(
            number,
            execution,
            status,
            t14=self.rig.quantity(filled),
            t151=self.rig.quantity(leaves),
        )

    def filled(self, lots: int, cumulative: int, status: str = "1", price: int = PRICE) -> None:
        self.rig.fill(self.x, price, lots, status=status, cumulative=cumulative)

    def replaced(self, number: int, status: str, quantity: int, filled: int) -> None:
        self.rig.report(
            number,
            "5",
            status,
            t38=self.rig.quantity(quantity),
            t14=self.rig.quantity(filled),
            t151=self.rig.quantity(max(0, quantity - filled)),
        )

    def cancel(self) -> int:
        return self.rig.request(self.rig.cancel(self.x))

    def replace(self, open_lots: int, price: int = PRICE) -> int:
        return self.rig.request(self.rig.replace(self.x, price, open_lots))

    def refused(self, number: int, reason: int = TOO_LATE, status: str = "8") -> None:
        self.rig.reject_cancel(number, self.x, reason, status)

    @property
    def state(self) -> int:
        return int(self.rig.order(self.x)["state"])

    @property
    def leaves(self) -> int:
        return int(self.rig.order(self.x)["leaves_lots"])

    @property
    def is_consistent(self) -> bool:
        assert self.rig.gate.is_paused == bool(self.rig.notices)
        return not self.rig.notices

    def is_over(self, state: OrderState, filled: int) -> bool:
        """Ended in ``state`` with what was filled, and nothing of it left open anywhere."""
        order, position = self.rig.order(self.x), self.rig.position()
        assert (self.state, int(order["filled_lots"])) == (state, filled)
        assert self.leaves == 0
        assert (position["working_count"], position["open_buy_lots"]) == (0, 0)
        assert position["position_lots"] == filled
        return self.is_consistent


@pytest.fixture
def story(order_rig: "OrderRig") -> Story:
    return Story(order_rig)


@pytest.fixture
def living(story: Story) -> Story:
    """Acknowledged."""
    story.told(story.x, "0", "0", 0, QUANTITY)
    return story


def test_a_filled_in_parts(story: Story) -> None:
    assert story.state == OrderState.PENDING_NEW
    story.told(story.x, "A", "A", 0, QUANTITY)
    assert story.state == OrderState.PENDING_NEW
    story.told(story.x, "0", "0", 0, QUANTITY)
    assert story.state == OrderState.NEW
    story.filled(2000, 2000)
    assert (story.state, story.leaves) == (OrderState.PARTIALLY_FILLED, 8000)
    story.filled(1000, 3000)
    story.filled(7000, 10_000, "2")
    assert story.is_over(OrderState.FILLED, QUANTITY)
    assert story.rig.position()["average_price_ticks"] == PRICE


def test_a_filled_before_the_acknowledgement(story: Story) -> None:
    story.filled(2000, 2000)
    assert story.state == OrderState.PARTIALLY_FILLED
    story.told(story.x, "0", "0", 0, QUANTITY)
    assert story.state == OrderState.PARTIALLY_FILLED


def test_a_rejected(story: Story) -> None:
    story.rig.report(story.x, "8", "8", t103="1")
    assert story.is_over(OrderState.REJECTED, 0)


@pytest.mark.parametrize(
    ("execution", "state"),
    [("3", OrderState.EXPIRED), ("C", OrderState.EXPIRED), ("4", OrderState.CANCELED)],
)
def test_a_part_filled_then_over(living: Story, execution: str, state: OrderState) -> None:
    living.filled(2000, 2000)
    living.told(living.x, execution, execution, 2000, 0)
    assert living.is_over(state, 2000)


def test_b1a_cancel_of_an_unfilled_order(living: Story) -> None:
    y = living.cancel()
    assert living.state == OrderState.PENDING_CANCEL
    living.told(y, "6", "6", 0, QUANTITY)
    assert living.state == OrderState.PENDING_CANCEL
    living.told(y, "4", "4", 0, 0)
    assert living.is_over(OrderState.CANCELED, 0)


def test_b1a_cancel_refused(living: Story) -> None:
    living.refused(living.cancel())
    assert (living.state, living.leaves) == (OrderState.NEW, QUANTITY)
    assert living.rig.position()["open_buy_lots"] == QUANTITY
    assert living.is_consistent


def test_b1b_fills_while_a_cancel_is_pending(living: Story) -> None:
    living.filled(2000, 2000)
    y = living.cancel()
    living.told(y, "6", "6", 2000, 8000)
    living.filled(3000, 5000, "6")
    assert (living.state, living.leaves) == (OrderState.PENDING_CANCEL, 5000)
    living.told(y, "4", "4", 5000, 0)
    assert living.is_over(OrderState.CANCELED, 5000)


def test_b1b_fill_then_refusal_of_the_cancel(living: Story) -> None:
    y = living.cancel()
    living.filled(3000, 3000, "6")
    living.refused(y)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 7000)


def test_b1c_filled_before_the_cancel_is_taken(living: Story) -> None:
    y = living.cancel()
    living.filled(QUANTITY, QUANTITY, "6")
    assert living.state == OrderState.FILLED
    living.refused(y, TOO_LATE, "2")
    assert living.is_over(OrderState.FILLED, QUANTITY)


def test_b1d_cancel_before_the_acknowledgement(story: Story) -> None:
    y = story.cancel()
    story.told(y, "6", "6", 0, QUANTITY)
    story.told(y, "4", "4", 0, 0)
    assert story.is_over(OrderState.CANCELED, 0)


def test_b1d_refused_before_the_acknowledgement(story: Story) -> None:
    story.refused(story.cancel(), TOO_LATE)
    assert story.state == OrderState.PENDING_NEW


def test_b1e_acknowledgement_and_cancel_cross(story: Story) -> None:
    y = story.cancel()
    story.told(story.x, "0", "0", 0, QUANTITY)
    assert story.state == OrderState.PENDING_CANCEL
    story.refused(y)
    assert story.state == OrderState.NEW


def test_b1e_rejection_and_cancel_cross(story: Story) -> None:
    y = story.cancel()
    story.rig.report(story.x, "8", "8")
    assert story.state == OrderState.REJECTED
    story.refused(y, UNKNOWN_TO_VENUE)
    assert story.is_over(OrderState.REJECTED, 0)


def test_b1f_cancel_of_an_order_that_the_venue_does_not_know(living: Story) -> None:
    living.refused(living.cancel(), UNKNOWN_TO_VENUE)
    assert living.state == OrderState.UNKNOWN
    assert living.rig.position()["open_buy_lots"] == QUANTITY, "it may still be filled"


def test_c1a_replaced_up_unfilled(living: Story) -> None:
    y = living.replace(11_000, PRICE + 5)
    assert living.state == OrderState.PENDING_REPLACE
    assert living.rig.position()["open_buy_lots"] == 11_000
    living.told(y, "E", "E", 0, QUANTITY)
    living.replaced(y, "0", 11_000, 0)
    assert (living.state, living.leaves) == (OrderState.NEW, 11_000)
    assert living.rig.order(living.x)["price_ticks"] == PRICE + 5
    assert living.rig.order(living.x)["accepted_number"] == y


def test_c1b_replaced_up_filled_while_pending(living: Story) -> None:
    living.filled(1000, 1000)
    (message,) = living.rig.submit(living.rig.replace(living.x, PRICE, 10_000))
    assert message[38] == "1.1000", "the total: 1,000 filled and 10,000 open"
    y = living.rig.order_table.request_number(message[11])
    living.told(y, "E", "E", 1000, 9000)
    living.filled(100, 1100, "E")
    assert (living.state, living.leaves) == (OrderState.PENDING_REPLACE, 8900)
    living.replaced(y, "1", 11_000, 1100)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 9900)


def test_c1c_replaced_up_after_it_was_filled(living: Story) -> None:
    y = living.replace(12_000)
    living.told(y, "E", "E", 0, QUANTITY)
    living.filled(QUANTITY, QUANTITY, "E")
    assert (living.state, living.leaves) == (OrderState.PENDING_REPLACE, 0)
    assert living.rig.position()["open_buy_lots"] == 2000, "what the replace may add"
    living.replaced(y, "1", 12_000, QUANTITY)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 2000)
    living.filled(2000, 12_000, "2")
    assert living.is_over(OrderState.FILLED, 12_000)


def test_filled_while_nobody_knows_of_its_replace(living: Story) -> None:
    """The connection is lost with the replace: what the order was meant to be is filled, and the
    venue may have made it larger. It ends when the venue says so."""
    y = living.replace(12_000)
    living.rig.order_table.mark_unknown(living.rig.now_ns)
    living.filled(QUANTITY, QUANTITY, "E")
    assert (living.state, living.leaves) == (OrderState.UNKNOWN, 0)
    living.replaced(y, "1", 12_000, QUANTITY)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 2000)


def test_c2a_replace_refused_because_it_was_filled(living: Story) -> None:
    y = living.replace(12_000)
    living.filled(QUANTITY, QUANTITY, "E")
    living.refused(y, TOO_LATE, "2")
    assert living.is_over(OrderState.FILLED, QUANTITY)


def test_c2b_price_replace_crosses_a_partial_fill(living: Story) -> None:
    y = living.replace(QUANTITY, PRICE + 1)
    living.filled(1000, 1000)
    living.told(y, "E", "E", 1000, 9000)
    living.replaced(y, "1", QUANTITY, 1000)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 9000)
    assert living.rig.order(living.x)["price_ticks"] == PRICE + 1


def test_c3a_replaced_down_above_what_was_filled(living: Story) -> None:
    y = living.replace(8000)
    living.filled(1000, 1000)
    living.filled(600, 1600, "E")
    living.replaced(y, "1", 8000, 1600)
    assert (living.state, living.leaves) == (OrderState.PARTIALLY_FILLED, 6400)
    living.filled(6400, 8000, "2")
    assert living.is_over(OrderState.FILLED, 8000)


@pytest.mark.parametrize("quantity_told", [7000, 6000])
def test_c3bc_replaced_down_to_what_was_filled_or_below(living: Story, quantity_told: int) -> None:
    y = living.replace(6000)
    living.filled(7000, 7000)
    living.replaced(y, "2", quantity_told, 7000)
    assert living.is_over(OrderState.FILLED, 7000)


def test_d1_two_replaces_one_after_the_other(living: Story) -> None:
    y = living.replace(11_000)
    living.replaced(y, "0", 11_000, 0)
    (message,) = living.rig.submit(living.rig.replace(living.x, PRICE, 12_000))
    assert message[41] == living.rig.order_table.client_order_id(y)
    living.replaced(living.rig.order_table.request_number(message[11]), "0", 12_000, 0)
    assert (living.state, living.leaves) == (OrderState.NEW, 12_000)


def test_d2_the_chain_goes_on_from_the_last_accepted_link(living: Story) -> None:
    living.refused(living.replace(11_000))
    assert (living.state, living.leaves) == (OrderState.NEW, QUANTITY)
    assert living.rig.position()["open_buy_lots"] == QUANTITY
    (message,) = living.rig.submit(living.rig.replace(living.x, PRICE, 12_000))
    assert message[41] == living.rig.order_table.client_order_id(living.x)


def test_cancel_while_a_replace_is_pending(living: Story) -> None:
    y = living.replace(12_000)
    z = living.cancel()
    assert living.state == OrderState.PENDING_CANCEL
    assert living.rig.position()["open_buy_lots"] == 12_000
    living.replaced(y, "6", 12_000, 0)
    assert (living.state, living.leaves) == (OrderState.PENDING_CANCEL, 12_000)
    living.refused(z)
    assert (living.state, living.leaves) == (OrderState.NEW, 12_000)


def test_cancel_refused_while_a_replace_is_pending(living: Story) -> None:
    y = living.replace(12_000)
    living.refused(living.cancel())
    assert living.state == OrderState.PENDING_REPLACE
    living.replaced(y, "0", 12_000, 0)
    assert (living.state, living.leaves) == (OrderState.NEW, 12_000)


def test_replace_refused_while_a_cancel_is_pending(living: Story) -> None:
    y = living.replace(12_000)
    z = living.cancel()
    living.refused(y)
    assert living.state == OrderState.PENDING_CANCEL
    assert living.rig.position()["open_buy_lots"] == QUANTITY
    living.told(z, "4", "4", 0, 0)
    assert living.is_over(OrderState.CANCELED, 0)


def test_filled_while_a_cancel_follows_a_replace(living: Story) -> None:
    y = living.replace(12_000)
    z = living.cancel()
    living.filled(QUANTITY, QUANTITY)
    assert living.rig.position()["open_buy_lots"] == 2000, "what the replace may add"
    living.replaced(y, "6", 12_000, QUANTITY)
    assert living.leaves == 2000
    living.told(z, "4", "4", QUANTITY, 0)
    assert living.is_over(OrderState.CANCELED, QUANTITY)


def test_e_unsolicited_cancel(living: Story) -> None:
    living.rig.report(living.x, "4", "4", t378="5", t14="0", t151="0")
    assert living.is_over(OrderState.CANCELED, 0)


def test_e_unsolicited_replace_is_not_believed(living: Story) -> None:
    living.replaced(living.x, "0", 9000, 0)
    assert living.state == OrderState.UNKNOWN
    assert not living.is_consistent


def test_e_restated(living: Story) -> None:
    price = living.rig.price(PRICE - 10)
    quantity = living.rig.quantity(6000)
    living.rig.report(living.x, "D", "0", t378="5", t14="0", t38=quantity, t44=price)
    assert (living.state, living.leaves) == (OrderState.NEW, 6000)
    assert living.rig.order(living.x)["price_ticks"] == PRICE - 10
    assert living.rig.position()["working"][0]["price_ticks"] == PRICE - 10
    assert living.is_consistent


@pytest.mark.parametrize("kind", ["cancel", "replace"])
def test_e_restated_while_a_request_is_on_its_way(living: Story, kind: str) -> None:
    y = living.cancel() if kind == "cancel" else living.replace(12_000)
    before = living.state
    living.rig.report(living.x, "D", "0", t378="5", t14="0", t38=living.rig.quantity(6000))
    assert (living.state, living.leaves) == (before, 6000)
    living.refused(y)
    assert (living.state, living.leaves) == (OrderState.NEW, 6000)


def test_f1a_duplicate_id_does_not_end_the_living_order(living: Story) -> None:
    living.rig.report(living.x, "8", "0", t103="6", t14="0")
    assert living.state == OrderState.NEW


def test_i_fill_or_kill_that_cannot_be_filled(story: Story) -> None:
    story.told(story.x, "0", "0", 0, QUANTITY)
    story.told(story.x, "4", "4", 0, 0)
    assert story.is_over(OrderState.CANCELED, 0)


def test_k_halt(living: Story) -> None:
    living.told(living.x, "9", "9", 0, QUANTITY)
    assert living.state == OrderState.SUSPENDED
    assert living.rig.position()["open_buy_lots"] == QUANTITY
    living.told(living.x, "D", "0", 0, QUANTITY)
    assert living.state == OrderState.NEW


def test_k_halt_while_a_cancel_is_pending(living: Story) -> None:
    y = living.cancel()
    living.told(living.x, "9", "9", 0, QUANTITY)
    assert living.state == OrderState.PENDING_CANCEL
    living.refused(y)
    assert living.state == OrderState.SUSPENDED


def test_run_seed_fixes_the_ids(order_rig: "OrderRig") -> None:
    table = InstrumentTable()
    memory = SharedMemory(None, [], ["one"])
    drawn = [OrderTable(memory, table).client_order_id(1) for _ in range(3)]
    assert len(set(drawn)) == 3
    fixed = OrderTable(memory, table, bytes(8)).client_order_id(1)
    assert fixed == "00000000-0000-4000-8000-000000000001"
    with pytest.raises(UsageError, match="run seed had 7 bytes; use 8"):
        OrderTable(memory, table, bytes(7))


def test_a_slot_of_an_open_order_is_never_reused(order_rig: "OrderRig") -> None:
    first = order_rig.place(Side.BUY, PRICE, 5)
    order_rig.report(first, "0", "0")
    closed = order_rig.place(Side.SELL, PRICE, 5)
    order_rig.report(closed, "8", "8")
    rounds = 0
    while order_rig.orders[closed]["order_number"] == closed:
        rounds += 1
        order_rig.now_ns += 1_000_000_000
        for number in [order_rig.place(Side.SELL, PRICE, 5) for _ in range(15)]:
            order_rig.report(number, "8", "8")
        assert rounds <= Bound.MAX_ORDERS // 15 + 1
    assert order_rig.order(first)["state"] == OrderState.NEW
    unknown = order_rig.counters()["unknown_reports"]
    order_rig.report(closed, "4", "4")
    assert order_rig.counters()["unknown_reports"] == unknown + 1
    assert order_rig.orders[closed]["state"] == OrderState.REJECTED, "of another order"
