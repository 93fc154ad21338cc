"""The order desk: every order message against a matching engine, reports tag by tag."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from sim.fix_store import FixStore
from sim.fix_text import Fields, FixMessage
from sim.ids import IdSource
from sim.ledger import Ledger
from sim.orders import PUBLIC_OWNER, Order, Side
from sim.venues.coinbase_exchange_fix import RejectMessage
from sim.venues.coinbase_exchange_orders import OrderDesk
from sim.venues.coinbase_exchange_reports import Fees
from tests.sim.one_book import NOW_NS, OneBook


class Client:
    """Stands where the session stands and lists the reports; remembers nothing else."""

    def __init__(self, fees: Fees | None = None) -> None:
        self.market = OneBook()
        self.ledger = Ledger()
        self.store = FixStore()
        ids = IdSource("test")
        self.desk = OrderDesk(
            self.market, self.store, ids, fees or Fees(), self.ledger, lambda: NOW_NS
        )
        self.sent: list[tuple[str, dict[int, str]]] = []
        self.log_on()

    def log_on(self, *fields: tuple[int, str]) -> None:
        """A session with these Logon fields."""
        self.desk.logged_on(self, FixMessage(((35, "A"), *fields)))  # type: ignore[arg-type]

    def send(self, message_type: str, body: Fields, *, is_application: bool) -> None:
        """What the desk calls."""
        assert is_application
        assert len({tag for tag, _ in body}) == len(body), "a tag twice"
        self.sent.append((message_type, dict(body)))

    def request(self, message_type: str, **fields: str | None) -> list[tuple[str, dict[int, str]]]:
        """One message (``t11="..."``); returns what it was answered with."""
        self.sent.clear()
        given = [(35, message_type), (34, "7")]
        given += [(int(tag[1:]), value) for tag, value in fields.items() if value is not None]
        self.desk.receive(self, FixMessage(tuple(given)))  # type: ignore[arg-type]
        return list(self.sent)

    def order(self, **changes: str | None) -> list[tuple[str, dict[int, str]]]:
        """A limit order to buy 0.01 at 100.00 unless changed."""
        fields: dict[str, str | None] = {
            "t11": str(uuid.uuid4()), "t55": "BTC-USD", "t54": "1", "t38": "0.01", "t40": "2",
            "t44": "100.00", "t59": "1",
        }  # fmt: skip
        return self.request("D", **{**fields, **changes})

    def offer(self, price: int, lots: int, side: Side = Side.SELL) -> None:
        """Somebody else's resting order."""
        other = Order(str(uuid.uuid4()), PUBLIC_OWNER, "BTC-USD", side, price, lots)
        self.market.engine.submit(other)


@pytest.fixture
def client() -> Client:
    """A client of an empty market."""
    return Client()


def test_new_order_is_acknowledged_with_the_tags_of_the_venue(client: Client) -> None:
    client_id = str(uuid.uuid4())
    ((kind, report),) = client.order(t11=client_id)
    assert kind == "8"
    assert uuid.UUID(report.pop(37)).version == 4
    assert uuid.UUID(report.pop(17)).version == 4
    assert report == {
        11: client_id, 55: "BTC-USD", 54: "1", 150: "0", 39: "0", 38: "0.01000000",
        14: "0.00000000", 151: "0.01000000", 6: "0", 60: "20260105-14:30:00.000001",
    }  # fmt: skip


def test_taker_fill_carries_trade_and_fee(client: Client) -> None:
    client.offer(10_000, 400_000)
    client.offer(10_002, 600_000)
    (_, first), (_, second) = client.order(t44="100.02")[1:]
    assert (first[150], first[39], first[32], first[31]) == ("F", "1", "0.00400000", "100.00")
    assert (second[39], second[14], second[151]) == ("2", "0.01000000", "0.00000000")
    assert second[6] == "100.012"
    assert (second[1057], second[1003]) == ("Y", "2")
    assert (second[136], second[138], second[139], second[891]) == ("1", "USD", "4", "0")
    assert second[137] == "0.00030006"
    assert first[17] != second[17]
    assert first[37] == second[37]


def test_maker_fill_is_reported_when_somebody_takes(client: Client) -> None:
    client.order()
    client.sent.clear()
    taker = Order("x", PUBLIC_OWNER, "BTC-USD", Side.SELL, 9_900, 400_000)
    client.desk.publish(client.market.engine.submit(taker))
    ((_, report),) = client.sent
    assert (report[150], report[39], report[1057], report[31]) == ("F", "1", "N", "100.00")
    assert report[137] == "0"


def test_fee_rates_are_options() -> None:
    client = Client(Fees(taker_rate=Decimal("0.006")))
    client.offer(10_000, 1_000_000)
    assert client.order()[1][1][137] == "0.006"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"t55": "DOGE-USD"}, "1", "unknown product"),
        ({"t11": "order-1"}, "0", "UUID"),
        ({"t11": "6F9619FF-8B86-4011-B42D-00C04FC964FF"}, "0", "UUID"),
        ({"t11": "6f9619ff-8b86-1011-b42d-00c04fc964ff"}, "0", "UUID"),
        ({"t44": "100.001"}, "0", "price is too accurate"),
        ({"t38": "0.000000001"}, "0", "size is too accurate"),
        ({"t38": "0"}, "0", "size is too small. Minimum size is 0.00000001"),
        ({"t44": "0.00"}, "0", "price is too small"),
        ({"t38": None, "t152": "100"}, "0", "quote quantity"),
    ],
)
def test_order_refused(client: Client, changes: dict[str, Any], code: str, text: str) -> None:
    ((kind, report),) = client.order(**changes)
    assert (kind, report[150], report[39], report[103]) == ("8", "8", "8", code)
    assert text in report[58]
    assert (report[14], report[151]) == ("0", "0")
    assert client.ledger.orders == 0


@pytest.mark.parametrize(
    ("changes", "tag", "reason"),
    [
        ({"t11": None}, 11, 1),
        ({"t54": None}, 54, 1),
        ({"t38": None}, 38, 1),
        ({"t44": None}, 44, 1),
        ({"t54": "5"}, 54, 5),
        ({"t40": "4"}, 40, 5),
        ({"t59": "6"}, 59, 5),
        ({"t18": "6"}, 18, 5),
        ({"t7928": "D"}, 7928, 5),
        ({"t38": "1e-2"}, 38, 6),
        ({"t44": "+100"}, 44, 6),
        ({"t44": "-100"}, 44, 6),
    ],
)
def test_malformed_order_is_a_session_reject(
    client: Client, changes: dict[str, Any], tag: int, reason: int
) -> None:
    with pytest.raises(RejectMessage) as problem:
        client.order(**changes)
    assert (problem.value.tag, problem.value.reason) == (tag, reason)


def test_client_id_must_be_unique_among_open_orders_only(client: Client) -> None:
    client_id = str(uuid.uuid4())
    client.order(t11=client_id)
    assert "open order" in client.order(t11=client_id)[0][1][58]
    client.request("F", t11=str(uuid.uuid4()), t41=client_id, t55="BTC-USD")
    assert client.order(t11=client_id)[0][1][150] == "0"


def test_post_only_that_would_trade_is_rejected(client: Client) -> None:
    client.offer(10_000, 5)
    ((_, report),) = client.order(t18="A")
    assert (report[150], report[39], report[58]) == ("8", "8", "post only")


def test_immediate_or_cancel_rest_expires(client: Client) -> None:
    client.offer(10_000, 400_000)
    reports = [report for _, report in client.order(t59="3")]
    assert [(each[150], each[39]) for each in reports] == [("0", "0"), ("F", "1"), ("C", "C")]
    assert (reports[-1][14], reports[-1][151]) == ("0.00400000", "0.00000000")


def test_fill_or_kill_that_can_not_fill_is_canceled(client: Client) -> None:
    assert [report[150] for _, report in client.order(t59="4")] == ["0", "4"]


def test_market_order_needs_no_price(client: Client) -> None:
    client.offer(99_999, 1_000_000)
    assert [report[150] for _, report in client.order(t40="1", t44=None)] == ["0", "F"]


def test_self_trade_cancels_the_aggressor_unless_told_otherwise(client: Client) -> None:
    client.order(t54="2")
    last = client.order()[-1][1]
    assert (last[150], last[39], last[378]) == ("4", "4", "5")
    client.log_on((8001, "Q"))
    assert [report[150] for _, report in client.order()] == ["0", "4", "4"]


@pytest.mark.parametrize("by", [("t41",), ("t37",), ("t37", "t41")])
def test_cancel_by_either_id(client: Client, by: tuple[str, ...]) -> None:
    new = client.order()[0][1]
    both = {"t41": new[11], "t37": new[37]}
    request_id = str(uuid.uuid4())
    ((kind, report),) = client.request(
        "F", t11=request_id, t55="BTC-USD", **{tag: both[tag] for tag in by}
    )
    assert (kind, report[150], report[39]) == ("8", "4", "4")
    assert (report[11], report[41], report[37]) == (request_id, new[11], new[37])
    assert report[151] == "0.00000000"


def test_cancel_of_unknown_and_done_orders_is_refused(client: Client) -> None:
    ((kind, reject),) = client.request("F", t11="c", t41=str(uuid.uuid4()), t55="BTC-USD")
    assert kind == "9"
    assert (reject[37], reject[39], reject[434], reject[102]) == ("NONE", "8", "1", "1")
    client.offer(10_000, 1_000_000)
    filled = client.order()[0][1]
    ((kind, reject),) = client.request("F", t11="c", t41=filled[11], t55="BTC-USD")
    assert (kind, reject[37], reject[102], reject[58]) == (
        "9",
        filled[37],
        "1",
        "Order already done",
    )


def test_replace_keeps_the_order_id_and_moves_the_client_id(client: Client) -> None:
    new = client.order()[0][1]
    request_id = str(uuid.uuid4())
    change = {"t41": new[11], "t37": new[37], "t55": "BTC-USD", "t40": "2", "t44": "101"}
    ((_, report),) = client.request("G", t11=request_id, t38="0.02", **change)
    assert (report[150], report[39], report[37]) == ("5", "0", new[37])
    assert (report[11], report[41]) == (request_id, new[11])
    assert (report[38], report[151]) == ("0.02000000", "0.02000000")
    client.sent.clear()
    taker = Order("x", PUBLIC_OWNER, "BTC-USD", Side.SELL, 9_000, 1)
    client.desk.publish(client.market.engine.submit(taker))
    assert client.sent[0][1][11] == request_id
    assert 41 not in client.sent[0][1]


def test_replace_that_trades_reports_replaced_then_the_fill(client: Client) -> None:
    new = client.order()[0][1]
    client.offer(10_100, 1_000_000)
    change = {"t41": new[11], "t37": new[37], "t55": "BTC-USD", "t40": "2", "t44": "101"}
    reports = client.request("G", t11=str(uuid.uuid4()), t38="0.01", **change)
    assert [report[150] for _, report in reports] == ["5", "F"]
    assert [41 in report for _, report in reports] == [True, False]


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"t38": "0.004"}, "2", "not above the filled"),
        ({"t44": "100.001"}, "2", "too accurate"),
        ({"t11": "short"}, "2", "UUID"),
        ({"t41": "other", "t37": None}, "1", "not found"),
    ],
)
def test_replace_refused(client: Client, changes: dict[str, Any], code: str, text: str) -> None:
    client.offer(10_000, 400_000)
    new = client.order()[0][1]
    fields: dict[str, Any] = {
        "t11": str(uuid.uuid4()), "t41": new[11], "t37": new[37], "t55": "BTC-USD", "t38": "0.02",
        "t40": "2", "t44": "100",
    }  # fmt: skip
    ((kind, reject),) = client.request("G", **{**fields, **changes})
    assert (kind, reject[434], reject[102]) == ("9", "2", code)
    assert text in reject[58]
    assert client.desk.profile.open_orders()[0].client_order_id == new[11]


def test_status_of_known_and_unknown_orders(client: Client) -> None:
    client.offer(10_000, 400_000)
    new = client.order()[0][1]
    ((_, report),) = client.request("H", t11=new[11], t55="BTC-USD", t54="1")
    assert (report[150], report[39], report[37]) == ("I", "1", new[37])
    assert (report[14], report[151]) == ("0.00400000", "0.00600000")
    assert 32 not in report
    ((_, unknown),) = client.request("H", t11="x", t55="BTC-USD", t54="1")
    assert (unknown[150], unknown[39], unknown[103]) == ("I", "8", "5")


def test_mass_cancel_of_the_session(client: Client) -> None:
    client.order()
    client.order(t44="99")
    answers = client.request("q", t11=str(uuid.uuid4()), t530="6")
    assert [kind for kind, _ in answers] == ["r", "8", "8"]
    assert answers[0][1][531] == "6"
    assert all(report[150] == "4" and 41 not in report for _, report in answers[1:])
    assert client.request("q", t11="x", t530="7")[0][1][531] == "0"


def test_unsupported_and_unknown_types(client: Client) -> None:
    ((kind, reject),) = client.request("U6")
    assert (kind, reject[372], reject[380], reject[45]) == ("j", "U6", "3", "7")
    with pytest.raises(RejectMessage):
        client.request("ZZ")


@pytest.mark.parametrize(("flag", "left"), [("S", 0), ("Y", 0), (None, 1)])
def test_cancel_on_disconnect(client: Client, flag: str | None, left: int) -> None:
    client.log_on(*([(8013, flag)] if flag else []))
    client.order()
    client.desk.disconnected(client)  # type: ignore[arg-type]
    assert len(client.desk.profile.open_orders()) == left
    kept = client.store.recall(1)
    assert (kept is None) == bool(left), "the report waits for the session to resume"


def test_ledger_lists_orders_and_fills_without_ids(client: Client) -> None:
    client.offer(10_000, 400_000)
    client.order()
    assert [line.decode() for line in client.ledger.lines] == [
        f'{{"kind":"order","time_ns":{NOW_NS},"product":"BTC-USD","side":"buy","price":"100",'
        '"quantity":"0.01"}',
        f'{{"kind":"fill","time_ns":{NOW_NS},"product":"BTC-USD","side":"buy","price":"100",'
        '"quantity":"0.004","liquidity":"taker","fee":"0.0002"}',
    ]
    summary = client.ledger.summary()
    assert (summary["orders"], summary["fills"]) == (1, 1)
    assert summary["client_positions"] == {"BTC-USD": "0.004"}
    assert summary["client_cash"] == {"USD": "-0.4002"}
