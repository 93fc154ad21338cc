"""The paper desk on a real arc: frames in, requests to the venue, reports back, all recorded."""

from collections.abc import Callable

import pytest

from engine.composition import Arc, compile_strategies, compose
from engine.engine_clock import EngineClock
from engine.paper.paper_entry import PaperDesk, PaperEntry, make_model
from engine.runs.run_facts import make_facts
from engine.settings.config import EngineConfig
from ext.wire import FeedStatus, OrderState, Side, StaleReason

LoadDemo = Callable[..., EngineConfig]
MS = 1_000_000
NOW_NS = 1_767_623_400_000_000_000
SECRETS = tuple(f"feed.{name}=env:K" for name in ("key", "secret", "passphrase"))
SNAPSHOT = (
    b'{"type":"snapshot","product_id":"BTC-USD",'
    b'"asks":[["65000.20","0.5"],["65000.30","1"]],"bids":[["65000.00","0.5"],["64999.90","1"]]}'
)


def update(side: str, price: str, size: str) -> bytes:
    return (
        b'{"type":"l2update","product_id":"BTC-USD","time":"2026-01-05T14:30:00.000000Z",'
        b'"changes":[["%s","%s","%s"]]}' % (side.encode(), price.encode(), size.encode())
    )


QUOTED_ON = update("buy", "64999.80", "1")


@pytest.fixture
def arc(load_demo: LoadDemo, monkeypatch: pytest.MonkeyPatch) -> Arc:
    monkeypatch.setenv("K", "eHh4")
    config = load_demo(
        "engine.mode=paper",
        "simulator.start=false",
        "feed.url=wss://feed.invalid",
        *SECRETS,
        *(name.replace("feed", "order_entry") for name in SECRETS),
        "order_entry.port=1",
        "paper.order_latency_us=5000",
        "paper.cancel_latency_us=5000",
        "paper.report_latency_us=2000",
    )
    return compose(config, compile_strategies(config, lambda _: None))


@pytest.fixture
def desk(arc: Arc) -> PaperDesk:
    assert arc.paper is not None
    desk = PaperDesk(arc.pipeline, arc.paper, arc.instruments)
    desk.open(NOW_NS)
    arc.pipeline.subscribed(NOW_NS)
    return desk


def give(arc: Arc, desk: PaperDesk, frame: bytes, time_ns: int) -> None:
    status = arc.pipeline.receive(frame, time_ns)
    assert status == FeedStatus.FEED_OK
    desk.receive_frame(status, time_ns)


def begin(arc: Arc, desk: PaperDesk) -> None:
    """A book, and the update on which the maker quotes both sides at NOW_NS."""
    give(arc, desk, SNAPSHOT, NOW_NS - MS)
    give(arc, desk, QUOTED_ON, NOW_NS)


def has_book(desk: PaperDesk) -> bool:
    return desk.venue._books[0].is_live


def states(arc: Arc) -> list[OrderState]:
    return [OrderState(int(str(each["state"]))) for each in arc.pipeline.orders.open_orders()]


def test_a_paper_arc_has_no_way_to_a_venue(arc: Arc) -> None:
    assert arc.orders is None
    assert arc.paper is not None
    assert arc.sender_comp_id == "PAPER"
    facts = make_facts(
        arc.config,
        arc.instruments,
        arc.strategies,
        arc.identity,
        version="1",
        start_time_ns=1,
        sender_comp_id=arc.sender_comp_id,
        snapshot="",
    )
    assert (facts.mode, facts.target_comp_id) == ("paper", "PAPER-VENUE")


def test_before_the_desk_is_open_nothing_leaves(arc: Arc) -> None:
    arc.pipeline.subscribed(NOW_NS)
    arc.pipeline.receive(SNAPSHOT, NOW_NS)
    arc.pipeline.receive(QUOTED_ON, NOW_NS)
    assert arc.pipeline.counters()["requests_sent"] == 0
    assert arc.pipeline.counters()["rejected"] > 0


def test_an_order_is_pending_then_new_then_filled(arc: Arc, desk: PaperDesk) -> None:
    begin(arc, desk)
    assert states(arc) == [OrderState.PENDING_NEW] * 2, "the maker quotes both sides"
    desk.poll(NOW_NS + 6 * MS)
    assert states(arc) == [OrderState.PENDING_NEW] * 2, "it has arrived; its report has not"
    desk.poll(NOW_NS + 7 * MS)
    assert states(arc) == [OrderState.NEW] * 2
    bid = next(each for each in desk.venue.open_orders if each.side > 0)
    price = f"{arc.instruments[0].ticks_to_price(bid.price_ticks):f}"
    give(arc, desk, update("sell", price, "0.004"), NOW_NS + 20 * MS)
    assert arc.pipeline.counters()["fills"] == 0
    desk.poll(NOW_NS + 22 * MS)
    assert arc.pipeline.counters()["fills"] == 1
    assert bid.filled_lots == 400_000


def test_a_book_that_is_lost_is_lost_for_the_venue(arc: Arc, desk: PaperDesk) -> None:
    give(arc, desk, SNAPSHOT, NOW_NS)
    desk.poll(NOW_NS + 10 * MS)
    assert has_book(desk)
    arc.pipeline.mark_stale(0, StaleReason.SILENCE, NOW_NS + 20 * MS)
    desk.poll(NOW_NS + 20 * MS)
    assert not has_book(desk)
    give(arc, desk, SNAPSHOT, NOW_NS + 30 * MS)
    assert has_book(desk)


def test_a_frame_that_is_refused_shows_the_venue_nothing(arc: Arc, desk: PaperDesk) -> None:
    give(arc, desk, SNAPSHOT, NOW_NS)
    bad = update("sell", "65000.001", "1")
    status = arc.pipeline.receive(bad, NOW_NS + MS)
    assert status == FeedStatus.FEED_OFF_STEP
    desk.receive_frame(status, NOW_NS + MS)
    assert not has_book(desk), "the arc's book is STALE too"


def test_an_update_before_any_snapshot_shows_it_nothing(arc: Arc, desk: PaperDesk) -> None:
    give(arc, desk, update("buy", "65000.00", "1"), NOW_NS)
    assert not has_book(desk)
    assert desk.venue._books[0].shown_lots(Side.BUY, 6_500_000) == 0


def test_orders_of_an_earlier_run_have_ended(arc: Arc, desk: PaperDesk) -> None:
    begin(arc, desk)
    desk.poll(NOW_NS + 10 * MS)
    arc.pipeline.mark_unknown(NOW_NS + 11 * MS)
    assert arc.paper is not None
    again = PaperDesk(arc.pipeline, arc.paper, arc.instruments)
    assert again.open(NOW_NS + 12 * MS) == 2
    assert states(arc) == []


async def test_the_entry_ends_with_the_logout(arc: Arc) -> None:
    assert arc.paper is not None
    clock = EngineClock(arc.memory)
    entry = PaperEntry(arc.pipeline, arc.paper, arc.instruments, clock)
    seen = [entry.is_active]
    entry.start()
    seen.append(entry.is_active)
    entry.check_pending(clock.now_ns())
    assert await entry.transport.logout(1.0)
    seen.append(entry.is_active)
    await entry.run()
    assert seen == [False, True, False]


def test_the_model_is_that_of_the_config(load_demo: LoadDemo) -> None:
    section = load_demo("paper.order_latency_us=7", "paper.maker_fee_ppm=-5").paper
    model = make_model(section)
    assert (model.order_latency_ns, model.maker_fee_ppm) == (7000, -5)
    assert model.queue == "conservative"
