"""The transport against a FIX acceptor on loopback: connect, loss, refusal, logout."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop

from ext.errors import UsageError
from ext.wire import SessionState
from gateways.edges import ListenerFactory, Sender
from gateways.session import (
    ApplicationMessage,
    Disconnected,
    Fatal,
    LoggedOut,
    LogonRefused,
    SessionEvent,
    StateChanged,
)
from gateways.transport import connect_tcp
from tests.gateways.transport_rig import ACTIVE, PATIENCE_S, SHORT, Acceptor, Client

Edges = tuple[Sender, ListenerFactory]
REPORT = [(37, b"V"), (17, b"E1"), (150, b"0"), (39, b"0")]


@pytest.fixture
async def acceptor() -> AsyncIterator[Acceptor]:
    acceptor = Acceptor()
    acceptor.server = await asyncio.start_server(acceptor.serve, "127.0.0.1", 0)
    yield acceptor
    acceptor.server.close()
    await acceptor.server.wait_closed()


@pytest.fixture
async def client(acceptor: Acceptor, edges: Edges) -> AsyncIterator[Client]:
    client = Client(*edges, acceptor.port)
    yield client
    if client.task is not None:
        await client.finish()


async def test_logs_on_proves_both_directions_and_logs_out(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    assert acceptor.types() == [b"A", b"1"]
    assert await client.transport.logout(PATIENCE_S, "done")
    assert acceptor.types() == [b"A", b"1", b"5"]
    assert acceptor.received[-1].text(58) == "done"
    assert client.task is not None
    assert client.task.done()
    assert client.events[-1] == Disconnected("logged out")
    assert acceptor.connections == 1


def test_runs_on_uvloop(edges: Edges) -> None:
    async def scenario() -> None:
        acceptor = Acceptor()
        acceptor.server = await asyncio.start_server(acceptor.serve, "127.0.0.1", 0)
        async with acceptor.server:
            client = Client(*edges, acceptor.port)
            client.start()
            await client.until_active()
            acceptor.close()
            await client.until_active(times=2)
            assert await client.transport.logout(PATIENCE_S)
        assert acceptor.types() == [b"A", b"1", b"A", b"1", b"5"]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_socket_has_no_delay_and_does_not_block(acceptor: Acceptor) -> None:
    connection = await connect_tcp("127.0.0.1", acceptor.port)
    with connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert not connection.getblocking()


@contextmanager
def no_garbage(times: int) -> Iterator[None]:
    """Production runs without the collector: what is left for it each time is lost memory.

    Less than an object each time is somebody else's, such as the loop's or the test runner's.
    """
    gc.collect()
    gc.disable()
    try:
        yield
        assert gc.collect() < times
    finally:
        gc.enable()


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_refused_connects_leave_nothing_to_collect(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])

    async def scenario() -> None:
        await refuse(1)  # what the first one caches is not lost
        with no_garbage(50):
            await refuse(50)

    async def refuse(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ConnectionRefusedError):
                await connect_tcp("127.0.0.1", port)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_transport_that_reconnects_leaves_nothing_to_collect(
    edges: Edges, is_refused: bool
) -> None:
    async def scenario() -> None:
        acceptor = Acceptor()
        acceptor.server = await asyncio.start_server(acceptor.serve, "127.0.0.1", 0)
        client = Client(*edges, acceptor.port, SHORT)
        if is_refused:
            acceptor.server.close()
        client.start()
        await lose_connections(acceptor, client, 2)
        with no_garbage(100):
            await lose_connections(acceptor, client, 100)
        await client.finish()
        acceptor.server.close()

    async def lose_connections(acceptor: Acceptor, client: Client, times: int) -> None:
        for _ in range(times):
            client.events.clear()
            if not is_refused:
                await client.until_active()
                acceptor.close()
            await client.until(lambda: any(isinstance(e, Disconnected) for e in client.events))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_messages_of_the_venue_reach_the_engine(acceptor: Acceptor, client: Client) -> None:
    client.start()
    await client.until_active()
    acceptor.send(b"8", REPORT)
    await client.until(lambda: isinstance(client.events[-1], ApplicationMessage))
    assert client.store.next_incoming == 4


async def test_cold_message_is_sent_at_once_and_refused_when_down(
    acceptor: Acceptor, client: Client
) -> None:
    with pytest.raises(UsageError, match="SESSION_DISCONNECTED"):
        client.transport.send_application("H", [(11, b"x")])
    client.start()
    await client.until_active()
    assert client.transport.send_application("H", [(11, b"x")]) == 3
    acceptor.send(b"8", REPORT)
    await client.until(lambda: isinstance(client.events[-1], ApplicationMessage))
    await client.transport.logout(PATIENCE_S)
    assert acceptor.types() == [b"A", b"1", b"H", b"5"]


async def test_lost_connection_is_made_again_and_numbers_go_on(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    acceptor.close()
    await client.until_active(times=2)
    assert acceptor.connections == 2
    assert [m.sequence for m in acceptor.received] == [1, 2, 3, 4]
    assert Disconnected("the peer closed the connection") in client.events


async def test_2o_late_message_leads_to_a_new_connection(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    acceptor.ignored_type = b"5"
    acceptor.clock_offset_ns = -121 * 10**9
    acceptor.send(b"0", [])
    acceptor.clock_offset_ns = 0
    await client.until_active(times=2)
    assert acceptor.types()[:4] == [b"A", b"1", b"3", b"5"]
    assert not any(isinstance(e, Fatal) for e in client.events)


async def test_2o_clock_that_is_off_is_refused_at_each_logon(
    acceptor: Acceptor, client: Client
) -> None:
    acceptor.ignored_type = b"5"
    acceptor.clock_offset_ns = 121 * 10**9
    client.start()
    await client.until(lambda: sum(isinstance(e, LogonRefused) for e in client.events) >= 3)
    acceptor.clock_offset_ns = 0
    await client.until_active()
    assert not any(isinstance(e, Fatal) for e in client.events)


async def test_half_a_message_is_forgotten_with_its_connection(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    assert acceptor.writer is not None
    acceptor.writer.write(b"8=FIX.4.4\x019=500\x0135=8\x01")
    acceptor.close()
    await client.until_active(times=2)
    assert acceptor.connections == 2


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage().split()[-2] for r in caplog.records if "again in" in r.getMessage()]


async def test_waits_double_until_a_session_has_lasted(
    acceptor: Acceptor, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateways.transport")
    acceptor.logon_answer = (b"5", [(58, b"not open yet")])
    client.start()
    await client.until(lambda: len(waits(caplog)) == 1)
    acceptor.logon_answer = (b"A", [(98, b"0"), (108, b"30")])
    await client.until_active()
    for times in (2, 3):
        acceptor.close()
        await client.until_active(times)
    client.clock.offset_ns += 6 * 10**9  # this one has lasted
    acceptor.close()
    await client.until_active(times=4)
    assert waits(caplog) == ["0.003", "0.002", "0.004", "0.001"]


async def test_refused_connection_is_tried_again_with_growing_waits(
    edges: Edges, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateways.transport")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    client = Client(*edges, port, backoff=SHORT)
    client.start()
    await client.until(lambda: len(waits(caplog)) == 4)
    await client.finish()
    assert waits(caplog)[:4] == ["0.001", "0.002", "0.003", "0.003"]
    texts = {e.text for e in client.events if isinstance(e, Disconnected)}
    assert all(text.startswith(f"cannot connect to 127.0.0.1:{port}: ") for text in texts)


async def test_refusal_that_can_pass_is_tried_again(acceptor: Acceptor, client: Client) -> None:
    acceptor.logon_answer = (b"5", [(58, b"not open yet")])
    client.start()
    await client.until(lambda: sum(isinstance(e, LogonRefused) for e in client.events) >= 2)
    acceptor.logon_answer = (b"A", [(98, b"0"), (108, b"30")])
    await client.until_active()


async def test_refusal_that_cannot_pass_ends_the_run(acceptor: Acceptor, client: Client) -> None:
    acceptor.logon_answer = (b"3", [(45, b"1"), (373, b"8"), (58, b"bad signature")])
    client.start()
    assert client.task is not None
    async with asyncio.timeout(PATIENCE_S):
        await client.task
    assert acceptor.connections == 1
    assert LogonRefused("Reject: bad signature", False) in client.events


async def test_fatal_sends_the_last_words_and_ends_the_run(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    acceptor.sequence = 1
    acceptor.is_answering = False
    acceptor.send(b"0", [])
    assert client.task is not None
    async with asyncio.timeout(PATIENCE_S):
        await client.task
        await acceptor.ended.wait()
    assert any(isinstance(e, Fatal) for e in client.events)
    assert "too low, expecting 3 but received 1" in acceptor.received[-1].text(58)


async def test_logout_without_an_answer_gives_up_after_its_time(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    acceptor.is_answering = False
    assert not await client.transport.logout(0.02)
    assert client.events[-1] == Disconnected("no answer to the Logout in time")


async def test_logout_of_the_venue_leads_to_a_new_connection(
    acceptor: Acceptor, client: Client
) -> None:
    client.start()
    await client.until_active()
    acceptor.is_answering = False
    acceptor.send(b"5", [(58, b"restart")])
    await client.until(lambda: LoggedOut("restart") in client.events)
    acceptor.is_answering = True
    acceptor.close()
    await client.until_active(times=2)


async def test_logout_while_connecting_returns_at_once(
    edges: Edges,
) -> None:
    client = Client(*edges, 1)
    started = asyncio.Event()

    async def never(host: str, port: int) -> socket.socket:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    client.transport._connect = never
    client.start()
    await started.wait()
    async with asyncio.timeout(PATIENCE_S / 2):
        assert not await client.transport.logout(PATIENCE_S)
    assert client.session.state == SessionState.SESSION_DISCONNECTED


async def test_logout_without_a_run_returns_at_once(client: Client) -> None:
    assert not await client.transport.logout(PATIENCE_S)
    assert client.transport.poll() == 0


async def test_cancelled_run_closes_and_tells(acceptor: Acceptor, client: Client) -> None:
    client.start()
    await client.until_active()
    assert client.task is not None
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    assert isinstance(client.events[-1], Disconnected)
    assert not client.store.is_active
    client.task = None


async def test_bytes_the_kernel_did_not_take_are_flushed(
    acceptor: Acceptor, blocked_edges: Edges
) -> None:
    client = Client(*blocked_edges, acceptor.port)
    client.start()
    await client.until_active()
    client.transport.send_application("H", [(11, b"kept")])
    assert client.sender.has_pending
    assert await client.transport.logout(PATIENCE_S)
    assert acceptor.types()[-2:] == [b"H", b"5"]


async def test_last_words_are_flushed_before_the_close(
    acceptor: Acceptor, blocked_edges: Edges
) -> None:
    client = Client(*blocked_edges, acceptor.port)
    client.start()
    await client.until_active()
    acceptor.sequence = 1
    acceptor.is_answering = False
    acceptor.send(b"0", [])
    assert client.task is not None
    async with asyncio.timeout(PATIENCE_S):
        await client.task
        await acceptor.ended.wait()
    assert acceptor.types()[-1] == b"5"


async def test_events_stay_in_order_when_a_handler_sends(
    acceptor: Acceptor, client: Client
) -> None:
    def ask_on_active(event: SessionEvent) -> None:
        if isinstance(event, StateChanged) and event.new == ACTIVE:
            client.transport.send_application("H", [(11, b"x")])

    client.on_event = ask_on_active
    client.start()
    await client.until_active()
    assert await client.transport.logout(PATIENCE_S)
    assert acceptor.types() == [b"A", b"1", b"H", b"5"]
    states = [e.new for e in client.events if isinstance(e, StateChanged)]
    assert states == [
        SessionState.SESSION_CONNECTING,
        SessionState.SESSION_LOGON_SENT,
        SessionState.SESSION_RESYNCING,
        ACTIVE,
        SessionState.SESSION_LOGOUT_SENT,
        SessionState.SESSION_DISCONNECTED,
    ]
