"""The textbook client of the wire-to-wire benchmark: websockets and json, awaited frame by frame.

    python -m bench.wire_websockets blocking FEED_PORT ORDER_PORT CORE DIRECTORY

Book and order are those of ``bench.wire_python``. It cannot poll: the library owns its socket.
"""

import asyncio
import json
import sys
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.wire_client import ClientArguments, freeze_memory, run_client
from bench.wire_python import PythonClient, drop_reports
from gateways.transport import connect_tcp


async def serve(arguments: ClientArguments) -> None:
    """Says ``connecting`` and serves until the exchange closes."""
    sys.stdout.write("connecting\n")
    sys.stdout.flush()
    orders = await connect_tcp("127.0.0.1", arguments.order_port)
    loop = asyncio.get_running_loop()
    loop.add_reader(orders.fileno(), drop_reports, orders)
    client = PythonClient(orders)
    # Neither side compresses, and the exchange answers no pings.
    url = f"ws://127.0.0.1:{arguments.feed_port}/"
    # It may be stopped for minutes while the others have their turn.
    connecting = connect(
        url, compression=None, max_size=None, ping_interval=None, open_timeout=None
    )
    async with connecting as feed:
        freeze_memory()
        with suppress(ConnectionClosed):  # the exchange ends without a word
            async for message in feed:
                client.receive(json.loads(message))
    loop.remove_reader(orders.fileno())
    orders.close()


if __name__ == "__main__":
    run_client(serve)
