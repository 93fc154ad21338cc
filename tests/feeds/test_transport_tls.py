"""The feed's transport under TLS: who is not believed, and that it leaves nothing behind."""

import asyncio
import gc
import socket
import ssl
from collections.abc import Callable

import picows
import pytest
import uvloop

from feeds.coinbase_exchange import CoinbaseExchangeSession
from feeds.notices import FeedDisconnected, Notice
from feeds.session import MILLISECOND_NS
from feeds.transport import FeedEndpoint, FeedTransport
from tests.certificates import YESTERDAY, client_context, server_context, stranger, thread_serving

PATIENCE_S = 10.0


class Quiet:
    """Stands for the pipeline: no frame ever came."""

    def last_frame_time_ns(self) -> int:
        return 0

    def last_product_time_ns(self, symbol: str) -> int:
        return 0


class Attempts:
    """A transport that connects again and again, and why it could not."""

    def __init__(self, port: int) -> None:
        self.reasons: list[str] = []
        self._changed = asyncio.Event()
        self._transport = FeedTransport(
            CoinbaseExchangeSession(["BTC-USD"], None),
            FeedEndpoint(
                url=f"wss://127.0.0.1:{port}/",
                reconnect_initial_ns=MILLISECOND_NS,
                reconnect_maximum_ns=MILLISECOND_NS,
                ssl_context=client_context(),
            ),
            picows.WSListener,
            activity=Quiet(),
            on_notice=self._note,
        )
        self._run = asyncio.create_task(self._transport.run())

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.reasons) < count:
                self._changed.clear()
                await self._changed.wait()

    async def finish(self) -> None:
        self._transport.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self._run

    def _note(self, notice: Notice) -> None:
        if isinstance(notice, FeedDisconnected):
            self.reasons.append(notice.reason)
            self._changed.set()


async def first_reason(port: int) -> str:
    attempts = Attempts(port)
    await attempts.until(1)
    await attempts.finish()
    return attempts.reasons[0]


@pytest.mark.parametrize(
    ("make_context", "words"),
    [
        (lambda: server_context("other.test"), "IP address mismatch"),
        (lambda: server_context(expires=YESTERDAY), "certificate has expired; look at this host's"),
        (lambda: server_context(issuer=stranger()), "unable to get local issuer certificate; its"),
    ],
    ids=["other name", "expired", "unknown issuer"],
)
async def test_certificate_that_will_not_do(
    make_context: Callable[[], ssl.SSLContext], words: str
) -> None:
    with thread_serving(make_context(), 1) as port:
        reason = await first_reason(port)
    assert reason.startswith("cannot connect: the certificate of 127.0.0.1 is refused: ")
    assert words in reason


async def test_server_that_says_nothing_in_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeds.transport.HANDSHAKE_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reason = await first_reason(listener.getsockname()[1])
    assert reason == (
        "cannot connect: SSL handshake is taking longer than 0.05 seconds: aborting the connection"
    )


async def test_plain_server_is_named_as_one() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        reason = await first_reason(server.sockets[0].getsockname()[1])
    assert "cannot connect: no TLS with 127.0.0.1: it does not speak TLS there" in reason


def test_refused_certificates_leave_nothing_to_collect() -> None:
    async def scenario(port: int) -> int:
        attempts = Attempts(port)
        await attempts.until(3)  # what the first ones cache is not lost
        gc.collect()
        gc.disable()
        try:
            await attempts.until(23)
            return gc.collect()
        finally:
            gc.enable()
            await attempts.finish()

    with (
        thread_serving(server_context("other.test"), 25) as port,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        assert runner.run(scenario(port)) < 20, "less than one a connection is somebody else's"
        for _ in range(2):  # the server waits for them
            with socket.create_connection(("127.0.0.1", port)):
                pass
