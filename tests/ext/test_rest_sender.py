"""Orders on several connections: one under way on each, cancels first, nothing lost and nothing
sent twice; and what the journal keeps of them."""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.dtypes import REQUEST_TERMS
from ext.errors import UsageError
from ext.instrument_table import InstrumentTable
from ext.order_encoder import OrderEncoder
from ext.order_sender import CapturingSender
from ext.orders import OrderTable
from ext.rest_sender import CONNECTIONS_MAX, WAITING_MAX, RestSender
from ext.session_store import SessionStore
from ext.wire import Command, OrderState, RecordKind, ReportFormat, Side, Verdict
from tests.ext.test_tap import read_ring

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECRET = base64.b64encode(bytes(64)).decode()
PASSPHRASE = "the-passphrase"
WIDE = (1000, 10, 60_000_000_000, 0)


def encode(table: InstrumentTable, orders: OrderTable) -> CoinbaseRestOrderEncoder:
    return CoinbaseRestOrderEncoder(table, orders, "host", "the-key", SECRET, PASSPHRASE)


class Rest:
    """An order rig whose orders leave on ``count`` sockets that keep what they get."""

    def __init__(self, make_order_rig: MakeRig, count: int = 2) -> None:
        self.sockets = [CapturingSender() for _ in range(count)]
        self.sender: RestSender

        def make_sender(encoder: OrderEncoder, store: SessionStore) -> RestSender:
            assert isinstance(encoder, CoinbaseRestOrderEncoder)
            self.sender = RestSender(encoder, store, list(self.sockets))
            return self.sender

        self.rig = make_order_rig(
            make_encoder=encode, make_sender=make_sender, is_recording=True, engine_limits=WIDE
        )
        self.prices = 50_000

    def open_all(self) -> None:
        for index in range(len(self.sockets)):
            self.sender.open(index)

    def place(self) -> None:
        """A new order, each at another price."""
        self.prices -= 1
        self.want(self.rig.new(Side.BUY, self.prices, 1))

    def want(self, intent: dict[str, int]) -> None:
        self.rig.now_ns += 1
        self.rig.scripts[0].waiting.append(intent)
        self.rig.pipeline.call_timers(self.rig.now_ns)

    def taken(self) -> list[str]:
        """What each socket got since the last call: the methods of its requests."""
        return [describe(socket.take()) for socket in self.sockets]

    def states(self) -> list[OrderState]:
        orders = self.rig.order_table.open_orders()
        return [OrderState(int(str(order["state"]))) for order in orders]


def describe(data: bytes) -> str:
    """The methods of the requests, joined by commas."""
    parts = data.split(b" HTTP/1.1\r\n")[:-1]
    return ",".join("POST" if part.endswith(b"POST /orders") else "DELETE" for part in parts)


@pytest.fixture
def rest(make_order_rig: MakeRig) -> Rest:
    rest = Rest(make_order_rig)
    rest.open_all()
    return rest


def test_each_request_takes_a_free_connection(rest: Rest) -> None:
    rest.place()
    rest.place()
    assert rest.taken() == ["POST", "POST"]
    assert [rest.sender.sequence(0), rest.sender.sequence(1)] == [1, 2]
    assert rest.sender.is_new(0)
    assert rest.sender.sent_count == 2


def test_what_finds_none_free_waits_for_an_answer(rest: Rest) -> None:
    for _ in range(4):
        rest.place()
    assert rest.taken() == ["POST", "POST"]
    assert rest.sender.waiting_count == 2
    rest.sender.release(1)
    assert rest.taken() == ["", "POST"]
    assert rest.sender.sequence(1) == 3
    rest.sender.release(0)
    rest.sender.release(1)
    assert rest.sender.waiting_count == 0
    assert [rest.sender.sequence(0), rest.sender.sequence(1)] == [4, 0]


def test_cancels_leave_before_new_orders(rest: Rest) -> None:
    for _ in range(3):
        rest.place()
    rest.want(rest.rig.cancel(1))
    rest.want(rest.rig.cancel(2))
    rest.taken()
    rest.sender.release(0)
    assert rest.taken() == ["DELETE", ""]
    assert rest.sender.sequence(0) == 4
    assert not rest.sender.is_new(0)
    rest.sender.release(1)
    assert rest.taken() == ["", "DELETE"]
    rest.sender.release(0)
    assert rest.taken() == ["POST", ""]


def test_the_cancel_of_an_order_that_waits_takes_both_away(rest: Rest) -> None:
    """It would overtake its order: the venue would refuse the cancel, and then take the order."""
    for _ in range(4):
        rest.place()
    rest.taken()
    rest.want(rest.rig.cancel(3))
    rest.want(rest.rig.cancel(1))
    assert (rest.sender.waiting_count, rest.sender.void_count) == (2, 2)
    for index in (0, 1):
        rest.sender.release(index)
    assert rest.taken() == ["DELETE", "POST"]
    assert (rest.sender.sequence(0), rest.sender.sequence(1)) == (6, 4)
    for index in (0, 1):
        rest.sender.release(index)
    assert rest.taken() == ["", ""]
    assert rest.sender.withdraw(1 << 62, False) == []
    assert rest.sender.take_void() == [3, 5]
    assert (rest.sender.waiting_count, rest.sender.void_count) == (0, 0)
    for sequence in (3, 5):
        rest.rig.pipeline.reject_request(sequence, 0, rest.rig.now_ns)
    assert int(rest.rig.order(3)["state"]) == OrderState.REJECTED
    rest.place()
    assert rest.taken() == ["POST", ""]


def test_a_cancel_of_an_order_that_has_left_is_not_void(rest: Rest) -> None:
    for _ in range(3):
        rest.place()
    rest.want(rest.rig.cancel(2))
    assert (rest.sender.waiting_count, rest.sender.void_count) == (2, 0)


def test_a_closed_connection_tells_what_was_under_way(rest: Rest) -> None:
    rest.place()
    assert rest.sender.close(0) == 1
    assert rest.sender.close(1) == 0
    rest.place()
    assert rest.taken()[1] == ""
    assert rest.sender.waiting_count == 1
    rest.sender.open(1)
    assert rest.taken() == ["", "POST"]


def test_a_socket_that_takes_no_more_leaves_the_request_to_the_next(rest: Rest) -> None:
    rest.sockets[0].refuse_after(0)
    rest.place()
    assert rest.taken() == ["", "POST"]
    assert rest.sender.is_broken(0)
    assert not rest.sender.is_open(0)
    assert rest.states() == [OrderState.PENDING_NEW]
    assert not rest.sender.has_failed


def test_own_questions_keep_a_connection_busy(rest: Rest) -> None:
    assert rest.sender.ask(0, b"GET /time HTTP/1.1\r\n\r\n")
    assert not rest.sender.ask(0, b"GET /time HTTP/1.1\r\n\r\n")
    assert rest.sender.sequence(0) == -1
    rest.place()
    assert rest.taken()[1] == "POST"
    assert rest.sender.close(0) == 0
    assert not rest.sender.ask(0, b"x")
    assert rest.sender.sent_count == 1
    rest.sender.release(1)
    rest.sockets[1].refuse_after(0)
    assert not rest.sender.ask(1, b"x")
    assert rest.sender.is_broken(1)


def test_what_waits_too_long_is_taken_back(rest: Rest) -> None:
    for _ in range(2):
        rest.place()
    begun_ns = rest.rig.now_ns
    for _ in range(2):
        rest.place()
    rest.want(rest.rig.cancel(1))
    assert rest.sender.withdraw(begun_ns + 1, True) == []
    assert rest.sender.withdraw(begun_ns + 2, True) == [3]
    assert rest.sender.withdraw(begun_ns + 100, True) == [4]
    assert rest.sender.withdraw(begun_ns + 100, False) == [5]
    assert rest.sender.waiting_count == 0


def test_one_more_than_can_wait_is_not_taken(make_order_rig: MakeRig) -> None:
    rest = Rest(make_order_rig)
    rest.open_all()
    rest.place()
    rest.place()
    rest.want(rest.rig.cancel(2))
    for _ in range(WAITING_MAX - 1):  # cancels of one order, as often as they come back
        rest.rig.pipeline.reject_request(rest.rig.store.next_outgoing - 1, 0, rest.rig.now_ns)
        rest.want(rest.rig.cancel(2))
    assert rest.sender.waiting_count == WAITING_MAX
    assert rest.rig.counters()["failed_sends"] == 0
    rest.rig.pipeline.reject_request(rest.rig.store.next_outgoing - 1, 0, rest.rig.now_ns)
    rest.want(rest.rig.cancel(2))
    assert rest.sender.has_failed
    assert not rest.rig.store.is_active
    assert OrderState.UNKNOWN in rest.states()
    rest.sender.clear_failure()
    assert [rest.sender.has_failed] == [False]


def test_limits(make_order_rig: MakeRig) -> None:
    with pytest.raises(UsageError, match=str(CONNECTIONS_MAX)):
        Rest(make_order_rig, CONNECTIONS_MAX + 1)
    with pytest.raises(UsageError, match="senders were 0"):
        Rest(make_order_rig, 0)
    assert len(Rest(make_order_rig, CONNECTIONS_MAX).sockets) == CONNECTIONS_MAX
    with pytest.raises(UsageError, match="connection was 2"):
        Rest(make_order_rig).sender.open(2)


def test_the_journal_keeps_no_secret(rest: Rest) -> None:
    rest.place()
    rest.want(rest.rig.cancel(1))
    recorded = [
        data[REQUEST_TERMS.itemsize :]
        for head, data in read_ring(rest.rig)
        if head["kind"] == RecordKind.RECORD_REQUEST
    ]
    sent = [socket.take() for socket in rest.sockets]
    assert len(recorded) == len(sent) == 2
    for kept, left in zip(recorded, sent, strict=True):
        assert PASSPHRASE.encode() not in kept
        assert b"CB-ACCESS-SIGN" not in kept
        assert PASSPHRASE.encode() in left
        lines = [line for line in left.split(b"\r\n") if not line.startswith(b"CB-ACCESS-SIGN")]
        lines = [line for line in lines if not line.startswith(b"CB-ACCESS-PASSPHRASE")]
        assert b"\r\n".join(lines) == kept
    assert not any(PASSPHRASE in str(rest.rig.store.load_outgoing(at)) for at in (1, 2))


def test_without_a_secret_nothing_leaves(make_order_rig: MakeRig) -> None:
    socket = CapturingSender()
    rig = make_order_rig(
        make_encoder=lambda table, orders: CoinbaseRestOrderEncoder(table, orders, "host", "key"),
        make_sender=lambda encoder, store: RestSender(encoder, store, [socket]),
    )
    rig.scripts[0].waiting.append(rig.new(Side.BUY, 49_000, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert socket.take() == b""


# What becomes of the orders.


def test_a_lost_answer_makes_one_order_unknown(rest: Rest) -> None:
    rest.place()
    rest.place()
    assert rest.rig.pipeline.lose_answer(1, rest.rig.now_ns)
    assert rest.states() == [OrderState.UNKNOWN, OrderState.PENDING_NEW]
    record = [head for head, _ in read_ring(rest.rig) if head["kind"] == RecordKind.RECORD_COMMAND][
        -1
    ]
    assert (record["code"], record["detail"], record["reference"]) == (
        Command.COMMAND_SEND_FAILED, 1, 1,
    )  # fmt: skip
    assert not rest.rig.pipeline.lose_answer(99, rest.rig.now_ns)


def test_a_lost_answer_to_an_order_that_has_ended_changes_nothing(rest: Rest) -> None:
    rest.place()
    rest.rig.pipeline.reject_request(1, 0, rest.rig.now_ns)
    assert not rest.rig.pipeline.lose_answer(1, rest.rig.now_ns)
    assert rest.states() == []


def test_the_answer_stands_behind_its_report(rest: Rest) -> None:
    rest.place()
    fields: dict[str, object] = {
        "execution_type": 8, "order_state": 1, "request_number": 1, "venue_order_id": b"v-1",
    }  # fmt: skip
    rest.rig.pipeline.apply_report(fields, rest.rig.now_ns, b'{"id":"v-1"}')
    ((head, data),) = [
        each for each in read_ring(rest.rig) if each[0]["kind"] == RecordKind.RECORD_REPORT
    ]
    assert head["code"] == ReportFormat.REPORT_REST
    assert data.endswith(b'{"id":"v-1"}')
    assert rest.states() == [OrderState.PENDING_NEW]
    assert bytes(rest.rig.order(1)["venue_order_id"]) == b"v-1"


def test_a_replace_is_refused_where_there_is_no_amend(rest: Rest) -> None:
    rest.rig.gate.is_replace_refused = True
    rest.place()
    rest.taken()
    rest.want(rest.rig.replace(1, 49_500, 1))
    assert int(rest.rig.positions[0]["last_reject"]) == Verdict.INTENT_INVALID
    assert rest.taken() == ["", ""]
    assert rest.states() == [OrderState.PENDING_NEW]
