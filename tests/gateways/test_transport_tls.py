"""The order transport under TLS: who is believed, who is not, and what is said about it."""

import asyncio
import functools
import gc
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from ext.fix_listener import FixListener
from ext.session_store import SessionStore
from ext.tls_channel import TlsChannel
from gateways.fix_message import encode_message, format_time
from gateways.session import Disconnected
from gateways.transport import connect_tls
from tests.certificates import (
    YESTERDAY,
    Peer,
    client_context,
    server_context,
    stranger,
    thread_serving,
)
from tests.gateways.transport_rig import PATIENCE_S, Acceptor, Client

Runner = Callable[[], asyncio.AbstractEventLoop]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def make_channel() -> TlsChannel:
    return TlsChannel(client_context())


def make_client(port: int) -> Client:
    channel = make_channel()

    def make_listener(
        on_message: Callable[[bytes], None], on_garbled: Callable[[str, bytes], None]
    ) -> FixListener:
        store = SessionStore(None, "TEST")
        return FixListener(store, None, None, on_message, on_garbled, channel=channel)

    connect = functools.partial(connect_tls, channel)
    return Client(channel, make_listener, port, connect=connect)


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[Acceptor]:
    acceptor = Acceptor()
    acceptor.server = await asyncio.start_server(acceptor.serve, "127.0.0.1", 0, ssl=context)
    yield acceptor
    acceptor.server.close()
    await acceptor.server.wait_closed()


@asynccontextmanager
async def raw_serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[int]:
    """A server that speaks no TLS; its port."""
    done = asyncio.Event()

    async def serve_until_done(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serve(reader, writer)
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve_until_done, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    done.set()
    server.close()
    await server.wait_closed()


async def failure_of(client: Client) -> str:
    """Why the first attempt to connect failed."""
    client.start()
    await client.until(lambda: any(isinstance(event, Disconnected) for event in client.events))
    await client.finish()
    return next(event.text for event in client.events if isinstance(event, Disconnected))


@pytest.mark.parametrize("make_loop", LOOPS)
def test_logs_on_comes_back_and_logs_out(make_loop: Runner) -> None:
    async def scenario() -> None:
        async with serving(server_context()) as acceptor:
            client = make_client(acceptor.port)
            client.start()
            await client.until_active()
            acceptor.close()
            await client.until_active(times=2)
            assert await client.transport.logout(PATIENCE_S)
            assert acceptor.types() == [b"A", b"1", b"A", b"1", b"5"]
            assert client.events[-1] == Disconnected("logged out")

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scenario())


@pytest.mark.parametrize(
    ("make_context", "words"),
    [
        (lambda: server_context("other.test"), "IP address mismatch.*; connect by a name that"),
        (lambda: server_context(expires=YESTERDAY), "certificate has expired; look at this host's"),
        (lambda: server_context(issuer=stranger()), "unable to get local issuer.*; its issuer"),
    ],
    ids=["other name", "expired", "unknown issuer"],
)
async def test_certificate_that_will_not_do(
    make_context: Callable[[], ssl.SSLContext], words: str
) -> None:
    async with serving(make_context()) as acceptor:
        text = await failure_of(make_client(acceptor.port))
        where = f"cannot connect to 127.0.0.1:{acceptor.port}: "
        assert re.match(f"{where}the certificate of 127.0.0.1 is refused: .*{words}", text), text
        assert acceptor.received == [], "not a byte of the logon has left"


async def test_plain_server_is_named_as_one() -> None:
    async with raw_serving(lambda reader, writer: writer.write(b"8=FIXT.1.1|9=5|")) as port:
        text = await failure_of(make_client(port))
    assert "no TLS with 127.0.0.1: it does not speak TLS there: is the port right" in text


async def test_server_that_says_nothing_in_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateways.transport.CONNECT_TIMEOUT_S", 0.05)
    async with raw_serving(lambda reader, writer: None) as port:
        text = await failure_of(make_client(port))
    assert text == f"cannot connect to 127.0.0.1:{port}: no answer within 0.05 s"


async def test_server_that_dies_in_the_handshake() -> None:
    async with raw_serving(lambda reader, writer: writer.close()) as port:
        text = await failure_of(make_client(port))
    assert "cannot connect to" in text
    assert "the TLS handshake" in text or "reset by peer" in text


async def test_stop_does_not_wait_for_a_handshake() -> None:
    asked = asyncio.Event()
    async with raw_serving(lambda reader, writer: asked.set()) as port:
        client = make_client(port)
        client.start()
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S / 2):
            await client.finish()


async def test_words_right_behind_the_handshake_are_read_at_once() -> None:
    """In one segment with its end: nothing makes the socket readable after that."""
    logout = [(35, b"5"), (34, b"1"), (49, b"VENUE"), (52, format_time(time.time_ns()))]
    message = encode_message(b"FIX.4.4", [*logout, (56, b"US"), (58, b"closed for today")])
    is_over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            peer = Peer(connection, server_context(maximum=ssl.TLSVersion.TLSv1_2))
            is_last = False
            while not is_last:
                peer.advance()
                is_last = peer.is_established
                peer.send_raw(peer.take() + (peer.record(message) if is_last else b""))
            is_over.wait(PATIENCE_S)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        client = make_client(int(listener.getsockname()[1]))
        client.start()
        async with asyncio.timeout(PATIENCE_S / 2):  # its logon would time out after ten seconds
            await client.until(lambda: "closed for today" in str(client.events))
        is_over.set()
        thread.join()
        await client.finish()


async def test_stream_that_is_changed_on_the_way_ends_the_session() -> None:
    """Behind the handshake somebody writes into the socket what is no TLS."""
    async with serving(server_context()) as acceptor:
        client = make_client(acceptor.port)
        client.start()
        await client.until_active()
        assert acceptor.writer is not None
        raw = acceptor.writer.get_extra_info("socket")
        with socket.socket(fileno=raw.fileno()) as connection:
            connection.send(b"8=FIXT.1.1\x019=5\x0135=5\x0110=000\x01")
            connection.detach()
        await client.until(lambda: any(isinstance(event, Disconnected) for event in client.events))
        text = next(event.text for event in client.events if isinstance(event, Disconnected))
        await client.finish()
    assert "read failed" in text
    assert "WRONG_VERSION_NUMBER" in text


@pytest.mark.parametrize("make_loop", LOOPS)
def test_refused_certificates_leave_nothing_to_collect(make_loop: Runner) -> None:
    """Production runs without the collector."""

    async def scenario(port: int) -> None:
        channel = make_channel()
        await refuse(channel, port, 3)  # what the first ones cache is not lost
        gc.collect()
        gc.disable()
        try:
            await refuse(channel, port, 30)
            assert gc.collect() < 30, "less than an object each time"
        finally:
            gc.enable()

    async def refuse(channel: TlsChannel, port: int, times: int) -> None:
        for _ in range(times):
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect_tls(channel, "127.0.0.1", port)

    with (
        thread_serving(server_context("other.test"), 33) as port,
        asyncio.Runner(loop_factory=make_loop) as runner,
    ):
        runner.run(scenario(port))
