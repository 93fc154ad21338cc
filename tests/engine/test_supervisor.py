"""The life of a run, with stand-ins for what it starts and connects."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import msgspec
import pytest

from engine.composition import Arc
from engine.exit_codes import ExitCode
from engine.processes import RelayReady, VenueReady, VenueSummary
from engine.supervisor import Supervisor
from ext.errors import ConfigError, LogonRefused, VenueError
from ext.wire import EngineState

NOW_NS = 1_800_000_000_000_000_000
ALONE = (
    "telemetry.relay=false",
    "reconciliation.enabled=false",
    "loop.warm_up=false",
    "stop.cancel_timeout_ms=100",
    "stop.logout_timeout_ms=100",
)
SUMMARY = VenueSummary(0, 0, 0, {}, "00")


class Transport:
    """Serves until it is stopped, or ends with an error that the test has put in."""

    error: Exception | None = None

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.logouts: list[float] = []

    async def run(self) -> None:
        if self.error is not None:
            raise self.error
        await self.stopped.wait()

    def stop(self) -> None:
        self.stopped.set()

    async def logout(self, timeout_s: float) -> bool:
        self.logouts.append(timeout_s)
        self.stopped.set()
        return True


class MarketData:
    made: ClassVar["list[MarketData]"] = []

    def __init__(self, config: object, url: str, *others: object, **callbacks: Any) -> None:
        self.transport, self.url, self.callbacks = Transport(), url, callbacks
        self.made.append(self)

    def take_book_notices(self, now_ns: int) -> None:
        pass


class OrderEntry(MarketData):
    made: ClassVar["list[MarketData]"] = []
    is_active = True

    def check_pending(self, now_ns: int) -> None:
        pass


class Process:
    """One started program: ``stop`` ends it."""

    def __init__(self, name: str) -> None:
        self.name, self.stops, self.has_ended = name, 0, asyncio.Event()

    async def ended(self) -> int:
        await self.has_ended.wait()
        return 0

    def stop(self) -> None:
        self.stops += 1
        self.has_ended.set()

    async def end(self) -> None:
        self.has_ended.set()


class Make(Protocol):
    def __call__(self, *overrides: str, is_trading: bool = False) -> Supervisor: ...


@pytest.fixture
def supervise(make_arc: Callable[..., Arc], monkeypatch: pytest.MonkeyPatch) -> Make:
    """``supervise("section.key=value")``: a supervisor that connects to nothing."""
    monkeypatch.setattr(MarketData, "made", [])
    monkeypatch.setattr(OrderEntry, "made", [])
    monkeypatch.setattr("engine.supervisor.MarketData", MarketData)
    monkeypatch.setattr("engine.supervisor.OrderEntry", OrderEntry)
    monkeypatch.setattr("engine.supervisor.RELAY_RESTART_S", 0.0)

    async def start_venue(config: object) -> tuple[Process, VenueReady]:
        return Process("wow-sim"), VenueReady("ws://127.0.0.1:1", "127.0.0.1", 2)

    async def read_summary(venue: Process) -> VenueSummary:
        assert venue.has_ended.is_set()
        return SUMMARY

    monkeypatch.setattr("engine.supervisor.start_venue", start_venue)
    monkeypatch.setattr("engine.supervisor.read_venue_summary", read_summary)

    def make(*overrides: str, is_trading: bool = False) -> Supervisor:
        return Supervisor(make_arc(*ALONE, *overrides, is_trading=is_trading), lambda: None)

    return make


def state_of(supervisor: Supervisor) -> tuple[int, bytes]:
    header = supervisor.arc.memory.header_record()[0]
    return int(header["engine_state"]), bytes(header["state_reason"])


async def start(supervisor: Supervisor) -> "asyncio.Task[ExitCode]":
    task = asyncio.ensure_future(supervisor.run())
    for _ in range(100):
        if state_of(supervisor)[0] == EngineState.ENGINE_RUNNING:
            return task
        await asyncio.sleep(0)
    pytest.fail("it did not start")


async def test_a_run_from_start_to_stop(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    assert not supervisor.is_stopping
    assert MarketData.made[0].url == "ws://127.0.0.1:1"

    supervisor.request_stop("enough")

    assert await task == ExitCode.OK
    assert state_of(supervisor) == (EngineState.ENGINE_STOPPED, b"enough")
    assert supervisor.arc.pipeline.gate.is_paused
    assert OrderEntry.made[0].transport.logouts == [0.1]
    assert supervisor.venue_summary == SUMMARY
    assert supervisor.orders_left == []


async def test_the_first_reason_and_the_first_bad_code_are_kept(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    supervisor.request_stop("first")
    supervisor.request_stop("second", ExitCode.VENUE)
    supervisor.request_stop("third", ExitCode.INTERNAL)
    assert await task == ExitCode.VENUE
    assert supervisor.reason == "first"


async def test_orders_left_outweigh_everything(
    supervise: Make, feed_book: Callable[[Arc, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(is_trading=True)
    task = await start(supervisor)
    feed_book(supervisor.arc, NOW_NS)
    supervisor.request_stop("enough", ExitCode.VENUE)
    assert await task == ExitCode.ORDERS_LEFT
    assert len(supervisor.orders_left) == 2
    assert "2 orders are still open or unknown" in caplog.text


async def test_pause_keeps_it_running(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    supervisor.pause("a report could not be read")
    assert state_of(supervisor) == (
        EngineState.ENGINE_PAUSED_STATE,
        b"a report could not be read",
    )
    assert supervisor.arc.pipeline.gate.is_paused
    assert not task.done()
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK


async def test_the_end_of_its_own_venue_ends_the_run(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    MarketData.made[0].callbacks["on_disconnect"]("1000 end of session")
    assert await task == ExitCode.OK
    assert supervisor.reason == "the venue ended the session (1000 end of session)"


async def test_the_end_of_another_venue_s_connection_does_not(supervise: Make) -> None:
    supervisor = supervise(
        "simulator.start=false", "feed.url=ws://127.0.0.1:9", "order_entry.port=9"
    )
    task = await start(supervisor)
    assert MarketData.made[0].url == "ws://127.0.0.1:9"
    MarketData.made[0].callbacks["on_disconnect"]("reset")
    assert not supervisor.is_stopping
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK
    assert supervisor.venue_summary is None


async def test_a_venue_that_died_without_a_word(
    supervise: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_summary(venue: Process) -> None:
        return None

    monkeypatch.setattr("engine.supervisor.read_venue_summary", read_summary)
    supervisor = supervise()
    task = await start(supervisor)
    MarketData.made[0].callbacks["on_disconnect"]("lost")
    assert await task == ExitCode.VENUE


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LogonRefused("wrong key"), ExitCode.VENUE, "wrong key"),
        (ValueError("a defect"), ExitCode.INTERNAL, "internal error: a defect"),
    ],
)
async def test_a_task_that_fails_ends_the_run(
    supervise: Make, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    monkeypatch.setattr(Transport, "error", error)
    supervisor = supervise()
    assert await supervisor.run() == code
    assert supervisor.reason == words
    assert state_of(supervisor)[0] == EngineState.ENGINE_STOPPED


async def test_a_fatal_order_session_ends_the_run(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    OrderEntry.made[0].callbacks["on_fatal"]("order session: MsgSeqNum too low")
    assert await task == ExitCode.VENUE
    assert supervisor.reason == "order session: MsgSeqNum too low"


async def test_a_start_that_fails_is_raised_and_cleaned_up(
    supervise: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_venue(config: object) -> None:
        raise VenueError("wow-sim ended with status 1 before it was ready")

    monkeypatch.setattr("engine.supervisor.start_venue", start_venue)
    supervisor = supervise()
    with pytest.raises(VenueError, match="before it was ready"):
        await supervisor.run()
    assert state_of(supervisor)[0] == EngineState.ENGINE_STOPPED
    assert MarketData.made == []


@pytest.mark.parametrize("has_orders", [True, False])
async def test_a_simulator_that_is_not_started_cannot_be_used(
    supervise: Make, has_orders: bool
) -> None:
    arc = supervise().arc
    simulator = msgspec.structs.replace(arc.config.simulator, start=False)
    config = msgspec.structs.replace(arc.config, simulator=simulator)
    if has_orders:
        arc = dataclasses.replace(arc, config=config)
    else:
        arc = dataclasses.replace(arc, config=config, orders=None)
    section = "order_entry" if has_orders else "feed"
    with pytest.raises(ConfigError, match=rf"\[{section}\].*set \[simulator\] start = true"):
        await Supervisor(arc, lambda: None).run()


async def test_a_relay_that_ends_is_started_again(
    supervise: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    relays: list[Process] = []

    async def start_relay(config: object, core: int | None) -> tuple[Process, RelayReady]:
        relays.append(Process("wow-relay"))
        if len(relays) == 2:
            raise VenueError("wow-relay ended with status 2 before it was ready")
        return relays[-1], RelayReady("ipc:///x")

    monkeypatch.setattr("engine.supervisor.start_relay", start_relay)
    supervisor = supervise("telemetry.relay=true")
    supervisor.arc.memory.header_record()["synced_sequence"] = 1
    task = await start(supervisor)
    supervisor.arc.memory.header_record()["reader_attached"] = 1

    relays[0].stop()
    for _ in range(100):
        await asyncio.sleep(0.001)
        if len(relays) == 3:
            break

    assert len(relays) == 3  # the second one could not start
    assert not task.done()
    # The rings keep what the dead one had not stored until another one has it.
    assert supervisor.arc.memory.header_record()["reader_attached"][0] == 1
    assert "wow-relay ended; starting it again" in caplog.text
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK


@pytest.mark.parametrize("is_written", [True, False])
async def test_nothing_is_traded_before_the_first_record_is_on_the_disk(
    supervise: Make, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    async def start_relay(config: object, core: int | None) -> tuple[Process, RelayReady]:
        return Process("wow-relay"), RelayReady("ipc:///x")

    monkeypatch.setattr("engine.supervisor.start_relay", start_relay)
    monkeypatch.setattr("engine.supervisor.FIRST_RECORD_POLLS", 10_000 if is_written else 3)
    supervisor = supervise("telemetry.relay=true")
    task = asyncio.ensure_future(supervisor.run())
    for _ in range(10):
        await asyncio.sleep(0.002)
    if is_written:
        assert state_of(supervisor)[0] == EngineState.ENGINE_STARTING
        supervisor.arc.memory.header_record()["synced_sequence"] = 1
    for _ in range(200):
        await asyncio.sleep(0.002)
        if state_of(supervisor)[0] != EngineState.ENGINE_STARTING:
            break
    assert supervisor.arc.pipeline.gate.is_paused is not is_written
    assert (b"has not reached the disk" in state_of(supervisor)[1]) is not is_written
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK


async def test_it_shows_that_it_lives(supervise: Make) -> None:
    supervisor = supervise()
    task = await start(supervisor)
    header = supervisor.arc.memory.header_record()
    before = int(header["heartbeat_ns"][0])
    for _ in range(300):
        await asyncio.sleep(0.005)
        if int(header["heartbeat_ns"][0]) != before:
            break
    assert int(header["heartbeat_ns"][0]) > before
    supervisor.request_stop("enough")
    await task


async def test_a_warm_up_that_fails_is_a_warning(
    supervise: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no loopback here")

    monkeypatch.setattr("engine.supervisor.warm_up", fail)
    supervisor = supervise("loop.warm_up=true")
    task = await start(supervisor)
    assert "the warm-up failed, the first orders will be slow: no loopback here" in caplog.text
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK


async def test_a_run_is_warmed_up_and_kept_warm(supervise: Make) -> None:
    """Nothing of it is in the real counters, and nothing is left behind at the end."""
    supervisor = supervise("loop.warm_up=true", "loop.keep_warm_ms=1", is_trading=True)
    task = await start(supervisor)
    await asyncio.sleep(0.05)
    counters = supervisor.arc.pipeline.counters()
    assert counters["loop_cycles"] > 3, "pulses among them"
    assert counters["frames"] == counters["requests_sent"] == 0
    assert counters["write_sequence"] == 1, (
        "the numbers of the session, at the first look at timers"
    )
    assert supervisor.has_begun
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK
    assert supervisor.orders_left == []


class FirstComparison:
    """Stands for the reconciler: its first comparison ends when the test says so."""

    def __init__(self, url: str, on_pause: Callable[[str], None]) -> None:
        self.url, self.pause = url, on_pause
        self.has_ended, self.stopped = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def run(self) -> None:
        await self.has_ended.wait()
        if self.error is not None:
            raise self.error
        await self.stopped.wait()

    async def wait_first(self, stop: asyncio.Event) -> None:
        waiters = [asyncio.ensure_future(each.wait()) for each in (self.has_ended, stop)]
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[FirstComparison]:
    """The reconcilers that were made."""
    made: list[FirstComparison] = []

    def make(
        arc: Arc,
        url: str,
        clock: object,
        on_pause: Callable[[str], None],
        known: object,
        rates: object,
    ) -> FirstComparison:
        made.append(FirstComparison(url, on_pause))
        return made[-1]

    monkeypatch.setattr("engine.supervisor.make_reconciler", make)
    return made


async def begin(supervisor: Supervisor) -> "asyncio.Task[ExitCode]":
    """The run as far as the first comparison."""
    task = asyncio.ensure_future(supervisor.run())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not task.done()
    return task


RECONCILED = "reconciliation.enabled=true"


async def test_market_data_waits_for_the_first_comparison(
    supervise: Make, comparisons: list[FirstComparison]
) -> None:
    supervisor = supervise(RECONCILED)
    task = await begin(supervisor)
    assert (len(OrderEntry.made), MarketData.made) == (1, [])
    assert OrderEntry.made[0].watcher is comparisons[0]  # type: ignore[attr-defined]
    assert comparisons[0].url == ""  # of a venue that says none
    comparisons[0].has_ended.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(MarketData.made) == 1
    assert state_of(supervisor)[0] == EngineState.ENGINE_RUNNING
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK
    assert comparisons[0].stopped.is_set()


async def test_a_pause_of_the_first_comparison_stays(
    supervise: Make, comparisons: list[FirstComparison]
) -> None:
    supervisor = supervise(RECONCILED)
    task = await begin(supervisor)
    comparisons[0].pause("the records differ")
    comparisons[0].has_ended.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(MarketData.made) == 1
    assert state_of(supervisor) == (EngineState.ENGINE_PAUSED_STATE, b"the records differ")
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK


async def test_a_stop_before_the_first_comparison(
    supervise: Make, comparisons: list[FirstComparison]
) -> None:
    supervisor = supervise(RECONCILED)
    task = await begin(supervisor)
    supervisor.request_stop("enough")
    assert await task == ExitCode.OK
    assert MarketData.made == []


async def test_a_venue_that_refuses_to_be_asked_ends_the_run(
    supervise: Make, comparisons: list[FirstComparison]
) -> None:
    supervisor = supervise(RECONCILED)
    task = await begin(supervisor)
    comparisons[0].error = LogonRefused("reconciliation: Invalid API Key")
    comparisons[0].has_ended.set()
    assert await task == ExitCode.VENUE
    assert supervisor.reason == "reconciliation: Invalid API Key"
