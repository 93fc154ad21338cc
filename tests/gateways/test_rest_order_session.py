"""The connections of orders by REST, with a sender that keeps what is under way on each."""

import pytest

from gateways.rest_answers import CancelTaken, OrderTaken, RequestRefused
from gateways.rest_order_session import (
    NEW_ORDER_WAIT_NS,
    QUIET_NS,
    RETRY_LIMIT_NS,
    RETRY_NS,
    SECOND_NS,
    ClockDiffers,
    ConnectionEnded,
    NeverSent,
    RequestAnswered,
    RequestLost,
    RestOrderSession,
)

WALL_NS = 1_789_299_703 * SECOND_NS
TIMEOUT_NS = 2 * SECOND_NS


def http(status: int, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n\r\n" + body


TAKEN = http(200, b'{"id":"v-1","status":"pending"}')


class Sender:
    """Stands for the compiled one: who is open, what is under way, what waits."""

    def __init__(self, count: int) -> None:
        self.has_failed = False
        self.opened = [False] * count
        self.under_way = [0] * count
        self.new = [True] * count
        self.broken = [False] * count
        self.waiting: list[tuple[int, int, bool]] = []  # number, wall time, is new
        self.questions: list[tuple[int, bytes]] = []

        self.void: list[int] = []

    @property
    def waiting_count(self) -> int:
        return len(self.waiting)

    @property
    def void_count(self) -> int:
        return len(self.void)

    def take_void(self) -> list[int]:
        void, self.void = self.void, []
        return void

    def open(self, index: int) -> None:
        self.opened[index], self.under_way[index], self.broken[index] = True, 0, False

    def close(self, index: int) -> int:
        sequence, self.under_way[index], self.opened[index] = self.under_way[index], 0, False
        self.broken[index] = False
        return max(0, sequence)

    def release(self, index: int) -> None:
        self.under_way[index] = 0
        if self.waiting:
            self.under_way[index], _, self.new[index] = self.waiting.pop(0)

    def ask(self, index: int, message: bytes) -> bool:
        self.under_way[index] = -1
        self.questions.append((index, message))
        return True

    def withdraw(self, before_wall_ns: int, is_new_only: bool) -> list[int]:
        taken = [
            each for each in self.waiting
            if each[1] < before_wall_ns and (each[2] or not is_new_only)
        ]  # fmt: skip
        self.waiting = [each for each in self.waiting if each not in taken]
        return [number for number, _, _ in taken]

    def sequence(self, index: int) -> int:
        return self.under_way[index]

    def is_new(self, index: int) -> bool:
        return self.new[index]

    def is_open(self, index: int) -> bool:
        return self.opened[index]

    def is_broken(self, index: int) -> bool:
        return self.broken[index]

    def clear_failure(self) -> None:
        self.has_failed = False


class Rig:
    def __init__(self, count: int = 2) -> None:
        self.sender = Sender(count)
        self.session = RestOrderSession(self.sender, count, "host", answer_timeout_ns=TIMEOUT_NS)
        self.now_ns = 0

    def open_all(self) -> None:
        for index in self.session.to_connect(self.now_ns):
            self.session.connected(index, self.now_ns)

    def send(self, index: int, sequence: int, *, is_new: bool = True) -> None:
        self.sender.under_way[index], self.sender.new[index] = sequence, is_new

    def answer(self, index: int, data: bytes) -> list[object]:
        self.session.receive(index, data, self.now_ns, WALL_NS)
        return list(self.session.events())

    def tick(self, after_ns: int = 0) -> list[object]:
        self.now_ns += after_ns
        self.session.tick(self.now_ns, WALL_NS + self.now_ns)
        return list(self.session.events())


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.open_all()
    return rig


def test_every_connection_is_made_once() -> None:
    rig = Rig(3)
    assert list(rig.session.to_connect(0)) == [0, 1, 2]
    assert list(rig.session.to_connect(0)) == []
    assert rig.session.open_count == 0
    rig.session.connected(1, 0)
    assert rig.session.open_count == 1


def test_an_answer_frees_its_connection(rig: Rig) -> None:
    rig.send(0, 7)
    assert rig.answer(0, TAKEN[:30]) == []
    (event,) = rig.answer(0, TAKEN[30:])
    assert event == RequestAnswered(
        7, OrderTaken("v-1", "", "pending"), b'{"id":"v-1","status":"pending"}'
    )
    assert rig.sender.under_way == [0, 0]
    rig.send(0, 8, is_new=False)
    assert rig.answer(0, http(200, b'"v-1"')) == [RequestAnswered(8, CancelTaken(), b'"v-1"')]


def test_an_answer_is_of_its_own_connection(rig: Rig) -> None:
    rig.send(0, 1)
    rig.send(1, 2)
    (event,) = rig.answer(1, http(400, b'{"message":"post only"}'))
    assert event == RequestAnswered(2, RequestRefused(400, "post only"), b'{"message":"post only"}')
    assert rig.sender.under_way == [1, 0]


def test_no_answer_in_time_ends_that_connection_alone(rig: Rig) -> None:
    rig.send(0, 1)
    assert rig.tick() == []  # seen first
    rig.send(1, 2)
    assert rig.tick(TIMEOUT_NS - 1) == []
    lost, ended = rig.tick(1)
    assert lost == RequestLost(1, "no answer for 2 s")
    assert ended == ConnectionEnded(0, "no answer for 2 s", is_orderly=False)
    assert list(rig.session.to_close()) == [0]
    assert list(rig.session.to_close()) == []
    assert rig.session.open_count == 1
    assert rig.answer(0, TAKEN) == []  # comes too late: the connection is not read any more


@pytest.mark.parametrize("data", [b"", TAKEN[:-3]])
def test_a_cut_connection_loses_what_was_under_way(rig: Rig, data: bytes) -> None:
    rig.send(0, 5)
    rig.answer(0, data)
    rig.session.ended(0, rig.now_ns, WALL_NS, "cut")
    lost, ended = rig.session.events()
    assert lost == RequestLost(5, "cut")
    assert isinstance(ended, ConnectionEnded)
    assert not ended.is_orderly


def test_a_quiet_connection_that_the_peer_ends_loses_nothing(rig: Rig) -> None:
    rig.session.ended(0, rig.now_ns, WALL_NS, "the peer closed the connection")
    (ended,) = rig.session.events()
    assert ended == ConnectionEnded(0, "the peer closed the connection", is_orderly=True)
    assert list(rig.session.to_connect(rig.now_ns + RETRY_NS)) == [0]


def test_an_answer_whose_end_is_that_of_the_connection(rig: Rig) -> None:
    rig.send(0, 5)
    assert rig.answer(0, b"HTTP/1.1 400 Bad\r\n\r\n" + b'{"message":"no"}') == []
    rig.session.ended(0, rig.now_ns, WALL_NS, "closed")
    answered, ended = rig.session.events()
    assert answered == RequestAnswered(5, RequestRefused(400, "no"), b'{"message":"no"}')
    assert isinstance(ended, ConnectionEnded)
    assert ended.is_orderly


def test_a_last_answer_closes_the_connection(rig: Rig) -> None:
    rig.send(0, 5)
    answered, ended = rig.answer(0, http(200, b'{"id":"v-1"}', "Connection: close"))
    assert isinstance(answered, RequestAnswered)
    assert ended == ConnectionEnded(0, "the venue closes it", is_orderly=True)
    assert list(rig.session.to_close()) == [0]
    assert not rig.sender.opened[0]


@pytest.mark.parametrize("data", [b"8=FIXT.1.1", http(200, b"{}") + http(200, b"{}")])
def test_what_does_not_belong_there_ends_the_connection(rig: Rig, data: bytes) -> None:
    rig.answer(0, data)
    assert list(rig.session.to_close()) == [0]


def test_two_answers_to_one_request_end_the_connection(rig: Rig) -> None:
    rig.send(0, 5)
    answered, ended = rig.answer(0, TAKEN + TAKEN)
    assert isinstance(answered, RequestAnswered)
    assert isinstance(ended, ConnectionEnded)
    assert "to nothing" in ended.text


def test_connections_are_tried_again_ever_later() -> None:
    rig = Rig(1)
    waits = []
    for _ in range(8):
        assert list(rig.session.to_connect(rig.now_ns)) == [0]
        rig.session.ended(0, rig.now_ns, WALL_NS, "cannot connect")
        begun_ns = rig.now_ns
        while not rig.session.to_connect(rig.now_ns):
            rig.now_ns += RETRY_NS
        waits.append(rig.now_ns - begun_ns)
        rig.session.ended(0, rig.now_ns, WALL_NS, "cannot connect")
        rig.now_ns += RETRY_LIMIT_NS
    assert waits[0] == RETRY_NS
    assert waits[1] == 4 * RETRY_NS
    assert waits[-1] == RETRY_LIMIT_NS


def test_a_quiet_connection_asks_for_the_time(rig: Rig) -> None:
    rig.send(1, 4)
    rig.tick()
    assert rig.tick(QUIET_NS)[0] == RequestLost(4, "no answer for 2 s")
    ((index, question),) = rig.sender.questions
    assert index == 0
    assert question.startswith(b"GET /time HTTP/1.1\r\nHost: host\r\n")
    assert rig.answer(0, http(200, b'{"epoch":%d}' % (WALL_NS // SECOND_NS))) == []
    assert rig.sender.under_way[0] == 0


@pytest.mark.parametrize(("distance_s", "is_told"), [(4, False), (6, True), (-6, True)])
def test_a_clock_that_differs_is_told(rig: Rig, distance_s: int, is_told: bool) -> None:
    rig.tick(QUIET_NS)
    venue_s = WALL_NS // SECOND_NS - distance_s
    told = rig.answer(0, http(200, b'{"epoch":%d}' % venue_s))
    assert told == ([ClockDiffers(float(distance_s))] if is_told else [])


def test_a_time_that_cannot_be_read_is_passed_over(rig: Rig) -> None:
    rig.tick(QUIET_NS)
    assert rig.answer(0, http(503, b"<html>")) == []


def test_new_orders_do_not_wait_for_long(rig: Rig) -> None:
    rig.sender.waiting = [(3, WALL_NS, True), (4, WALL_NS, False)]
    assert rig.tick(NEW_ORDER_WAIT_NS) == []
    assert rig.tick(1) == [NeverSent(3, "no free connection")]
    assert rig.sender.waiting_count == 1


def test_what_waits_does_not_leave_when_no_new_risk_is_allowed(rig: Rig) -> None:
    """The answer that frees a connection comes after a pause: a cancel leaves, no order does."""
    rig.send(0, 1)
    rig.sender.waiting = [(3, WALL_NS, True), (4, WALL_NS, False)]
    rig.session.is_risk_allowed = lambda: False
    never_sent, answered = rig.answer(0, TAKEN)
    assert never_sent == NeverSent(3, "no new risk is allowed")
    assert isinstance(answered, RequestAnswered)
    assert rig.sender.under_way[0] == 4
    rig.sender.waiting = [(5, WALL_NS, True)]
    assert rig.tick() == [NeverSent(5, "no new risk is allowed")]


def test_what_was_cancelled_before_it_left_is_told(rig: Rig) -> None:
    rig.sender.void = [5, 7]
    assert rig.tick() == [NeverSent(each, "cancelled before it left") for each in (5, 7)]
    assert rig.tick() == []


def test_without_a_connection_nothing_waits(rig: Rig) -> None:
    rig.sender.waiting = [(3, WALL_NS, True), (4, WALL_NS, False)]
    for index in range(2):
        rig.session.ended(index, rig.now_ns, WALL_NS, "cut")
    rig.session.events()
    assert rig.tick() == [NeverSent(3, "no connection"), NeverSent(4, "no connection")]


def test_a_socket_that_takes_no_more_is_closed(rig: Rig) -> None:
    rig.sender.broken[1] = True
    (ended,) = rig.tick()
    assert isinstance(ended, ConnectionEnded)
    assert ended.index == 1


def test_more_than_can_wait_ends_every_connection(rig: Rig) -> None:
    rig.send(0, 9)
    rig.sender.has_failed = True
    events = rig.tick()
    assert RequestLost(9, "more requests than can wait") in events
    assert rig.session.open_count == 0
    assert not rig.sender.has_failed


def test_a_stop_loses_what_is_under_way_and_takes_back_what_waits(rig: Rig) -> None:
    rig.send(0, 9)
    rig.sender.waiting = [(10, WALL_NS, False)]
    rig.session.stop(rig.now_ns, WALL_NS)
    events = rig.session.events()
    assert RequestLost(9, "stopped") in events
    assert NeverSent(10, "no connection") in events
    assert rig.session.open_count == 0
