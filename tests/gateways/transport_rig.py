"""Both ends of the transport's tests: a scripted FIX acceptor, and a client with its events."""

import asyncio
from collections.abc import Callable

from ext.session_store import SessionStore
from ext.wire import SessionState
from gateways.edges import ListenerFactory, Sender, SystemClock
from gateways.fix_dialect import PlainDialect, SessionRules
from gateways.fix_framer import FixFramer, Garbled
from gateways.fix_message import FixMessage, encode_message, format_time
from gateways.fix_session import FixSession
from gateways.session import SessionEvent, StateChanged
from gateways.transport import Backoff, Connect, OrderTransport, connect_tcp

PATIENCE_S = 10.0
ACTIVE = SessionState.SESSION_ACTIVE
# A session that is ACTIVE for longer than the limit starts over: far above what a test takes.
QUICK = Backoff(first_s=0.001, limit_s=5.0, refused_s=0.003)
SHORT = Backoff(first_s=0.001, limit_s=0.003, refused_s=0.003)


class Acceptor:
    """A venue that answers as told: ``on_logon`` and the rest are replaced by tests."""

    def __init__(self) -> None:
        self.received: list[FixMessage] = []
        self.connections = 0
        self.sequence = 1
        self.is_answering = True
        self.ignored_type = b""
        self.clock_offset_ns = 0
        self.logon_answer: tuple[bytes, list[tuple[int, bytes]]] = (
            b"A",
            [(98, b"0"), (108, b"30")],
        )
        self.writer: asyncio.StreamWriter | None = None
        self.server: asyncio.Server | None = None
        self.ended = asyncio.Event()

    @property
    def port(self) -> int:
        assert self.server is not None
        return int(self.server.sockets[0].getsockname()[1])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writer = writer
        framer = FixFramer()
        try:
            while data := await reader.read(65536):
                for message in framer.receive(data):
                    assert not isinstance(message, Garbled)
                    self.answer(FixMessage(message))
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.ended.set()

    def answer(self, message: FixMessage) -> None:
        self.received.append(message)
        if not self.is_answering or message.message_type == self.ignored_type:
            return
        match message.message_type:
            case b"A":
                self.send(*self.logon_answer)
            case b"1":
                self.send(b"0", [(112, message.get(112) or b"")])
            case b"5":
                self.send(b"5", [])
            case _:
                pass

    def send(self, message_type: bytes, body: list[tuple[int, bytes]]) -> None:
        assert self.writer is not None
        time = format_time(SystemClock().wall_ns() + self.clock_offset_ns)
        number = b"%d" % self.sequence
        header = [(35, message_type), (34, number), (49, b"VENUE"), (52, time), (56, b"US")]
        self.writer.write(encode_message(b"FIX.4.4", header + body))
        self.sequence += 1

    def close(self) -> None:
        assert self.writer is not None
        self.writer.close()

    def types(self) -> list[bytes]:
        return [message.message_type for message in self.received]


class ShiftedClock(SystemClock):
    """The monotonic clock of the host, set forward by tests."""

    offset_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.offset_ns


class Client:
    """A transport that runs, and what it told."""

    def __init__(
        self,
        sender: Sender,
        make_listener: ListenerFactory,
        port: int,
        backoff: Backoff = QUICK,
        connect: Connect = connect_tcp,
    ) -> None:
        rules = SessionRules(begin_string="FIX.4.4", sender="US", target="VENUE")
        self.sender = sender
        self.clock = ShiftedClock()
        self.store = SessionStore(None, "TEST")
        self.session = FixSession(PlainDialect(rules), self.store)
        self.events: list[SessionEvent] = []
        self.changed = asyncio.Event()
        self.on_event: Callable[[SessionEvent], None] = lambda event: None
        self.transport = OrderTransport(
            self.session,
            make_listener,
            sender,
            "127.0.0.1",
            port,
            on_event=self.note,
            backoff=backoff,
            clock=self.clock,
            connect=connect,
        )
        self.task: asyncio.Task[None] | None = None

    def note(self, event: SessionEvent) -> None:
        self.events.append(event)
        self.on_event(event)
        self.changed.set()

    def start(self) -> None:
        self.task = asyncio.create_task(self.transport.run())

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Waits for something that an event brings about."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                self.changed.clear()
                await self.changed.wait()

    async def until_active(self, times: int = 1) -> None:
        await self.until(lambda: self.count_active() >= times)

    def count_active(self) -> int:
        return sum(isinstance(e, StateChanged) and e.new == ACTIVE for e in self.events)

    async def finish(self) -> None:
        assert self.task is not None
        self.transport.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self.task
