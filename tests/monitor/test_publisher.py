from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest
import zmq

from ext.errors import ConfigError
from ext.wire import RecordKind, Verdict
from journal.entries import ORDERS
from journal.shared_reader import SharedReader
from monitor.client import MonitorClient
from monitor.messages import FillEvent, Message, decode
from monitor.publisher import MAX_RISK_EVENTS_PER_SECOND, Publisher
from monitor.status import RelayStatus

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

SECOND = 1_000_000_000
EARLIER = count(-(10**6) * SECOND, SECOND // 10)  # before the times of the tests


@pytest.fixture
def status() -> RelayStatus:
    return RelayStatus()


@pytest.fixture
def publisher(engine: "EngineStandIn", endpoint: str, status: RelayStatus) -> Iterator[Publisher]:
    reader = SharedReader(engine.path)
    relay_publisher = Publisher(endpoint, reader, status, epoch=77)
    yield relay_publisher
    relay_publisher.close()
    reader.close()


@pytest.fixture
def subscriber(
    publisher: Publisher,
    status: RelayStatus,
    endpoint: str,
    wait_until: Callable[[Callable[[], bool]], None],
) -> Iterator[zmq.Socket[bytes]]:
    """A raw subscriber; what the publisher sends after this is received."""
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.setsockopt(zmq.RCVTIMEO, 300)
    socket.connect(endpoint)
    try:
        wait_until(lambda: subscriptions_at(publisher, status, EARLIER) == 1)
        receive_all(socket)
        yield socket
    finally:
        socket.close(linger=0)
        context.term()


def subscriptions_at(publisher: Publisher, status: RelayStatus, times: Iterator[int]) -> int:
    publisher.publish_due(next(times))
    return status.subscriptions


def receive_all(socket: zmq.Socket[bytes]) -> list[tuple[str, Message]]:
    received = []
    while socket.poll(200):
        topic, payload = socket.recv_multipart()
        message = decode(topic.decode(), payload)
        assert message is not None
        received.append((topic.decode(), message))
    return received


def topics(socket: zmq.Socket[bytes]) -> list[str]:
    return [topic for topic, _ in receive_all(socket)]


def test_a_subscriber_is_told_everything_at_once(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    publisher.publish_all(10 * SECOND)
    expected = {"hb", "pos", "open", "book.BTC-USD", "book.ETH-USD", "cnt", "lat"}
    assert set(topics(subscriber)) == expected


def test_a_new_subscription_asks_for_everything(
    publisher: Publisher,
    subscriber: zmq.Socket[bytes],
    status: RelayStatus,
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    publisher.publish_all(10 * SECOND)
    receive_all(subscriber)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"pos")
    # Less than a second goes by, so that "lat" would not be due by itself.
    later = count(10 * SECOND + SECOND // 10, SECOND // 10)
    wait_until(lambda: subscriptions_at(publisher, status, later) == 2)
    assert {"pos", "lat"} <= set(topics(subscriber))
    subscriber.setsockopt(zmq.UNSUBSCRIBE, b"pos")
    wait_until(lambda: subscriptions_at(publisher, status, later) == 1)


def test_the_envelope(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    engine.beat(123)
    publisher.publish_due(10 * SECOND)
    publisher.publish_due(11 * SECOND)
    first, second = [message for topic, message in receive_all(subscriber) if topic == "cnt"]
    assert (first.v, first.src, first.epoch) == (1, "demo", 77)
    assert first.engine_start_ns == engine.start_time_ns
    assert (first.t_engine_ns, first.t_relay_ns) == (123, 10 * SECOND)
    assert second.topic_seq == first.topic_seq + 1


def test_the_schedule(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    start = 10 * SECOND
    for step in range(1, 1_000):
        if step == 500:
            engine.book()
        publisher.publish_due(start + step * 1_000_000)
    found = topics(subscriber)
    assert found.count("hb") == 10
    assert found.count("cnt") == found.count("lat") == 1
    # Nothing changed but one book: told once again.
    assert found.count("book.BTC-USD") == 2
    assert found.count("book.ETH-USD") == found.count("pos") == found.count("open") == 1


def test_a_clock_that_is_set_back_does_not_silence_the_relay(
    publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    publisher.publish_due(100_000 * SECOND)
    receive_all(subscriber)
    publisher.publish_due(10 * SECOND)
    assert "hb" in topics(subscriber)


def test_events_are_published_in_order(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    engine.memory.write_text(1, 20, "logged on")
    engine.fill()
    reader = SharedReader(engine.path)
    publisher.publish_records(reader.slots_after(ORDERS, 0)[0], 10 * SECOND)
    reader.close()
    received = receive_all(subscriber)
    assert [topic for topic, _ in received] == ["txt", "ord", "fill"]
    fill = received[2][1]
    assert isinstance(fill, FillEvent)
    assert fill.t_engine_ns == engine.start_time_ns + 5


def test_rejects_on_every_tick_do_not_flood(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    for _ in range(MAX_RISK_EVENTS_PER_SECOND + 30):
        engine.record(kind=RecordKind.RECORD_DECISION, code=Verdict.NOTIONAL, instrument=0)
    reader = SharedReader(engine.path)
    records = reader.slots_after(ORDERS, 0)[0]
    reader.close()
    publisher.publish_records(records, 10 * SECOND)
    assert topics(subscriber) == ["rsk"] * MAX_RISK_EVENTS_PER_SECOND
    publisher.publish_records(records[:1], 11 * SECOND)
    ((_, message),) = receive_all(subscriber)
    assert getattr(message, "suppressed", None) == 30


def test_a_subscriber_that_does_not_read_never_blocks(
    engine: "EngineStandIn", publisher: Publisher, subscriber: zmq.Socket[bytes]
) -> None:
    for _ in range(20_000):
        engine.fill()
    reader = SharedReader(engine.path)
    publisher.publish_records(reader.slots_after(ORDERS, 0, 20_000)[0], 10 * SECOND)
    reader.close()
    received = receive_all(subscriber)
    assert 0 < len(received) < 40_000


def test_the_monitor_understands_it(
    engine: "EngineStandIn",
    publisher: Publisher,
    client: MonitorClient,
    status: RelayStatus,
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    engine.book()
    engine.position()
    engine.header["frames"] = 55

    times = count(10 * SECOND, SECOND // 10)

    def is_complete() -> bool:
        publisher.publish_due(next(times))
        client.poll(10)
        model = client.model  # each topic is subscribed by itself: they may come in any order
        return None not in (model.latency, model.heartbeat, model.counters) and bool(model.books)

    wait_until(is_complete)
    assert client.model.heartbeat is not None
    assert client.model.books["BTC-USD"].bids[0] == ("65123.45", "0.10000000")
    assert client.model.counters is not None
    assert client.model.counters.values["frames"] == 55
    assert client.model.missed == client.bad_messages == 0


@pytest.mark.parametrize(
    ("endpoint_text", "message"),
    [
        ("tcp://0.0.0.0:5555", "only this host may listen"),
        ("tcp://*:5555", "only this host may listen"),
        ("nonsense", "only this host may listen"),
        ("ipc:///nowhere/at/all", "No such file or directory"),
        (f"ipc:///tmp/{'x' * 120}", "longer than 107 characters"),
    ],
)
def test_a_bad_endpoint_is_explained(
    engine: "EngineStandIn", status: RelayStatus, endpoint_text: str, message: str
) -> None:
    reader = SharedReader(engine.path)
    with pytest.raises(ConfigError, match=message):
        Publisher(endpoint_text, reader, status, epoch=1)
    reader.close()


def test_a_free_port_is_told(engine: "EngineStandIn", status: RelayStatus) -> None:
    reader = SharedReader(engine.path)
    publisher = Publisher("tcp://127.0.0.1:0", reader, status, epoch=1)
    assert int(publisher.endpoint.removeprefix("tcp://127.0.0.1:")) > 0
    publisher.close()
    reader.close()
