"""REST order requests: every byte by an independent reader, the signature by the standard library,
and the simulated venue as the one who has to accept them."""

import asyncio
import base64
import hashlib
import hmac
import re
import time
from typing import Any

import orjson
import pytest

from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.errors import ConfigError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import IntentKind, Side, TimeInForce
from sim.generated import GeneratedMarket
from sim.server import Venue, VenueOptions
from sim.venues.coinbase_exchange_feed import ExchangeFeedSession

SECRET = base64.b64encode(bytes(range(64))).decode()
HOST = "api.exchange.coinbase.com"
SECOND_NS = 1_000_000_000
WALL_NS = 1_789_299_703 * SECOND_NS + 999_999_999
HEAD = re.compile(
    rb"(POST|DELETE) (\S+) HTTP/1\.1\r\n((?:[\w-]+: [!-~ ]+\r\n)+)\r\n(.*)", re.DOTALL
)


class Request:
    """One request as a server reads it."""

    def __init__(self, data: bytes) -> None:
        match = HEAD.fullmatch(data)
        assert match, data
        self.method, self.target, self.body = match[1].decode(), match[2].decode(), match[4]
        lines = match[3].decode().splitlines()
        self.headers = dict(line.split(": ", 1) for line in lines)
        assert len(self.headers) == len(lines), "a header twice"
        assert len(self.body) == int(self.headers.get("Content-Length", 0))

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = orjson.loads(self.body)
        return fields

    def is_signed(self) -> bool:
        """Whether the signature is that of the standard library."""
        text = self.headers["CB-ACCESS-TIMESTAMP"] + self.method + self.target
        signature = hmac.digest(bytes(range(64)), text.encode() + self.body, hashlib.sha256)
        return base64.b64encode(signature).decode() == self.headers["CB-ACCESS-SIGN"]


class Rig:
    def __init__(self, *symbols: str, **options: str) -> None:
        table = InstrumentTable()
        for symbol in symbols or ("BTC-USD",):
            table.add(symbol, "0.01", "0.00000001")
        self.memory = SharedMemory(None, [(each, "", "") for each in symbols or ("BTC-USD",)], [])
        self.orders = OrderTable(self.memory, table, run_seed=bytes(range(8)))
        values = {"host": HOST, "key": "k" * 32, "secret": SECRET, "passphrase": "pass phrase"}
        values["passphrase"] = "passphrase"
        self.encoder = CoinbaseRestOrderEncoder(table, self.orders, **{**values, **options})

    def new(self, **changes: Any) -> Request:
        """An order to buy 0.01 at 60000.10, unless changed."""
        values: dict[str, Any] = {
            "instrument": 0, "side": Side.BUY, "price_ticks": 6_000_010,
            "quantity_lots": 1_000_000, "request_number": 1, "wall_ns": WALL_NS,
        }  # fmt: skip
        values.update(changes)
        return Request(self.encoder.encode_request(IntentKind.NEW_ORDER, **values))

    def cancel(self, number: int, wall_ns: int = WALL_NS, instrument: int = 0) -> Request:
        return Request(
            self.encoder.encode_request(
                IntentKind.CANCEL_ORDER, instrument, Side.BUY, 1, 1, number + 1, wall_ns, number
            )
        )


def test_a_new_order() -> None:
    rig = Rig()
    request = rig.new()
    assert (request.method, request.target) == ("POST", "/orders")
    assert request.headers["Host"] == HOST
    assert request.headers["CB-ACCESS-KEY"] == "k" * 32
    assert request.headers["CB-ACCESS-PASSPHRASE"] == "passphrase"
    assert request.headers["CB-ACCESS-TIMESTAMP"] == "1789299703"
    assert request.headers["Content-Type"] == "application/json"
    assert request.fields == {
        "product_id": "BTC-USD", "type": "limit", "side": "buy", "time_in_force": "GTC",
        "post_only": False, "stp": "cn", "client_oid": rig.orders.client_order_id(1),
        "price": "60000.10", "size": "0.01000000",
    }  # fmt: skip
    assert request.is_signed()


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(
    ("rule", "post_only", "expected"),
    [
        (TimeInForce.GOOD_TILL_CANCEL, False, ("GTC", False)),
        (TimeInForce.GOOD_TILL_CANCEL, True, ("GTC", True)),
        (TimeInForce.IMMEDIATE_OR_CANCEL, False, ("IOC", False)),
        (TimeInForce.FILL_OR_KILL, False, ("FOK", False)),
    ],
)
def test_terms(side: Side, rule: TimeInForce, post_only: bool, expected: tuple[str, bool]) -> None:
    request = Rig().new(side=side, time_in_force=rule, post_only=post_only)
    fields = request.fields
    assert (fields["time_in_force"], fields["post_only"]) == expected
    assert fields["side"] == side.name.lower()
    assert request.is_signed()


def test_a_cancel_names_the_order_and_its_product() -> None:
    rig = Rig("BTC-USD", "ETH-USD")
    request = rig.cancel(7, instrument=1)
    name = rig.orders.client_order_id(7)
    assert (request.method, request.body) == ("DELETE", b"")
    assert request.target == f"/orders/client:{name}?product_id=ETH-USD"
    assert request.is_signed()


def test_a_replace_has_no_message() -> None:
    kind = IntentKind.REPLACE_ORDER
    assert Rig().encoder.encode_request(kind, 0, Side.BUY, 1, 1, 2, WALL_NS, 1) == b""


def test_numbers_of_every_width_over_the_same_template() -> None:
    rig = Rig()
    for price, quantity in ((1, 1), (10**12, 10**15), (99, 123_456_789), (2**62, 2**62), (1, 1)):
        request = rig.new(price_ticks=price, quantity_lots=quantity)
        whole, part = divmod(price, 100)
        assert request.fields["price"] == f"{whole}.{part:02d}"
        whole, part = divmod(quantity, 10**8)
        assert request.fields["size"] == f"{whole}.{part:08d}"
        assert request.is_signed()


def test_seconds_pass_for_each_template_on_its_own() -> None:
    rig = Rig("BTC-USD", "ETH-USD")
    for step in (0, 0, 1, 1, 0, 86_400):
        wall_ns = WALL_NS + step * SECOND_NS
        for instrument in (0, 1):
            for side in (Side.BUY, Side.SELL):
                request = rig.new(instrument=instrument, side=side, wall_ns=wall_ns)
                assert request.headers["CB-ACCESS-TIMESTAMP"] == str(wall_ns // SECOND_NS)
                assert request.is_signed()
            assert rig.cancel(3, wall_ns, instrument).is_signed()


@pytest.mark.parametrize("symbol", ["A", "BTC-USD", "X" * 10, "X" * 17, "X" * 23])
@pytest.mark.parametrize("rule", ["", "cn"])
def test_signatures_wherever_the_blocks_end(symbol: str, rule: str) -> None:
    rig = Rig(symbol, self_trade_rule=rule)
    for number in (1, 2, 2**40):
        request = rig.new(request_number=number)
        assert request.is_signed()
        assert request.fields["client_oid"] == rig.orders.client_order_id(number)
        assert ("stp" in request.fields) == bool(rule)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secret": "no base64!"}, "secret is not base64"),
        ({"secret": ""}, "secret is not base64"),
        ({"self_trade_rule": "xx"}, "self_trade_rule was 'xx'; use dc, co, cn, cb or nothing"),
        ({"key": "a\r\nX: y"}, "the key of a REST request must be 1 to 128 printable"),
        ({"passphrase": ""}, "the passphrase of a REST request"),
        ({"host": "a b"}, "the host of a REST request"),
    ],
)
def test_what_cannot_stand_in_a_request(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Rig(**options)


async def test_the_simulated_venue_takes_them() -> None:
    market = GeneratedMarket(1, ["BTC-USD"])
    options = VenueOptions(needs_orders=False)
    venue = Venue(
        market,
        lambda: ExchangeFeedSession(market.products, market.channels, options.credentials),
        options,
    )
    ready = await venue.start()
    running = asyncio.ensure_future(venue.run())
    port = int(ready["rest_url"].rpartition(":")[2])
    rig = Rig(key="demo-key", passphrase="demo-passphrase", host=f"127.0.0.1:{port}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    now_ns = time.time_ns()
    writer.write(
        rig.encoder.encode_request(IntentKind.NEW_ORDER, 0, Side.BUY, 100, 1_000_000, 1, now_ns)
    )
    writer.write(
        rig.encoder.encode_request(IntentKind.CANCEL_ORDER, 0, Side.BUY, 1, 1, 2, now_ns, 1)
    )
    answers = b""
    async with asyncio.timeout(10):
        while answers.count(b"HTTP/1.1 200 OK") < 2:
            answers += await reader.read(65536)
            assert b"message" not in answers, answers
    writer.close()
    await writer.wait_closed()
    venue.stop()
    await asyncio.wait_for(running, 10)
    assert rig.orders.client_order_id(1).encode() in answers
    assert venue.summary()["orders"] == 1
    assert venue.summary()["open_orders"] == 0
