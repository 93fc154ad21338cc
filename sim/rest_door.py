"""The REST side of the venue: a kept-alive HTTP/1.1 server on aiohttp under the desk's answers."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable

from aiohttp import web

from sim.rest_text import RestAnswer, RestRequest

KEEP_ALIVE_S = 75.0
CLOSE_S = 0.5

_log = logging.getLogger("sim.rest")


class RestDoor:
    """The listening socket. ``handle`` answers a request; ``on_activity`` is called afterwards."""

    def __init__(
        self,
        handle: Callable[[RestRequest, int, int], RestAnswer],
        on_activity: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._handle = handle
        self._on_activity = on_activity
        self._tls = tls
        self._http = web.Server(self._answer, access_log=None, keepalive_timeout=KEEP_ALIVE_S)
        self._server: asyncio.Server | None = None

    @property
    def has_connections(self) -> bool:
        """Whether a client is connected, idle or not."""
        return bool(self._http.connections)

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port (0 asks for any free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._http, host, port, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listens no more; what is being answered gets its answer."""
        if self._server is not None:
            self._server.close()
            await self._http.shutdown(CLOSE_S)
            await self._server.wait_closed()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = RestRequest(request.method, request.raw_path, headers, await request.read())
        answer = self._handle(asked, time.monotonic_ns(), time.time_ns())
        self._on_activity()
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers=answer.headers,
            content_type="application/json",
            charset="utf-8",
        )
