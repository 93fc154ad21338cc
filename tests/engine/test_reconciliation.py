"""Two records in, differences out: each row of the table, and what is no difference yet."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.reconcile.reconciliation import (
    EXPLAINED_ANSWERS,
    UNEXPLAINED_ANSWERS,
    BalanceDiffers,
    Difference,
    FillsDiffer,
    ForeignFill,
    ForeignOrder,
    MissedFills,
    OrderEnded,
    OrderFound,
    OrderGone,
    OrderLives,
    OurRecord,
    TermsDiffer,
    TheirRecord,
    Unreadable,
    compare,
    compare_balances,
)
from engine.reconcile.reconciliation_records import OurOrder, TheirFill, TheirOrder
from ext.wire import OrderState, Side
from tests.engine.reconciliation_rig import (
    ASKED_NS,
    number_of,
    our_order,
    their_fill,
    their_order,
)


def differences(
    ours: list[OurOrder],
    theirs: list[TheirOrder],
    fills: tuple[TheirFill, ...] = (),
    **more: Any,
) -> list[Difference]:
    by_order: dict[str, dict[int, TheirFill]] = {}
    for fill in fills:
        by_order.setdefault(fill.venue_order_id, {})[fill.trade_id] = fill
    return compare(
        OurRecord(tuple(ours), number_of),
        TheirRecord(ASKED_NS, tuple(theirs), fills=by_order, **more),
    )


def test_equal_records() -> None:
    filled = our_order(2, state=OrderState.PARTIALLY_FILLED, filled_lots=400_000)
    shown = their_order(2, filled_lots=400_000)
    assert differences([our_order(), filled], [their_order(), shown], (their_fill(7, 2),)) == []
    assert differences([], []) == []


def test_an_order_is_known_by_either_id() -> None:
    assert differences([our_order(venue_order_id="")], [their_order()]) == []
    assert differences([our_order()], [their_order(client_order_id="")]) == []
    replaced = our_order(request_numbers=frozenset({1, 5}), accepted_number=5, venue_order_id="")
    assert differences([replaced], [their_order(client_order_id=f"{5:036x}")]) != []
    shown = their_order(client_order_id="00000000-0000-4000-8000-000000000005")
    assert differences([replaced], [shown]) == []


def test_a_missed_fill_comes_before_all_that_follows_from_it() -> None:
    ended = their_order(is_living=False, status="done filled", filled_lots=1_000_000)
    fills = (their_fill(9, lots=600_000), their_fill(7, lots=400_000))
    found = differences([our_order()], [ended], fills)
    assert found == [MissedFills(our_order(), (fills[1], fills[0]))]
    assert found[0].is_explained
    assert "order 1" in str(found[0])
    assert "trade 7 of order v-1: BTC-USD BUY 0.00400000 at 100.00" in str(found[0])


def test_a_fill_of_an_order_that_has_ended_with_us_is_missed_too() -> None:
    ended = our_order(state=OrderState.CANCELED)
    assert differences([ended], [], (their_fill(),)) == [MissedFills(ended, (their_fill(),))]


def test_an_order_that_ended_at_the_venue() -> None:
    shown = their_order(is_living=False, status="done canceled")
    found = differences([our_order()], [shown])
    assert found == [OrderEnded(our_order(), shown)]
    assert found[0].is_explained
    assert differences([our_order(state=OrderState.CANCELED)], [shown]) == []


def test_an_order_that_the_venue_does_not_know() -> None:
    found = differences([our_order()], [], absent=frozenset({1}))
    assert found == [OrderGone(our_order())]
    assert found[0].is_explained
    filled = our_order(filled_lots=5, state=OrderState.PARTIALLY_FILLED)
    found = differences([filled], [], absent=frozenset({1}))
    assert not found[0].is_explained, "the venue forgets no order that had a fill"
    assert differences([our_order(state=OrderState.FILLED)], [], absent=frozenset({1})) == []


def test_an_unknown_order_is_found() -> None:
    unknown = our_order(state=OrderState.UNKNOWN)
    shown = their_order(price_ticks=10_100)
    found = differences([unknown], [shown])
    assert found == [OrderFound(unknown, shown)]
    assert found[0].is_explained


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ([], [their_order(client_order_id="someone")], ForeignOrder),
        ([], [their_order(99)], ForeignOrder),  # of this run, and no longer in the table
        ([our_order(state=OrderState.CANCELED)], [their_order()], OrderLives),
        ([our_order()], [their_order(price_ticks=10_001)], TermsDiffer),
        ([our_order()], [their_order(quantity_lots=999_999)], TermsDiffer),
        ([our_order()], [their_order(side=Side.SELL)], TermsDiffer),
        ([our_order(filled_lots=3)], [their_order()], FillsDiffer),
        ([our_order()], [their_order(filled_lots=3)], FillsDiffer),
        ([our_order(filled_lots=3)], [their_order(filled_lots=3)], FillsDiffer),
    ],
)
def test_what_cannot_be_explained(
    ours: list[OurOrder], theirs: list[TheirOrder], kind: type[Difference]
) -> None:
    (difference,) = differences(ours, theirs)
    assert type(difference) is kind
    assert not difference.is_explained
    assert difference.answers_needed == UNEXPLAINED_ANSWERS
    assert "Ours: " in str(difference)
    assert "Venue: order v-" in str(difference)


def test_an_order_of_others_that_has_ended_is_nobodys_business() -> None:
    shown = their_order(client_order_id="someone", is_living=False, status="done canceled")
    assert differences([], [shown]) == []


def test_a_fill_of_nobody_and_what_cannot_be_read() -> None:
    assert differences([our_order()], [their_order()], (their_fill(7, 2),)) == [
        ForeignFill(their_fill(7, 2))
    ]
    assert differences([], [], unreadable=("order x is for DOGE-USD",)) == [
        Unreadable("order x is for DOGE-USD")
    ]


def test_a_fill_of_an_order_whose_venue_id_we_have_not_heard_of() -> None:
    ours = our_order(venue_order_id="")
    found = differences([ours], [their_order(filled_lots=400_000)], (their_fill(),))
    assert found == [MissedFills(ours, (their_fill(),))]


IN_FLIGHT = (OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
NOT_YET = [our_order(state=state) for state in IN_FLIGHT] + [
    our_order(update_time_ns=ASKED_NS),  # changed since the question was asked
    our_order(update_time_ns=ASKED_NS + 1),
]


@pytest.mark.parametrize("ours", NOT_YET, ids=lambda order: f"{order.state.name}")
@pytest.mark.parametrize(
    "theirs",
    [
        {"theirs": [their_order(price_ticks=1)]},
        {"theirs": [their_order(is_living=False, status="done canceled")]},
        {"theirs": [their_order(filled_lots=3)]},
        {"theirs": [], "absent": frozenset({1})},
        {"theirs": [their_order(filled_lots=400_000)], "fills": (their_fill(),)},
    ],
    ids=["terms", "ended", "filled", "absent", "fill"],
)
def test_in_flight_or_changed_since_is_no_difference_yet(
    ours: OurOrder, theirs: dict[str, Any]
) -> None:
    assert differences([ours], **theirs) == []


def test_how_many_answers_are_needed() -> None:
    unknown = our_order(state=OrderState.UNKNOWN)
    ended = their_order(is_living=False, status="done canceled")
    assert MissedFills(our_order(), (their_fill(),)).answers_needed == EXPLAINED_ANSWERS
    assert MissedFills(unknown, (their_fill(),)).answers_needed == 1
    assert OrderEnded(our_order(), ended).answers_needed == EXPLAINED_ANSWERS
    assert OrderEnded(unknown, ended).answers_needed == 1
    assert OrderGone(unknown).answers_needed == EXPLAINED_ANSWERS  # it may be on its way
    assert OrderFound(unknown, their_order()).answers_needed == EXPLAINED_ANSWERS


def balance(ours: str, theirs: str, turnover: str = "0") -> list[Difference]:
    return compare_balances(
        {"USD": Decimal(ours)}, {"USD": Decimal(theirs)}, {"USD": Decimal(turnover)}
    )


def test_balances_within_the_tolerance_of_what_was_turned_over() -> None:
    assert balance("-100", "-100.01", "1000") == []
    assert balance("-100", "-100.0101", "1000") == [
        BalanceDiffers("USD", Decimal(-100), Decimal("-100.0101"))
    ]
    assert balance("-100", "-100.0001") != []
    assert balance("0", "0") == []


def test_a_balance_is_told_with_both_changes() -> None:
    (difference,) = compare_balances({"BTC": Decimal("0.5")}, {}, {})
    assert not difference.is_explained
    assert "BTC. Ours: fills and fees changed it by 0.5" in str(difference)
    assert "Venue: it changed by 0" in str(difference)


def test_an_order_that_is_gone_is_the_same_while_its_cancel_is_tried() -> None:
    """Each try is another request of ours; another state or fill is another difference."""
    first = our_order(state=OrderState.UNKNOWN)
    tried = replace(
        first, request_numbers=frozenset({1, 9}), update_time_ns=first.update_time_ns + 1
    )
    assert OrderGone(first) != OrderGone(tried)
    assert OrderGone(first).identity == OrderGone(tried).identity
    for other in (replace(first, state=OrderState.NEW), replace(first, filled_lots=1)):
        assert OrderGone(first).identity != OrderGone(other).identity
