"""Decimals, times and JSON values read in place, against ``decimal``, ``datetime`` and ``json``."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ext.cursor import decimal_to_steps, time_to_ns, value_size
from ext.errors import UsageError

JSON_NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
INT64_MAX = 2**63 - 1
MAX_NUMBER_BYTES = 64
MAX_EXPONENT_DIGITS = 4
EXACT = Context(prec=20_100)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count_units(text: str, decimals: int) -> Decimal | None:
    """The truth: units of 10**-decimals, None when the text is no JSON number without a sign."""
    match = JSON_NUMBER.fullmatch(text)
    if match is None or len(match[3] or "") > len("e-9999"):  # longer ones are never read
        return None
    return EXACT.multiply(Decimal(text), Decimal(10) ** decimals)


def check(text: str, decimals: int, step: int = 1) -> int | None:
    """Steps as read: exactly right, or refused for one of the documented reasons."""
    steps = decimal_to_steps(text, decimals, step)
    units = count_units(text, decimals)
    if steps is not None:
        assert units is not None, f"{text!r} is no number, and was read as {steps}"
        assert units == steps * step
        assert 0 <= steps <= INT64_MAX
    elif units is not None and units <= INT64_MAX and units == int(units) and units % step == 0:
        # What may be refused although it is a number of steps: many digits, long text.
        mantissa, _, exponent = text.lower().partition("e")
        digits = int(mantissa.replace(".", "").rstrip("0") or "0")
        assert (
            digits > INT64_MAX - 10
            or units > INT64_MAX - 10
            or len(text) > MAX_NUMBER_BYTES - 1
            or len(exponent.lstrip("+-")) > MAX_EXPONENT_DIGITS
        ), f"{text!r} is {units} units and was refused"
    return steps


INTEGERS = st.one_of(st.integers(0, 200).map(str), st.integers(0, 10**22).map(str))
FRACTIONS = st.one_of(
    st.just(""),
    st.text("0123456789", max_size=22).map(lambda digits: "." + digits),
    st.text("0", max_size=40).map(lambda digits: "." + digits),
)
EXPONENTS = st.one_of(
    st.just(""),
    st.tuples(st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 30)).map(
        lambda parts: f"{parts[0]}{parts[1]}{parts[2]}"
    ),
    st.text("eE+-0123456789", max_size=7),
)
PREFIXES = st.sampled_from(["", "", "", "0", "00", "-", "+", " ", "."])
NUMBERS = st.tuples(PREFIXES, INTEGERS, FRACTIONS, EXPONENTS).map("".join)


@given(NUMBERS, st.integers(0, 18))
@example("9223372036854775807", 0)
@example("9223372036854775808", 0)
@example("99999999999999999999999", 0)
@example("0.1234567890123456789", 18)
@example("1e0", 0)
@example("10e-1", 0)
@example("1E+2", 2)
@example("123456789012345678", 0)
@example("1234567890123456789", 0)
def test_numbers_are_read_exactly_or_not_at_all(text: str, decimals: int) -> None:
    check(text, decimals)


@given(st.integers(0, 10**12), st.integers(0, 12), st.integers(1, 400))
def test_steps_other_than_one(units: int, decimals: int, step: int) -> None:
    text = f"{Decimal(units).scaleb(-decimals, EXACT):f}"
    expected = units // step if units % step == 0 else None
    assert check(text, decimals, step) == expected


@given(st.text(max_size=24))
def test_any_text(text: str) -> None:
    check(text, 8)


@given(st.text("0123456789.eE+-", max_size=70), st.integers(0, 18))
def test_any_text_of_number_characters(text: str, decimals: int) -> None:
    check(text, decimals)


@pytest.mark.parametrize(
    ("text", "decimals", "steps"),
    [
        ("0", 2, 0),
        ("0.0", 2, 0),
        ("0.00000000", 2, 0),
        ("0e99", 2, 0),
        ("0e-99", 2, 0),
        ("64000.01", 2, 6_400_001),
        ("64000.010000000000", 2, 6_400_001),
        ("64000", 2, 6_400_000),
        ("64000.", 2, None),
        ("6.4e4", 2, 6_400_000),
        ("6.400001E+4", 2, 6_400_001),
        ("640000100e-4", 2, 6_400_001),
        ("64000.015", 2, None),
        ("1e-3", 2, None),
        ("0.00000001", 8, 1),
        ("0.000000001", 8, None),
        ("1e-8", 8, 1),
        ("999999999999999999", 0, 999_999_999_999_999_999),
        ("9223372036854775799", 0, 9_223_372_036_854_775_799),
        ("9223372036854775808", 0, None),
        ("9.3", 18, None),
        ("1", 18, 10**18),
        ("10", 18, None),
        ("1e18", 0, 10**18),
        ("1e19", 0, None),
        ("1e9999", 0, None),
        ("1e10000", 0, None),
        ("", 2, None),
        (".5", 2, None),
        ("-1", 2, None),
        ("-0", 2, None),
        ("+1", 2, None),
        ("01", 2, None),
        ("00", 2, None),
        ("00.5", 2, None),
        ("1.2.3", 2, None),
        ("1e", 2, None),
        ("1e+", 2, None),
        ("1.e5", 2, None),
        ("1 ", 2, None),
        (" 1", 2, None),
        ("0x10", 2, None),
        ("1_000", 2, None),
        ("NaN", 2, None),
        ("Infinity", 2, None),
        ("null", 2, None),
        ("٣", 2, None),
    ],
)
def test_known_numbers(text: str, decimals: int, steps: int | None) -> None:
    assert check(text, decimals) == steps


def test_longest_number() -> None:
    assert decimal_to_steps("1." + "0" * 61, 2, 1) == 100
    assert decimal_to_steps("1." + "0" * 63, 2, 1) is None


def test_contract_of_the_test_edge() -> None:
    with pytest.raises(UsageError, match="decimals was 19"):
        decimal_to_steps("1", 19, 1)
    with pytest.raises(UsageError, match="step 0"):
        decimal_to_steps("1", 2, 0)


def to_ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


SECONDS = st.integers(0, int(datetime(2261, 12, 31, tzinfo=UTC).timestamp()))


@given(SECONDS, st.integers(0, 9), st.integers(0, 999_999_999))
def test_times(seconds: int, digits: int, nanoseconds: int) -> None:
    moment = EPOCH + timedelta(seconds=seconds)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}"
    fraction = f"{nanoseconds:09}"[:digits]
    text += f".{fraction}Z" if digits else "Z"
    assert time_to_ns(text) == to_ns(moment) + int(fraction.ljust(9, "0"))


@given(
    st.integers(1, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.integers(0, 61),
)
@example(2100, 2, 29, 0, 0)
@example(2000, 2, 29, 0, 0)
@example(2021, 2, 29, 0, 0)
@example(2021, 4, 31, 0, 0)
@example(9999, 12, 31, 0, 0)
@example(1, 1, 1, 0, 0)
def test_impossible_times(year: int, month: int, day: int, hour: int, minute: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:07Z"
    try:
        expected = to_ns(datetime(year, month, day, hour, minute, 7, tzinfo=UTC))
    except ValueError:
        expected = -1
    if not 1970 <= year <= 2261:
        expected = -1
    assert time_to_ns(text) == expected


def test_leap_second_is_the_next_second() -> None:
    assert time_to_ns("2016-12-31T23:59:60Z") == time_to_ns("2017-01-01T00:00:00Z")
    assert time_to_ns("2016-12-31T23:59:61Z") == -1


@pytest.mark.parametrize("at", range(len("2021-04-17T16:43:37.077621Z")))
def test_times_with_a_wrong_character(at: int) -> None:
    text = "2021-04-17T16:43:37.077621Z"
    for wrong in "x:-/ \0":
        broken = text[:at] + wrong + text[at + 1 :]
        assert time_to_ns(broken) == -1 or broken == text
    assert time_to_ns(text[:at]) == -1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2021-04-17",
        "2021-04-17T16:43:37",
        "2021-04-17T16:43:37.Z",
        "2021-04-17T16:43:37.1234567890Z",
        "2021-04-17T16:43:37.9067.0Z",
        "2021-04-17T16:43:37. 12345Z",
        "2021-04-17T16:43:37+00:00",
        "2021-04-17t16:43:37Z",
        "2021-04-17T16:43:37z",
        "2021-04-17 16:43:37Z",
        "2021-04-17T16:43Z",
        "+021-04-17T16:43:37Z",
    ],
)
def test_times_in_other_forms(text: str) -> None:
    assert time_to_ns(text) == -1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
LAYOUTS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", "\r:  ")])


@given(JSON_VALUES, LAYOUTS, st.booleans(), st.sampled_from(["", " ", "\r\n\t "]))
def test_json_values_are_skipped_whole(
    value: Any, layout: tuple[str, str], ascii_only: bool, before: str
) -> None:
    text = (before + json.dumps(value, separators=layout, ensure_ascii=ascii_only)).encode()
    assert value_size(text) == len(text)
    for behind in (b",", b"}", b"]", b" ", b'"', b"\n{"):
        assert value_size(text + behind) == len(text)


CONTAINERS = st.text(max_size=8) | st.lists(JSON_VALUES) | st.dictionaries(st.text(), JSON_VALUES)


@given(CONTAINERS)
def test_truncated_values_never_end(value: Any) -> None:
    """Of strings, arrays and objects; a number cut short is a number."""
    text = json.dumps(value).encode()
    for size in range(len(text)):
        assert value_size(text[:size]) == -1


@given(st.binary(max_size=40))
def test_any_bytes_stay_within_their_size(text: bytes) -> None:
    assert -1 <= value_size(text) <= len(text)


@given(st.text('[]{}",:\\ 0a', max_size=12))
def test_whatever_is_json_is_skipped_whole(text: str) -> None:
    """The other way round does not hold: a value that nobody reads is not checked."""
    try:
        json.loads(text)
    except ValueError:
        return
    assert value_size(text.encode()) == len(text.rstrip(" \n\r\t"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"}",
        b"]",
        b",",
        b":",
        b"[}",
        b"{]",
        b"[[]",
        b'"',
        b'"\\',
        b'"\\"',
        b"[1}",
        b"\x00",
    ],
)
def test_texts_that_are_no_value(text: bytes) -> None:
    assert value_size(text) == -1


def test_escapes_hide_quotes() -> None:
    for text in (b'"\\""', b'"\\\\"', b'"a\\u0022b"', b'"\\\\\\""', b'["\\"]", "]"]'):
        assert value_size(text + b"]]]") == len(text)


def test_nesting_ends_at_its_bound() -> None:
    assert value_size(b"[" * 64 + b"]" * 64) == 128
    assert value_size(b"[" * 65 + b"]" * 65) == -1
    assert value_size(b'{"a":' * 64 + b"1" + b"}" * 64) == 64 * 6 + 1
    assert value_size(b'{"a":' * 65 + b"1" + b"}" * 65) == -1
