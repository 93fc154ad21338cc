"""The REST transport against a server whose answers the test decides, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from ext.errors import ConfigError
from gateways import coinbase_rest as rest
from gateways.rest_request import (
    RestAccessRefused,
    RestClockRefused,
    RestNotFound,
    RestOutcomeUnknown,
    RestRateLimited,
    RestRejected,
    RestUnavailable,
)
from gateways.rest_transport import ATTEMPTS, RestLimits, RestTransport
from tests.certificates import client_context, server_context

CLIENT_OID = "666d0000-0000-4000-8000-000100000001"
SHOWN = {"id": "v-1", "product_id": "BTC-USD", "side": "buy", "status": "open", "size": "1"}
ORDER = rest.NewOrder(
    client_oid=CLIENT_OID, product_id="BTC-USD", side="buy", type="limit", price="1", size="1",
    time_in_force="GTC",
)  # fmt: skip
Answer = tuple[int, object]


class Server:
    """Answers from a list, each ``(status, content)``, ``"cut"`` or ``"hang"``; keeps requests."""

    def __init__(self) -> None:
        self.answers: list[Answer | str] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.connections: set[object] = set()
        self.headers: dict[str, str] = {}
        self.url = ""
        self.released = asyncio.Event()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path, dict(request.headers)))
        self.connections.add(request.transport)
        answer = self.answers.pop(0)
        if answer == "hang":
            await self.released.wait()
            answer = (200, [])
        if answer == "cut" or isinstance(answer, str):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, content = answer
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(status=status, body=body, headers=self.headers)

    def seen(self) -> list[str]:
        """Method and path of each request."""
        return [f"{method} {target}" for method, target, _ in self.requests]


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve((200, []), "cut", ...)``: a server with these answers."""
    made: list[tuple[Server, asyncio.Server, web.Server]] = []

    async def start(*answers: Answer | str, is_under_tls: bool = False) -> Server:
        server = Server()
        server.answers = list(answers)
        http = web.Server(server.answer)
        tls = server_context() if is_under_tls else None
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(http, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        server.url = f"{'https' if is_under_tls else 'http'}://127.0.0.1:{port}"
        made.append((server, listening, http))
        return server

    yield start
    for server, listening, http in made:
        server.released.set()
        listening.close()
        await http.shutdown(0.1)
        await listening.wait_closed()


def connect(url: str, *, timeout_ms: int = 2000) -> RestTransport:
    signer = rest.CoinbaseSigner("key", "c2VjcmV0", "passphrase")
    tls = client_context() if url.startswith("https") else None
    return RestTransport(url, signer, RestLimits(timeout_ms, retry_s=0.001), ssl_context=tls)


@pytest.mark.parametrize("is_under_tls", [False, True])
async def test_requests_share_a_connection(serve: Serve, is_under_tls: bool) -> None:
    server = await serve((200, []), (200, [SHOWN]), is_under_tls=is_under_tls)
    server.headers = {"CB-AFTER": "17"}
    async with connect(server.url) as transport:
        assert (await transport.send(rest.list_accounts())).value == []
        answer = await transport.send(rest.list_orders())
    assert (answer.value[0].id, answer.older_cursor) == ("v-1", "17")
    assert len(server.connections) == 1
    method, target, headers = server.requests[1]
    assert (method, target) == ("GET", rest.list_orders().target)
    assert headers["CB-ACCESS-SIGN"]


@pytest.mark.parametrize("failure", [(503, {"message": "x"}), "cut", (429, {"message": "x"})])
async def test_a_question_is_repeated(serve: Serve, failure: Answer | str) -> None:
    server = await serve(failure, failure, (200, []))
    async with connect(server.url) as transport:
        assert (await transport.send(rest.list_accounts())).value == []
    assert server.seen() == ["GET /accounts"] * ATTEMPTS


async def test_a_question_is_given_up_after_three_attempts(serve: Serve) -> None:
    server = await serve(*[(500, {"message": "broken"})] * 4)
    async with connect(server.url) as transport:
        with pytest.raises(RestUnavailable, match="broken"):
            await transport.send(rest.list_accounts())
    assert len(server.requests) == ATTEMPTS


async def test_an_answer_that_does_not_come_is_waited_for_so_long(serve: Serve) -> None:
    server = await serve("hang", "hang", "hang")
    async with connect(server.url, timeout_ms=50) as transport:
        with pytest.raises(RestUnavailable, match="no answer within 50 ms"):
            await transport.send(rest.list_accounts())


@pytest.mark.parametrize("failure", [(500, {"message": "x"}), "cut", (200, b"{")])
async def test_a_new_order_is_never_repeated(serve: Serve, failure: Answer | str) -> None:
    server = await serve(failure)
    async with connect(server.url) as transport:
        with pytest.raises(RestOutcomeUnknown):
            await transport.send(rest.place_order(ORDER))
    assert server.seen() == ["POST /orders"]


@pytest.mark.parametrize(
    ("status", "error"), [(429, RestRateLimited), (400, RestRejected), (401, RestAccessRefused)]
)
async def test_a_refused_order_is_a_refused_order(
    serve: Serve, status: int, error: type[Exception]
) -> None:
    server = await serve((status, {"message": "no"}))
    async with connect(server.url) as transport:
        with pytest.raises(error):
            await transport.place(rest.place_order(ORDER), CLIENT_OID)
    assert server.seen() == ["POST /orders"]


async def test_a_lost_answer_is_asked_for_by_client_id(serve: Serve) -> None:
    server = await serve("cut", (404, {"message": "NotFound"}), (200, SHOWN))
    async with connect(server.url) as transport:
        order = await transport.place(rest.place_order(ORDER), CLIENT_OID)
    assert order.id == "v-1"
    assert server.seen() == ["POST /orders", *[f"GET /orders/client:{CLIENT_OID}"] * 2]


async def test_an_order_that_nobody_knows_stays_unknown(serve: Serve) -> None:
    server = await serve("cut", *[(404, {"message": "NotFound"})] * 3)
    async with connect(server.url) as transport:
        with pytest.raises(RestOutcomeUnknown):
            await transport.place(rest.place_order(ORDER), CLIENT_OID)
    assert len(server.requests) == 4


async def test_a_refused_clock_is_set_by_the_venues(serve: Serve) -> None:
    expired = (400, {"message": "request timestamp expired"})
    server = await serve(expired, (200, {"iso": "", "epoch": 1_000_000.5}), (200, SHOWN))
    async with connect(server.url) as transport:
        await transport.send(rest.place_order(ORDER))  # a refused POST was not carried out
    assert server.seen() == ["POST /orders", "GET /time", "POST /orders"]
    assert float(server.requests[2][2]["CB-ACCESS-TIMESTAMP"]) == pytest.approx(1_000_000.5, abs=2)


async def test_a_clock_that_is_refused_twice_is_an_error(serve: Serve) -> None:
    expired = (400, {"message": "request timestamp expired"})
    server = await serve(expired, (200, {"epoch": 1.0}), expired)
    async with connect(server.url) as transport:
        with pytest.raises(RestClockRefused):
            await transport.send(rest.list_accounts())


async def test_nobody_listens(serve: Serve) -> None:
    server = await serve()
    port = int(server.url.rpartition(":")[2])
    async with connect(f"http://127.0.0.2:{port}") as transport:
        with pytest.raises(RestUnavailable):
            await transport.send(rest.list_accounts())
        with pytest.raises(RestUnavailable):  # it never left: not unknown
            await transport.send(rest.place_order(ORDER))


async def test_the_rate_is_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    server = await serve(*[(200, [])] * 26)
    async with connect(server.url) as transport:
        monkeypatch.setattr("gateways.rest_transport.asyncio.sleep", sleep)
        for _ in range(26):
            await transport.send(rest.list_accounts())
        monkeypatch.undo()
    assert len(waits) in (1, 2)
    assert 0 < waits[0] < 1 / 12


async def test_a_closed_transport_and_a_bad_address() -> None:
    transport = connect("http://127.0.0.1:1")
    with pytest.raises(RestUnavailable, match="closed"):
        await transport.send(rest.list_accounts())
    with pytest.raises(ConfigError, match="http"):
        connect("127.0.0.1:1")


async def test_a_certificate_that_nobody_vouches_for_is_not_asked_again(serve: Serve) -> None:
    server = await serve(is_under_tls=True)
    signer = rest.CoinbaseSigner("key", "c2VjcmV0", "passphrase")
    async with RestTransport(server.url, signer) as transport:
        with pytest.raises(RestAccessRefused, match=r"certificate of 127\.0\.0\.1 is refused"):
            await transport.send(rest.list_accounts())
    assert server.requests == []


async def test_not_found_is_told_apart(serve: Serve) -> None:
    server = await serve((404, {"message": "NotFound"}))
    async with connect(server.url) as transport:
        with pytest.raises(RestNotFound):
            await transport.send(rest.get_client_order(CLIENT_OID))
