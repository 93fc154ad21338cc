"""FIX reports, mutated: the compiled decoder against a plain one that shares nothing with it."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from ext.codecs.fix_report import FixReportDecoder
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import ExecutionType, OrderState, Side

READ, BAD_CODE = 0, 5
RUN_SEED = bytes.fromhex("0123456789abcdef")
INSTRUMENTS = [("BTC-USD", "0.01", "0.0001"), ("ES", "0.25", "5")]
OURS, VENUE = "US", "VENUE"
Fields = list[tuple[int, str]]
Build = Callable[..., bytes]

TEXT = (
    "49=VENUE|56=US|34=17|52=20260105-14:30:00.123|37=d0c5340b-6d6c-49d9-b567-48c4bfca13d2|"
    "11=01234567-89ab-4cde-8000-00000000000c|41=01234567-89ab-4cde-8000-00000000000b|"
    "17=8e5c6f1a-0000-4000-8000-1234567890ab|150=F|39=1|55=BTC-USD|54=1|38=1.5|44=60000.01|"
    "14=0.75|151=0.75|31=60000.00|32=0.25|6=60000.005|1057=N|60=20260105-14:30:00.123456|"
    "136=1|137=0.60|138=USD|139=4"
)
FILL: Fields = [(int(tag), value) for tag, value in (f.split("=") for f in TEXT.split("|"))]
EXECUTION_TEXT = (
    "0=NEW|3=DONE_FOR_DAY|4=CANCELED|5=REPLACED|6=PENDING_CANCEL|8=REJECTED|9=SUSPENDED|"
    "A=PENDING_NEW|C=EXPIRED|D=RESTATED|E=PENDING_REPLACE|F=TRADE|I=STATUS"
)
STATE_TEXT = (
    "0=NEW|1=PARTIALLY_FILLED|2=FILLED|3=EXPIRED|4=CANCELED|5=NEW|6=PENDING_CANCEL|8=REJECTED|"
    "9=SUSPENDED|A=PENDING_NEW|C=EXPIRED|E=PENDING_REPLACE"
)
EXECUTIONS = {f[0]: ExecutionType["EXEC_" + f[2:]] for f in EXECUTION_TEXT.split("|")}
STATES = {f[0]: OrderState[f[2:]] for f in STATE_TEXT.split("|")}


@pytest.fixture(scope="module")
def orders() -> OrderTable:
    return OrderTable(SharedMemory(None, [], []), InstrumentTable(), RUN_SEED)


@pytest.fixture(scope="module")
def decoder(orders: OrderTable) -> FixReportDecoder:
    table = InstrumentTable()
    for symbol, tick, lot in INSTRUMENTS:
        table.add(symbol, tick, lot)
    return FixReportDecoder(table, orders, OURS, VENUE)


QUANTITY_NAMES = {
    38: "order_quantity_lots",
    14: "cumulative_lots",
    151: "leaves_lots",
    32: "last_quantity_lots",
}
PRICE_NAMES = {44: "price_ticks", 31: "last_price_ticks"}
DATA_LENGTHS = {95, 90, 93, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 445, 618, 621}
TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")


def plain_fields(message: bytes) -> list[tuple[int, str]]:
    """Every field in order, data fields left out; ValueError when it is no list of fields."""
    fields: list[tuple[int, str]] = []
    text = message.decode("latin-1")
    while text:
        match = re.match(r"(\d{1,9})=([^\x01]*)\x01", text)
        if match is None:
            raise ValueError(text)
        fields.append((int(match[1]), match[2]))
        text = text[match.end() :]
        if int(match[1]) in DATA_LENGTHS:
            data = re.match(r"\d+=", text)
            if data is None:
                raise ValueError(text)
            end = data.end() + int(match[2])
            if text[end : end + 1] != "\x01":
                raise ValueError(text)
            text = text[end + 1 :]
    return fields


def plain_steps(text: str | None, step: str) -> int:
    if text is None:
        return -1
    steps = Decimal(text) / Decimal(step)
    if steps != int(steps) or steps < 0 or "_" in text or text != text.strip():
        raise ValueError(text)
    return int(steps)


def plain_time(text: str) -> int:
    match = TIME.fullmatch(text)
    if match is None:
        return 0
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        return 0
    try:
        start = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    except ValueError:
        return 0
    nanoseconds = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    nanoseconds += int((match[7] or "0").ljust(9, "0"))
    return nanoseconds if 0 < nanoseconds < 2**63 else 0


def plain_report(message: bytes, orders: OrderTable) -> dict[str, Any]:
    """What a report says; ValueError or ArithmeticError when it says nothing usable."""
    in_order = plain_fields(message)
    fields = dict(in_order)  # of a tag that comes twice the last one holds
    symbols = [symbol for symbol, _, _ in INSTRUMENTS]
    instrument = symbols.index(fields[55])
    _, tick, lot = INSTRUMENTS[instrument]
    sides = {"1": Side.BUY, "2": Side.SELL, "5": Side.SELL, "6": Side.SELL}
    report: dict[str, Any] = {
        "instrument": instrument,
        "execution_type": EXECUTIONS[fields[150]],
        "order_state": STATES.get(fields[39], OrderState.UNKNOWN) if 39 in fields else -1,
        "side": sides.get(fields.get(54, ""), 0),
        "request_number": orders.request_number(fields.get(11, "")),
        "original_number": orders.request_number(fields.get(41, "")),
        "exchange_time_ns": plain_time(fields.get(60, "")),
        "is_maker": fields.get(1057, "").startswith("N"),
        "venue_order_id": fields.get(37, "").split("\0")[0].encode("latin-1"),
    }
    for names, step in ((QUANTITY_NAMES, lot), (PRICE_NAMES, tick)):
        report |= {name: plain_steps(fields.get(tag), step) for tag, name in names.items()}
    report["fee_nano"] = 0
    for amount, is_rate in plain_fees(in_order):
        fee = (amount * 10**9).to_integral_value(ROUND_DOWN)
        if not is_rate:
            report["fee_nano"] += int(fee)
        elif fields[150] == "F":
            report["fee_nano"] += int(fee * Decimal(fields[31]) * Decimal(fields[32]))
    return report


def plain_fees(fields: list[tuple[int, str]]) -> list[tuple[Decimal, bool]]:
    """(amount, whether it is a rate) of each entry of the fee group; 137 begins an entry."""
    fees: list[tuple[Decimal, bool]] = []
    for tag, text in fields:
        if tag == 137:
            fees.append((Decimal(text), False))
        elif tag == 891 and fees:
            fees[-1] = (fees[-1][0], text.startswith("2"))
    return fees


PIECES = ("0", "1", "9", ".", "-", "e5", "=", "\x01", "\xff", "", "Y", "F", "0000", "\x0111=", "5")


def mutated(chance: random.Random, fields: Fields) -> Fields:
    """The fields with a few dropped, doubled, moved, or changed by a letter."""
    fields = list(fields)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(fields))
        tag, text = fields[at]
        kind = chance.randrange(6)
        if kind == 0:
            del fields[at]
        elif kind == 1:
            fields.insert(chance.randrange(len(fields) + 1), (tag, chance.choice(fields)[1]))
        elif kind == 2:
            fields.insert(chance.randrange(len(fields)), fields.pop(at))
        elif kind == 3:
            fields[at] = (chance.choice((*QUANTITY_NAMES, *PRICE_NAMES, 95, 137, 891)), text)
        else:
            place = chance.randrange(len(text) + 1)
            piece = chance.choice(PIECES)
            fields[at] = (tag, text[:place] + piece + text[place + chance.randrange(2) :])
    return fields


@pytest.mark.parametrize("seed", range(8))
def test_fuzz(decoder: FixReportDecoder, orders: OrderTable, fix_builder: Build, seed: int) -> None:
    # Invariant: nothing crashes, and a report that is taken holds the numbers of a plain decoder.
    chance = random.Random(seed)
    taken = 0
    for _ in range(1500):
        fields = mutated(chance, [*FILL, (891, chance.choice("02"))])
        message = fix_builder("8", fields)
        status, _, report = decoder.decode_message(message)
        if status != READ:
            continue
        taken += 1
        expected = plain_report(message, orders)
        fee = expected.pop("fee_nano")
        assert report["fee_nano"] == pytest.approx(fee, rel=1e-12, abs=1)
        assert {name: report[name] for name in expected} == expected, message
    assert taken > 300


@pytest.mark.parametrize("seed", range(4))
def test_fuzz_of_bytes(decoder: FixReportDecoder, fix_builder: Build, seed: int) -> None:
    # Invariant: no bytes crash the decoder, framed or not.
    chance = random.Random(seed)
    whole = fix_builder("8", FILL)
    for end in range(len(whole)):
        decoder.decode_message(whole[:end])
    for _ in range(3000):
        changed_bytes = bytearray(whole)
        for _ in range(chance.randrange(1, 30)):
            changed_bytes[chance.randrange(len(whole))] = chance.randrange(256)
        assert 0 <= decoder.decode_message(bytes(changed_bytes))[0] <= BAD_CODE
        assert 0 <= decoder.decode_message(chance.randbytes(chance.randrange(100)))[0] <= BAD_CODE
