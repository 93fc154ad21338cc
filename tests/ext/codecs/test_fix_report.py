"""FIX reports: every code and field, and a fuzz against a plain decoder."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from ext.codecs.fix_report import FixReportDecoder
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import ExecutionType, OrderState, Side

READ, OTHER_TYPE, BAD_FIELD, BAD_NUMBER, MISSING_FIELD, BAD_CODE = range(6)
RUN_SEED = bytes.fromhex("0123456789abcdef")
INSTRUMENTS = [("BTC-USD", "0.01", "0.0001"), ("ES", "0.25", "5")]
OURS, VENUE = "US", "VENUE"
Fields = list[tuple[int, str]]
Build = Callable[..., bytes]
Decode = Callable[..., tuple[int, dict[str, Any], dict[str, Any]]]


@pytest.fixture(scope="module")
def orders() -> OrderTable:
    table = InstrumentTable()
    return OrderTable(SharedMemory(None, [], []), table, RUN_SEED)


@pytest.fixture(scope="module")
def decoder(orders: OrderTable) -> FixReportDecoder:
    table = InstrumentTable()
    for symbol, tick, lot in INSTRUMENTS:
        table.add(symbol, tick, lot)
    return FixReportDecoder(table, orders, OURS, VENUE)


FILL: Fields = [
    (49, VENUE),
    (56, OURS),
    (34, "17"),
    (52, "20260105-14:30:00.123"),
    (37, "d0c5340b-6d6c-49d9-b567-48c4bfca13d2"),
    (11, "01234567-89ab-4cde-8000-00000000000c"),
    (41, "01234567-89ab-4cde-8000-00000000000b"),
    (17, "8e5c6f1a-0000-4000-8000-1234567890ab"),
    (150, "F"),
    (39, "1"),
    (55, "BTC-USD"),
    (54, "1"),
    (38, "1.5"),
    (44, "60000.01"),
    (14, "0.75"),
    (151, "0.75"),
    (31, "60000.00"),
    (32, "0.25"),
    (6, "60000.005"),
    (1057, "N"),
    (60, "20260105-14:30:00.123456"),
    (136, "1"),
    (137, "0.60"),
    (138, "USD"),
    (139, "4"),
    (891, "0"),
]


def changed(fields: Fields, changes: dict[int, str | None]) -> Fields:
    """``fields`` with other values, without those set to None, and new ones at the end."""
    kept = [(tag, changes.get(tag, value)) for tag, value in fields]
    kept += [(tag, value) for tag, value in changes.items() if tag not in dict(fields)]
    return [(tag, value) for tag, value in kept if value is not None]


@pytest.fixture
def decode(decoder: FixReportDecoder, fix_builder: Build) -> Decode:
    """Decodes FILL with changes as ``t39="2"``; a message type as ``kind``."""

    def run(kind: str = "8", **changes: str | None) -> tuple[int, dict[str, Any], dict[str, Any]]:
        fields = changed(FILL, {int(name[1:]): value for name, value in changes.items()})
        return decoder.decode_message(fix_builder(kind, fields))

    return run


def test_a_fill_in_full(decode: Decode) -> None:
    status, header, report = decode()
    assert status == READ
    assert header == {
        "sequence": 17,
        "is_possible_duplicate": False,
        "is_from_venue": True,
        "message_type": ord("8"),
    }
    assert report.pop("execution_id_high") != 0
    assert report.pop("execution_id_low") != 0
    assert report == {
        "execution_type": ExecutionType.EXEC_TRADE,
        "order_state": OrderState.PARTIALLY_FILLED,
        "request_number": 12,
        "original_number": 11,
        "instrument": 0,
        "side": Side.BUY,
        "order_quantity_lots": 15_000,
        "price_ticks": 6_000_001,
        "cumulative_lots": 7_500,
        "leaves_lots": 7_500,
        "last_price_ticks": 6_000_000,
        "last_quantity_lots": 2_500,
        "is_maker": 1,
        "fee_nano": 600_000_000,
        "exchange_time_ns": 1_767_623_400_123_456_000,
        "reject_code": 0,
        "reference_sequence": 0,
        "trade_id": 0,
        "venue_order_id": b"d0c5340b-6d6c-49d9-b567-48c4bfca13d2",
    }


EXECUTIONS = {
    "0": ExecutionType.EXEC_NEW,
    "3": ExecutionType.EXEC_DONE_FOR_DAY,
    "4": ExecutionType.EXEC_CANCELED,
    "5": ExecutionType.EXEC_REPLACED,
    "6": ExecutionType.EXEC_PENDING_CANCEL,
    "8": ExecutionType.EXEC_REJECTED,
    "9": ExecutionType.EXEC_SUSPENDED,
    "A": ExecutionType.EXEC_PENDING_NEW,
    "C": ExecutionType.EXEC_EXPIRED,
    "D": ExecutionType.EXEC_RESTATED,
    "E": ExecutionType.EXEC_PENDING_REPLACE,
    "F": ExecutionType.EXEC_TRADE,
    "I": ExecutionType.EXEC_STATUS,
}
STATES = {
    "0": OrderState.NEW,
    "1": OrderState.PARTIALLY_FILLED,
    "2": OrderState.FILLED,
    "3": OrderState.EXPIRED,
    "4": OrderState.CANCELED,
    "5": OrderState.NEW,
    "6": OrderState.PENDING_CANCEL,
    "8": OrderState.REJECTED,
    "9": OrderState.SUSPENDED,
    "A": OrderState.PENDING_NEW,
    "C": OrderState.EXPIRED,
    "E": OrderState.PENDING_REPLACE,
}
CODES = "0123456789ABCDEFGHIJKLMNaf"


@pytest.mark.parametrize("code", [*CODES, "", "00", "F "])
def test_execution_types(decode: Decode, code: str) -> None:
    status, _, report = decode(t150=code)
    if code in EXECUTIONS:
        assert (status, report["execution_type"]) == (READ, EXECUTIONS[code])
    else:
        assert status == BAD_CODE


@pytest.mark.parametrize("code", [*CODES, "", "00"])
def test_order_states(decode: Decode, code: str) -> None:
    status, _, report = decode(t39=code)
    assert (status, report["order_state"]) == (READ, STATES.get(code, OrderState.UNKNOWN))


@pytest.mark.parametrize(
    ("code", "side"),
    [("1", Side.BUY), ("2", Side.SELL), ("5", Side.SELL), ("6", Side.SELL), ("7", 0), ("", 0)],
)
def test_sides(decode: Decode, code: str, side: int) -> None:
    assert decode(t54=code)[2]["side"] == side


@pytest.mark.parametrize("kind", ["0", "A", "3", "j", "D", "r", "88", "8 ", ""])
def test_other_messages_are_for_the_session(decode: Decode, kind: str) -> None:
    assert decode(kind)[0] == OTHER_TYPE


def test_cancel_reject(decoder: FixReportDecoder, fix_builder: Build) -> None:
    fields = [*FILL[:7], (39, "8"), (434, "1"), (102, "1")]
    status, header, report = decoder.decode_message(fix_builder("9", fields))
    assert status == READ
    assert header["message_type"] == ord("9")
    assert report["execution_type"] == ExecutionType.EXEC_CANCEL_REJECT
    assert (report["request_number"], report["original_number"]) == (12, 11)
    assert report["reject_code"] == 1
    assert (report["cumulative_lots"], report["leaves_lots"]) == (-1, -1)


def test_absent_numbers(decode: Decode) -> None:
    status, _, report = decode(
        t150="0", t38=None, t44=None, t14=None, t151=None, t31=None, t32=None, t137=None
    )
    assert status == READ
    names = ("order_quantity_lots", "price_ticks", "cumulative_lots", "leaves_lots")
    assert [report[name] for name in names] == [-1] * 4
    assert (report["last_price_ticks"], report["last_quantity_lots"]) == (-1, -1)
    assert report["fee_nano"] == 0


@pytest.mark.parametrize("tag", ["t31", "t32", "t17", "t55"])
def test_a_fill_needs_its_fields(decode: Decode, tag: str) -> None:
    assert decode(**{tag: None})[0] == MISSING_FIELD


@pytest.mark.parametrize("tag", ["t31", "t32"])
def test_a_fill_of_nothing_is_none(decode: Decode, tag: str) -> None:
    assert decode(**{tag: "0"})[0] == MISSING_FIELD


def test_a_report_needs_its_type(decode: Decode) -> None:
    assert decode(t150=None)[0] == BAD_CODE


@pytest.mark.parametrize("tag", [38, 44, 14, 151, 31, 32])
@pytest.mark.parametrize("text", ["0.00001", "1.2.3", "-1", "", "abc", "1e", " 1", "1 ", "9" * 30])
def test_numbers_that_cannot_be_used(decode: Decode, tag: int, text: str) -> None:
    assert decode(**{f"t{tag}": text})[0] == BAD_NUMBER


@pytest.mark.parametrize(
    ("price", "lots", "status"),
    [
        ("5000.25", "10", READ),
        ("5000.2500", "10.000", READ),
        ("5000.26", "10", BAD_NUMBER),
        ("5000.125", "10", BAD_NUMBER),
        ("5000.25", "11", BAD_NUMBER),
        ("5000.25", "10.5", BAD_NUMBER),
    ],
)
def test_odd_steps(decode: Decode, price: str, lots: str, status: int) -> None:
    quantities = dict.fromkeys(("t38", "t14", "t151", "t32"), lots)
    found, _, report = decode(t55="ES", t44=price, t31=price, **quantities)
    assert found == status
    if status == READ:
        assert (report["last_price_ticks"], report["last_quantity_lots"]) == (20_001, 2)


def test_the_instrument_may_stand_last(decoder: FixReportDecoder, fix_builder: Build) -> None:
    fields = [field for field in FILL if field[0] != 55]
    status, _, report = decoder.decode_message(fix_builder("8", [*fields, (55, "BTC-USD")]))
    assert (status, report["last_price_ticks"]) == (READ, 6_000_000)


@pytest.mark.parametrize("symbol", ["BTC-EUR", "BTC-US", "BTC-USDT", "", "btc-usd"])
def test_unknown_instruments(decode: Decode, symbol: str) -> None:
    assert decode(t55=symbol)[0] == MISSING_FIELD


@pytest.mark.parametrize(
    "text",
    ["", "1", "fedcba98-89ab-4cde-8000-00000000000c", "01234567-89ab-4cde-8000-00000000000C"],
)
def test_ids_of_others(decode: Decode, text: str) -> None:
    status, _, report = decode(t11=text, t41=text)
    assert (status, report["request_number"], report["original_number"]) == (READ, 0, 0)


def test_order_id_of_the_full_length(decode: Decode) -> None:
    assert decode(t37="v" * 39)[2]["venue_order_id"] == b"v" * 39
    assert decode(t37="v" * 40)[0] == BAD_FIELD


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("1", 10**9),
        ("-0.25", -250_000_000),
        ("0.000000001", 1),
        ("0.0000000019", 1),
        ("-0.0000000019", -1),
        ("0.123456789123456789123456789", 123_456_789),
        ("999999999.999999999", 999_999_999_999_999_999),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
    ],
)
def test_absolute_fees(decode: Decode, text: str, nano: int) -> None:
    for basis in ("0", None):
        status, _, report = decode(t137=text, t891=basis)
        assert (status, report["fee_nano"]) == (READ, nano)


@pytest.mark.parametrize("text", ["", "-", ".", "1.2.3", "--1", "+1", "1e-5", "1000000000", "a"])
def test_fees_that_cannot_be_used(decode: Decode, text: str) -> None:
    assert decode(t137=text)[0] == BAD_NUMBER


@pytest.mark.parametrize(("rate", "fee"), [("0.006", 90.0), ("-0.0001", -1.5), ("0", 0.0)])
def test_fee_rates_are_of_the_notional(decode: Decode, rate: str, fee: float) -> None:
    report = decode(t137=rate, t891="2")[2]
    assert report["fee_nano"] == pytest.approx(fee * 1e9, abs=1)


def test_several_fees_add_up(decode: Decode) -> None:
    """The group of fees repeats 137; a rate beside an absolute one counts of the notional."""
    rate_only = decode(t137="0.001", t891="2")[2]["fee_nano"]
    for last, basis in (("0.75", "0"), ("0.75", None)):
        first = {"t137": f"0.25\x01891=0\x01137=0.001\x01891=2\x01137={last}", "t891": basis}
        assert decode(**first)[2]["fee_nano"] == 10**9 + rate_only
    assert decode(t137="0.25\x01137=x")[0] == BAD_NUMBER
    assert decode(t137="x\x01137=0.25")[0] == BAD_NUMBER


def test_leading_zeros_are_fix(decode: Decode) -> None:
    """Type float of FIX: "00023.23" is 23.23."""
    plain, padded = decode(t31="50000.00")[2], decode(t31="00050000.00")[2]
    assert padded == plain


def test_a_fee_rate_beyond_all_reason(decode: Decode) -> None:
    huge = {"t137": "999999999", "t891": "2", "t31": "90000000000000.00", "t32": "900000000000"}
    assert decode(**huge)[0] == BAD_NUMBER


@pytest.mark.parametrize(("flag", "is_duplicate"), [("Y", True), ("N", False), (None, False)])
def test_possible_duplicates(decode: Decode, flag: str | None, is_duplicate: bool) -> None:
    assert decode(t43=flag)[1]["is_possible_duplicate"] == is_duplicate


@pytest.mark.parametrize("tag", ["t49", "t56"])
@pytest.mark.parametrize("text", ["", "V", "VENUEX", "u", "US ", None])
def test_other_comp_ids(decode: Decode, tag: str, text: str | None) -> None:
    assert not decode(**{tag: text})[1]["is_from_venue"]


@pytest.mark.parametrize("text", [None, "", "x", "12x", " ", "9" * 19, "-1"])
def test_sequences_that_are_none(decode: Decode, text: str | None) -> None:
    assert decode(t34=text)[1]["sequence"] == 0


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("20260105-14:30:00", 0),
        ("20260105-14:30:00.1", 100_000_000),
        ("20260105-14:30:00.123456789", 123_456_789),
        ("20260105-14:30:00.", None),
        ("20260105-14:30:00.1234567891", None),
        ("20260105 14:30:00", None),
        ("2026-01-05T14:30:00Z", None),
        ("20261305-14:30:00", None),
        ("", None),
    ],
)
def test_times(decode: Decode, text: str, nanoseconds: int | None) -> None:
    expected = 0 if nanoseconds is None else 1_767_623_400_000_000_000 + nanoseconds
    assert decode(t60=text)[2]["exchange_time_ns"] == expected


@pytest.mark.parametrize("length_tag", [95, 90, 93, 212, 348, 350, 352, 354, 356, 358, 360, 362])
def test_data_fields_hide_nothing_and_show_nothing(
    decoder: FixReportDecoder, fix_builder: Build, length_tag: int
) -> None:
    data = "\x0139=2\x0132=9\x018=FIX.4.4"
    hidden = [(length_tag, str(len(data))), (length_tag + 1, data)]
    for at in (0, 5, len(FILL)):
        fields = [*FILL[:at], *hidden, *FILL[at:]]
        status, _, report = decoder.decode_message(fix_builder("8", fields))
        assert (status, report["last_quantity_lots"]) == (READ, 2500)
        assert report["order_state"] == OrderState.PARTIALLY_FILLED


@pytest.mark.parametrize("length", ["", "x", "1", "22", "25", "100000", "9" * 18, "-1", "24x"])
def test_data_of_another_length(decode: Decode, length: str) -> None:
    assert decode(t95=length, t96="x" * 24)[0] == BAD_FIELD
    assert decode(t95="24", t96="x" * 24)[0] == READ


@pytest.mark.parametrize("text", ["58", "=x", "58x=1", "\x01", "1234567890=x", "-5=1", "0=1"])
def test_fields_that_are_none(decode: Decode, text: str) -> None:
    assert decode(t58=f"x\x01{text}")[0] == BAD_FIELD


def test_execution_ids_differ(decode: Decode) -> None:
    chance = random.Random(1)
    texts = {f"{chance.getrandbits(128):032x}" for _ in range(3000)}
    texts |= {str(number) for number in range(3000)}
    texts |= {"", "0", "00", "000"}
    found = set()
    for text in texts:
        report = decode(t17=text)[2]
        assert report["execution_id_high"] != 0
        found.add((report["execution_id_high"], report["execution_id_low"]))
    assert len(found) == len(texts)
    assert len({low for _, low in found}) == len(texts), "the table places them by these bits"
