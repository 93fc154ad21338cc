"""Against QuickFIX as an independent acceptor, over loopback: logon, resends both ways, logout.

QuickFIX validates every message of ours with its dictionary, once per FIX version.
"""

import asyncio
import importlib.util
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ext.session_store import SessionStore
from ext.wire import SessionState
from gateways.edges import ListenerFactory, Sender, SystemClock
from gateways.fix_dialect import PlainDialect, SessionRules
from gateways.fix_message import Field, FixMessage, format_time
from gateways.fix_session import FixSession
from gateways.session import ApplicationMessage, LoggedOut, SessionEvent, StateChanged
from gateways.transport import Backoff, OrderTransport, connect_tcp

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("quickfix") is None,
    reason="quickfix is not installed: pip install --group peers (compiles for minutes)",
)

PATIENCE_S = 20.0
PEER = Path(__file__).with_name("quickfix_venue.py")
DICTIONARIES = Path(sys.prefix) / "share/quickfix"
ACTIVE = SessionState.SESSION_ACTIVE
SETTINGS = """[DEFAULT]
ConnectionType=acceptor
SocketAcceptHost=127.0.0.1
SocketAcceptPort={port}
SocketReuseAddress=Y
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
{dictionaries}
[SESSION]
BeginString={begin_string}
SenderCompID=VENUE
TargetCompID=US
"""
VERSIONS = {
    "FIX.4.2": (None, f"DataDictionary={DICTIONARIES}/FIX42.xml"),
    "FIX.4.4": (None, f"DataDictionary={DICTIONARIES}/FIX44.xml"),
    "FIXT.1.1": (
        "9",
        f"TransportDataDictionary={DICTIONARIES}/FIXT11.xml\n"
        f"AppDataDictionary={DICTIONARIES}/FIX50SP2.xml\nDefaultApplVerID=FIX.5.0SP2",
    ),
}


class Venue:
    """The acceptor's process: what it told so far, and its commands."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self.told: list[list[str]] = []
        self._process = process

    async def until(self, is_true: Callable[[], bool]) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                line = await self._process.stdout.readline()
                assert line, f"the acceptor ended after {self.told}"
                self.told.append(line.decode().split(maxsplit=3))

    def report(self, execution_id: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"report {execution_id}\n".encode())

    def words(self, kind: str) -> list[list[str]]:
        return [words[1:] for words in self.told if words[0] == kind]


@pytest.fixture(params=sorted(VERSIONS))
def begin_string(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def venue(begin_string: str, tmp_path: Path) -> AsyncIterator[Venue]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    path = tmp_path / "acceptor.cfg"
    dictionaries = VERSIONS[begin_string][1]
    text = SETTINGS.format(port=port, begin_string=begin_string, dictionaries=dictionaries)
    path.write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PEER),
        str(path),
        begin_string,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Venue(process, port)
    process.kill()
    await process.communicate()


class Client:
    """Our side: a transport, its events and waits for them."""

    def __init__(
        self,
        begin_string: str,
        port: int,
        sender: Sender,
        make_listener: ListenerFactory,
    ) -> None:
        rules = SessionRules(
            begin_string=begin_string,
            sender="US",
            target="VENUE",
            application_version=VERSIONS[begin_string][0],
            is_answer_version_required=begin_string == "FIXT.1.1",
        )
        self.begin_string = begin_string
        self.store = SessionStore(None, "TEST")
        self.session = FixSession(PlainDialect(rules), self.store)
        self.events: list[SessionEvent] = []
        self.changed = asyncio.Event()
        self.may_connect = asyncio.Event()
        self.connection: socket.socket | None = None
        self.transport = OrderTransport(
            self.session,
            make_listener,
            sender,
            "127.0.0.1",
            port,
            on_event=self.note,
            backoff=Backoff(first_s=0.05, limit_s=0.05, refused_s=0.05),
            connect=self.connect,
        )

    async def connect(self, host: str, port: int) -> socket.socket:
        await self.may_connect.wait()
        self.connection = await connect_tcp(host, port)
        return self.connection

    def note(self, event: SessionEvent) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                self.changed.clear()
                await self.changed.wait()

    async def until_active(self, times: int) -> None:
        def is_reached() -> bool:
            entered = [e for e in self.events if isinstance(e, StateChanged) and e.new == ACTIVE]
            return self.session.state == ACTIVE and len(entered) >= times

        await self.until(is_reached)

    def executions(self) -> list[tuple[str, bool]]:
        """ExecID and PossDupFlag of what came out."""
        raw = [e.message for e in self.events if isinstance(e, ApplicationMessage)]
        return [(m.text(17), m.is_set(43)) for m in map(FixMessage, raw)]

    def order_fields(self, client_order_id: str) -> list[Field]:
        fields = [(11, client_order_id.encode()), (55, b"BTC-USD"), (54, b"1"), (38, b"1")]
        fields += [(60, format_time(SystemClock().wall_ns())), (40, b"2"), (44, b"9.5")]
        return fields if self.begin_string != "FIX.4.2" else [*fields, (21, b"1")]

    def order(self, client_order_id: str) -> int:
        return self.transport.send_application("D", self.order_fields(client_order_id))

    def lose_order(self, client_order_id: str) -> int:
        """An order that takes its number and is kept, but never reaches the socket."""
        fields = self.order_fields(client_order_id)
        number = self.session.send_application("D", fields, SystemClock().monotonic_ns())
        assert len(self.session.bytes_to_send()) == 1
        return number

    def cut(self) -> None:
        assert self.connection is not None
        self.connection.shutdown(socket.SHUT_RDWR)


async def test_logon_resends_in_both_directions_and_logout(
    begin_string: str,
    venue: Venue,
    edges: tuple[Sender, ListenerFactory],
) -> None:
    client = Client(begin_string, venue.port, *edges)
    client.may_connect.set()
    task = asyncio.create_task(client.transport.run())
    try:
        await client.until_active(1)
        client.order("order-1")
        await venue.until(lambda: len(venue.words("order")) == 1)
        venue.report("E1")
        await client.until(lambda: client.executions() == [("E1", False)])

        # The venue goes on while we are away: its reports come back as a resend, in order.
        client.may_connect.clear()
        client.cut()
        await venue.until(lambda: len(venue.words("logout")) == 1)
        venue.report("E2")
        venue.report("E3")
        await venue.until(lambda: len(venue.words("reported")) == 3)
        client.may_connect.set()
        await client.until_active(2)
        venue.report("E4")
        resent = [("E2", True), ("E3", True), ("E4", False)]
        await client.until(lambda: client.executions() == [("E1", False), *resent])

        # Messages of ours get lost on the way: the venue asks, gets the order, and a gap fill.
        sent = client.order("order-2")
        lost = client.lose_order("order-3")
        client.store.next_outgoing += 1  # an admin message, which nobody keeps
        assert (lost, client.order("order-4")) == (sent + 1, sent + 3)
        await venue.until(lambda: len(venue.words("order")) == 4)
        assert [words[0] for words in venue.words("order")] == [
            "order-1",
            "order-2",
            "order-3",
            "order-4",
        ]
        assert venue.words("order")[2][1] == "Y"
        assert venue.words("order")[2][2] != "-"

        assert await client.transport.logout(PATIENCE_S)
        assert any(isinstance(e, LoggedOut) for e in client.events)
        await venue.until(lambda: len(venue.words("logout")) == 2)
        assert venue.words("reject") == []
    finally:
        client.transport.stop()
        await task
