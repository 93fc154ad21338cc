"""An order side that speaks to Binance, without sockets: requests as parsed JSON, answers in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from ext.codecs.binance_order import BinanceOrderEncoder
from ext.codecs.binance_report import BinanceReportDecoder
from ext.order_sender import CapturingSender
from ext.ws_order_listener import WsOrderListener
from ext.ws_sender import WsSender

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

INSTRUMENTS = (("BTCUSDT", "0.01", "0.00001"), ("ETHBTC", "0.00001", "0.0001"))
TIME_MS = 1_767_623_400_123


def split_json(data: bytes) -> list[dict[str, Any]]:
    """Messages of one encoder, one behind the other."""
    return [orjson.loads(text) for text in data.replace(b'}}{"id"', b'}}\n{"id"').splitlines()]


class BinanceRig:
    """Pipeline, encoder, decoder and listener of one session, and a venue to be played."""

    def __init__(self, make_order_rig: Callable[..., "OrderRig"], **options: Any) -> None:
        self.sender = CapturingSender()
        self.rig = make_order_rig(
            instruments=INSTRUMENTS,
            make_encoder=BinanceOrderEncoder,
            sender=self.sender,
            **options,
        )
        self.decoder = BinanceReportDecoder(self.rig.table, self.rig.order_table)
        self.messages: list[tuple[bytes, int]] = []
        self.bad_reports: list[bytes] = []
        self.notices: list[int] = []
        self.listener = WsOrderListener(
            self.rig.pipeline,
            self.decoder,
            WsSender(),
            lambda transport: None,
            lambda transport: None,
            lambda payload, status: self.messages.append((payload, status)),
            self.bad_reports.append,
            self.notices.append,
        )
        self._trade_id = 0

    # Our side.

    def submit(self, *intents: dict[str, int]) -> list[dict[str, Any]]:
        """The strategy wants these in one call; the requests that were sent for it."""
        self.rig.now_ns += 1
        self.rig.scripts[0].waiting.extend(intents)
        self.rig.pipeline.call_timers(self.rig.now_ns)
        return split_json(self.sender.take())

    def request(self, intent: dict[str, int]) -> int:
        """Sends one that the gate must accept; its request number."""
        (message,) = self.submit(intent)
        return self.rig.order_table.request_number(message["id"])

    def place(self, side: int, price_ticks: int, lots: int, **terms: int) -> int:
        """Sends a new order; its number."""
        return self.request(self.rig.new(side, price_ticks, lots, **terms))

    # The venue's side.

    def name(self, number: int) -> str:
        """Client order id of a request."""
        return self.rig.order_table.client_order_id(number)

    def receive(self, message: dict[str, Any]) -> None:
        """The venue sends a message."""
        self.listener.receive(orjson.dumps(message))

    def answer(self, number: int, status: int = 200, **error: Any) -> None:
        """An answer to a request; ``error`` holds code, msg and data."""
        body = {"error": error} if error else {"result": {"orderId": 7}}
        self.receive({"id": self.name(number), "status": status, **body, "rateLimits": []})

    def event(self, number: int, kind: str, state: str, **changes: Any) -> None:
        """An execution report of a request; keys as the venue's."""
        self.receive({"subscriptionId": 0, "event": self.fields(number, kind, state, **changes)})

    def fields(self, number: int, kind: str, state: str, **changes: Any) -> dict[str, Any]:
        """The fields of an execution report; price 500.00, quantity 0.00100, nothing filled."""
        return {
            "e": "executionReport",
            "E": TIME_MS + 1,
            "s": "BTCUSDT",
            "c": self.name(number),
            "S": "BUY",
            "o": "LIMIT",
            "f": "GTC",
            "q": "0.00100000",
            "p": "500.00000000",
            "P": "0.00000000",
            "F": "0.00000000",
            "g": -1,
            "C": "",
            "x": kind,
            "X": state,
            "r": "NONE",
            "i": 12_569_099_453,
            "l": "0.00000000",
            "z": "0.00000000",
            "L": "0.00000000",
            "n": "0",
            "N": None,
            "T": TIME_MS,
            "t": -1,
            "I": 8_641_984,
            "w": True,
            "m": False,
            "M": False,
            "O": TIME_MS,
            "Z": "0.00000000",
            "Y": "0.00000000",
            "Q": "0.00000000",
            "W": TIME_MS,
            "V": "NONE",
            **changes,
        }

    def fill(self, number: int, lots: int, cumulative: int, state: str, **changes: Any) -> None:
        """A trade of an order at its price, in lots of 0.00001."""
        self._trade_id += 1
        filled = {"l": f"{lots / 100_000:.8f}", "z": f"{cumulative / 100_000:.8f}"}
        trade = {"L": "500.00000000", "t": self._trade_id, "n": "0.00050000", "N": "USDT"}
        self.event(number, "TRADE", state, **{**filled, **trade, **changes})
