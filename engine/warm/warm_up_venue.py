"""The other side of the warm-up: takes the orders off a socket that leads nowhere, and answers.

A TCP connection on loopback whose two ends are both in this process stands for that to the venue:
what is sent is read here and dropped, and the kernel's way is nearly the real one. The answers are
made from the private order table, not from the bytes.
"""

import socket
from typing import Any

from engine.instruments import Instrument
from ext.codecs.fix_report import FixReportDecoder
from ext.fix_listener import FixListener
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.session_store import SessionStore
from ext.tcp_sender import TcpSender
from ext.wire import OrderState, Side

LOOPBACK = "127.0.0.1"
CONNECT_TIMEOUT_S = 1.0
READ_BYTES = 65_536
SENDING_TIME = "20260105-14:30:00.000"
SOH = "\x01"

Fields = dict[int, object]


class WarmUpVenue:
    """Acknowledges new orders, fills every second one, and does what requests ask for."""

    def __init__(
        self,
        sender: TcpSender,
        store: SessionStore,
        orders: OrderTable,
        instruments: tuple[Instrument, ...],
        comp_ids: tuple[str, str],
    ) -> None:
        """``comp_ids`` are ours and the venue's, as the encoder writes them."""
        self._ours, self._venue = connect_to_ourselves()
        sender.attach(self._ours.fileno())
        self._sender = sender
        self._store = store
        self._orders = orders
        self._instruments = instruments
        self._comp_ids = comp_ids
        self._listener: FixListener | None = None
        self._execution_id = 0
        self.messages = 0  # requests that arrived here

    def connect(self, pipeline: Pipeline, decoder: FixReportDecoder) -> None:
        """Reads reports into ``pipeline`` as the order session does."""
        self._listener = FixListener(
            self._store, pipeline, decoder, lambda _: None, lambda reason, skipped: None
        )

    def answer(self) -> None:
        """Reads what was sent, and reports on every open order that waits for a word."""
        self._drop_requests()
        for order in self._orders.open_orders():
            for fields in self._reports(order):
                self._send(fields)

    def expire(self, first: int, last: int) -> None:
        """Reads what was sent, and ends the orders of the request numbers ``first`` to ``last``.

        Unlike ``answer`` it does not walk the order table, which would empty the caches.
        """
        self._drop_requests()
        for number in range(first, last + 1):
            self._send(self._fields(number, "C", "C"))

    def close(self) -> None:
        """Both ends of the connection."""
        self._sender.detach()
        self._ours.close()
        self._venue.close()

    def _send(self, fields: Fields) -> None:
        self._venue.send(self._encode(fields))
        if self._listener is not None:
            self._listener.read(self._ours.fileno())

    def _drop_requests(self) -> None:
        try:
            while data := self._venue.recv(READ_BYTES):
                self.messages += data.count(b"\x0110=")
        except BlockingIOError:
            return

    def _reports(self, order: dict[str, Any]) -> list[Fields]:
        match order["state"]:
            case OrderState.PENDING_NEW if order["order_number"] % 2:
                return [self._report(order, "0", "0"), self._fill(order)]
            case OrderState.PENDING_NEW:
                return [self._report(order, "0", "0")]
            case OrderState.PENDING_REPLACE:
                return [self._report(order, "5", "0")]
            case OrderState.PENDING_CANCEL:
                return [self._report(order, "4", "4")]
            case _:
                return []

    def _report(self, order: dict[str, Any], execution: str, status: str) -> Fields:
        number = int(order["request_number"])
        return {
            **self._fields(number, execution, status),
            41: self._orders.client_order_id(int(order["accepted_number"] or number)),
            55: self._instruments[int(order["instrument"])].symbol,
            54: "1" if order["side"] == Side.BUY else "2",
        }

    def _fields(self, number: int, execution: str, status: str) -> Fields:
        self._execution_id += 1
        return {
            37: f"WARM-UP-{number}",
            11: self._orders.client_order_id(number),
            17: f"W{self._execution_id}",
            150: execution,
            39: status,
            55: self._instruments[0].symbol,
            54: "1",
            60: SENDING_TIME,
        }

    def _fill(self, order: dict[str, Any]) -> Fields:
        instrument = self._instruments[int(order["instrument"])]
        return {
            **self._report(order, "F", "2"),
            31: instrument.format_price(int(order["price_ticks"])),
            32: instrument.format_quantity(int(order["leaves_lots"])),
            14: instrument.format_quantity(int(order["quantity_lots"])),
            151: "0",
        }

    def _encode(self, fields: Fields) -> bytes:
        ours, theirs = self._comp_ids
        header = {35: "8", 49: theirs, 56: ours, 34: self._store.next_incoming, 52: SENDING_TIME}
        pairs = {**header, **fields}.items()
        body = "".join(f"{tag}={value}{SOH}" for tag, value in pairs)
        message = f"8=FIXT.1.1{SOH}9={len(body)}{SOH}{body}".encode()
        return message + f"10={sum(message) % 256:03d}{SOH}".encode()


def connect_to_ourselves() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection on loopback, non-blocking; OSError when there is none.

    Another process may be quicker to connect to the port: who is there is compared.
    """
    with socket.create_server((LOOPBACK, 0), backlog=1) as server:
        ours = socket.create_connection(server.getsockname(), CONNECT_TIMEOUT_S)
        server.settimeout(CONNECT_TIMEOUT_S)
        venue, peer = server.accept()
    if peer != ours.getsockname():
        ours.close()
        venue.close()
        raise OSError("somebody else connected to the warm-up's port")
    for end in (ours, venue):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, venue
