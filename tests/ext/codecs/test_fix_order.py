"""FIX order messages, byte by byte, and read back by decoders that know nothing of the encoder."""

import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from ext.codecs.fix_order import FixOrderEncoder
from ext.errors import ConfigError, UsageError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import IntentKind, Side, TimeInForce
from sim.fix_text import FixMessage, FixReader

RUN_SEED = bytes.fromhex("0123456789abcdef")
WALL_NS = 1_767_623_400_123_456_789  # 2026-01-05 14:30:00.123456789
INSTRUMENTS = [
    ("BTC-USD", "0.01", "0.00000001"),
    ("ES", "0.25", "1"),
    ("NKD", "5", "0.001"),
    ("A-SYMBOL-OF-23-LETTERS-", "0.000000000001", "1000"),
]
UUID_4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DEFAULTS: dict[str, Any] = {
    "kind": IntentKind.NEW_ORDER,
    "instrument": 0,
    "side": Side.BUY,
    "price_ticks": 6_000_001,
    "quantity_lots": 1_000_000,
    "request_number": 1,
    "sequence": 2,
    "wall_ns": WALL_NS,
}


@pytest.fixture(scope="module")
def table() -> InstrumentTable:
    table = InstrumentTable()
    for symbol, tick, lot in INSTRUMENTS:
        table.add(symbol, tick, lot)
    return table


@pytest.fixture(scope="module")
def orders(table: InstrumentTable) -> OrderTable:
    return OrderTable(SharedMemory(None, [], []), table, RUN_SEED)


@pytest.fixture(scope="module")
def encoder(table: InstrumentTable, orders: OrderTable) -> FixOrderEncoder:
    return FixOrderEncoder(table, orders, "FIXT.1.1", "US", "VENUE", "N")


def encode(encoder: FixOrderEncoder, **changes: Any) -> bytes:
    return encoder.encode_request(**{**DEFAULTS, **changes})


def read(message: bytes) -> dict[int, str]:
    """Fields by simplefix and by the simulated venue, after a plain check of length and sum."""
    head, behind = message.split(b"\x019=", 1)
    length, body = behind.split(b"\x01", 1)
    assert int(length) == body.index(b"\x0110=") + 1
    covered = message[: message.rindex(b"10=")]
    assert message[len(covered) :] == b"10=%03d\x01" % (sum(covered) % 256)
    assert head.startswith(b"8=FIX")
    parser = simplefix.FixParser()
    parser.append_buffer(message)
    parsed = parser.get_message()
    assert parsed is not None
    assert parser.get_buffer() == b""
    pairs = [(int(tag), value.decode()) for tag, value in parsed.pairs]
    (other,) = FixReader().feed(message)
    assert isinstance(other, FixMessage)
    assert list(other.fields) == pairs
    assert len(dict(pairs)) == len(pairs), "a tag stands twice"
    return dict(pairs)


def spelled(text: str) -> bytes:
    """``|`` for SOH; 9 and 10 are put where they belong."""
    body = text.replace("|", "\x01").encode()
    head = b"8=FIXT.1.1\x019=%d\x01" % len(body) + body
    return head + b"10=%03d\x01" % (sum(head) % 256)


def test_new_order(encoder: FixOrderEncoder) -> None:
    assert encode(encoder) == spelled(
        "35=D|49=US|56=VENUE|34=2|52=20260105-14:30:00.123|"
        "11=01234567-89ab-4cde-8000-000000000001|55=BTC-USD|54=1|60=20260105-14:30:00.123|"
        "38=0.01000000|40=2|44=60000.01|59=1|7928=N|"
    )


def test_cancel(encoder: FixOrderEncoder) -> None:
    message = encode(
        encoder,
        kind=IntentKind.CANCEL_ORDER,
        side=Side.SELL,
        request_number=0x1234567890ABCDE,
        original_number=15,
        venue_order_id="5d0f-1",
        sequence=1_000_000,
    )
    assert message == spelled(
        "35=F|49=US|56=VENUE|34=1000000|52=20260105-14:30:00.123|"
        "11=01234567-89ab-4cde-8123-4567890abcde|41=01234567-89ab-4cde-8000-00000000000f|"
        "37=5d0f-1|55=BTC-USD|54=2|60=20260105-14:30:00.123|38=0.01000000|"
    )


def test_replace(encoder: FixOrderEncoder) -> None:
    message = encode(
        encoder,
        kind=IntentKind.REPLACE_ORDER,
        request_number=3,
        original_number=2,
        instrument=1,
        price_ticks=20_001,
        quantity_lots=7,
    )
    assert message == spelled(
        "35=G|49=US|56=VENUE|34=2|52=20260105-14:30:00.123|"
        "11=01234567-89ab-4cde-8000-000000000003|41=01234567-89ab-4cde-8000-000000000002|"
        "55=ES|54=1|60=20260105-14:30:00.123|38=7|40=2|44=5000.25|59=1|"
    )


def test_an_order_id_of_the_full_length(encoder: FixOrderEncoder) -> None:
    venue_order_id = "v" * 39
    fields = read(encode(encoder, kind=IntentKind.CANCEL_ORDER, venue_order_id=venue_order_id))
    assert fields[37] == venue_order_id
    with pytest.raises(UsageError, match="40 bytes; use at most 39"):
        encode(encoder, venue_order_id="v" * 40)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (TimeInForce.GOOD_TILL_CANCEL, "1"),
        (TimeInForce.IMMEDIATE_OR_CANCEL, "3"),
        (TimeInForce.FILL_OR_KILL, "4"),
    ],
)
def test_time_in_force(encoder: FixOrderEncoder, rule: TimeInForce, text: str) -> None:
    fields = read(encode(encoder, time_in_force=rule))
    assert fields[59] == text
    assert 18 not in fields


def test_post_only(encoder: FixOrderEncoder) -> None:
    assert read(encode(encoder, post_only=True))[18] == "A"
    replaced = encode(encoder, kind=IntentKind.REPLACE_ORDER, post_only=True)
    assert read(replaced)[18] == "A", "what a replace leaves out is at the venue's mercy"


def test_self_trade_rule_of_new_orders_only(
    encoder: FixOrderEncoder, table: InstrumentTable, orders: OrderTable
) -> None:
    plain = FixOrderEncoder(table, orders, "FIX.4.4", "US", "VENUE")
    fields = read(encode(plain))
    assert 7928 not in fields
    assert fields[8] == "FIX.4.4"
    for kind in (IntentKind.CANCEL_ORDER, IntentKind.REPLACE_ORDER):
        assert 7928 not in read(encode(encoder, kind=kind))


def test_comp_ids_of_the_full_length(table: InstrumentTable, orders: OrderTable) -> None:
    sender, target = "S" * 64, "é" * 32
    encoder = FixOrderEncoder(table, orders, "FIXT.1.1", sender, "T" * 64)
    fields = read(
        encode(
            encoder,
            kind=IntentKind.REPLACE_ORDER,
            instrument=3,
            price_ticks=2**62,
            quantity_lots=2**50,
            sequence=2**62,
            venue_order_id="v" * 39,
            post_only=True,
        )
    )
    assert (fields[49], fields[56], fields[34]) == (sender, "T" * 64, str(2**62))
    FixOrderEncoder(table, orders, "FIXT.1.1", sender, target)


@pytest.mark.parametrize("bad", ["", "S" * 65, "é" * 33, "a\x01b", "a=b"])
def test_comp_ids_that_cannot_stand_in_a_header(
    table: InstrumentTable, orders: OrderTable, bad: str
) -> None:
    with pytest.raises(ConfigError, match="sender_comp_id was"):
        FixOrderEncoder(table, orders, "FIXT.1.1", bad, "VENUE")
    with pytest.raises(ConfigError, match="target_comp_id was"):
        FixOrderEncoder(table, orders, "FIXT.1.1", "US", bad)


@pytest.mark.parametrize("bad", ["", "FIX", "FIXT.1.1\x019=5", "FIX." + "4" * 40])
def test_begin_strings_that_cannot_be(table: InstrumentTable, orders: OrderTable, bad: str) -> None:
    with pytest.raises(ConfigError, match="begin_string was"):
        FixOrderEncoder(table, orders, bad, "US", "VENUE")


def test_a_bar_in_a_comp_id_is_a_letter(table: InstrumentTable, orders: OrderTable) -> None:
    assert read(encode(FixOrderEncoder(table, orders, "FIXT.1.1", "a|b", "c")))[49] == "a|b"


def test_times_against_datetime(encoder: FixOrderEncoder) -> None:
    chance = random.Random(5)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    edges = [
        datetime(*day, tzinfo=UTC)
        for year in (1972, 2000, 2024, 2026, 2027, 2096, 2100)
        for day in ((year, 1, 1), (year, 2, 28), (year, 3, 1), (year, 12, 31))
    ]
    edges.append(datetime(2024, 2, 29, tzinfo=UTC))
    moments = [
        edge + timedelta(milliseconds=shift)
        for edge in edges
        for shift in (-1, 0, 1, 999, 1000, 86_399_999, 86_400_000)
    ]
    moments += [epoch + timedelta(milliseconds=chance.randrange(2**42)) for _ in range(500)]
    chance.shuffle(moments)
    for moment in moments:
        milliseconds = (moment - epoch) // timedelta(milliseconds=1)
        wall_ns = milliseconds * 1_000_000 + chance.randrange(1_000_000)
        expected = moment.strftime("%Y%m%d-%H:%M:%S.") + f"{milliseconds % 1000:03d}"
        fields = read(encode(encoder, wall_ns=wall_ns))
        assert (fields[52], fields[60]) == (expected, expected)


@pytest.mark.parametrize("instrument", range(len(INSTRUMENTS)))
def test_decimals(encoder: FixOrderEncoder, instrument: int) -> None:
    chance = random.Random(instrument)
    _, tick, lot = INSTRUMENTS[instrument]
    counts = [1, 2, 3, 4, 5, 7, 99, 100, 101, 10**8, 10**8 + 1, 10**12, 10**15 - 1]
    counts += [chance.randrange(1, 10 ** chance.randint(1, 15)) for _ in range(300)]
    for count in counts:
        fields = read(
            encode(encoder, instrument=instrument, price_ticks=count, quantity_lots=count)
        )
        assert Decimal(fields[44]) == count * Decimal(tick)
        assert Decimal(fields[38]) == count * Decimal(lot)
        for text, step in ((fields[44], tick), (fields[38], lot)):
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", text)
            assert len(text.partition(".")[2]) == len(step.partition(".")[2])


@given(number=st.integers(1, 2**60 - 1), seed=st.binary(min_size=8, max_size=8))
def test_client_order_ids(number: int, seed: bytes) -> None:
    orders = OrderTable(_memory, _no_instruments, seed)
    text = orders.client_order_id(number)
    assert UUID_4.fullmatch(text)
    assert uuid.UUID(text).version == 4
    assert uuid.UUID(text).variant == uuid.RFC_4122
    assert str(uuid.UUID(text)) == text
    assert orders.request_number(text) == number


_memory = SharedMemory(None, [], [])
_no_instruments = InstrumentTable()


def test_the_id_of_the_message_is_that_of_the_table(
    encoder: FixOrderEncoder, orders: OrderTable
) -> None:
    fields = read(
        encode(encoder, kind=IntentKind.REPLACE_ORDER, request_number=2**60 - 1, original_number=9)
    )
    assert orders.request_number(fields[11]) == 2**60 - 1
    assert orders.request_number(fields[41]) == 9


def test_nothing_of_the_last_message_is_left(encoder: FixOrderEncoder) -> None:
    first = encode(encoder)
    encode(
        encoder,
        kind=IntentKind.REPLACE_ORDER,
        instrument=3,
        price_ticks=10**15,
        quantity_lots=10**12,
        venue_order_id="v" * 39,
        sequence=10**9,
        wall_ns=WALL_NS + 86_400_000_000_000,
    )
    assert encode(encoder) == first
