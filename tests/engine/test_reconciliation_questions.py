"""What is asked, and how the answers are put together, against a venue in memory."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from engine.reconcile.known_trades import KnownTrades
from engine.reconcile.reconciliation import ForeignFill, compare
from engine.reconcile.reconciliation_questions import VenueQuestions
from ext.wire import OrderState
from tests.engine.reconciliation_rig import ASKED_NS, BTC, Own, Venue, our_order


class Asking:
    """Questions to a venue in memory, on behalf of our record in memory."""

    def __init__(self, known: KnownTrades | None = None) -> None:
        self.venue, self.own = Venue(), Own()
        self.questions = VenueQuestions(
            self.venue,
            self.own,  # type: ignore[arg-type]
            (BTC,),
            known,
        )

    def own_order(self, number: int = 1, **changes: object) -> None:
        self.own.table[number] = our_order(number, **changes)


async def test_three_questions_when_nothing_is_open() -> None:
    asking = Asking()
    answers = await asking.questions.ask(ASKED_NS)
    assert asking.venue.asked == ["GET /orders", "GET /fills", "GET /accounts"]
    assert answers.balances == {"BTC": Decimal(10), "USD": Decimal(10_000)}
    assert answers.is_quiet
    assert compare(answers.ours, answers.theirs) == []


async def test_fills_of_before_the_start_are_none_of_ours() -> None:
    asking = Asking()
    asking.venue.place(7, client_oid="someone")
    asking.venue.fill("v-7", "0.01", 500)
    answers = await asking.questions.ask(ASKED_NS)
    assert answers.theirs.fills == {}
    assert asking.questions.fills.known_until("BTC-USD") == 500


async def test_fills_behind_the_last_known_trade_are_looked_at() -> None:
    """Those of an order of which a loss of power took every record: a person has to look."""
    asking = Asking(KnownTrades({"BTC-USD": 500}))
    asking.venue.place(7, client_oid="someone")
    for trade_id in (500, 501):
        asking.venue.fill("v-7", "0.005", trade_id)
    answers = await asking.questions.ask(ASKED_NS)
    [difference] = compare(answers.ours, answers.theirs)
    assert isinstance(difference, ForeignFill)
    assert difference.fill.trade_id == 501


@pytest.mark.parametrize(("seconds", "count"), [(-1, 0), (0, 1), (1, 1)])
async def test_where_nobody_has_agreed_yet_a_time_counts(seconds: int, count: int) -> None:
    start = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    since_ns = int(start.timestamp()) * 1_000_000_000
    asking = Asking(KnownTrades(since_ns={"BTC-USD": since_ns}))
    asking.venue.place(7, client_oid="someone")
    created_at = (start + timedelta(seconds=seconds)).isoformat()
    asking.venue.fill("v-7", "0.01", 900, created_at=created_at)
    answers = await asking.questions.ask(ASKED_NS)
    assert len(compare(answers.ours, answers.theirs)) == count


async def test_what_was_agreed_on_with_no_fill_at_all_is_read_from_the_first_one() -> None:
    asking = Asking(KnownTrades({"BTC-USD": 0}))
    asking.venue.place(7, client_oid="someone")
    asking.venue.fill("v-7", "0.01", 500)
    answers = await asking.questions.ask(ASKED_NS)
    assert len(compare(answers.ours, answers.theirs)) == 1


async def test_a_product_that_no_run_had_begins_with_this_one() -> None:
    asking = Asking(KnownTrades({"ETH-USD": 3}, {"SOL-USD": 5}))
    asking.venue.place(7, client_oid="someone")
    asking.venue.fill("v-7", "0.01", 500)
    answers = await asking.questions.ask(ASKED_NS)
    assert compare(answers.ours, answers.theirs) == []
    assert asking.questions.fills.known_until("BTC-USD") == 500


async def test_what_was_counted_behind_the_mark_is_no_stranger() -> None:
    """Its order may have left our table; one that was not counted is found in front of it too."""
    known = KnownTrades({"BTC-USD": 500}, counted={"BTC-USD": frozenset({502, 503})})
    asking = Asking(known)
    asking.venue.place(7, client_oid="someone")
    for trade_id in (500, 501, 502, 503):
        asking.venue.fill("v-7", "0.001", trade_id)
    answers = await asking.questions.ask(ASKED_NS)
    found = compare(answers.ours, answers.theirs)
    assert [each.fill.trade_id for each in found if isinstance(each, ForeignFill)] == [501]


async def test_an_order_that_was_counted_in_part_is_asked_for_whole() -> None:
    asking = Asking(KnownTrades({"BTC-USD": 500}, counted={"BTC-USD": frozenset({501})}))
    asking.own_order(1, filled_lots=400_000)
    asking.venue.place(1)
    asking.venue.fill("v-1", "0.004", 501)
    asking.venue.fill("v-1", "0.002", 502)
    answers = await asking.questions.ask(ASKED_NS)
    assert sorted(answers.theirs.fills["v-1"]) == [501, 502]


async def test_pages_of_counted_fills_do_not_hide_older_ones() -> None:
    counted = frozenset(range(502, 760))
    asking = Asking(KnownTrades({"BTC-USD": 500}, counted={"BTC-USD": counted}))
    asking.venue.page_entries = 100
    asking.venue.place(7, client_oid="someone", size=Decimal(10))
    for trade_id in range(500, 760):
        asking.venue.fill("v-7", "0.001", trade_id)
    answers = await asking.questions.ask(ASKED_NS)
    assert list(answers.theirs.fills["v-7"]) == [501]
    assert asking.questions.fills.known_until("BTC-USD") == 759


async def test_a_fill_without_a_time_is_looked_at() -> None:
    asking = Asking(KnownTrades(since_ns={"BTC-USD": ASKED_NS}))
    asking.venue.place(7, client_oid="someone")
    asking.venue.fill("v-7", "0.01", 900)
    answers = await asking.questions.ask(ASKED_NS)
    assert len(compare(answers.ours, answers.theirs)) == 1


async def test_our_order_that_is_not_listed_is_asked_for_by_either_id() -> None:
    asking = Asking()
    asking.own_order(1)
    asking.own_order(2, venue_order_id="")
    asking.venue.place(2, status="done", done_reason="canceled")
    answers = await asking.questions.ask(ASKED_NS)
    assert asking.venue.asked[3:] == [
        "GET /orders/v-1", f"GET /orders/client:{our_order(2).client_order_id}",
    ]  # fmt: skip
    assert answers.theirs.absent == frozenset({1})
    assert [order.status for order in answers.theirs.orders] == ["done canceled"]


async def test_orders_in_flight_and_ended_ones_are_not_asked_for() -> None:
    asking = Asking()
    asking.own_order(1, state=OrderState.PENDING_NEW)
    asking.own_order(2, state=OrderState.CANCELED)
    asking.own_order(3, update_time_ns=ASKED_NS)
    await asking.questions.ask(ASKED_NS)
    assert len(asking.venue.asked) == 3


async def test_new_fills_are_read_back_to_what_is_known_over_pages() -> None:
    asking = Asking()
    asking.venue.page_entries = 100
    await asking.questions.ask(ASKED_NS)
    asking.own_order(1)
    asking.venue.place(1, size=Decimal(10))
    for trade_id in range(1, 251):
        asking.venue.fill("v-1", "0.01", trade_id)
    asking.venue.asked.clear()
    answers = await asking.questions.ask(ASKED_NS)
    assert asking.venue.asked.count("GET /fills") == 3
    assert list(sorted(answers.theirs.fills["v-1"])) == list(range(1, 251))


async def test_fills_of_a_recovered_order_are_asked_for_by_order() -> None:
    asking = Asking()
    asking.own_order(1, state=OrderState.UNKNOWN)
    asking.venue.place(1)
    asking.venue.fill("v-1", "0.004", 500)  # while nobody was there
    answers = await asking.questions.ask(ASKED_NS)
    assert list(answers.theirs.fills["v-1"]) == [500]


async def test_orders_are_asked_for_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in that of a set of names, which another process has otherwise: one seed is one run."""
    asking, asked = Asking(), list[str]()

    async def note(name: str) -> None:
        asked.append(name)

    monkeypatch.setattr(asking.questions, "_list_fills_of", note)
    for number in range(1, 10):
        asking.own.table[number] = our_order(number, filled_lots=1)
        asking.venue.place(number, filled_size=Decimal("0.00000001"))
    await asking.questions.ask(ASKED_NS)
    assert asked == [f"v-{number}" for number in range(1, 10)]


async def test_the_order_behind_a_strange_fill_is_asked_for() -> None:
    asking = Asking()
    await asking.questions.ask(ASKED_NS)
    asking.own_order(1, venue_order_id="")
    asking.venue.place(1)
    asking.venue.fill("v-1", "0.01", 501)
    asking.venue.asked.clear()
    answers = await asking.questions.ask(ASKED_NS)
    assert answers.ours.find(answers.theirs.orders[0]) == asking.own.table[1]


async def test_a_report_meanwhile_makes_the_round_unquiet() -> None:
    asking = Asking()

    def report(path: str) -> None:
        asking.own.reports += path == "/accounts"

    asking.venue.before = report
    assert not (await asking.questions.ask(ASKED_NS)).is_quiet


async def test_what_does_not_fit_our_instruments_is_told() -> None:
    asking = Asking()
    asking.venue.place(1, product_id="DOGE-USD")
    asking.venue.place(2, price=Decimal("100.001"))
    asking.venue.place(3, side="long")
    texts = (await asking.questions.ask(ASKED_NS)).theirs.unreadable
    assert len(texts) == 3
    assert "order v-1 is for DOGE-USD, which this engine does not trade: BTC-USD" in texts[0]
    assert "100.001 is not a whole number of ticks" in texts[1]
    assert "order v-3 has side 'long'" in texts[2]
