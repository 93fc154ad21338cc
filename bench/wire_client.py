"""What the Python clients of the wire-to-wire benchmark share: loop, core, feed, busy poll."""

import asyncio
import gc
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import picows
import uvloop

from bench.wire_tls import client_context
from ext.busy_poll import BusyPoller
from ext.pipeline import Pipeline
from tuning.affinity import pin_to_core

SPINS_PER_TURN = 200  # reads of the feed between two turns of the loop: about 50 µs


class ClientArguments(NamedTuple):
    """The command line: how to wait, where to connect, which core (-1: any), where files go."""

    is_busy: bool
    feed_port: int
    order_port: int
    core: int
    directory: Path


def run_client(serve: Callable[[ClientArguments], Awaitable[None]]) -> None:
    """Pins the process and runs ``serve`` on uvloop."""
    mode, feed_port, order_port, core, directory = sys.argv[1:]
    arguments = ClientArguments(
        mode == "busy", int(feed_port), int(order_port), int(core), Path(directory)
    )
    if arguments.core >= 0:
        pin_to_core(arguments.core)
    uvloop.run(_await(serve(arguments)))


async def _await(serving: Awaitable[None]) -> None:
    await serving


async def connect_feed(
    make_listener: Callable[[], picows.WSListener],
    arguments: ClientArguments,
    pipeline: Pipeline | None = None,
) -> picows.WSTransport:
    """The WebSocket to the exchange, busy polled when the arguments ask for it.

    Under TLS that takes the ``pipeline`` that the frames go to.
    """
    tls = client_context()
    scheme = "ws" if tls is None else "wss"
    transport, _ = await picows.ws_connect(
        make_listener, f"{scheme}://127.0.0.1:{arguments.feed_port}/", ssl_context=tls
    )
    underlying = transport.underlying_transport
    raw_socket: socket.socket = underlying.get_extra_info("socket")
    raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if arguments.is_busy:
        poller = BusyPoller(SPINS_PER_TURN)
        if tls is None:
            protocol = cast(asyncio.BufferedProtocol, underlying.get_protocol())
            poller.attach(raw_socket.fileno(), protocol)
        elif pipeline is not None:
            poller.attach_reader(cast(Any, underlying)._read_ready, pipeline)
        _spin(transport, poller)
    return transport


def freeze_memory() -> None:
    """What is there stays; the collector does not run any more, as in the engine."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _spin(transport: picows.WSTransport, poller: BusyPoller) -> None:
    if transport.is_disconnected:
        poller.detach()
        return
    poller.poll()
    asyncio.get_running_loop().call_soon(_spin, transport, poller)
