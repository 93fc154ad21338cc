import msgspec
import pytest

from monitor.messages import Book, Counters, TextEvent, decode, encode, topic_of


def test_a_message_survives_the_wire() -> None:
    book = Book(
        src="demo",
        instrument="BTC-USD",
        state="LIVE",
        stale_reason="",
        exchange_time_ns=1,
        receive_time_ns=2**62,
        update_count=3,
        total_bid_levels=4,
        total_ask_levels=5,
        bids=[("65123.45", "0.10000000")],
        asks=[],
    )
    assert topic_of(book) == "book.BTC-USD"
    assert decode("book.BTC-USD", encode(book)) == book


def test_the_wire_form_is_a_map_of_field_names() -> None:
    fields = msgspec.msgpack.decode(encode(TextEvent(sequence=7, level=20, text="hello")))
    assert fields == {
        "v": 1,
        "src": "",
        "epoch": 0,
        "engine_start_ns": 0,
        "topic_seq": 0,
        "t_engine_ns": 0,
        "t_relay_ns": 0,
        "sequence": 7,
        "level": 20,
        "text": "hello",
    }


def test_unknown_fields_topics_and_versions_are_passed_over() -> None:
    payload = {"values": {"frames": 1}, "new_field": [1, 2]}
    assert decode("cnt", msgspec.msgpack.encode(payload)) == Counters(values={"frames": 1})
    assert decode("nothing", b"") is None
    assert decode("cnt", msgspec.msgpack.encode({**payload, "v": 2})) is None


@pytest.mark.parametrize("payload", [b"", b"\xc1", msgspec.msgpack.encode({"values": "text"})])
def test_garbage_is_an_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode("cnt", payload)
