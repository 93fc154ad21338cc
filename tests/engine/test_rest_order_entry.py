"""Orders by REST on real sockets, against a venue that fails as the test tells it to.

The maker quotes both sides, so two new orders leave at once; what the venue does with them is a
list of one word each.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.composition import Arc, compile_strategies, compose
from engine.engine_clock import EngineClock
from engine.rest.rest_order_entry import RestOrderEntry
from engine.rest.rest_parts import RestOrderParts
from engine.runs.replay import Replay, make_replay_arc
from engine.runs.run_start import Inheritance, begin_run
from engine.runs.state_hash import hash_state
from engine.settings.config import load_config
from ext.clock import read_wall_ns
from ext.rest_sender import RestSender
from ext.wire import OrderState, RecordKind, SessionState
from journal.entries import ORDERS
from journal.order_ledger import OrderLedger
from journal.run_facts import decode_facts
from tests.certificates import server_context, write_files
from tests.engine.rest_order_venue import Venue
from tests.engine.test_replay import read_rings

DEMO = Path(__file__).parents[2] / "configs" / "demo_rest.toml"
PATIENCE_S = 8.0
UNKNOWN, NEW, PENDING_NEW = OrderState.UNKNOWN, OrderState.NEW, OrderState.PENDING_NEW


class Rig:
    def __init__(self, arc: Arc, venue: Venue, feed: Callable[[Arc, int], None]) -> None:
        self.arc, self.venue, self._feed = arc, venue, feed
        self.clock = EngineClock(arc.memory)
        self.fatal: list[str] = []
        self.paused: list[str] = []
        self.changes: list[bool] = []
        self.is_due = False
        self.entry = RestOrderEntry(
            arc, venue.url, self.clock, on_fatal=self.fatal.append, on_pause=self.paused.append
        )
        self.entry.watcher = self
        self.task = asyncio.ensure_future(self.entry.run())

    def session_changed(self, is_active: bool) -> None:
        self.changes.append(is_active)

    async def quote(self) -> None:
        """Both quotes of the maker leave."""
        await self.until(lambda: self.entry.is_active)
        self._feed(self.arc, self.clock.now_ns())

    async def until(self, is_true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                assert not self.task.done(), self.task.exception()
                await asyncio.sleep(0.01)

    async def until_states(self, *states: OrderState) -> None:
        await self.until(lambda: sorted(self.states()) == sorted(states))

    def states(self) -> list[OrderState]:
        """Of the open orders, and of those that were refused."""
        return [OrderState(int(str(each["state"]))) for each in self.orders()]

    def orders(self) -> list[dict[str, Any]]:
        return self.arc.pipeline.orders.open_orders()

    def counter(self, name: str) -> int:
        return int(self.arc.pipeline.counters()[name])

    async def stop(self) -> None:
        """Ends it; whatever has happened, the journal has to repeat it."""
        await self.entry.transport.logout(1.0)
        await asyncio.gather(self.task, return_exceptions=True)
        state_hash = hash_state(self.arc)
        self.arc.memory.write_blob(
            self.clock.now_ns(), RecordKind.RECORD_STATE_HASH, state_hash.encode()
        )
        entries = read_rings(self.arc)
        facts = next(decode_facts(each) for each in entries if each.kind == RecordKind.RECORD_RUN)
        ledger = OrderLedger(facts)
        for entry in entries:
            if entry.stream == ORDERS:
                ledger.apply(entry)
        assert ledger.history.save() == self.arc.history.save()
        compiled = compile_strategies(self.arc.config, lambda _: None)
        for strategy in compiled:
            strategy.reset()
        arc, sender, store = make_replay_arc(self.arc.config, compiled, facts)
        result = Replay(arc, sender, store).run(iter(entries))
        assert result.difference is None
        assert (result.state_hash, result.hashes_checked) == (state_hash, 1)


Start = Callable[..., Awaitable[Rig]]


@pytest.fixture
def make_rest_arc(tmp_path: Path) -> Iterator[Callable[..., Arc]]:
    arcs: list[Arc] = []

    def make(*overrides: str) -> Arc:
        config = load_config(DEMO, (
            f"engine.state_directory={tmp_path / 'state'}",
            f"telemetry.shared_memory_directory={tmp_path}",
            f"telemetry.publish=ipc://{tmp_path / 'p'}",
            "order_entry.poll_ms=100",
            "order_entry.answer_timeout_ms=500",
            *overrides,
        ))  # fmt: skip
        strategies = compile_strategies(config, lambda _: None)
        for strategy in strategies:
            strategy.reset()
        arcs.append(compose(config, strategies))
        begin_run(arcs[-1], Inheritance(None, None))
        return arcs[-1]

    yield make
    for arc in arcs:
        if arc.orders is not None:
            arc.orders.store.close()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
async def start(
    request: pytest.FixtureRequest,
    make_rest_arc: Callable[..., Arc],
    feed_book: Callable[[Arc, int], None],
    tmp_path: Path,
) -> AsyncIterator[Start]:
    """``await start(*posts)``: an engine's order entry and a venue that does that with orders."""
    venue = Venue()
    http = web.Server(venue.answer)
    certificate, trusted = write_files(tmp_path)
    tls = (
        f"simulator.certificate={certificate}",
        f"order_entry.ca_file={trusted}",
        f"reconciliation.ca_file={trusted}",
        f"feed.ca_file={trusted}",
    )
    server = await asyncio.get_running_loop().create_server(
        http, "127.0.0.1", 0, ssl=server_context() if request.param else None
    )
    scheme = "https" if request.param else "http"
    venue.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    rigs: list[Rig] = []

    async def begin(*posts: str, overrides: tuple[str, ...] = ()) -> Rig:
        venue.posts = list(posts)
        settings = (*tls, *overrides) if request.param else overrides
        rigs.append(Rig(make_rest_arc(*settings), venue, feed_book))
        return rigs[-1]

    yield begin
    for rig in rigs:
        await rig.stop()
    venue.released.set()
    server.close()
    await http.shutdown(0.1)
    await server.wait_closed()


async def test_two_quotes_are_placed_and_filled(start: Start) -> None:
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    assert len(rig.venue.orders) == 2
    assert rig.arc.memory.header_record()["order_session_state"][0] == SessionState.SESSION_ACTIVE
    rig.venue.fill("v-1", "0.004", 71)
    await rig.until(lambda: rig.counter("fills") == 1)
    await rig.until_states(NEW, OrderState.PARTIALLY_FILLED)
    rig.venue.fill("v-1", "0.006", 72)
    await rig.until_states(NEW)
    await asyncio.sleep(0.3)  # three more rounds
    assert rig.counter("fills") == 2
    assert rig.counter("duplicate_fills") == 0
    assert rig.paused == []


async def test_a_fill_that_the_list_lacks_is_found_by_its_order(start: Start) -> None:
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    rig.venue.fill("v-1", "0.01", 71, is_listed=False)
    await asyncio.sleep(0.3)
    assert rig.counter("fills") == 0
    assert len(rig.orders()) == 2  # not ended before its fill is counted
    rig.venue.orders["v-1"].update(filled_size="0", status="open")
    rig.venue.fill("v-1", "0.01", 71)
    await rig.until_states(NEW)
    assert rig.counter("fills") == 1


async def test_cancels_are_confirmed_by_the_venue(start: Start) -> None:
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    rig.venue.deletes = ["take", "done"]
    rig.venue.fill("v-2", "0.01", 5)  # the second cancel comes too late
    assert rig.arc.pipeline.cancel_all(rig.clock.now_ns()) == 2
    await rig.until_states()
    assert rig.counter("fills") == 1
    assert rig.paused == []


@pytest.mark.parametrize("fault", ["hang", "cut", "fault taken"])
async def test_a_lost_answer_of_an_order_that_was_taken(
    start: Start, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await start("take", fault)
    await rig.quote()
    await rig.until(lambda: "is lost, its order is Unknown" in caplog.text)
    await rig.until_states(NEW, NEW)
    assert rig.venue.requests == ["POST /orders"] * 2  # nothing was sent again
    assert rig.paused == []


@pytest.mark.parametrize("fault", ["cut unread", "fault"])
async def test_an_order_that_never_arrived_is_unknown_until_it_cannot(
    start: Start, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.rest.rest_poll.ORDER_LIFETIME_NS", 1_000_000_000)
    rig = await start("take", fault)
    await rig.quote()
    await rig.until_states(NEW, UNKNOWN)
    await rig.until(lambda: "it may still come for" in caplog.text)
    assert sorted(rig.states()) == [NEW, UNKNOWN]
    await rig.until_states(NEW)
    assert len(rig.venue.requests) == 2
    assert len(rig.venue.orders) == 1


@pytest.mark.parametrize("what", ["funds", "rejected"])
async def test_orders_that_the_venue_does_not_want(start: Start, what: str) -> None:
    rig = await start("take", what)
    await rig.quote()
    await rig.until_states(NEW)
    assert rig.paused == []


@pytest.mark.parametrize(
    ("what", "text"),
    [("key", "the venue refuses our key"), ("clock", "the venue refuses the time")],
)
async def test_a_refusal_that_a_person_has_to_see(start: Start, what: str, text: str) -> None:
    rig = await start("take", what)
    await rig.quote()
    await rig.until_states(NEW)
    assert len(rig.paused) == 1
    assert text in rig.paused[0]


async def test_after_a_refusal_for_the_rate_nothing_leaves_for_a_second(start: Start) -> None:
    rig = await start("take", "rate")
    await rig.quote()
    await rig.until(lambda: not rig.entry.is_active)
    await rig.until_states(NEW)
    begun = asyncio.get_running_loop().time()
    await rig.until(lambda: rig.entry.is_active)
    assert asyncio.get_running_loop().time() - begun > 0.5
    assert rig.changes == [True]  # the session was up all the time


@pytest.mark.parametrize("fault", ["hang", "cut", "cut unread", "fault", "gone"])
async def test_a_cancel_whose_answer_is_lost_is_asked_for(start: Start, fault: str) -> None:
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    rig.venue.deletes = [fault]
    rig.arc.pipeline.cancel_all(rig.clock.now_ns())
    still_open = 0 if fault in ("hang", "cut") else 1
    await rig.until_states(*[NEW] * still_open)


async def test_without_answers_the_engine_is_blind(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.rest.rest_order_entry.BLIND_AFTER_NS", 500_000_000)
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    rig.venue.is_silent = True
    await rig.until_states(UNKNOWN, UNKNOWN)
    assert not rig.entry.is_active
    rig.venue.is_silent = False
    await rig.until_states(NEW, NEW)
    await rig.until(lambda: rig.entry.is_active)
    assert rig.changes == [True, False, True]
    assert "no answer to our questions" in caplog.text


async def test_a_key_that_is_refused_at_the_start_ends_the_run(start: Start) -> None:
    rig = await start()
    rig.venue.has_key = False
    async with asyncio.timeout(PATIENCE_S):
        await rig.task
    assert len(rig.fatal) == 1
    assert "refuses our key" in rig.fatal[0]
    assert not rig.entry.is_active


async def test_a_key_that_is_refused_later_pauses_once(start: Start) -> None:
    rig = await start()
    await rig.quote()
    await rig.until_states(NEW, NEW)
    rig.venue.has_key = False
    await rig.until(lambda: rig.paused)
    await asyncio.sleep(0.3)  # three more rounds
    assert len(rig.paused) == 1
    assert "the venue refuses our questions" in rig.paused[0]


async def test_orders_of_an_earlier_run_are_not_blinded_by_the_start(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The first round of questions takes its time; nothing was unanswered before it."""
    rig = await start()
    rig.arc.orders.store.is_active = True  # type: ignore[union-attr]
    rig._feed(rig.arc, rig.clock.now_ns())
    await rig.until(lambda: rig.entry.is_active)
    await asyncio.sleep(0.2)
    assert "no answer to our questions" not in caplog.text


async def test_an_order_that_stays_pending_is_unknown(start: Start) -> None:
    rig = await start("hang", overrides=("order_entry.answer_timeout_ms=60000",))
    await rig.quote()
    rig.entry.check_pending(rig.clock.now_ns() + 62_000_000_000)
    assert rig.states() == [UNKNOWN] * 2


async def test_the_start_says_what_rest_lacks(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rig = await start()
    await rig.until(lambda: rig.entry.is_active)
    assert "the venue cancels nothing when we are gone" in caplog.text
    parts = rig.arc.orders
    assert isinstance(parts, RestOrderParts)
    assert len(parts.senders) == 4


async def test_an_answer_that_shows_another_order_pauses(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await start()
    place = rig.venue._place
    monkeypatch.setattr(
        rig.venue, "_place", lambda order: {**place(order), "client_oid": "somebody-else"}
    )
    await rig.quote()
    await rig.until(lambda: rig.paused)
    assert "have come apart" in rig.paused[0]
    await rig.until_states(NEW, NEW)  # the venue was asked


async def quote_that_waits(rig: Rig) -> None:
    """Both quotes of the maker wait for the one connection, which has a question under way."""
    await rig.until(lambda: rig.entry.is_active)
    sender = rig.arc.sender
    assert isinstance(sender, RestSender)
    assert sender.ask(0, b"GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\nHang: yes\r\n\r\n")
    rig._feed(rig.arc, rig.clock.now_ns())
    assert sender.waiting_count == 2


ONE = ("order_entry.connections=1", "order_entry.answer_timeout_ms=5000")


async def test_what_waits_is_taken_back_by_the_engines_clock(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the host's, which may have been set back since."""
    rig = await start(overrides=ONE)
    await quote_that_waits(rig)
    monkeypatch.setattr("gateways.edges.read_wall_ns", lambda: read_wall_ns() - 15_000_000_000)
    await rig.until(lambda: not rig.orders())
    assert isinstance(rig.arc.sender, RestSender)
    assert rig.arc.sender.sequence(0) == -1, "the question is under way still"
    assert rig.venue.requests == []


@pytest.mark.parametrize("what", ["stopped", "silent"])
async def test_what_waits_does_not_leave_while_nothing_new_may(start: Start, what: str) -> None:
    """A strategy that was stopped meanwhile, or a venue that wants a rest."""
    rig = await start(overrides=ONE)
    await quote_that_waits(rig)
    session = rig.entry._session
    assert session.is_risk_allowed()
    if what == "stopped":
        rig.arc.pipeline.pause_strategy(0, 1, rig.clock.now_ns(), "a test")
    else:
        rig.arc.orders.store.is_active = False  # type: ignore[union-attr]
    assert not session.is_risk_allowed()
    rig.venue.released.set()
    await rig.until(lambda: not rig.orders())
    assert rig.venue.requests == []
