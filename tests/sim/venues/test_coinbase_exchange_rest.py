"""The REST desk: every path, refusal and page, against the matching engine that FIX works on."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from sim.credentials import Credentials
from sim.fix_store import FixStore
from sim.fix_text import FixMessage
from sim.ids import IdSource
from sim.ledger import Ledger
from sim.orders import PUBLIC_OWNER, Order, Side
from sim.rest_text import RestAnswer, RestRequest
from sim.venues.coinbase_exchange_orders import OrderDesk
from sim.venues.coinbase_exchange_reports import Fees
from sim.venues.coinbase_exchange_rest import OPEN_ORDERS_MAX, RestDesk
from tests.sim.one_book import NOW_NS, OneBook

WALL_S = 1_789_299_703
SECRET = bytes(range(64))
FEES = Fees(Decimal("0.001"), Decimal("0.002"))
LIMIT = {
    "product_id": "BTC-USD", "side": "buy", "type": "limit", "price": "100.00", "size": "0.01",
}  # fmt: skip


class Client:
    """Signs requests by itself; time stands unless a test moves it."""

    def __init__(self, balance: Decimal = Decimal(1_000_000)) -> None:
        self.market = OneBook()
        self.ledger = Ledger()
        ids, store = IdSource("test"), FixStore()
        self.desk = OrderDesk(self.market, store, ids, FEES, self.ledger, lambda: NOW_NS, balance)
        self.rest = RestDesk(self.desk, self.market, Credentials(), FEES)
        self.reports: list[dict[int, str]] = []
        self.now_ns = 1_000_000_000
        self.is_paced = True

    def send(self, message_type: str, body: list[tuple[int, str]], **_: bool) -> None:
        """What the desk calls of a FIX session."""
        self.reports.append({35: message_type, **dict(body)})

    def log_on(self, *fields: tuple[int, str]) -> None:
        """A FIX session of the same profile."""
        self.desk.logged_on(self, FixMessage(((35, "A"), *fields)))  # type: ignore[arg-type]

    def fix_order(self, client_id: str, price: str = "100.00", quantity: str = "0.01") -> None:
        """A limit order to buy, over FIX."""
        fields = ((35, "D"), (34, "7"), (11, client_id), (55, "BTC-USD"), (54, "1"),
                  (38, quantity), (40, "2"), (44, price), (59, "1"))  # fmt: skip
        self.desk.receive(self, FixMessage(fields))  # type: ignore[arg-type]

    def public_order(self, side: Side, price_ticks: int, quantity_lots: int) -> None:
        """Somebody else's."""
        events = self.market.engine.submit(
            Order(str(uuid.uuid4()), PUBLIC_OWNER, "BTC-USD", side, price_ticks, quantity_lots)
        )
        self.desk.publish(events)

    def ask(self, method: str, target: str, body: Any = None, **changes: Any) -> RestAnswer:
        """One signed request; ``changes`` replace headers, None takes one away."""
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        if self.is_paced:
            self.now_ns += 1_000_000_000
        timestamp = str(changes.pop("timestamp", WALL_S))
        text = timestamp.encode() + method.encode() + target.encode() + data
        headers = {
            "cb-access-key": "demo-key",
            "cb-access-sign": base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode(),
            "cb-access-timestamp": timestamp,
            "cb-access-passphrase": "demo-passphrase",
        }
        for name, value in changes.items():
            if value is None:
                del headers[name.replace("_", "-")]
            else:
                headers[name.replace("_", "-")] = value
        request = RestRequest(method, target, headers, data)
        return self.rest.handle(request, self.now_ns, WALL_S * 1_000_000_000)

    def get(self, target: str) -> Any:
        """The content of a good answer."""
        answer = self.ask("GET", target)
        assert answer.status == 200, answer.content
        return orjson.loads(answer.body)

    def place(self, **changes: Any) -> Any:
        """A placed order."""
        answer = self.ask("POST", "/orders", {**LIMIT, **changes})
        assert answer.status == 200, answer.content
        return orjson.loads(answer.body)


@pytest.fixture
def client() -> Client:
    """A profile with a million of each currency and an empty book."""
    return Client()


def test_an_order_is_pending_then_open_then_done(client: Client) -> None:
    client_oid = str(uuid.uuid4())
    placed = client.place(client_oid=client_oid, price="100.1", size="0.02")
    assert placed["status"] == "pending"
    assert placed["filled_size"] == "0.00000000"
    shown = client.get(f"/orders/{placed['id']}")
    assert (shown["status"], shown["price"], shown["size"]) == ("open", "100.10", "0.02000000")
    assert (shown["side"], shown["time_in_force"], shown["settled"]) == ("buy", "GTC", False)
    client.public_order(Side.SELL, 10_010, 2_000_000)
    done = client.get(f"/orders/client:{client_oid}")
    assert (done["status"], done["done_reason"]) == ("done", "filled")
    assert Decimal(done["executed_value"]) == Decimal("2.002")
    assert Decimal(done["fill_fees"]) == Decimal("0.002002")


def test_a_post_only_order_that_would_take_is_rejected(client: Client) -> None:
    client.public_order(Side.SELL, 10_000, 1_000_000)
    placed = client.place(post_only=True)
    shown = client.get(f"/orders/{placed['id']}")
    assert (shown["status"], shown["reject_reason"]) == ("rejected", "post only")
    assert "done_reason" not in shown


def test_what_was_cancelled_without_a_fill_is_forgotten(client: Client) -> None:
    placed = client.place()
    answer = client.ask("DELETE", f"/orders/{placed['id']}?product_id=BTC-USD")
    assert (answer.status, answer.content) == (200, placed["id"])
    assert client.ask("GET", f"/orders/{placed['id']}").status == 404
    assert client.ask("DELETE", f"/orders/{placed['id']}").content == {"message": "order not found"}


def test_a_filled_order_cannot_be_cancelled(client: Client) -> None:
    client.public_order(Side.SELL, 10_000, 1_000_000)
    placed = client.place(client_oid=str(uuid.uuid4()))
    answer = client.ask("DELETE", f"/orders/client:{placed['client_oid']}")
    assert (answer.status, answer.content) == (400, {"message": "Order already done"})


def test_cancel_all_of_a_product(client: Client) -> None:
    ids = [client.place(price=f"{100 + number}.00")["id"] for number in range(3)]
    assert client.ask("DELETE", "/orders?product_id=ETH-USD").content == []
    assert client.ask("DELETE", "/orders?product_id=BTC-USD").content == ids
    assert client.get("/orders") == []


def test_statuses_filter_the_list(client: Client) -> None:
    client.public_order(Side.SELL, 10_000, 500_000)
    filled = client.place(size="0.005")["id"]
    living = client.place()["id"]
    asking = client.place(price="200.00", side="sell", post_only=True)["id"]
    crossing = client.place(price="250.00", post_only=True)["id"]
    assert [each["id"] for each in client.get("/orders")] == [asking, living]
    by_status = {
        name: [each["id"] for each in client.get(f"/orders?status={name}")]
        for name in ("open", "done", "rejected", "all")
    }
    assert by_status["done"] == [filled]
    assert by_status["rejected"] == [crossing]
    assert by_status["open"] == [asking, living]
    assert by_status["all"] == [crossing, asking, living, filled]
    both = client.get("/orders?status=done&status=rejected")
    assert [each["id"] for each in both] == [crossing, filled]


def pages(client: Client, target: str) -> list[list[Any]]:
    """Every page from the newest on, by CB-AFTER."""
    found: list[list[Any]] = []
    cursor = ""
    while True:
        answer = client.ask("GET", target + cursor)
        content = orjson.loads(answer.body)
        if not content:
            assert not answer.headers
            return found
        found.append(content)
        cursor = f"&after={answer.headers['CB-AFTER']}"


def test_pages_of_orders_and_fills(client: Client) -> None:
    ids = [client.place(size="0.001", price=f"{200 - n}.00")["id"] for n in range(7)]
    listed = pages(client, "/orders?limit=3")
    assert [len(page) for page in listed] == [3, 3, 1]
    assert [each["id"] for page in listed for each in page] == ids[::-1]
    client.public_order(Side.SELL, 100, 700_000)
    trades = [each["trade_id"] for page in pages(client, "/fills?product_id=BTC-USD&limit=2")
              for each in page]  # fmt: skip
    assert trades == [7, 6, 5, 4, 3, 2, 1]
    newer = client.ask("GET", "/fills?product_id=BTC-USD&before=5")
    assert [each["trade_id"] for each in newer.content] == [7, 6]
    assert newer.headers == {"CB-BEFORE": "7", "CB-AFTER": "6"}
    one = client.get(f"/fills?order_id={ids[0]}")
    assert [(each["trade_id"], each["price"], each["liquidity"]) for each in one] == [
        (1, "200.00", "M")
    ]


def test_accounts_follow_fills_and_holds(client: Client) -> None:
    client.public_order(Side.SELL, 10_000, 1_000_000)
    client.place(size="0.03")
    accounts = {each["currency"]: each for each in client.get("/accounts")}
    assert Decimal(accounts["BTC"]["balance"]) == Decimal("1000000.01")
    assert Decimal(accounts["USD"]["balance"]) == Decimal("999998.998")  # 1 and its taker fee
    assert Decimal(accounts["USD"]["hold"]) == Decimal("2.004")
    assert Decimal(accounts["USD"]["available"]) == Decimal("999996.994")


def test_an_order_beyond_the_funds_is_refused() -> None:
    client = Client(balance=Decimal("1.5"))
    client.place()
    answer = client.ask("POST", "/orders", LIMIT)
    assert (answer.status, answer.content) == (400, {"message": "Insufficient funds"})
    answer = client.ask("POST", "/orders", {**LIMIT, "side": "sell", "size": "1.51"})
    assert answer.status == 400
    client.place(side="sell", size="1.5", price="101.00")
    client.log_on()
    client.fix_order(str(uuid.uuid4()))
    assert (client.reports[-1][150], client.reports[-1][58]) == ("8", "Insufficient funds")


def test_public_paths_need_no_key(client: Client) -> None:
    request = RestRequest("GET", "/time", {})
    answer = client.rest.handle(request, 1, WALL_S * 1_000_000_000 + 123_000_000)
    assert answer.content["epoch"] == WALL_S + 0.123
    (product,) = client.rest.handle(RestRequest("GET", "/products", {}), 2, 0).content
    assert (product["id"], product["quote_increment"]) == ("BTC-USD", "0.01")
    assert product["base_increment"] == "0.00000001"
    assert client.get("/fees")["taker_fee_rate"] == "0.0020"


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"cb_access_key": None}, 401, "CB-ACCESS-KEY header is required"),
        ({"cb_access_sign": None}, 401, "CB-ACCESS-SIGN header is required"),
        ({"cb_access_key": "other"}, 401, "Invalid API Key"),
        ({"cb_access_passphrase": "other"}, 401, "Invalid Passphrase"),
        ({"cb_access_sign": "AAAA"}, 401, "invalid signature"),
        ({"timestamp": WALL_S - 31}, 400, "request timestamp expired"),
        ({"timestamp": f"{WALL_S + 30}.001"}, 400, "request timestamp expired"),
        ({"timestamp": "now"}, 400, "invalid timestamp"),
    ],
)
def test_access_is_checked(
    client: Client, changes: dict[str, Any], status: int, message: str
) -> None:
    answer = client.ask("GET", "/orders?status=open", **changes)
    assert (answer.status, answer.content) == (status, {"message": message})


def test_a_timestamp_within_thirty_seconds_passes(client: Client) -> None:
    assert client.ask("GET", "/accounts", timestamp=f"{WALL_S - 30}.000").status == 200


def test_the_signature_covers_query_and_body(client: Client) -> None:
    signed = client.ask("GET", "/orders")
    assert signed.status == 200
    text = f"{WALL_S}GET/orders".encode()
    signature = base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    assert client.ask("GET", "/orders?status=done", cb_access_sign=signature).status == 401


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": "100.001"}, "price is too accurate. Smallest unit is 0.01"),
        ({"size": "0.000000001"}, "size is too accurate. Smallest unit is 0.00000001"),
        ({"size": "0"}, "size is too small. Minimum size is 0.00000001"),
        ({"price": 100}, "price is required"),
        ({"price": "-1"}, "Invalid price"),
        ({"side": "long"}, "Invalid side: use buy or sell"),
        ({"time_in_force": "DAY"}, "Invalid time_in_force: use GTC or IOC or FOK"),
        ({"client_oid": "one"}, "Invalid client_oid: use a UUID"),
        ({"stop": "loss"}, "stop is not supported by this venue"),
        ({"post_only": "yes"}, "post_only must be true or false"),
    ],
)
def test_bad_orders_are_refused(client: Client, changes: dict[str, Any], message: str) -> None:
    answer = client.ask("POST", "/orders", {**LIMIT, **changes})
    assert (answer.status, answer.content) == (400, {"message": message})
    assert client.ledger.orders == 0


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", b"[]", 400),
        ("POST", "/orders", {**LIMIT, "product_id": "XYZ-USD"}, 404),
        ("GET", "/fills", None, 400),
        ("GET", "/orders?limit=1001", None, 400),
        ("GET", "/orders?limit=0", None, 400),
        ("GET", "/orders?after=x", None, 400),
        ("GET", "/nothing", None, 404),
        ("PUT", "/orders", None, 404),
        ("GET", f"/orders/{uuid.uuid4()}", None, 404),
        ("GET", "/orders/client:", None, 404),
    ],
)
def test_bad_requests_are_refused(
    client: Client, method: str, target: str, body: Any, status: int
) -> None:
    answer = client.ask(method, target, body)
    assert answer.status == status
    assert set(answer.content) == {"message"}


def test_a_client_id_is_unique_among_open_orders(client: Client) -> None:
    client_oid = str(uuid.uuid4())
    first = client.place(client_oid=client_oid)
    assert client.ask("POST", "/orders", {**LIMIT, "client_oid": client_oid}).status == 400
    client.ask("DELETE", f"/orders/{first['id']}")
    client.place(client_oid=client_oid)


def test_open_orders_of_a_product_are_limited(client: Client) -> None:
    for _ in range(OPEN_ORDERS_MAX):
        client.place(size="0.00000001")
    answer = client.ask("POST", "/orders", LIMIT)
    assert (answer.status, answer.content["message"]) == (400, "maximum of 500 open orders reached")


def status_counts(ask: Callable[[], RestAnswer]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for _ in range(35):
        status = ask().status
        counts[status] = counts.get(status, 0) + 1
    return counts


def test_rates_are_limited(client: Client) -> None:
    client.is_paced = False
    assert status_counts(lambda: client.ask("GET", "/accounts")) == {200: 30, 429: 5}
    fills = "/fills?product_id=BTC-USD"
    assert status_counts(lambda: client.ask("GET", fills)) == {200: 20, 429: 15}
    assert status_counts(lambda: client.ask("GET", "/time")) == {200: 15, 429: 20}
    assert client.ask("GET", "/time").content == {"message": "Public rate limit exceeded"}


def test_fix_and_rest_see_each_other(client: Client) -> None:
    client.log_on()
    by_fix = str(uuid.uuid4())
    client.fix_order(by_fix)
    (listed,) = client.get("/orders")
    assert (listed["client_oid"], listed["status"]) == (by_fix, "open")
    assert client.ask("DELETE", f"/orders/client:{by_fix}").status == 200
    assert [report[150] for report in client.reports] == ["0", "4"]  # the session's own order

    by_rest = client.place(client_oid=str(uuid.uuid4()))
    client.public_order(Side.SELL, 10_000, 400_000)
    assert len(client.reports) == 2  # a session hears of its own orders alone
    question = FixMessage(((35, "H"), (34, "8"), (37, by_rest["id"])))
    client.desk.receive(client, question)  # type: ignore[arg-type]
    assert (client.reports[-1][150], client.reports[-1][14]) == ("I", "0.00400000")


def test_a_drop_copy_tells_of_rest_orders(client: Client) -> None:
    client.log_on((9406, "Y"))
    client.place()
    assert client.reports[-1][150] == "0"


@pytest.mark.parametrize(("rule", "left"), [("S", 1), ("Y", 0)])
def test_cancel_on_disconnect_leaves_rest_orders_of_other_sessions(
    client: Client, rule: str, left: int
) -> None:
    client.log_on((8013, rule))
    client.fix_order(str(uuid.uuid4()))
    client.place()
    client.desk.disconnected(client)  # type: ignore[arg-type]
    assert len(client.desk.profile.open_orders()) == left
