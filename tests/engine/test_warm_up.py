"""The warm-up drives a whole arc, and nothing of the real one: no byte leaves, no number moves."""

import gc
import socket
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.composition import Arc, OrderParts
from engine.warm.warm_up import MOMENTS, WarmUp, warm_up
from engine.warm.warm_up_venue import connect_to_ourselves
from ext.dtypes import POSITION
from ext.errors import UsageError
from ext.tcp_sender import TcpSender
from ext.wire import Side

NOW_NS = 1_800_000_000_000_000_000
MakeArc = Callable[..., Arc]
ADVANCED = (
    "feed.venue=coinbase_advanced",
    'feed.channels=["level2","market_trades","heartbeats"]',
)


@pytest.fixture
def make_warm_up() -> Iterator[Callable[[Arc], WarmUp]]:
    made: list[WarmUp] = []

    def make(arc: Arc) -> WarmUp:
        made.append(WarmUp(arc.config, arc.strategies))
        return made[-1]

    yield make
    for each in made:
        each.close()


def memory_of(arc: Arc) -> bytes:
    """Every byte of the engine's shared memory: header, books, positions, orders, ring."""
    return Path(arc.memory.path).read_bytes()


def store_of(arc: Arc) -> bytes:
    """Every byte of the order session's file: numbers and sent messages."""
    assert isinstance(arc.orders, OrderParts)
    return Path(arc.orders.store.path).read_bytes()


def states_of(arc: Arc) -> list[bytes]:
    return [strategy.state.tobytes() for strategy in arc.strategies]


@pytest.mark.parametrize("overrides", [(), ADVANCED, ("feed.conflate=true",)])
def test_every_step_is_driven(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp], overrides: tuple[str, ...]
) -> None:
    arc = make_arc(*overrides, is_trading=True)
    warmed = make_warm_up(arc)
    report = warmed.run()
    counters = warmed._pipeline.counters()
    assert report.is_own_decoder
    assert report.frames == counters["frames"] == 2 * MOMENTS + 2 * MOMENTS // 4
    assert report.requests == counters["requests_sent"] == counters["accepted"] > MOMENTS
    assert report.fills == counters["fills"] > MOMENTS // 10
    assert counters["orders_sent"] < counters["requests_sent"], "cancels and replaces too"
    assert counters["reports"] >= counters["requests_sent"]
    signals = warmed._memory.region("positions_offset", POSITION, 4)["signal_count"]
    assert min(signals) > 0, "the shipped strategies decided too, not the probes alone"
    assert not warmed._pipeline.gate.is_paused


def test_no_byte_of_the_real_arc_changes(make_arc: MakeArc) -> None:
    arc = make_arc(is_trading=True)
    assert isinstance(arc.orders, OrderParts)
    before = memory_of(arc), store_of(arc), states_of(arc)
    counters = arc.pipeline.counters()
    warmed = warm_up(arc.config, arc.strategies)
    for _ in range(50):
        warmed.pulse()
    warmed.close()
    assert (memory_of(arc), store_of(arc), states_of(arc)) == before
    assert arc.pipeline.counters() == counters
    assert isinstance(arc.orders.sender, TcpSender)
    assert arc.orders.sender.pending_size == 0
    assert arc.orders.store.next_outgoing == 1
    assert not arc.pipeline.has_notices


def test_the_run_after_it_sends_what_it_would_have_sent(
    make_arc: MakeArc, feed_book: Callable[[Arc, int], None]
) -> None:
    """The first order has the first number, and nothing of the warm-up is in front of it."""
    arc = make_arc(is_trading=True)
    assert isinstance(arc.orders, OrderParts)
    warm_up(arc.config, arc.strategies).close()
    ours, venue = socket.socketpair()
    arc.orders.sender.attach(ours.fileno())
    feed_book(arc, NOW_NS)
    sent = venue.recv(65_536)
    first, second = arc.pipeline.orders.open_orders()
    assert {int(str(order["side"])) for order in (first, second)} == {Side.BUY, Side.SELL}
    assert (first["order_number"], first["request_number"]) == (1, 1)
    assert sent.count(b"\x0134=1\x01") == sent.count(b"\x0134=2\x01") == 1
    assert sent.count(b"8=FIXT.1.1\x01") == 2
    assert b"WARM-UP" not in sent
    ours.close()
    venue.close()


def test_nothing_of_the_real_arc_can_be_reached(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp]
) -> None:
    """Safe by construction: only the config and the compiled strategies are shared."""
    arc = make_arc(is_trading=True)
    warmed = make_warm_up(arc)
    warmed.run(10)
    reached = reachable(warmed)
    assert id(warmed._pipeline) in reached
    assert id(warmed._memory) in reached
    assert id(arc.strategies[0]) in reached, "the compiled hooks, and their owner"
    assert isinstance(arc.orders, OrderParts)
    real = {
        "arc": arc,
        "memory": arc.memory,
        "pipeline": arc.pipeline,
        "orders": arc.pipeline.orders,
        "gate": arc.pipeline.gate,
        "table": arc.pipeline.table,
        "strategies": arc.pipeline.strategies,
        "store": arc.orders.store,
        "sender": arc.orders.sender,
        "session": arc.orders.session,
    }
    assert [name for name, part in real.items() if id(part) in reached] == []


def reachable(start: object) -> set[int]:
    """Ids of all objects that can be reached, but through modules, classes and functions."""
    found: dict[int, object] = {}
    waiting: list[Any] = [start]
    code = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)
    while waiting:
        each = waiting.pop()
        if id(each) in found or issubclass(type(each), code):  # not isinstance: proxies
            continue
        found[id(each)] = each
        waiting += gc.get_referents(each)
    return set(found)


def test_it_connects_to_nobody_but_itself(
    make_arc: MakeArc, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[Any] = []
    real = socket.create_connection

    def connect(address: Any, *arguments: Any, **named: Any) -> socket.socket:
        connected.append(address)
        return real(address, *arguments, **named)

    monkeypatch.setattr("socket.create_connection", connect)
    arc = make_arc(is_trading=True)
    warm_up(arc.config, arc.strategies).close()
    ((host, _),) = connected
    assert host == "127.0.0.1"


def test_both_ends_of_the_connection_are_ours() -> None:
    ours, venue = connect_to_ourselves()
    try:
        assert ours.getsockname() == venue.getpeername()
        assert venue.getsockname() == ours.getpeername()
    finally:
        ours.close()
        venue.close()


def test_a_stranger_on_the_port_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_connection
    strangers: list[socket.socket] = []

    def connect(address: Any, *arguments: Any) -> socket.socket:
        strangers.append(real(address, *arguments))  # is first in the queue
        return real(address, *arguments)

    monkeypatch.setattr("socket.create_connection", connect)
    with pytest.raises(OSError, match="somebody else connected"):
        connect_to_ourselves()
    for stranger in strangers:
        stranger.close()


def test_pulses_go_on_for_as_long_as_one_likes(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp]
) -> None:
    """Round and round through the frames; every request is answered, none is left open."""
    warmed = make_warm_up(make_arc(is_trading=True))
    report = warmed.run(20)
    for _ in range(500):
        warmed.pulse()
    counters = warmed._pipeline.counters()
    assert counters["frames"] == report.frames + 500
    assert counters["requests_sent"] >= report.requests + 400
    assert counters["bad_frames"] == counters["stale_count"] == 0
    assert not warmed._pipeline.gate.is_paused
    assert len(warmed._pipeline.orders.open_orders()) < 20


def test_pulses_leave_no_garbage(make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp]) -> None:
    """Nobody collects it: the collector is off while the engine runs."""
    warmed = make_warm_up(make_arc(is_trading=True))
    warmed.run(20)
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            warmed.pulse()
        before = sys.getallocatedblocks()
        for _ in range(1000):
            warmed.pulse()
        left = sys.getallocatedblocks() - before
    finally:
        gc.enable()
    assert abs(left) < 100


def test_strategies_in_plain_python_are_left_out(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp]
) -> None:
    """What they touch besides their state is not known; the probe orders all the same."""
    arc = make_arc(is_trading=True)
    arc.strategies[0].is_compiled = False
    warmed = make_warm_up(arc)
    report = warmed.run(50)
    names = warmed._memory.counters()["strategy_count"]
    assert names == 1 + 2, "one strategy, and a probe for each instrument"
    assert report.requests > 50


def test_books_only_are_warmed_too(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp]
) -> None:
    assert make_warm_up(make_arc()).run(20).requests > 10


def test_a_venue_without_made_frames_is_warmed_with_others(
    make_arc: MakeArc, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.delitem(_makers(), "coinbase_advanced")
    arc = make_arc(*ADVANCED, is_trading=True)
    warm_up(arc.config, arc.strategies).close()
    assert "; no made frames of coinbase_advanced" in caplog.text


def _makers() -> dict[str, Any]:
    from engine.warm import warm_up_frames

    return warm_up_frames._MAKERS


def test_frames_that_are_refused_are_a_defect(
    make_arc: MakeArc, make_warm_up: Callable[[Arc], WarmUp], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = _makers()["coinbase_exchange"]
    monkeypatch.setattr(maker, "_trade", lambda *_: b"{")
    with pytest.raises(UsageError, match="own frames of coinbase_exchange were refused"):
        make_warm_up(make_arc(is_trading=True)).run(5)
