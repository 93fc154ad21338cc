"""Which fills are new, how far back the next question goes, what is forgotten."""

from engine.reconcile.reconciliation_fills import OVERLAP_NS, FillRecord
from tests.engine.reconciliation_rig import their_fill

SECOND_NS = 1_000_000_000


def test_fills_before_the_start_are_not_asked_for() -> None:
    fills = FillRecord()
    assert not fills.has_begun("BTC-USD")
    fills.begin("BTC-USD", 70)
    assert fills.has_begun("BTC-USD")
    assert fills.known_until("BTC-USD") == 70
    assert fills.known_until("ETH-USD") == 0


def test_new_fills_are_shown_until_they_are_agreed_on() -> None:
    fills = FillRecord()
    fills.begin("BTC-USD", 0)
    fills.add([their_fill(1, 1), their_fill(2, 2)])
    assert set(fills.of_orders(())) == {"v-1", "v-2"}
    fills.agree({"v-1"}, SECOND_NS)
    assert set(fills.of_orders(())) == set()
    assert set(fills.of_orders({"v-1"})) == {"v-1"}
    fills.add([their_fill(1, 1), their_fill(3, 1)])
    assert list(fills.of_orders(())["v-1"]) == [1, 3]


def test_a_question_goes_back_as_far_as_a_minute_ago() -> None:
    fills = FillRecord()
    fills.begin("BTC-USD", 0)
    for second in range(0, 180, 10):
        fills.add([their_fill(second + 1, second)])
        fills.agree((), second * SECOND_NS)
        known = fills.known_until("BTC-USD")
        assert known == max(second - OVERLAP_NS // SECOND_NS, 0) + 1


def test_ended_orders_are_forgotten_and_open_ones_kept() -> None:
    fills = FillRecord()
    fills.begin("BTC-USD", 0)
    fills.add([their_fill(1, 1), their_fill(2, 2)])
    fills.agree({"v-1"}, 0)
    fills.agree({"v-1"}, 2 * OVERLAP_NS)
    assert set(fills.of_orders({"v-1", "v-2"})) == {"v-1"}
