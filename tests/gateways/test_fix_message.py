"""Reading and writing of tag=value, against simplefix, the dictionaries and hand-made bytes."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from ext.errors import UsageError
from gateways.fix_message import (
    DATA_FIELDS,
    FixMessage,
    RejectReason,
    encode_message,
    format_time,
    parse_fields,
    parse_integer,
    parse_time,
)

DICTIONARIES = sorted((Path(sys.prefix) / "share/quickfix").glob("FIX*.xml"))


def test_encoded_message_equals_simplefix() -> None:
    fields = [(35, b"D"), (34, b"12"), (49, b"US"), (56, b"VENUE"), (11, b"order-1"), (44, b"0.5")]
    peer = simplefix.FixMessage()
    peer.append_pair(8, "FIX.4.4")
    for tag, value in fields:
        peer.append_pair(tag, value)
    assert encode_message(b"FIX.4.4", fields) == peer.encode()


def test_parsed_message_keeps_order_and_first_value() -> None:
    message = FixMessage(
        b"8=FIX.4.4\x019=5\x0135=8\x0134=7\x0158=a=b\x01453=2\x01453=3\x0143=Y\x01"
    )
    assert [tag for tag, _ in message.fields] == [8, 9, 35, 34, 58, 453, 453, 43]
    assert message.get(453) == b"2"
    assert message.get(58) == b"a=b"
    assert (message.message_type, message.sequence) == (b"8", 7)
    assert message.is_set(43)
    assert message.fault is None
    assert message.get(1) is None
    assert (message.text(1), message.text(58), message.integer(58)) == ("", "a=b", None)


def test_data_field_may_hold_separators() -> None:
    raw = b"35=A\x0195=7\x0196=a\x01b=c\x01d\x0198=0\x01"
    assert parse_fields(raw) == ([(35, b"A"), (95, b"7"), (96, b"a\x01b=c\x01d"), (98, b"0")], None)


@pytest.mark.parametrize("length", [b"0", b"2", b"4", b"9999", b"-1", b"x", b"0003"])
def test_data_length_that_does_not_fit_is_a_fault(length: bytes) -> None:
    fields, fault = parse_fields(b"95=%b\x0196=abc\x0198=0\x01" % length)
    if length == b"0003":
        assert fault is None
        return
    assert fault is not None
    assert (fault.reason, fault.tag) == (RejectReason.BAD_FORMAT, 95)
    assert fields[-1] == (98, b"0")


@pytest.mark.parametrize(
    ("raw", "reason", "tag"),
    [
        (b"35=0\x0112\x01", RejectReason.SOH_IN_VALUE, 0),
        (b"35=0\x01\x01", RejectReason.SOH_IN_VALUE, 0),
        (b"35=0\x01=x\x01", RejectReason.INVALID_TAG, 0),
        (b"35=0\x010112=x\x01", RejectReason.INVALID_TAG, 0),
        (b"35=0\x01-1=x\x01", RejectReason.INVALID_TAG, 0),
        (b"35=0\x01+1=x\x01", RejectReason.INVALID_TAG, 0),
        (b"35=0\x011234567890=x\x01", RejectReason.INVALID_TAG, 0),
        (b"35=0\x01112=\x01", RejectReason.NO_VALUE, 112),
    ],
)
def test_bad_syntax_is_a_fault(raw: bytes, reason: RejectReason, tag: int) -> None:
    fields, fault = parse_fields(raw)
    assert fault is not None
    assert (fault.reason, fault.tag) == (reason, tag)
    assert fields[0] == (35, b"0")


@pytest.mark.skipif(not DICTIONARIES, reason="the quickfix package brings the dictionaries")
def test_data_fields_agree_with_the_dictionaries() -> None:
    wrong = []
    for path in DICTIONARIES:
        root = ElementTree.parse(path).getroot()
        numbers = {f.get("name"): int(f.get("number", "0")) for f in root.iterfind("fields/field")}
        data = {
            int(f.get("number", "0")): f.get("name", "")
            for f in root.iterfind("fields/field")
            if f.get("type") in ("DATA", "XMLDATA") and f.get("name") != "Signature"
        }
        for tag, name in data.items():
            length = numbers.get(name + "Len", numbers.get(name + "Length", 0))
            known = length in DATA_FIELDS and DATA_FIELDS[length] == tag
            if not known and length and tag < 1185:
                wrong.append((path.name, name, length, tag))
    assert not wrong
    assert DATA_FIELDS[93] == 89, "Signature: the odd pair, its length has the larger number"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"7", 7),
        (b"007", 7),
        (b"-3", -3),
        (b"9" * 18, 10**18 - 1),
        (b"9" * 19, None),
        (b"+7", None),
        (b"7.0", None),
        (b" 7", None),
        (b"7\n", None),
        (b"", None),
        (b"\xb2", None),
    ],
)
def test_integers(text: bytes, value: int | None) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"19700101-00:00:01", 1_000_000_000),
        (b"19700101-00:00:00.001", 1_000_000),
        (b"19700101-00:00:00.000001", 1_000),
        (b"19700101-00:00:00.000000001", 1),
        (b"19700101-00:00:00.000000001999", 1),
        (b"20161231-23:59:60", 1_483_228_800_000_000_000),
        (b"20240229-00:00:00", 1_709_164_800_000_000_000),
        (b"20230229-00:00:00", None),
        (b"20231301-00:00:00", None),
        (b"00000101-00:00:00", None),
        (b"20230101-24:00:00", None),
        (b"20230101-00:60:00", None),
        (b"20230101-00:00:61", None),
        (b"20230101-00:00:00.", None),
        (b"20230101-00:00:00.1234567890123", None),
        (b"2023-01-01T00:00:00", None),
        (b"20230101-00:00:00Z", None),
        (b"", None),
    ],
)
def test_times(text: bytes, value: int | None) -> None:
    assert parse_time(text) == value


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_times_agree_with_datetime(wall_ns: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall_ns // 1000)
    text = moment.strftime("%Y%m%d-%H:%M:%S.%f").encode()
    assert format_time(wall_ns, 6) == text
    assert format_time(wall_ns, 3) == text[:-3]
    assert format_time(wall_ns, 0) == text[:-7]
    assert parse_time(format_time(wall_ns, 9)) == wall_ns


@pytest.mark.parametrize(
    "field", [(58, b""), (58, b"a\x0110=000"), (0, b"x"), (-1, b"x"), (95, b"\x01")]
)
def test_what_would_break_the_message_is_refused(field: tuple[int, bytes]) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        encode_message(b"FIX.4.4", [(35, b"0"), field])


@given(st.lists(st.tuples(st.sampled_from([1, 11, 58, 20001]), st.binary(min_size=1)), max_size=9))
def test_what_is_written_is_read_back(fields: list[tuple[int, bytes]]) -> None:
    clean = [(35, b"D")] + [(tag, value.replace(b"\x01", b"|")) for tag, value in fields]
    message = FixMessage(encode_message(b"FIX.4.4", clean))
    assert message.fault is None
    assert message.fields[2:-1] == clean
