import pytest
import zmq

from ext.errors import ConfigError
from monitor.client import EVENTS_KEPT, EngineModel, MonitorClient
from monitor.messages import Counters, FillEvent, Heartbeat, OrderEvent, StateEvent, TextEvent


def heartbeat(**changes: object) -> Heartbeat:
    fields: dict[str, object] = {
        "mode": "simulated",
        "state": "RUNNING",
        "reason": "started",
        "process_id": 4711,
        "process_lives": True,
        "heartbeat_age_ns": 0,
        "feed_state": "ACTIVE",
        "order_session_state": "ACTIVE",
        "write_sequence": 0,
        "read_sequence": 0,
        "lost_records": 0,
        "dropped_market_records": 0,
        "dropped_order_records": 0,
        "loop_max_cycle_ns": 0,
        "journal_error": "",
        "instruments": [],
        "strategies": [],
        "epoch": 1,
        "engine_start_ns": 1,
        "topic_seq": 1,
    }
    return Heartbeat(**{**fields, **changes})  # type: ignore[arg-type]


def fill(sequence: int, start_ns: int = 1) -> FillEvent:
    return FillEvent(
        epoch=1,
        engine_start_ns=start_ns,
        sequence=sequence,
        exchange_time_ns=0,
        order_number=1,
        instrument="BTC-USD",
        strategy="jerico_maker",
        side="BUY",
        price="1.00",
        quantity="1",
        leaves="0",
        position="1",
        fee=0.0,
        best_bid="",
        best_ask="",
    )


def order(sequence: int, event: str) -> OrderEvent:
    return OrderEvent(
        epoch=1,
        engine_start_ns=1,
        sequence=sequence,
        event=event,
        is_report=True,
        order_number=1,
        instrument="BTC-USD",
        strategy="jerico_maker",
        side="BUY",
        price="1.00",
        quantity="1",
        filled="0",
        leaves="0",
        state="",
    )


def test_what_is_known_grows_stale() -> None:
    model = EngineModel()
    assert not model.is_stale(10**12)
    model.apply("hb", heartbeat(heartbeat_age_ns=300), 1_000)
    assert model.age_ns(1_500) == 800
    assert not model.is_stale(1_000 + 999_999_700)
    assert model.is_stale(1_000 + 999_999_701)


def test_a_jump_of_the_sequence_is_counted_once_per_topic() -> None:
    model = EngineModel()
    for topic_seq in (5, 6, 9):  # joined at 5, then 7 and 8 are missing
        model.apply("cnt", Counters(epoch=1, topic_seq=topic_seq, values={}), 0)
    assert model.missed == 2
    model.apply("cnt", Counters(epoch=2, topic_seq=1, values={}), 0)
    assert model.missed == 2


def test_rates() -> None:
    model = EngineModel()
    for seconds, frames in ((1, 100), (3, 500)):
        message = Counters(epoch=1, t_relay_ns=seconds * 10**9, values={"frames": frames})
        model.apply("cnt", message, 0)
    assert model.rates == {"frames": 200.0}


def test_events_published_again_are_shown_once() -> None:
    model = EngineModel()
    for message in (order(1, "TRADE"), fill(1), order(2, "REJECTED"), fill(1), fill(3)):
        model.apply("x", message, 0)
    kinds = [(type(event), event.sequence) for event in model.events]
    assert kinds == [(FillEvent, 1), (OrderEvent, 2), (FillEvent, 3)]


def test_another_run_of_the_engine_begins_anew() -> None:
    model = EngineModel()
    model.apply("hb", heartbeat(), 0)
    model.apply("fill", fill(900), 0)
    model.apply("fill", fill(1, start_ns=2), 0)
    assert [event.sequence for event in model.events if isinstance(event, FillEvent)] == [900, 1]
    assert model.heartbeat is None


def test_a_change_of_state_is_an_event() -> None:
    model = EngineModel()
    for message in (
        heartbeat(),
        heartbeat(topic_seq=2),
        heartbeat(topic_seq=3, state="PAUSED", reason="daily loss"),
        heartbeat(topic_seq=4, state="PAUSED", process_lives=False),
    ):
        model.apply("hb", message, 0)
    changes = [(e.state, e.reason) for e in model.events if isinstance(e, StateEvent)]
    assert changes == [
        ("RUNNING", "started"),
        ("PAUSED", "daily loss"),
        ("GONE", "process 4711 ended without stopping"),
    ]


def test_events_are_bounded() -> None:
    model = EngineModel()
    for sequence in range(1, EVENTS_KEPT + 51):
        message = TextEvent(epoch=1, sequence=sequence, level=20, text=str(sequence))
        model.apply("txt", message, 0)
    assert len(model.events) == EVENTS_KEPT
    assert model.event_count == EVENTS_KEPT + 50


def test_garbage_on_the_wire_is_counted_and_passed_over() -> None:
    context = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    client = MonitorClient(f"tcp://127.0.0.1:{port}")
    publisher.recv()  # the subscription has arrived
    for frames in ([b"hb"], [b"hb", b"\xc1"], [b"\xff", b""], [b"hb", b"", b""], [b"new", b"?"]):
        publisher.send_multipart(frames)
    received = 0
    while received < 5:
        received += client.poll(1_000)
    assert client.bad_messages == 4
    assert client.model.heartbeat is None
    client.close()
    publisher.close(linger=0)
    context.term()


@pytest.mark.parametrize("endpoint", ["", "nonsense", "tcp://127.0.0.1", "foo://bar"])
def test_a_bad_endpoint_is_explained(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="cannot connect to"):
        MonitorClient(endpoint)
